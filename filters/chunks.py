"""Chunks, what ``str.split()`` yields, counted sixty-four bytes at a time."""

from __future__ import annotations

import string

import numpy as np

from filters.chars import ALNUM, ALPHA, CAPITAL, DIGIT, SPACE, class_of, decode
from filters.jit import inner
from filters.masks import ONE, WIDTH, below, scanner
from filters.swar import count_ones, leading_zeros, load_end, lower, trailing_zeros

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
SPACES = bytes(b for b in range(128) if chr(b).isspace())
FOREIGN = bytes(range(128, 256))
scan = scanner(
    SPACES,
    FOREIGN,
    string.ascii_letters.encode(),
    string.ascii_uppercase.encode(),
    string.digits.encode(),
    *(bytes([letter, letter - 32]) for letter in b"abdefhinotvw"),
)
_1, _2, _3, _4 = (np.uint64(k) for k in (1, 2, 3, 4))


@inner
def sum_chunks(data, i, end, classes, stops, out):
    """Count the chunks of a line; returns its capital letters and digits."""
    upper = digits = np.int64(0)
    while i < end:
        masks = scan(data, i, end)
        space, foreign, letter, capital, digit = masks[:5]
        # The last bit stays free: what reaches it is left to the next masks.
        width = min(end - i, np.int64(WIDTH - 1))
        gaps = space & below(width)
        if i + width < end:
            if gaps == 0:
                i, more_upper, more_digits = slow_chunk(data, i, end, classes, stops, out)
                upper += more_upper
                digits += more_digits
                continue
            width = WIDTH - leading_zeros(gaps)
        filled = ~space & below(width)
        foreign &= filled
        while foreign:
            # Chunks with other characters than ASCII, and white space among these, one by one.
            at = trailing_zeros(foreign)
            first = WIDTH - leading_zeros(~filled & below(at))
            past = at + trailing_zeros(~(filled >> np.uint64(at)))
            j = i + first
            while j < i + past:
                j, more_upper, more_digits = slow_chunk(data, j, i + past, classes, stops, out)
                upper += more_upper
                digits += more_digits
            filled &= ~below(past) | below(first)
            foreign &= filled
        starts = filled & ~(filled << ONE)
        letter &= filled
        size = count_ones(filled)
        out[0] += count_ones(starts)
        out[1] += size
        out[2] += size
        # Adding a chunk's letters to its bits carries into the gap behind it, if there are any.
        out[3] += count_ones((filled + letter) & ~filled)
        out[4] += count_ones(starts & (letter | digit))
        out[5] += count_ones(stop_words(starts, ~filled, masks[5:]))
        upper += count_ones(capital & filled)
        digits += count_ones(digit & filled)
        i += width
    return upper, digits


@inner
def stop_words(starts, gaps, masks):
    """Where a chunk is one of STOPS, from the masks of the letters in them."""
    a, b, d, e, f, h, i, n, o, t, v, w = masks
    two = (b & (e >> _1)) | (t & (o >> _1)) | (o & (f >> _1))
    three = (t & (h >> _1) & (e >> _2)) | (a & (n >> _1) & (d >> _2))
    four = (t & (h >> _1) & (a >> _2) & (t >> _3)) | (h & (a >> _1) & (v >> _2) & (e >> _3))
    four |= w & (i >> _1) & (t >> _2) & (h >> _3)
    return starts & ((two & (gaps >> _2)) | (three & (gaps >> _3)) | (four & (gaps >> _4)))


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
