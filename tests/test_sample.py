"""The committed sample is what its manifest says, and holds the oddities it promises."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pypdfium2
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SAMPLE = EXAMPLES / "sample"
MANIFEST = [json.loads(line) for line in (SAMPLE / "manifest.jsonl").read_text().splitlines()]
SOURCES = {"web", "papers", "scans", "code", "books", "encyclopedia", "law", "qa", "math"}
TABLES = [r for r in MANIFEST if r["source"] in SOURCES - {"web", "papers", "scans"}]
CRAWLS = [r for r in MANIFEST if r["source"] == "web"]
PDFS = [r for r in MANIFEST if r["source"] in {"papers", "scans"}]

sys.path.insert(0, str(EXAMPLES))

from sample_crawl import Page, Warc, damage, reskin  # noqa: E402
from sample_pdfs import image_pdf  # noqa: E402
from sample_prose import Manual, paragraphs, plain_pod, plain_wikitext  # noqa: E402


def name(row: dict) -> str:
    return row["file"]


def rows(row: dict) -> list[dict]:
    data = (SAMPLE / row["file"]).read_bytes()
    if row["file"].endswith(".parquet"):
        return pq.read_table(io.BytesIO(data)).to_pylist()
    if row["file"].endswith(".zst"):
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    else:
        data = gzip.decompress(data)
    return [json.loads(line) for line in data.decode().split("\n") if line]


def members(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Gzip members as (offset, content), content None for one that cannot be inflated."""
    at = 0
    while at < len(data):
        inflate = zlib.decompressobj(31)
        try:
            content = inflate.decompress(data[at:]) + inflate.flush()
            yield at, content
            at = len(data) - len(inflate.unused_data)
        except zlib.error:
            yield at, None
            at = data.index(b"\x1f\x8b\x08\x00", at + 1)


def crawled(row: dict) -> list[dict]:
    """Records of a WARC file: its own headers, HTTP head and body as sent."""
    found = []
    for offset, content in members((SAMPLE / row["file"]).read_bytes()):
        if content is None:
            found.append({"type": "broken", "offset": offset})
            continue
        head, _, block = content.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert len(block) == int(fields["Content-Length"]) + 4
        http_head, _, body = block[:-4].partition(b"\r\n\r\n")
        found.append({"type": fields["WARC-Type"], "fields": fields, "offset": offset})
        found[-1] |= {"http": http_head.decode(), "body": body}
    return found


@pytest.fixture(scope="module")
def crawls() -> dict[str, list[dict]]:
    return {row["file"]: crawled(row) for row in CRAWLS}


def test_files_are_those_of_the_manifest():
    there = {p.relative_to(SAMPLE).as_posix() for p in SAMPLE.rglob("*") if p.is_file()}
    assert there == {r["file"] for r in MANIFEST} | {"README.md", "manifest.jsonl", "sources.toml"}
    assert {r["source"] for r in MANIFEST} == SOURCES
    assert sum((SAMPLE / path).stat().st_size for path in there) < 12_000_000


@pytest.mark.parametrize("row", MANIFEST, ids=name)
def test_checksum(row):
    data = (SAMPLE / row["file"]).read_bytes()
    assert len(data) == row["bytes"]
    assert hashlib.sha256(data).hexdigest() == row["sha256"]
    assert row["packages"] and row["licences"]


@pytest.mark.parametrize("row", TABLES, ids=name)
def test_documents(row):
    found = rows(row)
    assert len(found) == row["records"]
    assert sum(len(r["text"].encode()) for r in found) == row["raw_bytes"]
    assert {r["licence"] for r in found} == set(row["licences"])
    assert {r["package"] for r in found} == set(row["packages"])
    assert all(200 <= len(r["text"]) <= 65_000 for r in found)
    assert len({r["text"] for r in found}) >= 0.95 * len(found)


@pytest.mark.parametrize("source", sorted(SOURCES - {"web", "papers", "scans"}))
def test_source_is_large_enough_for_a_study(source):
    assert sum(r["raw_bytes"] for r in TABLES if r["source"] == source) >= 600_000


