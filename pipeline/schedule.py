"""Bounded Ray tasks over the ledger: what is committed is skipped, what crashes is tried again.

Ray carries paths and small rows of accounting only. A task that raises is a bug or a user's
mistake and ends the run; a worker that dies or stalls is tried again, first as it was, then with
more memory and, by way of the journal, with the batch halved down to the record at fault.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from catalogs import storage
from catalogs.errors import DamageError, UserError
from catalogs.ledger import Ledger, Row
from pipeline.jobs import Job
from pipeline.journal import Journal
from pipeline.progress import Progress
from pipeline.sandbox import dismiss

BLAMELESS_CRASHES = 4  # of one shard, with no record to blame
POLL_SECONDS = 0.5


class RunError(Exception):
    """The run cannot go on; the message names the shard and the cause."""


@dataclass
class Outcome:
    """Rows of the jobs asked for, by (step, shard), and how many of them were already there."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    done: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Settings:
    """How jobs are run.

    workers
        Jobs in flight at once; default twice the cluster's CPUs, so that none waits for the driver.
    stall_seconds
        A job whose journal shows no progress for that long is killed.
    attempts
        Tries of one job at most.
    """

    workers: int | None = None
    stall_seconds: float = 1800.0
    attempts: int = 40
    address: str | None = None


def run_jobs(jobs: Iterable[Job], settings: Settings, progress: Progress) -> Outcome:
    """Run the jobs that are not committed yet and return every job's row.

    Raises
    ------
    RunError
        When a job fails for good; all others are finished first, so that nothing done is lost.
    UserError
        When a job found a mistake that the user can mend.
    """
    outcome = Outcome()
    pending = []
    for job in jobs:
        row = Ledger(job.root).committed(job.step, job.shard, job.address)
        if row is None:
            pending.append(job)
        else:
            outcome.rows[job.key] = row
            outcome.skipped += 1
    if pending:
        pending.sort(key=lambda job: -job.weight)
        with progress.step(pending[0].step, len(pending), outcome.skipped) as advance:
            for row in _Driver(settings).run(pending):
                outcome.rows[row.step, row.shard] = row
                outcome.done += 1
                advance(row)
    elif outcome.skipped:
        progress.skip(next(iter(outcome.rows))[0], outcome.skipped)
    return outcome


class _Driver:
    def __init__(self, settings: Settings):
        self.settings = settings
        self.ray = start_ray(settings)
        self.limit = settings.workers or max(2, 2 * int(self.ray.cluster_resources().get("CPU", 1)))
        self.failures: list[str] = []
        self.beats: dict[tuple[str, str], tuple[int, float]] = {}

    def run(self, jobs: list[Job]):
        queue, flying = list(reversed(jobs)), {}
        try:
            while queue or flying:
                while queue and len(flying) < self.limit:
                    job = queue.pop()
                    flying[self._submit(job)] = job
                ready, _ = self.ray.wait(list(flying), num_returns=1, timeout=POLL_SECONDS)
                for reference in ready:
                    job = flying.pop(reference)
                    row = self._collect(reference, job, queue)
                    if row is not None:
                        yield row
                self._kill_stalled(flying)
        finally:
            for reference in flying:
                self.ray.cancel(reference, force=True)
        if self.failures:
            raise RunError("\n".join(self.failures))

    def _submit(self, job: Job):
        # a job whose worker died reserves memory, then twice as much, so that less runs beside it
        memory = job.memory_mb * min(job.attempt - 1, 2) << 20
        options = {"num_cpus": 1, "max_retries": 0, "name": f"{job.step} {job.shard}"}
        if memory:
            options["memory"] = min(memory, int(self.ray.cluster_resources().get("memory", memory)))
        return self.ray.remote(_work).options(**options).remote(job)

    def _collect(self, reference, job: Job, queue: list[Job]) -> Row | None:
        errors = self.ray.exceptions
        self.beats.pop(job.key, None)
        try:
            return self.ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, UserError | DamageError):
                raise type(error.cause)(str(error.cause)) from None
            self.failures.append(f"{job.step} {job.shard}: {_first_line(error.cause)}")
        except errors.LocalRayletDiedError:
            raise RunError(
                "Ray's node on this machine died; run the same command again to go on"
            ) from None
        except errors.NodeDiedError:
            self._again(job, queue, "its node died", blame=False)
        except (errors.RayError, errors.TaskCancelledError) as error:
            self._again(job, queue, type(error).__name__, blame=True)
        return None

    def _again(self, job: Job, queue: list[Job], cause: str, blame: bool) -> None:
        journal = Journal.load(job.journal_path)
        if blame:
            journal.strike()
        blameless = max(
            (n for key, n in journal.strikes.items() if len(set(key.split("-"))) == 1), default=0
        )
        if job.attempt >= self.settings.attempts or blameless >= BLAMELESS_CRASHES:
            self.failures.append(
                f"{job.step} {job.shard}: the worker died {job.attempt} times ({cause})"
            )
            storage.delete(job.journal_path)
            return
        queue.append(dataclasses.replace(job, attempt=job.attempt + 1))

    def _kill_stalled(self, flying: dict) -> None:
        now = time.monotonic()
        for reference, job in flying.items():
            beats, since = self.beats.get(job.key, (-1, now))
            if now - since < min(10.0, self.settings.stall_seconds / 4) and beats >= 0:
                continue
            current = Journal.load(job.journal_path).beats
            if current != beats:
                self.beats[job.key] = (current, now)
            elif current and now - since > self.settings.stall_seconds:
                self.beats.pop(job.key, None)
                self.ray.cancel(reference, force=True)


def _work(job: Job) -> Row:
    if job.step != "ingest":
        dismiss()  # the parser that rests after INGEST
    return job.run(job)


def start_ray(settings: Settings):
    """Connect to the cluster, or start a local one; silent, and idempotent."""
    import ray

    if not ray.is_initialized():
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        address = settings.address or os.environ.get("RAY_ADDRESS")
        # "local" starts a cluster of its own even beside one that somebody runs on this machine
        own = {"address": "local", "num_cpus": settings.workers, "include_dashboard": False}
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        ray.init(
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"env_vars": dict.fromkeys(threads, "1")},
            **({"address": address} if address else own),
        )
    return ray


def _first_line(error: BaseException) -> str:
    """What an error is and says, without the places that some libraries draw below."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *lines[:1]])
