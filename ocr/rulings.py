"""Ruled tables: straight lines drawn on a page -> grids of cells.

Rules that touch belong together (Camelot's and pdfplumber's "lattice"); a group with two columns
and two rows or more is a grid.  Sides may be open: the ends of the other rules stand in for them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

Box = tuple[float, float, float, float]

THIN = 3.0  # points: a painted box not thicker is a rule
_SHORT = 6.0  # points: shorter ones are ornaments
_SNAP = 2.5  # points: rules nearer than that are one
_TOUCH = 3.0  # points between the end of a rule and the rule it meets
_MAX_RULES, _MAX_CELLS = 3000, 20_000  # a page with more is a drawing


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line at `at` (y of a horizontal, x of a vertical one) from `begin` to `end`."""

    at: float
    begin: float
    end: float

    def covers(self, place: float) -> bool:
        return self.begin - _TOUCH <= place <= self.end + _TOUCH


@dataclass(frozen=True, slots=True)
class Grid:
    """xs, ys: boundaries of columns and rows; beside[r][c]: may a cell at (r, c) go on to (r, c+1),
    below[r][c]: to (r+1, c), there being no rule between them?"""

    xs: list[float]
    ys: list[float]
    beside: list[list[bool]]
    below: list[list[bool]]

    def place(self, x: float, y: float) -> tuple[int, int] | None:
        """(row, column) of a point, None outside."""
        r, c = bisect_right(self.ys, y) - 1, bisect_right(self.xs, x) - 1
        inside = 0 <= r < len(self.ys) - 1 and 0 <= c < len(self.xs) - 1
        return (r, c) if inside else None


def horizontal(rules: list[Box]) -> list[Rule]:
    flat = [b for b in rules if b[3] - b[1] <= THIN and b[2] - b[0] >= _SHORT]
    return _joined([Rule((y0 + y1) / 2, x0, x1) for x0, y0, x1, y1 in flat])


def vertical(rules: list[Box]) -> list[Rule]:
    upright = [b for b in rules if b[2] - b[0] <= THIN and b[3] - b[1] >= _SHORT]
    return _joined([Rule((x0 + x1) / 2, y0, y1) for x0, y0, x1, y1 in upright])


def _joined(rules: list[Rule]) -> list[Rule]:
    """Rules snapped to common places, and those that overlap or touch end to end made one."""
    joined: list[Rule] = []
    places = _snapped([rule.at for rule in rules])
    for rule in sorted(rules, key=lambda rule: (places[rule.at], rule.begin)):
        at = places[rule.at]
        last = joined[-1] if joined else None
        if last and last.at == at and rule.begin <= last.end + _TOUCH:
            joined[-1] = Rule(at, last.begin, max(last.end, rule.end))
        else:
            joined.append(Rule(at, rule.begin, rule.end))
    return joined


def _snapped(places: list[float]) -> dict[float, float]:
    """Each place -> the first of those near it."""
    snapped: dict[float, float] = {}
    first = None
    for place in sorted(set(places)):
        if first is None or place - first > _SNAP:
            first = place
        snapped[place] = first
    return snapped


def grids(across: list[Rule], upright: list[Rule]) -> list[Grid]:
    """Grids of a page's rules, from the top."""
    if not across or not upright or len(across) + len(upright) > _MAX_RULES:
        return []
    found = []
    for hs, vs in _groups(across, upright):
        ys = _bounds([h.at for h in hs], [v.begin for v in vs], [v.end for v in vs])
        xs = _bounds([v.at for v in vs], [h.begin for h in hs], [h.end for h in hs])
        rows, columns = len(ys) - 1, len(xs) - 1
        if rows < 1 or columns < 2 or rows * columns > _MAX_CELLS:
            continue
        upright_at, across_at = _by_place(vs), _by_place(hs)
        beside = [
            [not _ruled(upright_at[x], ys[r], ys[r + 1]) for x in xs[1:-1]] for r in range(rows)
        ]
        below = [
            [not _ruled(across_at[y], xs[c], xs[c + 1]) for c in range(columns)] for y in ys[1:-1]
        ]
        found.append(Grid(xs, ys, beside, below))
    return sorted(found, key=lambda grid: (grid.ys[0], grid.xs[0]))


def _groups(across: list[Rule], upright: list[Rule]) -> list[tuple[list[Rule], list[Rule]]]:
    h = np.array([(rule.at, rule.begin, rule.end) for rule in across])
    v = np.array([(rule.at, rule.begin, rule.end) for rule in upright])
    meet = (
        (v[None, :, 0] >= h[:, None, 1] - _TOUCH)
        & (v[None, :, 0] <= h[:, None, 2] + _TOUCH)
        & (h[:, None, 0] >= v[None, :, 1] - _TOUCH)
        & (h[:, None, 0] <= v[None, :, 2] + _TOUCH)
    )
    group_of_h = [-1] * len(across)
    groups: list[tuple[set[int], set[int]]] = []
    for first in range(len(across)):
        if group_of_h[first] >= 0:
            continue
        hs, vs, waiting = {first}, set(), [first]
        while waiting:
            new = set(np.flatnonzero(meet[waiting].any(axis=0)).tolist()) - vs
            vs |= new
            more = set(np.flatnonzero(meet[:, sorted(new)].any(axis=1)).tolist()) - hs
            hs |= more
            waiting = sorted(more)
        for i in hs:
            group_of_h[i] = len(groups)
        groups.append((hs, vs))
    return [
        ([across[i] for i in sorted(hs)], [upright[i] for i in sorted(vs)])
        for hs, vs in groups
        if vs
    ]


def _bounds(places: list[float], begins: list[float], ends: list[float]) -> list[float]:
    """Where rules stand, and the ends of those across them where they reach further out."""
    bounds = sorted(set(_snapped(places).values()))
    low, high = min(begins), max(ends)
    if low < bounds[0] - 2 * _TOUCH:
        bounds.insert(0, low)
    if high > bounds[-1] + 2 * _TOUCH:
        bounds.append(high)
    return bounds


def _by_place(rules: list[Rule]) -> dict[float, list[Rule]]:
    found: dict[float, list[Rule]] = defaultdict(list)
    for rule in rules:
        found[rule.at].append(rule)
    return found


def _ruled(rules: list[Rule], begin: float, end: float) -> bool:
    return any(rule.covers((begin + end) / 2) for rule in rules)


def parts(upright: list[Rule], left: float, right: float, y: float) -> bool:
    """Does a vertical rule stand between two places of a line?"""
    return any(left < rule.at < right and rule.begin < y < rule.end for rule in upright)


def spans(grid: Grid) -> dict[tuple[int, int], tuple[int, int]]:
    """Each cell -> the first cell of the rectangle it is merged with (itself, mostly)."""
    rows, columns = len(grid.ys) - 1, len(grid.xs) - 1
    first: dict[tuple[int, int], tuple[int, int]] = {}
    for r in range(rows):
        for c in range(columns):
            if (r, c) in first:
                continue
            right = c
            while right + 1 < columns and grid.beside[r][right] and (r, right + 1) not in first:
                right += 1
            bottom = r
            while bottom + 1 < rows and _goes_down(grid, bottom, c, right):
                bottom += 1
            for i in range(r, bottom + 1):
                for j in range(c, right + 1):
                    first[i, j] = (r, c)
    return first


def _goes_down(grid: Grid, r: int, left: int, right: int) -> bool:
    open_below = all(grid.below[r][c] for c in range(left, right + 1))
    return open_below and all(grid.beside[r + 1][c] for c in range(left, right))
