"""Many convex programs over mixes at once: a primal-dual interior-point method in arrays.

The programs share floors, caps, group budgets and the distance from a centre; they differ in the
version of the laws, in the weights of the tasks and in bounds on further weighted means of losses.
A solve is some twenty Newton steps for all of them together (Boyd and Vandenberghe, 2004, §11.7);
its multipliers are the shadow prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mixing.bank import Bank, Repetition
from mixing.feasible import Feasible

_STEPS = 80
_GROWTH = 12.0
_GAP = 1e-8  # of the objective
_WIDTH = 1e-7  # narrower boxes are widened: an interior point needs an inside


@dataclass(frozen=True)
class Programs:
    """A batch of programs: minimise ``weights . y(p) + linear . p``.

    Attributes
    ----------
    bank, feasible, reuse
        Laws; what a mix must keep to; what repeated text is worth.
    which
        Version of the laws, (problems,).
    weights
        Of the tasks in the objective, (problems, tasks).
    linear
        Of the shares, (problems, m).
    bound_weights, bounds
        Further constraints ``bound_weights . y(p) <= bounds``: (problems, bounds, tasks) and
        (problems, bounds).
    """

    bank: Bank
    feasible: Feasible
    which: np.ndarray
    weights: np.ndarray
    linear: np.ndarray
    bound_weights: np.ndarray
    bounds: np.ndarray
    reuse: Repetition | None = None


@dataclass(frozen=True)
class Solved:
    """Solutions of a batch.

    Attributes
    ----------
    shares
        (problems, m).
    value
        Of the objective, (problems,).
    gap
        Between objective and dual bound, (problems,); small where the program is solved.
    lower, upper, groups, distance, bounds
        Multipliers: the fall of the objective per unit by which a floor, a cap, a row of the group
        budgets, the distance, or a bound is eased; (problems, …).
    """

    shares: np.ndarray
    value: np.ndarray
    gap: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    groups: np.ndarray
    distance: np.ndarray
    bounds: np.ndarray


@dataclass
class _State:
    """Where a batch is: shares, multipliers of the inequalities, of the sum."""

    p: np.ndarray
    dual: np.ndarray
    nu: np.ndarray
    found: dict = field(default_factory=dict)


def programs(
    bank: Bank,
    feasible: Feasible,
    weights: np.ndarray,
    which: np.ndarray | None = None,
    linear: np.ndarray | None = None,
    bound_weights: np.ndarray | None = None,
    bounds: np.ndarray | None = None,
    reuse: Repetition | None = None,
) -> Programs:
    """Programs with the defaults filled in: version 0, no linear part, no bounds."""
    weights = np.atleast_2d(np.asarray(weights, float))
    count = max(len(weights), 1 if which is None else len(which))
    tasks, m = weights.shape[1], len(feasible.domains)
    if bound_weights is None:
        bound_weights, bounds = np.zeros((count, 0, tasks)), np.zeros((count, 0))
    return Programs(
        bank,
        feasible,
        np.zeros(count, int) if which is None else np.asarray(which),
        np.broadcast_to(weights, (count, tasks)),
        np.zeros((count, m)) if linear is None else np.asarray(linear, float),
        np.broadcast_to(bound_weights, (count, *bound_weights.shape[1:])),
        np.broadcast_to(bounds, (count, bounds.shape[1])),
        reuse,
    )


def solve_programs(batch: Programs, start: np.ndarray) -> Solved:
    """Solve a batch.

    Parameters
    ----------
    start
        Mixes strictly inside all constraints, (problems, m) or (m,); `interior` gives one for
        the polytope.
    """
    problem = _Problem(batch)
    p = np.array(np.broadcast_to(start, batch.linear.shape), float)
    slack = problem.slack(p, problem.evaluate(p))
    state = _State(p, 1.0 / np.maximum(slack, 1e-4), np.zeros(len(p)))
    active = np.arange(len(p))
    best = _State(state.p.copy(), state.dual.copy(), state.nu.copy())
    gap = np.full(len(p), np.inf)
    for _ in range(_STEPS):
        part = problem.part(active)
        here = _State(state.p[active], state.dual[active], state.nu[active])
        size, feasible_dual = _step(part, here)
        state.p[active], state.dual[active], state.nu[active] = here.p, here.dual, here.nu
        gap[active] = size
        best.p[active], best.dual[active] = here.p, here.dual
        done = (size < _GAP) & (feasible_dual < 1e-6)
        active = active[~done]
        if not len(active):
            break
    return problem.solved(best, gap)


class _Problem:
    """The constraints of a batch in one order: floors, caps, group rows, distance, bounds."""

    def __init__(self, batch: Programs, rows: np.ndarray | None = None):
        self.batch = batch
        f = batch.feasible
        self.lower = f.lower
        self.upper = np.maximum(f.upper, f.lower + _WIDTH)
        self.groups, self.limits = f.rows, f.row_limits
        self.kl = f.kl
        self.centre = None if f.kl is None else np.maximum(f.centre, 1e-9)
        self.rows = np.arange(len(batch.which)) if rows is None else rows
        self.m = len(f.lower)
        self.which = batch.which[self.rows]
        self.weights = batch.weights[self.rows]
        self.linear = batch.linear[self.rows]
        self.bound_weights = batch.bound_weights[self.rows]
        self.bounds = batch.bounds[self.rows]

    def part(self, rows: np.ndarray) -> _Problem:
        return _Problem(self.batch, rows)

    def evaluate(self, p, derivatives=True):
        return self.batch.bank.evaluate(p, self.which, self.batch.reuse, derivatives)

    def slack(self, p, values) -> np.ndarray:
        """Room of every inequality, (problems, inequalities); negative where broken."""
        parts = [p - self.lower, self.upper - p]
        if len(self.groups):
            parts.append(self.limits - p @ self.groups.T)
        if self.kl is not None:
            safe = np.maximum(p, 1e-12)
            parts.append(self.kl - (safe * np.log(safe / self.centre)).sum(1, keepdims=True))
        if self.bounds.shape[1]:
            parts.append(self.bounds - np.einsum("bct,bt->bc", self.bound_weights, values.y))
        return np.concatenate(parts, axis=1)

    def places(self) -> dict[str, slice]:
        """Where each kind of inequality is."""
        sizes = {
            "lower": self.m,
            "upper": self.m,
            "groups": len(self.groups),
            "distance": int(self.kl is not None),
            "bounds": self.bounds.shape[1],
        }
        ends = np.cumsum(list(sizes.values()))
        return {
            name: slice(int(end - size), int(end))
            for (name, size), end in zip(sizes.items(), ends, strict=True)
        }

    def slopes(self, p, values) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of the objective, (problems, m), and of the bent inequalities, (…, m)."""
        objective = np.einsum("bt,btm->bm", self.weights, values.slope) + self.linear
        bent = []
        if self.kl is not None:
            bent.append((np.log(np.maximum(p, 1e-12) / self.centre) + 1)[:, None, :])
        if self.bounds.shape[1]:
            bent.append(np.matmul(self.bound_weights, values.slope))
        shape = (len(p), 0, self.m)
        return objective, np.concatenate(bent, axis=1) if bent else np.zeros(shape)

    def pull(self, dual, bent) -> np.ndarray:
        """Sum of the inequalities' gradients by their multipliers, (problems, m)."""
        place = self.places()
        total = dual[:, place["upper"]] - dual[:, place["lower"]]
        if len(self.groups):
            total = total + dual[:, place["groups"]] @ self.groups
        if bent.shape[1]:
            rest = dual[:, place["distance"].start :]
            total = total + np.einsum("bc,bcm->bm", rest, bent)
        return total

    def solved(self, state: _State, gap: np.ndarray) -> Solved:
        place = self.places()
        p = np.clip(state.p, self.batch.feasible.lower, self.batch.feasible.upper)
        values = self.evaluate(p, derivatives=False)
        value = (self.weights * values.y).sum(1) + (self.linear * p).sum(1)
        duals = {name: state.dual[:, where] for name, where in place.items()}
        return Solved(p, value, gap, **duals)


