"""Prefixes, suffixes and infixes of the default word rules, each as its width in bytes."""

from __future__ import annotations

import numpy as np

from filters.chars import (
    CURRENCY,
    DECIMAL,
    FULL_STOP_AFTER,
    HYPHEN,
    ICON,
    LETTER,
    LOWER,
    PREFIX,
    QUOTE,
    SUFFIX,
    UPPER,
    class_of,
    decode,
    step_back,
)
from filters.english import UNIT_SLOTS, UNITS
from filters.hashing import hash_bytes
from filters.jit import inner


@inner
def prefix_width(data, start, end, classes):
    """Bytes of the prefix that splits off the front of a chunk, 0 if there is none."""
    if start >= end:
        return 0
    b = data[start]
    if b == 0x2E:  # two or more full stops
        i = start
        while i < end and data[i] == 0x2E:
            i += 1
        return i - start if i - start > 1 else 0
    if b == 0x2B:  # + unless a digit follows
        return 0 if start + 1 < end and 0x30 <= data[start + 1] <= 0x39 else 1
    cp, width = decode(data, start, end)
    if class_of(classes, cp) & PREFIX:
        return width
    if (b == 0x41 or b == 0x43) and start + 1 < end and data[start + 1] == 0x24:
        return 2  # A$, C$
    if b == 0x55 and start + 2 < end and data[start + 1] == 0x53 and data[start + 2] == 0x24:
        return 3  # US$
    return 0


@inner
def suffix_width(data, start, end, seen, classes, lexicon, poly):
    """Bytes of the suffix that splits off the end of a chunk, 0 if there is none.

    seen holds the classes of the chunk's characters that are no ASCII letters.
    """
    if start >= end:
        return 0
    at = step_back(data, end, start)
    cp, width = decode(data, at, end)
    cls = class_of(classes, cp)
    if cp == 0x2E:
        while at > start and data[at - 1] == 0x2E:
            at -= 1
        if end - at > 1:
            return end - at
        if at == start:
            return 0
        before = step_back(data, at, start)
        cls = class_at(data, before, at, classes)
        if cls & FULL_STOP_AFTER:
            return 1
        if cls & UPPER and before > start:
            two = step_back(data, before, start)
            if class_at(data, two, before, classes) & UPPER:
                return 1
        return 0
    if cls & SUFFIX:
        if cp == 0x2026 and at > start:  # a doubled ellipsis character goes together
            before = step_back(data, at, start)
            if decode(data, before, at)[0] == 0x2026:
                return end - before
        return width
    if at == start:
        return 0
    before = step_back(data, at, start)
    previous = decode(data, before, at)[0]
    if (cp == 0x73 or cp == 0x53) and (previous == 0x27 or previous == 0x2019):
        return end - before
    if (cp == 0x2B or cls & CURRENCY) and 0x30 <= previous <= 0x39:
        return width
    if cp == 0x24 and (previous == 0x41 or previous == 0x43 or previous == 0x53):
        code = 3 if previous == 0x53 else 2  # US$, A$, C$
        spelt = previous != 0x53 or (end - start > code and data[end - 3] == 0x55)
        if spelt and end - start > code and 0x30 <= data[end - code - 1] <= 0x39:
            return code
    if seen & DECIMAL == 0:
        return 0
    # A unit after the last digit: at most ten bytes.
    i = at
    low = max(start, end - 10)
    while i > low and not 0x30 <= data[i - 1] <= 0x39:
        i -= 1
    if i > low and is_unit(data, i, end, lexicon, poly):
        return end - i
    return 0


@inner
def class_at(data, i, end, classes):
    return class_of(classes, decode(data, i, end)[0])


@inner
def infix_width(data, i, end, cp, width, cls, before, before_digit, classes):
    """Bytes of the infix at i, 0 if there is none; before is the class of the character there."""
    if cls & LETTER and cls & ICON == 0:
        return 0
    after = i + width
    if cp == 0x2E:
        j = after
        while j < end and data[j] == 0x2E:
            j += 1
        if j - i > 1:
            return j - i
        if before & (LOWER | QUOTE) and after < end:
            return 1 if class_at(data, after, end, classes) & (UPPER | QUOTE) else 0
        return 0
    if cp == 0x2026 or cls & ICON:
        return width
    if after >= end:
        return 0
    following = data[after]
    sign = cp == 0x2B or cp == 0x2D or cp == 0x2A or cp == 0x5E
    if before_digit and sign and (0x30 <= following <= 0x39 or following == 0x2D):
        return 1
    letter_after = class_at(data, after, end, classes) & LETTER
    if cp == 0x2C:
        return 1 if before & LETTER and letter_after else 0
    if not (before & LETTER or before_digit):
        return 0
    if cls & HYPHEN:
        if letter_after:
            return width
        j = after  # --, ---, or a doubled em dash
        while j < end and j - i < 3 and cp == 0x2D and data[j] == 0x2D:
            j += 1
        if cp == 0x2014 and decode(data, after, end)[0] == 0x2014:
            j = after + width
        if j > after and j < end and class_at(data, j, end, classes) & LETTER:
            return j - i
        return 0
    if cp == 0x3A or cp == 0x3C or cp == 0x3E or cp == 0x3D or cp == 0x2F:
        return 1 if letter_after else 0
    return 0


@inner
def is_unit(data, start, end, lexicon, poly):
    """Whether data[start:end] is a unit of measure."""
    key = hash_bytes(data, start, end, poly)
    slot = np.int64(key) & (UNIT_SLOTS - 1)
    while lexicon[UNITS + slot] != 0:
        if lexicon[UNITS + slot] == key:
            return True
        slot = (slot + 1) & (UNIT_SLOTS - 1)
    return False
