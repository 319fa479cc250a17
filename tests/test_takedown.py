"""Takedown: texts leave every file of a run, the account sums up, and nothing comes back."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.explain import find
from catalogs.ledger import Ledger
from catalogs.takedown import Takedown, plain_url
from mixing.export.audit import audit_export
from mixing.export.flow import run_export
from mixing.export.mixture import load_mixture
from mixing.export.options import Options
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings
from pipeline.takedown import take_down
from pipeline.takedown_find import groups
from tests.inputs import files_of, prose, small_sources, write_recipe

pytestmark = pytest.mark.usefixtures("cluster")

SETTINGS = Settings(workers=2)
TEXTS = ("corpus", "documents", "rejected", "attributes")


def recipe_of(folder):
    fields = {"consent": {"mode": "permissive"}, "boilerplate": {"cut": True}}
    return load_recipe(str(write_recipe(folder, small_sources_once(folder), **fields)))


def small_sources_once(folder):
    if not (folder / "a.warc.gz").exists():
        return small_sources(folder)
    return {
        "web": {"reader": "warc", "paths": "*.warc.gz"},
        "texts": {"reader": "jsonl", "paths": "texts.jsonl", "options": {"uri_field": "url"}},
    }


@pytest.fixture(scope="module")
def milled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("milled")
    run(recipe_of(folder), SETTINGS)
    return folder


@pytest.fixture
def folder(milled, tmp_path):
    """A copy of a finished run; inputs keep their times, so that they are the same inputs."""
    place = tmp_path / "copy"
    shutil.copytree(milled, place, copy_function=shutil.copy2)
    return place


def ask(folder, query):
    with open_catalog(str(folder / "run")) as catalog:
        return catalog.execute(query).fetchall()


def command(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "corpusmill", "takedown", "run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )


def holding(folder, words):
    """The Parquet files of the run that hold these words in any column."""
    found = []
    for path in sorted((folder / "run").rglob("*.parquet")):
        table = pq.read_table(path)
        if any(words in str(value) for value in table.to_pylist()):
            found.append(str(path.relative_to(folder / "run")))
    return found


def shards(folder):
    """Bytes of the shards that hold texts or verdicts, without the mark of a takedown."""
    every = {}
    for kind in TEXTS:
        for name, data in files_of(folder / "run" / kind).items():
            every[f"{kind}/{name.partition('~')[0].removesuffix('.parquet')}"] = data
    return every


def test_the_command_lists_and_rewrites(folder):
    (folder / "urls.txt").write_text(
        "# wanted out\nhttps://example.org/90#top\nexample.org/text/3\n"
    )
    words = prose(90).split("\n")[0]
    assert len(holding(folder, words)) == 2  # documents and corpus
    looked = command("--urls", "urls.txt", "--dry-run", folder=folder)
    assert looked.returncode == 0, looked.stderr
    assert "corpus/source=web" in looked.stdout and "documents/source=web" in looked.stdout
    assert len(holding(folder, words)) == 2
    before = ask(folder, "SELECT count(*), sum(n_tokens) FROM corpus")[0]
    done = command("--urls", "urls.txt", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "1 rows taken down" in done.stdout
    assert holding(folder, words) == []
    after = ask(folder, "SELECT count(*), sum(n_tokens) FROM corpus")[0]
    assert after[0] == before[0] - 1 and after[1] < before[1]
    assert audit(str(folder / "run")).problems == []
    rows = Ledger(str(folder / "run")).rows()
    sums = {file.checksum for row in rows for file in row.files.values()}
    behind = {one.rpartition(":")[2] for row in rows if row.step == "write" for one in row.inputs}
    assert behind and behind <= sums  # lineage holds
    funnel = ask(folder, "SELECT reason, records FROM funnel WHERE stage = 'takedown'")
    assert funnel == [("url", 1)]
    (story,) = find(str(folder / "run"), "https://example.org/90")
    assert story.outcome == "rejected at takedown: url" and story.row["text"] is None
    again = command("--urls", "urls.txt", folder=folder)
    assert "0 rows taken down" in again.stdout


def test_a_run_of_the_recipe_does_not_bring_it_back(folder):
    (text_id,) = ask(folder, "SELECT id FROM corpus WHERE uri = 'https://example.org/35'")[0]
    take_down(str(folder / "run"), Takedown.of(ids=[text_id], hosts=["*.none.test"]))
    kept = ask(folder, "SELECT count(*) FROM corpus")
    summary = run(recipe_of(folder), SETTINGS)
    assert summary.skipped > 0
    ingest = Ledger(str(folder / "run")).rows("ingest")
    assert sum(row.rejected.get("takedown:id", 0) for row in ingest) == 2  # both copies
    assert ask(folder, "SELECT count(*) FROM corpus") == kept
    assert holding(folder, prose(35).split("\n")[0]) == []
    assert audit(str(folder / "run")).problems == []


def test_shards_are_those_of_a_run_that_had_the_list_from_the_start(folder, tmp_path):
    asked = Takedown.of(urls=["https://example.org/2", "https://example.org/text/210"])
    take_down(str(folder / "run"), asked)
    run(recipe_of(folder), SETTINGS)
    rewritten = shards(folder)
    shutil.rmtree(folder / "run")
    (folder / "run").mkdir()
    asked.save(str(folder / "run"))
    run(recipe_of(folder), SETTINGS)
    again = shards(folder)
    assert [name for name in again if again[name] != rewritten.get(name)] == []
    assert again.keys() == rewritten.keys()


def test_a_copy_elsewhere_is_told_and_stays(folder):
    (folder / "ids.txt").write_text("")
    assert command("--ids", "ids.txt", folder=folder).returncode == 2
    rows = ask(folder, "SELECT row_id, id FROM documents WHERE uri = 'https://example.org/31'")
    assert len(rows) == 2 and rows[0][1] == rows[1][1]
    (folder / "ids.txt").write_text(rows[0][0])
    done = command("--ids", "ids.txt", folder=folder)
    assert "1 copies of these texts" in done.stdout
    assert len(holding(folder, prose(31).split("\n")[0])) >= 1


def test_whole_hosts_go(folder):
    (folder / "hosts.txt").write_text("Example.ORG\n")
    done = command("--hosts", "hosts.txt", folder=folder)
    assert done.returncode == 0, done.stderr
    assert ask(folder, "SELECT count(*) FROM corpus") == [(0,)]
    assert ask(folder, "SELECT count(*) FROM rejected WHERE text IS NOT NULL") == [(0,)]
    assert audit(str(folder / "run")).problems == []
    assert holding(folder, "the stone wheel") == []


def test_a_takedown_that_was_cut_short_is_found_and_ended(folder):
    root = str(folder / "run")
    asked = Takedown.of(urls=["https://example.org/90"])
    asked.save(root)  # as a kill right after the first step leaves it
    assert any("takedown.json" in problem for problem in audit(root).problems)
    done = command(folder=folder)
    assert done.returncode == 0, done.stderr
    assert audit(root).problems == [] and holding(folder, prose(90).split("\n")[0]) == []


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_a_kill_between_two_shards_loses_nothing(folder, after):
    root, count = str(folder / "run"), 0

    def stop(row):
        nonlocal count
        count += 1
        if count == after:
            raise KeyboardInterrupt

    asked = Takedown.of(urls=["https://example.org/90", "https://example.org/text/220"])
    try:
        take_down(root, asked, each=stop)
    except KeyboardInterrupt:
        assert audit(root).problems
    take_down(root, Takedown())
    assert audit(root).problems == []
    assert holding(folder, prose(90).split("\n")[0]) == []
    assert ask(folder, "SELECT sum(records) FROM funnel WHERE stage = 'takedown'") == [(2,)]


def test_exports_are_cleaned(folder):
    out = folder / "out"
    out.mkdir()
    rows = [{"url": f"https://example.org/{n}", "text": f"t{n}"} for n in range(88, 92)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (out / "a.jsonl").write_text(lines)
    (out / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.table({"uri": [row["url"] for row in rows]}), out / "c.parquet")
    (folder / "urls.txt").write_text("https://example.org/90\n")
    done = command("--urls", "urls.txt", "--exports", "out", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "/90" not in (out / "a.jsonl").read_text()
    assert len(gzip.decompress((out / "b.jsonl.gz").read_bytes()).splitlines()) == 3
    assert pq.read_table(out / "c.parquet").num_rows == 3
    assert "a.jsonl" in done.stdout and "c.parquet" in done.stdout


@pytest.mark.slow
def test_exports_of_the_run_are_made_again(folder):
    mixture = {
        "name": "small",
        "run": "run",
        "domains": {"web": "source = 'web'", "texts": "source = 'texts'"},
        "shares": {"web": 0.5, "texts": 0.5},
    }
    (folder / "mixture.yaml").write_text(json.dumps(mixture))
    options = Options(tokens=40_000, format="npy", tokenizer="bytes", context=128)
    out = folder / "small-npy"
    loaded = load_mixture(str(folder / "mixture.yaml"))
    run_export(loaded, options, str(out), SETTINGS)
    trace = pq.read_table(out / "trace")
    (row_id,) = [trace["row_id"][0].as_py()]
    (folder / "ids.txt").write_text(row_id)
    looked = command("--ids", "ids.txt", "--dry-run", folder=folder)
    assert "small-npy" in looked.stdout
    done = command("--ids", "ids.txt", folder=folder)
    assert done.returncode == 0, done.stderr
    assert row_id not in pq.read_table(out / "trace")["row_id"].to_pylist()
    assert audit_export(str(out)).problems == []
    assert run_export(loaded, options, str(out), SETTINGS).done == 0  # the same export


def test_entries_that_name_nothing_are_told(folder):
    (text_id,) = ask(folder, "SELECT id FROM corpus WHERE uri = 'https://example.org/90'")[0]
    (folder / "ids.txt").write_text(f"{text_id.upper()}\n{'0' * 32}\n{text_id}\nno-such-id\n")
    (folder / "hosts.txt").write_text("EXAMPLE.org:8443\nb\u00fccher.test\n")
    arguments = ("--ids", "ids.txt", "--hosts", "hosts.txt")
    looked = command(*arguments, "--dry-run", folder=folder)
    told = (
        "not found in this run: 4 of 5 entries: host example.org:8443, host xn--bcher-kva.test, "
        f"id {'0' * 32}, id no-such-id;"
    )
    assert looked.returncode == 0 and told in looked.stderr
    done = command(*arguments, folder=folder)
    assert done.returncode == 0 and told in done.stderr and "1 rows taken down" in done.stdout
    again = command(*arguments, folder=folder)
    assert "not found" not in again.stderr and "0 rows taken down" in again.stdout
    assert audit(str(folder / "run")).problems == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to take down"),
        (("--hosts", "urls.txt"), "is one page, and a host is wanted"),
        (("--ids", "urls.txt"), "is no id of a text or a row"),
        (("--urls", "no.txt"), "no such file"),
        (("--urls", "empty.txt"), "holds no entry"),
        (("--urls", "urls.txt", "--exports", "empty.txt"), "no file ends with"),
    ],
)
def test_mistakes_are_told(folder, arguments, words):
    (folder / "empty.txt").write_text("\n")
    (folder / "urls.txt").write_text("https://example.org/90\n")
    process = command(*arguments, folder=folder)
    assert process.returncode == 2 and words in process.stderr


def test_files_of_another_version_are_told_before_anything_is_looked_for(tmp_path):
    pq.write_table(pa.table({"id": ["a"], "uri": ["b"]}), tmp_path / "documents.parquet")
    with pytest.raises(UserError, match=r"documents\.parquet: made by another version.*row_id"):
        list(groups(str(tmp_path / "documents.parquet"), ["id", "row_id", "uri"]))


def test_urls_compare_without_scheme_fragment_and_port():
    assert plain_url("HTTPS://Exämple.org:443/A?b#c") == plain_url("http://xn--exmple-cua.org/A?b")
    assert plain_url("https://example.org") == plain_url("example.org/")
    assert plain_url("code/a.py") == "code/a.py"
    hosts = Takedown.of(hosts=["*.a.test"])
    assert hosts.reason("https://x.a.test/1") == hosts.reason("https://a.test/") == "host"
    assert hosts.reason("https://ba.test/") is None


def test_hosts_as_people_write_them():
    hosts = Takedown.of(hosts=["A.test:443", "b.test:8080", "https://B\u00fccher.test/", "c.test."])
    urls = {
        "https://a.test/1": "host",
        "http://A.TEST:8000/1": "host",
        "http://b.test/1": None,
        "http://b.test:8080/1": "host",
        "http://xn--bcher-kva.test/1": "host",
        "https://b\u00fccher.test./1": "host",
        "http://C.test/": "host",
        "http://cc.test/": None,
    }
    assert {url: hosts.reason(url) for url in urls} == urls
