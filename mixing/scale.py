"""What a unit of each task's loss is worth at the confirmation's size, and the answer in its terms.

Tasks keep their ranks from small proxies to large models better than their scales: the mean of the
losses ranks mixes well only when each task's loss is in the large model's units.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.errors import UserError
from catalogs.ledger import Ledger
from mixing.answer import Answer, Runs, find_answer
from mixing.ask import Ask
from mixing.model import Model
from mixing.study_file import Study
from mixing.validation import score

FEWEST = 4  # distinct mixes below which a line for each task says nothing


def transfer(
    predicted: dict[tuple, np.ndarray],
    domains: list[str] | tuple[str, ...],
    tasks: list[str] | tuple[str, ...],
    runs: list[dict[str, Any]],
) -> dict[str, Any] | None:
    """How the losses at the confirmation's size follow what the swarm predicts, task by task.

    A line for each task, fitted to the mixes trained at the larger size, puts the tasks in that
    size's units.

    Parameters
    ----------
    predicted
        Mix -> losses by task, (tasks,), as the swarm has them.
    runs
        What `read_run` gives for each confirming run, and its ``scores`` by task.

    Returns
    -------
    dict or None
        ``rho`` (rank correlation by task), ``scale`` (slope of the line by task, drawn towards
        their common slope) and ``mixes``; None below four distinct mixes.
    """
    pairs: dict[tuple, list[np.ndarray]] = {}
    for run in runs:
        mix = tuple(run["mix"].get(name, 0.0) for name in domains)
        if mix in predicted:
            losses = np.array([run["scores"][task]["bpb"] for task in tasks])
            pairs.setdefault(mix, []).append(losses)
    if len(pairs) < FEWEST:
        return None
    X = np.array([predicted[mix] for mix in pairs])
    Y = np.array([np.mean(rows, axis=0) for rows in pairs.values()])
    x, y = X - X.mean(0), Y - Y.mean(0)
    squares = (x * x).sum(0)
    common = float((x * y).sum() / squares.sum()) if squares.sum() else 1.0
    # as much weight for the common slope as for one mix of a task's usual spread
    prior = squares.mean() / len(X)
    scale = ((x * y).sum(0) + prior * common) / (squares + prior)
    return {"mixes": len(pairs), "rho": score(Y, X).rho.tolist(), "scale": scale.tolist()}


def expected(runs: Runs, model: Model, confirmed: list[dict[str, Any]]) -> dict[tuple, np.ndarray]:
    """Losses by mix of the swarm's convex laws: out-of-fold for mixes that the swarm has."""
    there = {tuple(run["mix"].get(name, 0.0) for name in runs.domains) for run in confirmed}
    mixes = sorted(there)
    found = dict(zip(mixes, model.bank.predict(np.array(mixes)), strict=True)) if mixes else {}
    return found | {tuple(p): y for p, y in zip(runs.shares.tolist(), model.unseen, strict=True)}


def scaled_weights(weights: np.ndarray, scale: list[float]) -> np.ndarray:
    """Weights by which losses of small proxies count as those of the larger size do.

    ``sum_t w_t (a_t + s_t y_t)`` has its optimum where ``sum_t w_t s_t y_t`` has; a task that does
    not follow the swarm at all, with a slope below 0, counts nothing.
    """
    found = np.asarray(weights) * np.maximum(np.asarray(scale, float), 0.0)
    if not found.sum() > 0:
        raise UserError("no task's loss at the confirmation's size follows what the swarm predicts")
    return found / found.sum()


def confirmed_runs(study: Study) -> list[dict[str, Any]]:
    """The confirming runs that a study has, each with its scores by task."""
    ledger = Ledger(study.out_folder)

    def read(row, kind: str) -> Any:
        return json.loads(storage.read_text(ledger.file(row.files[kind])))

    scored: dict[str, dict[str, Any]] = {}
    for row in ledger.rows("confirm-eval"):
        scored.setdefault(row.shard.partition(".")[0], {}).update(read(row, "scores"))
    return [
        {**read(row, "run"), "scores": scored[row.shard]}
        for row in ledger.rows("confirm")
        if row.shard in scored
    ]


def study_scale(study: Study, runs: Runs, model: Model) -> list[float]:
    """Slope of each task at the confirmation's size, (tasks,).

    Raises
    ------
    UserError
        When too few mixes were confirmed.
    """
    there = [
        one for one in confirmed_runs(study) if all(task in one["scores"] for task in runs.tasks)
    ]
    found = transfer(expected(runs, model, there), runs.domains, runs.tasks, there)
    if found is None:
        raise UserError(
            f"{study.out_folder}: --scaled needs at least {FEWEST} mixes trained to confirm; set "
            "confirm.anchors and run corpusmill mix confirm first"
        )
    return found["scale"]


def answer_at_scale(
    scale: list[float], runs: Runs, model: Model, ask: Ask, before: list[float]
) -> dict[str, Any] | None:
    """The answer to the same question in the larger size's units.

    Returns
    -------
    dict or None
        ``weights`` by task; ``shares``, ``low`` and ``high`` of the recommended mix; ``moved``, the
        share of the tokens that goes elsewhere than in the answer `before`. None where no task
        follows the swarm.
    """
    if not (np.array(scale) > 0).any():
        return None
    weights = scaled_weights(ask.weights, scale)
    found: Answer = find_answer(runs, model, replace(ask, weights=weights), whole=False)
    shares = found.mixes["recommended"]
    moved = float(np.abs(np.array(shares) - before).sum() / 2)
    return {"weights": weights.tolist(), "shares": shares, "low": found.low, "high": found.high,
            "moved": moved}  # fmt: skip
