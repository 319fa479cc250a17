"""The catalogue: DuckDB views over the committed shards and the ledger of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import dedup_views, storage
from catalogs.applied import applied_files, with_applied
from catalogs.charsets import CHARSETS, charset_rows
from catalogs.digests import DIGESTS, digest_rows
from catalogs.errors import UserError
from catalogs.found_views import FOUND, FOUND_DOCS, define_found
from catalogs.ledger import Ledger, Row

FILE_NAME = "catalog.duckdb"

# Views over the ledger: column -> (type, description)
STEPS = {
    "step": (pa.string(), "step of the run: ingest, sign, candidates, verify, cluster, judge …"),
    "shard": (pa.string(), "name of the unit of work inside the step"),
    "source": (pa.string(), "source in the recipe, empty for steps over all sources"),
    "present": (
        pa.int64(),
        "records present by a count that does not rest on reading them; null where there is none",
    ),
    "read": (pa.int64(), "records read"),
    "kept": (pa.int64(), "records kept"),
    "rejected": (pa.int64(), "records rejected, all reasons"),
    "quarantined": (pa.int64(), "records quarantined, all errors"),
    "text_bytes": (pa.int64(), "UTF-8 bytes of the text kept, where the step writes text"),
    "tokens": (pa.int64(), "tokens kept, estimated, where the step writes text"),
    "attempts": (pa.int32(), "tries until the commit"),
    "seconds": (pa.float64(), "wall seconds of the try that committed"),
    "cpu_seconds": (pa.float64(), "CPU seconds of its worker, sandboxed children left out"),
    "cpu_read": (pa.float64(), "INGEST: CPU seconds of reading the input file"),
    "cpu_parse": (pa.float64(), "INGEST: CPU seconds of parsing, sandboxed children included"),
    "cpu_tag": (pa.float64(), "INGEST: CPU seconds of tagging and judging"),
    "cpu_write": (pa.float64(), "INGEST: CPU seconds of sorting and writing shards"),
    "host": (pa.string(), "machine that committed"),
    "committed_at": (pa.string(), "time of the commit, UTC"),
    "address": (pa.string(), "hash of configuration, code and inputs"),
    "code": (pa.string(), "hash of the code and library versions of the step"),
    "inputs": (pa.list_(pa.string()), "fingerprints or checksums of the inputs"),
}
STATS = ("text_bytes", "tokens", "cpu_read", "cpu_parse", "cpu_tag", "cpu_write")
SHARDS = {
    "step": (pa.string(), "step that wrote the file"),
    "shard": (pa.string(), "unit of work that wrote the file"),
    "source": (pa.string(), "source in the recipe, empty for steps over all sources"),
    "kind": (pa.string(), "what the file holds: documents, rejected, quarantine, corpus …"),
    "path": (pa.string(), "path relative to the run folder"),
    "rows": (pa.int64(), "records in the file"),
    "bytes": (pa.int64(), "size of the file"),
    "checksum": (pa.string(), "xxh3_128 of the bytes of the file"),
}
FUNNEL = {
    "source": (pa.string(), "source in the recipe"),
    "rank": (pa.int32(), "order of the stages along the way of a record"),
    "stage": (
        pa.string(),
        "takedown, read, url, extract, language, filter, contamination, pii, dedup, quality, "
        "license, consent, boilerplate, repeats; quarantine; corpus",
    ),
    "outcome": (pa.string(), "read, rejected, quarantined or kept"),
    "reason": (pa.string(), "reason of rejection or error of quarantine, else null"),
    "records": (pa.int64(), "number of records"),
    "share": (pa.float64(), "records as a share of those read from the source"),
}
SOURCES = {
    "source": (pa.string(), "source in the recipe"),
    "files": (pa.int64(), "input files"),
    "read": (pa.int64(), "records read"),
    "rejected": (pa.int64(), "records rejected before deduplication"),
    "quarantined": (pa.int64(), "records quarantined"),
    "duplicates": (pa.int64(), "documents rejected as exact or near duplicates"),
    "kept": (pa.int64(), "documents in corpus/"),
    "text_bytes": (pa.int64(), "UTF-8 bytes of text in corpus/"),
    "tokens": (pa.int64(), "tokens in corpus/, estimated"),
}
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
STAGES = (
    *("takedown", "read", "url", "extract", "language", "filter", "contamination", "pii"),
    *("dedup", "quality", "license", "consent", "boilerplate", "repeats"),
)
OPTIONAL_STAGES = (
    *("takedown", "contamination", "pii", "quality", "license", "consent", "repeats"),
)
"""Stages that are not part of every run."""
DEDUP = {
    "dup_cluster": "smallest id of the cluster of near copies, null if the document stands alone",
    "dup_count": "rows in the cluster, exact copies and this row included",
    "dup_kept_id": "id of the document of the cluster that is kept",
    "dup_kept_row": "row_id of the copy that is kept",
    "dup_kept_run": "earlier run that holds the copy that is kept, null if this one does",
    "dup_jaccard": "Jaccard similarity of shingles to the document it matched, if verified",
    "kept": "whether the document is in corpus/",
    "dup_reason": "exact_duplicate or near_duplicate, null if it is no duplicate",
}
QUALITY = {
    "quality_ranks": "share of the deduplicated corpus that scores no better, by name of model "
    "or ensemble, as in quality_ranks['dclm']",
    "quality_bucket": "part of the corpus by quality, as the recipe asks, 0 is the worst",
    "quality_reason": "model:verdict of the quality rule that rejects it, else null",
}
LICENSE = (
    *("license", "license_scope", "license_class", "license_confidence"),
    "license_evidence",
)
BOILERPLATE = {
    "cut_spans": "bytes of the text that repeat across pages of its host, cut from corpus/",
    "cut_reason": "stage:reason where too little is left without them, else null",
}

CONSENT = {"consent_reason": "stage:reason where the recipe's licence or consent rules reject it"}
FATE = (
    "CASE WHEN coalesce(kept, true) THEN 'kept' WHEN dup_reason IS NOT NULL "
    "THEN 'dedup:' || dup_reason WHEN quality_reason IS NOT NULL "
    "THEN 'quality:' || quality_reason ELSE coalesce(consent_reason, cut_reason) END"
)
"""What became of a row of the view ``documents``, as SQL."""
LATER = "('dedup', 'quality', 'license', 'consent', 'boilerplate', 'repeats')"
"""Stages whose rejected rows stand in the view ``documents`` as well, as SQL."""


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
        When `root` holds no committed shard.
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
        for kind, view in _FILE_VIEWS.items():
            if kind in row.files and view not in described:
                described[view] = _file_docs(ledger.file(row.files[kind]))
    described.get("documents", {}).update({**DEDUP, **QUALITY, **CONSENT, **BOILERPLATE})
    described.update(FOUND)
    with open_catalog(root) as connection:
        found = []
        for view in VIEW_DOCS:
            for name, kind, *_ in connection.execute(f"DESCRIBE {view}").fetchall():
                found.append(Column(view, name, kind, described.get(view, {}).get(name, "")))
    return found


def funnel_rows(rows: list[Row]) -> list[dict]:
    """The funnel as dictionaries, ordered by source and stage."""
    result = []
    first, last = ends(rows)
    for source in _sources(rows):
        own = [row for row in rows if row.source == source]
        ingest = [row for row in own if row.step == first]
        written = [row for row in own if row.step == last]
        read = sum(row.read for row in ingest)

        def line(rank, stage, outcome, reason, records, source=source, read=read):
            share = records / read if read else 0.0
            values = (source, rank, stage, outcome, reason, records, share)
            result.append(dict(zip(FUNNEL, values, strict=True)))

        line(0, "read", "read", None, read)
        rejected = _added(row.rejected for row in own if row.step in (first, last))
        for key in sorted(rejected, key=lambda k: (_rank(k), -rejected[k], k)):
            stage, reason = key.split(":", 1)
            line(_rank(key), stage, "rejected", reason, rejected[key])
        quarantined = _added(row.quarantined for row in ingest)
        for error in sorted(quarantined, key=lambda k: (-quarantined[k], k)):
            line(90, "quarantine", "quarantined", error, quarantined[error])
        line(99, "corpus", "kept", None, sum(row.kept for row in written))
    return result


def source_rows(rows: list[Row]) -> list[dict]:
    """Totals per source as dictionaries."""
    result = []
    first, last = ends(rows)
    for source in _sources(rows):
        ingest = [row for row in rows if row.source == source and row.step == first]
        written = [row for row in rows if row.source == source and row.step == last]
        values = (
            source,
            len(ingest),
            sum(row.read for row in ingest),
            sum(sum(row.rejected.values()) for row in ingest if first != last),
            sum(sum(row.quarantined.values()) for row in ingest),
            sum(sum(row.rejected.values()) for row in written),
            sum(row.kept for row in written),
            int(sum(row.stats.get("text_bytes", 0) for row in written)),
            int(sum(row.stats.get("tokens", 0) for row in written)),
        )
        result.append(dict(zip(SOURCES, values, strict=True)))
    return result


_FILE_VIEWS = {
    "documents": "documents",
    "rejected": "rejected",
    "quarantine": "quarantine",
    "corpus": "corpus",
}


def _define(
    connection: duckdb.DuckDBPyConnection, ledger: Ledger, how: str, rows: list[Row] | None = None
) -> None:
    rows = ledger.rows() if rows is None else rows
    if not rows:
        raise UserError(f"{ledger.root}: no committed shard here; is this a run folder?")
    _tables(connection, rows, how)
    if ends(rows)[0] == "judge":
        dedup_views.define(connection, ledger, rows)
        return
    try:
        _views(connection, ledger, rows)
    except duckdb.BinderException as error:
        reason = str(error).splitlines()[0].removeprefix("Binder Error: ")
        raise UserError(
            f"{ledger.root}: made by another version of corpusmill ({reason}); "
            "run its recipe again, or ask with the version that made it"
        ) from None


def _views(connection: duckdb.DuckDBPyConnection, ledger: Ledger, rows: list[Row]) -> None:
    paths = {kind: [] for kind in (*_FILE_VIEWS, "attributes", "boilerplate", "cuts", "consent")}
    for row in rows:
        for kind in paths.keys() & row.files.keys():
            paths[kind].append(ledger.file(row.files[kind]))
    # QUALITY passes on what DEDUP decided
    graded = [ledger.file(row.files["attributes"]) for row in rows if row.step == "quality"]
    paths["attributes"] = graded or paths["attributes"]
    no_grades = (
        "null::MAP(VARCHAR, FLOAT) AS quality_ranks, null::INTEGER AS quality_bucket, "
        "null::VARCHAR AS quality_reason"
    )
    grades = ", ".join(QUALITY) if graded else no_grades
    attributes = (
        "SELECT row_id, dup_cluster, dup_count, dup_kept_id, dup_kept_row, dup_kept_run, "
        f"dup_jaccard, kept, reason AS dup_reason, {grades} FROM {_scan(paths['attributes'])}"
        if paths["attributes"]
        else "SELECT row_id, null::VARCHAR AS dup_cluster, 1::BIGINT AS dup_count, "
        "null::VARCHAR AS dup_kept_id, null::VARCHAR AS dup_kept_row, "
        "null::VARCHAR AS dup_kept_run, null::DOUBLE AS dup_jaccard, null::BOOLEAN AS kept, "
        f"null::VARCHAR AS dup_reason, {no_grades} "
        f"FROM {_scan(paths['documents'])}"
    )
    cut = paths["cuts"] or paths["boilerplate"]  # the later step holds what the earlier found
    cuts = (
        f"SELECT row_id, cut_spans, cut_reason FROM {_scan(cut)}"
        if cut
        else 'SELECT null::VARCHAR AS row_id, null::STRUCT("start" INTEGER, "end" INTEGER, '
        "reason VARCHAR)[] AS cut_spans, null::VARCHAR AS cut_reason WHERE false"
    )
    final, consent = (
        "",
        "SELECT null::VARCHAR AS row_id, null::VARCHAR AS consent_reason WHERE false",
    )
    if paths["consent"]:  # a finished run has one for every shard
        columns = (*LICENSE, "opt_out", "opt_out_evidence")
        said = (f"if(t.row_id IS NULL, d.{name}, t.{name}) AS {name}" for name in columns)
        final = f" REPLACE ({', '.join(said)})"
        consent = f"SELECT * FROM {_scan(paths['consent'])}"
    applied = applied_files(ledger, rows)
    documents = (
        f"SELECT d.*{final}, a.* EXCLUDE (row_id) "
        "REPLACE (kept AND t.consent_reason IS NULL AND c.cut_reason IS NULL AS kept), "
        "t.consent_reason, c.* EXCLUDE (row_id) "
        f"FROM {_scan(paths['documents'])} d LEFT JOIN ({attributes}) a USING (row_id) "
        f"LEFT JOIN ({consent}) t USING (row_id) LEFT JOIN ({cuts}) c USING (row_id)"
    )
    connection.execute(f"CREATE VIEW documents AS {with_applied(documents, applied, _scan)}")
    later = ", ".join((*DEDUP, *QUALITY, *CONSENT, *BOILERPLATE))
    connection.execute(
        f"CREATE VIEW rejected AS SELECT * FROM {_scan(paths['rejected'])} UNION ALL BY NAME "
        f"SELECT split_part({FATE}, ':', 1) AS stage, "
        f"substr({FATE}, instr({FATE}, ':') + 1) AS reason, "
        f"* EXCLUDE ({later}) FROM documents WHERE NOT kept"
    )
    connection.execute(f"CREATE VIEW quarantine AS SELECT * FROM {_scan(paths['quarantine'])}")
    corpus = "SELECT *, 0::BIGINT AS cut_bytes, 0::INTEGER AS masked FROM documents WHERE kept"
    if paths["corpus"]:
        corpus = with_applied(f"SELECT * FROM {_scan(paths['corpus'])}", applied, _scan)
    connection.execute(f"CREATE VIEW corpus AS {corpus}")
    define_found(connection, ledger.root, FATE, LATER)


def _tables(connection: duckdb.DuckDBPyConnection, rows: list[Row], how: str) -> None:
    steps = [
        {
            **{name: getattr(row, name) for name in STEPS if hasattr(row, name)},
            "rejected": sum(row.rejected.values()),
            "quarantined": sum(row.quarantined.values()),
            "present": row.stats.get("records_present"),
            **{name: row.stats.get(name) for name in STATS},
        }
        for row in rows
    ]
    shards = [
        {**file.__dict__, "step": row.step, "shard": row.shard, "source": row.source, "kind": kind}
        for row in rows
        for kind, file in sorted(row.files.items())
    ]
    tables = {
        "steps": (STEPS, steps),
        "shards": (SHARDS, shards),
        "funnel": (FUNNEL, funnel_rows(rows)),
        "sources": (SOURCES, source_rows(rows)),
        "charsets": (CHARSETS, charset_rows(rows)),
        "digests": (DIGESTS, digest_rows(rows)),
    }
    for name, (schema, values) in tables.items():
        arrow = pa.schema([(column, kind) for column, (kind, _) in schema.items()])
        connection.register(f"_{name}", pa.Table.from_pylist(values, schema=arrow))
        connection.execute(f"CREATE {how} {name} AS SELECT * FROM _{name}")
        if how == "TABLE":
            connection.unregister(f"_{name}")


def _scan(paths: list[str]) -> str:
    quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{quoted}], hive_partitioning = false)"


def _file_docs(path: str) -> dict[str, str]:
    with storage.open_input(path) as file:
        schema = pq.read_schema(file)
    return {f.name: (f.metadata or {}).get(b"doc", b"").decode() for f in schema}


def _sources(rows: list[Row]) -> list[str]:
    first, _ = ends(rows)
    return sorted({row.source for row in rows if row.step == first})


def ends(rows: list[Row]) -> tuple[str, str]:
    """The steps that read the records and that keep them: of a run, or of dedup by itself."""
    alone = not any(row.step == "ingest" for row in rows)
    return ("judge", "judge") if alone else ("ingest", "write")


def _added(counts) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for key, value in count.items():
            total[key] = total.get(key, 0) + value
    return total


def _rank(key: str) -> int:
    stage = key.split(":", 1)[0]
    return 10 * (STAGES.index(stage) + 1) if stage in STAGES else 80
