"""Kernels of fastText models: its dictionary, its hashes, and sums of rows over a text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from filters.jit import inner, kernel

_FNV_START, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
_WIDE_START, _WIDE_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_NGRAM_PRIME = np.uint64(116049371)
_SIGN, _HIGH = np.uint64(1 << 31), np.uint64(0xFFFFFFFF00000000)
_EMPTY = np.uint64(0)
_LABEL = np.frombuffer(b"__label__", np.uint8)
_END_HASH = np.uint32(3617362777)
MAX_NGRAMS = 16
HELD = 4096
"""Rows that are noted before they are summed: one loop of loads that do not wait for each other."""


class Vocabulary(NamedTuple):
    """Words by 96 bits of hash: fastText's own 32 say where to look, 64 others whether it is it."""

    keys: np.ndarray
    """uint64, a power of two of them: FNV-1a of 64 bits, 0 where empty."""
    places: np.ndarray
    """int32: the word."""


def index_words(data: np.ndarray, offsets: np.ndarray) -> Vocabulary:
    """The words ``data[offsets[k]:offsets[k + 1]]`` as a table (open addressing)."""
    size = 1 << max(4, (2 * (len(offsets) - 1)).bit_length())
    vocabulary = Vocabulary(np.zeros(size, np.uint64), np.zeros(size, np.int32))
    _fill(data, offsets, vocabulary.keys, vocabulary.places)
    return vocabulary


