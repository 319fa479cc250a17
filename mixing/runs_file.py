"""The runs of a fitted study as a file, and the study's own question about them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.ledger import Ledger
from mixing.answer import Runs
from mixing.ask import Ask
from mixing.asking import make_ask, task_weights
from mixing.fitted import CODE, LIBRARIES
from mixing.model import SURFACE_CODE
from mixing.study_file import Study
from pipeline.address import code_version, digest

FIT_CODE = (
    *CODE, *SURFACE_CODE, "mixing.fitted", "mixing.informed", "mixing.items", "mixing.model_file",
    "mixing.ngram_rung", "mixing.study_jobs",
)  # fmt: skip
FIT_LIBRARIES = LIBRARIES


def read_runs(path: str) -> tuple[Runs, dict[str, Any]]:
    """Runs and facts that `fit_job` wrote."""
    facts = json.loads(storage.read_text(path))
    plain = facts.pop("runs")
    for name in ("shares", "losses"):
        plain[name] = np.array(plain[name])
    return Runs(**{k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}), facts


def with_families(runs: Runs, study: Study) -> Runs:
    """The same with the families that the study names; a task without one is its own."""
    evaluation = study.evaluation
    family = {member: name for name, members in evaluation.families.items() for member in members}
    family |= {name: s.family for name, s in evaluation.suites.items() if s.family}
    families = tuple(family.get(task, task) for task in runs.tasks)
    return Runs(**{**vars(runs), "families": families})


def study_ask(study: Study, runs: Runs, facts: dict[str, Any]) -> Ask:
    """The question that the study file asks."""
    weights = task_weights(
        study.evaluation.weights, runs.tasks, runs.families, 1.0, "evaluation.weights"
    )
    return make_ask(
        runs,
        np.array(facts["tokens"]),
        study.tokens,
        study.constraints,
        weights,
        facts["license_fractions"],
    )


def made_from(study: Study) -> str:
    """Hash of all that a study's fit depends on, without asking the catalogue."""
    elsewhere = {"out", "root", "name", "confirm", "constraints", "refine"}
    asked = study.model_dump(mode="json", exclude=elsewhere)
    for name in ("weights", "families"):
        asked["evaluation"].pop(name)
    for suite in asked["evaluation"]["suites"].values():
        suite.pop("family")
    return digest([asked, corpus_checksums(study), code_version(FIT_CODE, FIT_LIBRARIES)])


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
