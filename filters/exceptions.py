"""Kernels around the exceptions: look one up, put its pieces, join words that make one up.

An exception of several words (as the affix rules would cut it: its *pattern*) is also recognised
where the affix rules have produced just these words side by side, as in "x):".
"""

from __future__ import annotations

import numpy as np

from filters.english import (
    CUTS,
    HEAD_BITS,
    HEAD_MIX,
    HEAD_STEP,
    HEADS,
    MAX_BYTES,
    PATTERNS,
    SIEVE,
    SLOTS,
    STARTS,
)
from filters.english import sieve_bit as _sieve_bit
from filters.hashing import fold, hash_bytes, mulmod, power_of
from filters.jit import inner
from filters.swar import load_head

sieve_bit = inner(_sieve_bit)
_HEAD_STEP, _HEAD_MIX = np.uint64(HEAD_STEP), np.uint64(HEAD_MIX)
_HEAD_SHIFT = np.uint64(64 - (HEAD_BITS - 1).bit_length())


@inner
def may_be_exception(first, last, length, lexicon):
    """Whether some exception has this first byte, last byte and length in bytes, or seems to."""
    if length > MAX_BYTES:
        return False
    bit = sieve_bit(np.int64(first), np.int64(last), length)
    return lexicon[SIEVE + (bit >> 6)] >> np.uint64(bit & 63) & np.uint64(1) != 0


@inner
def find_key(key, lexicon):
    """Slot of the exception with this hash, or -1."""
    slot = np.int64(key) & (SLOTS - 1)
    while lexicon[slot] != 0:
        if lexicon[slot] == key:
            return slot
        slot = (slot + 1) & (SLOTS - 1)
    return -1


@inner
def find_exception(data, start, end, lexicon, poly):
    """Slot of the exception data[start:end] in the table, or -1."""
    length = end - start
    if length > MAX_BYTES:
        return -1
    head = load_head(data, start, length)
    bit = (head + np.uint64(length) * _HEAD_STEP) * _HEAD_MIX >> _HEAD_SHIFT
    if lexicon[HEADS + np.int64(bit >> np.uint64(6))] >> (bit & np.uint64(63)) & np.uint64(1) == 0:
        return -1
    return find_key(hash_bytes(data, start, end, poly), lexicon)


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
def count_pieces(slot, lexicon):
    """Into how many words an exception is cut."""
    cuts = lexicon[CUTS + slot]
    pieces = 0
    while cuts:
        pieces += 1
        cuts >>= np.uint64(8)
    return pieces


@inner
def joined_key(data, poly, starts, ends, i, j):
    """Hash of words i..j (j exclusive) put together."""
    key = np.uint64(0)
    for w in range(i, j):
        start, end = np.int64(starts[w]), np.int64(ends[w])
        part = hash_bytes(data, start, end, poly)
        key = fold(mulmod(key, power_of(end - start, poly)) + part)
    return key


@inner
def next_joined(data, lexicon, poly, starts, ends, i, j, n, touching):
    """The next exception that words i.. make up, as its pattern has it, with more than j - i words.

    Returns the end of its words and its slot, or n + 1 and -1. White space between the words is
    left aside, unless they must be touching.
    """
    length = np.int64(ends[i]) - np.int64(starts[i])
    pattern = np.uint64(0)
    for w in range(i + 1, n):
        if touching and starts[w] > ends[w - 1]:
            break
        pattern |= np.uint64(1) << np.uint64(length)
        length += np.int64(ends[w]) - np.int64(starts[w])
        if length > MAX_BYTES:
            break
        if w < j or not may_be_exception(data[starts[i]], data[ends[w] - 1], length, lexicon):
            continue
        slot = find_key(joined_key(data, poly, starts, ends, i, w + 1), lexicon)
        if slot >= 0 and lexicon[PATTERNS + slot] == pattern:
            return w + 1, slot
    return n + 1, np.int64(-1)


@inner
def may_begin(data, lexicon, starts, ends, i):
    """Whether word i may be the first of an exception with a pattern."""
    length = np.int64(ends[i]) - np.int64(starts[i])
    if length > MAX_BYTES:
        return False
    return lexicon[STARTS + data[starts[i]]] >> np.uint64(length) & np.uint64(1) != 0


