"""Tables without rules: rows whose cells stand in columns."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ocr.gutters import close_head, parted
from ocr.layout import Line, Row
from ocr.markdown_table import cell_text, head_joined, is_number, markdown, without_sides
from ocr.paragraphs import LABEL, ends_sentence, join_lines
from ocr.rulings import Rule

_MAX_CELL = 120  # mean characters of a cell, above which it is prose
_GAP = 2.6  # of the font size: white space between rows that ends a table
_LOOSE = 1.6  # of the usual row distance: the same
_ALONE = 3  # rows of one cell in a row inside a table
_ALIGNED = 0.6  # share of a column's cells that stand in line
_HEAD_ROWS = 2
_MOST_BRIDGED = 12  # lines of one row of a table
_MATHS = re.compile("[=∑∏∫√∈∂∇⊆⊂→↦≡≈∀∃]")
_LEADERS = re.compile(r"(?:\. ?){4,}|…{2,}|_{6,}")


@dataclass(frozen=True, slots=True)
class Found:
    """rows[begin:end] are a table, written in `text`."""

    begin: int
    end: int
    text: str


def stacked(regions: list[list[Row]]) -> list[list[Row]]:
    """Regions with a region right below them that may go on with their table made one."""
    stacks: list[list[Row]] = []
    for region in regions:
        if stacks and _stacks(stacks[-1], region):
            stacks[-1] = stacks[-1] + region
        else:
            stacks.append(region)
    return stacks


def _stacks(above: list[Row], below: list[Row]) -> bool:
    near = [*above[-_ALONE:], *below[:_ALONE]]
    if not any(len(_cells(row)) > 1 for row in near):
        return False
    size = max(above[-1].size, below[0].size, 1.0)
    if not -0.5 * size < below[0].mid - above[-1].mid < _GAP * size:
        return False
    a0, a1 = min(row.x0 for row in above), max(row.x1 for row in above)
    b0, b1 = min(row.x0 for row in below), max(row.x1 for row in below)
    return min(a1, b1) - max(a0, b0) > 0.5 * min(a1 - a0, b1 - b0)


def find_tables(rows: list[Row], across: list[Rule]) -> list[Found]:
    """Runs of rows whose cells stand in columns; `across`: horizontal rules of the page."""
    if sum(len(row.cells) > 1 for row in rows) < 2:
        return []
    rows, firsts = _bridged(rows)
    several = [len(_cells(row)) > 1 for row in rows]
    found: list[Found] = []
    i, free = 0, 0
    while i < len(rows):
        end = _run(rows, several, i) if several[i] and not rows[i].cells[0].table else i
        if end - i > 1:
            begin = i
            columns = _columns(rows[begin:end])
            while begin > max(free, i - _HEAD_ROWS) and _heads(
                rows[begin - 1], rows[begin], columns
            ):
                begin -= 1
            if begin == i > free and (head := close_head(rows[i - 1], rows[i], columns)):
                begin, rows[i - 1] = i - 1, head
            for table in _divided(rows, begin, end, i - begin, across):
                found.append(Found(firsts[table.begin], firsts[table.end], table.text))
                free = table.end
        i = max(end, i + 1)
    return found


def _bridged(rows: list[Row]) -> tuple[list[Row], list[int]]:
    """Rows that a cell in the middle of their height holds together (a one-line cell beside one of
    two lines) made one; and where each begins among the given ones, their end last."""
    groups: list[list[Row]] = []
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and _holds(before, row):
            groups[-1].append(row)
        else:
            groups.append([row])
    merged, firsts = [], [0]
    for group in groups:
        if 1 < len(group) <= _MOST_BRIDGED:
            cells = sorted((c for row in group for c in row.cells), key=lambda c: (c.x0, c.mid))
            merged.append(Row(cells))
            firsts.append(firsts[-1] + len(group))
        else:
            merged += group
            firsts += [firsts[-1] + i for i in range(1, len(group) + 1)]
    return merged, firsts


def _holds(above: Row, below: Row) -> bool:
    """Does a cell stand beside both rows?"""
    if len(above.cells) + len(below.cells) < 3 or above.cells[0].table or below.cells[0].table:
        return False
    return any(
        min(a.mid + a.half, b.mid + b.half) > max(a.mid - a.half, b.mid - b.half)
        and (a.x1 < b.x0 or b.x1 < a.x0)
        for a in above.cells
        for b in below.cells
    )


def _step(above: Row, below: Row) -> float:
    """From the last line of a row to the first of the next, as if all were one line high."""
    if len(above.cells) == 1 == len(below.cells):
        return below.mid - above.mid
    high = min(cell.y1 - cell.y0 for cell in below.cells)
    return below.y0 - above.y1 + high


def _divided(
    rows: list[Row], begin: int, end: int, n_heads: int, across: list[Rule]
) -> list[Found]:
    """The table of these rows; where they are none together, those above and below the widest
    white space."""
    if end - begin - n_heads < 2:
        return []
    if table := _aligned(rows[begin:end], n_heads, across):
        return [Found(begin, end, table)]
    steps = [_step(a, b) for a, b in pairwise(rows[begin + n_heads : end])]
    if len(steps) < 3 or max(steps) < 1.3 * median(steps):
        return []
    cut = begin + n_heads + steps.index(max(steps)) + 1
    return [
        *_divided(rows, begin, cut, n_heads, across),
        *_divided(rows, cut, end, 0, across),
    ]


def _cells(row: Row) -> list[Line]:
    """A list label or section number before words is no cell."""
    first, *others = row.cells
    label = bool(others) and LABEL.match(first.text) and not is_number(others[0].text)
    return others if label else row.cells


def _run(rows: list[Row], several: list[bool], begin: int) -> int:
    """End of the run of table rows that begins here."""
    end = i = begin + 1
    steps: list[float] = []
    while i < len(rows):
        row, before = rows[i], rows[i - 1]
        step, size = _step(before, row), max(row.size, before.size, 1.0)
        usual = median(steps) if len(steps) > 2 else 0.0
        if step < -0.3 * size or step > max(_GAP * size, _LOOSE * usual) or row.cells[0].table:
            break
        if several[i]:
            end = i + 1
        elif i - end >= _ALONE or not _fits(row, rows[begin:end]):
            break
        elif row.bold and not before.bold and usual and step > _LOOSE * usual:
            break  # a heading below the table
        steps.append(step)
        i += 1
    while end < len(rows) and end < i and _continues(rows[end], rows[begin:end]):
        end += 1
    return end


def _fits(row: Row, table: list[Row]) -> bool:
    """May a row of one cell stand in the table: under a column, or as the head of a group?"""
    cell = row.cells[0]
    left, right = min(r.x0 for r in table), max(r.x1 for r in table)
    em = max(row.size, 1.0)
    if cell.x0 < left - em or cell.x1 > right + em:
        return False
    under = sum(cell.x0 < b - 0.3 * em and cell.x1 > a + 0.3 * em for a, b in _columns(table))
    if under <= 1:
        return True
    narrow = cell.x0 < left + 2 * em or cell.x1 - cell.x0 < 0.7 * (right - left)
    return narrow and len(cell.text) < 80 and not ends_sentence(cell.text)


def _continues(row: Row, table: list[Row]) -> bool:
    """Is the row the rest of a cell in the last row, other than in its first column?"""
    cell, last = row.cells[0], table[-1]
    if len(row.cells) > 1 or row.mid - last.mid > 1.5 * max(row.size, 1.0):
        return False
    over = [c for c in last.cells[1:] if abs(c.x0 - cell.x0) < 0.7 * max(row.size, 1.0)]
    return bool(over) and cell.x1 <= max(r.x1 for r in table) + row.size


def _heads(row: Row, below: Row, columns: list[tuple[float, float]]) -> bool:
    """Is the row a head over some of the columns?"""
    em = max(row.size, 1.0)
    if row.cells[0].table or below.mid - row.mid > 2.2 * em or len(columns) < 2:
        return False
    left, right = columns[1][0] - 2 * em, columns[-1][1] + em
    return all(cell.x0 > left and cell.x1 < right for cell in row.cells) and len(row.text) < 100


def _wide_heads(rows: list[Row], columns: list[tuple[float, float]]) -> int:
    """How many of the first rows hold a head over several columns, and no number."""
    count = 0
    for row in rows[:_HEAD_ROWS]:
        over = [sum(c.x0 < b and c.x1 > a for a, b in columns) for c in row.cells]
        if max(over) < 2 or len(row.cells) < 2 or any(is_number(c.text) for c in row.cells):
            break
        count += 1
    return count if len(rows) > count + 1 else 0


def _columns(rows: list[Row]) -> list[tuple[float, float]]:
    """Extents of the columns, from the rows with most cells to those with least; a cell over
    several columns widens none."""
    columns: list[tuple[float, float]] = []
    for row in sorted(rows, key=lambda row: -len(row.cells)):
        if len(row.cells) == 1 and len(columns) > 1:
            continue
        for cell in row.cells:
            hit = [i for i, (a, b) in enumerate(columns) if cell.x0 < b and cell.x1 > a]
            if not hit:
                columns.append((cell.x0, cell.x1))
                columns.sort()
            elif len(hit) == 1:
                a, b = columns[hit[0]]
                columns[hit[0]] = min(a, cell.x0), max(b, cell.x1)
    return columns


def _aligned(rows: list[Row], n_heads: int, across: list[Rule]) -> str | None:
    """The rows as a table, or None when their cells do not stand in columns."""
    rows = parted(rows)
    n_heads = max(n_heads, _wide_heads(rows, _columns(rows)))
    columns = _columns(rows[n_heads:])
    if len(columns) < 2 or any(_LEADERS.search(row.text) for row in rows):
        return None
    lefts = [a for a, _ in columns]
    table: list[list[str]] = []
    members: list[list[Line]] = [[] for _ in columns]
    em = max(median(row.size for row in rows), 1.0)
    goes_on = _wrapped(rows, across)
    for i, row in enumerate(rows):
        own: list[list[Line]] = [[] for _ in columns]
        wide: list[tuple[int, int]] = []
        for cell in row.cells:
            left, right = _reach(cell, across, columns) if i < n_heads else (cell.x0, cell.x1)
            over = [c for c, (a, b) in enumerate(columns) if left < b and right > a]
            at = over[0] if over else max(0, bisect_right(lefts, cell.x0) - 1)
            own[at].append(cell)
            if len(over) == 1:
                members[at].append(cell)
            elif over and len(table) < n_heads:
                wide.append((at, over[-1]))
        texts = [cell_text(cells) for cells in own]
        for first, last in wide:  # a head over several columns stands over each of them
            texts[first : last + 1] = [texts[first]] * (last + 1 - first)
        above = table[-1] if len(table) > n_heads else None
        if above and (goes_on[i] or _rest(texts, above, rows[i - 1], row)):
            table[-1] = [
                join_lines(a, b) if a and b else a + b
                for a, b in zip(table[-1], texts, strict=True)
            ]
        else:
            table.append(texts)
    if not _plausible(table[n_heads:], members, em):
        return None
    return markdown(head_joined(without_sides(table)))


def _reach(cell: Line, across: list[Rule], columns: list[tuple[float, float]]):
    """How far a head reaches: as the rule under it does, where that is not the table's own."""
    left, right, middle = cell.x0, cell.x1, (cell.x0 + cell.x1) / 2
    whole = columns[-1][1] - columns[0][0]
    for rule in across:
        under = cell.mid < rule.at < cell.y1 + cell.size and rule.begin < middle < rule.end
        if under and rule.end - rule.begin < 0.9 * whole:
            left, right = min(left, rule.begin), max(right, rule.end)
    return left, right


