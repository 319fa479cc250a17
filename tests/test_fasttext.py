"""fastText models without fastText: the same probabilities, and files that fastText reads."""

from __future__ import annotations

import random
import struct
from collections import defaultdict

import fasttext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.fasttext_file import read_fasttext, write_folded
from filters.fasttext_scores import FastTextScorer
from filters.language import default_model
from tests.inputs import prose

WORDS = ["mill", "the", "grüße", "数据", "«a»", "x" * 40, "__label__two", "</p>", "2026", "🙂"]
TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.text(max_size=60), max_size=8
)
STRANGE = ["", " ", "\n", "a\0b\x0bc\x0cd", "the\rmill", "grüße\u00a0数据", prose(7)]


def train(folder, labels=("one", "two"), **options):
    rng = random.Random(5)
    lines = []
    for number in range(max(60, len(labels))):
        place = number % len(labels)
        words = [rng.choice(WORDS[place % 5 : place % 5 + 6]) for _ in range(20)]
        line = " ".join(word for word in words if not word.startswith("__label__"))
        lines.append(
            f"__label__{labels[place]} {line} w{number} " + " ".join(prose(number, 2).split())
        )
    data = folder / "train.txt"
    data.write_text("\n".join(lines) + "\n")
    defaults = {"thread": 1, "verbose": 0, "bucket": 500, "lr": 0.5, "dim": 6}
    model = fasttext.train_supervised(str(data), **{**defaults, **options})
    path = folder / "model.bin"
    model.save_model(str(path))
    return model, path


def by_fasttext(model, texts, labels):
    """Probabilities by fastText's own predict, which adds 1e-5 to each."""
    names, scores = model.f.multilinePredict(
        [text.replace("\n", " ") + "\n" for text in texts], -1, 0.0, "replace"
    )
    found = [
        defaultdict(lambda: 1e-5, zip(name, score.tolist(), strict=True))
        for name, score in zip(names, scores, strict=True)
    ]
    return np.array([[row[f"__label__{label}"] for label in labels] for row in found]) - 1e-5


@pytest.fixture(scope="module", params=[1, 2, 4], ids=lambda n: f"{n}-grams")
def pair(request, tmp_path_factory):
    return train(tmp_path_factory.mktemp("model"), wordNgrams=request.param)


@given(texts=TEXTS)
def test_probabilities_are_those_of_fasttext(pair, texts):
    model, path = pair
    texts = [*texts, *STRANGE]
    texts = [text for text in texts if "__label__" not in text and "</s>" not in text]
    scorer = FastTextScorer(path)
    expected = by_fasttext(model, texts, scorer.labels)
    assert np.abs(scorer.probabilities(texts) - expected).max() < 2e-5


@pytest.mark.parametrize("loss", ["softmax", "ova"])
def test_models_of_many_labels(tmp_path, loss):
    labels = ("art", "law", "sport", "science")
    model, path = train(tmp_path, labels, wordNgrams=2, loss=loss)
    scorer = FastTextScorer(path)
    assert sorted(scorer.labels) == sorted(labels)
    texts = [prose(seed, 3) for seed in range(40)] + STRANGE
    expected = by_fasttext(model, texts, scorer.labels)
    # fastText looks its logistic function up in a table
    assert np.abs(scorer.probabilities(texts) - expected).max() < (
        2e-5 if loss == "softmax" else 1e-2
    )


@pytest.mark.parametrize("labels", [("one", "two"), ("a", "b", "c")])
def test_a_folded_model_is_small_and_fasttext_reads_it(tmp_path, labels):
    _, path = train(tmp_path, labels, wordNgrams=2, dim=32)
    model = read_fasttext(path)
    scale, bias = (1.7, -0.4) if len(labels) == 2 else (0.6, 0.0)
    folded = tmp_path / "folded.bin"
    write_folded(model, folded, scale, bias)
    assert folded.stat().st_size < path.stat().st_size / 4
    scorer = FastTextScorer(folded)
    texts = [prose(seed, 3) for seed in range(30)] + STRANGE
    logits = scale * FastTextScorer(path).logits(texts) + bias
    assert np.abs(scorer.logits(texts) - logits).max() < 1e-5
    expected = by_fasttext(fasttext.load_model(str(folded)), texts, scorer.labels)
    assert np.abs(scorer.probabilities(texts) - expected).max() < 2e-5


