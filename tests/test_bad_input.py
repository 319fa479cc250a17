"""Bad input: what a user sees, and what is counted. One run meets every kind at once."""

from __future__ import annotations

import gzip
import os

import pytest

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from tests.inputs import corpusmill, html, prose, response, write_jsonl, write_recipe, write_warc
from tests.pdfs import encrypted_pdf, text_pdf

GIANT = 50_000_000
DEEP = 100_000


def giant_page():
    return b"<html><body><p>" + b"x" * (GIANT - 30) + b"</p></body></html>"


def deep_page():
    return b"<html><body>" + b"<div>" * DEEP + b"deep" + b"</div>" * DEEP + b"</body></html>"


def write_bad_inputs(folder):
    """Every kind of bad input beside good ones; returns the sources."""
    (folder / "empty.warc.gz").write_bytes(b"")
    (folder / "letter.warc").write_bytes(b"Dear reader, this is no archive at all.\n" * 50)
    members = [response(f"https://example.org/{n}", html(n)) for n in range(6)]
    broken = bytearray(members[3])
    broken[len(broken) // 2 : len(broken) // 2 + 40] = bytes(40)
    members[3] = bytes(broken)
    (folder / "broken.warc.gz").write_bytes(b"".join(members))
    pages = [
        response("https://example.org/latin", html(11).replace(b"miller", b"m\xfcller\xff")),
        response("https://example.org/giant", giant_page()),
        response("https://example.org/deep", deep_page()),
        response("https://example.org/after", html(12)),
    ]
    (folder / "pages.warc.gz").write_bytes(b"".join(pages))
    good = text_pdf(prose(20, 12))
    (folder / "good.pdf").write_bytes(good)
    (folder / "cut.pdf").write_bytes(good[: len(good) // 2])
    (folder / "locked.pdf").write_bytes(encrypted_pdf())
    lines = [b'{"text": "' + prose(30).replace("\n", " ").encode() + b'"}', b'{"text": "\xff\xfe"}']
    lines += [b"not json", b'{"title": "no text"}', b'{"text": ""}']
    (folder / "lines.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    cut = gzip.compress(b'{"text": "' + prose(31).replace("\n", " ").encode() + b'"}\n' * 50)
    (folder / "cut.jsonl.gz").write_bytes(cut[: len(cut) - 20])
    return {
        "warc": {"reader": "warc", "paths": "*.warc*"},
        "pdf": {"reader": "pdf", "paths": "*.pdf"},
        "jsonl": {"reader": "jsonl", "paths": ["lines.jsonl", "cut.jsonl.gz"]},
    }


@pytest.fixture(scope="module")
def milled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    recipe = write_recipe(folder, write_bad_inputs(folder), limits={"seconds": 5})
    return folder, corpusmill("run", recipe)


@pytest.fixture(scope="module")
def outcomes(milled):
    """Where each record ended: (container, uri) -> reason, error or 'kept'."""
    folder, _ = milled
    with open_catalog(str(folder / "run")) as catalog:
        rows = catalog.execute(
            "SELECT container, uri, error FROM quarantine UNION ALL "
            "SELECT container, uri, reason FROM rejected UNION ALL "
            "SELECT container, uri, 'kept' FROM corpus"
        ).fetchall()
    found: dict[str, list[str]] = {}
    for container, uri, outcome in rows:
        found.setdefault(container, []).append(outcome)
        found.setdefault(uri, []).append(outcome)
    return found


def test_the_run_succeeds_and_sums_up(milled):
    folder, process = milled
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr + process.stdout
    assert audit(str(folder / "run")).problems == []


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("empty.warc.gz", ["empty_file"]),
        ("letter.warc", ["not_warc"]),
        ("https://example.org/giant", ["oversized"]),
        ("https://example.org/after", ["kept"]),
        ("https://example.org/latin", ["kept"]),
        ("cut.pdf", ["pdf_corrupt"]),
        ("locked.pdf", ["pdf_encrypted"]),
        ("good.pdf", ["kept"]),
    ],
)
def test_each_kind_ends_with_its_reason(outcomes, what, expected):
    assert outcomes[what] == expected or set(outcomes[what]) == set(expected)


def test_a_broken_member_costs_itself_alone(outcomes):
    assert sorted(outcomes["broken.warc.gz"]) == ["gzip_damaged"] + ["kept"] * 5


def test_a_page_nested_too_deep_for_other_parsers_is_read(outcomes):
    assert outcomes["https://example.org/deep"] == ["kept"]


def test_bad_lines_cost_themselves_alone(outcomes):
    expected = ["empty_text", "invalid_json", "invalid_utf8", "kept", "missing_text"]
    assert sorted(outcomes["lines.jsonl"]) == expected
    assert outcomes["cut.jsonl.gz"].count("truncated_file") == 1


def test_invalid_utf8_in_a_page_is_replaced_not_dropped(milled):
    folder, _ = milled
    with open_catalog(str(folder / "run")) as catalog:
        (text,) = catalog.execute(
            "SELECT text FROM corpus WHERE uri = 'https://example.org/latin'"
        ).fetchone()
    assert "ller" in text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"sources": {"web": {"reader": "warc", "paths": "none.warc.gz"}}}, "no file matches"),
        ({"dedupe": {}}, "did you mean 'dedup'?"),
        ({"out": "/proc/corpusmill"}, "cannot be written"),
        ({"dedup": {"keep": ["nothing desc"]}}, "dedup.keep.0"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, fields, told):
    write_jsonl(tmp_path / "a.jsonl", range(2))
    sources = {"a": {"reader": "jsonl", "paths": "a.jsonl"}}
    recipe = write_recipe(tmp_path, **{"sources": sources, **fields})
    process = corpusmill("run", recipe)
    assert process.returncode == 2, process.stderr
    assert told in process.stderr
    assert "Traceback" not in process.stderr
    assert len([line for line in process.stderr.splitlines() if line.startswith("error")]) == 1


