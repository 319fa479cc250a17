"""A page's tokens as boxes (block-level elements) and blocks (runs of text that no box divides).

One pass over tokens and bytes: each block gets its counts (characters, words, links, digits ...),
each box how far above it the nearest element of every kind of cue stands (``<nav>``, a class that
speaks of comments, ...), and a signature of its path, by which repeated parts are recognised.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.counts import (
    BREAKS,
    CHARS,
    IMAGES,
    LINKS,
    TEXTS,
    TITLE_SLOTS,
    WIDTH,
    count_text,
    mark_title,
)
from pipeline.html.cues import is_linked_data, read_attributes, read_linked_data, read_meta
from pipeline.html.hashing import MIX, OFFSET
from pipeline.html.lexicon import (
    ATTRIBUTE_KEYS,
    ATTRIBUTE_NAMES,
    ATTRIBUTE_VALUES,
    PAGE_KEYS,
    PAGE_NAMES,
    PAGE_VALUES,
    TEXT_KEYS,
    TEXT_VALUES,
)
from pipeline.html.render import visible
from pipeline.html.tags import TAG, ids

BOX_TAGS = (
    "html body article section nav aside header footer main address hgroup search h1 h2 h3 h4 h5 h6"
    " p div pre listing xmp blockquote center figure figcaption details summary dialog fieldset"
    " legend ul ol li dl dt dd menu dir table caption thead tbody tfoot tr td th form button label"
    " noscript"
)
SKIPPED_TAGS = (
    "script style template textarea select datalist iframe object canvas svg audio video map"
    " noembed noframes applet annotation annotation-xml rp"
)
TAG_CUES = (
    "article", "section", "nav", "aside", "header", "footer", "main", "h1", "h2", "h3", "h4", "p",
    "pre", "blockquote", "figure", "figcaption", "details", "ul", "ol", "li", "dl", "dt", "dd",
    "table", "tr", "td", "th", "form", "button", "label", "address", "fieldset", "dialog",
    "noscript",
)  # fmt: skip
N_ATTRIBUTE, N_TAG = len(ATTRIBUTE_NAMES), len(TAG_CUES)
N_CUES = N_ATTRIBUTE + N_TAG + 1
HIDDEN = N_CUES - 1
CUE_NAMES = (*(f"class_{n}" for n in ATTRIBUTE_NAMES), *(f"in_{n}" for n in TAG_CUES), "in_hidden")
FAR = 60
"""The distance that stands for "no such ancestor"."""

PAGE_FACTS = (
    "forms", "inputs", "images", "frames", "videos", "articles", "links", "tables", "codes",
    "items",
)  # fmt: skip
FORMS, INPUTS, P_IMAGES, FRAMES, VIDEOS, ARTICLES, P_LINKS, TABLES, CODES, ITEMS = range(10)
N_FACTS = len(PAGE_FACTS)
N_PAGE = N_FACTS + len(PAGE_NAMES)

MAX_BLOCKS, MAX_BOXES = 20_000, 200_000
"""A page of more blocks is cut into longer ones; boxes beyond count as part of what holds them."""

_BOX = np.zeros(256, np.uint8)
_SKIP = np.zeros(256, np.uint8)
_CUE = np.full(256, 255, np.uint8)
for _name in BOX_TAGS.split():
    _BOX[TAG[_name]] = 1
for _name in SKIPPED_TAGS.split():
    _SKIP[TAG[_name]] = 1
for _number, _name in enumerate(TAG_CUES):
    _CUE[TAG[_name]] = N_ATTRIBUTE + _number
_FACT = np.full(256, 255, np.uint8)
for _name, _number in (
    ("form", FORMS), ("input", INPUTS), ("img", P_IMAGES), ("iframe", FRAMES), ("video", VIDEOS),
    ("article", ARTICLES), ("a", P_LINKS), ("table", TABLES), ("pre", CODES), ("li", ITEMS),
):  # fmt: skip
    _FACT[TAG[_name]] = _number

_A, _B, _STRONG, _BR, _HR, _IMG, _CODE = ids("a b strong br hr img code")
_META, _SCRIPT, _TITLE, _BODY, _HTML = ids("meta script title body html")


class Blocks(NamedTuple):
    """Blocks and boxes of a page."""

    of_token: np.ndarray
    """int32[tokens]: the block that a TEXT stands in, or -1."""
    counts: np.ndarray
    """int32[blocks, WIDTH]: `COUNTS`, then words of each class of `TEXT_NAMES`."""
    box: np.ndarray
    """int32[blocks]: the innermost box around the block."""
    text_hash: np.ndarray
    """uint32[blocks]: of the block's words in lower case."""
    inline: np.ndarray
    """uint64[blocks]: cues of inline elements that the block begins with, a bit each."""
    box_tag: np.ndarray
    """uint8[boxes]."""
    box_parent: np.ndarray
    """int32[boxes]: -1 for the root, which is box 0 and no element."""
    box_depth: np.ndarray
    box_path: np.ndarray
    """uint64[boxes]: signature of tags and classes from the root down."""
    box_cues: np.ndarray
    """uint8[boxes, N_CUES]: boxes up to the nearest one that has the cue, at most `FAR`."""
    page: np.ndarray
    """int32[N_PAGE]: `PAGE_FACTS` (counts) and `PAGE_NAMES` (0 or 1)."""


