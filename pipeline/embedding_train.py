"""Training of estimators over embeddings: fitted by scikit-learn, calibrated, kept as ONNX."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from catalogs.errors import UserError, nearest
from pipeline.classifier_metrics import calibrate, measure, regression_metrics, told_calibration
from pipeline.classifier_model import POSITIVE
from pipeline.classifier_train import ENOUGH, FOLDS, Trained
from pipeline.embeddings import KEY, class_logits
from pipeline.encoder_train import DIMS, train_encoder
from pipeline.encoders import StaticEncoder, load_encoder
from pipeline.examples import Examples

TRAINED, BESIDE = "trained", "./encoder"
"""The encoder that is trained on the examples; where its files lie beside the model's."""
ESTIMATORS = {
    "ridge": "sklearn.linear_model.Ridge",
    "linear": "sklearn.linear_model.LinearRegression",
    "logistic": "sklearn.linear_model.LogisticRegression",
    "boosting": "sklearn.ensemble.HistGradientBoostingRegressor",
}


def train_embedding(
    examples: Examples,
    encoder: str,
    estimator: str,
    params: dict[str, Any],
    target: str | None,
    held_out: float = 0.2,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Fit an estimator to embeddings of examples, and evaluate it on those held out.

    Parameters
    ----------
    estimator, params
        A name of `ESTIMATORS` or the dotted name of a scikit-learn estimator, and its arguments.
    target
        What the labels are called if they are numbers to estimate; None for classes.

    Raises
    ------
    UserError
        When there is no such estimator, it does not take the arguments or the task, or it cannot
        be kept as ONNX.
    """
    name = ESTIMATORS.get(estimator, estimator)
    _check(name, target is None)
    embedded = _Embedded(encoder, examples.texts, say)
    classes: list[str] = []
    if target is None:
        classes = sorted(set(examples.labels))
        if len(classes) < 2:
            raise UserError("a classifier needs examples of two labels or more")
        labels = np.array([classes.index(label) for label in examples.labels])
    else:
        labels = np.array(examples.labels, float)
    part = (np.array(examples.hashes, np.uint64) % np.uint64(1 << 20)).astype(float) / (1 << 20)
    test = part < (held_out / 2 if classes else held_out)
    tune = (part < held_out) & ~test
    scale, bias = 1.0, 0.0
    if _least(labels, test, classes) >= ENOUGH and (
        not classes or _least(labels, tune, classes) >= ENOUGH
    ):
        seen = ~(test | tune)
        how: dict[str, Any] = {"how": "split", "share": held_out, "calibrated_on": int(tune.sum())}
        say(f"fitting {seen.sum():,} examples, {(~seen).sum():,} held out")
        vectors = embedded.by(seen)
        model = _fit(name, params, vectors[seen], labels[seen])
        found, truth = _predict(model, vectors[test], bool(classes)), labels[test]
        if classes:
            tuned = class_logits(_predict(model, vectors[tune], True))
            scale, bias = calibrate(tuned, labels[tune], classes)
    else:
        how = {"how": "folds", "folds": FOLDS}
        fold, found = np.minimum((part * FOLDS).astype(int), FOLDS - 1), None
        for number in range(FOLDS):
            held = fold == number
            if not held.any() or (classes and len(set(labels[~held])) < len(classes)):
                raise UserError(f"{len(labels)} examples are too few to hold a fifth of them out")
            vectors = embedded.by(~held)
            own = _predict(
                _fit(name, params, vectors[~held], labels[~held]), vectors[held], bool(classes)
            )
            found = np.zeros((len(labels), own.shape[1])) if found is None else found
            found[held] = own
        truth = labels
        say(f"fitting all {len(labels):,} examples")
        vectors = embedded.by(np.ones(len(labels), bool))
        model = _fit(name, params, vectors, labels)
        if classes:
            scale, bias = calibrate(class_logits(found), labels, classes)
    if classes:
        logits = class_logits(found)
        measured = measure(logits, truth, classes, scale, bias)
        told = {"calibration": told_calibration(logits, truth, classes, scale, bias)}
    else:
        measured, told = regression_metrics(found[:, 0], truth), {}
    positive = POSITIVE if POSITIVE in classes and len(classes) == 2 else None
    about = {
        "encoder": embedded.spec,
        "encoder_checksum": embedded.checksum,
        "estimator": name,
        "target": target,
        "classes": classes,
        "positive": positive,
        "calibration": {"scale": scale, "bias": bias},
    }
    content = _to_onnx(model, vectors, about, bool(classes))

    def write(path: str) -> None:
        with open(path, "wb") as file:
            file.write(content)

    counts = {label: examples.labels.count(label) for label in classes} or {"all": len(examples)}
    card = {
        "kind": "embedding",
        "labels": classes,
        "positive": positive,
        "target": target or positive or "the label",
        "examples": counts,
        "settings": {"encoder": encoder, "estimator": name, **params},
        "held_out": {**how, **measured},
        **told,
    }
    return Trained(write, card, embedded.files)


class _Embedded:
    """Vectors of texts; by an encoder that is trained on some of them, if that is asked for.

    `spec`, `checksum` and `files` are those of the encoder that was asked last.
    """

    def __init__(self, spec: str, texts: list[str], say: Callable[[str], None]):
        name, _, dims = spec.partition(":")
        self.spec, self.texts, self.say, self.files = spec, texts, say, {}
        self.dims = None
        if name == TRAINED:
            if dims and not dims.isdigit():
                raise UserError(f"--encoder {spec}: expected a number of dimensions")
            self.spec, self.dims = f"static:{BESIDE}", int(dims or DIMS)
            return
        encoder = load_encoder(spec)
        say(f"encoding {len(texts):,} texts")
        self.vectors, self.checksum = encoder.encode(texts), encoder.checksum

    def by(self, chosen: np.ndarray) -> np.ndarray:
        """float32, texts x dims, by an encoder that saw only the chosen texts."""
        if self.dims is None:
            return self.vectors
        self.say(f"training an encoder on {chosen.sum():,} texts")
        seen = [self.texts[place] for place in np.flatnonzero(chosen)]
        files = train_encoder(seen, self.dims)
        self.files = {f"{BESIDE}/{name}": content for name, content in files.items()}
        with tempfile.TemporaryDirectory(prefix="corpusmill-encoder-") as folder:
            for name, content in files.items():
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(content)
            encoder = StaticEncoder(folder)
        self.checksum = encoder.checksum
        return encoder.encode(self.texts)


def _least(labels: np.ndarray, chosen: np.ndarray, classes: list[str]) -> int:
    """Chosen examples; with classes, those of the class that has the fewest."""
    if not classes:
        return int(chosen.sum())
    return int(np.bincount(labels[chosen], minlength=len(classes)).min())


def _class(name: str) -> type:
    module, _, own = name.rpartition(".")
    if not module.startswith("sklearn."):
        hint = nearest(name, ESTIMATORS) or f" (short names: {', '.join(ESTIMATORS)})"
        raise UserError(f"--estimator {name}: no estimator of scikit-learn{hint}")
    try:
        found = getattr(importlib.import_module(module), own)
    except (ImportError, AttributeError):
        raise UserError(f"--estimator {name}: scikit-learn has none of that name") from None
    if not (inspect.isclass(found) and hasattr(found, "fit") and hasattr(found, "predict")):
        raise UserError(f"--estimator {name}: is no estimator that predicts")
    return found


def _check(name: str, classes: bool) -> None:
    kind = _class(name)
    if classes and not hasattr(kind, "predict_proba"):
        raise UserError(f"--estimator {name}: gives no probabilities, which labels need")
    if not classes and hasattr(kind, "predict_proba"):
        raise UserError(f"--estimator {name}: is a classifier, the target is a number")


def _fit(name: str, params: dict[str, Any], vectors: np.ndarray, labels: np.ndarray):
    kind = _class(name)
    fixed = {"random_state": 0} if "random_state" in inspect.signature(kind).parameters else {}
    try:
        return kind(**{**fixed, **params}).fit(vectors, labels)
    except (TypeError, ValueError) as error:
        raise UserError(f"--estimator {name}: {str(error).splitlines()[0]}") from None


def _predict(model, vectors: np.ndarray, classes: bool) -> np.ndarray:
    if classes:
        return model.predict_proba(vectors)
    return np.asarray(model.predict(vectors), float).reshape(len(vectors), -1)[:, :1]


def _to_onnx(model, vectors: np.ndarray, about: dict[str, Any], classes: bool) -> bytes:
    try:
        from skl2onnx import to_onnx
    except ImportError:
        raise UserError(
            "estimators are kept as ONNX: run `pip install skl2onnx` to train one"
        ) from None
    import onnxruntime

    options = {id(model): {"zipmap": False}} if classes else None
    try:
        graph = to_onnx(model, vectors[:1], options=options, name=KEY)
    except Exception as error:
        cause = str(error).splitlines()[0]
        raise UserError(f"--estimator {about['estimator']}: has no form in ONNX: {cause}") from None
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(about, sort_keys=True)
    content = graph.SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    sample = vectors[:200]
    own = session.run(None, {session.get_inputs()[0].name: sample})[-1].reshape(len(sample), -1)
    expected = _predict(model, sample, classes)
    if not np.allclose(own, expected, rtol=1e-3, atol=1e-3):
        raise UserError(f"--estimator {about['estimator']}: its form in ONNX scores otherwise")
    return content
