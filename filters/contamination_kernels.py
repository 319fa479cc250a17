"""Finding parts of evaluation items in texts, edited ones too.

A *seed* is a few words in a row. A seed of a part that stands in a text is extended to both sides:
words that agree count with their weight, words that do not are stepped over, one for one or, where
two words in a row agree again, with words of one side left out. After too many misses in a row
the extension ends.
"""

from __future__ import annotations

import numpy as np

from filters.jit import inner, kernel

SHORT, MIDDLE, LONG = 3, 4, 5
"""Words to a seed: of parts of fewer than `SHORT_PART` words, of `MIDDLE_PART`, and of others."""
SHORT_PART, MIDDLE_PART = 20, 24
MISSES = 11
"""Words in a row that may differ (as in decon's default configuration)."""
SHIFT = 6
"""Words that one side may have more, between words that agree."""
AROUND = 5
"""Words on either side of a seed that are looked at first."""
FLOOR = 0.5
"""Least share of a part's weight that is worth telling."""
_A = np.uint64(0x9E37_79B9_7F4A_7C15)
_B = np.uint64(0xD6E8_FEB8_6659_FD93)
_C = np.uint64(0xA076_1D64_78BD_642F)
_D = np.uint64(0xE703_7ED1_A0B4_28DB)
_E = np.uint64(0x8EBC_6AF0_9C88_C6E3)
_UPPER, _LOWER = np.uint64(0xFFFF_FFFF_0000_0000), np.uint64(0xFFFF_FFFF)
_TRIED = 1 << 10
LITTLE = 10.0
"""Least weight that is worth telling, in nats."""
BLOCK = 512
"""Words sifted at a time."""


@inner
def seed3(words, i):
    """Sum of the three words from i on; with more words added by `longer`, and mixed, a key."""
    return (
        np.uint64(words[i]) * _A + np.uint64(words[i + 1]) * _B + np.uint64(words[i + 2]) * _C + _E
    )


@inner
def longer(total, word, size):
    """The sum with one word more, the size-th."""
    return total + (np.uint64(word) + np.uint64(size)) * (_D + np.uint64(2 * size) * _A)


@inner
def key_of(total):
    """The key of a seed: never 0, its upper bits well mixed."""
    total = (total ^ (total >> np.uint64(29))) * _B
    return (total ^ (total >> np.uint64(32))) * _A | np.uint64(1)


@inner
def seed_size(length):
    """Words to a seed of a part of so many words."""
    return SHORT if length < SHORT_PART else MIDDLE if length < MIDDLE_PART else LONG


@kernel
def seed_keys(words, offsets, keys, sizes):
    """keys[i] (uint64): the seed of sizes[i] words (int32) from word i on; 0 where none fits."""
    for part in range(len(offsets) - 1):
        first, end = np.int64(offsets[part]), np.int64(offsets[part + 1])
        size = seed_size(end - first)
        for i in range(first, end):
            keys[i] = np.uint64(0)
            sizes[i] = size
            if i + size <= end:
                total = seed3(words, i)
                for k in range(SHORT, size):
                    total = longer(total, words[i + k], k)
                keys[i] = key_of(total)


@kernel
def fill_table(keys, table, bits):
    """Put keys (uint64, distinct, not 0) into an open-addressed table and a bitmap.

    An entry is the upper half of its key and, from 1 on, its number.
    """
    mask = len(table) - 1
    shift = bit_shift(bits)
    for n in range(len(keys)):
        slot = np.int64(keys[n] >> np.uint64(1)) & mask
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = (keys[n] & _UPPER) | np.uint64(n + 1)
        bits[np.int64(keys[n] >> shift)] |= two_bits(keys[n])


@kernel
def fill_heads(words, places, heads):
    """Set the bits of the first three words of the seeds at these places."""
    shift = bit_shift(heads)
    for place in places:
        key = key_of(seed3(words, place))
        heads[np.int64(key >> shift)] |= two_bits(key)


@inner
def bit_shift(bits):
    """By how much a key is shifted right for its place in a Bloom filter of 2^n words."""
    shift = np.uint64(64)
    size = len(bits)
    while size > 1:
        size >>= 1
        shift -= np.uint64(1)
    return shift


