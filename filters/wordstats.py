"""What each word is, and how many words of each kind a text has."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from filters.arrow import readonly
from filters.chars import (
    ALNUM,
    ALPHA,
    ASCII,
    CAPITAL,
    PUNCT,
    SENT_END,
    SYMBOL,
    char_classes,
    class_of,
    decode,
)
from filters.jit import inner, kernel
from filters.segment import Words
from filters.swar import HIGH, count_ones, letters, load_head, store8

GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The eight stop words of Rae et al. 2021, A1.1."""

PUNCTUATION = 1
"""Word flag: every character is of a category P*."""
SENTENCE_END = 2
"""Word flag: the word is one sentence-ending character."""
ALNUM_FIRST = 4
"""Word flag: its first character is a letter or a digit (str.isalnum)."""
CAPITAL_FIRST = 8
"""Word flag: its first character is a capital letter (str.isupper)."""

COLUMNS = ("plain_words", "plain_chars", "alpha_words", "stop_words", "own_stop_words")
_STOP_SLOTS = 256
_SEED = np.uint64(0x9E37_79B9_7F4A_7C15)
_MIX = np.uint64(0xD6E8_FEB8_6659_FD93)
_HALF = np.uint64(32)
_SALT = np.uint64(0xA076_1D64_78BD_642F)


def word_hash(word: bytes) -> int:
    """The hash of a word as the kernels compute it."""
    full = (1 << 64) - 1
    value = len(word) * int(_SEED) & full
    for i in range(0, len(word), 8):
        value = (value ^ int.from_bytes(word[i : i + 8], "little")) * int(_MIX) & full
        value ^= value >> 32
    return value


def language_key(key: int, number: int) -> int:
    """The hash of a word as one of the language with this number."""
    return key ^ ((number + 1) * int(_SALT) & (1 << 64) - 1)


@lru_cache(maxsize=1)
def no_stop_words() -> np.ndarray:
    """A table of no language's stop words."""
    return readonly(np.zeros((2, 1 << 12), np.uint64))


@lru_cache(maxsize=8)
def stop_table(words: tuple[str, ...]) -> np.ndarray:
    """Hashes of up to 64 stop words and a bit for each, as `two_place_table` has them."""
    if len(words) > 64:
        raise ValueError(f"at most 64 stop words can be told apart, got {len(words)}")
    keys = {word_hash(word.encode()): 1 << number for number, word in enumerate(words)}
    return two_place_table(keys, _STOP_SLOTS)


def two_place_table(bits: dict[int, int], slots: int) -> np.ndarray:
    """A hash table in which each key has two places: its low bits, and those from bit 32 on.

    uint64 (2, slots): keys, and the bit of each. A look-up needs no loop. slots is a power of two,
    several times the number of keys; raises ValueError if they cannot be placed.
    """
    table = np.zeros((2, slots), np.uint64)
    for key, bit in bits.items():
        slot = key & slots - 1
        for _ in range(slots):
            there = tuple(int(value) for value in table[:, slot])
            table[:, slot] = key, bit
            key, bit = there
            if key == 0:
                break
            # What was there moves to its other place.
            low, high = key & slots - 1, key >> 32 & slots - 1
            slot = high if slot == low else low
        else:
            raise ValueError(f"{len(bits)} keys find no place in {slots} slots")
    return readonly(table)


class WordTable(NamedTuple):
    """What the rules need to know of each word."""

    stream: np.ndarray
    """uint8: the bytes of all words, put together, and 16 bytes more."""
    places: np.ndarray
    """uint32: where each word begins in the stream, and where the last one ends."""
    hashes: np.ndarray
    """uint64: hash of its bytes."""
    lengths: np.ndarray
    """int32: characters."""
    flags: np.ndarray
    """uint8: PUNCTUATION, SENTENCE_END, ALNUM_FIRST, CAPITAL_FIRST."""
    sums: np.ndarray
    """int64 (texts, 5): COLUMNS; the last is -1 for texts of no language in the table."""


