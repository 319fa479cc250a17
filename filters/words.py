"""The default word rules: English tokenisation over UTF-8 bytes, in one kernel.

Text is cut at white space into chunks. A chunk that is an exception (a contraction, an
abbreviation, an emoticon) is cut as the exception says. Otherwise prefixes and suffixes
(punctuation, quotes, currency, units after digits, ``'s``) are taken off in turn; what is left
stays whole if it is a URL or an e-mail address, or is cut at infixes (hyphens between letters,
``..``, a slash between letters). This is the method of spaCy's English tokenizer, on which the
published Gopher and FineWeb thresholds of datatrove rest. It differs from it in two points:

- letters are taken by Unicode category within Latin, Greek and Cyrillic, not from a list;
- emoji newer than Unicode 11 split off like older ones.

English rules leave whole clauses as one word in scripts written without spaces. Where a text is
known to be in such a language, every character of Han, kana, Thai, Lao, Khmer and Myanmar, with
its marks, can be a word instead, and CJK punctuation stand alone (``unspaced``).
"""

from __future__ import annotations

import string
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from filters.affixes import infix_width, prefix_width, suffix_width
from filters.arrow import readonly
from filters.chars import (
    ALPHA,
    ASCII,
    CLOSING,
    DECIMAL,
    MARK,
    SPACE,
    UNSPACED,
    char_classes,
    class_of,
    decode,
    step_back,
)
from filters.chunks import FOREIGN, SPACES
from filters.english import PATTERNS, SLOTS, STARTS, lexicon, rules
from filters.exceptions import any_joined, find_exception, join_exceptions, put
from filters.hashing import hash_of, polynomial
from filters.jit import inner, kernel
from filters.masks import ONE, WIDTH, below, scanner
from filters.swar import trailing_zeros
from filters.urlshape import is_url

_SMALL = string.ascii_lowercase.encode()
_LETTERS = string.ascii_letters.encode()
_DIGITS = string.digits.encode()
scan = scanner(SPACES, FOREIGN, _LETTERS, _SMALL, _DIGITS, b".", b",:;!?")
plain = scanner(_LETTERS + _DIGITS)
_NO_LETTER = 1 << 40
"""Set in the classes of a chunk that holds anything but letters."""


class WordRules(NamedTuple):
    """The look-up tables of the kernels."""

    classes: np.ndarray
    """uint32: see ``chars.char_classes``."""
    lexicon: np.ndarray
    """uint64: see ``english.lexicon``."""
    poly: np.ndarray
    """uint64: see ``hashing.polynomial``."""


@lru_cache(maxsize=1)
def word_rules() -> WordRules:
    """The tables of the default rules (built once)."""
    return make_rules(char_classes())


def make_rules(classes: np.ndarray) -> WordRules:
    """The tables for a table of character classes."""
    table, poly = lexicon().copy(), polynomial()
    # The patterns: every exception cut by a lexicon without exceptions.
    raw = ["".join(pieces).encode() for pieces in rules()]
    data = readonly(np.frombuffer(b"".join(raw), np.uint8))
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in raw])]).astype(np.int64)
    starts, ends = np.empty((2, len(data) + 8), np.int32)
    counts, pending = np.zeros(len(raw), np.int64), np.zeros(len(raw), np.bool_)
    bare = readonly(np.zeros_like(table))
    plain = np.zeros(len(raw), np.bool_)
    find_words(data, offsets, plain, classes, bare, poly, starts, ends, counts, pending)
    first = 0
    for text, begin, count in zip(raw, offsets, counts, strict=False):
        inner_starts = starts[first + 1 : first + count] - begin
        first += count
        if count > 1:
            slot = np.flatnonzero(table[:SLOTS] == hash_of(text))[0]
            table[PATTERNS + slot] = sum(1 << int(start) for start in inner_starts)
            table[STARTS + text[0]] |= np.uint64(1 << int(inner_starts[0]))
    return WordRules(classes, readonly(table), poly)


