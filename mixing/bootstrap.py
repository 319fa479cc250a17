"""How sure the answer is: laws refitted to losses that could as well have been measured."""

from __future__ import annotations

import numpy as np

from mixing.laws import Law

LEVEL = 0.9


def bootstrap_laws(
    law: Law,
    P: np.ndarray,
    Y: np.ndarray,
    out_of_fold: np.ndarray,
    draws: int = 200,
    seed: int = 0,
    weight: np.ndarray | None = None,
    shifts: np.ndarray | None = None,
) -> list[Law]:
    """Refit a law to bootstrapped losses.

    A wild bootstrap (Wu, 1986; Mammen, 1993): each draw keeps the mixes and adds to the fitted
    losses the out-of-fold residuals with random signs. The residuals hold the seeds' noise, what
    the law cannot express, and what it learns badly from so few runs; each stays at its own mix, as
    noise differs between mixes. All tasks of a run share a sign, for they share a proxy.

    Parameters
    ----------
    law
        Fitted to `P` and `Y`.
    out_of_fold
        Its predictions of runs it did not see, (runs, tasks).
    draws, seed
        Number of refits; of the signs.
    shifts
        What other evaluation items would have added to the losses, (draws, runs, tasks).

    Returns
    -------
    list of Law
        One for each draw.
    """
    Ys = wild(law.predict(P), Y, out_of_fold, draws, np.random.default_rng([seed, draws]))
    if shifts is not None:
        Ys = Ys + shifts
    return law.refit(P, Ys, weight)


def wild(
    fitted: np.ndarray, Y: np.ndarray, out_of_fold: np.ndarray, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Fitted losses with out-of-fold residuals of random sign, (draws, runs, tasks)."""
    residual = np.where(np.isfinite(Y), Y - out_of_fold, 0.0)
    signs = rng.choice([-1.0, 1.0], size=(draws, len(Y)))
    Ys = fitted + signs[:, :, None] * residual
    Ys[:, ~np.isfinite(Y)] = np.nan
    return Ys


def interval(draws: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Equal-tailed interval over the first axis."""
    tail = (1 - level) / 2
    return np.quantile(draws, tail, axis=0), np.quantile(draws, 1 - tail, axis=0)
