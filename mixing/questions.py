"""Questions to a study, answered from the fit that there is.

A fresh answer takes a fraction of a second; that is why nothing here loads what only training needs
before it turns out that something must be trained.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.audit import load_plan
from catalogs.errors import UserError
from catalogs.ledger import Ledger
from mixing.answer import Answer, find_answer
from mixing.asking import limit, make_ask, task_weights
from mixing.model import read_model
from mixing.runs_file import conditioned, made_from, read_runs, with_families
from mixing.study_file import Study, load_study


@dataclass(frozen=True)
class Solved:
    """An answer, the seconds it took to read the fit and to solve, and how the study got there."""

    answer: Answer
    reading: float
    solving: float
    done: int


def solve_study(
    path: str,
    settings: Any = None,
    progress: Any = None,
    weights: dict[str, float] | None = None,
    tokens: int | None = None,
    caps: dict[str, float] | None = None,
    floors: dict[str, float] | None = None,
    limits: dict[str, Any] | None = None,
    scaled: bool = False,
) -> Solved:
    """Answer a question with the fit that there is, which it makes where there is none.

    Parameters
    ----------
    weights
        Task or family -> weight, tasks not named 0; default the study's.
    tokens, caps, floors
        Instead of, or besides, the study's.
    limits
        Other fields of the constraints to put in the place of the study's.
    scaled
        Whether weights are multiplied by what a unit of each task's loss is worth at the size of
        the confirmation.

    Raises
    ------
    UserError
        When a name is unknown or the limits cannot be met together.
    """
    study = load_study(path)
    check_runs(study)
    began, done = time.perf_counter(), 0
    found = _fit_at_hand(study)
    if found is None:
        from mixing.study import workshop

        with workshop(path, settings, progress) as shop:
            row = shop.fitted()
            shop.finish(whole=False)
            found, done = (shop.path(row, "runs"), shop.path(row, "model")), shop.done
        began = time.perf_counter()
    runs, facts = read_runs(found[0])
    runs, model = with_families(runs, study), read_model(found[1])
    read = time.perf_counter()
    given = study.evaluation.weights if weights is None else weights
    default = 1.0 if weights is None else 0.0
    constraints = limit(
        study.constraints.model_copy(update=limits or {}), runs.domains, caps, floors
    )
    ask = make_ask(
        runs,
        np.array(facts["tokens"]),
        tokens or study.tokens,
        constraints,
        task_weights(given, runs.tasks, runs.families, default, "--weights"),
        facts["license_fractions"],
    )
    # ratios that were frozen are the answer to the study's own weights, not to others
    ask = conditioned(ask, facts, frozen=weights is None)
    if scaled:
        from mixing.scale import scaled_weights, study_scale

        scale = study_scale(study, runs, model)
        ask = replace(ask, weights=scaled_weights(ask.weights, scale))
        answer = replace(find_answer(runs, model, ask, whole=False), scale=scale)
    else:
        answer = find_answer(runs, model, ask, whole=False)
    return Solved(answer, read - began, time.perf_counter() - read, done)


def check_runs(study: Study) -> None:
    for folder in study.run_folders:
        if load_plan(folder)["state"] != "complete":
            raise UserError(f"{folder}: the run is not finished; run its recipe first")


def _fit_at_hand(study: Study) -> tuple[str, str] | None:
    """Runs and model of the last fit, if nothing that it depends on has changed."""
    rows = sorted(
        Ledger(study.out_folder).rows("fit"), key=lambda row: int(row.shard.rpartition("-")[2])
    )
    if not rows:
        return None
    runs, model = (
        storage.join(study.out_folder, rows[-1].files[k].path) for k in ("runs", "model")
    )
    if json.loads(storage.read_text(runs))["made_from"] != made_from(study):
        return None
    return runs, model
