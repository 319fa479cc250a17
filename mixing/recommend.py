"""The best mix under one's own weights, budget and limits.

Everything is asked of a `Bank` of fitted laws and their bootstraps, so that another question takes
a fraction of a second and trains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from catalogs.errors import UserError
from mixing.ask import Ask, with_inside
from mixing.bank import Bank
from mixing.bootstrap import LEVEL, interval
from mixing.calibration import bent_optimum
from mixing.collapse import CollapsedBank
from mixing.laws import Law
from mixing.program import Solved, programs, solve_programs
from mixing.shares import divergence, exact, natural

_GUARD_ROOM = 1e-5  # of loss: the natural mix itself lies inside a guard of 0
_SHIFTS = (0.25, 0.5, 0.75, 1.0)  # of the weight moved to one family, for the Pareto front


@dataclass(frozen=True)
class Price:
    """What easing one limit buys.

    Attributes
    ----------
    limit
        epochs, cap, support, floor, group, kl, guard or tokens (of a domain that repeats).
    name
        Of the domain, group or family.
    unit
        By how much it is eased: tokens, or a unit of share, nats or loss.
    gain
        Fall of the objective for one unit, to first order.
    """

    limit: str
    name: str
    unit: float
    gain: float


@dataclass(frozen=True)
class Recommendation:
    """The best mix and what qualifies it.

    Attributes
    ----------
    mixes
        recommended, natural, uniform, unimax -> shares.
    low, high
        Ends of the 90 % bootstrap interval of the recommended shares, (m,).
    tie_low, tie_high
        Extreme shares among mixes predicted within `slack` of the best, (m,).
    loss
        Predicted losses of each mix by task, (tasks,) each.
    gain
        baseline -> fall of the objective from it, low, high.
    breaks
        mix -> limits that it breaks, in words; mixes that keep to all are left out.
    binding, prices
        What holds each share at a bound, (m,); what easing limits buys, dearest first.
    gap
        Duality gap, in units of the objective.
    pareto
        The best mixes when weight moves to one family: (family, moved, shares, family losses).
    slope
        d loss / d share at the best mix, (tasks, m).
    beyond
        How far the best mix moves when the question changes a little: ``change``, ``moved`` (share
        of tokens that change domain; None where the limits clash) and ``shares``.
    """

    mixes: dict[str, np.ndarray]
    low: np.ndarray
    high: np.ndarray
    tie_low: np.ndarray
    tie_high: np.ndarray
    slack: float
    loss: dict[str, np.ndarray]
    gain: dict[str, tuple[float, float, float]]
    breaks: dict[str, list[str]]
    binding: list[str]
    prices: list[Price]
    gap: float
    pareto: list[tuple[str, float, np.ndarray, np.ndarray]]
    slope: np.ndarray
    beyond: list[dict[str, Any]]


def recommend(
    bank: Bank,
    ask: Ask,
    slack: float,
    others: dict[str, np.ndarray] | None = None,
    whole: bool = True,
    stretch: float = 1.0,
    bent: Law | None = None,
) -> Recommendation:
    """Find the best mix.

    Parameters
    ----------
    bank
        Version 0 is the fitted laws, the others are bootstraps.
    slack
        Of the objective, within which mixes tie.
    others
        Further mixes to compare with, by name.
    whole
        Whether the Pareto front and neighbouring questions are answered, too.
    stretch
        Of both sides of the interval of every share, within the limits; see `mixing.calibration`.
    bent
        A law that need not be convex: intervals reach out as far as its optimum lies from the best
        mix.

    Raises
    ------
    UserError
        When the limits cannot be met together; the message names those that clash.
    """
    setting = Setting(bank, ask)
    solved = setting.solve(ask.weights)
    p = solved.shares[0]
    best = exact(p)
    mixes = {"recommended": best, **ask.baselines(), **(others or {})}
    names = list(mixes)
    points = np.array([mixes[name] for name in names])
    loss = dict(zip(names, setting.losses(points), strict=True))
    optima = setting.solve(ask.weights, which=np.arange(1, len(bank)), start=p).shares
    low, high = interval(optima, LEVEL) if len(bank) > 1 else (p, p)
    reach = np.zeros_like(p) if bent is None else setting.reach(bent, p)
    low, high = setting.widened(p, np.minimum(low, p), np.maximum(high, p), stretch, reach)
    tie_low, tie_high = setting.ties(p, slack)
    values = bank.evaluate(p[None], np.zeros(1, int), ask.reuse())
    return Recommendation(
        mixes=mixes,
        low=np.minimum(low, best),
        high=np.maximum(high, best),
        tie_low=np.minimum(tie_low, best),
        tie_high=np.maximum(tie_high, best),
        slack=slack,
        loss=loss,
        gain={name: setting.gain(mixes[name], best) for name in names[1:]},
        breaks={name: broken for name in names if (broken := setting.limits.broken(mixes[name]))},
        binding=setting.binding(p),
        prices=setting.prices(solved, values.slope[0]),
        gap=float(solved.gap[0]),
        pareto=setting.pareto(p) if whole else [],
        slope=values.slope[0],
        beyond=_beyond(bank, ask, p) if whole else [],
    )


class Setting:
    """One question, made ready for batches of programs."""

    def __init__(self, bank: Bank, ask: Ask):
        self.bank, self.ask, self.reuse = bank, ask, ask.reuse()
        feasible = ask.feasible()
        feasible.check()
        self.limits, self.frozen = feasible, ask.frozen
        # what is solved for: the whole mix, or a smaller one with a virtual domain
        inner = feasible if self.frozen is None else self.frozen.limits(feasible)
        self.inner = bank if self.frozen is None else CollapsedBank(bank, self.frozen)
        self.feasible, self.middle = with_inside(inner, inner.check())
        self.natural = natural(ask.available)
        self.guards = self._guards()
        if len(self.guards[1]):
            self.middle = self._inside_guards()

    def losses(self, P: np.ndarray, version: int = 0) -> np.ndarray:
        which = np.full(len(P), version)
        return self.bank.evaluate(P, which, self.reuse, derivatives=False).y

    def solve(self, weights, which=None, start=None, guarded=True) -> Solved:
        """Programs with these weights, for these versions of the laws."""
        count = max(np.atleast_2d(weights).shape[0], 1 if which is None else len(which))
        rows, bounds = self.guards if guarded else (self.guards[0][:0], self.guards[1][:0])
        batch = programs(
            self.inner, self.feasible, weights, which,
            bound_weights=np.broadcast_to(rows, (count, *rows.shape)),
            bounds=np.broadcast_to(bounds, (count, len(bounds))),
            reuse=self.reuse,
        )  # fmt: skip
        near = start is not None and not len(bounds)
        begin = 0.9 * self._inside(start) + 0.1 * self.middle if near else self.middle
        return self._whole(solve_programs(batch, begin))

    def _inside(self, p: np.ndarray) -> np.ndarray:
        return p if self.frozen is None else self.frozen.collapse(p)

    def _outside(self, p: np.ndarray) -> np.ndarray:
        return p if self.frozen is None else self.frozen.expand(p)

    def _whole(self, solved: Solved) -> Solved:
        """The solution in whole mixes."""
        if self.frozen is None:
            return solved
        lower, upper = self.frozen.spread_prices(self.limits, solved.lower, solved.upper)
        return replace(solved, shares=self._outside(solved.shares), lower=lower, upper=upper)

    def ties(self, best: np.ndarray, slack: float) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest share of each domain within `slack` of the best."""
        if not slack > 0:
            return best, best
        m, w = len(best), self.ask.weights
        value, middle = self.losses(np.array([best, self._outside(self.middle)])) @ w
        part = min(0.5, 0.5 * slack / max(middle - value, 1e-12))
        rows = np.concatenate([w[None], self.guards[0]])
        bounds = np.append(value + slack, self.guards[1])
        ends = np.concatenate([np.eye(m), -np.eye(m)])
        batch = programs(
            self.inner, self.feasible, np.zeros((1, len(w))), np.zeros(2 * m, int),
            ends if self.frozen is None else ends @ self.frozen.matrix.T,
            np.broadcast_to(rows, (2 * m, *rows.shape)),
            np.broadcast_to(bounds, (2 * m, len(bounds))),
            self.reuse,
        )  # fmt: skip
        begin = (1 - part) * self._inside(best) + part * self.middle
        found = self._outside(solve_programs(batch, begin).shares)
        return np.diag(found[:m]), np.diag(found[m:])

    def reach(self, bent: Law, best: np.ndarray) -> np.ndarray:
        """How far from the best mix the optimum of a law lies that need not be convex, (m,)."""
        law = bent if self.frozen is None else self.frozen.of_law(bent)
        found = bent_optimum(law, self.ask.weights, self.feasible, self._inside(best))
        return self._outside(found) - best

    def widened(self, best, low, high, factor: float, reach) -> tuple[np.ndarray, np.ndarray]:
        """An interval with its sides stretched and reaching out, within the limits of a share."""
        least = best - factor * (best - low) + np.minimum(reach, 0.0)
        most = best + factor * (high - best) + np.maximum(reach, 0.0)
        least = np.maximum(least, self.limits.lower)
        most = np.minimum(most, np.minimum(self.limits.upper, 1.0))
        return np.minimum(least, low), np.maximum(most, high)

    def gain(self, baseline: np.ndarray, best: np.ndarray) -> tuple[float, float, float]:
        count = len(self.bank)
        P = np.concatenate([np.tile(baseline, (count, 1)), np.tile(best, (count, 1))])
        which = np.tile(np.arange(count), 2)
        y = self.bank.evaluate(P, which, self.reuse, derivatives=False).y @ self.ask.weights
        falls = y[:count] - y[count:]
        low, high = interval(falls[1:], LEVEL) if count > 1 else (falls[0], falls[0])
        return float(falls[0]), float(min(low, falls[0])), float(max(high, falls[0]))

    def binding(self, p: np.ndarray) -> list[str]:
        near = 2e-4
        held = []
        for j, cause in enumerate(self.limits.causes):
            top = p[j] >= self.limits.upper[j] - near * max(self.limits.upper[j], 0.01)
            floor = self.limits.lower[j]
            bottom = floor > 0 and p[j] <= floor + near * max(floor, 0.01)
            held.append(cause if top and cause else "floor" if bottom else "")
        return held

    def prices(self, solved: Solved, slope: np.ndarray) -> list[Price]:
        ask, held = self.ask, self.binding(solved.shares[0])
        p, names = solved.shares[0], ask.domains
        found = []
        for j, cause in enumerate(held):
            lift = float(solved.lower[0, j] if cause == "floor" else solved.upper[0, j])
            if cause in ("cap", "support", "floor"):
                found.append(Price(cause, names[j], 0.01, 0.01 * lift))
        for j, name in enumerate(names):
            # per token: the limit on epochs moves, and the text that is there repeats less
            worth = float(solved.upper[0, j]) * (ask.max_epochs or 0) * (held[j] == "epochs")
            if self.reuse is not None:
                n, R = max(float(self.reuse.once[j]), 1e-12), self.reuse.repeats
                more = max(p[j] / n - 1, 0.0)
                fade = np.exp(-more / R)
                if more > 0:
                    value = -float(ask.weights @ slope[:, j]) / fade
                    worth += value * (1 + R * (1 - fade) - p[j] / n * fade)
            if worth > 0:
                unit = 10.0 ** np.floor(np.log10(max(ask.available[j] / 2, 1.0)))
                gain = float(worth * unit / ask.budget)
                found.append(Price("tokens", name, float(unit), gain))
        rows = [
            (group.name, sign)
            for group in ask.groups
            for sign, binds in (("most", group.at_most < 1), ("least", group.at_least > 0))
            if binds
        ]
        for (name, _), price in zip(rows, solved.groups[0], strict=True):
            found.append(Price("group", name, 0.01, 0.01 * float(price)))
        if ask.kl is not None:
            found.append(Price("kl", "natural mix", 0.01, 0.01 * float(solved.distance[0, 0])))
        for name, price in zip(self.guarded, solved.bounds[0], strict=True):
            found.append(Price("guard", name, 0.001, 0.001 * float(price)))
        return sorted((one for one in found if one.gain > 1e-7), key=lambda one: -one.gain)

    def pareto(self, best: np.ndarray) -> list[tuple[str, float, np.ndarray, np.ndarray]]:
        """The best mix as weight moves from the question's weights to one family."""
        families = list(dict.fromkeys(self.ask.families))
        if len(families) < 2:
            return []
        rows = self.family_rows(families)
        moved = [(f, a) for f in range(len(families)) for a in _SHIFTS]
        weights = np.array([(1 - a) * self.ask.weights + a * rows[f] for f, a in moved])
        shares = self.solve(weights, start=best).shares
        losses = self.losses(shares) @ rows.T
        return [
            (families[f], a, exact(p), y)
            for (f, a), p, y in zip(moved, shares, losses, strict=True)
        ]

    def family_rows(self, families: list[str]) -> np.ndarray:
        """Weights of the tasks within each family, (families, tasks)."""
        rows = np.array([[one == name for one in self.ask.families] for name in families], float)
        weighted = rows * np.maximum(self.ask.weights, 1e-12)
        return weighted / weighted.sum(1, keepdims=True)

    @property
    def guarded(self) -> list[str]:
        families = list(dict.fromkeys(self.ask.families))
        return families if self.ask.guard is not None else []

    def _guards(self) -> tuple[np.ndarray, np.ndarray]:
        if self.ask.guard is None:
            return np.zeros((0, len(self.ask.weights))), np.zeros(0)
        rows = self.family_rows(self.guarded)
        return rows, rows @ self.losses(self.natural[None])[0] + self.ask.guard + _GUARD_ROOM

    def _inside_guards(self) -> np.ndarray:
        """A mix strictly inside the guards.

        Near the natural mix, where that is allowed; else weight goes to the families that break
        their guard until none does.
        """
        rows, bounds = self.guards
        for part in np.geomspace(0.5, 1e-7, 24):
            z = part * self.middle + (1 - part) * self._inside(self.natural)
            p = self._outside(z)
            room = (z > self.feasible.lower).all() and (z < self.feasible.upper).all()
            rest = (self.feasible.rows @ z < self.feasible.row_limits).all()
            near = self.feasible.kl is None or divergence(p, self.natural) < self.feasible.kl
            if room and rest and near and (rows @ self.losses(p[None])[0] < bounds).all():
                return z
        weights = np.full(len(rows), 1 / len(rows))
        for _ in range(60):
            z = self._inside(self.solve(weights @ rows, guarded=False).shares[0])
            z = 0.999 * z + 0.001 * self.middle
            over = rows @ self.losses(self._outside(z)[None])[0] - bounds
            if (over < 0).all():
                return z
            weights = weights * np.exp(np.clip(over / np.abs(over).max(), -1, 1))
            weights /= weights.sum()
        name = self.guarded[int(over.argmax())]
        raise UserError(
            f"constraints: guard {self.ask.guard:g} cannot be met: '{name}' stays "
            f"{over.max() + self.ask.guard:.4g} above its loss under the natural mix; raise guard "
            "or ease the other limits"
        )


def _beyond(bank: Bank, ask: Ask, best: np.ndarray) -> list[dict[str, Any]]:
    """How far the answer moves when the question changes a little."""
    found = []

    def add(change: str, other: Ask) -> None:
        try:
            setting = Setting(bank, other)
            p = setting.solve(other.weights).shares[0]
        except UserError:
            found.append({"change": change, "moved": None, "shares": None})
            return
        moved = float(np.abs(p - best).sum() / 2)
        found.append({"change": change, "moved": moved, "shares": exact(p).tolist()})

    add("half the tokens", replace(ask, budget=ask.budget / 2))
    add("twice the tokens", replace(ask, budget=ask.budget * 2))
    if ask.max_epochs is not None:
        add("no limit on epochs", replace(ask, max_epochs=None))
    if ask.support is not None:
        add("trusting the laws beyond what was sampled", replace(ask, support=None))
    families = list(dict.fromkeys(ask.families))
    if 2 < len(families) <= 40:
        for name in families:
            keep = np.array([one != name for one in ask.families]) * ask.weights
            if keep.sum() > 0 and keep.sum() < 1:
                add(f"leaving out {name}", replace(ask, weights=keep / keep.sum()))
    return found
