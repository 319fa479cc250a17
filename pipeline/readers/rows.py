"""Rows of tables (JSONL, Parquet) as records: which field is the text, which become metadata."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from pipeline.charset import clean
from pipeline.http_body import TEXT_TYPE
from pipeline.records import Record

URI_FIELDS = ("url", "uri", "metadata.url", "metadata.uri")
DEFAULTS = {"text_field": "text", "uri_field": None, "fetched_at_field": None}
"""Options of table readers; a dot leads into nested fields. Without `uri_field` the first of
`URI_FIELDS` that a row has is taken."""


def row_record(row: Mapping[str, Any], base: dict[str, Any], options: Mapping[str, Any]) -> Record:
    """The record of one row.

    The text is taken as it is, but for NUL and unpaired surrogates. Scalar fields of the row, and
    of a field `metadata` within, become metadata; those of the row win.
    """
    base = base | {"uri": _uri(row, options), "metadata": _metadata(row, options)}
    base["media_type"] = TEXT_TYPE
    if options["fetched_at_field"]:
        base["fetched_at"] = _moment(_lookup(row, options["fetched_at_field"]))
    field = options["text_field"]
    text = _lookup(row, field)
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            return Record(**base, error="invalid_utf8", detail=f"field '{field}': {error}"[:300])
    if not isinstance(text, str):
        found = "is null or absent" if text is None else f"is no text but {type(text).__name__}"
        return Record(**base, error="missing_text", detail=f"field '{field}' {found}")
    size = len(text) if len(text) > options["max_bytes"] else len(text.encode("utf-8", "ignore"))
    if size > options["max_bytes"]:
        detail = f"text of {size} bytes, limit {options['max_bytes']}"
        return Record(**base, error="oversized", detail=detail)
    text = clean(text)
    if not text.strip():
        return Record(**base, reject="empty_text")
    return Record(**base, text=text)


def _lookup(row: Mapping[str, Any], field: str) -> Any:
    if field in row:
        return row[field]
    value: Any = row
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _uri(row: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    for field in (options["uri_field"],) if options["uri_field"] else URI_FIELDS:
        value = _lookup(row, field)
        if isinstance(value, str) and value.strip():
            return clean(value).strip()
    return ""


def _metadata(row: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    nested = row.get("metadata")
    merged = {**(nested if isinstance(nested, Mapping) else {}), **row}
    metadata = {}
    for name, value in merged.items():
        if name == options["text_field"] or value is None:
            continue
        if isinstance(value, str):
            metadata[clean(name)] = clean(value)
        elif isinstance(value, bool | int | float):
            metadata[clean(name)] = value
        elif isinstance(value, date):
            metadata[clean(name)] = value.isoformat()
    return metadata


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return None
