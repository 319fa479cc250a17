"""Eight bytes at a time: loads from unaligned places, and tests of all eight bytes at once.

Texts are scanned in words of 64 bits (little-endian: byte i of the text is the i-th lowest). The
results mark bytes by their high bit, so that counting trailing zeros finds the first of them.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from filters.jit import inner

LOW = np.uint64(0x0101_0101_0101_0101)
HIGH = np.uint64(0x8080_8080_8080_8080)
_SEVEN = np.uint64(0x7F7F_7F7F_7F7F_7F7F)
_CASE = np.uint64(0x2020_2020_2020_2020)
_FROM_A = np.uint64(0x1F1F_1F1F_1F1F_1F1F)  # 0x80 - "a"
_PAST_Z = np.uint64(0x0505_0505_0505_0505)  # 0x80 - "z" - 1
_TO_SPACE = np.uint64(0x6060_6060_6060_6060)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_EIGHT = ir.IntType(64)


def _place(context, builder, signature, arguments):
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), _EIGHT.as_pointer())


@intrinsic
def load8(typing, data, i):
    """uint64 of the eight bytes of data from i (int64) on; they must lie inside the array."""

    def code(context, builder, signature, arguments):
        return builder.load(_place(context, builder, signature, arguments), align=1)

    return types.uint64(data, types.int64), code


@intrinsic
def store8(typing, data, i, value):
    """Write a uint64 to the eight bytes of data from i (int64) on, inside the array."""

    def code(context, builder, signature, arguments):
        builder.store(arguments[2], _place(context, builder, signature, arguments), align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), code


@intrinsic
def trailing_zeros(typing, value):
    """Number of zero bits below the lowest set bit of a uint64, as int64; 64 for 0."""

    def code(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), code


@intrinsic
def leading_zeros(typing, value):
    """Number of zero bits above the highest set bit of a uint64, as int64; 64 for 0."""

    def code(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), code


@intrinsic
def count_ones(typing, value):
    """Number of set bits of a uint64, as int64."""

    def code(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), code


@inner
def load_end(data, i, end):
    """The up to eight bytes data[i:end], zeros above them; nothing outside the array is read."""
    n = end - i
    if n >= 8:
        return load8(data, i)
    if i + 8 <= len(data):
        return load8(data, i) & ((np.uint64(1) << np.uint64(8 * n)) - np.uint64(1))
    value = np.uint64(0)
    for k in range(n):
        value |= np.uint64(data[i + k]) << np.uint64(8 * k)
    return value


@inner
def load_head(data, i, n):
    """The first eight bytes of the n (at least one) from i on, zeros above them."""
    if i + 8 > len(data):
        return load_end(data, i, i + min(n, np.int64(8)))
    return load8(data, i) & (_ALL >> np.uint64(64 - 8 * min(n, np.int64(8))))


@inner
def letters(eight):
    """High bits of the bytes that are ASCII letters."""
    low = (eight | _CASE) & _SEVEN
    return (low + _FROM_A) & ~(low + _PAST_Z) & ~eight & HIGH


@inner
def equal_to(eight, byte):
    """High bits of the bytes that equal ``byte`` (uint64, LOW * value).

    Exact up to the first of them; bytes after it may be marked too.
    """
    other = eight ^ byte
    return (other - LOW) & ~other & HIGH


@inner
def controls(eight):
    """High bits of the bytes below 0x20."""
    return ~((eight & _SEVEN) + _TO_SPACE) & ~eight & HIGH


@inner
def lower(eight):
    """The bytes with bit 0x20 set: ASCII letters in lower case, "[" as "{"."""
    return eight | _CASE


@inner
def continuations(eight):
    """How many of the bytes continue a character of UTF-8."""
    return count_ones((eight >> np.uint64(7)) & ~(eight >> np.uint64(6)) & LOW)
