"""PDFs made here from nothing, read by the public face of `ocr`."""

import random
import re
from functools import cache
from pathlib import Path

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from ocr import (
    Line,
    PageFeatures,
    PageImage,
    PdfOptions,
    Reading,
    RouterThresholds,
    read_pdf,
    register_engine,
)
from ocr.characters import SOFT_HYPHEN, clean
from ocr.cleanup import assemble
from ocr.layout import lay_out
from ocr.metadata import iso_date
from ocr.paragraphs import join_lines, settle_hyphens, vocabulary
from ocr.router import read_as_language, route
from tests.pdfs import Page, Pdf, encrypt, make

TEXT_ONLY = PdfOptions(engine="none")


def read(*pages: Page, options: PdfOptions = TEXT_ONLY, **more):
    return read_pdf(make(*pages, **more).bytes(), options)


PROSE = [
    "The river had been rising since the early morning, and by noon the",
    "lower fields were under water. Nobody in the village was surprised,",
    "for the winter had been long and the snow lay deep on the hills. The",
    "miller took his sacks to the upper floor and waited for the evening.",
]
LEFT = [
    "Bread was baked on Fridays in",
    "the large oven behind the inn,",
    "and the smell of it went down",
    "the street as far as the church",
    "where the children were sitting",
    "with their books on their knees.",
]
RIGHT = [
    "Ships came in with the morning",
    "tide and left with the evening",
    "one, carrying wool and cheese to",
    "the towns across the bay, where",
    "merchants were waiting for them",
    "with silver in their heavy bags.",
]


# --- the text layer ------------------------------------------------------------------------


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


# --- what cannot be read -------------------------------------------------------------------


def test_encrypted_files_open_with_the_empty_password_or_not_at_all():
    page = Page().lines(72, 100, PROSE)
    opened = read_pdf(encrypt(make(page), b"", b"owner"), TEXT_ONLY)
    assert (opened.status, opened.text) == ("ok", " ".join(PROSE))
    closed = read_pdf(encrypt(make(page), b"secret", b"owner"), TEXT_ONLY)
    assert (closed.status, closed.text) == ("encrypted", "")
    assert "password" in closed.error


@cache
def good() -> bytes:
    return make(Page().lines(72, 100, PROSE)).bytes()


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


# --- metadata ------------------------------------------------------------------------------

XMP = b"""<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description
 xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:cc="http://creativecommons.org/ns#">
<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) 2021 The Valley Press</rdf:li></rdf:Alt>
</dc:rights></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


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


def test_a_title_that_is_a_file_name_gives_way_to_the_first_heading():
    page = Page().text(72, 70, "Of Mills and Rivers", 20).lines(72, 110, PROSE)
    assert read(page, info=b"<</Title(Microsoft Word - a.doc)>>").title == "Of Mills and Rivers"


@given(st.text())
def test_dates_never_raise(text):
    assert re.fullmatch(r"|\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d)?)?)?", iso_date(text))


# --- the router ----------------------------------------------------------------------------


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


SENTENCES = {
    "en": " ".join(PROSE),
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on"
    " annettu järki ja omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden hengessä."
    " Jokaisella on oikeus elämään, vapauteen ja henkilökohtaiseen turvallisuuteen.",
    "hu": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek,"
    " ésszel és lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy"
    " viseltessenek. Minden személynek joga van az élethez, a szabadsághoz és biztonsághoz.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni"
    " obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa. Każdy"
    " człowiek ma prawo do życia, wolności i bezpieczeństwa swej osoby.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana"
    " sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler. Yaşamak,"
    " hürriyet ve kişi emniyeti her ferdin hakkıdır ve hiç kimse kölelik altında bulundurulamaz.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền. Mọi con"
    " người đều được tạo hóa ban cho lý trí và lương tâm và cần phải đối xử với nhau trong tình"
    " bằng hữu. Mọi người đều có quyền sống, quyền tự do và an toàn cá nhân.",
    "sw": "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri,"
    " hivyo yapasa watendeane kindugu. Kila mtu anastahili kuwa na haki zote na uhuru wote ambao"
    " umeelezwa katika taarifa hii bila ubaguzi wa rangi, taifa, dini au siasa.",
    "cy": "Genir pawb yn rhydd ac yn gydradd â'i gilydd mewn urddas a hawliau. Fe'u cynysgaeddir"
    " â rheswm a chydwybod, a dylai pawb ymddwyn y naill at y llall mewn ysbryd cymodlon. Y mae"
    " gan bawb hawl i fywyd, rhyddid a diogelwch ei berson.",
    "eu": "Gizon-emakume guztiak aske jaiotzen dira, duintasun eta eskubide berberak dituztela;"
    " eta ezaguera eta kontzientzia dutenez gero, elkarren artean senide legez jokatu beharra"
    " dute. Nornahik du bizitzeko, aske izateko eta segurtasunerako eskubidea bere bizitzan.",
}


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


# --- OCR -----------------------------------------------------------------------------------

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


# --- invariants ----------------------------------------------------------------------------

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


def test_the_same_bytes_give_the_same_result():
    page = Page().lines(72, 100, PROSE).text(72, 70, "Of Mills and Rivers", 20)
    data = make(page, Page().picture(scan((150, 300, [SENTENCE])))).bytes()
    first, second = (read_pdf(data, PdfOptions()) for _ in range(2))
    assert first.text == second.text
    assert [(p.route, p.rule, p.confidence) for p in first.pages] == [
        (p.route, p.rule, p.confidence) for p in second.pages
    ]
