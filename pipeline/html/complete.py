"""Blocks of code and tables of data are content as a whole or not at all.

What tells content from the rest looks at blocks of prose. A command of three words, a column of
figures tell it little; the text around them tells more.
"""

from __future__ import annotations

import numpy as np

from pipeline.html.code import MOST_BLOCKS, find_code
from pipeline.html.marks import find_marks
from pipeline.html.tables import find_tables
from pipeline.html.tags import table
from pipeline.html.tokens import START, TEXT, Tokens
from pipeline.html.writer import TABLE

SHARE = 0.5
"""Of the bytes of a block that must be kept for all of it to be."""
LEVELS = 3
"""How far above a block the element may stand that it shares with the kept texts around it."""

_UNSEEN = table("script style title head template button select svg")
_PRE = table("pre listing xmp plaintext")


def complete(tokens: Tokens, keep: np.ndarray) -> np.ndarray:
    """The texts to keep, with the rest of what is mostly kept, and what stands amid kept text.

    A block of code or table of data is kept whole if half of its bytes are kept, or if none is but
    the texts right before and behind it are, and stand in the same part of the page.

    Parameters
    ----------
    tokens
        The page.
    keep
        bool[len(tokens)]: the TEXT tokens taken for content; left as it is.
    """
    blocks = _blocks(tokens)
    if not blocks:
        return keep
    texts = np.flatnonzero((tokens.kind == TEXT) & ~_UNSEEN[tokens.tag])
    sizes = (tokens.end - tokens.start)[texts]
    source = tokens.source
    spans = zip(tokens.start[texts].tolist(), tokens.end[texts].tolist(), strict=True)
    sizes[[source[first:last].isspace() for first, last in spans]] = 0
    all_bytes = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    kept_bytes = np.concatenate(([0], np.cumsum(sizes * keep[texts], dtype=np.int64)))
    full = texts[np.flatnonzero(sizes)]
    found = keep.copy()
    for i in blocks[:MOST_BLOCKS]:
        last = int(tokens.close[i])
        low, high = np.searchsorted(texts, (i, last))
        whole = all_bytes[high] - all_bytes[low]
        kept = kept_bytes[high] - kept_bytes[low]
        if kept >= whole * SHARE if kept else _is_amid(tokens, keep, full, i, last):
            found[texts[low:high]] = True
    return found


def _blocks(tokens: Tokens) -> list[int]:
    """STARTs of the blocks of code and tables of data."""
    starts = tokens.kind == START
    has_pre = bool((_PRE[tokens.tag] & starts).any())
    marks = find_marks(tokens)
    blocks = find_code(tokens, marks) if has_pre or len(marks[0]) else []
    meaning = np.zeros(len(tokens), np.uint8)
    find_tables(tokens, tokens.kind == TEXT, meaning, np.zeros(len(tokens), np.int32))
    return sorted({*blocks, *np.flatnonzero(meaning == TABLE).tolist()})


def _is_amid(tokens: Tokens, keep: np.ndarray, texts: np.ndarray, i: int, last: int) -> bool:
    """Whether the texts before and behind are kept, and near."""
    at, behind = np.searchsorted(texts, (i, last))
    if at == 0 or behind == len(texts):
        return False
    before, after = int(texts[at - 1]), int(texts[behind])
    if not (keep[before] and keep[after]):
        return False
    around = i
    for _ in range(LEVELS):
        around = int(tokens.parent[around])
        if around < 0 or (around < before and after < tokens.close[around]):
            return True
    return False
