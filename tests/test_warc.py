"""WARC records: what passes, what is rejected and why, how bodies are decoded."""

import gzip
import io
import random
import zlib
from datetime import UTC, datetime

import brotli
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator

from pipeline.records import ERRORS, REJECTS
from tests.warcs import CONTAINERS, HEADERS, PAGE, assert_covers, http, pages, read, verdicts, warc


def one(block, **options):
    [record] = read(gzip.compress(warc(block)), **options)
    return record


# --- what a record holds


def test_response_passes_with_its_provenance():
    record = one(http(headers={**HEADERS, "X-Robots-Tag": "noai", "Link": "<a>; rel=license"}))
    assert record.payload == PAGE
    assert record.uri == "http://a.test/1"
    assert record.container == "box"
    assert record.media_type == "text/html"
    assert record.charset == "utf-8"
    assert record.fetched_at == datetime(2024, 2, 29, 12, 30, 45, tzinfo=UTC)
    assert record.headers["x-robots-tag"] == "noai"
    assert record.metadata["warc_type"] == "response"
    assert record.metadata["http_status"] == 200
    assert record.reject is None and record.error is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020-01-02T03:04:05Z", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2020-01-02T03:04:05.123456789Z", datetime(2020, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("20200102030405", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2020-01", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2020", datetime(2020, 1, 1, tzinfo=UTC)),
        ("yesterday", None),
        ("2020-13-45T00:00:00Z", None),
    ],
)
def test_dates(value, expected):
    [record] = read(warc(http(), WARC_Date=value))
    assert record.fetched_at == expected


def test_every_other_record_is_rejected_with_its_reason():
    cases = {
        "not_response": [
            warc(b"software: x", kind="warcinfo", content_type="application/warc-fields"),
            warc(b"GET / HTTP/1.1\r\n\r\n", kind="request"),
            warc(PAGE, kind="resource", content_type="text/html"),
            warc(b"x", kind=""),
        ],
        "revisit": [warc(http(b""), kind="revisit")],
        "not_http": [warc(b"a 1.2.3.4", uri="dns:a.test", content_type="text/dns")],
        "http_status": [
            warc(http(status="404 Not Found")),
            warc(http(status="301")),
            warc(http(status="206 Partial Content")),
        ],
        "media_type": [
            warc(http(b"\x89PNG\r\n\x1a\n", headers={"Content-Type": "image/png"})),
            warc(http(b"\x89PNG\r\n\x1a\n")),
            warc(http(b'{"a": 1}', headers={"Content-Type": "application/json"})),
            warc(http(b'{"a": 1}', headers={})),
            warc(http(b"\x00\x01\x02\x03", headers={})),
        ],
        "robots_txt": [
            warc(
                http(b"User-agent: *", headers={"Content-Type": "text/plain"}),
                "http://a/robots.txt",
            )
        ],
        "consent_file": [
            warc(http(b"[]", headers={}), "http://a/.well-known/tdmrep.json"),
            warc(http(b"User-agent: *", headers={}), "http://a/ai.txt"),
        ],
        "empty_body": [warc(http(b"")), warc(http(b" \r\n")), warc(b"")],
        "http_header": [warc(b"no status line here")],
    }
    for expected, records in cases.items():
        for made in records:
            [record] = read(made)
            assert (record.reject or record.error) == expected, made
            kept = expected in ("robots_txt", "consent_file")  # what they declare is still needed
            assert (record.payload is not None) == kept and record.text is None
            assert expected in REJECTS or expected in ERRORS


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, PAGE, "text/html"),
        ({}, b"\xef\xbb\xbf<html>", "text/html"),
        ({}, "<html><p>".encode("utf-16"), "text/html"),
        ({}, b"  <p>hello</p>", "text/html"),
        ({}, b"just words", "text/plain"),
        ({"Content-Type": "text/html"}, b"%PDF-1.4 x", "application/pdf"),
        ({"Content-Type": "application/pdf"}, b"junk %PDF-1.4", "application/pdf"),
        ({"Content-Type": "application/octet-stream"}, b"%PDF-1.4 x", "application/pdf"),
        ({"Content-Type": "TEXT/HTML;charset=x"}, b"abc", "text/html"),
        (
            {"content-type": "application/xhtml+xml"},
            b"<?xml version='1.0'?><html>",
            "application/xhtml+xml",
        ),
        ({"Content-Type": "text/xml"}, b"<?xml version='1.0'?>\n<html>", "text/html"),
        ({"Content-Type": "text/plain"}, b"<!DOCTYPE html><p>", "text/html"),
        ({"Content-Type": "text/plain"}, b"<p>a fragment", "text/plain"),
        ({"Content-Type": "html"}, PAGE, "text/html"),
    ],
)
def test_media_types_are_sniffed_where_the_header_is_silent_or_wrong(headers, body, expected):
    record = one(http(body, headers=headers))
    assert record.media_type == expected
    assert record.payload == body


