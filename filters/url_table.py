"""Sorted tables of 64-bit hashes in six bytes an entry, and one byte for what the entry says.

The upper 16 bits of a (well mixed) hash choose a bucket, so that only the lower 48 are stored:
nothing of the hash is lost. Arrays lie one after another, may be mapped from a file and are never
written to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from filters.arrow import readonly
from filters.jit import inner, kernel

BUCKETS = 1 << 16
MAX_CODE = 255


class Table(NamedTuple):
    """Entries of bucket b are ``offsets[b]`` to ``offsets[b + 1]``, sorted by their hash."""

    offsets: np.ndarray
    """uint32, BUCKETS + 1."""
    middle: np.ndarray
    """uint32: bits 16 to 47 of the hash."""
    low: np.ndarray
    """uint16: bits 0 to 15."""
    codes: np.ndarray
    """uint8, 1 to 255: what the entry says."""

    def __len__(self) -> int:
        return len(self.middle)


def make_table(parts: Iterable[tuple[np.ndarray, int]]) -> Table:
    """A table of hashes (uint64 arrays) with the code of each array.

    A hash in several arrays has the code of the first.
    """
    parts = [(hashes, code) for hashes, code in parts if len(hashes)]
    hashes = np.empty(sum(len(part) for part, _ in parts), np.uint64)
    start = 0
    for part, _ in parts:
        mix_all(readonly(part), hashes[start : start + len(part)])
        start += len(part)
    if len(parts) > 1:
        hashes, first = np.unique(hashes, return_index=True)
        codes = np.repeat(
            np.array([code for _, code in parts], np.uint8), [len(part) for part, _ in parts]
        )[first]
    else:
        hashes = np.unique(hashes)
        codes = np.full(len(hashes), parts[0][1] if parts else 0, np.uint8)
    offsets = np.searchsorted(hashes >> np.uint64(48), np.arange(BUCKETS + 1, dtype=np.uint64))
    arrays = (
        offsets.astype(np.uint32),
        (hashes >> np.uint64(16)).astype(np.uint32),
        hashes.astype(np.uint16),
        codes,
    )
    return Table(*map(readonly, arrays))


@kernel
def mix_all(values, out):
    for i in range(len(values)):
        out[i] = mix(values[i])


@inner
def mix(value):
    """The finaliser of splitmix64: a bijection whose upper bits depend on all bits of the value.

    Files hold hashes so mixed, so it stands here and not with the hash sets, which may change.
    """
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@inner
def look_up(table, value):
    """Code of a hash in a table, 0 if it is not there."""
    if len(table.middle) == 0:
        return 0
    value = mix(value)
    bucket = np.int64(value >> np.uint64(48))
    first = np.int64(table.offsets[bucket])
    end = np.int64(table.offsets[bucket + 1])
    middle = np.uint32((value >> np.uint64(16)) & np.uint64(0xFFFF_FFFF))
    low = np.uint16(value & np.uint64(0xFFFF))
    last = end
    while first < last:
        half = (first + last) >> 1
        if table.middle[half] < middle:
            first = half + 1
        else:
            last = half
    while first < end and table.middle[first] == middle:
        if table.low[first] == low:
            return np.int64(table.codes[first])
        first += 1
    return 0
