"""One pass over the tokens of a page that writes its text or Markdown as bytes.

Separators are lazy: what stands between two pieces of text (a space, a line break, a blank line),
the marker of an item or heading, and the marks of emphasis are remembered, and written when the
next visible character comes. So elements without kept text leave no trace. Depth is counted, never
stacked beyond a fixed number of levels, and indentation is bounded: output is linear in the input.
"""

from __future__ import annotations

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.boxes import end_cell, end_code, end_row, start_cell, start_code, start_row
from pipeline.html.output import (
    AT,
    BASE,
    BLANK,
    BULLET,
    CODE,
    CODE_AT,
    COLUMNS,
    EMPHASIS,
    GAP,
    IN_CELL,
    IN_CODE,
    IN_HEADING,
    INDENT,
    LEVELS,
    LINE_AT,
    LISTS,
    MARKER,
    NEWLINE,
    NUMBER,
    OPENED,
    QUOTES,
    ROW_TEXT,
    ROWS,
    SPACE,
    SPANS,
    STRONG,
    WIDTH,
    WRITTEN,
    close_mark,
    open_mark,
    put,
    separate,
    widen,
)
from pipeline.html.references import put_utf8, reference
from pipeline.html.scan import is_space
from pipeline.html.tags import TAGS, numbers

# what an element means for its text
(
    INLINE,
    BLOCK,  # on lines of its own
    LINE,  # begins a line: div in code, row of a layout table
    DROP,  # left out with all it holds
    INSERT,  # replaced by a prepared piece of text
    INSERT_BLOCK,  # the same on lines of its own
    BREAK,
    HEADING,
    LIST,
    NUMBERED,
    ITEM,
    QUOTE,
    VERBATIM,
    TABLE,  # of data; other tables are blocks, their cells as well
) = range(14)  # STRONG, EMPHASIS and CODE come next
ROW, CELL = 17, 18  # of a table of data

MEANING = np.zeros(256, np.uint8)
for _meaning, _names in {
    BLOCK: "html body article section nav aside header footer main address hgroup search p center"
    " figure figcaption details summary dialog fieldset legend hr dl form table caption"
    " thead tbody tfoot button select option optgroup textarea title noscript td th",
    LINE: "div tr dt dd",
    DROP: "script style template head noembed noframes svg iframe object canvas audio video map",
    BREAK: "br",
    HEADING: "h1 h2 h3 h4 h5 h6",
    LIST: "ul menu dir",
    NUMBERED: "ol",
    ITEM: "li",
    QUOTE: "blockquote",
    VERBATIM: "pre listing xmp plaintext",
    STRONG: "b strong",
    EMPHASIS: "i em",
    CODE: "code kbd samp tt",
}.items():
    MEANING[numbers(_names)] = _meaning
_LEVEL = np.array([int(n[1]) if n[:1] == "h" and n[1:].isdigit() else 0 for n in TAGS], np.uint8)
_RAW = np.zeros(256, np.bool_)
_RAW[numbers("xmp plaintext script style iframe noembed noframes")] = True

LONGEST_HEADING = 3000
"""Bytes of markup; a longer heading is one that was never closed, or a page inside an h1."""
MARGIN = 1024
"""What may be written between two looks at the room left, besides texts and inserts."""


@kernel
def write(data, tokens, keep, plan, table, markdown, s, out):
    """Write the kept text; its length, or -1 when ``out`` is too short.

    ``tokens`` are kind, tag, start, end and close. ``plan`` is the meaning of every START, an
    argument to it (number of an insert, columns of a table, spans of a cell, first number of a
    list, number of the insert that is the language of a block of code), and the inserts: their
    bytes and where each one ends, the first one being empty. ``s`` are `STATE` zeros.
    """
    kind, tag, start, end, close = tokens
    meaning, argument, inserts, ends = plan
    i = 0
    while i < len(kind):
        if kind[i] == 0:
            if keep[i]:
                if s[AT] + 2 * (end[i] - start[i]) + MARGIN > len(out):
                    return -1
                if s[IN_CODE]:
                    _verbatim(data, start[i], end[i], _RAW[tag[i]], table, s, out)
                else:
                    _text(data, start[i], end[i], _RAW[tag[i]], table, markdown, s, out)
            i += 1
            continue
        if s[AT] + MARGIN > len(out):
            return -1
        if kind[i] == 2:
            _end(meaning[close[i]], argument[close[i]], markdown, s, out)
            i += 1
            continue
        what, given = meaning[i], argument[i]
        if what == DROP:
            i = close[i]
        elif what in (INSERT, INSERT_BLOCK):
            if s[AT] + ends[given] - ends[given - 1] + MARGIN > len(out):
                return -1
            _insert(inserts, ends[given - 1], ends[given], what, markdown, s, out)
            i = close[i]
        else:
            if what == VERBATIM and s[AT] + ends[given] - ends[given - 1] + MARGIN > len(out):
                return -1
            if what == HEADING and start[close[i]] - end[i] > LONGEST_HEADING:
                what = BLOCK
            _start(what, given, _LEVEL[tag[i]], inserts, ends, markdown, s, out)
        i += 1
    return s[AT]