def read_entries(content: np.ndarray, at: int, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Start and end of each word of a dictionary (int64), and where it ends, or -1 if cut off."""
    # ten bytes are the least that an entry takes
    count = min(count, len(content) // 10 + 1)
    starts, ends = np.empty(count, np.int64), np.empty(count, np.int64)
    return starts, ends, _entries(content, at, starts, ends)


def find_word(word: bytes, vocabulary: Vocabulary) -> int:
    """The place of a word, or -1."""
    data = np.frombuffer(word, np.uint8)
    return int(_lookup(data, vocabulary.keys, vocabulary.places))


@kernel
def _entries(content, at, starts, ends):
    for entry in range(len(starts)):
        starts[entry] = at
        while at < len(content) and content[at] != 0:
            at += 1
        ends[entry] = at
        at += 10  # the zero, int64 count, int8 kind
        if at > len(content):
            return -1
    return at


@kernel
def _fill(data, offsets, keys, places):
    mask = len(keys) - 1
    for word in range(len(offsets) - 1):
        hashed, wide = _FNV_START, _WIDE_START
        for at in range(offsets[word], offsets[word + 1]):
            hashed, wide = _step(hashed, wide, data[at])
        place = np.int64(hashed) & mask
        while keys[place] != _EMPTY:
            place = (place + 1) & mask
        keys[place], places[place] = wide, word


@kernel
def _lookup(data, keys, places):
    hashed, wide = _FNV_START, _WIDE_START
    for at in range(len(data)):
        hashed, wide = _step(hashed, wide, data[at])
    return _find(hashed, wide, keys, places)


@inner
def _step(hashed, wide, byte):
    """FNV-1a of 32 bits over signed bytes, as fastText has it, and of 64 bits."""
    signed = np.uint32(np.int32(np.int8(byte)))
    hashed = np.uint32((hashed ^ signed) * _FNV_PRIME)
    return hashed, (wide ^ np.uint64(byte)) * _WIDE_PRIME


@inner
def _find(hashed, wide, keys, places):
    mask = len(keys) - 1
    place = np.int64(hashed) & mask
    while keys[place] != _EMPTY:
        if keys[place] == wide:
            return np.int64(places[place])
        place = (place + 1) & mask
    return np.int64(-1)


@inner
def _is_mark(data, start, end):
    """Whether a word is one of fastText's marks: a label, or the end of a line."""
    size = end - start
    if data[start] == 60:  # </s>
        return (
            size == 4 and data[start + 1] == 47 and data[start + 2] == 115 and data[end - 1] == 62
        )
    if data[start] != 95 or size < len(_LABEL):
        return False
    same = True
    for at in range(len(_LABEL)):
        same &= data[start + at] == _LABEL[at]
    return same


@inner
def _row(bucket_of, n_words, places):
    """The row of a bucket, or -1 if it was pruned."""
    if len(places) == 0:
        return n_words + bucket_of
    return n_words + np.int64(places[bucket_of]) - 1 if places[bucket_of] > 0 else np.int64(-1)


@inner
def _note(hashed, word, n_words, bucket, ngrams, places, partial, tokens, held, at):
    """Note the rows of a token and of the n-grams that end at it; returns the rows held."""
    if word >= 0:
        held[at] = word
        at += 1
    if ngrams == 1:
        return at
    wide = np.uint64(hashed)
    if wide >= _SIGN:
        wide |= _HIGH  # fastText keeps hashes as signed numbers of 32 bits
    low = bucket - np.uint64(1)
    for back in range(1, min(ngrams, tokens + 1)):
        start = (tokens - back) % (ngrams - 1)
        value = partial[start] * _NGRAM_PRIME + wide
        partial[start] = value
        own = value & low if bucket & low == 0 else value % bucket
        row = _row(np.int64(own), n_words, places)
        if row >= 0:
            held[at] = row
            at += 1
    partial[tokens % (ngrams - 1)] = wide
    return at


@inner
def _byte(data, start, end, at):
    """A byte of a word between fastText's marks of its ends."""
    if at < start:
        return np.uint8(60)  # <
    return np.uint8(62) if at >= end else data[at]  # >


@inner
def _note_subwords(
    data, start, end, n_words, bucket, shortest, longest, places, rows, held, at, sums, counts, text
):
    """Note the rows of the subwords of a word; returns the rows held."""
    for first in range(start - 1, end + 1):
        if (_byte(data, start, end, first) & 0xC0) == 0x80:
            continue
        hashed, wide, size, last = _FNV_START, _WIDE_START, 0, first
        while last <= end and size < longest:
            hashed, wide = _step(hashed, wide, _byte(data, start, end, last))
            last += 1
            while last <= end and (_byte(data, start, end, last) & 0xC0) == 0x80:
                hashed, wide = _step(hashed, wide, _byte(data, start, end, last))
                last += 1
            size += 1
            if size < shortest or (size == 1 and (first < start or first == end)):
                continue
            row = _row(np.int64(np.uint64(hashed) % bucket), n_words, places)
            if row >= 0:
                held[at] = row
                at += 1
            if at >= HELD:
                _sum(rows, held, at, sums[text])
                counts[text] += at
                at = 0
    return at


@inner
def _sum(rows, held, count, sums):
    if rows.shape[1] == 1:
        total = 0.0
        for at in range(count):
            total += rows[held[at], 0]
        sums[0] += total
        return
    for at in range(count):
        for column in range(rows.shape[1]):
            sums[column] += rows[held[at], column]


@kernel
def sum_rows(
    data, text_offsets, limit, keys, words, rows, n_words, buckets, ngrams, shortest, longest,
    places, end_word, partial, held, sums, counts,
):  # fmt: skip
    """Sum the rows of the words, subwords and n-grams of each text.

    Words lie between fastText's white space. Only the first `limit` code points count (0: all). A
    text ends with fastText's ``</s>`` (`end_word`, or -1); such a token inside it, and labels, are
    left out. Subwords have `shortest` to `longest` code points (0: none). `places` are those of
    `FastTextModel`. Scratch: `partial` (uint64, `MAX_NGRAMS`) and `held` (int64, `HELD` and
    `MAX_NGRAMS` more). Fills `sums` (float64, texts x columns of `rows`, zeros before) and `counts`
    (int64, rows added).
    """
    bucket = np.uint64(max(buckets, 1))
    for text in range(len(counts)):
        at, stop = text_offsets[text], text_offsets[text + 1]
        if limit > 0 and stop - at > limit:
            seen, cut = 0, at
            while cut < stop:
                if (data[cut] & 0xC0) != 0x80:
                    seen += 1
                    if seen > limit:
                        break
                cut += 1
            stop = cut
        tokens, noted = 0, 0
        while at < stop:
            start = at
            hashed, wide = _FNV_START, _WIDE_START
            while at < stop:
                byte = data[at]
                if byte <= 32 and (byte == 32 or byte == 0 or 9 <= byte <= 13):
                    break
                hashed, wide = _step(hashed, wide, byte)
                at += 1
            end = at
            at += 1
            if end == start or _is_mark(data, start, end):
                continue
            word = _find(hashed, wide, keys, words)
            noted = _note(
                hashed, word, n_words, bucket, ngrams, places, partial, tokens, held, noted
            )
            tokens += 1
            if noted >= HELD:
                _sum(rows, held, noted, sums[text])
                counts[text] += noted
                noted = 0
            if longest > 0:
                noted = _note_subwords(
                    data, start, end, n_words, bucket, shortest, longest, places, rows, held,
                    noted, sums, counts, text,
                )  # fmt: skip
        noted = _note(
            _END_HASH, end_word, n_words, bucket, ngrams, places, partial, tokens, held, noted
        )
        _sum(rows, held, noted, sums[text])
        counts[text] += noted


@kernel
def project(hidden, outputs, logits):
    """The product of `hidden` and `outputs`, row by row: no row knows of its neighbours."""
    for text in range(len(hidden)):
        for column in range(outputs.shape[0]):
            value = hidden[text, column]
            for label in range(outputs.shape[1]):
                logits[text, label] += value * outputs[column, label]


@kernel
def descend(inner, children, nodes):
    """Probabilities of the nodes of a tree, from the root down.

    `inner` are the chances of the right child at each inner node (texts x inner nodes), `children`
    as `FastTextModel.tree` has them. Fills `nodes` (texts x labels and inner nodes).
    """
    labels = len(children) + 1
    for text in range(len(nodes)):
        nodes[text, nodes.shape[1] - 1] = 1.0
        for place in range(len(children) - 1, -1, -1):
            whole, right = nodes[text, labels + place], inner[text, place]
            nodes[text, children[place, 0]] = whole * (1.0 - right)
            nodes[text, children[place, 1]] = whole * right
