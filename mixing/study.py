"""A study from end to end: pools, streams, proxies, fit, answer, confirmation, report.

Every part is a job with an address, so that a new domain, more mixes or another constraint re-do
only what depends on them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.audit import load_plan, save_plan
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from mixing.answer import find_answer
from mixing.confirm import compare
from mixing.domains import Domain, count_domains, membership, write_pool
from mixing.proxy_jobs import read_run, tokenise, train_proxy, train_tokenizer
from mixing.report import write_report
from mixing.study_file import Study, load_study
from mixing.swarm import Swarm, design_swarm
from pipeline.address import address, code_version
from pipeline.jobs import Job, at_work
from pipeline.progress import Progress
from pipeline.run import lock
from pipeline.schedule import Settings, run_jobs

POOL_CODE = ("mixing.domains",)
PROXY_CODE = ("mixing.proxy_jobs", "proxies")
PROXY_LIBRARIES = ("torch", "tokenizers", "numpy")
ANSWER_CODE = ("mixing",)
ANSWER_LIBRARIES = ("numpy", "scipy", "scikit-learn", "matplotlib", "jinja2")


@dataclass(frozen=True)
class Result:
    """Where the report is, what it says in a few lines, and what was done for it."""

    report: str
    summary: str
    done: int
    skipped: int


def run_study(path: str, settings: Settings, progress: Progress | None = None) -> Result:
    """Run a study file, doing only what is not committed yet.

    Raises
    ------
    UserError
        When the study, its run folder, a predicate or the constraints are wrong.
    RunError
        When a proxy fails for good.
    """
    study = load_study(path)
    if load_plan(study.run_folder)["state"] != "complete":
        raise UserError(f"{study.run_folder}: the run is not finished; run its recipe first")
    domains = count_domains(study)
    storage.make_folder(study.out_folder)
    with lock(study.out_folder):
        return _Runner(study, domains, settings, progress or Progress()).run()


@dataclass
class _Runner:
    study: Study
    domains: list[Domain]
    settings: Settings
    progress: Progress
    done: int = 0
    skipped: int = 0
    plan: dict[str, list[str]] = field(default_factory=dict)

    def run(self) -> Result:
        pools = self._step(self._pool_jobs())
        streams = self._step(self._stream_jobs(pools, self._tokenizer(pools)))
        tokens = self._trainable_tokens(streams)
        names = tuple(domain.name for domain in self.domains)
        design = self.study.swarm
        swarm = design_swarm(
            names,
            tokens,
            design.mixes,
            design.repeats,
            design.temperature,
            sparse=design.sparse,
            local=design.local,
            seed=self.study.seed,
        )
        mixes = list(zip(swarm.shares, swarm.seeds, strict=True))
        trained = self._step(self._train_jobs("train", mixes, streams, tokens))
        answered = self._step([self._answer_job(swarm, tokens, trained)])[0]
        answer = self._json(answered, "answer")
        confirmed = self._step(self._confirm_jobs(answer, streams, tokens))
        reported = self._step([self._report_job(answered, confirmed, streams, trained)])[0]
        self._finish()
        report = storage.join(self.study.out_folder, reported.files["report"].path)
        summary = storage.read_text(self._path(reported, "summary"))
        return Result(report, summary, self.done, self.skipped)

    # one step after another ------------------------------------------------------------------

    def _step(self, jobs: list[Job]) -> list[Row]:
        if not jobs:
            return []
        ledger = Ledger(self.study.out_folder)
        planned = {job.shard: job.address for job in jobs}
        self.plan[jobs[0].step] = sorted(planned)
        stale = [r for r in ledger.rows(jobs[0].step) if planned.get(r.shard) != r.address]
        ledger.retire(stale)
        save_plan(self.study.out_folder, {"state": "incomplete", "shards": self.plan})
        outcome = run_jobs(jobs, self.settings, self.progress)
        self.done += outcome.done
        self.skipped += outcome.skipped
        return [outcome.rows[job.key] for job in jobs]

    def _finish(self) -> None:
        ledger = Ledger(self.study.out_folder)
        ledger.retire([r for r in ledger.rows() if r.shard not in self.plan.get(r.step, ())])
        save_plan(self.study.out_folder, {"state": "complete", "shards": self.plan})

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

    # what each step consists of --------------------------------------------------------------

    def _pool_jobs(self) -> list[Job]:
        study, run = self.study, Ledger(self.study.run_folder)
        corpus = sorted(
            file.checksum
            for step, kind in (
                *(("ingest", "documents"), ("judge", "attributes")),
                ("boilerplate", "boilerplate"),
            )
            for row in run.rows(step)
            for file in [row.files[kind]]
        )
        jobs = []
        for domain in self.domains:
            share = study.evaluation.holdout_share
            settings = {
                "member": membership(study.domains, domain.name),
                "hold_out": min(study.evaluation.holdout_bytes, int(domain.n_bytes * share)),
                "seed": study.seed,
            }
            arguments = {**settings, "run": study.run_folder}
            jobs.append(
                self._job("pool", domain.name, write_pool, settings, corpus, arguments, POOL_CODE)
            )
        return jobs

    def _tokenizer(self, pools: list[Row]) -> tuple[str, str]:
        """Path and identity of the tokenizer, trained first if the study gives none."""
        given, vocab = self.study.proxy.tokenizer, self.study.proxy.vocab
        if given == "bytes":
            return given, given
        if given:
            path = storage.join(self.study.root or ".", given)
            return path, storage.checksum(path)
        arguments = {"pools": [self._path(row, "pool") for row in pools], "vocab": vocab}
        inputs = [row.checksum("pool") for row in pools]
        job = self._job(
            "tokenizer",
            "bpe",
            train_tokenizer,
            vocab,
            inputs,
            arguments,
            PROXY_CODE,
            PROXY_LIBRARIES,
        )
        row = self._step([job])[0]
        return self._path(row, "tokenizer"), row.checksum("tokenizer")

    def _stream_jobs(self, pools: list[Row], tokenizer: tuple[str, str]) -> list[Job]:
        path, identity = tokenizer
        return [
            self._job(
                "tokenise",
                row.shard,
                tokenise,
                None,
                [row.checksum("pool"), identity],
                {"pool": self._path(row, "pool"), "tokenizer": path},
                PROXY_CODE,
                PROXY_LIBRARIES,
            )
            for row in pools
        ]

    def _trainable_tokens(self, streams: list[Row]) -> np.ndarray:
        """Tokens of each domain that may be trained on: the catalogue's, less what is held out."""
        shares = [
            row.stats["train_bytes"] / (row.stats["train_bytes"] + row.stats["held_bytes"])
            for row in streams
        ]
        return np.array([d.tokens * share for d, share in zip(self.domains, shares, strict=True)])

    def _train_jobs(
        self,
        step: str,
        mixes: list,
        streams: list[Row],
        tokens: np.ndarray,
        budget: int | None = None,
    ) -> list[Job]:
        proxy = self.study.proxy
        budget = budget or proxy.tokens
        config = {
            "tokens": budget,
            "batch": proxy.batch,
            "context": proxy.context,
            "lr": proxy.lr,
            "warmup": proxy.warmup,
            "checkpoints": 4,
        }
        names = [domain.name for domain in self.domains]
        paths = {
            kind: {name: self._path(row, kind) for name, row in zip(names, streams, strict=True)}
            for kind in ("train", "held")
        }
        sums = [row.checksum(kind) for row in streams for kind in ("train", "held")]
        unique = self._unique_tokens(streams, tokens, budget)
        jobs = []
        for shares, seed in mixes:
            mix = {name: float(p) for name, p in zip(names, shares, strict=True) if p > 0}
            settings: dict[str, Any] = {
                "mix": mix,
                "model": proxy.model,
                "config": {**config, "seed": int(seed)},
                "subsample": {name: unique[name] for name in mix} if unique else None,
            }
            job = self._job(
                step,
                "",
                train_proxy,
                settings,
                sums,
                {**settings, **paths},
                PROXY_CODE,
                PROXY_LIBRARIES,
            )
            # named by what it is, so that a swarm that grows keeps its runs
            jobs.append(replace(job, shard=job.address[:16]))
        return jobs

    def _unique_tokens(self, streams, tokens, budget) -> dict[str, int] | None:
        """Tokens a proxy may see of each domain, so that it repeats what the target repeats."""
        if not self.study.proxy.match_repetition:
            return None
        return {
            domain.name: max(
                self.study.proxy.context,
                min(int(row.stats["train_tokens"]), round(budget * count / self.study.tokens)),
            )
            for domain, row, count in zip(self.domains, streams, tokens, strict=True)
        }

    def _answer_job(self, swarm: Swarm, tokens: np.ndarray, trained: list[Row]) -> Job:
        elsewhere = {"out", "run", "root", "name", "confirm"}
        study = self.study.model_dump(mode="json", exclude=elsewhere)
        arguments = {
            "study": self.study.model_dump(mode="json"),
            "domains": [asdict(domain) for domain in self.domains],
            "tokens": [float(count) for count in tokens],
            "swarm": {
                "domains": list(swarm.domains),
                "shares": swarm.shares.tolist(),
                "seeds": [int(seed) for seed in swarm.seeds],
                "kinds": list(swarm.kinds),
            },
            "runs": [self._path(row, "run") for row in trained],
        }
        config = [study, arguments["domains"], arguments["tokens"], arguments["swarm"]]
        inputs = [row.checksum("scores") for row in trained]
        return self._job(
            "answer", "answer", answer_job, config, inputs, arguments, ANSWER_CODE, ANSWER_LIBRARIES
        )

    def _confirm_jobs(self, answer: dict, streams: list[Row], tokens: np.ndarray) -> list[Job]:
        """The answer and the baselines, trained with the same seeds, apart from the swarm's."""
        seeds = range(1000 + self.study.seed, 1000 + self.study.seed + self.study.confirm.seeds)
        unique = {tuple(shares): shares for shares in answer["mixes"].values()}
        mixes = [(shares, seed) for shares in unique.values() for seed in seeds]
        return self._train_jobs("confirm", mixes, streams, tokens, self.study.confirm.tokens)

    def _report_job(
        self, answered: Row, confirmed: list[Row], streams: list[Row], trained: list[Row]
    ) -> Job:
        proxies = [*trained, *confirmed]
        arguments = {
            "study": self.study.model_dump(mode="json"),
            "answer": self._path(answered, "answer"),
            "confirmed": [self._path(row, "run") for row in confirmed],
            "domains": [asdict(domain) for domain in self.domains],
            "streams": [row.stats for row in streams],
            "cost": {
                "proxies": len(proxies),
                "proxy_tokens": sum(row.stats["tokens"] for row in proxies),
                "seconds": sum(row.seconds for row in proxies),
            },
        }
        study = self.study.model_dump(mode="json", exclude={"root"})
        inputs = [answered.checksum("answer"), *(row.checksum("scores") for row in confirmed)]
        return self._job(
            "report", "report", report_job, study, inputs, arguments, ANSWER_CODE, ANSWER_LIBRARIES
        )

    def _path(self, row: Row, kind: str) -> str:
        return storage.join(self.study.out_folder, row.files[kind].path)

    def _json(self, row: Row, kind: str) -> dict[str, Any]:
        return json.loads(storage.read_text(self._path(row, kind)))


