"""Confirmation: the answer and the baselines, trained for real with paired seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from mixing.validation import score

LEVEL = 0.9


def compare(answer: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Compare the recommended mix with every baseline, seed by seed.

    Parameters
    ----------
    answer
        `Answer.as_dict()`.
    runs
        What `read_run` gives for each confirming run, and its ``scores`` by task.

    Returns
    -------
    dict or None
        Per baseline: ``difference`` (mean over the seeds of the baseline's mean loss less the
        recommended mix's; positive is better), ``low`` and ``high`` (90 % Student t interval of
        the paired differences), ``tasks`` (difference by task) and ``verdict``: win, tie or
        lose, or untested with a single seed. ``losses`` holds every mix's mean loss by seed,
        ``transfer`` what `transfer` says. None without runs.
    """
    if not runs:
        return None
    tasks, weights = answer["tasks"], np.array(answer["weights"])
    scores: dict[str, dict[int, np.ndarray]] = {}
    for mix, shares in answer["mixes"].items():
        for run in runs:
            if run["mix"] == _named(answer, shares):
                scores.setdefault(mix, {})[run["seed"]] = _losses(run, tasks)
    own = scores["recommended"]
    found = {}
    for mix in scores:
        if mix == "recommended":
            continue
        seeds = sorted(own.keys() & scores[mix].keys())
        difference = np.array([scores[mix][seed] - own[seed] for seed in seeds])
        means = difference @ weights
        low, high = _interval(means)
        verdict = "untested" if low is None else "win" if low > 0 else "lose" if high < 0 else "tie"
        if answer["mixes"][mix] == answer["mixes"]["recommended"]:
            verdict = "same mix"
        found[mix] = {
            "difference": float(means.mean()),
            "low": low,
            "high": high,
            "tasks": difference.mean(0).tolist(),
            "verdict": verdict,
        }
    losses = {
        mix: {str(seed): float(score @ weights) for seed, score in sorted(by_seed.items())}
        for mix, by_seed in scores.items()
    }
    return {
        "baselines": found,
        "losses": losses,
        "seeds": len(own),
        "tokens": runs[0]["tokens"],
        "transfer": transfer(answer, runs),
    }


def transfer(answer: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How the losses at the confirmation's size follow what the swarm predicts, task by task.

    Ranks within a task carry over from small proxies to large models; the scales of the tasks move
    with the size, so that their mean ranks mixes worse than any of them. A line for each task,
    fitted to the mixes trained at the larger size, puts the tasks in that size's units.

    Returns
    -------
    dict or None
        ``rho`` (rank correlation by task), ``scale`` (slope of the line by task, drawn towards
        their common slope) and ``mixes``; None below four distinct mixes.
    """
    predicted = {tuple(mix): row for mix, row in zip(*_known(answer), strict=True)}
    pairs: dict[tuple, list[np.ndarray]] = {}
    for run in runs:
        mix = tuple(run["mix"].get(name, 0.0) for name in answer["domains"])
        if mix in predicted:
            pairs.setdefault(mix, []).append(_losses(run, answer["tasks"]))
    if len(pairs) < 4:
        return None
    X = np.array([predicted[mix] for mix in pairs])
    Y = np.array([np.mean(rows, axis=0) for rows in pairs.values()])
    x, y = X - X.mean(0), Y - Y.mean(0)
    squares = (x * x).sum(0)
    common = float((x * y).sum() / squares.sum()) if squares.sum() else 1.0
    # as much weight for the common slope as for one mix of a task's usual spread
    prior = squares.mean() / len(X)
    scale = ((x * y).sum(0) + prior * common) / (squares + prior)
    rho = score(Y, X).rho.tolist()
    return {"mixes": len(pairs), "rho": rho, "scale": scale.tolist()}


def _known(answer: dict[str, Any]) -> tuple[list, list]:
    """Mixes with predicted or, where they were in the swarm, out-of-fold losses by task."""
    swarm = answer["swarm"]["shares"]
    mixes, losses = list(answer["mixes"].values()), list(answer["task_loss"].values())
    return [*swarm, *mixes], [*answer["fit"]["predicted"], *losses]


def _named(answer: dict[str, Any], shares: list[float]) -> dict[str, float]:
    return {name: p for name, p in zip(answer["domains"], shares, strict=True) if p > 0}


def _losses(run: dict[str, Any], tasks: list[str]) -> np.ndarray:
    return np.array([run["scores"][task]["bpb"] for task in tasks])


def _interval(values: np.ndarray) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = error * special.stdtrit(len(values) - 1, 0.5 + LEVEL / 2)
    return float(values.mean() - half), float(values.mean() + half)
