"""Notices: files that speak for others: robots.txt, ai.txt, tdmrep.json, licence files.

INGEST finds them among its records, `snapshot` reads them from files given for it. A notice is
about a scope: a host with its port, or a folder of a source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from filters.host_consent import file_kind
from filters.licence_files import is_licence_file, licence_of_file
from pipeline.documents import field
from pipeline.records import Record
from pipeline.redirects import destination
from pipeline.shards import SortedShard, compression_options

LICENCE = "license"
NOTICES = pa.schema(
    [
        field("kind", pa.string(), "robots, ai-txt, tdmrep or license"),
        field("scope", pa.string(), "host with its port unless that is the usual one; or folder"),
        field("source", pa.string(), "source of a licence file, else empty"),
        field("later", pa.bool_(), "from a snapshot given for the run, not from the crawl itself"),
        field("fetched_at", pa.timestamp("us", tz="UTC"), "when it was fetched"),
        field("status", pa.int32(), "HTTP status, null if not known"),
        field("uri", pa.string(), "URL or path of the file"),
        field("body", pa.binary(), "bytes of the file; SPDX id of a licence; URL of a redirect"),
    ]
)
ORDER = ["kind", "scope", "source", "later", "fetched_at", "status", "uri", "body"]
MAX_BODY = 500 * 1024 + 1
"""Bytes kept: one more than robots.txt is read to, so that a cut shows."""
_PATH_FIELDS = ("path", "file_path", "filepath", "max_stars_repo_path", "filename")
_REPO_FIELDS = ("repo", "repo_name", "repository", "repository_name", "max_stars_repo_name")
_USUAL_PORT = {"http": 80, "https": 443}


def authority(url: str) -> str | None:
    """Host of a URL, lower case and punycode, with its port unless that is the usual one."""
    if "://" not in url:
        return None
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    if not host:
        return None
    return host if port in (None, _USUAL_PORT.get(parts.scheme.lower())) else f"{host}:{port}"


def code_path(uri: str | None, metadata: dict[str, Any]) -> str:
    """Where a file of code lies: repository and path of its record, or its URI without scheme."""
    path = next((str(metadata[name]) for name in _PATH_FIELDS if metadata.get(name)), "")
    if path:
        repo = next((str(metadata[name]) for name in _REPO_FIELDS if metadata.get(name)), "")
        return "/" + "/".join(part.strip("/") for part in (repo, path) if part)
    return "/" + re.sub(r"^\w+://", "", uri or "").partition("?")[0].strip("/")


def notice_of(record: Record, source: str) -> dict[str, Any] | None:
    """The notice that a record of an input is, or None."""
    kind = file_kind(record.uri) if "://" in record.uri else None
    host = authority(record.uri) if kind else None
    if kind and host:
        status = record.metadata.get("http_status")
        answered = record.reject in ("robots_txt", "consent_file", "http_status", "empty_body")
        if not answered or (status is None and record.payload is None):
            return None
        body = record.payload or b""
        if 300 <= (_status(status) or 200) < 400:
            location = {name.lower(): value for name, value in record.headers.items()}
            target = destination(_status(status), record.uri, location.get("location"))
            if kind != "robots" or target is None:
                return None  # only robots.txt has a rule for them
            body = target.encode()
        return _notice(kind, host, record, body, status)
    if record.text is None or "http_status" in record.metadata:
        return None
    path = code_path(record.uri, record.metadata)
    found = licence_of_file(record.text) if is_licence_file(path) else None
    if found is None:
        return None
    folder = path.rpartition("/")[0]
    return _notice(LICENCE, folder, record, found.encode(), None) | {"source": source, "uri": path}


def snapshot_of(record: Record) -> dict[str, Any] | None:
    """The notice that a record of a snapshot is: of a WARC file, or a row with host and body."""
    if record.uri and file_kind(record.uri):
        found = notice_of(record, "")
        if found is not None:
            return found | {"later": True}
    row = record.metadata
    kind = str(row.get("kind") or "")
    kind = kind if kind in ("robots", "ai-txt", "tdmrep") else file_kind(record.uri) or "robots"
    host = str(row.get("host") or row.get("domain") or "").strip().lower()
    host = authority(host if "://" in host else f"http://{host}") if host else None
    host = host or authority(record.uri or "")
    if host is None or "warc_type" in row:
        return None
    others = (row.get(name) for name in ("text", "content", "robots_txt", "robots", "robotstxt"))
    body = record.text or next((text for text in others if isinstance(text, str)), None)
    status = _status(row.get("status", row.get("http_status", row.get("status_code"))))
    if body is None and record.reject != "empty_text" and status is None:
        return None
    if 300 <= (status or 200) < 400:
        body = destination(status, f"http://{host}/robots.txt", row.get("location"))
        if kind != "robots" or body is None:
            return None
    found = _notice(kind, host, record, (body or "").encode("utf-8", "replace"), status)
    return found | {"later": True}


def _notice(
    kind: str, scope: str, record: Record, body: bytes, status: int | None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "scope": scope,
        "source": "",
        "later": False,
        "fetched_at": record.fetched_at,
        "status": _status(status),
        "uri": record.uri,
        "body": body[:MAX_BODY],
    }


def _status(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def write_notices(path: str, notices: list[dict[str, Any]]) -> int:
    """Write notices in their order, each once; returns their number."""
    rows = {json.dumps(notice, sort_keys=True, default=repr): notice for notice in notices}
    shard = SortedShard(path, NOTICES, ORDER, 256 << 20, compression_options("zstd", 3))
    shard.append(pa.Table.from_pylist(list(rows.values()), schema=NOTICES))
    shard.close()
    return shard.rows


def notices_in(records: Iterator[Record]) -> tuple[list[dict[str, Any]], int]:
    """The notices of a snapshot, and how many records were read."""
    found, read = [], 0
    for record in records:
        read += 1
        notice = snapshot_of(record)
        if notice is not None:
            found.append(notice)
    return found, read
