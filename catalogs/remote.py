"""Remote files read like local ones: in large blocks, at one pace, and as often as it takes.

A block that breaks off is resumed where it broke. What a server answers in passing (429, 5xx,
resets, stalls, cut streams) is tried again with growing, jittered delays until nothing has come for
`give_up_seconds`; then the file is given up with one clear line. A file is one version of an
object: when size, ETag or time of modification change, reading it is an error.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from catalogs import objects
from catalogs.faults import NoRanges, RemoteError, Transient
from catalogs.objects import Object
from catalogs.pacing import Pace, Patience

FIRST_BLOCK = 1 << 20
RANDOM_BLOCK = 1 << 16
UNKNOWN_SECONDS = 5.0
"""How long a host may refuse connections that never accepted one ..."""
UNKNOWN_SECONDS_OF_A_RUN = 60.0
"""... and in a run, whose workers may begin while a server is started anew."""

T = TypeVar("T")


class Remote(BaseModel):
    """How remote inputs are read: one pace for the whole run, and how long to be patient."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_second: float | None = Field(
        10.0, gt=0, description="requests started in a second by all workers together; null: any"
    )
    connections: int | None = Field(
        16, ge=1, le=10_000, description="requests open at once, all workers together; null: any"
    )
    timeout_seconds: float = Field(
        30.0, gt=0, description="a connection that brings nothing for that long has stalled"
    )
    give_up_seconds: float = Field(
        600.0,
        gt=0,
        description="without progress for that long, at most half of limits.stall_seconds, the "
        "file and its shard fail",
    )
    block_mb: float = Field(8.0, gt=0, le=1024, description="largest read-ahead, MiB")
    spool_mb: float = Field(
        4096.0, gt=0, description="largest file of a server without ranges, kept on disk, MiB"
    )
    anonymous: bool = Field(False, description="read s3:// without credentials")


