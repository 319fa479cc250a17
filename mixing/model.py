"""A swarm's model: the laws that predict, and the convex laws with bootstraps that are solved on.

It depends on the runs alone, not on weights, budgets or limits, so any question finds it ready.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from mixing.bank import Bank
from mixing.calibration import Coverage, calibrate
from mixing.fitted import CODE, FOLDS, LIBRARIES, Fitted, Tell, cached_fit, fit_address, fit_laws
from mixing.laws import Law
from mixing.model_file import load_model, save_model
from mixing.power_law import PowerLaw
from mixing.residual import PowerLawResidual
from mixing.surface import fit_surface
from mixing.validation import make_folds, score
from pipeline.address import code_version

_PARTS = (0.3, 0.45, 0.6, 0.75)  # of the runs, in the learning curve
_CURVE_DRAWS = 3
SURFACE_CODE = (
    "mixing.ask", "mixing.bank", "mixing.bootstrap", "mixing.calibration", "mixing.collapse",
    "mixing.feasible", "mixing.model", "mixing.program", "mixing.shares",
    "mixing.solve", "mixing.surface",
)  # fmt: skip
_PARTS_OF = {"fitted": Fitted, "bank": Bank, "coverage": Coverage}


@dataclass(frozen=True)
class Model:
    """What a swarm's runs say.

    Attributes
    ----------
    fitted
        The laws that predict best, chosen per task.
    bank
        Convex laws: version 0 is fitted to the runs, the others to bootstrapped losses.
    choice
        Convex law of each task, (tasks,).
    unseen
        Its out-of-fold predictions, (runs, tasks).
    focused
        Whether good mixes count more in the convex laws, as cross-validation prefers it.
    curve
        Runs fitted, and mean rank correlation on the others, rising: whether runs are enough.
    items
        Evaluation items that the bootstraps draw anew; 0 where per-item scores are not known.
    coverage
        How often the intervals of shares hold a known optimum, and what they are stretched by.
    bent
        The power law with a Gaussian process on what it leaves: where its optimum lies beyond an
        interval's, the interval reaches out.
    """

    fitted: Fitted
    bank: Bank
    choice: list[str]
    unseen: np.ndarray
    focused: bool
    curve: list[tuple[int, float]]
    items: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    bent: Law | None = None


def fit_model(
    P: np.ndarray,
    Y: np.ndarray,
    draws: int = 200,
    seed: int = 0,
    units: np.ndarray | None = None,
    fitted: Fitted | None = None,
    tell: Tell | None = None,
    shifts: np.ndarray | None = None,
    items: int = 0,
) -> Model:
    """Fit everything that a question needs.

    Parameters
    ----------
    P, Y
        Shares (runs, m) and losses (runs, tasks).
    draws
        Bootstraps.
    units
        In which tasks are averaged to say which mixes are good, (tasks,); default the losses' own.
    fitted
        What `fit_laws` found, where it is known.
    shifts, items
        What `item_shifts` found for these draws, and from how many items.
    """
    fitted = fitted or fit_laws(P, Y, seed, tell)
    weights = 1.0 / (np.ones(Y.shape[1]) if units is None else units) / Y.shape[1]
    folds = make_folds(P, FOLDS, seed)
    if tell:
        tell("convex laws", 0, 3)
    surface = fit_surface(P, Y, weights, folds, fitted.unseen)
    if tell:
        tell("bootstrap", 1, 3)
    bank = Bank.of([surface.law, *surface.draw(draws, seed, shifts)])
    if tell:
        tell("calibrate", 2, 3)
    bent = PowerLawResidual().fit(P, Y)
    coverage = calibrate(surface, bent, weights, folds, seed)
    return Model(
        fitted, bank, surface.law.choice, surface.unseen, surface.weight is not None,
        learning_curve(P, Y, seed), items, coverage, bent,
    )  # fmt: skip


def learning_curve(P: np.ndarray, Y: np.ndarray, seed: int = 0) -> list[tuple[int, float]]:
    """Rank correlation on the other runs of a power law fitted to ever more of them."""
    found = []
    for part in _PARTS:
        size = round(part * len(P))
        if size < 6 or len(P) - size < 4:
            continue
        rhos = []
        for draw in range(_CURVE_DRAWS):
            order = np.random.default_rng([seed, draw]).permutation(len(P))
            fit, rest = order[:size], order[size:]
            law = PowerLaw().fit(P[fit], Y[fit])
            rhos.append(np.nanmean(score(Y[rest], law.predict(P[rest])).rho))
        found.append((size, float(np.mean(rhos))))
    return found


def cached_model(
    P: np.ndarray,
    Y: np.ndarray,
    folder: str,
    draws: int = 200,
    seed: int = 0,
    units: np.ndarray | None = None,
    tell: Tell | None = None,
) -> tuple[Model, bool]:
    """`fit_model`, or what it found before for the same numbers and the same code.

    Returns
    -------
    Model, bool
        And whether it was found in `folder`.
    """
    version = code_version((*CODE, *SURFACE_CODE), LIBRARIES)[:8]
    name = f"model-{fit_address(P, Y, seed)[:16]}-{draws}-{version}.npz"
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return read_model(path), True
    fitted, _ = cached_fit(P, Y, folder, seed, tell)
    model = fit_model(P, Y, draws, seed, units, fitted, tell)
    write_model(path, model)
    return model, False


def write_model(path: str, model: Model) -> None:
    """Write a model as one file."""
    state = {**vars(model), **{name: vars(getattr(model, name)) for name in _PARTS_OF}}
    save_model(path, state)


def read_model(path: str) -> Model:
    """Read what `write_model` wrote.

    Raises
    ------
    UserError
        When the file is no such model.
    """
    state = load_model(path)
    return Model(**{**state, **{name: kind(**state[name]) for name, kind in _PARTS_OF.items()}})
