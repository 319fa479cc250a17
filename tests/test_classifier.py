"""Training of classifiers and regressors: splits, measures, calibration, files, refusals."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
import re

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner

from catalogs.errors import UserError
from corpusmill.cli import app
from filters.fasttext_scores import string_array
from pipeline.classifier_metrics import (
    area_under_curve,
    average_precision,
    binary_metrics,
    fit_platt,
    fit_temperature,
)
from pipeline.classifier_model import check_hash, load_scorer, model_file, sha256
from pipeline.classifier_train import FastTextSettings, train_fasttext
from pipeline.encoders import load_encoder, register_encoder
from pipeline.examples import Columns, collect, read_examples
from tests.inputs import prose

GOOD = "the theorem follows because each term of the sum converges and the proof is complete"
BAD = "click here now buy cheap tickets win free prizes subscribe best deals online casino"
LAW = "the court held that the statute applies and the appeal of the defendant is dismissed"


def words(kind: str, seed: int) -> str:
    """A text of two sentences of prose and some words of a kind."""
    rng = random.Random(seed)
    own = [rng.choice(kind.split()) for _ in range(14)]
    common = prose(seed, 2).split()
    mixed = own + common
    rng.shuffle(mixed)
    return " ".join(mixed)


def write_texts(path, kind: str, seeds, **fields):
    rows = [{"text": words(kind, seed), **fields} for seed in seeds]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def invoke(*arguments):
    """Run the command; its exception, if any, and what it printed."""
    return CliRunner().invoke(app, [str(part) for part in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier trained by the command, and what was printed."""
    folder = tmp_path_factory.mktemp("made")
    good = write_texts(folder / "good.jsonl", GOOD, range(400))
    bad = write_texts(folder / "bad.jsonl", BAD, range(1000, 1600))
    common = ["--out", folder / "models", "--name", "good"]
    result = invoke("classifier", "train", "--positive", good, "--negative", bad, *common)
    assert result.exit_code == 0, result.output
    (model,) = (folder / "models").iterdir()
    return folder, model, result.output


def test_training_writes_a_card_that_keeps_its_word(made):
    folder, model, printed = made
    card = json.loads((model / "card.json").read_text())
    digest = sha256(str(model / "model.bin"))
    assert card["file"]["sha256"] == digest
    assert model.name == f"good-{digest[:8]}"
    assert f"sha256: {digest}" in printed
    assert digest in (model / "README.md").read_text()
    held = card["held_out"]
    assert held["how"] == "split"
    assert held["auc"] > 0.99
    assert held["precision"] > 0.9
    assert held["recall"] > 0.9
    assert held["calibration_error"] < 0.1
    assert sum(row["examples"] for row in held["reliability"]) == held["examples"]
    assert "theorem" in card["words"]["positive"]
    assert "casino" in card["words"]["negative"]
    assert card["from"]["positive"] == [str(folder / "good.jsonl")]
    assert card["examples"] == {"negative": 600, "positive": 400}


def test_training_again_gives_the_same_bytes_in_whatever_order(made, tmp_path):
    folder, model, _ = made
    for name in ("good", "bad"):
        lines = (folder / f"{name}.jsonl").read_text().splitlines()
        random.Random(3).shuffle(lines)
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    both = ["--positive", tmp_path / "good.jsonl", "--negative", tmp_path / "bad.jsonl"]
    result = invoke("classifier", "train", *both, "--name", "good", "--out", tmp_path / "models")
    assert result.exit_code == 0
    again = tmp_path / "models" / model.name / "model.bin"
    assert again.read_bytes() == (model / "model.bin").read_bytes()


def test_the_model_file_is_one_that_fasttext_reads_with_the_calibrated_score(made):
    _, model, _ = made
    scorer = load_scorer(str(model / "model.bin"), "x")
    texts = [words(GOOD, 7000), words(BAD, 7001), prose(4)]
    own = scorer.score(string_array(texts)).scores
    other = fasttext.load_model(str(model / "model.bin"))
    for text, score in zip(texts, own, strict=True):
        names, scores = other.f.multilinePredict([" ".join(text.split()) + "\n"], -1, 0.0, "strict")
        told = dict(zip(names[0], scores[0].tolist(), strict=True))
        assert told["__label__positive"] == pytest.approx(float(score), abs=3e-5)
    assert own[0] > 0.9
    assert own[1] < 0.1


