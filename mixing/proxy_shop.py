"""From the catalogue to trained and scored proxies: the parts of a study that take its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from mixing.ancestry import Ancestry, proxy_config, same_tokenizer
from mixing.domains import membership, write_pool
from mixing.earlier import Earlier, adopt
from mixing.ngram_rung import ngram_jobs
from mixing.proxy_jobs import (
    score_held_out,
    score_suite,
    tokenise,
    train_proxy,
    train_tokenizer,
)
from mixing.runs_file import corpus_checksums
from mixing.stacked_jobs import stack_jobs
from pipeline.jobs import Job
from proxies import suite_path

POOL_CODE = ("mixing.domains",)
PROXY_CODE = ("mixing.proxy_jobs", "proxies")
PROXY_LIBRARIES = ("torch", "tokenizers", "numpy")


@dataclass(frozen=True)
class Proxies:
    """Trained runs in their order: ledger rows of the training and of each scoring."""

    trained: list[Row]
    scored: list[list[Row]]


@dataclass
class ProxyShop(Ancestry):
    """The texts, tokens and proxies of a study."""

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

    def streams(self) -> list[Row]:
        """Token streams of every domain, for training and held out."""
        return self._once("streams", lambda: self._step(self._stream_jobs(self.tokenizer())))

    def ngrams(self) -> list[Row]:
        """n-gram models of all domains on every task; none where the study has them off."""
        if self.study.proxy.ngrams == "off":
            return []
        return self._once("ngrams", lambda: self._step(ngram_jobs(self)))

    def _step(self, jobs: list[Job]) -> list[Row]:
        if jobs:
            super()._step(stack_jobs(self, jobs))
        return super()._step(jobs)

    def _proxy_job(self, step, shard, run, config, inputs, arguments) -> Job:
        return self._job(step, shard, run, config, inputs, arguments, PROXY_CODE, PROXY_LIBRARIES)

    def _pool_jobs(self) -> list[Job]:
        study = self.study
        inputs = corpus_checksums(study) + [one.checksum for one in self.notes()]
        trained = [one.members for one in self.notes()]
        jobs = []
        for domain in self.domains:
            share = study.evaluation.holdout_share
            settings = {
                "member": membership(study.domains, domain.name),
                "hold_out": min(study.evaluation.holdout_bytes, int(domain.n_bytes * share)),
                "seed": study.seed,
            }
            arguments = {**settings, "runs": study.run_folders, "trained": trained}
            jobs.append(
                self._job("pool", domain.name, write_pool, settings, inputs, arguments, POOL_CODE)
            )
        return jobs

    def tokenizer(self) -> tuple[str, str]:
        """Path and identity of the tokenizer, trained first if the study gives none."""
        path, identity = self._given_tokenizer()
        if path:
            if self.before():
                same_tokenizer("after", path, self.before(), identity)
            return path, identity
        follows = self.before() or self.earlier()
        if follows:
            row = self._once("tokenizer", lambda: self._adopted_tokenizer(follows))
            return self.path(row, "tokenizer"), row.checksum("tokenizer")
        pools = self.pools()
        vocab = self.study.proxy.vocab
        arguments = {"pools": [self.path(row, "pool") for row in pools], "vocab": vocab}
        inputs = [row.checksum("pool") for row in pools]
        job = self._proxy_job("tokenizer", "bpe", train_tokenizer, vocab, inputs, arguments)
        row = self._once("tokenizer", lambda: self._step([job])[0])
        return self.path(row, "tokenizer"), row.checksum("tokenizer")

    def _given_tokenizer(self) -> tuple[str | None, str]:
        path = self.study.tokenizer_path
        if path is None or path == "bytes":
            return path, path or ""
        if not storage.exists(path):
            raise UserError(f"field 'proxy.tokenizer': {path}: no such file")
        return path, storage.checksum(path)

    def _adopted_tokenizer(self, one: Earlier) -> Row:
        """The tokenizer of an earlier study: with another one its weights would say nothing."""
        rows = Ledger(one.folder).rows("tokenizer")
        if not rows or rows[0].checksum("tokenizer") != one.facts["tokenizer"]:
            raise UserError(
                f"field 'proxy.tokenizer': give the one of the study in {one.folder} "
                f"({one.facts['tokenizer']}); its proxies know no other"
            )
        adopt(rows[0], one.folder, self.study.out_folder)
        self._keep(rows)
        return rows[0]

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
        config = {**proxy_config(self.study), "tokens": budget}
        names = [domain.name for domain in self.domains]
        rows = dict(zip(names, streams, strict=True))
        unique = self._unique_tokens(budget)
        start = self.start(model or proxy.model)
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
            if start:
                settings["start"] = start.checksum("weights")
                paths["start"] = self.path(start, "weights")
            paths["made"] = {**self._wanted(start), **settings, "proxy": config}
            job = self._proxy_job(step, "", train_proxy, settings, sums, {**settings, **paths})
            # named by what it is, so that a swarm that grows keeps its runs
            jobs.append(replace(job, shard=job.address[:16]))
        return jobs

    def start(self, model: str) -> Row | None:
        """Weights that proxies of a size start from: the answer of the phase before, trained."""
        before = self.before()
        if before is None:
            return None
        return self._once(f"start {model}", lambda: self._step([self._start_job(before, model)])[0])

    def _start_job(self, before: Earlier, model: str) -> Job:
        proxies, ledger = before.facts["proxies"], Ledger(before.folder)
        made = proxies["train"]
        if model != made["model"] and proxies["confirm"] and proxies["confirm"]["model"] == model:
            made = proxies["confirm"]
        mix = {name: p for name, p in before.facts["recommended"].items() if p > 0}
        known = made["subsample"]
        settings = {
            "mix": mix,
            "model": model,
            "config": {**made["config"], "seed": self.study.seed},
            "subsample": {name: known[name] for name in mix if name in known} if known else None,
            "keep_checkpoints": False,
        }
        streams = {row.shard: row for row in ledger.rows("tokenise")}
        paths = {"train": {name: ledger.file(streams[name].files["train"]) for name in mix}}
        sums = [streams[name].checksum("train") for name in mix]
        first = [row for row in ledger.rows("start") if row.shard == model]
        if first:
            settings["start"] = first[0].checksum("weights")
            paths["start"] = ledger.file(first[0].files["weights"])
        paths["made"] = {**made, **settings}
        arguments = {**settings, **paths}
        return self._proxy_job("start", model, train_proxy, settings, sums, arguments)

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
