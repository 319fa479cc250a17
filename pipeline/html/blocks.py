"""A page's tokens as boxes (block-level elements) and blocks (runs of text that no box divides).

One pass over tokens and bytes: each block gets its counts (characters, words, links, digits ...),
each box how far above it the nearest element of every kind of cue stands (``<nav>``, a class that
speaks of comments, ...), and a signature of its path, by which repeated parts are recognised.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.lexicon import (
    ATTRIBUTE_KEYS,
    ATTRIBUTE_NAMES,
    ATTRIBUTE_VALUES,
    PAGE_KEYS,
    PAGE_NAMES,
    PAGE_VALUES,
    TEXT_KEYS,
    TEXT_NAMES,
    TEXT_VALUES,
    fnv,
)
from pipeline.html.render import visible
from pipeline.html.tags import TAG

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
    "article section nav aside header footer main h1 h2 h3 h4 p pre blockquote figure figcaption"
    " details ul ol li dl dt dd table tr td th form button label address fieldset dialog"
    " noscript"
).split()
N_ATTRIBUTE, N_TAG = len(ATTRIBUTE_NAMES), len(TAG_CUES)
N_CUES = N_ATTRIBUTE + N_TAG + 1
HIDDEN = N_CUES - 1
CUE_NAMES = (*(f"class_{n}" for n in ATTRIBUTE_NAMES), *(f"in_{n}" for n in TAG_CUES), "in_hidden")
FAR = 60
"""The distance that stands for "no such ancestor"."""

COUNTS = (
    "chars words link_chars digits capital shouting commas stops colons marks currency quotes wide"
    " long_words bold_chars links images breaks code_chars texts first last years title_words"
    " addresses foreign"
).split()
(
    CHARS, WORDS, LINK_CHARS, DIGITS, CAPITAL, SHOUTING, COMMAS, STOPS, COLONS, MARKS, CURRENCY,
    QUOTES, WIDE, LONG, BOLD, LINKS, IMAGES, BREAKS, CODE, TEXTS, FIRST, LAST, YEARS, TITLED,
    ADDRESSES, FOREIGN,
) = range(len(COUNTS))  # fmt: skip
N_COUNTS = len(COUNTS)
N_TEXT = len(TEXT_NAMES)
WIDTH = N_COUNTS + N_TEXT

PAGE_FACTS = ("forms inputs images frames videos articles links tables codes list_items").split()
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

_A, _B, _STRONG, _BR, _HR, _IMG, _CODE, _META, _SCRIPT, _TITLE, _BODY, _HTML, _PRE = (
    TAG[n] for n in "a b strong br hr img code meta script title body html pre".split()
)
(
    NAME_CLASS, NAME_ID, NAME_ROLE, NAME_ITEMPROP, NAME_LABEL, NAME_TEST, NAME_COMPONENT,
    NAME_STYLE, NAME_HIDDEN, NAME_ARIA_HIDDEN,
    WORD_DISPLAY, WORD_NONE, WORD_VISIBILITY, WORD_HIDDEN, WORD_GENERATOR, WORD_OG,
) = (
    np.uint32(fnv(word.encode()))
    for word in (
        "class id role itemprop aria-label data-testid data-component style hidden aria-hidden"
        " display none visibility hidden generator og"
    ).split()
)  # fmt: skip

TITLE_SLOTS = 4096
OFFSET, PRIME = np.uint32(2166136261), np.uint32(16777619)
MIX = np.uint64(0x9E3779B97F4A7C15)


class Blocks(NamedTuple):
    """Blocks and boxes of a page."""

    of_token: np.ndarray
    """int32[tokens]: the block that a TEXT belongs to, or -1."""
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


@inner
def _step(value, byte):
    """One step of the 32-bit FNV-1a hash."""
    return np.uint32((value ^ np.uint32(byte)) * PRIME)


@inner
def _find(table, key):
    """Class of a hash in an open-addressing table, or 255."""
    keys, values = table
    mask = np.uint32(len(keys) - 1)
    slot = key & mask
    while values[slot] != 255:
        if keys[slot] == key:
            return values[slot]
        slot = (slot + np.uint32(1)) & mask
    return np.uint8(255)


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
            _count(data, start[i], end[i], target, links, bold, code, text_cues, title, out)
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
                        _title(data, start[i + 1], end[i + 1], title)
                    elif t == _SCRIPT and _names_json(data, start[i], end[i]):
                        _linked(data, start[i + 1], end[i + 1], page_cues, page)
                i = stop + 1
                continue
            if t == _META:
                _meta(data, start[i], end[i], page_cues, page)
            elif t == _BR or t == _HR:
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
                elif t == _B or t == _STRONG:
                    bold += 1
                elif t == _CODE:
                    code += 1
                if fresh:
                    bits, _, _ = _attributes(data, start[i], end[i], cues)
                    inline |= bits
        elif is_box[t]:
            fresh = True
            inline = np.uint64(0)
            opened = 0
            if close[i] < entered:
                box = out.box_parent[box]
        elif t == _A:
            links -= 1
        elif t == _B or t == _STRONG:
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
    bits, path, hidden = _attributes(data, start, end, cues)
    mixed = (out.box_path[parent] ^ (path * MIX + np.uint64(tag))) * MIX
    out.box_path[box] = mixed ^ (mixed >> np.uint64(29))
    nearest, above = out.box_cues[box], out.box_cues[parent]
    for c in range(N_CUES):
        nearest[c] = above[c] + 1 if above[c] < FAR else FAR
    if tag == _BODY or tag == _HTML:
        return
    for c in range(N_ATTRIBUTE):
        if bits >> np.uint64(c) & np.uint64(1):
            nearest[c] = 0
    if cue_of[tag] != 255:
        nearest[cue_of[tag]] = 0
    if hidden:
        nearest[HIDDEN] = 0


@inner
def _attributes(data, start, end, cues):
    """Cues of an element as bits, a hash of its classes without digits, and whether it is hidden.

    Words of names are matched greedily from their start, so that "postContent" and "postcontent"
    are both a post and content.
    """
    bits, path, hidden = np.uint64(0), np.uint64(0), False
    i = start
    while i < end:
        c = data[i]
        if c <= 0x20 or c == 0x2F:
            i += 1
            continue
        name = OFFSET
        first = i
        while i < end and data[i] != 0x3D and data[i] > 0x20 and (data[i] != 0x2F or i == first):
            name = _step(name, data[i] | 0x20)
            i += 1
        while i < end and data[i] <= 0x20:
            i += 1
        if i >= end or data[i] != 0x3D:
            hidden |= name == NAME_HIDDEN
            i = max(i, first + 1)
            continue
        i += 1
        while i < end and data[i] <= 0x20:
            i += 1
        stop = i
        if i < end and (data[i] == 0x22 or data[i] == 0x27):
            stop = i + 1
            while stop < end and data[stop] != data[i]:
                stop += 1
            i += 1
        else:
            while stop < end and data[stop] > 0x20:
                stop += 1
        if name == NAME_CLASS:
            found, path = _words(data, i, stop, cues)
            bits |= found
        elif name == NAME_STYLE:
            hidden |= _hides(data, i, stop)
        elif name == NAME_HIDDEN:
            hidden = True
        elif name == NAME_ARIA_HIDDEN:
            hidden |= stop - i == 4
        elif (
            name == NAME_ID
            or name == NAME_ROLE
            or name == NAME_ITEMPROP
            or name == NAME_LABEL
            or name == NAME_TEST
            or name == NAME_COMPONENT
        ):
            bits |= _words(data, i, stop, cues)[0]
        i = stop + 1
    return bits, path, hidden


@inner
def _words(data, start, end, cues):
    """Cue bits and hash of the letters of an attribute value."""
    bits, path = np.uint64(0), np.uint64(0)
    i = start
    while i < end:
        c = data[i] | 0x20
        if c < 0x61 or c > 0x7A:
            i += 1
            continue
        # the longest known word at the start of this run of letters
        value, j, found, stop = OFFSET, i, np.uint8(255), i
        while j < end and j - i < 24:
            c = data[j] | 0x20
            if c < 0x61 or c > 0x7A:
                break
            if j > i and data[j] < 0x61 and data[j - 1] >= 0x61:
                break
            value = _step(value, c)
            j += 1
            if j - i >= 4 or j == end or (data[j] | 0x20) < 0x61 or (data[j] | 0x20) > 0x7A:
                known = _find(cues, value)
                if known != 255:
                    found, stop = known, j
        path = (path ^ np.uint64(value)) * MIX
        if found != 255:
            bits |= np.uint64(1) << np.uint64(found)
            i = stop
        else:
            i = j
    return bits, path


@inner
def _hides(data, start, end):
    """Whether a style says display:none or visibility:hidden."""
    previous = np.uint32(0)
    i = start
    while i < end:
        value = OFFSET
        first = i
        while i < end and 0x61 <= data[i] | 0x20 <= 0x7A:
            value = _step(value, data[i] | 0x20)
            i += 1
        if i == first:
            i += 1
            continue
        if (previous == WORD_DISPLAY and value == WORD_NONE) or (
            previous == WORD_VISIBILITY and value == WORD_HIDDEN
        ):
            return True
        previous = value
    return False


@inner
def _names_json(data, start, end):
    """Whether the attributes of a script speak of application/ld+json."""
    for i in range(start, end - 3):
        if data[i] == 0x2B and data[i + 1] | 0x20 == 0x6A and data[i - 1] | 0x20 == 0x64:
            return True
    return False


@inner
def _linked(data, start, end, cues, page):
    """Types named in JSON-LD: quoted words made of letters."""
    i = start
    while i < end:
        if data[i] != 0x22:
            i += 1
            continue
        i += 1
        value = OFFSET
        first = i
        while i < end and 0x61 <= data[i] | 0x20 <= 0x7A:
            value = _step(value, data[i] | 0x20)
            i += 1
        if i > first and i < end and data[i] == 0x22:
            found = _find(cues, value)
            if found != 255:
                page[N_FACTS + found] = 1


@inner
def _meta(data, start, end, cues, page):
    """Words of a meta element that names the page's type or what made it."""
    telling = False
    for again in range(2):
        i = start
        while i < end:
            value = OFFSET
            first = i
            while i < end and 0x61 <= data[i] | 0x20 <= 0x7A:
                value = _step(value, data[i] | 0x20)
                i += 1
            if i == first:
                i += 1
            elif again:
                found = _find(cues, value)
                if found != 255:
                    page[N_FACTS + found] = 1
            elif value == WORD_GENERATOR or value == WORD_OG:
                telling = True
        if not telling:
            return


