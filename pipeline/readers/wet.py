"""WET files of Common Crawl: WARC files whose conversion records hold extracted text."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, BinaryIO

from pipeline import charset, http_body
from pipeline.readers.digests import POLICIES, checked
from pipeline.readers.options import take
from pipeline.readers.warc import read_frames, record_type
from pipeline.readers.warc_frames import Frame
from pipeline.records import Record


def read(
    path: str,
    container: str,
    *,
    open_file: Callable[[str], BinaryIO],
    options: Mapping[str, Any],
) -> Generator[Record, None, int | None]:
    """Read a WET file; parameters and guarantees as for `pipeline.readers.warc.read`.

    Conversion records to plain text carry `text`, others are rejected as `not_conversion`.
    """
    known = take("wet", options, digests=POLICIES)
    return read_frames(
        path,
        container,
        open_file,
        {"conversion": known["max_bytes"]},
        lambda frame, base: _text(frame, base, known),
    )


def _text(frame: Frame, base: dict[str, Any], options: Mapping[str, Any]) -> Record:
    kind = record_type(frame.fields)
    if kind != "conversion":
        return Record(**base, reject="not_conversion", detail=f"type '{kind[:40]}'")
    headers = {"content-type": frame.fields.get("content-type", "")}
    media_type = http_body.declared_type(headers) or http_body.TEXT_TYPE
    base |= {"media_type": media_type}
    if not media_type.startswith("text/"):
        return Record(**base, reject="media_type", detail=media_type)
    if frame.block is None:
        detail = f"{frame.size} bytes stored, limit {options['max_bytes']}"
        return Record(**base, error="oversized", detail=detail)
    # WET is UTF-8 by definition; other tools' conversion records may not be
    text, used, how = charset.decode(frame.block, http_body.declared_charset(headers), markup=False)
    text = charset.clean(text)
    base |= {"charset": used, "charset_from": how}
    if not text.strip():
        return Record(**base, reject="empty_text")
    record = Record(**base, text=text)
    return checked(record, options["digests"], frame.fields, frame.block, (frame.block,))
