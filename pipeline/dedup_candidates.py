"""Signatures of a shard, and the candidates that share a band of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.dedup_config import DedupConfig
from pipeline.dedup_sql import MEMORY, copy, one, scan, session
from pipeline.minhash import band_hashes

BATCH = 512
GROUP_ROWS = 1 << 16


def signature_schema(config: DedupConfig) -> pa.Schema:
    """Columns of a signature file; bands are null for a text without shingles."""
    names = [(name, pa.string()) for name in ("row_id", "id", "scope")]
    bands = [(name, pa.uint64()) for name in config.band_names]
    return pa.schema([*names, ("n_shingles", pa.int32()), *bands])


def sign_shard(documents_path: str, out_path: str, config: DedupConfig) -> dict[str, int]:
    """Write the MinHash band hashes of the texts of one documents shard.

    One row for each distinct id (each id and source, if the scope is ``source``) in the order of
    the shard, which must be sorted by id; `row_id` names the first of its copies.

    Returns
    -------
    dict
        ``rows`` read, ``documents`` signed, ``shingles`` (distinct within each document), ``bytes``
        of UTF-8 signed.
    """
    schema = signature_schema(config)
    stats = {"rows": 0, "documents": 0, "shingles": 0, "bytes": 0}
    held: list[pa.RecordBatch] = []
    last = None
    with (
        pq.ParquetFile(documents_path, pre_buffer=False) as shard,
        pq.ParquetWriter(out_path, schema, compression="zstd", use_dictionary=["scope"]) as writer,
    ):
        for batch in _batches(shard, config):
            stats["rows"] += len(batch)
            new, last = _first_copies(batch["id"], batch["scope"], last)
            batch = batch.filter(new)
            held.append(_sign(batch, schema, config))
            stats["documents"] += len(batch)
            stats["shingles"] += pc.sum(held[-1]["n_shingles"]).as_py() or 0
            stats["bytes"] += pc.sum(pc.binary_length(batch["text"])).as_py() or 0
            if sum(map(len, held)) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(held))
                held = []
        writer.write_table(pa.Table.from_batches(held, schema))
    return stats


def _batches(shard: pq.ParquetFile, config: DedupConfig) -> Iterator[pa.RecordBatch]:
    """Batches of row_id, id, text and scope, none longer than a row group of the shard."""
    columns = ["row_id", "id", "text", *(["source"] if config.scope == "source" else [])]
    for group in range(shard.num_row_groups):
        for batch in shard.iter_batches(BATCH, row_groups=[group], columns=columns):
            scope = pa.repeat("", len(batch))
            if config.scope == "source":
                scope = batch["source"].fill_null("")
            yield batch.select(["row_id", "id", "text"]).append_column("scope", scope)


def _sign(batch: pa.RecordBatch, schema: pa.Schema, config: DedupConfig) -> pa.RecordBatch:
    hashes, counts = band_hashes(
        batch["text"],
        ngram=config.ngram,
        unit=config.unit,
        bands=config.bands,
        rows=config.rows,
        seed=config.seed,
    )
    columns = [batch["row_id"], batch["id"], batch["scope"], pa.array(counts, pa.int32())]
    columns += [pa.array(band, mask=counts == 0) for band in hashes.T]
    return pa.record_batch(columns, schema=schema)


def _first_copies(ids: pa.Array, scope: pa.Array, last: tuple | None) -> tuple[pa.Array, tuple]:
    """Mask of the rows that differ from the row before them, and the last row."""
    if len(ids) == 0:
        return pa.array([], pa.bool_()), last
    changed = pc.or_(pc.not_equal(ids[1:], ids[:-1]), pc.not_equal(scope[1:], scope[:-1])).to_numpy(
        zero_copy_only=False
    )
    first = (ids[0].as_py(), scope[0].as_py()) != last
    return pa.array(np.concatenate([[first], changed])), (ids[-1].as_py(), scope[-1].as_py())


def candidates(
    signature_paths: list[str],
    out_path: str,
    config: DedupConfig,
    partition: int = 0,
    n_partitions: int = 1,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the buckets of this partition's bands: documents that share a band's hash.

    Up to ``config.bands`` partitions each take whole bands and read only their columns; more
    partitions share one band out by hash. A bucket is written as a star around its smallest id, so
    a bucket that holds every document stays linear.

    Parameters
    ----------
    out_path
        Parquet of (scope, head, bucket, other), sorted, ``head < other``; `bucket` is the hash.

    Returns
    -------
    dict
        ``buckets``, ``candidates`` (rows written) and ``largest`` bucket in documents.
    """
    signed = _signatures(signature_paths, config)
    with session(out_path, memory) as connection:
        connection.execute(
            "CREATE TEMP TABLE found (scope VARCHAR, head VARCHAR, bucket UBIGINT, other VARCHAR)"
        )
        for name, slices, index in _share_of_bands(config, partition, n_partitions):
            connection.execute(
                f"""INSERT INTO found
                WITH signed AS (
                    SELECT scope, id, {name} AS bucket FROM {signed}
                    WHERE {name} % {slices} = {index}
                ), shared AS (
                    SELECT scope, bucket, min(id) AS head FROM signed
                    WHERE bucket IN (SELECT bucket FROM signed GROUP BY bucket HAVING count(*) > 1)
                    GROUP BY scope, bucket
                )
                SELECT DISTINCT scope, head, bucket, id
                FROM signed JOIN shared USING (scope, bucket) WHERE id > head"""
            )
        written = copy(connection, "SELECT * FROM found ORDER BY ALL", out_path)
        buckets, largest = one(
            connection,
            """SELECT count(*), coalesce(max(size), 0) FROM (
                SELECT count(*) + 1 AS size FROM found GROUP BY scope, bucket
            )""",
        )
    return {"buckets": buckets, "candidates": written, "largest": largest}


def _signatures(paths: list[str], config: DedupConfig) -> str:
    bands = dict.fromkeys(config.band_names, "UBIGINT")
    return scan(paths, {"scope": "VARCHAR", "id": "VARCHAR", **bands})


def _share_of_bands(
    config: DedupConfig, partition: int, n_partitions: int
) -> list[tuple[str, int, int]]:
    """The bands of a partition as (column, slices of that band, index of the slice)."""
    names = config.band_names
    if n_partitions <= len(names):
        return [(name, 1, 0) for name in names[partition::n_partitions]]
    band, index = partition % len(names), partition // len(names)
    slices = len(range(band, n_partitions, len(names)))
    return [(names[band], slices, index)]
