"""What a study takes over from others: runs that still hold, and what earlier phases have used."""

from __future__ import annotations

from typing import Any

from catalogs.ledger import Row
from mixing.asking import task_weights
from mixing.conditions import tell_before, tell_reuse
from mixing.earlier import Earlier, adopt
from mixing.overlap import Overlap, trained_on_held_out
from mixing.proxy_shop import PROXY_CODE, PROXY_LIBRARIES, ProxyShop
from mixing.reuse import REUSE_CODE, Kept, kept_runs, plan_job, whole_swarm
from mixing.runs_file import FIT_LIBRARIES, task_families
from pipeline.address import code_version
from pipeline.jobs import Job


class ReuseShop(ProxyShop):
    """A study's proxies, and those that it need not train."""

    def kept(self) -> list[Kept]:
        """Runs of an earlier study that hold for this one."""
        return [one for one in self._once("kept", self._kept)[0] if one.holds]

    def _kept(self) -> tuple[list[Kept], dict[str, int]]:
        """Runs that were trained alike, and how many were not, by reason."""
        earlier = self.earlier()
        _, identity = self.tokenizer()
        if earlier is None or earlier.facts["tokenizer"] != identity:
            return [], {}
        pools = self._pool_paths()
        wanted = self._wanted(self.start(self.study.proxy.model))
        kept, dropped = kept_runs(
            earlier,
            self._overlap(earlier),
            wanted,
            code_version(PROXY_CODE, PROXY_LIBRARIES),
            trained_on_held_out(earlier.members, pools),
        )
        for one in kept:
            adopt(one.row, earlier.folder, self.study.out_folder)
        self._keep([one.row for one in kept])
        if kept:
            self.partial |= {"train", "eval"}
        return kept, dropped

    def reused(self) -> dict[str, Any] | None:
        """What was kept, opened and frozen; None when nothing was kept."""
        return self._json(self.planned(), "plan") if self.kept() else None

    def planned(self) -> Row:
        """The choice of what to open, and the further mixes."""
        return self._once("reuse", lambda: self._step([self._plan_job()])[0])

    def _plan_job(self) -> Job:
        study, kept, earlier = self.study, self.kept(), self.earlier()
        alike, dropped = self.made["kept"]
        overlap = self._overlap(earlier)
        scored = self._score("eval", [one.row for one in alike])
        tasks = self._tasks()
        families = task_families(study, tasks)
        answer = earlier.facts.get("recommended")
        design = study.swarm
        facts = {
            "old": list(overlap.old),
            "domains": self.names,
            "went": overlap.went.tolist(),
            "came": overlap.came.tolist(),
            "old_shares": [one.old.tolist() for one in alike],
            "shares": [one.shares.tolist() for one in kept],
            "tasks": tasks,
            "weights": task_weights(
                study.evaluation.weights, tasks, families, 1.0, "evaluation.weights"
            ).tolist(),
            "tokens": self.tokens().tolist(),
            "answer": answer and [answer.get(name, 0.0) for name in overlap.old],
            "threshold": design.coupling,
            "mixes": design.mixes,
            "explicit": design.reuse is not None,
            "whole": whole_swarm(
                len(self.domains), None if design.reuse else design.mixes, design.repeats
            ),
            "seed": study.seed,
            "dropped": dropped,
            "witnesses": [one.row.shard for one in alike if not one.holds],
            "kept": {
                one.row.shard: {
                    "mix": {n: p for n, p in zip(self.names, one.shares.tolist(), strict=True)
                            if p > 0},
                    "unlike": one.unlike,
                }
                for one in kept
            },
        }  # fmt: skip
        inputs = [row.checksum("scores") for rows in scored for row in rows]
        scores = {"scores": [[self.path(row, "scores") for row in rows] for rows in scored]}
        return self._job(
            "reuse", "plan", plan_job, facts, inputs, {**facts, **scores}, REUSE_CODE, FIT_LIBRARIES
        )

    def _pool_paths(self) -> dict[str, str]:
        rows = zip(self.names, self.pools(), strict=True)
        return {name: self.path(row, "pool") for name, row in rows}

    def _overlap(self, earlier: Earlier) -> Overlap:
        return self._once(
            f"overlap {earlier.members}", lambda: Overlap.count(earlier.members, self._pool_paths())
        )

    def _used(self) -> list[float]:
        """Epochs of each domain that the phases before have used."""
        before = self.before()
        return self.used(self._overlap(before)).tolist() if before else []

    def _tasks(self) -> list[str]:
        return self.names + list(self.study.evaluation.suites)

    def notes_in_words(self) -> list[str]:
        """What the study follows, in sentences."""
        available = dict(zip(self.names, self.tokens(), strict=True))
        return tell_before(self._told_before()) + tell_reuse(
            self.reused(), self._not_kept(), self.study, available
        )

    def _not_kept(self) -> dict[str, int]:
        """Runs of the earlier study that hold no more, by reason, where none does."""
        return {} if self.kept() else self.made["kept"][1]

    def _told_before(self) -> dict[str, Any] | None:
        """What the report says of the phase before."""
        before = self.before()
        if before is None:
            return None
        start = self.start(self.study.proxy.model)
        return {
            "study": self.study.after,
            "answer": before.checksum,
            "recommended": before.facts["recommended"],
            "tokens": before.facts["tokens"],
            "proxy_tokens": start.stats["tokens"],
            "weights": start.checksum("weights"),
            "used": dict(zip(self.names, self._used(), strict=True)),
        }
