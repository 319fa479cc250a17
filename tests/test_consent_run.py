"""Licence and consent in a run: what hosts declare, snapshots, licence files, recipes' rules."""

from __future__ import annotations

import json
import shutil

import pytest

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.explain import find
from catalogs.ledger import Ledger
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings
from tests.inputs import files_of, html, prose, response, write_recipe

pytestmark = pytest.mark.usefixtures("cluster")

SETTINGS = Settings(workers=2)
BY = "https://creativecommons.org/licenses/by/4.0/"
NC = "https://creativecommons.org/licenses/by-nc/4.0/"
LINK = '<link rel="license" href="{}">'.format
MIT = (
    "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy "
    "of this software, subject to the following conditions: The above copyright notice and this "
    "permission notice shall be included in all copies."
)
GPL = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n\nEveryone may copy this document."
PAGES = {
    "http://open.test/1": html(1, head=LINK(BY)),
    "http://open.test/2": html(2, head='<meta name="robots" content="noai">'),
    "http://ai.test/a": html(3),
    "http://ai.test/free/a": html(4),
    "http://all.test/private/x": html(5),
    "http://all.test/x": html(6, head=LINK(NC)),
    "http://tdm.test/a": html(7),
    "http://tdm.test/b": html(8, head='<meta name="tdm-reservation" content="0">'),
    "http://soft.test/a": html(9),
    "http://down.test/a": html(10),
    "http://gone.test/a": html(11),
    "http://silent.test/a": html(12),
    "http://aitxt.test/a": html(13),
    "http://later.test/a": html(14),
    "http://moved.test/a": html(15),
    "http://lost.test/a": html(16),
}
MOVED = "301 Moved Permanently\r\nLocation: {}".format
FILES = {
    "http://moved.test/robots.txt": (b"", MOVED("https://moved.test/robots.txt")),
    "https://moved.test/robots.txt": (b"", MOVED("//www.moved.test/robots.txt")),
    "https://www.moved.test/robots.txt": (b"User-agent: CCBot\nDisallow: /\n", "200 OK"),
    "http://lost.test/robots.txt": (b"", MOVED("https://elsewhere.test/robots.txt")),
    "http://open.test/robots.txt": (b"User-agent: *\nDisallow:\n", "200 OK"),
    "http://ai.test/robots.txt": (b"User-agent: GPTBot\nDisallow: /\nAllow: /free/\n", "200 OK"),
    "http://all.test/robots.txt": (b"User-agent: *\nDisallow: /private/\n", "200 OK"),
    "http://tdm.test/robots.txt": (b"", "404 Not Found"),
    "http://tdm.test/.well-known/tdmrep.json": (
        b'[{"location": "/", "tdm-reservation": 1}]',
        "200 OK",
    ),
    "http://soft.test/robots.txt": (b"<!doctype html><p>Not found</p>", "200 OK"),
    "http://down.test/robots.txt": (b"oops", "503 Unavailable"),
    "http://gone.test/robots.txt": (b"", "404 Not Found"),
    "http://aitxt.test/robots.txt": (b"", "200 OK"),
    "http://aitxt.test/ai.txt": (b"User-Agent: *\nDisallow: /\n", "200 OK"),
    "http://later.test/robots.txt": (b"User-agent: *\nAllow: /\n", "200 OK"),
}
SIGNALS = {
    "http://open.test/1": [],
    "http://open.test/2": ["noai"],
    "http://ai.test/a": ["robots-ai"],
    "http://ai.test/free/a": [],
    "http://all.test/private/x": ["robots-all"],
    "http://all.test/x": [],
    "http://tdm.test/a": ["tdm-reservation"],
    "http://tdm.test/b": [],
    "http://soft.test/a": ["robots-error"],
    "http://down.test/a": ["robots-unreachable"],
    "http://gone.test/a": [],
    "http://silent.test/a": [],
    "http://aitxt.test/a": ["ai-txt"],
    "http://later.test/a": [],
    "http://moved.test/a": ["robots-ai"],
    "http://lost.test/a": [],
}


