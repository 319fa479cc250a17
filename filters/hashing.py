"""Polynomial hashes mod 2^61 - 1: equal for equal bytes, and composable over concatenation.

A token's hash is ``sum(byte[i] * BASE^(len - 1 - i))``; the hash of two texts put together is
``hash(a) * BASE^len(b) + hash(b)``. Hashes of n-grams therefore need no n-gram strings, and two
n-grams whose texts are equal but split differently hash equally, as the Gopher rules ask.
Chance of a collision for two different texts of L bytes: at most L / 2^61.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from filters.arrow import readonly
from filters.jit import inner

PRIME = (1 << 61) - 1
BASE = 0x0B4F_D1E6_21C9_A63B
"""A fixed odd number below 2^61 - 1, taken once from a random generator."""


POWERS = 8 * 256
"""Where the powers of BASE stand in the table."""


@lru_cache(maxsize=1)
def polynomial() -> np.ndarray:
    """The look-up table of the polynomial, uint64, flat, built once.

    ``[256 * k + b]`` is ``(b + 1) * BASE^k`` for the byte b, k < 8 places from the end;
    ``[POWERS + k]`` is ``BASE^k`` for k < 64. 17 kB: it stays in the first-level cache.
    """
    powers = [pow(BASE, k, PRIME) for k in range(64)]
    table = [(byte + 1) * powers[k] % PRIME for k in range(8) for byte in range(256)]
    return readonly(np.array(table + powers, np.uint64))


def hash_of(text: bytes) -> int:
    """The hash of some bytes in plain Python: the oracle of the kernels, and for small tables."""
    value = 0
    for byte in text:
        value = (value * BASE + byte + 1) % PRIME
    return value


@inner
def mulmod(a, b):
    """a * b mod 2^61 - 1 for uint64 a, b < 2^61 - 1, in 64-bit arithmetic."""
    low31 = np.uint64((1 << 31) - 1)
    low30 = np.uint64((1 << 30) - 1)
    a_high = a >> np.uint64(31)
    a_low = a & low31
    b_high = b >> np.uint64(31)
    b_low = b & low31
    middle = a_low * b_high + a_high * b_low
    total = (
        (a_high * b_high << np.uint64(1))
        + (middle >> np.uint64(30))
        + ((middle & low30) << np.uint64(31))
        + a_low * b_low
    )
    return fold(total)


@inner
def fold(value):
    """A uint64 mod 2^61 - 1."""
    prime = np.uint64((1 << 61) - 1)
    value = (value & prime) + (value >> np.uint64(61))
    if value >= prime:
        value -= prime
    return value


@inner
def hash_bytes(data, start, end, poly):
    """Polynomial hash (uint64) of data[start:end]; one multiplication per eight bytes."""
    value = np.uint64(0)
    head = (end - start) & 7
    for i in range(head):
        value += poly[((head - 1 - i) << 8) + data[start + i]]
    value = fold(value)
    i = start + head
    while i < end:
        part = np.uint64(0)
        for k in range(7):
            part += poly[((7 - k) << 8) + data[i + k]]
        part = fold(part) + poly[data[i + 7]]
        value = fold(mulmod(value, poly[POWERS + 8]) + part)
        i += 8
    return value


@inner
def power_of(length, poly):
    """BASE^length mod 2^61 - 1 (uint64) for any length >= 0."""
    value = poly[POWERS + (length & 63)]
    length >>= 6
    if length == 0:
        return value
    square = mulmod(poly[POWERS + 32], poly[POWERS + 32])
    while length > 0:
        if length & 1:
            value = mulmod(value, square)
        square = mulmod(square, square)
        length >>= 1
    return value


@inner
def spread(value):
    """Mix a hash so that its low bits can index a table (the finaliser of splitmix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