def test_score_and_show(made):
    folder, model, _ = made
    result = invoke("classifier", "score", model, folder / "good.jsonl")
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert len(lines) == 400
    assert np.mean([line["score"] for line in lines]) > 0.9
    assert "auc" in invoke("classifier", "show", model).output
    bare = folder / "bare.bin"
    bare.write_bytes((model / "model.bin").read_bytes())
    shown = invoke("classifier", "show", bare).output
    assert sha256(str(bare)) in shown
    assert "negative, positive" in shown or "positive, negative" in shown


def test_few_examples_are_each_held_out_in_turn(tmp_path):
    rows = [(words(GOOD, seed), "positive") for seed in range(50)]
    rows += [(words(BAD, seed), "negative") for seed in range(500, 900)]
    trained = train_fasttext(collect(rows, 1000), FastTextSettings())
    held = trained.card["held_out"]
    assert held["how"] == "folds"
    assert held["examples"] == 450
    assert held["auc"] > 0.95


def test_labels_of_topics(tmp_path):
    paths = [
        write_texts(tmp_path / f"{name}.jsonl", kind, range(start, start + 120), topic=name)
        for name, kind, start in (("maths", GOOD, 0), ("spam", BAD, 1000), ("law", LAW, 2000))
    ]
    arguments = [part for path in paths for part in ("--examples", path)]
    common = ["--label-column", "topic", "--name", "topic", "--out", tmp_path / "models"]
    result = invoke("classifier", "train", *arguments, *common)
    assert result.exit_code == 0, result.output
    (model,) = (tmp_path / "models").iterdir()
    card = json.loads((model / "card.json").read_text())
    assert card["labels"] == ["law", "maths", "spam"]
    assert card["held_out"]["accuracy"] > 0.9
    assert card["calibration"]["method"] == "temperature"
    verdicts = load_scorer(str(model / "model.bin"), "y").score(
        string_array([words(LAW, 9000), words(BAD, 9001), words(GOOD, 9002)])
    )
    assert verdicts.labels == ["law", "spam", "maths"]
    only_law = load_scorer(str(model / "model.bin"), "y", "law")
    assert only_law.score(string_array([words(LAW, 9000)])).labels is None


@given(
    rows=st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=60).filter(
        lambda rows: len({kind for _, kind in rows}) == 2
    )
)
def test_measures_are_those_of_scikit_learn(rows):
    scores = np.array([score / 8 for score, _ in rows])
    positive = np.array([kind for _, kind in rows])
    assert area_under_curve(scores, positive) == pytest.approx(
        roc_auc_score(positive, scores), abs=1e-6
    )
    assert average_precision(scores, positive) == pytest.approx(
        average_precision_score(positive, scores), abs=1e-6
    )
    told = binary_metrics(scores, positive)
    for cut in told["cuts"]:
        kept = scores >= cut["score"] - 1e-6
        assert cut["recall"] == pytest.approx(positive[kept].sum() / positive.sum(), abs=1e-6)


def test_calibration_mends_what_is_too_sure():
    rng = np.random.default_rng(1)
    true = rng.normal(0, 1.5, 4000)
    positive = rng.random(4000) < 1 / (1 + np.exp(-true))
    scale, bias = fit_platt(4 * true + 3, positive)
    assert scale == pytest.approx(0.25, abs=0.03)
    assert bias == pytest.approx(-0.75, abs=0.15)
    apart = np.linspace(-5, 5, 40)
    assert np.isfinite(fit_platt(apart, apart > 0)).all()
    assert fit_platt(-apart, apart > 0)[0] == pytest.approx(1e-3)
    logits = rng.normal(0, 2, (4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=chance) for chance in chances])
    assert fit_temperature(5 * logits, labels) == pytest.approx(0.2, abs=0.02)


