"""Verification: the true Jaccard similarity of candidates, in bounded memory.

The members of one bucket are compared as sets of shingles, in the order of their level (earlier
runs, then sources by priority) and node. The sets sent to this part lie in one file that is mapped
into memory and let go of as work goes on.

What is promised: two of the first `REACH` members of a bucket end in one component exactly if a
chain of verified pairs inside the bucket joins them. Each further member is compared with leaders
alone: those first members, and up to `REACH` more, each similar to no leader before it. So work is
linear in the size of a bucket, and what is found among some members does not change when more
follow. A pair that is already joined inside its bucket is not compared again.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

from catalogs.errors import UserError
from pipeline.components import find, unite
from pipeline.dedup_candidates import BUCKET
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_sql import MEMORY, copy, one, part_of, scan, session, workspace
from pipeline.dedup_text import NODE

LINK = {
    "a": "UUID",
    "b": "UUID",
    "jaccard": "DOUBLE",
    "level_a": "SMALLINT",
    "level_b": "SMALLINT",
}
REACH = 64
BATCH = 1 << 14
MAPPED = 64 << 20  # bytes of sets touched before they are let go of
STORED = pa.schema([("node", NODE), ("start", pa.int64()), ("size", pa.int64())])


def verify(
    buckets: Sequence[str],
    dealt: Sequence[str],
    out: Mapping[str, str],
    config: DedupConfig,
    part: int = 0,
    parts: int = 1,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the links between candidates whose shingle sets reach ``config.jaccard``.

    Buckets are shared out by their head, so equal buckets of different bands meet in one part and
    are compared once. Links do not depend on the number of parts. Without a threshold each
    candidate is linked to the head of its bucket.

    Parameters
    ----------
    buckets, dealt
        All outputs of `candidates` and `deal`.
    out
        ``links``: (a, b, jaccard, level_a, level_b), each pair from both of its ends, sorted.

    Returns
    -------
    dict
        ``buckets`` compared, ``documents`` and ``shingles`` received, ``edges`` found.

    Raises
    ------
    UserError
        When the shingles of a candidate are in none of the files given.
    """
    stats = {"buckets": 0, "documents": 0, "shingles": 0, "edges": 0}
    with workspace(out["links"]) as folder, session(out["links"], memory) as connection:
        stats["buckets"] = _load_buckets(connection, buckets, part, parts)
        if config.jaccard is None:
            connection.execute(
                """CREATE TEMP VIEW found AS
                SELECT head AS a, node AS b, NULL::DOUBLE AS jaccard, least_level AS level_a,
                    level AS level_b
                FROM members WHERE node <> head"""
            )
        else:
            store = os.path.join(folder, "sets")
            _store(connection, dealt, part, store, folder, stats)
            _compare(connection, store, folder, config.jaccard)
        ends = copy(
            connection,
            """SELECT DISTINCT * FROM (
                SELECT * FROM found
                UNION ALL SELECT b, a, jaccard, level_b, level_a FROM found
            ) ORDER BY a, b""",
            out["links"],
        )
    return {**stats, "edges": ends // 2}


def _load_buckets(
    connection: duckdb.DuckDBPyConnection, buckets: Sequence[str], part: int, parts: int
) -> int:
    """Table `members` (number, head, size, level, node) of this part's buckets; how many."""
    mine = f"{scan(buckets, BUCKET)} WHERE {part_of('head', part, parts)}"
    # the same documents usually meet in many bands: buckets of equal members are kept once
    connection.execute(
        f"""CREATE TEMP TABLE kept AS
        SELECT row_number() OVER (ORDER BY head, bucket) - 1 AS number, head, bucket, least_level
        FROM (
            SELECT head, min(bucket) AS bucket, min(least_level) AS least_level
            FROM (
                SELECT head, bucket, count(*) AS size, min(level) AS least_level,
                    bit_xor(hash(node)) AS mark, sum(hash(node)::HUGEINT) AS total
                FROM {mine} GROUP BY head, bucket
            ) GROUP BY head, size, mark, total
        )"""
    )
    connection.execute(
        f"""CREATE TEMP TABLE members AS SELECT number, head, least_level, level, node
        FROM (SELECT * FROM {mine}) JOIN kept USING (head, bucket)"""
    )
    (count,) = one(connection, "SELECT count(*) FROM kept")
    return count


def _store(
    connection: duckdb.DuckDBPyConnection,
    dealt: Sequence[str],
    part: int,
    store: str,
    folder: str,
    stats: dict[str, int],
) -> None:
    """Append the sets sent to this part to the file `store`; table `stored` says where they lie."""
    index, end = os.path.join(folder, "stored.parquet"), 0
    with open(store, "wb") as file, pq.ParquetWriter(index, STORED) as writer:
        for path in dealt:
            with pq.ParquetFile(path) as source:
                for group in range(source.num_row_groups):
                    bounds = source.metadata.row_group(group).column(0).statistics
                    if not bounds.min <= part <= bounds.max:
                        continue
                    for batch in source.iter_batches(BATCH, [group], ["node", "shingles"]):
                        lists = batch["shingles"]
                        offsets = lists.offsets.to_numpy().astype(np.int64)
                        lists.values.slice(offsets[0], offsets[-1] - offsets[0]).to_numpy().tofile(
                            file
                        )
                        starts = offsets - offsets[0] + end
                        places = pa.table([batch["node"], starts[:-1], np.diff(starts)], STORED)
                        writer.write_table(places)
                        end = int(starts[-1])
                        stats["documents"] += len(batch)
    stats["shingles"] = end
    connection.execute(
        f"""CREATE TEMP TABLE stored AS SELECT node, min(start) AS start, any_value(size) AS size
        FROM {scan([index], {})} GROUP BY node"""
    )
    missing, first = one(
        connection, "SELECT count(*), min(node)::VARCHAR FROM members ANTI JOIN stored USING (node)"
    )
    if missing:
        raise UserError(
            f"dedup: the shingles of {missing} candidates are in none of the {len(dealt)} files "
            f"given, the first is {first}: signatures and sets must come from the same run"
        )


def _compare(
    connection: duckdb.DuckDBPyConnection, store: str, folder: str, threshold: float
) -> None:
    """Compare inside each bucket, as they stream by; view `found` holds the links."""
    path = os.path.join(folder, "found.parquet")
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64()), ("jaccard", pa.float64())])
    connection.execute(
        """CREATE TEMP TABLE nodes AS SELECT row_number() OVER (ORDER BY node) - 1 AS n, *
        FROM (SELECT node, min(level) AS level FROM members GROUP BY node)"""
    )
    # unlike a join, a sorted column of numbers is cheap to look the sets up by
    reader = connection.sql(
        """SELECT number, n, start, size FROM members
        JOIN nodes USING (node) JOIN stored USING (node)
        ORDER BY number, members.level, n"""
    ).to_arrow_reader(BATCH)
    state = new_state()
    with pq.ParquetWriter(path, schema) as writer, _Mapped(store) as sets:
        for batch in reader:
            columns = [batch[name].to_numpy() for name in ("number", "n", "start", "size")]
            done = 0
            while done < len(batch):
                done, *found = _compare_members(
                    *columns, done, sets.values, threshold, REACH, MAPPED // 4, state
                )
                writer.write_table(pa.table(found, schema))
                sets.let_go()
    connection.execute(
        f"""CREATE TEMP VIEW found AS
        SELECT x.node AS a, y.node AS b, jaccard, x.level AS level_a, y.level AS level_b
        FROM {scan([path], {})} JOIN nodes x ON x.n = a JOIN nodes y ON y.n = b"""
    )


