"""The convex law on which the best mix is found, and its bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mixing.bootstrap import bootstrap_laws
from mixing.laws import Law, make_law
from mixing.validation import FixedLaw, choose, cross_validate

SOLVED = ("power", "power-per-domain", "log-linear")  # the convex laws that a `Bank` holds
PREFERRED = "power-per-domain"
OTHER = "power"  # the law of half of the bootstrap, so that intervals hold the choice of a law


@dataclass(frozen=True)
class Surface:
    """Fitted convex laws of every task.

    Attributes
    ----------
    P, Y
        The swarm: shares (runs, m) and losses (runs, tasks).
    law, other
        The law that cross-validation chose for each task, and the other law for all.
    unseen, unseen_other
        Their out-of-fold predictions, (runs, tasks).
    weight
        How much each run counts, (runs,), or None for all alike.
    """

    P: np.ndarray
    Y: np.ndarray
    law: FixedLaw
    other: FixedLaw
    unseen: np.ndarray
    unseen_other: np.ndarray
    weight: np.ndarray | None

    def draw(self, draws: int, seed: int, shifts: np.ndarray | None = None) -> list[Law]:
        """Bootstrapped laws, half of each kind; `shifts` as `bootstrap_laws` takes them."""
        most = draws - draws // 2
        found = []
        for law, unseen, part in (
            (self.law, self.unseen, slice(0, most)),
            (self.other, self.unseen_other, slice(most, draws)),
        ):
            more = None if shifts is None else shifts[part]
            count = part.stop - part.start
            found += bootstrap_laws(law, self.P, self.Y, unseen, count, seed, self.weight, more)
        return found


def fit_surface(
    P: np.ndarray,
    Y: np.ndarray,
    weights: np.ndarray,
    folds: Sequence[np.ndarray],
    predictions: dict[str, np.ndarray] | None = None,
    tick: Callable[[], None] | None = None,
) -> Surface:
    """Choose and fit a convex law for each task.

    Runs count alike, or good mixes count more than bad ones, whichever predicts good mixes better.
    When a law is right, bad mixes teach as much as good ones; when it is not, fitting them costs
    accuracy where the answer lies.

    Parameters
    ----------
    P, Y
        Shares (runs, m) and losses (runs, tasks).
    weights
        Of the tasks in the mean that says which mixes are good, (tasks,).
    folds
        Test sets of the cross-validation.
    predictions
        Out-of-fold predictions by law, where they are known.
    """
    names = SOLVED
    if predictions is None:
        predictions = cross_validate([make_law(name) for name in names], P, Y, folds)
    unseen = {name: predictions[name] for name in names}
    focus = near_best(np.nansum(Y * weights, axis=1))
    focused = cross_validate([make_law(name) for name in names], P, Y, folds, focus, tick)
    weight = None
    if _error(Y, focused[PREFERRED], focus) < _error(Y, unseen[PREFERRED], focus):
        unseen, weight = focused, focus
    choice = choose(Y, unseen, PREFERRED, weight)
    return Surface(
        P,
        Y,
        FixedLaw(choice).fit(P, Y, weight),
        FixedLaw([OTHER] * Y.shape[1]).fit(P, Y, weight),
        np.column_stack([unseen[name][:, task] for task, name in enumerate(choice)]),
        unseen[OTHER],
        weight,
    )


def near_best(objective: np.ndarray) -> np.ndarray:
    """Weights that favour good mixes: ``1 / (1 + (excess / median excess)^2)``, (runs,).

    Parameters
    ----------
    objective
        Measured objective of every run, (runs,); lower is better.
    """
    excess = objective - objective.min()
    return 1 / (1 + (excess / (np.median(excess) or 1.0)) ** 2)


def _error(Y, predicted, weight) -> float:
    return float(np.nansum(weight[:, None] * (predicted - Y) ** 2))
