"""Small figures as inline SVG that takes its colours from the page (`page.css`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from catalogs.axis import Axis, number

WIDTH, HEIGHT = 736, 240
LEFT, RIGHT, TOP, BOTTOM = 72, 14, 36, 42
COLOURS = {
    "kept": "--accent",
    "cut": "--second",
    "duplicate": "--third",
    "other": "--line",
    "apart": "--band",
    "documents": "--accent",
    "tokens": "--second",
}
Mark = tuple[float, str, bool]
"""Value, what to write at it, and whether it is the main one."""


def histogram(
    axis: Axis, layers: dict[str, Sequence[int]], marks: Sequence[Mark], title: str
) -> Markup:
    """Stacked bars whose height is the square root of the number, so that small ones are seen."""
    totals = [sum(values) for values in zip(*layers.values(), strict=True)]
    top = max([1, *totals])
    inner = HEIGHT - TOP - BOTTOM
    parts = []
    for tick in _counts(top):
        y = HEIGHT - BOTTOM - inner * math.sqrt(tick / top)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "--line", 0.6))
        parts.append(_words(LEFT - 6, y + 4, f"{tick:,}", "end"))
    step = (WIDTH - LEFT - RIGHT) / axis.bins
    for place, total in enumerate(totals):
        y = float(HEIGHT - BOTTOM)
        tall = inner * math.sqrt(total / top)
        for name, values in layers.items():
            size = tall * values[place] / total if total else 0
            if size:
                y -= size
                x = LEFT + step * place
                parts.append(
                    f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(step - 1, 1):.1f}" '
                    f'height="{size:.1f}" fill="var({COLOURS[name]})"/>'
                )
    return _svg([*parts, *_ground(axis, marks)], title)


def curves(
    axis: Axis, lines: dict[str, Sequence[tuple[float, float]]], marks: Sequence[Mark], title: str
) -> Markup:
    """Shares between 0 and 1 along the axis."""
    inner = HEIGHT - TOP - BOTTOM
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = HEIGHT - BOTTOM - inner * tick
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "--line", 0.6))
        parts.append(_words(LEFT - 6, y + 4, f"{100 * tick:.0f} %", "end"))
    for name, points in lines.items():
        path = " ".join(
            f"{_x(axis, value):.1f},{HEIGHT - BOTTOM - inner * share:.1f}"
            for value, share in points
        )
        dash = ' stroke-dasharray="6 3"' if name == "tokens" else ""
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="var({COLOURS[name]})" '
            f'stroke-width="2"{dash}/>'
        )
    return _svg([*parts, *_ground(axis, marks)], title)


def spark(axis: Axis, values: Sequence[int], marks: Sequence[Mark], title: str) -> Markup:
    """Bars as small as a word, heights as in `histogram`."""
    wide, tall = 136, 24
    top = max([1, *values])
    step = wide / axis.bins
    parts = [_line(0, tall - 0.5, wide, tall - 0.5, "--line", 1)]
    for place, value in enumerate(values):
        if value:
            size = max(1.0, (tall - 2) * math.sqrt(value / top))
            parts.append(
                f'<rect x="{step * place:.1f}" y="{tall - 1 - size:.1f}" width="{step:.1f}" '
                f'height="{size:.1f}" fill="var(--accent)"/>'
            )
    for value, _, main in marks:
        x = axis.place(value) * wide
        parts.append(_line(x, 0, x, tall, "--ink" if main else "--soft", 1.5 if main else 1))
    return Markup(
        f'<svg class="spark" viewBox="0 0 {wide} {tall}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _ground(axis: Axis, marks: Sequence[Mark]) -> list[str]:
    base = HEIGHT - BOTTOM
    parts = [_line(LEFT, base, WIDTH - RIGHT, base, "--soft", 1)]
    for tick in axis.ticks():
        x = _x(axis, tick)
        parts.append(_line(x, base, x, base + 4, "--soft", 1))
        parts.append(_words(x, base + 22, number(tick), "middle"))
    main = next((_x(axis, value) for value, _, chosen in marks if chosen), 0.0)
    sides: set[str] = set()
    for value, told, chosen in sorted(marks, key=lambda mark: not mark[2]):
        x = _x(axis, value)
        colour = "--ink" if chosen else "--soft"
        parts.append(_line(x, TOP - 8, x, base, colour, 1.6, "" if chosen else "3 3"))
        others = [_x(axis, other) for other, _, main_one in marks if not main_one]
        middle = sum(others) / len(others) if others else WIDTH / 2
        anchor = ("start" if x >= middle else "end") if chosen else "end" if x < main else "start"
        if not others:
            anchor = "end" if x > WIDTH - 150 else "start"
        if anchor not in sides:  # one label on either side; the note below explains the lines
            parts.append(_words(x, TOP - 14, told, anchor, colour))
            sides.add(anchor)
    return parts


def _counts(top: int) -> list[int]:
    """Round numbers up to `top`, far enough apart for a scale of square roots."""
    found: list[int] = []
    for power in range(len(str(top)), -1, -1):
        for factor in (5, 2, 1):
            value = factor * 10**power
            if value <= top and (not found or value <= found[-1] / 5):
                found.append(value)
    return [0, *(value for value in reversed(found[:3]) if value >= 0.015 * top)]


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def _line(x1, y1, x2, y2, colour: str, width: float, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="var({colour})" stroke-width="{width}"{dashed}/>'
    )


def _words(x: float, y: float, text: str, anchor: str, colour: str = "--soft") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'fill="var({colour})">{escape(text)}</text>'
    )


def _svg(parts: list[str], title: str) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" style="--width: {WIDTH}px" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
