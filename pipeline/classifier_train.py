"""Training of fastText classifiers: held out, calibrated, folded into one small file.

The recipe is that of DCLM (Li et al. 2024, arXiv:2406.11794): a supervised fastText model over
words and word bigrams, examples of what is wanted against examples of what there is. Training is
deterministic: one thread, a seed, lines in the order of their hashes.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from catalogs.errors import UserError
from filters.fasttext_file import FastTextModel, read_fasttext, write_folded
from filters.fasttext_scores import FastTextScorer, string_array
from pipeline.classifier_metrics import calibrate, measure, told_calibration
from pipeline.classifier_model import POSITIVE
from pipeline.examples import Examples

FOLDS = 5
ENOUGH = 30
"""Held-out examples that each label needs; with fewer, every example is held out in its turn."""
_UPDATES = 20_000
_MANY = 10_000
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class FastTextSettings:
    """What fastText is trained with; None is chosen by the number of examples.

    fastText's own 5 passes at a rate of 0.1 leave a model of a few hundred examples as it was
    drawn: small sets get up to 50 passes at 0.5. `dim` matters little, since the model is linear.
    """

    ngrams: int = 2
    dim: int = 16
    epochs: int | None = None
    rate: float | None = None
    buckets: int | None = None
    min_count: int = 1
    seed: int = 1

    def filled(self, examples: int, words: int) -> FastTextSettings:
        """The same with nothing left to choose."""
        epochs = self.epochs or min(max(math.ceil(_UPDATES / examples), 5), 50)
        rate = self.rate or (0.1 if examples >= _MANY else 0.5)
        buckets = self.buckets or min(max(1 << max(words - 1, 1).bit_length(), 1 << 14), 1 << 21)
        values = asdict(self) | {"epochs": epochs, "rate": rate, "buckets": buckets}
        return FastTextSettings(**values)


@dataclass
class Trained:
    """A trained model, ready to be written, and what its card says of it."""

    write: Callable[[str], None]
    card: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    """What the model needs beside its file, by path."""


def train_fasttext(
    examples: Examples,
    settings: FastTextSettings,
    held_out: float = 0.2,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train, evaluate on held-out examples, calibrate.

    Parameters
    ----------
    examples
        Labels ``positive`` and ``negative`` make a classifier whose score is the probability of
        ``positive``; other labels make one of topics, formats or the like.
    held_out
        Share of the examples that are not trained on, by their hash: half of them to calibrate
        with, half to measure with. Where that leaves a label fewer than `ENOUGH` to measure with,
        each fifth is scored by a model of the other four instead, and the model itself is trained
        on everything.
    say
        Told each step.

    Raises
    ------
    UserError
        With fewer than two labels, or a label with too few examples.
    """
    names = sorted(set(examples.labels), key=str)
    places = {name: place for place, name in enumerate(names)}
    labels = np.array([places[label] for label in examples.labels])
    counts = np.bincount(labels, minlength=len(names))
    _check(names, counts)
    texts = [fasttext_line(text) for text in examples.texts]
    words = sum(text.count(" ") + 1 for text in texts)
    filled = settings.filled(len(texts), words)
    part = (np.array(examples.hashes, np.uint64) % np.uint64(1 << 20)).astype(float) / (1 << 20)
    test, tune = part < held_out / 2, (part >= held_out / 2) & (part < held_out)
    least = min(np.bincount(labels[chosen], minlength=len(names)).min() for chosen in (test, tune))
    if least >= ENOUGH:
        how = {"how": "split", "share": held_out, "calibrated_on": int(tune.sum())}
        say(f"training on {(~(test | tune)).sum():,} examples, {(test | tune).sum():,} held out")
        model = _fit(texts, labels, names, filled, ~(test | tune))
        logits = _logits(model, texts, tune | test, names)
        tuned, tested = logits[tune[tune | test]], logits[test[tune | test]]
        truth = labels[test]
        scale, bias = calibrate(tuned, labels[tune], names)
    else:
        how = {"how": "folds", "folds": FOLDS}
        tested, truth = np.zeros((len(texts), _columns(names))), labels
        fold = np.minimum((part * FOLDS).astype(int), FOLDS - 1)
        # as many steps as the model itself, or its logits would be larger than those calibrated on
        folded = replace(filled, epochs=math.ceil(filled.epochs * FOLDS / (FOLDS - 1)))
        for number in range(FOLDS):
            held = fold == number
            if not held.any() or len(set(labels[~held])) < len(names):
                raise UserError(
                    f"{len(texts)} examples are too few to hold a fifth of them out: give more"
                )
            say(f"fold {number + 1} of {FOLDS}: training on {(~held).sum():,} examples")
            own = _fit(texts, labels, names, folded, ~held)
            tested[held] = _logits(own, texts, held, names)
        say(f"training on all {len(texts):,} examples")
        model = _fit(texts, labels, names, filled, np.ones(len(texts), bool))
        scale, bias = calibrate(tested, labels, names)
    sign = 1 if model.labels[0] == names[-1] else -1  # of the file's one logit of two labels

    def write(path: str) -> None:
        write_folded(model, path, scale, sign * bias)

    card = {
        "kind": "fasttext",
        "labels": [str(name) for name in names],
        "positive": POSITIVE if POSITIVE in names and len(names) == 2 else None,
        "examples": {str(name): int(count) for name, count in zip(names, counts, strict=True)},
        "settings": asdict(filled),
        "held_out": {**how, **measure(tested, truth, names, scale, bias)},
        "calibration": told_calibration(tested, truth, names, scale, bias),
        "words": _speaking(model, texts, names),
    }
    return Trained(write, card)


