"""The default word rules: English tokenisation over UTF-8 bytes, in one kernel.

Text is cut at white space into chunks. A chunk that is an exception (a contraction, an
abbreviation, an emoticon) is cut as the exception says. Otherwise prefixes and suffixes
(punctuation, quotes, currency, units after digits, ``'s``) are taken off in turn; what is left
stays whole if it is a URL or an e-mail address, or is cut at infixes (hyphens between letters,
``..``, a slash between letters). This is the method of spaCy's English tokenizer, on which the
published Gopher and FineWeb thresholds of datatrove rest. It differs from it in four points:

- in scripts written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar) every character, with
  its marks, is a word, and CJK punctuation always stands alone;
- letters are taken by Unicode category within Latin, Greek and Cyrillic, not from a list;
- emoji newer than Unicode 11 split off like older ones;
- an exception spread over several chunks (": )") is never joined.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from filters.affixes import infix_width, prefix_width, suffix_width
from filters.chars import (
    ALPHA,
    ASCII,
    CLOSING,
    MARK,
    SPACE,
    UNSPACED,
    char_classes,
    class_of,
    decode,
    step_back,
)
from filters.english import (
    CUTS,
    MAX_BYTES,
    SIEVE,
    SLOTS,
    STARTS,
    lexicon,
)
from filters.english import sieve_bit as _sieve_bit
from filters.hashing import hash_bytes, polynomial
from filters.jit import inner, kernel
from filters.urlshape import is_url

sieve_bit = inner(_sieve_bit)


@lru_cache(maxsize=1)
def word_rules() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The look-up tables of the kernels: classes, lexicon, polynomial (built once)."""
    return char_classes(), lexicon(), polynomial()


@kernel
def find_words(data, offsets, classes, lexicon, poly, starts, ends, counts):
    """Fill starts and ends (int32) with the words of all texts; counts[k] with their number.

    Returns the number of words, or -1 when the output arrays are too short for them.
    """
    capacity = len(starts)
    n = 0
    for k in range(len(offsets) - 1):
        first = n
        i = offsets[k]
        stop = offsets[k + 1]
        while i < stop:
            begin = i
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
                seen |= cls | (1 << 40 if cls & ALPHA == 0 else 0)
                i += width
            if i > begin:
                if n + (i - begin) > capacity:
                    return -1
                if seen < 1 << 40 and seen & UNSPACED == 0:
                    n = put(data, begin, i, lexicon, poly, starts, ends, n)
                elif is_plain_word(data, begin, i, lexicon, poly):
                    n = put(data, begin, i - 1, lexicon, poly, starts, ends, n)
                    starts[n], ends[n] = i - 1, i
                    n += 1
                else:
                    n = cut_chunk(data, begin, i, seen, classes, lexicon, poly, starts, ends, n)
            if i < stop:
                i += width
        counts[k] = n - first
    return n


@inner
def is_plain_word(data, start, end, lexicon, poly):
    """Whether the chunk is ASCII letters and one mark that always splits off: the short cut."""
    last = data[end - 1]
    if last == 0x2E:
        if end - start < 2 or not 0x61 <= data[end - 2] <= 0x7A:
            return False
    elif not (last == 0x2C or last == 0x3A or last == 0x3B or last == 0x21 or last == 0x3F):
        return False
    for i in range(start, end - 1):
        if not 0x61 <= data[i] | 0x20 <= 0x7A:
            return False
    return end - start > 1 and find_exception(data, start, end, lexicon, poly) < 0


@inner
def find_exception(data, start, end, lexicon, poly):
    """Slot of the exception data[start:end] in the table, or -1."""
    if end - start > MAX_BYTES:
        return -1
    bit = sieve_bit(np.int64(data[start]), np.int64(data[end - 1]), end - start)
    if lexicon[SIEVE + (bit >> 6)] >> np.uint64(bit & 63) & np.uint64(1) == 0:
        return -1
    key = hash_bytes(data, start, end, poly)
    slot = np.int64(key) & (SLOTS - 1)
    while lexicon[slot] != 0:
        if lexicon[slot] == key:
            return slot
        slot = (slot + 1) & (SLOTS - 1)
    return -1


@inner
def put(data, start, end, lexicon, poly, starts, ends, n):
    """Append one word, or the pieces of an exception; returns the new number of words."""
    slot = find_exception(data, start, end, lexicon, poly)
    if slot < 0:
        starts[n] = start
        ends[n] = end
        return n + 1
    cuts = np.int64(lexicon[CUTS + slot])
    while cuts:
        starts[n] = start
        start += cuts & 255
        ends[n] = start
        n += 1
        cuts >>= 8
    return n


@inner
def cut_chunk(data, start, end, seen, classes, lexicon, poly, starts, ends, n):
    """Append the words of a chunk that holds more than letters; returns their new number.

    seen is the union of the classes of its characters. Suffixes are parked at the far end of
    the output arrays, where they stand in their final order, and moved down when done.
    """
    first = n
    parked = len(starts)
    begin, finish = start, end
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
        suffix = suffix_width(data, start + prefix, end, classes, lexicon, poly)
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
        elif is_url(data, start, end, classes):
            starts[n], ends[n] = start, end
            n += 1
        else:
            n = cut_infixes(data, start, end, seen, classes, starts, ends, n)
    for i in range(parked, len(starts)):
        starts[n], ends[n] = starts[i], ends[i]
        n += 1
    if n - first > 2 and not (exception and start == begin and end == finish):
        n = join_exceptions(data, lexicon, poly, starts, ends, first, n)
    return n


@inner
def cut_infixes(data, start, end, seen, classes, starts, ends, n):
    """Append the pieces of a chunk's core and the infixes between them."""
    piece = start
    i = start
    before = np.int64(0)
    before_digit = False
    while i < end:
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


@inner
def join_exceptions(data, lexicon, poly, starts, ends, first, n):
    """Put together neighbouring words that form an exception, such as the emoticon in "x):"."""
    i = first
    out = first
    while i < n:
        joined = 0
        begin = np.int64(starts[i])
        end = begin
        if lexicon[STARTS + data[begin]]:
            j = min(n, i + 6)
            while j > i + 1:
                end = np.int64(ends[j - 1])
                if find_exception(data, begin, end, lexicon, poly) >= 0:
                    joined = j
                    break
                j -= 1
        if joined:
            # The two words of "°C." become three: make room.
            room = out + count_pieces(data, begin, end, lexicon, poly) - joined
            if room > 0:
                for k in range(n - 1, joined - 1, -1):
                    starts[k + room], ends[k + room] = starts[k], ends[k]
                n += room
                joined += room
            out = put(data, begin, end, lexicon, poly, starts, ends, out)
            i = joined
        else:
            starts[out], ends[out] = starts[i], ends[i]
            out += 1
            i += 1
    return out


@inner
def count_pieces(data, start, end, lexicon, poly):
    """Into how many words the exception data[start:end] is cut."""
    cuts = lexicon[CUTS + find_exception(data, start, end, lexicon, poly)]
    pieces = 0
    while cuts:
        pieces += 1
        cuts >>= np.uint64(8)
    return pieces
