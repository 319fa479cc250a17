"""Scores and labels of quality classifiers as columns that INGEST tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from catalogs.errors import UserError
from pipeline.address import code_version
from pipeline.classifier_model import FastText, check_hash, load_scorer, model_file
from pipeline.documents import LABELS, SCORES

NETWORK_CODE = ("pipeline.embeddings", "pipeline.encoders", "pipeline.classifier_transformer")
NETWORK_CODE += ("pipeline.classifier_metrics",)
NETWORK_LIBRARIES = ("onnxruntime", "tokenizers", "torch", "transformers", "sentence-transformers")


def quality_arguments(recipe: Any, source: str) -> list[dict[str, Any]]:
    """Models that score a source, as arguments of its ingest jobs: name, path, checksum, options.

    Raises
    ------
    UserError
        When a model is not there, is another than the recipe says, or cannot be read.
    """
    found = []
    for name, model in recipe.quality.models.items():
        field = f"recipe '{recipe.name}': field 'quality.models.{name}"
        for own in model.sources or ():
            if own not in recipe.sources:
                raise UserError(f"{field}.sources': there is no source '{own}'")
        if model.sources is not None and source not in model.sources:
            continue
        try:
            path = model_file(model.path, recipe.base)
        except UserError as error:
            raise UserError(f"{field}.path': {error}") from None
        checksum = check_hash(path, field, model.sha256, model.xxh3)
        try:
            scorer = load_scorer(path, checksum, model.positive)
        except UserError as error:
            raise UserError(f"{field}': {error}") from None
        if model.drop:
            for label in model.drop:
                if label not in scorer.given:
                    raise UserError(f"{field}.drop': the model gives no label '{label}'")
        options = {"positive": model.positive, "first_chars": model.first_chars}
        if not isinstance(scorer, FastText):
            options["code"] = code_version(NETWORK_CODE, NETWORK_LIBRARIES)
        found.append({"name": name, "path": path, "checksum": checksum, **options})
    return found


def deciding(models: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What of `quality_arguments` decides the columns: a model is its content, wherever it lies."""
    return [{key: value for key, value in model.items() if key != "path"} for model in models]


def quality_columns(texts: pa.Array, models: Sequence[Mapping[str, Any]]) -> dict[str, pa.Array]:
    """The columns ``scores`` and ``labels`` of a batch; null where no model scores the source."""
    scores, labels = {}, {}
    for model in models:
        scorer = load_scorer(model["path"], model["checksum"], model["positive"])
        verdicts = scorer.score(texts, model["first_chars"])
        scores[model["name"]] = pa.array(verdicts.scores, pa.float32())
        if verdicts.labels is not None:
            labels[model["name"]] = pa.array(verdicts.labels, pa.string())
    rows = len(texts)
    return {"scores": map_column(scores, SCORES, rows), "labels": map_column(labels, LABELS, rows)}


def map_column(columns: Mapping[str, pa.Array], kind: pa.MapType, rows: int) -> pa.Array:
    """Columns by name as one column of maps; null values are left out of the maps."""
    if not columns:
        return pa.nulls(rows, kind)
    known = np.stack([c.is_valid().to_numpy(zero_copy_only=False) for c in columns.values()], 1)
    offsets = np.concatenate([[0], np.cumsum(known.sum(axis=1))]).astype(np.int32)
    row, column = np.nonzero(known)
    keys = pa.array(list(columns), pa.string()).take(pa.array(column))
    items = pa.concat_arrays(list(columns.values())).take(pa.array(column * rows + row))
    return pa.MapArray.from_arrays(pa.array(offsets), keys, items, type=kind)
