"""How a task that died tells the next try where it died.

A worker notes the range of records that it is about to tag; the driver, when it sees the worker
crash or stall, adds a strike to that range. The next try runs the struck range again; struck twice,
a range is halved; a single record struck often enough is quarantined. A crash that has nothing to
do with the records (a lost node, a driver killed) leaves no strike.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from catalogs import storage

BEAT_SECONDS = 20.0
SPLIT_AFTER = 2
QUARANTINE_AFTER = 3


@dataclass
class Journal:
    """Progress of one shard: the open range ``[first, last)`` and the strikes so far."""

    path: str
    open: tuple[int, int] | None = None
    strikes: dict[str, int] = field(default_factory=dict)
    beats: int = 0
    saved_at: float = 0.0

    @classmethod
    def load(cls, path: str) -> Journal:
        journal = cls(path)
        try:
            data = json.loads(storage.read_text(path))
        except (FileNotFoundError, ValueError):
            return journal
        journal.strikes = data.get("strikes", {})
        journal.open = tuple(data["open"]) if data.get("open") else None
        journal.beats = data.get("beats", 0)
        return journal

    def save(self) -> None:
        self.saved_at = time.monotonic()
        data = {"open": self.open, "strikes": self.strikes, "beats": self.beats}
        storage.write_text(self.path, json.dumps(data), durable=False)

    def enter(self, first: int, last: int) -> None:
        """Note that records ``[first, last)`` are being worked on."""
        self.open = (first, last)
        self.beats += 1
        self.save()

    def beat(self) -> None:
        """Sign of life between the records of a range; written at most every `BEAT_SECONDS`."""
        if time.monotonic() - self.saved_at > BEAT_SECONDS:
            self.beats += 1
            self.save()

    def strike(self) -> None:
        """Blame the open range for a crash."""
        if self.open is not None:
            key = _key(*self.open)
            self.strikes[key] = self.strikes.get(key, 0) + 1
            self.open = None
            self.save()

    def ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """The pieces in which ``[first, last)`` should be worked on."""
        if last - first > 1 and self.strikes.get(_key(first, last), 0) >= SPLIT_AFTER:
            middle = (first + last) // 2
            return self.ranges(first, middle) + self.ranges(middle, last)
        return [(first, last)]

    def poisoned(self, record: int) -> bool:
        """Whether this single record has brought down workers too often."""
        return self.strikes.get(_key(record, record + 1), 0) >= QUARANTINE_AFTER


def _key(first: int, last: int) -> str:
    return f"{first}-{last}"
