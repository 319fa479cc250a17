"""The studies that a study follows: one whose runs it keeps, and the phase that it goes on from."""

from __future__ import annotations

from typing import Any

import numpy as np

from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from mixing.earlier import (
    AFRESH,
    STEP,
    Earlier,
    generation,
    note_arguments,
    note_job,
    predecessor,
    read_note,
    resolve,
    succeed,
)
from mixing.overlap import Overlap
from mixing.shop import Shop
from mixing.stacked_jobs import stacking
from mixing.study_file import Study

NOTE_CODE = ("mixing.earlier",)
AFTER = "after"
MADE = ("model", "proxy", "target", "vocab", "drawn")


class Ancestry(Shop):
    """A study and what it follows."""

    def earlier(self) -> Earlier | None:
        """The study whose runs are kept where they still hold: another one, or this one before."""
        return self._once("earlier", self._earlier)

    def before(self) -> Earlier | None:
        """The phase that this study goes on from."""
        return self._once("before", self._before)

    def notes(self) -> list[Earlier]:
        """Of all studies that this one follows."""
        return [one for one in (self.earlier(), self.before()) if one]

    def leave_note(self) -> None:
        """Note what studies that follow this one need to know."""
        self._note(self.study.out_folder, self._generation(), self.plan)
        self.partial.discard(STEP)
        succeed(self.study.out_folder, self._generation())

    def used(self, overlap: Overlap) -> np.ndarray:
        """Epochs of each domain that the phases before have used, (m,)."""
        before = self.before()
        epochs = before.facts["epochs"] if before else {}
        return np.array([epochs.get(name, 0.0) for name in overlap.old]) @ overlap.came

    def _earlier(self) -> Earlier | None:
        study, given = self.study, self.study.swarm.reuse
        if given == AFRESH:
            return None
        if given:
            folder = resolve(study, given, "swarm.reuse")
            return read_note(folder, study.out_folder, self._note(folder, "reuse"))
        parent = predecessor(study.out_folder, self._generation())
        row = Ledger(study.out_folder).get(STEP, parent) if parent else None
        if row is None:
            return None
        found = read_note(study.out_folder, study.out_folder, row)
        made = found.facts["proxies"]["train"]
        if made is None or not made_alike(made, self._wanted(), MADE):
            return None
        self._keep([row])
        self.partial.add(STEP)
        return found

    def _before(self) -> Earlier | None:
        study = self.study
        if not study.after:
            return None
        folder = resolve(study, study.after, AFTER)
        found = read_note(folder, study.out_folder, self._note(folder, AFTER))
        if "recommended" not in found.facts or not found.facts["proxies"]["train"]:
            raise UserError(
                f"field 'after': {folder}: the study is not finished; run 'corpusmill mix run' on "
                "it first"
            )
        made = found.facts["proxies"]["train"]
        if study.proxy.model != made["model"]:
            raise UserError(
                f"field 'proxy.model': expected {made['model']}, as in the study that this one "
                f"comes after, got {study.proxy.model}: weights of one size do not fit another"
            )
        if "vocab" in study.proxy.model_fields_set and study.proxy.vocab != made["vocab"]:
            raise UserError(
                f"field 'proxy.vocab': expected {made['vocab']}, as in the study that this one "
                f"comes after, got {study.proxy.vocab}: its proxies know no other tokenizer"
            )
        return found

    def _wanted(self, start: Row | None = None) -> dict[str, Any]:
        """How this study trains its swarm, as far as it does not depend on mix and seed."""
        proxy = self.study.proxy
        return {
            "model": proxy.model,
            "proxy": proxy_config(self.study),
            "vocab": proxy.vocab,
            "drawn": [
                self.study.seed,
                self.study.evaluation.holdout_bytes,
                self.study.evaluation.holdout_share,
            ],
            "target": self.study.tokens if proxy.match_repetition else None,
            "start": start.checksum("weights") if start else None,
        }

    def _generation(self) -> str:
        return self._once("generation", lambda: generation(self.study))

    def _note(self, folder: str, shard: str, plan=None) -> Row:
        arguments, inputs = note_arguments(folder, plan)
        # notes of studies before this one stay until this one leaves its own
        self.partial.add(STEP)
        job = self._job(STEP, shard, note_job, arguments["facts"], inputs, arguments, NOTE_CODE)
        return self._step([job])[0]


def proxy_config(study: Study) -> dict[str, Any]:
    """Fields of the training of a study's proxies, but for the seed."""
    proxy = study.proxy
    return {
        "tokens": proxy.tokens,
        "batch": proxy.batch,
        "context": proxy.context,
        "lr": proxy.lr,
        "warmup": proxy.warmup,
        "checkpoints": proxy.checkpoints,
        **stacking(proxy),
    }


def same_tokenizer(field: str, given: str, one: Earlier, identity: str) -> None:
    """Check that a tokenizer is that of an earlier study.

    Raises
    ------
    UserError
        When it is not.
    """
    if one.facts["tokenizer"] != identity:
        raise UserError(
            f"field 'proxy.tokenizer': {given} is not the tokenizer of the study named in "
            f"'{field}'; leave the field out, or name that study's own"
        )


def made_alike(made: dict[str, Any], wanted: dict[str, Any], fields: tuple[str, ...]) -> bool:
    """Whether a run was trained as this study trains: seed, mix and text aside."""
    return all(made.get(field) == wanted[field] for field in fields)
