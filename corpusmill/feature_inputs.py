"""The documents of a Parquet or JSON Lines file, batch by batch, for the verb ``features``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.errors import UserError, nearest
from pipeline.readers.compression import CODECS, Lost, detect_codec, members
from pipeline.readers.input_file import InputFile

BATCH_BYTES = 8 << 20
"""Text worked on at a time, about; the memory that the command needs depends on it alone."""
BATCH_ROWS = 4096
_COMPRESSED = tuple(suffix for codec in CODECS for suffix in codec.suffixes)
_LINES = (".jsonl", ".ndjson", ".json")


def batches(
    path: str, file: BinaryIO, wanted: Mapping[str, str | None], language: str | None
) -> Iterator[pa.Table]:
    """Tables with the columns id, text (large_string) and language (string), in order.

    wanted names the columns of ``text``, ``id`` and ``language`` (None: there is none); language
    is that of all texts. Raises UserError, one line with the place, for what cannot be read.
    """
    bare = path.lower()
    if bare.endswith(_COMPRESSED):
        bare = os.path.splitext(bare)[0]
    if path.lower().endswith(".parquet"):
        found = _parquet(path, file, wanted)
    elif bare.endswith(_LINES):
        found = _json(path, file, wanted)
    else:
        raise UserError(
            f"{path}: expected .parquet, or .jsonl, which may be compressed ({_some(_COMPRESSED)})"
        )
    for columns in found:
        rows = len(columns["text"])
        if language or "language" not in columns:
            columns["language"] = [language] * rows
        yield pa.table(
            {
                "id": columns["id"],
                "text": pa.array(columns["text"], pa.large_string()),
                "language": pa.array(columns["language"], pa.string()),
            }
        )


def _parquet(
    path: str, file: BinaryIO, wanted: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: cannot be read as Parquet: {_line(error)}") from None
    schema = table.schema_arrow
    for option, key in (("--text-column", "text"), ("--language-column", "language")):
        if wanted[key] and wanted[key] not in schema.names:
            hint = nearest(wanted[key], schema.names) or f" (columns: {_some(schema.names)})"
            raise UserError(f"{path}: {option}: no column '{wanted[key]}'{hint}")
    present = {key: name for key, name in wanted.items() if name in schema.names}
    for key, name in present.items():
        if schema.names.count(name) > 1:
            raise UserError(f"{path}: --{key}-column: there are several columns '{name}'")
        kind = schema.field(name).type
        if key != "id" and not _is_text(kind):
            raise UserError(f"{path}: --{key}-column: '{name}' is no text but {kind}")
    row = 0
    rows = _rows_at_a_time(table, wanted["text"])
    read = table.iter_batches(rows, columns=list(dict.fromkeys(present.values())))
    while True:
        try:
            batch = next(read, None)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path}: damaged behind row {row}: {_line(error)}") from None
        if batch is None:
            return
        columns: dict[str, Any] = {key: batch.column(name) for key, name in present.items()}
        for key in ("text", "id"):
            if key in columns and columns[key].null_count:
                at = row + columns[key].is_null().index(True).as_py()
                raise UserError(f"{path}: the {key} of row {at} is null: drop the row first")
        if _is_binary(columns["text"].type):
            columns["text"] = _decoded(path, columns["text"], row)
        columns.setdefault("id", pa.array(range(row, row + len(batch)), pa.int64()))
        row += len(batch)
        yield columns


def _rows_at_a_time(table: pq.ParquetFile, text: str) -> int:
    """Rows of about BATCH_BYTES of text."""
    size = 0
    for group in range(table.metadata.num_row_groups):
        found = table.metadata.row_group(group)
        for place in range(found.num_columns):
            column = found.column(place)
            size += column.total_uncompressed_size if column.path_in_schema == text else 0
    mean = size // max(table.metadata.num_rows, 1) + 1
    return min(max(BATCH_BYTES // mean, 1), BATCH_ROWS)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()
    return text or _is_binary(kind) or pa.types.is_null(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _decoded(path: str, column: pa.Array, first: int) -> pa.Array:
    try:
        return column.cast(pa.large_string())
    except pa.ArrowInvalid:
        for row, text in enumerate(column.to_pylist(), first):
            try:
                text.decode()
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: the text of row {row}: {_line(error)}") from None
        raise


def _json(path: str, file: BinaryIO, wanted: Mapping[str, str | None]) -> Iterator[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    size = 0
    named = None  # whether the records before have ids
    for number, line in enumerate(_lines(path, file)):
        if number == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        where = f"{path}: line {number + 1}"
        row = _json_row(where, line, wanted)
        if named is None:
            named = row["id"] is not None
        if named and row["id"] is None:
            raise UserError(f"{where}: --id-column: no '{wanted['id']}', though lines before have")
        if not named and row["id"] is not None:
            raise UserError(f"{where}: --id-column: lines before have no '{wanted['id']}'")
        if not named:
            row["id"] = str(number)
        rows.append(row)
        size += len(line)
        if size >= BATCH_BYTES or len(rows) >= BATCH_ROWS:
            yield _json_columns(rows)
            rows, size = [], 0
    if rows:
        yield _json_columns(rows)


def _lines(path: str, file: BinaryIO) -> Iterator[bytes]:
    """Lines of a file, inflated; raises UserError where it is damaged."""
    source = InputFile(file)
    parts: list[bytes] = []
    number = 0
    codec = detect_codec(
        source, path, lambda head: head.lstrip(b"\xef\xbb\xbf \n").startswith(b"{")
    )
    for piece in members(source, codec, lambda head: True):
        if isinstance(piece, Lost):
            raise UserError(f"{path}: damaged behind line {number}: {_line(piece.detail)}")
        first, *others = piece.data.split(b"\n")
        parts.append(first)
        for part in others:
            yield b"".join(parts)
            parts = [part]
            number += 1
    yield b"".join(parts)


def _begins_object(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _json_row(where: str, line: bytes, wanted: Mapping[str, str | None]) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON: {_line(error)}") from None
    if not isinstance(found, dict):
        raise UserError(f"{where}: expected an object, got a {type(found).__name__}")
    values = {key: found.get(name) if name else None for key, name in wanted.items()}
    if wanted["text"] not in found:
        hint = nearest(wanted["text"], found) or f" (fields: {_some(list(found))})"
        raise UserError(f"{where}: --text-column: no '{wanted['text']}'{hint}")
    if type(values["id"]) is int:
        values["id"] = str(values["id"])
    for key, value in values.items():
        if not isinstance(value, str) and (value is not None or key == "text"):
            kind = "null" if value is None else type(value).__name__
            raise UserError(f"{where}: --{key}-column: '{wanted[key]}' is no text but {kind}")
        if value is not None:
            values[key] = value.encode("utf-8", "replace").decode()  # lone surrogates of \\ud800
    return values


def _json_columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": pa.array([row["id"] for row in rows], pa.string()),
        "text": [row["text"] for row in rows],
        "language": [row["language"] for row in rows],
    }


def _some(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(map(str, names[:12])) + (", ..." if len(names) > 12 else "")


def _line(error: object) -> str:
    """The first line of a message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
