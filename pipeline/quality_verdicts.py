"""What the recipe's quality rules say of documents, once the scale of the corpus is known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.documents import SCORES, field
from pipeline.quality import map_column
from pipeline.quality_config import Quality
from pipeline.quality_ranks import (
    RANKS,
    Scale,
    combine,
    map_values,
    parts_of,
    rank_of,
    step_of,
)

QUALITY = [
    field(
        "quality_ranks",
        SCORES,
        "share of the deduplicated corpus that scores no better, by name of model or ensemble",
    ),
    field("quality_bucket", pa.int32(), "part of the corpus by quality, 0 is the worst"),
    field("quality_reason", pa.string(), "model:verdict of the quality rule that rejects, or null"),
]


def verdict_columns(documents: pa.Table, config: Quality, scale: Scale) -> dict[str, pa.Array]:
    """The columns `QUALITY` for documents with ``id, scores, labels, source, language``.

    `scale` is what `pipeline.quality_scale` found of the whole corpus.
    """
    rows = len(documents)
    scores = {name: map_values(documents["scores"], name) for name in config.models}
    labels = {name: map_values(documents["labels"], name) for name in config.models}
    steps = {name: rank_of(scores[name], scale.get(("rank", name, None))) for name in scores}
    combined = {
        name: combine([steps[part] for part in ensemble.of], ensemble.combine)
        for name, ensemble in config.ensembles.items()
    }
    reasons = pa.nulls(rows, pa.string())
    for name, model in config.models.items():
        cut = scale.get(("cut", name, None), [None])[0]
        tests = [
            ("below_min", _below(scores[name], model.min)),
            ("above_max", _above(scores[name], model.max)),
            ("below_top", _below(scores[name], cut)),
        ]
        for last in (part for kind, own, part in scale if (kind, own) == ("tie", name)):
            late = pc.and_(pc.equal(scores[name], _single(cut)), pc.greater(documents["id"], last))
            tests.append(("below_top", late))
        for label in model.drop:
            tests.append((f"label_{label}", pc.equal(labels[name], label)))
        reasons = _with(reasons, name, tests)
    for name, values in combined.items():
        cut = scale.get(("cut", name, None))
        if cut is not None:
            low = pa.array((values >= 0) & (values < cut[0]))
            reasons = _with(reasons, name, [("below_top", low)])
        quantiles = scale.get(("rank", name, None))
        steps[name] = np.zeros(rows, np.int64)
        if quantiles is not None:
            steps[name] = np.where(values >= 0, step_of(values, quantiles), 0)
    shares = {
        name: pa.array(own / RANKS, pa.float32(), mask=own == 0) for name, own in steps.items()
    }
    return {
        "quality_ranks": map_column(shares, SCORES, rows) if config.ranks else _none(rows, SCORES),
        "quality_bucket": _buckets(documents, config, scale, scores, combined),
        "quality_reason": reasons,
    }


def _buckets(documents: pa.Table, config: Quality, scale: Scale, scores, combined) -> pa.Array:
    buckets, rows = config.buckets, len(documents)
    if buckets is None:
        return _none(rows, pa.int32())
    if buckets.score in combined:
        values = combined[buckets.score].astype(float)
        known = values >= 0
    else:
        own = scores[buckets.score]
        known = own.is_valid().to_numpy(zero_copy_only=False)
        values = pc.fill_null(own, 0).to_numpy(zero_copy_only=False).astype(float)
    part = np.array(parts_of(documents, buckets.per).to_pylist(), object)
    found = np.zeros(rows, np.int32)
    for name in sorted(set(part.tolist())):
        bounds = scale.get(("bucket", buckets.score, name))
        mine = part == name
        if bounds is None:
            known = known & ~mine
        else:
            found[mine] = np.searchsorted(bounds, values[mine])
    return pa.array(found, pa.int32(), mask=~known)


def _with(reasons: pa.Array, name: str, tests: list[tuple[str, pa.Array]]) -> pa.Array:
    """The reasons so far, and where there is none, the first of these tests that holds."""
    for reason, holds in tests:
        new = pc.and_(pc.fill_null(holds, False), pc.is_null(reasons))
        reasons = pc.if_else(new, f"{name}:{reason}", reasons)
    return reasons


def _below(values: pa.Array, least: float | None) -> pa.Array:
    # as the column stores it, so that the same cut in SQL decides alike
    return _none(len(values), pa.bool_()) if least is None else pc.less(values, _single(least))


def _above(values: pa.Array, most: float | None) -> pa.Array:
    return _none(len(values), pa.bool_()) if most is None else pc.greater(values, _single(most))


def _single(value: float) -> pa.Scalar:
    return pa.scalar(value, pa.float32())


def _none(rows: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(rows, kind)
