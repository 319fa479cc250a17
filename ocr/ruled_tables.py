"""Ruled tables: the lines of text inside a grid of drawn lines become a Markdown table."""

from __future__ import annotations

from statistics import median

from ocr.layout import Layout, Line, Row, rows_of
from ocr.markdown_table import cell_text, is_number, markdown
from ocr.rulings import Grid, grids, spans

_MAX_CELL = 300  # mean characters of a cell, above which a grid is a page frame
_MIN_FILLED = 0.3  # share of a grid's cells that hold text
_LONG_BAND = 15  # lines between two rules: more are no single cell
_SHORT_CELL = 25  # characters

Place = tuple[int, int]


def take_ruled(layout: Layout) -> None:
    """Lines inside a ruled grid become one row that holds the table, where its first line stood."""
    for grid in grids(layout.across, layout.upright):
        _take(layout, grid)


def _take(layout: Layout, grid: Grid) -> None:
    first = spans(grid)
    inside: dict[int, Place] = {}
    lines: list[Line] = []
    titles = _title_rows(grid, first)
    for row in layout.rows():
        for cell in row.cells:
            place = grid.place((cell.x0 + cell.x1) / 2, cell.mid)
            if place and place[0] not in titles and not cell.table:
                inside[id(cell)] = place
                lines.append(cell)
    table = _fill(grid, lines, inside, first) if len(lines) > 2 else None
    if not table:
        return
    x0, y0, x1, y1 = grid.xs[0], grid.ys[0], grid.xs[-1], grid.ys[-1]
    size = median(line.size for line in lines)
    whole = Line(table, x0, y0, x1, y1, size, table=True)
    placed = False
    for region in layout.regions:
        for i, row in enumerate(region):
            kept = [cell for cell in row.cells if id(cell) not in inside]
            if len(kept) == len(row.cells):
                continue
            row.cells = kept
            if not placed:
                region.insert(i, Row([whole]))
                placed = True
    layout.drop_empty()


def _title_rows(grid: Grid, first: dict[Place, Place]) -> set[int]:
    """Rows of one cell at the top and at the bottom: titles and notes, no part of the table."""
    rows, right = len(grid.ys) - 1, len(grid.xs) - 2
    whole = [first[r, right] == (r, 0) or first[r, right] == first[r, 0] for r in range(rows)]
    top = next((r for r in range(rows) if not whole[r]), rows)
    bottom = next((r for r in range(rows) if not whole[rows - 1 - r]), rows)
    return {*range(top), *range(rows - bottom, rows)}


def _fill(
    grid: Grid,
    lines: list[Line],
    inside: dict[int, Place],
    first: dict[Place, Place],
) -> str | None:
    columns = len(grid.xs) - 1
    bands: dict[int, list[Line]] = {}
    for line in lines:
        bands.setdefault(first[inside[id(line)]][0], []).append(line)
    used_rows = {r for (r, _), (top, _) in first.items() if top in bands}
    cells_there = {cell for place, cell in first.items() if place[0] in used_rows}
    cells_filled = {first[place] for place in inside.values()}
    if len(cells_filled) < _MIN_FILLED * len(cells_there):
        return None
    head = True
    table: list[list[str]] = []
    for band in sorted(bands):
        for row in _band_rows(bands[band], inside, first, len(bands)):
            cells: list[list[Line]] = [[] for _ in range(columns)]
            wide: dict[int, int] = {}
            for line in row:
                r, c = inside[id(line)]
                left = first[r, c][1]
                cells[left].append(line)
                while (r, c) in first and first[r, c][1] == left:
                    wide[left], c = c, c + 1
            texts = [cell_text(cell) for cell in cells]
            spanning = [left for left, right in wide.items() if right > left]
            head = head and (not table or bool(spanning))
            if head:  # a head over several columns stands over each of them
                for left in spanning:
                    texts[left : wide[left] + 1] = [texts[left]] * (wide[left] + 1 - left)
            table.append(texts)
    filled = sum(bool(text) for row in table for text in row)
    used = sum(any(row[c] for row in table) for c in range(columns))
    letters = sum(len(line.text) for line in lines)
    if len(table) < 2 or used < 2 or letters > _MAX_CELL * filled:
        return None
    return markdown(table)


def _band_rows(
    lines: list[Line],
    inside: dict[int, Place],
    first: dict[Place, Place],
    n_bands: int,
) -> list[list[Line]]:
    """Lines between two rules: one row of the table, or many where only columns are ruled."""
    rows = [row.cells for row in rows_of(lines)]
    if len(rows) < 2:
        return [lines]
    columns = [{first[inside[id(line)]][1] for line in row} for row in rows]
    several = sum(len(used) > 1 for used in columns)
    texts = [line.text for line in lines]
    short = sum(map(len, texts)) < _SHORT_CELL * len(texts)
    numbers = sum(map(is_number, texts)) > 0.4 * len(texts)
    listed = several >= max(2, 0.6 * len(rows)) and (numbers or (short and n_bands < 3))
    if not listed and len(rows) <= _LONG_BAND:
        return [lines]
    parted: list[list[Line]] = []
    for row, used in zip(rows, columns, strict=True):
        if parted and len(used) == 1 and 0 not in used:  # goes on in a cell of the row above
            parted[-1].extend(row)
        else:
            parted.append(list(row))
    return parted
