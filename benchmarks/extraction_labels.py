"""Which blocks of a page belong to its gold text.

Words of the page and of the gold text are aligned in order, with a cost for each break, so that a
common word in a menu is not taken for one of the text; what is left over on both sides is aligned
again, for text that stands elsewhere in the page than in the gold. The label of a block is the
share of its words that are aligned. Where only snippets are known, the blocks that hold them have
labels, and the others none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from extraction_gold import GoldPage, words
from numba import njit

from pipeline.charset import clean, decode
from pipeline.html.blocks import Blocks, blocks
from pipeline.html.features import Frame, features
from pipeline.html.tokens import tokenize

BREAK = 1.6
"""What a break in the alignment costs, in words."""
MOVED = 6
"""Words that a run of text needs to count as moved."""
CELLS = 1_500_000_000


@dataclass(frozen=True)
class Example:
    """A page with labels: its `features`, and for each block its label and number of words.

    A label is NaN where nothing is known. `snippets` tells of each known snippet whether it is main
    text, and the blocks it stands in.
    """

    page: GoldPage
    blocks: Blocks
    rows: np.ndarray
    frame: Frame
    labels: np.ndarray
    words: np.ndarray
    block_of_word: np.ndarray
    word_ids: np.ndarray
    gold_ids: np.ndarray
    snippets: tuple[tuple[bool, list[int]], ...] = ()


def snippet_example(page: GoldPage) -> Example:
    """Blocks, features and labels of a page of which snippets are known."""
    tokens = tokenize(clean(decode(page.payload)[0]))
    found = blocks(tokens)
    texts = [" ".join(text.split()) for text in block_texts(tokens, found)]
    starts = np.cumsum([0] + [len(text) + 1 for text in texts])
    flat = " ".join(texts)
    labels = np.full(len(texts), np.nan)
    snippets = []
    for is_main, some in ((False, page.must_exclude), (True, page.must_include)):
        for snippet in some:
            wanted = " ".join(snippet.split())
            inside: set[int] = set()
            at = flat.find(wanted) if wanted else -1
            while at >= 0:
                first, last = np.searchsorted(starts, (at, at + len(wanted) - 1), "right") - 1
                inside.update(range(first, last + 1))
                # main text may come again outside, what is not to come is wrong anywhere
                at = -1 if is_main else flat.find(wanted, at + 1)
            labels[sorted(inside)] = is_main
            snippets.append((is_main, sorted(inside)))
    rows, frame = features(found)
    none = np.zeros(0, np.int64)
    sizes = np.array([len(words(text)) for text in texts], np.int64)
    return Example(
        page, found, rows, frame, labels, sizes, none, none, none, snippets=tuple(snippets)
    )


def example(page: GoldPage) -> Example:
    """Blocks, features and labels of a page with gold text."""
    tokens = tokenize(clean(decode(page.payload)[0]))
    found = blocks(tokens)
    by_block = [words(text) for text in block_texts(tokens, found)]
    numbers: dict[str, int] = {}
    of_page = [numbers.setdefault(w, len(numbers)) for part in by_block for w in part]
    of_gold = [numbers.setdefault(w, len(numbers)) for w in words(page.gold or "")]
    sizes = np.array([len(part) for part in by_block], np.int64)
    owner = np.repeat(np.arange(len(by_block)), sizes)
    here, there = np.array(of_page, np.int32), np.array(of_gold, np.int32)
    hit = np.bincount(owner[aligned(here, there)], minlength=len(by_block))
    rows, frame = features(found)
    return Example(
        page=page,
        blocks=found,
        rows=rows,
        frame=frame,
        labels=hit / np.maximum(sizes, 1),
        words=sizes,
        block_of_word=owner,
        word_ids=here,
        gold_ids=there,
    )


def block_texts(tokens, found: Blocks) -> list[str]:
    """The text of each block."""
    from html import unescape

    parts: list[list[str]] = [[] for _ in range(len(found.box))]
    last = -1
    for i in np.flatnonzero(tokens.kind == 0):
        block = found.of_token[i]
        raw = tokens.source[tokens.start[i] : tokens.end[i]].decode("utf-8", "replace")
        if block >= 0:
            # a line break or an image stands between two texts that do not touch
            apart = tokens.kind[i - 1] == 1 and tokens.close[i - 1] == i - 1
            parts[block].append(" " + raw if apart else raw)
            last = block
        elif last >= 0:
            parts[last].append(" ")
    return [unescape("".join(part)) for part in parts]


def aligned(page: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """bool[words]: which words of the page have a place in the gold text."""
    found = np.zeros(len(page), bool)
    here, there = np.arange(len(page)), np.arange(len(gold))
    for turn in range(3):
        if not len(here) or not len(there):
            break
        if len(here) * len(there) > CELLS:
            raise ValueError(f"{len(here)} words against {len(there)} are too many to align")
        a, b = np.zeros(len(here), bool), np.zeros(len(there), bool)
        _align(page[here], gold[there], a, b)
        if turn:
            _drop_short_runs(here, a)
        found[here[a]] = True
        if a.sum() <= MOVED:
            break
        here, there = here[~a], there[~b]
    return found


def _drop_short_runs(places: np.ndarray, chosen: np.ndarray) -> None:
    at = np.flatnonzero(chosen)
    for run in np.split(at, np.flatnonzero(np.diff(places[at]) != 1) + 1):
        if len(run) < MOVED:
            chosen[run] = False


@njit(cache=True)
def _align(a, b, in_a, in_b):
    """Global alignment: a point for each pair of equal words, BREAK off for each new gap."""
    n, m = len(a), len(b)
    low = np.float32(-1e9)
    path = np.zeros((n + 1, m + 1), np.uint8)
    matched = np.full(m + 1, low, np.float32)
    gapped = np.zeros(m + 1, np.float32)
    cost = np.float32(BREAK)
    for i in range(1, n + 1):
        corner_matched, corner_gapped = matched[0], gapped[0]
        matched[0] = low
        for j in range(1, m + 1):
            above_matched, above_gapped = matched[j], gapped[j]
            best, how = low, 0
            if a[i - 1] == b[j - 1]:
                if corner_matched >= corner_gapped:
                    best, how = corner_matched + 1, 1
                else:
                    best, how = corner_gapped + 1, 2
            rest, move = above_gapped, 1
            if gapped[j - 1] > rest:
                rest, move = gapped[j - 1], 2
            if above_matched - cost > rest:
                rest, move = above_matched - cost, 3
            if matched[j - 1] - cost > rest:
                rest, move = matched[j - 1] - cost, 4
            corner_matched, corner_gapped = above_matched, above_gapped
            matched[j], gapped[j] = best, rest
            path[i, j] = how | move << 2
    i, j = n, m
    on_match = matched[m] > gapped[m]
    while i > 0 and j > 0:
        how, move = path[i, j] & 3, path[i, j] >> 2
        if on_match:
            in_a[i - 1] = in_b[j - 1] = True
            on_match = how == 1
            i -= 1
            j -= 1
        else:
            on_match = move >= 3
            if move == 1 or move == 3:
                i -= 1
            else:
                j -= 1


def shingle_score(example: Example, keep: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall and F1 of the kept blocks; a close estimate of the score of the text."""
    found = _shingles(example.word_ids[keep[example.block_of_word]])
    wanted = _shingles(example.gold_ids)
    if not len(found) or not len(wanted):
        same = float(len(found) == len(wanted))
        return same, same, same
    a, n = np.unique(found, return_counts=True)
    b, m = np.unique(wanted, return_counts=True)
    _, i, j = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    hits = int(np.minimum(n[i], m[j]).sum())
    return hits / len(found), hits / len(wanted), 2 * hits / (len(found) + len(wanted))


def snippet_score(pairs: list[tuple[Example, np.ndarray]]) -> tuple[float, float, float]:
    """Precision, recall and F1 over the snippets of pages, given the blocks that are kept."""
    tp = fp = fn = 0
    for example, keep in pairs:
        for is_main, inside in example.snippets:
            if is_main:
                found = bool(inside) and bool(keep[inside].all())
                tp, fn = tp + found, fn + (not found)
            else:
                fp += bool(keep[inside].any())
    return tp / max(tp + fp, 1), tp / max(tp + fn, 1), 2 * tp / max(2 * tp + fp + fn, 1)


def _shingles(ids: np.ndarray) -> np.ndarray:
    """Hashes of runs of four words."""
    x = ids.astype(np.uint64) + np.uint64(1)
    if len(x) < 4:
        x = np.concatenate([x, np.zeros(4 - len(x), np.uint64)]) if len(x) else x
    factor = np.uint64(1_000_003)
    return ((x[:-3] * factor + x[1:-2]) * factor + x[2:-1]) * factor + x[3:]
