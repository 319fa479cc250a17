"""MinHash signatures in bands, for locality-sensitive hashing of shingle sets (Broder 1997).

The signature of a set has ``bands x rows`` minima, each under its own permutation of the 64-bit
integers, ``x -> a x + b mod 2**64`` with odd `a` (multiply-add on hashes that are mixed already).
The minima of one band are hashed into one integer; two sets that share the hash of any band are
candidates. Two sets of Jaccard similarity J share one with probability ``1 - (1 - J**r)**b``
(Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.shingles import code_points, document_shingles, mix, scratch, text_buffers

MASK = (1 << 64) - 1
LARGEST = np.uint64(MASK)


def permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers (odd) and increments of `count` permutations, two uint64 arrays.

    Drawn with SplitMix64 (Steele et al. 2014), so that they depend on no library's version.
    """
    state = seed & MASK
    draws = []
    for _ in range(2 * count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        value = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
        draws.append(value ^ (value >> 31))
    a, b = np.array(draws, np.uint64).reshape(2, count)
    return a | np.uint64(1), b


def band_hashes(
    texts: pa.Array, *, ngram: int = 5, unit: str = "word", bands: int = 14, rows: int = 8, seed=1
) -> tuple[np.ndarray, np.ndarray]:
    """Sign each text.

    Returns
    -------
    hashes : uint64 array of shape (len(texts), bands)
        One hash per band. The band's number is mixed in, so equal hashes mean equal bands. The row
        of a text without shingles is meaningless.
    counts : int64 array of len(texts)
        Distinct shingles of each text.
    """
    data, offsets = text_buffers(texts)
    a, b = permutations(bands * rows, seed)
    return _band_hashes(data, offsets, code_points(), ngram, unit == "char", bands, a, b)


def expected_recall(jaccard, bands: int = 14, rows: int = 8):
    """Probability that two sets of the given Jaccard similarity become candidates."""
    return 1 - (1 - np.asarray(jaccard, float) ** rows) ** bands


@njit(cache=True, nogil=True)
def _band_hashes(data, offsets, table, ngram, by_character, bands, a, b):
    units, shingles, slots = scratch(offsets, by_character)
    n = len(offsets) - 1
    out = np.zeros((n, bands), np.uint64)
    counts = np.zeros(n, np.int64)
    minima = np.empty(len(a), np.uint64)
    rows = len(a) // bands
    for i in range(n):
        counts[i] = document_shingles(
            data, offsets[i], offsets[i + 1], table, ngram, by_character, units, shingles, slots
        )
        _minima(shingles, counts[i], a, b, minima)
        for band in range(bands):
            value = np.uint64(band + 1)
            for row in range(band * rows, (band + 1) * rows):
                value = mix(value ^ minima[row]) + minima[row]
            out[i, band] = mix(value)
    return out, counts


@njit(cache=True, nogil=True)
def _minima(shingles, count, a, b, minima):
    minima[:] = LARGEST
    for i in range(count):
        shingle = shingles[i]
        for k in range(len(a)):
            minima[k] = min(minima[k], a[k] * shingle + b[k])