def _step(problem: _Problem, state: _State) -> tuple[np.ndarray, np.ndarray]:
    """One Newton step of all programs; returns their gaps and dual residuals after it."""
    p, dual = state.p, state.dual
    values = problem.evaluate(p)
    slack = problem.slack(p, values)
    eta = (slack * dual).sum(1)
    t = _GROWTH * slack.shape[1] / np.maximum(eta, 1e-14)
    objective, bent = problem.slopes(p, values)
    place = problem.places()
    # Hessian of the Lagrangian
    task = problem.weights
    if problem.bounds.shape[1]:
        task = task + np.einsum("bc,bct->bt", dual[:, place["bounds"]], problem.bound_weights)
    scaled = values.slope * np.sqrt(np.maximum(task * values.curve, 0.0))[:, :, None]
    H = np.matmul(scaled.transpose(0, 2, 1), scaled)
    ratio = dual / slack
    diagonal = np.einsum("bt,btm->bm", task, values.diagonal)
    diagonal = diagonal + ratio[:, place["lower"]] + ratio[:, place["upper"]]
    if problem.kl is not None:
        diagonal = diagonal + dual[:, place["distance"]] / np.maximum(p, 1e-12)
    np.einsum("bii->bi", H)[:] += diagonal
    if len(problem.groups):
        G = problem.groups
        H += np.einsum("bg,gm,gn->bmn", ratio[:, place["groups"]], G, G)
    if bent.shape[1]:
        rest = ratio[:, place["distance"].start :]
        H += np.matmul((bent * rest[:, :, None]).transpose(0, 2, 1), bent)
    # right hand side: the centred residual with the inequalities' steps eliminated
    centred = 1.0 / (t[:, None] * slack)
    right = -(objective + problem.pull(centred, bent) + state.nu[:, None])
    both = np.stack([right, np.ones_like(right)], axis=2)
    solved = np.linalg.solve(H, both)
    d_nu = solved[:, :, 0].sum(1) / solved[:, :, 1].sum(1)
    d_p = solved[:, :, 0] - d_nu[:, None] * solved[:, :, 1]
    d_slack = _slack_steps(problem, d_p, bent)
    d_dual = centred - dual - ratio * d_slack
    # the longest steps that keep multipliers and straight constraints positive
    straight = place["groups"].stop
    step = np.minimum(
        1.0,
        np.minimum(_longest(dual, d_dual), _longest(slack[:, :straight], d_slack[:, :straight]))
        * 0.99,
    )
    before = _residual(problem, p, dual, state.nu, values, slack, t)
    for _ in range(30):
        trial = p + step[:, None] * d_p
        new_dual, new_nu = dual + step[:, None] * d_dual, state.nu + step * d_nu
        new_values = problem.evaluate(trial)
        new_slack = problem.slack(trial, new_values)
        after = _residual(problem, trial, new_dual, new_nu, new_values, new_slack, t)
        bad = ~((new_slack > 0).all(1) & (after <= (1 - 0.01 * step) * before + 1e-12))
        if not bad.any():
            break
        step = np.where(bad, step / 2, step)
    stuck = ~(new_slack > 0).all(1)
    for name, new in (("p", trial), ("dual", new_dual), ("nu", new_nu)):
        old = getattr(state, name)
        keep = stuck if old.ndim == 1 else stuck[:, None]
        setattr(state, name, np.where(keep, old, new))
    new_objective, new_bent = problem.slopes(trial, new_values)
    dual_residual = new_objective + problem.pull(state.dual, new_bent) + state.nu[:, None]
    gap = (new_slack * new_dual).sum(1)
    return np.where(stuck, np.inf, gap), np.abs(dual_residual).max(1)


def _slack_steps(problem: _Problem, d_p, bent) -> np.ndarray:
    parts = [d_p, -d_p]
    if len(problem.groups):
        parts.append(-d_p @ problem.groups.T)
    if bent.shape[1]:
        parts.append(-np.einsum("bcm,bm->bc", bent, d_p))
    return np.concatenate(parts, axis=1)


def _longest(value, change) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(change < 0, -value / change, np.inf)
    return room.min(1)


def _residual(problem, p, dual, nu, values, slack, t) -> np.ndarray:
    objective, bent = problem.slopes(p, values)
    first = objective + problem.pull(dual, bent) + nu[:, None]
    second = dual * slack - 1 / t[:, None]
    return np.sqrt((first**2).sum(1) + (second**2).sum(1))
