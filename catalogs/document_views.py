"""Views over the documents of a run: each with the verdicts of the later steps on it."""

from __future__ import annotations

import duckdb

from catalogs.applied import applied_files, with_applied
from catalogs.found_views import define_found
from catalogs.ledger import Ledger, Row
from catalogs.sql import parquet

DEDUP = {
    "dup_cluster": "smallest id of the cluster of near copies, null if the document stands alone",
    "dup_count": "rows in the cluster, exact copies and this row included; null if licence or "
    "consent refused it before",
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
    "CASE WHEN coalesce(kept, true) THEN 'kept' WHEN consent_reason IS NOT NULL "
    "THEN consent_reason WHEN dup_reason IS NOT NULL "
    "THEN 'dedup:' || dup_reason WHEN quality_reason IS NOT NULL "
    "THEN 'quality:' || quality_reason ELSE cut_reason END"
)
"""What became of a row of the view ``documents``, as SQL."""
LATER = "('license', 'consent', 'dedup', 'quality', 'boilerplate', 'repeats')"
"""Stages whose rejected rows stand in the view ``documents`` as well, as SQL."""
FILES = ("documents", "rejected", "quarantine", "corpus")
"""Kinds of files that a view of the same name is made of."""


def define(connection: duckdb.DuckDBPyConnection, ledger: Ledger, rows: list[Row]) -> None:
    """Define the views ``documents, corpus, rejected, quarantine`` and those of what was found."""
    paths = {kind: [] for kind in (*FILES, "attributes", "boilerplate", "cuts", "consent")}
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
        f"dup_jaccard, kept, reason AS dup_reason, {grades} FROM {parquet(paths['attributes'])}"
        if paths["attributes"]
        else "SELECT row_id, null::VARCHAR AS dup_cluster, 1::BIGINT AS dup_count, "
        "null::VARCHAR AS dup_kept_id, null::VARCHAR AS dup_kept_row, "
        "null::VARCHAR AS dup_kept_run, null::DOUBLE AS dup_jaccard, null::BOOLEAN AS kept, "
        f"null::VARCHAR AS dup_reason, {no_grades} "
        f"FROM {parquet(paths['documents'])}"
    )
    cut = paths["cuts"] or paths["boilerplate"]  # the later step holds what the earlier found
    cuts = (
        f"SELECT row_id, cut_spans, cut_reason FROM {parquet(cut)}"
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
        consent = f"SELECT * FROM {parquet(paths['consent'])}"
    applied = applied_files(ledger, rows)
    documents = (
        f"SELECT d.*{final}, a.* EXCLUDE (row_id) "
        "REPLACE (kept AND t.consent_reason IS NULL AND c.cut_reason IS NULL AS kept), "
        "t.consent_reason, c.* EXCLUDE (row_id) "
        f"FROM {parquet(paths['documents'])} d LEFT JOIN ({attributes}) a USING (row_id) "
        f"LEFT JOIN ({consent}) t USING (row_id) LEFT JOIN ({cuts}) c USING (row_id)"
    )
    connection.execute(f"CREATE VIEW documents AS {with_applied(documents, applied)}")
    later = ", ".join((*DEDUP, *QUALITY, *CONSENT, *BOILERPLATE))
    connection.execute(
        f"CREATE VIEW rejected AS SELECT * FROM {parquet(paths['rejected'])} UNION ALL BY NAME "
        f"SELECT split_part({FATE}, ':', 1) AS stage, "
        f"substr({FATE}, instr({FATE}, ':') + 1) AS reason, "
        f"* EXCLUDE ({later}) FROM documents WHERE NOT kept"
    )
    connection.execute(f"CREATE VIEW quarantine AS SELECT * FROM {parquet(paths['quarantine'])}")
    corpus = "SELECT *, 0::BIGINT AS cut_bytes, 0::INTEGER AS masked FROM documents WHERE kept"
    if paths["corpus"]:
        corpus = with_applied(f"SELECT * FROM {parquet(paths['corpus'])}", applied)
    connection.execute(f"CREATE VIEW corpus AS {corpus}")
    define_found(connection, ledger.root, FATE, LATER)
