"""Writing one Parquet shard, sorted by id, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MERGE_ROWS = 4096
RUN_ROWS = 256
"""Rows of a spilled run that are read together: they are wide, and there may be many runs."""
ROW_GROUP_BYTES = 8 << 20


class SortedShard:
    """Collects tables of one schema and writes them as one file sorted by the given columns.

    Tables are held up to `buffer_bytes`; beyond that, sorted runs are spilled beside the result and
    merged at the end. The bytes of the result do not depend on how the rows arrived.
    """

    def __init__(
        self,
        path: str,
        schema: pa.Schema,
        order: list[str],
        buffer_bytes: int,
        compression: dict[str, Any],
    ):
        self.path, self.schema, self.order = path, schema, order
        self.buffer_bytes, self.compression = buffer_bytes, compression
        self.rows = 0
        self._tables: list[pa.Table] = []
        self._held = 0
        self._runs: list[str] = []

    def append(self, table: pa.Table) -> None:
        table = conform(table, self.schema)
        self.rows += len(table)
        self._tables.append(table)
        self._held += table.nbytes
        if self._held > self.buffer_bytes:
            self._spill()

    def close(self) -> None:
        """Write the file."""
        if not self._runs:
            write_table(iter([self._sorted()]), self.path, self.schema, self.compression)
            return
        self._spill()
        write_table(self._merged(), self.path, self.schema, self.compression)
        for run in self._runs:
            os.unlink(run)

    def _sorted(self) -> pa.Table:
        table = pa.concat_tables(self._tables) if self._tables else self.schema.empty_table()
        self._tables, self._held = [], 0
        # large strings, because taking rows of many chunks may pass 2 GiB in one column
        keys = [(name, "ascending") for name in self.order]
        indices = pc.sort_indices(table.select(self.order), sort_keys=keys)
        return _take(table, indices)

    def _spill(self) -> None:
        if self._tables:
            run = f"{self.path}.run{len(self._runs)}.parquet"
            pq.write_table(self._sorted(), run, compression="zstd", row_group_size=RUN_ROWS)
            self._runs.append(run)

    def _merged(self) -> Iterator[pa.Table]:
        """The rows of all runs in order, a few of each run in memory at a time."""
        keys = [pq.read_table(run, columns=self.order) for run in self._runs]
        indices = pc.sort_indices(
            pa.concat_tables(keys), sort_keys=[(name, "ascending") for name in self.order]
        )
        runs = np.repeat(np.arange(len(keys)), [len(key) for key in keys])[indices.to_numpy()]
        del keys, indices
        streams = [_Stream(run) for run in self._runs]
        for at in range(0, len(runs), RUN_ROWS):
            own = runs[at : at + RUN_ROWS]
            found, counts = np.unique(own, return_counts=True)
            parts = [streams[run].take(n) for run, n in zip(found, counts, strict=True)]
            # rows come grouped by run, in order in each; back to where they belong
            places = np.argsort(np.argsort(own, kind="stable"), kind="stable")
            table = conform(pa.concat_tables(parts), self.schema)
            yield _take(table, pa.array(places))


class _Stream:
    """The rows of a sorted run, a few at a time."""

    def __init__(self, path: str):
        self.batches = pq.ParquetFile(path, pre_buffer=False).iter_batches(RUN_ROWS)
        self.held: pa.Table | None = None

    def take(self, count: int) -> pa.Table:
        parts = []
        while count:
            if not self.held:
                self.held = pa.Table.from_batches([next(self.batches)])
            parts.append(self.held.slice(0, count))
            self.held = self.held.slice(len(parts[-1]))
            count -= len(parts[-1])
        return pa.concat_tables(parts)


def write_table(
    tables: Iterator[pa.Table], path: str, schema: pa.Schema, compression: dict[str, Any]
) -> None:
    """Write tables as one Parquet file whose row groups hold about `ROW_GROUP_BYTES` of data.

    Row groups are cut by the size of the rows alone, so the same rows give the same bytes.
    """
    with pq.ParquetWriter(path, schema, write_statistics=True, **compression) as writer:
        pending: list[pa.Table] = []
        held = 0
        for table in tables:
            sizes = _row_bytes(table)
            start = 0
            for row, size in enumerate(sizes):
                held += size
                if held >= ROW_GROUP_BYTES:
                    pending.append(table.slice(start, row + 1 - start))
                    _write_group(writer, pending)
                    pending, held, start = [], 0, row + 1
            if start < len(table):
                pending.append(table.slice(start))
        if pending:
            _write_group(writer, pending)


def _write_group(writer: pq.ParquetWriter, tables: list[pa.Table]) -> None:
    # one chunk a column: pages end where chunks do, and bytes must not tell how rows arrived
    writer.write_table(pa.concat_tables(tables).combine_chunks(), row_group_size=1 << 30)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Reorder and cast columns to a schema; columns that the table lacks become null."""
    places = {name: place for place, name in enumerate(table.column_names)}
    columns = []
    for field in schema:
        if field.name in places:
            column = table.column(places[field.name])
            columns.append(column if column.type == field.type else column.cast(field.type))
        else:
            columns.append(pa.nulls(len(table), field.type))
    return pa.table(columns, schema=schema)


def compression_options(codec: str, level: int | None) -> dict[str, Any]:
    """Arguments of `ParquetWriter` for a codec of the recipe."""
    if codec == "none":
        return {"compression": "NONE"}
    levelled = codec in ("zstd", "gzip") and level is not None
    return {"compression": codec, **({"compression_level": level} if levelled else {})}


def _row_bytes(table: pa.Table) -> list[int]:
    if "text" not in table.column_names:
        return [256] * len(table)
    return [256 + (size or 0) for size in pc.binary_length(table["text"]).to_pylist()]


def _take(table: pa.Table, indices: pa.Array) -> pa.Table:
    wide = pa.schema(
        [f.with_type(pa.large_string()) if f.type == pa.string() else f for f in table.schema]
    )
    taken = table.cast(wide).take(indices)
    if taken.nbytes < (1 << 31) - (1 << 20):
        return taken.combine_chunks().cast(table.schema)
    steps = range(0, len(taken), MERGE_ROWS)
    return pa.concat_tables(taken.slice(at, MERGE_ROWS).cast(table.schema) for at in steps)
