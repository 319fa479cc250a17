"""Shingles and permutations as datatrove's MinHash stages make them, bit for bit.

A text is simplified (lower case, numbers to 0, punctuation and white space to single spaces,
combining marks away), cut into spaCy's English words, and each five words in a row, joined by
spaces, are hashed by xxHash64, or by the first eight bytes of SHA-1. A text of fewer words has no
shingle. Clusters are datatrove's when bands are trusted (``jaccard: null``).

Source: datatrove 0.10, its modules ``pipeline.dedup.minhash`` and ``utils.text``.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

import numpy as np
import pyarrow as pa
import xxhash
from numba import njit

from filters.arrow import texts_of
from filters.spacy_words import exact_words

MERSENNE = (1 << 61) - 1
NUMBER = re.compile(r"\d+(?:[.,،٫⎖⎗⎘]\d+)?")
WHITE = re.compile(r"\s+")
PUNCTUATION = (
    "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
    + "".join(map(chr, [*range(9), 11, 12, *range(13, 32), *range(127, 160)]))
)
SPACES = str.maketrans(PUNCTUATION, " " * len(PUNCTUATION))


def permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """datatrove's multipliers and increments, two uint64 arrays.

    Raises
    ------
    ValueError
        For a seed of 2**32 or more, which its generator does not take.
    """
    generator = np.random.RandomState(seed)
    prime = np.uint64(MERSENNE)
    a = generator.randint(1, prime, dtype=np.uint64, size=(1, count))
    b = generator.randint(0, prime, dtype=np.uint64, size=(1, count))
    return a[0], b[0]


def simplify(text: str) -> str:
    """A text as datatrove compares it."""
    text = NUMBER.sub("0", text.lower()).translate(SPACES)
    text = WHITE.sub(" ", text.strip())
    if not text.isascii():
        letters = unicodedata.normalize("NFD", text)
        text = "".join(c for c in letters if unicodedata.category(c) != "Mn")
    return text.strip()


def shingles(texts: pa.Array, ngram: int = 5, sha1: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The shingles of each text, repeated ones repeated.

    Returns
    -------
    hashes : uint64 array, text after text
    offsets : int64 array of ``len(texts) + 1``
    """
    simple = [simplify(text or "") for text in texts.to_pylist()]
    words = exact_words(texts_of(pa.array(simple, pa.large_string()))).words
    joined, starts, ends, counts = _join(words.data, words.starts, words.ends, words.counts, ngram)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    view = memoryview(joined)
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    if sha1:
        digests = b"".join(hashlib.sha1(view[a:b]).digest()[:8] for a, b in spans)
        return np.frombuffer(digests, "<u8").astype(np.uint64), offsets
    digest = xxhash.xxh64_intdigest
    hashes = np.fromiter((digest(view[a:b]) for a, b in spans), np.uint64, len(starts))
    return hashes, offsets


@njit(cache=True, nogil=True)
def _join(data, starts, ends, counts, ngram):
    """Words joined by spaces, and the byte spans of each window of `ngram` of them."""
    size = np.int64(0)
    for w in range(len(starts)):
        size += ends[w] - starts[w] + 1
    out = np.empty(size, np.uint8)
    begins = np.empty(len(starts), np.int64)
    stops = np.empty(len(starts), np.int64)
    at = 0
    for w in range(len(starts)):
        begins[w] = at
        for i in range(starts[w], ends[w]):
            out[at] = data[i]
            at += 1
        stops[w] = at
        out[at] = 0x20
        at += 1
    windows = np.maximum(counts - ngram + 1, 0)
    first = np.empty(windows.sum(), np.int64)
    last = np.empty(windows.sum(), np.int64)
    n = word = 0
    for k in range(len(counts)):
        for w in range(windows[k]):
            first[n] = begins[word + w]
            last[n] = stops[word + w + ngram - 1]
            n += 1
        word += counts[k]
    return out, first, last, windows
