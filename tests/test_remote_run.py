"""Whole runs over a line that fails: the same documents as from disk, or a loud failure."""

from __future__ import annotations

import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.ledger import Ledger
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import RunError, Settings
from tests.inputs import html, response, write_recipe, write_warc
from tests.servers import serving

pytestmark = pytest.mark.usefixtures("cluster")

SETTINGS = Settings(workers=2)
PLACES = ["container", "row_id"]
QUICK = {"requests_per_second": None, "timeout_seconds": 10, "give_up_seconds": 120}


def mill(folder, source, **fields):
    recipe = write_recipe(folder, {"web": {"reader": "warc", **source}}, **fields)
    return run(load_recipe(str(recipe)), SETTINGS)


def corpus(folder):
    """All columns of the corpus but the names of places, in the order of the shards."""
    paths = sorted((folder / "run" / "corpus").rglob("*.parquet"))
    return pa.concat_tables([pq.read_table(path) for path in paths]).drop_columns(PLACES)


def stats(folder):
    return [row.stats for row in Ledger(str(folder / "run")).rows("ingest")]


@pytest.mark.slow
def test_a_path_list_over_a_failing_line_gives_what_the_files_give(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for number in range(3):
        write_warc(here / f"{number}.warc.gz", range(8 * number, 8 * number + 8))
    mill(here, {"paths": "*.warc.gz"})
    files = {f"data/{n}.warc.gz": (here / f"{n}.warc.gz").read_bytes() for n in range(3)}
    files["data/warc.paths.gz"] = gzip.compress("\n".join(sorted(files)).encode())
    with serving(files) as server:
        faults = [None, (503, {"Retry-After": "1"}), None, "cut", (429, {}), None, "reset", "cut"]
        server.faults = lambda number, path: faults[number % 8] if number < 40 else None
        mill(there, {"paths": f"{server.url}/data/warc.paths.gz"}, remote=QUICK)
        assert sum(row.get("remote_retries", 0) for row in stats(there)) > 0
        server.faults = lambda number, path: None
        requests = len(server.log)
        again = run(load_recipe(str(there / "recipe.yaml")), SETTINGS)
        assert (again.done, len(server.log) - requests) == (0, 4), "a list, and three looks"
    assert corpus(there).equals(corpus(here))
    assert audit(str(there / "run")).problems == []
    for folder in (here, there):
        assert [row["records_present"] for row in stats(folder)] == [8] * 3
        assert [row["records_seen"] for row in stats(folder)] == [8] * 3
    with open_catalog(str(there / "run")) as catalog:
        assert catalog.execute("SELECT * FROM charsets").fetchall() == [
            ("web", "none", "utf-8", "meta", 24)
        ]
        present = catalog.execute("SELECT sum(present), sum(read) FROM steps WHERE step = 'ingest'")
        assert present.fetchone() == (24, 24)


def test_a_server_that_stays_away_fails_its_shard_and_a_rerun_goes_on(tmp_path):
    for number in range(2):
        write_warc(tmp_path / f"{number}.warc.gz", range(5 * number, 5 * number + 5))
    files = {f"{n}.warc.gz": (tmp_path / f"{n}.warc.gz").read_bytes() for n in range(2)}
    files["l.paths"] = "\n".join(files).encode()
    with serving(files) as server:
        server.faults = lambda number, path: (503, {}) if path == "1.warc.gz" else None
        source = {"paths": f"{server.url}/l.paths", "immutable": True}
        with pytest.raises(RunError, match=r"1\.warc\.gz: given up after .* 503") as told:
            mill(tmp_path, source, remote={**QUICK, "give_up_seconds": 1})
        assert "\n" not in str(told.value)
        assert len(Ledger(str(tmp_path / "run")).rows("ingest")) == 1
        server.faults = lambda number, path: None
        summary = mill(tmp_path, source, remote=QUICK)  # patience changes no address
    assert summary.skipped == 1
    assert audit(str(tmp_path / "run")).totals["corpus"] == 10


def test_a_host_that_is_not_there_is_told_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("catalogs.remote.UNKNOWN_SECONDS", 0.5)
    source = {"paths": ["http://no-such-host.invalid/0.warc.gz"]}
    with pytest.raises(UserError, match=r"sources\.web\.paths.*no host has the name no-such"):
        mill(tmp_path, source)
    assert not (tmp_path / "run" / "ledger").exists()


def test_an_object_that_is_another_than_planned_fails_its_shard(tmp_path):
    write_warc(tmp_path / "0.warc.gz", range(3))
    with serving({"0.warc.gz": (tmp_path / "0.warc.gz").read_bytes()}) as server:

        def changed(number, path):
            server.version = 2 if number > 1 else 1

        server.faults = changed
        with pytest.raises(RunError, match="changed since the run was planned; run again"):
            mill(tmp_path, {"paths": f"{server.url}/0.warc.gz"}, remote=QUICK)


def test_a_selection_is_milled_like_the_files_it_names(tmp_path):
    members = [response(f"https://example.org/{n}", html(n)) for n in range(30)]
    (tmp_path / "x.warc.gz").write_bytes(b"".join(members))
    starts = [sum(map(len, members[:n])) for n in range(30)]
    rows = [(f"https://example.org/{n}", starts[n], len(members[n])) for n in range(0, 30, 3)]
    index = "url,filename,offset,length\n" + "".join(
        f"{url},x.warc.gz,{offset},{length}\n" for url, offset, length in rows
    )
    (tmp_path / "picked.csv").write_text(index)
    mill(tmp_path, {"selection": "picked.csv", "shard_rows": 4})
    report = audit(str(tmp_path / "run"))
    assert report.problems == [] and report.totals["corpus"] == 10
    assert sorted(row["records_present"] for row in stats(tmp_path)) == [2, 4, 4]
    with open_catalog(str(tmp_path / "run")) as catalog:
        found = catalog.execute('SELECT uri, container, "offset", length FROM documents ORDER BY 3')
        assert found.fetchall() == [(url, "x.warc.gz", at, size) for url, at, size in rows]


def test_a_reader_that_loses_records_fails_its_shard_with_the_numbers(tmp_path):
    (tmp_path / "short.py").write_text(
        "from pipeline.readers import READERS, register_reader\n"
        "warc = READERS['warc']\n"
        "@register_reader('short')\n"
        "def read(path, container, **rest):\n"
        "    found = warc(path, container, **rest)\n"
        "    while True:\n"
        "        try:\n"
        "            record = next(found)\n"
        "        except StopIteration as end:\n"
        "            return end.value\n"
        "        if not record.uri.endswith('7'):\n"
        "            yield record\n"
    )
    write_warc(tmp_path / "a.warc.gz", range(12))
    with pytest.raises(RunError, match=r"a\.warc\.gz: 12 records are present, but 11 were read"):
        mill(tmp_path, {"reader": "short", "paths": "*.warc.gz"}, plugins=["short.py"])


def test_s3_inputs_are_milled(tmp_path, monkeypatch):
    write_warc(tmp_path / "0.warc.gz", range(4))
    data = (tmp_path / "0.warc.gz").read_bytes()
    script = (
        "import os, sys; sys.path.insert(0, os.getcwd());"
        "from pipeline.recipe import load_recipe; from pipeline.run import run;"
        "from pipeline.schedule import Settings;"
        f"run(load_recipe({str(tmp_path / 'recipe.yaml')!r}), Settings(workers=1))"
    )
    with serving({"crawl/x/0.warc.gz": data, "crawl/x/1.txt": b"no"}) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        sources = {"web": {"reader": "warc", "paths": "s3://crawl/x/*.warc.gz"}}
        write_recipe(tmp_path, sources, remote=QUICK)
        # workers take the environment from the cluster, so this needs one of its own
        import subprocess
        import sys

        subprocess.run([sys.executable, "-c", script], check=True, env=dict(os.environ))
    assert audit(str(tmp_path / "run")).totals["corpus"] == 4
