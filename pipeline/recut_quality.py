"""What a recipe says of one score of quality: its thresholds by source, all other rules as SQL."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.feature import Feature
from catalogs.ledger import Ledger
from catalogs.sql import literal
from pipeline.quality_ranks import RANKS
from pipeline.recipe import Recipe
from pipeline.recut import Bound

SCORES, LABELS = "scores", "labels"
Cuts = dict[tuple[str, str], tuple[float, str | None]]
"""By (kind, name): the value of a cut over the corpus; of ties, the last id that stays."""


def cuts_in_force(root: str) -> Cuts:
    """Where the cuts of a run over its whole corpus lie."""
    found: Cuts = {}
    ledger = Ledger(root)
    for row in ledger.rows("quality-settle") or ledger.rows("quality-scale"):
        with storage.open_input(storage.join(root, row.files["scale"].path)) as file:
            columns = pq.ParquetFile(file).read().to_pydict()
        for kind, name, part, value in zip(*columns.values(), strict=True):
            if kind in ("cut", "tie"):
                found[kind, name] = (value, part)
    return found


def score_bounds(recipe: Recipe, feature: Feature, cuts: Cuts) -> list[Bound]:
    """Every threshold that a recipe has for a score, by source; none for other features."""
    model = recipe.quality.models.get(feature.key or "")
    if feature.column != SCORES or model is None:
        return []
    name, found = feature.key, []
    for source in recipe.sources if model.sources is None else model.sources:
        # as the column stores it, so that a cut in SQL decides as the run did
        if model.min is not None:
            found.append(Bound(source, f"{name}:below_min", "below", float(np.float32(model.min))))
        if model.max is not None:
            found.append(Bound(source, f"{name}:above_max", "above", float(np.float32(model.max))))
        if model.top is not None and ("cut", name) in cuts:
            found.append(Bound(source, f"{name}:below_top", "below", cuts["cut", name][0]))
    return found


def dropped_labels(recipe: Recipe, feature: Feature) -> dict[str, tuple[str, ...]]:
    """Labels that a recipe drops, by source; none for other features."""
    model = recipe.quality.models.get(feature.key or "")
    if feature.column != LABELS or model is None or not model.drop:
        return {}
    return dict.fromkeys(recipe.sources if model.sources is None else model.sources, model.drop)


def other_quality_sql(recipe: Recipe, feature: Feature, side: str, cuts: Cuts) -> str:
    """Why a row falls by rules of quality, those on this side of the feature left out, as SQL.

    An expression over the columns of the documents: the first reason, or NULL.
    """
    cases = [
        f"WHEN {test} THEN {literal(f'quality:{reason}')}"
        for reason, test in _tests(recipe, feature, side, cuts)
    ]
    return "CASE\n" + "\n".join(cases) + "\nEND" if cases else "CAST(NULL AS VARCHAR)"


def _tests(recipe: Recipe, feature: Feature, side: str, cuts: Cuts) -> Iterator[tuple[str, str]]:
    quality = recipe.quality
    own = feature.key if feature.column == SCORES else None
    for name, model in quality.models.items():
        score = Feature(SCORES, name).sql
        below, above = ((name, side) != (own, one) for one in ("below", "above"))
        if model.min is not None and below:
            yield f"{name}:below_min", f"{score} < CAST({model.min!r} AS FLOAT)"
        if model.max is not None and above:
            yield f"{name}:above_max", f"{score} > CAST({model.max!r} AS FLOAT)"
        if model.top is not None and ("cut", name) in cuts:
            cut = f"CAST({cuts['cut', name][0]!r} AS FLOAT)"
            if below:
                yield f"{name}:below_top", f"{score} < {cut}"
            if ("tie", name) in cuts:  # of those right at the cut, the run decides by the id
                last = cuts["tie", name][1]
                yield f"{name}:below_top", f"{score} = {cut} AND id > {literal(last)}"
        for label in model.drop if feature != Feature(LABELS, name) else ():
            yield f"{name}:label_{label}", f"{Feature(LABELS, name).sql} = {literal(label)}"
    for name, ensemble in quality.ensembles.items():
        if ensemble.top is not None and ("cut", name) in cuts:
            least = cuts["cut", name][0]
            yield f"{name}:below_top", f"{_combined(ensemble.of, ensemble.combine)} < {least!r}"


def _combined(of: tuple[str, ...], how: str) -> str:
    """The combined rank as `pipeline.quality_ranks.combine` counts it."""
    unit = math.lcm(*range(1, len(of) + 1))
    steps = [f"round({Feature('quality_ranks', name).sql} * {RANKS})::BIGINT" for name in of]
    if how == "max":
        return f"greatest({', '.join(steps)}) * {unit}"
    known = " + ".join(f"({step} IS NOT NULL)::BIGINT" for step in steps)
    total = " + ".join(f"coalesce({step}, 0)" for step in steps)
    return f"(({total}) * {unit}) // nullif({known}, 0)"
