"""Clusters: connected components of the edges that verification found."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.components import forest, join, labels
from pipeline.dedup_sql import MEMORY, copy, one, scan, session

EDGE = {"scope": "VARCHAR", "a": "VARCHAR", "b": "VARCHAR", "jaccard": "DOUBLE"}


def cluster(edge_paths: list[str], out_path: str, memory: str = MEMORY) -> dict[str, int]:
    """Write the connected components of all edges.

    Ids are numbered by DuckDB, which spills; edges stream by. What must fit in memory is one
    integer of 64 bits for each document that has an edge.

    Parameters
    ----------
    out_path
        Parquet of (scope, id, dup_cluster), sorted; `dup_cluster` is the smallest id of the
        component. Documents without an edge are left out.

    Returns
    -------
    dict
        ``documents`` with an edge, ``edges``, ``clusters`` and ``largest`` in documents.
    """
    with session(out_path, memory) as connection:
        connection.execute(f"CREATE TEMP VIEW edges AS SELECT * FROM {scan(edge_paths, EDGE)}")
        connection.execute(
            """CREATE TEMP TABLE nodes AS
            SELECT row_number() OVER (ORDER BY scope, id) - 1 AS node, scope, id
            FROM (SELECT scope, a AS id FROM edges UNION SELECT scope, b FROM edges)"""
        )
        (count,) = one(connection, "SELECT count(*) FROM nodes")
        parents = forest(count)
        edges = _join_edges(connection, parents)
        found = labels(parents)
        sizes = np.bincount(found) if count else np.zeros(0, int)
        connection.register("labels", pa.table({"node": np.arange(count), "label": found}))
        copy(
            connection,
            """SELECT nodes.scope, nodes.id, first.id AS dup_cluster FROM nodes
            JOIN labels USING (node)
            JOIN nodes first ON first.node = label
            ORDER BY ALL""",
            out_path,
        )
    return {
        "documents": count,
        "edges": edges,
        "clusters": int(np.count_nonzero(sizes)),
        "largest": int(sizes.max(initial=0)),
    }


def _join_edges(connection: duckdb.DuckDBPyConnection, parents: np.ndarray) -> int:
    count = 0
    reader = connection.sql(
        """SELECT a.node AS a, b.node AS b FROM edges
        JOIN nodes a ON a.scope = edges.scope AND a.id = edges.a
        JOIN nodes b ON b.scope = edges.scope AND b.id = edges.b"""
    ).to_arrow_reader(1 << 17)
    for batch in reader:
        join(parents, batch["a"].to_numpy(), batch["b"].to_numpy())
        count += len(batch)
    return count
