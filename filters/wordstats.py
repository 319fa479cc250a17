"""What each word is, and how many words of each kind a text has."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from filters.arrow import readonly
from filters.chars import (
    ALPHA,
    ASCII,
    PUNCT,
    SENT_END,
    SYMBOL,
    char_classes,
    class_of,
    decode,
)
from filters.hashing import POWERS, hash_bytes, hash_of, polynomial, power_of
from filters.jit import inner, kernel
from filters.segment import Words

GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The eight stop words of Rae et al. 2021, A1.1."""

PUNCTUATION = 1
"""Word flag: every character is of a category P*."""
SENTENCE_END = 2
"""Word flag: the word is one sentence-ending character."""

COLUMNS = ("plain_words", "plain_chars", "alpha_words", "stop_words")
_STOP_SLOTS = 256


@lru_cache(maxsize=8)
def stop_table(words: tuple[str, ...]) -> np.ndarray:
    """Hashes of up to 64 stop words, uint64 (2, 256), open addressing; row 1 is the word's bit."""
    if len(words) > 64:
        raise ValueError(f"at most 64 stop words can be told apart, got {len(words)}")
    table = np.zeros((2, _STOP_SLOTS), np.uint64)
    for number, word in enumerate(words):
        key = hash_of(word.encode())
        slot = key & (_STOP_SLOTS - 1)
        while table[0, slot] != 0:
            slot = (slot + 1) & (_STOP_SLOTS - 1)
        table[0, slot] = key
        table[1, slot] = 1 << number
    return readonly(table)


class WordTable(NamedTuple):
    """What the rules need to know of each word."""

    hashes: np.ndarray
    """uint64: polynomial hash of its bytes."""
    powers: np.ndarray
    """uint64: BASE^bytes, which joins hashes."""
    lengths: np.ndarray
    """int32: characters."""
    flags: np.ndarray
    """uint8: PUNCTUATION, SENTENCE_END."""
    sums: np.ndarray
    """int64 (texts, 4): COLUMNS."""


def word_table(words: Words, stop_words: tuple[str, ...] = GOPHER_STOP_WORDS) -> WordTable:
    """Describe every word of a batch and sum up each text."""
    total = len(words.starts)
    table = WordTable(
        np.empty(total, np.uint64),
        np.empty(total, np.uint64),
        np.empty(total, np.int32),
        np.empty(total, np.uint8),
        np.zeros((len(words.counts), len(COLUMNS)), np.int64),
    )
    describe_words(*words, char_classes(), polynomial(), stop_table(stop_words), *table)
    return table


@kernel
def describe_words(
    data, starts, ends, counts, classes, poly, stops, hashes, powers, lengths, flags, sums
):
    """Fill, per word, hash, BASE^bytes, characters and flags; per text, the sums of COLUMNS.

    ``sums[k]`` (int64): words with a character outside the symbol set, their characters, words
    with a letter, and how many different stop words occur.
    """
    base = 0
    for k in range(len(counts)):
        plain = plain_chars = alpha = 0
        seen = np.uint64(0)
        for w in range(base, base + counts[k]):
            start, end = np.int64(starts[w]), np.int64(ends[w])
            value = hash_bytes(data, start, end, poly)
            hashes[w] = value
            powers[w] = (
                poly[POWERS + end - start] if end - start < 64 else power_of(end - start, poly)
            )
            characters = 0
            any_class = np.int64(0)
            all_class = np.int64(-1)
            i = start
            while i < end:
                if data[i] < 0x80:
                    cls = np.int64(classes[ASCII + data[i]])
                    i += 1
                else:
                    cp, width = decode(data, i, end)
                    cls = class_of(classes, cp)
                    i += width
                any_class |= cls
                all_class &= cls
                characters += 1
            lengths[w] = characters
            flag = 0
            if all_class & PUNCT:
                flag = PUNCTUATION
            if characters == 1 and all_class & SENT_END:
                flag |= SENTENCE_END
            flags[w] = flag
            if all_class & SYMBOL == 0:
                plain += 1
                plain_chars += characters
            if any_class & ALPHA:
                alpha += 1
                seen |= stop_bit(stops, value)
        sums[k, 0] = plain
        sums[k, 1] = plain_chars
        sums[k, 2] = alpha
        bits = 0
        while seen:
            seen &= seen - np.uint64(1)
            bits += 1
        sums[k, 3] = bits
        base += counts[k]


@inner
def stop_bit(stops, key):
    """The bit of a stop word, 0 for other words."""
    mask = _STOP_SLOTS - 1
    slot = np.int64(key) & mask
    while stops[0, slot] != 0:
        if stops[0, slot] == key:
            return stops[1, slot]
        slot = (slot + 1) & mask
    return np.uint64(0)
