"""Chunks, trimmed lines and RefinedWeb's line corrections, as DCLM's pipeline has them.

*Chunks* are what ``str.split()`` yields. *Trimmed lines* and *paragraphs* are the parts between
newlines, or between two of them, stripped, empty ones left out; where one stands more than once,
every copy of it counts as repeated. *Corrections* (Penedo et al. 2023, G.2) cut lines: mostly in
capitals, only digits, a counter ("3 likes"), a single word; and out of lines of at most ten words
"items in cart", a final "Read more..." and an initial "Sign-in". What remains, and in which order
the rules are tried, follows DCLM's reproduction (Li et al. 2024).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from filters.arrow import Texts, readonly
from filters.chars import (
    ALNUM,
    ASCII,
    WORD,
    char_classes,
    class_of,
    decode,
)
from filters.chunks import CHUNK_COLUMNS, STOPS, sum_chunks
from filters.hashset import EMPTY, claim, clear, table_size
from filters.jit import inner, kernel
from filters.lines import strip_left, strip_right
from filters.masks import finder
from filters.swar import HIGH, continuations, load_end

COLUMNS = (
    *CHUNK_COLUMNS,
    "trimmed",
    "trimmed_chars",
    "trimmed_bullets",
    "trimmed_ellipses",
    "trimmed_repeats",
    "trimmed_repeat_chars",
    "blocks",
    "block_chars",
    "block_repeats",
    "block_repeat_chars",
    "cut_uppercase",
    "cut_numeric",
    "cut_counter",
    "cut_one_word",
    "cut_phrase",
    "cut_chunks",
)
REASONS = ("", "uppercase", "numeric", "counter", "one_word", "phrase")
"""Reasons of the spans, by number."""
UPPERCASE, NUMERIC, COUNTER, ONE_WORD, PHRASE = range(1, 6)
_FIRST_CUT = COLUMNS.index("cut_uppercase") - UPPERCASE
_CUT_CHUNKS = COLUMNS.index("cut_chunks")
_TRIMMED, _BLOCKS = COLUMNS.index("trimmed"), COLUMNS.index("blocks")
SHORT_LINE = 10
"""Words up to which phrases are looked for in a line."""
_COUNTED = (
    "likes shares comments retweets reposts quotes bookmarks upvotes downvotes downloads views "
    "followers"
)
find_newline = finder(b"\n")
find_cart = finder((b"it", b"It", b"iT", b"IT"))
_SEED = np.uint64(0x9E37_79B9_7F4A_7C15)
_MIX = np.uint64(0xD6E8_FEB8_6659_FD93)
_HALF = np.uint64(32)


class LineSums(NamedTuple):
    """What the kernel finds in a batch."""

    sums: np.ndarray
    """int64 (texts, COLUMNS)."""
    spans: np.ndarray
    """int32 (spans, 3): what the corrections cut: first byte, end, place in REASONS."""
    counts: np.ndarray
    """int64: spans of each text."""


@lru_cache(maxsize=1)
def _words() -> np.ndarray:
    """Words of counters and phrases, uint8 (15, 16): length, then letters."""
    texts = [*_COUNTED.split(), "items in cart", "read more...", "sign-in"]
    table = np.zeros((len(texts), 16), np.uint8)
    for row, text in zip(table, texts, strict=True):
        row[: len(text) + 1] = [len(text), *text.encode()]
    return readonly(table)


def line_sums(texts: Texts, newlines: np.ndarray) -> LineSums:
    """Sums over chunks and lines of all texts, which have so many newlines (int64) each."""
    most = int(newlines.max(initial=0)) + 2
    found = LineSums(
        np.zeros((len(texts), len(COLUMNS)), np.int64),
        np.empty((int(newlines.sum()) + 2 * len(texts), 3), np.int32),
        np.zeros(len(texts), np.int64),
    )
    stops = readonly(np.array(STOPS, np.uint64))
    keys = np.empty(table_size(most), np.uint64)
    again = np.empty(len(keys), np.bool_)
    tables = char_classes(), _words(), stops, keys, again
    spans = found.spans
    while True:
        size = sum_lines(
            texts.data, texts.offsets, newlines, *tables, found.sums, spans, found.counts
        )
        if size <= len(spans):
            return found._replace(spans=spans[:size])
        found.sums[:] = 0
        spans = np.empty((size, 3), np.int32)


@kernel
def sum_lines(data, offsets, newlines, classes, words, stops, keys, again, sums, spans, counts):
    """Fill `LineSums`; returns the number of spans, of which those that fit are written."""
    size = 0
    for k in range(len(offsets) - 1):
        first = size
        out = sums[k]
        start, stop = np.int64(offsets[k]), np.int64(offsets[k + 1])
        rows = newlines[k] + 1
        mask = clear(keys, rows)
        i = start
        while i < stop:
            end = find_newline(data, i, stop)
            size = sum_row(
                data, i, end, stop, classes, words, stops, keys, again, mask, out, spans, size
            )
            i = end + 1
        mask = clear(keys, rows)
        i = start
        while i < stop:
            end = i
            while True:
                end = find_newline(data, end, stop)
                if end >= stop or (end + 1 < stop and data[end + 1] == 0x0A):
                    break
                end += 1
            low = strip_left(data, i, end, classes)
            high = strip_right(data, low, end, classes)
            if low < high:
                key, chars = hash_part(data, low, high)
                repeat(keys, again, mask, key, chars, out, _BLOCKS, _BLOCKS + 2)
            i = end + 2
        counts[k] = size - first
    return size


@inner
def hash_part(data, start, end):
    """Hash and characters of data[start:end]."""
    value = _SEED
    chars = end - start
    i = start
    while i < end:
        eight = load_end(data, i, end)
        if eight & HIGH:
            chars -= continuations(eight)
        value = (value ^ eight) * _MIX
        value ^= value >> _HALF
        i += 8
    return value + np.uint64(end - start), chars


@inner
def repeat(keys, again, mask, key, chars, out, all_at, repeats_at):
    """Count one part: all parts and characters, and those of parts that stand twice or more."""
    out[all_at] += 1
    out[all_at + 1] += chars
    slot, key = claim(keys, mask, key)
    if keys[slot] == EMPTY:
        keys[slot] = key
        again[slot] = False
        return
    copies = 1 if again[slot] else 2
    again[slot] = True
    out[repeats_at] += copies
    out[repeats_at + 1] += copies * chars


@inner
def sum_row(data, start, end, stop, classes, words, stops, keys, again, mask, out, spans, size):
    """Count one line data[start:end]; returns the new number of spans."""
    before, before_alnum = out[0], out[4]
    upper, digits = sum_chunks(data, start, end, classes, stops, out)
    chunks = out[0] - before
    low = strip_left(data, start, end, classes)
    high = strip_right(data, low, end, classes)
    chars = np.int64(0)
    if low < high:
        key, chars = hash_part(data, low, high)
        repeat(keys, again, mask, key, chars, out, _TRIMMED, _TRIMMED + 4)
        out[_TRIMMED + 2] += is_bullet(data, low, high)
        out[_TRIMMED + 3] += is_ellipsis(data, low, high)
    if start == end:
        return size
    reason = 0
    if upper or digits or chunks < 2:
        length = end - start
        if 2 * upper <= length:  # characters are no more than bytes
            length = chars
            if high - low < end - start:
                _, length = hash_part(data, start, end)
        if 2 * upper > length:
            reason = UPPERCASE
        elif digits == length:
            reason = NUMERIC
        elif digits and is_counter(data, start, end, classes, words):
            reason = COUNTER
        elif chunks < 2:
            reason = ONE_WORD
    if reason:
        out[_FIRST_CUT + reason] += 1
        out[_CUT_CHUNKS] += out[4] - before_alnum
        return put_span(spans, size, start, min(end + 1, stop), reason)
    if chunks <= SHORT_LINE:
        return cut_phrases(data, start, end, stop, classes, words, out, spans, size)
    return size


@inner
def is_bullet(data, i, end):
    b = data[i]
    if b == 0x2A or b == 0x2D:
        return True
    if b != 0xE2 or i + 3 > end:
        return False
    return (data[i + 1] == 0x80 and data[i + 2] == 0xA2) or (
        data[i + 1] == 0x97 and data[i + 2] == 0x8F
    )


@inner
def is_ellipsis(data, start, end):
    """Whether a trimmed line ends in "...", ". . ." or the ellipsis character."""
    if end - start < 3:
        return False
    a, b, c = data[end - 3], data[end - 2], data[end - 1]
    if a == 0xE2 and b == 0x80 and c == 0xA6:
        return True
    if c != 0x2E or a != 0x2E:
        return False
    return b == 0x2E or (
        b == 0x20 and end - start >= 5 and data[end - 4] == 0x20 and data[end - 5] == 0x2E
    )


@inner
def is_counter(data, i, end, classes, words):
    """Whether a line is a number and what it counts, as "1.2k views"."""
    while i < end:
        cp, width = decode(data, i, end)
        if class_of(classes, cp) & WORD:
            break
        i += width
    if i == end or not 0x30 <= data[i] <= 0x39:
        return False
    while i < end and (0x30 <= data[i] <= 0x39 or data[i] == 0x2C or data[i] == 0x2E):
        i += 1
    if i < end and (data[i] | 0x20 == 0x6B or data[i] | 0x20 == 0x6D or data[i] | 0x20 == 0x62):
        i += 1
    low = strip_left(data, i, end, classes)
    if low == i:
        return False
    for k in range(len(words) - 3):
        if is_word(data, low, end, words[k]):
            i = low + np.int64(words[k, 0])
            while i < end:
                cp, width = decode(data, i, end)
                if class_of(classes, cp) & WORD:
                    return False
                i += width
            return True
    return False


@inner
def is_word(data, i, end, word):
    """Whether the word (length, letters) stands at i, whatever its case."""
    if i + word[0] > end:
        return False
    for k in range(word[0]):
        b = data[i + k]
        if 0x41 <= b <= 0x5A:
            b |= 0x20
        if b != word[k + 1]:
            return False
    return True


@inner
def cut_phrases(data, start, end, stop, classes, words, out, spans, size):
    """Cut the three phrases out of a short line; returns the new number of spans."""
    first = size
    begin = start
    sign_in, more, cart = words[-1], words[-2], words[-3]
    if is_word(data, start, end, sign_in):
        begin = start + np.int64(sign_in[0])
        if begin < end and data[begin] == 0x20:
            begin += 1
        size = put_span(spans, size, start, begin, PHRASE)
    last = max(begin, end - np.int64(more[0]))
    has_more = is_word(data, last, end, more)
    if has_more and last > begin and data[last - 1] == 0x20:
        last -= 1
    if not has_more:
        last = end
    if begin == start and not has_more and find_cart(data, begin, end) == end:
        return size
    i = begin
    left = False  # something stays
    while i < last:
        if data[i] | 0x20 == 0x69 and is_word(data, i, last, cart):
            low = i - 1 if i > begin and data[i - 1] == 0x20 else i
            i += np.int64(cart[0])
            size = put_span(spans, size, low, i, PHRASE)
        else:
            left |= data[i] > 0x20
            i += 1
    if has_more:
        size = put_span(spans, size, last, end, PHRASE)
    if size == first:
        return size
    out[_FIRST_CUT + PHRASE] += 1
    if not left:
        size = put_span(spans, first, start, min(end + 1, stop), PHRASE)
    for s in range(first, min(size, len(spans))):
        inside = False
        for j in range(np.int64(spans[s, 0]), np.int64(spans[s, 1])):
            cls = np.int64(classes[ASCII + data[j]]) if data[j] < 0x80 else np.int64(ALNUM)
            out[_CUT_CHUNKS] += not inside and cls & ALNUM != 0
            inside = data[j] > 0x20
    return size


@inner
def put_span(spans, size, start, end, reason):
    if size < len(spans):
        spans[size, 0], spans[size, 1], spans[size, 2] = start, end, reason
    return size + 1
