"""DuckDB for the steps of dedup: one thread, bounded memory, spilling beside the output.

A *node* is what is compared: a text within its scope, named by 128 bits of hash, a UUID column.
Files that one step hands to another are sorted by what the reader asks for (a range of nodes, of
band hashes, a shard), so that the reader's filter skips the row groups that are not its own.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

import duckdb

from catalogs.sql import literal, parquet

MEMORY = "1GB"
ROW_GROUP = 16384
BITS = 128


@contextlib.contextmanager
def session(beside: str, memory: str = MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose temporary files live in a folder beside a path until it closes.

    Parameters
    ----------
    memory
        DuckDB's ``memory_limit``; larger sorts and joins spill to disk.
    """
    with workspace(beside) as folder:
        settings = {
            "threads": 1,
            "memory_limit": memory,
            "temp_directory": folder,
            "preserve_insertion_order": False,
            "default_null_order": "nulls_last",
        }
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET arrow_lossless_conversion = true")
            connection.execute("SET enable_progress_bar = false")
            yield connection


@contextlib.contextmanager
def workspace(beside: str) -> Iterator[str]:
    """A temporary folder beside a path, removed at the end."""
    parent = os.path.dirname(os.path.abspath(beside))
    with tempfile.TemporaryDirectory(prefix=".dedup-", dir=parent) as folder:
        yield folder


def scan(paths: Sequence[str], columns: Mapping[str, str], extra: Sequence[str] = ()) -> str:
    """SQL of a table over Parquet files; of the given columns and types if there is no file.

    Parameters
    ----------
    extra
        Virtual columns that are asked for, too: ``file_index`` (the place of a row's file among the
        paths) and ``file_row_number``.
    """
    if not paths:
        columns = {**columns, **dict.fromkeys(extra, "BIGINT")}
        empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.items())
        return f"(SELECT {empty} WHERE false)"
    table = parquet(paths)
    return f"(SELECT *, {', '.join(extra)} FROM {table})" if extra else table


def copy(connection: duckdb.DuckDBPyConnection, query: str, out_path: str) -> int:
    """Write the rows of an ordered query as Parquet; return how many."""
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}"
    query = f"COPY ({query}) TO {literal(out_path)} ({options})"
    return connection.execute(query).fetchall()[0][0]


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    """The only row of a query."""
    (row,) = connection.sql(query).fetchall()
    return row


def part_of(column: str, part: int, parts: int) -> str:
    """SQL predicate: a node column lies in this one of `parts` equal ranges."""
    bounds = []
    if part > 0:
        bounds.append(f"{column} >= '{UUID(int=(part << BITS) // parts)}'::UUID")
    if part + 1 < parts:
        bounds.append(f"{column} < '{UUID(int=((part + 1) << BITS) // parts)}'::UUID")
    return " AND ".join(bounds) or "true"


def part_number(column: str, parts: int) -> str:
    """SQL expression: which of `parts` equal ranges a node column lies in."""
    top = f"('0x' || substr({column}::VARCHAR, 1, 8))::UBIGINT"  # 32 bits; see part_of
    if parts & (parts - 1):
        raise ValueError(f"expected a power of two, got {parts} parts")
    return f"(({top} * {parts}) >> 32)::INTEGER"
