"""Places of a text where personal data may stand, found in one pass over its bytes.

Most texts have none, so that they cost little more than the pass; what is found is looked at
closely by `filters.pii`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from filters.arrow import readonly
from filters.jit import inner, kernel
from filters.swar import HIGH, letters, load_end, trailing_zeros

NUMBER, TOKEN, AT, COLONS, BLOCK = 1, 2, 4, 8, 16
"""What a place is: a stretch of digits with separators, a long run of letters and digits, an ``@``,
a run of hexadecimal digits and colons, the first line of a block of key material."""
DIGITS = 6
"""Digits that a stretch needs ..."""
DOTS = 3
"""... or full stops between them."""
GAP = 3
"""Separators in a row inside a stretch."""
TOKEN_BYTES = 16
_HEADS = tuple(
    int.from_bytes(head, "big") for head in b"AK AS gh gi gl AI GO xo sk rk hf np py ey".split()
)
"""How the tokens of `filters.pii_keys` begin."""
_DIGIT, _LETTER, _JOIN, _SEPARATOR, _HEX = 1, 2, 4, 8, 16


@lru_cache(maxsize=1)
def byte_kinds() -> np.ndarray:
    """Kinds of the 256 bytes, uint8."""
    kinds = np.zeros(256, np.uint8)
    kinds[ord("0") : ord("9") + 1] = _DIGIT | _HEX
    for first in (ord("A"), ord("a")):
        kinds[first : first + 26] = _LETTER
        kinds[first : first + 6] |= _HEX
    for char in b"_-":
        kinds[char] |= _JOIN
    for char in b" .-/()+":
        kinds[char] |= _SEPARATOR
    return readonly(kinds)


@kernel
def find_places(data, offsets, kinds, places):
    """List where personal data may stand; returns how many places, also beyond the room.

    places (int64, rows of 4): text, first byte in its text, end, what it is. Places of one text
    ascend by their ends.
    """
    n = 0
    for k in range(len(offsets) - 1):
        origin, stop = np.int64(offsets[k]), np.int64(offsets[k + 1])
        first = last = np.int64(-1)  # of the stretch of digits
        digits = dots = 0
        token = np.int64(-1)  # where the run of letters and digits begins
        colons_until = origin
        i = origin
        while i <= stop:
            byte = data[i] if i < stop else 0x0A
            kind = kinds[byte]
            if kind & _LETTER:
                if token < 0:
                    token = i
                if first >= 0:
                    n = put_number(places, n, k, first - origin, last + 1 - origin, digits, dots)
                    first = np.int64(-1)
                i = end_of_letters(data, i, stop)
                continue
            if kind & (_DIGIT | _JOIN):
                if token < 0:
                    token = i
            elif token >= 0:
                if i - token >= TOKEN_BYTES and is_token(data, origin, token, i, kinds):
                    n = put(places, n, k, token - origin, i - origin, TOKEN)
                token = np.int64(-1)
            if kind & _DIGIT:
                if first < 0:
                    first = i
                    digits = dots = 0
                digits += 1
                last = i
            elif first >= 0:
                if kind & _SEPARATOR and i - last <= GAP:
                    dots += byte == 0x2E
                else:
                    n = put_number(places, n, k, first - origin, last + 1 - origin, digits, dots)
                    first = np.int64(-1)
            if byte == 0x40:
                n = put(places, n, k, i - origin, i + 1 - origin, AT)
            elif byte == 0x3A and i >= colons_until:
                begin, colons_until, colons = colon_run(data, i, origin, stop, kinds)
                if colons >= 2 and colons_until - begin >= 8:
                    n = put(places, n, k, begin - origin, colons_until - origin, COLONS)
            elif byte == 0x2D and i + 11 <= stop and data[i + 5] == 0x42 and is_block(data, i):
                n = put(places, n, k, i - origin, i + 11 - origin, BLOCK)
            i += 1
    return n


@inner
def colon_run(data, i, low, stop, kinds):
    """Begin and end of the run of hexadecimal digits and colons around a colon, and its colons."""
    begin = i
    while begin > low and kinds[data[begin - 1]] & _HEX:
        begin -= 1
    colons = 0
    while i < stop and (data[i] == 0x3A or kinds[data[i]] & _HEX):
        colons += data[i] == 0x3A
        i += 1
    return begin, i, colons


@inner
def is_token(data, low, begin, end, kinds):
    """Whether a run of letters and digits may be a key or a number.

    It is of capital letters and digits, or begins as tokens do.
    """
    two = np.int64(data[begin]) << 8 | data[begin + 1]
    for k in range(len(_HEADS)):
        if two == _HEADS[k]:
            return True
    if begin >= low + 3 and data[begin - 1] == 0x2E and data[begin - 2] == 0x47:  # SG.
        return True
    digit = False
    for k in range(begin, end):
        digit |= kinds[data[k]] & _DIGIT != 0
        if data[k] >= 0x61:
            return False
    return digit


@inner
def end_of_letters(data, i, stop):
    """Where the run of ASCII letters from i on ends."""
    while i < stop:
        others = letters(load_end(data, i, stop)) ^ HIGH
        if others:
            return min(i + (trailing_zeros(others) >> 3), stop)
        i += 8
    return stop


@inner
def put_number(places, n, text, start, end, digits, dots):
    """Write a stretch of digits if it holds enough of them."""
    if digits >= DIGITS or dots >= DOTS:
        return put(places, n, text, start, end, NUMBER)
    return n


@inner
def put(places, n, text, start, end, what):
    """Write one place if there is room; returns the number of places."""
    if n < len(places):
        places[n, 0], places[n, 1], places[n, 2], places[n, 3] = text, start, end, what
    return n + 1


@inner
def is_block(data, i):
    """Whether ``-----BEGIN`` stands at i."""
    for k in range(5):
        if data[i + k] != 0x2D:
            return False
    return (
        data[i + 6] == 0x45 and data[i + 7] == 0x47 and data[i + 8] == 0x49 and data[i + 9] == 0x4E
    )
