"""Compressed input files, walked member by member, so that damage costs only the member it hits.

A gzip file is a chain of members, Zstandard and LZ4 files are chains of frames, xz and bzip2 files
of streams; here all are called members. Crawls give each record a member of its own (WARC 1.1,
annex D), other files are one large member, or cut their stream into blocks without regard for
records. `runs` joins members up to the next one that begins a record.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import lz4.frame
import zstandard

from pipeline.readers.input_file import PADDING, READ, InputFile

PIECE = 1 << 20  # inflated bytes handed on at once
HEAD = 16  # inflated bytes of a member seen before it is trusted
SALVAGED = 4096
FEED = 1 << 10
MAX_MEMBER_HEADER = 1 << 13
LOOK_BACK = 1 << 20  # a broken member may have swallowed the start of the next ones

Predicate = Callable[[bytes], bool]


class Damaged(Exception):
    """A member that cannot be inflated: where it failed, and whether the file simply ended."""

    def __init__(self, at: int, why: str, truncated: bool = False):
        super().__init__(why)
        self.at, self.truncated = at, truncated


@dataclass(frozen=True)
class Codec:
    """One compression format: how members begin, how one is inflated, the code of its damage."""

    name: str
    magic: bytes
    error: str
    feed: int
    open: Callable
    suffixes: tuple[str, ...]

    def begins(self, head: bytes) -> bool:
        if self.name == "zstd" and head[1:4] == b"\x2a\x4d\x18" and head[:1] in SKIPPABLE:
            return True
        return head.startswith(self.magic)


SKIPPABLE = [bytes([low]) for low in range(0x50, 0x60)]
DICTIONARY = b"\x5d\x2a\x4d\x18"
FAULTS = (
    *(zlib.error, lzma.LZMAError, zstandard.ZstdError),
    *(OSError, EOFError, ValueError, RuntimeError),  # bzip2, LZ4
)

GZIP = Codec(
    "gzip", b"\x1f\x8b\x08", "gzip_damaged", 1 << 14, lambda: zlib.decompressobj(31), (".gz",)
)
ZSTD = Codec(
    "zstd",
    b"\x28\xb5\x2f\xfd",
    "zstd_damaged",
    1 << 10,  # no limit on output, so little input at once: a block of 4 bytes gives 128 KiB
    lambda: zstandard.ZstdDecompressor().decompressobj(),
    (".zst", ".zstd"),
)
XZ = Codec(
    "xz",
    b"\xfd7zXZ\0",
    "stream_damaged",
    1 << 14,
    lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 29),
    (".xz",),
)
BZIP2 = Codec("bzip2", b"BZh", "stream_damaged", 1 << 14, bz2.BZ2Decompressor, (".bz2",))
LZ4 = Codec(
    "lz4",
    b"\x04\x22\x4d\x18",
    "stream_damaged",
    1 << 14,
    lz4.frame.LZ4FrameDecompressor,
    (".lz4",),
)
CODECS = (GZIP, ZSTD, XZ, BZIP2, LZ4)


def detect_codec(file: InputFile, path: str, plain: Predicate) -> Codec | None:
    """The codec of a file: by its first bytes, or by its name where the first bytes are damaged.

    Parameters
    ----------
    plain
        Tells from the first bytes that the file is not compressed, whatever its name says.
    """
    head = file.at(0, 64)
    for codec in CODECS:
        if codec.begins(head):
            return _with_dictionary(file) if codec is ZSTD else codec
    if plain(head):
        return None
    return next((codec for codec in CODECS if path.lower().endswith(codec.suffixes)), None)


def _with_dictionary(file: InputFile) -> Codec:
    """A WARC in Zstandard may begin with its dictionary, in a skippable frame (IIPC, WARC-ZSTD)."""
    head = file.at(0, 8)
    if not head.startswith(DICTIONARY) or len(head) < 8:
        return ZSTD
    data = file.at(8, min(struct.unpack("<I", head[4:8])[0], 1 << 26))
    try:
        if data.startswith(ZSTD.magic):
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 26)
        dictionary = zstandard.ZstdCompressionDict(data)
        zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj()  # says if it is damaged
    except (zstandard.ZstdError, MemoryError):
        return ZSTD
    return Codec(
        "zstd",
        ZSTD.magic,
        ZSTD.error,
        ZSTD.feed,
        lambda: zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj(),
        ZSTD.suffixes,
    )


def inflate(file: InputFile, start: int, codec: Codec) -> Iterator[tuple[bytes, int]]:
    """Inflate one member: pieces of at most about `PIECE` bytes, each with the position after it.

    The last piece's position is where the member ends; it is yielded once the checksum is right.

    Raises
    ------
    Damaged
        When the member does not inflate, its checksum is wrong or the file ends within it.
    """
    stream, position = codec.open(), start
    while True:
        block = file.at(position, codec.feed)
        if not block:
            raise Damaged(position, "the file ends within compressed data", truncated=True)
        try:
            for piece in _pieces(stream, block):
                if piece:
                    yield piece, position
        except FAULTS as error:
            raise Damaged(position, str(error)) from None
        position += len(block)
        if stream.eof:
            yield b"", position - len(stream.unused_data or b"")
            return


def _pieces(stream, block: bytes) -> Iterator[bytes]:
    if hasattr(stream, "needs_input"):  # bz2, lzma, lz4
        yield stream.decompress(block, PIECE)
        while not stream.eof and not stream.needs_input:
            yield stream.decompress(b"", PIECE)
    elif hasattr(stream, "unconsumed_tail") and hasattr(stream, "copy"):  # zlib
        piece = stream.decompress(block, PIECE)
        yield piece
        while not stream.eof and (stream.unconsumed_tail or len(piece) == PIECE):
            piece = stream.decompress(stream.unconsumed_tail, PIECE)
            yield piece
    else:
        yield stream.decompress(block)


@dataclass(frozen=True, slots=True)
class Piece:
    """Inflated bytes; `start` is the file offset of the member that begins with them, or None."""

    start: int | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Compressed bytes given up: from `member` (its failure seen at `at`) to `end`.

    `opened` tells that pieces of this member have been handed on before; where not, `head` is what
    of its beginning could be inflated.
    """

    member: int
    at: int
    end: int
    error: str
    detail: str
    opened: bool
    head: bytes = b""