def test_licences_are_free():
    licences = {licence for row in MANIFEST for licence in row["licences"]}
    assert not [licence for licence in licences if re.search("AGPL|-NC|-ND|proprietary", licence)]
    readme = (SAMPLE / "README.md").read_text()
    assert all(package in readme for row in MANIFEST for package in row["packages"])
    assert all(licence in readme for licence in licences)


@pytest.mark.parametrize("row", CRAWLS, ids=name)
def test_warc_holds_what_the_manifest_promises(row, crawls):
    found, expected = crawls[row["file"]], row["expected"]
    kinds = Counter(r["type"] for r in found)
    for kind in ("warcinfo", "response", "request", "metadata", "revisit"):
        assert kinds[kind] == expected.get(kind, 0)
    assert kinds["broken"] == expected.get("broken_members", 0)
    assert row["records"] == sum(kinds.values()) - kinds["broken"]
    assert found[0]["type"] == "warcinfo"
    responses = [r for r in found if r["type"] == "response"]
    statuses = Counter(r["http"].split()[1] for r in responses)
    assert statuses == {k[7:]: n for k, n in expected.items() if k.startswith("status_")}
    headers = [r["http"].lower() for r in responses]
    assert sum("content-encoding: gzip" in head for head in headers) == expected["coding_gzip"]
    assert sum("chunked" in head for head in headers) == expected["coding_chunked"]
    media = Counter(re.findall(r"content-type: ([\w/]+)", "\n".join(headers)))
    for kind in ("application/pdf", "image/png", "text/html", "text/css", "text/plain"):
        assert media[kind] == expected.get(f"media_{kind}", 0)


def test_broken_member_lies_between_good_ones(crawls):
    (row,) = [r for r in CRAWLS if "broken" in r["expected"]]
    found, broken = crawls[row["file"]], row["expected"]["broken"]
    place = [r["type"] for r in found].index("broken")
    assert found[place]["offset"] == broken["offset"]
    assert found[place + 1]["offset"] == broken["offset"] + broken["length"]
    assert len(found) // 4 < place < 3 * len(found) // 4
    assert broken["uri"] not in [r["fields"].get("WARC-Target-URI") for r in found if "fields" in r]


def test_crawl_holds_awkward_pages(crawls):
    every = [r for found in crawls.values() for r in found if r["type"] == "response"]
    uris = [r["fields"]["WARC-Target-URI"] for r in every]
    assert 700 <= len(every) <= 1000 and len(set(uris)) == len(uris)
    digests = Counter(r["fields"]["WARC-Payload-Digest"] for r in every if len(r["body"]) > 500)
    assert sum(n - 1 for n in digests.values()) >= 20  # exact copies under a second URL
    plain = [r["body"] for r in every if "-Encoding" not in r["http"]]
    assert sum(b"creativecommons.org/licenses/" in body for body in plain) >= 30
    assert sum(b'rel="license"' in body for body in plain) >= 15
    assert sum("WARC-Truncated" in r["fields"] for r in every) == 1
    assert sum("noai" in r["http"] or "tdm-reservation: 1" in r["http"] for r in every) >= 3
    charsets = Counter(
        found[1].lower()
        for body in plain
        if (found := re.search(rb"charset=[\"']?([-\w]+)", body[:4000], re.I))
    )
    assert charsets[b"euc-kr"] >= 5 and charsets[b"iso-8859-1"] >= 20 and charsets[b"windows-1252"]
    (invalid,) = [r for r in every if "legacy.example.org/de-DE" in r["fields"]["WARC-Target-URI"]]
    with pytest.raises(UnicodeDecodeError):
        invalid["body"].decode()
    revisits = [r for found in crawls.values() for r in found if r["type"] == "revisit"]
    known = {(r["fields"]["WARC-Target-URI"], r["fields"]["WARC-Date"]) for r in every}
    for r in revisits:
        fields = r["fields"]
        assert (fields["WARC-Refers-To-Target-URI"], fields["WARC-Refers-To-Date"]) in known


def test_languages_of_the_crawl(crawls):
    found = crawls["web/crawl-2.warc.gz"]
    uris = " ".join(r["fields"].get("WARC-Target-URI", "") for r in found if "fields" in r)
    for part in ("/fr-FR/", "/de-DE/", "/es-ES/", "/ru-RU/", "/ja-JP/", "/zh-CN/", "/ko/", "/tr/"):
        assert part in uris


