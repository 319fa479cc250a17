"""GROUP, ELECT and JUDGE: who stays of each cluster, and the attribute file of each shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from catalogs.errors import UserError
from catalogs.sql import literal
from pipeline.dedup_cluster import CLUSTER
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_sql import MEMORY, copy, one, part_of, scan, session
from pipeline.dedup_verify import LINK

ROW = {
    "node": "UUID",
    "id": "VARCHAR",
    "row_id": "VARCHAR",
    "number": "BIGINT",
    "level": "SMALLINT",
    "rank": "BLOB",
}
INDEX = {
    "node": "UUID",
    "id": "VARCHAR",
    "row_id": "VARCHAR",
    "kept": "BOOLEAN",
    "kept_id": "VARCHAR",
    "kept_row": "VARCHAR",
    "kept_run": "VARCHAR",
    "jaccard": "DOUBLE",
}
GROUPED = {
    "label": "UUID",
    **ROW,
    "run": "SMALLINT",
    "shard": "INTEGER",
    **{name: INDEX[name] for name in ("kept", "kept_id", "kept_row", "kept_run", "jaccard")},
}
LINKED = {"label": "UUID", "a": "UUID", "b": "UUID", "jaccard": "DOUBLE"}
ELECTED = {
    "shard": "INTEGER",
    "number": "BIGINT",
    "dup_cluster": "VARCHAR",
    "dup_count": "BIGINT",
    "dup_kept_id": "VARCHAR",
    "dup_kept_row": "VARCHAR",
    "dup_kept_run": "VARCHAR",
    "dup_jaccard": "DOUBLE",
    "kept": "BOOLEAN",
    "reason": "VARCHAR",
}
JUDGED = ("row_id", "id", *(name for name in ELECTED if name not in ("shard", "number")))


@dataclass(frozen=True)
class OldRows:
    """An earlier run as `group` reads it: its name, and its files ``index`` of `judge`."""

    name: str
    index: tuple[str, ...]


def group(
    rows: Sequence[str],
    old: Sequence[OldRows],
    clusters: Sequence[str],
    links: Sequence[str],
    out: Mapping[str, str],
    config: DedupConfig,
    part: int = 0,
    parts: int = 1,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Bring the rows that have duplicates, and the links between them, to their clusters.

    Parameters
    ----------
    rows, old
        Files ``rows`` of `sign_shard`, in the order of the shards; earlier runs, the oldest first.
    clusters, links
        Outputs of `cluster` and `verify`; none without fuzzy dedup.
    out
        ``grouped`` (columns `GROUPED`) and ``linked`` (`LINKED`), both sorted by label.
    """
    if config.exact == "none" and not config.fuzzy:
        rows, old = [], []
    with session(out["grouped"], memory) as connection:
        mine = part_of("node", part, parts)
        connection.execute(
            f"""CREATE TEMP TABLE named AS
            SELECT node AS own, label FROM {scan(clusters, CLUSTER)} WHERE {mine}"""
        )
        connection.execute(
            f"CREATE TEMP VIEW mine AS SELECT * FROM ({_all_rows(rows, old)}) WHERE {mine}"
        )
        # a text of many copies, or of a cluster
        connection.execute(
            """CREATE TEMP TABLE many AS SELECT own, label FROM named
            UNION SELECT node, node FROM (
                SELECT node FROM mine GROUP BY node HAVING count(*) > 1
            ) ANTI JOIN named ON own = node"""
        )
        columns = ", ".join(GROUPED)
        count = copy(
            connection,
            f"SELECT {columns} FROM mine JOIN many ON own = node ORDER BY ALL",
            out["grouped"],
        )
        copy(
            connection,
            f"""SELECT label, a, b, jaccard FROM {scan(links, LINK)} JOIN named ON own = a
            WHERE {part_of("a", part, parts)} ORDER BY ALL""",
            out["linked"],
        )
    return {"rows": count}


