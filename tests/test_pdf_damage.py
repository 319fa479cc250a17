"""PDFs that cannot be read, or only in part: a status and a reason, never an exception."""

import random
import re

import pytest
from PIL import Image

from ocr import PdfOptions, read_pdf
from tests.pdf_pages import PROSE, TEXT_ONLY, good
from tests.pdfs import Page, Pdf, encrypt, make


def test_encrypted_files_open_with_the_empty_password_or_not_at_all():
    page = Page().lines(72, 100, PROSE)
    opened = read_pdf(encrypt(make(page), b"", b"owner"), TEXT_ONLY)
    assert (opened.status, opened.text) == ("ok", " ".join(PROSE))
    closed = read_pdf(encrypt(make(page), b"secret", b"owner"), TEXT_ONLY)
    assert (closed.status, closed.text) == ("encrypted", "")
    assert "password" in closed.error


def loop() -> bytes:
    pdf = Pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"])
    return pdf.bytes()


def with_box(box: bytes) -> bytes:
    return good().replace(b"[0 0 612 792]", box)


HOSTILE = {
    "empty": (lambda: b"", {"corrupt"}),
    "one byte": (lambda: b"%", {"corrupt"}),
    "html": (lambda: b"<!DOCTYPE html><html><body>404</body></html>", {"corrupt"}),
    "header only": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", {"corrupt"}),
    "noise": (lambda: random.Random(1).randbytes(5000), {"corrupt"}),
    "noise behind a header": (
        lambda: b"%PDF-1.4\n" + random.Random(2).randbytes(5000),
        {"corrupt"},
    ),
    "cut off": (lambda: good()[:200], {"corrupt"}),
    "without trailer": (lambda: good()[: good().index(b"xref")], {"partial"}),
    "no pages": (lambda: make().bytes(), {"empty", "corrupt"}),
    "page tree loop": (loop, {"corrupt", "empty"}),
    "zero area": (lambda: with_box(b"[0 0 0 0]"), {"ok", "corrupt"}),
    "box of numbers too big": (lambda: with_box(b"[0 0 1e38 1e38]"), {"ok", "corrupt"}),
    "box turned round": (lambda: with_box(b"[612 792 0 0]"), {"ok"}),
    "box without numbers": (lambda: with_box(b"[/a (b) null <<>>]"), {"ok", "corrupt"}),
    "wrong length": (lambda: re.sub(rb"/Length \d+", b"/Length 9999999", good()), {"ok"}),
    "no fonts": (lambda: good().replace(b"/Font<<", b"/Fond<<"), {"ok"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_end_with_a_status_and_a_reason(name):
    data, statuses = HOSTILE[name]
    result = read_pdf(data(), TEXT_ONLY)
    assert result.status in statuses
    assert result.status == "ok" or result.error
    result.text.encode()


def test_flipped_bytes_never_raise():
    dice = random.Random(5)
    whole = make(Page().lines(72, 100, PROSE), Page().picture(Image.new("L", (50, 50)))).bytes()
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 30)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        result = read_pdf(bytes(data), TEXT_ONLY)
        assert len(result.pages) <= max(result.n_pages, 0)
        result.text.encode()


def test_limits():
    pages = [Page().lines(72, 100, [f"Page {i} begins here.", *PROSE]) for i in range(5)]
    data = make(*pages).bytes()
    cut = read_pdf(data, PdfOptions(engine="none", max_pages=2))
    assert (cut.status, cut.n_pages, len(cut.pages)) == ("partial", 5, 2)
    assert "5 pages, limit 2" in cut.error
    late = read_pdf(data, PdfOptions(engine="none", max_seconds=0.0))
    assert (late.status, len(late.pages)) == ("partial", 1)
    assert "Page 0 begins" in late.text
    big = read_pdf(data, PdfOptions(engine="none", max_bytes=100))
    assert (big.status, big.text) == ("oversized", "")
    short = read_pdf(data, PdfOptions(engine="none", max_page_chars=40))
    assert len(short.text) < 5 * 45
    assert "page 1: cut after 40 characters" in short.detail


def test_a_document_survives_a_page_that_cannot_be_read():
    whole = make(*[Page().lines(72, 100, [f"Leaf {i} is here.", *PROSE]) for i in range(3)])
    whole.objects[whole.objects.index(next(o for o in whole.objects if b"/Page/" in o))] = b"null"
    result = read_pdf(whole.bytes(), TEXT_ONLY)
    assert [page.route for page in result.pages].count("failed") == 1
    assert result.status == "partial"
    assert "1 of 3 pages failed" in result.error
    assert "Leaf 1 is here." in result.text
