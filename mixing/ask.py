"""A question about a swarm: weights, budget and limits; and the mixes that it allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linprog

from catalogs.errors import UserError
from mixing.bank import Repetition
from mixing.collapse import Frozen
from mixing.feasible import Feasible, Group, make_feasible
from mixing.shares import divergence, natural, uniform, unimax

SUPPORT = 1.2  # a law is trusted up to this multiple of the largest share sampled
_LOOSE = 1e-6  # by which constraints without an inside are loosened


@dataclass(frozen=True)
class Ask:
    """A question.

    Attributes
    ----------
    domains, available
        Names and tokens that there are, (m,).
    weights
        Of the tasks, summing to 1, (tasks,).
    budget
        Training tokens.
    families
        Family of each task, (tasks,).
    max_epochs, floors, caps, groups, kl
        As `make_feasible` takes them; the centre of `kl` is the natural mix.
    guard
        No family may be predicted worse than under the natural mix by more; None: no guard.
    fading
        Whether repeated text counts less than fresh text.
    support
        Largest share of each domain that was trained, (m,).
    used
        Epochs of each domain that earlier phases have used, (m,): they count as repetitions.
    frozen
        Domains that keep their ratios to each other, as one virtual domain.
    """

    domains: tuple[str, ...]
    available: np.ndarray
    weights: np.ndarray
    budget: float
    families: tuple[str, ...]
    max_epochs: float | None = 4.0
    floors: dict[str, float] = field(default_factory=dict)
    caps: dict[str, float] = field(default_factory=dict)
    groups: Sequence[Group] = ()
    kl: float | None = None
    guard: float | None = None
    fading: bool = False
    support: np.ndarray | None = None
    used: np.ndarray | None = None
    frozen: Frozen | None = None

    def feasible(self) -> Feasible:
        support = None if self.support is None else np.minimum(1.0, SUPPORT * self.support)
        return make_feasible(
            self.domains, self.unused(), self.budget, self.max_epochs, self.floors, self.caps,
            self.groups, self.kl, natural(self.available), support,
        )  # fmt: skip

    def unused(self) -> np.ndarray:
        """Tokens that `max_epochs` still allows, over `max_epochs`, (m,)."""
        if self.used is None or self.max_epochs is None:
            return np.asarray(self.available, float)
        return self.available * np.maximum(1 - self.used / self.max_epochs, 0.0)

    def epochs(self, mix: np.ndarray) -> np.ndarray:
        """How often each domain is repeated in the end, earlier phases included, (m,)."""
        own = np.asarray(mix) * self.budget / np.asarray(self.available, float)
        return own if self.used is None else own + self.used

    def reuse(self) -> Repetition | None:
        return Repetition(np.asarray(self.available, float) / self.budget) if self.fading else None

    def baselines(self) -> dict[str, np.ndarray]:
        return {
            "natural": natural(self.available),
            "uniform": uniform(len(self.domains)),
            "unimax": unimax(self.unused(), self.budget, self.max_epochs or np.inf),
        }


def with_inside(feasible: Feasible, nearest: np.ndarray) -> tuple[Feasible, np.ndarray]:
    """The constraints, loosened where they leave no room, and a mix strictly inside them."""
    loose = feasible
    middle = _middle(loose, 1e-4)
    if middle is None:
        loose = replace(
            feasible,
            lower=np.maximum(feasible.lower - _LOOSE, 0.0),
            upper=feasible.upper + _LOOSE,
            groups=tuple(
                replace(g, at_most=g.at_most + _LOOSE, at_least=g.at_least - _LOOSE)
                if g.at_most < 1 or g.at_least > 0
                else g
                for g in feasible.groups
            ),
        )
        middle = _middle(loose, 0.0)
    if feasible.kl is None:
        return loose, middle
    loose = replace(loose, kl=feasible.kl + _LOOSE)
    for part in np.geomspace(1.0, 1e-9, 60):
        p = part * middle + (1 - part) * nearest
        if divergence(p, np.maximum(feasible.centre, 1e-9)) < feasible.kl + 0.5 * _LOOSE:
            return loose, p
    raise UserError("constraints: kl leaves no room beside the other limits; raise kl")


def _middle(feasible: Feasible, least: float) -> np.ndarray | None:
    """A mix far from all bounds, as a linear program; None when the inside is narrower."""
    m = len(feasible.lower)
    width = np.maximum(feasible.upper - feasible.lower, 0.0)
    A = np.concatenate([np.hstack([np.eye(m), width[:, None]]),
                        np.hstack([-np.eye(m), width[:, None]])])  # fmt: skip
    b = np.concatenate([feasible.upper, -feasible.lower])
    if len(feasible.rows):
        A = np.concatenate([A, np.hstack([feasible.rows, np.ones((len(feasible.rows), 1))])])
        b = np.concatenate([b, feasible.row_limits])
    found = linprog(
        np.append(np.zeros(m), -1.0), A_ub=A, b_ub=b,
        A_eq=np.append(np.ones(m), 0.0)[None], b_eq=[1.0],
        bounds=[(None, None)] * m + [(0, 0.5)], method="highs",
    )  # fmt: skip
    if found.status != 0 or found.x[-1] <= least or width.min() < 0.9 * _LOOSE:
        return None
    return found.x[:m]
