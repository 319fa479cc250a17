"""The runner: nothing is lost, nothing done twice, and only what depends on a change redone."""

from __future__ import annotations

import json
import os

import pytest
import yaml

from catalogs.audit import audit
from catalogs.catalog import VIEW_DOCS, columns, open_catalog
from catalogs.errors import DamageError
from catalogs.explain import find
from catalogs.ledger import Ledger
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import RunError, Settings
from tests.inputs import files_of, prose, small_sources, write_jsonl, write_recipe, write_warc

pytestmark = pytest.mark.usefixtures("cluster")

SETTINGS = Settings(workers=2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run that tests may look at but not change."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = write_recipe(folder, small_sources(folder))
    run(load_recipe(str(recipe)), SETTINGS)
    return folder


def mill(folder, sources, **fields):
    recipe = write_recipe(folder, sources, **fields)
    return run(load_recipe(str(recipe)), SETTINGS)


def commits(folder):
    """When each ledger row was written."""
    ledger = Ledger(str(folder / "run"))
    return {
        (row.step, row.shard): os.stat(ledger.path(row.step, row.shard)).st_mtime_ns
        for row in ledger.rows()
    }


def redone(before, after):
    """The steps of the rows that were written anew."""
    return {key[0] for key in after if after[key] != before.get(key)}


def rewrite(folder, **fields):
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), **fields}))
    return run(load_recipe(str(recipe)), SETTINGS)


def test_every_record_is_accounted_for(finished):
    report = audit(str(finished / "run"))
    assert report.problems == []
    assert report.totals["read"] == 40 + 40 + 30 + 60
    assert report.totals["duplicates"] == 10
    assert report.totals["corpus"] == 160


def test_the_catalogue_answers_sql(finished):
    with open_catalog(str(finished / "run")) as catalog:
        count = catalog.execute("SELECT source, count(*) FROM corpus GROUP BY 1 ORDER BY 1")
        assert count.fetchall() == [("texts", 60), ("web", 100)]
        rejected = catalog.execute("SELECT stage, reason, count(*) FROM rejected GROUP BY ALL")
        assert rejected.fetchall() == [("dedup", "exact_duplicate", 10)]
        funnel = catalog.execute(
            "SELECT sum(records) FILTER (outcome = 'read'), "
            "sum(records) FILTER (outcome != 'read') FROM funnel"
        )
        assert funnel.fetchone() == (170, 170)
        kept = catalog.execute("SELECT sum(kept) FROM sources").fetchone()
        assert kept == (160,)


def test_every_column_of_every_view_is_described(finished):
    described = columns(str(finished / "run"))
    assert {column.view for column in described} == set(VIEW_DOCS)
    assert [column for column in described if not column.doc] == []


def test_corpus_shards_are_sorted_and_named_by_their_text(finished):
    from pipeline.documents import text_id

    with open_catalog(str(finished / "run")) as catalog:
        rows = catalog.execute("SELECT id, text FROM corpus").fetchall()
    assert all(text_id(text) == name for name, text in rows)


def test_explain_tells_of_the_twin(finished):
    (story,) = [s for s in find(str(finished / "run"), "https://example.org/35") if s.copies][:1]
    assert len(story.copies) == 2
    assert sum(copy["kept"] for copy in story.copies) == 1


def test_running_again_does_nothing(finished):
    before = files_of(finished / "run")
    summary = run(load_recipe(str(finished / "recipe.yaml")), SETTINGS)
    assert summary.done == 0
    after = files_of(finished / "run")
    volatile = {"catalog.duckdb", ".lock"}
    assert {k: v for k, v in after.items() if k not in volatile} == {
        k: v for k, v in before.items() if k not in volatile
    }


