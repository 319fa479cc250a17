"""Selections: records fetched one by one from their byte ranges, as an index of a crawl names them.

Every row yields exactly one record. Ranges that lie close are fetched together.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Generator, Iterator, Mapping
from itertools import groupby
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from catalogs import storage
from pipeline.charset import clean
from pipeline.readers.options import MAX_BYTES
from pipeline.records import Record

GAP = 1 << 16
TOGETHER = 8 << 20
ALLOWANCE = 1 << 20
ROWS = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of a selection; None where the table holds nothing usable."""

    file: str | None
    offset: int | None
    length: int | None
    url: str | None


def read(
    path: str,
    *,
    base: str,
    reader: Callable[..., Iterator[Record]],
    open_file: Callable[[str], BinaryIO],
    options: Mapping[str, Any],
) -> Generator[Record, None, int]:
    """Read the records that a part of a selection names.

    Parameters
    ----------
    path
        Parquet file with the columns of `Row`, sorted by file and offset.
    base
        What file names are relative to.
    reader
        Reader of the files, such as that of WARC.
    options
        Options of that reader.

    Yields
    ------
    Record
        One a row: the record in its range, or an error of ``range_missing``, ``range_damaged``,
        ``range_url`` or ``selection_row``. `container` is the file.

    Returns
    -------
    int
        Number of rows.
    """
    limit = options.get("max_bytes", MAX_BYTES) + ALLOWANCE

    def one(row: Row, data: bytes) -> Record:
        return _one(row, data, reader, options)

    with pq.ParquetFile(path) as table:
        rows = (Row(**values) for batch in table.iter_batches(ROWS) for values in batch.to_pylist())
        for name, group in groupby(rows, key=lambda row: row.file):
            if name is None:
                yield from (_failed(row, "selection_row", "no file name") for row in group)
            else:
                yield from _of_file(storage.join(base, name), group, open_file, limit, one)
        return table.metadata.num_rows


def _of_file(
    path: str,
    rows: Iterator[Row],
    open_file: Callable[[str], BinaryIO],
    limit: int,
    one: Callable[[Row, bytes], Record],
) -> Iterator[Record]:
    file: BinaryIO | None = None
    try:
        for near in _together(rows, limit):
            if not _usable(near[0], limit):
                yield _unusable(near[0], limit)
                continue
            start, stop = near[0].offset, max(_end(row) for row in near)
            try:
                file = file or open_file(path)
                file.seek(start)
                data = file.read(stop - start)
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                yield from (_failed(row, "range_missing", f"no such file: {path}") for row in near)
                continue
            for row in near:
                begin = row.offset - start
                yield one(row, data[begin : begin + row.length])
    finally:
        if file is not None:
            file.close()


def _together(rows: Iterator[Row], limit: int) -> Iterator[list[Row]]:
    """Rows whose ranges are fetched in one go; rows without a usable range stand alone."""
    near: list[Row] = []
    stop = 0
    for row in rows:
        if near and not (
            _usable(row, limit)
            and _usable(near[0], limit)
            and row.offset <= stop + GAP
            and _end(row) - near[0].offset <= TOGETHER
        ):
            yield near
            near, stop = [], 0
        near.append(row)
        stop = max(stop, _end(row)) if _usable(row, limit) else 0
    if near:
        yield near


def _usable(row: Row, limit: int) -> bool:
    if row.offset is None or row.length is None:
        return False
    return row.offset >= 0 and 0 < row.length <= limit


def _end(row: Row) -> int:
    return row.offset + row.length


def _unusable(row: Row, limit: int) -> Record:
    if row.length is not None and row.length > limit:
        return _failed(row, "oversized", f"a range of {row.length} bytes, limit {limit}")
    return _failed(row, "selection_row", f"offset {row.offset}, length {row.length}")


def _one(
    row: Row,
    data: bytes,
    reader: Callable[..., Iterator[Record]],
    options: Mapping[str, Any],
) -> Record:
    """The one record of a range."""
    if len(data) < row.length:
        there = f"only {len(data)} of {row.length} bytes are there: the file ends before"
        return _failed(row, "range_missing", there)
    found = list(
        reader(row.file, row.file, open_file=lambda path: io.BytesIO(data), options=options)
    )
    if len(found) != 1:
        return _failed(row, "range_damaged", f"the range holds {len(found)} records, expected one")
    [record] = found
    if record.error and record.error not in ("oversized", "http_header"):
        return _failed(row, "range_damaged", f"{record.error}: {record.detail}")
    if row.url and record.uri != clean(row.url).strip():
        return _failed(row, "range_url", f"the record there is of {record.uri or 'no URL'}")
    return dataclasses.replace(record, offset=row.offset, length=row.length)


def _failed(row: Row, error: str, detail: str) -> Record:
    return Record(
        container=row.file or "",
        uri=clean(row.url or "").strip(),
        offset=row.offset or 0,
        length=row.length,
        error=error,
        detail=detail,
    )
