"""Exports of a small real run: exact shares, whole documents, the same bytes, the real readers."""

from __future__ import annotations

import gzip
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from typer.testing import CliRunner

from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.storage import checksum
from corpusmill.cli import app
from mixing.export.audit import audit_export
from mixing.export.flow import run_export
from mixing.export.formats import FORMATS
from mixing.export.mixture import load_mixture
from mixing.export.options import Options
from pipeline.recipe import load_recipe
from pipeline.run import run
from proxies.tokenizer import load_tokenizer, train_bpe
from tests.exports import MIXTURE, SETTINGS, export, mixture_file, streaming_dataset, trace_of
from tests.inputs import files_of, prose, write_recipe

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module")
def milled(tmp_path_factory):
    """A run of 160 texts of 600 to 8000 bytes in four files, and a BPE trained on them."""
    folder = tmp_path_factory.mktemp("export")
    texts = [prose(seed, 8 + seed % 97) for seed in range(160)]
    for part in range(4):
        name = "texts" if part < 3 else "notes"
        rows = [
            {"text": text, "url": f"https://example.org/{name}/{part}/{n}"}
            for n, text in enumerate(texts[part::4])
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}{part}.jsonl").write_text(lines)
    options = {"uri_field": "url"}
    sources = {
        name: {"reader": "jsonl", "paths": f"{name}*.jsonl", "options": options}
        for name in ("texts", "notes")
    }
    write = {"shard_mb": 1}
    recipe = write_recipe(folder, sources, dedup={"fuzzy": False}, write=write)
    run(load_recipe(str(recipe)), SETTINGS)
    train_bpe(texts, 400, str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def exported(milled, tmp_path_factory):
    """One export of each format, made when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("exports"), {}

    def get(name: str) -> tuple[Path, dict]:
        if name not in made:
            out = folder / name / "out"
            made[name] = out, export(milled, out, format=name)
        return made[name]

    return get


@pytest.fixture(scope="module")
def corpus(milled):
    """row_id -> (domain, text, n_tokens by the catalogue)."""
    with open_catalog(str(milled / "run")) as catalog:
        cases = " ".join(f"WHEN {p} THEN '{n}'" for n, p in MIXTURE["domains"].items())
        rows = catalog.execute(
            f"SELECT row_id, CASE {cases} END, text, n_tokens FROM documents WHERE kept"
        ).fetchall()
    return {row_id: rest for row_id, *rest in rows}


# what is promised of every format -----------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_shares_are_met_and_the_audit_counts_them(exported, name):
    out, manifest = exported(name)
    total = 0
    for domain, share in MIXTURE["shares"].items():
        found = manifest["domains"][domain]
        total += found["tokens"]
        assert found["achieved"] == pytest.approx(share, abs=0.01)
        assert found["tokens_asked"] == pytest.approx(60_000 * share, abs=1)
    assert manifest["tokens"] == total
    audited = audit_export(str(out))
    assert audited.problems == []
    assert dict(audited.tokens) == {n: d["tokens"] for n, d in manifest["domains"].items()}
    assert len(manifest["shards"]) == 3
    assert not (out / "work").exists()
    assert audited.compared >= 40


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_trace_leads_from_sequences_to_documents(exported, corpus, name):
    out, manifest = exported(name)
    whole = Counter()
    for piece in trace_of(out):
        domain, text, n_tokens = corpus[piece["row_id"]]
        assert piece["domain"] == domain
        whole[piece["row_id"], piece["copy"]] += piece["end"] - piece["start"]
    tokenizer = load_tokenizer(str(out / "tokenizer.json")) if manifest["dtype"] else None
    for (row_id, _), tokens in whole.items():
        _, text, n_tokens = corpus[row_id]
        assert tokens == (len(tokenizer.encode([text])[0]) + 1 if tokenizer else n_tokens)


def test_whole_epochs_come_before_a_second_copy(exported):
    _, manifest = exported("npy")
    for name, domain in manifest["domains"].items():
        assert domain["most_copies"] == math.ceil(domain["epochs"] - 1e-9), name
        if domain["epochs"] >= 1:
            assert domain["documents"] == domain["available_documents"]


def test_the_same_bytes_whatever_the_workers_and_nothing_to_do_again(milled, exported, tmp_path):
    out, _ = exported("mds")
    other = tmp_path / "other" / "out"
    export(milled, other, format="mds", workers=1)
    for folder in ("data", "trace"):
        assert files_of(out / folder) == files_of(other / folder)
    kept = ("seconds", "address", "runs", "mixture")  # where the runs lie differs
    one, two = (json.loads((path / "manifest.json").read_text()) for path in (out, other))
    assert {k: v for k, v in one.items() if k not in kept} == {
        k: v for k, v in two.items() if k not in kept
    }
    mixture = load_mixture(str(other.parent / "mixture.yaml"))
    again = Options(60_000, "mds", str(milled / "tokenizer.json"), 256, shard_tokens=20_000)
    result = run_export(mixture, again, str(other), SETTINGS)
    assert result.done == 0
    assert result.skipped == 4


def test_another_number_of_shards_holds_the_same_stream(milled, exported, tmp_path):
    out, manifest = exported("npy")
    other = tmp_path / "one" / "out"
    one = export(milled, other, shard_tokens=1_000_000)
    assert len(one["shards"]) == 1
    assert one["padding"] == manifest["padding"]

    def windows(folder):
        parts = sorted((folder / "data").glob("*.npy"))
        every = np.concatenate([np.fromfile(part, "<u2").reshape(-1, 256) for part in parts])
        return sorted(every.tolist())

    assert windows(out) == windows(other)


def test_another_seed_draws_and_orders_otherwise(milled, exported, tmp_path):
    out, _ = exported("npy")
    other = tmp_path / "seed" / "out"
    second = export(milled, other, seed=1)
    rows = [{(p["row_id"], p["copy"]) for p in trace_of(folder)} for folder in (out, other)]
    assert rows[0] != rows[1]
    assert second["domains"]["long"]["achieved"] == pytest.approx(0.5, abs=0.01)


# the formats' own readers --------------------------------------------------------------------


def test_parquet_holds_text_provenance_and_domain(exported, corpus):
    out, manifest = exported("parquet")
    table = pq.read_table(out / "data")
    assert len(table) == manifest["sequences"]
    for row in table.to_pylist():
        domain, text, _ = corpus[row["row_id"]]
        assert (row["domain"], row["text"]) == (domain, text)
        assert row["uri"].startswith("https://example.org/")
        assert {"id", "source", "license", "copy", "n_tokens"} <= row.keys()


def test_jsonl_is_one_object_to_a_line(exported, corpus):
    out, manifest = exported("jsonl.zst")
    rows = []
    for path in sorted((out / "data").glob("*.jsonl.zst")):
        data = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
        rows += [json.loads(line) for line in data.decode().splitlines()]
    assert len(rows) == manifest["sequences"]
    assert all(row["text"] == corpus[row["row_id"]][1] for row in rows)


def test_npy_is_a_memory_map_with_the_bounds_of_documents(exported, corpus):
    out, manifest = exported("npy")
    tokenizer = load_tokenizer(str(out / "tokenizer.json"))
    for shard in manifest["shards"]:
        path = out / "data" / f"{shard['name']}.npy"
        ids = np.memmap(path, np.uint16, "r")
        assert len(ids) == 256 * shard["sequences"]
        with gzip.open(path.with_suffix(".csv.gz"), "rt") as file:
            rows = [line.strip().split(",") for line in file]
        spans = [(int(start), int(end)) for start, end, *_ in rows]
        assert [end for _, end in spans][:-1] == [start for start, _ in spans][1:]
        assert sum(end - start for start, end in spans) == shard["tokens"]
        start, end, row_id, domain, _ = rows[3]
        assert corpus[row_id][0] == domain
        assert tokenizer.decode(ids[int(start) : int(end)]).strip() in corpus[row_id][1]


def test_mds_is_opened_by_mosaicml_streaming(exported, tmp_path):
    out, manifest = exported("mds")
    dataset = streaming_dataset()(
        local=str(out / "data"), batch_size=1, shuffle=False, allow_unsafe_types=False
    )
    assert len(dataset) == manifest["sequences"]
    mine = [
        FORMATS["mds"].read(str(out / "data" / f"{shard['name']}.mds"), manifest).tokens
        for shard in manifest["shards"]
    ]
    mine = np.concatenate(mine).reshape(-1, 256)
    for number in range(len(dataset)):
        assert np.array_equal(dataset[number]["tokens"], mine[number])


@pytest.mark.filterwarnings("ignore")
def test_megatron_core_reads_every_document(exported, corpus):
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    out, manifest = exported("megatron")
    tokenizer = load_tokenizer(str(out / "tokenizer.json"))
    weights = (out / "data" / "data_paths.txt").read_text().split()
    assert [int(n) for n in weights[::2]] == [shard["tokens"] for shard in manifest["shards"]]
    trace = trace_of(out)
    number = 0
    for name in weights[1::2]:
        dataset = IndexedDataset(str(out / "data" / name))
        assert len(dataset.document_indices) == len(dataset) + 1
        for at in range(len(dataset)):
            ids = dataset[at]
            assert ids.dtype == np.uint16
            assert ids[-1] == tokenizer.eos_id
            assert tokenizer.decode(ids[:-1]) == corpus[trace[number]["row_id"]][1]
            number += 1
    assert number == manifest["sequences"]


# mixtures ------------------------------------------------------------------------------------


def test_better_documents_are_repeated_more(milled, corpus, tmp_path):
    upsample = {"long": {"n_bytes >= 6000": 3, "n_bytes >= 4500": 1.5}, "notes": "n_bytes / 1e4"}
    out = tmp_path / "up" / "out"
    manifest = export(milled, out, {"upsample": upsample}, format="parquet", tokens=900_000)
    copies = Counter()
    for piece in trace_of(out):
        copies[piece["row_id"]] += 1
    mean = {}
    for low, high in ((3000, 4500), (4500, 6000), (6000, 9000)):
        own = [copies[r] for r, (d, t, _) in corpus.items() if d == "long" and low <= len(t) < high]
        mean[low] = sum(own) / len(own)
    assert mean[6000] == pytest.approx(3 * mean[3000], rel=0.15)
    assert mean[4500] == pytest.approx(1.5 * mean[3000], rel=0.15)
    assert manifest["domains"]["long"]["achieved"] == pytest.approx(0.5, abs=0.005)


def test_one_document_may_be_repeated_more_often_than_16_bits_count(milled, corpus, tmp_path):
    few = min(corpus, key=lambda row_id: len(corpus[row_id][1]))
    changes = {
        "domains": {"one": f"row_id = '{few}'", "rest": "true"},
        "shares": {"one": 1.0},
        "max_epochs": None,
    }
    out = tmp_path / "out"
    tokens = 33_000 * corpus[few][2]
    manifest = export(milled, out, changes, format="jsonl.zst", tokens=tokens, shard_tokens=tokens)
    assert manifest["domains"]["one"]["most_copies"] == 33_000
    assert max(piece["copy"] for piece in trace_of(out)) == 32_999
    assert audit_export(str(out)).problems == []


def test_held_out_documents_are_not_exported(milled, corpus, tmp_path):
    with open_catalog(str(milled / "run")) as catalog:
        ids = catalog.execute("SELECT id, row_id FROM corpus WHERE source = 'notes'").fetchall()
    held = [n % 2 == 0 for n in range(len(ids))]
    table = pa.table({"id": [one for one, _ in ids], "held": held, "text": [""] * len(ids)})
    pq.write_table(table, tmp_path / "held.parquet")
    out = tmp_path / "out"
    changes = {"held_out": [str(tmp_path / "held.parquet")]}
    manifest = export(milled, out, changes, format="parquet", tokens=60_000)
    never = {row_id for (_, row_id), one in zip(ids, held, strict=True) if one}
    assert never
    assert not never & {piece["row_id"] for piece in trace_of(out)}
    assert manifest["held_out_documents"] == len(never)


def test_only_what_the_draw_can_reach_is_tokenised(milled, tmp_path):
    """With domains that are not tokenised whole, shares hold and fewer texts are read."""
    out = tmp_path / "part" / "out"
    changes = {"domains": {"all": True}, "shares": {"all": 1.0}}
    manifest = export(milled, out, changes, tokens=15_000, whole=0, shard_tokens=100_000)
    domain = manifest["domains"]["all"]
    assert domain["tokens"] == pytest.approx(15_000, rel=0.05)
    assert not domain["available_counted"]
    assert domain["available_documents"] == 160
    assert audit_export(str(out)).problems == []


def test_two_runs_are_one_corpus(milled, tmp_path):
    (tmp_path / "more.jsonl").write_text(
        "".join(json.dumps({"text": prose(n), "url": f"u/{n}"}) + "\n" for n in range(900, 930))
    )
    options = {"uri_field": "url"}
    source = {"more": {"reader": "jsonl", "paths": "more.jsonl", "options": options}}
    run(load_recipe(str(write_recipe(tmp_path, source))), SETTINGS)
    changes = {
        "run": [str(milled / "run"), str(tmp_path / "run")],
        "domains": {"more": "source = 'more'", "rest": "true"},
        "shares": {"more": 0.5, "rest": 0.5},
    }
    out = tmp_path / "x" / "out"
    manifest = export(milled, out, changes, format="parquet", tokens=30_000)
    assert {(piece["run"], piece["domain"]) for piece in trace_of(out)} == {
        (0, "rest"),
        (1, "more"),
    }
    assert [Path(os.path.join(out, one)).resolve() for one in manifest["runs"]] == [
        (milled / "run").resolve(),
        (tmp_path / "run").resolve(),
    ]


# mistakes and damage -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "options", "told"),
    [
        ({"shares": {"short": 0.2, "long": 0.5}}, {}, "must sum to 1, got 0.7"),
        ({"shares": {"shrt": 1.0}}, {}, "did you mean 'short'?"),
        ({"domains": {"short": "sourc = 1"}, "shares": {"short": 1}}, {}, "domains.short"),
        ({"domains": {"no": "false"}, "shares": {"no": 1}}, {}, "no document of the corpus"),
        ({"upsample": {"long": "n_byte"}}, {}, "upsample.long"),
        ({"upsample": {"long": "-1"}}, {}, "from 0 to 1000"),
        ({"max_epochs": 2}, {"tokens": 1_000_000}, "domain 'short': its share of 20.00%"),
        ({"max_epochs": 2}, {"tokens": 1_000_000, "format": "parquet"}, "--tokens "),
        ({"run": "nowhere"}, {}, "not a run folder"),
        ({}, {"format": "npz"}, "did you mean 'npy'?"),
        ({}, {"tokenizer": None}, "needs a tokenizer"),
        ({}, {"tokenizer": "nowhere.json"}, "no such tokenizer"),
        ({}, {"tokens": 3}, "nothing is drawn"),
        ({"held_out": ["nowhere.parquet"]}, {}, "held_out"),
    ],
)
def test_a_mistake_is_one_clear_line(milled, tmp_path, changes, options, told):
    with pytest.raises(UserError) as error:
        export(milled, tmp_path / "out", changes, **options)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["npy", "mds", "megatron", "parquet"])
def test_the_audit_finds_a_changed_byte_and_a_lost_file(exported, tmp_path, name):
    out, _ = exported(name)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(out), str(copy)], check=True)
    shard = next((copy / "data").glob(f"part-00001{FORMATS[name].suffix}"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    (copy / "trace" / "part-00002.parquet").unlink()
    result = CliRunner().invoke(app, ["audit", str(copy)])
    assert result.exit_code == 1
    problems = audit_export(str(copy)).problems
    assert any(shard.name in problem for problem in problems)
    assert any("part-00002.parquet is missing" in problem for problem in problems)


def test_the_audit_finds_a_manifest_that_flatters(exported, tmp_path):
    out, manifest = exported("npy")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(out), str(copy)], check=True)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["domains"]["long"]["achieved"] = 0.5
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert any("'long'" in problem for problem in audit_export(str(copy)).problems)


def test_the_audit_finds_a_text_that_the_run_does_not_have(exported, tmp_path):
    exported_to, _ = exported("parquet")
    out = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(exported_to), str(out)], check=True)
    manifest = json.loads((out / "manifest.json").read_text())
    for shard in manifest["shards"]:
        name = f"{shard['name']}.parquet"
        path = out / "data" / name
        table = pq.read_table(path)
        at = table.schema.get_field_index("text")
        words = pa.array([text.upper() for text in table["text"].to_pylist()])
        pq.write_table(table.set_column(at, table.schema.field("text"), words), path)
        shard["files"][name] |= {"bytes": path.stat().st_size, "checksum": checksum(str(path))}
    manifest["runs"] = [os.path.abspath(exported_to / run) for run in manifest["runs"]]
    (out / "manifest.json").write_text(json.dumps(manifest))
    problems = audit_export(str(out)).problems
    assert problems
    assert all("has another text now" in line for line in problems)


def test_a_killed_export_goes_on_to_the_same_bytes(milled, exported, tmp_path):
    out, _ = exported("mds")
    path = mixture_file(milled, tmp_path)
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "corpusmill", "export", str(path), "--tokens", "60000",
               "--format", "mds", "--context", "256", "--shard-tokens", "20000", "--workers", "1",
               "--tokenizer", str(milled / "tokenizer.json"), "--out", str(folder)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((folder / "ledger" / "select").glob("*.json")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    mixture = load_mixture(str(path))
    options = Options(60_000, "mds", str(milled / "tokenizer.json"), 256, shard_tokens=20_000)
    result = run_export(mixture, options, str(folder), SETTINGS)
    assert result.skipped >= 1
    assert files_of(folder / "data") == files_of(out / "data")
    assert audit_export(str(folder)).problems == []