def test_only_what_depends_on_a_change_is_done_again(tmp_path):
    mill(tmp_path, small_sources(tmp_path))
    first = commits(tmp_path)
    rewrite(tmp_path, write={"level": 9})
    second = commits(tmp_path)
    assert redone(first, second) == {"write"}
    rewrite(tmp_path, write={"level": 9}, limits={"batch": 7, "stall_seconds": 99})
    assert redone(second, commits(tmp_path)) == set()
    rewrite(tmp_path, write={"level": 9}, dedup={"keep": ["n_bytes desc"]})
    third = commits(tmp_path)
    assert "ingest" not in redone(second, third)
    assert "elect" in redone(second, third)
    write_jsonl(tmp_path / "more.jsonl", range(300, 305))
    sources = yaml.safe_load((tmp_path / "recipe.yaml").read_text())["sources"]
    sources["texts"]["paths"] = "*.jsonl"
    rewrite(tmp_path, sources=sources)
    fourth = commits(tmp_path)
    ingested = [key for key in fourth if key[0] == "ingest" and fourth[key] != third.get(key)]
    assert [shard.split("/")[1].split(".")[0] for _, shard in ingested] == ["more"]


def test_a_changed_step_that_yields_the_same_bytes_stops_the_wave(tmp_path):
    mill(tmp_path, small_sources(tmp_path))
    before = commits(tmp_path)
    os.utime(tmp_path / "a.warc.gz", ns=(0, 0))  # another fingerprint, the same content
    summary = run(load_recipe(str(tmp_path / "recipe.yaml")), SETTINGS)
    assert summary.done == 1
    assert redone(before, commits(tmp_path)) == {"ingest"}


def test_an_input_that_goes_away_takes_its_shards_with_it(tmp_path):
    mill(tmp_path, small_sources(tmp_path))
    os.unlink(tmp_path / "c.warc.gz")
    run(load_recipe(str(tmp_path / "recipe.yaml")), SETTINGS)
    assert audit(str(tmp_path / "run")).totals["corpus"] == 130
    left = [name for name in files_of(tmp_path / "run") if "c.warc.gz" in name]
    assert left == []


@pytest.mark.parametrize("kind", ["corpus", "documents", "rejected", "attributes"])
@pytest.mark.parametrize("harm", ["flip", "delete"])
def test_audit_names_a_damaged_shard(tmp_path, finished, kind, harm):
    import shutil

    shutil.copytree(finished / "run", tmp_path / "run")
    victim = sorted((tmp_path / "run" / kind).rglob("*.parquet"))[0]
    if harm == "delete":
        victim.unlink()
    else:
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    problems = audit(str(tmp_path / "run")).problems
    assert problems
    assert any(victim.stem in problem for problem in problems)


def test_audit_sees_a_ledger_that_tells_another_story(tmp_path, finished):
    import shutil

    shutil.copytree(finished / "run", tmp_path / "run")
    path = next((tmp_path / "run" / "ledger" / "ingest").rglob("*.json"))
    row = json.loads(path.read_text())
    row["read"] += 1
    path.write_text(json.dumps(row))
    problems = audit(str(tmp_path / "run")).problems
    assert any(path.stem in problem and "account" in problem for problem in problems)
    path.unlink()
    assert any("not committed" in problem for problem in audit(str(tmp_path / "run")).problems)


def test_a_damaged_attribute_file_is_not_written_from(tmp_path):
    mill(tmp_path, small_sources(tmp_path))
    attributes = sorted((tmp_path / "run" / "attributes" / "dedup").rglob("*.parquet"))
    a, b = (path for path in attributes if path.name.startswith(("a.warc", "c.warc")))
    from pipeline.jobs import Job
    from pipeline.write import write_part

    documents = str(a).replace("attributes/dedup", "documents")
    job = Job(
        root=str(tmp_path / "other"),
        step="write",
        shard="x",
        address="x",
        run=write_part,
        arguments={
            "compression": "zstd",
            "level": 3,
            "buffer_mb": 64,
            "parts": [{"documents": documents, "attributes": str(b)}],
        },
    )
    with pytest.raises(DamageError, match="does not match"):
        write_part(job)


