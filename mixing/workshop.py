"""The parts of a study, each committed under the address of what made it.

pools → tokenizer → streams → proxies → scores → fit → further rounds → answer → confirmation →
report. Asking for a part does what it needs before it, so that a new domain, more mixes, another
evaluation or constraint re-do only what depends on them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.audit import save_plan
from catalogs.ledger import Ledger, Row
from mixing.domains import Domain, membership, write_pool
from mixing.proxy_jobs import (
    score_held_out,
    score_suite,
    tokenise,
    train_proxy,
    train_tokenizer,
)
from mixing.study_file import Study
from mixing.study_jobs import answer_job, fit_job, propose_job, report_job
from mixing.swarm import Swarm, design_swarm
from pipeline.address import address, code_version, digest
from pipeline.jobs import Job
from pipeline.progress import Progress
from pipeline.schedule import Settings, run_jobs
from proxies import suite_path

POOL_CODE = ("mixing.domains",)
PROXY_CODE = ("mixing.proxy_jobs", "proxies")
PROXY_LIBRARIES = ("torch", "tokenizers", "numpy")
ANSWER_CODE = ("mixing",)
ANSWER_LIBRARIES = ("numpy", "scipy", "scikit-learn", "matplotlib", "jinja2")
ROUNDS = "rounds.json"


@dataclass(frozen=True)
class Proxies:
    """Trained runs in their order: ledger rows of the training and of each scoring."""

    trained: list[Row]
    scored: list[list[Row]]


@dataclass
class Workshop:
    """A study at work in its folder."""

    study: Study
    domains: list[Domain]
    settings: Settings
    progress: Progress
    done: int = 0
    skipped: int = 0
    plan: dict[str, dict[str, str]] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)

    # parts, each made once ---------------------------------------------------------------------

    def pools(self) -> list[Row]:
        """The texts of every domain, some held out."""
        return self._once("pools", lambda: self._step(self._pool_jobs()))

    def tokens(self) -> np.ndarray:
        """Tokens of each domain that may be trained on: the catalogue's, less what is held out."""
        shares = [
            row.stats["train_bytes"] / (row.stats["train_bytes"] + row.stats["held_bytes"])
            for row in self.pools()
        ]
        return np.array([d.tokens * share for d, share in zip(self.domains, shares, strict=True)])

    def swarm(self) -> Swarm:
        """The mixes of the first round."""
        design = self.study.swarm
        return design_swarm(
            tuple(domain.name for domain in self.domains),
            self.tokens(),
            design.mixes,
            design.repeats,
            design.temperature,
            sparse=design.sparse,
            local=design.local,
            seed=self.study.seed,
        )

    def streams(self) -> list[Row]:
        """Token streams of every domain, for training and held out."""
        return self._once("streams", lambda: self._step(self._stream_jobs(self.tokenizer())))

    def proxies(self, rounds: int | None = None, scored: bool = True) -> Proxies:
        """The swarm's proxies with those of further rounds, trained and scored."""
        mixes, _ = self.mixes(self.rounds() if rounds is None else rounds)
        trained = self._step(self._train_jobs("train", mixes, self.study.proxy.tokens))
        return Proxies(trained, self._score("eval", trained) if scored else [])

    def mixes(self, rounds: int) -> tuple[list[tuple[np.ndarray, int]], list[str]]:
        """Mixes with their seeds, and why each is there, of the design and further rounds."""
        swarm = self.swarm()
        found = list(zip(swarm.shares, swarm.seeds, strict=True))
        kinds = list(swarm.kinds)
        for number in range(1, rounds + 1):
            further = self._json(self.proposed(number), "round")["mixes"]
            found += [(np.array(mix), self.study.seed + 500 + number) for mix in further]
            kinds += ["refine"] * len(further)
        return found, kinds

    def fitted(self, rounds: int | None = None) -> Row:
        """The model of the swarm after so many further rounds."""
        rounds = self.rounds() if rounds is None else rounds

        def make() -> Row:
            return self._step([self._fit_job(rounds, self.proxies(rounds))])[0]

        return self._once(f"fit {rounds}", make)

    def proposed(self, number: int) -> Row:
        """The mixes of a further round, chosen from the fit before it."""

        def make() -> Row:
            row = self.fitted(number - 1)
            count = self.study.refine.runs or max(2, len(self.domains) // 2)
            arguments = {**self._asked(row), "count": count}
            config = [self._question(), count]
            return self._step([self._late_job("refine", f"round-{number}", propose_job, config,
                                              [row], arguments)])[0]  # fmt: skip

        return self._once(f"round {number}", make)

    def answered(self) -> Row:
        """The answer to the study's own question."""
        row = self.fitted()
        job = self._late_job(
            "answer", "answer", answer_job, self._question(), [row], self._asked(row)
        )
        return self._once("answer", lambda: self._step([job])[0])

    def answer(self) -> dict[str, Any]:
        return self._json(self.answered(), "answer")

    def confirmed(self) -> Proxies:
        """The answer and the baselines trained with the same seeds, apart from the swarm's."""
        return self._once("confirmed", self._confirm)

    def reported(self) -> Row:
        """The report."""
        return self._once("report", lambda: self._step([self._report_job()])[0])

    def rounds(self) -> int:
        """Further rounds that were asked for so far."""
        path = storage.join(self.study.out_folder, ROUNDS)
        return json.loads(storage.read_text(path))["rounds"] if storage.exists(path) else 0

    def ask_for_rounds(self, rounds: int) -> None:
        """Note that the study goes on to so many further rounds."""
        path = storage.join(self.study.out_folder, ROUNDS)
        storage.write_text(path, json.dumps({"rounds": rounds}))

    def finish(self, whole: bool) -> None:
        """Forget what the parts made no longer contain; with `whole`, parts not made, too."""
        ledger = Ledger(self.study.out_folder)
        steps = {row.step for row in ledger.rows()} if whole else set(self.plan)
        stale = [
            row
            for row in ledger.rows()
            if row.step in steps and row.shard not in self.plan.get(row.step, ())
        ]
        ledger.retire(stale)
        shards = {step: sorted(planned) for step, planned in self.plan.items()}
        state = "complete" if whole else "incomplete"
        save_plan(self.study.out_folder, {"state": state, "shards": shards})

    # steps -------------------------------------------------------------------------------------

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
        shards = {step: sorted(names) for step, names in self.plan.items()}
        save_plan(self.study.out_folder, {"state": "incomplete", "shards": shards})
        outcome = run_jobs(jobs, self.settings, self.progress)
        self.done += outcome.done
        self.skipped += outcome.skipped
        return [outcome.rows[job.key] for job in jobs]

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

    def _proxy_job(self, step, shard, run, config, inputs, arguments) -> Job:
        return self._job(step, shard, run, config, inputs, arguments, PROXY_CODE, PROXY_LIBRARIES)

    def _late_job(self, step, shard, run, config, rows: list[Row], arguments) -> Job:
        inputs = [file.checksum for row in rows for _, file in sorted(row.files.items())]
        return self._job(step, shard, run, config, inputs, arguments, ANSWER_CODE, ANSWER_LIBRARIES)

    def _pool_jobs(self) -> list[Job]:
        study = self.study
        corpus = corpus_checksums(study)
        jobs = []
        for domain in self.domains:
            share = study.evaluation.holdout_share
            settings = {
                "member": membership(study.domains, domain.name),
                "hold_out": min(study.evaluation.holdout_bytes, int(domain.n_bytes * share)),
                "seed": study.seed,
            }
            arguments = {**settings, "runs": study.run_folders}
            jobs.append(
                self._job("pool", domain.name, write_pool, settings, corpus, arguments, POOL_CODE)
            )
        return jobs

    def tokenizer(self) -> tuple[str, str]:
        """Path and identity of the tokenizer, trained first if the study gives none."""
        given, vocab = self.study.proxy.tokenizer, self.study.proxy.vocab
        if given == "bytes":
            return given, given
        if given:
            path = storage.join(self.study.root or ".", given)
            return path, storage.checksum(path)
        pools = self.pools()
        arguments = {"pools": [self.path(row, "pool") for row in pools], "vocab": vocab}
        inputs = [row.checksum("pool") for row in pools]
        job = self._proxy_job("tokenizer", "bpe", train_tokenizer, vocab, inputs, arguments)
        row = self._once("tokenizer", lambda: self._step([job])[0])
        return self.path(row, "tokenizer"), row.checksum("tokenizer")

    def _stream_jobs(self, tokenizer: tuple[str, str]) -> list[Job]:
        path, identity = tokenizer
        return [
            self._proxy_job(
                "tokenise", row.shard, tokenise, None, [row.checksum("pool"), identity],
                {"pool": self.path(row, "pool"), "tokenizer": path},
            )
            for row in self.pools()
        ]  # fmt: skip

    def _train_jobs(
        self, step: str, mixes: list, budget: int, model: str | None = None
    ) -> list[Job]:
        proxy, streams = self.study.proxy, self.streams()
        config = {
            "tokens": budget,
            "batch": proxy.batch,
            "context": proxy.context,
            "lr": proxy.lr,
            "warmup": proxy.warmup,
            "checkpoints": proxy.checkpoints,
        }
        names = [domain.name for domain in self.domains]
        rows = dict(zip(names, streams, strict=True))
        unique = self._unique_tokens(budget)
        jobs = []
        for shares, seed in mixes:
            mix = {name: float(p) for name, p in zip(names, shares, strict=True) if p > 0}
            settings: dict[str, Any] = {
                "mix": mix,
                "model": model or proxy.model,
                "config": {**config, "seed": int(seed)},
                "subsample": {name: unique[name] for name in mix} if unique else None,
                "keep_checkpoints": proxy.keep_checkpoints,
            }
            # only what it is trained on: a domain added elsewhere leaves the run as it is
            sums = [rows[name].checksum("train") for name in mix]
            paths = {"train": {name: self.path(rows[name], "train") for name in mix}}
            job = self._proxy_job(step, "", train_proxy, settings, sums, {**settings, **paths})
            # named by what it is, so that a swarm that grows keeps its runs
            jobs.append(replace(job, shard=job.address[:16]))
        return jobs

    def _unique_tokens(self, budget: int) -> dict[str, int] | None:
        """Tokens a proxy may see of each domain, so that it repeats what the target repeats."""
        if not self.study.proxy.match_repetition:
            return None
        return {
            domain.name: max(
                self.study.proxy.context,
                min(int(row.stats["train_tokens"]), round(budget * count / self.study.tokens)),
            )
            for domain, row, count in zip(self.domains, self.streams(), self.tokens(), strict=True)
        }

    def _score(self, step: str, trained: list[Row]) -> list[list[Row]]:
        """Scores of each run: on all held-out texts, and on every suite."""
        tokenizer, identity = self.tokenizer()
        context = self.study.proxy.context
        jobs: list[Job] = []
        held = {
            domain.name: stream for domain, stream in zip(self.domains, self.streams(), strict=True)
        }
        texts = {name: self.path(stream, "held") for name, stream in held.items()}
        suites = {
            name: (suite_path(suite.path, self.study.root or "."), suite.limit)
            for name, suite in self.study.evaluation.suites.items()
        }
        sums = {name: storage.checksum(path) for name, (path, _) in suites.items()}
        for row in trained:
            common = {"weights": self.path(row, "weights"), "context": context}
            inputs = [row.checksum("weights"), *(one.checksum("held") for one in held.values())]
            job = self._proxy_job(
                step, row.shard, score_held_out, context, inputs, {**common, "held": texts}
            )
            jobs.append(job)
            for name, (path, limit) in suites.items():
                inputs = [row.checksum("weights"), identity, sums[name]]
                settings = {"context": context, "suite": name, "limit": limit}
                arguments = {**common, **settings, "tokenizer": tokenizer, "path": path}
                shard = f"{row.shard}.{name}"
                jobs.append(self._proxy_job(step, shard, score_suite, settings, inputs, arguments))
        rows = self._step(jobs)
        each = len(jobs) // max(1, len(trained))
        return [rows[at : at + each] for at in range(0, len(rows), each)] if rows else []

    def _fit_job(self, rounds: int, proxies: Proxies) -> Job:
        study = self.study
        mixes, kinds = self.mixes(rounds)
        licenses = sorted({name for domain in self.domains for name in domain.licenses})
        facts = {
            "tokens": self.tokens().tolist(),
            "license_fractions": {
                name: [domain.fraction(name) for domain in self.domains] for name in licenses
            },
            "made_from": made_from(study),
        }
        arguments = {
            "facts": facts,
            "domains": [domain.name for domain in self.domains],
            "tasks": [domain.name for domain in self.domains] + list(study.evaluation.suites),
            "seeds": [int(seed) for _, seed in mixes],
            "kinds": kinds,
            "draws": study.draws,
            "seed": study.seed,
        }
        inputs = [row.checksum("scores") for rows in proxies.scored for row in rows]
        inputs += [row.checksum("run") for row in proxies.trained]
        paths = {
            "runs": [self.path(row, "run") for row in proxies.trained],
            "scores": [[self.path(row, "scores") for row in rows] for rows in proxies.scored],
        }
        return self._job(
            "fit", f"round-{rounds}", fit_job, arguments, inputs, {**arguments, **paths},
            ANSWER_CODE, ANSWER_LIBRARIES,
        )  # fmt: skip

    def _question(self) -> dict[str, Any]:
        elsewhere = {"out", "run", "root", "name", "confirm", "refine"}
        return self.study.model_dump(mode="json", exclude=elsewhere)

    def _asked(self, fitted: Row) -> dict[str, Any]:
        return {
            "study": self.study.model_dump(mode="json"),
            "runs": self.path(fitted, "runs"),
            "model": self.path(fitted, "model"),
        }

    def _confirm(self) -> Proxies:
        confirm, answer = self.study.confirm, self.answer()
        seeds = range(1000 + self.study.seed, 1000 + self.study.seed + confirm.seeds)
        unique = {tuple(shares): shares for shares in answer["mixes"].values()}
        mixes = [(shares, seed) for shares in unique.values() for seed in seeds]
        if mixes:
            swarm = self.swarm()
            mixes += [(swarm.shares[i], seeds[0]) for i in _anchors(swarm, confirm.anchors)]
        budget = confirm.tokens or self.study.proxy.tokens
        trained = self._step(self._train_jobs("confirm", mixes, budget, confirm.model))
        return Proxies(trained, self._score("confirm-eval", trained))

    def _report_job(self) -> Job:
        answered, confirmed, swarm = self.answered(), self.confirmed(), self.proxies()
        proxies = [*swarm.trained, *confirmed.trained]
        scored = [row for one in (swarm, confirmed) for rows in one.scored for row in rows]
        arguments = {
            "study": self.study.model_dump(mode="json"),
            "answer": self.path(answered, "answer"),
            "confirmed": [self.path(row, "run") for row in confirmed.trained],
            "confirmed_scores": [
                [self.path(row, "scores") for row in rows] for rows in confirmed.scored
            ],
            "domains": [asdict(domain) for domain in self.domains],
            "streams": [row.stats for row in self.streams()],
            "cost": {
                "proxies": len(proxies),
                "proxy_tokens": sum(row.stats["tokens"] for row in proxies),
                "seconds": sum(row.seconds for row in [*proxies, *scored]),
            },
            "rounds": [
                self._json(self.proposed(number), "round") for number in range(1, self.rounds() + 1)
            ],
        }
        rows = [answered, *confirmed.trained, *(row for rows in confirmed.scored for row in rows)]
        study = self.study.model_dump(mode="json", exclude={"root"})
        return self._late_job("report", "report", report_job, study, rows, arguments)

    def path(self, row: Row, kind: str) -> str:
        """Path of a file of a committed part."""
        return storage.join(self.study.out_folder, row.files[kind].path)

    def _json(self, row: Row, kind: str) -> dict[str, Any]:
        return json.loads(storage.read_text(self.path(row, kind)))


def corpus_checksums(study: Study) -> list[str]:
    """Checksums of all documents and judgements of the study's runs."""
    found = []
    for folder in study.run_folders:
        run = Ledger(folder)
        found += sorted(
            row.files[kind].checksum
            for step, kind in (
                ("ingest", "documents"),
                ("judge", "attributes"),
                ("boilerplate", "boilerplate"),
            )
            for row in run.rows(step)
        )
    return found


def made_from(study: Study) -> str:
    """Hash of all that a study's fit depends on, without asking the catalogue."""
    elsewhere = {"out", "root", "name", "confirm", "constraints", "refine"}
    asked = study.model_dump(mode="json", exclude=elsewhere)
    for name in ("weights", "families"):
        asked["evaluation"].pop(name)
    for suite in asked["evaluation"]["suites"].values():
        suite.pop("family")
    return digest([asked, corpus_checksums(study), code_version(ANSWER_CODE, ANSWER_LIBRARIES)])


def _anchors(swarm: Swarm, count: int) -> list[int]:
    """Runs of the swarm that lie far from each other and from its first mix (maximin)."""
    roots, taken = np.sqrt(swarm.shares), [0]
    for _ in range(min(count, len(np.unique(swarm.shares, axis=0)) - 1)):
        taken.append(int((roots @ roots[taken].T).max(1).argmin()))
    return taken[1:]
