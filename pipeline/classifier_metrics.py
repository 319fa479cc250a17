"""How good a classifier or regressor is on examples that it never saw, and its calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import rankdata, spearmanr

from filters.fasttext_scores import probabilities

BINS = 10
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def fit_platt(logits: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Scale and bias that make logistic(scale * logit + bias) a probability.

    Platt (1999), with his targets, which keep the scale finite where the classes are apart. The
    scale is never below 0.001: calibration does not turn an order round.
    """
    count = int(positive.sum())
    high, low = (count + 1) / (count + 2), 1 / (len(positive) - count + 2)
    target = np.where(positive, high, low)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        z = values[0] * logits + values[1]
        error = 1 / (1 + np.exp(-np.clip(z, -500, 500))) - target
        cost = np.logaddexp(0, z) - target * z
        return cost.mean(), np.array([(error * logits).mean(), error.mean()])

    bounds = [(1e-3, None), (None, None)]
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=bounds, method="L-BFGS-B")
    return float(found.x[0]), float(found.x[1])


def fit_temperature(logits: np.ndarray, labels: np.ndarray, one_vs_all: bool = False) -> float:
    """Scale of the logits that makes the probabilities of the right labels largest.

    Guo et al. (2017), arXiv:1706.04599; the scale is one over their temperature.
    """
    rows = np.arange(len(labels))

    def loss(log_scale: float) -> float:
        found = probabilities(np.exp(log_scale) * logits, one_vs_all)[rows, labels]
        return float(-np.log(np.maximum(found, 1e-300)).mean())

    found = minimize_scalar(loss, bounds=(-4, 4), method="bounded")
    return float(np.exp(found.x))


def binary_metrics(scores: np.ndarray, positive: np.ndarray) -> dict[str, Any]:
    """Precision, recall, AUC and calibration of scores between 0 and 1.

    ``cuts`` tells, for shares of all held-out examples that a cut would keep, the score of that cut
    with its precision and recall. ``reliability`` has a row for each of ten bins of the score: what
    was promised, and what came true.
    """
    chosen = scores >= 0.5
    hits = int((chosen & positive).sum())
    order = np.sort(scores)[::-1]
    cuts = []
    for share in SHARES:
        cut = order[max(round(share * len(order)), 1) - 1]
        kept = scores >= cut
        cuts.append(
            {
                "share": share,
                "score": _number(cut),
                "precision": _ratio((kept & positive).sum(), kept.sum()),
                "recall": _ratio((kept & positive).sum(), positive.sum()),
            }
        )
    precision = _ratio(hits, chosen.sum())
    recall = _ratio(hits, positive.sum())
    return {
        "examples": len(scores),
        "positive": int(positive.sum()),
        "threshold": 0.5,
        "precision": precision,
        "recall": recall,
        "f1": _f1(precision, recall),
        "auc": area_under_curve(scores, positive),
        "average_precision": average_precision(scores, positive),
        **calibration(scores, positive),
        "cuts": cuts,
    }


def calibration(scores: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Brier score, expected calibration error and the reliability table."""
    places = np.minimum((scores * BINS).astype(int), BINS - 1)
    table, error = [], 0.0
    for place in range(BINS):
        inside = places == place
        count = int(inside.sum())
        if not count:
            continue
        told, came = float(scores[inside].mean()), float(true[inside].mean())
        error += count / len(scores) * abs(told - came)
        row = {"from": place / BINS, "to": (place + 1) / BINS, "examples": count}
        table.append({**row, "predicted": _number(told), "observed": _number(came)})
    return {
        "brier": _number(((scores - true) ** 2).mean()),
        "calibration_error": _number(error),
        "reliability": table,
    }


def multi_metrics(found: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy, and precision, recall and AUC of each label, of probabilities (rows x labels)."""
    best = found.argmax(axis=1)
    by_label = {}
    for place, name in enumerate(names):
        chosen, positive = best == place, labels == place
        precision = _ratio((chosen & positive).sum(), chosen.sum())
        recall = _ratio((chosen & positive).sum(), positive.sum())
        by_label[name] = {
            "examples": int(positive.sum()),
            "precision": precision,
            "recall": recall,
            "f1": _f1(precision, recall),
            "auc": area_under_curve(found[:, place], positive),
        }
    known = [own for own in by_label.values() if own["auc"] is not None]
    right = best == labels
    pairs: dict[tuple[str, str], int] = {}
    for was, told in zip(labels[~right].tolist(), best[~right].tolist(), strict=True):
        pairs[names[was], names[told]] = pairs.get((names[was], names[told]), 0) + 1
    mixed = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:10]
    return {
        "examples": len(labels),
        "accuracy": _number(right.mean()),
        "macro_f1": _number(np.mean([own["f1"] for own in by_label.values()])),
        "auc": _number(np.mean([own["auc"] for own in known])) if known else None,
        **calibration(found.max(axis=1), right),
        "labels": by_label,
        "confused": [{"label": a, "taken_for": b, "examples": n} for (a, b), n in mixed],
    }