def answer_job(job: Job) -> Row:
    """Fit the laws to the swarm's scores and solve; writes ``answer.json``."""
    arguments = job.arguments
    study = Study.model_validate(arguments["study"])
    domains = [Domain(**domain) for domain in arguments["domains"]]
    runs = [read_run(path) for path in arguments["runs"]]
    losses = np.array([[run["scores"][d.name]["bpb"] for d in domains] for run in runs])
    given = arguments["swarm"]
    swarm = Swarm(
        tuple(given["domains"]),
        np.array(given["shares"]),
        np.array(given["seeds"]),
        tuple(given["kinds"]),
    )
    answer = find_answer(study, domains, np.array(arguments["tokens"]), swarm, losses)
    with at_work(job) as work:
        with open(work.path("answer", "answer.json"), "w") as file:
            json.dump(answer.as_dict(), file, indent=1)
        return work.commit(read=len(runs), kept=len(runs))


def report_job(job: Job) -> Row:
    """Write the report as HTML, Markdown and JSON, and a summary for the terminal."""
    arguments = job.arguments
    answer = json.loads(storage.read_text(arguments["answer"]))
    runs = [read_run(path) for path in arguments["confirmed"]]
    with at_work(job) as work:
        files = {
            "report": work.path("report", "report.html"),
            "markdown": work.path("markdown", "report.md"),
            "mixture": work.path("mixture", "mixture.json"),
            "summary": work.path("summary", "summary.txt"),
        }
        confirmation = compare(answer, runs)
        write_report(
            Study.model_validate(arguments["study"]), answer, confirmation, arguments, files
        )
        return work.commit(read=len(runs), kept=len(runs))
