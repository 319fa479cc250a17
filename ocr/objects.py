"""The objects of a PDF as they lie in the file, found without its cross-reference table.

Enough of the syntax for guards and for repair (ISO 32000-1, 7.3): where an object begins, its
dictionary as bytes, where its stream lies.  No values are parsed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_NUMBER = re.compile(rb"(?<![\d.])(\d{1,8})\s+(\d{1,5})\s+$")
_STREAM = re.compile(rb"stream\r?\n|stream\r")
_MAX_HEAD = 1 << 16  # bytes of an object's dictionary
_MAX_OBJECTS = 500_000
_CHUNK = 1 << 16
_FLATE = re.compile(rb"/Fl(?:ateDecode)?\b")


@dataclass(frozen=True, slots=True)
class RawObject:
    """number; begin: where its body begins; head: the body up to its stream or end; stream: where
    its stream's bytes begin, -1 without; end: where the stream ends, or the body."""

    number: int
    begin: int
    head: bytes
    stream: int
    end: int


def raw_objects(data: bytes) -> Iterator[RawObject]:
    """Every "N G obj" in the order of the file; an object cut off has what is there."""
    at = 0
    for _ in range(_MAX_OBJECTS):
        at = data.find(b"obj", at)
        if at < 0:
            return
        match = _NUMBER.search(data[max(0, at - 16) : at])
        at += 3
        if not match:
            continue
        window = data[at : at + _MAX_HEAD]
        close = window.find(b"endobj")
        found = _STREAM.search(window, 0, close if close >= 0 else len(window))
        if not found:
            end = at + (close if close >= 0 else len(window))
            yield RawObject(int(match[1]), at, data[at:end], -1, end)
            continue
        begin = at + found.end()
        end = data.find(b"endstream", begin)
        end = end if end >= 0 else len(data)
        yield RawObject(int(match[1]), at, window[: found.start()], begin, end)
        at = end


def flate_layers(head: bytes) -> int:
    """How many times a stream with this dictionary is deflated."""
    return len(_FLATE.findall(head))


def inflated(data: bytes, layers: int, limit: int) -> bytes:
    """At most about `limit` bytes of a stream's content; what a damaged one gives until then."""
    parts, total = [], 0
    for part in inflate(data, layers):
        parts.append(part)
        total += len(part)
        if total > limit:
            break
    return b"".join(parts)


def inflate(data: bytes, layers: int) -> Iterator[bytes]:
    """The content piece by piece: no more is unpacked than is asked for."""
    view = memoryview(data)
    pieces: Iterable[bytes] = (view[i : i + _CHUNK] for i in range(0, len(view), _CHUNK))
    for _ in range(layers):
        pieces = _layer(pieces)
    return iter(pieces)


def _layer(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for piece in pieces:
        while piece:
            try:
                out = unpacker.decompress(piece, _CHUNK)
            except zlib.error:
                return
            if out:
                yield out
            if unpacker.eof:
                return
            piece = unpacker.unconsumed_tail
