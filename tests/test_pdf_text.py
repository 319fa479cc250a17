"""PDFs made here from nothing: the text of their text layer, and their metadata."""

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr import PdfOptions, read_pdf
from ocr.characters import clean
from ocr.metadata import iso_date
from tests.pdf_pages import LEFT, PROSE, RIGHT, XMP, read
from tests.pdfs import Page, make


def test_lines_become_paragraphs_and_words_are_dehyphenated():
    lines = [
        "A paragraph goes on over the end of its lines, and the long words are bro-",
        "ken there. This is undone, but not in well-known compounds; the word well-",
        "known keeps its hyphen where a line ends inside it. The paragraph ends",
        "here.",
    ]
    result = read(Page().lines(72, 100, lines).lines(72, 180, PROSE))
    first, second = result.text.split("\n\n")
    assert "words are broken there." in first
    assert "the word well-known keeps" in first
    assert first.endswith("The paragraph ends here.")
    assert second == " ".join(PROSE)
    assert (result.status, result.n_pages, result.pages[0].route) == ("ok", 1, "text")


def test_columns_are_read_down_whatever_the_order_of_painting():
    page = Page().text(72, 60, "A Title over Both Columns of the Page", 18)
    for i, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        page.text(72, 100 + 12 * i, left).text(320, 100 + 12 * i, right)
    text = read(page).text
    assert (
        text == f"# A Title over Both Columns of the Page\n\n{' '.join(LEFT)}\n\n{' '.join(RIGHT)}"
    )


def test_a_column_that_begins_higher_than_its_neighbour_stays_whole():
    page = Page().text(200, 60, "A Title over Both", 18)
    for i, line in enumerate(RIGHT):
        page.text(320, 90 + 12 * i, line)
    for i, line in enumerate(LEFT):
        page.text(72, 102 + 12 * i, line)
    assert read(page).text == f"# A Title over Both\n\n{' '.join(LEFT)}\n\n{' '.join(RIGHT)}"


def test_headings_by_size_and_weight():
    page = Page().text(72, 80, "Of Mills and Rivers", 20).text(72, 120, "The First Year", 14)
    page.lines(72, 145, PROSE).text(72, 215, "A Dry Summer", 10, "F2").lines(72, 235, PROSE)
    text = read(page).text
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Of Mills and Rivers",
        "## The First Year",
        "### A Dry Summer",
    ]
    assert "#" not in read(page, options=PdfOptions(engine="none", headings=False)).text


def test_running_heads_and_page_numbers_go_and_paragraphs_cross_pages():
    pages = []
    for number in range(1, 5):
        page = Page().text(200, 40, "Annals of the Valley").text(500, 40, f"Vol. {number}, 1905")
        page.lines(72, 100, [*PROSE, f"Page {number} speaks of the mill that stood by the"])
        page.lines(72, 160, ["old bridge and ground the corn of the whole"])
        pages.append(page.text(300, 760, str(number + 11)))
    result = read(*pages)
    assert result.text.count("Annals of the Valley") == 1
    assert "Vol." not in result.text
    assert not re.search(r"(?m)^\s*1[2-5]\s*$", result.text)
    kept = read(*pages, options=PdfOptions(engine="none", keep_running_heads=True)).text
    assert kept.count("Annals of the Valley") == 4
    starts = [page.start for page in result.pages]
    assert starts == sorted(starts)
    for page in result.pages:
        assert f"Page {page.number} speaks" in result.text[page.start : page.start + page.chars]


def test_a_sentence_runs_over_the_page_end_unless_a_separator_is_asked_for():
    first = Page().lines(72, 100, [*PROSE, "In the spring they began to mend the wall that the"])
    second = Page().lines(72, 100, ["flood had carried away in the night of the storm.", *PROSE])
    assert "the wall that the flood had carried away" in read(first, second).text
    parted = read(first, second, options=PdfOptions(engine="none", page_separator="\n\n\f"))
    assert parted.text.count("\f") == 1
    assert parted.text[parted.pages[1].start :].startswith("flood had carried")


def test_pages_that_are_all_alike_keep_their_text():
    assert read(*[Page().lines(72, 100, PROSE[:2])] * 4).text.count("The river had been") == 4


def test_line_numbers_of_a_transcript_go():
    page = Page()
    for i in range(1, 26):
        page.text(60, 60 + 24 * i, str(i)).text(100, 60 + 24 * i, f"{PROSE[i % 4][:50]}")
    text = read(page).text
    assert "The river had been rising" in text
    assert not re.search(r"\b(7|19|25)\b", text)