@inner
def two_bits(key):
    """The bits of a key in its word of the filter."""
    one = np.uint64(1)
    return one << (key >> np.uint64(8) & np.uint64(63)) | one << (
        key >> np.uint64(2) & np.uint64(63)
    )


@inner
def sift(texts, first, stop, high, heads, bits, spots, places, keys, flags):
    """Seeds from the words first to stop that may be in the index.

    Returns how many, as ``places``, and of how many words: seed ``places[c]`` begins at word
    ``first + spots[places[c] % words]``. Loops without branches, so that keys are computed side by
    side and many words of the filters are on their way at once; the first filter, of the three
    words that all seeds begin with, is small and leaves little for the second.
    """
    shift = bit_shift(heads)
    for i in range(first, stop):
        keys[i - first] = key_of(seed3(texts, i))
    for j in range(stop - first):
        wanted = two_bits(keys[j])
        flags[j] = heads[keys[j] >> shift] & wanted == wanted
    m = 0
    for j in range(stop - first):
        spots[m] = j
        m += flags[j]
    for j in range(m):
        i = first + spots[j]
        total = seed3(texts, i)
        keys[j] = key_of(total)
        total = longer(total, texts[min(i + 3, high - 1)], 3)
        keys[m + j] = key_of(total)
        total = longer(total, texts[min(i + 4, high - 1)], 4)
        keys[2 * m + j] = key_of(total)
    shift = bit_shift(bits)
    for j in range(3 * m):
        wanted = two_bits(keys[j])
        flags[j] = bits[keys[j] >> shift] & wanted == wanted
    n = 0
    for j in range(3 * m):
        places[n] = j
        n += flags[j]
    return n, m


@inner
def place_of(table, key):
    """Number of a key in the table, -1 if it is not there.

    Of two keys with equal upper halves and neighbouring slots the wrong one may be told (once in
    a billion): its words will not agree.
    """
    mask = len(table) - 1
    slot = np.int64(key >> np.uint64(1)) & mask
    while table[slot] != 0:
        if (table[slot] ^ key) & _UPPER == 0:
            return np.int64(table[slot] & _LOWER) - 1
        slot = (slot + 1) & mask
    return -1


def new_space() -> tuple[np.ndarray, ...]:
    """Working space of `find_parts`: 60 kB."""
    most = 3 * BLOCK + 1
    return (
        np.empty((_TRIED, 3), np.int64),
        np.empty(BLOCK + 1, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.uint64),
        np.empty(most, np.uint8),
    )


@kernel
def find_parts(
    texts,
    firsts,
    table,
    bits,
    heads,
    posting_offsets,
    postings,
    words,
    weights,
    offsets,
    totals,
    tried,
    spots,
    places,
    keys,
    flags,
    found,
    gains,
):
    """List the parts found in texts; returns how many, also beyond the room of the output.

    Parameters
    ----------
    texts, firsts
        uint32 hashes of the words of all texts, and where those of each text begin.
    table, bits, heads, posting_offsets, postings
        The seeds: their table, Bloom filters of them and of their first three words, and for each
        the places where it stands (int32 rows of the place in `words`, and the part).
    words, weights, offsets, totals
        Words of the parts, their weights, where each part begins, the sum of its weights.
    tried, spots, places, keys, flags
        Working space of `new_space`.
    found, gains
        Output: int32 rows of text, part, first word in the text, end, words that agree, words of
        the part before the first of them and behind the last; and the weight found (float32).
    """
    n = 0
    for k in range(len(firsts) - 1):
        low, high = np.int64(firsts[k]), np.int64(firsts[k + 1])
        for t in range(_TRIED):
            tried[t, 0] = -1
        for block in range(low, high - SHORT + 1, BLOCK):
            stop = min(block + BLOCK, high - SHORT + 1)
            n_seeds, m = sift(texts, block, stop, high, heads, bits, spots, places, keys, flags)
            for c in range(n_seeds):
                place = place_of(table, keys[places[c]])
                if place < 0:
                    continue
                i = block + spots[places[c] % m]
                for at in range(posting_offsets[place], posting_offsets[place + 1]):
                    p, part = np.int64(postings[at, 0]), np.int64(postings[at, 1])
                    slot = part & (_TRIED - 1)
                    # a seed inside what was looked at already, on nearly the same line
                    if (
                        tried[slot, 0] == part
                        and i < tried[slot, 2]
                        and abs(i - p - tried[slot, 1]) <= 2 * SHIFT
                    ):
                        continue
                    first, end = np.int64(offsets[part]), np.int64(offsets[part + 1])
                    if not likely(texts, i, low, high, words, p, first, end):
                        continue
                    ahead, past, gain_a, same_a = extend(
                        texts, i, high, words, p, end, weights, np.int64(1)
                    )
                    behind, begin, gain_b, same_b = extend(
                        texts, i - 1, low - 1, words, p - 1, first - 1, weights, np.int64(-1)
                    )
                    gain = gain_a + gain_b
                    tried[slot, 0], tried[slot, 1] = part, i - p
                    tried[slot, 2] = max(ahead, i + 1)
                    if gain >= FLOOR * totals[part] and gain >= LITTLE:
                        if n < len(found):
                            found[n, 0], found[n, 1] = k, part
                            found[n, 2], found[n, 3] = behind + 1 - low, ahead - low
                            found[n, 4] = same_a + same_b
                            found[n, 5], found[n, 6] = begin + 1 - first, end - past
                            gains[n] = gain
                        n += 1
    return n