@kernel
def find_words(data, offsets, unspaced, classes, lexicon, poly, starts, ends, counts, pending):
    """Fill starts and ends (int32) with the words of all texts; counts[k] with their number.

    unspaced[k] (bool) asks for one word a character in scripts written without spaces.
    pending[k] (bool) says that words of text k make up exceptions, which ``join_words`` is to
    join. Returns the number of words, or -1 when the output arrays are too short for them.
    """
    capacity = len(starts)
    n = 0
    for k in range(len(offsets) - 1):
        first = n
        i = np.int64(offsets[k])
        stop = np.int64(offsets[k + 1])
        pending[k] = False
        ignored = np.int64(-1) if unspaced[k] else ~np.int64(UNSPACED | CLOSING)
        # Masks of the bytes from ``at`` on; what lies behind the text counts as blank.
        at = i - WIDTH
        blank = foreign = letter = digit = marks = np.uint64(0)
        while True:
            off = i - at
            if off >= WIDTH:
                if i >= stop:
                    break
                at, off = i, np.int64(0)
                blank, foreign, letter, small, digit, dots, marks = scan(data, i, stop)
                blank |= ~below(stop - i)
                # Marks that always split off if letters stand before them and a blank behind.
                marks = (marks | dots & small << ONE) & blank >> ONE
            off += trailing_zeros(~(blank >> np.uint64(off)))
            begin = i = at + off
            if off >= WIDTH:
                continue
            run = trailing_zeros(~(letter >> np.uint64(off)))
            past = off + run
            if past + 1 >= WIDTH and off > 0:
                at = i - WIDTH  # the word may go on behind the masks
                continue
            before = n
            if n + 4 > capacity:
                return -1
            i += run
            if run and past < WIDTH and blank >> np.uint64(past) & ONE:
                n = put(data, begin, i, lexicon, poly, starts, ends, n)
            elif (
                run
                and past + 1 < WIDTH
                and marks >> np.uint64(past) & ONE
                and find_exception(data, begin, i + 1, lexicon, poly) < 0
            ):
                n = put(data, begin, i, lexicon, poly, starts, ends, n)
                starts[n], ends[n] = i, i + 1
                n += 1
                i += 1
            else:
                past = off + trailing_zeros(blank >> np.uint64(off))
                if past >= WIDTH and off > 0:
                    i, at = begin, begin - WIDTH
                    continue
                chunk = below(past) & ~below(off)
                if past < WIDTH and foreign & chunk == 0:
                    i = at + past
                    seen = np.int64(_NO_LETTER | (DECIMAL if digit & chunk else 0))
                else:
                    i, seen = end_of_chunk(data, i, stop, classes)
                if i > begin:
                    if n + (i - begin) > capacity:
                        return -1
                    seen &= ignored
                    if seen < _NO_LETTER and seen & UNSPACED == 0:
                        n = put(data, begin, i, lexicon, poly, starts, ends, n)
                    else:
                        n = cut_chunk(data, begin, i, seen, classes, lexicon, poly, starts, ends, n)
                else:
                    i += decode(data, i, stop)[1]
            # Two words would be the whole chunk, which has been looked up.
            if n - before > 2 and not pending[k]:
                pending[k] = any_joined(data, lexicon, poly, starts, ends, before, n)
        counts[k] = n - first
    return n


@inner
def end_of_chunk(data, i, stop, classes):
    """Where a chunk ends, and the classes of its characters from i on."""
    seen = np.int64(0)
    while i < stop:
        if data[i] < 0x80:
            cls = np.int64(classes[ASCII + data[i]])
            width = 1
        else:
            cp, width = decode(data, i, stop)
            cls = class_of(classes, cp)
        if cls & SPACE:
            break
        seen |= cls | (_NO_LETTER if cls & ALPHA == 0 else 0)
        i += width
    return i, seen


@inner
def is_plain(data, start, end):
    """Whether data[start:end], at most 64 bytes, is ASCII letters and digits alone."""
    return end - start <= WIDTH and plain(data, start, end) == below(end - start)


@kernel
def join_words(
    data, lexicon, poly, starts, ends, counts, pending, matches, out_starts, out_ends, unsure
):
    """Copy the words of all texts to out_starts and out_ends, exceptions in pending ones joined.

    The output arrays need half as much room again as there are words. counts is brought up to
    date. unsure[k] is set if matches (int32, rows of 4, working space) was too short for some
    cluster of overlapping exceptions in text k. Returns the number of words.

    This is a kernel of its own to keep it out of the hot loop of ``find_words``.
    """
    n = 0
    base = 0
    for k in range(len(counts)):
        first = n
        last = base + counts[k]
        if not pending[k]:
            for w in range(counts[k]):
                out_starts[n + w], out_ends[n + w] = starts[base + w], ends[base + w]
            n += counts[k]
            base = last
        while base < last:
            # A stretch: words with nothing or a single blank between them.
            stretch = n
            while True:
                out_starts[n], out_ends[n] = starts[base], ends[base]
                n += 1
                base += 1
                if base == last:
                    break
                end, start = np.int64(ends[base - 1]), np.int64(starts[base])
                if start - end > 1 or (start > end and data[end] != 0x20):
                    break
            if any_joined(data, lexicon, poly, out_starts, out_ends, stretch, n):
                n, complete = join_exceptions(
                    data, lexicon, poly, out_starts, out_ends, stretch, n, matches
                )
                unsure[k] |= not complete
        counts[k] = n - first
    return n


