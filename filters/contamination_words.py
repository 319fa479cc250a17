"""Words for matching texts that were edited or marked up: letters and digits alone, folded.

A word is a run of letters, digits and the marks on them; everything else separates. In scripts
written without spaces every character is a word. Characters are folded one by one: lower case,
compatible forms (full width, ligatures, mathematical letters, raised digits) as plain ones, and
without accents, however they are composed; soft hyphens and zero-width characters are not there at
all. So quotes, Markdown, line breaks and the ways to write a letter make no difference. Raised and
lowered digits are words of their own, as they are behind the ``^`` and ``_`` of LaTeX.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from filters.arrow import Texts, readonly
from filters.chars import ALNUM, MARK, UNSPACED, class_bits, class_of, decode, pack
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

# What `folds` says of a code point: what it is for words, and in the low bits what it becomes: a
# code point, or behind all of them the place of several.
STARTS, JOINS, ALONE, RAISED = 1 << 24, 1 << 25, 1 << 26, 1 << 27
BECOMES = (1 << 24) - 1
SEVERAL = 0x110000
_INVISIBLE = (0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)


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
        n = find_words(*texts, *folds(), starts, ends, hashes, offsets)
        if n >= 0:
            return Words(offsets, starts[:n], ends[:n], hashes[:n])
        size *= 2


@lru_cache(maxsize=1)
def folds() -> tuple[np.ndarray, np.ndarray]:
    """What each code point is and becomes, as `chars.pack` lays it out, and those of several.

    The second array (uint32) holds runs of a length and so many code points.
    """
    bits = class_bits()
    table = np.zeros(len(bits), np.uint32)
    table[bits & ALNUM > 0] |= STARTS | JOINS
    table[bits & MARK > 0] |= JOINS
    table[bits & UNSPACED > 0] |= ALONE
    several: list[int] = [0]
    places: dict[str, int] = {}
    for cp in np.flatnonzero(table).tolist():
        folded = _folded(chr(cp))
        if len(folded) > 1:
            if folded not in places:
                places[folded] = SEVERAL + len(several)
                several += [len(folded), *map(ord, folded)]
            table[cp] |= places[folded]
        elif folded:
            table[cp] |= ord(folded)
        if unicodedata.decomposition(chr(cp)).startswith(("<super>", "<sub>")):
            table[cp] |= RAISED
    table[list(_INVISIBLE)] = JOINS
    return readonly(pack(table)), readonly(np.array(several, np.uint32))


def _folded(char: str) -> str:
    """Folded case and plain form of a letter, digit or mark, without accents."""
    plain = unicodedata.normalize("NFKD", char).casefold()
    plain = "".join(c for c in plain if not _is_accent(c))
    known = all(c.isalnum() or unicodedata.category(c)[0] == "M" for c in plain)
    return plain if known else char.lower()[0]


def _is_accent(char: str) -> bool:
    """Marks that may be left out; vowels and tones of Indic and Thai scripts may not."""
    combining = unicodedata.combining(char)
    return combining in (1, 7, 8) or 10 <= combining <= 35 or combining >= 200


@kernel
def find_words(data, offsets, table, several, starts, ends, hashes, firsts):
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
                    kind = class_of(table, cp)
                    wide = kind & JOINS != 0 and kind & (ALONE | RAISED) == 0
            if wide:
                i, value = wide_word(data, begin, stop, table, several)
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
def wide_word(data, i, stop, table, several):
    """End and hash of the word from i on, character by character; the seed if there is none."""
    value = _SEED
    eight = np.uint64(0)  # up to eight bytes of ASCII, hashed together as above
    held = 0
    first = np.int64(0)
    while i < stop:
        cp, width = decode(data, i, stop)
        kind = class_of(table, cp)
        if first == 0:
            if kind & STARTS == 0:
                i += width
                break
            first = kind
        elif kind & JOINS == 0 or (
            kind & STARTS != 0 and ((first | kind) & ALONE != 0 or (first ^ kind) & RAISED != 0)
        ):
            break
        i += width
        code = kind & BECOMES
        count = np.int64(1)
        at = np.int64(0)
        if code >= SEVERAL:
            at = code - SEVERAL
            count = np.int64(several[at])
        elif code == 0:
            continue
        for k in range(count):
            if at:
                code = np.int64(several[at + 1 + k])
            if code < 0x80:
                eight |= np.uint64(code) << np.uint64(8 * held)
                held += 1
            if held and (code >= 0x80 or held == 8):
                value = (value ^ eight) * _MIX
                value ^= value >> _HALF
                eight = np.uint64(0)
                held = 0
            if code >= 0x80:
                value = (value ^ np.uint64(code)) * _MIX
                value ^= value >> _HALF
    if held:
        value = (value ^ eight) * _MIX
        value ^= value >> _HALF
    return i, value


@inner
def alnum(eight):
    """High bits of the bytes that are ASCII letters or digits."""
    low = eight & _SEVEN
    return letters(eight) | ((low + _FROM_0) & ~(low + _PAST_9) & ~eight & HIGH)
