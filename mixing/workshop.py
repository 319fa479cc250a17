"""The parts of a study, each committed under the address of what made it.

pools → tokenizer → streams → proxies → scores → fit → further rounds → answer → confirmation →
report. Asking for a part does what it needs before it, so that a new domain, more mixes, another
evaluation or constraint re-do only what depends on them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.audit import save_plan
from catalogs.ledger import Ledger, Row
from mixing.proxy_shop import Proxies
from mixing.report import look
from mixing.reuse_shop import ReuseShop
from mixing.runs_file import FIT_CODE, FIT_LIBRARIES, made_from
from mixing.study_jobs import answer_job, fit_job, propose_job, report_job
from mixing.swarm import Swarm, design_swarm
from pipeline.jobs import Job

# what an answer and a report are made with, no more: an edit of the exporter makes neither anew
ANSWER_CODE = (
    *FIT_CODE, "mixing.answer", "mixing.asking", "mixing.collapse", "mixing.recommend",
    "mixing.refine", "mixing.runs_file", "mixing.study_file",
)  # fmt: skip
REPORT_CODE = (
    *ANSWER_CODE, "mixing.conditions", "mixing.confirm", "mixing.export.mixture", "mixing.figures",
    "mixing.report", "mixing.scale", "mixing.story", "mixing.words",
)  # fmt: skip
ANSWER_LIBRARIES = ("numpy", "scipy", "scikit-learn", "matplotlib", "jinja2")
ROUNDS = "rounds.json"


@dataclass
class Workshop(ReuseShop):
    """A study at work in its folder, from its design to its report."""

    def swarm(self) -> Swarm:
        """The mixes of the first round."""
        return self._once("swarm", self._design)

    def _design(self) -> Swarm:
        study, design = self.study, self.study.swarm
        names = tuple(self.names)
        kept, plan = self.kept(), self.reused()
        if plan:
            further = [np.array(mix) for mix in plan["mixes"]]
            shares = [one.shares for one in kept] + further
            seeds = [one.seed for one in kept] + [study.seed] * len(further)
            kinds = ["kept"] * len(kept) + ["extend"] * len(further)
            return Swarm(names, np.array(shares), np.array(seeds), tuple(kinds))
        return design_swarm(
            names,
            self.tokens(),
            design.mixes,
            design.repeats,
            design.temperature,
            sparse=design.sparse,
            local=design.local,
            seed=study.seed,
        )

    def proxies(self, rounds: int | None = None, scored: bool = True) -> Proxies:
        """The swarm's proxies with those of further rounds, trained and scored."""
        rounds = self.rounds() if rounds is None else rounds

        def make_trained() -> list[Row]:
            mixes, _ = self.mixes(rounds)
            kept = [one.row for one in self.kept()]
            new = self._train_jobs("train", mixes[len(kept) :], self.study.proxy.tokens)
            self.partial.discard("train")
            return kept + self._step(new)

        def make_scores() -> list[list[Row]]:
            self.partial.discard("eval")
            return self._score("eval", trained)

        trained = self._once(f"train {rounds}", make_trained)
        if not scored:
            return Proxies(trained, [])
        return Proxies(trained, self._once(f"eval {rounds}", make_scores))

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
        steps = {row.step for row in ledger.rows()} if whole else set(self.plan) - self.partial
        stale = [
            row
            for row in ledger.rows()
            if row.step in steps and row.shard not in self.plan.get(row.step, ())
        ]
        ledger.retire(stale)
        shards = {step: sorted(planned) for step, planned in self.plan.items()}
        state = "complete" if whole else "incomplete"
        save_plan(self.study.out_folder, {"state": state, "shards": shards})

    def _late_job(
        self, step, shard, run, config, rows: list[Row], arguments, code=ANSWER_CODE
    ) -> Job:
        inputs = [file.checksum for row in rows for _, file in sorted(row.files.items())]
        return self._job(step, shard, run, config, inputs, arguments, code, ANSWER_LIBRARIES)

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
            "used": self._used(),
            "frozen": (self.reused() or {}).get("frozen", {}),
        }
        arguments = {
            "facts": facts,
            "domains": self.names,
            "tasks": self._tasks(),
            "shares": [np.asarray(shares).tolist() for shares, _ in mixes],
            "seeds": [int(seed) for _, seed in mixes],
            "kinds": kinds,
            "draws": study.draws,
            "seed": study.seed,
        }
        scored = [row for rows in proxies.scored for row in rows]
        inputs = [row.checksum(kind) for kind in ("scores", "items") for row in scored]
        inputs += [row.checksum("run") for row in proxies.trained]
        inputs += [row.checksum("experts") for row in self.ngrams()]
        paths = {
            "scores": [[self.path(row, "scores") for row in rows] for rows in proxies.scored],
            "items": [[self.path(row, "items") for row in rows] for rows in proxies.scored],
            "ngrams": [self.path(row, "experts") for row in self.ngrams()],
        }
        return self._job(
            "fit", f"round-{rounds}", fit_job, arguments, inputs, {**arguments, **paths},
            FIT_CODE, FIT_LIBRARIES,
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
            **self._asked(self.fitted()),
            "answer": self.path(answered, "answer"),
            "confirmed": [self.path(row, "run") for row in confirmed.trained],
            "confirmed_scores": [
                [self.path(row, "scores") for row in rows] for rows in confirmed.scored
            ],
            "domains": [asdict(domain) for domain in self.domains],
            "streams": [row.stats for row in self.streams()],
            "ngrams": self._json(self.fitted(), "ngrams") if self.ngrams() else None,
            "cost": {
                "proxies": len(proxies),
                "proxy_tokens": sum(row.stats["tokens"] for row in proxies),
                "seconds": sum(row.seconds for row in [*proxies, *scored]),
            },
            "reuse": self.reused(),
            "not_kept": self._not_kept(),
            "after": self._told_before(),
            "rounds": [
                self._json(self.proposed(number), "round") for number in range(1, self.rounds() + 1)
            ],
        }
        rows = [
            self.fitted(),
            answered,
            *confirmed.trained,
            *(row for rows in confirmed.scored for row in rows),
        ]
        rows += [self.planned()] if self.kept() else []
        config = [self.study.model_dump(mode="json", exclude={"root"}), look()]
        return self._late_job("report", "report", report_job, config, rows, arguments, REPORT_CODE)


def _anchors(swarm: Swarm, count: int) -> list[int]:
    """Runs of the swarm that lie far from each other and from its first mix (maximin)."""
    roots, taken = np.sqrt(swarm.shares), [0]
    for _ in range(min(count, len(np.unique(swarm.shares, axis=0)) - 1)):
        taken.append(int((roots @ roots[taken].T).max(1).argmin()))
    return taken[1:]
