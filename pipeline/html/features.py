"""What the block classifier sees: a row of numbers for each block of a page.

Rows speak of the block's own text, of the boxes around it, of the parts of the page that are built
like it, of where it stands and what stands beside it, and of the page. All is linear in the page.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.blocks import (
    CUE_NAMES,
    N_ATTRIBUTE,
    N_CUES,
    N_FACTS,
    N_PAGE,
    PAGE_FACTS,
    Blocks,
)
from pipeline.html.counts import (
    ADDRESSES,
    BOLD,
    BREAKS,
    CAPITAL,
    CHARS,
    CODE,
    COLONS,
    COMMAS,
    CURRENCY,
    DIGITS,
    FIRST,
    FOREIGN,
    IMAGES,
    LAST,
    LINK_CHARS,
    LINKS,
    LONG,
    MARKS,
    N_COUNTS,
    N_TEXT,
    QUOTES,
    SHOUTING,
    STOPS,
    TEXTS,
    TITLED,
    WIDE,
    WORDS,
    YEARS,
)
from pipeline.html.lexicon import PAGE_NAMES, TEXT_NAMES
from pipeline.html.tags import TAG

PROSE_WORDS = 12
"""Words from which a block counts as prose, if less than a third of it is links."""
SPAN = 5
"""Blocks on either side that make up a block's neighbourhood."""
LEVELS = 4

_H1, _H6 = TAG["h1"], TAG["h6"]
_HEADING_CUES = tuple(
    TEXT_NAMES.index(name)
    for name in (
        "policy", "subscribe", "share", "related", "comment", "nav", "meta", "advert", "shop",
        "more",
    )
)  # fmt: skip
_HEADING_CUES_ARRAY = np.array(_HEADING_CUES)

_RATIOS_WORDS = "capital shouting commas stops quotes wide long_words title_words"
_RATIOS_CHARS = "link_chars digits marks bold_chars code_chars foreign"
_PLAIN = "colons currency links images breaks texts first last years addresses"
_BY_WORDS = np.array([CAPITAL, SHOUTING, COMMAS, STOPS, QUOTES, WIDE, LONG, TITLED])
_BY_CHARS = np.array([LINK_CHARS, DIGITS, MARKS, BOLD, CODE, FOREIGN])
_AS_IS = np.array([COLONS, CURRENCY, LINKS, IMAGES, BREAKS, TEXTS, FIRST, LAST, YEARS, ADDRESSES])

_LEVEL = ("words", "links", "blocks", "mean", "prose", "share", "place", "tag")
_BESIDE = (-3, -2, -1, 1, 2, 3)
NAMES: tuple[str, ...] = (
    "chars", "words", "word_length",
    *_RATIOS_WORDS.split(), *_RATIOS_CHARS.split(), *_PLAIN.split(),
    *(f"says_{name}" for name in TEXT_NAMES),
    *CUE_NAMES,
    *(f"box{level}_{name}" for level in range(LEVELS) for name in _LEVEL),
    *(f"box{level}_{name}" for level in range(1, 3) for name in ("twins", "twin_words")),
    "like_blocks", "like_share", "like_mean", "like_links", "like_prose", "like_leads",
    "place", "words_before", "depth", "from_title", "from_h1", "copies", "first_copy",
    "tag", "in_half", "in_most", "in_best", "half_share", "most_share", "best_share",
    *(f"beside{n:+d}_{name}" for n in _BESIDE for name in ("words", "links", "tag", "like")),
    "around_words", "around_links", "around_prose", "around_stops",
    "since_heading", "heading_level",
    *(f"under_{TEXT_NAMES[n]}" for n in _HEADING_CUES),
    "page_blocks", "page_words", "page_links", "page_prose", "page_mean", "page_stops",
    "page_wide", "page_person", "page_longest",
    *(f"page_{name}" for name in PAGE_FACTS),
    *PAGE_NAMES,
)  # fmt: skip
WIDTH = len(NAMES)
_T_WORDS, _T_LINKS, _T_CHARS, _T_BLOCKS, _T_PROSE, _T_SCORE = range(6)
_PERSON = N_COUNTS + TEXT_NAMES.index("person")


