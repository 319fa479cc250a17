"""Laws that know what n-grams say: their prior is the law of a swarm of n-gram models.

N-gram models of any mix cost nothing once the sources are counted, so their swarm is as dense as
one likes. Which domains help which task, and how soon more of them helps less, is much the same
for n-grams and for the proxies; where the measured runs bear that out, fewer of them are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from mixing.bank import Bank
from mixing.bootstrap import bootstrap_laws
from mixing.fitted import FOLDS, half_width
from mixing.model import Model
from mixing.power_law import PowerLaw
from mixing.residual import PowerLawResidual
from mixing.surface import near_best
from mixing.validation import cross_validate, make_folds

_PRECISION = 10.0  # of the prior around the n-grams' law: a factor of e is three deviations off
_CLEARLY = 2.0  # standard errors by which errors must fall
_PARTS = (0.35, 0.5, 0.65)  # of the mixes, in the comparison of how many runs are needed
_DRAWS = 8


@dataclass(frozen=True)
class Prior:
    """What n-grams say of the laws' shape.

    Attributes
    ----------
    shape
        (tasks, 2 + m): ``log b``, ``logit g`` and ``log v_j`` of the n-grams' power law. Losses in
        other units have the same.
    """

    shape: np.ndarray

    @classmethod
    def of(cls, shares: np.ndarray, prices: np.ndarray) -> Prior:
        """Of a dense swarm: shares (mixes, m) and losses of the n-gram models (mixes, tasks)."""
        return cls(PowerLaw().fit(shares, prices).theta_[:, 2:])

    def part(self, tasks: np.ndarray) -> Prior:
        """The same for some of the tasks."""
        return Prior(self.shape[tasks])


class InformedPowerLaw(PowerLaw):
    """The power law with the n-grams' law as its prior."""

    name: ClassVar[str] = "informed"
    title: ClassVar[str] = "power law, n-gram prior"

    def __init__(self, prior: Prior):
        super().__init__()
        self.shape = prior.shape

    def _informed(self, theta, centre, precision):
        centre, precision = centre.copy(), precision.copy()
        centre[:, 2:] = np.tile(self.shape, (len(centre) // len(self.shape), 1))
        precision[2:, 2:] = _PRECISION * np.eye(len(precision) - 2)
        if not hasattr(self, "warm_"):
            theta = theta.copy()
            theta[:, 2:] = centre[:, 2:]
        return theta, centre, precision


class InformedResidual(PowerLawResidual):
    """That law, and a Gaussian process on what it leaves."""

    name: ClassVar[str] = "informed-residual"
    title: ClassVar[str] = "power law, n-gram prior + GP residual"

    def __init__(self, prior: Prior):
        self.shape = prior.shape

    def _formula(self):
        return InformedPowerLaw(Prior(self.shape))


INFORMED = {law.name: law for law in (InformedPowerLaw, InformedResidual)}


def lowers(Y: np.ndarray, without: np.ndarray, informed: np.ndarray) -> np.ndarray:
    """Tasks whose errors the prior lowers by more than noise, bool (tasks,).

    By more than two standard errors of the mean absolute error, its own or, where its own falls,
    that of all tasks together in units of their spread: tasks share their runs, and from a dozen
    runs one task alone can tell little. The mean square must fall, too; among squares alone a few
    runs on a single domain would decide, whose losses lie far from all others.

    Parameters
    ----------
    Y, without, informed
        Losses and predictions for runs not used in the fit, (runs, tasks).
    """
    ok = np.isfinite(Y)
    before, after = (np.where(ok, np.abs(f - Y), np.nan) for f in (without, informed))
    fall = before - after
    spread = np.nanstd(np.where(ok, Y, np.nan), axis=0)
    together = np.nanmean(fall / np.where(spread > 0, spread, 1.0), axis=1, keepdims=True)
    own, pooled = _clearly(fall), _clearly(together)
    lower = (np.nanmean(fall, axis=0) > 0) & (np.nanmean(before**2 - after**2, axis=0) > 0)
    return lower & (own | pooled)


def _clearly(fall: np.ndarray) -> np.ndarray:
    error = np.nanstd(fall, axis=0) / np.sqrt(np.isfinite(fall).sum(0))
    return np.nanmean(fall, axis=0) > _CLEARLY * error


def inform(
    model: Model,
    P: np.ndarray,
    Y: np.ndarray,
    prior: Prior,
    draws: int,
    seed: int = 0,
    shifts: np.ndarray | None = None,
) -> tuple[Model, dict[str, Any]]:
    """Use the prior for the tasks whose errors it lowers, and leave the others as they are.

    Parameters
    ----------
    model
        What `fit_model` found for the same runs, `draws`, `seed` and `shifts`.
    P, Y
        Shares (runs, m) and losses (runs, tasks).

    Returns
    -------
    Model, dict
        And what to tell: ``solved`` and ``predicted``, bool by task, whether the law that the best
        mix is found with and the one that predicts are informed; ``errors``, mean absolute error of
        the former without and with the prior by task; ``curve``, rows of the number of mixes, and
        the errors without and with; ``saved``, see `saved_runs`.
    """
    folds = make_folds(P, FOLDS, seed)
    weight = near_best(np.nanmean(Y, axis=1)) if model.focused else None
    solved_with = cross_validate([InformedPowerLaw(prior)], P, Y, folds, weight)["informed"]
    unseen = cross_validate([InformedPowerLaw(prior), InformedResidual(prior)], P, Y, folds)
    solved = lowers(Y, model.unseen, solved_with)
    fitted, predicted = _predict(model, P, Y, prior, unseen, folds)
    bank, tasks = model.bank, np.flatnonzero(solved)
    if len(tasks):
        law = InformedPowerLaw(prior.part(tasks)).fit(P, Y[:, tasks], weight)
        half = draws - draws // 2
        moved = None if shifts is None else shifts[:half, :, tasks]
        drawn = bootstrap_laws(
            law, P, Y[:, tasks], solved_with[:, tasks], half, seed, weight, moved
        )
        bank = _with_versions(bank, tasks, Bank.of([law, *drawn]))
    curve = _curve(P, Y, prior, seed)
    told = {
        "solved": solved.tolist(),
        "predicted": predicted.tolist(),
        "errors": [np.nanmean(np.abs(f - Y), axis=0).tolist() for f in (model.unseen, solved_with)],
        "curve": curve,
        "saved": saved_runs(curve),
    }
    choice = [
        InformedPowerLaw.name if yes else name
        for yes, name in zip(solved, model.choice, strict=True)
    ]
    unseen = np.where(solved, solved_with, model.unseen)
    return replace(model, fitted=fitted, bank=bank, choice=choice, unseen=unseen), told


def _predict(model, P, Y, prior, unseen, folds):
    """The laws that predict, with the prior where it helps; and where that is."""
    fitted, name = model.fitted, InformedResidual.name
    informed = unseen[name]
    admitted = lowers(Y, fitted.chosen, informed)
    chosen = fitted.chosen.copy()
    for test in folds:  # admitted by the other runs, so that the scores pay for admitting
        rest = np.setdiff1d(np.arange(len(Y)), test)
        others = lowers(Y[rest], fitted.chosen[rest], informed[rest])
        chosen[np.ix_(test, others)] = informed[np.ix_(test, others)]
    tasks, law = np.flatnonzero(admitted), fitted.law
    if len(tasks):
        law = law.clone()
        law.single_ = False
        law.choice_ = law.choice = [
            name if yes else one for yes, one in zip(admitted, fitted.choice, strict=True)
        ]
        better = InformedResidual(prior.part(tasks)).fit(P, Y[:, tasks])
        law.laws_ = {**fitted.law.laws_, name: (tasks, better)}  # the last one is what counts
    return replace(
        fitted,
        law=law,
        unseen={**fitted.unseen, **unseen},
        chosen=chosen,
        half_width=half_width(Y, chosen),
    ), admitted


def _with_versions(bank: Bank, tasks: np.ndarray, informed: Bank) -> Bank:
    """The bank with other laws for some tasks, in as many versions as there are of them."""
    changed = {}
    for name, value in vars(bank).items():
        changed[name] = value.copy()
        changed[name][: len(informed), tasks] = getattr(informed, name)
    return Bank(**changed)


def _curve(P, Y, prior: Prior, seed: int) -> list[tuple[int, float, float]]:
    """Mean absolute error on the other runs of laws without and with the prior, by mixes fitted."""
    _, group = np.unique(P, axis=0, return_inverse=True)
    group = group.ravel()
    mixes = group.max() + 1
    found = []
    for size in sorted({max(4, round(part * mixes)) for part in _PARTS}):
        if mixes - size < 3:
            continue
        errors = np.zeros(2)
        for draw in range(_DRAWS):
            order = np.random.default_rng([seed, draw]).permutation(mixes)
            fit = np.isin(group, order[:size])
            for i, law in enumerate((PowerLaw(), InformedPowerLaw(prior))):
                guess = law.fit(P[fit], Y[fit]).predict(P[~fit])
                errors[i] += np.nanmean(np.abs(guess - Y[~fit])) / _DRAWS
        found.append((size, *errors.tolist()))
    return found


def saved_runs(curve: list[tuple[int, float, float]]) -> float | None:
    """Mixes more that a law without the prior needs, to err as little as one with it.

    Measured at the least number of mixes, between the points of the curve, and at most as many as
    the curve is long; None below two points.
    """
    if len(curve) < 2:
        return None
    sizes, without, informed = np.array(curve).T
    without = np.minimum.accumulate(without)
    return float(np.interp(-informed[0], -without, sizes) - sizes[0])
