"""Lines of justified text whose stretched spaces look like the gaps between table cells.

Such a line runs from margin to margin of its column, as the lines around it do, and all its spaces
are stretched alike; the cells of a table stand apart by what their texts leave.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from ocr.layout import Line, rows_of

_FULL_LINES = 3  # lines with the same two margins make a column
_MIN_CHARS = 20
_EVEN = 0.8  # narrowest to widest space of a stretched line
_WIDEST = 6.0  # of the font size
_NEAR = 2  # points


def justified(lines: list[Line]) -> list[Line]:
    """`lines` with the pieces of justified lines joined."""
    margins = Counter(
        (round(line.x0), round(line.x1)) for line in lines if len(line.text) >= _MIN_CHARS
    )
    columns = [margin for margin, count in margins.items() if count >= _FULL_LINES]
    if not columns:
        return lines
    short = [line for line in lines if (round(line.x0), round(line.x1)) not in columns]
    joined: dict[int, Line] = {}
    gone: set[int] = set()
    for row in rows_of(short):
        for left, right in columns:
            cells = [c for c in row.cells if c.x0 > left - _NEAR and c.x1 < right + _NEAR]
            if len(cells) > 1 and _stretched(cells, left, right):
                joined[id(cells[0])] = _whole(cells)
                gone |= {id(cell) for cell in cells[1:]}
                break
    return [joined.get(id(line), line) for line in lines if id(line) not in gone]


def _stretched(cells: list[Line], left: float, right: float) -> bool:
    if cells[0].x0 > left + 3 * cells[0].size or cells[-1].x1 < right - _NEAR:
        return False
    gaps = [b.x0 - a.x1 for a, b in pairwise(cells)]
    gaps += [b - a for cell in cells for _, a, b in cell.breaks]
    text = " ".join(cell.text for cell in cells)
    plain = sum(map(str.isalpha, text)) > 0.8 * len(text.replace(" ", ""))
    begin = sum(cell.text[0].islower() for cell in cells[1:]) >= 0.5 * len(cells[1:])
    return plain and begin and max(gaps) < _WIDEST * cells[0].size and min(gaps) > _EVEN * max(gaps)


def _whole(cells: list[Line]) -> Line:
    text, breaks, last = "", [], cells[0].x0
    for cell in cells:
        if text:
            breaks.append((len(text), last, cell.x0))
            text += " "
        breaks += [(offset + len(text), a, b) for offset, a, b in cell.breaks]
        text += cell.text
        last = cell.x1
    first = cells[0]
    bold = all(cell.bold for cell in cells)
    y0, y1 = min(c.y0 for c in cells), max(c.y1 for c in cells)
    return Line(text, first.x0, y0, last, y1, first.size, bold, breaks=breaks)
