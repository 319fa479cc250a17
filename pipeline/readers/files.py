"""Whole files as one record each: HTML pages, PDFs, plain texts; compressed or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from pipeline import charset, http_body
from pipeline.readers.archives import archive_kind, read_archive
from pipeline.readers.compression import CODECS, detect_codec, runs
from pipeline.readers.input_file import InputFile
from pipeline.readers.options import MAX_BYTES, take
from pipeline.records import Record

LIMITS = {"pdf": 256 << 20}


def read_html(
    path: str, container: str, *, open_file: Callable[[str], BinaryIO], options: Mapping[str, Any]
) -> Iterator[Record]:
    """Read a file as one HTML page. Options: ``max_bytes`` (64 MiB), inflated."""
    record, payload = _whole("html", path, container, open_file, options)
    if payload is None:
        yield Record(**record)
        return
    yield Record(**record, media_type=http_body.HTML_TYPES[0], payload=payload)


def read_pdf(
    path: str, container: str, *, open_file: Callable[[str], BinaryIO], options: Mapping[str, Any]
) -> Iterator[Record]:
    """Read a file as one PDF, or a tar or zip archive as one a member.

    Options: ``max_bytes`` (256 MiB) of one PDF, inflated.
    """
    with open_file(path) as binary:
        file = InputFile(binary)
        if kind := archive_kind(file, path):
            limit = take("pdf", options, max_bytes=LIMITS["pdf"])["max_bytes"]
            yield from read_archive(kind, file, path, container, limit)
            return
    record, payload = _whole("pdf", path, container, open_file, options)
    if payload is None:
        yield Record(**record)
    elif b"%PDF-" not in payload[:1024]:
        detail = f"no PDF header in the first 1024 bytes, found {payload[:16]!r}"
        yield Record(**record, error="not_pdf", detail=detail)
    else:
        yield Record(**record, media_type=http_body.PDF_TYPE, payload=payload)


def read_text(
    path: str, container: str, *, open_file: Callable[[str], BinaryIO], options: Mapping[str, Any]
) -> Iterator[Record]:
    """Read a file as one plain text in any encoding. Options: ``max_bytes`` (64 MiB), inflated."""
    record, payload = _whole("text", path, container, open_file, options)
    if payload is None:
        yield Record(**record)
        return
    text, used, how = charset.decode(payload, markup=False)
    detail = f"bytes unknown to {used} were replaced" if how == "replaced" else ""
    record |= {"media_type": http_body.TEXT_TYPE, "charset": used, "charset_from": how}
    record["detail"] = detail
    text = charset.clean(text)
    if text.strip():
        yield Record(**record, text=text)
    else:
        yield Record(**record, reject="empty_text")


def _whole(
    reader: str,
    path: str,
    container: str,
    open_file: Callable[[str], BinaryIO],
    options: Mapping[str, Any],
) -> tuple[dict[str, Any], bytes | None]:
    """The fields of the record and its bytes, or an error among the fields and None."""
    limit = take(reader, options, max_bytes=LIMITS.get(reader, MAX_BYTES))["max_bytes"]
    record: dict[str, Any] = {"container": container, "uri": container}
    with open_file(path) as binary:
        file = InputFile(binary)
        record["length"] = file.size
        if not file.size:
            return record | {"error": "empty_file", "detail": "the file is empty"}, None
        head = file.at(0, 16)
        packed = any(codec.begins(head) for codec in CODECS)
        codec = detect_codec(file, path, lambda head: True) if packed else None
        parts, size = [], 0
        for run in runs(file, codec, accept=lambda head: True):
            for chunk in run.chunks:
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    detail = f"more than {limit} bytes"
                    return record | {"error": "oversized", "detail": detail}, None
            if run.lost is not None:
                return record | {"error": run.lost.error, "detail": run.lost.detail}, None
    return record, b"".join(parts)
