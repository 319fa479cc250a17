"""Tables of PDFs as Markdown, ruled and not; and what only looks like one."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr import Line, PdfOptions, read_pdf
from ocr.layout import lay_out
from ocr.markdown_table import markdown
from ocr.rulings import grids, horizontal, spans, vertical
from ocr.tables import find_tables
from tests.pdfs import Page, make

PROSE = [
    "The river had been rising since the early morning, and by noon the",
    "lower fields were under water. Nobody in the village was surprised,",
    "for the winter had been long and the snow lay deep on the hills. The",
    "miller took his sacks to the upper floor and waited for the evening.",
]
HARVEST = [
    ["Grain", "Tons", "Price"],
    ["Wheat", "1,200", "14.5"],
    ["Barley", "860", "11.2"],
    ["Oats", "430", "9.8"],
]


def read(*pages: Page) -> str:
    return read_pdf(make(*pages).bytes(), PdfOptions(engine="none")).text


def cells(text: str) -> list[list[str]]:
    """The rows of the one Markdown table in a text."""
    lines = [line for line in text.split("\n") if line.startswith("|")]
    assert set(lines[1]) <= set("| -")
    rows = [line[1:-1].split("|") for line in [lines[0], *lines[2:]]]
    return [[cell.strip() for cell in row] for row in rows]


def table(page, rows, x=72, y=100, wide=150, high=14):
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            page.text(x + wide * j, y + high * i, cell)
    return page


def test_columns_without_rules():
    page = table(Page().lines(72, 60, PROSE), HARVEST, y=130).lines(72, 220, PROSE)
    text = read(page)
    assert cells(text) == HARVEST
    before, _, after = text.split("\n\n")
    assert before == after == " ".join(PROSE)


def test_a_head_over_several_columns_and_rows_without_a_value():
    page = Page().text(320, 86, "Last year")
    rows = [["", "Tons", "Price"], ["Wheat", "1,200", "14.5"], ["Rye", "", "8.1"]]
    text = read(table(page, [*rows, ["Oats", "430", "9.8"]]))
    assert "Last year" in cells(text)[0]
    assert ["Rye", "", "8.1"] in cells(text)


def test_currency_signs_stay_with_their_numbers():
    page = Page()
    for i, (name, value) in enumerate([("Wheat", "178"), ("Barley", "3,423"), ("Oats", "12")]):
        y = 100 + 14 * i
        page.text(72, y, name).text(220, y, "$").text(270, y, value).text(330, y, "%")
    assert cells(read(page))[1] == ["Barley", "$ 3,423%"]


def test_cells_that_wrap_are_joined_where_rows_stand_apart():
    page, y = Page(), 100
    kinds = [
        ("First grade", ["the cells look a little dif-", "ferent from what is usual"]),
        ("Second grade", ["they grow faster than before", "but not by very much yet"]),
        ("Third grade", ["nothing is as it used to be", "and all of it grows fast"]),
    ]
    for name, lines in kinds:
        page.text(72, y, name).lines(220, y, lines)
        y += 34
    assert cells(read(page)) == [
        ["First grade", "the cells look a little different from what is usual"],
        ["Second grade", "they grow faster than before but not by very much yet"],
        ["Third grade", "nothing is as it used to be and all of it grows fast"],
    ]


def test_cells_in_the_middle_of_wrapped_ones_hold_a_row_together():
    page, y = Page(), 100
    for name, lines, price in [
        ("A-1", ["a brass lamp that stands on the", "table and lights up all the room"], "1,200"),
        ("B-22", ["a chair of oak from the valley", "which creaks when one sits down"], "49"),
        ("C-3", ["a carpet"], "980"),
    ]:
        middle = y + 6 * (len(lines) - 1)
        page.text(72, middle, name).lines(150, y, lines).text(400, middle, price)
        y += 12 * len(lines) + 6
    assert cells(read(page)) == [
        ["A-1", "a brass lamp that stands on the table and lights up all the room", "1,200"],
        ["B-22", "a chair of oak from the valley which creaks when one sits down", "49"],
        ["C-3", "a carpet", "980"],
    ]


def test_a_table_is_told_from_the_next_by_white_space():
    page = table(Page(), HARVEST, y=100)
    page.text(72, 184, "Who worked at the mill", font="F2")
    people = [["1999 to 2004", "the old miller and his brother"], ["2004 to 2011", "his daughter"]]
    text = read(table(page, [*people, ["2012", "nobody at all"]], y=206, wide=120))
    first, heading, second = text.split("\n\n")
    assert (cells(first), cells(second)[:2]) == (HARVEST, people)
    assert heading == "# Who worked at the mill"


def ruled(page, rows, xs, ys, spanning=()):
    """A full grid of rules, without those inside of spanning (row, first column, last column)."""
    inside = {(r, c) for r, first, last in spanning for c in range(first + 1, last + 1)}
    for y in ys:
        page.rule(xs[0], y, xs[-1], y)
    for r, (top, bottom) in enumerate(pairwise(ys)):
        for c, x in enumerate(xs):
            if (r, c) not in inside:
                page.rule(x, top, x, bottom)
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            for i, line in enumerate(cell.split("\n") if cell else []):
                page.text(xs[c] + 4, ys[r] + 12 + 11 * i, line, 9)
    return page


def test_a_ruled_table_keeps_wrapped_cells_and_empty_ones():
    rows = [["Kind", "Found in"], ["Oak", "hills and\nvalleys"], ["", "mills | farms"]]
    text = read(ruled(Page(), rows, [72, 150, 300], [100, 120, 160, 180]))
    assert text == (
        "| Kind | Found in |\n| --- | --- |\n| Oak | hills and valleys |\n|  | mills \\| farms |"
    )


def test_cells_set_tight_are_parted_by_their_rules():
    rows = [["10", "20", "30"], ["11", "21", "31"]]
    assert cells(read(ruled(Page(), rows, [72, 87, 102, 117], [100, 114, 128]))) == rows


def test_a_spanning_head_stands_over_each_of_its_columns_and_a_title_outside():
    rows = [["All the harvests of the valley", "", ""], ["", "Wheat", ""], ["Year", "old", "new"]]
    rows += [["1905", "12", "14"], ["1906", "13", "15"]]
    ys = [100, 120, 140, 160, 180, 200]
    page = ruled(Page(), rows, [72, 150, 228, 306], ys, [(0, 0, 2), (1, 1, 2)])
    text = read(page)
    assert cells(text)[0] == ["", "Wheat", "Wheat"]
    assert cells(text)[1:] == rows[2:]
    assert text.startswith("All the harvests of the valley\n\n|")


def test_rows_between_ruled_columns_are_told_by_their_lines():
    page = Page()
    for x in (72, 172, 272, 372):
        page.rule(x, 90, x, 90 + 14 * len(HARVEST))
    page.rule(72, 90, 372, 90).rule(72, 104, 372, 104).rule(72, 146, 372, 146)
    assert cells(read(table(page, HARVEST, x=80, wide=100, y=100))) == HARVEST


def test_a_frame_round_prose_and_a_drawing_are_no_table():
    page = Page().lines(72, 100, PROSE)
    page.rule(60, 80, 560, 80).rule(60, 160, 560, 160).rule(60, 80, 60, 160)
    page.rule(560, 80, 560, 160)
    assert read(page) == " ".join(PROSE)
    dice = random.Random(4)
    drawing = Page().lines(72, 400, PROSE)
    for _ in range(60):
        x, y = dice.randrange(80, 500), dice.randrange(80, 300)
        drawing.rule(x, y, x + 60, y).rule(x, y, x, y + 40)
    drawing.text(200, 200, "A label")
    assert "|" not in read(drawing)


@pytest.mark.parametrize(
    "rows",
    [
        [["Of mills", "3"], ["Of rivers", "17"], ["Of the sea", "42"], ["Index", "60"]],
        [["a = b", "c = d"], ["e = f", "g = h"], ["i = j", "k = l"]],
        [["Name of a chapter .......", "3"], ["Another one .......", "17"], ["Last ......", "20"]],
    ],
)
def test_contents_and_formulas_are_no_tables(rows):
    assert "| --- |" not in read(table(Page(), rows, wide=250))


# --- invariants ----------------------------------------------------------------------------

WORD = st.from_regex("[A-H]{1,2}[0-9]{1,6}", fullmatch=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 5).flatmap(
    lambda wide: st.lists(st.lists(WORD, min_size=wide, max_size=wide), min_size=3, max_size=8)
))  # fmt: skip
def test_every_full_grid_is_read_back(rows):
    wide, high = len(rows[0]), len(rows)
    xs = [60 + 90 * i for i in range(wide + 1)]
    ys = [80 + 18 * i for i in range(high + 1)]
    assert cells(read(ruled(Page(), rows, xs, ys))) == rows
    assert cells(read(table(Page(), rows, wide=90))) == rows


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 60)] * 4), max_size=40))
def test_any_rules_give_sound_grids(boxes):
    rules = [(10.0 * a, 10.0 * b, 10.0 * a + w, 10.0 * b + h) for a, b, w, h in boxes]
    for grid in grids(horizontal(rules), vertical(rules)):
        assert grid.xs == sorted(set(grid.xs)) and grid.ys == sorted(set(grid.ys))
        first = spans(grid)
        assert len(first) == (len(grid.xs) - 1) * (len(grid.ys) - 1)
        assert all(first[cell] == cell for cell in first.values())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 30), st.integers(1, 3)), max_size=40))
def test_a_table_loses_no_word(places):
    lines = [
        Line(f"w{i}w", 60.0 * x, 14.0 * y, 60.0 * (x + wide) - 6, 14.0 * y + 11, 10.0)
        for i, (x, y, wide) in enumerate(places)
    ]
    for region in lay_out(lines, 612, 792).regions:
        end = 0
        for found in find_tables(region, []):
            assert end <= found.begin < found.end <= len(region)
            end = found.end
            for row in region[found.begin : found.end]:
                for cell in row.cells:
                    assert cell.text in found.text


def test_markdown_of_right_to_left_columns():
    rows = [["السعر", "الاسم"], ["12", "قمح"], ["9", "شعير"]]
    assert markdown(rows).startswith("| الاسم | السعر |")
    assert markdown([["", ""], ["", ""]]) == ""
