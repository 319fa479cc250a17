"""Repeated n-grams of words: the sums behind Gopher's repetition rules (Rae et al. 2021, A1.1).

Most n-grams of a text stand there once. A sketch finds those that may stand there more often; only
they are told apart exactly, by 64-bit hashes. And an (n + 1)-gram is repeated only where both of
its n-grams are. Lengths are in characters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from filters.hashset import (
    EMPTY,
    claim,
    clear,
    clear_sketch,
    note,
    noted_twice,
    sketch_size,
    table_size,
)
from filters.jit import inner, kernel
from filters.swar import load8, load_end
from filters.wordstats import ALNUM_FIRST, WordTable

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
_FIRST = np.uint64(0x9E37_79B9_7F4A_7C15)
_MIX = np.uint64(0xD6E8_FEB8_6659_FD93)
_ODD = np.uint64(0xBF58_476D_1CE4_E5B9)
_HALF = np.uint64(32)
NONE = np.uint32(0xFFFF_FFFF)


class Repeats(NamedTuple):
    """What is repeated, for n = 2 to 10; int64 (texts, 9)."""

    times: np.ndarray
    """Occurrences of the most frequent n-gram; 0 if there are fewer than n words."""
    first: np.ndarray
    """Characters of the first of the most frequent n-grams, blanks left out."""
    longest: np.ndarray
    """Characters of the longest of them, blanks left out."""
    covered: np.ndarray
    """Characters of words inside n-grams that occur twice or more."""


class _Space(NamedTuple):
    """Working space for the text with the most words."""

    keys: np.ndarray
    sketch: np.ndarray
    ids: np.ndarray
    active: np.ndarray
    seen: np.ndarray
    sums: np.ndarray
    hashes: np.ndarray
    done: np.ndarray


def working_space(counts: np.ndarray) -> _Space:
    most = int(counts.max(initial=1))
    keys = np.empty(table_size(most), np.uint64)
    return _Space(
        keys,
        np.empty(sketch_size(most), np.uint8),
        np.empty(len(keys), np.uint32),
        np.empty(most + 1, np.uint32),
        np.empty((most + 1, 2), np.uint32),
        np.empty(most + 1, np.int64),
        np.empty(most, np.uint64),
        np.empty(most, np.uint32),
    )


def repeats(counts: np.ndarray, hashes: np.ndarray, lengths: np.ndarray, last: int) -> Repeats:
    """Repeated 2- to last-grams of texts of so many words, each with its hash and length."""
    found = Repeats(*(np.zeros((len(counts), 9), np.int64) for _ in range(4)))
    repeated_ngrams(counts, hashes, lengths, last, *working_space(counts)[:7], *found)
    return found


def ngram_sums(counts: np.ndarray, table: WordTable) -> dict[str, np.ndarray]:
    """int64 sums per text: ``top_2`` and so on, ``dup_5`` and so on, and DCLM's of either."""
    top, duplicates = top_sums(counts, table), duplicate_sums(counts, table)
    return {
        **{f"top_{n}": column for n, column in zip(TOP_SIZES, top.T, strict=True)},
        **{f"dup_{n}": column for n, column in zip(DUPLICATE_SIZES, duplicates.T, strict=True)},
        **_alnum_sums(counts, table),
    }


def _alnum_sums(counts: np.ndarray, table: WordTable) -> dict[str, np.ndarray]:
    """The same over words that begin with a letter or digit, as DCLM counts."""
    hashes, lengths = np.empty(len(table.hashes), np.uint64), np.empty(len(table.hashes), np.int32)
    kept, chars = np.zeros((2, len(counts)), np.int64)
    choose_alnum(counts, table.hashes, table.lengths, table.flags, hashes, lengths, kept, chars)
    found = repeats(kept, hashes, lengths, DUPLICATE_SIZES[-1])
    often = np.where(found.times > 1, found.times * found.longest, 0)
    return {
        "alnum_chars": chars,
        **{f"alnum_top_{n}": often[:, n - 2] for n in TOP_SIZES},
        **{f"alnum_dup_{n}": found.covered[:, n - 2] for n in DUPLICATE_SIZES},
    }


