"""Confirmation: the answer and the baselines, trained for real with paired seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from mixing.scale import transfer

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
        ``transfer`` what `mixing.scale.transfer` says. None without runs.
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
        "transfer": transfer(_known(answer), answer["domains"], tasks, runs),
    }


def _known(answer: dict[str, Any]) -> dict[tuple, np.ndarray]:
    """Mixes with their predicted losses by task, out-of-fold where they were in the swarm."""
    pairs = [
        *zip(answer["mixes"].values(), answer["task_loss"].values(), strict=True),
        *zip(answer["swarm"]["shares"], answer["fit"]["predicted"], strict=True),
    ]
    return {tuple(mix): np.array(losses) for mix, losses in pairs}


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