def test_first_chars_are_code_points(pair):
    scorer = FastTextScorer(pair[1])
    texts = ["grüße 数据 " * 20, "🙂 the mill " * 20, "short", "", prose(3)]
    for limit in (1, 7, 30, 1000):
        cut = scorer.logits([text[:limit] for text in texts])
        assert np.array_equal(scorer.logits(texts, limit), cut)


def test_marks_of_fasttext_inside_a_text_mislead_nobody(pair):
    scorer = FastTextScorer(pair[1])
    text = prose(1, 4)
    hidden = text.replace("\n", " </s> ") + " __label__one __label__two"
    assert np.array_equal(scorer.logits([hidden]), scorer.logits([text]))


def test_rows_of_a_batch_do_not_touch_each_other(pair):
    scorer = FastTextScorer(pair[1])
    texts = [prose(seed, 2) for seed in range(12)]
    alone = np.concatenate([scorer.logits([text]) for text in texts])
    assert np.array_equal(scorer.logits(texts), alone)


@given(cut=st.floats(0, 0.999), place=st.integers(0, 1 << 30), value=st.integers(0, 255))
def test_damaged_files_are_told(pair, cut, place, value):
    content = pair[1].read_bytes()
    damaged = pair[1].with_name("damaged.bin")
    damaged.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(ValueError, match="damaged"):
        read_fasttext(damaged)
    changed = bytearray(content)
    changed[place % 2000] = value  # the head and the dictionary
    damaged.write_bytes(changed)
    try:
        model = read_fasttext(damaged)
        FastTextScorer(model).probabilities(["the mill"])
    except ValueError as error:
        assert "\n" not in str(error)


def quantized(folder, labels, options, how):
    """A model that fastText quantizes itself."""
    model, path = train(folder, labels, **options)
    model.quantize(str(folder / "train.txt"), thread=1, verbose=0, **how)
    model.save_model(str(path.with_suffix(".ftz")))
    return model, path.with_suffix(".ftz")


