"""A unit of work that ends in one commit, as the runner hands it to a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from catalogs import storage
from catalogs.ledger import Ledger, Row


@dataclass(frozen=True)
class Job:
    """One shard of one step.

    `run` is called in a worker as ``run(job)``, must commit through `Work` and return the ledger
    row. `arguments` carries paths and settings, never documents. `memory_mb` is what the scheduler
    reserves once its worker died, and twice that after another death. Heavy jobs (`weight`, such as
    bytes of input) are started first, so that none is left alone at the end.
    """

    root: str
    step: str
    shard: str
    address: str
    run: Callable[[Job], Row]
    arguments: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    source: str = ""
    code: str = ""
    memory_mb: int = 0
    weight: int = 0
    attempt: int = 1

    @property
    def key(self) -> tuple[str, str]:
        return self.step, self.shard

    @property
    def journal_path(self) -> str:
        return storage.join(self.root, "_tmp", "journal", self.step, f"{self.shard}.json")


class Work:
    """A job at work: where to write, and the commit at the end."""

    def __init__(self, job: Job, folder: str):
        self.job, self.folder = job, folder
        self.ledger = Ledger(job.root)
        self._files: dict[str, tuple[str, str]] = {}
        self._began = time.monotonic(), time.process_time()

    def path(self, kind: str, final: str) -> str:
        """Local path to write one file of the shard to; `final` is relative to the run folder."""
        temporary = storage.join(self.folder, f"{kind}-{final.rsplit('/', 1)[-1]}")
        self._files[kind] = (temporary, final)
        return temporary

    def commit(
        self,
        read: int,
        kept: int,
        rejected: dict[str, int] | None = None,
        quarantined: dict[str, int] | None = None,
        stats: dict[str, float] | None = None,
    ) -> Row:
        """Publish the files, then the ledger row."""
        job = self.job
        row = Row(
            step=job.step,
            shard=job.shard,
            address=job.address,
            files={},
            read=read,
            kept=kept,
            rejected=dict(sorted((rejected or {}).items())),
            quarantined=dict(sorted((quarantined or {}).items())),
            stats=stats or {},
            inputs=list(job.inputs),
            source=job.source,
            code=job.code,
            attempts=job.attempt,
            seconds=round(time.monotonic() - self._began[0], 3),
            cpu_seconds=round(time.process_time() - self._began[1], 3),
        )
        return self.ledger.commit(row, self._files)


@contextmanager
def at_work(job: Job):
    """Scratch space and commit for one job; the scratch is gone afterwards, whatever happens."""
    name = f"{job.step}-{job.shard.replace('/', '_')}"
    with storage.scratch(job.root, name) as folder:
        yield Work(job, folder)
