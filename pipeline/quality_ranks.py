"""Ranks of scores among a corpus, and ranks of several models as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RANKS = 10_000
Scale = dict[tuple[str, str, str | None], np.ndarray]
"""Values of what `pipeline.quality_scale` wrote, by (kind, name, part)."""


def top_place(total: int, share: float) -> int:
    """Place, from 1 in ascending order, of the last of the best `share`; one stays at least."""
    return total - max(math.ceil(share * total - 1e-9), 1) + 1


def places_of(parts: int) -> Callable[[int], np.ndarray]:
    """Places, from 1, at or below which 1/parts, 2/parts … of a total lie."""
    return lambda total: -(-np.arange(1, parts + 1, dtype=np.int64) * total // parts)


def rank_of(scores: pa.Array, quantiles: np.ndarray | None) -> np.ndarray:
    """Steps of rank, 1 to `RANKS`, of scores among the corpus; 0 where there is no score."""
    if quantiles is None:
        return np.zeros(len(scores), np.int64)
    known = scores.is_valid().to_numpy(zero_copy_only=False)
    values = pc.fill_null(scores, 0).to_numpy(zero_copy_only=False)
    return np.where(known, step_of(values, quantiles), 0)


def step_of(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Steps of rank of values: how many quantiles are not above them, one at least."""
    return np.maximum(np.searchsorted(quantiles, values, side="right"), 1)


def combine(ranks: Sequence[np.ndarray], how: str) -> np.ndarray:
    """Ranks of several models as one whole number; -1 where there is none.

    The unit is a step divided by the least common multiple of 1 to the number of models, so that
    means over any number of them are whole.
    """
    stacked, unit = np.stack(ranks), math.lcm(*range(1, len(ranks) + 1))
    known = (stacked > 0).sum(axis=0)
    if how == "max":
        combined = stacked.max(axis=0) * unit
    else:
        combined = stacked.sum(axis=0) * unit // np.maximum(known, 1)
    return np.where(known > 0, combined, -1)


def map_values(column: pa.ChunkedArray, name: str) -> pa.Array:
    """The values of one key of a column of maps; null where a map lacks it."""
    found = pc.map_lookup(column, name, "first")
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def parts_of(documents: pa.Table, per: str | None) -> pa.Array:
    """What the buckets of each document are within: '' where that is not known."""
    if per is None:
        return pa.repeat("", len(documents))
    if per in ("source", "language"):
        return pc.fill_null(documents[per].combine_chunks(), "")
    return pc.fill_null(map_values(documents["labels"], per), "")