def regression_metrics(found: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """Errors and rank correlation of a regressor; AUC and F1 at each whole target value."""
    spread = ((target - target.mean()) ** 2).mean()
    error = ((found - target) ** 2).mean()
    steps = []
    whole = np.unique(np.ceil(target))
    for step in whole[(whole > target.min()) & (whole <= target.max())][:10]:
        positive, chosen = target >= step, found >= step
        precision = _ratio((chosen & positive).sum(), chosen.sum())
        recall = _ratio((chosen & positive).sum(), positive.sum())
        row = {"at_least": float(step), "precision": precision, "recall": recall}
        row |= {"f1": _f1(precision, recall), "auc": area_under_curve(found, positive)}
        steps.append(row)
    constant = len(np.unique(found)) < 2 or len(np.unique(target)) < 2
    return {
        "examples": len(target),
        "mean_absolute_error": _number(np.abs(found - target).mean()),
        "root_mean_squared_error": _number(np.sqrt(error)),
        "r2": _number(1 - error / spread) if spread else None,
        "spearman": None if constant else _number(spearmanr(found, target).statistic),
        "steps": steps,
    }


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Area under the ROC curve, ties counted half; None unless both classes are there."""
    count = int(positive.sum())
    other = len(positive) - count
    if not count or not other:
        return None
    ranks = rankdata(scores)
    return _number((ranks[positive].sum() - count * (count + 1) / 2) / (count * other))


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Mean precision at the positives, from the top; ties are taken together."""
    count = int(positive.sum())
    if not count:
        return None
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    hits = np.cumsum(positive[order])[last]
    gained = np.diff(hits, prepend=0)
    return _number((gained * hits / (last + 1)).sum() / count)


def _ratio(part: Any, whole: Any) -> float:
    return _number(part / whole) if whole else 0.0


def _f1(precision: float, recall: float) -> float:
    return _number(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _number(value: Any) -> float:
    return round(float(value), 6)


def calibrate(logits: np.ndarray, labels: np.ndarray, names: list[Any]) -> tuple[float, float]:
    """Scale and bias of logits, of two names by Platt's way, of more by a temperature.

    `logits` have a column for each name, or one if there are two: that of the second against the
    first.
    """
    if len(names) == 2:
        return fit_platt(logits[:, 0], labels == 1)
    return fit_temperature(logits, labels), 0.0


def calibrated(logits: np.ndarray, scale: float = 1.0, bias: float = 0.0) -> np.ndarray:
    """Probability of each name from logits as `calibrate` takes them."""
    found = probabilities(scale * logits + bias)
    return found[:, ::-1] if logits.shape[1] == 1 else found


def measure(logits, labels, names: list[Any], scale: float, bias: float) -> dict[str, Any]:
    """Measures of calibrated logits; of two names the second is the wanted one."""
    found = calibrated(logits, scale, bias)
    if len(names) == 2:
        return binary_metrics(found[:, 1], labels == 1)
    return multi_metrics(found, labels, tuple(str(name) for name in names))


def told_calibration(logits, labels, names: list[Any], scale: float, bias: float) -> dict[str, Any]:
    """What a card says of the calibration: how, and the error that was there before."""
    before = calibrated(logits)
    if len(names) == 2:
        return {
            "method": "platt",
            "scale": round(scale, 6),
            "bias": round(bias, 6),
            "before": calibration(before[:, 1], labels == 1),
        }
    right = before.argmax(axis=1) == labels
    return {
        "method": "temperature",
        "scale": round(scale, 6),
        "before": calibration(before.max(axis=1), right),
    }
