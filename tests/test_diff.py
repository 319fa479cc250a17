"""Two runs compared: against plain sets of their rows, and what is told when little is common."""

from __future__ import annotations

import json
import re
import shutil

import pyarrow.parquet as pq
import pytest

from catalogs.catalog import open_catalog
from catalogs.diff import changed_fields, diff
from catalogs.diff_page import diff_page, headline
from catalogs.errors import UserError
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings
from tests.inputs import corpusmill, prose, write_jsonl, write_recipe

NASTY = "<script>alert(1)</script> " + prose(900, 2)


def mill(folder, sources, **fields):
    recipe = load_recipe(str(write_recipe(folder, sources, **fields)))
    run(recipe, Settings(workers=1))
    return str(folder / "run")


def write_texts(folder):
    folder.mkdir()
    texts = [prose(seed, 2 + seed) for seed in range(60)]
    texts += [prose(5, 7), prose(40, 42), NASTY]  # two copies
    rows = [
        {"text": text, "url": f"https://example.org/{n:03}", "rank": str(n)}
        for n, text in enumerate(texts)
    ]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"texts": {"reader": "jsonl", "paths": "*.jsonl", "options": {"uri_field": "url"}}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Loose; strict, which keeps other copies; and one whose input has another name."""
    base = tmp_path_factory.mktemp("diff")
    sources = write_texts(base / "a")
    first = {"fuzzy": False, "keep": ["uri"]}
    found = {"a": mill(base / "a", sources, dedup=first)}
    sources = write_texts(base / "b")
    write_jsonl(base / "b" / "more.txt", range(500, 505))
    sources["more"] = {"reader": "jsonl", "paths": "more.txt", "options": {"uri_field": "url"}}
    short = {"preset": "gopher_quality", "overrides": {"short_doc": 120}}
    last = {"fuzzy": False, "keep": ["uri desc"]}
    found["b"] = mill(base / "b", sources, dedup=last, filters=[short])
    sources = write_texts(base / "c")
    (base / "c" / "texts.jsonl").rename(base / "c" / "renamed.jsonl")
    found["c"] = mill(base / "c", sources, dedup=first)
    return found


def kept(root):
    with open_catalog(root) as catalog:
        rows = catalog.execute("SELECT row_id, id, source, n_tokens FROM corpus").fetchall()
    return {row[0]: row[1:] for row in rows}


def fates(root):
    with open_catalog(root) as catalog:
        query = "SELECT row_id, stage || ':' || reason FROM rejected"
        return dict(catalog.execute(query).fetchall())


def test_a_run_beside_itself_is_the_same(runs):
    found = diff((runs["a"], runs["a"]), [])
    assert headline(found) == f"Both runs keep the same texts: {len(kept(runs['a']))} documents."
    assert found.notes == []
    assert [table.rows for table in found.reasons.values()] == [[], []]
    assert all(row["only_a"] == row["only_b"] == 0 for row in found.sources.rows)


def test_counts_agree_with_plain_sets(runs):
    a, b = kept(runs["a"]), kept(runs["b"])
    found = diff((runs["a"], runs["b"]), [])
    totals = {row["what"]: (row["a"], row["b"]) for row in found.totals.rows}
    assert totals["documents kept"] == (len(a), len(b))
    assert totals["tokens kept"] == tuple(sum(row[2] for row in x.values()) for x in (a, b))
    texts = [{row[0] for row in x.values()} for x in (a, b)]
    expected = {"in both": texts[0] & texts[1], "only in a": texts[0] - texts[1]}
    expected["only in b"] = texts[1] - texts[0]
    told = {row["texts"]: row["documents"] for row in found.texts.rows}
    assert told == {name: len(ids) for name, ids in expected.items() if ids}
    for own, other, other_root, table in (
        (a, b, runs["b"], found.reasons["a"]),
        (b, a, runs["a"], found.reasons["b"]),
    ):
        why = fates(other_root)
        alone = [row_id for row_id in own if row_id not in other]
        ids = {row[0] for row in other.values()}
        for row in table.rows:
            rows = [one for one in alone if why.get(one, "no such source") == row["reason"]]
            assert row["documents"] == len(rows)
            assert row["tokens"] == sum(own[one][2] for one in rows)
            assert row["text_elsewhere"] == sum(own[one][0] in ids for one in rows)
        assert sum(row["documents"] for row in table.rows) == len(alone)
    for table, by in ((found.sources, "source"), (found.languages, "language")):
        assert sum(row["kept_b"] for row in table.rows) == len(b), by
        assert sum(row["both"] for row in table.rows) == len(a.keys() & b.keys())


def test_copies_kept_elsewhere_and_lone_sources_are_told(runs):
    found = diff((runs["a"], runs["b"]), [])
    copies = next(row for row in found.reasons["a"].rows if row["reason"].startswith("dedup:"))
    assert copies["text_elsewhere"] == copies["documents"] > 0
    assert found.only_sources == {"a": [], "b": ["more"]}
    assert "only B has the source more" in found.notes
    assert {
        name: value
        for name, value in found.reasons["b"].rows[0].items()
        if name in ("reason", "documents")
    } == {"reason": "no such source", "documents": 5}


def test_runs_over_files_of_other_names_are_compared_by_text(runs):
    found = diff((runs["a"], runs["c"]), [])
    assert found.disjoint
    assert any("compare the texts" in note for note in found.notes)
    assert [row["texts"] for row in found.texts.rows] == ["in both"]
    (reason,) = found.reasons["a"].rows
    assert reason["reason"] == "not read"
    assert reason["text_elsewhere"] == reason["documents"] == len(kept(runs["a"]))


def test_samples_are_drawn_by_the_seed_and_escaped(runs):
    roots = (runs["a"], runs["b"])
    first, again = (diff(roots, [], samples=50, seed=3) for _ in range(2))
    assert first.samples == again.samples
    page = diff_page(first)
    assert page == diff_page(again)
    assert "&lt;script&gt;alert" in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)|url\((?!#)|@import', page)
    assert all(row["text"] for rows in first.samples.values() for row in rows)
    few = diff(roots, [], samples=1)
    assert len(few.samples["a"]) == len({row["reason"] for row in few.samples["a"]})


@pytest.mark.parametrize(
    ("a", "b", "changes"),
    [
        ({"x": 1, "y": {"z": None}}, {"x": 1, "y": {"z": None}}, []),
        ({"x": 1}, {"x": 2}, [("x", "1", "2")]),
        ({"y": {"z": [1]}}, {"y": {"z": [1, 2]}}, [("y.z", "[1]", "[1, 2]")]),
        ({"y": {}}, {"y": {"new": "a"}}, [("y.new", "(not there)", "a")]),
        (
            {"w": [*"abcdefgh"]},
            {"w": [*"abcdefgi"]},
            [("w", "−h", "+i")],
        ),
        ({"f": [{"p": "x", "o": {}}]}, {"f": []}, [("f", "[{p: x}]", "[]")]),
    ],
)
def test_changed_fields(a, b, changes):
    assert changed_fields(a, b) == changes


def test_the_command_prints_tables_and_writes_a_page(runs, tmp_path):
    process = corpusmill("diff", runs["a"], runs["b"], "--html", tmp_path / "diff.html")
    assert process.returncode == 0, process.stderr
    for part in ("What the recipes say", "sources.more", "short_doc", "Kept by A alone", "note:"):
        assert part in process.stdout
    assert (tmp_path / "diff.html").read_text().startswith("<!doctype html>")
    process = corpusmill("diff", runs["a"], runs["a"])
    assert process.returncode == 0
    assert "The recipes say the same" in process.stdout


def test_what_is_no_run_is_one_line(runs, tmp_path):
    process = corpusmill("diff", tmp_path, runs["a"])
    assert process.returncode == 2
    assert len(process.stderr.strip().splitlines()) == 1
    with pytest.raises(UserError, match="no committed shard here"):
        diff((runs["a"], str(tmp_path)), [])


@pytest.mark.parametrize("name", ["copy", "co*y"])  # a star names itself, no pattern
def test_a_run_that_was_moved_is_the_same_run(runs, tmp_path, name):
    shutil.copytree(runs["a"], tmp_path / "cosy")
    shutil.copytree(runs["a"], tmp_path / name)
    found = diff((runs["a"], str(tmp_path / name)), [])
    assert headline(found).startswith("Both runs keep the same texts")


def test_a_run_of_another_version_is_told(runs, tmp_path):
    shutil.copytree(runs["a"], tmp_path / "run")
    for path in (tmp_path / "run" / "attributes").rglob("*.parquet"):
        table = pq.read_table(path)
        if "dup_jaccard" in table.column_names:
            pq.write_table(table.drop_columns(["dup_jaccard"]), path)
    with pytest.raises(UserError, match="made by another version"):
        diff((runs["a"], str(tmp_path / "run")), [])
