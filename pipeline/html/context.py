"""What the second pass sees: how likely the first pass finds the blocks around a block.

A block among good blocks is good; so are blocks built like good ones, the heading of a good
section, and whatever a box holds that is good otherwise.
"""

from __future__ import annotations

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.blocks import Blocks
from pipeline.html.counts import WORDS
from pipeline.html.features import Frame
from pipeline.html.tags import TAG

LEVELS = 4
WINDOWS = (1, 3, 8)
_WINDOWS = np.array(WINDOWS)
NAMES: tuple[str, ...] = (
    "p", "rank",
    *(f"p{n:+d}" for n in (-3, -2, -1, 1, 2, 3)),
    *(f"p_within_{n}" for n in WINDOWS),
    *(f"p_box{n}" for n in range(LEVELS)),
    "p_box_all", "p_like", "p_copies", "p_heading", "p_section", "p_section_share",
    "p_before", "p_after", "good_before", "good_after", "p_page", "p_words", "p_spread",
)  # fmt: skip
WIDTH = len(NAMES)
_H1, _H6 = TAG["h1"], TAG["h6"]


def context(page: Blocks, frame: Frame, p: np.ndarray) -> np.ndarray:
    """Rows of the second pass, float32[blocks, WIDTH].

    Parameters
    ----------
    page, frame
        Of `pipeline.html.features.features`.
    p
        float32[blocks]: probabilities of the first pass.
    """
    n, boxes = len(page.box), len(page.box_tag)
    rows = np.zeros((n, WIDTH), np.float32)
    most = max(n, boxes) + 1
    sums = np.zeros((6, most), np.float64)
    order = np.argsort(-p, kind="stable")
    _context(page, frame.upper, frame.like, p, order, sums, np.zeros((2, n + 2)), rows)
    return rows


@inner
def _without(total, weight, mine, own):
    """Mean of what is left when a block is taken out, and its own value where nothing is left."""
    left = weight - own
    return (total - mine) / left if left > 0.05 else mine / own


@kernel
def _context(page, upper, like, p, order, sums, running, rows):
    n, boxes = len(p), len(upper)
    box, parent = page.box, page.box_parent
    box_p, box_w, like_p, like_w, copy_p, section = sums
    total_p = total_w = squares = 0.0
    for i in range(n):
        w = page.counts[i, WORDS] + 0.3
        b = box[i]
        g = like[0, b]
        box_p[b] += p[i] * w
        box_w[b] += w
        like_p[g] += p[i] * w
        like_w[g] += w
        c = like[1, i]
        copy_p[c] = max(copy_p[c], p[i])
        total_p += p[i] * w
        total_w += w
        squares += p[i] * p[i] * w
        running[0, i + 1] = total_p
        running[1, i + 1] = total_w
    for b in range(boxes - 1, 0, -1):
        box_p[parent[b]] += box_p[b]
        box_w[parent[b]] += box_w[b]

    # sections: a heading's blocks up to the next heading
    stop = n
    for i in range(n - 1, -1, -1):
        tag = page.box_tag[box[i]]
        if _H1 <= tag <= _H6:
            section[i] = stop
            stop = i

    seen = 0.0
    for k in range(n):
        i = order[k]
        rows[i, 1] = seen / total_w
        seen += page.counts[i, WORDS] + 0.3

    heading = -1
    good = -1
    for i in range(n):
        row = rows[i]
        b = box[i]
        w = page.counts[i, WORDS] + 0.3
        mine = p[i] * w
        row[0] = p[i]
        f = 2
        for beside in (-3, -2, -1, 1, 2, 3):
            j = i + beside
            row[f] = p[j] if 0 <= j < n else -0.1
            f += 1
        for reach in _WINDOWS:
            first, last = max(0, i - reach), min(n, i + reach + 1)
            row[f] = _without(
                running[0, last] - running[0, first],
                running[1, last] - running[1, first],
                mine,
                w,
            )
            f += 1
        level = b
        for k in range(LEVELS):
            if k > 0:
                level = upper[level]
            row[f] = _without(box_p[level], box_w[level], mine, w)
            f += 1
        row[f] = box_p[upper[b]] / max(total_p, 1e-9)
        row[f + 1] = _without(like_p[like[0, b]], like_w[like[0, b]], mine, w)
        row[f + 2] = copy_p[like[1, i]]
        row[f + 3] = p[heading] if heading >= 0 else -0.1
        tag = page.box_tag[b]
        if _H1 <= tag <= _H6:
            heading = i
        begin, end = (heading, int(section[heading])) if heading >= 0 else (0, min(n, i + 1))
        row[f + 4] = _without(
            running[0, end] - running[0, begin], running[1, end] - running[1, begin], mine, w
        )
        row[f + 5] = (running[0, end] - running[0, begin]) / max(total_p, 1e-9)
        row[f + 6] = running[0, i] / max(total_p, 1e-9)
        row[f + 7] = (total_p - running[0, i + 1]) / max(total_p, 1e-9)
        row[f + 8] = min(i - good, 100) if good >= 0 else 200
        if p[i] > 0.7:
            good = i
        row[f + 10] = total_p / total_w
        row[f + 11] = np.log1p(total_p)
        row[f + 12] = squares / max(total_p, 1e-9)
    good = -1
    for i in range(n - 1, -1, -1):
        rows[i, WIDTH - 4] = min(good - i, 100) if good >= 0 else 200
        if p[i] > 0.7:
            good = i
