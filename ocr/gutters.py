"""Columns of a table that stand closer together than words far apart: told by all rows at once.

Where one row shows a gap between cells, or numbers stand side by side, and no word of the other
rows reaches into it, the gap is a column boundary for all of them.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from ocr.layout import Break, Line, Row
from ocr.markdown_table import is_number

_MIN_ROWS = 3
_NARROW = 0.22  # of the font size: no space is narrower
_NONE = ("-", "–", "—", "−", "*", "n/a", "N/A", "NA", "…", "..")  # in place of a number
_WIDE = 0.31  # the same of a gap between numbers that no row shows as one between cells
_NUMBERS = 0.7  # share of rows with numbers on both sides of a gap
_ACROSS = 0.2  # share of rows that may run across a boundary (heads of groups, notes)

Span = tuple[float, float]


def parted(rows: list[Row]) -> list[Row]:
    """`rows` of one table with their cells split at the table's column boundaries."""
    if len(rows) < _MIN_ROWS or not any(cell.breaks for row in rows for cell in row.cells):
        return rows
    em = max(median(row.size for row in rows), 1.0)
    found = _gutters(rows, _NARROW * em)
    gutters = sorted(_shown(rows, found) | _numeric(rows, found, _WIDE * em))
    if not gutters:
        return rows
    return [Row([part for cell in row.cells for part in _split(cell, gutters)]) for row in rows]


def close_head(row: Row, below: Row, columns: list[Span]) -> Row | None:
    """The row above a table split into heads of its columns, where its words, close together as
    they are, stand over every one of them; else None."""
    cell, em = row.cells[0], max(row.size, 1.0)
    near = 0 < below.mid - row.mid < 2.2 * em
    if len(row.cells) > 1 or not near or len(cell.breaks) < len(columns) - 1 or cell.table:
        return None
    if cell.x0 < columns[0][0] - em or cell.x1 > columns[-1][1] + 3 * em:
        return None
    at = []
    for (left, end), (begin, right) in pairwise(columns):
        inside = [b for b in cell.breaks if left < b[1] < begin + em and end - em < b[2] < right]
        inside = [b for b in inside if not at or b[0] > at[-1][0]]
        if not inside:
            return None
        at.append(min(inside, key=lambda b: abs(b[2] - begin)))
    return Row(cell.split(at))


def _words(row: Row) -> list[Span]:
    spans = []
    for cell in row.cells:
        begin = cell.x0
        for _, left, right in cell.breaks:
            spans.append((begin, left))
            begin = right
        spans.append((begin, cell.x1))
    return spans


def _gutters(rows: list[Row], narrow: float) -> list[Span]:
    """Upright strips that hardly any row has words in."""
    allowed = int(_ACROSS * len(rows)) if len(rows) > _MIN_ROWS else 0
    events: list[tuple[float, int]] = []
    for row in rows:
        for left, right in _words(row):
            events += [(left, 1), (max(left, right), -1)]
    events.sort()
    found, depth, begin = [], 0, None
    for x, change in events:
        if depth > allowed >= depth + change:
            begin = x
        elif depth <= allowed < depth + change and begin is not None and x - begin >= narrow:
            found.append((begin, x))
        depth += change
    return found


def _shown(rows: list[Row], gutters: list[Span]) -> set[Span]:
    """Of the strips inside a gap between two cells, the widest."""
    shown = set()
    for row in rows:
        for left, right in pairwise(row.cells):
            inside = [g for g in gutters if g[0] >= left.x1 - 1 and g[1] <= right.x0 + 1]
            if inside:
                shown.add(max(inside, key=lambda g: g[1] - g[0]))
    return shown


def _numeric(rows: list[Row], gutters: list[Span], wide: float) -> set[Span]:
    """Strips with numbers on both sides, wider than the spaces of a line."""
    found = set()
    for gutter in gutters:
        if gutter[1] - gutter[0] < wide:
            continue
        middle = sum(gutter) / 2
        beside = numbers = 0
        for row in rows:
            for cell in row.cells:
                for offset, left, right in cell.breaks:
                    if left <= middle <= right:
                        before = cell.text[:offset].rsplit(" ", 1)[-1]
                        after = cell.text[offset + 1 :].split(" ", 1)[0]
                        if is_number(before) or is_number(after):  # heads are none
                            beside += 1
                            numbers += _may_be_number(before) and _may_be_number(after)
        if beside >= _MIN_ROWS - 1 and numbers >= _NUMBERS * beside:
            found.add(gutter)
    return found


def _may_be_number(text: str) -> bool:
    return is_number(text) or text in _NONE


def _split(cell: Line, gutters: list[Span]) -> list[Line]:
    at: list[Break] = []
    for left, right in gutters:
        middle = (left + right) / 2
        at += [own for own in cell.breaks if own[1] <= middle <= own[2]]
    return cell.split(at) if at else [cell]
