"""How blocks of code and rows of tables are written."""

from __future__ import annotations

from filters.jit import inner
from pipeline.html.output import (
    AT,
    BLANK,
    CODE_AT,
    COLUMN,
    COLUMNS,
    FENCE_AT,
    GAP,
    IN_CELL,
    IN_CODE,
    IN_ROW,
    INDENT,
    LAST_QUOTES,
    LINE_AT,
    MARKER,
    NEWLINE,
    ROW_AT,
    ROW_GAP,
    ROW_MARKS,
    ROW_TEXT,
    ROWS,
    SAVED_AT,
    SAVED_GAP,
    SAVED_MARKS,
    SPANS,
    WIDTH,
    WRITTEN,
    new_line,
    put,
    widen,
)

COLSPAN = 1024
"""An argument of a cell is its columns plus COLSPAN times its rows."""
_LONGEST_RUN = 64


@inner
def start_code(inserts, first, last, markdown, s, out):
    """Begin a block of code on the left edge: any prefix would change what the code is."""
    s[IN_CODE] = 1
    s[SAVED_AT], s[SAVED_GAP], s[SAVED_MARKS] = s[AT], s[GAP], s[WRITTEN]
    s[MARKER] = 0
    s[GAP] = BLANK
    new_line(False, markdown, s, out)
    if markdown:
        _backticks(3, s, out)
        s[FENCE_AT] = s[AT]
        while first < last:
            put(inserts[first], s, out)
            first += 1
        put(0x0A, s, out)
    s[CODE_AT] = s[LINE_AT] = s[AT]


@inner
def end_code(markdown, s, out):
    """Take blank lines off both ends, and make the fence longer than any run of backticks."""
    begin, end = s[CODE_AT], s[AT]
    while end > begin and out[end - 1] <= 0x20:
        end -= 1
    if end == begin:
        s[AT], s[GAP], s[WRITTEN] = s[SAVED_AT], s[SAVED_GAP], s[SAVED_MARKS]
        return
    first = i = begin
    while out[i] <= 0x20:
        i += 1
        if out[i - 1] == 0x0A:
            first = i
    _move(first, end, begin, out)
    s[AT] = end - (first - begin)
    if markdown:
        run = longest = 0
        for i in range(begin, s[AT]):
            run = run + 1 if out[i] == 0x60 else 0
            longest = max(longest, run)
        more = min(longest, _LONGEST_RUN) - 2 if longest > 2 else 0
        if more:
            _move(s[FENCE_AT], s[AT], s[FENCE_AT] + more, out)
            end = s[AT] + more
            s[AT] = s[FENCE_AT]
            _backticks(more, s, out)
            s[AT] = end
        put(0x0A, s, out)
        _backticks(3 + more, s, out)
    s[GAP] = BLANK
    s[INDENT] = s[LAST_QUOTES] = 0
    s[ROW_TEXT] = 1


@inner
def _move(first, end, to, out):
    if to < first:
        for i in range(first, end):
            out[to + i - first] = out[i]
    elif to > first:
        for i in range(end - 1, first - 1, -1):
            out[to + i - first] = out[i]


@inner
def _backticks(number, s, out):
    for _ in range(number):
        put(0x60, s, out)


@inner
def start_row(markdown, s, out):
    s[ROW_AT], s[ROW_GAP], s[ROW_MARKS] = s[AT], s[GAP], s[WRITTEN]
    s[IN_ROW] = 1
    s[COLUMN] = s[ROW_TEXT] = s[MARKER] = 0
    s[GAP] = NEWLINE if s[ROWS] else BLANK
    new_line(True, markdown, s, out)


@inner
def end_row(markdown, s, out):
    """End a row, or take it back if it holds no text."""
    s[IN_ROW] = 0
    if s[ROW_TEXT]:
        if markdown:
            while s[COLUMN] < min(s[WIDTH], COLUMNS):
                _empty_cell(markdown, s, out)
            put(0x7C, s, out)
            s[ROWS] += 1
            if s[ROWS] == 1:
                s[GAP] = NEWLINE
                new_line(True, markdown, s, out)
                put(0x7C, s, out)
                for _ in range(min(s[COLUMN], COLUMNS)):
                    for c in (0x20, 0x2D, 0x2D, 0x2D, 0x20, 0x7C):
                        put(c, s, out)
        else:
            s[ROWS] += 1
            while out[s[AT] - 1] <= 0x20:
                s[AT] -= 1
        s[GAP] = NEWLINE
    else:
        s[AT], s[GAP], s[WRITTEN] = s[ROW_AT], s[ROW_GAP], s[ROW_MARKS]
    s[ROW_TEXT] = 1
    for k in range(COLUMNS):
        if s[SPANS + k]:
            s[SPANS + k] -= 1


@inner
def start_cell(markdown, s, out):
    if not s[IN_ROW]:
        widen(BLANK, s)
        return
    while s[COLUMN] < COLUMNS and s[SPANS + s[COLUMN]]:
        _empty_cell(markdown, s, out)
    if markdown:
        put(0x7C, s, out)
        put(0x20, s, out)
    elif s[COLUMN]:
        put(0x09, s, out)
    s[IN_CELL] = 1
    s[GAP] = 0


@inner
def end_cell(given, markdown, s, out):
    if not s[IN_CELL]:
        widen(BLANK, s)
        return
    s[IN_CELL] = s[GAP] = 0
    if markdown and out[s[AT] - 1] != 0x20:
        put(0x20, s, out)
    columns, rows = given % COLSPAN, given // COLSPAN
    for k in range(max(columns, 1)):
        if s[COLUMN] < COLUMNS:
            s[SPANS + s[COLUMN]] = rows
        if k:
            _empty_cell(markdown, s, out)
        else:
            s[COLUMN] += 1


@inner
def _empty_cell(markdown, s, out):
    if markdown:
        put(0x7C, s, out)
        put(0x20, s, out)
    elif s[COLUMN]:
        put(0x09, s, out)
    s[COLUMN] += 1
