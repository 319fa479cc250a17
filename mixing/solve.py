"""The best mix under any convex law: sequential quadratic programming with a certificate.

`recommend` solves on a bank of fitted laws, hundreds at once; this takes whatever has a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from mixing.feasible import Feasible
from mixing.laws import Law
from mixing.shares import divergence

_LEAST = 1e-9  # shares below are 0 to the laws, whose slopes are infinite there
_ENOUGH = 1e-4  # gap at which a solution is called optimal, in units of the objective


@dataclass(frozen=True)
class Objective:
    """Weighted mean of losses, ``sum_t weight_t loss_t(p) / spread_t``.

    Attributes
    ----------
    law
        A fitted convex law.
    weights
        Of the tasks, summing to 1, (tasks,).
    spreads
        Units of the losses, (tasks,). Ones give the plain mean, in which tasks of a wide range
        decide; each task's standard deviation over the swarm gives every task its say, for losses
        that are not in one unit.
    """

    law: Law
    weights: np.ndarray
    spreads: np.ndarray

    def __call__(self, p: np.ndarray) -> float:
        return float(self.law.predict(np.maximum(p, _LEAST)[None])[0] @ self.scale)

    def gradient(self, p: np.ndarray) -> np.ndarray:
        return self.scale @ self.law.gradient(np.maximum(p, _LEAST))

    def many(self, P: np.ndarray) -> np.ndarray:
        """Values at several mixes, (mixes,)."""
        return self.law.predict(np.maximum(P, _LEAST)) @ self.scale

    @property
    def scale(self) -> np.ndarray:
        return self.weights / self.spreads


@dataclass(frozen=True)
class Solution:
    """The best mix.

    Attributes
    ----------
    shares
        (m,), sum 1.
    value
        Of the objective.
    gap
        No feasible mix has an objective below ``value - gap``.
    binding
        What holds each share at a bound, (m,): floor, cap, epochs, support or "".
    pull
        Fall of the objective per unit of share given to a domain instead of to the free ones, (m,);
        positive where an upper bound holds it back.
    """

    shares: np.ndarray
    value: float
    gap: float
    binding: tuple[str, ...]
    pull: np.ndarray

    @property
    def optimal(self) -> bool:
        return self.gap <= _ENOUGH


def solve(objective: Objective, feasible: Feasible, starts: Sequence[np.ndarray] = ()) -> Solution:
    """Minimise a convex objective over the feasible mixes.

    Sequential quadratic programming from several starts; the objective being convex, they end at
    the same value. The certificate does not trust the solver: it is the Frank-Wolfe gap, a linear
    program over the constraints (Jaggi, 2013), which bounds what any other mix could gain.

    Parameters
    ----------
    starts
        Further mixes to start from; the feasible mix nearest to the centre is always one.

    Raises
    ------
    UserError
        When no mix is feasible; the message names the constraints that clash.
    """
    nearest = feasible.check()
    candidates = [nearest]
    for start in (nearest, *starts):
        found = _descend(objective, feasible, np.clip(start, feasible.lower, feasible.upper))
        if feasible.violation(found) <= 1e-7:
            candidates.append(found)
    best = min(candidates, key=objective)
    return _certified(objective, feasible, best)


def solve_many(
    objectives: Sequence[Objective], feasible: Feasible, start: np.ndarray
) -> np.ndarray:
    """The best mix under each of several objectives, from one start, (objectives, m)."""
    mixes = []
    for objective in objectives:
        found = _descend(objective, feasible, start)
        mixes.append(found if feasible.violation(found) <= 1e-6 else start)
    return np.array(mixes)


def _descend(objective, feasible, start) -> np.ndarray:
    constraints = feasible.linear_constraints()
    if feasible.kl is not None:
        centre = np.maximum(feasible.centre, _LEAST)
        constraints.append(
            {
                "type": "ineq",
                "fun": lambda p: feasible.kl - divergence(np.maximum(p, _LEAST), centre),
                "jac": lambda p: -np.log(np.maximum(p, _LEAST) / centre) - 1,
            }
        )
    found = minimize(
        objective,
        start,
        jac=objective.gradient,
        bounds=list(zip(feasible.lower, feasible.upper, strict=True)),
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-10},
    )
    p = np.clip(found.x, feasible.lower, feasible.upper)
    return p / p.sum() if abs(p.sum() - 1) < 1e-4 else p


def _certified(objective, feasible, p) -> Solution:
    gradient = objective.gradient(p)
    # below this share the slope of a power is so steep that it says nothing of finite steps
    at_floor = p <= feasible.lower + 1e-6
    at_top = p >= feasible.upper - 1e-6
    free = ~(at_floor | at_top)
    level = float(gradient[free] @ p[free] / p[free].sum()) if free.any() else float(gradient @ p)
    binding = tuple(
        cause if top and cause else "floor" if bottom and low > 0 else ""
        for cause, top, bottom, low in zip(
            feasible.causes, at_top, at_floor, feasible.lower, strict=True
        )
    )
    return Solution(p, objective(p), _gap(gradient, feasible, p), binding, level - gradient)


def _gap(gradient, feasible, p) -> float:
    """Frank-Wolfe gap; with a trust region, the least over its multiplier (weak duality)."""

    def bound(multiplier: float) -> float:
        cost, rest = gradient, 0.0
        if multiplier > 0:
            centre = np.maximum(feasible.centre, _LEAST)
            cost = gradient + multiplier * (np.log(np.maximum(p, _LEAST) / centre) + 1)
            rest = multiplier * (feasible.kl - divergence(p, centre))
        corner = feasible.cheapest(cost)
        return float(cost @ (p - corner)) + rest

    if feasible.kl is None:
        return max(0.0, bound(0.0))
    found = minimize_scalar(
        lambda log: bound(np.exp(log)), bounds=(-20.0, 20.0), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    return max(0.0, min(float(found.fun), bound(0.0)))
