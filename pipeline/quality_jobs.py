"""QUALITY as jobs between DEDUP and BOILERPLATE: what the recipe decides by scores.

Scores are columns of the documents; verdicts come after deduplication, so that a changed threshold
reads no text again and copies do not count among the best tenth. One job looks at the scores of the
whole corpus (`pipeline.quality_ranks`), then one judges each shard: its attribute file is that of
DEDUP with more columns, and ``kept`` says what both decided.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import DamageError
from catalogs.ledger import Row
from pipeline.address import address, code_version
from pipeline.dedup_flow import Limits
from pipeline.dedup_jobs import RunJobs
from pipeline.documents import SCORES, field
from pipeline.jobs import Job, at_work
from pipeline.quality import map_column
from pipeline.quality_config import Quality
from pipeline.quality_ranks import RANKS, combine, rank_of, step_of, write_scale
from pipeline.recipe import Recipe
from pipeline.shards import compression_options

CODE = (
    "pipeline.quality",
    "pipeline.quality_config",
    "pipeline.quality_jobs",
    "pipeline.quality_ranks",
)
LIBRARIES = ("duckdb", "numpy", "pyarrow")
QUALITY = [
    field(
        "quality_ranks",
        SCORES,
        "share of the deduplicated corpus that scores no better, by name of model or ensemble",
    ),
    field("quality_bucket", pa.int32(), "part of the corpus by quality, 0 is the worst"),
    field("quality_reason", pa.string(), "model:verdict of the quality rule that rejects, or null"),
]
SCALE_SHARD = "scale"


def grade(
    recipe: Recipe, ingested: list[Row], judged: dict[str, Row], run_jobs: RunJobs
) -> dict[str, Row]:
    """Judge the documents that DEDUP keeps by their scores; returns a row for each ingest shard.

    `judged` maps ingest shards to their rows of DEDUP; they are returned when the recipe decides
    nothing by scores.
    """
    config, root = recipe.quality, recipe.run_folder
    if not config.decides:
        return judged
    code = code_version(CODE, LIBRARIES)
    settings = config.deciding
    files = [
        (row.files["documents"], judged[row.shard].files["attributes"], row) for row in ingested
    ]
    paths = [[storage.join(root, file.path) for file in own[:2]] for own in files]
    scales: list[Row] = []
    if config.ranks:
        limits = Limits.of(recipe.limits.dedup_memory_mb)
        inputs = tuple(file.checksum for own in files for file in own[:2])
        arguments = {
            "documents": [own[0] for own in paths],
            "attributes": [own[1] for own in paths],
        }
        scales = run_jobs(
            [
                Job(
                    root=root,
                    step="quality-scale",
                    shard=SCALE_SHARD,
                    address=address("quality-scale", settings, inputs, code),
                    run=_scale_job,
                    arguments={**arguments, "config": settings, "memory": limits.memory},
                    inputs=inputs,
                    code=code,
                    memory_mb=2 * limits.memory_mb,
                )
            ]
        )
    scale = [row.files["scale"] for row in scales]
    jobs = []
    for (documents, attributes, row), own in zip(files, paths, strict=True):
        inputs = (documents.checksum, attributes.checksum, *(file.checksum for file in scale))
        jobs.append(
            Job(
                root=root,
                step="quality",
                shard=row.shard,
                address=address("quality", settings, inputs, code),
                run=_grade_job,
                arguments={
                    "documents": own[0],
                    "attributes": own[1],
                    "scale": [storage.join(root, file.path) for file in scale],
                    "config": settings,
                },
                inputs=inputs,
                source=row.source,
                code=code,
                memory_mb=1024,
                weight=documents.rows,
            )
        )
    return {row.shard: row for row in run_jobs(jobs)}


def _scale_job(job: Job) -> Row:
    arguments = job.arguments
    with at_work(job) as work:
        out = work.path("scale", f"attributes/{job.step}/{job.shard}.parquet")
        config = Quality.model_validate(arguments["config"])
        rows = write_scale(
            arguments["documents"], arguments["attributes"], config, out, arguments["memory"]
        )
        return work.commit(read=rows, kept=rows)


def _grade_job(job: Job) -> Row:
    arguments = job.arguments
    config = Quality.model_validate(arguments["config"])
    columns = ["id", "row_id", "source", "language", "scores", "labels"]
    with storage.open_input(arguments["documents"]) as file:
        documents = pq.ParquetFile(file, pre_buffer=False).read(columns=columns).combine_chunks()
    with storage.open_input(arguments["attributes"]) as file:
        verdicts = pq.ParquetFile(file).read().combine_chunks()
    if not verdicts["row_id"].equals(documents["row_id"]):
        raise DamageError(f"{arguments['attributes']} does not match {arguments['documents']}")
    with at_work(job) as work:
        path = work.path("attributes", f"attributes/quality/{job.shard}.parquet")
        kept = verdicts["kept"].combine_chunks()
        found = verdict_columns(documents, config, _load_scale(arguments["scale"]))
        reasons = pc.if_else(kept, found["quality_reason"], None)
        still = pc.and_(kept, pc.is_null(reasons))
        table = verdicts.set_column(verdicts.column_names.index("kept"), "kept", still)
        for own in QUALITY:
            column = reasons if own.name == "quality_reason" else found[own.name]
            table = table.append_column(own, column)
        pq.write_table(table, path, **compression_options("zstd", 3))
        counted = pc.value_counts(reasons.drop_null()).to_pylist()
        read = pc.sum(kept).as_py() or 0
        return work.commit(
            read=read,
            kept=read - sum(entry["counts"] for entry in counted),
            rejected={f"quality:{entry['values']}": entry["counts"] for entry in counted},
        )


Scale = dict[tuple[str, str, str | None], np.ndarray]


def verdict_columns(documents: pa.Table, config: Quality, scale: Scale) -> dict[str, pa.Array]:
    """The columns `QUALITY` for documents with ``id, scores, labels, source, language``.

    `scale` holds the values of what `write_scale` wrote, by (kind, name, part).
    """
    rows = len(documents)
    scores = {name: map_values(documents["scores"], name) for name in config.models}
    labels = {name: map_values(documents["labels"], name) for name in config.models}
    steps = {name: rank_of(scores[name], scale.get(("rank", name, None))) for name in scores}
    combined = {
        name: combine([steps[part] for part in ensemble.of], ensemble.combine)
        for name, ensemble in config.ensembles.items()
    }
    reasons = pa.nulls(rows, pa.string())
    for name, model in config.models.items():
        cut = scale.get(("cut", name, None), [None])[0]
        tests = [
            ("below_min", _below(scores[name], model.min)),
            ("above_max", _above(scores[name], model.max)),
            ("below_top", _below(scores[name], cut)),
        ]
        if cut is not None:
            (last,) = (part for kind, own, part in scale if (kind, own) == ("tie", name))
            late = pc.and_(pc.equal(scores[name], _single(cut)), pc.greater(documents["id"], last))
            tests.append(("below_top", late))
        for label in model.drop:
            tests.append((f"label_{label}", pc.equal(labels[name], label)))
        reasons = _with(reasons, name, tests)
    for name, values in combined.items():
        cut = scale.get(("cut", name, None))
        if cut is not None:
            low = pa.array((values >= 0) & (values < cut[0]))
            reasons = _with(reasons, name, [("below_top", low)])
        quantiles = scale.get(("rank", name, None))
        steps[name] = np.zeros(rows, np.int64)
        if quantiles is not None:
            steps[name] = np.where(values >= 0, step_of(values, quantiles), 0)
    shares = {
        name: pa.array(own / RANKS, pa.float32(), mask=own == 0) for name, own in steps.items()
    }
    return {
        "quality_ranks": map_column(shares, SCORES, rows) if config.ranks else _none(rows, SCORES),
        "quality_bucket": _buckets(documents, config, scale, scores, combined),
        "quality_reason": reasons,
    }


def map_values(column: pa.ChunkedArray, name: str) -> pa.Array:
    """The values of one key of a column of maps; null where a map lacks it."""
    found = pc.map_lookup(column, name, "first")
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _buckets(documents: pa.Table, config: Quality, scale: Scale, scores, combined) -> pa.Array:
    buckets, rows = config.buckets, len(documents)
    if buckets is None:
        return _none(rows, pa.int32())
    if buckets.per is None:
        parts = [""] * rows
    elif buckets.per in ("source", "language"):
        parts = documents[buckets.per].to_pylist()
    else:
        parts = map_values(documents["labels"], buckets.per).to_pylist()
    if buckets.score in combined:
        values = combined[buckets.score].astype(float)
        known = values >= 0
    else:
        own = scores[buckets.score]
        known = own.is_valid().to_numpy(zero_copy_only=False)
        values = pc.fill_null(own, 0).to_numpy(zero_copy_only=False).astype(float)
    part = np.array([value or "" for value in parts], object)
    found = np.zeros(rows, np.int32)
    for name in sorted(set(part.tolist())):
        bounds = scale.get(("bucket", buckets.score, name))
        mine = part == name
        if bounds is None:
            known = known & ~mine
        else:
            found[mine] = np.searchsorted(bounds, values[mine])
    return pa.array(found, pa.int32(), mask=~known)


def _with(reasons: pa.Array, name: str, tests: list[tuple[str, pa.Array]]) -> pa.Array:
    """The reasons so far, and where there is none, the first of these tests that holds."""
    for reason, holds in tests:
        new = pc.and_(pc.fill_null(holds, False), pc.is_null(reasons))
        reasons = pc.if_else(new, f"{name}:{reason}", reasons)
    return reasons


def _below(values: pa.Array, least: float | None) -> pa.Array:
    # as the column stores it, so that the same cut in SQL decides alike
    return _none(len(values), pa.bool_()) if least is None else pc.less(values, _single(least))


def _above(values: pa.Array, most: float | None) -> pa.Array:
    return _none(len(values), pa.bool_()) if most is None else pc.greater(values, _single(most))


def _single(value: float) -> pa.Scalar:
    return pa.scalar(value, pa.float32())


def _none(rows: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(rows, kind)


def _load_scale(paths: list[str]) -> Scale:
    found: dict[tuple[str, str, str | None], list[Any]] = {}
    for path in paths:
        with storage.open_input(path) as file:
            columns = pq.ParquetFile(file).read().to_pydict()
        for kind, name, part, value in zip(*columns.values(), strict=True):
            found.setdefault((kind, name, part), []).append(value)
    return {key: np.array(values) for key, values in found.items()}
