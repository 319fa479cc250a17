"""Whether the intervals of shares hold the optimum as often as they say, and if not, how far short.

Swarms are planted: their losses come from laws that were fitted to the real one, with the noise
that was fitted with them, so that their optimum is known. What is done to the real swarm is done to
each of them. The intervals are then stretched until they hold the known optima (calibration of
bootstrap intervals by a further level; Hall, 1986; Loh, 1987).

Stretching mends noise. What a convex law cannot bend to is bias, and no bootstrap of that law shows
it: an interval reaches out on the side where a law that bends has its optimum, and as far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixing.ask import SUPPORT, with_inside
from mixing.bank import Bank
from mixing.bootstrap import LEVEL, interval, wild
from mixing.feasible import Feasible, make_feasible
from mixing.laws import Law
from mixing.program import programs, solve_programs
from mixing.residual import PowerLawResidual
from mixing.solve import Objective, solve_many
from mixing.surface import Surface

_WORLDS = 4  # planted swarms of each kind, at least
_SHARES = 60  # of domains in them, at least
_DRAWS = 24  # bootstraps of each
_NEAR = 1e-3  # shares that differ by less are the same
_MOST = 4.0  # by which an interval is stretched
_STEP = 1e-3  # of numerical slopes, beside a tenth of that


@dataclass(frozen=True)
class Coverage:
    """How often the intervals of shares hold the optimum of planted swarms.

    Attributes
    ----------
    worlds, shares
        Planted swarms, and shares of domains in them, over which is counted.
    before, after
        Part of the shares whose interval holds the true one: as the bootstrap has it, and with
        what is added here.
    factor
        By which the sides of every interval are stretched, at least 1.
    """

    worlds: int = 0
    shares: int = 0
    before: float = float("nan")
    after: float = float("nan")
    factor: float = 1.0


def calibrate(
    surface: Surface,
    bent: Law,
    weights: np.ndarray,
    folds: Sequence[np.ndarray],
    seed: int = 0,
    worlds: int | None = None,
    draws: int = _DRAWS,
) -> Coverage:
    """Plant swarms, find intervals in each as in the real one, and count.

    Half of the swarms come from the convex laws themselves: a perfect world. Half come from the
    power laws with a Gaussian process on what they leave, which bend in ways that the convex laws
    cannot: what the intervals must make up for there is bias.

    Parameters
    ----------
    surface
        The convex laws of the swarm.
    bent
        `PowerLawResidual` of the swarm.
    weights
        Of the tasks in the objective, (tasks,).
    folds
        Test sets of the cross-validation.
    worlds, draws
        Swarms of each kind, and bootstraps of each.
    """
    P, Y = surface.P, surface.Y
    worlds = worlds or max(_WORLDS, -(-_SHARES // P.shape[1]))
    rng = np.random.default_rng([seed, worlds, draws])
    support = np.minimum(1.0, SUPPORT * P.max(0))
    names = [str(j) for j in range(P.shape[1])]
    feasible = make_feasible(names, np.ones(len(names)), 1.0, None, support=support)
    feasible, middle = with_inside(feasible, feasible.check())
    setting = _Setting(surface, weights, folds, feasible, middle)
    best = setting.optima([surface.law], middle)[0]
    before, short = [], []
    for law, truth in ((surface.law, best), (bent, bent_optimum(bent, weights, feasible, best))):
        planted = _plant(law.predict(P), _noise(law, P, Y), Y - surface.unseen, worlds, rng)
        ends = setting.intervals(planted, best, draws, rng)
        before.append(_shortfall(truth, *ends, np.zeros(len(best))))
        short.append(_shortfall(truth, *ends, truth - best))
    found = np.concatenate(short)
    factor = float(np.clip(max(np.quantile(one, LEVEL) for one in short), 1.0, _MOST))
    return Coverage(
        len(short) * worlds, found.size, float((np.concatenate(before) <= 1).mean()),
        float((found <= factor + 1e-9).mean()), factor,
    )  # fmt: skip


def bent_optimum(
    bent: Law, weights: np.ndarray, feasible: Feasible, start: np.ndarray
) -> np.ndarray:
    """The best mix near `start` under a law that need not be convex, (m,)."""
    goal = Objective(_Numeric(bent), weights, np.ones(len(weights)))
    inside = np.clip(start, np.minimum(feasible.lower + 1e-6, feasible.upper), feasible.upper)
    found = solve_many([goal], feasible, inside)
    return min([start, *found], key=goal)


class _Setting:
    """The swarm's design and the program that is solved on it."""

    def __init__(self, surface, weights, folds, feasible: Feasible, middle: np.ndarray):
        self.surface, self.weights, self.folds = surface, weights, folds
        self.feasible, self.middle = feasible, middle

    def optima(self, laws: Sequence[Law], start: np.ndarray) -> np.ndarray:
        bank = Bank.of(laws)
        batch = programs(bank, self.feasible, self.weights, np.arange(len(bank)))
        return solve_programs(batch, 0.9 * start + 0.1 * self.middle).shares

    def intervals(self, planted: np.ndarray, start: np.ndarray, draws: int, rng):
        """Optimum of each planted swarm and the ends of its intervals, (worlds, m) each."""
        surface, P = self.surface, self.surface.P
        law_draws, centres = [], None
        for law, count in ((surface.law, draws - draws // 2), (surface.other, draws // 2)):
            fitted = law.refit(P, planted, surface.weight)
            centres = fitted if centres is None else centres
            unseen = self._unseen(law, planted)
            versions = [
                wild(one.predict(P), Y, f, count, rng)
                for one, Y, f in zip(fitted, planted, unseen, strict=True)
            ]
            law_draws.append(law.refit(P, np.concatenate(versions), surface.weight))
        best = self.optima(centres, start)
        worlds = len(planted)
        shares = [self.optima(laws, start).reshape(worlds, -1, P.shape[1]) for laws in law_draws]
        low, high = interval(np.concatenate(shares, axis=1).transpose(1, 0, 2))
        return best, np.minimum(low, best), np.maximum(high, best)

    def _unseen(self, law: Law, planted: np.ndarray) -> np.ndarray:
        """Out-of-fold predictions in every planted swarm, (worlds, runs, tasks)."""
        P, weight = self.surface.P, self.surface.weight
        found = np.empty_like(planted)
        for test in self.folds:
            rest = np.ones(len(P)) if weight is None else weight.copy()
            rest[test] = 0.0
            for number, one in enumerate(law.refit(P, planted, rest)):
                found[number, test] = one.predict(P[test])
        return found


class _Numeric:
    """A law with slopes by forward differences."""

    def __init__(self, law: Law):
        self.law = law

    def predict(self, P):
        return self.law.predict(P)

    def gradient(self, p):
        steps = 0.1 * _STEP + _STEP * np.asarray(p, float)
        values = self.law.predict(np.concatenate([p[None], p + np.diag(steps)]))
        return ((values[1:] - values[0]) / steps[:, None]).T


def _plant(values, noise, residual, worlds, rng) -> np.ndarray:
    """Losses with noise like the residuals in all but size, (worlds, runs, tasks).

    A run's residuals stay together, as its tasks share a proxy.
    """
    residual = np.where(np.isfinite(residual), residual, 0.0)
    unit = residual / np.maximum(np.sqrt((residual**2).mean(0)), 1e-12)
    rows = rng.integers(0, len(values), (worlds, len(values)))
    signs = rng.choice([-1.0, 1.0], (worlds, len(values), 1))
    return values + signs * unit[rows] * noise


def _noise(law: Law, P: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Standard deviation of the noise that was fitted with a law, (runs, tasks)."""
    if isinstance(law, PowerLawResidual):
        detail = law.detail_
        noise = np.exp(detail.theta_[:, 1]) * detail.scale_.spread
        return noise * np.where(law.relative_, np.abs(law.shape_.predict(P)), 1.0)
    noise = np.sqrt(np.nanmean((Y - law.predict(P)) ** 2, axis=0))
    for tasks, part in law.laws_.values():
        noise[tasks] = getattr(part, "noise_", noise[tasks])
    return np.broadcast_to(noise, Y.shape)


def _shortfall(truth, best, low, high, reach) -> np.ndarray:
    """How far the truth lies beyond the reach of each interval, in its sides, (worlds * m,)."""
    away = truth - best
    beyond = np.maximum(np.abs(away) - np.maximum(np.sign(away) * reach, 0.0), 0.0)
    side = np.where(away > 0, high - best, best - low)
    found = beyond / np.maximum(side, 0.1 * _NEAR)
    return np.where(beyond <= _NEAR, 0.0, found).ravel()
