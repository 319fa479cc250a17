"""Parquet files, streamed row group by row group."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.readers.options import take
from pipeline.readers.rows import DEFAULTS, URI_FIELDS, row_record
from pipeline.records import Record

BATCH_ROWS = 256


def read(
    path: str,
    container: str,
    *,
    open_file: Callable[[str], BinaryIO],
    options: Mapping[str, Any],
) -> Generator[Record, None, int | None]:
    """Read a Parquet file.

    Parameters
    ----------
    options
        ``max_bytes`` of a text (64 MiB), and `pipeline.readers.rows.DEFAULTS`.

    Yields
    ------
    Record
        One a row; `offset` is the row's number from 0. Where a row group cannot be decoded, one
        record tells which rows were lost.

    Returns
    -------
    int | None
        Rows that the footer names, those of a damaged stretch as one; None if there is no footer.
    """
    known = take("parquet", options, **DEFAULTS)
    with open_file(path) as binary:
        size = binary.seek(0, 2)
        if not size:
            detail = "the file is empty"
            yield Record(container, length=0, error="empty_file", detail=detail)
            return None
        binary.seek(0)
        try:
            file = pq.ParquetFile(binary, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            detail = _one_line(error)
            yield Record(container, length=size, error="not_parquet", detail=detail)
            return None
        return (yield from _rows(file, container, size, known))


def _rows(
    file: pq.ParquetFile, container: str, size: int, options: Mapping[str, Any]
) -> Generator[Record, None, int | None]:
    columns = _columns(file.schema_arrow, options)
    text_column = options["text_field"].split(".")[0]
    if not {options["text_field"], text_column} & set(columns):
        names = ", ".join(file.schema_arrow.names[:40])
        detail = f"no column '{text_column}' (columns: {names}); set 'text_field'"
        yield Record(container, length=size, error="missing_text", detail=detail)
        return None
    first, present = 0, file.metadata.num_rows
    for group in range(file.num_row_groups):
        row, end = first, first + file.metadata.row_group(group).num_rows
        try:
            batches = file.iter_batches(
                BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False
            )
            for batch in batches:
                for values in batch.to_pylist():
                    yield row_record(values, {"container": container, "offset": row}, options)
                    row += 1
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            present -= end - row - 1
            detail = f"rows {row} to {end - 1} (row group {group}): {_one_line(error)}"
            yield Record(container, offset=row, error="parquet_damaged", detail=detail)
        first = end
    return present


def _columns(schema: pa.Schema, options: Mapping[str, Any]) -> list[str]:
    """Columns worth reading: scalars, and whatever the options or a `metadata` struct need."""
    fields = [options["text_field"], options["uri_field"], options["fetched_at_field"]]
    wanted = {
        name for field in (*fields, *URI_FIELDS) if field for name in (field, field.split(".")[0])
    }
    return [
        field.name
        for field in schema
        if field.name in wanted or field.name == "metadata" or not pa.types.is_nested(field.type)
    ]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
