"""Charsets, main text and page metadata."""

import gzip
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.errors import UserError
from pipeline.charset import canonical, clean, decode, meta_charset
from pipeline.extract import ENGINES, Extracted, extract_html, register_engine

SENTENCES = [
    "The river rises in the hills above the town and turns south after the old mill.",
    "In spring the water covers the meadows, and the herons come back to the reeds.",
    "A ferry crossed here until the bridge was built by the men of three villages.",
    "Nobody remembers who planted the limes, but everybody knows when they flower.",
    "The miller kept a book of floods, and his daughter went on with it for years.",
]
PROSE = [" ".join(random.Random(n).sample(SENTENCES, 4)) for n in range(6)]
ARTICLE = f"""<!DOCTYPE html>
<html lang="en-GB"><head><meta charset="utf-8"><title>The river - Local News</title>
<link rel="canonical" href="/river?x=1"><meta property="og:title" content="The river &amp; us">
<meta property="og:site_name" content="Local News"><meta name="author" content="Ann  Miller">
<meta property="article:published_time" content="2023-04-05T06:07:08Z">
</head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/s">Sports menu</a></li></ul></nav>
<article><h1>The river</h1>{"".join(f"<p>{text}</p>" for text in PROSE)}
<table><tr><td>Length</td><td>87 kilometres</td></tr>
<tr><td>Width</td><td>40 metres</td></tr></table></article>
<footer><p>Imprint and cookie settings</p></footer><script>var hidden = 1;</script></body></html>"""
ALL = sorted(ENGINES)


# --- charsets


@pytest.mark.parametrize(
    ("payload", "declared", "expected"),
    [
        ("Grüße".encode(), None, ("Grüße", "utf-8", "detected")),
        ("Grüße".encode(), "UTF-8", ("Grüße", "utf-8", "http")),
        ("Grüße".encode(), "iso-8859-1", ("Grüße", "utf-8", "overruled")),
        (b"plain", "iso-8859-1", ("plain", "windows-1252", "http")),
        ("模式".encode("gbk"), "gbk", ("模式", "gbk", "http")),  # is valid UTF-8 too
        ("这是一个例子".encode(), "gb2312", ("这是一个例子", "utf-8", "overruled")),
        (b"caf\xe9", "latin1", ("café", "windows-1252", "http")),
        (b"plain text", "utf-16", ("plain text", "utf-8", "overruled")),
        ("Text".encode("utf-16-be") * 30, "utf-8", ("Text" * 30, "utf-16be", "detected")),
        ("Grüße".encode("utf-8-sig"), "gbk", ("Grüße", "utf-8", "bom")),
        (b"\xff\xfe" + "Grüße".encode("utf-16-le"), None, ("Grüße", "utf-16le", "bom")),
        (b"\xfe\xff" + "Grüße".encode("utf-16-be"), "utf-8", ("Grüße", "utf-16be", "bom")),
        ("Grüße".encode("latin-1"), "latin1", ("Grüße", "windows-1252", "http")),
        ("„Preis“ 5 €".encode("cp1252"), "ISO-8859-1", ("„Preis“ 5 €", "windows-1252", "http")),
        ("Привет мир".encode("cp1251"), "windows-1251", ("Привет мир", "windows-1251", "http")),
        ("日本語①".encode("cp932"), "Shift_JIS", ("日本語①", "shift_jis", "http")),
        ("日本語".encode("euc_jp"), "x-euc-jp", ("日本語", "euc-jp", "http")),
        ("한국어".encode("cp949"), "ks_c_5601-1987", ("한국어", "euc-kr", "http")),
        ("中文，\U00020000".encode("gb18030"), "gb2312", ("中文，\U00020000", "gbk", "http")),
        ("ทดสอบ".encode("cp874"), "tis-620", ("ทดสอบ", "windows-874", "http")),
        ("日本語".encode("iso2022_jp"), "iso-2022-jp", ("日本語", "iso-2022-jp", "http")),
        ("Text".encode("utf-16-le") * 30, "utf-16", ("Text" * 30, "utf-16le", "http")),
    ],
)
def test_who_decides(payload, declared, expected):
    assert decode(payload, declared) == expected


