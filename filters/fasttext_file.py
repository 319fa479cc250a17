"""fastText's model files, read and written without fastText: a supervised model is a table of rows.

A supervised fastText model (Joulin et al. 2017, arXiv:1607.01759) without a hidden non-linearity is
linear: the logit of a label is the mean, over the words and word n-grams of a text, of the product
of their input vector and the label's output vector. Those products are made once, when the file is
read, so a word costs one number for each label instead of a vector; with two labels one number is
enough, because softmax only looks at the difference. The parser checks every length, so that a file
of unknown origin can be opened.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from filters.fasttext_kernels import Vocabulary, index_words, read_entries

MAGIC, VERSION = 793712314, 12
_HEADER = struct.Struct("<2i12id3i2q")
_PLACES = {"dim": 2, "ngrams": 7, "loss": 8, "model": 9, "bucket": 10, "maxn": 12}
_PLACES |= {"words": 16, "labels": 17}
_ARGUMENTS_END = 2 * 4 + 12 * 4 + 8
SUPERVISED, SOFTMAX, ONE_VS_ALL = 3, 3, 4
PREFIX = "__label__"
_BLOCK = 1 << 15


class FastTextModel(NamedTuple):
    """A supervised model, folded to one number for each row and logit."""

    labels: tuple[str, ...]
    """Labels without their prefix, in the order of the file."""
    rows: np.ndarray
    """float32, (words + buckets, logits). With two labels under softmax there is one logit: that of
    the first label against the second. Else there is one for each label."""
    ngrams: int
    """Longest word n-gram."""
    bucket: int
    """Rows that n-grams are hashed to; 0 without n-grams."""
    one_vs_all: bool
    """Whether each label has a probability of its own, instead of softmax."""
    data: np.ndarray
    """uint8: the words, one after the other."""
    offsets: np.ndarray
    """int64, words + 1."""
    vocabulary: Vocabulary
    """The words by their hashes."""
    dictionary: bytes
    """The dictionary as it stands in the file, with its three counts and two sizes."""
    arguments: tuple
    """The twelve whole numbers of the training arguments, and ``t``."""

    def word(self, place: int) -> str:
        """One word of the vocabulary."""
        start, end = self.offsets[place : place + 2]
        return self.data[start:end].tobytes().decode("utf-8", "replace")


def read_fasttext(path: str | Path) -> FastTextModel:
    """Read a supervised model (``.bin``).

    Raises
    ------
    ValueError
        When the file is no such model, is cut off, or is of a kind that is not linear in words and
        word n-grams: quantized, with subwords, with hierarchical softmax. The message is one line.
    """
    with open(path, "rb") as file:
        head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise ValueError(f"{path} is no fastText model: it has only {len(head)} bytes")
    values = _HEADER.unpack(head)
    if values[0] != MAGIC or values[1] != VERSION:
        raise ValueError(f"{path} is no fastText model of version {VERSION}")
    told = {name: values[place] for name, place in _PLACES.items()}
    if told["model"] != SUPERVISED or told["labels"] < 2 or told["words"] < 0:
        raise ValueError(f"{path} is no fastText classifier of two labels or more")
    if told["loss"] not in (SOFTMAX, ONE_VS_ALL):
        raise ValueError(f"{path}: only the losses softmax and one-vs-all can be read")
    if told["maxn"] > 0 or values[19] >= 0:
        raise ValueError(f"{path}: models with subwords or a pruned vocabulary cannot be read")
    content = np.memmap(path, np.uint8, "r")
    entries = told["words"] + told["labels"]
    starts, ends, after = read_entries(content, _HEADER.size, entries)
    if after < 0:
        raise ValueError(f"{path} is cut off inside the dictionary")
    words, (data, offsets) = told["words"], _words(content, starts, ends, told["words"])
    labels = tuple(
        bytes(content[start:end]).decode("utf-8", "replace").removeprefix(PREFIX)
        for start, end in zip(starts[words:].tolist(), ends[words:].tolist(), strict=True)
    )
    bucket, dim = max(told["bucket"], 0), told["dim"]
    inputs, at = _matrix(path, content, after, words + bucket, dim)
    outputs, _ = _matrix(path, content, at, told["labels"], dim)
    outputs = outputs.astype(np.float64)
    one_vs_all = told["loss"] == ONE_VS_ALL
    if len(labels) == 2 and not one_vs_all:
        outputs = outputs[:1] - outputs[1:]
    rows = np.empty((len(inputs), len(outputs)), np.float32)
    for start in range(0, len(inputs), _BLOCK):
        rows[start : start + _BLOCK] = inputs[start : start + _BLOCK].astype(float) @ outputs.T
    if not np.isfinite(rows).all():
        raise ValueError(f"{path}: the model holds numbers that are not finite")
    return FastTextModel(
        labels=labels,
        rows=rows,
        ngrams=max(told["ngrams"], 1) if bucket else 1,
        bucket=bucket,
        one_vs_all=one_vs_all,
        data=data,
        offsets=offsets,
        vocabulary=index_words(data, offsets),
        dictionary=bytes(content[_ARGUMENTS_END:after]),
        arguments=values[2:15],
    )


def write_folded(
    model: FastTextModel, path: str | Path, scale: float = 1.0, bias: float = 0.0
) -> None:
    """Write a model as a fastText file that holds its folded rows: a calibrated model, made small.

    The vectors have as many dimensions as there are logits, and fastText itself gives the same
    probabilities from the file. `scale` multiplies every logit; `bias` is added to the one logit of
    two labels (each row carries it, and a logit is their mean).

    Raises
    ------
    ValueError
        For a bias with other than two labels under softmax.
    """
    logits = model.rows.shape[1]
    if bias and logits != 1:
        raise ValueError("only models of two labels can carry a bias")
    arguments = (logits, *model.arguments[1:])
    outputs = np.eye(logits, dtype="<f4") if logits > 1 else np.array([[1], [0]], "<f4")
    with open(path, "wb") as file:
        file.write(struct.pack("<2i12id", MAGIC, VERSION, *arguments))
        file.write(model.dictionary)
        file.write(struct.pack("<?2q", False, *model.rows.shape))
        for start in range(0, len(model.rows), _BLOCK):
            rows = model.rows[start : start + _BLOCK].astype(np.float64) * scale + bias
            file.write(rows.astype("<f4").tobytes())
        file.write(struct.pack("<?2q", False, *outputs.shape))
        file.write(outputs.tobytes())


def _words(content: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int):
    """The words without the separators between them."""
    lengths = ends[:count] - starts[:count]
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    places = np.arange(offsets[-1]) + np.repeat(starts[:count] - offsets[:-1], lengths)
    return np.ascontiguousarray(content[places]), offsets


def _matrix(
    path: str | Path, content: np.ndarray, at: int, rows: int, columns: int
) -> tuple[np.ndarray, int]:
    """A matrix of the file, mapped, and where it ends."""
    start = at + 17
    if start > len(content):
        raise ValueError(f"{path} is cut off before its matrices")
    quantized, *shape = struct.unpack("<?2q", content[at:start].tobytes())
    if quantized:
        raise ValueError(f"{path}: quantized models cannot be read; take the one that is not")
    if shape != [rows, columns] or columns <= 0:
        raise ValueError(f"{path}: a matrix of {shape} where {[rows, columns]} is due: damaged")
    end = start + 4 * rows * columns
    if end > len(content):
        raise ValueError(f"{path} is cut off: {end:,} bytes are due, it has {len(content):,}")
    return content[start:end].view("<f4").reshape(rows, columns), end
