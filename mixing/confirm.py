"""Confirmation: the answer and the baselines, trained for real with paired seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.9


def compare(answer: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Compare the recommended mix with every baseline, seed by seed.

    Parameters
    ----------
    answer
        `Answer.as_dict()`.
    runs
        What `read_run` gives for each confirming run.

    Returns
    -------
    dict or None
        Per baseline: ``difference`` (mean over the seeds of the baseline's mean BPB less the
        recommended mix's; positive is better), ``low`` and ``high`` (90 % Student t interval of
        the paired differences), ``domains`` (difference by domain) and ``verdict``: win, tie or
        lose, or untested with a single seed. ``losses`` holds every mix's mean BPB by seed. None
        without runs.
    """
    if not runs:
        return None
    names, weights = answer["domains"], np.array(answer["weights"])
    scores: dict[str, dict[int, np.ndarray]] = {}
    for mix, shares in answer["mixes"].items():
        target = {name: p for name, p in zip(names, shares, strict=True) if p > 0}
        for run in runs:
            if run["mix"] == target:
                scores.setdefault(mix, {})[run["seed"]] = np.array(
                    [run["scores"][name]["bpb"] for name in names]
                )
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
            "domains": difference.mean(0).tolist(),
            "verdict": verdict,
        }
    losses = {
        mix: {str(seed): float(score @ weights) for seed, score in sorted(by_seed.items())}
        for mix, by_seed in scores.items()
    }
    return {"baselines": found, "losses": losses, "seeds": len(own), "tokens": runs[0]["tokens"]}


def _interval(values: np.ndarray) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    error = stats.sem(values)
    half = error * stats.t.ppf(0.5 + LEVEL / 2, len(values) - 1)
    return float(values.mean() - half), float(values.mean() + half)