def test_plain_text_is_decoded():
    record = one(
        http("Käse".encode("latin-1"), headers={"Content-Type": "text/plain; charset=latin1"})
    )
    assert record.text == "Käse"
    assert record.charset == "windows-1252"


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200\r\n", b"HTTP/1.0 200 \r\n", b"HTTP/2 200 OK\r\n", b"HTTP/1.1 200 OK\n"],
)
def test_status_lines_of_the_wild(start):
    assert one(start + b"Content-Type: text/html\r\n\r\n" + PAGE).payload == PAGE


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/html; charset=UTF-8", "UTF-8"),
        ('text/html; charset="shift_jis"', "shift_jis"),
        ("text/html;Charset = koi8-r ;x=y", "koi8-r"),
        ("text/html; charset:gbk", "gbk"),
        ("text/html", None),
    ],
)
def test_charset_of_the_header_in_any_spelling(value, expected):
    assert one(http(headers={"Content-Type": value})).charset == expected


def test_header_fields_fold_repeat_and_vary_in_case():
    block = (
        b"HTTP/1.1 200 OK\r\ncontent-TYPE: text/html\r\nLink: <a>\r\nLINK: <b>;\r\n"
        b"  rel=license\r\nbroken line\r\nX: \xe9\r\n\r\n" + PAGE
    )
    headers = one(block).headers
    assert headers["link"] == "<a>, <b>; rel=license"
    assert headers["x"] == "é"


# --- body codings


def chunked(body, size=50):
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def raw_deflate(body):
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


