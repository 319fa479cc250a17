"""PDFs inside tar and zip archives: one record a member, nothing written to disk.

Names are only labels, so `../` and absolute ones do no harm; links and devices are no files.
Bombs are met by limits: bytes of one member, bytes of all members together, bytes of a tar header.
"""

from __future__ import annotations

import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from pipeline import http_body
from pipeline.readers.compression import CODECS, detect_codec, runs
from pipeline.readers.input_file import InputFile
from pipeline.records import Record

_CHUNK = 1 << 20
_MAX_HEADER = 4 << 20  # bytes between two members of a tar: names, PAX fields
_RATIO, _FLOOR = 200, 1 << 30  # inflated bytes per byte of archive, and how many always pass
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_TAR_MAGIC, _TAR_AT, _TAR_BLOCK = b"ustar", 257, 512
_LONGEST_NAME = 1000
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, OSError,
    ValueError, RuntimeError, KeyError, OverflowError,
)  # fmt: skip


def archive_kind(file: InputFile, path: str) -> str | None:
    """ "zip", "tar" (compressed or not) or None."""
    if file.at(0, 4).startswith(_ZIP_MAGIC):
        return "zip"
    head = b""
    if _codec_begins(file):
        for chunk in _inflated(file, path):
            head += chunk
            if len(head) >= _TAR_BLOCK:
                break
    else:
        head = file.at(0, _TAR_BLOCK)
    return "tar" if head[_TAR_AT : _TAR_AT + 5] == _TAR_MAGIC else None


def read_archive(
    kind: str, file: InputFile, path: str, container: str, max_bytes: int
) -> Iterator[Record]:
    """The members of an archive; folders are none.  Members that are no PDF are rejected."""
    budget = _Budget(max(_FLOOR, _RATIO * file.size), max_bytes)
    members = _zip(file.file) if kind == "zip" else _tar(file, path, budget.whole)
    seen = 0
    try:
        for member in members:
            seen += 1
            yield _record(member, container, budget)
            if budget.left <= 0:
                detail = f"the archive inflates to more than {budget.whole} bytes; the rest of it"
                yield _lost(container, "oversized", f"{detail} was not read")
                break
    except _DAMAGE as exc:
        detail = f"after {seen} members: {type(exc).__name__}: {exc}"
        yield _lost(container, "archive_damaged", detail[:300])
        return
    if not seen:
        yield _lost(container, "empty_file", "the archive has no members")


@dataclass
class _Member:
    """name; offset in the archive; size as declared; why it is no file, or is locked; its bytes."""

    name: str
    offset: int
    size: int
    reject: str | None = None
    error: str | None = None
    open: Any = None


@dataclass
class _Budget:
    whole: int
    member: int
    spent: int = 0

    @property
    def left(self) -> int:
        return self.whole - self.spent

    def read(self, file: IO[bytes]) -> bytes | None:
        """All of a member, or None where it is too large."""
        parts, size = [], 0
        while chunk := file.read(_CHUNK):
            self.spent += len(chunk)
            size += len(chunk)
            if size > self.member or self.left <= 0:
                return None
            parts.append(chunk)
        return b"".join(parts)


def _record(member: _Member, container: str, budget: _Budget) -> Record:
    name = _label(member.name)
    fields = {
        "container": container,
        "uri": f"{container}!/{name}",
        "offset": member.offset,
        "length": member.size,
    }
    if member.reject or member.error:
        return Record(**fields, reject=member.reject, error=member.error, detail=name)
    if member.size > budget.member:
        return Record(**fields, error="oversized", detail=f"more than {budget.member} bytes")
    try:
        with member.open() as file:
            payload = budget.read(file)
    except _DAMAGE as exc:
        detail = f"{type(exc).__name__}: {exc}"[:300]
        return Record(**fields, error="archive_damaged", detail=detail)
    if payload is None:
        return Record(**fields, error="oversized", detail=f"more than {budget.member} bytes")
    if b"%PDF-" in payload[:1024]:
        return Record(**fields, media_type=http_body.PDF_TYPE, payload=payload)
    if name.lower().endswith(".pdf"):
        detail = f"no PDF header in the first 1024 bytes, found {payload[:16]!r}"
        return Record(**fields, error="not_pdf", detail=detail)
    return Record(**fields, reject="media_type", detail=name)


def _lost(container: str, error: str, detail: str) -> Record:
    return Record(container=container, uri=container, error=error, detail=detail)


def _label(name: str) -> str:
    """The name as a relative path without `..`, control characters or lone surrogates."""
    name = name.replace("\\", "/")[:_LONGEST_NAME].encode("utf-8", "replace").decode()
    name = "".join(c for c in name if c.isprintable())
    return posixpath.normpath("/" + name).lstrip("/") or "unnamed"


# --- zip -------------------------------------------------------------------------------------


def _zip(file: BinaryIO) -> Iterator[_Member]:
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            member = _Member(info.filename, info.header_offset, info.file_size)
            kind = info.external_attr >> 28  # of a Unix mode; 0 where another system wrote it
            if kind not in (0, 8):
                member.reject = "not_file"
            elif info.flag_bits & 0x1:
                member.error = "encrypted_member"
            member.open = lambda info=info: archive.open(info)
            yield member


# --- tar -------------------------------------------------------------------------------------


def _tar(file: InputFile, path: str, most: int) -> Iterator[_Member]:
    source = _Stream(_inflated(file, path), most)
    with tarfile.open(fileobj=source, mode="r|", errorlevel=0) as archive:
        while True:
            source.allowance = _MAX_HEADER
            info = archive.next()
            if info is None:
                break
            archive.members = []  # or a million members stay in memory
            source.allowance = None
            if info.isdir():
                continue
            if info.issparse():
                raise ValueError("a sparse member")
            member = _Member(info.name, info.offset, info.size)
            if not info.isreg():
                member.reject = "not_file"
                yield member
                continue
            with archive.extractfile(info) as content:
                member.open = lambda content=content: nullcontext(content)
                yield member
                while content.read(_CHUNK):  # what the reader left
                    pass


class _Stream:
    """Inflated chunks as a file of at most `most` bytes.  `allowance`: bytes that may be read now,
    None for any number."""

    def __init__(self, chunks: Iterator[bytes], most: int):
        self.chunks, self.held, self.most = chunks, b"", most
        self.allowance: int | None = _MAX_HEADER  # for the first of them

    def read(self, count: int) -> bytes:
        if self.allowance is not None:
            self.allowance -= count
            if self.allowance < 0:
                raise ValueError(f"a header of more than {_MAX_HEADER} bytes")
        self.most -= count
        if self.most < 0:
            raise ValueError("it inflates to too many bytes, the rest was not read")
        parts, missing = [self.held[:count]], count - len(self.held)
        self.held = self.held[count:]
        while missing > 0 and (chunk := next(self.chunks, None)) is not None:
            parts.append(chunk[:missing])
            self.held = chunk[missing:]
            missing -= len(chunk)
        return b"".join(parts)


def _codec_begins(file: InputFile) -> bool:
    head = file.at(0, 16)
    return any(codec.begins(head) for codec in CODECS)


def _inflated(file: InputFile, path: str) -> Iterator[bytes]:
    """The bytes of the file.  Raises OSError where they do not inflate."""
    codec = detect_codec(file, path, lambda head: True) if _codec_begins(file) else None
    for run in runs(file, codec, accept=lambda head: True):
        yield from run.chunks
        if run.lost is not None:
            raise OSError(f"{run.lost.error}: {run.lost.detail}")
