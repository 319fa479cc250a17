"""Who stays: the keep policy over groups of duplicates, and the attribute file of each shard."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.errors import UserError
from pipeline.dedup_cluster import EDGE
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_sql import MEMORY, copy, one, partition_of, scan, session

CLUSTER = {"scope": "VARCHAR", "id": "VARCHAR", "dup_cluster": "VARCHAR"}
ELECTED = {
    "shard": "BIGINT",
    "row_id": "VARCHAR",
    "id": "VARCHAR",
    "dup_cluster": "VARCHAR",
    "dup_count": "BIGINT",
    "dup_kept_id": "VARCHAR",
    "dup_kept_row": "VARCHAR",
    "dup_jaccard": "DOUBLE",
    "kept": "BOOLEAN",
    "reason": "VARCHAR",
}


def check_keep(schema: pa.Schema, config: DedupConfig) -> None:
    """Check that each expression of ``config.keep`` orders columns of this schema.

    Raises
    ------
    UserError
        Naming the expression, and what DuckDB says is wrong with it.
    """
    with duckdb.connect() as connection:
        _check_keep(connection, schema, config)


def _check_keep(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, config: DedupConfig
) -> None:
    connection.register("no_documents", schema.empty_table())
    for number, expression in enumerate(config.keep):
        query = f"SELECT row_number() OVER (ORDER BY {expression}\n) FROM no_documents"
        try:
            connection.sql(query).fetchall()
        except duckdb.Error as error:
            told = " ".join(str(error).split("\n\n")[0].split())
            raise UserError(f"field 'dedup.keep.{number}': {expression!r}: {told}") from None


def elect(
    documents_paths: list[str],
    cluster_path: str | None,
    edge_paths: list[str],
    out_path: str,
    config: DedupConfig,
    partition: int = 0,
    n_partitions: int = 1,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the verdict on every row that has a duplicate.

    Rows of one text come together first, then the documents of one cluster. In each group the row
    that comes first in the order ``config.keep`` stays, ties going to the smallest id, then the
    smallest row_id. A partition holds whole clusters. No text is read.

    Parameters
    ----------
    documents_paths
        All document shards. A row's `shard` in the output is its file's position in this list.
    cluster_path, edge_paths
        Outputs of `cluster` and `verify`; None and an empty list without fuzzy dedup.
    out_path
        Parquet of the columns `ELECTED`, sorted by (shard, id, row_id).

    Returns
    -------
    dict
        ``rows`` with duplicates, ``groups``, ``exact_duplicate`` and ``near_duplicate`` rows
        that go.

    Raises
    ------
    UserError
        For a wrong expression in ``config.keep``, or a row_id that occurs twice.
    """
    with session(out_path, memory) as connection:
        if documents_paths:
            _check_keep(connection, pq.read_schema(documents_paths[0]), config)
        _load_rows(connection, documents_paths, cluster_path, config, partition, n_partitions)
        _refuse_repeated_rows(connection, documents_paths)
        keep = "".join(f"{expression}\n, " for expression in config.keep if documents_paths)
        reason = "CASE WHEN copy > 1 THEN 'exact_duplicate' ELSE 'near_duplicate' END"
        if not config.exact:
            reason = "'near_duplicate'"
        connection.execute(
            f"""CREATE TEMP TABLE ranked AS
            SELECT _shard AS shard, _scope AS scope, _cluster AS dup_cluster, row_id, id,
                row_number() OVER (PARTITION BY _scope, id ORDER BY {keep} row_id) AS copy,
                row_number() OVER (PARTITION BY _scope, _cluster ORDER BY {keep} id, row_id)
                    AS place
            FROM rows JOIN groups USING (_scope, _cluster)"""
        )
        _load_links(connection, edge_paths)
        copy(
            connection,
            f"""SELECT shard, row_id, id, dup_cluster, dup_count, dup_kept_id, dup_kept_row,
                CASE WHEN place = 1 THEN NULL
                    WHEN id = dup_kept_id THEN 1.0
                    ELSE coalesce(direct, nearest) END AS dup_jaccard,
                place = 1 AS kept,
                CASE WHEN place > 1 THEN {reason} END AS reason
            FROM ranked
            JOIN (SELECT _scope AS scope, _cluster AS dup_cluster, dup_count FROM groups)
                USING (scope, dup_cluster)
            JOIN (SELECT scope, dup_cluster, id AS dup_kept_id, row_id AS dup_kept_row
                FROM ranked WHERE place = 1) USING (scope, dup_cluster)
            LEFT JOIN (SELECT scope, a AS id, max(jaccard) AS nearest FROM links
                GROUP BY scope, a) USING (scope, id)
            LEFT JOIN (SELECT scope, a AS id, b AS dup_kept_id, max(jaccard) AS direct FROM links
                GROUP BY scope, a, b) USING (scope, id, dup_kept_id)
            ORDER BY shard, id, row_id""",
            out_path,
        )
        counts = one(
            connection,
            f"""SELECT count(*), count(*) FILTER (reason IS NULL),
                count(*) FILTER (reason = 'exact_duplicate'),
                count(*) FILTER (reason = 'near_duplicate') FROM {scan([out_path], {})}""",
        )
    names = ("rows", "groups", "exact_duplicate", "near_duplicate")
    return dict(zip(names, counts, strict=True))


