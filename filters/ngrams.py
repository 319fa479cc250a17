"""Repeated n-grams of words: the sums behind Gopher's repetition rules (Rae et al. 2021, A1.1).

Both kernels work on hashes of words, as ``wordstats.describe_words`` gives them. Lengths are in
characters.
"""

from __future__ import annotations

import numpy as np

from filters.hashing import fold, mulmod
from filters.hashset import EMPTY, claim, clear, table_size
from filters.jit import kernel
from filters.segment import Words
from filters.wordstats import WordTable

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)


def ngram_sums(words: Words, table: WordTable) -> tuple[np.ndarray, np.ndarray]:
    """Characters of the top 2- to 4-grams and of duplicate 5- to 10-grams, int64 (texts, sizes)."""
    counts = words.counts
    most = int(counts.max(initial=1))
    keys = np.zeros(table_size(most), np.uint64)
    values = np.zeros((len(keys), 2), np.int32)
    rolling = np.zeros(most, np.uint64)
    top = np.zeros((len(counts), len(TOP_SIZES)), np.int64)
    top_ngrams(counts, table.hashes, table.lengths, keys, values, rolling, top)
    duplicates = np.zeros((len(counts), len(DUPLICATE_SIZES)), np.int64)
    duplicate_ngrams(counts, table.hashes, table.powers, table.lengths, keys, rolling, duplicates)
    return top, duplicates


@kernel
def top_ngrams(counts, hashes, lengths, keys, values, rolling, out):
    """Characters that the most frequent n-gram takes up, for n = 2, 3, 4.

    ``out[k, j]`` (int64) = length x occurrences of the most frequent TOP_SIZES[j]-gram of text k,
    its words joined by single spaces; the first of equally frequent ones counts; 0 if there are
    fewer than n words. keys, values and rolling are working space.
    """
    base = 0
    for k in range(len(counts)):
        words = counts[k]
        for i in range(words):
            rolling[i] = hashes[base + i]
        for n in range(2, 5):
            grams = words - n + 1
            if grams <= 0:
                out[k, n - 2] = 0
                continue
            mask = clear(keys, grams)
            best = 0
            best_first = 0
            for i in range(grams):
                rolling[i] = rolling[i] * _MIX + hashes[base + i + n - 1]
                slot, key = claim(keys, mask, rolling[i])
                if keys[slot] == EMPTY:
                    keys[slot] = key
                    values[slot, 0] = i
                    values[slot, 1] = 0
                values[slot, 1] += 1
                times = values[slot, 1]
                if times > best or (times == best and values[slot, 0] < best_first):
                    best = times
                    best_first = values[slot, 0]
            length = n - 1
            for i in range(best_first, best_first + n):
                length += lengths[base + i]
            out[k, n - 2] = length * best
        base += words


@kernel
def duplicate_ngrams(counts, hashes, powers, lengths, keys, rolling, out):
    """Characters inside n-grams that have occurred before, for n = 5 to 10.

    ``out[k, j]`` (int64): text k is read from left to right; an n-gram (words put together without
    spaces) seen before adds its length and is skipped as a whole, an unseen one is remembered and
    reading moves on by one word. No character counts twice. keys and rolling are working space.
    """
    base = 0
    for k in range(len(counts)):
        words = counts[k]
        for i in range(words):
            rolling[i] = hashes[base + i]
        for n in range(2, 11):
            grams = words - n + 1
            for i in range(grams):
                last = base + i + n - 1
                rolling[i] = fold(mulmod(rolling[i], powers[last]) + hashes[last])
            if n < 5:
                continue
            total = 0
            if grams > 0:
                mask = clear(keys, grams)
                i = 0
                while i < grams:
                    slot, key = claim(keys, mask, rolling[i])
                    if keys[slot] == EMPTY:
                        keys[slot] = key
                        i += 1
                    else:
                        for j in range(base + i, base + i + n):
                            total += lengths[j]
                        i += n
            out[k, n - 5] = total
        base += words