CODED = {
    "gzip": ({"Content-Encoding": "gzip"}, gzip.compress(PAGE)),
    "x-gzip": ({"Content-Encoding": "x-gzip"}, gzip.compress(PAGE)),
    "gzip of two members": (
        {"Content-Encoding": "gzip"},
        gzip.compress(PAGE[:20]) + gzip.compress(PAGE[20:]),
    ),
    "br": ({"Content-Encoding": "br"}, brotli.compress(PAGE)),
    "deflate": ({"Content-Encoding": "deflate"}, zlib.compress(PAGE)),
    "raw deflate": ({"Content-Encoding": "deflate"}, raw_deflate(PAGE)),
    "zstd": ({"Content-Encoding": "zstd"}, zstandard.compress(PAGE)),
    "two codings": ({"Content-Encoding": "gzip, br"}, brotli.compress(gzip.compress(PAGE))),
    "chunked": ({"Transfer-Encoding": "chunked"}, chunked(PAGE)),
    "chunk extension": (
        {"Transfer-Encoding": "chunked"},
        b"%X ;a=b\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE),
    ),
    "chunked gzip": (
        {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"},
        chunked(gzip.compress(PAGE), 7),
    ),
    "identity": ({"Content-Encoding": "identity"}, PAGE),
    "undeclared gzip": ({}, gzip.compress(PAGE)),
    "gzip, but plain": ({"Content-Encoding": "gzip"}, PAGE),
    "br, but plain": ({"Content-Encoding": "br"}, PAGE),
    "deflate, but plain": ({"Content-Encoding": "deflate"}, PAGE),
    "deflate, but gzip": ({"Content-Encoding": "deflate"}, gzip.compress(PAGE)),
    "chunked, but plain": ({"Transfer-Encoding": "chunked"}, PAGE),
    "unknown coding": ({"Content-Encoding": "utf-8"}, PAGE),
    "crawler undid it": ({"X-Crawler-Content-Encoding": "gzip"}, PAGE),
}


@pytest.mark.parametrize("case", CODED)
def test_bodies_are_decoded_or_kept(case):
    headers, body = CODED[case]
    record = one(http(body, headers={**HEADERS, **headers}))
    assert record.payload == PAGE
    noted = "but" in case or case == "unknown coding"
    assert bool(record.detail) == (noted and case != "deflate, but gzip")


@pytest.mark.parametrize(
    ("headers", "coded"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress),
        ({"Content-Encoding": "br"}, brotli.compress),
        ({"Content-Encoding": "deflate"}, zlib.compress),
        ({"Transfer-Encoding": "chunked"}, lambda body: chunked(body, 5000)),
    ],
)
def test_what_is_there_of_a_cut_body_is_kept_with_a_note(headers, coded):
    rng = random.Random(1)
    page = PAGE + b"".join(b"<p>%030x" % rng.getrandbits(120) for _ in range(2000))
    body = coded(page)
    record = one(http(body[: len(body) // 2], headers={**HEADERS, **headers}))
    assert page.startswith(record.payload)
    assert len(record.payload) > len(page) // 4
    assert "cut" in record.detail


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd"])
def test_a_bomb_is_quarantined(coding):
    bomb = b"<html>" + b"\0" * 3_000_000
    pack = {
        "gzip": gzip.compress,
        "br": brotli.compress,
        "deflate": zlib.compress,
        "zstd": zstandard.compress,
    }[coding]
    headers = {**HEADERS, "Content-Encoding": coding}
    record = one(http(pack(bomb), headers=headers), max_bytes=100_000)
    assert record.error == "oversized" and record.payload is None


def test_a_large_record_is_quarantined_and_the_next_one_read():
    data = warc(http(b"<html>" + b"x" * 900_000)) + warc(http())
    records = read(data, max_bytes=1000)
    assert verdicts(records) == ["oversized", "ok"]
    assert_covers(records, len(data))


def test_truncation_by_the_crawler_is_noted():
    [record] = read(warc(http(), WARC_Truncated="length"))
    assert record.payload and "length" in record.detail


# --- containers


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_same_records_from_every_container(container):
    made = pages(20)
    records = read(CONTAINERS[container](made))
    assert verdicts(records) == ["ok"] * 20
    assert [r.payload for r in records] == [r.payload for r in read(b"".join(made))]
    assert [r.uri for r in records] == [f"http://a.test/{n}" for n in range(20)]
    assert len({r.offset for r in records}) == 20


@pytest.mark.parametrize("container", ["plain", "gzip by record", "zstd by record"])
def test_offsets_and_lengths_point_at_the_record(container):
    data = CONTAINERS[container](pages(10))
    records = read(data)
    assert_covers(records, len(data))
    for record in records:
        [again] = read(data[record.offset : record.offset + record.length])
        assert again.payload == record.payload


def test_fastwarc_finds_the_same_records():
    kinds = ["warcinfo", "request", "response", "metadata", "response", "revisit", "resource"]
    made = [
        warc(http(PAGE * (n % 5 + 1)), f"http://a.test/{n}", kinds[n % len(kinds)])
        for n in range(50)
    ]
    data = b"".join(map(gzip.compress, made))
    theirs = [
        (record.headers["WARC-Target-URI"], record.stream_pos)
        for record in ArchiveIterator(io.BytesIO(data), parse_http=False)
    ]
    ours = read(data)
    assert [(record.uri, record.offset) for record in ours] == theirs
    assert verdicts(ours).count("ok") == kinds.count("response") * 7


def test_lenient_about_line_ends_case_padding_and_folding():
    loose = (
        b"warc/1.0\nwarc-type: RESPONSE\nWARC-TARGET-uri: <http://a.test/x>\ncontent-length: %d\n"
        b"x-note: one\n  two\n\n" % len(http())
    ) + http()
    data = b"\r\n" + loose + b"\n" + loose + b"\0" * 100 + warc(http()) + b"\r\n\0\0"
    records = read(data)
    assert verdicts(records) == ["ok"] * 3
    assert records[0].uri == "http://a.test/x"


def test_padding_between_members_is_not_damage():
    made = pages(3)
    data = (b"\0" * 700).join(map(gzip.compress, made)) + b"\n\0"
    assert verdicts(read(data)) == ["ok"] * 3
