"""CANDIDATES and DEAL: documents that share a band, and their shingle sets sent to be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.dedup_config import DedupConfig
from pipeline.dedup_sql import MEMORY, copy, one, part_number, scan, session
from pipeline.dedup_text import NODE

BAND = {"band": "UTINYINT", "hash": "UBIGINT", "node": "UUID", "level": "SMALLINT"}
BUCKET = {"head": "UUID", "bucket": "UBIGINT", "level": "SMALLINT", "node": "UUID"}
WANTED = {"shard": "INTEGER", "part": "INTEGER", "node": "UUID"}
DEALT = pa.schema([("part", pa.int32()), ("node", NODE), ("shingles", pa.list_(pa.uint32()))])

HELD_BYTES = 64 << 20


def candidates(
    bands: Sequence[str],
    old_bands: Sequence[Sequence[str]],
    out: Mapping[str, str],
    config: DedupConfig,
    part: int = 0,
    parts: int = 1,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the buckets of this part's share of the bands: documents that share a band's hash.

    Up to ``config.bands`` parts each take whole bands; more parts share one band out by ranges of
    its hash. A bucket counts if it has two documents, one of them new.

    Parameters
    ----------
    bands, old_bands
        Files ``bands`` of `sign_shard`: of this run, and of each run before it, the oldest first.
    out
        ``buckets``: members (head, bucket, level, node), sorted; the head is the first member by
        level and node, `bucket` the hash. ``wanted``: (shard, part, node), sorted: where a member's
        shingles are and which part of `verify` needs them; shards are numbered through the runs,
        this run's first.

    Returns
    -------
    dict
        ``buckets``, ``candidates`` (members but for the heads) and ``largest`` bucket.
    """
    signed = _signed(bands, old_bands)
    with session(out["buckets"], memory) as connection:
        connection.execute(
            "CREATE TEMP TABLE found (head UUID, bucket UBIGINT, level SMALLINT, node UUID, "
            "shard INTEGER)"
        )
        for band, low, high in share_of_bands(config.bands, part, parts):
            _find(connection, signed, f"band = {band} AND hash BETWEEN {low} AND {high}")
        copy(connection, "SELECT head, bucket, level, node FROM found ORDER BY ALL", out["buckets"])
        wanted = "SELECT 0 AS shard, 0 AS part, node FROM found WHERE false"
        if config.jaccard is not None:
            number = part_number("head", parts)
            wanted = f"SELECT DISTINCT shard, {number} AS part, node FROM found ORDER BY ALL"
        copy(connection, wanted, out["wanted"])
        buckets, members, largest = one(
            connection,
            """SELECT count(*), coalesce(sum(size), 0)::BIGINT, coalesce(max(size), 0)
            FROM (SELECT count(*) AS size FROM found GROUP BY head, bucket)""",
        )
    return {"buckets": buckets, "candidates": members - buckets, "largest": largest}


