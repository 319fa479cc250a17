"""Count-based n-gram experts: one pass over each source, then any mix is priced without training.

An expert is the n-gram model of one source. A mix is priced as the mixture of the experts' token
probabilities, ``p(x) = sum_j p_j P_j(x)`` (MixMin, Thudi et al., 2025), so that its loss is convex
in the shares. Only n-grams of the texts to score are counted: memory is bounded by those texts,
however long the sources are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numba import njit

from catalogs.errors import UserError
from proxies.suites import Item
from proxies.tokenizer import Tokenizer
from proxies.tokens import TokenStream

ORDERS = 3  # tokens of the longest n-gram
_STRENGTHS = 4.0 ** np.arange(-2, 8)  # of each order's prior, tried in turn
_CHUNK = 4096  # tokens priced at once


@dataclasses.dataclass(frozen=True)
class Scored:
    """Texts to score, as one row of ids.

    Attributes
    ----------
    ids
        uint32, shape (n,): every text begins after an end-of-document token.
    places
        int64, shape (tokens,): positions in `ids` that are scored.
    n_bytes
        Bytes of UTF-8 that are scored.
    """

    ids: np.ndarray
    places: np.ndarray
    n_bytes: int


@dataclasses.dataclass(frozen=True)
class Counts:
    """How often the sources hold the n-grams of the texts to score.

    Attributes
    ----------
    followed, seen
        uint32, shape (orders, tokens, m): occurrences of the context of ``order`` tokens with the
        scored token after it, and with any token after it. A context that would reach beyond the
        beginning of its document has none.
    n_tokens
        int64, shape (m,): tokens of each source.
    """

    followed: np.ndarray
    seen: np.ndarray
    n_tokens: np.ndarray


@dataclasses.dataclass(frozen=True)
class Experts:
    """Probabilities of texts under the n-gram model of each source.

    Attributes
    ----------
    sources
        Names, (m,).
    probability
        float32, shape (tokens, m): of each scored token.
    n_bytes
        Of the texts.
    strengths
        Of each order's prior, (orders,).
    """

    sources: tuple[str, ...]
    probability: np.ndarray
    n_bytes: int
    strengths: tuple[float, ...]

    def bits_per_byte(self, shares: np.ndarray) -> np.ndarray:
        """Of each mix, (mixes,); `shares` are (mixes, m) in the order of the sources."""
        weights = np.atleast_2d(shares).astype(np.float32).T
        total = np.zeros(weights.shape[1])
        for start in range(0, len(self.probability), _CHUNK):
            mixed = self.probability[start : start + _CHUNK] @ weights
            total -= np.log2(mixed).sum(0, dtype=np.float64)
        return total / max(1, self.n_bytes)

    def save(self, path: str) -> None:
        """Write to an NPZ file."""
        sources = np.array(self.sources)
        with open(path, "wb") as file:
            np.savez(file, **{**vars(self), "sources": sources})

    @classmethod
    def load(cls, path: str) -> Experts:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(
                tuple(file["sources"].tolist()),
                file["probability"],
                int(file["n_bytes"]),
                tuple(file["strengths"].tolist()),
            )


def held_out_texts(stream: TokenStream, limit: int | None = None) -> Scored:
    """The documents of a stream, their ends included: the first one, and others up to `limit`."""
    ends = np.asarray(stream.document_ends)
    if limit is not None:
        ends = ends[: max(1, int(np.searchsorted(ends, limit, "right")))]
    size = int(ends[-1]) if len(ends) else 0
    ids = np.concatenate([[stream.info.eos_id], stream.tokens[:size]]).astype(np.uint32)
    n_bytes = int(stream.document_bytes[: len(ends)].sum())
    return Scored(ids, np.arange(1, size + 1), n_bytes)


def suite_texts(items: Sequence[Item], tokenizer: Tokenizer, limit: int | None = None) -> Scored:
    """The continuations of a suite's items, each after its context, up to `limit` tokens."""
    before = tokenizer.encode([item.context for item in items])
    after = tokenizer.encode([item.continuation for item in items])
    ids: list[int] = []
    places: list[int] = []
    n_bytes = 0
    for item, given, wanted in zip(items, before, after, strict=True):
        if limit is not None and places and len(places) + len(wanted) > limit:
            break
        ids += [tokenizer.eos_id, *given]
        places += range(len(ids), len(ids) + len(wanted))
        ids += wanted
        n_bytes += len(item.continuation.encode())
    return Scored(np.array(ids, np.uint32), np.array(places, np.int64), n_bytes)