def test_examples_of_every_kind_of_file(tmp_path):
    texts = [words(GOOD, seed) for seed in range(12)]
    (tmp_path / "a.txt").write_text("\n".join(texts[:3]) + "\n\n")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps({"text": text}) + "\n" for text in texts[3:6]))
    pq.write_table(pa.table({"text": texts[6:9]}), tmp_path / "c.parquet")
    (tmp_path / "d.md").write_text(texts[9] + "\n" + texts[10])
    (tmp_path / "e.txt").write_text(texts[11])
    found = [text for text, _ in read_examples([str(tmp_path)], Columns(), None, "--positive")]
    assert found == [*texts[:9], texts[9] + "\n" + texts[10], texts[11]]
    sql = f"select upper(text) as text from '{tmp_path}/c.parquet'"
    found = [text for text, _ in read_examples([sql], Columns(), None, "--positive")]
    assert found == [text.upper() for text in texts[6:9]]
    (tmp_path / "f.txt").write_text("__label__one first text\n__label__two second\n")
    labelled = Columns(label="label")
    found = list(read_examples([str(tmp_path / "f.txt")], labelled, None, "--examples"))
    assert found == [("first text", "one"), ("second", "two")]
    whole = Columns(whole_files=True)
    (found,) = read_examples([str(tmp_path / "a.txt")], whole, None, "--positive")
    assert found[0].count("\n") == 4


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xyz")), max_size=40),
    limit=st.integers(1, 5),
)
def test_collecting_counts_everything_and_does_not_mind_the_order(rows, limit):
    found = collect(rows, limit)
    turned = collect(rows[::-1], limit)
    assert found.hashes == sorted(found.hashes)
    labels = {}
    for text, label in rows:
        labels.setdefault(text, set()).add(label)
    assert all(
        labels[text] == {label} for text, label in zip(found.texts, found.labels, strict=True)
    )
    told = len(found) + found.repeated + found.conflicting + found.left_out + found.empty
    mixed = sum(len(kinds) > 1 for kinds in labels.values())
    assert len(rows) - mixed <= told <= len(rows)
    if mixed == 0:
        assert (found.texts, found.labels) == (turned.texts, turned.labels)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--positive", "nothing.jsonl", "--negative", "x"], "nothing.jsonl: no such file"),
        (["--positive", "select 1"], "give --positive and --negative"),
        (["--positive", "select no from nowhere", "--negative", "x"], "does not run"),
        (["--positive", "nowhere: select text from corpus", "--negative", "x"], "not a run folder"),
        (["--examples", "x.jsonl"], "needs --label-column"),
        (["--positive", "few.jsonl", "--negative", "more.jsonl"], "at least 10 are needed"),
        (
            ["--positive", "other.jsonl", "--negative", "x"],
            "no field 'text' (did you mean 'texts'?)",
        ),
        (["--examples", "few.jsonl", "--target-column", "topic"], "is no number"),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path / "few.jsonl", GOOD, range(5), topic="maths")
    write_texts(tmp_path / "more.jsonl", BAD, range(50))
    (tmp_path / "other.jsonl").write_text('{"texts": "a"}\n')
    result = invoke("classifier", "train", *arguments, "--name", "x")
    assert isinstance(result.exception, UserError)
    assert told in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_model_of_another_hash_is_refused(made):
    _, model, _ = made
    path = model_file(str(model))
    assert check_hash(path, "field 'm", sha256(path), None)
    with pytest.raises(UserError, match=r"^field 'm\.sha256': .* has sha256 [0-9a-f]{64}, the"):
        check_hash(path, "field 'm", "0" * 64, None)
    with pytest.raises(UserError, match=r"field 'm\.xxh3'"):
        check_hash(path, "field 'm", None, "0" * 32)
    with pytest.raises(UserError, match="no label 'positiv'"):
        load_scorer(path, "z", "positiv")


