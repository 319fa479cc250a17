"""Permission comes before deduplication: of copies, one stays that may; refused ones do nothing."""

from __future__ import annotations

import json
import os

import pytest

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.explain import find
from catalogs.ledger import Ledger
from catalogs.takedown import Takedown
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings
from pipeline.takedown import take_down
from tests.inputs import files_of, html, prose, response, write_recipe

pytestmark = pytest.mark.usefixtures("cluster")

NOAI = '<meta name="robots" content="noai">'
CC0 = '<link rel="license" href="https://creativecommons.org/publicdomain/zero/1.0/">'
BY = '<link rel="license" href="https://creativecommons.org/licenses/by/4.0/">'


def page(seed, changed=0, head=""):
    """A page, with some of its last lines those of another one."""
    lines = prose(seed).split("\n")
    if changed:
        lines[-changed:] = prose(seed + 5000).split("\n")[:changed]
    body = "".join(f"<p>{line}</p>" for line in lines)
    text = html(seed, head=head).decode()
    return (text[: text.index("<p>")] + body + text[text.index("</article>") :]).encode()


def write_pages(path, pages):
    path.write_bytes(b"".join(response(uri, body) for uri, body in pages.items()))


def mill(folder, out="run", workers=2, **fields):
    recipe = write_recipe(folder, {"web": {"reader": "warc", "paths": "*.warc.gz"}}, **fields)
    run(load_recipe(str(recipe), out=str(folder / out)), Settings(workers=workers))
    assert audit(str(folder / out)).problems == []
    return folder / out


def fates(root):
    query = (
        "SELECT uri, 'kept' FROM corpus UNION ALL SELECT uri, stage || ':' || reason FROM rejected"
    )
    with open_catalog(str(root)) as catalog:
        return dict(catalog.execute(query).fetchall())


@pytest.fixture
def copies(tmp_path):
    """Exact and near copies; without rules, those of a.test stay: they are longer or first."""
    longer = page(2).replace(b"</article>", b"<p>And one more line that is its own.</p></article>")
    write_pages(
        tmp_path / "a.warc.gz",
        {
            "http://a.test/exact": page(1, head=NOAI),
            "http://a.test/near": longer.replace(b"<title>", NOAI.encode() + b"<title>"),
            "http://a.test/alone": page(3, head=NOAI),
        },
    )
    write_pages(
        tmp_path / "b.warc.gz",
        {
            "http://b.test/exact": page(1),
            "http://b.test/near": page(2),
            "http://b.test/other": page(4),
        },
    )
    return tmp_path


def test_a_copy_that_may_stay_stays(copies):
    before = fates(mill(copies, "before"))
    assert before["http://a.test/near"] == "kept"
    assert before["http://b.test/near"] == "dedup:near_duplicate"
    root = mill(copies, consent={"mode": "permissive"})
    assert fates(root) == {
        **{f"http://a.test/{name}": "consent:noai" for name in ("exact", "near", "alone")},
        **{f"http://b.test/{name}": "kept" for name in ("exact", "near", "other")},
    }
    with open_catalog(str(root)) as catalog:
        funnel = catalog.execute(
            "SELECT stage, outcome, records FROM funnel WHERE records > 0 ORDER BY rank"
        ).fetchall()
        counts = catalog.execute("SELECT DISTINCT dup_count FROM corpus").fetchall()
        refused = catalog.execute(
            "SELECT DISTINCT dup_count, dup_cluster FROM documents WHERE consent_reason IS NOT NULL"
        ).fetchall()
    assert funnel == [
        ("read", "read", 6),
        ("consent", "rejected", 3),
        ("corpus", "kept", 3),
    ]
    assert counts == [(1,)] and refused == [(None, None)]
    (story,) = find(str(root), "http://a.test/near")
    assert story.outcome == "rejected at consent: noai" and story.copies == []
    judged = Ledger(str(root)).rows("judge")
    assert [(row.read, row.kept) for row in judged] == [(0, 0), (3, 3)]


