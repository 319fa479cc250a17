"""Find one document wherever it ended, with its copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from catalogs.catalog import open_catalog
from catalogs.document_views import LATER

ORIGIN = (
    *("source", "uri", "host", "container", "record", "offset", "length", "fetched_at"),
    *("media_type", "charset", "engine", "metadata"),
)
TAGS = (
    *("id", "row_id", "title", "author", "date", "language", "language_score", "license"),
    *("license_scope", "license_class", "license_confidence", "license_evidence"),
    *("opt_out", "opt_out_evidence", "url_block", "n_pages", "pages"),
)
MATCH = "row_id = $1 OR uri = $1 OR container = $1"
MATCH_END = "ends_with(uri, '/' || $1)"
NOT_SCORES = {
    *("text", "stage", "reason", "error", "detail", "kept", "dup_cluster", "dup_count"),
    *("dup_kept_id", "dup_kept_row", "dup_kept_run", "dup_jaccard", "dup_reason"),
    *("cut_spans", "cut_reason", "quality_reason", "consent_reason", "contamination", "pii"),
}


@dataclass
class Story:
    """One row, where it ended, and its cluster."""

    outcome: str
    row: dict[str, Any]
    copies: list[dict[str, Any]] = field(default_factory=list)
    origin: tuple[str, ...] = ORIGIN
    tags: tuple[str, ...] = TAGS

    def found(self, column: str) -> list[dict[str, Any]]:
        """Spans of ``contamination`` or ``pii``, each with the ``words`` that stand there."""
        text = (self.row.get("text") or "").encode()
        return [
            {**span, "words": text[span["start"] : span["end"]].decode(errors="replace")}
            for span in self.row.get(column) or ()
        ]

    @property
    def scores(self) -> list[str]:
        """The columns that are neither origin nor tag: counts and heuristic features."""
        known = {*ORIGIN, *TAGS, *NOT_SCORES}
        return [name for name in self.row if name not in known]


def find(root: str, what: str, limit: int = 20) -> list[Story]:
    """Every row whose id, row id, URI or container is `what`, or ends with ``/what``.

    At most `limit` rows; the ends are only looked at when nothing matches as a whole.
    """
    return _find(root, what, limit, MATCH) or _find(root, what, limit, MATCH_END)


def _find(root: str, what: str, limit: int, match: str) -> list[Story]:
    stories = []
    with open_catalog(root) as catalog:

        def rows(query: str, *values: Any) -> list[dict[str, Any]]:
            result = catalog.execute(query, values)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

        for row in rows(f"SELECT * FROM documents WHERE {match} OR id = $1 LIMIT {limit}", what):
            story = Story(_document_outcome(row), row)
            if row["kept"] and (row.get("contamination") or row.get("pii")):
                story.outcome += _scrubbed(rows, row)
            if (row["dup_count"] or 1) > 1:
                story.copies = _copies(rows, row)
            stories.append(story)
        for row in rows(
            f"SELECT * FROM rejected WHERE ({match} OR id = $1) "
            f"AND stage NOT IN {LATER} LIMIT {limit}",
            what,
        ):
            stories.append(Story(f"rejected at {row['stage']}: {row['reason']}", row))
        for row in rows(f"SELECT * FROM quarantine WHERE {match} LIMIT {limit}", what):
            outcome = f"quarantined at {row['stage']}: {row['error']} ({row['detail']})"
            stories.append(Story(outcome, row))
    return stories[:limit]


def _document_outcome(row: dict[str, Any]) -> str:
    if row["kept"] is None:
        return "passed the filters; not deduplicated yet"
    if row["kept"]:
        lost: dict[str, int] = {}
        for span in row["cut_spans"] or ():
            what = span["reason"].replace("_", " ")
            lost[what] = lost.get(what, 0) + span["end"] - span["start"]
        return ("kept in corpus/" if "text" in row else "kept") + "".join(
            f", {size:,} bytes of {what} cut" for what, size in lost.items()
        )
    if row["dup_reason"] is None:
        graded = f"quality:{row['quality_reason']}" if row["quality_reason"] else row["cut_reason"]
        stage, _, reason = (row["consent_reason"] or graded).partition(":")
        return f"rejected at {stage}: {reason}"
    near = f", Jaccard {row['dup_jaccard']:.2f}" if row["dup_jaccard"] else ""
    run = f" in the earlier run {row['dup_kept_run']}" if row["dup_kept_run"] else ""
    return f"dropped as {row['dup_reason']} of {row['dup_kept_id']}{run}{near}"


def _scrubbed(rows, row: dict[str, Any]) -> str:
    """What WRITE did to the text of a kept row, where something was found in it."""
    written = rows("SELECT cut_bytes, masked FROM corpus WHERE row_id = $1", row["row_id"])
    if not written:
        return ""
    cut, masked = written[0]["cut_bytes"], written[0]["masked"]
    gone = f", {cut:,} bytes cut in all" if cut and row["contamination"] else ""
    return gone + (f", {masked:,} spans of personal data masked" if masked else "")


def _copies(rows, row: dict[str, Any]) -> list[dict[str, Any]]:
    if row["dup_cluster"] is None:
        condition, value = "id = $1", row["id"]
    else:
        condition, value = "dup_cluster = $1", row["dup_cluster"]
    return rows(
        "SELECT kept, row_id, id, source, uri, dup_jaccard, dup_reason FROM documents "
        f"WHERE {condition} ORDER BY kept DESC, id, row_id LIMIT 50",
        value,
    )
