"""Chunks, what ``str.split()`` yields, counted eight bytes at a time."""

from __future__ import annotations

import numpy as np

from filters.chars import ALNUM, ALPHA, ASCII, CAPITAL, DIGIT, SPACE, class_of, decode
from filters.jit import inner
from filters.swar import (
    HIGH,
    LOW,
    controls,
    count_ones,
    equal_to,
    letters,
    load_end,
    lower,
    trailing_zeros,
)

CHUNK_COLUMNS = (
    "chunks",
    "chunk_chars",
    "chunk_bytes",
    "alpha_chunks",
    "alnum_chunks",
    "stop_chunks",
)
"""What `sum_chunks` adds to, at these places."""
STOPS = tuple(
    int.from_bytes(word.encode(), "little")
    for word in ("the", "be", "to", "of", "and", "that", "have", "with")
)
"""Stop words of DCLM and Gopher, as their bytes (at most four) make a number."""
_SPACE = LOW * np.uint64(0x20)


@inner
def sum_chunks(data, i, end, classes, stops, out):
    """Count the chunks of a line; returns its capital letters and digits."""
    upper = digits = np.int64(0)
    while i < end:
        if data[i] == 0x20:
            i += 1
            continue
        begin = i
        plain = True
        any_letter = False
        width = np.int64(8)
        while i < end and width == 8:
            eight = load_end(data, i, end)
            width = min(end - i, np.int64(8))
            stopped = controls(eight) | equal_to(eight, _SPACE)
            if stopped:
                width = min(width, trailing_zeros(stopped) >> 3)
            if width < 8:
                eight &= (np.uint64(1) << np.uint64(8 * width)) - np.uint64(1)
            if eight & HIGH:
                plain = False
                break
            found = letters(eight)
            any_letter |= found != 0
            # Bit 0x20 of a letter, moved to where the mark is, tells small ones.
            upper += count_ones(found & ~(eight << np.uint64(2)))
            digits += count_ones(is_digit(eight))
            i += width
        if plain and i < end and data[i] != 0x20 and classes[ASCII + data[i]] & SPACE == 0:
            plain = False
        if not plain:
            # Back to the start of the chunk, character by character.
            upper -= count_upper(data, begin, i)
            digits -= count_digits(data, begin, i)
            i, more_upper, more_digits = slow_chunk(data, begin, end, classes, stops, out)
            upper += more_upper
            digits += more_digits
            continue
        length = i - begin
        if length == 0:  # other white space
            i += 1
            continue
        out[0] += 1
        out[1] += length
        out[2] += length
        out[3] += any_letter
        out[4] += classes[ASCII + data[begin]] & ALNUM != 0
        out[5] += is_stop_word(data, begin, i, stops)
    return upper, digits


@inner
def is_stop_word(data, start, end, stops):
    if end - start > 4:
        return False
    small = lower(load_end(data, start, end))
    small &= (np.uint64(1) << np.uint64(8 * (end - start))) - np.uint64(1)
    for word in stops:  # noqa: SIM110
        if small == word:
            return True
    return False


@inner
def is_digit(eight):
    """High bits of the bytes that are ASCII digits; all bytes must be ASCII."""
    over = eight + np.uint64(0x5050_5050_5050_5050)  # 0x80 - "0"
    past = eight + np.uint64(0x4646_4646_4646_4646)  # 0x80 - "9" - 1
    return over & ~past & HIGH


@inner
def count_upper(data, i, end):
    total = 0
    for j in range(i, end):
        total += 0x41 <= data[j] <= 0x5A
    return total


@inner
def count_digits(data, i, end):
    total = 0
    for j in range(i, end):
        total += 0x30 <= data[j] <= 0x39
    return total


@inner
def slow_chunk(data, begin, end, classes, stops, out):
    """Count a chunk with any characters; returns its end, capital letters and digits."""
    upper = digits = np.int64(0)
    any_class = first_class = np.int64(0)
    i = begin
    chars = 0
    width = np.int64(0)
    space = False
    while i < end:
        cp, width = decode(data, i, end)
        cls = class_of(classes, cp)
        if cls & SPACE:
            space = True
            break
        if chars == 0:
            first_class = cls
        any_class |= cls
        upper += cls & CAPITAL != 0
        digits += cls & DIGIT != 0
        chars += 1
        i += width
    if chars:
        out[0] += 1
        out[1] += chars
        out[2] += i - begin
        out[3] += any_class & ALPHA != 0
        out[4] += first_class & ALNUM != 0
        out[5] += is_stop_word(data, begin, i, stops)
    return i + (width if space else 0), upper, digits