@inner
def _title(data, start, end, title):
    """Mark the words of the title."""
    i = start
    while i < end:
        value, i, letters = _word(data, i, end)
        if letters > 0:
            title[value % TITLE_SLOTS] = 1


@inner
def _word(data, i, end):
    """Hash in lower case, end and length of the run of letters, digits and beyond-ASCII at i."""
    value, letters = OFFSET, 0
    while i < end:
        c = data[i]
        if 0x41 <= c <= 0x5A:
            c |= 0x20
        if not (0x61 <= c <= 0x7A or 0x30 <= c <= 0x39 or c >= 0x80):
            break
        value = _step(value, c)
        letters += 1
        i += 1
    return value, i if letters else i + 1, letters


@inner
def _count(data, start, end, block, links, bold, code, cues, title, out):
    """Add a piece of text to the counts of a block."""
    row = out.counts[block]
    chars = words = 0
    digest = out.text_hash[block]
    value = OFFSET
    length = capitals = digits = 0  # of the word so far
    pair = np.uint32(0)  # the last character of a script without spaces
    i = start
    last = 0
    while i <= end:
        c = data[i] if i < end else np.uint8(0x20)
        kind = 0  # 0 space, 1 mark, 2 letter, 3 digit, 4 character of a script without spaces
        width = 1
        if c < 0x80:
            if 0x61 <= c <= 0x7A:
                kind = 2
            elif 0x41 <= c <= 0x5A:
                kind = 2
                capitals += 1
                c |= 0x20
                if chars == 0 and row[FIRST] == 0:
                    row[FIRST] = 1
            elif 0x30 <= c <= 0x39:
                kind = 3
            elif c == 0x26:
                kind, width = _reference(data, i, end)
            elif c > 0x20:
                kind = 1
        else:
            kind, width = _beyond(data, i, end)
        if kind == 2 or kind == 3:
            for j in range(i, min(i + width, end)):
                value = _step(value, c if width == 1 else data[j])
            length += 1
            if kind == 3:
                digits += 1
                row[DIGITS] += 1
            elif width > 1:
                row[FOREIGN] += 1
        elif length > 0:
            words += 1
            digest = _step(digest, value)
            known = _find(cues, value)
            if known != 255:
                row[N_COUNTS + known] += 1
            if title[value % TITLE_SLOTS]:
                row[TITLED] += 1
            if digits == length:
                if length == 4 and (data[max(i - 4, start)] == 0x31 or data[max(i - 4, start)] == 0x32):
                    row[YEARS] += 1
            elif capitals == length and length > 1:
                row[SHOUTING] += 1
            if capitals > 0:
                row[CAPITAL] += 1
            if length >= 7:
                row[LONG] += 1
            value, length, capitals, digits = OFFSET, 0, 0, 0
        if kind == 4:
            words += 1
            row[WIDE] += 1
            value = OFFSET
            for j in range(i, min(i + width, end)):
                value = _step(value, data[j])
            digest = _step(digest, value)
            known = _find(cues, value)
            if known != 255:
                row[N_COUNTS + known] += 1
            if title[value % TITLE_SLOTS]:
                row[TITLED] += 1
            if pair:
                both = pair
                for j in range(i, min(i + width, end)):
                    both = _step(both, data[j])
                known = _find(cues, both)
                if known != 255:
                    row[N_COUNTS + known] += 1
            pair, value = value, OFFSET
        else:
            pair = np.uint32(0)
            if kind == 1:
                _mark(data, i, c, width, row)
        if kind != 0:
            if chars == 0 and row[FIRST] == 0:
                row[FIRST] = kind + 1
            chars += 1
            last = _ending(c, kind, width, data, i)
        i += width
    if chars == 0:
        return
    row[CHARS] += chars
    row[WORDS] += words
    if links > 0:
        row[LINK_CHARS] += chars
    if bold > 0:
        row[BOLD] += chars
    if code > 0:
        row[CODE] += chars
    row[LAST] = last
    out.text_hash[block] = digest


