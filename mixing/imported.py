"""A swarm that somebody else trained: read from two tables, fitted, asked about other mixes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from catalogs.errors import UserError
from mixing.fitted import Fitted, Tell, cache_folder, cached_fit
from mixing.tables import Joined, Table, join_tables, read_ratios, read_table, write_table

_FEWEST = 8  # runs below which five folds leave next to nothing to fit


@dataclass(frozen=True)
class Imported:
    """An imported swarm and its fit.

    Attributes
    ----------
    swarm
        The two tables, joined.
    fitted
        The laws.
    cached
        Whether the fit was found from an earlier call.
    seconds
        That the fit, or reading it, took.
    label
        Name of the index column.
    """

    swarm: Joined
    fitted: Fitted
    cached: bool
    seconds: float
    label: str


def fit_tables(
    ratios: str, metrics: str, folder: str | None = None, seed: int = 0, tell: Tell | None = None
) -> Imported:
    """Fit a swarm given as two CSV tables.

    Parameters
    ----------
    ratios, metrics
        Paths: an index column, then a column per domain or per task; joined on the index.
    folder
        Where fits are kept; default the user's cache.

    Raises
    ------
    UserError
        When the tables cannot be read, do not match or hold too few runs.
    """
    mixes = read_ratios(ratios)
    swarm = join_tables(mixes, read_table(metrics))
    if len(swarm.index) < _FEWEST:
        raise UserError(
            f"{metrics}: {len(swarm.index)} runs with ratios; a fit needs at least {_FEWEST}, and "
            f"does well from {3 * (len(swarm.domains) + 1)} on"
        )
    began = time.perf_counter()
    fitted, cached = cached_fit(swarm.shares, swarm.losses, folder or cache_folder(), seed, tell)
    return Imported(swarm, fitted, cached, time.perf_counter() - began, mixes.label)


def predict_table(found: Imported, path: str, out: str) -> Table:
    """Predict every task at the mixes of another table of ratios, and write them as CSV.

    Raises
    ------
    UserError
        When the table's domains are not those of the swarm.
    """
    table = read_ratios(path)
    shares = table.aligned(found.swarm.domains)
    write_table(out, table.label, table.index, found.swarm.tasks, found.fitted.law.predict(shares))
    return table


def beyond_support(found: Imported, shares: np.ndarray) -> list[str]:
    """Domains of which a mix has more than the swarm ever had, (mixes, m), as sentences."""
    most, asked = found.swarm.shares.max(0), shares.max(0)
    return [
        f"{name}: asked up to {100 * share:.1f} %, sampled up to {100 * top:.1f} %"
        for name, share, top in zip(found.swarm.domains, asked, most, strict=True)
        if share > top + 0.005
    ]