def top_sums(counts: np.ndarray, table: WordTable) -> np.ndarray:
    """Characters that the first of the most frequent 2-, 3-, 4-grams takes up, int64 (texts, 3).

    Words are joined by single blanks; occurrences may overlap.
    """
    found = repeats(counts, table.hashes, table.lengths, TOP_SIZES[-1])
    blanks = np.array(TOP_SIZES) - 1
    return found.times[:, :3] * (found.first[:, :3] + blanks)


def duplicate_sums(counts: np.ndarray, table: WordTable) -> np.ndarray:
    """Characters inside 5- to 10-grams seen before, int64 (texts, 6).

    A text is read from left to right; an n-gram (words put together without spaces) seen before
    adds its length and is skipped as a whole, an unseen one is remembered and reading moves on by
    one word. No character counts twice.
    """
    out = np.zeros((len(counts), len(DUPLICATE_SIZES)), np.int64)
    space = working_space(counts)
    duplicate_ngrams(
        counts,
        table.stream,
        table.places,
        table.lengths,
        space.keys,
        space.sketch,
        space.active,
        space.sums,
        space.hashes,
        space.done,
        out,
    )
    return out


@kernel
def choose_alnum(counts, hashes, lengths, flags, out_hashes, out_lengths, kept, chars):
    """Copy the words that begin with a letter or digit; kept counts them, chars their length."""
    w = n = 0
    for k in range(len(counts)):
        first = n
        total = np.int64(0)
        for _ in range(counts[k]):
            out_hashes[n], out_lengths[n] = hashes[w], lengths[w]
            if flags[w] & ALNUM_FIRST:
                n += 1
                total += lengths[w]
            w += 1
        kept[k] = n - first
        chars[k] = total


@kernel
def repeated_ngrams(
    counts,
    hashes,
    lengths,
    last,
    keys,
    sketch,
    values,
    active,
    ids,
    sums,
    pair_keys,
    times,
    first,
    longest,
    covered,
):
    """Fill the arrays of `Repeats` for n = 2 .. last; the rest is working space.

    ids[i, 0] is the place of the first n-gram equal to that at i, NONE where it is not repeated;
    ids[i, 1] counts the n-grams whose first is i.
    """
    base = 0
    for k in range(len(counts)):
        words = counts[k]
        total = np.int64(0)
        for i in range(words):
            sums[i] = total
            total += lengths[base + i]
            ids[i, 0] = NONE
        sums[words] = total
        size = 0
        for n in range(2, last + 1):
            grams = words - n + 1
            if grams <= 0:
                break
            if n == 2:
                size = pairs(hashes, base, grams, keys, sketch, values, active, ids, pair_keys)
            elif size:
                size = next_size(grams, size, keys, values, active, ids)
            best = np.int64(1)
            best_at = np.int64(0)
            best_length = sums[n]
            for a in range(size):
                i = np.int64(active[a])
                often = np.int64(ids[i, 1])  # 0 for all but the first of equal n-grams
                if often >= best:
                    length = sums[i + n] - sums[i]
                    if often > best:
                        best = often
                        best_at = i
                        best_length = length
                    best_length = max(best_length, length)
            until = np.int64(0)
            inside = np.int64(0)
            for a in range(size):
                i = np.int64(active[a])
                inside += sums[i + n] - sums[max(i, until)]
                until = i + n
            times[k, n - 2] = best
            first[k, n - 2] = sums[best_at + n] - sums[best_at]
            longest[k, n - 2] = best_length
            covered[k, n - 2] = inside
        base += words


@inner
def pairs(hashes, base, grams, keys, sketch, values, active, ids, pair_keys):
    """List the places of repeated 2-grams in active, with their ids; returns how many."""
    shift = clear_sketch(sketch, grams)
    for i in range(grams):
        pair_keys[i] = hashes[base + i] * _FIRST + hashes[base + i + 1]
        note(sketch, shift, pair_keys[i])
    size = 0
    for i in range(grams):
        active[size] = i
        size += noted_twice(sketch, shift, pair_keys[i])
    mask = clear(keys, size)
    for a in range(size):
        i = np.int64(active[a])
        number(pair_keys[i], i, keys, mask, values, ids)
    return keep_repeated(size, active, ids)