def sources(folder):
    """The pages in one file, the files of their hosts in another; and a tree of code."""
    found = {
        "web": {"reader": "warc", "paths": "*.warc.gz"},
        "code": {"reader": "text", "paths": "code"},
    }
    if (folder / "code").exists():
        return found  # written before; a file written anew is another input
    members = [response(uri, body) for uri, body in PAGES.items()]
    (folder / "pages.warc.gz").write_bytes(b"".join(members))
    members = [response(uri, body, status, "text/plain") for uri, (body, status) in FILES.items()]
    (folder / "robots.warc.gz").write_bytes(b"".join(members))
    code = {
        "a/LICENSE": MIT,
        "a/x.py": prose(101),
        "a/sub/y.py": prose(102),
        "a/vendor/COPYING": GPL,
        "a/vendor/lib/z.py": prose(103),
        "a/own.py": "# SPDX-License-Identifier: Apache-2.0\n" + prose(104),
        "b/w.py": prose(105),
    }
    for name, text in code.items():
        path = folder / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return found


def mill(folder, **fields):
    recipe = write_recipe(folder, sources(folder), dedup={"fuzzy": False}, **fields)
    return run(load_recipe(str(recipe)), SETTINGS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run without rules, that tests may look at but not change."""
    folder = tmp_path_factory.mktemp("consent")
    mill(folder)
    return folder


def ask(folder, query):
    with open_catalog(str(folder / "run")) as catalog:
        return catalog.execute(query).fetchall()


def kept(folder):
    return {uri for (uri,) in ask(folder, "SELECT uri FROM corpus WHERE source = 'web'")}


def reasons(folder):
    query = "SELECT uri, stage || ':' || reason FROM rejected WHERE source = 'web'"
    return {uri: why for uri, why in ask(folder, query) if uri in PAGES}


def test_signals_of_hosts_are_columns(finished):
    found = ask(finished, "SELECT uri, opt_out, opt_out_evidence FROM documents WHERE source='web'")
    assert {uri: signals for uri, signals, _ in found} == SIGNALS
    evidence = {uri: told for uri, _, told in found}
    assert evidence["http://ai.test/a"] == ["robots.txt: GPTBot: Disallow: / (crawl, 2026-01-02)"]
    assert evidence["http://open.test/2"] == ["meta robots: noai"]
    corpus = ask(finished, "SELECT uri, opt_out FROM corpus WHERE source = 'web'")
    assert dict(corpus) == SIGNALS  # without rules nothing is rejected
    assert audit(str(finished / "run")).problems == []


def test_every_document_has_a_class(finished):
    query = "SELECT license, license_class, license_scope FROM corpus WHERE uri = '{}'"
    assert ask(finished, query.format("http://open.test/1")) == [
        ("CC-BY-4.0", "attribution", "page")
    ]
    assert ask(finished, query.format("http://all.test/x"))[0][1] == "non-commercial"
    assert ask(finished, query.format("http://gone.test/a")) == [(None, "unknown", None)]
    grouped = ask(
        finished, "SELECT license, opt_out, count(*), sum(n_tokens) FROM corpus GROUP BY ALL"
    )
    assert sum(row[2] for row in grouped) == len(ask(finished, "SELECT 1 FROM corpus"))


def test_the_nearest_licence_file_covers_code(finished):
    query = "SELECT uri, license, license_evidence FROM documents WHERE uri LIKE '%.py'"
    found = {uri.removeprefix("code/"): (name, told) for uri, name, told in ask(finished, query)}
    assert {uri: name for uri, (name, _) in found.items()} == {
        "a/x.py": "MIT",
        "a/sub/y.py": "MIT",
        "a/vendor/lib/z.py": "GPL-3.0-only",
        "a/own.py": "Apache-2.0",
        "b/w.py": None,
    }
    assert found["a/sub/y.py"][1] == "licence file: /code/a/LICENSE"


def test_permissive_rejects_what_is_reserved(tmp_path):
    mill(tmp_path, consent={"mode": "permissive"})
    assert reasons(tmp_path) == {
        uri: f"consent:{signals[0]}" for uri, signals in SIGNALS.items() if signals
    }
    assert kept(tmp_path) == {uri for uri, signals in SIGNALS.items() if not signals}
    result = audit(str(tmp_path / "run"))
    assert result.problems == [] and result.totals["consent"] == 8
    (story,) = find(str(tmp_path / "run"), "http://moved.test/a")
    assert ", at https://www.moved.test/robots.txt)" in story.row["opt_out_evidence"][0]
    (story,) = find(str(tmp_path / "run"), "http://ai.test/a")
    assert story.outcome == "rejected at consent: robots-ai"
    funnel = ask(tmp_path, "SELECT reason FROM funnel WHERE stage = 'consent'")
    assert ("robots-ai",) in funnel


def test_strict_fails_closed(tmp_path):
    mill(tmp_path, consent={"mode": "strict", "exempt": ["code"]})
    found = reasons(tmp_path)
    assert found["http://silent.test/a"] == "consent:unknown"
    assert found["http://lost.test/a"] == "consent:unknown"
    assert found["http://soft.test/a"] == "consent:robots-error"
    assert "http://gone.test/a" in kept(tmp_path)
    assert ask(tmp_path, "SELECT count(*) FROM corpus WHERE source = 'code'")[0][0] > 4


def test_a_later_snapshot_reads_no_text_again(tmp_path):
    mill(tmp_path, consent={"mode": "permissive"})
    assert "http://later.test/a" in kept(tmp_path)
    rows = [
        {
            "host": "later.test",
            "body": "User-agent: CCBot\nDisallow: /",
            "fetched_at": "2026-06-01",
        },
        {"host": "gone.test", "body": "", "status": 200},
        {"host": "silent.test", "status": 500},
        {"url": "https://open.test/robots.txt", "body": "user-agent: *\ndisallow: /1"},
    ]
    (tmp_path / "robots.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = {(row.step, row.shard): row.address for row in Ledger(str(tmp_path / "run")).rows()}
    mill(tmp_path, consent={"mode": "permissive", "robots": "robots.jsonl"})
    after = {(row.step, row.shard): row.address for row in Ledger(str(tmp_path / "run")).rows()}
    changed = {step for step, shard in after if before.get((step, shard)) != after[step, shard]}
    own = {"notices", "merge-notices", "consent", "write"}
    assert own <= changed <= own | {"list", "group", "elect", "judge"}
    found = reasons(tmp_path)
    assert found["http://later.test/a"] == "consent:robots-ai"
    assert found["http://silent.test/a"] == "consent:robots-unreachable"
    assert found["http://open.test/1"] == "consent:robots-all"
    assert "http://gone.test/a" in kept(tmp_path)
    (story,) = find(str(tmp_path / "run"), "http://later.test/a")
    assert "snapshot, 2026-06-01" in story.row["opt_out_evidence"][0]


def test_classes_and_scopes_of_licences(tmp_path):
    mill(tmp_path, license={"classes": ["attribution", "permissive"], "scopes": ["page"]})
    assert kept(tmp_path) == {"http://open.test/1"}
    found = reasons(tmp_path)
    assert found["http://all.test/x"] == "license:non-commercial"
    assert found["http://gone.test/a"] == "license:unknown"
    code = ask(tmp_path, "SELECT uri FROM corpus WHERE source = 'code' AND uri LIKE '%.py'")
    assert {uri for (uri,) in code} == {"code/a/x.py", "code/a/sub/y.py", "code/a/own.py"}
    assert audit(str(tmp_path / "run")).problems == []


def test_any_number_of_workers_gives_the_same_bytes(tmp_path):
    mill(tmp_path, consent={"mode": "strict"})
    first = files_of(tmp_path / "run" / "attributes" / "consent")
    corpus = files_of(tmp_path / "run" / "corpus")
    shutil.rmtree(tmp_path / "run")
    recipe = write_recipe(
        tmp_path, sources(tmp_path), dedup={"fuzzy": False}, consent={"mode": "strict"}
    )
    run(load_recipe(str(recipe)), Settings(workers=1))
    assert files_of(tmp_path / "run" / "attributes" / "consent") == first
    assert files_of(tmp_path / "run" / "corpus") == corpus


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"consent": {"mode": "lax"}}, "consent.mode"),
        ({"consent": {}}, "consent.mode"),
        ({"consent": {"mode": "strict", "reserve": ["noa"]}}, "noai"),
        ({"consent": {"mode": "strict", "robots": "no.jsonl"}}, "consent.robots.0"),
        ({"consent": {"mode": "strict", "exempt": ["cod"]}}, "consent.exempt.0"),
        ({"license": {"classes": ["free"]}}, "license.classes"),
    ],
)
def test_mistakes_are_told(tmp_path, fields, words):
    with pytest.raises(UserError, match=words):
        mill(tmp_path, **fields)
