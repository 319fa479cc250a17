"""Units of text that may repeat: lines, paragraphs, and windows of bytes; as hashes with places.

A window hash is a polynomial over bytes modulo 2**64, finished by MurmurHash3's mixer. Fingerprints
are chosen by winnowing (Schleimer, Wilkerson, Aiken: Winnowing, SIGMOD 2003): of the hashes of the
k-byte windows that begin in any `w` bytes in a row, the least (the last of equal ones). Two texts
that share ``w + k - 1`` bytes therefore share a fingerprint inside them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pipeline.shingles import FNV_OFFSET, FNV_PRIME, WINDOW_BASE, mix


@njit(cache=True, nogil=True)
def find_lines(data, offsets, paragraphs, least):
    """Lines (or paragraphs, which end at blank lines) of at least `least` bytes without their ends.

    Returns
    -------
    texts, starts, ends, hashes : arrays with an entry for each unit
        Its text; the bytes to cut, line break and all, in the text; the hash of its bytes without
        the white space around them.
    """
    room = max(64, (offsets[-1] - offsets[0]) // 32)
    texts, starts, ends = (
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
    )
    hashes = np.empty(room, np.uint64)
    n = 0
    for k in range(len(offsets) - 1):
        begin, stop = offsets[k], offsets[k + 1]
        at = begin
        while at < stop:
            start = at
            while at < stop:
                if data[at] == 0x0A:
                    at += 1
                    if not paragraphs or at == stop:
                        break
                    blank = at
                    while blank < stop and (data[blank] == 0x20 or data[blank] == 0x0D):
                        blank += 1
                    if blank == stop or data[blank] == 0x0A:
                        while at < stop and data[at] <= 0x20:
                            at += 1
                        break
                else:
                    at += 1
            first, last = start, at
            while first < last and data[first] <= 0x20:
                first += 1
            while last > first and data[last - 1] <= 0x20:
                last -= 1
            if last - first < least:
                continue
            if n == room:
                room *= 2
                texts, starts = grown(texts, room), grown(starts, room)
                ends, hashes = grown(ends, room), grown(hashes, room)
            value = FNV_OFFSET
            for i in range(first, last):
                value = (value ^ np.uint64(data[i])) * FNV_PRIME
            texts[n], starts[n], ends[n], hashes[n] = k, start - begin, at - begin, mix(value)
            n += 1
    return texts[:n], starts[:n], ends[:n], hashes[:n]


@njit(cache=True, nogil=True)
def find_fingerprints(data, offsets, width, window):
    """Fingerprints of each text: its number, the place of the `width` bytes hashed, the hash."""
    room = max(64, 3 * (offsets[-1] - offsets[0]) // window)
    texts, places, hashes = (
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.uint64),
    )
    longest = 0
    for k in range(len(offsets) - 1):
        longest = max(longest, offsets[k + 1] - offsets[k])
    recent = np.empty(max(0, longest - width + 1), np.uint64)
    oldest = _power(width - 1)
    n = 0
    for k in range(len(offsets) - 1):
        start, count = offsets[k], offsets[k + 1] - offsets[k] - width + 1
        if count < window:
            continue
        _hash_windows(data[start : offsets[k + 1]], width, oldest, recent)
        least_at = np.int64(-1)
        for i in range(window - 1, count):
            if least_at < i - window + 1:
                least_at = i - window + 1
                for j in range(i - window + 2, i + 1):
                    if recent[j] <= recent[least_at]:
                        least_at = j
            elif recent[i] <= recent[least_at]:
                least_at = i
            else:
                continue
            if n == room:
                room *= 2
                texts, places, hashes = grown(texts, room), grown(places, room), grown(hashes, room)
            texts[n], places[n], hashes[n] = k, least_at, recent[least_at]
            n += 1
    return texts[:n], places[:n], hashes[:n]


@njit(cache=True, nogil=True)
def _hash_windows(data, width, oldest, out):
    """Write the hash of each window of `width` bytes."""
    value = np.uint64(0)
    for i in range(width - 1):
        value = value * WINDOW_BASE + np.uint64(data[i])
    for i in range(len(data) - width + 1):
        value = value * WINDOW_BASE + np.uint64(data[i + width - 1])
        out[i] = value
        value -= np.uint64(data[i]) * oldest
    for i in range(len(data) - width + 1):
        out[i] = mix(out[i])


@njit(cache=True, nogil=True)
def find_windows(data, offsets, texts, places, width, length):
    """Hashes of the windows of `length` bytes that hold one of the given fingerprints whole.

    `texts` and `places` (ascending) are those of fingerprints of `width` bytes. Returns the text,
    the first byte in it, and the hash of each window once.
    """
    room = max(64, len(places) * 64)
    owners, starts, hashes = (
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.uint64),
    )
    oldest = _power(length - 1)
    n = 0
    f = 0
    while f < len(places):
        k = texts[f]
        begin, size = offsets[k], offsets[k + 1] - offsets[k]
        at = np.int64(-1)  # the window whose hash is `value`
        value = np.uint64(0)
        while f < len(places) and texts[f] == k:
            low, high = max(places[f] - (length - width), at + 1), min(places[f], size - length)
            f += 1
            if low > high:
                continue
            if at < 0 or low > at + 1:
                value = np.uint64(0)
                for i in range(begin + low, begin + low + length):
                    value = value * WINDOW_BASE + np.uint64(data[i])
            else:
                value = _rolled(data, value, begin + at, length, oldest)
            at = low
            while True:
                if n == room:
                    room *= 2
                    owners, starts = grown(owners, room), grown(starts, room)
                    hashes = grown(hashes, room)
                owners[n], starts[n], hashes[n] = k, at, mix(value)
                n += 1
                if at == high:
                    break
                value = _rolled(data, value, begin + at, length, oldest)
                at += 1
    return owners[:n], starts[:n], hashes[:n]


@njit(cache=True, nogil=True)
def join_windows(data, offsets, texts, starts, length):
    """Spans that windows cover together, cut back to whole characters: text, start and end."""
    owners, firsts, lasts = np.empty_like(texts), np.empty_like(texts), np.empty_like(texts)
    n = 0
    i = 0
    while i < len(texts):
        k, first = texts[i], starts[i]
        last = first + length
        i += 1
        while i < len(texts) and texts[i] == k and starts[i] <= last:
            last = starts[i] + length
            i += 1
        begin, stop = offsets[k], offsets[k + 1]
        while first < last and data[begin + first] & 0xC0 == 0x80:
            first += 1
        while last > first and begin + last < stop and data[begin + last] & 0xC0 == 0x80:
            last -= 1
        owners[n], firsts[n], lasts[n] = k, first, last
        n += 1
    return owners[:n], firsts[:n], lasts[:n]


@njit(cache=True, nogil=True)
def _rolled(data, value, at, length, oldest):
    """The hash of the window one byte further than the one at `at`."""
    return (value - np.uint64(data[at]) * oldest) * WINDOW_BASE + np.uint64(data[at + length])


@njit(cache=True, nogil=True)
def _power(exponent):
    value = np.uint64(1)
    for _ in range(exponent):
        value *= WINDOW_BASE
    return value


@njit(cache=True, nogil=True)
def grown(values, room):
    """The same values with room for more."""
    wider = np.empty(room, values.dtype)
    wider[: len(values)] = values
    return wider
