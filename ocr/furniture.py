"""What repeats from page to page and is no text: running heads and feet, page and line numbers.

Keys as in FinePDFs and olmOCR practice: digits folded, spaces out, only the outer rows of a page,
on at least half of the pages (or a quarter and five).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

from ocr.layout import Layout, Line, Row
from ocr.margins import margin_marks

_EDGE_LEVELS = 3  # rows from the top and from the bottom that can be furniture
_HEAD_ZONE = 0.25  # of the page height from its edge: where running heads and feet stand
_LONGEST = 300  # characters of a running head
_MIN_LEFT = 0.25  # share of a page's characters that must not be furniture
_NUMBER_ZONE = 0.12  # of the page height: where page numbers stand
_PAGE_NUMBER = re.compile(
    r"(?i)[-–—\[(|\s]*(?:(?:page|pg|p|seite|s|página|pagina|pág|стр|第)[.:\s]*)?"
    r"(\d{1,4}|[ivxl]{1,7})"
    r"(?:\s*(?:/|of|de|von|van|sur|di|из)\s*\d{1,4})?[-–—\])|\s]*(?:page|页|頁|ページ)?\.?$"
)
_NAMED_NUMBER = re.compile(
    r"(?i)^\W*(?:page|pg|seite|página|pagina|pág|стр|第)\b|\d\s*(?:of|/)\s*\d"
)
_MIN_LINE_NUMBERS = 15
_LINE_NUMBERED = 0.75  # share of the page's rows that begin with a line number


@dataclass(frozen=True, slots=True)
class _Edge:
    page: int
    zone: str
    rank: int  # 0 is the outermost row
    place: float  # share of the page height
    row: Row
    cell: Line


def remove_furniture(layouts: list[Layout]) -> None:
    """Take running heads and feet, stamps, page and margin line numbers out of the layouts.

    Cells are looked at one by one: what stands beside a running head may change from page to page.
    A running head that is the same on every page stays where it stands first, when that is the
    first page: it may be the document's title.
    """
    for layout in layouts:
        _drop_line_numbers(layout)
    edges = [edge for page, layout in enumerate(layouts) for edge in _edges(page, layout)]
    drop, kept = _repeated(edges, len(layouts))
    drop |= _page_numbers(edges, layouts)
    for layout in layouts:
        layout.stamps = []
        drop |= margin_marks(layout) - kept
        rows = [*layout.rows(), *layout.aside]
        sizes = [(len(cell.text), id(cell) in drop) for row in rows for cell in row.cells]
        left = sum(size for size, dropped in sizes if not dropped)
        if left < _MIN_LEFT * sum(size for size, _ in sizes):
            continue  # pages alike from top to bottom: copies, labels, slides of one line
        for row in rows:
            row.cells = [cell for cell in row.cells if id(cell) not in drop]
        layout.drop_empty()


def _edges(page: int, layout: Layout) -> list[_Edge]:
    rows = sorted(layout.rows(), key=lambda row: row.mid)
    found = [_Edge(page, "aside", 9, 0.0, row, cell) for row in layout.aside for cell in row.cells]
    for zone, ordered in (("top", rows), ("bottom", rows[::-1])):
        level, last = -1, None
        for row in ordered:
            if last is None or abs(row.mid - last) > 0.5 * max(row.size, 1.0):
                level, last = level + 1, row.mid
            if level >= _EDGE_LEVELS:
                break
            place = row.mid / layout.height
            found.extend(_Edge(page, zone, level, place, row, cell) for cell in row.cells)
    return found


def _key(text: str) -> str:
    """Letters of a line, with numbers (section numbers, dates) as one sign."""
    folded = re.sub(r"\d+(?:[.,:/-]\d+)*", "0", text.lower())
    return re.sub(r"\s+", "", folded).strip("0")


def _repeated(edges: list[_Edge], n_pages: int) -> tuple[set[int], set[int]]:
    """ids of the cells to drop, and of those that repeat and stay, being the first."""
    by_key: dict[tuple[str, str], list[_Edge]] = defaultdict(list)
    for edge in edges:
        inside = (edge.zone == "top" and edge.place > _HEAD_ZONE) or (
            edge.zone == "bottom" and edge.place < 1 - _HEAD_ZONE
        )
        if inside or len(edge.cell.text) > _LONGEST:
            continue
        key = _key(edge.cell.text)
        if sum(map(str.isalpha, key)) >= 2:
            by_key[edge.zone, key].append(edge)
    drop: set[int] = set()
    kept: set[int] = set()
    for (zone, _), same in by_key.items():
        pages = len({edge.page for edge in same})
        if n_pages < 3 or pages < 2:
            continue
        if pages < 0.5 * n_pages and (pages < 5 or pages < 0.25 * n_pages):
            continue
        first = same[0]
        unchanged = len({re.sub(r"\s+", "", edge.cell.text) for edge in same}) == 1
        keep = {id(first.cell)} if zone == "top" and first.page == 0 and unchanged else set()
        drop |= {id(edge.cell) for edge in same} - keep
        kept |= keep
    return drop, kept


def _page_numbers(edges: list[_Edge], layouts: list[Layout]) -> set[int]:
    """Numbers at the outer rows that count with the pages, are named so, or stand alone."""
    found: list[tuple[_Edge, int]] = []
    for edge in edges:
        match = _PAGE_NUMBER.match(edge.cell.text[:40].strip())
        if edge.zone != "aside" and edge.rank < 2 and match:
            found.append((edge, _value(match[1])))
    shared = Counter(offset for _, offset in {(e.page, n - e.page) for e, n in found if n})
    drop = set()
    for edge, number in found:
        counts = bool(number) and shared[number - edge.page] > 1
        outer = edge.place < _NUMBER_ZONE or edge.place > 1 - _NUMBER_ZONE
        named = outer and bool(_NAMED_NUMBER.search(edge.cell.text))
        lone = _stands_alone(edge, layouts)
        if named or (lone and (counts or outer)) or (counts and outer):
            drop.add(id(edge.cell))
    return drop


def _value(text: str) -> int:
    if text.isdigit():
        return int(text)
    values = [{"i": 1, "v": 5, "x": 10, "l": 50}[c] for c in text.lower()]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


def _stands_alone(edge: _Edge, layouts: list[Layout]) -> bool:
    """The outermost row, of one cell, with white space to the rest of the page."""
    if edge.rank or len(edge.row.cells) > 1:
        return False
    rows = layouts[edge.page].rows()
    others = [abs(row.mid - edge.row.mid) for row in rows if row is not edge.row]
    return min(others, default=0.0) > 1.8 * edge.row.size


def _drop_line_numbers(layout: Layout) -> None:
    """Margin numbers 1, 2, 3 … beside most rows of a page (transcripts, drafts, statutes)."""
    rows = layout.rows()
    numbered = [row for row in rows if row.cells[0].text.isdecimal()]
    beside = sum(len(row.cells) > 1 for row in numbered)
    if len(numbered) < max(_MIN_LINE_NUMBERS, _LINE_NUMBERED * len(rows)):
        return
    wide = sum(len(row.cells) > 2 for row in numbered)
    if beside < 0.5 * len(numbered) or wide > 0.3 * len(numbered):
        return  # a column of numbers, a table of ranks
    numbers = [int(row.cells[0].text) for row in numbered]
    counting = sum(b - a == 1 for a, b in pairwise(numbers))
    if counting >= 0.9 * (len(numbers) - 1):
        for row in rows:
            if row.cells[0].text.isdecimal():
                del row.cells[0]
        layout.drop_empty()
