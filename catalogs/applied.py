"""Scores that models gave to a finished run, joined to its views as if INGEST had tagged them."""

from __future__ import annotations

from catalogs.ledger import Ledger, Row
from catalogs.sql import literal, parquet

STEP = "apply-"
"""Steps that score a finished run are named by this and the name of the score."""
KIND = "applied"


def applied_files(ledger: Ledger, rows: list[Row]) -> dict[str, list[str]]:
    """Files with ``row_id, score, label`` by the name of the score."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.step.startswith(STEP) and KIND in row.files:
            path = ledger.file(row.files[KIND])
            found.setdefault(row.step.removeprefix(STEP), []).append(path)
    return found


def still_applies(row: Row, rows: list[Row]) -> bool:
    """Whether a row of such a step is about documents that the run still holds."""
    if not row.step.startswith(STEP) or not row.inputs:
        return False
    return any(
        one.step == "ingest"
        and one.shard == row.shard
        and one.files["documents"].checksum == row.inputs[0]
        for one in rows
    )


def lost_scores(rows: list[Row], kept: list[Row]) -> dict[str, int]:
    """How many shards of each applied score are among the rows and not among those kept."""
    stay = {(row.step, row.shard) for row in kept}
    lost = [
        row.step for row in rows if row.step.startswith(STEP) and (row.step, row.shard) not in stay
    ]
    return {step.removeprefix(STEP): lost.count(step) for step in sorted(set(lost))}


def with_applied(query: str, files: dict[str, list[str]]) -> str:
    """SQL of a query over rows with ``row_id, scores, labels``, with the applied ones added."""
    if not files:
        return query
    names = sorted(files)
    joins = " ".join(
        f"LEFT JOIN {parquet(files[name])} a{place} ON a{place}.row_id = q.row_id"
        for place, name in enumerate(names)
    )
    columns = []
    for column, value, kind in (("scores", "score", "FLOAT"), ("labels", "label", "VARCHAR")):
        maps = ", ".join(
            f"CASE WHEN a{place}.{value} IS NULL THEN MAP {{}} "
            f"ELSE MAP {{{literal(name)}: a{place}.{value}}} END"
            for place, name in enumerate(names)
        )
        kept = f"MAP(VARCHAR, {kind})"
        columns.append(
            f"map_concat(coalesce(q.{column}, MAP {{}}::{kept}), {maps})::{kept} AS {column}"
        )
    return f"SELECT q.* REPLACE ({', '.join(columns)}) FROM ({query}) q {joins}"