class Frame(NamedTuple):
    """Which blocks belong together."""

    upper: np.ndarray
    """int32[boxes]: the nearest box around a box that holds more blocks."""
    span: np.ndarray
    """int32[2, boxes]: first and last block in a box."""
    like: np.ndarray
    """int32[3, ...]: of a box the first box with its path, of a block the first block with its
    text, and how often that text comes."""


def features(page: Blocks) -> tuple[np.ndarray, Frame]:
    """The rows of a page's blocks, float32[blocks, WIDTH], whose columns are called `NAMES`."""
    n, boxes = len(page.box), len(page.box_tag)
    rows = np.zeros((n, WIDTH), np.float32)
    slots = 1 << int(2 * max(n, boxes)).bit_length()
    totals = np.zeros((boxes, 6), np.float64)
    span = np.zeros((2, boxes), np.int32)
    upper = np.zeros(boxes, np.int32)
    like = np.full((3, max(n, boxes)), -1, np.int32)
    like_totals = np.zeros((max(n, boxes), 5), np.float64)
    _features(page, np.full(slots, -1, np.int32), totals, span, upper, like, like_totals, rows)
    return rows, Frame(upper, span, like)


@inner
def _group(keys, slots, group):
    """Number the groups of equal keys: `group` of a key is the first index that has it."""
    mask = len(slots) - 1
    for i in range(len(keys)):
        key = np.uint64(keys[i])
        slot = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
        while slots[slot] >= 0 and np.uint64(keys[slots[slot]]) != key:
            slot = (slot + 1) & mask
        if slots[slot] < 0:
            slots[slot] = i
        group[i] = slots[slot]


@inner
def _log(x):
    return np.log1p(max(x, 0.0))


@inner
def _ratio(a, b):
    return a / b if b > 0 else 0.0


@inner
def _is_prose(counts):
    return counts[WORDS] >= PROSE_WORDS and 3 * counts[LINK_CHARS] < counts[CHARS]