@inner
def cut_chunk(data, start, end, seen, classes, lexicon, poly, starts, ends, n):
    """Append the words of a chunk that holds more than letters; returns their new number.

    seen is the union of the classes of its characters. Suffixes are parked at the far end of the
    output arrays, where they stand in their final order, and moved down when done.
    """
    parked = len(starts)
    exception = False
    last = -1
    while start < end and end - start != last:
        if find_exception(data, start, end, lexicon, poly) >= 0:
            exception = True
            break
        last = end - start
        prefix = prefix_width(data, start, end, classes)
        if prefix and start + prefix < end:
            exception = find_exception(data, start + prefix, end, lexicon, poly) >= 0
            if exception:
                starts[n], ends[n] = start, start + prefix
                n += 1
                start += prefix
                break
        suffix = suffix_width(data, start + prefix, end, seen, classes, lexicon, poly)
        if suffix and end - suffix > start:
            exception = find_exception(data, start, end - suffix, lexicon, poly) >= 0
            if exception:
                parked -= 1
                starts[parked], ends[parked] = end - suffix, end
                end -= suffix
                break
        if prefix:
            starts[n], ends[n] = start, start + prefix
            n += 1
            start += prefix
        if suffix:
            parked -= 1
            starts[parked], ends[parked] = end - suffix, end
            end -= suffix
    if start < end:
        if exception:
            n = put(data, start, end, lexicon, poly, starts, ends, n)
        elif is_plain(data, start, end) or is_url(data, start, end, classes):
            starts[n], ends[n] = start, end
            n += 1
        else:
            n = cut_infixes(data, start, end, seen, classes, starts, ends, n)
    for i in range(parked, len(starts)):
        starts[n], ends[n] = starts[i], ends[i]
        n += 1
    return n


@inner
def cut_infixes(data, start, end, seen, classes, starts, ends, n):
    """Append the pieces of a chunk's core and the infixes between them."""
    piece = start
    i = start
    before = np.int64(0)
    before_digit = False
    while i < end:
        skipped = trailing_zeros(~plain(data, i, end))
        if skipped:  # letters and digits are no infixes
            i += skipped
            cp = np.int64(data[i - 1])
            before = np.int64(classes[ASCII + cp])
            before_digit = 0x30 <= cp <= 0x39
            if i == end:
                break
        cp, width = decode(data, i, end)
        cls = class_of(classes, cp)
        match = infix_width(data, i, end, cp, width, cls, before, before_digit, classes)
        if match and i > start:
            if i > piece:
                n = put_piece(data, piece, i, seen, classes, starts, ends, n)
            starts[n], ends[n] = i, i + match
            n += 1
            piece = i + match
        if match:
            i += match
            at = step_back(data, i, start)
            cp = decode(data, at, end)[0]
            cls = class_of(classes, cp)
        else:
            i += width
        before = cls
        before_digit = 0x30 <= cp <= 0x39
    if piece < end:
        n = put_piece(data, piece, end, seen, classes, starts, ends, n)
    return n


@inner
def put_piece(data, start, end, seen, classes, starts, ends, n):
    """Append data[start:end]: whole, or character by character where no spaces are written."""
    if seen & (UNSPACED | CLOSING) == 0:
        starts[n], ends[n] = start, end
        return n + 1
    i = start
    run = start
    while i < end:
        cp, width = decode(data, i, end)
        cls = class_of(classes, cp)
        if cls & (UNSPACED | CLOSING):
            if run < i:
                starts[n], ends[n] = run, i
                n += 1
            j = i + width
            while cls & UNSPACED and j < end:
                mark, mark_width = decode(data, j, end)
                if class_of(classes, mark) & MARK == 0:
                    break
                j += mark_width
            starts[n], ends[n] = i, j
            n += 1
            i = run = j
        else:
            i += width
    if run < end:
        starts[n], ends[n] = run, end
        n += 1
    return n
