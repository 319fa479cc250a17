"""The router's trained model: the same as scikit-learn's, sound on languages, sharp on garbage."""

import dataclasses
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from ocr import PageFeatures, PdfOptions, RouterThresholds, read_pdf
from ocr.router import route
from ocr.router_model import MODEL, NAMES, evaluate, probability, vector
from tests.pdf_pages import PROSE, SENTENCES
from tests.pdfs import Page, make

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from train_router import exchanged, misread, train, with_text

PAGE = PageFeatures()


def test_trees_in_plain_python_say_what_scikit_learn_says():
    dice = np.random.default_rng(3)
    x = dice.normal(size=(400, len(NAMES)))
    y = (x[:, 0] + x[:, 7] ** 2 + dice.normal(size=400) > 1).astype(int)
    weights = dice.uniform(0.5, 2.0, size=400)
    model = train(x, y, weights, seed=1)
    booster = GradientBoostingClassifier(
        n_estimators=40, max_depth=3, learning_rate=0.2, min_samples_leaf=5, random_state=1
    ).fit(x, y, sample_weight=weights)
    expected = booster.predict_proba(x)[:, 1]
    assert np.allclose([evaluate(model, row) for row in x], expected, atol=1e-4)


def test_the_model_that_ships_fits_the_features():
    assert len(vector(PAGE)) == len(NAMES)
    assert MODEL.stat().st_size < 100_000
    assert 0 <= probability(PAGE) <= 1


@pytest.mark.parametrize("language", SENTENCES)
def test_good_pages_of_many_languages_stay_and_garbled_ones_go(language):
    dice = random.Random(7)
    text = " ".join([SENTENCES[language]] * 3)
    good = with_text(PAGE, text)
    assert route(good, RouterThresholds()).route == "text"
    garbled = with_text(PAGE, exchanged(text, dice, signs=True))
    assert probability(garbled) > 0.8


def test_a_scan_with_a_misread_hidden_layer_needs_ocr():
    old = misread(" ".join(PROSE) * 4, random.Random(1), 0.1)
    scan = with_text(PAGE, "x" * 60, old, image_cover=0.95, images=1)
    assert probability(scan) > 0.9


def test_scripts_that_it_was_not_trained_on_are_not_judged():
    arabic = dataclasses.replace(PAGE, chars=900, alnum=700, other_letters=690)
    found = route(arabic, RouterThresholds(min_ocr_probability=0.0))
    assert (found.rule, found.probability) == ("text_layer", None)


def test_the_threshold_decides_and_the_probability_is_told():
    data = make(Page().lines(72, 100, PROSE)).bytes()
    page = read_pdf(data, PdfOptions(engine="none")).pages[0]
    assert (page.route, page.rule) == ("text", "text_layer")
    assert 0 < page.probability < 0.5
    thresholds = RouterThresholds(min_ocr_probability=0.0, max_stop_share=2.0)
    strict = PdfOptions(engine="none", router=thresholds)
    result = read_pdf(data, strict)
    assert result.pages[0].rule == "model"
    assert result.text == " ".join(PROSE)  # without an engine the layer is what there is