def _wrapped(rows: list[Row], across: list[Rule]) -> list[bool]:
    """Which rows go on with the cells of the row above: where rules part some rows from others, or
    where rows of text stand in groups, nearer to each other than to the next group."""
    steps = [_step(a, b) for a, b in pairwise(rows)]
    ruled = [
        any(above.mid < rule.at < row.mid and rule.covers(row.cells[0].x0) for rule in across)
        for above, row in pairwise(rows)
    ]
    texts = [cell.text for row in rows for cell in row.cells]
    if sum(map(is_number, texts)) > 0.3 * len(texts):
        return [False] * len(rows)
    if sum(ruled) >= max(2, 0.2 * len(steps)):
        return [False, *(not parted for parted in ruled)]
    near = min(steps)
    far = [step > 1.25 * near for step in steps]
    if near < 1.5 * rows[0].size and 0.2 * len(far) <= sum(far) <= 0.75 * len(far):
        return [False, *(not parted for parted in far)]
    return [False] * len(rows)


def _rest(texts: list[str], above: list[str], before: Row, row: Row) -> bool:
    """Does a row without a first cell go on with the one cell it has?"""
    used = [c for c, text in enumerate(texts) if text]
    if len(used) != 1 or used == [0] or not above[used[0]] or is_number(texts[used[0]]):
        return False
    return row.mid - before.mid < 1.45 * max(row.size, 1.0)