def test_hidden_text_is_dropped_and_light_text_on_dark_kept():
    page = Page().lines(72, 100, PROSE).text(72, 300, "cheap casino bonus", mode=3)
    page.text(72, 320, "white keyword stuffing", grey=1.0)
    page.text(-300, 340, "outside the page").text(72, 1200, "below the page")
    page.box(60, 400, 400, 40).text(72, 420, "Light letters on a dark ground", grey=1.0)
    text = read(page).text
    assert "Light letters on a dark ground" in text
    for spam in ("casino", "stuffing", "outside", "below"):
        assert spam not in text


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_rotated_pages_and_turned_text(rotate):
    page = Page(rotate=rotate).lines(72, 100, PROSE)
    assert read(page).text == " ".join(PROSE)
    turned = Page(rotate=rotate)
    for i, line in enumerate(PROSE):  # written upwards
        turned.text(100 + 12 * i, 600, line, matrix="0 1 -1 0")
    assert read(turned).text == " ".join(PROSE)


def test_doubled_glyphs_and_separate_accents():
    page = Page().lines(72, 100, PROSE)
    page.text(72, 200, "Fake bold is drawn twice").text(72.3, 200, "Fake bold is drawn twice")
    page.text(72, 230, "Caf").text(72 + 16.7, 230, "´").text(72 + 15.56, 230, "e")
    page.text(72 + 21.1, 230, " du Nord")
    text = read(page).text
    assert text.count("Fake bold") == 1
    assert "Café du Nord" in text


def test_indices_and_note_marks_are_tagged():
    page = (
        Page().text(72, 120, "Water is H").text(118.7, 122, "2", 6).text(122.1, 120, "O and E = mc")
    )
    page.text(183.6, 116, "2", 6).text(190, 120, "holds, as Smith wrote.").text(
        288.5, 116, "3,4", 6
    )
    page.text(72, 132, "Small capitals", 7).text(122, 132, "stand on the line, as do others.")
    text = read(page).text
    assert "H<sub>2</sub>O and E = mc<sup>2</sup> holds, as Smith wrote.<sup>3,4</sup>" in text
    assert "Small capitals stand" in text


def test_letters_of_formulas_beyond_the_basic_plane_are_read():
    assert clean("\U0001d465 = \U0001d6fc in \U0001d53c") == "x = α in 𝔼"


def test_superscripts_stay_on_their_line_and_drop_caps_with_their_word():
    page = Page().text(72, 120, "The area is measured in m").text(186, 116, "2", 6)
    page.text(191, 120, "and not in acres, as one might have thought at first.")
    assert "measured in m<sup>2</sup> and not" in read(page).text


def test_metadata_licence_and_identifiers():
    info = b"<</Title(Of Mills)/Author(A. Miller)/CreationDate(D:20210304050607Z)/Producer(pen)>>"
    page = Page().lines(72, 100, [*PROSE, "doi: 10.1234/valley.56-a. See arXiv:2101.00001v2."])
    result = read(page, info=info, xmp=XMP)
    assert (result.title, result.author, result.producer) == ("Of Mills", "A. Miller", "pen")
    assert result.date == "2021-03-04T05:06:07"
    assert result.meta["licence"] == "https://creativecommons.org/licenses/by/4.0/"
    assert result.meta["rights"] == "(c) 2021 The Valley Press"
    assert (result.meta["doi"], result.meta["arxiv"]) == ("10.1234/valley.56-a", "2101.00001v2")
    # a licence in the packet of a picture is not the document's
    other = read(page, xmp=XMP.replace(b"ns.adobe.com/pdf/", b"ns.adobe.com/photoshop/"))
    assert "licence" not in other.meta


def test_compressed_metadata_is_read():
    pdf = make(Page().lines(72, 100, PROSE))
    pdf.stream(b"/Type/Metadata/Subtype/XML/Filter/FlateDecode", zlib.compress(XMP))
    pdf.stream(b"/Type/Metadata/Subtype/XML/Filter/FlateDecode", b"broken")
    found = read_pdf(pdf.bytes())
    assert found.meta["licence"] == "https://creativecommons.org/licenses/by/4.0/"


def test_a_title_that_is_a_file_name_gives_way_to_the_first_heading():
    page = Page().text(72, 70, "Of Mills and Rivers", 20).lines(72, 110, PROSE)
    assert read(page, info=b"<</Title(Microsoft Word - a.doc)>>").title == "Of Mills and Rivers"


@given(st.text())
def test_dates_never_raise(text):
    assert re.fullmatch(r"|\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d)?)?)?", iso_date(text))