def test_a_regressor_over_embeddings(tmp_path):
    rows = [
        {"text": words(kind, seed), "score": score}
        for score, kind in enumerate((BAD, LAW, GOOD))
        for seed in range(1000 * score, 1000 * score + 150)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = ["--target-column", "score", "--name", "edu", "--out", tmp_path / "models"]
    command = ["classifier", "train", "--examples", tmp_path / "rows.jsonl", *common]
    assert invoke(*command).exit_code == 0
    (model,) = (tmp_path / "models").iterdir()
    card = json.loads((model / "card.json").read_text())
    assert card["held_out"]["r2"] > 0.7
    assert card["held_out"]["spearman"] > 0.8
    texts = string_array([words(kind, 9000) for kind in (BAD, LAW, GOOD)])
    scorer = load_scorer(model_file(str(model)), "r")
    low, middle, high = scorer.score(texts).scores
    assert low < middle < high
    assert np.array_equal(scorer.score(texts, 10_000).scores, scorer.score(texts).scores)
    assert len(scorer.score(texts.slice(0, 0)).scores) == 0
    assert invoke(*command).exit_code == 0  # the same training, the same file
    assert list((tmp_path / "models").iterdir()) == [model]
    for estimator in ("sklearn.svm.SVR", "sklearn.ensemble.RandomForestRegressor"):
        arguments = ["--estimator", estimator, "--params", "{}"]
        assert invoke(*command, *arguments).exit_code == 0


def test_a_classifier_over_embeddings_gives_a_probability(tmp_path):
    good = write_texts(tmp_path / "good.jsonl", GOOD, range(150))
    bad = write_texts(tmp_path / "bad.jsonl", BAD, range(1000, 1150))
    command = ["classifier", "train", "--positive", good, "--negative", bad, "--encoder", "static"]
    result = invoke(*command, "--name", "e", "--out", tmp_path / "models")
    assert result.exit_code == 0, result.output
    (model,) = (tmp_path / "models").iterdir()
    verdicts = load_scorer(model_file(str(model)), "c").score(
        string_array([words(GOOD, 9000), words(BAD, 9000)])
    )
    assert verdicts.scores[0] > 0.5 > verdicts.scores[1]
    assert verdicts.labels is None


def test_an_encoder_trained_on_the_examples_travels_with_the_model(tmp_path, monkeypatch):
    rows = [
        {"text": words(kind, seed) + " 数据", "grade": grade}
        for grade, kind in enumerate((BAD, LAW, GOOD))
        for seed in range(1000 * grade, 1000 * grade + 150)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = ["--target-column", "grade", "--name", "g", "--encoder", "trained:32"]
    command = ["classifier", "train", "--examples", tmp_path / "rows.jsonl", *common]
    result = invoke(*command, "--out", tmp_path / "models")
    assert result.exit_code == 0, result.output
    (model,) = (tmp_path / "models").iterdir()
    card = json.loads((model / "card.json").read_text())
    assert card["held_out"]["r2"] > 0.8
    files = {name.name: name.read_bytes() for name in (model / "encoder").iterdir()}
    assert set(files) == {"model.safetensors", "tokenizer.json", "config.json"}
    assert invoke(*command, "--out", tmp_path / "again").exit_code == 0
    (again,) = (tmp_path / "again").iterdir()
    assert again.name == model.name
    assert {name.name: name.read_bytes() for name in (again / "encoder").iterdir()} == files
    moved = tmp_path / "elsewhere" / "model"
    moved.parent.mkdir()
    model.rename(moved)
    texts = string_array([words(kind, 9000) for kind in (BAD, LAW, GOOD)] + ["", "zebra"])
    low, middle, high, *unknown = load_scorer(model_file(str(moved)), "moved").score(texts).scores
    assert low < middle < high
    assert unknown[0] == unknown[1]
    (moved / "encoder" / "config.json").write_text('{"normalize": false}')
    load_encoder.cache_clear()
    with pytest.raises(UserError, match="another version of the encoder"):
        load_scorer(model_file(str(moved)), "changed")
    (moved / "encoder").rename(moved / "elsewhere")
    load_encoder.cache_clear()
    with pytest.raises(UserError, match="no such folder"):
        load_scorer(model_file(str(moved)), "gone")


def test_an_encoder_for_few_examples_never_sees_those_held_out(tmp_path):
    good = write_texts(tmp_path / "good.jsonl", GOOD, range(60))
    bad = write_texts(tmp_path / "bad.jsonl", BAD, range(1000, 1060))
    command = ["classifier", "train", "--positive", good, "--negative", bad]
    result = invoke(*command, "--encoder", "trained", "--name", "e", "--out", tmp_path / "models")
    assert result.exit_code == 0, result.output
    (model,) = (tmp_path / "models").iterdir()
    card = json.loads((model / "card.json").read_text())
    assert card["held_out"]["how"] == "folds"
    assert card["held_out"]["auc"] > 0.95
    result = invoke(*command, "--encoder", "trained:many", "--name", "e")
    assert "expected a number of dimensions" in str(result.exception)


def test_a_classifier_over_embeddings_is_calibrated_on_examples_of_its_own(made, tmp_path):
    folder, _, _ = made
    both = ["--positive", folder / "good.jsonl", "--negative", folder / "bad.jsonl"]
    # a penalty so heavy that its probabilities hardly leave the middle
    options = ["--encoder", "trained:16", "--params", '{"C": 0.01}', "--held-out", "0.4"]
    command = ["classifier", "train", *both, *options]
    result = invoke(*command, "--name", "e", "--out", tmp_path / "models")
    assert result.exit_code == 0, result.output
    (model,) = (tmp_path / "models").iterdir()
    card = json.loads((model / "card.json").read_text())
    held = card["held_out"]
    assert held["how"] == "split" and held["calibrated_on"] > 150
    before = card["calibration"]["before"]["calibration_error"]
    assert held["calibration_error"] < 0.1 < before
    scores = load_scorer(model_file(str(model)), "calibrated").score(
        string_array([words(GOOD, 9000), words(BAD, 9000)])
    )
    assert scores.scores[0] > 0.9 and scores.scores[1] < 0.1


class Lengths:
    """An encoder of a plug-in: the length of a text."""

    dims = 1

    def __init__(self, which: str):
        self.checksum = f"lengths {which}"

    def encode(self, texts):
        return np.array([[len(text)] for text in texts], np.float32)


def test_encoders_of_plugins_and_their_versions(tmp_path):
    register_encoder("lengths", Lengths)
    rows = [{"text": "word " * n, "n": float(n)} for n in range(1, 120)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = ["--target-column", "n", "--encoder", "lengths:1", "--estimator", "linear"]
    command = ["classifier", "train", "--examples", tmp_path / "rows.jsonl", *common]
    result = invoke(*command, "--name", "n", "--out", tmp_path / "models")
    assert result.exit_code == 0, result.output
    (model,) = (tmp_path / "models").iterdir()
    path = model_file(str(model))
    assert load_scorer(path, "1").score(string_array(["word " * 7])).scores[0] == pytest.approx(
        7, 1e-3
    )
    load_encoder.cache_clear()
    register_encoder("lengths", lambda which: Lengths("2"))
    with pytest.raises(UserError, match="another version of the encoder 'lengths:1'"):
        load_scorer(path, "2")
    load_encoder.cache_clear()


def test_what_an_encoder_needs_is_told(tmp_path, monkeypatch):
    with pytest.raises(
        UserError, match=re.escape("'statics' is not known (did you mean 'static'?)")
    ):
        load_encoder("statics")
    with pytest.raises(UserError, match="no such folder"):
        load_encoder(f"static:{tmp_path}/none")
    with pytest.raises(UserError, match=r"model\.safetensors: no such file"):
        load_encoder(f"static:{tmp_path}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install sentence-transformers"):
        load_encoder("sentence-transformers:some/model")
    with pytest.raises(UserError, match="pip install --no-deps wordllama"):
        load_encoder.__wrapped__("static")


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04" + b"x" * 50])
def test_a_file_that_is_no_model_is_told(tmp_path, content):
    for name in ("model.onnx", "model.bin"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match="is no"):
            load_scorer(str(path), content.hex() + name)


def test_estimators_are_those_of_scikit_learn_alone(made):
    folder, _, _ = made
    both = ["--positive", folder / "good.jsonl", "--negative", folder / "bad.jsonl"]
    for estimator in ("os.system", "sklearn.linear_model.Rigde", "sklearn.linear_model.Ridge"):
        result = invoke("classifier", "train", *both, "--name", "x", "--estimator", estimator)
        assert isinstance(result.exception, UserError)
        assert str(result.exception).startswith(f"--estimator {estimator}")
