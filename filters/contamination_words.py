"""Words for matching texts that were edited or marked up: letters and digits alone, in lower case.

A word is a run of letters, digits and the marks on them; everything else separates. In scripts
written without spaces every character is a word. Case is folded character by character, so that
quotes, Markdown and line breaks make no difference.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from filters.arrow import Texts, readonly
from filters.chars import ALNUM, MARK, UNSPACED, char_classes, class_of, decode, pack
from filters.hashing import spread
from filters.jit import inner, kernel
from filters.swar import HIGH, letters, load_end, lower, trailing_zeros

_SEVEN = np.uint64(0x7F7F_7F7F_7F7F_7F7F)
_FROM_0 = np.uint64(0x5050_5050_5050_5050)  # 0x80 - "0"
_PAST_9 = np.uint64(0x4646_4646_4646_4646)  # 0x80 - "9" - 1
_SEED = np.uint64(0x9E37_79B9_7F4A_7C15)
_MIX = np.uint64(0xD6E8_FEB8_6659_FD93)
_HALF = np.uint64(32)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


class Words(NamedTuple):
    """The words of some texts; those of text k are ``offsets[k]`` to ``offsets[k + 1]``."""

    offsets: np.ndarray
    """int64, texts + 1."""
    starts: np.ndarray
    """int32: first byte of each word in its text."""
    ends: np.ndarray
    """int32: its end."""
    hashes: np.ndarray
    """uint32: hash of the word."""


def words_of(texts: Texts) -> Words:
    """The words of texts, each text of less than 2 GiB."""
    size = int(texts.offsets[-1] - texts.offsets[0]) // 2 + len(texts) + 1
    while True:
        starts, ends = np.empty(size, np.int32), np.empty(size, np.int32)
        hashes, offsets = np.empty(size, np.uint32), np.zeros(len(texts) + 1, np.int64)
        n = find_words(*texts, char_classes(), lower_case(), starts, ends, hashes, offsets)
        if n >= 0:
            return Words(offsets, starts[:n], ends[:n], hashes[:n])
        size *= 2


@lru_cache(maxsize=1)
def lower_case() -> np.ndarray:
    """What to add (modulo 2^32) to a code point for its lower case, as `chars.pack` lays it out."""
    shift = np.zeros(0x110000, np.uint32)
    for cp in range(0x41, 0x1E944):
        low = chr(cp).lower()
        if len(low) == 1 and low != chr(cp):
            shift[cp] = (ord(low) - cp) & 0xFFFF_FFFF
    return readonly(pack(shift))


@kernel
def find_words(data, offsets, classes, lowers, starts, ends, hashes, firsts):
    """Fill starts, ends (int32, from the text's first byte) and hashes (uint32).

    firsts (int64, texts + 1) tells where the words of each text begin. Returns the number of
    words, or -1 when the arrays are too short.
    """
    n = 0
    room = len(starts)
    for k in range(len(offsets) - 1):
        firsts[k] = n
        origin = np.int64(offsets[k])
        i, stop = origin, np.int64(offsets[k + 1])
        while i < stop:
            eight = load_end(data, i, stop)
            plain = alnum(eight)
            skip = trailing_zeros(plain | (eight & HIGH)) >> 3
            if skip:
                i += skip
                continue
            begin = i
            value = _SEED
            wide = True
            if data[i] < 0x80:
                while True:
                    length = trailing_zeros(plain ^ HIGH) >> 3
                    if length:
                        keep = _ALL >> np.uint64(64 - 8 * length)
                        value = (value ^ (lower(eight) & keep)) * _MIX
                        value ^= value >> _HALF
                    i += length
                    if length < 8:
                        break
                    eight = load_end(data, i, stop)
                    plain = alnum(eight)
                wide = False
                if i < stop and data[i] >= 0x80:
                    cp, _ = decode(data, i, stop)
                    cls = class_of(classes, cp)
                    wide = cls & (ALNUM | MARK) != 0 and cls & UNSPACED == 0
            if wide:
                i, value = wide_word(data, begin, stop, classes, lowers)
                if value == _SEED:  # no word: a character that separates
                    continue
            if n == room:
                return -1
            starts[n], ends[n] = begin - origin, i - origin
            hashes[n] = np.uint32(spread(value) >> _HALF)
            n += 1
    firsts[len(offsets) - 1] = n
    return n


@inner
def wide_word(data, i, stop, classes, lowers):
    """End and hash of the word from i on, character by character; the seed if there is none."""
    value = _SEED
    alone = False
    while i < stop:
        cp, width = decode(data, i, stop)
        cls = class_of(classes, cp)
        if value == _SEED:
            if cls & ALNUM == 0:
                i += width
                break
            alone = cls & UNSPACED != 0
        elif cls & MARK == 0 and (alone or cls & ALNUM == 0 or cls & UNSPACED != 0):
            break
        code = (cp + class_of(lowers, cp)) & 0xFFFF_FFFF
        value = (value ^ np.uint64(code)) * _MIX
        value ^= value >> _HALF
        i += width
    return i, value


@inner
def alnum(eight):
    """High bits of the bytes that are ASCII letters or digits."""
    low = eight & _SEVEN
    return letters(eight) | ((low + _FROM_0) & ~(low + _PAST_9) & ~eight & HIGH)
