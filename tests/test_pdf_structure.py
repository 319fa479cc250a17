"""Lists, code, indices and stretched lines in documents made here."""

import pytest

from ocr import PdfOptions, read_pdf
from ocr.code import code_text
from ocr.formulas import display
from ocr.justified import justified
from ocr.layout import Line, Row, rows_of
from tests.pdf_pages import PROSE
from tests.pdfs import Page, make


def read(*pages):
    return read_pdf(make(*pages).bytes(), PdfOptions(engine="none")).text


def dot(page, x, y):
    return page.box(x, y - 5, 3, 3)


def test_lists_are_tight_nested_and_marked_alike():
    page = Page().lines(72, 80, PROSE)
    page.text(72, 140, "\u2022 The wheel, which turns the shaft and is made of oak;")
    page.text(90, 152, "\u2022 its spokes").text(90, 164, "\u2022 its rim")
    page.text(72, 176, "\u2022 The stones.").text(72, 200, "1. Open the gate.")
    page.text(72, 212, "2. Lower the stone:").text(90, 224, "a. check the gap")
    page.text(90, 236, "b. set the wedge")
    assert read(page).split("\n\n")[1:] == [
        "- The wheel, which turns the shaft and is made of oak;\n  - its spokes\n  - its rim\n"
        "- The stones.\n"
        "1. Open the gate.\n2. Lower the stone:\n  a. check the gap\n  b. set the wedge"
    ]


def test_drawn_bullets_are_bullets_and_points_of_a_chart_are_not():
    page = Page().lines(72, 80, PROSE)
    for y, item in ((160, "the wheel"), (172, "the stones"), (184, "the hopper")):
        dot(page, 74, y)
        page.text(84, y, item)
    dot(page, 300, 300)
    page.text(240, 300, "two words").text(308, 300, "beside it")
    assert "- the wheel\n- the stones\n- the hopper" in read(page)
    assert "•" not in read(page)


def mono(text, x, y):
    return Line(text, x, y, x + 6 * len(text), y + 11, 10.0, mono=True)


def test_code_keeps_its_lines_and_indents():
    rows = rows_of([mono("def f(x):", 72, 100), mono("return x", 96, 112), mono("f(1)", 72, 136)])
    assert code_text(rows) == "```\ndef f(x):\n    return x\n\nf(1)\n```"
    assert code_text([Row([mono("a", 72, 100), mono("# b", 108, 100)])] * 2).split("\n")[1] == (
        "a     # b"
    )


def stretched(words, y, left=72.0, right=300.0):
    """Words from margin to margin, each its own piece."""
    letters = sum(map(len, words)) * 5
    gap = (right - left - letters) / (len(words) - 1)
    lines, x = [], left
    for word in words:
        lines.append(Line(word, x, y, x + 5 * len(word), y + 11, 10.0))
        x += 5 * len(word) + gap
    return lines


def test_stretched_lines_are_joined_and_rows_of_a_table_are_not():
    full = [
        Line("a line of text as wide as its column is", 72, y, 300, y + 11, 10.0)
        for y in (0, 12, 24)
    ]
    wide = stretched(["extraordinarily", "uncomfortable", "circumstances"], 36)
    joined = justified([*full, *wide])
    assert [line.text for line in joined[3:]] == ["extraordinarily uncomfortable circumstances"]
    assert len(joined[3].breaks) == 2
    table = stretched(["Model", "Accuracy", "Speed"], 36)
    assert justified([*full, *table]) == [*full, *table]
    numbers = stretched(["12", "13", "14"], 36)
    assert justified([*full, *numbers]) == [*full, *numbers]


def test_columns_close_together_are_told_by_all_rows():
    page = Page()
    rows = [("A-100", "Bolt, steel, 10 mm", "0.20"), ("A-200", "Nut, brass", "1.35")]
    rows += [("B-7", "Hammer", "12.00"), ("C-1", "Saw with a long handle", "9.00")]
    for i, (number, name, price) in enumerate(rows):
        y = 100 + 14 * i
        page.text(72, y, number).text(106, y, name).text(300, y, price)
    lines = read(page).split("\n")
    assert lines[0] == "| A-100 | Bolt, steel, 10 mm | 0.20 |"
    assert lines[-1] == "| C-1 | Saw with a long handle | 9.00 |"


def test_formulas_are_latex():
    page = Page().lines(72, 80, PROSE)
    page.text(200, 160, "x = ").rule(220, 157, 262, 157, 0.5).text(222, 152, "a + b")
    page.text(250, 148, "2", 6).text(235, 168, "2c")
    page.text(280, 160, "(3.1)")
    page.text(200, 200, "E = mc").text(233, 195, "2", 6)
    page.lines(72, 240, PROSE)
    text = read(page)
    assert r"$$x = \frac{a + b^{2}}{2c} \tag{3.1}$$" in text
    assert "$$E = mc^{2}$$" in text


def test_heads_over_rules_are_no_fractions():
    page = Page().text(72, 100, "Accuracy").rule(70, 104, 120, 104).text(80, 115, "0.91")
    page.text(160, 100, "Speed").rule(158, 104, 200, 104).text(165, 115, "12")
    assert "frac" not in read(page)


@pytest.mark.parametrize(
    ("line", "formula"),
    [
        ("a<sup>2</sup> + b<sup>2</sup> = c<sup>2</sup>", "$$a^{2} + b^{2} = c^{2}$$"),
        (
            "∑<sub>k=1</sub><sup>n</sup> k ≤ √n, α → ∞ (7)",
            r"$$\sum_{k=1}^{n} k \leq \sqrt{n}, \alpha \to \infty \tag{7}$$",
        ),
        ("sin x = cos y for all x ∈ ℝ", r"$$\sin x = \cos y \text{for all} x \in \mathbb{R}$$"),
        ("Total revenue = 500", None),
        ("see http://example.org/?a=b", None),
        ("He said that x = 5 was the answer to it all.", None),
        ("Press <sup>1</sup>", None),
    ],
)
def test_what_is_a_formula(line, formula):
    assert display(line) == formula
