"""Which tables hold data, and how wide they are; the others lay out a page."""

from __future__ import annotations

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.boxes import COLSPAN
from pipeline.html.scan import attribute
from pipeline.html.tags import TAG, numbers
from pipeline.html.writer import CELL, ROW, TABLE

LONGEST_CELL = 1500
"""Bytes of text; a table with a longer cell lays out a page."""
MOST_SPAN = 50
"""Columns or rows that a cell may span; browsers stop at 1000 and 65534."""

_TABLE, _TR, _TD, _TH = (TAG[name] for name in ("table", "tr", "td", "th"))
_LAYOUT = numbers("h1 h2 h3 pre form textarea")
_COLSPAN = np.frombuffer(b"colspan", np.uint8)
_ROWSPAN = np.frombuffer(b"rowspan", np.uint8)
_ROLE = np.frombuffer(b"role", np.uint8)
_NO_TABLE = np.frombuffer(b"presentation", np.uint8)


def find_tables(tokens, keep: np.ndarray, meaning: np.ndarray, argument: np.ndarray) -> None:
    """Mark tables of data, their rows and cells in the plan of the writer."""
    count = int(np.count_nonzero((tokens.tag == _TABLE) & (tokens.kind == 1)))
    if count:
        # of each open table: its START, layout or not, rows, columns, of the row: columns, kept
        stack = np.zeros((6, count + 1), np.int64)
        data = np.frombuffer(tokens.source, np.uint8)
        arrays = tokens.kind, tokens.tag, tokens.start, tokens.end
        _find(data, arrays, keep, meaning, argument, stack)


@kernel
def _find(data, tokens, keep, meaning, argument, stack):
    kind, tag, start, end = tokens
    here, layout, rows, width, columns, size = stack
    depth = 0
    for i in range(len(kind)):
        if kind[i] == 0:
            if depth and keep[i]:
                size[depth] += end[i] - start[i]
        elif kind[i] == 1:
            name = tag[i]
            if name == _TABLE:
                if depth:
                    layout[depth] = 1
                depth += 1
                here[depth] = i
                layout[depth] = _is_presentation(data, start[i], end[i])
                rows[depth] = width[depth] = columns[depth] = size[depth] = 0
            elif depth:
                if name in (_TD, _TH):
                    size[depth] = 0
                    across = _span(data, start[i], end[i], _COLSPAN)
                    down = _span(data, start[i], end[i], _ROWSPAN)
                    argument[i] = across + COLSPAN * (down if down > 1 else 0)
                    columns[depth] += across
                elif name == _TR:
                    columns[depth] = 0
                elif _contains(_LAYOUT, name):
                    layout[depth] = 1
        elif depth:
            if tag[i] in (_TD, _TH):
                if size[depth] > LONGEST_CELL:
                    layout[depth] = 1
            elif tag[i] == _TR:
                rows[depth] += columns[depth] > 0
                width[depth] = max(width[depth], columns[depth])
            elif tag[i] == _TABLE:
                first = here[depth]
                is_data = layout[depth] == 0 and rows[depth] > 1 and width[depth] > 1
                depth -= 1
                if is_data:
                    meaning[first] = TABLE
                    argument[first] = width[depth + 1]
                    for k in range(first + 1, i):
                        if kind[k] == 1:
                            if tag[k] == _TR:
                                meaning[k] = ROW
                            elif tag[k] in (_TD, _TH):
                                meaning[k] = CELL


@inner
def _is_presentation(data, start, end):
    first, last = attribute(data, start, end, _ROLE)
    return last - first == len(_NO_TABLE) and data[first] == _NO_TABLE[0]


@inner
def _span(data, start, end, name):
    """Value of a colspan or rowspan, between 1 and MOST_SPAN."""
    first, last = attribute(data, start, end, name)
    value = 0
    while first < last and 0x30 <= data[first] <= 0x39 and value < MOST_SPAN:
        value = 10 * value + data[first] - 0x30
        first += 1
    return min(max(value, 1), MOST_SPAN)


@inner
def _contains(group, name):
    found = False
    for other in group:
        found |= other == name
    return found