def blocks(tokens) -> Blocks:
    """Cut a page into blocks.

    Parameters
    ----------
    tokens
        `pipeline.html.tokens.Tokens` of the page.
    """
    kind, tag = tokens.kind, tokens.tag
    texts = min(int(np.count_nonzero(kind == 0)), MAX_BLOCKS) + 1
    boxes = min(int(np.count_nonzero(_BOX[tag[kind == 1]])), MAX_BOXES) + 1
    found = _cut(tokens, 0, _room(tokens, texts, boxes))
    if found is None:
        least = 2 * len(tokens.source) // MAX_BLOCKS + 1
        found = _cut(tokens, least, _room(tokens, texts, boxes))
    return found


def _room(tokens, texts: int, boxes: int) -> Blocks:
    """Arrays for as many texts and boxes."""
    return Blocks(
        np.full(len(tokens), -1, np.int32),
        np.zeros((texts, WIDTH), np.int32),
        np.zeros(texts, np.int32),
        np.full(texts, OFFSET, np.uint32),
        np.zeros(texts, np.uint64),
        np.zeros(boxes, np.uint8),
        np.full(boxes, -1, np.int32),
        np.zeros(boxes, np.int32),
        np.zeros(boxes, np.uint64),
        np.full((boxes, N_CUES), FAR, np.uint8),
        np.zeros(N_PAGE, np.int32),
    )


def _cut(tokens, least: int, out: Blocks) -> Blocks | None:
    """Fill the arrays; None when there are more blocks than they hold."""
    data = np.frombuffer(tokens.source or b"\0", np.uint8)
    title = np.zeros(TITLE_SLOTS, np.uint8)
    n = np.zeros(2, np.int64)
    _blocks(
        data, tokens.kind, tokens.tag, tokens.start, tokens.end, tokens.close, visible(tokens),
        (_BOX, _SKIP, _CUE, _FACT),
        (ATTRIBUTE_KEYS, ATTRIBUTE_VALUES),
        (TEXT_KEYS, TEXT_VALUES),
        (PAGE_KEYS, PAGE_VALUES),
        title, out, least, n,
    )  # fmt: skip
    found, made = n
    if found > len(out.box) - 1:
        return None
    return Blocks(
        out.of_token, *(a[:found] for a in out[1:5]), *(a[:made] for a in out[5:10]), out.page
    )


