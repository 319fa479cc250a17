"""Words and lines of a batch of texts, computed once and shared by every feature."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from filters.arrow import Texts
from filters.lines import find_lines
from filters.words import WordRules, find_words, join_words, word_rules

BLOCK_BYTES = 1 << 20
"""Texts are worked on in blocks of about so many bytes, which keeps working space in the cache
and bounded; a longer text is a block of its own."""
_MATCHES = 512
"""Overlapping exceptions that are told apart, at most; text has two or three."""


class Words(NamedTuple):
    """Words of a batch: word w is ``data[starts[w]:ends[w]]``; texts follow one another."""

    data: np.ndarray
    """uint8; the texts themselves, or a copy of the words."""
    starts: np.ndarray
    """int32, one per word."""
    ends: np.ndarray
    """int32, one per word."""
    counts: np.ndarray
    """int64, words in each text."""


class Lines(NamedTuple):
    """Lines of a batch as ``str.splitlines`` cuts them, breaks left out."""

    starts: np.ndarray
    """int32, one per line: its first byte in the texts' data."""
    ends: np.ndarray
    """int32: its end, before the break."""
    breaks: np.ndarray
    """uint8: bytes of the break that follows, 0 at the end of a text."""
    counts: np.ndarray
    """int64, lines in each text."""


def segment_words(
    texts: Texts,
    rules: WordRules | None = None,
    unsure: np.ndarray | None = None,
    unspaced: np.ndarray | None = None,
) -> Words:
    """Words of all texts by the default rules (see the module ``words``), or by others.

    texts must begin at offset 0 and hold less than 2 GiB. unsure (bool, one a text) is set for
    texts with more overlapping exceptions than the kernel tells apart. unspaced (bool, one a text)
    asks for one word a character in scripts written without spaces.
    """
    size = int(texts.offsets[-1])
    rules = rules or word_rules()
    unsure = np.zeros(len(texts), np.bool_) if unsure is None else unsure
    unspaced = np.zeros(len(texts), np.bool_) if unspaced is None else unspaced
    counts, pending = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    capacity = size // 3 + 1024
    while True:
        starts, ends = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
        found = find_words(
            texts.data, texts.offsets, unspaced, *rules, starts, ends, counts, pending
        )
        if found >= 0:
            break
        capacity = min(2 * capacity, size + 8)
    starts, ends = starts[:found], ends[:found]
    if pending.any():
        matches = np.empty((_MATCHES, 4), np.int32)
        out_starts, out_ends = np.empty((2, found + found // 2 + 1), np.int32)
        found = join_words(
            texts.data,
            *rules[1:],
            starts,
            ends,
            counts,
            pending,
            matches,
            out_starts,
            out_ends,
            unsure,
        )
        starts, ends = out_starts[:found], out_ends[:found]
    return Words(texts.data, starts, ends, counts)


def segment_lines(texts: Texts) -> Lines:
    """Lines of all texts; texts must begin at offset 0 and hold less than 2 GiB."""
    size = int(texts.offsets[-1])
    counts = np.zeros(len(texts), np.int64)
    capacity = size // 16 + 256
    while True:
        starts, ends = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
        breaks = np.empty(capacity, np.uint8)
        found = find_lines(texts.data, texts.offsets, starts, ends, breaks, counts)
        if found >= 0:
            return Lines(starts[:found], ends[:found], breaks[:found], counts)
        capacity = min(16 * capacity, size + 1)
