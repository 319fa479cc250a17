"""WARC and ARC files: one `Record` for every record, whatever its type or state."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

from filters.host_consent import file_kind
from pipeline import charset, http_body
from pipeline.readers.compression import Codec, Lost, detect_codec, members
from pipeline.readers.dialects import ARC, WARC, Dialect, begins_arc, begins_warc, starts_arc
from pipeline.readers.digests import POLICIES, checked
from pipeline.readers.input_file import PADDING, InputFile
from pipeline.readers.options import take
from pipeline.readers.warc_frames import Count, Frame, frames
from pipeline.records import Record

HEADER_ALLOWANCE = 1 << 18
_PROVENANCE = (
    "warc-type",
    "warc-record-id",
    "warc-payload-digest",
    "warc-block-digest",
    "warc-truncated",
)
_DIGITS = re.compile(r"(\d{4})-?(\d\d)?-?(\d\d)?[T ]?(\d\d)?:?(\d\d)?:?(\d\d)?(?:\.(\d{1,6})\d*)?")


def read(
    path: str,
    container: str,
    *,
    open_file: Callable[[str], BinaryIO],
    options: Mapping[str, Any],
) -> Generator[Record, None, int | None]:
    """Read a WARC or ARC file: plain, or gzip, Zstandard, LZ4, xz, bzip2, by record or as a whole.

    Parameters
    ----------
    path
        The file, as `open_file` takes it.
    container
        Name of the file in the records.
    open_file
        Opens a path as a seekable binary file.
    options
        ``max_bytes``: largest body, stored or decoded (64 MiB). ``digests``: what a record becomes
        that is not what its digests say: ``tag`` (a document, with `digest_mismatch` in its
        metadata), ``quarantine``, or ``off`` (not checked).

    Yields
    ------
    Record
        Responses with status 200 and HTML, PDF or plain text carry a payload, the latter also
        `text`; all others a `reject` or an `error`. Damage costs the records it touches.

    Returns
    -------
    int | None
        Records present by the count of compressed members; None where members are not records.
    """
    known = take("warc", options, digests=POLICIES)
    return read_frames(
        path,
        container,
        open_file,
        {"response": known["max_bytes"] + HEADER_ALLOWANCE},
        lambda frame, base: _response(frame, base, known),
    )


def read_frames(
    path: str,
    container: str,
    open_file: Callable[[str], BinaryIO],
    largest: Mapping[str, int],
    document: Callable[[Frame, dict[str, Any]], Record],
) -> Generator[Record, None, int | None]:
    """The records of a file of WARC's kind; yields and returns as `read`.

    Parameters
    ----------
    largest
        Largest block that is read, in bytes, by type of record; blocks of other types are passed
        over.
    document
        Makes the record of a frame that was read well, from it and what is known of it so far.
    """
    count = Count()
    with open_file(path) as file:
        frames = file_frames(
            InputFile(file), path, lambda fields: largest.get(record_type(fields), 0), count
        )
        for frame in frames:
            yield _to_record(frame, container, document)
    return count.records


def file_frames(file: InputFile, path: str, keep: Callable, count: Count) -> Iterator[Frame]:
    """`frames`, with one frame `empty_file` or `not_warc` for a file that holds no record."""
    if not file.size:
        count.by_member = False
        yield Frame(0, 0, {}, error="empty_file", detail="the file is empty")
        return
    codec = detect_codec(file, path, lambda head: begins_warc(head) or starts_arc(head))
    found = frames(file, codec, keep, _dialect(file, path, codec), count)
    first = next(found, None)
    if first is None:
        count.by_member = False
        detail = "the file holds nothing but padding"
        yield Frame(0, file.size, {}, error="not_warc", detail=detail)
        return
    second = next(found, None)
    if second is None and first.error == "warc_header" and not first.fields:
        count.by_member = False
        yield dataclasses.replace(first, offset=0, length=file.size, error="not_warc")
        return
    yield first
    if second is not None:
        yield second
    yield from found


def _dialect(file: InputFile, path: str, codec: Codec | None) -> Dialect:
    """WARC or ARC: by the first bytes, or by the name where these are neither."""
    head = b""
    for event in members(file, codec, accept=lambda head: True):
        if isinstance(event, Lost) or len(head) >= ARC.look:
            break
        head = (head + event.data).lstrip(PADDING)
    if begins_warc(head):
        return WARC
    named = ".arc" in path.lower().rpartition("/")[2]
    return ARC if begins_arc(head) or named else WARC


def _to_record(
    frame: Frame, container: str, document: Callable[[Frame, dict[str, Any]], Record]
) -> Record:
    """The record of a frame; `document` makes those that were read well from frame and base."""
    fields = frame.fields
    base: dict[str, Any] = {
        "container": container,
        "uri": charset.clean(fields.get("warc-target-uri", "")).strip("<> \t"),
        "offset": frame.offset,
        "length": frame.length,
        "fetched_at": parse_date(fields.get("warc-date", "")),
        "metadata": {
            name.replace("-", "_"): charset.clean(fields[name])
            for name in _PROVENANCE
            if name in fields
        },
    }
    if frame.error:
        return Record(**base, error=frame.error, detail=_one_line(frame.detail))
    return document(frame, base)


def record_type(fields: Mapping[str, str]) -> str:
    return fields.get("warc-type", "").lower()


def _response(frame: Frame, base: dict[str, Any], options: Mapping[str, Any]) -> Record:
    limit = options["max_bytes"]
    fields, kind = frame.fields, record_type(frame.fields)
    if kind == "revisit":
        return Record(**base, reject="revisit", detail=fields.get("warc-profile", "")[:200])
    if kind != "response":
        return Record(**base, reject="not_response", detail=f"type '{kind[:40]}'")
    if not _is_http(fields, base["uri"]):
        return Record(**base, reject="not_http", detail=fields.get("content-type", "")[:200])
    if frame.block is None:
        detail = f"{frame.size} bytes stored, limit {limit}"
        return Record(**base, error="oversized", detail=detail)
    response = http_body.parse_response(frame.block)
    if response.status is None:
        if not frame.block.strip():
            return Record(**base, reject="empty_body")
        detail = f"expected an HTTP status line, found {frame.block[:24]!r}"
        return Record(**base, error="http_header", detail=detail)
    headers = {charset.clean(k): charset.clean(v) for k, v in response.headers.items()}
    declared = http_body.declared_type(headers)
    base |= {
        "headers": headers,
        "charset": http_body.declared_charset(headers),
        "media_type": declared,
    }
    base["metadata"]["http_status"] = response.status
    if response.status != 200:
        return Record(**base, reject="http_status", detail=str(response.status))
    if not response.body:
        return Record(**base, reject="empty_body")
    body = http_body.decode_body(response.body, headers, limit)
    if body.oversized:
        detail = body.note or f"decoded body has more than {limit} bytes"
        return Record(**base, error="oversized", detail=detail)
    if not body.data.strip():
        return Record(**base, reject="empty_body", detail=body.note)
    hint = fields.get("warc-identified-payload-type", "").lower()
    kind = http_body.sniff_type(declared or hint, body.data)
    base["media_type"] = kind
    record = _document(base, kind, body)
    bodies = _readings(response, body)
    return checked(record, options["digests"], fields, frame.block, bodies)


def _readings(response: http_body.Response, body: http_body.Body) -> Iterator[bytes]:
    """The payload as stored, without chunks, and without content codings."""
    yield response.body
    yield http_body.unchunk(response.body)[0]
    yield body.data


def _document(base: dict[str, Any], kind: str, body: http_body.Body) -> Record:
    truncated = base["metadata"].get("warc_truncated")
    notes = [_one_line(body.note), f"truncated by the crawler: {truncated}" if truncated else ""]
    detail = "; ".join(filter(None, notes))
    name = file_kind(base["uri"])
    if name or base["uri"].partition("?")[0].endswith("/robots.txt"):
        reject = "robots_txt" if name in ("robots", None) else "consent_file"
        return Record(**base, payload=body.data, reject=reject, detail=detail)
    if kind == http_body.TEXT_TYPE:
        decoded = charset.decode(body.data, base["charset"], markup=False)
        text, base["charset"], base["charset_from"] = decoded
        return Record(**base, payload=body.data, text=charset.clean(text), detail=detail)
    if kind == http_body.PDF_TYPE or kind in http_body.HTML_TYPES:
        return Record(**base, payload=body.data, detail=detail)
    return Record(**base, reject="media_type", detail=kind)


def _is_http(fields: Mapping[str, str], uri: str) -> bool:
    kind = fields.get("content-type", "").lower()
    if kind:
        return kind.startswith("application/http")
    return not re.match(r"(?!https?:)[a-z][a-z0-9+.-]*:", uri, re.IGNORECASE)


def parse_date(value: str) -> datetime | None:
    """A WARC-Date (W3C-DTF, cut anywhere, or 14 digits as in ARC) in UTC, or None."""
    match = _DIGITS.match(value.strip())
    if not match:
        return None
    year, month, day, hour, minute, second = (
        int(part or default)
        for part, default in zip(match.groups()[:6], (1, 1, 1, 0, 0, 0), strict=True)
    )
    try:
        micros = int((match[7] or "").ljust(6, "0"))
        return datetime(year, month, day, hour, minute, min(second, 59), micros, UTC)
    except ValueError:
        return None


def _one_line(text: str) -> str:
    return " ".join(charset.clean(text).split())[:300]
