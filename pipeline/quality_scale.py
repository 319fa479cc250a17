"""The scale of a whole corpus: ranks, cuts and parts by the scores of its documents, exactly.

::

    count    a shard -> how many documents have each score, in order
    scale    all     -> scores at the places that ranks, cuts and parts are at
    tally    a shard -> how many have each combined rank; ids whose score is the very cut
    settle   all     -> the scale with what ensembles and ties add

Counts of equal scores add up, so that only they are brought together, never documents; the last two
steps are needed by ensembles, and where documents tie at a cut. Bounded memory: DuckDB puts counts
in order and spills to disk beyond its limit. A rank is the share of documents that score no better,
in hundredths of a percent (`RANKS`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import DamageError
from catalogs.sql import literal
from pipeline.dedup_sql import MEMORY, one, scan, session
from pipeline.quality_config import Quality
from pipeline.quality_ranks import (
    RANKS,
    Scale,
    combine,
    map_values,
    parts_of,
    places_of,
    rank_of,
    top_place,
)
from pipeline.shards import compression_options

COUNTS = pa.schema(
    [
        pa.field("name", pa.string(), metadata={"doc": "model"}),
        pa.field("part", pa.string(), metadata={"doc": "value of 'per' of the buckets, or empty"}),
        pa.field("value", pa.float32(), metadata={"doc": "score"}),
        pa.field("n", pa.int64(), metadata={"doc": "documents with that score"}),
    ]
)
SCALE = pa.schema(
    [
        pa.field("kind", pa.string(), metadata={"doc": "rank, cut, stay, tie or bucket"}),
        pa.field("name", pa.string(), metadata={"doc": "model or ensemble"}),
        pa.field(
            "part",
            pa.string(),
            metadata={"doc": "value of 'per' that buckets are within; tie: last id that stays"},
        ),
        pa.field(
            "value",
            pa.float64(),
            metadata={"doc": "bound; of ensembles, a combined rank; stay: how many at the cut do"},
        ),
    ]
)
TALLY = pa.schema(
    [
        pa.field("name", pa.string(), metadata={"doc": "ensemble; of ties, the model"}),
        pa.field("part", pa.string(), metadata={"doc": "as in the counts"}),
        pa.field("value", pa.int64(), metadata={"doc": "combined rank; null for a tie"}),
        pa.field("n", pa.int64(), metadata={"doc": "documents with that rank"}),
        pa.field("id", pa.string(), metadata={"doc": "a document whose score is the cut"}),
    ]
)
_BATCH = 1 << 16
_COLUMNS = ["id", "row_id", "source", "language", "scores", "labels"]
_ZSTD = compression_options("zstd", 3)
Entry = tuple[str, str, str | None, float]


def load_documents(documents: str, attributes: str) -> tuple[pa.Table, pa.Table]:
    """The columns of a documents shard that rules look at, and its verdicts of DEDUP.

    Raises
    ------
    DamageError
        When the two are not of the same rows.
    """
    with storage.open_input(documents) as file:
        table = pq.ParquetFile(file, pre_buffer=False).read(columns=_COLUMNS).combine_chunks()
    with storage.open_input(attributes) as file:
        verdicts = pq.ParquetFile(file).read().combine_chunks()
    if not verdicts["row_id"].equals(table["row_id"]):
        raise DamageError(f"{attributes} does not match {documents}")
    return table, verdicts


def count_scores(documents: pa.Table, config: Quality, out: str) -> None:
    """Write how many of these documents have each score (`COUNTS`), in order."""
    tables = []
    for name in sorted(config.models):
        scores = map_values(documents["scores"], name)
        for part, mine in _parts(documents, config, name):
            known = pc.drop_null(scores.filter(mine)).to_numpy(zero_copy_only=False)
            values, counts = np.unique(known.astype(np.float32), return_counts=True)
            names, parts = pa.repeat(name, len(values)), pa.repeat(part, len(values))
            tables.append(pa.table([names, parts, values, counts], schema=COUNTS))
    pq.write_table(pa.concat_tables([*tables, COUNTS.empty_table()]), out, **_ZSTD)


def write_scale(
    counts: Sequence[str], config: Quality, out: str, memory: str = MEMORY
) -> dict[str, int]:
    """Write what ranks, cuts and parts by the models need to know of the whole corpus (`SCALE`).

    Returns
    -------
    dict
        ``rows`` written; ``ties``: how many cuts some documents tie at of which not all stay.
    """
    found: list[Entry] = []
    with session(out, memory) as connection:
        table = scan(counts, {"name": "VARCHAR", "part": "VARCHAR", "value": "FLOAT", "n": "INT8"})
        for name, model in config.models.items():
            placed = _placed(connection, table, name, model.top)
            found += placed
            for kind, _, _, cut in placed:
                if kind == "cut":
                    found += _stay(connection, table, name, float(cut), model.top)
            found += _buckets(connection, table, name, config)
    ties = sum(kind == "stay" for kind, *_ in found)
    return {"rows": _write(found, out), "ties": ties}


def tally(documents: pa.Table, config: Quality, scale: Scale, out: str) -> int:
    """Write what ensembles and ties need to know of these documents (`TALLY`); returns rows."""
    tables = [TALLY.empty_table()]
    steps = {}
    for name in config.models:
        scores = map_values(documents["scores"], name)
        steps[name] = rank_of(scores, scale.get(("rank", name, None)))
        if ("stay", name, None) in scale:
            cut = pa.scalar(scale["cut", name, None][0], pa.float32())
            most = int(scale["stay", name, None][0])
            ids = documents["id"].filter(pc.equal(scores, cut)).combine_chunks().sort()[:most]
            columns = [pa.repeat(name, len(ids)), *(pa.nulls(len(ids)) for _ in "123"), ids]
            tables.append(pa.table(columns, TALLY.names).cast(TALLY))
    for name, ensemble in config.ensembles.items():
        combined = combine([steps[part] for part in ensemble.of], ensemble.combine)
        for part, mine in _parts(documents, config, name):
            own = combined[mine.to_numpy(zero_copy_only=False)]
            values, counts = np.unique(own[own >= 0], return_counts=True)
            size = len(values)
            columns = [pa.repeat(name, size), pa.repeat(part, size), values, counts]
            columns.append(pa.nulls(size, pa.string()))
            tables.append(pa.table(columns, schema=TALLY))
    whole = pa.concat_tables(tables)
    pq.write_table(whole, out, **_ZSTD)
    return len(whole)


def settle(
    scale: str, tallies: Sequence[str], config: Quality, out: str, memory: str = MEMORY
) -> int:
    """Write the scale again with what ensembles and ties add; returns its rows."""
    found: list[Entry] = []
    with session(out, memory) as connection:
        columns = {"name": "VARCHAR", "part": "VARCHAR", "value": "INT8", "n": "INT8"}
        table = scan(tallies, {**columns, "id": "VARCHAR"})
        for entry in read_scale(scale):
            kind, name, _, value = entry
            if kind == "stay":
                query = f"SELECT id FROM {table} WHERE name = {literal(name)} AND id IS NOT NULL"
                (last,) = one(connection, f"{query} ORDER BY id LIMIT 1 OFFSET {int(value) - 1}")
                entry = ("tie", name, last, 0.0)
            found.append(entry)
        table = f"(SELECT * FROM {table} WHERE id IS NULL)"
        for name, ensemble in config.ensembles.items():
            found += _placed(connection, table, name, ensemble.top)
            found += _buckets(connection, table, name, config)
    return _write(found, out)


def read_scale(path: str) -> list[Entry]:
    """The rows of a scale."""
    with storage.open_input(path) as file:
        table = pq.ParquetFile(file).read()
    return list(zip(*(table[name].to_pylist() for name in SCALE.names), strict=True))


def load_scale(paths: Sequence[str]) -> Scale:
    """The values of a scale by (kind, name, part); none of no path."""
    scale: dict[tuple[str, str, str | None], list[float]] = {}
    for path in paths:
        for kind, name, part, value in read_scale(path):
            scale.setdefault((kind, name, part), []).append(value)
    return {key: np.array(values) for key, values in scale.items()}


def _parts(documents: pa.Table, config: Quality, name: str) -> Iterator[tuple[str, pa.Array]]:
    """The parts that the buckets of a score are within, and which documents are in each."""
    buckets = config.buckets
    if buckets is None or buckets.score != name or buckets.per is None:
        yield "", pa.repeat(True, len(documents))
        return
    parts = parts_of(documents, buckets.per)
    for part in sorted(pc.unique(parts).to_pylist()):
        yield part, pc.equal(parts, part)


def _in_order(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    name: str,
    parts: bool,
    places: Sequence[Callable],
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Values at some places of the ascending order of all documents, or of those of each part.

    `places` are functions from a number of documents to places, from 1 and ascending.
    """
    by, own = ("part" if parts else "''"), f"FROM {table} WHERE name = {literal(name)}"
    groups = connection.execute(
        f"SELECT {by} AS grp, sum(n)::BIGINT {own} GROUP BY grp ORDER BY grp"
    ).fetchall()
    for group, total in groups:
        where = f" AND part = {literal(group)}" if parts else ""
        due = [np.asarray(of(total), np.int64) for of in places]
        values, seen = [np.empty(len(wanted)) for wanted in due], 0
        reader = connection.sql(
            f"SELECT value, sum(n)::BIGINT AS n {own}{where} GROUP BY value ORDER BY value"
        ).to_arrow_reader(_BATCH)
        for batch in reader:
            ends = seen + np.cumsum(batch.column("n").to_numpy())
            found = batch.column("value").to_numpy()
            for wanted, filled in zip(due, values, strict=True):
                inside = (wanted > seen) & (wanted <= ends[-1])
                filled[inside] = found[np.searchsorted(ends, wanted[inside])]
            seen = int(ends[-1])
        yield group, values


