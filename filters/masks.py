"""Sixty-four bytes at a time: masks of the bytes that belong to a set, one bit a byte.

Bit k of a mask speaks of byte i + k. The vector instructions are those of the processor the
kernels are compiled for; where it has none, LLVM writes the same in plain ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import pairwise

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from filters.jit import inner
from filters.swar import trailing_zeros

WIDTH = 64
ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
ONE = np.uint64(1)
_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, WIDTH)


def scanner(*sets: bytes | tuple[bytes, ...]) -> Callable:
    """A function for kernels, ``(data, i, end)``: masks (uint64) of data[i:end], one a set.

    A set is the bytes in it, or a tuple of pairs of bytes; then the first byte of each pair found
    is marked. Bits from end on are 0. i must lie inside data, end at most at its end. A single set
    gives a number, several a tuple.
    """
    paired = any(isinstance(members, tuple) for members in sets)

    @intrinsic
    def load(typing, data, i):
        count = len(sets)
        result = types.uint64 if count == 1 else types.UniTuple(types.uint64, count)

        def code(context, builder, signature, arguments):
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            here = _load(builder, array, arguments[1])
            after = None
            if paired:
                following = builder.add(arguments[1], ir.Constant(arguments[1].type, 1))
                after = _load(builder, array, following)
            masks = [_mask(builder, here, after, members) for members in sets]
            return masks[0] if count == 1 else context.make_tuple(builder, result, masks)

        return result(data, types.int64), code

    if len(sets) == 1:

        @inner
        def scan(data, i, end):
            return load(data, i) & below(end - i)
    else:

        @inner
        def scan(data, i, end):
            keep = below(end - i)
            return tuple_and(load(data, i), keep)

    return scan


def finder(members: bytes | tuple[bytes, ...]) -> Callable:
    """A function for kernels, ``(data, i, end)``: place of the first byte of a set, or end.

    Sets are those of `scanner`.
    """
    scan = scanner(members)

    @inner
    def find(data, i, end):
        while i < end:
            found = scan(data, i, end)
            if found:
                return i + trailing_zeros(found)
            i += WIDTH
        return end

    return find


@inner
def below(count):
    """A mask with so many low bits set; all of them from 64 on."""
    return ALL if count >= WIDTH else (ONE << np.uint64(count)) - ONE


@intrinsic
def tuple_and(typing, masks, keep):
    """Every mask of a tuple, and keep."""

    def code(context, builder, signature, arguments):
        parts = [
            builder.and_(builder.extract_value(arguments[0], k), arguments[1])
            for k in range(len(signature.args[0]))
        ]
        return context.make_tuple(builder, signature.return_type, parts)

    return masks(masks, types.uint64), code


def _load(builder, array, i):
    """The vector at i; zeros behind the end of the array, where nothing is read."""
    place = builder.gep(array.data, [i])
    left = builder.sub(array.nitems, i)
    whole = builder.icmp_signed(">=", left, ir.Constant(left.type, WIDTH))
    rest = cgutils.alloca_once(builder, _VECTOR)
    with builder.if_then(builder.not_(whole), likely=False):
        builder.store(ir.Constant(_VECTOR, None), rest)
        cgutils.raw_memcpy(builder, builder.bitcast(rest, _BYTE.as_pointer()), place, left, 1)
    vector = builder.bitcast(place, _VECTOR.as_pointer())
    return builder.load(builder.select(whole, vector, rest), align=1)


def _mask(builder, here, after, members):
    if isinstance(members, tuple):
        found = [
            builder.and_(
                builder.icmp_unsigned("==", here, _splat(first)),
                builder.icmp_unsigned("==", after, _splat(second)),
            )
            for first, second in members
        ]
    else:
        found = []
        for low, high in _ranges(members):
            shifted = builder.sub(here, _splat(low)) if low else here
            found.append(builder.icmp_unsigned("<=", shifted, _splat(high - low)))
    return builder.bitcast(reduce(builder.or_, found), ir.IntType(64))


def _splat(byte: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [byte] * WIDTH)


def _ranges(members: bytes) -> list[tuple[int, int]]:
    """Bytes as inclusive ranges."""
    ordered = sorted(set(members))
    cuts = [k for k, (a, b) in enumerate(pairwise(ordered), 1) if b > a + 1]
    bounds = [0, *cuts, len(ordered)]
    return [(ordered[low], ordered[high - 1]) for low, high in pairwise(bounds)]
