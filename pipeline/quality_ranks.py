"""Ranks, cuts and parts of a whole corpus by the scores of its documents.

Exact, and in bounded memory: DuckDB puts the scores in order and spills to disk beyond its limit.
A rank is the share of documents that score no better, in hundredths of a percent (`RANKS`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.sql import literal
from pipeline.dedup_sql import MEMORY, one, scan, session
from pipeline.quality_config import Quality
from pipeline.shards import compression_options

RANKS = 10_000
SCALE = pa.schema(
    [
        pa.field("kind", pa.string(), metadata={"doc": "rank, cut, tie or bucket"}),
        pa.field("name", pa.string(), metadata={"doc": "model or ensemble"}),
        pa.field(
            "part",
            pa.string(),
            metadata={"doc": "value of 'per' that buckets are within; tie: last id that stays"},
        ),
        pa.field("value", pa.float64(), metadata={"doc": "bound; of ensembles, a combined rank"}),
    ]
)
_BATCH = 1 << 16
_COLUMNS = {"id": "VARCHAR", "source": "VARCHAR", "language": "VARCHAR"} | {
    "scores": "MAP(VARCHAR, FLOAT)",
    "labels": "MAP(VARCHAR, VARCHAR)",
}


def write_scale(
    documents: Sequence[str],
    attributes: Sequence[str],
    config: Quality,
    out: str,
    memory: str = MEMORY,
) -> int:
    """Write what ranks, cuts and buckets need to know of the whole corpus (`SCALE`).

    Parameters
    ----------
    documents, attributes
        Paths of the document shards and, in the same order, of their verdicts of DEDUP; only
        documents that DEDUP keeps count.

    Returns
    -------
    int
        The documents that count.
    """
    found: list[tuple[str, str, str | None, float]] = []

    def note(kind: str, name: str, part: str | None, values: np.ndarray) -> None:
        found.extend((kind, name, part, value) for value in values.tolist())

    buckets = config.buckets
    with session(out, memory) as connection:
        _collect(connection, documents, attributes, config)
        ranks = {}
        for name, model in config.models.items():
            places = [_places(RANKS)]
            if model.top is not None:
                places.append(lambda total, share=model.top: [top_place(total, share)])
            for _, (quantiles, *cut) in _in_order(connection, name, False, places):
                ranks[name] = quantiles
                note("rank", name, None, quantiles)
                if cut:
                    note("cut", name, None, cut[0])
                    last = _last_tie(connection, name, float(cut[0][0]), model.top)
                    found.append(("tie", name, last, 0.0))
            if buckets and buckets.score == name:
                for part, (bounds,) in _in_order(connection, name, True, [_places(buckets.count)]):
                    note("bucket", name, part, bounds[:-1])
        for name, ensemble in config.ensembles.items():
            own = bool(buckets and buckets.score == name)
            counts = _combined(connection, ensemble.of, ensemble.combine, ranks, own)
            whole = sum(counts.values(), np.zeros(1, np.int64))
            total = int(whole.sum())
            if not total:
                continue
            note("rank", name, None, _pick(whole, _places(RANKS)(total)))
            if ensemble.top is not None:
                note("cut", name, None, _pick(whole, [top_place(total, ensemble.top)]))
            for part, count in counts.items() if own else ():
                bounds = _pick(count, _places(buckets.count)(int(count.sum())))
                note("bucket", name, part, bounds[:-1])
        (rows,) = one(connection, "SELECT count(*) FROM kept")
    columns = list(zip(*found, strict=True)) or [[], [], [], []]
    arrays = [pa.array(column, f.type) for column, f in zip(columns, SCALE, strict=True)]
    pq.write_table(pa.table(arrays, schema=SCALE), out, **compression_options("zstd", 3))
    return rows


def top_place(total: int, share: float) -> int:
    """Place, from 1 in ascending order, of the last of the best `share`; one stays at least."""
    return total - max(math.ceil(share * total - 1e-9), 1) + 1


def rank_of(scores: pa.Array, quantiles: np.ndarray | None) -> np.ndarray:
    """Steps of rank, 1 to `RANKS`, of scores among the corpus; 0 where there is no score."""
    if quantiles is None:
        return np.zeros(len(scores), np.int64)
    known = scores.is_valid().to_numpy(zero_copy_only=False)
    values = pc.fill_null(scores, 0).to_numpy(zero_copy_only=False)
    return np.where(known, step_of(values, quantiles), 0)


def step_of(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Steps of rank of values: how many quantiles are not above them, one at least."""
    return np.maximum(np.searchsorted(quantiles, values, side="right"), 1)


def combine(ranks: Sequence[np.ndarray], how: str) -> np.ndarray:
    """Ranks of several models as one whole number; -1 where there is none.

    The unit is a step divided by the least common multiple of 1 to the number of models, so that
    means over any number of them are whole.
    """
    stacked, unit = np.stack(ranks), _unit(len(ranks))
    known = (stacked > 0).sum(axis=0)
    if how == "max":
        combined = stacked.max(axis=0) * unit
    else:
        combined = stacked.sum(axis=0) * unit // np.maximum(known, 1)
    return np.where(known > 0, combined, -1)


