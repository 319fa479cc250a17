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

NUMBER, TOKEN, AT, COLONS, BLOCK, SPELLED = 1, 2, 4, 8, 16, 32
"""What a place is: a stretch of digits with separators, a long run of letters and digits, an ``@``,
a run of hexadecimal digits and colons, the first line of a block of key material, an *at* in
brackets or a *dot* between blanks."""
DIGITS = 6
"""Digits that a stretch needs ..."""
DOTS = 3
"""... or full stops between them."""
GAP = 3
"""Separators in a row inside a stretch."""
TOKEN_BYTES = 16
_HEADS = tuple(
    int.from_bytes(head, "big")
    for head in b"sk- sk_ rk_ hf_ r8_ xox eyJ ghp gho ghu ghs ghr sq0 AIz".split()
    + [b"SK" + bytes([digit]) for digit in b"0123456789abcdef"]
)
_LONG_HEADS = tuple(
    int.from_bytes(head, "big")
    for head in b"AKIA ASIA gith glpa GOCS xapp npm_ pypi shpa shpc shps dop_ doo_ dor_ gsk_ pplx "
    b"dapi PMAK NRAK lin_ figd ATAT ntn_ sbp_ AGE-".split()
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
            elif i + 4 < stop and is_spelled(data, i, byte):
                n = put(places, n, k, i - origin, i + 4 - origin, SPELLED)
            elif byte == 0x2D and i + 11 <= stop and data[i + 5] == 0x42 and is_block(data, i):
                n = put(places, n, k, i - origin, i + 11 - origin, BLOCK)
            i += 1
    return n


@inner
def is_spelled(data, i, byte):
    """Whether ``[at]``, ``( at )`` or `` dot `` may begin at i; four bytes follow it."""
    if byte == 0x20:
        return (
            data[i + 1] | 0x20 == 0x64
            and data[i + 2] | 0x20 == 0x6F
            and data[i + 3] | 0x20 == 0x74
            and data[i + 4] == 0x20
        )
    if byte == 0x28 or byte == 0x5B or byte == 0x7B or byte == 0x3C:
        j = i + 1 if data[i + 1] == 0x20 else i
        after = data[j + 3]
        return (
            data[j + 1] | 0x20 == 0x61
            and data[j + 2] | 0x20 == 0x74
            and (after == 0x20 or after == 0x29 or after == 0x5D or after == 0x7D or after == 0x3E)
        )
    return False


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
    head = np.int64(data[begin]) << 16 | np.int64(data[begin + 1]) << 8 | data[begin + 2]
    for k in range(len(_HEADS)):
        if head == _HEADS[k]:
            return True
    head = head << 8 | data[begin + 3]
    for k in range(len(_LONG_HEADS)):
        if head == _LONG_HEADS[k]:
            return True
    if begin >= low + 3 and data[begin - 1] == 0x2E:  # SG. hvs. dp.pt.
        two = np.int64(data[begin - 3]) << 8 | data[begin - 2]
        if two == 0x5347 or two == 0x7673 or two == 0x7662 or two == 0x7074 or two == 0x7374:
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
