"""A study at work in its folder: parts are made once, and what is committed is not made again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from catalogs import storage
from catalogs.audit import save_plan
from catalogs.ledger import Ledger, Row
from mixing.domains import Domain
from mixing.study_file import Study
from pipeline.address import address, code_version
from pipeline.jobs import Job
from pipeline.progress import Progress
from pipeline.schedule import Settings, run_jobs


@dataclass
class Shop:
    """What every part of a study needs to be made.

    Attributes
    ----------
    study, domains
        The study and what the catalogues hold of its domains.
    done, skipped
        Parts made now, and those that were there.
    plan
        step -> shard -> address of all that was asked for.
    made
        What was asked for before, by name.
    partial
        Steps of which only some parts were asked for yet: the others are not to be forgotten.
    """

    study: Study
    domains: list[Domain]
    settings: Settings
    progress: Progress
    done: int = 0
    skipped: int = 0
    plan: dict[str, dict[str, str]] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
    partial: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """Of the domains."""
        return [domain.name for domain in self.domains]

    def path(self, row: Row, kind: str) -> str:
        """Path of a file of a committed part."""
        return storage.join(self.study.out_folder, row.files[kind].path)

    def _once(self, name: str, make) -> Any:
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def _step(self, jobs: list[Job]) -> list[Row]:
        if not jobs:
            return []
        ledger = Ledger(self.study.out_folder)
        planned = self.plan.setdefault(jobs[0].step, {})
        planned.update({job.shard: job.address for job in jobs})
        ledger.retire(
            row
            for row in ledger.rows(jobs[0].step)
            if row.shard in planned and planned[row.shard] != row.address
        )
        self._save_plan()
        outcome = run_jobs(jobs, self.settings, self.progress)
        self.done += outcome.done
        self.skipped += outcome.skipped
        return [outcome.rows[job.key] for job in jobs]

    def _keep(self, rows: list[Row]) -> None:
        """Parts that stand as they are, whoever made them."""
        for row in rows:
            self.plan.setdefault(row.step, {})[row.shard] = row.address
        self.skipped += len(rows)
        self._save_plan()

    def _save_plan(self) -> None:
        shards = {step: sorted(names) for step, names in self.plan.items()}
        save_plan(self.study.out_folder, {"state": "incomplete", "shards": shards})

    def _job(self, step, shard, run, config, inputs, arguments, code, libraries=()) -> Job:
        version = code_version(code, libraries)
        return Job(
            root=self.study.out_folder,
            step=step,
            shard=shard,
            address=address(step, config, inputs, version),
            run=run,
            arguments=arguments,
            inputs=tuple(inputs),
            code=version,
        )

    def _json(self, row: Row, kind: str) -> dict[str, Any]:
        return json.loads(storage.read_text(self.path(row, kind)))
