"""Clusters in one process: connected components of the links that verification found.

Links between documents of one level join them. A component of a later level (a later source by
``priority``, this run beside an earlier one) is hung on one document of the earliest level it is
linked to, and so never joins two clusters of an earlier level. See `pipeline.dedup_stars` for the
same in many processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.components import find, forest, join, labels, unite
from pipeline.dedup_sql import MEMORY, copy, one, scan, session
from pipeline.dedup_verify import LINK

CLUSTER = {"node": "UUID", "label": "UUID"}


def cluster(
    links: Sequence[str], old_clusters: Sequence[str], out: Mapping[str, str], memory: str = MEMORY
) -> dict[str, int]:
    """Write the clusters of all linked nodes.

    Nodes are numbered by DuckDB, which spills; links stream by. What must fit in memory is three
    integers for each node.

    Parameters
    ----------
    links, old_clusters
        Outputs of `verify`, and the clusters of earlier runs, which stand.
    out
        ``clusters``: (node, label), sorted; equal labels mean one cluster. Nodes without a link are
        left out.

    Returns
    -------
    dict
        ``documents`` with a link, ``edges``, ``clusters`` and ``largest`` in documents.
    """
    with session(out["clusters"], memory) as connection:
        connection.execute(
            f"""CREATE TEMP VIEW links AS
            SELECT * FROM {scan(links, LINK)} WHERE level_a >= 0 OR level_b >= 0"""
        )
        connection.execute(f"CREATE TEMP VIEW old AS SELECT * FROM {scan(old_clusters, CLUSTER)}")
        connection.execute(
            """CREATE TEMP TABLE nodes AS SELECT row_number() OVER (ORDER BY node) - 1 AS n, node
            FROM (SELECT a AS node FROM links UNION SELECT node FROM old UNION
                SELECT label FROM old)"""
        )
        (count,) = one(connection, "SELECT count(*) FROM nodes")
        (edges,) = one(connection, "SELECT count(*) // 2 FROM links")
        found = _components(connection, count)
        sizes = np.bincount(found, minlength=count)
        linked = np.flatnonzero(sizes[found] > 1)  # a node may be claimed by none, and claim none
        connection.register("labels", pa.table({"n": linked, "label_n": found[linked]}))
        copy(
            connection,
            """SELECT nodes.node, first.node AS label FROM nodes JOIN labels USING (n)
            JOIN nodes first ON first.n = label_n ORDER BY ALL""",
            out["clusters"],
        )
    return {
        "documents": len(linked),
        "edges": edges,
        "clusters": int(np.count_nonzero(sizes > 1)),
        "largest": int(sizes.max(initial=0)),
    }


def _components(connection: duckdb.DuckDBPyConnection, count: int) -> np.ndarray:
    """The label of each node by number; also hangs components of later levels on earlier ones."""
    parents = forest(count)
    peers = "SELECT a AS x, b AS y FROM links WHERE level_a = level_b AND a < b"
    for batch in _numbered(
        connection, f"{peers} UNION ALL SELECT node AS x, label AS y FROM old", "0"
    ):
        join(parents, batch["x_n"].to_numpy(), batch["y_n"].to_numpy())
    best = np.full((2, count), np.iinfo(np.int64).max)
    later = "SELECT b AS x, a AS y, level_a AS level FROM links WHERE level_a < level_b"
    for batch in _numbered(connection, later, "level"):
        columns = (batch[name].to_numpy() for name in ("x_n", "y_n", "level"))
        _claim(parents, *columns, best)
    _hang(parents, best)
    return labels(parents)


def _numbered(connection: duckdb.DuckDBPyConnection, pairs: str, level: str):
    return connection.sql(
        f"""SELECT nx.n AS x_n, ny.n AS y_n, ({level})::BIGINT AS level FROM ({pairs})
        JOIN nodes nx ON nx.node = x JOIN nodes ny ON ny.node = y"""
    ).to_arrow_reader(1 << 17)


@njit(cache=True, nogil=True)
def _claim(parents, nodes, others, levels, best):
    """For each component, the earliest level and then smallest node that links to it."""
    for i in range(len(nodes)):
        root = find(parents, nodes[i])
        level, other = levels[i], others[i]
        if level < best[0, root] or (level == best[0, root] and other < best[1, root]):
            best[0, root], best[1, root] = level, other


@njit(cache=True, nogil=True)
def _hang(parents, best):
    for node in range(len(parents)):
        if best[1, node] < len(parents):
            unite(parents, node, best[1, node])