def ngram_experts(
    texts: Scored, streams: Mapping[str, TokenStream], tokens: int, orders: int = ORDERS
) -> Experts:
    """Score texts with the n-gram model of every source.

    Each order is a Dirichlet posterior mean whose prior is the order below (MacKay and Peto,
    1995): ``P(w | h) = (c(h w) + a P(w | h')) / (c(h) + a)``, h' being h without its first token,
    down to equal probabilities. The probabilities of all ids sum to one whatever the counts.
    The strengths a, one for each order, are those under which the model of all sources alike
    scores best.

    Parameters
    ----------
    texts
        What `held_out_texts` or `suite_texts` gave, made by the streams' tokenizer.
    streams
        Token streams by source; they stay on disk and are read once.
    tokens
        Length of the training run that is priced: an expert counts its source as often as that
        run would repeat it.

    Raises
    ------
    UserError
        When the streams were made by different tokenizers, or one is empty.
    """
    counts = count_ngrams(texts, streams, orders)
    for name, size in zip(streams, counts.n_tokens, strict=True):
        if not size:
            raise UserError(f"source '{name}': no tokens to count; add text")
    vocab_size = next(iter(streams.values())).info.vocab_size
    times = (tokens / counts.n_tokens).astype(np.float32)
    strengths: list[float] = []
    pooled = np.full(len(streams), 1 / len(streams), np.float32) * times
    prior = np.float32(1 / vocab_size)
    experts: np.ndarray = np.full((len(texts.places), len(streams)), prior)
    for followed, seen in zip(counts.followed, counts.seen, strict=True):
        together, all_seen = followed @ pooled, seen @ pooled
        tried = [_posterior(together, all_seen, prior, one) for one in _STRENGTHS]
        best = int(np.argmax([np.log(one).sum(dtype=np.float64) for one in tried]))
        prior = tried[best]
        strengths.append(float(_STRENGTHS[best]))
        experts = _posterior(followed * times, seen * times, experts, strengths[-1])
    return Experts(tuple(streams), experts, texts.n_bytes, tuple(strengths))


def _posterior(followed, seen, prior, strength: float):
    weight = np.float32(strength)
    return (followed + weight * prior) / (seen + weight)


def count_ngrams(texts: Scored, streams: Mapping[str, TokenStream], orders: int = ORDERS) -> Counts:
    """Count the n-grams of `texts` in every stream, in one pass over each.

    Raises
    ------
    UserError
        When the streams were made by different tokenizers.
    """
    if len({stream.info.tokenizer for stream in streams.values()}) > 1:
        raise UserError("n-grams: streams were made by different tokenizers; write all with one")
    eos_id = next(iter(streams.values())).info.eos_id
    keys, known = _text_keys(texts.ids, texts.places, orders, eos_id)
    unique, entries = np.unique(keys[known], return_inverse=True)
    table = np.zeros(2 << max(1, math.ceil(math.log2(max(2, len(unique))))), np.int32)
    _fill(table, unique)
    found = np.zeros((*known.shape, len(streams)), np.uint32)
    for j, stream in enumerate(streams.values()):
        counts = np.zeros(len(unique), np.uint32)
        _count(stream.tokens, orders, eos_id, table, unique, counts)
        found[known, j] = counts[entries]
    n_tokens = np.array([stream.info.n_tokens for stream in streams.values()], np.int64)
    found[1, 0] = n_tokens
    return Counts(found[0], found[1], n_tokens)


# Hashes of 64 bits stand for n-grams: of a million, two are alike once in thirty million tries.
# N-grams and contexts are hashed from different beginnings, for they are counted apart.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_WHOLE, _CONTEXT = np.uint64(1 << 40), np.uint64(1 << 41)  # above any token id


@njit(cache=True, nogil=True)
def _extend(key, token):
    """Hash of an n-gram with one more token before it (the finaliser of SplitMix64)."""
    key = (key ^ np.uint64(token)) + _STEP
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


@njit(cache=True, nogil=True)
def _text_keys(ids, places, orders, eos_id):
    """Keys (2, orders, tokens) of n-grams and of their contexts, and which of them there are."""
    keys = np.zeros((2, orders, len(places)), np.uint64)
    known = np.zeros((2, orders, len(places)), np.bool_)
    for i in range(len(places)):
        place = places[i]
        whole, context = _extend(_WHOLE, ids[place]), _CONTEXT
        keys[0, 0, i], known[0, 0, i] = whole, True
        for order in range(1, orders):
            token = ids[place - order]
            whole, context = _extend(whole, token), _extend(context, token)
            keys[0, order, i], known[0, order, i] = whole, True
            keys[1, order, i], known[1, order, i] = context, True
            if token == eos_id:
                break
    return keys, known


@njit(cache=True, nogil=True)
def _fill(table, unique):
    """Enter the number of each key, plus 1, into an open-addressed table."""
    mask = np.uint64(len(table) - 1)
    for entry in range(len(unique)):
        slot = unique[entry] & mask
        while table[slot]:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = entry + 1


@njit(cache=True, nogil=True)
def _find(key, table, unique):
    mask = np.uint64(len(table) - 1)
    slot = key & mask
    while table[slot] and unique[table[slot] - 1] != key:
        slot = (slot + np.uint64(1)) & mask
    return table[slot] - 1


@njit(cache=True, nogil=True)
def _count(tokens, orders, eos_id, table, unique, counts):
    # a text that holds an n-gram holds its shorter endings, too: the first miss ends a search
    for place in range(len(tokens)):
        key = _WHOLE
        for order in range(min(orders, place + 1)):
            token = tokens[place - order]
            key = _extend(key, token)
            entry = _find(key, table, unique)
            if entry < 0:
                break
            counts[entry] += 1
            if order and token == eos_id:
                break
        key = _CONTEXT
        for order in range(1, min(orders, place + 1)):
            token = tokens[place - order]
            key = _extend(key, token)
            entry = _find(key, table, unique)
            if entry < 0:
                break
            counts[entry] += 1
            if token == eos_id:
                break