def test_meta_decides_where_the_header_is_silent_or_wrong():
    page = (
        '<html><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>Привет'
    )
    payload = page.encode("cp1251")
    assert decode(payload) == (page, "windows-1251", "meta")
    assert decode(payload, "utf-8") == (page, "windows-1251", "meta")
    assert decode(payload, "no-such-charset") == (page, "windows-1251", "meta")
    assert decode(payload, "koi8-r")[1:] == ("koi8-r", "http")
    assert decode(payload, markup=False)[1:] != ("windows-1251", "meta")
    assert decode(page.encode()) == (page, "utf-8", "overruled")
    agreed = "<meta charset=utf-8>模式"
    assert decode(agreed.encode(), "gbk") == (agreed, "utf-8", "overruled")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<meta charset=GBK>", "gbk"),
        (b"<META CHARSET = 'koi8-r' />", "koi8-r"),
        (b'<?xml version="1.0" encoding="iso-8859-2"?>', "iso-8859-2"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<meta charset=nonsense>", None),
        (b"<script>" + b"x" * 3000 + b"</script><meta charset=big5>", "big5"),
        (b"charset=gbk", None),
        (b"<!-- <meta charset=gbk> --><meta charset=big5>", "big5"),
    ],
)
def test_meta_charset(head, expected):
    assert meta_charset(head) == expected


def test_detection_and_replacement_come_last():
    russian = "Все счастливые семьи похожи друг на друга, каждая несчастливая по-своему. " * 5
    assert decode(russian.encode("koi8-r")) == (russian, "koi8-r", "detected")
    text, charset, how = decode(b"\x81\x8d caf\xe9 \x90", "windows-1252")
    assert how == "replaced" or charset != "windows-1252"
    assert "caf" in text


def test_scars_do_not_turn_utf8_into_something_else():
    text = "Ärger über Größe und Öl, süß und schön, früh und spät, für Gänse. " * 3
    payload = text.encode()
    scarred = payload[:10] + b"\xff" + payload[10:]
    decoded, charset, how = decode(scarred, "iso-8859-1")
    assert (charset, how) == ("utf-8", "replaced")
    assert decoded.replace("\ufffd", "") == text


def test_a_character_cut_at_the_end_is_dropped():
    cut = "schön".encode()[:-1] + "ß".encode()[:1]
    assert decode(cut, "latin-1") == ("schö", "utf-8", "overruled")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("latin-1", "windows-1252"),
        ("US-ASCII", "windows-1252"),
        (" 'UTF8' ", "utf-8"),
        ("sjis", "shift_jis"),
        ("iso8859-15", "iso-8859-15"),
        ("cp1250", "windows-1250"),
        ("unicode", "utf-16le"),
        ("", None),
        ("none", None),
        (None, None),
    ],
)
def test_labels(label, expected):
    assert canonical(label) == expected


@settings(max_examples=300)
@given(
    payload=st.binary(max_size=400),
    declared=st.sampled_from([None, "utf-8", "gbk", "utf-16", "iso-2022-jp", "big5", "???"]),
)
def test_decoding_never_fails_and_always_gives_storable_text(payload, declared):
    text, charset, how = decode(payload, declared)
    clean(text).encode("utf-8")
    assert charset and how in ("bom", "http", "meta", "overruled", "detected", "replaced")


@settings(max_examples=100)
@given(st.text(max_size=200).filter(lambda text: not text.startswith("\ufeff")))
def test_utf8_comes_back_as_it_was(text):
    # NUL in every other byte is UTF-16 without a byte order mark
    if text.count("\0") * 5 < len(text.encode()):
        assert decode(text.encode())[0] == text


def test_clean_takes_out_what_cannot_be_stored():
    assert clean("a\0b\ud800c\U0001f600\n") == "abc\U0001f600\n"


# --- engines


@pytest.mark.parametrize("engine", ALL)
def test_main_text_without_boilerplate(engine):
    page = extract_html(ARTICLE.encode(), uri="http://a.test/p", engine=engine)
    for text in PROSE:
        assert text in page.text
    assert "87 kilometres" in page.text
    assert "Sports menu" not in page.text and "hidden" not in page.text
    assert page.text.count("\n") >= len(PROSE) - 1
    assert page.charset == "utf-8"
    assert page.engine in (engine, "trafilatura_fast", "resiliparse")


@pytest.mark.parametrize("engine", ALL)
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" \r\n",
        b"\0\0\0",
        b"<html></html>",
        b"<html><body><script>x()</script></body></html>",
        b"<!--",
        b"<" * 500,
        b"\xff" * 200,
        b"<html><body>" + b"<div>" * 2000,
        b"<p>&#0;&#xD800;&#x110000;",
    ],
)
def test_pages_without_text_are_no_errors(engine, payload):
    page = extract_html(payload, engine=engine)
    assert isinstance(page, Extracted)
    page.text.encode("utf-8")
    assert "\0" not in page.text


@pytest.mark.parametrize("engine", ALL)
def test_text_can_be_stored_whatever_the_page_holds(engine):
    dirty = ARTICLE.replace("The river rises", "The\0 &#0; river &#xDC00; rises", 3)
    page = extract_html(dirty.encode(), engine=engine)
    assert "herons" in page.text
    assert "\0" not in page.text
    page.text.encode("utf-8")


