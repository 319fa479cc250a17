"""Shingles: the n-gram hashes of a text, made straight from its UTF-8 bytes.

Text is normalised code point by code point. Letters, marks and digits make words; everything else
separates them. Letters are lower-cased and lose Latin, Greek and Cyrillic diacritics (composed and
combining forms fall together); format characters, such as the soft hyphen, and variation selectors
vanish. In scripts written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar and kin) each letter
with its marks is a word.

A shingle is the hash of `n` words in a row, or of `n` characters in a row where each run of
separators counts as one character. A text of fewer than `n` units has one shingle, made of them
all; a text without any has none. Hashes are 64 bits: FNV-1a over code points within a word, a
polynomial over the window, then the finaliser of MurmurHash3 (both in the public domain).
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import pyarrow as pa
from numba import njit

# An entry of the code-point table: 0 separates; else the folded code point and at most one flag.
CODE_POINT = np.uint32(0x1FFFFF)
ALONE = np.uint32(1 << 24)  # a word by itself
MARK = np.uint32(1 << 25)  # continues the word before it
IGNORED = np.uint32(1 << 26)

OUTSIDE, IN_WORD, AFTER_ALONE = 0, 1, 2

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
WINDOW_BASE = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
SHIFT = np.uint64(33)
ZERO = np.uint64(0)
ONE = np.uint64(1)

DIACRITICS = range(0x300, 0x370)
SELECTORS = (range(0xFE00, 0xFE10), range(0xE0001, 0xE0080), range(0xE0100, 0xE01F0))
UNSPACED = (
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Myanmar
    range(0x1780, 0x1800),  # Khmer
    range(0x1950, 0x19E0),  # Tai Le, New Tai Lue
    range(0x1A20, 0x1AB0),  # Tai Tham
    range(0x3005, 0x3130),  # Hiragana, Katakana, Bopomofo and their iteration marks
    range(0x31A0, 0x3200),
    range(0xA9E0, 0xAA00),  # Myanmar extended
    range(0xAA60, 0xAAE0),  # Myanmar extended, Tai Viet
    range(0xF900, 0xFB00),  # compatibility ideographs
    range(0xFF66, 0xFFA0),  # halfwidth Katakana
    range(0x1AFF0, 0x1B170),  # older kana
)
HAN = (range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0x20000, 0x323B0))
HANGUL = range(0xAC00, 0xD7A4)


@cache
def code_points() -> np.ndarray:
    """The table of code points: uint32 of 2**21 entries, so that no decoded value falls outside."""
    table = np.zeros(1 << 21, np.uint32)
    unspaced = {point for span in UNSPACED for point in span}
    regular = {HANGUL, *HAN}
    for point in range(0x20000):
        if not any(point in span for span in regular):
            table[point] = _entry(point, unspaced)
    for span in regular:
        own = 0 if span is HANGUL else ALONE
        table[span.start : span.stop] = np.arange(span.start, span.stop, dtype=np.uint32) | own
    for point in range(0x2F800, 0x2FA20):  # compatibility ideographs
        table[point] = _entry(point, unspaced) and (_fold(chr(point)) | ALONE)
    for span in SELECTORS:
        table[span.start : span.stop] = IGNORED
    table.setflags(write=False)
    return table


def _entry(point: int, unspaced: set[int]) -> int:
    character = chr(point)
    category = unicodedata.category(character)
    if category == "Cf" or point in DIACRITICS:
        return int(IGNORED)
    if category[0] == "M":
        return int(MARK) | point
    if category[0] not in "LN":
        return 0
    folded = _fold(character)
    alone = category != "No" and (point in unspaced or any(folded in span for span in HAN))
    return folded | (int(ALONE) if alone else 0)


def _fold(character: str) -> int:
    base, *rest = unicodedata.normalize("NFD", character)
    if all(ord(mark) in DIACRITICS for mark in rest):
        character = base
    lower = character.lower()
    character = lower if len(lower) == 1 else character
    return ord("σ" if character == "ς" else character)


def text_buffers(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bytes and offsets of a string column, its bytes not copied; nulls count as empty.

    Returns
    -------
    data : uint8 array
    offsets : int64 array of ``len(texts) + 1``
    """
    if texts.null_count:
        texts = texts.fill_null("")
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, offsets, data = texts.buffers()
    data = np.frombuffer(data or b"", np.uint8)
    data.setflags(write=False)  # one type for the kernels, whoever made the column
    if len(texts) == 0:
        return data, np.zeros(1, np.int64)
    offsets = np.frombuffer(offsets, kind)[texts.offset : texts.offset + len(texts) + 1]
    return data, offsets.astype(np.int64)


def shingle_sets(
    texts: pa.Array, ngram: int = 5, unit: str = "word"
) -> tuple[np.ndarray, np.ndarray]:
    """The set of shingles of each text.

    Returns
    -------
    hashes : uint64 array, the distinct shingles of each text in order of sight, text after text
    offsets : int64 array of ``len(texts) + 1``; text ``i`` owns ``hashes[offsets[i]:offsets[i+1]]``
    """
    data, offsets = text_buffers(texts)
    return _shingle_sets(data, offsets, code_points(), ngram, unit == "char")


@njit(cache=True, nogil=True)
def mix(value):
    """Finaliser of MurmurHash3: every input bit changes every output bit with probability 1/2."""
    value ^= value >> SHIFT
    value *= MIX_1
    value ^= value >> SHIFT
    value *= MIX_2
    return value ^ (value >> SHIFT)


