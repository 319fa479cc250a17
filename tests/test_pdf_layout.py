"""Characters, joints of lines, and the layout of pages: what holds for any input."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from ocr import Line
from ocr.characters import SOFT_HYPHEN, clean
from ocr.cleanup import assemble
from ocr.layout import lay_out
from ocr.paragraphs import join_lines, settle_hyphens, vocabulary

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@given(st.text(st.characters(exclude_categories=()), max_size=80))
def test_clean_text_has_no_character_a_parquet_reader_would_choke_on(text):
    once = clean(text)
    assert not FORBIDDEN.search(once)
    assert clean(once) == once
    once.encode()


def test_ligatures_accents_and_bullets():
    assert clean("e\ufb03cient \ufb02ow") == "efficient flow"
    assert clean("na¨ıve, d´ej`a, a\u0141") == "naïve, déj`a, aŁ"
    assert clean("\uf0b7 item") == "• item"
    assert clean("x² ½ ﾊﾝ") == "x² ½ ﾊﾝ"  # no general compatibility folding


def test_joints():
    assert join_lines("the infor-", "mation") == f"the infor{SOFT_HYPHEN}mation"
    assert join_lines("the TF-", "IDF") == "the TF-IDF"
    assert join_lines("中文的", "句子") == "中文的句子"
    words = vocabulary(["a dual use encoder", "self-made men", f"in{SOFT_HYPHEN}side"])
    assert settle_hyphens(f"infor{SOFT_HYPHEN}mation", words) == "information"
    assert settle_hyphens(f"dual{SOFT_HYPHEN}encoder", words) == "dual-encoder"
    assert settle_hyphens(f"self{SOFT_HYPHEN}made", words) == "self-made"
    assert settle_hyphens(f"in{SOFT_HYPHEN}side", words) == "inside"


@st.composite
def placed_lines(draw):
    places = st.tuples(st.integers(0, 8), st.integers(0, 30), st.integers(1, 3))
    return [
        Line(f"w{i}", 60.0 * x + i / 100, 14.0 * y, 60.0 * (x + wide) - 6, 14.0 * y + 11, 10.0)
        for i, (x, y, wide) in enumerate(draw(st.lists(places, max_size=40, unique=True)))
    ]


@settings(max_examples=150, deadline=None)
@given(placed_lines(), st.randoms())
def test_layout_keeps_every_line_once_whatever_the_order_they_come_in(lines, dice):
    def texts(lines):
        return [[cell.text for cell in row.cells] for row in lay_out(lines, 612, 792).rows()]

    expected = texts(lines)
    assert sorted(t for row in expected for t in row) == sorted(line.text for line in lines)
    shuffled = list(lines)
    dice.shuffle(shuffled)
    assert texts(shuffled) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(placed_lines(), min_size=1, max_size=4), st.sampled_from([None, "\n\n---\n\n"]))
def test_page_starts_lie_in_the_text_in_order(pages, separator):
    layouts = [lay_out(lines, 612, 792) for lines in pages]
    result = assemble(layouts, page_separator=separator)
    assert len(result.starts) == len(pages)
    assert all(0 <= start <= len(result.text) for start in result.starts)
    if separator is not None:
        assert result.starts == sorted(result.starts)
