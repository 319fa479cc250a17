"""fastText's model files, read and written without fastText: a supervised model is a table of rows.

A supervised fastText model (Joulin et al. 2017, arXiv:1607.01759) has no hidden non-linearity: the
logit of a label is the mean, over the words, subwords and word n-grams of a text, of the product of
their input vector and the label's output vector. With fewer labels than dimensions those products
are made once, when the file is read, so a word costs one number for each label instead of a vector;
with two labels under softmax one number is enough, because softmax only looks at the difference.
Quantized files (``.ftz``) are read by the same parser. It checks every length, so that a file of
unknown origin can be opened.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from filters.fasttext_kernels import Vocabulary, index_words, read_entries
from filters.fasttext_matrix import Plain, Quantized, Source

MAGIC, VERSION, OLD_VERSION = 793712314, 12, 11
_HEADER = struct.Struct("<2i12id3i2q")
_PLACES = {"version": 1, "dim": 2, "ngrams": 7, "loss": 8, "model": 9, "bucket": 10}
_PLACES |= {"minn": 11, "maxn": 12, "words": 16, "labels": 17, "pruned": 19}
_ARGUMENTS_END = 2 * 4 + 12 * 4 + 8
SUPERVISED = 3
TREE, NEGATIVES, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
LOSSES = {TREE: "hierarchical softmax", NEGATIVES: "negative sampling"}
LOSSES |= {SOFTMAX: "softmax", ONE_VS_ALL: "one-vs-all"}
PREFIX = "__label__"
_BLOCK = 1 << 15
_MOST_BUCKETS = 1 << 28


class FastTextModel(NamedTuple):
    """A supervised model, folded to one number for each row and logit where that is the smaller."""

    labels: tuple[str, ...]
    """Labels without their prefix, in the order of the file."""
    rows: np.ndarray
    """float32, (words + buckets that are kept, logits), or as many columns as dimensions where
    `outputs` are given. With two labels under softmax there is one logit: that of the first label
    against the second. With a `tree` there is one for each inner node, else one for each label."""
    outputs: np.ndarray | None
    """float64, (dimensions, logits), or None if they are folded into the rows."""
    ngrams: int
    """Longest word n-gram."""
    bucket: int
    """Numbers that n-grams and subwords are hashed to; 0 without them."""
    subwords: tuple[int, int]
    """Shortest and longest subword in characters; (0, 0) for none."""
    places: np.ndarray
    """int32, the row of each bucket after the words, from 1, and 0 for those that were pruned;
    empty where nothing was pruned."""
    loss: int
    """As in the file: `TREE`, `NEGATIVES`, `SOFTMAX` or `ONE_VS_ALL`."""
    tree: np.ndarray | None
    """int32, (labels - 1, 2): left and right child of each inner node of hierarchical softmax. The
    labels are the first nodes; the last node is the root."""
    quantized: bool
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

    @property
    def one_vs_all(self) -> bool:
        """Whether each label has a probability of its own, instead of softmax."""
        return self.loss in (NEGATIVES, ONE_VS_ALL)

    @property
    def logits(self) -> int:
        """Number of logits."""
        return (self.rows if self.outputs is None else self.outputs).shape[1]

    def word(self, place: int) -> str:
        """One word of the vocabulary."""
        start, end = self.offsets[place : place + 2]
        return self.data[start:end].tobytes().decode("utf-8", "replace")

    def word_logits(self, place: int) -> np.ndarray:
        """What a word alone says."""
        row = self.rows[place].astype(np.float64)
        return row if self.outputs is None else row @ self.outputs


def read_fasttext(path: str | Path) -> FastTextModel:
    """Read a supervised model (``.bin``, ``.ftz``).

    Raises
    ------
    ValueError
        When the file is no such model, or is cut off or damaged. The message is one line.
    """
    with open(path, "rb") as file:
        head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise ValueError(f"{path} is no fastText model: it has only {len(head)} bytes")
    values = _HEADER.unpack(head)
    if values[0] != MAGIC or values[1] not in (OLD_VERSION, VERSION):
        raise ValueError(f"{path} is no fastText model of version {OLD_VERSION} or {VERSION}")
    told = {name: values[place] for name, place in _PLACES.items()}
    if told["model"] != SUPERVISED or told["labels"] < 2 or told["words"] < 0:
        raise ValueError(f"{path} is no fastText classifier of two labels or more")
    if told["loss"] not in LOSSES:
        raise ValueError(f"{path}: a loss of kind {told['loss']}: damaged")
    content = np.memmap(path, np.uint8, "r")
    words = told["words"]
    starts, ends, after = read_entries(content, _HEADER.size, words + told["labels"])
    if after < 0:
        raise ValueError(f"{path} is cut off inside the dictionary")
    data, offsets = _words(content, starts, ends, words)
    labels = tuple(
        bytes(content[start:end]).decode("utf-8", "replace").removeprefix(PREFIX)
        for start, end in zip(starts[words:].tolist(), ends[words:].tolist(), strict=True)
    )
    source = Source(str(path), content, after)
    bucket, dim, pruned = max(told["bucket"], 0), told["dim"], told["pruned"]
    places, kept = np.zeros(0, np.int32), bucket
    if pruned >= 0:
        places, kept = _places(source, pruned, bucket), pruned
    quantized = source.flag()
    inputs = source.matrix(words + kept, dim, quantized)
    quantized_too = source.flag() and quantized
    matrix = source.matrix(len(labels), dim, quantized_too)
    outputs, tree = matrix.whole().astype(np.float64).T, None
    if told["loss"] == TREE:
        counts = [int(content[end + 1 : end + 9].view("<i8")[0]) for end in ends[words:].tolist()]
        tree, outputs = build_tree(counts), outputs[:, :-1]
    elif len(labels) == 2 and told["loss"] == SOFTMAX:
        outputs = outputs[:, :1] - outputs[:, 1:]
    folded = outputs.shape[1] <= dim
    rows = _fold(inputs, outputs, words + kept) if folded else inputs.whole()
    if not np.isfinite(rows).all() or not np.isfinite(outputs).all():
        raise ValueError(f"{path}: the model holds numbers that are not finite")
    maxn = told["maxn"] if told["version"] == VERSION and bucket else 0
    return FastTextModel(
        labels=labels,
        rows=rows,
        outputs=None if folded else np.ascontiguousarray(outputs),
        ngrams=max(told["ngrams"], 1) if bucket else 1,
        bucket=bucket,
        subwords=(max(told["minn"], 1), maxn) if maxn > 0 else (0, 0),
        places=places,
        loss=told["loss"],
        tree=tree,
        quantized=quantized,
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

    The vectors have as many dimensions as there are logits, or as they had if those are fewer, and
    fastText itself gives the same probabilities from the file. `scale` multiplies every logit;
    `bias` is added to the one logit of two labels (each row carries it, and a logit is their mean).

    Raises
    ------
    ValueError
        For a bias with other than two labels under softmax, and for models with a tree or pruned.
    """
    if bias and model.logits != 1:
        raise ValueError("only models of two labels can carry a bias")
    if model.tree is not None or len(model.places):
        raise ValueError("only plain models can be written")
    if model.outputs is None:
        outputs = np.eye(model.logits) if model.logits > 1 else np.array([[1.0], [0.0]])
    else:
        outputs, scale = model.outputs.T * scale, 1.0
    arguments = (model.rows.shape[1], *model.arguments[1:])
    with open(path, "wb") as file:
        file.write(struct.pack("<2i12id", MAGIC, VERSION, *arguments))
        file.write(model.dictionary)
        file.write(struct.pack("<?2q", False, *model.rows.shape))
        for start in range(0, len(model.rows), _BLOCK):
            rows = model.rows[start : start + _BLOCK].astype(np.float64) * scale + bias
            file.write(rows.astype("<f4").tobytes())
        file.write(struct.pack("<?2q", False, *outputs.shape))
        file.write(outputs.astype("<f4").tobytes())


