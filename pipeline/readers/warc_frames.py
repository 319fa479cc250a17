"""Framing of WARC and ARC files: where records begin and end, found again after any damage.

`frames` accounts for every byte of a file: each lies in a record, in a stretch reported as lost,
or in padding. It reads what the standard allows and what is found in the wild: bare line feeds,
folded fields, any case of field names, lengths that lie.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from pipeline.readers.compression import Codec, Run, runs
from pipeline.readers.dialects import WARC, Dialect
from pipeline.readers.input_file import PADDING, InputFile

MAX_HEADER = 1 << 16
TRUSTED_LIES = 16
SMALL = 1 << 20
SCAN = 1 << 14


@dataclass(frozen=True, slots=True)
class Frame:
    """One record as framed, or one lost stretch (`error` is set; `fields` may be empty).

    `block` is None when `error` is set, when the record was skipped on request, or when it is
    larger than what was asked for; `size` is the length of the block in either case.
    """

    offset: int
    length: int | None
    fields: dict[str, str]
    block: bytes | None = None
    size: int = 0
    error: str | None = None
    detail: str = ""


class Miscount(Exception):
    """A reader has passed over bytes or records: a bug, never bad input."""


@dataclass(slots=True)
class Count:
    """What a walk over a file has accounted for.

    Attributes
    ----------
    position
        All of the file before this offset lies in runs that have been used up.
    present
        Records that are there by the count of compressed members, whatever their framing says: one
        for a member that is not blank, and for damaged ones as many as they were reported as.
    by_member
        Whether that count says anything: each member begins a record and holds no other.
    """

    position: int = 0
    present: int = 0
    by_member: bool = True

    @property
    def records(self) -> int | None:
        """Records present; None where they cannot be counted without reading them."""
        return self.present if self.by_member else None

    def begin(self, run: Run, file: InputFile) -> None:
        if run.offset > self.position and run.offset != file.after_padding(self.position):
            raise Miscount(f"bytes {self.position} to {run.offset} were passed over")

    def finish(self, run: Run, found: int, damaged: bool) -> None:
        left = sum(len(chunk) for chunk in run.chunks)
        if left:
            raise Miscount(f"{left} inflated bytes were left over in bytes {run.offset}-{run.end}")
        self.position = run.end
        self.present += found if damaged else int(run.filled)
        if not damaged and (found > 1 or run.members > 1):
            self.by_member = False

    def check(self, file: InputFile) -> None:
        if file.after_padding(self.position) != file.size:
            raise Miscount(f"reading ended at byte {self.position} of {file.size}")


def frames(
    file: InputFile,
    codec: Codec | None,
    keep: Callable[[dict[str, str]], int],
    dialect: Dialect = WARC,
    count: Count | None = None,
) -> Iterator[Frame]:
    """Every record of a WARC or ARC file, in order.

    Parameters
    ----------
    keep
        Gets the fields of a header (names in lower case) and returns how many bytes of the block
        may be held in memory; larger blocks are passed over, and their `block` is None.
    dialect
        How records begin.
    count
        Filled in while walking.

    Raises
    ------
    Miscount
        When some of the file has been passed over.
    """
    origin, skip, lies = 0, 0, 0
    count = Count() if count is None else count
    count.by_member = codec is not None
    tally = _Tally()
    while True:
        for run in runs(file, codec, accept=dialect.starts, starts=dialect.starts, start=origin):
            count.begin(run, file)
            found = _frames_of(run, skip, keep, lies, codec is None, dialect)
            back = yield from tally.passing(found)
            skip = 0
            if back is not None:
                # a lying length led too far: open the run again where the next record begins
                lies += 1
                origin, skip = (back, 0) if codec is None else (run.offset, back - run.offset)
                count.position = origin
                break
            count.finish(run, tally.found, tally.damaged)
            tally = _Tally()
        else:
            count.check(file)
            return


@dataclass(slots=True)
class _Tally:
    """Frames found in one run so far, and whether one of them was damaged."""

    found: int = 0
    damaged: bool = False

    def passing(
        self, found: Generator[Frame, None, int | None]
    ) -> Generator[Frame, None, int | None]:
        while True:
            try:
                frame = next(found)
            except StopIteration as end:
                return end.value
            self.found += 1
            self.damaged = self.damaged or frame.error is not None
            yield frame


def _frames_of(
    run: Run, skip: int, keep: Callable, lies: int, plain: bool, dialect: Dialect
) -> Generator[Frame, None, int | None]:
    """Yield the frames of one run; return an offset to go back to, or None."""
    cursor = _Cursor(run.chunks, run.offset, dialect)
    cursor.skip(skip)
    while True:
        cursor.skip_padding()
        if not cursor.has(1):
            if run.lost is not None:
                yield _lost(run, cursor.offset, _salvaged(run.lost.head, dialect))
            return None
        if cursor.begins_record():
            back = yield from _record(run, cursor, keep, lies >= TRUSTED_LIES, plain)
            if back is not None:
                return back
        else:
            offset, junk = cursor.offset, _junk(cursor)
            cursor.seek_record()
            yield _bad(run, offset, cursor, {}, "warc_header", junk)


def _record(
    run: Run, cursor: _Cursor, keep: Callable, stop: bool, plain: bool
) -> Generator[Frame, None, int | None]:
    """Yield the record that begins here, and junk that follows; return as `_frames_of` does."""
    offset, header = cursor.offset, cursor.take_header()
    fields = cursor.dialect.parse(header) if header is not None else {}
    size = _size(fields)
    if size is None:
        if header is None:
            cursor.skip(1)
        cursor.seek_record()
        what = "has no end" if header is None else "has no usable Content-Length"
        yield _bad(run, offset, cursor, fields, "warc_header", f"the WARC header {what}")
        return None
    begin, limit = cursor.offset, keep(fields)
    pieces, found, inside = cursor.take(size, max(limit, SMALL), stop)
    ahead = cursor.peek(
        cursor.dialect.look
    )  # a block too long by a few bytes ends in a record's first line
    cursor.skip_padding()
    whole = found == size and (not cursor.has(1) or cursor.begins_record())
    broken = run.lost is not None and not cursor.has(1)
    block = b"".join(pieces)
    if not whole and inside is None:
        spot = cursor.dialect.find(block + ahead, 0)
        inside = begin + spot if 0 <= spot < len(block) else None
    if size > limit or found < size:
        block = None
    if whole and not broken:
        yield Frame(offset, _length(run, offset, cursor), fields, block, size)
    elif inside is not None:
        detail = f"Content-Length is {size}, but {inside - begin} bytes on a record begins"
        yield Frame(offset, inside - offset, fields, error="warc_length", detail=detail)
        return inside if cursor.offset != inside else None
    elif broken:
        yield _lost(run, offset, fields)
    elif found == size:
        end, junk = cursor.offset, _junk(cursor)
        cursor.seek_record()
        if run.lost is not None and not cursor.has(1):
            yield _lost(run, offset, fields)  # the junk is what damage made of the member
        else:
            yield Frame(offset, end - offset, fields, block, size)
            yield _bad(run, end, cursor, {}, "warc_header", junk)
    else:
        error = "truncated_file" if plain else "warc_length"
        detail = f"Content-Length is {size}, but only {found} bytes are there"
        yield _bad(run, offset, cursor, fields, error, detail)
    return None


def _junk(cursor: _Cursor) -> str:
    return f"expected a record, found {cursor.peek(24)!r}"


def _length(run: Run, offset: int, cursor: _Cursor) -> int:
    """Bytes of a record: of the file where it fills its run, else of the (inflated) stream."""
    if offset == run.offset and not cursor.has(1):
        return run.end - run.offset
    return cursor.offset - offset


def _bad(run: Run, offset: int, cursor: _Cursor, fields: dict, error: str, detail: str) -> Frame:
    if run.lost is not None and not cursor.has(1):
        return _lost(run, offset, fields)
    return Frame(offset, _length(run, offset, cursor), fields, error=error, detail=detail)


def _lost(run: Run, offset: int, fields: dict) -> Frame:
    """The damage that ended a run, told once, with the fields of the record that it cut."""
    lost, run.lost = run.lost, None
    begin = offset if offset == run.offset else min(lost.at, run.end)
    return Frame(begin, run.end - begin, fields, error=lost.error, detail=lost.detail)


def _salvaged(head: bytes, dialect: Dialect) -> dict[str, str]:
    """Fields of a record of which only the beginning is left; empty if the header is not whole."""
    end = dialect.end_of_header.search(head)
    return dialect.parse(head[: end.start()]) if end and dialect.starts(head) else {}


def _size(fields: dict[str, str]) -> int | None:
    value = fields.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


class _Cursor:
    """Reads on through the chunks of a run; `offset` counts inflated bytes from the run's."""

    def __init__(self, chunks: Iterator[bytes], offset: int, dialect: Dialect):
        self._chunks, self.dialect = chunks, dialect
        self._buffer, self._at, self.offset = b"", 0, offset

    def has(self, count: int) -> bool:
        """True when that many bytes follow."""
        while len(self._buffer) - self._at < count:
            if not self._more():
                return False
        return True

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return True

    def peek(self, count: int) -> bytes:
        self.has(count)
        return self._buffer[self._at : self._at + count]

    def begins_record(self) -> bool:
        """True when a record begins here."""
        return self.dialect.begins(self.peek(self.dialect.look))

    def _step(self, count: int) -> None:
        self._at += count
        self.offset += count

    def skip(self, count: int) -> None:
        while count > 0 and self.has(1):
            step = min(count, len(self._buffer) - self._at)
            self._step(step)
            count -= step

    def skip_padding(self) -> None:
        while self.has(1):
            window = self._buffer[self._at : self._at + 4096]
            rest = window.lstrip(PADDING)
            self._step(len(window) - len(rest))
            if rest:
                return

    def take_header(self) -> bytes | None:
        """The header up to its blank line; None if a record begins or `MAX_HEADER` ends before."""
        seen = 0
        while True:
            start = self._at + max(0, seen - self.dialect.look)
            end = self.dialect.end_of_header
            match = end.search(self._buffer, start, self._at + MAX_HEADER)
            if match:
                break
            seen = len(self._buffer) - self._at
            if seen >= MAX_HEADER or not self._more():
                return None
        if not match[1]:
            return None
        header = self._buffer[self._at : match.start()]
        self._step(match.end() - self._at)
        return header

    def take(self, size: int, limit: int, stop: bool) -> tuple[list[bytes], int, int | None]:
        """Read a block of `size` bytes.

        Returns its pieces (none if `size` is above `limit`), how many bytes were there, and the
        offset at which a record seems to begin inside the block, or None. The latter is looked for
        while reading only where the pieces are not kept. With `stop`, reading ends there.
        """
        pieces, found, inside, tail = [], 0, None, b""
        scan = stop or size > limit
        while found < size and self.has(1):
            step = min(size - found, SCAN) if scan else size - found
            piece = self._buffer[self._at : self._at + step]
            if inside is None and scan:
                window = tail + piece
                spot = self.dialect.find(window, 0)
                inside = self.offset - len(tail) + spot if spot >= 0 else None
                tail = window[-self.dialect.look :]
                if stop and inside is not None:
                    self._step(max(0, inside - self.offset))
                    return [], found, inside
            if size <= limit:
                pieces.append(piece)
            found += len(piece)
            self._step(len(piece))
        if tail and inside is None:
            spot = self.dialect.find(tail + self.peek(self.dialect.look), 0)
            inside = self.offset - len(tail) + spot if 0 <= spot < len(tail) else None
        return pieces, found, inside

    def seek_record(self) -> None:
        """Go on to where the next record seems to begin, or to the end of the run."""
        look = self.dialect.look
        while self.has(look) or self.has(1):
            spot = self.dialect.find(self._buffer, self._at)
            if spot >= 0:
                self._step(spot - self._at)
                return
            rest = len(self._buffer) - self._at
            more = self._more()
            self._step(rest if not more else max(0, rest - look))
            if not more:
                return