def test_a_file_in_the_place_of_the_run_folder_is_told(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", range(2))
    (tmp_path / "run").write_text("in the way")
    recipe = write_recipe(tmp_path, {"a": {"reader": "jsonl", "paths": "a.jsonl"}})
    process = corpusmill("run", recipe)
    assert process.returncode == 2
    assert "cannot be written" in process.stderr


@pytest.mark.parametrize("verb", ["status", "audit", "sql", "explain"])
def test_a_folder_that_is_no_run_is_told(tmp_path, verb):
    more = {"sql": ["select 1"], "explain": ["x"]}.get(verb, [])
    process = corpusmill(verb, tmp_path, *more)
    assert process.returncode == 2
    assert str(tmp_path) in process.stderr
    assert "Traceback" not in process.stderr


def test_extract_and_ocr_tell_why_there_is_no_text(milled):
    folder, _ = milled
    page = folder / "deep.html"
    page.write_bytes(deep_page())
    assert corpusmill("extract", page).stdout == "deep\n"
    process = corpusmill("extract", page, "--seconds", "2", "--engine", "resiliparse")
    assert f"{page}: time_limit" in process.stderr
    assert "Traceback" not in process.stderr
    process = corpusmill("ocr", folder / "locked.pdf")
    assert process.returncode == 1
    assert "pdf_encrypted" in process.stderr
    process = corpusmill("ocr", folder / "good.pdf")
    assert process.returncode == 0
    assert "miller" in process.stdout or "reader" in process.stdout or "river" in process.stdout


@pytest.mark.slow
def test_names_of_inputs_may_be_odd(tmp_path):
    odd = tmp_path / "ein Ordner 'mit' [Klammern]"
    odd.mkdir()
    write_warc(odd / "sé rie #1;drop.warc.gz", range(3))
    recipe = write_recipe(odd, {"web": {"reader": "warc", "paths": "*.warc.gz"}})
    process = corpusmill("run", recipe)
    assert process.returncode == 0, process.stderr
    assert audit(str(odd / "run")).totals["corpus"] == 3
    assert os.path.exists(odd / "run" / "catalog.duckdb")