@inner
def _reference(data, i, end):
    """Kind and width of the character reference at an ampersand."""
    stop = i + 1
    while stop < end and stop - i < 10 and data[stop] != 0x3B and data[stop] > 0x20:
        stop += 1
    if stop >= end or data[stop] != 0x3B:
        return 1, 1
    width = stop + 1 - i
    c = data[i + 1]
    if c == 0x23:
        code, base, j = 0, 10, i + 2
        if data[j] | 0x20 == 0x78:
            base, j = 16, j + 1
        for k in range(j, stop):
            d = data[k]
            digit = d - 0x30 if d <= 0x39 else (d | 0x20) - 0x57
            code = code * base + digit
        return _kind(code), width
    if c == 0x6E and width == 6 and data[i + 2] == 0x62:
        return 0, width  # &nbsp;
    if width >= 6 and (0x61 <= c | 0x20 <= 0x7A):
        d = data[i + 2]
        # &eacute; &agrave; &ouml; &ocirc; &ntilde; &aring; &oslash; but not &quot; or &ndash;
        if c != 0x71 and c != 0x6D and c != 0x6C and c != 0x72 and c != 0x62:
            if d == 0x61 or d == 0x67 or d == 0x75 or d == 0x63 or d == 0x74 or d == 0x72:
                return 2, width
    return 1, width


