"""`corpusmill extract`: many files to one line a page, whatever the workers; and how it ends."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipeline.extract_files import FIELDS, extract_files, reader_of
from pipeline.ingest_config import Limits
from tests.inputs import html, prose, response
from tests.test_cli import corpusmill
from tests.warcs import warc

MARKS = (
    "<meta name=author content='Ann Miller'><meta property=og:site_name content='The Mill'>"
    "<link rel=canonical href=/two><link rel=license href=https://creativecommons.org/licenses/by/4.0/>"
    "<meta name=robots content=noai>"
)
SLOW = b"<select>" + b"<option>x" * 100_000


@pytest.fixture(scope="module")
def crawl(tmp_path_factory):
    """A folder with a WARC, a WET file, a page in Latin-1 and a compressed page."""
    folder = tmp_path_factory.mktemp("crawl")
    text = warc(prose(7).encode(), "http://a.test/wet", "conversion", "text/plain")
    request = warc(b"GET / HTTP/1.1\r\n\r\n", "http://a.test/", "request")
    records = [
        response("http://a.test/1", html(1)),
        gzip.compress(request),
        response("http://a.test/2", html(2, head=MARKS)),
        response("http://a.test/gone", b"<p>gone", status="404 Not Found"),
        response("http://a.test/empty", b"<html><body><p> </p></body></html>"),
        *(response(f"http://a.test/{n}", html(n)) for n in range(3, 30)),
    ]
    (folder / "a.warc.gz").write_bytes(b"".join(records))
    (folder / "b.warc.wet.gz").write_bytes(gzip.compress(text))
    latin = f"<html><body><article><h1>Grüße</h1><p>{prose(50)} Käse</p></article>"
    (folder / "c.html").write_bytes(latin.encode("latin-1"))
    (folder / "d.html.gz").write_bytes(gzip.compress(html(60)))
    return folder


def lines_of(folder, *options):
    out = folder.parent / f"out-{len(options)}.jsonl"
    process = corpusmill("extract", folder, "--jsonl", out, "--engine", "resiliparse", *options)
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in out.read_text().splitlines()], process


def test_a_line_a_page_with_all_that_is_known(crawl):
    lines, process = lines_of(crawl)
    assert [tuple(line) for line in lines] == [FIELDS] * len(lines)
    by_uri = {line["uri"]: line for line in lines}
    second = by_uri["http://a.test/2"]
    assert prose(2).split("\n")[0] in second["text"]
    expected = {
        "file": str(crawl / "a.warc.gz"),
        "http_status": 200,
        "fetched_at": "2026-01-02T03:04:05+00:00",
        "engine": "resiliparse",
        "title": "Page 2",
        "author": "Ann Miller",
        "site_name": "The Mill",
        "canonical_url": "http://a.test/two",
        "html_lang": "en",
        "charset": "utf-8",
        "charset_from": "meta",
        "license": "CC-BY-4.0",
        "license_scope": "page",
        "opt_out": ["noai"],
        "reason": None,
    }
    assert {name: second[name] for name in expected} == expected
    assert second["offset"] > by_uri["http://a.test/1"]["offset"] == 0
    assert by_uri["http://a.test/wet"]["text"].startswith(prose(7)[:40])
    latin = by_uri[str(crawl / "c.html")]
    assert "Käse" in latin["text"]
    assert (latin["charset"], latin["charset_from"]) == ("windows-1252", "detected")
    assert prose(60).split("\n")[3] in by_uri[str(crawl / "d.html.gz")]["text"]
    assert "32 pages with text, 2 without" in process.stderr
    assert "records that are no pages: 1" in process.stderr


def test_pages_without_text_say_why(crawl):
    lines, _ = lines_of(crawl)
    without = {line["uri"]: line["reason"] for line in lines if line["text"] is None}
    assert without == {"http://a.test/gone": "http_status", "http://a.test/empty": "no_text"}


def test_workers_change_neither_lines_nor_order(crawl):
    one, _ = lines_of(crawl, "--workers", "1")
    three, _ = lines_of(crawl, "--workers", "3", "--seconds", "19")
    assert one == three
    assert [line["uri"] for line in one[4:10]] == [f"http://a.test/{n}" for n in range(3, 9)]


def test_structure_is_an_option(crawl):
    process = corpusmill("extract", crawl / "d.html.gz", "--structure", "markdown")
    assert prose(60).split("\n")[3] in process.stdout
    process = corpusmill("extract", crawl / "d.html.gz", "--structure", "markdwon", check=False)
    assert process.returncode == 2
    assert "structure 'markdwon' is unknown" in process.stderr


def test_lines_to_standard_output(crawl):
    process = corpusmill("extract", crawl / "d.html.gz", "--jsonl", "-")
    [line] = process.stdout.splitlines()
    assert json.loads(line)["title"] == "Page 60"


def test_structure_as_markdown(crawl):
    process = corpusmill("extract", crawl / "d.html.gz", "--structure", "markdown")
    assert "# Page 60\n" in process.stdout


def test_a_page_that_takes_too_long_is_told(tmp_path):
    (tmp_path / "slow.html").write_bytes(SLOW)
    (tmp_path / "well.html").write_bytes(html(1))
    process = corpusmill("extract", tmp_path, "--engine", "resiliparse", "--seconds", "0.3")
    assert process.returncode == 0
    assert "slow.html: time_limit (over 0.3 CPU seconds)" in process.stderr
    assert "kind" in process.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.html"], "nowhere.html: no such file"),
        (["*.warc.gz"], "*.warc.gz: no such file"),
        (["page.html", "--engine", "resiliprase"], "did you mean 'resiliparse'"),
        (["page.html", "--structure", "markdwn"], "did you mean 'markdown'"),
        (["page.html", "--jsonl", "no/such/folder.jsonl"], "there is no folder"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, message):
    (tmp_path / "page.html").write_bytes(html(1))
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = corpusmill("extract", *arguments, cwd=tmp_path, env=environment)
    assert process.returncode == 2
    assert message in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1


def test_a_file_that_cannot_be_read_is_a_line_and_the_others_go_on(tmp_path):
    (tmp_path / "page.html").write_bytes(html(1))
    arguments = {
        "limits": Limits().model_dump(),
        "extract": {"engine": "resiliparse", "options": {}},
        "plugins": [],
        "ocr": {},
    }
    paths = [str(tmp_path / "vanished.warc.gz"), str(tmp_path / "page.html")]
    lines = [step.line for step in extract_files(paths, arguments, workers=2)]
    assert [line["reason"] for line in lines] == ["unreadable", None]
    assert lines[0]["detail"] == "No such file or directory"


def test_an_interrupted_run_says_so_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.html").write_bytes(html(1))
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "corpusmill", "extract", str(tmp_path), "--jsonl", str(out)]
    command += ["--engine", "resiliparse"]
    subprocess.run(command, check=True, capture_output=True)  # kernels are compiled for good
    out.unlink()
    (tmp_path / "b.html").write_bytes(b"<select>" + b"<option>x" * 400_000)
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # shells have their background jobs ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    parent = psutil.Process(process.pid)
    busy = wait_for(lambda: [c for c in parent.children() if sum(c.cpu_times()[:2]) > 1.5])
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: records done: 1" in told
    assert "Traceback" not in told
    assert not out.exists()
    assert json.loads((tmp_path / "out.jsonl.part").read_text())["title"] == "Page 1"
    assert wait_for(lambda: not any(child.is_running() for child in busy))


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("x/CC-MAIN-1.warc.gz", "warc"),
        ("x.warc.zst", "warc"),
        ("CC-MAIN-1.warc.wet.gz", "wet"),
        ("a.warc.notes.html", "html"),
        ("my.archive.html.gz", "html"),
        ("s3://bucket/page", "html"),
        ("notes.txt", "text"),
        ("paper.PDF", "pdf"),
        ("a.arc.gz", "arc"),
    ],
)
def test_readers_by_name(name, reader):
    assert reader_of(name) == reader
