"""Kernels of fastText models: its dictionary, its hashes, and sums of rows over a text."""

from __future__ import annotations

import numpy as np

from filters.jit import inner, kernel

_FNV_START, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
_NGRAM_PRIME = np.uint64(116049371)
_SIGN, _HIGH = np.uint64(1 << 31), np.uint64(0xFFFFFFFF00000000)
_LABEL = np.frombuffer(b"__label__", np.uint8)
MAX_NGRAMS = 16


def index_words(data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hash of each word (uint32), and the table from hash to word (int32, a power of two)."""
    words = len(offsets) - 1
    hashes = np.empty(words, np.uint32)
    table = np.full(1 << max(4, (2 * words).bit_length()), -1, np.int32)
    _fill(data, offsets, hashes, table)
    return hashes, table


def read_entries(content: np.ndarray, at: int, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Start and end of each word of a dictionary (int64), and where it ends, or -1 if cut off."""
    # ten bytes are the least that an entry takes
    count = min(count, len(content) // 10 + 1)
    starts, ends = np.empty(count, np.int64), np.empty(count, np.int64)
    return starts, ends, _entries(content, at, starts, ends)


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
def _fill(data, offsets, hashes, table):
    mask = len(table) - 1
    for word in range(len(hashes)):
        hashed = _hash(data, offsets[word], offsets[word + 1])
        hashes[word] = hashed
        place = np.int64(hashed) & mask
        while table[place] >= 0:
            place = (place + 1) & mask
        table[place] = word


@inner
def _hash(data, start, end):
    """FNV-1a of 32 bits; bytes are signed, as fastText has it."""
    hashed = _FNV_START
    for at in range(start, end):
        byte = np.uint32(data[at])
        if byte >= 128:
            byte |= np.uint32(0xFFFFFF00)
        hashed = np.uint32((hashed ^ byte) * _FNV_PRIME)
    return hashed


@inner
def _find(data, start, end, hashed, words, offsets, hashes, table):
    mask = len(table) - 1
    place = np.int64(hashed) & mask
    while table[place] >= 0:
        word = table[place]
        if hashes[word] == hashed and offsets[word + 1] - offsets[word] == end - start:
            same = True
            for at in range(end - start):
                if words[offsets[word] + at] != data[start + at]:
                    same = False
                    break
            if same:
                return np.int64(word)
        place = (place + 1) & mask
    return np.int64(-1)


@inner
def _is_label(data, start, end):
    if end - start < len(_LABEL):
        return False
    same = True
    for at in range(len(_LABEL)):
        same &= data[start + at] == _LABEL[at]
    return same


@inner
def _is_end(data, start, end):
    return (
        end - start == 4
        and data[start] == 60
        and data[start + 1] == 47
        and data[start + 2] == 115
        and data[start + 3] == 62
    )


@inner
def _add(rows, row, sums):
    for column in range(rows.shape[1]):
        sums[column] += rows[row, column]


@inner
def _token(hashed, word, rows, n_words, bucket, ngrams, partial, tokens, sums):
    """Add a token's row and those of the n-grams that end at it; returns how many rows."""
    found = 0
    if word >= 0:
        _add(rows, word, sums)
        found = 1
    wide = np.uint64(hashed)
    if wide >= _SIGN:
        wide |= _HIGH  # fastText keeps hashes as signed numbers of 32 bits
    for back in range(1, min(ngrams, tokens + 1)):
        start = (tokens - back) % (ngrams - 1)
        partial[start] = partial[start] * _NGRAM_PRIME + wide
        _add(rows, n_words + np.int64(partial[start] % np.uint64(bucket)), sums)
        found += 1
    if ngrams > 1:
        partial[tokens % (ngrams - 1)] = wide
    return found


@kernel
def sum_rows(
    data, text_offsets, limit, words, offsets, hashes, table, rows, bucket, ngrams, end_word,
    partial, sums, counts,
):  # fmt: skip
    """Sum the rows of the words and n-grams of each text.

    Words lie between fastText's white space. Only the first `limit` code points count (0: all). A
    text ends with fastText's ``</s>`` (`end_word`, or -1); such a token inside it, and labels, are
    left out. `partial` is scratch, uint64, at least ``ngrams - 1``. Fills `sums` (float64, texts x
    logits, zeros before) and `counts` (int64, rows added).
    """
    n_words = len(offsets) - 1
    end_hash = np.uint32(3617362777)  # of "</s>"
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
        tokens, found = 0, 0
        while at < stop:
            while at < stop and (data[at] == 32 or data[at] == 0 or 9 <= data[at] <= 13):
                at += 1
            start = at
            hashed = _FNV_START
            while at < stop and not (data[at] == 32 or data[at] == 0 or 9 <= data[at] <= 13):
                byte = np.uint32(data[at])
                if byte >= 128:
                    byte |= np.uint32(0xFFFFFF00)
                hashed = np.uint32((hashed ^ byte) * _FNV_PRIME)
                at += 1
            if at == start or _is_label(data, start, at) or _is_end(data, start, at):
                continue
            word = _find(data, start, at, hashed, words, offsets, hashes, table)
            found += _token(
                hashed, word, rows, n_words, bucket, ngrams, partial, tokens, sums[text]
            )
            tokens += 1
        found += _token(
            end_hash, end_word, rows, n_words, bucket, ngrams, partial, tokens, sums[text]
        )
        counts[text] = found
