"""The catalogue of a folder that `corpusmill dedup` made: verdicts on rows, without their texts."""

from __future__ import annotations

import duckdb

from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from catalogs.sql import literal, parquet


def define(connection: duckdb.DuckDBPyConnection, ledger: Ledger, rows: list[Row]) -> None:
    """Define the views ``documents, corpus, rejected, quarantine`` over attribute files.

    A row of `documents` is a row of an input: `id`, `source` (always files), `container` (the input
    file, below the folder that holds all), `record` (its place there, or in the piece of a large
    file) and the columns of deduplication. `rejected` adds stage and reason; nothing is
    quarantined.

    Raises
    ------
    UserError
        When nothing is judged yet.
    """
    judged = [row for row in rows if "attributes" in row.files]
    if not judged:
        raise UserError(f"{ledger.root}: no file is judged yet; run the same command to go on")
    paths = [ledger.file(row.files["attributes"]) for row in judged]
    names = [row.shard for row in judged]
    containers = ", ".join(map(literal, names))
    connection.execute(
        f"""CREATE VIEW documents AS
        SELECT id, id AS row_id, 'files' AS source, NULL::VARCHAR AS uri,
            [{containers}][file_index::BIGINT + 1] AS container, file_row_number AS record,
            * EXCLUDE (id, reason, file_index, file_row_number), reason AS dup_reason,
            NULL::STRUCT("start" INTEGER, "end" INTEGER, reason VARCHAR)[] AS cut_spans,
            NULL::VARCHAR AS cut_reason
        FROM (SELECT *, file_index, file_row_number
            FROM {parquet(paths)})"""
    )
    connection.execute("CREATE VIEW corpus AS SELECT * FROM documents WHERE kept")
    connection.execute(
        "CREATE VIEW rejected AS SELECT 'dedup' AS stage, dup_reason AS reason, * EXCLUDE "
        "(dup_reason, cut_spans, cut_reason) FROM documents WHERE NOT kept"
    )
    connection.execute(
        "CREATE VIEW quarantine AS SELECT NULL::VARCHAR AS stage, NULL::VARCHAR AS error, "
        "NULL::VARCHAR AS detail, * FROM documents WHERE false"
    )
