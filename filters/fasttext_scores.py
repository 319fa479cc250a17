"""Scores of texts by supervised fastText models, from Arrow columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from filters.arrow import StringColumn, texts_of
from filters.fasttext_file import FastTextModel, read_fasttext
from filters.fasttext_kernels import HELD, MAX_NGRAMS, descend, find_word, project, sum_rows


class FastTextScorer:
    """A loaded model: probabilities of its labels for columns of texts.

    The same numbers as fastText's ``predict`` on the text with newlines as spaces, up to rounding
    (fastText adds 1e-5 to each, and under hierarchical softmax at each node; its logistic function
    under one-vs-all and negative sampling is a table), but for two things in which texts can
    mislead fastText: a word ``</s>`` inside a text does not end it here, and words that begin like
    labels are left out.
    """

    def __init__(self, model: FastTextModel | str | Path):
        self.model = model if isinstance(model, FastTextModel) else read_fasttext(model)
        if self.model.ngrams > MAX_NGRAMS:
            raise ValueError(f"word n-grams of more than {MAX_NGRAMS} words")
        self._end = find_word(b"</s>", self.model.vocabulary)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.model.labels

    def logits(self, texts: StringColumn, first_chars: int = 0) -> np.ndarray:
        """Logits of the first `first_chars` characters (0: all) of each text.

        float64, (texts, logits) as `FastTextModel.rows` says; 0 where a text has no row.
        """
        column, model = texts_of(texts), self.model
        sums = np.zeros((len(column), model.rows.shape[1]))
        counts = np.zeros(len(column), np.int64)
        sum_rows(
            column.data,
            column.offsets,
            first_chars,
            model.vocabulary.keys,
            model.vocabulary.places,
            model.rows,
            len(model.offsets) - 1,
            model.bucket,
            model.ngrams,
            *model.subwords,
            model.places,
            self._end,
            np.zeros(MAX_NGRAMS, np.uint64),
            np.zeros(HELD + MAX_NGRAMS, np.int64),
            sums,
            counts,
        )
        hidden = sums / np.maximum(counts, 1)[:, None]
        if model.outputs is None:
            return hidden
        logits = np.zeros((len(column), model.logits))
        project(hidden, model.outputs, logits)
        return logits

    def probabilities(self, texts: StringColumn, first_chars: int = 0) -> np.ndarray:
        """Probability of each label (float64, texts x labels) for each text."""
        logits = self.logits(texts, first_chars)
        if self.model.tree is not None:
            nodes = np.empty((len(logits), 2 * len(self.labels) - 1))
            descend(_logistic(logits), self.model.tree, nodes)
            return nodes[:, : len(self.labels)]
        return probabilities(logits, self.model.one_vs_all)


def probabilities(logits: np.ndarray, one_vs_all: bool = False) -> np.ndarray:
    """Probabilities of labels from logits: softmax, or a logistic function each."""
    if one_vs_all:
        return _logistic(logits)
    if logits.shape[1] == 1:
        first = _logistic(logits[:, 0])
        return np.stack([first, 1 - first], axis=1)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _logistic(values: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1, small) / (1 + small)


def string_array(texts: list[str]) -> pa.Array:
    """A column of texts from Python strings; lone surrogates become question marks."""
    return pa.array([text.encode("utf-8", "replace") for text in texts], pa.large_binary()).cast(
        pa.large_string()
    )
