"""A hash set in a borrowed uint64 array: open addressing, at most half of the slots filled."""

from __future__ import annotations

import numpy as np

from filters.hashing import spread
from filters.jit import inner

EMPTY = np.uint64(0)
"""The key of a free slot."""
_FOR_ZERO = np.uint64(0x9E37_79B9_7F4A_7C15)
_LEAST_SLOTS = 16


def table_size(entries: int) -> int:
    """Slots of a hash table for so many entries: a power of two, at most half of it filled."""
    return max(_LEAST_SLOTS, 1 << (2 * entries - 1).bit_length())


@inner
def claim(keys, mask, key):
    """Slot of key in an open-addressed table: where it is, or the free slot where it belongs."""
    if key == EMPTY:
        key = _FOR_ZERO
    slot = np.int64(spread(key)) & mask
    while keys[slot] != EMPTY and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot, key


@inner
def clear(keys, words):
    """Empty as much of the table as so many entries need; returns its mask."""
    size = _LEAST_SLOTS
    while size < 2 * words:
        size *= 2
    for i in range(size):
        keys[i] = EMPTY
    return size - 1