@kernel
def _features(page, slots, totals, span, upper, like, like_totals, rows):
    counts, box, parent, path = page.counts, page.box, page.box_parent, page.box_path
    n, boxes = len(box), len(parent)
    if n == 0:
        return

    # what each box holds, and which blocks: first and last
    for b in range(boxes):
        span[0, b], span[1, b] = n, -1
    for i in range(n):
        b = box[i]
        c = counts[i]
        totals[b, _T_WORDS] += c[WORDS]
        totals[b, _T_LINKS] += c[LINK_CHARS]
        totals[b, _T_CHARS] += c[CHARS]
        totals[b, _T_BLOCKS] += 1
        if _is_prose(c):
            totals[b, _T_PROSE] += c[WORDS]
            above = parent[b] if parent[b] >= 0 else b
            totals[above, _T_SCORE] += c[WORDS]
            if parent[above] >= 0:
                totals[parent[above], _T_SCORE] += c[WORDS] * 0.5
        span[0, b] = min(span[0, b], i)
        span[1, b] = max(span[1, b], i)
    for b in range(boxes - 1, 0, -1):
        a = parent[b]
        for k in range(5):
            totals[a, k] += totals[b, k]
        span[0, a] = min(span[0, a], span[0, b])
        span[1, a] = max(span[1, a], span[1, b])
    whole = totals[0]

    # the nearest box above that holds more
    upper[0] = 0
    for b in range(1, boxes):
        a = parent[b]
        upper[b] = a if totals[a, _T_BLOCKS] > totals[b, _T_BLOCKS] else upper[a]

    # boxes that hold half and most of the prose, and the one with the most paragraphs in it
    half = most = best = 0
    for b in range(boxes):
        if 2 * totals[b, _T_PROSE] > whole[_T_PROSE]:
            half = b
        if 5 * totals[b, _T_PROSE] > 4 * whole[_T_PROSE]:
            most = b
        if totals[b, _T_SCORE] > totals[best, _T_SCORE]:
            best = b

    # boxes, blocks and texts that are alike
    _group(path, slots, like[0])
    slots[:] = -1
    _group(page.text_hash, slots, like[1])
    slots[:] = -1
    for b in range(boxes):
        g = like[0, b]
        like_totals[g, 3] += 1
        like_totals[g, 4] += totals[b, _T_WORDS]
    for i in range(n):
        like[2, like[1, i]] += 1
    lead = 0
    for i in range(n):
        g = like[0, box[i]]
        like_totals[g, 0] += 1
        like_totals[g, 1] += counts[i, WORDS]
        like_totals[g, 2] += counts[i, LINK_CHARS]
    # the text of a group is counted in characters for its links
    title = h1 = -1
    titled = 0.0
    longest = stops = wide = person = 0
    for i in range(n):
        c = counts[i]
        tag = page.box_tag[box[i]]
        if h1 < 0 and tag == _H1:
            h1 = i
        if c[WORDS] >= 2 and c[WORDS] <= 40:
            share = c[TITLED] / (c[WORDS] + 1.0) + (0.3 if _H1 <= tag <= _H6 else 0.0)
            if 2 * c[TITLED] > c[WORDS] and share > titled:
                title, titled = i, share
        longest = max(longest, c[WORDS])
        stops += c[STOPS]
        wide += c[WIDE]
        person += c[_PERSON]

    before = 0.0
    around_words = around_chars = around_links = around_prose = around_stops = 0.0
    for i in range(min(SPAN, n)):
        around_words += counts[i, WORDS]
        around_chars += counts[i, CHARS]
        around_links += counts[i, LINK_CHARS]
        around_stops += counts[i, STOPS]
        around_prose += _is_prose(counts[i])
    heading = -1
    for i in range(n):
        if i + SPAN < n:
            c = counts[i + SPAN]
            around_words += c[WORDS]
            around_chars += c[CHARS]
            around_links += c[LINK_CHARS]
            around_stops += c[STOPS]
            around_prose += _is_prose(c)
        if i - SPAN - 1 >= 0:
            c = counts[i - SPAN - 1]
            around_words -= c[WORDS]
            around_chars -= c[CHARS]
            around_links -= c[LINK_CHARS]
            around_stops -= c[STOPS]
            around_prose -= _is_prose(c)
        row = rows[i]
        c = counts[i]
        b = box[i]
        tag = page.box_tag[b]
        f = _own(c, page.inline[i], page.box_cues[b], row)

        level = b
        for k in range(LEVELS):
            if k == 1 and totals[b, _T_BLOCKS] == 1:
                level = upper[b]
            elif k > 1:
                level = upper[level]
            t = totals[level]
            row[f] = _log(t[_T_WORDS])
            row[f + 1] = _ratio(t[_T_LINKS], t[_T_CHARS])
            row[f + 2] = _log(t[_T_BLOCKS])
            row[f + 3] = _log(_ratio(t[_T_WORDS], t[_T_BLOCKS]))
            row[f + 4] = _ratio(t[_T_PROSE], t[_T_WORDS])
            row[f + 5] = _ratio(t[_T_WORDS], whole[_T_WORDS])
            row[f + 6] = (i - span[0, level]) / t[_T_BLOCKS]
            row[f + 7] = page.box_tag[level]
            f += 8
        level = upper[b] if totals[b, _T_BLOCKS] == 1 else b
        for _k in range(2):
            g = like_totals[like[0, level]]
            row[f] = _log(g[3])
            row[f + 1] = _log(_ratio(g[4], g[3]))
            f += 2
            level = upper[level]

        g = like_totals[like[0, b]]
        t = totals[like[0, b]]
        row[f] = _log(g[0])
        row[f + 1] = _ratio(g[1], whole[_T_WORDS])
        row[f + 2] = _log(_ratio(g[1], g[0]))
        row[f + 3] = _ratio(g[2], 6.0 * g[1])
        row[f + 4] = _ratio(g[1], whole[_T_PROSE])
        row[f + 5] = like[0, b] == like[0, box[max(lead, 0)]]
        f += 6

        row[f] = i / n
        row[f + 1] = _ratio(before, whole[_T_WORDS])
        row[f + 2] = page.box_depth[b]
        row[f + 3] = max(-50.0, min(200.0, float(i - title))) if title >= 0 else -99.0
        row[f + 4] = max(-50.0, min(200.0, float(i - h1))) if h1 >= 0 else -99.0
        row[f + 5] = like[2, like[1, i]] + 1
        row[f + 6] = like[1, i] == i
        row[f + 7] = tag
        row[f + 8] = span[0, half] <= i <= span[1, half]
        row[f + 9] = span[0, most] <= i <= span[1, most]
        row[f + 10] = span[0, best] <= i <= span[1, best]
        row[f + 11] = _ratio(totals[half, _T_WORDS], whole[_T_WORDS])
        row[f + 12] = _ratio(totals[most, _T_WORDS], whole[_T_WORDS])
        row[f + 13] = _ratio(totals[best, _T_WORDS], whole[_T_WORDS])
        f += 14
        before += c[WORDS]

        for beside in _BESIDE:
            j = i + beside
            if 0 <= j < n:
                row[f] = _log(counts[j, WORDS])
                row[f + 1] = _ratio(counts[j, LINK_CHARS], counts[j, CHARS])
                row[f + 2] = page.box_tag[box[j]]
                row[f + 3] = path[box[j]] == path[b]
            else:
                row[f] = row[f + 1] = row[f + 2] = row[f + 3] = -1
            f += 4
        row[f] = _log(around_words)
        row[f + 1] = _ratio(around_links, around_chars)
        row[f + 2] = around_prose
        row[f + 3] = _ratio(around_stops, around_words)
        f += 4

        row[f] = min(i - heading, 100) if heading >= 0 else 200
        row[f + 1] = page.box_tag[box[heading]] - _H1 if heading >= 0 else 9
        f += 2
        for cue in _HEADING_CUES_ARRAY:
            row[f] = counts[heading, N_COUNTS + cue] if heading >= 0 else 0
            f += 1
        if _H1 <= tag <= _H6:
            heading = i

        row[f] = _log(n)
        row[f + 1] = _log(whole[_T_WORDS])
        row[f + 2] = _ratio(whole[_T_LINKS], whole[_T_CHARS])
        row[f + 3] = _ratio(whole[_T_PROSE], whole[_T_WORDS])
        row[f + 4] = whole[_T_WORDS] / n
        row[f + 5] = _ratio(stops, whole[_T_WORDS])
        row[f + 6] = _ratio(wide, whole[_T_WORDS])
        row[f + 7] = _ratio(person, whole[_T_WORDS])
        row[f + 8] = _log(longest)
        f += 9
        for k in range(N_PAGE):
            row[f + k] = _log(page.page[k]) if k < N_FACTS else page.page[k]


@inner
def _own(c, inline, cues, row):
    """Features of the block's own text and of the cues above it; how many they are."""
    chars, words = c[CHARS], c[WORDS]
    row[0], row[1], row[2] = _log(chars), _log(words), _ratio(chars, words)
    f = 3
    for k in _BY_WORDS:
        row[f] = _ratio(c[k], words)
        f += 1
    for k in _BY_CHARS:
        row[f] = _ratio(c[k], chars)
        f += 1
    for k in _AS_IS:
        row[f] = c[k]
        f += 1
    for k in range(N_TEXT):
        row[f] = _ratio(c[N_COUNTS + k], words)
        f += 1
    for k in range(N_CUES):
        row[f] = cues[k]
        if k < N_ATTRIBUTE and inline >> np.uint64(k) & np.uint64(1):
            row[f] = -1
        f += 1
    return f