def test_a_later_snapshot_hands_on_to_the_copy_that_may_stay(copies):
    rows = [{"host": "b.test", "body": "User-agent: *\nDisallow: /", "fetched_at": "2026-06-01"}]
    (copies / "robots.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    consent = {"mode": "permissive", "reserve": ["robots-all"]}
    mill(copies, consent=consent)
    addresses = {(r.step, r.shard): r.address for r in Ledger(str(copies / "run")).rows()}
    root = mill(copies, consent={**consent, "robots": "robots.jsonl"})
    found = fates(root)
    assert {uri for uri, fate in found.items() if fate == "kept"} == {
        f"http://a.test/{name}" for name in ("exact", "near", "alone")
    }
    assert found["http://b.test/exact"] == "consent:robots-all"
    again = {row.shard for row in Ledger(str(root)).rows("sign")}
    same = {
        row.shard
        for row in Ledger(str(root)).rows("sign")
        if addresses["sign", row.shard] == row.address
    }
    assert len(again - same) == 1 and len(same) == 1  # no text is signed again without need
    mill(copies, consent=consent)
    assert "kept" in {fates(copies / "run")[f"http://b.test/{n}"] for n in ("exact", "near")}


def test_of_copies_the_licensed_one_stays(tmp_path):
    write_pages(
        tmp_path / "a.warc.gz",
        {"http://a.test/1": page(1), "http://a.test/2": page(2, head=BY)},
    )
    write_pages(
        tmp_path / "b.warc.gz",
        {"http://b.test/1": page(1, 1, head=CC0), "http://b.test/2": page(2, head=CC0)},
    )
    root = mill(tmp_path, license={"classes": ["public-domain", "permissive"], "scopes": ["page"]})
    assert fates(root) == {
        "http://a.test/1": "license:unknown",
        "http://a.test/2": "license:attribution",
        "http://b.test/1": "kept",
        "http://b.test/2": "kept",
    }


@pytest.mark.parametrize("exact", ["raw", "nfc_case"])
def test_refused_documents_do_nothing_at_all(tmp_path, exact):
    """The corpus is, to the byte, that of inputs without them; even a chain over them is none."""
    near = {f"http://a.test/{n}-{k}": page(n, k) for n in range(10, 14) for k in (0, 6)}
    write_pages(tmp_path / "a.warc.gz", {**near, "http://a.test/x": page(90)})
    bridges = {f"http://c.test/{n}": page(n, 3, head=NOAI) for n in range(10, 14)}
    write_pages(tmp_path / "c.warc.gz", {**bridges, "http://c.test/x": page(90, head=NOAI)})
    fields = {"dedup": {"jaccard": 0.6, "exact": exact, "bands": 40, "rows": 4}}
    chained = fates(mill(tmp_path, "chained", **fields))
    assert sum(fate == "kept" for fate in chained.values()) == 5
    root = mill(tmp_path, consent={"mode": "permissive"}, **fields)
    other = mill(tmp_path, "other", workers=1, consent={"mode": "permissive"}, **fields)
    assert files_of(root / "corpus") == files_of(other / "corpus")
    assert sum(fate == "kept" for fate in fates(root).values()) == 9
    os.unlink(tmp_path / "c.warc.gz")
    without = mill(tmp_path, "without", consent={"mode": "permissive"}, **fields)
    assert files_of(root / "corpus") == files_of(without / "corpus")


def test_a_later_run_is_not_judged_against_what_was_refused(copies):
    mill(copies, "first", consent={"mode": "permissive", "reserve": ["noai"]})
    second = copies / "second"
    second.mkdir()
    write_pages(second / "d.warc.gz", {"http://d.test/3": page(3), "http://d.test/4": page(4)})
    root = mill(second, dedup={"against": [str(copies / "first")]})
    assert fates(root) == {
        "http://d.test/3": "kept",  # its copy was refused
        "http://d.test/4": "dedup:exact_duplicate",
    }


def test_takedown_where_some_were_refused(copies):
    root = mill(copies, consent={"mode": "permissive"})
    gone = ["http://a.test/near", "http://b.test/other"]
    take_down(str(root), Takedown.of(urls=gone))
    assert audit(str(root)).problems == []
    mill(copies, consent={"mode": "permissive"})
    assert fates(root) == {
        **dict.fromkeys(gone, "takedown:url"),
        "http://a.test/exact": "consent:noai",
        "http://a.test/alone": "consent:noai",
        "http://b.test/exact": "kept",
        "http://b.test/near": "kept",
    }


def test_takedown_of_what_stayed_hands_on_to_its_copy(copies):
    mill(copies)
    assert fates(copies / "run")["http://a.test/near"] == "kept"
    take_down(str(copies / "run"), Takedown.of(urls=["http://a.test/near"]))
    assert fates(mill(copies))["http://b.test/near"] == "kept"
