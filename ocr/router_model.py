"""A small model that says how likely a page's text layer is unfit: boosted trees over the router's
features, trained by benchmarks/train_router.py (data card: docs/router.md).

Trees are evaluated in plain Python: forty of depth three cost a few microseconds, and the result is
the same on every machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocr.router import PageFeatures

MODEL = Path(__file__).parent / "models" / "router.json"

NAMES = (
    "log_alnum", "alnum_share", "junk_share", "hidden_share", "map_errors", "log_words",
    "stop_share", "usual_pairs", "covered_share", "image_cover", "log_images", "log_paths",
)  # fmt: skip


def vector(f: PageFeatures) -> list[float]:
    """The model's inputs, in the order of `NAMES`."""
    chars = max(1, f.chars)
    return [
        math.log1p(f.alnum),
        f.alnum / chars,
        f.junk / chars,
        f.hidden_chars / max(1, f.chars + f.hidden_chars),
        f.map_errors,
        math.log1p(f.latin_words),
        f.stop_share,
        f.usual_pairs,
        f.covered_share,
        f.image_cover,
        math.log1p(f.images),
        math.log1p(f.paths),
    ]


def probability(f: PageFeatures) -> float:
    """That OCR would read the page better than its text layer, 0 to 1."""
    return evaluate(_model(), vector(f))


def evaluate(model: dict[str, Any], x: Sequence[float]) -> float:
    """Each tree is a list of nodes [feature, threshold, left, right] or leaves [value]; a value
    equal to the threshold goes left."""
    score = model["bias"]
    for tree in model["trees"]:
        node = tree[0]
        while len(node) > 1:
            feature, threshold, left, right = node
            node = tree[left if x[feature] <= threshold else right]
        score += node[0]
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


@cache
def _model() -> dict[str, Any]:
    model = json.loads(MODEL.read_text())
    if tuple(model["names"]) != NAMES:
        raise ValueError(f"{MODEL} was trained on other features; run benchmarks/train_router.py")
    return model