def members(
    file: InputFile, codec: Codec | None, accept: Predicate, start: int = 0
) -> Iterator[Piece | Lost]:
    """All of a file from `start` on, as inflated pieces and lost stretches, without a hole.

    After damage the walk goes on at the next member whose first inflated bytes `accept` takes.
    Where members have been seen that `accept` does not take (blocks without regard for records),
    any member that inflates to its end will do.
    """
    if codec is None:
        yield from _plain(file, start)
        return
    position, any_member = start, False
    while (position := file.after_padding(position)) < file.size:
        begin, head, opened = position, b"", False
        try:
            if not codec.begins(file.at(begin, 16)):
                raise Damaged(begin, f"no {codec.name} member where one should begin")
            for data, reached in inflate(file, begin, codec):
                position = reached
                if opened:
                    yield Piece(None, data)
                elif len(head := head + data) >= HEAD:
                    opened, any_member = True, any_member or not accept(head)
                    yield Piece(begin, head)
            if not opened:
                yield Piece(begin, head)
        except Damaged as damage:
            search_from = max(begin + 1, damage.at - LOOK_BACK)
            resume = _next_member(file, codec, search_from, accept, any_member)
            if damage.truncated and resume is None:
                error = "truncated_file"
            else:
                error = codec.error
            position = file.size if resume is None else resume
            head = b"" if opened else _beginning(file, begin, codec, SALVAGED)
            yield Lost(begin, damage.at, position, error, str(damage), opened, head)


def _beginning(file: InputFile, start: int, codec: Codec, count: int = HEAD) -> bytes:
    """At least `count` inflated bytes of a member that may be damaged; fewer if there are not more.

    Gzip gives them up in small steps, so that damage close behind does not hide what was lost.
    """
    head, stream = b"", codec.open()
    for position in range(start, start + MAX_MEMBER_HEADER, FEED):
        block = file.at(position, FEED)
        try:
            if codec is GZIP:
                while block and len(head) < count and not stream.eof:
                    head += stream.decompress(block, 64)
                    block = stream.unconsumed_tail
            else:
                head += b"".join(_pieces(stream, block))
        except FAULTS:
            break
        if len(head) >= count or stream.eof or not file.at(position + FEED, 1):
            break
    return head


def _plain(file: InputFile, start: int) -> Iterator[Piece]:
    first = start
    while data := file.at(start, READ):
        yield Piece(first if start == first else None, data)
        start += len(data)


def _next_member(
    file: InputFile, codec: Codec, position: int, accept: Predicate, any_member: bool
) -> int | None:
    while (position := file.find(codec.magic, position)) >= 0:
        head = _beginning(file, position, codec)
        if accept(head) or (any_member and head and _inflates(file, position, codec)):
            return position
        position += 1
    return None


def _inflates(file: InputFile, position: int, codec: Codec) -> bool:
    try:
        return all(True for _ in inflate(file, position, codec))
    except Damaged:
        return False


@dataclass(slots=True)
class Run:
    """Members from one that begins a record to before the next that does.

    Attributes
    ----------
    offset
        File offset where the run begins.
    chunks
        The inflated bytes; `end` and `lost` are known once they are used up.
    end
        File offset where the run ends: that of the next run, or the size of the file.
    lost
        The damage that ended the run, or None.
    members
        Members so far that begin in the run and not with mere padding.
    filled
        Whether anything but padding has been inflated.
    """

    offset: int
    chunks: Iterator[bytes]
    end: int = -1
    lost: Lost | None = None
    members: int = 0
    filled: bool = False


def runs(
    file: InputFile,
    codec: Codec | None,
    *,
    accept: Predicate,
    starts: Predicate | None = None,
    start: int = 0,
) -> Iterator[Run]:
    """The runs of a file, in order. Each is used up before the next is asked for.

    Parameters
    ----------
    accept
        Tells from its first inflated bytes that a member begins a record; used after damage.
    starts
        The same, used to part runs; None leaves all members up to the next damage in one run.
    start
        File offset to begin at: that of a member, or any offset of a file without compression.
    """
    events = members(file, codec, accept, start)
    event = next(events, None)

    def chunks(run: Run) -> Iterator[bytes]:
        nonlocal event
        fresh = True
        while isinstance(event, Piece):
            if event.start is not None and not fresh and starts and starts(event.data):
                break
            fresh = False
            filled = bool(event.data.strip(PADDING))
            run.members += filled and event.start is not None
            run.filled = run.filled or filled
            yield event.data
            event = next(events, None)
        if isinstance(event, Lost) and (event.opened or fresh):
            run.lost = event
            event = next(events, None)
        if event is None:
            run.end = file.size
        else:
            run.end = event.member if isinstance(event, Lost) else event.start

    while event is not None:
        run = Run(event.member if isinstance(event, Lost) else event.start, iter(()))
        run.chunks = chunks(run)
        yield run
        for _ in run.chunks:
            pass
