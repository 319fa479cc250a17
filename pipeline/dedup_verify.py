"""Verification: the true Jaccard similarity of candidates, in bounded memory.

The documents of one bucket are compared as sets of shingles. Sets are made once for each document,
written to one file and mapped into memory, so that the corpus may be larger than memory.

What is promised, for a bucket of up to `REACH` documents: two documents end in one component
exactly if a chain of verified pairs inside the bucket joins them. In a larger bucket each document
is compared with the bucket's first `REACH` leaders; a leader is a document that was similar to none
of the leaders before it. So work is linear in the size of a bucket, and a pair of such a bucket is
missed only if its two ends follow different leaders that nothing else joins. A pair that is already
joined inside its bucket is not compared again.
"""

from __future__ import annotations

import os

import duckdb
import numpy as np
import pyarrow as pa
from numba import njit

from catalogs.errors import UserError
from pipeline.components import find, unite
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_sql import MEMORY, copy, one, partition_of, scan, session, workspace
from pipeline.shingles import shingle_sets

CANDIDATE = {"scope": "VARCHAR", "head": "VARCHAR", "bucket": "UBIGINT", "other": "VARCHAR"}
REACH = 64
BATCH = 128


def verify(
    candidate_paths: list[str],
    documents_paths: list[str],
    out_path: str,
    config: DedupConfig,
    partition: int = 0,
    n_partitions: int = 1,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the edges between candidates whose shingle sets reach ``config.jaccard``.

    Buckets are shared out by their smallest id, so equal buckets of different bands meet in one
    partition and are compared once. The edges do not depend on the number of partitions. Without a
    threshold no text is read, and each candidate is joined to the head of its bucket.

    Parameters
    ----------
    candidate_paths
        All outputs of `pipeline.dedup.candidates`.
    documents_paths
        All document shards; only `id` and `text` are read, only candidates are kept.
    out_path
        Parquet of (scope, a, b, jaccard) with ``a < b``, sorted, each pair once.

    Returns
    -------
    dict
        ``buckets`` compared, ``documents`` and ``shingles`` fetched, ``edges`` found.

    Raises
    ------
    UserError
        When a candidate is in none of the documents given.
    """
    with session(out_path, memory) as connection:
        _load_buckets(connection, candidate_paths, partition, n_partitions)
        if config.jaccard is None:
            edges = copy(
                connection,
                """SELECT DISTINCT scope, head AS a, other AS b, NULL::DOUBLE AS jaccard
                FROM part ORDER BY scope, a, b""",
                out_path,
            )
            (buckets,) = one(connection, "SELECT count(*) FROM buckets")
            return {"buckets": buckets, "documents": 0, "shingles": 0, "edges": edges}
        with workspace(out_path) as folder:
            store = os.path.join(folder, "sets")
            starts, sizes = _fetch_sets(connection, documents_paths, store, config)
            found = _compare(connection, store, starts, sizes, config.jaccard)
        edges = _write_edges(connection, found, out_path)
        (buckets,) = one(connection, "SELECT count(*) FROM buckets")
    return {
        "buckets": buckets,
        "documents": len(sizes),
        "shingles": int(sizes.sum()),
        "edges": edges,
    }


def _load_buckets(
    connection: duckdb.DuckDBPyConnection,
    candidate_paths: list[str],
    partition: int,
    n_partitions: int,
) -> None:
    """Tables of this partition: `part` (candidates), `nodes` (ids), `buckets` (distinct sets)."""
    source = scan(candidate_paths, CANDIDATE)
    mine = partition_of("head", partition, n_partitions)
    connection.execute(f"CREATE TEMP VIEW part AS SELECT * FROM {source} WHERE {mine}")
    connection.execute(
        """CREATE TEMP TABLE nodes AS SELECT row_number() OVER (ORDER BY id) - 1 AS node, id
        FROM (SELECT head AS id FROM part UNION SELECT other FROM part)"""
    )
    # the same documents usually meet in many bands: buckets of equal members are kept once
    connection.execute(
        """CREATE TEMP TABLE buckets AS
        SELECT row_number() OVER (ORDER BY scope, head, bucket) - 1 AS number, *
        FROM (
            SELECT scope, head, min(bucket) AS bucket
            FROM (
                SELECT scope, head, bucket, count(*) AS size, bit_xor(hash(other)) AS mark,
                    sum(hash(other)::HUGEINT) AS total
                FROM part GROUP BY scope, head, bucket
            ) GROUP BY scope, head, size, mark, total
        )"""
    )


def _fetch_sets(
    connection: duckdb.DuckDBPyConnection,
    documents_paths: list[str],
    store: str,
    config: DedupConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """Append the shingles of each node's text to the file `store`; return starts and sizes."""
    (count,) = one(connection, "SELECT count(*) FROM nodes")
    starts = np.full(count, -1, np.int64)
    sizes = np.zeros(count, np.int64)
    end = 0
    source = scan(documents_paths, {"id": "VARCHAR", "text": "VARCHAR"})
    query = f"SELECT node, text FROM {source} JOIN nodes USING (id)"
    with open(store, "wb") as file:
        for batch in connection.sql(query).to_arrow_reader(BATCH) if count else ():
            nodes, first = np.unique(batch["node"].to_numpy(), return_index=True)
            new = starts[nodes] < 0  # copies of a text need one set
            nodes, first = nodes[new], first[new]
            hashes, offsets = shingle_sets(
                batch["text"].take(pa.array(first)), config.ngram, config.unit
            )
            hashes.tofile(file)
            starts[nodes] = end + offsets[:-1]
            sizes[nodes] = np.diff(offsets)
            end += len(hashes)
    if count and starts.min() < 0:
        (name,) = one(connection, f"SELECT id FROM nodes WHERE node = {int(np.argmin(starts))}")
        raise UserError(
            f"dedup: {int((starts < 0).sum())} candidate documents are in none of the "
            f"{len(documents_paths)} document shards given, the first is id {name}: "
            "signatures and documents must come from the same run"
        )
    return starts, sizes


def _compare(
    connection: duckdb.DuckDBPyConnection,
    store: str,
    starts: np.ndarray,
    sizes: np.ndarray,
    threshold: float,
) -> tuple[np.ndarray, ...]:
    """Compare inside each bucket; return bucket number, nodes a < b and Jaccard of each edge."""
    members = connection.sql(
        """SELECT number, node FROM (
            SELECT number, head AS id FROM buckets
            UNION ALL
            SELECT number, other FROM part JOIN buckets USING (scope, head, bucket)
        ) JOIN nodes USING (id) ORDER BY number, node"""
    ).fetchnumpy()
    numbers = np.asarray(members["number"], np.int64)
    nodes = np.asarray(members["node"], np.int64)
    bounds = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1)) if len(numbers) else [0]
    hashes = np.memmap(store, np.uint64, "r") if sizes.sum() else np.zeros(0, np.uint64)
    return _compare_buckets(
        np.asarray(bounds, np.int64), nodes, starts, sizes, np.asarray(hashes), threshold, REACH
    )


