"""Furniture that one page alone gives away: stamps of download services, a title beside a page
number, a line apart in the margin of the sheet.  What repeats is `furniture`'s to find."""

from __future__ import annotations

import re

from ocr.layout import Layout, Line, Row

_STAMP = re.compile(
    r"(?i)(?:down-?loaded (?:from|by|on|at|via)\b|download date\b|this content downloaded\b"
    r"|(?:printed|accessed|retrieved) (?:from|on|by) .{0,60}(?:\d{4}|https?:)"
    r"|for personal use only\b|all use subject to\b)"
)
_NUMBER = re.compile(r"[-–—\[(|]?\s*(?:\d{1,4}|[ivxl]{1,7})\s*[-–—\])|]?$")
_STAMP_ROWS = 3
_MARGIN = 0.055  # of the height: where a sheet has no text
_HEAD_ZONE = 0.16  # of the height: where a running head stands
_LONGEST = 100  # characters
_APART = 1.7  # of the font size, from line to line: white space below a running head
_FAR = 2.4  # the same for a line told by its place alone
_LONE = 3.0  # the same for a number that ends the page
_FEW_ROWS = 4


def margin_marks(layout: Layout) -> set[int]:
    """ids of the cells that are running heads or feet, stamps or page numbers."""
    rows = sorted(layout.rows(), key=lambda row: row.mid)
    drop = {
        id(cell)
        for row in [*rows[:_STAMP_ROWS], *rows[-_STAMP_ROWS:], *layout.aside]
        for cell in row.cells
        if _STAMP.match(cell.text.lstrip())
    }
    rows = [row for row in rows if not all(id(cell) in drop for cell in row.cells)]
    levels = _levels(rows)
    if len(levels) < _FEW_ROWS:
        return drop
    body = _body(rows)
    for outer, following, top in (
        (levels[0], levels[1], True),
        (levels[-1], levels[-2], False),
    ):
        place = outer[0].mid / layout.height
        edge = place if top else 1 - place
        size = max(row.size for row in outer)
        gap = abs(following[0].mid - outer[0].mid) / max(size, 1.0)
        cells = sorted((cell for row in outer for cell in row.cells), key=lambda cell: cell.x0)
        if sum(len(cell.text) for cell in cells) > _LONGEST or size > 1.3 * body:
            continue
        plain = sum(len(row.cells) for row in following) == 1
        if (
            (edge < _MARGIN and gap > _FAR and size < 1.1 * body)
            or (edge < _HEAD_ZONE and gap > _APART and _numbered(cells))
            or (edge < _HEAD_ZONE and gap > _APART and plain and _spread(cells, layout.width))
            or (not top and gap > _LONE and len(cells) == 1 and _NUMBER.match(cells[0].text))
        ):
            drop |= {id(cell) for cell in cells}
    return drop


def _levels(rows: list[Row]) -> list[list[Row]]:
    """Rows of the same height together: columns have rows of their own."""
    levels: list[list[Row]] = []
    for row in rows:
        if levels and row.mid - levels[-1][0].mid < 0.5 * max(row.size, 1.0):
            levels[-1].append(row)
        else:
            levels.append([row])
    return levels


def _body(rows: list[Row]) -> float:
    """Font size that most characters are set in."""
    sizes: dict[float, int] = {}
    for row in rows:
        size = round(row.size * 2) / 2
        sizes[size] = sizes.get(size, 0) + len(row.text)
    return max(sizes, key=lambda size: (sizes[size], -size))


def _numbered(cells: list[Line]) -> bool:
    """A page number at one end, and something else."""
    ends = [bool(_NUMBER.match(cell.text)) for cell in (cells[0], cells[-1])]
    return len(cells) in (2, 3) and any(ends) and not all(ends)


def _spread(cells: list[Line], width: float) -> bool:
    """Left, middle and right of the sheet."""
    if len(cells) != 3:
        return False
    left, middle, right = cells
    centre = (left.x0 + right.x1) / 2
    return (
        left.x0 < 0.3 * width
        and right.x1 > 0.7 * width
        and abs((middle.x0 + middle.x1) / 2 - centre) < 0.1 * width
    )