class _Mapped:
    """A file of uint32 mapped into memory, whose pages can be let go of."""

    def __init__(self, path: str):
        self.path = path
        self.map: mmap.mmap | None = None
        self.values = np.zeros(0, np.uint32)
        self.values.setflags(write=False)

    def __enter__(self) -> _Mapped:
        if os.path.getsize(self.path):
            with open(self.path, "rb") as file:
                self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.values = np.frombuffer(self.map, np.uint32)
        return self

    def __exit__(self, *_) -> None:
        # not closed by force: the last array that looks into the map ends it
        del self.values
        self.map = None

    def let_go(self) -> None:
        if self.map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)


def new_state() -> np.ndarray:
    """What is known of the bucket at hand: its number, members seen, leaders; and each leader."""
    state = np.zeros((4, 2 * REACH + 1), np.int64)
    state[0, 0] = -1
    return state


@njit(cache=True, nogil=True)
def _compare_members(numbers, nodes, starts, sizes, at, sets, threshold, reach, budget, state):
    """Compare members from row `at` until `budget` values are read; return where, and the links.

    `state` carries the bucket over from batch to batch: its first column is (number, seen, leaders,
    0), the others are (node, start, size, parent) of each leader.
    """
    room = 1024
    left = np.empty(room, np.int64)
    right = np.empty(room, np.int64)
    jaccards = np.empty(room, np.float64)
    links = 0
    leaders = state[:, 1:]
    parents = leaders[3]
    while at < len(numbers) and budget > 0:
        if numbers[at] != state[0, 0]:
            state[0, 0], state[1, 0], state[2, 0] = numbers[at], 0, 0
        led = state[2, 0]
        own = sets[starts[at] : starts[at] + sizes[at]]
        budget -= sizes[at]
        root = np.int64(-1)  # of the member's component among the leaders
        for k in range(led):
            if root >= 0 and find(parents, k) == find(parents, root):
                continue
            other = sets[leaders[1, k] : leaders[1, k] + leaders[2, k]]
            jaccard = _jaccard(other, own, threshold)
            if jaccard < threshold:
                continue
            if root >= 0:
                unite(parents, root, k)
            root = k
            if links == room:
                room *= 2
                left = _grown(left, room)
                right = _grown(right, room)
                jaccards = _grown(jaccards, room)
            left[links], right[links], jaccards[links] = leaders[0, k], nodes[at], jaccard
            links += 1
        if state[1, 0] < reach or (root < 0 and led < 2 * reach):
            leaders[0, led], leaders[1, led], leaders[2, led] = nodes[at], starts[at], sizes[at]
            parents[led] = led
            if root >= 0:
                unite(parents, root, led)
            state[2, 0] += 1
        state[1, 0] += 1
        at += 1
    return at, left[:links], right[:links], jaccards[:links]


@njit(cache=True, nogil=True)
def _grown(values, room):
    grown = np.empty(room, values.dtype)
    grown[: len(values)] = values
    return grown


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
