"""Pages that are pictures, read by the OCR engines."""

from pathlib import Path

import matplotlib
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr import PageImage, PdfOptions, Reading, read_pdf, register_engine
from tests.pdf_pages import LEFT, PROSE, RIGHT, good, read
from tests.pdfs import Page, make

FONT = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSerif.ttf"
SENTENCE = "The quick brown fox jumps over the lazy dog near the river bank."


def scan(*texts: tuple[int, int, list[str]], size=(1275, 1650)) -> Image.Image:
    """A letter page at 150 dpi, as a scanner would see it; (x, y, lines) in pixels."""
    image = Image.new("L", size, 250)
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(str(FONT), 26)
    for x, y, lines in texts:
        for i, line in enumerate(lines):
            draw.text((x, y + 40 * i), line, font=font, fill=20)
    return image


def test_a_scan_between_text_pages_is_read_and_blank_pages_are_seen():
    words = Page().lines(72, 100, PROSE)
    noise = Image.effect_noise((1275, 1650), 12).point(lambda v: 200 + v // 4)
    result = read(
        words, Page().picture(scan((150, 300, [SENTENCE]))), Page().picture(noise), words,
        options=PdfOptions(),
    )  # fmt: skip
    assert [page.route for page in result.pages] == ["text", "ocr", "blank", "text"]
    assert SENTENCE in result.text
    page = result.pages[1]
    assert page.engine.startswith("rapidocr ") and page.confidence > 0.9
    assert result.status == "ok"


@pytest.mark.parametrize("turn", [90, 180])
def test_turned_scans_are_stood_up(turn):
    image = scan((150, 300, PROSE)).rotate(turn, expand=True)
    page = Page(*((792, 612) if turn % 180 else (612, 792)))
    result = read(page.picture(image), options=PdfOptions())
    assert PROSE[0] in result.text and PROSE[3] in result.text
    assert result.pages[0].turn == 360 - turn


def test_columns_of_a_skewed_scan_are_read_down():
    image = scan((120, 300, LEFT), (680, 300, RIGHT)).rotate(1.5, fillcolor=250)
    text = read(Page().picture(image), options=PdfOptions()).text
    assert " ".join(LEFT) in text and " ".join(RIGHT) in text
    assert text.index("Bread was") < text.index("Ships came")


def test_an_old_ocr_layer_is_used_only_without_an_engine():
    page = Page().lines(72, 100, ["The quiek hrown fax jumqs", "over tbe lazv dag"], mode=3)
    page.picture(scan((150, 300, [SENTENCE])))
    fresh = read(page, options=PdfOptions())
    assert (fresh.text, fresh.pages[0].rule) == (SENTENCE, "old_ocr_layer")
    old = read(page)
    assert (old.pages[0].route, old.status) == ("text", "ok")
    assert "quiek" in old.text


class Clerk:
    """An engine of the kind a server would be: Markdown of its own, and failures."""

    name, version = "clerk", "1"

    def read(self, pages):
        for page in list(pages)[:3]:  # pulls ahead, and leaves the last one out
            assert isinstance(page, PageImage) and page.pixels.ndim == 2
            error = "refused" if page.number == 2 else ""
            yield Reading(markdown=f"## Sheet {page.number}\n\nSome *text*.", error=error)


def test_another_engine_is_one_registration():
    register_engine("clerk", Clerk)
    pages = [Page().picture(scan((150, 300, PROSE))) for _ in range(4)]
    result = read(*pages, options=PdfOptions(engine="clerk", fallback="none"))
    assert [page.route for page in result.pages] == ["ocr", "failed", "ocr", "failed"]
    assert result.text == "## Sheet 1\n\nSome *text*.\n\n## Sheet 3\n\nSome *text*."
    assert [page.error for page in result.pages] == ["", "refused", "", "clerk gave no answer"]
    assert result.status == "partial"
    lenient = read(
        *pages, options=PdfOptions(engine="clerk", fallback="none", max_failed_pages=0.5)
    )
    assert lenient.status == "ok"


def test_an_unknown_engine_is_named():
    with pytest.raises(
        ValueError, match=r"unknown OCR engine 'tesserakt': use one of none, .*rapid"
    ):
        read_pdf(good(), PdfOptions(engine="tesserakt"))


def test_the_same_bytes_give_the_same_result():
    page = Page().lines(72, 100, PROSE).text(72, 70, "Of Mills and Rivers", 20)
    data = make(page, Page().picture(scan((150, 300, [SENTENCE])))).bytes()
    first, second = (read_pdf(data, PdfOptions()) for _ in range(2))
    assert first.text == second.text
    assert [(p.route, p.rule, p.confidence) for p in first.pages] == [
        (p.route, p.rule, p.confidence) for p in second.pages
    ]
