"""DuckDB for the steps of dedup: one thread, bounded memory, spilling beside the output."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import duckdb

MEMORY = "1GB"


@contextlib.contextmanager
def session(out_path: str, memory: str = MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose temporary files live in a folder beside `out_path` until it closes.

    Parameters
    ----------
    memory
        DuckDB's ``memory_limit``; larger sorts and joins spill to disk.
    """
    with workspace(out_path) as folder:
        settings = {
            "threads": 1,
            "memory_limit": memory,
            "temp_directory": folder,
            "preserve_insertion_order": False,
            "default_null_order": "nulls_last",
        }
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


@contextlib.contextmanager
def workspace(out_path: str) -> Iterator[str]:
    """A temporary folder beside `out_path`, removed at the end."""
    parent = os.path.dirname(os.path.abspath(out_path))
    with tempfile.TemporaryDirectory(prefix=".dedup-", dir=parent) as folder:
        yield folder


def scan(paths: Sequence[str], columns: Mapping[str, str], path_column: str | None = None) -> str:
    """SQL of a table over Parquet files; of the given columns and types if there is no file.

    `path_column` adds the path of each row's file under that name.
    """
    if not paths:
        if path_column:
            columns = {**columns, path_column: "VARCHAR"}
        empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.items())
        return f"(SELECT {empty} WHERE false)"
    files = ", ".join(_literal(_without_globs(path)) for path in paths)
    extra = f", filename={_literal(path_column)}" if path_column else ""
    return f"read_parquet([{files}], hive_partitioning=false{extra})"


def copy(connection: duckdb.DuckDBPyConnection, query: str, out_path: str) -> int:
    """Write the rows of an ordered query as Parquet; return how many."""
    target = _literal(out_path)
    options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536"
    return connection.execute(f"COPY ({query}) TO {target} ({options})").fetchall()[0][0]


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    """The only row of a query."""
    (row,) = connection.sql(query).fetchall()
    return row


def partition_of(column: str, partition: int, n_partitions: int) -> str:
    """SQL predicate: `column` hashes to this partition. MD5, so that it holds for any version."""
    return f"md5_number_lower({column}) % {n_partitions} = {partition}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _without_globs(path: str) -> str:
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in path)