def _find(connection: duckdb.DuckDBPyConnection, signed: str, mine: str) -> None:
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE members AS
        SELECT hash, node, min(level) AS level, min(shard) AS shard
        FROM {signed} WHERE {mine} AND hash IN (
            SELECT hash FROM {signed} WHERE {mine} GROUP BY hash HAVING count(*) > 1
        ) GROUP BY hash, node"""
    )
    connection.execute(
        """INSERT INTO found
        SELECT least.node, hash, members.level, members.node, shard FROM members JOIN (
            SELECT hash, min(struct_pack(level := level, node := node)) AS least
            FROM members GROUP BY hash HAVING count(*) > 1 AND max(level) >= 0
        ) USING (hash)"""
    )


def _signed(bands: Sequence[str], old_bands: Sequence[Sequence[str]]) -> str:
    """SQL of the band hashes of all runs; documents of earlier runs have levels below zero."""
    parts, first = [], 0
    for age, paths in enumerate([bands, *old_bands]):
        level = "level" if age == 0 else f"{age - 1 - len(old_bands)}::SMALLINT AS level"
        files = scan(paths, BAND, ["file_index"])
        parts.append(
            f"SELECT band, hash, node, {level}, (file_index + {first})::INTEGER AS shard "
            f"FROM {files}"
        )
        first += len(paths)
    return f"({' UNION ALL '.join(parts)})"


def share_of_bands(bands: int, part: int, parts: int) -> list[tuple[int, int, int]]:
    """The bands of a part as (band, lowest hash, highest hash)."""
    top = (1 << 64) - 1
    if parts <= bands:
        return [(band, 0, top) for band in range(part, bands, parts)]
    band, index = part % bands, part // bands
    slices = len(range(band, parts, bands))
    return [(band, (index << 64) // slices, ((index + 1) << 64) // slices - 1)]


def deal(
    sets_path: str,
    wanted: Sequence[str],
    shard: int,
    out: Mapping[str, str],
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the shingle sets of one shard's candidates, once for each part that compares them.

    Parameters
    ----------
    sets_path
        File ``sets`` of `sign_shard`.
    wanted, shard
        Files ``wanted`` of `candidates`, and the shard's number there.
    out
        ``dealt``: (part, node, shingles); each row group is for one part.

    Returns
    -------
    dict
        ``documents`` and ``shingles`` sent.
    """
    with session(out["dealt"], memory) as connection:
        asked = connection.sql(
            f"SELECT DISTINCT part, node FROM {scan(wanted, WANTED)} WHERE shard = {shard} "
            "ORDER BY ALL"
        ).to_arrow_table()
    nodes, parts = _names(asked["node"]), asked["part"].to_numpy()
    stats = {"documents": 0, "shingles": 0}
    with _Dealer(out["dealt"]) as dealer, pq.ParquetFile(sets_path) as file:
        order = np.argsort(nodes, kind="stable")
        nodes, parts = nodes[order], parts[order]
        for group in range(file.num_row_groups if len(nodes) else 0):
            here = _names(file.read_row_group(group, columns=["node"])["node"])
            low = np.searchsorted(nodes, here, "left")
            counts = np.searchsorted(nodes, here, "right") - low
            if not counts.any():
                continue
            rows = np.repeat(np.arange(len(here)), counts)
            offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
            table = file.read_row_group(group).take(pa.array(rows))
            dealer.add(table, parts[np.repeat(low, counts) + offsets])
            stats["documents"] += len(rows)
            stats["shingles"] += pc.sum(pc.list_value_length(table["shingles"])).as_py() or 0
    return stats


def _names(column: pa.ChunkedArray) -> np.ndarray:
    """The upper halves of a column of nodes, uint64; to send a few too many sets does no harm."""
    storage = column.combine_chunks().storage
    numbers = np.frombuffer(storage.buffers()[1], ">u8")[2 * storage.offset :: 2]
    return numbers[: len(storage)].astype(np.uint64)


class _Dealer:
    """Holds rows of several parts and writes each part's as row groups of their own."""

    def __init__(self, path: str):
        self.writer = pq.ParquetWriter(
            path,
            DEALT,
            compression="none",
            use_dictionary=False,
            column_encoding={"shingles.list.element": "DELTA_BINARY_PACKED"},
            write_statistics=["part"],
        )
        self.held: list[pa.Table] = []
        self.bytes = 0

    def __enter__(self) -> _Dealer:
        return self

    def __exit__(self, *_) -> None:
        self._write()
        self.writer.close()

    def add(self, sets: pa.Table, parts: np.ndarray) -> None:
        self.held.append(sets.add_column(0, "part", pa.array(parts, pa.int32())))
        self.bytes += self.held[-1].nbytes
        if self.bytes > HELD_BYTES:
            self._write()

    def _write(self) -> None:
        if self.held:
            table = pa.concat_tables(self.held)
            parts = table["part"].to_numpy()
            for part in np.unique(parts):
                mine = table.filter(pa.array(parts == part))
                self.writer.write_table(mine.cast(DEALT), row_group_size=1 << 30)
        self.held, self.bytes = [], 0