TWO, MANY = ("one", "two"), tuple(f"label{n}" for n in range(300))
KINDS = {
    "subwords": (TWO, {"minn": 2, "maxn": 4, "wordNgrams": 2}, None),
    "long-subwords": (("one", "three", "four"), {"minn": 1, "maxn": 5}, None),
    "tree": (("a", "b", "c", "d", "e"), {"loss": "hs", "wordNgrams": 2}, None),
    "tree-of-two": (TWO, {"loss": "hs"}, None),
    "negatives": (("a", "b", "c"), {"loss": "ns"}, None),
    "one-vs-all-of-two": (TWO, {"loss": "ova"}, None),
    "more-labels-than-dimensions": (MANY, {"wordNgrams": 2}, None),
    "coded": (TWO, {"wordNgrams": 2}, {}),
    "coded-norms": (TWO, {"wordNgrams": 2, "dim": 7}, {"qnorm": True, "dsub": 3}),
    "coded-tree": (("a", "b", "c"), {"loss": "hs", "minn": 2, "maxn": 3}, {"qnorm": True}),
    "coded-outputs": (MANY, {"dim": 8}, {"qout": True, "qnorm": True}),
    "pruned": (TWO, {"wordNgrams": 2}, {"cutoff": 300}),
    "pruned-to-words": (MANY, {"wordNgrams": 1, "bucket": 0}, {"cutoff": 260}),
    "pruned-retrained": (
        ("a", "b", "c"),
        {"minn": 3, "maxn": 5, "wordNgrams": 3, "bucket": 3000},
        {"cutoff": 400, "retrain": True, "qnorm": True, "epoch": 1},
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request, tmp_path_factory):
    labels, options, how = KINDS[request.param]
    folder = tmp_path_factory.mktemp("kind")
    if how is None:
        return train(folder, labels, **options)
    return quantized(folder, labels, options, how)


@given(texts=TEXTS)
@settings(max_examples=25)
def test_every_kind_of_model_scores_as_fasttext_does(kind, texts):
    model, path = kind
    texts = [*texts, *STRANGE, "mil thee grüß 数 " + "y" * 300]
    texts = [text for text in texts if "__label__" not in text and "</s>" not in text]
    scorer = FastTextScorer(path)
    expected = by_fasttext(model, texts, scorer.labels)
    found = scorer.probabilities(texts)
    loose = scorer.model.one_vs_all  # fastText looks its logistic function up in a table
    assert np.abs(found - expected).max() < (1e-2 if loose else 1e-4)
    alone = np.concatenate([scorer.probabilities([text]) for text in texts])
    assert np.array_equal(found, alone)
    if not loose:
        assert np.allclose(found.sum(axis=1), 1)


def test_a_published_model_is_read():
    path = default_model()
    own, theirs = FastTextScorer(path), fasttext.load_model(str(path))
    assert own.model.quantized and own.model.tree is not None and len(own.labels) == 176
    texts = ["the mill by the river", "die Mühle am Fluß", "数据 的 磨坊", "", prose(3), "мельница"]
    found = own.probabilities(texts)
    assert np.abs(found - by_fasttext(theirs, texts, own.labels)).max() < 1e-3
    assert own.labels[found[1].argmax()] == "de"


@given(cut=st.floats(0, 0.999), place=st.integers(0, 1 << 30), value=st.integers(0, 255))
@settings(max_examples=25)
def test_damaged_files_of_every_kind_are_told(kind, cut, place, value):
    content = kind[1].read_bytes()
    damaged = kind[1].with_name("damaged.bin")
    damaged.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(ValueError, match="damaged"):
        read_fasttext(damaged)
    changed = bytearray(content)
    changed[place % len(content)] = value
    damaged.write_bytes(changed)
    try:
        FastTextScorer(damaged).probabilities(["the mill"])
    except ValueError as error:
        assert "\n" not in str(error)


def test_more_labels_than_dimensions_are_written_as_they_are(tmp_path):
    _, path = train(tmp_path, MANY, wordNgrams=2)
    model = read_fasttext(path)
    assert model.rows.shape[1] == 6 and model.logits == 300
    write_folded(model, tmp_path / "folded.bin", 0.7)
    again = FastTextScorer(tmp_path / "folded.bin")
    texts = [prose(seed, 3) for seed in range(5)]
    assert np.allclose(again.logits(texts), 0.7 * FastTextScorer(path).logits(texts), atol=1e-5)
    assert np.allclose(model.word_logits(0), model.rows[0].astype(float) @ model.outputs)


def test_files_that_are_no_classifier_are_told(tmp_path):
    other = tmp_path / "other.bin"
    other.write_bytes(struct.pack("<2i", 1, 2) + b"x" * 200)
    with pytest.raises(ValueError, match="no fastText model"):
        read_fasttext(other)
    (tmp_path / "text.txt").write_text(prose(1, 300))
    model = fasttext.train_unsupervised(
        str(tmp_path / "text.txt"), dim=4, bucket=100, thread=1, verbose=0, minCount=1
    )
    model.save_model(str(other))
    with pytest.raises(ValueError, match="no fastText classifier"):
        read_fasttext(other)
    _, path = train(tmp_path, loss="hs")
    with pytest.raises(ValueError, match="only plain models"):
        write_folded(read_fasttext(path), other)
