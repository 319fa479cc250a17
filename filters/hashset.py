"""Hash sets and sketches in borrowed arrays.

A *set* is a uint64 array with open addressing, at most half of its slots filled. A *sketch* is a
uint8 array that tells keys seen once from keys seen more often: it may err towards "more often",
never the other way, and so leaves few keys for an exact set.
"""

from __future__ import annotations

import numpy as np

from filters.jit import inner

EMPTY = np.uint64(0)
"""The key of a free slot."""
_FOR_ZERO = np.uint64(0x9E37_79B9_7F4A_7C15)
_LEAST_SLOTS = 16
_SPREAD = np.uint64(0x9FB2_1C65_1E98_DF25)
_HALF = np.uint64(32)


def table_size(entries: int) -> int:
    """Slots of a set for so many entries: a power of two, at most half of it filled."""
    return max(_LEAST_SLOTS, 1 << (2 * entries - 1).bit_length())


def sketch_size(entries: int) -> int:
    """Bytes of a sketch for so many keys: a power of two, eight to sixteen for each."""
    return max(64, 1 << (8 * entries - 1).bit_length())


@inner
def claim(keys, mask, key):
    """Slot of key in an open-addressed table: where it is, or the free slot where it belongs."""
    if key == EMPTY:
        key = _FOR_ZERO
    slot = (key * _SPREAD) >> _HALF & mask
    # No short circuit: which of the two ends the search cannot be foreseen.
    while (keys[slot] != EMPTY) & (keys[slot] != key):
        slot = (slot + np.uint64(1)) & mask
    return slot, key


@inner
def clear(keys, entries):
    """Empty as much of the table as so many entries need; returns its mask."""
    size = _LEAST_SLOTS
    while size < 2 * entries:
        size *= 2
    for i in range(size):
        keys[i] = EMPTY
    return np.uint64(size - 1)


@inner
def clear_sketch(sketch, entries):
    """Empty as much of the sketch as so many keys need; returns the shift of ``note``."""
    bits = 6
    while 1 << bits < 8 * entries:
        bits += 1
    for i in range(1 << bits):
        sketch[i] = 0
    return np.uint64(64 - bits)


@inner
def note(sketch, shift, key):
    """Count a key in the sketch."""
    slot = (key * _SPREAD) >> shift
    sketch[slot] = sketch[slot] * 2 + 1 & 3


@inner
def noted_twice(sketch, shift, key):
    """Whether the key was noted more than once, or seems so."""
    return sketch[(key * _SPREAD) >> shift] == 3
