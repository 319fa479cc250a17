"""QUALITY as jobs between DEDUP and BOILERPLATE: what the recipe decides by scores.

Scores are columns of the documents; verdicts come after deduplication, so that a changed threshold
reads no text again and copies do not count among the best tenth. First the scale of the corpus is
found (`pipeline.quality_scale`), then a job judges each shard: its attribute file is that of DEDUP
with more columns, and ``kept`` says what both decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.ledger import Row
from pipeline.address import address, code_version
from pipeline.dedup_flow import Limits
from pipeline.dedup_jobs import RunJobs
from pipeline.jobs import Job, at_work
from pipeline.quality_config import Quality
from pipeline.quality_scale import (
    count_scores,
    load_documents,
    load_scale,
    settle,
    tally,
    write_scale,
)
from pipeline.quality_verdicts import QUALITY, verdict_columns
from pipeline.recipe import Recipe
from pipeline.shards import compression_options

CODE = (
    "pipeline.quality",
    "pipeline.quality_config",
    "pipeline.quality_jobs",
    "pipeline.quality_ranks",
    "pipeline.quality_scale",
    "pipeline.quality_verdicts",
)
LIBRARIES = ("duckdb", "numpy", "pyarrow")
SCALE_SHARD = "scale"


def grade(
    recipe: Recipe, ingested: list[Row], judged: dict[str, Row], run_jobs: RunJobs
) -> dict[str, Row]:
    """Judge the documents that DEDUP keeps by their scores; returns a row for each ingest shard.

    `judged` maps ingest shards to their rows of DEDUP; they are returned when the recipe decides
    nothing by scores.
    """
    if not recipe.quality.decides:
        return judged
    return _Grading(recipe, ingested, judged, run_jobs).run()


class _Grading:
    def __init__(self, recipe, ingested, judged, run_jobs):
        self.config, self.root, self.run_jobs = recipe.quality, recipe.run_folder, run_jobs
        self.limits = Limits.of(recipe.limits.dedup_memory_mb)
        self.ingested = ingested
        self.files = [
            (row.files["documents"], judged[row.shard].files["attributes"]) for row in ingested
        ]

    def run(self) -> dict[str, Row]:
        settings = self.config.deciding
        scale = self._scale(settings) if self.config.ranks else []
        rows = self._per_shard("quality", settings, _grade_job, scale)
        return {row.shard: row for row in rows}

    def _scale(self, settings: dict[str, Any]) -> list[Row]:
        """The row of the job that has the scale of the whole corpus."""
        buckets = settings["buckets"] and {**settings["buckets"], "count": 0}
        counted = [sorted(self.config.models), buckets]
        counts = self._per_shard("quality-count", counted, _count_job)
        scale = self._whole("quality-scale", settings, _scale_job, {"counts": counts})
        if not (self.config.ensembles or scale[0].stats["ties"]):
            return scale
        tallies = self._per_shard("quality-tally", settings, _tally_job, scale)
        found = {"scale": scale, "tallies": tallies}
        return self._whole("quality-settle", settings, _settle_job, found)

    def _per_shard(self, step: str, settings: Any, run, scale: Sequence[Row] = ()) -> list[Row]:
        code = code_version(CODE, LIBRARIES)
        jobs = []
        for row, files in zip(self.ingested, self.files, strict=True):
            whole = [one.files["scale"] for one in scale]
            inputs = tuple(file.checksum for file in (*files, *whole))
            documents, attributes = (storage.join(self.root, file.path) for file in files)
            jobs.append(
                Job(
                    root=self.root,
                    step=step,
                    shard=row.shard,
                    address=address(step, settings, inputs, code),
                    run=run,
                    arguments={
                        "documents": documents,
                        "attributes": attributes,
                        "scale": [storage.join(self.root, file.path) for file in whole],
                        "config": self.config.deciding,
                    },
                    inputs=inputs,
                    source=row.source,
                    code=code,
                    memory_mb=1024,
                    weight=files[0].rows,
                )
            )
        return self.run_jobs(jobs)

    def _whole(self, step: str, settings: Any, run, made: dict[str, list[Row]]) -> list[Row]:
        code = code_version(CODE, LIBRARIES)
        files = {
            kind: [one for r in rows for one in r.files.values()] for kind, rows in made.items()
        }
        inputs = tuple(file.checksum for own in files.values() for file in own)
        paths = {
            k: [storage.join(self.root, file.path) for file in own] for k, own in files.items()
        }
        job = Job(
            root=self.root,
            step=step,
            shard=SCALE_SHARD,
            address=address(step, settings, inputs, code),
            run=run,
            arguments={**paths, "config": self.config.deciding, "memory": self.limits.memory},
            inputs=inputs,
            code=code,
            memory_mb=2 * self.limits.memory_mb,
        )
        return self.run_jobs([job])


def _count_job(job: Job) -> Row:
    documents, verdicts, config = _of(job)
    with at_work(job) as work:
        kept = documents.filter(verdicts["kept"])
        count_scores(kept, config, work.path("counts", _place(job)))
        return work.commit(read=len(kept), kept=len(kept))


def _scale_job(job: Job) -> Row:
    arguments = job.arguments
    config = Quality.model_validate(arguments["config"])
    with at_work(job) as work:
        out = work.path("scale", _place(job))
        stats = write_scale(arguments["counts"], config, out, arguments["memory"])
        return work.commit(read=stats["rows"], kept=stats["rows"], stats={"ties": stats["ties"]})


def _tally_job(job: Job) -> Row:
    documents, verdicts, config = _of(job)
    with at_work(job) as work:
        out = work.path("tally", _place(job))
        kept = documents.filter(verdicts["kept"])
        rows = tally(kept, config, load_scale(job.arguments["scale"]), out)
        return work.commit(read=rows, kept=rows)


def _settle_job(job: Job) -> Row:
    arguments = job.arguments
    config = Quality.model_validate(arguments["config"])
    with at_work(job) as work:
        out = work.path("scale", _place(job))
        (scale,) = arguments["scale"]
        rows = settle(scale, arguments["tallies"], config, out, arguments["memory"])
        return work.commit(read=rows, kept=rows)


def _of(job: Job) -> tuple[pa.Table, pa.Table, Quality]:
    config = Quality.model_validate(job.arguments["config"])
    return *load_documents(job.arguments["documents"], job.arguments["attributes"]), config


def _place(job: Job) -> str:
    return f"attributes/{job.step}/{job.shard}.parquet"


def _grade_job(job: Job) -> Row:
    documents, verdicts, config = _of(job)
    with at_work(job) as work:
        path = work.path("attributes", _place(job))
        kept = verdicts["kept"].combine_chunks()
        found = verdict_columns(documents, config, load_scale(job.arguments["scale"]))
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