@kernel
def _blocks(
    data, kind, tag, start, end, close, seen, sets, cues, text_cues, page_cues, title, out, least, n
):
    """One walk over the tokens; `n` becomes the numbers of blocks and boxes.

    A block goes on across boxes until it has `least` characters. The walk ends with one block more
    than there is room for.
    """
    is_box, skipped, cue_of, fact_of = sets
    page = out.page
    block, box, boxes = -1, 0, 1
    fresh = True  # the next text begins a block
    links = bold = code = 0
    breaks = images = opened = 0
    inline = np.uint64(0)
    out.box_path[0] = MIX
    room, box_room = len(out.box) - 1, len(out.box_tag)
    entered = len(kind)  # elements from this token on are no boxes
    i = 0
    while i < len(kind):
        t = tag[i]
        if kind[i] == 0:
            if not seen[i]:
                i += 1
                continue
            if fresh and block >= 0 and out.counts[block, CHARS] < least:
                fresh = False
            target = block + 1 if fresh else block
            if target > room:
                break
            before = out.counts[target, CHARS]
            count_text(data, start[i], end[i], target, links, bold, code, text_cues, title, out)
            if out.counts[target, CHARS] > before:
                if fresh:
                    block = target
                    fresh = False
                    out.box[block] = box
                    out.inline[block] = inline
                    out.counts[block, IMAGES] = images
                    out.counts[block, LINKS] = opened
                    images = opened = 0
                out.counts[block, TEXTS] += 1
                out.of_token[i] = block
                breaks = 0
            elif not fresh:
                out.of_token[i] = block  # white space between words
            i += 1
            continue
        if kind[i] == 1:
            fact = fact_of[t]
            if fact != 255:
                page[fact] += 1
            if skipped[t] or t == _TITLE:
                stop = close[i]
                if stop > i + 1 and kind[i + 1] == 0:
                    if t == _TITLE:
                        mark_title(data, start[i + 1], end[i + 1], title)
                    elif t == _SCRIPT and is_linked_data(data, start[i], end[i]):
                        read_linked_data(data, start[i + 1], end[i + 1], page_cues, page[N_FACTS:])
                i = stop + 1
                continue
            if t == _META:
                read_meta(data, start[i], end[i], page_cues, page[N_FACTS:])
            elif t in (_BR, _HR):
                breaks += 1
                if not fresh:
                    out.counts[block, BREAKS] += 1
                if t == _HR or breaks >= 2:
                    fresh = True
            elif t == _IMG:
                images += 1
                if not fresh:
                    out.counts[block, IMAGES] += 1
            elif close[i] == i:
                pass
            elif is_box[t]:
                fresh = True
                inline = np.uint64(0)
                opened = 0
                if boxes < box_room:
                    _enter(data, start[i], end[i], t, box, boxes, cue_of, cues, out)
                    box = boxes
                    boxes += 1
                elif entered > i:
                    entered = i
            else:
                if t == _A:
                    links += 1
                    opened += 1
                    if not fresh:
                        out.counts[block, LINKS] += 1
                elif t in (_B, _STRONG):
                    bold += 1
                elif t == _CODE:
                    code += 1
                if fresh:
                    bits, _, _ = read_attributes(data, start[i], end[i], cues)
                    inline |= bits
        elif is_box[t]:
            fresh = True
            inline = np.uint64(0)
            opened = 0
            if close[i] < entered:
                box = out.box_parent[box]
        elif t == _A:
            links -= 1
        elif t in (_B, _STRONG):
            bold -= 1
        elif t == _CODE:
            code -= 1
        i += 1
    n[0], n[1] = block + 1, boxes


@inner
def _enter(data, start, end, tag, parent, box, cue_of, cues, out):
    """A box opens: where it stands, and how far each cue is."""
    out.box_tag[box], out.box_parent[box] = tag, parent
    out.box_depth[box] = out.box_depth[parent] + 1
    bits, path, hidden = read_attributes(data, start, end, cues)
    mixed = (out.box_path[parent] ^ (path * MIX + np.uint64(tag))) * MIX
    out.box_path[box] = mixed ^ (mixed >> np.uint64(29))
    nearest, above = out.box_cues[box], out.box_cues[parent]
    for c in range(N_CUES):
        nearest[c] = above[c] + 1 if above[c] < FAR else FAR
    if tag in (_BODY, _HTML):
        return
    for c in range(N_ATTRIBUTE):
        if bits >> np.uint64(c) & np.uint64(1):
            nearest[c] = 0
    if cue_of[tag] != 255:
        nearest[cue_of[tag]] = 0
    if hidden:
        nearest[HIDDEN] = 0
