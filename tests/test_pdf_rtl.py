"""Right-to-left lines: what is painted, from left to right, and what is read."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr.rtl import logical_words

WIDE = 5.0


@dataclass(frozen=True)
class Style:
    size: float = 10.0
    bold: bool = False
    base: tuple[float, float] = (0.0, 100.0)


def read(painted: str, order=None, tight: float = 0.0) -> str:
    """The line read from glyphs painted side by side; `order`: how PDFium lists them."""
    boxes = [(i * WIDE - tight, 90.0, (i + 1) * WIDE + tight, 102.0) for i in range(len(painted))]
    order = list(order or range(len(painted)))
    style = Style()
    words = logical_words(
        "".join(painted[i] for i in order), lambda i: boxes[order[i]], lambda i: style
    )
    return "".join(
        word if i == 0 else f"{glue}{word}" for i, (word, _, _, glue) in enumerate(words)
    )


@pytest.mark.parametrize(
    ("painted", "logical"),
    [
        ("םלוע םולש", "שלום עולם"),
        ("12.5 ךרואה", "האורך 12.5"),
        ("1403/09/19 :خیرات", "تاریخ: 1403/09/19"),
        ("95% תוחפל", "לפחות 95%"),
        ("ףדב Open Source Code תכרעמ", "מערכת Open Source Code בדף"),
        (".(תומוקמב) ןאכ", "כאן (במקומות)."),
        (")תומוקמב( ןאכ", "כאן (במקומות)"),  # glyphs named for what they look like
        ("12 ,11 ,10", "10, 11, 12"),
    ],
)
def test_a_line_is_read_from_right_to_left(painted, logical):
    if not any(char > "\u0590" for char in painted):
        painted, logical = painted + " א", "א " + logical
    assert read(painted) == logical
    assert read(painted, order=range(len(painted) - 1, -1, -1)) == logical
    assert read(painted, tight=1.5) == logical  # boxes wider than the letters' steps


def test_ligatures_and_marks():
    style = Style()
    boxes = [(20.0, 90, 25, 102), (15.0, 90, 20, 102), (15.0, 90, 20, 102), (21.0, 90, 24, 102)]
    text = "ب\u0627\u0644\u064e"  # beh, then alef and lam of one glyph, a mark painted last
    words = list(logical_words(text, boxes.__getitem__, lambda i: style))
    assert [word for word, *_ in words] == ["ب\u064e\u0644\u0627"]


@given(st.text("אבגד 12.(", max_size=30))
def test_no_glyph_is_lost(painted):
    assert sorted(read(painted).replace("\n", " ").replace(" ", "")) == sorted(
        painted.replace(" ", "")
    )