@inner
def next_size(grams, size, keys, values, active, ids):
    """From repeated n-grams to repeated (n + 1)-grams."""
    mask = clear(keys, size)
    kept = 0
    for a in range(size):
        i = np.int64(active[a])
        begin = np.uint64(ids[i, 0])
        ids[i, 0] = NONE
        # Places ascend: the n-gram after this one still has its old id.
        if i < grams and ids[i + 1, 0] != NONE:
            key = (begin + np.uint64(1)) << _HALF | np.uint64(ids[i + 1, 0])
            number(key, i, keys, mask, values, ids)
            active[kept] = i
            kept += 1
    return keep_repeated(kept, active, ids)


@inner
def number(key, i, keys, mask, values, ids):
    """Give the n-gram at i the place of the first with its key."""
    slot, key = claim(keys, mask, key)
    # Without branches, which could not be foreseen.
    begin = i if keys[slot] == EMPTY else np.int64(values[slot])
    keys[slot] = key
    values[slot] = begin
    ids[i, 0] = begin
    ids[i, 1] = 0
    ids[begin, 1] += 1


@inner
def keep_repeated(size, active, ids):
    """Leave n-grams that occur once out of the list; returns its new size."""
    kept = 0
    for a in range(size):
        i = np.int64(active[a])
        begin = np.int64(ids[i, 0])
        repeated = ids[begin, 1] > 1
        active[kept] = i
        kept += repeated
        ids[i, 0] = begin if repeated else NONE
    return kept


@kernel
def duplicate_ngrams(
    counts, stream, places, lengths, keys, sketch, active, sums, hashes, done, out
):
    """`duplicate_sums` into out; stream and places are those of the word table."""
    base = 0
    for k in range(len(counts)):
        words = counts[k]
        size = candidates(words, base, stream, places, sketch, active, hashes)
        if size:
            total = np.int64(0)
            for i in range(words):
                sums[i] = total
                total += lengths[base + i]
            sums[words] = total
        for a in range(size):
            done[a] = 0
        for n in range(5, 11):
            mask = clear(keys, size)
            inside = np.int64(0)
            following = 0
            for a in range(size):
                i = np.int64(active[a])
                if i + n > words:
                    break
                if i < following:
                    continue
                begin, end = np.int64(places[base + i]), np.int64(places[base + i + n])
                # Whole eights have been hashed for smaller n.
                at, value = begin + np.int64(done[a]), hashes[a]
                if at == begin:
                    value = _FIRST
                while at + 8 <= end:
                    value = (value ^ load8(stream, at)) * _MIX
                    value ^= value >> _HALF
                    at += 8
                done[a], hashes[a] = at - begin, value
                value = (value ^ load_end(stream, at, end)) * _MIX + np.uint64(end - begin)
                slot, key = claim(keys, mask, value)
                if keys[slot] == EMPTY:
                    keys[slot] = key
                else:
                    inside += sums[i + n] - sums[i]
                    following = i + n
            out[k, n - 5] = inside
        base += words


@inner
def candidates(words, base, stream, places, sketch, active, keys):
    """List the words at which duplicates of five words or more may begin; returns how many."""
    grams = words - 4
    if grams <= 1:
        return 0
    for i in range(grams):
        active[i] = i
    # Twice: another hash leaves few that only seem to be repeated.
    size = thin_out(grams, base, stream, places, sketch, active, keys, _FIRST)
    return thin_out(size, base, stream, places, sketch, active, keys, _MIX)


@inner
def thin_out(size, base, stream, places, sketch, active, keys, salt):
    """Leave words out of the list at which no duplicate begins; returns its new size.

    Duplicates begin with the same 16 bytes, or, if they are shorter, with the same 8.
    """
    shift = clear_sketch(sketch, size)
    for a in range(size):
        i = base + np.int64(active[a])
        begin = np.int64(places[i])
        first, second = load8(stream, begin), load8(stream, begin + 8)
        keys[a] = (first * salt ^ second) * _ODD
        note(sketch, shift, keys[a])
        if np.int64(places[i + 5]) - begin < 16:
            note(sketch, shift, first * salt)
    kept = 0
    for a in range(size):
        i = base + np.int64(active[a])
        found = noted_twice(sketch, shift, keys[a])
        begin = np.int64(places[i])
        short = np.int64(places[i + 5]) - begin
        if short < 16:
            found |= short < 8 or noted_twice(sketch, shift, load8(stream, begin) * salt)
        active[kept] = active[a]
        kept += found
    return kept