@inner
def any_joined(data, lexicon, poly, starts, ends, first, n):
    """Whether some words of first..n that touch make up an exception that is cut otherwise."""
    for i in range(first, n - 1):
        if starts[i + 1] > ends[i] or not may_begin(data, lexicon, starts, ends, i):
            continue
        j, slot = next_joined(data, lexicon, poly, starts, ends, i, i + 1, n, True)
        while slot >= 0:
            if not is_cut_alike(slot, lexicon):
                return True
            j, slot = next_joined(data, lexicon, poly, starts, ends, i, j, n, True)
    return False


@inner
def is_cut_alike(slot, lexicon):
    """Whether an exception is cut as the affix rules cut it: joining its words changes nothing."""
    cuts = lexicon[CUTS + slot]
    at = pattern = np.uint64(0)
    while cuts >> np.uint64(8):
        at += cuts & np.uint64(255)
        pattern |= np.uint64(1) << at
        cuts >>= np.uint64(8)
    return pattern == lexicon[PATTERNS + slot]


@inner
def join_exceptions(data, lexicon, poly, starts, ends, first, n, matches):
    """Join words of a stretch of text, single blanks its only white space, that make up exceptions.

    As spaCy's matcher does it: all exceptions that words make up are found, blanks between them
    left aside; where they overlap the longest counts, then the leftmost; and those that count are
    joined unless there is a blank in them. Returns the new number of words, and whether matches
    (int32, rows of 4, working space) was long enough for every cluster of overlapping ones; words
    of a longer cluster are left as they are.
    """
    out = first
    i = first
    complete = True
    while i < n:
        total, reach = overlapping(data, lexicon, poly, starts, ends, i, n, matches)
        if total > len(matches):
            complete = False
            total = 0
        choose(matches, total)
        moved = 0  # words have moved right by so many places
        for m in range(total):
            begin, end = matches[m, 0] + moved, matches[m, 1] + moved
            if not matches[m, 3] or has_gap(starts, ends, begin, end):
                continue
            while i < begin:
                starts[out], ends[out] = starts[i], ends[i]
                out += 1
                i += 1
            left, right = np.int64(starts[begin]), np.int64(ends[end - 1])
            # The two words of "°C." become three: make room.
            room = out + count_pieces(matches[m, 2], lexicon) - end
            if room > 0:
                for k in range(n - 1, end - 1, -1):
                    starts[k + room], ends[k + room] = starts[k], ends[k]
                n += room
                end += room
                moved += room
            out = put(data, left, right, lexicon, poly, starts, ends, out)
            i = end
        while i < reach + moved:
            starts[out], ends[out] = starts[i], ends[i]
            out += 1
            i += 1
    return out, complete


@inner
def overlapping(data, lexicon, poly, starts, ends, first, n, matches):
    """List the cluster of overlapping exceptions that begins at word ``first``, if one does.

    Rows of matches: first word, end, slot, 0. Returns how many there are (one more than fit, if
    they do not fit) and the end of the cluster, which is first + 1 if there are none.
    """
    total = 0
    reach = first + 1
    i = first
    while i < reach and i < n - 1:
        if may_begin(data, lexicon, starts, ends, i):
            j, slot = next_joined(data, lexicon, poly, starts, ends, i, i + 1, n, False)
            while slot >= 0:
                if total < len(matches):
                    matches[total, 0], matches[total, 1] = i, j
                    matches[total, 2], matches[total, 3] = slot, 0
                total = min(total + 1, len(matches) + 1)
                reach = max(reach, j)
                j, slot = next_joined(data, lexicon, poly, starts, ends, i, j, n, False)
        i += 1
    return total, reach


@inner
def choose(matches, total):
    """Of overlapping matches mark those that count in column 3 (1; others stay 0).

    The longest goes first, of equally long ones the leftmost; a match counts if its two ends are
    free, and takes its words whether it counts or not.
    """
    if total == 1:
        matches[0, 3] = 1
        return
    for _ in range(total):
        best = -1
        for m in range(total):
            longer = best < 0 or (
                matches[m, 1] - matches[m, 0] > matches[best, 1] - matches[best, 0]
            )
            if matches[m, 3] == 0 and longer:
                best = m
        left, right = matches[best, 0], matches[best, 1]
        free = 1
        for m in range(total):
            if matches[m, 3] != 0:
                if matches[m, 0] <= left < matches[m, 1]:
                    free = 2
                if matches[m, 0] <= right - 1 < matches[m, 1]:
                    free = 2
        matches[best, 3] = free
    for m in range(total):
        matches[m, 3] = matches[m, 3] == 1


@inner
def has_gap(starts, ends, i, j):
    """Whether white space lies between words i..j."""
    for w in range(i + 1, j):  # noqa: SIM110
        if starts[w] > ends[w - 1]:
            return True
    return False