class Access:
    """Opens remote files under common settings and one pace.

    Parameters
    ----------
    settings
        The settings; defaults where None.
    folder
        Folder that all workers see, for the pace; None where this process is alone.
    beat
        Called before each request and each wait: a sign of life.

    Attributes
    ----------
    counts
        ``remote_requests``, ``remote_retries`` and ``remote_bytes`` so far.
    """

    def __init__(
        self,
        settings: Remote | None = None,
        folder: str | None = None,
        beat: Callable[[], None] = lambda: None,
    ):
        self.settings, self.beat = settings or Remote(), beat
        self.pace = Pace(folder, self.settings.requests_per_second, self.settings.connections)
        self.counts: Counter[str] = Counter()
        self._unknown_seconds = UNKNOWN_SECONDS if folder is None else UNKNOWN_SECONDS_OF_A_RUN

    def open(self, path: str) -> RemoteFile:
        """Open a remote file; nothing is asked for until it is read.

        Raises
        ------
        FileNotFoundError, PermissionError, RemoteError
            When reading, in one line that names the path.
        """
        return RemoteFile(self, self._object(path))

    def find(self, pattern: str) -> list[str]:
        """The objects that a path, folder or glob names; see `objects.find`."""
        return self.persist(pattern, lambda: objects.find(pattern, self.settings.anonymous))

    def look(self, path: str) -> tuple[int, str]:
        """Size and version stamp of an object; the size is -1 where the server does not tell."""
        found = self._object(path)
        self.persist(path, found.look)
        return found.size, found.stamp

    def persist(self, path: str, call: Callable[[], T]) -> T:
        """What a call returns that makes one request, tried as long as it is worth it."""
        patience = Patience(self.settings.give_up_seconds)
        while True:
            try:
                with self._turn():
                    return call()
            except Transient as fault:
                self._again(path, patience, fault)

    def transfer(self, source: Object, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of a range, resumed where a stream breaks off; fewer at the object's end."""
        patience = Patience(self.settings.give_up_seconds)
        while True:
            try:
                with self._turn():
                    for piece in source.fetch(start, stop):
                        if start == stop:
                            break  # more than was asked for
                        piece = piece[: stop - start]
                        start += len(piece)
                        self.counts["remote_bytes"] += len(piece)
                        patience.progress()
                        yield piece
                if start >= min(stop, source.size):
                    return
                raise Transient("the answer was cut")
            except Transient as fault:
                self._again(source.path, patience, fault)

    def spool(self, source: objects.HttpObject) -> io.BufferedRandom:
        """All of an object in a temporary file, for servers that know no ranges.

        A stream that breaks off is asked for again from the start, and what is there is passed over
        if the server vouches that it is the same version, else fetched anew.
        """
        limit = int(self.settings.spool_mb * (1 << 20))
        patience = Patience(self.settings.give_up_seconds)
        file = tempfile.TemporaryFile(prefix="corpusmill-")  # noqa: SIM115 (the caller's to close)
        furthest = 0
        while True:
            if not source.stamp:
                file.truncate(0)
            have = file.seek(0, 2)
            try:
                with self._turn():
                    position = 0
                    for piece in source.whole():
                        position += len(piece)
                        self.counts["remote_bytes"] += len(piece)
                        if position > have:
                            file.write(piece[-(position - have) :])
                            have = position
                        if max(position, source.size) > limit:
                            raise RemoteError(
                                f"{source.path}: the server knows no ranges and the file is larger "
                                f"than {limit} bytes; raise 'remote.spool_mb' or copy the file"
                            )
                        if position > furthest:
                            furthest = position
                            patience.progress()
                if position >= source.size:
                    source.size = position
                    file.flush()
                    return file
                raise Transient("the answer was cut")
            except Transient as fault:
                self._again(source.path, patience, fault)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        self.beat()
        with self.pace.turn():
            self.counts["remote_requests"] += 1
            yield

    def _again(self, path: str, patience: Patience, fault: Transient) -> None:
        self.beat()
        self.counts["remote_retries"] += 1
        if fault.slow_down and fault.wait:
            self.pace.pause(fault.wait)
        silence = fault.silence
        until = None
        if silence:  # counted by host: what it did to one object it will do to the next
            give_up = self.settings.give_up_seconds
            until = silence.since + (
                give_up if silence.known else min(give_up, self._unknown_seconds)
            )
        if patience.wait(fault.wait, until):
            return
        if silence and not silence.known:
            raise RemoteError(
                f"{path}: {fault} (for {time.monotonic() - silence.since:.0f} s); check the "
                "address, or run again"
            ) from None
        asked = f"; it asks to wait {fault.wait:.0f} s" if fault.wait else ""
        raise RemoteError(
            f"{path}: given up after {patience.tries} tries in a row (last answer: {fault}"
            f"{asked}); run again to go on, or raise 'remote.give_up_seconds'"
        ) from None

    def _object(self, path: str) -> Object:
        timeout = self.settings.timeout_seconds
        if objects.is_http(path):
            return objects.HttpObject(path, timeout)
        if objects.is_s3(path):
            anonymous = self.settings.anonymous  # finding out the bucket's region is a request
            return self.persist(path, lambda: objects.S3Object(path, timeout, anonymous))
        return objects.FsspecObject(path, timeout)


class RemoteFile(io.RawIOBase):
    """A remote object as a binary file that can seek.

    Reading on fetches blocks that double from 1 MiB to the largest; reading elsewhere fetches what
    is asked for. The last two blocks are kept.
    """

    def __init__(self, access: Access, source: Object):
        super().__init__()
        self.access, self.source = access, source
        self._position = 0
        self._blocks: list[tuple[int, bytes]] = []
        self._next_block = FIRST_BLOCK
        self._largest = max(int(access.settings.block_mb * (1 << 20)), 1)
        self._spool: io.BufferedRandom | None = None

    @property
    def size(self) -> int:
        if self.source.size is None:
            self._load(0, min(self._next_block, self._largest))
        return self.source.size

    def stamp(self) -> tuple[int, str]:
        """Size and version of the object as it was read."""
        return self.size, self.source.stamp

    def check(self) -> None:
        """Ask again for size and version, where the answers to reads do not tell them.

        Raises
        ------
        RemoteError
            When the object changed since it was opened.
        """
        if not isinstance(self.source, objects.HttpObject):
            self.access.persist(self.source.path, self.source.look)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, self.size if whence == 2 else 0)[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = max(0, self.size - self._position)
        parts, missing = [], size
        while missing > 0 and (part := self._some(missing)):
            parts.append(part)
            self._position += len(part)
            missing -= len(part)
        return b"".join(parts)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._blocks = []
        if self._spool is not None:
            self._spool.close()
        super().close()

    def _some(self, count: int) -> bytes:
        """Bytes at the position, at most `count`, at least one before the end of the file."""
        if self._spool is not None:
            self._spool.seek(self._position)
            return self._spool.read(count)
        for start, data in reversed(self._blocks):
            if start <= self._position < start + len(data):
                begin = self._position - start
                return data[begin : begin + count]
        if self.source.size is not None and self._position >= self.source.size:
            return b""
        onward = any(start + len(data) == self._position for start, data in self._blocks)
        if onward or self._position == 0:
            size, self._next_block = self._next_block, self._next_block * 2
            size = min(size, self._largest)
            self._next_block = min(self._next_block, self._largest)
        else:
            size, self._next_block = RANDOM_BLOCK, FIRST_BLOCK
        self._load(self._position, max(size, min(count, self._largest)))
        return self._some(count) if self._spool or self._covers() else b""

    def _covers(self) -> bool:
        start, data = self._blocks[-1]
        return start <= self._position < start + len(data)

    def _load(self, start: int, size: int) -> None:
        opened = self.source.size is not None
        try:
            data = b"".join(self.access.transfer(self.source, start, start + size))
        except NoRanges:
            self._spool = self.access.spool(self.source)
            return
        except OSError as error:
            if opened:
                raise RemoteError(f"{error} (it could be read before)") from None
            raise
        self._blocks = [*self._blocks[-1:], (start, data)]
