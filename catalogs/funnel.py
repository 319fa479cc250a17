"""Where the records of a run went: the views `funnel` and `sources`, from the ledger."""

from __future__ import annotations

import pyarrow as pa

from catalogs.ledger import Row

FUNNEL = {
    "source": (pa.string(), "source in the recipe"),
    "rank": (pa.int32(), "order of the stages along the way of a record"),
    "stage": (
        pa.string(),
        "takedown, read, url, extract, language, filter, contamination, pii, license, consent, "
        "dedup, quality, boilerplate, repeats; quarantine; corpus",
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
    "rejected": (pa.int64(), "records rejected, duplicates left out"),
    "quarantined": (pa.int64(), "records quarantined"),
    "duplicates": (pa.int64(), "documents rejected as exact or near duplicates"),
    "kept": (pa.int64(), "documents in corpus/"),
    "text_bytes": (pa.int64(), "UTF-8 bytes of text in corpus/"),
    "tokens": (pa.int64(), "tokens in corpus/, estimated"),
}
STAGES = (
    *("takedown", "read", "url", "extract", "language", "filter", "contamination", "pii"),
    *("license", "consent", "dedup", "quality", "boilerplate", "repeats"),
)
OPTIONAL_STAGES = (
    *("takedown", "contamination", "pii", "license", "consent", "quality", "repeats"),
)
"""Stages that are not part of every run."""


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
            line(_rank("quarantine"), "quarantine", "quarantined", error, quarantined[error])
        line(_rank("corpus"), "corpus", "kept", None, sum(row.kept for row in written))
    return result


def source_rows(rows: list[Row]) -> list[dict]:
    """Totals per source as dictionaries."""
    result = []
    first, last = ends(rows)
    for source in _sources(rows):
        ingest = [row for row in rows if row.source == source and row.step == first]
        written = [row for row in rows if row.source == source and row.step == last]
        lost = _added(row.rejected for row in [*ingest, *(written if first != last else [])])
        duplicates = sum(count for key, count in lost.items() if key.startswith("dedup:"))
        values = (
            source,
            len(ingest),
            sum(row.read for row in ingest),
            sum(lost.values()) - duplicates,
            sum(sum(row.quarantined.values()) for row in ingest),
            duplicates,
            sum(row.kept for row in written),
            int(sum(row.stats.get("text_bytes", 0) for row in written)),
            int(sum(row.stats.get("tokens", 0) for row in written)),
        )
        result.append(dict(zip(SOURCES, values, strict=True)))
    return result


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
    order = (*STAGES, "quarantine", "corpus")
    return 1 + (order.index(stage) if stage in order else len(STAGES))
