"""The 32-bit FNV-1a hash inside kernels, and tables that are looked up by it."""

from __future__ import annotations

import numpy as np

from filters.jit import inner

OFFSET, PRIME = np.uint32(2166136261), np.uint32(16777619)
MIX = np.uint64(0x9E3779B97F4A7C15)


def fnv(word: bytes) -> int:
    """The hash of some bytes."""
    value = int(OFFSET)
    for byte in word:
        value = ((value ^ byte) * int(PRIME)) & 0xFFFFFFFF
    return value


@inner
def step(value, byte):
    """One step of the 32-bit FNV-1a hash."""
    return np.uint32((value ^ np.uint32(byte)) * PRIME)


@inner
def find(table, key):
    """Class of a hash in an open-addressing table, or 255."""
    keys, values = table
    mask = np.uint32(len(keys) - 1)
    slot = key & mask
    while values[slot] != 255:
        if keys[slot] == key:
            return values[slot]
        slot = (slot + np.uint32(1)) & mask
    return np.uint8(255)
