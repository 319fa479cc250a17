"""What kind of PDF it is, with evidence; its licence; and which page a sentence comes from."""

import pytest

from ocr import PdfOptions, read_pdf
from ocr.judgement import PageShape, judge
from pipeline.parse import parse_pdf
from tests.pdf_pages import PROSE, XMP
from tests.pdfs import Page, make

SHEET, SCREEN = PageShape(612, 792, "text"), PageShape(960, 540, "text")
TABLE = "| a | b |\n| --- | --- |\n" + "| wheat | 1,200 |\n" * 9


def read(*pages, **more):
    return read_pdf(make(*pages, **more).bytes(), PdfOptions(engine="none"))


@pytest.mark.parametrize(
    ("text", "pages", "meta", "tag"),
    [
        ("Name: ________ Date: ______ " * 4, [SHEET], {}, "form"),
        ("Some words.", [SHEET], {"form": "acroform"}, "form"),
        ("Ten words a slide, or fewer. " * 4, [SCREEN] * 4, {}, "slides"),
        ("One slide only.", [SCREEN], {"creator": "Microsoft PowerPoint 2019"}, "slides"),
        ("Lamp, brass, tall $ 1,299.00 Chair €49.90 " * 6, [SHEET], {}, "catalogue"),
        ("Free ebook pdf download, save file epub casino " * 5, [SHEET], {}, "seo_spam"),
        ("A page.", [PageShape(612, 792, "text", "cheap " * 40)], {}, "hidden_text"),
        (TABLE, [SHEET], {}, "tables_only"),
        ("Read by OCR.", [PageShape(612, 792, "ocr")] * 3, {}, "scan"),
        ("", [PageShape(612, 792, "blank")] * 3, {}, "scan_without_text"),
    ],
)
def test_each_tag_has_its_evidence(text, pages, meta, tag):
    found = judge(text, pages, meta)
    assert list(found) == [tag]
    assert len(found[tag]) > 5


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        (" ".join(PROSE) * 3, [SHEET]),
        (" ".join(PROSE) * 9, [SCREEN]),
        ("Choose Save from the File menu to save the file. " + " ".join(PROSE) * 3, [SHEET]),
        ("The mill cost $1,200.00 in 1905. " + " ".join(PROSE), [SHEET]),
        (" ".join(PROSE) * 4 + "\n\n" + TABLE, [SHEET]),
        ("Contents\n\n1 Mills . . . . . . . . . . . . . . . . 3", [SHEET]),
        ("", []),
    ],
)
def test_common_documents_have_none(text, pages):
    assert judge(text, pages, {}) == {}


def test_hidden_spam_is_seen_in_a_file_and_not_in_its_text():
    page = Page().lines(72, 100, PROSE)
    for i in range(12):
        page.text(72, 300 + 12 * i, "free ebook pdf download casino save file epub", mode=3)
    result = read(page)
    assert result.text == " ".join(PROSE)
    assert set(result.tags) == {"seo_spam", "hidden_text"}
    assert "characters that cannot be seen on 1 pages" in result.tags["hidden_text"]


def test_every_sentence_is_traced_to_its_page():
    names = ["Of mills and millers.", "Rivers in spring.", "What bread costs.", "A long winter."]
    result = read(*[Page().lines(72, 100, [*PROSE, name, *PROSE]) for name in names])
    for number, name in enumerate(names, 1):
        assert result.page_of(result.text.index(name)) == number
    assert result.page_of(len(result.text) + 10) == 4


def test_the_margin_stamp_names_the_preprint_and_is_no_text():
    page = Page().lines(72, 100, PROSE)
    page.text(30, 500, "arXiv:2004.04906v3 [cs.CL] 30 Sep 2020", 14, matrix="0 1 -1 0")
    result = read(page)
    assert result.text == " ".join(PROSE)
    assert result.meta["arxiv"] == "2004.04906v3"


def test_columns_of_the_document_row():
    info = b"<</Title(Of Mills)/Author(A. Miller)/Producer(pen)>>"
    page = Page().lines(72, 100, [*PROSE, "doi: 10.1234/valley.56-a."])
    settings = {"engine": "none", "options": {}, "fallback": "none", "router": {}}
    row = parse_pdf(
        {
            "payload": make(page, info=info, xmp=XMP).bytes(),
            "ocr": {**settings, "max_pages": 9, "max_seconds": None, "max_failed_pages": 0.5},
        }
    )
    assert (row["license"], row["license_scope"]) == ("CC-BY-4.0", "page")
    assert row["license_evidence"].startswith("XMP licence: https://creativecommons.org/")
    assert (row["doi"], row["producer"], row["n_pages"]) == ("10.1234/valley.56-a", "pen", 1)
    [only] = row["pages"]
    assert (only["route"], only["rule"], only["start"]) == ("text", "text_layer", 0)
    assert row["pdf_tags"] == []
