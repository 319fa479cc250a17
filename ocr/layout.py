"""Reading order: lines with boxes -> columns -> rows.  Text layer and OCR share it.

A recursive XY-cut (Nagy, Seth & Viswanathan, 1992) with two departures that running pages need:
horizontal bands that share a gutter are cut together, so columns are read down and not across,
and a gutter is only cut where its sides read as columns, so tables are read across and not down.

Coordinates: any unit, origin at the top left, the writing turned horizontal.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from statistics import median

from ocr.characters import has_rtl
from ocr.rulings import Rule

Break = tuple[int, float, float]


@dataclass(slots=True)
class Line:
    """Words on one baseline without a wide gap: a whole line of prose or one cell of a table.

    score: an engine's confidence in its text, 0 to 1.  table: the text is a Markdown table.
    mono: all in a typewriter's font.
    breaks: offset of each space in the text, with the end of the word before and the start of the
    word behind it; empty where not known.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool = False
    score: float | None = None
    table: bool = False
    mono: bool = False
    breaks: list[Break] = field(default_factory=list)

    @property
    def mid(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def half(self) -> float:
        """Half the height the letters take: loose font boxes of close-set lines overlap."""
        return 0.35 * min(self.y1 - self.y0, self.size or self.y1 - self.y0)

    def split(self, at: list[Break]) -> list[Line]:
        """The line parted at some of its breaks."""
        parts, begin, left = [], 0, self.x0
        for offset, x0, x1 in [*at, (len(self.text), self.x1, 0.0)]:
            own = [(o - begin, a, b) for o, a, b in self.breaks if begin < o < offset]
            text = self.text[begin:offset]
            parts.append(replace(self, text=text, x0=left, x1=x0, breaks=own))
            begin, left = offset + 1, x1
        return parts


@dataclass(slots=True)
class Row:
    """Lines side by side, in reading order."""

    cells: list[Line]

    @property
    def text(self) -> str:
        return " ".join(cell.text for cell in self.cells)

    @property
    def x0(self) -> float:
        return min(cell.x0 for cell in self.cells)

    @property
    def x1(self) -> float:
        return max(cell.x1 for cell in self.cells)

    @property
    def y0(self) -> float:
        return min(cell.y0 for cell in self.cells)

    @property
    def y1(self) -> float:
        return max(cell.y1 for cell in self.cells)

    @property
    def mid(self) -> float:
        if len(self.cells) == 1:
            return self.cells[0].mid
        return max(self.cells, key=lambda cell: cell.size).mid

    @property
    def size(self) -> float:
        if len(self.cells) == 1:
            return self.cells[0].size
        return max(self.cells, key=lambda cell: len(cell.text)).size

    @property
    def bold(self) -> bool:
        return all(cell.bold for cell in self.cells)

    @property
    def mono(self) -> bool:
        return all(cell.mono for cell in self.cells)


@dataclass(slots=True)
class Layout:
    """A page's rows in reading order, region by region (a region is one column or block).

    approximate: sizes are measured off an image, so small differences mean nothing.
    aside: text at right angles to the page's own or slanted (labels of figures, watermarks);
    stamps: such text in the margin, beside all the page's own.
    across, upright: straight lines drawn on the page, horizontal and vertical.
    """

    width: float
    height: float
    regions: list[list[Row]] = field(default_factory=list)
    aside: list[Row] = field(default_factory=list)
    stamps: list[Row] = field(default_factory=list)
    approximate: bool = False
    across: list[Rule] = field(default_factory=list)
    upright: list[Rule] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return [row for region in self.regions for row in region]

    def drop_empty(self) -> None:
        """Forget rows without cells and regions without rows."""
        self.regions = [[row for row in region if row.cells] for region in self.regions]
        self.regions = [region for region in self.regions if region]
        self.aside = [row for row in self.aside if row.cells]


_ROW_MATES = 16  # lines of a row that a new one is compared with


def lay_out(lines: list[Line], width: float, height: float, approximate: bool = False) -> Layout:
    """Lines in any order -> Layout."""
    rtl = sum(len(line.text) for line in lines if has_rtl(line.text)) * 2 > sum(
        len(line.text) for line in lines
    )
    regions = [rows_of(region, rtl) for region in _cut(lines, rtl, 0)] if lines else []
    return Layout(width, height, regions, approximate=approximate)


def rows_of(lines: list[Line], rtl: bool = False) -> list[Row]:
    """Lines grouped to rows by overlap in height, top to bottom."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.mid, line.x0)):
        for row in rows[-2:]:
            if any(_beside(line, other) for other in row[-_ROW_MATES:]):
                row.append(line)
                break
        else:
            rows.append([line])
    return [Row(sorted(row, key=lambda line: -line.x1 if rtl else line.x0)) for row in rows]


def _beside(a: Line, b: Line) -> bool:
    # comparisons, where min and max would do: called for every pair of neighbours
    overlap = (a.y1 if a.y1 < b.y1 else b.y1) - (a.y0 if a.y0 > b.y0 else b.y0)
    if overlap < 0.5 * (a.y1 - a.y0) and overlap < 0.5 * (b.y1 - b.y0):
        return False
    # Two lines of one column overlap in x; set tight, their font boxes may overlap in y too.
    return min(a.x1, b.x1) - max(a.x0, b.x0) < 0.5 * min(a.x1 - a.x0, b.x1 - b.x0)


# --- cutting ---------------------------------------------------------------------------------

_MAX_DEPTH = 6
_MAX_GUTTERS = 12  # widest gaps tried
_MANY_LINES, _MANY_CELLS = 400, 6  # lines on a page, and on each row of it
_MIN_GUTTER = 0.6  # of the median font size
_FULL_ROW = 0.75  # of the column's width: a row that fills its column
_MIN_FULL = 0.35  # share of full rows in a column of prose
_MIN_CHARS = 12  # mean characters a row in a column of prose
_ALIGNED = 0.7  # share of rows facing a row across the gutter, from which it is a table

Span = tuple[float, float]


def _cut(lines: list[Line], rtl: bool, depth: int) -> list[list[Line]]:
    if len(lines) < 3 or depth > _MAX_DEPTH:
        return [lines]
    if len(lines) > _MANY_LINES and len(lines) > _MANY_CELLS * len(rows_of(lines)):
        return [lines]  # a table as large as the page
    narrow = _MIN_GUTTER * median(line.size for line in lines)
    gaps = sorted(_gaps(lines, narrow), key=lambda gap: gap[0] - gap[1])[:_MAX_GUTTERS]
    cuts = sorted(gap for gap in gaps if _splits_columns(lines, gap))
    if cuts:
        columns = _split(lines, cuts)
        if rtl:
            columns.reverse()
        return [region for column in columns for region in _cut(column, rtl, depth + 1)]
    groups = _group_bands(_bands(lines), narrow)
    if len(groups) < 2:
        return [lines]
    return [region for group in groups for region in _cut(group, rtl, depth + 1)]


def _gaps(lines: list[Line], narrow: float) -> list[Span]:
    """Empty vertical strips between the lines, at least `narrow` wide."""
    gaps, reach = [], None
    for line in sorted(lines, key=lambda line: line.x0):
        if reach is not None and line.x0 - reach >= narrow:
            gaps.append((reach, line.x0))
        reach = line.x1 if reach is None else max(reach, line.x1)
    return gaps


def _split(lines: list[Line], cuts: list[Span]) -> list[list[Line]]:
    columns: list[list[Line]] = [[] for _ in range(len(cuts) + 1)]
    for line in lines:
        columns[sum(line.x0 >= right - 1e-6 for _, right in cuts)].append(line)
    return columns


def _splits_columns(lines: list[Line], gap: Span) -> bool:
    left, right = (rows_of(side) for side in _split(lines, [gap]))
    left_prose, right_prose = _is_prose(left), _is_prose(right)
    if left_prose and right_prose:
        return True
    if _runs_on(left) and _runs_on(right):
        return True
    if not left_prose and not right_prose:
        return False
    prose, other = (left, right) if left_prose else (right, left)
    if len(other) < 4 and _width(other) > 0.6 * _width(prose) and _letters(other) > 0.6:
        return True  # the last lines of a text, at the head of its next column
    return len(other) > 1 and _facing(other, prose) < _ALIGNED * len(other)


def _facing(rows: list[Row], others: list[Row]) -> int:
    """How many rows stand level with one of the others."""
    mids = sorted(row.mid for row in others)
    count = 0
    for row in rows:
        at = bisect_left(mids, row.mid)
        count += any(abs(row.mid - mid) < 0.15 * row.size for mid in mids[max(0, at - 1) : at + 1])
    return count


def _width(rows: list[Row]) -> float:
    return max(row.x1 for row in rows) - min(row.x0 for row in rows)


def _is_prose(rows: list[Row]) -> bool:
    """Do these rows read as a column: several, mostly letters, many of them full?"""
    if len(rows) < 3:
        return False
    texts = [row.text for row in rows]
    left, right = min(row.x0 for row in rows), max(row.x1 for row in rows)
    full = sum(row.x1 - row.x0 > _FULL_ROW * (right - left) for row in rows)
    cells = sum(len(row.cells) for row in rows)
    return (
        sum(map(len, texts)) >= _MIN_CHARS * len(rows)
        and full >= _MIN_FULL * len(rows)
        and cells < 1.7 * len(rows)
        and _letters(rows) > 0.6
    )


def _runs_on(rows: list[Row]) -> bool:
    """Do most rows begin in the middle of a sentence (short lines of side-by-side texts)?"""
    later = rows[1:]
    return len(later) > 1 and sum(r.text[:1].islower() for r in later) >= 0.6 * len(later)


def _letters(rows: list[Row]) -> float:
    text = "".join(row.text for row in rows).replace(" ", "")
    return sum(map(str.isalpha, text)) / max(1, len(text))


def _bands(lines: list[Line]) -> list[list[Line]]:
    """Lines grouped by the empty horizontal strips between them, top to bottom."""
    bands: list[list[Line]] = []
    reach = 0.0
    for line in sorted(lines, key=lambda line: line.mid - line.half):
        if not bands or line.mid - line.half > reach:
            bands.append([])
            reach = line.mid + line.half
        bands[-1].append(line)
        reach = max(reach, line.mid + line.half)
    return bands


def _group_bands(bands: list[list[Line]], narrow: float) -> list[list[Line]]:
    """Neighbouring bands that leave a common gutter free go together; so do those without one."""
    groups: list[list[list[Line]]] = []
    gutters: list[Span] = []
    for band in bands:
        own = _gaps(band, narrow)
        shared = _free(gutters, band, narrow) if gutters else []
        if groups and (shared or (not gutters and not own)):
            groups[-1].append(band)
            gutters = shared
        else:
            if groups and gutters and len(groups[-1]) > 1:
                groups.extend(_tail(groups.pop(), band, narrow))
            ahead = _first_of_column(groups, own, band) if groups and not gutters else []
            groups.append([*ahead, band])
            gutters = own
    return [[line for band in group for line in band] for group in groups]


def _first_of_column(
    groups: list[list[list[Line]]], gutters: list[Span], band: list[Line]
) -> list[list[Line]]:
    """Taken off the last group: bands right above that stand right of a gutter, where a column
    begins higher than those before it."""
    ahead: list[list[Line]] = []
    below = band
    while True:
        last = groups[-1][-1]
        left = min(line.x0 for line in last)
        if not _near(last, below):
            return ahead
        if len(groups[-1]) == 1 or not any(left >= right - 1e-6 for _, right in gutters):
            groups[-1].extend(ahead)  # they belong to what stands above
            return []
        ahead.insert(0, groups[-1].pop())
        below = last


def _near(above: list[Line], below: list[Line]) -> bool:
    size = min(above[0].size, below[0].size)
    return min(x.y0 for x in below) - max(x.y1 for x in above) < 0.8 * size


def _free(gutters: list[Span], band: list[Line], narrow: float) -> list[Span]:
    """What is left of the gutters where the band's lines do not run into them."""
    free = gutters
    for line in band:
        free = [
            piece
            for left, right in free
            for piece in (
                [(left, right)]
                if line.x1 <= left or line.x0 >= right
                else [(left, line.x0), (line.x1, right)]
            )
            if piece[1] - piece[0] >= narrow
        ]
    return free


def _tail(group: list[list[Line]], following: list[Line], narrow: float) -> list[list[list[Line]]]:
    """A heading or two under the columns, nearer to the full-width text behind it, goes there."""
    last = max((i for i, band in enumerate(group) if _gaps(band, narrow)), default=len(group) - 1)
    tail = group[last + 1 :]
    if not tail or len(tail) > 2:
        return [group]
    above = min(x.y0 for x in tail[0]) - max(x.y1 for x in group[last])
    below = min(x.y0 for x in following) - max(x.y1 for x in tail[-1])
    return (
        [group[: last + 1], tail]
        if above > 1.3 * max(below, 0.0) + 0.5 * tail[0][0].size
        else [group]
    )
