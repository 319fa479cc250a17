"""Tables and lines for people; plain text when there is no terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 200  # without a terminal nothing is folded that a file can hold


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH)
    return console


output = _console(stderr=False)
errors = _console(stderr=True)
progress = errors


def show_table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]], right: str = ""
) -> None:
    """Print a table; columns named in `right` (separated by blanks) are aligned to the right."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    numeric = right.split()
    for column in columns:
        justify = "right" if column in numeric else "left"
        table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(text(value) for value in row))
    output.print(table)


def text(value: Any) -> str:
    """A value as a person reads it."""
    from rich.markup import escape

    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return escape(str(value))


def size(count: float) -> str:
    """Bytes as a person reads them."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return ""