def _write_edges(
    connection: duckdb.DuckDBPyConnection, found: tuple[np.ndarray, ...], out_path: str
) -> int:
    names = ("number", "left_node", "right_node", "jaccard")
    connection.register("found", pa.table(dict(zip(names, found, strict=True))))
    return copy(
        connection,
        """SELECT DISTINCT scope, a.id AS a, b.id AS b, jaccard FROM found
        JOIN buckets USING (number)
        JOIN nodes a ON a.node = left_node
        JOIN nodes b ON b.node = right_node
        ORDER BY scope, a, b""",
        out_path,
    )


@njit(cache=True, nogil=True)
def _compare_buckets(bounds, members, starts, sizes, hashes, threshold, reach):
    room = max(0, len(members) - (len(bounds) - 1))  # a bucket's edges are a forest
    numbers = np.empty(room, np.int64)
    left = np.empty(room, np.int64)
    right = np.empty(room, np.int64)
    jaccards = np.empty(room, np.float64)
    leaders = np.empty(reach, np.int64)
    edges = 0
    for number in range(len(bounds) - 1):
        bucket = members[bounds[number] : bounds[number + 1]]
        parents = np.arange(len(bucket))
        leaders[0] = 0
        led = 1
        for j in range(1, len(bucket)):
            b = bucket[j]
            joined = False
            for k in range(led):
                i = leaders[k]
                if find(parents, i) == find(parents, j):
                    continue
                a = bucket[i]
                jaccard = _jaccard(
                    hashes[starts[a] : starts[a] + sizes[a]],
                    hashes[starts[b] : starts[b] + sizes[b]],
                    threshold,
                )
                if jaccard >= threshold:
                    unite(parents, i, j)
                    joined = True
                    numbers[edges] = number
                    left[edges] = a
                    right[edges] = b
                    jaccards[edges] = jaccard
                    edges += 1
            if led < reach and (not joined or len(bucket) <= reach):
                leaders[led] = j
                led += 1
    return numbers[:edges], left[:edges], right[:edges], jaccards[:edges]


@njit(cache=True, nogil=True)
def _jaccard(left, right, threshold):
    """Jaccard similarity of two ascending sets; -1 as soon as it cannot reach the threshold."""
    n, m = len(left), len(right)
    # |A and B| = J / (1 + J) * (|A| + |B|), less a margin for rounding
    needed = threshold / (1.0 + threshold) * (n + m) - 1e-6
    if min(n, m) < needed:
        return -1.0
    i = j = shared = 0
    while i < n and j < m:
        if left[i] == right[j]:
            shared += 1
            i += 1
            j += 1
        else:
            if left[i] < right[j]:
                i += 1
            else:
                j += 1
            if shared + min(n - i, m - j) < needed:
                return -1.0
    return shared / (n + m - shared) if n + m else -1.0