@inner
def _beyond(data, i, end):
    """Kind and width of a character beyond ASCII."""
    c = data[i]
    if c < 0xC2 or c > 0xF4:
        return 1, 1
    width = 2 if c < 0xE0 else 3 if c < 0xF0 else 4
    if i + width > end:
        return 1, 1
    code = np.int64(c) & (0x7F >> width)
    for j in range(i + 1, i + width):
        code = code << 6 | (data[j] & 0x3F)
    return _kind(code), width


@inner
def _kind(code):
    """Space 0, mark 1, letter 2, or 4 for scripts that are written without spaces."""
    if code < 0x80:
        if 0x30 <= code <= 0x39:
            return 3
        if 0x61 <= code | 0x20 <= 0x7A:
            return 2
        return 1 if code > 0x20 else 0
    if code < 0xC0:
        return 0 if code == 0xA0 else 1
    if code < 0x0E00:
        return 2
    if code < 0x0F00 or 0x1000 <= code < 0x10A0 or 0x1780 <= code < 0x1800:
        return 4
    if 0x2000 <= code <= 0x200F or code == 0x3000 or code == 0xFEFF:
        return 0
    if 0x2010 <= code < 0x2C00 or 0x3001 <= code < 0x3040 or 0xFF00 <= code < 0xFF10:
        return 1
    if 0x3040 <= code < 0x3100 or 0x3400 <= code < 0xA000 or 0xF900 <= code < 0xFB00:
        return 4
    if 0xFF1A <= code <= 0xFF20 or 0xE000 <= code < 0xF900:
        return 1
    if 0x1F000 <= code < 0x20000:
        return 1
    return 4 if code >= 0x20000 else 2


