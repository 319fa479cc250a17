"""Models of classifiers: found, checked against their hash, loaded once per process."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from catalogs import storage
from catalogs.errors import UserError, nearest
from filters.fasttext_file import LOSSES
from filters.fasttext_scores import FastTextScorer
from pipeline.hub import fetch, folder_hashes

FILES = ("model.bin", "model.ftz", "model.onnx")
TRANSFORMERS, CONFIG = "transformers:", "config.json"
CARD = "card.json"
POSITIVE, NEGATIVE = "positive", "negative"
POSITIVES = (POSITIVE, "hq")
"""Labels that are the wanted one of two unless something else is said; the second is DCLM's."""


class Verdicts(NamedTuple):
    """What a model says of texts."""

    scores: np.ndarray
    """float32, one for each text."""
    labels: list[str] | None
    """Best label of each text, for models of labels."""


class Scorer(Protocol):
    """A loaded model."""

    given: tuple[str, ...]
    """Labels that its verdicts carry; none where a score is all."""

    def score(self, texts: pa.Array, first_chars: int = 0) -> Verdicts: ...


class FastText:
    """A fastText classifier as a `Scorer`.

    With a `positive` label the score is its probability, else it is that of the best label.
    """

    def __init__(self, path: str, positive: str | None = None):
        self.scorer = FastTextScorer(path)
        labels = self.scorer.labels
        positive = wanted_label(path, labels, positive)
        self.positive = None if positive is None else labels.index(positive)
        self.labels = labels
        self.given = labels if positive is None else ()

    def score(self, texts: pa.Array, first_chars: int = 0) -> Verdicts:
        found = self.scorer.probabilities(texts, first_chars)
        if self.positive is not None:
            return Verdicts(found[:, self.positive].astype(np.float32), None)
        best = found.argmax(axis=1)
        scores = found[np.arange(len(found)), best].astype(np.float32)
        return Verdicts(scores, [self.labels[place] for place in best.tolist()])


def wanted_label(path: str, labels: tuple[str, ...], positive: str | None) -> str | None:
    """The label whose probability is the score: `positive`, or one of `POSITIVES` if of two.

    Raises
    ------
    ValueError
        When there is no such label.
    """
    if positive is None and len(labels) == 2:
        positive = next((label for label in POSITIVES if label in labels), None)
    if positive is not None and positive not in labels:
        hint = nearest(positive, labels) or f" (labels: {', '.join(labels[:12])})"
        raise ValueError(f"{path} has no label '{positive}'{hint}")
    return positive


def model_file(path: str, base: str = "") -> str:
    """The model that a path means: a file, the one in that folder, or a folder of transformers.

    Parameters
    ----------
    path
        File or folder, or ``transformers:FOLDER_OR_ID@REVISION``.
    base
        What relative paths are below.

    Raises
    ------
    UserError
        When there is none.
    """
    which = path.removeprefix(TRANSFORMERS)
    own = storage.join(base, which) if base else which
    if path != which:
        return own if os.path.isdir(own) else fetch(which)
    if os.path.isdir(own):
        for name in FILES:
            if os.path.isfile(os.path.join(own, name)):
                return os.path.join(own, name)
        if os.path.isfile(os.path.join(own, CONFIG)):
            return own
        raise UserError(f"{own}: no model here ({', '.join(FILES)}, or a {CONFIG})")
    if not os.path.isfile(own):
        raise UserError(f"{own}: no such model")
    return own


def sha256(path: str) -> str:
    """SHA-256 of a file, as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(path: str) -> tuple[str, str]:
    """SHA-256 and xxh3_128 of a model, file or folder."""
    if os.path.isdir(path):
        return folder_hashes(path)
    return _hashes(path, os.path.getmtime(path), os.path.getsize(path))


def check_hash(path: str, field: str, sha: str | None, xxh3: str | None) -> str:
    """Check a model against the hash that a recipe gives; returns its xxh3_128.

    Raises
    ------
    UserError
        When the file is another than the recipe means.
    """
    found = hashes(path)
    for name, told, own in (("sha256", sha, found[0]), ("xxh3", xxh3, found[1])):
        if told is not None and told.lower() != own:
            raise UserError(
                f"{field}.{name}': {path} has {name} {own}, the recipe says {told}: "
                "another version of the model; put the right file there, or mend the recipe"
            )
    return found[1]


@lru_cache(maxsize=64)
def _hashes(path: str, changed: float, size: int) -> tuple[str, str]:
    return sha256(path), storage.checksum(path)


@lru_cache(maxsize=8)
def load_scorer(path: str, checksum: str, positive: str | None = None) -> Scorer:
    """The model, kept for the next tasks of this process; `checksum` is the hash it was checked by.

    Raises
    ------
    UserError
        When the file is no model that can be read, or has no such label.
    """
    try:
        if path.endswith(".onnx"):
            from pipeline.embeddings import Regressor

            return Regressor(path)
        if os.path.isdir(path):
            from pipeline.classifier_transformer import Transformer

            return Transformer(path, positive)
        return FastText(path, positive)
    except ValueError as error:
        raise UserError(str(error)) from None


def describe(path: str) -> dict[str, Any]:
    """What a model file is: path, hashes, bytes, kind and labels."""
    file = model_file(path)
    digest, checksum = hashes(file)
    found: dict[str, Any] = {"path": file}
    if os.path.isfile(file):
        found["bytes"] = os.path.getsize(file)
    found |= {"sha256": digest, "xxh3": checksum}
    scorer = load_scorer(file, checksum)
    if isinstance(scorer, FastText):
        model = scorer.scorer.model
        found |= {"kind": "fasttext", "labels": list(scorer.labels)}
        found |= {"words": len(model.offsets) - 1, "ngrams": model.ngrams, "buckets": model.bucket}
        found |= {"subwords": "-".join(map(str, model.subwords)), "loss": LOSSES[model.loss]}
        found |= {"quantized": model.quantized}
    else:
        kind = "embedding" if file.endswith(".onnx") else "transformers"
        found |= {"kind": kind, **scorer.about}
    return found
