"""Which documents are drawn, and how often: pure functions over hashes of row ids.

A document of repetition factor `w` is to be seen ``r = min(scale * w, cap)`` times. It is taken
``floor(r)`` times for certain; the rest of the domain's tokens is filled by sequential Poisson
sampling (Ohlsson, 1998): documents in the order of ``u / (r - floor(r))``, with `u` uniform from a
hash of row id and seed, until the tokens are there. So a domain without factors is seen in whole
epochs, and the part of an epoch that remains is drawn without replacement.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

MILLI = 1000  # factors are whole thousandths, so that equal ones are equal
DRAW, ORDER, WINDOW = 1, 2, 3  # what a hash is for
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix64(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection of uint64 values."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def row_hashes(row_ids: pa.Array | pa.ChunkedArray, seed: int, purpose: int) -> np.ndarray:
    """A uint64 for each row id (32 hex digits), seed and purpose; shape (rows,)."""
    digits = "".join(row_ids.to_pylist())
    halves = np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64).reshape(-1, 2)
    return mix64(mix64(halves[:, 0] ^ _salt(seed, purpose)) ^ halves[:, 1])


def number_hashes(numbers: np.ndarray, seed: int, purpose: int) -> np.ndarray:
    """A uint64 for each whole number, seed and purpose; shape (numbers,)."""
    return mix64(numbers.astype(np.uint64) * _GOLDEN ^ _salt(seed, purpose))


def copy_keys(hashes: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Place of each copy in the order of the whole export: its hash and the copy's number."""
    return mix64(hashes ^ (copies.astype(np.uint64) * _GOLDEN))


def uniforms(hashes: np.ndarray) -> np.ndarray:
    """Hashes as numbers in [0, 1), 53 bits."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def buckets(keys: np.ndarray, count: int) -> np.ndarray:
    """The one of `count` equal ranges of uint64 in which each key lies; int64, shape (keys,)."""
    high = (keys >> np.uint64(32)) * np.uint64(count)
    return (high >> np.uint64(32)).astype(np.int64)


def repetitions(
    factors: np.ndarray, tokens: np.ndarray, quota: float, cap: float | None
) -> np.ndarray | None:
    """How often documents of each factor are seen, so that the quota of tokens is met.

    Parameters
    ----------
    factors
        Distinct repetition factors, (groups,).
    tokens
        Tokens of the documents of each factor, (groups,).
    quota
        Tokens wanted.
    cap
        Repetitions at most; None for no limit.

    Returns
    -------
    ndarray or None
        ``min(scale * factors, cap)``, (groups,); None when the quota cannot be met.
    """
    factors, tokens = np.asarray(factors, float), np.asarray(tokens, float)
    limit = np.inf if cap is None else cap
    if not quota:
        return np.zeros(len(factors))
    capped = np.zeros(len(factors), bool)
    while True:
        weighted = float((factors * tokens)[~capped].sum())
        left = quota - float(tokens[capped].sum()) * (limit if capped.any() else 0.0)
        if weighted <= 0:
            # what rounding leaves is not a lack
            met = capped.any() and left <= 1e-9 * quota
            return np.where(capped, limit, 0.0) if met else None
        rates = np.where(capped, limit, left / weighted * factors)
        over = ~capped & (rates > limit * (1 + 1e-12))
        if not over.any():
            return rates
        capped |= over


def whole_copies(rates: np.ndarray) -> np.ndarray:
    """Copies that are taken for certain, int64."""
    return np.floor(rates).astype(np.int64)


def draw_ranks(u: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Order in which documents are drawn for one copy more: ``u / fraction``, inf for none."""
    fraction = rates - np.floor(rates)
    ranks = np.full(len(u), np.inf)
    np.divide(u, fraction, out=ranks, where=fraction > 0)
    return ranks


def _salt(seed: int, purpose: int) -> np.uint64:
    both = np.array([seed & 0xFFFFFFFFFFFFFFFF, purpose], np.uint64)
    with np.errstate(over="ignore"):
        return mix64(mix64(both[:1] + _GOLDEN) ^ (both[1:] * _GOLDEN))[0]
