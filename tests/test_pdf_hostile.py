"""Bombs are taken out before PDFium sees them; what a cut-off file still holds is read."""

import zlib

import pytest

from ocr import PdfOptions, read_pdf
from ocr.guard import defuse
from ocr.objects import inflate, inflated
from tests.pdfs import Page, Pdf, make

TEXT_ONLY = PdfOptions(engine="none")
FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]/Resources<</XObject %s>>"


def one_page(content: bytes, *streams: tuple[bytes, bytes], head: bytes = b"") -> bytes:
    """A page (objects 1 to 4, its content 5), its form X0 the first of the streams (6 …)."""
    pdf = Pdf()
    pdf.add(b"<</Type/Catalog/Pages 2 0 R>>")
    pdf.add(b"<</Type/Pages/Kids[3 0 R]/Count 1>>")
    pdf.add(
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R"
        b"/Resources<</Font<</F1 4 0 R>>/XObject<</X0 6 0 R>>>>>>"
    )
    pdf.add(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    pdf.stream(head, content)
    for own, data in streams:
        pdf.stream(own, data)
    return pdf.bytes()


TEXT = b"BT /F1 12 Tf 72 700 Td (Before the form.) Tj ET /X0 Do"


def test_a_form_that_paints_itself_is_not_expanded():
    data = one_page(TEXT, (FORM % b"<</X0 6 0 R>>", b"/X0 Do /X0 Do"))
    result = read_pdf(data, TEXT_ONLY)
    assert (result.status, result.text) == ("partial", "Before the form.")
    assert "form 6 paints itself" in result.error


def test_forms_that_paint_each_other_a_billion_times_are_not_expanded():
    forms = [(FORM % (b"<</X0 %d 0 R>>" % (n + 1)), b"/X0 Do " * 10) for n in range(6, 15)]
    inner = (FORM % b"<<>>", b"0 0 1 1 re f")
    result = read_pdf(one_page(TEXT, *forms, inner), TEXT_ONLY)
    assert (result.status, result.text) == ("partial", "Before the form.")
    few = one_page(TEXT, *forms[-2:], inner)
    assert defuse(few, 1 << 27, 20_000) == (few, "")


@pytest.mark.parametrize("resources", [b"7 0 R", b"9 0 R", b""])
def test_the_resources_of_a_bomb_may_lie_elsewhere(resources):
    """In an object of their own, in one that is missing, or with the page."""
    head = (FORM % resources).replace(b"/XObject >>", b">>")
    data = one_page(TEXT, (head, b"/X0 Do /X0 Do"), (b"/X0 6 0 R", b""))
    result = read_pdf(data, TEXT_ONLY)
    assert (result.status, result.text) == ("partial", "Before the form.")


@pytest.mark.parametrize("layers", [1, 2])
def test_a_stream_that_unpacks_to_too_much_is_not_read(layers):
    packed = b" " * 50_000_000
    for _ in range(layers):
        packed = zlib.compress(packed, 9)
    filters = b"/Filter[%s]" % (b"/FlateDecode" * layers)
    data = one_page(packed, (FORM % b"<<>>", b""), head=filters)
    options = PdfOptions(engine="none", max_stream_bytes=10_000_000)
    result = read_pdf(data, options)
    assert (result.status, result.text) == ("partial", "")
    assert "object 5 unpacks to more than 9 MB" in result.error
    assert read_pdf(data, TEXT_ONLY).error == ""


def test_unpacking_ends_with_the_stream_and_the_limit():
    text = bytes(range(256)) * 4000
    packed = zlib.compress(zlib.compress(text))
    assert b"".join(inflate(packed + b"behind it" * 99_999, 2)) == text
    assert len(inflated(packed, 2, 1000)) < 1000 + (1 << 16)
    assert text.startswith(inflated(packed[:-40], 2, 1 << 30))  # cut off
    assert inflated(b"noise", 1, 1000) == b""


PAGES = [Page().lines(72, 100, [f"Page {i} tells of mills.", "And of rivers."]) for i in range(4)]


def test_the_pages_of_a_file_cut_off_are_read():
    data = make(*PAGES).bytes()
    third = data.index(b"Page 2 tells")
    result = read_pdf(data[: data.rindex(b"endobj", 0, third) + 7], TEXT_ONLY)
    assert result.status == "partial"
    assert "cut off" in result.error and "2 pages found" in result.error
    assert [page.number for page in result.pages] == [1, 2]
    assert "Page 0 tells of mills." in result.text and "Page 1 tells" in result.text


def test_pages_in_object_streams_are_found_and_ordered_by_what_is_left_of_the_tree():
    source = make(*PAGES[:2])
    bodies = {number: body for number, body in enumerate(source.objects, 1) if number > 1}
    plain = {number: body for number, body in bodies.items() if b"stream" not in body}
    plain[2] = (
        plain[2].replace(b"5 0 R 7 0 R", b"7 0 R 5 0 R").replace(b"6 0 R 8 0 R", b"8 0 R 6 0 R")
    )
    index, content = b"", b""
    for number, body in plain.items():
        index += b"%d %d " % (number, len(content))
        content += body + b" "
    packed = zlib.compress(index + content)
    head = b"<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>"
    out = b"%PDF-1.5\n"
    for number, body in bodies.items():
        if number not in plain:
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    out += b"90 0 obj\n%s\nstream\n" % (head % (len(plain), len(index), len(packed)))
    result = read_pdf(out + packed + b"\nendstream\nendobj\n91 0 obj\n<</Len", TEXT_ONLY)
    assert result.status == "partial"
    assert 0 <= result.text.index("Page 1 tells") < result.text.index("Page 0 tells")


def test_what_is_encrypted_or_holds_no_page_is_not_salvaged():
    data = make(*PAGES).bytes()
    assert read_pdf(b"%PDF-1.4\n1 0 obj\n<</Type/Catalog", TEXT_ONLY).status == "corrupt"
    locked = data[: data.index(b"xref")].replace(b"/Type/Font", b"/Encrypt 9 0 R/Type/Font")
    assert read_pdf(locked[:-300], TEXT_ONLY).status == "corrupt"
