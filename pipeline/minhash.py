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

from pipeline.shingles import mix, shingle_sets

MASK = (1 << 64) - 1
LARGEST = np.uint64(MASK)
BITS = np.uint64(61)
MERSENNE = np.uint64((1 << 61) - 1)


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
    shingles, offsets = shingle_sets(texts, ngram, unit)
    return bands_of(shingles, offsets, bands, *permutations(bands * rows, seed)), np.diff(offsets)


def bands_of(
    shingles: np.ndarray,
    offsets: np.ndarray,
    bands: int,
    a: np.ndarray,
    b: np.ndarray,
    mersenne: bool = False,
) -> np.ndarray:
    """Band hashes of shingle sets: uint64 array of shape (len(offsets) - 1, bands).

    Parameters
    ----------
    a, b
        The permutations, ``x -> a x + b mod 2**64``, rows of one band together.
    mersenne
        Reduce that modulo ``2**61 - 1`` once more, as datatrove and datasketch do.
    """
    return _bands(shingles, offsets, bands, a, b, mersenne)


def small_sets(shingles: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shingle sets of half the size: the upper 32 bits of each hash, ascending, each once.

    The Jaccard similarity of two such sets of n shingles differs from that of the wide ones by a
    share of about ``n / 2**32``.

    Returns
    -------
    values : uint32 array
    offsets : int64 array as long as that of the sets given
    """
    count = len(offsets) - 1
    owner = np.repeat(np.arange(count, dtype=np.uint64), np.diff(offsets))
    keys = (owner << np.uint64(32)) | (shingles >> np.uint64(32))
    keys.sort()
    if len(keys):
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=count)
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return keys.astype(np.uint32), ends


def expected_recall(jaccard, bands: int = 14, rows: int = 8):
    """Probability that two sets of the given Jaccard similarity become candidates."""
    return 1 - (1 - np.asarray(jaccard, float) ** rows) ** bands


@njit(cache=True, nogil=True)
def _bands(shingles, offsets, bands, a, b, mersenne):
    n = len(offsets) - 1
    out = np.zeros((n, bands), np.uint64)
    minima = np.empty(len(a), np.uint64)
    rows = len(a) // bands
    for i in range(n):
        minima[:] = LARGEST
        for at in range(offsets[i], offsets[i + 1]):
            shingle = shingles[at]
            if mersenne:
                _lower_mersenne(minima, shingle, a, b)
            else:
                _lower(minima, shingle, a, b)
        for band in range(bands):
            value = np.uint64(band + 1)
            for row in range(band * rows, (band + 1) * rows):
                value = mix(value ^ minima[row]) + minima[row]
            out[i, band] = mix(value)
    return out


@njit(cache=True, nogil=True)
def _lower(minima, shingle, a, b):
    for k in range(len(a)):
        minima[k] = min(minima[k], a[k] * shingle + b[k])


@njit(cache=True, nogil=True)
def _lower_mersenne(minima, shingle, a, b):
    for k in range(len(a)):
        value = a[k] * shingle + b[k]
        value = (value & MERSENNE) + (value >> BITS)
        minima[k] = min(minima[k], value - MERSENNE if value >= MERSENNE else value)
