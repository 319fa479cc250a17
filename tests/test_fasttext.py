"""fastText models without fastText: the same probabilities, and files that fastText reads."""

from __future__ import annotations

import random
import struct

import fasttext
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.fasttext_file import read_fasttext, write_folded
from filters.fasttext_scores import FastTextScorer
from tests.inputs import prose

WORDS = ["mill", "the", "grüße", "数据", "«a»", "x" * 40, "__label__two", "</p>", "2026", "🙂"]
TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.text(max_size=60), max_size=8
)
STRANGE = ["", " ", "\n", "a\0b\x0bc\x0cd", "the\rmill", "grüße\u00a0数据", prose(7)]


def train(folder, labels=("one", "two"), **settings):
    rng = random.Random(5)
    lines = []
    for number in range(60):
        place = number % len(labels)
        words = [rng.choice(WORDS[place : place + 6]) for _ in range(20)]
        line = " ".join(word for word in words if not word.startswith("__label__"))
        lines.append(f"__label__{labels[place]} {line} {prose(number, 2).replace(chr(10), ' ')}")
    data = folder / "train.txt"
    data.write_text("\n".join(lines) + "\n")
    defaults = {"thread": 1, "verbose": 0, "bucket": 500, "lr": 0.5, "dim": 6}
    model = fasttext.train_supervised(str(data), **{**defaults, **settings})
    path = folder / "model.bin"
    model.save_model(str(path))
    return model, path


def by_fasttext(model, texts, labels):
    """Probabilities by fastText's own predict, which adds 1e-5 to each."""
    names, scores = model.f.multilinePredict(
        [text.replace("\n", " ") + "\n" for text in texts], -1, 0.0, "replace"
    )
    found = [
        dict(zip(name, score.tolist(), strict=True))
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


def test_kinds_that_are_not_linear_are_told(tmp_path):
    for name, settings in {"subwords": {"minn": 2, "maxn": 3}, "hs": {"loss": "hs"}}.items():
        (tmp_path / name).mkdir()
        _, path = train(tmp_path / name, **settings)
        with pytest.raises(ValueError, match=r"subwords|losses"):
            read_fasttext(path)
    other = tmp_path / "other.bin"
    other.write_bytes(struct.pack("<2i", 1, 2) + b"x" * 200)
    with pytest.raises(ValueError, match="no fastText model"):
        read_fasttext(other)
