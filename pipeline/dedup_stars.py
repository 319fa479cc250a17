"""Clusters in many processes: components by alternating large-star and small-star rounds.

Kiveris, Lattanzi, Mirrokni, Rastogi, Vassilvitskii: Connected Components in MapReduce and Beyond
(SoCC 2014). In a large-star step each node links its larger neighbours to the smallest node it
knows; in a small-star step it links its smaller neighbours, and itself, to the smallest of them.
When no step changes anything, each component is a star around its smallest node. The number of
rounds grows with the logarithm of the longest path. A step holds one part's range of nodes, sorted
by DuckDB, which spills: the links of one node need not fit in memory.

Levels are treated as in `pipeline.dedup_cluster`, which gives the same clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.dedup_cluster import CLUSTER
from pipeline.dedup_sql import MEMORY, copy, one, part_of, scan, session
from pipeline.dedup_verify import LINK

PAIR = {"node": "UUID", "other": "UUID"}
CLAIM = {"label": "UUID", "level": "SMALLINT", "other": "UUID"}


def peers(links: Sequence[str]) -> str:
    """SQL of the pairs (node, other), from both ends, that links of one level make."""
    return (
        f"(SELECT a AS node, b AS other FROM {scan(links, LINK)} "
        "WHERE level_a = level_b AND level_a >= 0)"
    )


def large_star(
    links: Sequence[str],
    pairs: Sequence[str],
    out: Mapping[str, str],
    part: int,
    parts: int,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Link the larger neighbours of each node of this part to the smallest node it knows.

    `links` (outputs of `verify`) are read in the first round, `pairs` (of `small_star`) later.
    ``out["smaller"]``: (node, other), ``other < node``, sorted. Returns ``changed``, the nodes that
    are no star yet.
    """
    source = f"(SELECT * FROM {peers(links)} UNION ALL SELECT * FROM {scan(pairs, PAIR)})"
    with session(out["smaller"], memory) as connection:
        connection.execute(
            f"""CREATE TEMP VIEW mine AS
            SELECT * FROM {source} WHERE {part_of("node", part, parts)}"""
        )
        connection.execute(
            """CREATE TEMP TABLE least AS
            SELECT node, least(node, min(other)) AS label, max(other) > node AS larger
            FROM mine GROUP BY node"""
        )
        (changed,) = one(connection, "SELECT count(*) FROM least WHERE label <> node AND larger")
        rows = copy(
            connection,
            """SELECT DISTINCT other AS node, label AS other FROM mine JOIN least USING (node)
            WHERE mine.other > mine.node ORDER BY ALL""",
            out["smaller"],
        )
    return {"rows": rows, "changed": changed}


def small_star(
    smaller: Sequence[str],
    old_clusters: Sequence[str],
    out: Mapping[str, str],
    part: int,
    parts: int,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Link the smaller neighbours of each node of this part, and it, to the smallest of them.

    `smaller` are all outputs of `large_star`; `old_clusters` of earlier runs are read in the first
    round. ``out["pairs"]``: (node, other) from both ends, sorted. Returns ``changed``.
    """
    olds = scan(old_clusters, CLUSTER)
    source = f"(SELECT * FROM {scan(smaller, PAIR)} UNION ALL SELECT node, label FROM {olds})"
    with session(out["pairs"], memory) as connection:
        connection.execute(
            f"""CREATE TEMP VIEW mine AS SELECT DISTINCT * FROM {source}
            WHERE {part_of("node", part, parts)} AND other <> node"""
        )
        connection.execute(
            """CREATE TEMP TABLE least AS SELECT node, min(other) AS label, count(*) AS others
            FROM mine GROUP BY node"""
        )
        (changed,) = one(connection, "SELECT count(*) FROM least WHERE others > 1")
        connection.execute(
            """CREATE TEMP VIEW star AS SELECT node, label FROM least
            UNION SELECT other, label FROM mine JOIN least USING (node) WHERE other <> label"""
        )
        rows = copy(
            connection,
            """SELECT DISTINCT * FROM (
                SELECT node, label AS other FROM star UNION ALL SELECT label, node FROM star
            ) ORDER BY ALL""",
            out["pairs"],
        )
    return {"rows": rows, "changed": changed}


def name_clusters(
    pairs: Sequence[str], out: Mapping[str, str], part: int, parts: int, memory: str = MEMORY
) -> dict[str, int]:
    """Write (node, label) of this part's nodes, sorted, once all pairs are stars.

    Returns ``documents``, ``clusters`` named in this part, and the ``largest`` of them.
    """
    with session(out["clusters"], memory) as connection:
        mine = f"{scan(pairs, PAIR)} WHERE {part_of('node', part, parts)}"
        connection.execute(
            f"""CREATE TEMP TABLE named AS
            SELECT node, least(node, min(other)) AS label, count(DISTINCT other) + 1 AS size
            FROM {mine} GROUP BY node"""
        )
        rows = copy(connection, "SELECT node, label FROM named ORDER BY ALL", out["clusters"])
        clusters, largest = one(
            connection, "SELECT count(*), coalesce(max(size), 0) FROM named WHERE node = label"
        )
    return {"documents": rows, "clusters": clusters, "largest": largest}


def claim(
    links: Sequence[str],
    clusters: Sequence[str],
    out: Mapping[str, str],
    part: int,
    parts: int,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Find the documents of earlier levels that this part's nodes link their clusters to.

    ``out["claims"]``: (label, level, other), the first of each cluster seen here, sorted.
    """
    with session(out["claims"], memory) as connection:
        rows = copy(
            connection,
            f"""SELECT label, least.level AS level, least.other AS other FROM (
                SELECT coalesce(label, a) AS label,
                    min(struct_pack(level := level_b, other := b)) AS least
                FROM {scan(links, LINK)} LEFT JOIN (
                    SELECT * FROM {scan(clusters, CLUSTER)} WHERE {part_of("node", part, parts)}
                ) ON node = a
                WHERE {part_of("a", part, parts)} AND level_b < level_a AND level_a >= 0
                GROUP BY ALL
            ) ORDER BY ALL""",
            out["claims"],
        )
    return {"rows": rows}


def adopt(
    claims: Sequence[str], out: Mapping[str, str], part: int, parts: int, memory: str = MEMORY
) -> dict[str, int]:
    """Hang each cluster named in this part on the first document of the earliest level it claims.

    ``out["pairs"]``: (node, other) from both ends, sorted.
    """
    with session(out["pairs"], memory) as connection:
        connection.execute(
            f"""CREATE TEMP TABLE first AS
            SELECT label, min(struct_pack(level := level, other := other)) AS least
            FROM {scan(claims, CLAIM)} WHERE {part_of("label", part, parts)} GROUP BY label"""
        )
        rows = copy(
            connection,
            """SELECT * FROM (
                SELECT label AS node, least.other AS other FROM first
                UNION ALL SELECT least.other, label FROM first
            ) ORDER BY ALL""",
            out["pairs"],
        )
    return {"rows": rows}
