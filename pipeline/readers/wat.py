"""WAT files of Common Crawl: metadata of crawled pages, one JSON envelope a record.

The envelope is that of the Web Archive Transformation specification (Internet Archive, 2011), as
webarchive-commons writes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from typing import Any, BinaryIO

from catalogs.errors import UserError, nearest
from pipeline import charset, http_body
from pipeline.readers.options import MAX_BYTES, take
from pipeline.readers.warc import parse_date, read_frames, record_type
from pipeline.readers.warc_frames import Frame
from pipeline.records import Record

MAX_LINKS = 1000
FIELDS = ("title", "description", "anchors", "alt_texts")
LINK_FIELDS = ("path", "text", "alt", "rel")
_ADDRESSES = ("url", "href")


def read(
    path: str,
    container: str,
    *,
    open_file: Callable[[str], BinaryIO],
    options: Mapping[str, Any],
) -> Generator[Record, None, int | None]:
    """Read a WAT file; parameters and guarantees as for `pipeline.readers.warc.read`.

    A record about a response with status 200 and HTML yields the page's metadata: title,
    description, links, HTTP header and where the page itself is stored. It has no text of the page,
    so it is rejected as `metadata_only`, with all of it in `metadata`; unless `text_field` names a
    field of it that is to be the text. Other records are rejected as they would be in a WARC.

    Parameters
    ----------
    options
        ``max_bytes`` of an envelope (64 MiB); ``max_links`` kept of a page (1000);
        ``text_field``: title, description, anchors (texts of links, one a line) or alt_texts.

    Raises
    ------
    UserError
        When an option is wrong.
    """
    known = take("wat", options, text_field=None, max_links=MAX_LINKS, max_bytes=MAX_BYTES)
    if known["text_field"] is not None and known["text_field"] not in FIELDS:
        raise UserError(
            f"reader 'wat': option 'text_field': expected {', '.join(FIELDS)}, got "
            f"'{known['text_field']}'{nearest(known['text_field'], FIELDS)}"
        )
    return read_frames(
        path,
        container,
        open_file,
        {"metadata": known["max_bytes"]},
        lambda frame, base: _page(frame, base, known),
    )


def _page(frame: Frame, base: dict[str, Any], options: Mapping[str, Any]) -> Record:
    kind = record_type(frame.fields)
    if kind != "metadata":
        return Record(**base, reject="not_metadata", detail=f"type '{kind[:40]}'")
    if frame.block is None:
        detail = f"{frame.size} bytes stored, limit {options['max_bytes']}"
        return Record(**base, error="oversized", detail=detail)
    try:
        envelope = json.loads(frame.block.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        return Record(**base, error="invalid_json", detail=str(error)[:300])
    envelope, stored = _at(envelope, "Envelope"), _at(envelope, "Container")
    told = _at(envelope, "WARC-Header-Metadata")
    payload = _at(envelope, "Payload-Metadata")
    about = _string(told, "WARC-Type").lower()
    if about == "revisit":
        return Record(**base, reject="revisit")
    if about != "response":
        return Record(**base, reject="not_response", detail=f"about type '{about[:40]}'")
    response = _at(payload, "HTTP-Response-Metadata")
    if not response:
        return Record(**base, reject="not_http", detail=_string(payload, "Actual-Content-Type"))
    base["headers"] = headers = _headers(_at(response, "Headers"))
    base["media_type"] = http_body.declared_type(headers)
    base["charset"] = http_body.declared_charset(headers)
    base["fetched_at"] = parse_date(_string(told, "WARC-Date")) or base["fetched_at"]
    base["uri"] = base["uri"] or _string(told, "WARC-Target-URI")
    status = _string(_at(response, "Response-Message"), "Status")
    html = _at(response, "HTML-Metadata")
    texts = _texts(html)
    base["metadata"] = {**base["metadata"], **_metadata(told, stored, payload, headers)}
    base["metadata"]["http_status"] = int(status) if status.isdigit() else status
    if status != "200":
        return Record(**base, reject="http_status", detail=status)
    if not html:
        return Record(**base, reject="media_type", detail=base["media_type"])
    base["metadata"] |= _page_metadata(html, texts, options["max_links"])
    if options["text_field"] is None:
        return Record(**base, reject="metadata_only")
    text = texts[options["text_field"]]
    if not text.strip():
        return Record(**base, reject="empty_text")
    return Record(**base, text=text)


def _metadata(told: dict, stored: dict, payload: dict, headers: dict) -> dict[str, Any]:
    """Where the page is stored, and what the crawler and the server said of it."""
    found = {
        "warc_filename": _string(stored, "Filename"),
        "warc_record_offset": _string(stored, "Offset"),
        "warc_record_length": _string(_at(stored, "Gzip-Metadata"), "Deflate-Length"),
        "warc_record_id": _string(told, "WARC-Record-ID"),
        "warc_payload_digest": _string(told, "WARC-Payload-Digest"),
        "warc_truncated": _string(told, "WARC-Truncated"),
        "content_type": headers.get("content-type", ""),
        "server": headers.get("server", ""),
    }
    numbers = ("warc_record_offset", "warc_record_length")
    return {
        name: int(value) if name in numbers and value.isdigit() else value
        for name, value in found.items()
        if value
    }


def _page_metadata(html: dict, texts: dict[str, str], limit: int) -> dict[str, Any]:
    links = [link for link in _items(html, "Links") if _address(link)]
    kept = [
        {
            "url": _address(link),
            **{
                name: _string(link, name) for name in ("path", "text", "alt", "rel") if name in link
            },
        }
        for link in links[:limit]
    ]
    head = _at(html, "Head")
    found: dict[str, Any] = {"n_links": len(links), "links": kept, "title": texts["title"]}
    found["description"] = texts["description"]
    found["canonical_url"] = next(
        (_address(link) for link in _items(head, "Link") if _string(link, "rel") == "canonical"), ""
    )
    metas = {}
    for meta in _items(head, "Metas"):
        name = _string(meta, "name") or _string(meta, "property") or _string(meta, "http-equiv")
        if name:
            metas.setdefault(name.lower(), _string(meta, "content"))
    found["metas"] = metas
    return {name: value for name, value in found.items() if value or name == "n_links"}


def _texts(html: dict) -> dict[str, str]:
    """The fields that can be the text."""
    head = _at(html, "Head")
    description = next(
        (
            _string(meta, "content")
            for meta in _items(head, "Metas")
            if (_string(meta, "name") or _string(meta, "property")).lower()
            in ("description", "og:description")
        ),
        "",
    )
    links = _items(html, "Links")
    return {
        "title": " ".join(_string(head, "Title").split()),
        "description": " ".join(description.split()),
        "anchors": "\n".join(filter(None, (_string(link, "text").strip() for link in links))),
        "alt_texts": "\n".join(filter(None, (_string(link, "alt").strip() for link in links))),
    }


def _headers(fields: dict) -> dict[str, str]:
    return {
        charset.clean(str(name)).lower(): charset.clean(
            ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        )
        for name, value in fields.items()
    }


def _address(link: dict) -> str:
    return next((_string(link, name) for name in _ADDRESSES if link.get(name)), "")


def _at(value: Any, name: str) -> dict:
    """A member that is an object; an empty one where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _items(value: dict, name: str) -> list[dict]:
    found = value.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _string(value: dict, name: str) -> str:
    found = value.get(name)
    return charset.clean(str(found)) if isinstance(found, str | int | float) else ""