def served(stream: io.IOBase) -> list[tuple[int, str, bytes]]:
    """Responses as fastwarc reads them: (status, media type, body with its codings undone).

    The content coding is undone here: `auto_decode="all"` of fastwarc 2.0.1 ends the iteration
    without an error after a response that is both chunked and gzip-coded.
    """
    out = []
    for record in ArchiveIterator(stream, WarcRecordType.response, auto_decode="transfer"):
        http, body = record.http_headers, record.reader.read()
        if http.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        out.append((http.status_code, http.get("Content-Type", ""), body))
    return out


@pytest.mark.parametrize("row", [r for r in CRAWLS if "broken" not in r["expected"]], ids=name)
def test_fastwarc_reads_the_crawl(row):
    with (SAMPLE / row["file"]).open("rb") as stream:
        found = served(stream)
    assert len(found) == row["expected"]["response"]
    pages = [b for code, media, b in found if code == 200 and media.startswith("text/html") and b]
    assert all(re.search(rb"<html|<!doctype", body[:4000], re.I) for body in pages)


@pytest.mark.parametrize("row", PDFS, ids=name)
def test_pdf(row):
    data = (SAMPLE / row["file"]).read_bytes()
    if "truncated" in row["file"]:
        with pytest.raises(pypdfium2.PdfiumError):
            pypdfium2.PdfDocument(data)
        return
    document = pypdfium2.PdfDocument(data)
    assert len(document) == row["pages"]
    letters = [document[i].get_textpage().count_chars() for i in range(len(document))]
    if row["source"] == "scans":
        assert not any(letters)
        assert row["bytes"] / row["pages"] < 120_000
        assert all(len(text) > 1000 for text in row["truth"])
    else:
        assert max(letters) > 500


@given(st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=9000)), min_size=1, max_size=5))
def test_responses_can_be_read_back(found):
    warc = Warc(dt.datetime(2025, 2, 11))
    for number, body in found:
        warc.respond(Page(f"https://docs.example.org/{number}", body))
    assert [body for *_, body in served(io.BytesIO(b"".join(warc.chunks)))] == [b for _, b in found]
    assert warc.size == sum(map(len, warc.chunks))


@given(st.integers(0), st.integers(400, 9000))
def test_damage_keeps_the_length_and_stops_inflating(seed, size):
    member = gzip.compress(hashlib.shake_128(str(seed).encode()).digest(size), 9, mtime=0)
    bad = damage(member)
    assert len(bad) == len(member)
    with pytest.raises(zlib.error):
        zlib.decompress(bad, 31)


def test_reskin_keeps_the_page():
    page = b'<html><body class="x"><p>One.</p></body></html>'
    skinned = reskin(page)
    assert b"<p>One.</p>" in skinned and skinned != page and skinned.count(b"<body") == 1


def test_readers_of_package_formats():
    assert paragraphs(["a", "b", "", "    x = 1", "    y = 2"]) == "a b\n\n    x = 1\n    y = 2"
    wiki = "'''Ada''' {{IPA|x}} was a [[Mathematics|mathematician]].<ref>r</ref>\n== Life ==\n* one"
    assert plain_wikitext(wiki) == "Ada was a mathematician.\n## Life\n- one"
    assert plain_pod('Use C<< $a->b >>, see L<perlop/"Ops"> and B<I<this>>.X<index>') == (
        "Use `$a->b`, see perlop/Ops and this."
    )
    page = Manual()
    page.feed('<div class="chlinktop"><div>nav</div></div><h4>1.1 Sets</h4><p>A <b>set</b>.</p>')
    assert "".join(page.out).split() == ["##", "1.1", "Sets", "A", "set."]


def test_image_pdf_has_pages_and_no_text():
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (300, 400), 200).save(buffer, "JPEG")
    document = pypdfium2.PdfDocument(image_pdf([(buffer.getvalue(), 300, 400)] * 2, 150))
    assert len(document) == 2 and document[1].get_textpage().count_chars() == 0
    assert document[0].get_size() == (144, 192)