CRASHING = """
import os
from pipeline.readers import register_reader
from pipeline.records import Record
import pipeline.tag

texts = [line for line in open({texts!r}).read().split("\\f")]

@register_reader("crashing")
def read(path, container, *, open_file, options):
    for number, text in enumerate(texts):
        yield Record(container=container, uri=str(number), text=text, offset=number)

plain = pipeline.tag.Tagger.tag
def tag(self, rows):
    for row in rows:
        if "{word}" in row["text"]:
            {action}
    return plain(self, rows)
pipeline.tag.Tagger.tag = tag
"""


@pytest.mark.parametrize(
    ("action", "error"),
    [("os._exit(7)", "worker_crash"), ("raise ValueError('poison')", "tag_error")],
)
def test_a_record_that_brings_down_workers_is_quarantined_alone(tmp_path, action, error):
    texts = [prose(n, 20) for n in range(9)]
    texts[5] += "\npoisonous"
    (tmp_path / "texts.dat").write_text("\f".join(texts))
    plugin = CRASHING.format(texts=str(tmp_path / "texts.dat"), word="poisonous", action=action)
    (tmp_path / "crashing.py").write_text(plugin)
    mill(
        tmp_path,
        {"web": {"reader": "crashing", "paths": "texts.dat"}},
        plugins=["crashing.py"],
        limits={"batch": 4},
    )
    report = audit(str(tmp_path / "run"))
    assert report.problems == []
    assert (report.totals["corpus"], report.totals["quarantined"]) == (8, 1)
    with open_catalog(str(tmp_path / "run")) as catalog:
        found = catalog.execute("SELECT error, uri, record FROM quarantine").fetchall()
    assert found == [(error, "5", 5)]


def test_a_bug_ends_the_run_with_the_shard_named_and_the_rest_done(tmp_path):
    (tmp_path / "buggy.py").write_text(
        "from pipeline.readers import register_reader\n"
        "@register_reader('buggy')\n"
        "def read(path, container, *, open_file, options):\n"
        "    raise RuntimeError('this reader is broken')\n"
        "    yield\n"
    )
    write_jsonl(tmp_path / "texts.jsonl", range(3))
    (tmp_path / "x.dat").write_text("x")
    sources = {
        "good": {"reader": "jsonl", "paths": "texts.jsonl"},
        "bad": {"reader": "buggy", "paths": "x.dat"},
    }
    with pytest.raises(RunError, match=r"source=bad.*this reader is broken"):
        mill(tmp_path, sources, plugins=["buggy.py"])
    assert [row.source for row in Ledger(str(tmp_path / "run")).rows("ingest")] == ["good"]


def test_a_stalled_worker_is_killed_and_its_record_found(tmp_path):
    texts = [prose(n, 20) for n in range(3)] + ["poisonous " * 20]
    (tmp_path / "texts.dat").write_text("\f".join(texts))
    plugin = CRASHING.format(
        texts=str(tmp_path / "texts.dat"), word="poisonous", action="__import__('time').sleep(600)"
    )
    (tmp_path / "crashing.py").write_text(plugin)
    recipe = write_recipe(
        tmp_path,
        {"web": {"reader": "crashing", "paths": "texts.dat"}},
        plugins=["crashing.py"],
        limits={"batch": 1},
    )
    run(load_recipe(str(recipe)), Settings(workers=2, stall_seconds=3))
    assert audit(str(tmp_path / "run")).totals["quarantined"] == 1


def test_sources_can_share_a_crawl_and_keep_their_own_rules(tmp_path):
    write_warc(tmp_path / "a.warc.gz", range(5))
    sources = {
        "english": {"reader": "warc", "paths": "a.warc.gz", "language": {"keep": ["en"]}},
        "german": {"reader": "warc", "paths": "a.warc.gz", "language": {"keep": ["de"]}},
    }
    mill(tmp_path, sources)
    with open_catalog(str(tmp_path / "run")) as catalog:
        rejected = catalog.execute("SELECT DISTINCT source, reason FROM rejected").fetchall()
        kept = catalog.execute("SELECT source, count(*) FROM corpus GROUP BY 1").fetchall()
    assert rejected == [("german", "language_not_kept")]
    assert kept == [("english", 5)]
