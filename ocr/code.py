"""Code and listings: lines in a typewriter's font, kept as they stand."""

from __future__ import annotations

from itertools import pairwise
from statistics import median, median_low

from ocr.layout import Layout, Row

_MIN_ROWS = 2
_MOST = 0.4  # share of the characters from which the document itself is typewritten
_EMPTY = 1.7  # of the usual row distance: an empty line between


def forget_typewriting(layouts: list[Layout]) -> None:
    """In a document that is mostly set in a typewriter's font such a font marks no code."""
    rows = [row for layout in layouts for row in layout.rows()]
    mono = sum(len(row.text) for row in rows if row.mono)
    if mono > _MOST * sum(len(row.text) for row in rows):
        for row in rows:
            for cell in row.cells:
                cell.mono = False


def code_runs(rows: list[Row]) -> list[tuple[int, int]]:
    """(begin, end) of the runs of rows that are code."""
    runs, begin = [], 0
    for i, row in enumerate([*rows, None]):
        if row is None or not row.mono:
            if i - begin >= _MIN_ROWS:
                runs.append((begin, i))
            begin = i + 1
    return runs


def code_text(rows: list[Row]) -> str:
    """Rows as a fenced block, indented as on the page."""
    cells = [cell for row in rows for cell in row.cells]
    wide = median((cell.x1 - cell.x0) / max(1, len(cell.text)) for cell in cells) or 1.0
    left = min(cell.x0 for cell in cells)
    usual = median_low([b.mid - a.mid for a, b in pairwise(rows)])
    lines = []
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and row.mid - before.mid > _EMPTY * usual:
            lines.append("")
        line = ""
        for cell in row.cells:
            line = line.ljust(max(round((cell.x0 - left) / wide), len(line) + bool(line)))
            line += cell.text
        lines.append(line)
    return "\n".join(["```", *lines, "```"])