def build_tree(counts: list[int]) -> np.ndarray:
    """The Huffman tree of hierarchical softmax over labels, by their counts in falling order.

    int32, (labels - 1, 2): the children of the inner nodes, which are numbered after the labels in
    the order in which they are made: of the rarest label and the inner node made first, the rarer
    is the left child, an inner node if they are equal; then the same again for the right one.

    Raises
    ------
    ValueError
        When the counts are in no such order.
    """
    leaf, inner, weights = len(counts) - 1, len(counts), list(counts)
    children = np.empty((len(counts) - 1, 2), np.int32)
    for row in children:
        for side in range(2):
            if leaf >= 0 and (inner >= len(weights) or weights[leaf] < weights[inner]):
                row[side], leaf = leaf, leaf - 1
            elif inner < len(weights):
                row[side], inner = inner, inner + 1
            else:
                raise ValueError("the labels of the model are in no order: damaged")
        weights.append(weights[row[0]] + weights[row[1]])
    return children


def _fold(matrix: Plain | Quantized, outputs: np.ndarray, count: int) -> np.ndarray:
    rows = np.empty((count, outputs.shape[1]), np.float32)
    for start in range(0, count, _BLOCK):
        rows[start : start + _BLOCK] = matrix.times(start, start + _BLOCK, outputs)
    return rows


def _places(source: Source, pruned: int, bucket: int) -> np.ndarray:
    """The row, from 1, of each bucket that pruning left."""
    if bucket > _MOST_BUCKETS:
        raise ValueError(f"{source.path}: {bucket:,} buckets: damaged")
    pairs = source.take(8 * pruned).view("<i4").reshape(-1, 2).astype(np.int64)
    if len(pairs) and (pairs.min() < 0 or (pairs.max(axis=0) >= (bucket, pruned)).any()):
        raise ValueError(f"{source.path}: the list of what was pruned is damaged")
    places = np.zeros(max(bucket, 1), np.int32)
    places[pairs[:, 0]] = pairs[:, 1] + 1
    return places


def _words(content: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int):
    """The words without the separators between them."""
    lengths = ends[:count] - starts[:count]
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    places = np.arange(offsets[-1]) + np.repeat(starts[:count] - offsets[:-1], lengths)
    return np.ascontiguousarray(content[places]), offsets