def _plausible(table: list[list[str]], members: list[list[Line]], em: float) -> bool:
    columns = len(members)
    full = [row for row in table if sum(map(bool, row)) > 1]
    filled = sum(bool(text) for row in table for text in row)
    if len(full) < (3 if columns == 2 else 2) or filled < 0.35 * len(table) * columns:
        return False
    if filled == 0 or sum(len(t) for row in table for t in row) > _MAX_CELL * filled:
        return False
    lone = sum(bool(row[0]) and not any(row[1:]) for row in table)
    texts = [text for row in table for text in row if text]
    if lone > 0.34 * len(table) or sum(map(_formula, texts)) > 0.25 * len(texts):
        return False
    if columns == 2 and _contents(full):
        return False
    straight = sum(_in_line(cells, em) for cells in members[1:])
    return straight >= 0.7 * (columns - 1)


def _formula(text: str) -> bool:
    return bool(_MATHS.search(text))


def _in_line(cells: list[Line], em: float) -> bool:
    """Do a column's cells share their left edge, right edge or middle?"""
    for edge in (
        [cell.x0 for cell in cells],
        [cell.x1 for cell in cells],
        [(cell.x0 + cell.x1) / 2 for cell in cells],
    ):
        middle = median(edge)
        if sum(abs(x - middle) < 0.6 * em for x in edge) >= _ALIGNED * len(edge):
            return True
    return not cells


def _contents(rows: list[list[str]]) -> bool:
    """Titles with page numbers that only go up: a table of contents."""
    numbers = [int(row[-1]) for row in rows if row[-1].isdecimal()]
    return len(numbers) > 0.8 * len(rows) and numbers == sorted(numbers) and numbers[-1] > 9