def _buckets(connection, table: str, name: str, config: Quality) -> Iterator[Entry]:
    buckets = config.buckets
    if buckets is not None and buckets.score == name:
        for part, (bounds,) in _in_order(connection, table, name, True, [places_of(buckets.count)]):
            yield from _entries("bucket", name, part, bounds[:-1])


def _stay(connection, table: str, name: str, cut: float, share: float) -> list[Entry]:
    """How many of the documents whose score is the cut itself stay, unless all of them do."""
    low = f"CAST({cut!r} AS FLOAT)"
    total, above, at = one(
        connection,
        f"""SELECT sum(n)::BIGINT, coalesce(sum(n) FILTER (WHERE value > {low}), 0)::BIGINT,
            sum(n) FILTER (WHERE value = {low})::BIGINT
        FROM {table} WHERE name = {literal(name)}""",
    )
    stay = total - top_place(total, share) + 1 - above
    return [("stay", name, None, float(stay))] if stay < at else []


def _placed(connection, table: str, name: str, top: float | None) -> list[Entry]:
    """Ranks of a score, and where the cut of its best lies."""
    found, places = [], [places_of(RANKS)]
    if top is not None:
        places.append(lambda total: [top_place(total, top)])
    for _, (quantiles, *cut) in _in_order(connection, table, name, False, places):
        found += _entries("rank", name, None, quantiles)
        found += _entries("cut", name, None, cut[0]) if cut else []
    return found


def _entries(kind: str, name: str, part: str | None, values: np.ndarray) -> list[Entry]:
    return [(kind, name, part, value) for value in values.tolist()]


def _write(found: list[Entry], out: str) -> int:
    columns = list(zip(*found, strict=True)) or [[], [], [], []]
    arrays = [pa.array(column, f.type) for column, f in zip(columns, SCALE, strict=True)]
    pq.write_table(pa.table(arrays, schema=SCALE), out, **_ZSTD)
    return len(found)
