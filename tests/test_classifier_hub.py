"""Models and encoders in the folders of the hub's libraries: the paths that load them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from catalogs.errors import UserError
from filters.fasttext_scores import string_array
from pipeline.classifier_model import hashes, load_scorer, model_file
from pipeline.encoders import load_encoder
from pipeline.quality import deciding, quality_arguments, quality_columns
from pipeline.recipe import load_recipe
from tests.inputs import prose, write_recipe
from tests.test_classifier import BAD, GOOD, LAW, invoke, words, write_texts
from tests.tiny_models import model2vec, sentence_encoder, sequence_classifier

TEXTS = [words(GOOD, 1), words(BAD, 2), "", "zebra", words(LAW, 3) * 40, prose(4, 3), "数据"]


@pytest.fixture(scope="module")
def regressor(tmp_path_factory):
    """A model of one number, as FineWeb-Edu's."""
    return sequence_classifier(tmp_path_factory.mktemp("edu") / "edu")


def by_transformers(folder, texts):
    """Logits as the library gives them, in one padded batch."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokens = tokenizer(texts, return_tensors="pt", padding="longest", truncation=True)
    with torch.no_grad():
        return model(**tokens).logits.numpy()


def test_a_regressor_scores_as_its_library_does(regressor):
    scorer = load_scorer(model_file(str(regressor)), "edu")
    found = scorer.score(string_array(TEXTS))
    assert found.labels is None and scorer.given == ()
    expected = by_transformers(regressor, TEXTS)[:, 0]
    assert np.allclose(found.scores, expected, atol=1e-4)
    assert np.ptp(expected) > 0.1


def test_a_score_does_not_hang_on_the_texts_beside_it(regressor):
    scorer = load_scorer(model_file(str(regressor)), "edu")
    scores = scorer.score(string_array(TEXTS)).scores
    alone = np.concatenate([scorer.score(string_array([text])).scores for text in TEXTS])
    turned = scorer.score(string_array(TEXTS[::-1])).scores[::-1]
    assert np.array_equal(scores, alone) and np.array_equal(scores, turned)
    assert len(scorer.score(string_array([])).scores) == 0
    cut = scorer.score(string_array([text[:9] for text in TEXTS])).scores
    assert np.array_equal(scorer.score(string_array(TEXTS), 9).scores, cut)


def test_models_of_labels_give_probabilities(tmp_path):
    folder = sequence_classifier(tmp_path / "topic", ("maths", "spam", "law"))
    logits = by_transformers(folder, TEXTS)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scorer = load_scorer(str(folder), "topic")
    found = scorer.score(string_array(TEXTS))
    assert np.allclose(found.scores, chances.max(axis=1), atol=1e-4)
    assert found.labels == [scorer.labels[place] for place in chances.argmax(axis=1)]
    only = load_scorer(str(folder), "topic", "law").score(string_array(TEXTS))
    assert only.labels is None and np.allclose(only.scores, chances[:, 2], atol=1e-4)
    with pytest.raises(UserError, match="no label 'lav'"):
        load_scorer(str(folder), "topic", "lav")
    several = {"problem_type": "multi_label_classification"}
    folder = sequence_classifier(tmp_path / "flags", ("negative", "positive"), **several)
    found = load_scorer(str(folder), "flags").score(string_array(TEXTS))
    expected = 1 / (1 + np.exp(-by_transformers(folder, TEXTS)[:, 1]))
    assert np.allclose(found.scores, expected, atol=1e-4)


def test_a_folder_is_pinned_by_its_content(regressor, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(regressor, copy)
    assert hashes(str(copy)) == hashes(str(regressor))
    (copy / "README.md").write_text("words about it decide nothing")
    assert hashes(str(copy)) == hashes(str(regressor))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    assert hashes(str(copy)) != hashes(str(regressor))


def test_a_model_that_lacks_weights_is_told(regressor, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(regressor, copy)
    tables = load_file(copy / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        del tables[name]
    save_file(tables, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks the weights classifier\.bias, classifier\.weight"):
        load_scorer(str(copy), "without a head")
    (copy / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(UserError, match="is no sequence classifier") as told:
        load_scorer(str(copy), "damaged")
    assert "\n" not in str(told.value)


def test_what_the_hub_does_not_give_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for load in (
        lambda: model_file("transformers:owner/none@main"),
        lambda: load_encoder("static:owner/none@main"),
        lambda: load_encoder("sentence-transformers:owner/none"),
    ):
        with pytest.raises(UserError, match=r"owner/none.*put its .*into a folder") as told:
            load()
        assert "\n" not in str(told.value)
    with pytest.raises(UserError, match="no such folder"):
        model_file(f"transformers:{tmp_path}/none")
    with pytest.raises(UserError, match="no model here"):
        model_file(str(tmp_path))


def test_a_recipe_scores_with_a_transformer(regressor, tmp_path):
    write_texts(tmp_path / "web.jsonl", GOOD, range(20))
    shown = invoke("classifier", "show", f"transformers:{regressor}").output
    digest = hashes(str(regressor))[0]
    assert digest in shown
    shutil.copytree(regressor, tmp_path / "models" / "edu")
    sources = {"web": {"reader": "jsonl", "paths": "web.jsonl"}}

    def arguments(**model):
        quality = {"models": {"edu": {"path": "models/edu", "sha256": digest, **model}}}
        path = write_recipe(tmp_path, sources, quality=quality)
        return quality_arguments(load_recipe(str(path)), "web")

    expected = load_scorer(str(regressor), "edu").score(string_array(TEXTS)).scores
    for path in ("models/edu", "transformers:models/edu", f"transformers:{regressor}"):
        models = arguments(path=path)
        column = quality_columns(string_array(TEXTS), models)["scores"]
        assert np.array_equal([dict(row)["edu"] for row in column.to_pylist()], expected)
        assert deciding(models) == deciding(arguments())
    with pytest.raises(UserError, match=r"quality\.models\.edu\.sha256': .* the recipe says 0000"):
        arguments(sha256="0" * 64)
    with pytest.raises(UserError, match=r"quality\.models\.edu\.drop': .* no label 'spam'"):
        arguments(drop=["spam"])


@pytest.mark.parametrize("normalize", [True, False])
def test_folders_of_model2vec(tmp_path, normalize):
    folder = model2vec(tmp_path / "m2v", normalize=normalize)
    encoder = load_encoder(f"static:{folder}")
    tables = load_file(folder / "model.safetensors")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    texts = ["The theorem CONVERGES zebra", "zebra", "", "cheap cheap tickets"]
    expected = np.zeros((len(texts), encoder.dims))
    for place, text in enumerate(texts):
        ids = [vocabulary[word] for word in text.lower().split() if word in vocabulary]
        rows = tables["embeddings"][tables["mapping"][ids]] * tables["weights"][ids][:, None]
        expected[place] = rows.mean(axis=0) if ids else 0
    if normalize:
        expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    assert np.allclose(encoder.encode(texts), expected, atol=1e-5)
    assert encoder.checksum != load_encoder(f"static:{model2vec(tmp_path / 'b', 8)}").checksum


def test_folders_of_sentence_transformers(tmp_path):
    folder = sentence_encoder(tmp_path / "st")
    encoder = load_encoder(f"sentence-transformers:{folder}")
    found = encoder.encode(TEXTS)
    assert found.shape == (len(TEXTS), encoder.dims) == (len(TEXTS), 32)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.array_equal(found, alone)
    with pytest.raises(UserError, match=r"is no model of sentence-transformers"):
        load_encoder(f"sentence-transformers:{tmp_path}")


@pytest.mark.parametrize("kind", ["static", "sentence-transformers"])
def test_estimators_over_encoders_of_the_hub(tmp_path, kind):
    folder = {"static": model2vec, "sentence-transformers": sentence_encoder}[kind](tmp_path / "e")
    rows = [
        {"text": words(text, seed), "grade": grade}
        for grade, text in enumerate((BAD, GOOD))
        for seed in range(1000 * grade, 1000 * grade + 80)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["classifier", "train", "--examples", tmp_path / "rows.jsonl", "--name", "g"]
    command += ["--target-column", "grade", "--encoder", f"{kind}:{folder}"]
    result = invoke(*command, "--out", tmp_path / "models")
    assert result.exit_code == 0, result.output
    (model,) = (tmp_path / "models").iterdir()
    scorer = load_scorer(model_file(str(model)), kind)
    texts = string_array(TEXTS)
    scores = scorer.score(texts).scores
    alone = [scorer.score(texts.slice(place, 1)).scores[0] for place in range(len(texts))]
    assert np.array_equal(scores, alone)
    assert np.ptp(scores) > 1e-3