@inner
def likely(texts, i, low, high, words, p, first, end):
    """Whether enough of the words next to a seed agree too, to be worth more than a look."""
    size = seed_size(end - first)
    begin = -min(AROUND, min(i - low, p - first))
    stop = min(size + AROUND, min(high - i, end - p))
    same = 0
    for k in range(begin, stop):
        same += texts[i + k] == words[p + k]
    return (same - size) * 3 >= stop - begin - size - 2


@inner
def extend(texts, a, a_end, words, b, b_end, weights, step):
    """Go on from word a of the text and word b of the part, forwards or backwards.

    Returns the ends of the last word that agrees in both, the weight that was found and the words.
    """
    gain = 0.0
    same = 0
    last, last_b = a, b
    misses = 0
    while a != a_end and b != b_end and misses <= MISSES:
        if texts[a] == words[b]:
            gain += weights[b]
            same += 1
            a += step
            b += step
            last, last_b = a, b
            misses = 0
            continue
        left_a, left_b = (a_end - a) * step, (b_end - b) * step
        if left_a > 1 and left_b > 1 and texts[a + step] == words[b + step]:
            a += step
            b += step
            misses += 1
            continue
        move_a, move_b = 1, 1
        done = False
        for shift in range(1, SHIFT + 1):
            for other in range(shift + 1):
                if agree(texts, a, left_a, shift, words, b, left_b, other, step):
                    move_a, move_b, done = shift, other, True
                elif agree(texts, a, left_a, other, words, b, left_b, shift, step):
                    move_a, move_b, done = other, shift, True
                if done:
                    break
            if done:
                break
        a += move_a * step
        b += move_b * step
        misses += max(move_a, move_b)
        if move_a > left_a or move_b > left_b:
            break
    return last, last_b, gain, same


@inner
def agree(texts, a, left_a, skip_a, words, b, left_b, skip_b, step):
    """Whether two words in a row agree after so many on either side."""
    return (
        skip_a + 1 < left_a
        and skip_b + 1 < left_b
        and texts[a + skip_a * step] == words[b + skip_b * step]
        and texts[a + (skip_a + 1) * step] == words[b + (skip_b + 1) * step]
    )


@kernel
def find_near(texts, low, high, words, first, end, weights, found):
    """Best place of a part between two words of a text; returns the weight found there.

    found (int64, 3): first word, end, words that agree.
    """
    best = 0.0
    found[0], found[1], found[2] = low, low, 0
    for i in range(low, high):
        for p in range(first, min(end, first + SHORT)):
            if texts[i] == words[p]:
                ahead, _, gain, same = extend(texts, i, high, words, p, end, weights, np.int64(1))
                if gain > best + 1e-6:
                    best = gain
                    found[0], found[1], found[2] = i, ahead, same
    return best
