"""Which pages the router sends to OCR."""

import pytest

from ocr import PageFeatures, RouterThresholds
from ocr.router import read_as_language, route
from tests.pdf_pages import PROSE, SENTENCES, read
from tests.pdfs import Page


def features(**changes) -> PageFeatures:
    prose = {"chars": 2000, "alnum": 1700, "latin_words": 300, "stop_share": 0.4}
    return PageFeatures(**prose | {"usual_pairs": 0.75} | changes)


@pytest.mark.parametrize(
    ("page", "decision"),
    [
        (features(), ("text", "text_layer")),
        (features(image_cover=0.9), ("text", "text_over_picture")),
        (features(image_cover=0.9, hidden_chars=3000), ("ocr", "old_ocr_layer")),
        (features(image_cover=0.9, covered_share=0.9), ("ocr", "text_under_picture")),
        (features(junk=100), ("ocr", "junk_characters")),
        (features(map_errors=0.5), ("ocr", "unmapped_characters")),
        (features(usual_pairs=0.2, stop_share=0.02), ("ocr", "not_a_language")),
        (features(usual_pairs=0.2, stop_share=0.30), ("text", "text_layer")),
        (PageFeatures(chars=9, alnum=8), ("text", "short_page")),
        (PageFeatures(chars=9, alnum=8, paths=40), ("ocr", "no_text_but_drawn")),
        (PageFeatures(image_cover=1.0), ("ocr", "no_text_but_drawn")),
        (PageFeatures(), ("blank", "nothing_drawn")),
    ],
)
def test_rules(page, decision):
    found = route(page, RouterThresholds())
    assert (found.route, found.rule) == decision


def judged(text: str) -> str:
    words, stops, pairs = read_as_language(text)
    return route(
        features(latin_words=words, stop_share=stops, usual_pairs=pairs), RouterThresholds()
    ).route


@pytest.mark.parametrize("language", SENTENCES)
def test_languages_pass_and_their_shifted_letters_do_not(language):
    text = SENTENCES[language]
    assert judged(text) == "text"
    for shift in (1, 3, 29):
        shifted = "".join(chr(ord(c) + shift) if c.isalpha() else c for c in text)
        assert judged(shifted) == "ocr" or sum(map(str.isalpha, shifted)) < 0.9 * len(text)


def test_codes_and_labels_are_no_garbled_language():
    words, _, _ = read_as_language("CA NY TX A B C x1 " * 40)
    assert words == 0


def test_a_shifted_font_map_sends_the_page_to_ocr():
    shifted = ["".join(chr(ord(c) + 1) if c.isalpha() else c for c in line) for line in PROSE]
    result = read(Page().lines(72, 100, shifted))
    assert (result.pages[0].route, result.pages[0].rule) == ("failed", "not_a_language")
    assert (result.status, result.text) == ("partial", "")