@pytest.mark.parametrize("engine", ALL)
def test_output_does_not_depend_on_pages_seen_before(engine):
    first = extract_html(ARTICLE.encode(), engine=engine)
    for _ in range(4):
        assert extract_html(ARTICLE.encode(), engine=engine) == first


def test_legacy_bytes_reach_the_engines_as_text():
    page = ARTICLE.replace("utf-8", "windows-1251").replace("herons", "цапли")
    got = extract_html(page.encode("cp1251"), engine="resiliparse")
    assert "цапли" in got.text
    assert (got.charset, got.decided_by) == ("windows-1251", "meta")


def test_the_header_charset_is_used():
    page = ARTICLE.replace('<meta charset="utf-8">', "").replace("herons", "hérons")
    got = extract_html(page.encode("latin-1"), charset="ISO-8859-1")
    assert "hérons" in got.text and got.decided_by == "http"


def test_balanced_falls_back_where_trafilatura_finds_little():
    """A page of short labelled blocks without one paragraph of prose."""
    items = "".join(
        f"<div class='item'><span>Part {n}</span> <b>{n * 7} pieces in stock at the mill</b></div>"
        for n in range(40)
    )
    page = f"<html><body><div class='sidebar'>{items}</div><p>{PROSE[0]}</p></body></html>".encode()
    texts = {
        name: extract_html(page, engine=name)
        for name in ("balanced", "resiliparse", "trafilatura_fast")
    }
    longer = len(texts["trafilatura_fast"].text) >= 0.5 * len(texts["resiliparse"].text)
    assert texts["balanced"].engine == ("trafilatura_fast" if longer else "resiliparse")
    always = extract_html(page, engine="balanced", options={"ratio": 0.0})
    never = extract_html(page, engine="balanced", options={"ratio": 1e9})
    assert always.engine == "trafilatura_fast"
    assert never.engine == "resiliparse"
    assert never.text


def test_resiliparse_gives_the_whole_page_where_it_finds_no_main_content():
    talk = "".join(f"<p>{text}</p>" for text in PROSE)
    page = f"<html><body class='modal'><div class='sidebar'>{talk}</div></body></html>".encode()
    whole = extract_html(page, engine="resiliparse")
    assert PROSE[0] in whole.text and whole.engine == "resiliparse_whole"
    bare = extract_html(page, engine="resiliparse", options={"whole_if_empty": False})
    assert (bare.text, bare.engine) == ("", "resiliparse")


def test_comments_of_readers_are_an_option():
    talk = "".join(
        f"<div class='comment'><p>I remember the flood of year {n}, said the old man.</p></div>"
        for n in range(5)
    )
    page = ARTICLE.replace("</article>", f"</article><div id='comments'>{talk}</div>").encode()
    options = {"comments": False}
    assert "old man" in extract_html(page, engine="resiliparse").text
    assert "old man" not in extract_html(page, engine="resiliparse", options=options).text


@pytest.mark.parametrize("engine", ALL)
def test_markdown_where_the_engine_tells_structure(engine):
    options = {"structure": "markdown"}
    page = extract_html(ARTICLE.encode(), engine=engine, options=options)
    for text in PROSE:
        assert text in page.text
    assert "87 kilometres" in page.text
    if page.engine != "resiliparse":
        assert "# The river" in page.text and "| Length | 87 kilometres |" in page.text


def test_limits_and_wrong_names():
    with pytest.raises(ValueError, match="limit 10"):
        extract_html(b"x" * 11, options={"max_bytes": 10})
    with pytest.raises(UserError, match="did you mean 'trafilatura'"):
        extract_html(b"x", engine="trafilatra")
    with pytest.raises(UserError, match="did you mean 'markdown'"):
        extract_html(b"x", options={"structure": "markdwon"})
    with pytest.raises(UserError, match="include_tables"):
        extract_html(b"x", engine="trafilatura", options={"include_table": False})


def test_engines_can_be_added():
    @register_engine("shout", mark="!")
    def shout(page, options):
        return page.tree.body.text.upper() + options["mark"], "shout"

    try:
        page = extract_html(b"<p>hello", engine="shout", options={"mark": "?"})
        assert (page.text, page.engine) == ("HELLO?", "shout")
    finally:
        del ENGINES["shout"]


def test_compressed_pages_from_a_warc_go_all_the_way(tmp_path):
    """Reader and extraction together: bytes of a crawl in, text out."""
    from pipeline.readers import READERS
    from tests.warcs import http, warc

    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    path = tmp_path / "x.warc.gz"
    path.write_bytes(gzip.compress(warc(http(gzip.compress(ARTICLE.encode()), headers=headers))))
    [record] = READERS["warc"](str(path), "x", open_file=lambda p: path.open("rb"), options={})
    page = extract_html(record.payload, uri=record.uri, charset=record.charset)
    assert PROSE[0] in page.text
