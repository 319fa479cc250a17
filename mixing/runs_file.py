"""The runs of a fitted study as a file, and the study's own question about them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.errors import UserError
from catalogs.ledger import Ledger
from mixing.answer import Runs
from mixing.ask import Ask
from mixing.asking import make_ask, task_weights
from mixing.collapse import Frozen
from mixing.fitted import CODE, LIBRARIES
from mixing.model import SURFACE_CODE
from mixing.study_file import Study, load_study
from pipeline.address import code_version, digest

FIT_CODE = (
    *CODE, *SURFACE_CODE, "mixing.fitted", "mixing.informed", "mixing.items", "mixing.model_file",
    "mixing.ngram_rung", "mixing.seeds", "mixing.study_jobs", "mixing.swarm",
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
    return Runs(**{**vars(runs), "families": tuple(task_families(study, runs.tasks))})


def task_families(study: Study, tasks: Iterable[str]) -> list[str]:
    """Family of each task."""
    evaluation = study.evaluation
    family = {member: name for name, members in evaluation.families.items() for member in members}
    family |= {name: s.family for name, s in evaluation.suites.items() if s.family}
    return [family.get(task, task) for task in tasks]


def study_ask(study: Study, runs: Runs, facts: dict[str, Any]) -> Ask:
    """The question that the study file asks."""
    return conditioned(_plain_ask(study, runs, facts), facts)


def conditioned(ask: Ask, facts: dict[str, Any], frozen: bool = True) -> Ask:
    """The same with what earlier phases used, and with what is frozen unless the limits forbid."""
    if any(facts.get("used", ())):
        ask = replace(ask, used=np.array(facts["used"]))
    if not frozen or not facts.get("frozen"):
        return ask
    shares = np.array([facts["frozen"].get(name, 0.0) for name in ask.domains])
    still = Frozen.of(
        ask.domains, shares, [name for name in ask.domains if name not in facts["frozen"]]
    )
    try:
        if still:
            still.limits(ask.feasible()).check()
        return replace(ask, frozen=still)
    except UserError:
        return ask


def _plain_ask(study: Study, runs: Runs, facts: dict[str, Any]) -> Ask:
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
    code = code_version(FIT_CODE, FIT_LIBRARIES)
    return digest([asked, corpus_checksums(study), code, _answered_before(study)])


def _answered_before(study: Study) -> list[str]:
    """Addresses of the answer of the phase before."""
    if not study.after:
        return []
    path = storage.join(study.root or ".", study.after)
    folder = load_study(path).out_folder if path.endswith((".yaml", ".yml")) else path
    return [row.address for row in Ledger(folder).rows("answer")]


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
