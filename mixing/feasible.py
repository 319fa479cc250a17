"""The mixes that a solve may choose from, and clear words when there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linprog, minimize

from catalogs.errors import UserError
from mixing.shares import divergence

_SLACK = 1e-9


@dataclass(frozen=True)
class Bound:
    """An upper bound on a share: its value and where it comes from (cap, epochs or support)."""

    value: float
    cause: str


@dataclass(frozen=True)
class Group:
    """Bounds on the summed share of some domains.

    `fractions` says which part of each of them counts, as for a licence that only some of a
    domain's text has; all of it by default.
    """

    name: str
    domains: tuple[str, ...]
    at_least: float = 0.0
    at_most: float = 1.0
    fractions: tuple[float, ...] = ()


@dataclass(frozen=True)
class Feasible:
    """Shares ``p`` with ``lower <= p <= upper``, sum 1, group budgets, and KL(p || centre) <= kl.

    Attributes
    ----------
    domains
        Names, (m,).
    lower, upper
        Bounds, (m,).
    causes
        Of the upper bounds, (m,): cap, epochs, support or "".
    groups
        Budgets of groups of domains.
    centre, kl
        Centre of the trust region and its radius in nats; no trust region when `kl` is None.
    """

    domains: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    causes: tuple[str, ...]
    groups: tuple[Group, ...] = ()
    centre: np.ndarray | None = None
    kl: float | None = None
    rows: np.ndarray = field(init=False, repr=False)
    row_limits: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        rows, limits = [], []
        for group in self.groups:
            counts = dict(
                zip(group.domains, group.fractions or [1.0] * len(group.domains), strict=True)
            )
            member = np.array([counts.get(name, 0.0) for name in self.domains])
            if group.at_most < 1:
                rows.append(member), limits.append(group.at_most)
            if group.at_least > 0:
                rows.append(-member), limits.append(-group.at_least)
        object.__setattr__(self, "rows", np.array(rows).reshape(-1, len(self.domains)))
        object.__setattr__(self, "row_limits", np.array(limits, float))

    def cheapest(self, cost: np.ndarray) -> np.ndarray | None:
        """The mix that minimises ``cost . p`` over the polytope (without KL); None if empty."""
        solved = linprog(
            cost,
            A_ub=self.rows if len(self.rows) else None,
            b_ub=self.row_limits if len(self.rows) else None,
            A_eq=np.ones((1, len(self.domains))),
            b_eq=[1.0],
            bounds=np.stack([self.lower, self.upper], 1),
            method="highs",
        )
        return solved.x if solved.status == 0 else None

    def nearest_to(self, mix: np.ndarray) -> np.ndarray:
        """The mix within floors, caps and groups that is nearest to `mix` in KL."""
        centre = np.maximum(mix / mix.sum(), 1e-9)
        filled = _water_fill(centre, self.lower, self.upper)
        if not len(self.rows) or (self.rows @ filled <= self.row_limits + 1e-9).all():
            return filled
        start = self.cheapest(-centre)
        found = minimize(
            lambda p: float(np.sum(p * np.log(np.maximum(p, 1e-12) / centre))),
            filled if start is None else start,
            jac=lambda p: np.log(np.maximum(p, 1e-12) / centre) + 1,
            bounds=list(zip(self.lower, self.upper, strict=True)),
            constraints=self.linear_constraints(),
            method="SLSQP",
            options={"maxiter": 200, "ftol": 1e-12},
        )
        return np.clip(found.x, self.lower, self.upper)

    def violation(self, p: np.ndarray) -> float:
        """Largest amount by which `p` breaks a constraint."""
        p = np.asarray(p, float)
        parts = [abs(p.sum() - 1), *(self.lower - p), *(p - self.upper)]
        parts += list(self.rows @ p - self.row_limits)
        if self.kl is not None:
            parts.append(divergence(np.maximum(p, 0), self.centre) - self.kl)
        return float(max(0.0, *parts))

    def broken(self, p: np.ndarray, tolerance: float = 2e-4) -> list[str]:
        """Which constraints `p` breaks by more than `tolerance`, in words."""
        p = np.asarray(p, float)
        found = []
        for name, share, low, high, cause in zip(
            self.domains, p, self.lower, self.upper, self.causes, strict=True
        ):
            if share > high + tolerance:
                what = "sampled support" if cause == "support" else cause
                found.append(f"{what} of {name}")
            elif share < low - tolerance:
                found.append(f"floor of {name}")
        for group in self.groups:
            rows = replace(self, groups=(group,))
            if (rows.rows @ p > rows.row_limits + tolerance).any():
                found.append(group.name if "licence" in group.name else f"group {group.name}")
        if self.kl is not None and divergence(p, self.centre) > self.kl + tolerance:
            found.append("distance from the natural mix")
        return found

    def check(self) -> np.ndarray:
        """A feasible mix: the one nearest to the centre, or to the middle of the bounds.

        Raises
        ------
        UserError
            When there is none; the message names the constraints that clash.
        """
        problem = self._bounds_clash() or self._groups_clash()
        if problem:
            raise UserError(f"constraints: {problem}")
        middle = (self.lower + self.upper) / 2
        nearest = self.nearest_to(middle if self.centre is None else self.centre)
        if self.kl is not None:
            least = divergence(nearest, self.centre)
            if least > self.kl * (1 + 1e-6) + 1e-9:
                raise UserError(
                    f"constraints: kl {self.kl:g} clashes with floors, caps or epochs: the "
                    f"nearest allowed mix is {least:.3g} nats from the natural one; raise kl"
                )
        return nearest

    def _bounds_clash(self) -> str:
        for name, low, high, cause in zip(
            self.domains, self.lower, self.upper, self.causes, strict=True
        ):
            if low > high + _SLACK:
                return f"the floor of '{name}' ({low:.4g}) is above its {cause} ({high:.4g})"
        if self.lower.sum() > 1 + 1e-6:
            named = _listed(self.domains, self.lower, self.lower > 0)
            return f"floors sum to {self.lower.sum():.4g}, more than 1: {named}"
        if self.upper.sum() < 1 - 1e-6:
            return f"upper bounds sum to {self.upper.sum():.4g}, less than 1: {self._uppers()}"
        return ""

    def _groups_clash(self) -> str:
        if self.cheapest(np.zeros(len(self.domains))) is not None:
            return ""
        for group in self.groups:
            others = tuple(one for one in self.groups if one is not group)
            if replace(self, groups=others).cheapest(np.zeros(len(self.domains))) is not None:
                return f"group '{group.name}' cannot be met together with the other constraints"
        names = ", ".join(f"'{group.name}'" for group in self.groups)
        return f"groups {names} cannot be met together with floors and caps"

    def _uppers(self) -> str:
        by_cause = {}
        for name, high, cause in zip(self.domains, self.upper, self.causes, strict=True):
            by_cause.setdefault(cause, []).append(f"{name} {high:.3g}")
        mends = {
            "epochs": "raise max_epochs, lower tokens or add text",
            "cap": "raise caps",
            "support": "train mixes with larger shares",
        }
        causes = [cause for cause in ("cap", "epochs", "support") if cause in by_cause]
        told = "; ".join(f"{cause}: {_shorten(by_cause[cause])}" for cause in causes)
        return f"{told} ({', or '.join(mends[cause] for cause in causes)})"

    def linear_constraints(self) -> list[dict]:
        """Sum and group budgets in the form of `scipy.optimize.minimize`."""
        ones = np.ones(len(self.domains))
        constraints = [{"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: ones}]
        if len(self.rows):
            constraints.append(
                {
                    "type": "ineq",
                    "fun": lambda p: self.row_limits - self.rows @ p,
                    "jac": lambda p: -self.rows,
                }
            )
        return constraints


def make_feasible(
    domains: Sequence[str],
    tokens: np.ndarray,
    budget: float,
    max_epochs: float | None = 4.0,
    floors: dict[str, float] | None = None,
    caps: dict[str, float] | None = None,
    groups: Sequence[Group] = (),
    kl: float | None = None,
    centre: np.ndarray | None = None,
    support: np.ndarray | None = None,
) -> Feasible:
    """Put constraints together.

    Parameters
    ----------
    domains, tokens
        Names and available tokens, (m,).
    budget
        Training tokens, which decide how often a domain would repeat.
    max_epochs
        Repetitions at most; four cost next to nothing (Muennighoff et al., 2023).
    floors, caps
        Least and largest shares by name.
    groups
        Budgets of groups.
    kl, centre
        Radius in nats and centre of a trust region.
    support
        Largest share of each domain in the swarm: laws are not trusted beyond, (m,).
    """
    upper, causes = [], []
    for j, (name, count) in enumerate(zip(domains, np.asarray(tokens, float), strict=True)):
        bounds = [Bound(1.0, "")]
        if support is not None:
            bounds.append(Bound(float(support[j]), "support"))
        if caps and name in caps:
            bounds.append(Bound(caps[name], "cap"))
        if max_epochs is not None:
            bounds.append(Bound(max_epochs * count / budget, "epochs"))
        tightest = min(bounds, key=lambda bound: bound.value)
        upper.append(tightest.value)
        causes.append(tightest.cause)
    return Feasible(
        tuple(domains),
        np.array([(floors or {}).get(name, 0.0) for name in domains]),
        np.array(upper),
        tuple(causes),
        tuple(groups),
        None if centre is None else np.asarray(centre, float),
        kl,
    )


def _water_fill(centre, lower, upper):
    """The mix nearest to `centre` in KL within bounds: ``clip(t centre)`` with t by bisection."""
    low, high = 0.0, 1e12
    for _ in range(200):
        middle = np.sqrt(max(low, 1e-12) * high)
        if np.clip(middle * centre, lower, upper).sum() < 1:
            low = middle
        else:
            high = middle
    p = np.clip(high * centre, lower, upper)
    return p / p.sum() if abs(p.sum() - 1) < 1e-6 else p


def _listed(names, values, which) -> str:
    return ", ".join(
        f"{name} {value:.3g}" for name, value, yes in zip(names, values, which, strict=True) if yes
    )


def _shorten(items, limit: int = 6) -> str:
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")
