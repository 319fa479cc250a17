"""Progress of long work: bars with rate and ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from catalogs.ledger import Row

LINE_SECONDS = 10.0


class Progress:
    """Tells a person how far each step is."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True)
        self.skipped = 0
        self.done = 0

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)

    def skip(self, step: str, count: int) -> None:
        """Tell that a step was committed before."""
        self.skipped += count
        self.say(f"{step:<12} {count} of {count} shards already committed, nothing to do")

    @contextmanager
    def step(self, name: str, total: int, skipped: int) -> Iterator[Callable[[Row], None]]:
        """Follow one step; call what is yielded with the row of each finished shard."""
        self.skipped += skipped
        began, records, shards = time.monotonic(), 0, 0
        with self._bars() as bars:
            task = bars.add_task(name, total=total, rate="")
            last_line = began

            def advance(row: Row) -> None:
                nonlocal records, shards, last_line
                records, shards, self.done = records + row.read, shards + 1, self.done + 1
                now = time.monotonic()
                rate = f"{records / max(now - began, 1e-9):,.0f} records/s"
                bars.update(task, advance=1, rate=rate)
                if not self.console.is_terminal and now - last_line > LINE_SECONDS:
                    last_line = now
                    left = (now - began) / shards * (total - shards)
                    self.say(f"{name:<12} {shards} of {total} shards, {rate}, ETA {left:.0f} s")

            yield advance
        took = time.monotonic() - began
        before = f" ({skipped} already committed)" if skipped else ""
        self.say(f"{name:<12} {shards} shards{before}, {records:,} records in {took:.1f} s")

    @contextmanager
    def pages(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Follow the pages of files of `total` bytes; call what is yielded with each one's bytes.

        The bar is of bytes, since nobody knows how many pages there are.
        """
        began = last_line = time.monotonic()
        pages = done = 0
        with self._bars(TextColumn("{task.percentage:>3.0f} %")) as bars:
            task = bars.add_task(name, total=total, rate="")

            def advance(count: int) -> None:
                nonlocal pages, done, last_line
                pages, done, now = pages + 1, done + count, time.monotonic()
                rate = f"{pages:,} records, {pages / max(now - began, 1e-9):,.0f}/s"
                bars.update(task, completed=done, rate=rate)
                if not self.console.is_terminal and now - last_line > LINE_SECONDS:
                    last_line = now
                    left = (now - began) / max(done, 1) * max(total - done, 0)
                    self.say(
                        f"{name:<12} {100 * done // max(total, 1)} %, {rate}, ETA {left:.0f} s"
                    )

            yield advance

    def _bars(self, count: ProgressColumn | None = None) -> Bars:
        return Bars(
            SpinnerColumn(),
            TextColumn("{task.description:<12}"),
            BarColumn(),
            count or MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
