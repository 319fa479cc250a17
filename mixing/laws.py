"""Laws: how the losses of a model depend on its training mix.

A law is a regressor in scikit-learn's manner, over shares ``P`` of shape (runs, domains), rows on
the simplex, and losses ``Y`` of shape (runs, tasks); every task has its own coefficients. A new law
is one class with `register` above it.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from catalogs.errors import UserError, nearest

LAWS: dict[str, type[Law]] = {}


def register(law: type[Law]) -> type[Law]:
    """Make a law known by its `name`."""
    LAWS[law.name] = law
    return law


def make_law(name: str, **parameters: Any) -> Law:
    """An unfitted law by name.

    Raises
    ------
    UserError
        When there is no such law.
    """
    if name not in LAWS:
        hint = nearest(name, LAWS) or f" (valid: {', '.join(LAWS)})"
        raise UserError(f"law '{name}' is unknown{hint}")
    return LAWS[name](**parameters)


class Law(ABC):
    """Base of all laws.

    Attributes
    ----------
    name, title
        For machines and for people.
    convex
        Whether every fitted loss is a convex function of the shares, so that the best mix can be
        found exactly.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    convex: ClassVar[bool] = False

    def fit(self, P: np.ndarray, Y: np.ndarray, sample_weight: np.ndarray | None = None) -> Law:
        """Fit every task.

        Parameters
        ----------
        P
            Shares of training tokens, (runs, domains).
        Y
            Losses, (runs,) or (runs, tasks); a run may lack a loss (nan).
        sample_weight
            Relative precision of each run, (runs,) or (runs, tasks).

        Returns
        -------
        Law
            Itself.
        """
        P, Y = np.asarray(P, float), np.asarray(Y, float)
        self.single_ = Y.ndim == 1
        Y = Y[:, None] if self.single_ else Y
        weight = np.ones_like(Y)
        if sample_weight is not None:
            given = np.asarray(sample_weight, float)
            weight = weight * (given[:, None] if given.ndim == 1 else given)
        missing = ~np.isfinite(Y)
        weight[missing] = 0.0
        sums = weight.sum(0)
        if (sums <= 0).any():
            raise UserError("a task without a single measured loss cannot be fitted")
        # weights are relative: their mean over the runs measured is 1
        weight *= (~missing).sum(0) / sums
        mean = (weight * np.where(missing, 0.0, Y)).sum(0) / weight.sum(0)
        self._fit(P, np.where(missing, mean, Y), weight)
        return self

    def predict(self, P: np.ndarray) -> np.ndarray:
        """Losses at `P`: (runs,) after a fit on one column, else (runs, tasks)."""
        P = np.asarray(P, float)
        value = self._predict(np.atleast_2d(P))
        return value[:, 0] if self.single_ else value

    def gradient(self, p: np.ndarray) -> np.ndarray:
        """d loss / d share at one mix `p`, (tasks, domains).

        The shares are taken as free; only differences between domains mean anything on the simplex.
        """
        raise TypeError(f"{self.title} has no gradient")

    def refit(self, P: np.ndarray, Ys: np.ndarray, sample_weight: np.ndarray | None) -> list[Law]:
        """Laws of this kind for many versions of the losses, (versions, runs, tasks).

        Bootstraps call it on a fitted law, which may start from its own coefficients.
        """
        return [self.clone().fit(P, Y, sample_weight) for Y in Ys]

    @classmethod
    def missing(cls) -> str:
        """What this installation lacks for the law, with the mend; nothing where it can be used."""
        return ""

    @abstractmethod
    def _fit(self, P: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None: ...

    @abstractmethod
    def _predict(self, P: np.ndarray) -> np.ndarray: ...

    def clone(self) -> Law:
        """An unfitted copy with the same parameters."""
        fresh = copy.copy(self)
        for name in [name for name in vars(fresh) if name.endswith("_")]:
            delattr(fresh, name)
        return fresh


class Scale:
    """Shift and scale of each task, so that priors are in units of the losses' own spread."""

    def __init__(self, Y: np.ndarray, weight: np.ndarray):
        total = weight.sum(0)
        self.mean = (weight * Y).sum(0) / total
        spread = np.sqrt((weight * (Y - self.mean) ** 2).sum(0) / total)
        self.spread = np.where(spread > 1e-12 * (1 + np.abs(self.mean)), spread, 1.0)

    def to_unit(self, Y: np.ndarray) -> np.ndarray:
        return (Y - self.mean) / self.spread

    def to_loss(self, Z: np.ndarray) -> np.ndarray:
        return Z * self.spread + self.mean

    def part(self, tasks: slice) -> Scale:
        """The same for some of the tasks."""
        part = object.__new__(Scale)
        part.mean, part.spread = self.mean[tasks], self.spread[tasks]
        return part