@njit(cache=True, nogil=True)
def _decode(data, at, stop):
    """Code point at a non-ASCII byte and the place after it; 0 where the bytes are not UTF-8."""
    lead = np.uint32(data[at])
    if lead >= 0xF8:
        return np.uint32(0), at + 1
    if lead >= 0xF0:
        size, point = 4, lead & np.uint32(0x07)
    elif lead >= 0xE0:
        size, point = 3, lead & np.uint32(0x0F)
    elif lead >= 0xC0:
        size, point = 2, lead & np.uint32(0x1F)
    else:
        return np.uint32(0), at + 1
    if at + size > stop:
        return np.uint32(0), stop
    for i in range(at + 1, at + size):
        point = (point << np.uint32(6)) | (np.uint32(data[i]) & np.uint32(0x3F))
    return point, at + size


@njit(cache=True, nogil=True)
def _words(data, start, stop, table, out):
    """Write the hash of each word of one text; return how many."""
    count = 0
    state = OUTSIDE
    value = FNV_OFFSET
    at = start
    while at < stop:
        point = np.uint32(data[at])
        if point < 0x80:
            at += 1
        else:
            point, at = _decode(data, at, stop)
        entry = table[point]
        if entry == 0:
            if state != OUTSIDE:
                out[count] = mix(value)
                count += 1
                state = OUTSIDE
            continue
        if entry & IGNORED:
            continue
        in_word = state == IN_WORD and not entry & ALONE
        if not (in_word or (state != OUTSIDE and entry & MARK)):
            if state != OUTSIDE:
                out[count] = mix(value)
                count += 1
            state = AFTER_ALONE if entry & ALONE else IN_WORD
            value = FNV_OFFSET
        value = (value ^ np.uint64(entry & CODE_POINT)) * FNV_PRIME
    if state != OUTSIDE:
        out[count] = mix(value)
        count += 1
    return count


@njit(cache=True, nogil=True)
def _characters(data, start, stop, table, out):
    """Write the hash of each character, a run of separators being one; return how many."""
    count = 0
    separated = False
    at = start
    while at < stop:
        point = np.uint32(data[at])
        if point < 0x80:
            at += 1
        else:
            point, at = _decode(data, at, stop)
        entry = table[point]
        if entry == 0:
            separated = count > 0
            continue
        if entry & IGNORED:
            continue
        if separated:
            out[count] = mix(FNV_OFFSET)
            count += 1
            separated = False
        out[count] = mix(FNV_OFFSET ^ np.uint64(entry & CODE_POINT))
        count += 1
    return count


@njit(cache=True, nogil=True)
def _windows(units, count, ngram, out):
    """Write the hash of each window of `ngram` units; return how many."""
    if count == 0:
        return 0
    size = min(count, ngram)
    oldest = ONE  # WINDOW_BASE ** (size - 1): weight of the unit that leaves the window
    for _ in range(size - 1):
        oldest *= WINDOW_BASE
    salt = mix(np.uint64(size))
    value = ZERO
    for i in range(size):
        value = value * WINDOW_BASE + units[i]
    out[0] = mix(value ^ salt)
    for i in range(size, count):
        value = (value - units[i - size] * oldest) * WINDOW_BASE + units[i]
        out[i - size + 1] = mix(value ^ salt)
    return count - size + 1


@njit(cache=True, nogil=True)
def _distinct(values, count, slots):
    """Move the distinct values to the front, in order of first sight; return how many.

    `slots` is an open-addressing table, a power of two of at least twice `count` entries.
    """
    size = 4
    while size < 2 * count:
        size *= 2
    slots[:size] = ZERO
    mask = np.uint64(size - 1)
    kept = 0
    for i in range(count):
        value = values[i]
        if value == ZERO:
            value = ONE
        slot = value & mask
        while slots[slot] != ZERO and slots[slot] != value:
            slot = (slot + ONE) & mask
        if slots[slot] == ZERO:
            slots[slot] = value
            values[kept] = value
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def scratch(offsets, by_character):
    """Working arrays for the longest text of a batch: units, shingles and hash slots."""
    longest = 0
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    units = longest + 1 if by_character else longest // 2 + 1
    slots = 4
    while slots < 2 * units:
        slots *= 2
    return np.empty(units, np.uint64), np.empty(units, np.uint64), np.empty(slots, np.uint64)


@njit(cache=True, nogil=True)
def document_shingles(data, start, stop, table, ngram, by_character, units, shingles, slots):
    """Write the distinct shingles of one text to `shingles`; return how many.

    The last three arguments are the arrays of `scratch`.
    """
    if by_character:
        count = _characters(data, start, stop, table, units)
    else:
        count = _words(data, start, stop, table, units)
    return _distinct(shingles, _windows(units, count, ngram, shingles), slots)


@njit(cache=True, nogil=True)
def _shingle_sets(data, offsets, table, ngram, by_character):
    units, shingles, slots = scratch(offsets, by_character)
    n = len(offsets) - 1
    ends = np.zeros(n + 1, np.int64)
    hashes = np.empty(max(1024, (offsets[n] - offsets[0]) // 4), np.uint64)
    for i in range(n):
        count = document_shingles(
            data, offsets[i], offsets[i + 1], table, ngram, by_character, units, shingles, slots
        )
        end = ends[i] + count
        if end > len(hashes):
            grown = np.empty(2 * end, np.uint64)
            grown[: ends[i]] = hashes[: ends[i]]
            hashes = grown
        hashes[ends[i] : end] = shingles[:count]
        ends[i + 1] = end
    return hashes[: ends[n]].copy(), ends
