"""CPU seconds of the stages of a job: for its ledger row, never for its shards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Adds up the CPU time of this process by stage."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The time spent inside belongs to a stage."""
        began = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] += time.process_time() - began

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The items; the time to make them belongs to a stage."""
        iterator, end = iter(items), object()
        while True:
            with self.stage(name):
                item = next(iterator, end)
            if item is end:
                return
            yield item

    def stats(self) -> dict[str, float]:
        """``cpu_STAGE`` -> seconds."""
        return {f"cpu_{name}": round(spent, 3) for name, spent in sorted(self.seconds.items())}
