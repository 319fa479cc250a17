"""The runner: from plan to catalogue, one step after another; again is a no-op."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import yaml

from catalogs import storage
from catalogs.applied import lost_scores, still_applies
from catalogs.audit import save_plan
from catalogs.catalog import save_catalog
from catalogs.errors import DamageError, UserError
from catalogs.ledger import Ledger, Row
from pipeline.consent_jobs import consent, snapshots
from pipeline.dedup import check_keep
from pipeline.dedup_jobs import dedup, earlier_runs
from pipeline.documents import DOCUMENTS
from pipeline.jobs import Job
from pipeline.plan import boilerplate_jobs, ingest_jobs, write_jobs
from pipeline.progress import Progress
from pipeline.quality_jobs import grade
from pipeline.recipe import Recipe
from pipeline.repeats_jobs import find_repeats
from pipeline.schedule import Settings, run_jobs
from pipeline.scrub import recipe_index
from pipeline.url_lists import url_lists

SHARD_FOLDERS = (
    *("documents", "rejected", "quarantine", "notices", "dedup", "attributes", "corpus"),
)


@dataclass(frozen=True)
class Summary:
    """What a run did: shards made now, shards found committed, seconds."""

    root: str
    done: int
    skipped: int
    seconds: float


def run(recipe: Recipe, settings: Settings, progress: Progress | None = None) -> Summary:
    """Mill a recipe into its run folder, doing only what is not committed yet.

    Raises
    ------
    UserError
        When something the user can mend is wrong: paths, permissions, another run at work.
    RunError
        When shards fail for good; everything else is committed first.
    DamageError
        When the accounting of the run does not sum up.
    """
    progress = progress or Progress()
    began = time.monotonic()
    root = recipe.run_folder
    check_keep(DOCUMENTS, recipe.dedup)
    earlier_runs(recipe)
    snapshots(recipe)
    jobs = ingest_jobs(recipe)
    storage.make_folder(root)
    with lock(root):
        storage.write_text(
            storage.join(root, "recipe.yaml"),
            yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        )
        url_lists(recipe).write(root)
        recipe_index(recipe).write(root)
        runner = Runner(root, settings, progress)
        ingested = runner.step(jobs)
        allowed = consent(recipe, ingested, runner.step)
        judged = {row.shard: row for row in dedup(recipe, ingested, allowed, runner.step)}
        judged = grade(recipe, ingested, judged, runner.step)
        found = runner.step(boilerplate_jobs(recipe, ingested, judged))
        boilerplate = {row.shard: row for row in found}
        cuts = find_repeats(recipe, ingested, judged, boilerplate, runner.step)
        written = runner.step(write_jobs(recipe, ingested, judged, cuts, allowed))
        _check_totals(ingested, written)
        runner.finish()
    return Summary(root, runner.done, runner.skipped, time.monotonic() - began)


@contextmanager
def lock(root: str) -> Iterator[None]:
    """Let one driver at a time work in a local run folder; the lock ends with its process."""
    if storage.is_remote(root):
        yield
        return
    with open(storage.join(root, ".lock"), "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"{root}: another run is at work here (process {file.read().strip()}); "
                "wait for it or give another 'out:'"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class Runner:
    """Runs one step after another and keeps the plan of the whole run."""

    def __init__(self, root: str, settings: Settings, progress: Progress):
        # files are listed under absolute paths, and those that no row names are swept away
        self.root = root if storage.is_remote(root) else os.path.abspath(root)
        self.settings, self.progress = settings, progress
        self.ledger = Ledger(self.root)
        self.plan: dict[str, list[str]] = {}
        self.done = self.skipped = 0

    def step(self, jobs: list[Job]) -> list[Row]:
        """Run the jobs of one step; returns their rows in the order of the jobs."""
        if not jobs:
            return []
        step = jobs[0].step
        planned = {job.shard: job.address for job in jobs}
        self.plan[step] = sorted(planned)
        stale = [r for r in self.ledger.rows(step) if planned.get(r.shard) != r.address]
        if stale:
            self.progress.say(f"{step:<12} {len(stale)} shards are no longer what is asked for")
            self.ledger.retire(stale)
        save_plan(self.root, {"state": "incomplete", "shards": self.plan})
        outcome = run_jobs(jobs, self.settings, self.progress)
        self.done += outcome.done
        self.skipped += outcome.skipped
        return [outcome.rows[job.key] for job in jobs]

    def finish(self, catalogue: bool = True) -> None:
        """Drop what the plan does not name, write the catalogue, and declare the run complete."""
        known = {step: set(names) for step, names in self.plan.items()}
        rows = self.ledger.rows()
        kept = [r for r in rows if r.shard in known.get(r.step, ()) or still_applies(r, rows)]
        names = {(row.step, row.shard) for row in kept}
        for name, lost in lost_scores(rows, kept).items():
            self.progress.say(
                f"scores '{name}' of {lost} shards are of other documents than the run holds now "
                "and were dropped: give them again with corpusmill classifier apply"
            )
        self.ledger.retire(row for row in rows if (row.step, row.shard) not in names)
        self._sweep(kept)
        if catalogue:
            save_catalog(self.root)
        save_plan(self.root, {"state": "complete", "shards": self.plan})

    def _sweep(self, rows) -> None:
        """Delete files that no ledger row vouches for: leftovers of a kill between two renames."""
        alive = {self.ledger.file(file) for row in rows for file in row.files.values()}
        for folder in SHARD_FOLDERS:
            for path in storage.listing(storage.join(self.root, folder)):
                if path not in alive:
                    storage.delete(path)
        if not storage.is_remote(self.root):
            shutil.rmtree(storage.join(self.root, "_tmp"), ignore_errors=True)


def _check_totals(ingested: list[Row], written: list[Row]) -> None:
    documents = sum(row.kept for row in ingested)
    seen = sum(row.read for row in written)
    if documents != seen:
        raise DamageError(f"{documents} documents were ingested, but {seen} reached WRITE")
