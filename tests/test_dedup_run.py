"""`corpusmill dedup` on any Parquet: verdicts by row, an index for later, and safe to kill."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from catalogs import storage
from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.explain import find
from catalogs.ledger import Ledger
from corpusmill.cli import app
from pipeline.dedup import DedupConfig, Limits
from pipeline.dedup_flow import File, Shard
from pipeline.dedup_jobs import dedup_shards
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings
from tests.dedups import planted_corpus, rows_of, text_id, words, write_shards
from tests.inputs import files_of, write_recipe

pytestmark = pytest.mark.usefixtures("cluster")


def write(path: Path, rows: list[tuple], **columns) -> Path:
    ids, texts = zip(*rows, strict=True) if rows else ((), ())
    table = {"id": list(ids), "text": pa.array(texts, pa.string()), **columns}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)
    return path


def dedup(*arguments) -> str:
    result = CliRunner().invoke(app, ["dedup", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def verdicts(out: Path) -> dict[str, list[dict]]:
    folder = out / "attributes" / "dedup"
    files = sorted(folder.rglob("*.parquet"))
    return {str(f.relative_to(folder)): pq.read_table(f).to_pylist() for f in files}


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """Two folders of texts; the second holds copies and near copies of the first."""
    folder, rng = tmp_path_factory.mktemp("snapshots"), random.Random(0)
    texts = [words(rng, 60) for _ in range(60)]
    old = [(f"old{n}", " ".join(text)) for n, text in enumerate(texts)]
    near = [(f"near{n}", " ".join([*texts[n], "tail"])) for n in range(10)]
    same = [(f"same{n}", " ".join(texts[n])) for n in range(20, 25)]
    fresh = [(f"new{n}", " ".join(words(rng, 60))) for n in range(10)]
    write(folder / "old" / "a.parquet", old[:30])
    write(folder / "old" / "b" / "c.parquet", old[30:])
    write(folder / "new" / "d.parquet", near + same + fresh)
    return folder


def test_files_are_judged_row_by_row_and_become_an_index(snapshots, tmp_path):
    told = dedup(snapshots / "old", "--out", tmp_path / "old", "--workers", 2)
    assert "0 of 60 rows go" in told
    found = verdicts(tmp_path / "old")
    assert list(found) == ["a.parquet", "b/c.parquet"]
    assert [row["id"] for row in found["a.parquet"]] == [f"old{n}" for n in range(30)]
    options = ["--out", tmp_path / "new", "--against", tmp_path / "old"]
    dedup(snapshots / "new", *options)
    (rows,) = verdicts(tmp_path / "new").values()
    assert list(rows[0]) == [
        "id", "dup_cluster", "dup_count", "dup_kept_id", "dup_kept_run", "dup_jaccard", "kept",
        "reason",
    ]  # fmt: skip
    for row in rows:
        kind = row["id"].rstrip("0123456789")
        twin = row["id"].replace(kind, "old")
        assert row["kept"] == (kind == "new")
        assert row["dup_kept_id"] == (None if kind == "new" else twin)
        assert row["dup_kept_run"] == (None if kind == "new" else str(tmp_path / "old"))
        assert row["reason"] == {"near": "near_duplicate", "same": "exact_duplicate"}.get(kind)
        assert row["dup_jaccard"] == {"near": pytest.approx(56 / 57), "same": 1.0}.get(kind)
    assert "nothing to do" in dedup(snapshots / "new", *options)
    assert not audit(str(tmp_path / "new")).problems


def test_a_folder_named_from_where_one_stands(snapshots, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dedup(os.path.relpath(snapshots / "new"), "--out", "runs/here")
    assert len(verdicts(tmp_path / "runs" / "here")) == 1
    assert not audit("runs/here").problems
    assert "nothing to do" in dedup(snapshots / "new", "--out", "runs/here")


def test_the_folder_tells_its_sums_and_the_twin_that_won(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = " ".join(words(random.Random(7), 60))
    rows = [("a", text), ("b", text), ("c", f"{text} tail"), ("d", "of its own")]
    dedup(write(tmp_path / "in.parquet", rows), "--out", "out", "--keep", "id")
    told = CliRunner().invoke(app, ["audit", "out"])
    assert "rows 4 = kept 2 + exact duplicates 1 + near duplicates 1" in told.output
    with open_catalog("out") as catalog:
        funnel = catalog.execute("SELECT stage, reason, records FROM funnel").fetchall()
        assert funnel[0] == ("read", None, 4) and funnel[-1] == ("corpus", None, 2)
        assert catalog.execute("SELECT * FROM rejected JOIN corpus USING (id)").fetchall() == []
        assert catalog.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)
        found = catalog.execute("SELECT id, container, record, reason FROM rejected").fetchall()
    assert found == [("b", "in", 1, "exact_duplicate"), ("c", "in", 2, "near_duplicate")]
    (story,) = find("out", "c")
    assert story.outcome.startswith("dropped as near_duplicate of a, Jaccard 0.98")
    assert [copy["id"] for copy in story.copies] == ["a", "b", "c"]
    assert CliRunner().invoke(app, ["explain", "out", "d"]).output.startswith("kept")
    verdict = Path("out/attributes/dedup/in.parquet")
    changed = pq.read_table(verdict).set_column(6, "kept", pa.array([True] * 4))
    pq.write_table(changed, verdict)
    told = CliRunner().invoke(app, ["audit", "out"])
    assert told.exit_code == 1 and "was changed" in told.output


def test_a_large_file_is_judged_in_pieces_of_row_groups(snapshots, tmp_path, monkeypatch):
    rows = [
        row
        for name in ("old/a", "old/b/c", "new/d")
        for row in pq.read_table(snapshots / f"{name}.parquet").to_pylist()
    ]
    random.Random(1).shuffle(rows)
    large = tmp_path / "in" / "large.parquet"
    large.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), large, row_group_size=7)
    keep = ("--keep", "length(text) desc", "--keep", "id desc")
    dedup(large, "--out", tmp_path / "whole", *keep)
    monkeypatch.setattr("pipeline.dedup_run.PIECE_BYTES", 8 << 10)
    told = dedup(large, "--out", tmp_path / "pieces", *keep)
    assert "15 of 85 rows go" in told
    folder = tmp_path / "pieces" / "attributes" / "dedup" / "large.parquet"
    assert len(list(folder.iterdir())) > 3
    whole = pq.read_table(tmp_path / "whole" / "attributes" / "dedup" / "large.parquet")
    assert pq.read_table(folder).to_pylist() == whole.to_pylist()
    assert not audit(str(tmp_path / "pieces")).problems
    # the same folder, when the file has become small, and when it has grown again
    pq.write_table(pa.Table.from_pylist(rows[:9]), large)
    dedup(large, "--out", tmp_path / "pieces")
    assert folder.is_file() and pq.read_metadata(folder).num_rows == 9
    pq.write_table(pa.Table.from_pylist(rows), large, row_group_size=7)
    dedup(large, "--out", tmp_path / "pieces", *keep)
    assert pq.read_table(folder).to_pylist() == whole.to_pylist()


def test_an_index_of_other_settings_is_refused(snapshots, tmp_path):
    dedup(snapshots / "old", "--out", tmp_path / "old", "--rows", 4)
    with pytest.raises(UserError, match=r"dedup.against'.*'dedup.rows: 4', this run has '8'"):
        dedup(snapshots / "new", "--out", tmp_path / "new", "--against", tmp_path / "old")
    with pytest.raises(UserError, match="not a run folder"):
        dedup(snapshots / "new", "--out", tmp_path / "new", "--against", tmp_path)
    plan = tmp_path / "old" / "plan.json"
    plan.write_text(json.dumps({**json.loads(plan.read_text()), "state": "incomplete"}))
    with pytest.raises(UserError, match="not finished"):
        dedup(snapshots / "new", "--out", tmp_path / "new", "--against", tmp_path / "old")


def test_repeated_ids_are_told_and_each_row_is_judged_by_its_own_text(tmp_path):
    rows = [("x", "one text of its own"), ("x", "and quite another one"), ("y", None), ("z", "")]
    rows += [("x", "one text of its own")]
    told = dedup(write(tmp_path / "in.parquet", rows), "--out", tmp_path / "out")
    assert "1 ids name more than one row, such as 'x'" in told
    (found,) = verdicts(tmp_path / "out").values()
    assert [row["kept"] for row in found] == [True, True, True, False, False]


def test_keep_orders_by_the_columns_there_are(tmp_path):
    rows = [("a", "the same text"), ("b", "the same text"), ("c", "the same text")]
    path = write(tmp_path / "in.parquet", rows, quality=[1, 3, None])
    dedup(path, "--out", tmp_path / "quality", "--keep", "quality desc")
    (found,) = verdicts(tmp_path / "quality").values()
    assert {row["dup_kept_id"] for row in found} == {"b"}
    other = write(tmp_path / "other.parquet", rows, quality=[1.5, 2.5, 3.5])
    with pytest.raises(UserError, match=r"types DOUBLE in the one and BIGINT.*cast it"):
        dedup(path, other, "--out", tmp_path / "both", "--keep", "quality desc")
    with pytest.raises(UserError, match=r"in.parquet: field 'dedup.keep.0': 'qualty'.*quality"):
        dedup(path, "--out", tmp_path / "both", "--keep", "qualty")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["none.parquet"], "none.parquet: no such file"),
        (["*.nothing"], "no file matches"),
        (["text.parquet", "--shingle", "0"], "'shingle': .*greater than or equal to 1, got 0"),
        (["text.parquet", "--exact", "raw_"], "'raw', 'whitespace', 'nfc_case' or 'none'"),
        (["text.parquet", "--scope", "source"], "text.parquet: field 'source': no such column"),
        (["bare.parquet"], "bare.parquet: field 'text': no such column .it has id"),
        (["null.parquet"], "null.parquet: field 'id': row 1 has none"),
        (["notes.txt"], "notes.txt: cannot be read as Parquet"),
    ],
)
def test_mistakes_are_one_line_that_names_the_file(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "text.parquet", [("a", "b")])
    write(tmp_path / "null.parquet", [("a", "b"), (None, "c")])
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "bare.parquet")
    (tmp_path / "notes.txt").write_text("no table")
    with pytest.raises(UserError, match=message) as caught:
        dedup(*options, "--out", "out")
    assert "\n" not in str(caught.value)


def test_killed_at_any_step_the_output_is_the_same(tmp_path):
    documents = write_shards(tmp_path / "documents", rows_of(planted_corpus()), 2)
    shards = [
        Shard(f"s{n}", File(path, storage.checksum(path))) for n, path in enumerate(documents)
    ]
    rng = random.Random(0)

    def run_jobs(root: str, kill: bool):
        def run(jobs):
            done = []
            for job in jobs:
                if kill:
                    child = os.fork()
                    if child == 0:
                        job.run(job)
                        os._exit(0)
                    time.sleep(rng.uniform(0, 0.08))
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                row = Ledger(root).committed(job.step, job.shard, job.address)
                done.append(row or job.run(job))
            return done

        return run

    trees = []
    for name, kill, limits in (("whole", False, Limits()), ("killed", True, Limits(300))):
        root = str(tmp_path / name)
        dedup_shards(root, shards, 500, DedupConfig(), [], run_jobs(root, kill), limits)
        trees.append(
            {
                k: v
                for k, v in files_of(Path(root)).items()
                if k.split("/")[0] not in ("ledger", "_tmp")
            }
        )
    assert list(trees[0]) == list(trees[1]) and len(trees[0]) > 20
    assert trees[0] == trees[1]


def test_a_recipe_drops_what_an_earlier_run_has_and_names_it(tmp_path):
    rng = random.Random(5)
    texts = [" ".join(words(rng, 80)) for _ in range(8)]
    new = [texts[0], texts[1] + " and more", " ".join(words(rng, 80))]
    settings = {"filters": [], "language": {"keep": []}}
    for name, own, against in (("old", texts, []), ("new", new, ["../old/run"])):
        (tmp_path / name).mkdir()
        lines = [json.dumps({"id": f"{name}{n}", "text": text}) for n, text in enumerate(own)]
        (tmp_path / name / "texts.jsonl").write_text("\n".join(lines))
        sources = {"texts": {"reader": "jsonl", "paths": "*.jsonl"}}
        recipe = write_recipe(tmp_path / name, sources, dedup={"against": against}, **settings)
        run(load_recipe(str(recipe)), Settings(workers=2))
    root = str(tmp_path / "new" / "run")
    assert audit(root).problems == []
    with open_catalog(root) as catalog:
        rows = catalog.execute(
            "SELECT kept, dup_reason, dup_kept_id, dup_kept_run FROM documents ORDER BY record"
        ).fetchall()
    same, near = (text_id(text) for text in texts[:2])
    assert rows == [
        (False, "exact_duplicate", same, "../old/run"),
        (False, "near_duplicate", near, "../old/run"),
        (True, None, None, None),
    ]
    (story, *_) = find(root, text_id(new[1]))
    assert story.outcome.startswith(
        f"dropped as near_duplicate of {near} in the earlier run ../old"
    )
