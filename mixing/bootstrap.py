"""How sure the answer is: laws refitted to losses that could as well have been measured."""

from __future__ import annotations

import numpy as np

from mixing.laws import Law


def bootstrap_laws(
    law: Law,
    P: np.ndarray,
    Y: np.ndarray,
    out_of_fold: np.ndarray,
    draws: int = 200,
    seed: int = 0,
    weight: np.ndarray | None = None,
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

    Returns
    -------
    list of Law
        One for each draw.
    """
    residual = np.where(np.isfinite(Y), Y - out_of_fold, 0.0)
    fitted = law.predict(P)
    signs = np.random.default_rng([seed, draws]).choice([-1.0, 1.0], size=(draws, len(P)))
    Ys = fitted + signs[:, :, None] * residual
    Ys[:, ~np.isfinite(Y)] = np.nan
    return law.refit(P, Ys, weight)


def interval(draws: np.ndarray, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Equal-tailed interval over the first axis."""
    tail = (1 - level) / 2
    return np.quantile(draws, tail, axis=0), np.quantile(draws, 1 - tail, axis=0)