def part_column(per: str | None) -> str:
    """SQL of what buckets are within; '' where it is unknown."""
    if per is None:
        return "''"
    column = per if per in ("source", "language") else f"labels[{literal(per)}]"
    return f"coalesce({column}, '')"


def _unit(models: int) -> int:
    return math.lcm(*range(1, models + 1))


def _places(parts: int):
    """Places, from 1, at or below which 1/parts, 2/parts … of a total lie."""
    return lambda total: -(-np.arange(1, parts + 1, dtype=np.int64) * total // parts)


def _collect(connection, documents, attributes, config: Quality) -> None:
    """The table ``kept``: the scores of each document that DEDUP keeps, and its part."""
    names = ", ".join(f"scores[{literal(name)}] AS {_quoted(name)}" for name in config.models)
    per = config.buckets.per if config.buckets else None
    place = ["file_index", "file_row_number"]
    connection.execute(
        f"CREATE VIEW every AS SELECT id, {names}, {part_column(per)} AS part "
        f"FROM {scan(documents, _COLUMNS, place)} JOIN "
        f"(SELECT kept, {', '.join(place)} FROM {scan(attributes, {'kept': 'BOOLEAN'}, place)}) "
        f"USING ({', '.join(place)}) WHERE kept"
    )
    connection.execute("CREATE TABLE kept AS SELECT * EXCLUDE (id) FROM every")


def _last_tie(connection, name: str, cut: float, share: float) -> str:
    """The last id, in their order, that stays of the documents whose score is the cut itself."""
    value, low = _quoted(name), f"CAST({cut!r} AS FLOAT)"
    total, above = one(
        connection,
        f"SELECT count({value}), count(*) FILTER (WHERE {value} > {low}) FROM kept",
    )
    stay = total - top_place(total, share) + 1 - above
    query = f"SELECT id FROM every WHERE {value} = {low} ORDER BY id LIMIT 1 OFFSET {stay - 1}"
    return one(connection, query)[0]


def _in_order(
    connection, name: str, parts: bool, places: Sequence
) -> Iterator[tuple[str | None, list[np.ndarray]]]:
    """Scores at some places of their ascending order, for the whole or for each part.

    `places` are functions from a number of scores to places, from 1 and ascending.
    """
    by, value = ("part" if parts else "NULL::VARCHAR"), _quoted(name)
    own = f"FROM kept WHERE {value} IS NOT NULL"
    groups = connection.execute(
        f"SELECT {by} AS grp, count(*) {own} GROUP BY grp ORDER BY grp"
    ).fetchall()
    for group, total in groups:
        where = f" AND part = {literal(group)}" if parts else ""
        due = [np.asarray(of(total), np.int64) for of in places]
        values, seen = [np.empty(len(one)) for one in due], 0
        reader = connection.sql(
            f"SELECT {value} AS value, count(*) AS n {own}{where} GROUP BY value ORDER BY value"
        ).to_arrow_reader(_BATCH)
        for batch in reader:
            ends = seen + np.cumsum(batch.column("n").to_numpy())
            scores = batch.column("value").to_numpy()
            for wanted, filled in zip(due, values, strict=True):
                inside = (wanted > seen) & (wanted <= ends[-1])
                filled[inside] = scores[np.searchsorted(ends, wanted[inside])]
            seen = int(ends[-1])
        yield group, values


def _combined(
    connection, of: Sequence[str], how: str, ranks: Mapping[str, np.ndarray], parts: bool
) -> dict[str, np.ndarray]:
    """Documents by combined rank, for each part or for the whole (named '')."""
    columns = ", ".join([_quoted(name) for name in of] + ["part"] * parts)
    size = RANKS * _unit(len(of)) + 1
    counts: dict[str, np.ndarray] = {}
    for batch in connection.sql(f"SELECT {columns} FROM kept").to_arrow_reader(_BATCH):
        found = combine([rank_of(batch.column(name), ranks.get(name)) for name in of], how)
        coded = batch.column("part").dictionary_encode() if parts else None
        for place, part in enumerate(coded.dictionary.to_pylist() if parts else [""]):
            mine = found >= 0
            if parts:
                mine = mine & (coded.indices.to_numpy() == place)
            counts.setdefault(part, np.zeros(size, np.int64))
            counts[part] += np.bincount(found[mine], minlength=size)
    return {part: counts[part] for part in sorted(counts) if counts[part].any()}


def _pick(counts: np.ndarray, places) -> np.ndarray:
    """Values 0, 1, 2 … of which there are `counts`, at places of their ascending order."""
    return np.searchsorted(np.cumsum(counts), np.asarray(places)).astype(float)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