def _load_rows(
    connection: duckdb.DuckDBPyConnection,
    documents_paths: list[str],
    cluster_path: str | None,
    config: DedupConfig,
    partition: int,
    n_partitions: int,
) -> None:
    """View `rows`: document columns with shard, scope and cluster; table `groups`: those above 1.

    Own columns start with an underscore, because expressions of the user see the documents' names.
    """
    document = {"row_id": "VARCHAR", "id": "VARCHAR", "source": "VARCHAR"}
    documents = scan(documents_paths, document, path_column="_path")
    clusters = scan([cluster_path] if cluster_path else [], CLUSTER)
    scope = "coalesce(d.source, '')" if config.scope == "source" else "''"
    connection.execute("CREATE TEMP TABLE shards (_shard BIGINT, _path VARCHAR)")
    if documents_paths:
        connection.executemany("INSERT INTO shards VALUES (?, ?)", list(enumerate(documents_paths)))
    connection.execute(
        f"""CREATE TEMP VIEW rows AS SELECT * FROM (
            SELECT d.*, _shard, {scope} AS _scope, coalesce(c._cluster, d.id) AS _cluster
            FROM {documents} d JOIN shards USING (_path)
            LEFT JOIN (
                SELECT scope AS _cluster_scope, id AS _id, dup_cluster AS _cluster FROM {clusters}
            ) c ON _cluster_scope = {scope} AND _id = d.id
        ) WHERE {partition_of("_cluster", partition, n_partitions)}"""
    )
    wanted = "count(*) > 1" if config.exact or config.fuzzy else "false"
    connection.execute(
        f"""CREATE TEMP TABLE groups AS SELECT _scope, _cluster, count(*) AS dup_count
        FROM rows GROUP BY _scope, _cluster HAVING {wanted}"""
    )


def _refuse_repeated_rows(
    connection: duckdb.DuckDBPyConnection, documents_paths: list[str]
) -> None:
    repeated = connection.sql(
        """SELECT row_id, min(_shard), max(_shard) FROM rows JOIN groups USING (_scope, _cluster)
        GROUP BY row_id HAVING count(*) > 1 ORDER BY row_id LIMIT 1"""
    ).fetchall()
    for name, first, last in repeated:
        raise UserError(
            f"{documents_paths[first]} and {documents_paths[last]}: field 'row_id': {name} names "
            "more than one row; give each row its own, or list each input once"
        )


def _load_links(connection: duckdb.DuckDBPyConnection, edge_paths: list[str]) -> None:
    """View `links`: each edge from both of its ends."""
    edges = scan(edge_paths, EDGE)
    connection.execute(
        f"""CREATE TEMP VIEW links AS SELECT scope, a, b, jaccard FROM {edges}
        UNION ALL SELECT scope, b, a, jaccard FROM {edges}"""
    )


def judge_shard(
    documents_path: str, shard: int, elected_paths: list[str], out_path: str, memory: str = MEMORY
) -> dict[str, int]:
    """Write the attribute file of one documents shard: its rows, in its order, and their verdict.

    Parameters
    ----------
    shard
        Position of `documents_path` in the list given to `elect`.
    out_path
        Parquet of the columns `ELECTED` without `shard`, sorted by (id, row_id). For a row without
        duplicates `dup_count` is 1, `kept` is true and the rest is null. `dup_jaccard` is the
        similarity to the kept document where the two were compared, else to the document in the
        cluster that is nearest among those compared; 1 for a copy of the kept text.

    Returns
    -------
    dict
        ``rows``, ``kept``, ``exact_duplicate``, ``near_duplicate``; the last three sum to the
        first.
    """
    elected = scan(elected_paths, ELECTED)
    verdict = ", ".join(name for name in ELECTED if name not in ("shard", "row_id", "id"))
    verdict = verdict.replace("dup_count", "coalesce(dup_count, 1) AS dup_count")
    verdict = verdict.replace("kept,", "coalesce(kept, true) AS kept,")
    with session(out_path, memory) as connection:
        copy(
            connection,
            f"""SELECT row_id, id, {verdict} FROM {scan([documents_path], {})}
            LEFT JOIN (SELECT * FROM {elected} WHERE shard = {shard}) USING (row_id, id)
            ORDER BY id, row_id""",
            out_path,
        )
        counts = one(
            connection,
            f"""SELECT count(*), count(*) FILTER (kept),
                count(*) FILTER (reason = 'exact_duplicate'),
                count(*) FILTER (reason = 'near_duplicate') FROM {scan([out_path], {})}""",
        )
    names = ("rows", "kept", "exact_duplicate", "near_duplicate")
    return dict(zip(names, counts, strict=True))