def fasttext_line(text: str) -> str:
    """A text as one line for fastText, with nothing in it that fastText takes for a mark."""
    line = " ".join(_WORD.findall(text.replace("\0", " ")))
    return line.replace("</s>", "<.s>").replace("__label__", "_label_")


def _check(names: list[Any], counts: np.ndarray) -> None:
    if len(names) < 2:
        raise UserError("a classifier needs examples of two labels or more")
    for name, count in zip(names, counts, strict=True):
        if count < 2 * FOLDS:
            raise UserError(f"label '{name}' has {count} examples, at least {2 * FOLDS} are needed")
        if not str(name).strip() or len(str(name).split()) != 1:
            raise UserError(f"label '{name}': a label is one word; write it with underscores")


def _fit(
    texts: list[str], labels: np.ndarray, names: list[Any], settings: FastTextSettings, chosen
) -> FastTextModel:
    import fasttext

    with tempfile.TemporaryDirectory(prefix="corpusmill-train-") as folder:
        data, path = os.path.join(folder, "train.txt"), os.path.join(folder, "model.bin")
        with open(data, "w", encoding="utf-8", errors="replace") as file:
            for place in np.flatnonzero(chosen):
                file.write(f"__label__{names[labels[place]]} {texts[place]}\n")
        model = fasttext.train_supervised(
            data,
            wordNgrams=settings.ngrams,
            dim=settings.dim,
            epoch=settings.epochs,
            lr=settings.rate,
            bucket=settings.buckets,
            minCount=settings.min_count,
            seed=settings.seed,
            thread=1,
            verbose=0,
        )
        model.save_model(path)
        del model
        try:
            return read_fasttext(path)
        except ValueError as error:
            raise UserError(f"training went astray ({error}): try a lower --rate") from None


def _columns(names: list[Any]) -> int:
    return 1 if len(names) == 2 else len(names)


def _logits(model: FastTextModel, texts: list[str], chosen, names: list[Any]) -> np.ndarray:
    """Logits in the order of `names`; of two labels, that of the second against the first."""
    column = string_array([texts[place] for place in np.flatnonzero(chosen)])
    found = FastTextScorer(model).logits(column)
    if len(names) == 2:
        return found if model.labels[0] == str(names[1]) else -found
    order = [model.labels.index(str(name)) for name in names]
    return found[:, order]


def _speaking(model: FastTextModel, texts: list[str], names: list[Any]) -> dict[str, list[str]]:
    """Words that speak for each label, among those of at least 1 % of the texts and five."""
    sample = texts[:4000]
    seen: Counter[str] = Counter(word for text in sample for word in set(text.split(" ")))
    least = max(5, len(sample) // 100)
    known = {}
    for place in range(len(model.offsets) - 1):
        word = model.word(place)
        if seen.get(word, 0) >= least:
            known[word] = model.word_logits(place)
    if not known:
        return {}
    words, weights = list(known), np.array(list(known.values()), float)
    if len(names) == 2:
        first = weights[:, 0] * (1 if model.labels[0] == str(names[1]) else -1)
        columns = {str(names[1]): first, str(names[0]): -first}
    else:
        middle = weights - weights.mean(axis=1, keepdims=True)
        columns = {str(n): middle[:, model.labels.index(str(n))] for n in names}
    return {
        name: [words[place] for place in np.argsort(-column, kind="stable")[:20]]
        for name, column in columns.items()
    }