@inner
def _mark(data, i, c, width, row):
    """Count a punctuation mark."""
    if width == 1:
        if c == 0x2C or c == 0x3B:
            row[COMMAS] += 1
        elif c == 0x2E or c == 0x21 or c == 0x3F:
            if i + 1 >= len(data) or data[i + 1] <= 0x3C:
                row[STOPS] += 1
        elif c == 0x3A:
            row[COLONS] += 1
        elif c == 0x7C or c == 0x3E or c == 0x2F or c == 0x2A or c == 0x23:
            row[MARKS] += 1
        elif c == 0x24:
            row[CURRENCY] += 1
        elif c == 0x22 or c == 0x28 or c == 0x29:
            row[QUOTES] += 1
        elif c == 0x40:
            row[ADDRESSES] += 1
        return
    a, b, d = data[i], data[i + 1], data[i + width - 1]
    if width == 3 and a == 0xE3 and b == 0x80 and d == 0x82:
        row[STOPS] += 1  # ideographic full stop
    elif width == 3 and a == 0xE3 and b == 0x80 and d == 0x81:
        row[COMMAS] += 1
    elif width == 3 and a == 0xEF and b == 0xBC:
        if d == 0x8C or d == 0x9B:
            row[COMMAS] += 1
        elif d == 0x81 or d == 0x9F:
            row[STOPS] += 1
        elif d == 0x9A:
            row[COLONS] += 1
    elif width == 3 and a == 0xE2 and b == 0x82:
        row[CURRENCY] += 1
    elif width == 2 and a == 0xC2 and (d == 0xA3 or d == 0xA5):
        row[CURRENCY] += 1
    elif (width == 2 and a == 0xC2 and (d == 0xBB or d == 0xAB or d == 0xB7)) or (
        width == 3 and a == 0xE2 and b != 0x80
    ):
        row[MARKS] += 1
    elif width == 3 and a == 0xE2 and d >= 0x98 and d <= 0x9F:
        row[QUOTES] += 1


@inner
def _ending(c, kind, width, data, i):
    """Class of a character as the last of a block."""
    if kind != 1:
        return 4 + kind  # 6 letter, 7 digit, 8 wide
    if width == 1:
        if c == 0x2E:
            return 1
        if c == 0x21 or c == 0x3F:
            return 2
        if c == 0x3A:
            return 3
        if c == 0x2C or c == 0x3B:
            return 4
    elif width == 3 and data[i] == 0xE3 and data[i + 2] == 0x82:
        return 1
    elif width == 3 and data[i] == 0xEF and (data[i + 2] == 0x81 or data[i + 2] == 0x9F):
        return 2
    return 5