def _all_rows(rows: Sequence[str], old: Sequence[OldRows]) -> str:
    """SQL of the rows of all runs; those of earlier runs keep the verdict they have."""
    files = scan(rows, ROW, ["file_index"])
    parts = [
        f"""SELECT node, id, row_id, number, level, rank, 0::SMALLINT AS run,
            file_index::INTEGER AS shard, true AS kept, NULL::VARCHAR AS kept_id,
            NULL::VARCHAR AS kept_row, NULL::VARCHAR AS kept_run, NULL::DOUBLE AS jaccard
            FROM {files} WHERE node IS NOT NULL"""
    ]
    for age, run in enumerate(old):
        level = age - len(old)
        parts.append(
            f"""SELECT node, id, row_id, 0::BIGINT, {level}::SMALLINT, ''::BLOB, {level}::SMALLINT,
            0, kept, kept_id, kept_row, coalesce(kept_run, {literal(run.name)}), jaccard
            FROM {scan(run.index, INDEX)}"""
        )
    return " UNION ALL ".join(parts)


def elect(
    grouped: Sequence[str],
    linked: Sequence[str],
    out: Mapping[str, str],
    config: DedupConfig,
    part: int = 0,
    parts: int = 1,
    unique_rows: bool = True,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the verdict on every row that has a duplicate.

    In each cluster the row stays that comes first: rows of earlier runs before new ones, then by
    ``priority``, then in the order ``config.keep``; ties go to the smallest id, then row_id.

    Parameters
    ----------
    grouped, linked
        All outputs of `group`.
    out
        ``elected``: the columns `ELECTED` of new rows, sorted by (shard, number).
    unique_rows
        Refuse a row_id that two rows share.

    Returns
    -------
    dict
        ``rows`` with duplicates, ``groups``, ``largest`` of them in rows, ``exact_duplicate`` and
        ``near_duplicate`` rows that go.

    Raises
    ------
    UserError
        For a row_id that occurs twice.
    """
    reason = "CASE WHEN copy > 1 THEN 'exact_duplicate' ELSE 'near_duplicate' END"
    if config.exact == "none":
        reason = "'near_duplicate'"
    with session(out["elected"], memory) as connection:
        connection.execute(
            f"""CREATE TEMP TABLE ranked AS
            SELECT *, row_number() OVER (PARTITION BY label ORDER BY {ORDER}) AS place,
                row_number() OVER (PARTITION BY label, node ORDER BY {ORDER}) AS copy,
                max(jaccard) OVER (PARTITION BY label, node) AS known
            FROM {scan(grouped, GROUPED)} WHERE {part_of("label", part, parts)}"""
        )
        if unique_rows:
            _refuse_repeated_rows(connection)
        connection.execute(
            f"""CREATE TEMP VIEW links AS
            SELECT label, a, b, jaccard FROM {scan(linked, LINKED)}
            WHERE {part_of("label", part, parts)}"""
        )
        connection.execute(
            """CREATE TEMP TABLE heads AS SELECT label, size, least, node AS kept_node,
                coalesce(kept_id, id) AS dup_kept_id, coalesce(kept_row, row_id) AS dup_kept_row,
                kept_run AS dup_kept_run
            FROM ranked JOIN (
                SELECT label, count(*) AS size, min(id) AS least FROM ranked GROUP BY label
            ) USING (label) WHERE place = 1 AND size > 1"""
        )
        copy(
            connection,
            f"""SELECT shard, number, least AS dup_cluster, size AS dup_count, dup_kept_id,
                dup_kept_row, dup_kept_run,
                CASE WHEN place = 1 THEN NULL WHEN node = kept_node THEN 1.0
                    ELSE coalesce(direct, known, nearest) END AS dup_jaccard,
                place = 1 AS kept, CASE WHEN place > 1 THEN {reason} END AS reason
            FROM ranked JOIN heads USING (label)
            LEFT JOIN (SELECT label, a AS node, max(jaccard) AS nearest FROM links GROUP BY ALL)
                USING (label, node)
            LEFT JOIN (SELECT label, a AS node, b AS kept_node, max(jaccard) AS direct FROM links
                GROUP BY ALL) USING (label, node, kept_node)
            WHERE run = 0 ORDER BY shard, number""",
            out["elected"],
        )
        groups, largest = one(connection, "SELECT count(*), coalesce(max(size), 0) FROM heads")
        counts = one(
            connection,
            f"""SELECT count(*), count(*) FILTER (reason = 'exact_duplicate'),
                count(*) FILTER (reason = 'near_duplicate') FROM {scan([out["elected"]], {})}""",
        )
    names = ("rows", "exact_duplicate", "near_duplicate")
    return {**dict(zip(names, counts, strict=True)), "groups": groups, "largest": largest}


ORDER = "run, kept DESC, level, rank, id, row_id, shard, number"


def _refuse_repeated_rows(connection: duckdb.DuckDBPyConnection) -> None:
    repeated = connection.sql(
        """SELECT row_id FROM ranked WHERE run = 0
        GROUP BY row_id HAVING count(*) > 1 ORDER BY row_id LIMIT 1"""
    ).fetchall()
    for (name,) in repeated:
        raise UserError(
            f"dedup: field 'row_id': {name} names more than one row; give each row its own, or "
            "list each input once"
        )


def judge(
    rows: str,
    elected: Sequence[str],
    shard: int,
    out: Mapping[str, str],
    row_ids: bool = True,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the attribute file of one documents shard: its rows, in its order, and their verdict.

    Parameters
    ----------
    rows, elected, shard
        The file ``rows`` of the shard, all outputs of `elect`, and the shard's number there.
    out
        ``attributes``: row_id, id and the columns of `ELECTED` but for shard and number. For a row
        without duplicates `dup_count` is 1, `kept` is true and the rest is null; for one that was
        refused before, `kept` is false and the rest is null. `dup_jaccard` is
        the similarity to the kept document where the two were compared, else to the document in
        the cluster that is nearest among those compared; 1 for a copy of the kept text. For a copy
        of a text of an earlier run it is what that run found.
        Without `row_ids`, row_id and dup_kept_row are left out.
        ``index``: what a later run needs to know, the columns `INDEX` sorted by node.

    Returns
    -------
    dict
        ``rows`` that were not refused, ``kept``, ``exact_duplicate``, ``near_duplicate``; the last
        three sum to the first.
    """
    with session(out["attributes"], memory) as connection:
        connection.execute(
            f"""CREATE TEMP TABLE judged AS
            SELECT node, number, row_id, id, dup_cluster,
                CASE WHEN node IS NOT NULL THEN coalesce(dup_count, 1) END AS dup_count,
                dup_kept_id, dup_kept_row, dup_kept_run, dup_jaccard,
                node IS NOT NULL AND coalesce(kept, true) AS kept, reason
            FROM {scan([rows], {})}
            LEFT JOIN (SELECT * FROM {scan(elected, ELECTED)} WHERE shard = {shard}) USING (number)
            """
        )
        names = ", ".join(name for name in JUDGED if row_ids or "row" not in name)
        copy(
            connection,
            f"SELECT {names} FROM judged ORDER BY number",
            out["attributes"],
        )
        copy(
            connection,
            """SELECT node, id, row_id, kept, dup_kept_id AS kept_id, dup_kept_row AS kept_row,
                dup_kept_run AS kept_run, dup_jaccard AS jaccard
            FROM judged WHERE node IS NOT NULL ORDER BY node, row_id, number""",
            out["index"],
        )
        counts = one(
            connection,
            """SELECT count(node), count(*) FILTER (kept), count(*) FILTER (reason =
                'exact_duplicate'), count(*) FILTER (reason = 'near_duplicate') FROM judged""",
        )
    names = ("rows", "kept", "exact_duplicate", "near_duplicate")
    return dict(zip(names, counts, strict=True))
