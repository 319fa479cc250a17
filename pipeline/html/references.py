"""Character references of HTML (``&amp;``, ``&#x41;``) decoded inside kernels."""

from __future__ import annotations

from html.entities import html5

import numpy as np

from filters.jit import inner
from pipeline.html.tags import HASH_PRIME, HASH_SEED, name_hash

_SLOTS = 8192
_LONGEST = max(map(len, html5))
_LONGEST_OPEN = max(len(name) for name in html5 if not name.endswith(";"))
_PRIME, _SEED = np.uint64(HASH_PRIME), np.uint64(HASH_SEED)
# what windows-1252 has at 0x80 to 0x9F, which numeric references there mean
_C1 = np.frombuffer(bytes(range(0x80, 0xA0)).decode("cp1252", "replace").encode("utf-32-le"), "<u4")


def _table() -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the names (with their semicolon) and up to two code points each."""
    keys, points = np.zeros(_SLOTS, np.uint64), np.zeros((_SLOTS, 2), np.int32)
    for name, text in html5.items():
        value = name_hash(name)
        slot = value % _SLOTS
        while keys[slot]:
            slot = (slot + 1) % _SLOTS
        keys[slot] = value
        points[slot, : len(text)] = [ord(c) for c in text]
    return keys, points


REFERENCES = _table()
"""What `reference` looks names up in."""


@inner
def reference(data, i, end, table):
    """The reference at data[i] == "&": code point, second one or 0, length; length 0 for none."""
    k = i + 1
    if k < end and data[k] == 0x23:
        return _numeric(data, k + 1, i, end)
    while k < end and k - i <= _LONGEST and _is_alphanumeric(data[k]):
        k += 1
    if k < end and data[k] == 0x3B:
        slot = _slot(data, i + 1, k + 1, table[0])
        if slot >= 0:
            return np.int64(table[1][slot, 0]), np.int64(table[1][slot, 1]), k + 1 - i
    stop = min(k, i + 1 + _LONGEST_OPEN)
    while stop > i + 2:  # old names need no semicolon; the longest that fits
        slot = _slot(data, i + 1, stop, table[0])
        if slot >= 0:
            return np.int64(table[1][slot, 0]), np.int64(table[1][slot, 1]), stop - i
        stop -= 1
    return np.int64(0), np.int64(0), 0


@inner
def _numeric(data, k, i, end):
    base = 10
    if k < end and data[k] | 0x20 == 0x78:
        base = 16
        k += 1
    value = np.int64(0)
    first = k
    while k < end:
        c = np.int64(data[k])
        if 0x30 <= c <= 0x39:
            digit = c - 0x30
        elif base == 16 and 0x61 <= c | 0x20 <= 0x66:
            digit = (c | 0x20) - 0x57
        else:
            break
        value = min(value * base + digit, 0x110000)
        k += 1
    if k == first:
        return np.int64(0), np.int64(0), 0
    if k < end and data[k] == 0x3B:
        k += 1
    if 0x80 <= value < 0xA0:
        value = np.int64(_C1[value - 0x80])
    elif value == 0 or value > 0x10FFFF or 0xD800 <= value < 0xE000:
        value = np.int64(0xFFFD)
    return value, np.int64(0), k - i


@inner
def _slot(data, start, end, keys):
    value = _SEED
    for i in range(end - 1, start - 1, -1):
        value = (value ^ np.uint64(data[i])) * _PRIME
    slot = np.int64(value & np.uint64(_SLOTS - 1))
    while keys[slot] != 0:
        if keys[slot] == value:
            return slot
        slot = (slot + 1) & (_SLOTS - 1)
    return -1


@inner
def _is_alphanumeric(c):
    return 0x30 <= c <= 0x39 or 0x61 <= c | 0x20 <= 0x7A


@inner
def put_utf8(out, at, point):
    """Write a code point; the position behind it."""
    if point < 0x80:
        out[at] = point
        return at + 1
    if point < 0x800:
        out[at] = 0xC0 | point >> 6
        out[at + 1] = 0x80 | point & 0x3F
        return at + 2
    if point < 0x10000:
        out[at] = 0xE0 | point >> 12
        out[at + 1] = 0x80 | point >> 6 & 0x3F
        out[at + 2] = 0x80 | point & 0x3F
        return at + 3
    out[at] = 0xF0 | point >> 18
    out[at + 1] = 0x80 | point >> 12 & 0x3F
    out[at + 2] = 0x80 | point >> 6 & 0x3F
    out[at + 3] = 0x80 | point & 0x3F
    return at + 4
