"""One pace for all requests of a run, and patience with servers that ask for time.

The pace is kept in files of the run folder under advisory locks, so that all workers on all
machines share it without a service of their own; a lock ends with the process that holds it. The
rate is a leaky bucket: a file holds the time at which the next request may start, and whoever takes
that turn moves it on. Clocks of machines that differ shift turns by that difference.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import struct
import threading
import time
from collections.abc import Iterator

MOST_AHEAD = 3600.0  # turns beyond that are left from a clock that was wrong
POLL_SECONDS = 0.05
FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0


class Pace:
    """When requests may start, and how many may be open at once.

    Parameters
    ----------
    folder
        Local folder that all workers see, made when first needed; None keeps the pace within this
        process.
    per_second
        Requests started in a second, on the average; None for no limit.
    connections
        Requests open at once; None for no limit.
    """

    def __init__(
        self,
        folder: str | None = None,
        per_second: float | None = None,
        connections: int | None = None,
    ):
        self.folder, self.per_second, self.connections = folder, per_second, connections
        self._next, self._lock = 0.0, threading.Lock()
        self._slots = threading.BoundedSemaphore(connections) if connections else None

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn; the request is open while the context is."""
        with self._slot():
            wait = self._move(1 / self.per_second if self.per_second else 0.0)
            if wait > 0:
                time.sleep(wait)
            yield

    def pause(self, seconds: float) -> None:
        """Let no request start for that long: a server asked for it."""
        self._move(0.0, not_before=time.time() + min(seconds, MOST_AHEAD))

    def _move(self, step: float, not_before: float = 0.0) -> float:
        """Take the next turn and move it on by `step` seconds; returns how long to wait for it."""
        if self.folder is None:
            with self._lock:
                turn, wait = _turn(self._next, step, not_before)
                self._next = turn
            return wait
        os.makedirs(self.folder, exist_ok=True)
        handle = os.open(os.path.join(self.folder, "turn"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            stored = os.pread(handle, 8, 0)
            turn = struct.unpack("<d", stored)[0] if len(stored) == 8 else 0.0
            turn, wait = _turn(turn, step, not_before)
            os.pwrite(handle, struct.pack("<d", turn), 0)
            return wait
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        if not self.connections:
            yield
        elif self.folder is None:
            with self._slots:
                yield
        else:
            handle = self._take_slot()
            try:
                yield
            finally:
                os.close(handle)  # and with it the lock

    def _take_slot(self) -> int:
        os.makedirs(self.folder, exist_ok=True)
        while True:
            for number in random.sample(range(self.connections), self.connections):
                path = os.path.join(self.folder, f"connection-{number}")
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return handle
                except BlockingIOError:
                    os.close(handle)
            time.sleep(random.uniform(0, 2 * POLL_SECONDS))


def _turn(turn: float, step: float, not_before: float) -> tuple[float, float]:
    """The turn after this one, and how long to wait for this one."""
    now = time.time()
    turn = max(turn if turn - now <= MOST_AHEAD else now, now, not_before)
    return turn + step, turn - now


class Patience:
    """How long to wait before asking again, and when to give up.

    Delays are exponential with full jitter (Brooker, "Exponential backoff and jitter", AWS 2015),
    and never shorter than the server asked for.

    Parameters
    ----------
    give_up
        Seconds without progress after which no further try is worth it.
    """

    def __init__(self, give_up: float):
        self.give_up = give_up
        self.tries = 0
        self._since = time.monotonic()

    def progress(self) -> None:
        """Bytes have come: begin anew."""
        self.tries = 0
        self._since = time.monotonic()

    def wait(self, at_least: float | None = None, until: float | None = None) -> bool:
        """Sleep before the next try; False when it is time to give up instead.

        Parameters
        ----------
        at_least
            Seconds that the server asked for.
        until
            Monotonic time at which to give up already.
        """
        self.tries += 1
        ceiling = min(FIRST_DELAY * 2 ** min(self.tries - 1, 16), LONGEST_DELAY)
        delay = (at_least or 0.0) + random.uniform(0, ceiling)
        end = self._since + self.give_up
        left = min(end, end if until is None else until) - time.monotonic()
        if left <= 0 or (at_least or 0.0) > left:
            return False
        time.sleep(min(delay, max(left, at_least or 0.0)))
        return True
