"""REPEATS as jobs: the steps of `pipeline.repeats` between BOILERPLATE and WRITE."""

from __future__ import annotations

from typing import Any

from catalogs import storage
from catalogs.ledger import Row
from pipeline.address import address, code_version
from pipeline.dedup_flow import Limits
from pipeline.dedup_jobs import RunJobs
from pipeline.jobs import Job, at_work
from pipeline.recipe import Recipe
from pipeline.repeats import TOO_SHORT, Inputs, count_units, find_cuts, find_units

CODE = (
    "pipeline.repeats",
    "pipeline.repeats_jobs",
    "pipeline.repeat_kernels",
    "pipeline.spans",
    "pipeline.shingles",
)
LIBRARIES = ("duckdb", "numpy", "numba", "pyarrow")


def find_repeats(
    recipe: Recipe,
    ingested: list[Row],
    judged: dict[str, Row],
    boilerplate: dict[str, Row],
    run_jobs: RunJobs,
) -> dict[str, Row]:
    """Find what documents share; returns the row with the file ``cuts`` of each ingest shard.

    `judged` and `boilerplate` map ingest shards to their rows of those steps. Nothing is done, and
    the rows of `boilerplate` are returned, when the recipe asks for no repeats.
    """
    if not (recipe.repeats.lines or recipe.repeats.substring):
        return boilerplate
    return _Repeats(recipe, ingested, judged, boilerplate, run_jobs).run()


class _Repeats:
    def __init__(self, recipe, ingested, judged, boilerplate, run_jobs):
        self.recipe, self.ingested, self.run_jobs = recipe, ingested, run_jobs
        self.root = recipe.run_folder
        self.limits = Limits.of(recipe.limits.dedup_memory_mb)
        self.files = []
        for row in ingested:
            own = [row.files["documents"], judged[row.shard].files["attributes"]]
            if row.shard in boilerplate:
                own.append(boilerplate[row.shard].files["boilerplate"])
            self.files.append(own)

    def run(self) -> dict[str, Row]:
        repeats, turns = self.recipe.repeats, []
        if repeats.lines is not None:
            how, size = repeats.lines.unit, repeats.lines.min_bytes
            keep = repeats.lines.keep_first
            turns.append((how, size, self._count(how, size, repeats.lines.documents, keep), []))
        if repeats.substring is not None:
            size = repeats.substring.min_bytes
            prints = self._count("fingerprint", size, 2, True)
            turns.append(("window", size, self._count("window", size, 2, True, prints), prints))
        inputs = [
            row.files["repeated"].checksum for _, _, own, prints in turns for row in (*own, *prints)
        ]
        paths = [(*turn[:2], self._paths(turn[2]), self._paths(turn[3])) for turn in turns]
        arguments = {"turns": paths, "min_bytes": repeats.min_bytes}
        settings = [repeats.model_dump(mode="json"), self.recipe.dedup.priority]
        jobs = [
            self._job("repeats", at, "cuts", {**arguments, "shard": at}, [settings, at], inputs)
            for at in range(len(self.ingested))
        ]
        rows = self.run_jobs(jobs)
        return dict(zip((row.shard for row in self.ingested), rows, strict=True))

    def _count(
        self, how: str, size: int, documents: int, keep: bool, prints: list[Row] | None = None
    ) -> list[Row]:
        """Units of all shards, and the rows with those that repeat."""
        arguments: dict[str, Any] = {"how": how, "size": size}
        inputs: list[str] = []
        if prints is not None:
            arguments["fingerprints"] = self._paths(prints)
            inputs = [row.files["repeated"].checksum for row in prints]
        settings = [how, size, self.recipe.dedup.priority]
        found = self.run_jobs(
            [
                self._job(
                    f"find-{how}", at, "units", {**arguments, "shard": at}, [settings, at], inputs
                )
                for at in range(len(self.ingested))
            ]
        )
        units = sum(row.stats["units"] for row in found)
        parts = self.limits.parts(int(units) // 10)
        counting = {"units": [storage.join(self.root, r.files["units"].path) for r in found]}
        counting |= {"documents": documents, "keep_first": keep, "parts": parts}
        sums = tuple(row.files["units"].checksum for row in found)
        code = code_version(CODE, LIBRARIES)
        jobs = []
        for part in range(parts):
            asked = [documents, keep, part, parts]
            jobs.append(
                Job(
                    root=self.root,
                    step=f"count-{how}",
                    shard=f"{part:05d}",
                    address=address(f"count-{how}", asked, sums, code),
                    run=_count_job,
                    arguments={**counting, "part": part, "memory": self.limits.memory},
                    inputs=sums,
                    code=code,
                    memory_mb=2 * self.limits.memory_mb,
                )
            )
        return self.run_jobs(jobs)

    def _job(self, step, at, kind, arguments, settings, more_inputs) -> Job:
        row, files = self.ingested[at], self.files[at]
        inputs = (*(file.checksum for file in files), *more_inputs)
        code = code_version(CODE, LIBRARIES)
        paths = [storage.join(self.root, file.path) for file in files]
        return Job(
            root=self.root,
            step=step,
            shard=row.shard,
            address=address(step, settings, inputs, code),
            run=_cuts_job if kind == "cuts" else _units_job,
            arguments={
                **arguments,
                "inputs": Inputs(*paths),
                "priority": self.recipe.dedup.priority,
                "memory": self.limits.memory,
            },
            inputs=inputs,
            source=row.source,
            code=code,
            memory_mb=2 * self.limits.memory_mb,
            weight=files[0].bytes,
        )

    def _paths(self, rows: list[Row]) -> list[str]:
        return [storage.join(self.root, row.files["repeated"].path) for row in rows]


def _units_job(job: Job) -> Row:
    with at_work(job) as work:
        out = {"units": work.path("units", f"dedup/{job.step}/{job.shard}.parquet")}
        stats = find_units(**job.arguments, out=out)
        return work.commit(read=stats["rows"], kept=stats["rows"], stats=stats)


def _count_job(job: Job) -> Row:
    with at_work(job) as work:
        out = {"repeated": work.path("repeated", f"dedup/{job.step}/{job.shard}.parquet")}
        stats = count_units(**job.arguments, out=out)
        return work.commit(read=stats["rows"], kept=stats["rows"], stats=stats)


def _cuts_job(job: Job) -> Row:
    with at_work(job) as work:
        out = {"cuts": work.path("cuts", f"attributes/repeats/{job.shard}.parquet")}
        stats = find_cuts(**job.arguments, out=out)
        short = stats["too_short"]
        return work.commit(
            read=stats["read"],
            kept=stats["read"] - short,
            rejected={TOO_SHORT: short} if short else {},
            stats=stats,
        )
