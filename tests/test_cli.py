"""The command line: help with examples, tables, formats, and output that can be piped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.inputs import corpusmill, html, small_sources, write_recipe

VERBS = ["run", "submit", "status", "audit", "sql", "explain", "extract", "ocr", "features"]
VERBS += ["dedup", "tune", "diff", "mix run"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    process = corpusmill("run", write_recipe(folder, small_sources(folder)))
    assert process.returncode == 0, process.stderr
    return folder, process


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example(verb):
    process = corpusmill(*verb.split(), "--help")
    assert process.returncode == 0
    assert f"Example: corpusmill {verb}" in process.stdout


def test_a_run_prints_its_funnel_and_the_next_says_there_is_nothing_to_do(finished):
    folder, process = finished
    assert "Funnel" in process.stdout
    assert "exact_duplicate" in process.stdout
    again = corpusmill("run", folder / "recipe.yaml")
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert "already committed" in again.stderr


def test_sql_answers_in_every_format(finished):
    folder, _ = finished
    query = "select source, count(*) as n from corpus group by 1 order by 1"
    run = folder / "run"
    table = corpusmill("sql", run, query).stdout
    assert "source" in table
    assert "100" in table
    lines = corpusmill("sql", run, query, "--format", "csv").stdout.splitlines()
    assert lines == ["source,n", "texts,60", "web,100"]
    rows = corpusmill("sql", run, "--format", "json", input=query).stdout.splitlines()
    assert json.loads(rows[1]) == {"source": "web", "n": 100}


def test_the_schema_describes_every_view(finished):
    folder, _ = finished
    shown = corpusmill("sql", folder / "run", "--schema").stdout
    for view in ("documents", "rejected", "quarantine", "shards", "steps", "funnel", "sources"):
        assert f"{view}:" in shown
    assert "gopher_" in shown


def test_a_query_that_does_not_run_is_one_line(finished):
    folder, _ = finished
    process = corpusmill("sql", folder / "run", "select nothing from nowhere")
    assert process.returncode == 2
    assert len(process.stderr.strip().splitlines()) == 1
    assert "says nothing" in corpusmill("sql", folder / "run", "/* nothing */").stderr


def test_the_catalogue_opens_in_duckdb_itself(finished):
    import duckdb

    folder, _ = finished
    with duckdb.connect(str(folder / "run" / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from corpus").fetchone() == (160,)
        assert connection.execute("select sum(kept) from sources").fetchone() == (160,)


def test_explain_tells_origin_verdicts_and_copies(finished):
    folder, _ = finished
    told = corpusmill("explain", folder / "run", "https://example.org/35").stdout
    for part in ("a.warc.gz", "b.warc.gz", "exact_duplicate", "kept in corpus/", "n_words"):
        assert part in told
    process = corpusmill("explain", folder / "run", "https://example.org/nowhere")
    assert process.returncode == 2


def test_status_and_audit_of_a_finished_run(finished):
    folder, _ = finished
    assert "complete" in corpusmill("status", folder / "run").stdout
    process = corpusmill("audit", folder / "run")
    assert process.returncode == 0
    assert "the account sums up" in process.stdout


def test_audit_exits_with_1_and_the_name_of_the_shard(finished, tmp_path):
    folder, _ = finished
    shutil.copytree(folder / "run", tmp_path / "run")
    victim = next((tmp_path / "run" / "corpus").rglob("*.parquet"))
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    process = corpusmill("audit", tmp_path / "run")
    assert process.returncode == 1
    assert f"{victim.parent.name}/{victim.stem}" in process.stderr


def test_a_damaged_run_folder_is_told_in_one_line(finished, tmp_path):
    folder, _ = finished
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    shard = min((run / "documents").rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-9])
    (tmp_path / "hosts.txt").write_text("elsewhere.test")
    asked = ["sql", run, "select 1"], ["tune", run, "n_words"]
    for arguments in (*asked, ["takedown", run, "--hosts", tmp_path / "hosts.txt", "--dry-run"]):
        process = corpusmill(*arguments)
        assert (process.returncode, process.stdout) == (1, "")
        assert len(process.stderr.strip().splitlines()) == 1
        assert "corpusmill audit" in process.stderr
    (run / "plan.json").write_text("[]")
    process = corpusmill("status", run)
    assert (process.returncode, process.stdout) == (2, "")
    assert "plan.json: damaged" in process.stderr
    process = corpusmill("status", run / "plan.json")
    assert (process.returncode, process.stdout) == (2, "")
    assert "not a run folder" in process.stderr


def test_extract_reads_pages_and_archives(finished, tmp_path):
    folder, _ = finished
    page = tmp_path / "page.html"
    page.write_bytes(html(3))
    process = corpusmill("extract", page)
    assert process.returncode == 0
    assert "Home" not in process.stdout
    assert "kind" in process.stdout
    out = tmp_path / "pages.jsonl"
    process = corpusmill("extract", folder / "a.warc.gz", "--jsonl", out, "--engine", "resiliparse")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 40
    assert {line["engine"] for line in lines} == {"resiliparse"}
    assert corpusmill("extract", page, "--engine", "resiliprase").returncode == 2


def test_output_may_be_cut_short(finished):
    folder, _ = finished
    command = f"{sys.executable} -m corpusmill sql {folder / 'run'} --schema | head -1"
    process = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in process.stderr