def word_table(
    words: Words, languages: np.ndarray | None = None, own_stops: np.ndarray | None = None
) -> WordTable:
    """Describe every word of a batch and sum up each text.

    languages (int32, one a text, -1 for none) are numbers in own_stops, the table of the module
    ``stop_words``.
    """
    if languages is None or own_stops is None:
        languages, own_stops = np.full(len(words.counts), -1, np.int32), no_stop_words()
    total = len(words.starts)
    size = int(words.ends.sum(dtype=np.int64) - words.starts.sum(dtype=np.int64))
    table = WordTable(
        np.zeros(size + 16, np.uint8),
        np.empty(total + 1, np.uint32),
        np.empty(total, np.uint64),
        np.empty(total, np.int32),
        np.empty(total, np.uint8),
        np.zeros((len(words.counts), len(COLUMNS)), np.int64),
    )
    stops = stop_table(GOPHER_STOP_WORDS)
    describe_words(*words, char_classes(), stops, languages, own_stops, *table)
    return table


@kernel
def describe_words(
    data,
    starts,
    ends,
    counts,
    classes,
    stops,
    languages,
    own_stops,
    stream,
    places,
    hashes,
    lengths,
    flags,
    sums,
):
    """Fill the word table.

    ``sums[k]`` (int64): words with a character outside the symbol set, their characters, words
    with a letter, and how many different stop words occur, of English and of the text's language.
    """
    base = np.uint64(0)
    place = np.int64(0)
    for k in range(len(counts)):
        plain = plain_chars = alpha = 0
        seen = own = np.uint64(0)
        salt = np.uint64(languages[k] + 1) * _SALT
        for w in range(base, base + np.uint64(counts[k])):
            start, end = np.int64(starts[w]), np.int64(ends[w])
            places[w] = place
            size = end - start
            value = np.uint64(size) * _SEED
            spelt = True  # in ASCII letters
            i = start
            while True:
                left = min(end - i, np.int64(8))
                eight = load_head(data, i, left)
                spelt &= letters(eight) == HIGH >> np.uint64(64 - 8 * left)
                store8(stream, place + i - start, eight)
                value = (value ^ eight) * _MIX
                value ^= value >> _HALF
                i += 8
                if i >= end:
                    break
            place += size
            hashes[w] = value
            if spelt:
                lengths[w] = size
                flags[w] = ALNUM_FIRST | (CAPITAL_FIRST if data[start] < 0x61 else 0)
                plain += 1
                plain_chars += size
                alpha += 1
                seen |= stop_bit(stops, value)
                if salt:
                    own |= stop_bit(own_stops, value ^ salt)
                continue
            characters, any_class, all_class, flag = describe(data, start, end, classes)
            lengths[w] = characters
            flags[w] = flag
            if all_class & SYMBOL == 0:
                plain += 1
                plain_chars += characters
            if any_class & ALPHA:
                alpha += 1
                seen |= stop_bit(stops, value)
                if salt:
                    own |= stop_bit(own_stops, value ^ salt)
        sums[k, 0] = plain
        sums[k, 1] = plain_chars
        sums[k, 2] = alpha
        sums[k, 3] = count_ones(seen)
        sums[k, 4] = count_ones(own) if salt else -1
        base += np.uint64(counts[k])
    places[base] = place


@inner
def describe(data, start, end, classes):
    """Characters of a word, classes that any and that all have, and its flags."""
    characters = 0
    any_class = np.int64(0)
    all_class = np.int64(-1)
    flag = 0
    i = start
    while i < end:
        if data[i] < 0x80:
            cls = np.int64(classes[ASCII + data[i]])
            i += 1
        else:
            cp, width = decode(data, i, end)
            cls = class_of(classes, cp)
            i += width
        if characters == 0:
            flag = (ALNUM_FIRST if cls & ALNUM else 0) | (CAPITAL_FIRST if cls & CAPITAL else 0)
        any_class |= cls
        all_class &= cls
        characters += 1
    if all_class & PUNCT:
        flag |= PUNCTUATION
    if characters == 1 and all_class & SENT_END:
        flag |= SENTENCE_END
    return characters, any_class, all_class, flag


@inner
def stop_bit(stops, key):
    """The bit of a stop word, 0 for other words."""
    mask = np.uint64(stops.shape[1] - 1)
    one, two = key & mask, key >> _HALF & mask
    found = stops[1, one] if stops[0, one] == key else np.uint64(0)
    return found | (stops[1, two] if stops[0, two] == key else np.uint64(0))
