"""Repeated lines, paragraphs and spans: what goes is what another document has, and no more."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.explain import find
from catalogs.ledger import Ledger
from pipeline.recipe import load_recipe
from pipeline.repeats import Inputs, count_units, find_cuts, find_units
from pipeline.repeats_jobs import find_repeats
from pipeline.run import run
from pipeline.schedule import Settings
from pipeline.spans import cut_bytes, merge_spans
from tests.dedups import rows_of, text_id, write_shards
from tests.inputs import files_of, write_recipe


def shards_of(folder: Path, texts: list[str], shards: int, **columns) -> list[Inputs]:
    rows = rows_of(texts, **columns)
    inputs = []
    for path in write_shards(folder, rows, shards):
        table = pq.read_table(path, columns=["row_id"])
        table = table.append_column("kept", pa.array([True] * len(table)))
        pq.write_table(table, f"{path}.attributes")
        inputs.append(Inputs(path, f"{path}.attributes"))
    return inputs


def counted(folder: Path, shards, name, parts=1, documents=2, keep_first=True, **how) -> list[str]:
    units = []
    for number, inputs in enumerate(shards):
        units.append(str(folder / f"{name}-{number}"))
        find_units(inputs, {"units": units[-1]}, shard=number, **how)
    repeated = [str(folder / f"{name}-repeated-{part}") for part in range(parts)]
    for part, path in enumerate(repeated):
        count_units(units, {"repeated": path}, documents, keep_first, part, parts)
    return repeated


def cuts_of(folder: Path, texts: list[str], how: str, size: int, shards=2, **options) -> dict:
    """By text: the spans that go from it, and the reason if it goes itself."""
    columns = {"source": options.pop("source")} if "source" in options else {}
    least, priority = options.pop("min_bytes", 0), options.pop("priority", ())
    inputs = shards_of(folder, texts, shards, **columns)
    prints: list[str] = []
    if how == "window":
        prints = counted(folder, inputs, "prints", how="fingerprint", size=size, priority=priority)
    repeated = counted(
        folder, inputs, how, how=how, size=size, priority=priority, fingerprints=prints, **options
    )
    found = {}
    for number, own in enumerate(inputs):
        out = {"cuts": str(folder / f"cuts-{number}")}
        find_cuts(own, out, [(how, size, repeated, prints)], number, least, priority)
        rows = pq.read_table(out["cuts"]).to_pylist()
        documents = pq.read_table(own.documents, columns=["text"]).to_pylist()
        for row, document in zip(rows, documents, strict=True):
            spans = [(span["start"], span["end"]) for span in row["cut_spans"]]
            found[document["text"]] = spans, row["cut_reason"]
    return found


def brute_force(texts: list[str], size: int) -> dict[str, set[int]]:
    """By text, the bytes that lie in a run of `size` bytes of a text with a smaller id."""
    gone = {}
    for text in texts:
        data, bytes_ = text.encode(), set()
        others = [other.encode() for other in texts if text_id(other) < text_id(text)]
        for at in range(len(data) - size + 1):
            if any(data[at : at + size] in other for other in others):
                bytes_.update(range(at, at + size))
        gone[text] = bytes_
    return gone


pieces = st.lists(st.sampled_from(["aaaa", "abab", "the ", "cat", "é", "漢字", "\n", "xyz1"]))


@settings(max_examples=6, deadline=None)
@given(st.lists(pieces.map("".join), min_size=1, max_size=8, unique=True), st.integers(4, 12))
def test_every_byte_of_a_repeated_span_goes_and_no_other(texts, size):
    with tempfile.TemporaryDirectory() as folder:
        found = cuts_of(Path(folder), texts, "window", size)
    for text, gone in brute_force(texts, size).items():
        spans, _ = found[text]
        cut = {at for start, end in spans for at in range(start, end)}
        data = text.encode()
        edges = {at for at in gone - cut if data[at] >= 0x80}  # of characters held in part
        assert cut <= gone and gone - cut == edges
        for start, end in spans:
            data[:start].decode(), data[start:end].decode(), data[end:].decode()


def test_long_passages_are_cut_from_all_but_one_document(tmp_path):
    rng = random.Random(0)

    def prose(count):
        return " ".join(f"{rng.getrandbits(24):x}" for _ in range(count))

    passage = prose(100)
    texts = [f"{prose(40)} {passage} {prose(40)}" for _ in range(30)] + [prose(80)]
    found = cuts_of(tmp_path, texts, "window", 200, shards=3)
    home = min(texts[:30], key=text_id)
    for text in texts[:30]:
        (spans, _), data = found[text], text.encode()
        if text == home:
            assert spans == []
        else:
            ((start, end),) = spans
            assert passage in data[start:end].decode()
            assert end - start < len(passage) + 20  # what stands around it may agree by chance
    assert found[texts[30]] == ([], None)


def test_a_text_that_repeats_only_itself_stays_whole(tmp_path):
    found = cuts_of(tmp_path, ["-" * 5000, "=" * 5000, "-=" * 2500], "window", 100)
    assert all(spans == [] for spans, _ in found.values())


def test_an_earlier_source_keeps_its_passage(tmp_path):
    passage = "this is the passage that both of the documents hold " * 3
    texts = [f"{passage}{n} and some words of its own" for n in range(6)]
    for first in (0, 5):
        sources = ["web"] * 6
        sources[first] = "books"
        folder = tmp_path / str(first)
        found = cuts_of(folder, texts, "window", 100, source=sources, priority=["books"])
        assert [bool(found[text][0]) for text in texts] == [n != first for n in range(6)]


@pytest.mark.parametrize(("how", "mark"), [("line", "\n"), ("paragraph", "\n\n")])
def test_repeated_lines_and_paragraphs(tmp_path, how, mark):
    texts = [mark.join([f"own line {n}", "Subscribe to us", f"its end {n}"]) for n in range(5)]
    texts += [mark.join(["  Subscribe to us \t", "rare line"]), mark.join(["rare line", "alone"])]
    found = cuts_of(tmp_path / "first", texts, how, 8, documents=3)
    home = min(texts[:6], key=text_id)
    for text in texts[:6]:
        spans, data = found[text][0], text.encode()
        gone = [data[start:end].decode().strip() for start, end in spans]
        assert gone == ([] if text == home else ["Subscribe to us"])
    assert found[texts[6]][0] == []
    found = cuts_of(tmp_path / "none", texts, how, 8, documents=3, keep_first=False)
    assert [len(found[text][0]) for text in texts] == [1] * 6 + [0]


def test_a_text_left_too_short_goes_with_its_reason(tmp_path):
    passage = "a passage that stands in both of these documents, word for word, and is long"
    texts = [passage + " one", passage + " other with very many more words of its own"]
    found = cuts_of(tmp_path / "any", texts, "window", 50, min_bytes=10)
    home, other = sorted(texts, key=text_id)
    assert found[home] == ([], None)
    left = len(other) - cut_bytes([(a, b, "") for a, b in found[other][0]])
    found = cuts_of(tmp_path / "some", texts, "window", 50, min_bytes=left + 1)
    assert found[other][1] == "repeats:too_short" and found[home][1] is None


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=12))
def test_merged_spans_hold_the_same_bytes_once(raw):
    spans = [(start, start + size, "why") for start, size in raw]
    merged = merge_spans(spans)
    covered = {at for start, end, _ in spans for at in range(start, end)}
    assert {at for start, end, _ in merged for at in range(start, end)} == covered
    assert cut_bytes(merged) == len(covered)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(merged))


@pytest.fixture(scope="module")
def milled(tmp_path_factory):
    """A finished run over texts that share lines and passages."""
    folder, rng = tmp_path_factory.mktemp("milled"), random.Random(3)
    passage = " ".join(rng.choices(WORDS, k=90)) + "."
    texts = []
    for number in range(24):
        own = [" ".join(rng.choices(WORDS, k=30)) + "." for _ in range(6)]
        if number % 2:
            own.insert(3, passage)
        texts.append("\n".join(["Subscribe to our weekly newsletter.", *own]))
    texts += [f"{passage}\n{number} more words." for number in range(2)]
    lines = [json.dumps({"id": number, "text": text}) for number, text in enumerate(texts)]
    for shard in range(2):
        (folder / f"{shard}.jsonl").write_text("\n".join(lines[shard::2]))
    repeats = {"lines": {"documents": 5}, "substring": {"min_bytes": 300}, "min_bytes": 100}
    sources = {"texts": {"reader": "jsonl", "paths": "*.jsonl", "filters": []}}
    recipe = write_recipe(folder, sources, repeats=repeats, dedup={"fuzzy": False})
    run(load_recipe(str(recipe)), Settings(workers=2))
    yield folder / "run", passage
    ray.shutdown()


WORDS = [f"word{n}" for n in range(400)]


def test_a_run_cuts_repeats_accounts_for_them_and_tells(milled):
    root, passage = milled
    assert audit(str(root)).problems == []
    with open_catalog(str(root)) as catalog:
        whole, cut = (
            [text for (text,) in catalog.execute(f"SELECT text FROM {view}").fetchall()]
            for view in ("documents", "corpus")
        )
        gone = catalog.execute("SELECT stage, reason, count(*) FROM rejected GROUP BY ALL")
        assert gone.fetchall() == [("repeats", "too_short", 26 - len(cut))]
        assert sum(passage in text for text in whole) == 14
        assert sum(passage in text for text in cut) == 1
        assert sum("newsletter" in text for text in cut) == 1
        ((number, spans),) = catalog.execute(
            "SELECT id, cut_spans FROM documents WHERE kept AND len(cut_spans) = 2 LIMIT 1"
        ).fetchall()
    assert [span["reason"] for span in spans] == ["repeated_line", "repeated_span"]
    (story,) = find(str(root), number)
    assert "bytes of repeated line cut" in story.outcome
    settled = run(load_recipe(str(root.parent / "recipe.yaml")), Settings(workers=2))
    assert settled.done == 0


def test_killed_at_any_point_of_any_step_the_cuts_are_the_same(milled, tmp_path):
    whole, _ = milled
    root = tmp_path / "run"
    before = ("ingest", "judge", "boilerplate")
    ours = ("dedup/find-", "dedup/count-", "attributes/repeats")
    shutil.copytree(whole, root)
    for folder in [*root.glob("ledger/*"), *root.glob("dedup/*"), *root.glob("attributes/*")]:
        name = str(folder.relative_to(root))
        if name.startswith(ours) or (name.startswith("ledger") and folder.name not in before):
            shutil.rmtree(folder)
    rng, ledger, steps = random.Random(0), Ledger(str(root)), set()

    def run_jobs(jobs):
        done = []
        for job in jobs:
            steps.add(job.step)
            seconds = Ledger(str(whole)).get(job.step, job.shard).seconds
            for _ in range(3):
                child = os.fork()
                if child == 0:
                    job.run(job)
                    os._exit(0)
                time.sleep(rng.uniform(0, min(1.3 * seconds, 0.6)))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            row = ledger.committed(job.step, job.shard, job.address)
            done.append(row or job.run(job))
        return done

    recipe = load_recipe(str(whole.parent / "recipe.yaml"), out=str(root))
    rows = {step: ledger.rows(step) for step in before}
    judged, found = ({row.shard: row for row in rows[step]} for step in before[1:])
    find_repeats(recipe, rows["ingest"], judged, found, run_jobs)
    assert steps == {
        *("find-line", "count-line", "find-fingerprint", "count-fingerprint"),
        *("find-window", "count-window", "repeats"),
    }
    trees = [
        {name: data for name, data in files_of(folder).items() if name.startswith(ours)}
        for folder in (whole, root)
    ]
    assert trees[0] == trees[1] and len(trees[0]) == 2 * 4 + 3
