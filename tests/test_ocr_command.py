"""corpusmill ocr: Markdown, JSON lines and the page that shows what was read."""

import json
import re
import socket
import subprocess
import sys
import zipfile

import pytest

from tests.pdf_pages import PROSE
from tests.pdfs import Page, encrypt, make

PAGE = Page().text(72, 70, "Of Mills & Rivers", 20).lines(72, 110, PROSE)
MARKDOWN = "# Of Mills & Rivers\n\n" + " ".join(PROSE) + "\n"


def corpusmill(*arguments):
    command = [sys.executable, "-m", "corpusmill", "ocr", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pdfs")
    (folder / "good.pdf").write_bytes(make(PAGE, Page(), PAGE).bytes())
    (folder / "locked.pdf").write_bytes(encrypt(make(PAGE), b"secret", b"owner"))
    with zipfile.ZipFile(folder / "some.zip", "w") as archive:
        archive.writestr("<b>in.pdf", make(PAGE).bytes())
    return folder


def test_one_pdf_is_printed_as_markdown(folder):
    process = corpusmill(folder / "good.pdf", "--engine", "none")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith(MARKDOWN)
    locked = corpusmill(folder / "locked.pdf", "--engine", "none")
    assert (locked.returncode, locked.stdout) == (1, "")
    assert "locked.pdf: pdf_encrypted (a password is needed" in locked.stderr


def test_many_are_lines_and_sections_of_a_page(folder, tmp_path):
    html, lines = tmp_path / "page.html", tmp_path / "lines.jsonl"
    process = corpusmill(folder, "--engine", "none", "--html", html, "--jsonl", lines)
    assert process.returncode == 0, process.stderr
    good, locked, inside = map(json.loads, lines.read_text().splitlines())
    assert (good["status"], locked["status"], inside["status"]) == ("ok", "pdf_encrypted", "ok")
    assert inside["file"].endswith("some.zip!/<b>in.pdf")
    assert good["n_pages"] == 3 and good["seconds"] >= 0
    assert [page["route"] for page in good["pages"]] == ["text", "blank", "text"]
    text = html.read_text()
    assert text.count('<section class="page">') == 4
    assert text.count("data:image/jpeg;base64,/9j/") == 4
    assert "Of Mills &amp; Rivers" in text and "&lt;b&gt;in.pdf" in text
    assert "pdf_encrypted" in text and "password is needed" in text
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)  # nothing is fetched
    assert sorted(tmp_path.iterdir()) == [lines, html]


def test_an_address_where_nobody_listens_costs_itself_and_no_more(folder, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
        alone = corpusmill(f"http://{closed}/a.pdf")
        told = f"http://{closed}/a.pdf: unreadable ({closed} refuses connections (for "
        assert (alone.returncode, alone.stdout) == (1, "")
        assert alone.stderr.startswith(told) and alone.stderr.count("\n") == 1
        lines = tmp_path / "lines.jsonl"
        many = corpusmill(f"http://{closed}/a.pdf", folder / "good.pdf", "--jsonl", lines)
    assert many.returncode == 1
    found = [json.loads(line)["status"] for line in lines.read_text().splitlines()]
    assert found == ["unreadable", "ok"]


XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description
 xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:tdm="http://www.w3.org/ns/tdmrep/">
<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>
<tdm:reservation>1</tdm:reservation><tdm:policy>https://a.test/tdm?a=1&amp;b</tdm:policy>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def test_lines_carry_the_compliance_record(folder, tmp_path):
    own = Page().lines(72, 110, [*PROSE, "This work is licensed under CC BY 4.0."])
    (tmp_path / "own.pdf").write_bytes(make(own, xmp=XMP).bytes())
    free = XMP.replace(b"reservation>1", b"reservation>0")
    (tmp_path / "packed.pdf").write_bytes(make(own, xmp=free).bytes())
    process = corpusmill(
        *(tmp_path / "own.pdf", tmp_path / "packed.pdf", folder / "locked.pdf"),
        *("--engine", "none", "--jsonl", "-"),
    )
    own, free, locked = map(json.loads, process.stdout.splitlines())
    assert (own["license"], own["license_scope"]) == ("CC-BY-4.0", "page")
    assert own["license_class"] == "attribution" and own["license_confidence"] > 0.9
    assert own["license_evidence"].startswith("XMP licence: https://creativecommons.org")
    assert own["opt_out"] == ["tdm-reservation"]
    assert own["opt_out_evidence"] == [
        "XMP tdm-reservation: 1, tdm-policy: https://a.test/tdm?a=1&b"
    ]
    assert free["opt_out"] == [] and free["opt_out_evidence"][0].startswith(
        "XMP tdm-reservation: 0"
    )
    assert (locked["license"], locked["license_class"]) == (None, "unknown")
    assert locked["opt_out"] == [] and locked["reason"] == "pdf_encrypted"


def test_an_archive_alone_is_lines_on_standard_output(folder):
    process = corpusmill(folder / "some.zip", "--engine", "none")
    assert json.loads(process.stdout)["text"] + "\n" == MARKDOWN


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "rapidcor"], "--engine rapidcor: no such engine"),
        (["--engine", "vlm"], "base_url must be an http(s) address"),
        (["--option", "x"], "--option x: expected NAME=VALUE"),
        (["--option", "size=3"], "engine 'rapidocr': unknown option 'size'"),
        (["--html", "/nowhere/page.html"], "--html /nowhere/page.html: cannot be written"),
    ],
)
def test_mistakes_are_one_line(folder, arguments, message):
    process = corpusmill(folder / "good.pdf", *arguments)
    assert process.returncode == 2
    [line] = process.stderr.splitlines()
    assert message in line
