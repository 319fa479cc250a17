"""The catalogue: DuckDB views over the committed shards and the ledger of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import dedup_views, document_views, ledger_views, storage
from catalogs.charsets import CHARSETS
from catalogs.digests import DIGESTS
from catalogs.document_views import BOILERPLATE, CONSENT, DEDUP, FILES, QUALITY
from catalogs.errors import DamageError, UserError
from catalogs.found_views import FOUND, FOUND_DOCS
from catalogs.funnel import FUNNEL, SOURCES, ends
from catalogs.ledger import Ledger, Row
from catalogs.ledger_views import SHARDS, STEPS

FILE_NAME = "catalog.duckdb"
VIEW_DOCS = {
    "documents": "every document that passed the filters, whole, with the later verdicts on it",
    "corpus": "what survived: the documents in corpus/, without site boilerplate",
    "rejected": "every rejected record or document, with stage and reason",
    "quarantine": "every record that could not be processed, with its error",
    "shards": "every committed file",
    "steps": "the ledger: one row of accounting per committed unit of work",
    "funnel": "how many records went where, per source, stage and reason",
    "sources": "totals per source",
    "charsets": "how texts were decoded: declared and used encoding, and what decided",
    "digests": "how the digests of WARC records fitted",
    **FOUND_DOCS,
}


@dataclass(frozen=True)
class Column:
    """A documented column of a view."""

    view: str
    name: str
    type: str
    doc: str


def open_catalog(root: str, rows: list[Row] | None = None) -> duckdb.DuckDBPyConnection:
    """Connect to the catalogue of a run: views over its files as they stand now.

    Views: ``documents, corpus, rejected, quarantine, shards, steps, funnel, sources, charsets,
    digests``.

    Parameters
    ----------
    root
        The run folder.
    rows
        Look at the files of these ledger rows only, for work on a part of a large run.

    Raises
    ------
    UserError
        When `root` holds no committed shard, or another version made them.
    DamageError
        When a file of a shard is missing or no Parquet file.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    if storage.is_remote(root):
        connection.register_filesystem(storage.filesystem(root)[0])
    _define(connection, Ledger(root), "VIEW", rows)
    return connection


def attach_catalog(connection: duckdb.DuckDBPyConnection, root: str, schema: str) -> None:
    """Add the views of a run to a connection under a schema of their own.

    Raises
    ------
    UserError
        When `root` holds no committed shard.
    """
    if storage.is_remote(root):
        connection.register_filesystem(storage.filesystem(root)[0])
    connection.execute(f"CREATE SCHEMA {schema}; USE {schema}")
    _define(connection, Ledger(root), "TABLE")
    connection.execute("USE main")


def save_catalog(root: str) -> str | None:
    """Write ``catalog.duckdb`` into a local run folder, for tools that open DuckDB files.

    Ledger views become tables; documents stay in their shards, named by absolute path.
    """
    if storage.is_remote(root):
        return None
    path = storage.join(root, FILE_NAME)
    temporary = f"{path}.tmp"
    if os.path.exists(temporary):
        os.unlink(temporary)
    with duckdb.connect(temporary) as connection:
        _define(connection, Ledger(os.path.abspath(root)), "TABLE")
    os.replace(temporary, path)
    return path


def columns(root: str) -> list[Column]:
    """Every view and column with its type and description."""
    described = {
        "steps": {name: doc for name, (_, doc) in STEPS.items()},
        "shards": {name: doc for name, (_, doc) in SHARDS.items()},
        "funnel": {name: doc for name, (_, doc) in FUNNEL.items()},
        "sources": {name: doc for name, (_, doc) in SOURCES.items()},
        "charsets": {name: doc for name, (_, doc) in CHARSETS.items()},
        "digests": {name: doc for name, (_, doc) in DIGESTS.items()},
    }
    ledger = Ledger(root)
    for row in ledger.rows():
        for view in FILES:
            if view in row.files and view not in described:
                described[view] = _file_docs(ledger.file(row.files[view]))
    described.get("documents", {}).update({**DEDUP, **QUALITY, **CONSENT, **BOILERPLATE})
    described.update(FOUND)
    with open_catalog(root) as connection:
        found = []
        for view in VIEW_DOCS:
            for name, kind, *_ in connection.execute(f"DESCRIBE {view}").fetchall():
                found.append(Column(view, name, kind, described.get(view, {}).get(name, "")))
    return found


def _define(
    connection: duckdb.DuckDBPyConnection, ledger: Ledger, how: str, rows: list[Row] | None = None
) -> None:
    rows = ledger.rows() if rows is None else rows
    if not rows:
        raise UserError(f"{ledger.root}: no committed shard here; is this a run folder?")
    ledger_views.define(connection, rows, how)
    views = dedup_views if ends(rows)[0] == "judge" else document_views
    try:
        views.define(connection, ledger, rows)
    except duckdb.BinderException as error:
        reason = str(error).splitlines()[0].removeprefix("Binder Error: ")
        raise UserError(
            f"{ledger.root}: made by another version of corpusmill ({reason}); "
            "run its recipe again, or ask with the version that made it"
        ) from None
    except duckdb.Error as error:  # a file of a shard is gone or cut
        raise _damage(ledger.root, error) from None


def _damage(place: str, error: Exception) -> DamageError:
    return DamageError(
        f"{place}: {str(error).splitlines()[0]}; corpusmill audit names what is damaged, and "
        "running the recipe again makes it anew"
    )


def _file_docs(path: str) -> dict[str, str]:
    try:
        with storage.open_input(path) as file:
            schema = pq.read_schema(file)
    except (pa.ArrowException, FileNotFoundError) as error:
        raise _damage(path, error) from None
    return {f.name: (f.metadata or {}).get(b"doc", b"").decode() for f in schema}