@inner
def _text(data, i, end, raw, table, markdown, s, out):
    """Write running text: white space collapsed, character references decoded."""
    while i < end:
        c = np.int64(data[i])
        if is_space(c) or (c == 0xC2 and i + 1 < end and data[i + 1] == 0xA0):
            s[GAP] = max(s[GAP], SPACE)
            i += 2 if c == 0xC2 else 1
            continue
        length = 0
        if c == 0x26 and not raw:
            point, second, length = reference(data, i, end, table)
            if length and (point == 0xA0 or is_space(point)):
                s[GAP] = max(s[GAP], SPACE)
                i += length
                continue
        if s[GAP] or s[MARKER] or s[IN_HEADING] > 0 or s[WRITTEN] < s[OPENED] or not s[ROW_TEXT]:
            separate(markdown, s, out)
        if length:
            s[AT] = put_utf8(out, s[AT], point)
            if second:
                s[AT] = put_utf8(out, s[AT], second)
            i += length
            continue
        if c == 0x7C and s[IN_CELL] and markdown:
            put(0x5C, s, out)
        at = s[AT]
        while True:
            out[at] = c
            at += 1
            i += 1
            if i == end:
                break
            c = data[i]
            if c <= 0x26 or c == 0xC2 or c == 0x7C:
                break
        s[AT] = at


@inner
def _verbatim(data, i, end, raw, table, s, out):
    """Write code as it is; hard spaces become spaces, line ends line feeds."""
    while i < end:
        c = np.int64(data[i])
        if c == 0x26 and not raw:
            point, second, length = reference(data, i, end, table)
            if length:
                s[AT] = put_utf8(out, s[AT], 0x20 if point == 0xA0 else point)
                if second:
                    s[AT] = put_utf8(out, s[AT], second)
                i += length
                continue
        if c == 0xC2 and i + 1 < end and data[i + 1] == 0xA0:
            c = 0x20
            i += 1
        elif c == 0x0D:
            if i + 1 < end and data[i + 1] == 0x0A:
                i += 1
            c = 0x0A
        put(c, s, out)
        i += 1


@inner
def _insert(inserts, i, end, what, markdown, s, out):
    block = what == INSERT_BLOCK and not s[IN_CODE]
    if block:
        widen(BLANK, s)
    if not s[IN_CODE]:
        separate(markdown, s, out)
    while i < end:
        put(inserts[i], s, out)
        i += 1
    if block:
        widen(BLANK, s)


@inner
def _start(what, given, level, inserts, ends, markdown, s, out):
    if s[IN_CODE]:
        if what == VERBATIM:
            s[IN_CODE] += 1
        elif what == BREAK:
            put(0x0A, s, out)
        elif _breaks_code(what):
            if s[AT] > s[CODE_AT] and out[s[AT] - 1] != 0x0A:
                put(0x0A, s, out)
            s[LINE_AT] = s[AT]
    elif what == BLOCK:
        widen(BLANK, s)
    elif what == LINE:
        widen(NEWLINE, s)
    elif what == BREAK:
        widen(NEWLINE if s[GAP] < NEWLINE else BLANK, s)
    elif what in (STRONG, EMPHASIS, CODE):
        open_mark(what, markdown, s)
    elif what == CELL:
        start_cell(markdown, s, out)
    elif s[IN_CELL]:
        s[GAP] = max(s[GAP], SPACE) if what != INLINE else s[GAP]
    elif what == ITEM:
        s[MARKER] = 0
        depth = min(s[LISTS], LEVELS - 1)
        s[INDENT] = s[BASE + depth]
        widen(NEWLINE, s)
        number = s[NUMBER + depth]
        s[MARKER] = number if number > 0 and markdown else BULLET
        s[NUMBER + depth] += number > 0
    elif what != INLINE:
        s[IN_HEADING] = 0
        if what in (LIST, NUMBERED):
            widen(NEWLINE if s[LISTS] else BLANK, s)
            s[LISTS] += 1
            depth = min(s[LISTS], LEVELS - 1)
            s[BASE + depth] = s[INDENT]
            s[NUMBER + depth] = max(given, 1) if what == NUMBERED else 0
        elif what == VERBATIM:
            start_code(inserts, ends[given - 1] if given else 0, ends[given], markdown, s, out)
        elif what == ROW:
            start_row(markdown, s, out)
        else:
            widen(BLANK, s)
            if what == HEADING:
                s[IN_HEADING] = level
            elif what == QUOTE:
                s[QUOTES] += 1
            elif what == TABLE:
                s[ROWS], s[WIDTH] = 0, given
                s[SPANS : SPANS + COLUMNS] = 0


@inner
def _end(what, given, markdown, s, out):
    if s[IN_CODE]:
        if what == VERBATIM:
            s[IN_CODE] -= 1
            if s[IN_CODE] == 0:
                end_code(markdown, s, out)
        elif _breaks_code(what) and s[AT] > s[CODE_AT]:
            is_blank = s[AT] == s[LINE_AT]
            if is_blank or out[s[AT] - 1] != 0x0A:
                put(0x0A, s, out)
    elif what == BLOCK:
        widen(BLANK, s)
    elif what == LINE:
        widen(NEWLINE, s)
    elif what in (STRONG, EMPHASIS, CODE):
        close_mark(what, s, out)
    elif what == CELL:
        end_cell(given, markdown, s, out)
    elif s[IN_CELL]:
        s[GAP] = max(s[GAP], SPACE) if what != INLINE else s[GAP]
    elif what == ROW:
        end_row(markdown, s, out)
    elif what == ITEM:
        s[MARKER] = 0
        s[INDENT] = s[BASE + min(s[LISTS], LEVELS - 1)]
        s[GAP] = NEWLINE
    elif what in (LIST, NUMBERED):
        s[INDENT] = s[BASE + min(s[LISTS], LEVELS - 1)]
        s[LISTS] -= 1
        widen(NEWLINE if s[LISTS] else BLANK, s)
    elif what != INLINE:
        if what == HEADING:
            s[IN_HEADING] = 0
        elif what == QUOTE:
            s[QUOTES] -= 1
        widen(BLANK, s)


@inner
def _breaks_code(what):
    return what in (BLOCK, LINE, ITEM, HEADING, ROW, LIST, NUMBERED, TABLE, QUOTE)
