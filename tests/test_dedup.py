"""Dedup over files: every row judged, the same bytes however it is run."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from catalogs.errors import UserError
from pipeline.dedup import DedupConfig, dedup_files
from pipeline.dedup_flow import File, Made, Shard, flow
from tests.dedups import planted_corpus, rows_of, run, shared_out, write_shards


def test_output_is_the_same_for_any_order_partitioning_and_memory(tmp_path):
    rows = rows_of(planted_corpus())
    paths = write_shards(tmp_path / "documents", rows, 4)
    outputs = []
    for order, parts, memory in (
        ([0, 1, 2, 3], 1, 1024),
        ([3, 1, 0, 2], 2, 200),
        ([2, 3, 1, 0], 4, 1024),
    ):
        out = tmp_path / f"out{parts}"
        limits = shared_out(len(rows), parts, memory)
        dedup_files([paths[i] for i in order], str(out), DedupConfig(), limits)
        files = sorted((out / "attributes").iterdir())
        outputs.append([(file.name, file.read_bytes()) for file in files])
    assert len(outputs[0]) == 4
    assert outputs[0] == outputs[1] == outputs[2]


def test_verdicts_do_not_depend_on_how_rows_lie_in_shards(tmp_path):
    rows = rows_of(planted_corpus())
    one, _ = run(tmp_path / "one", rows, shards=1)
    shuffled = random.Random(1).sample(rows, len(rows))
    many, _ = run(tmp_path / "many", shuffled, shards=7, parts=3)
    assert one == many
    reasons = [row["reason"] for row in one.values()]
    assert reasons.count("exact_duplicate") == 42
    assert reasons.count("near_duplicate") > 60


def test_attribute_files_follow_their_shards_row_by_row(tmp_path):
    rows = rows_of(planted_corpus())
    paths = write_shards(tmp_path / "documents/source=web", rows, 2)
    paths += write_shards(tmp_path / "documents/source=books", rows_of(["alone in its shard"]))
    with pytest.raises(UserError, match=r"part-00000.parquet: listed 2 times"):
        dedup_files([*paths[:2], paths[0]], str(tmp_path / "twice"), DedupConfig())
    copied = str(shutil.copy(paths[0], tmp_path / "copy.parquet"))
    with pytest.raises(UserError, match=r"'row_id': 000000\d\d names more"):
        dedup_files([*paths[:2], copied], str(tmp_path / "copied"), DedupConfig())
    dedup_files(paths, str(tmp_path / "out"), DedupConfig())
    for path in paths:
        name = Path(path).relative_to(tmp_path / "documents")
        judged = pq.read_table(tmp_path / "out/attributes" / name)
        documents = pq.read_table(path, partitioning=None)
        for column in ("row_id", "id"):
            assert judged[column].to_pylist() == documents[column].to_pylist()
    assert judged.schema.names == [
        "row_id", "id", "dup_cluster", "dup_count", "dup_kept_id",
        "dup_kept_row", "dup_kept_run", "dup_jaccard", "kept", "reason",
    ]  # fmt: skip


@pytest.mark.parametrize("texts", [[], [""], ["one document of more than five words"]])
def test_corpora_of_nothing_and_of_one_document(tmp_path, texts):
    found, _ = run(tmp_path, rows_of(texts))
    assert [row["kept"] for row in found.values()] == [True] * len(texts)
    assert dedup_files([], str(tmp_path / "none"), DedupConfig())[0]["elect"]["rows"] == 0


def test_documents_shorter_than_a_shingle(tmp_path):
    texts = ["one two", "One, two!", "one two three", "?", "!", "", "一二", "一、二"]
    found, _ = run(tmp_path, rows_of(texts))
    alone = [number for number in range(8) if found[f"{number:08d}"]["dup_cluster"] is None]
    assert alone == [2, 3, 4, 5]
    assert sum(row["kept"] for row in found.values()) == 6


def test_character_shingles_find_copies_without_spaces(tmp_path):
    base = "".join(random.Random(8).choices("กขคงจฉชซ日月火水木金土", k=400))
    texts = [base, base[:200] + "x" + base[200:], base[::-1]]
    found, _ = run(tmp_path, rows_of(texts), unit="char", ngram=8)
    assert [found[f"{n:08d}"]["dup_count"] for n in range(3)] == [2, 2, 1]


def test_steps_leave_no_temporary_files(tmp_path):
    run(tmp_path, rows_of(planted_corpus()), parts=2)
    assert list(tmp_path.rglob(".*")) == []


@pytest.mark.parametrize(
    ("exact", "copies"), [("raw", 2), ("whitespace", 4), ("nfc_case", 7), ("none", 0)]
)
def test_exact_copies_under_each_normalisation(tmp_path, exact, copies):
    texts = [
        "Caf\u00e9 au lait",
        "Caf\u00e9 au lait",
        "Caf\u00e9\u3000au\n lait ",
        " Caf\u00e9 au lait",
    ]
    texts += ["cafe\u0301 AU lait", "CAF\u00c9 AU LAIT", "CAFE\u0301 au\tlait", "cafe au lait"]
    found, _ = run(tmp_path, rows_of(texts), shards=2, exact=exact, fuzzy=False)
    counts = [found[f"{n:08d}"]["dup_count"] for n in range(8)]
    assert counts.count(copies) == copies and counts[-1] == 1
    reasons = {row["reason"] for row in found.values()}
    assert reasons == ({None, "exact_duplicate"} if copies else {None})
    assert sum(row["kept"] for row in found.values()) == 8 - max(0, copies - 1)


def test_changed_preferences_sign_nothing_again(tmp_path):
    (shard,) = write_shards(tmp_path / "documents", rows_of(planted_corpus()))
    settings = [{}, {"keep": ["row_id"]}, {"jaccard": 0.9}, {"bands": 13}]
    signed = []
    for change in settings:
        tasks: list = []

        def run_step(step, tasks=tasks):
            tasks.extend(step)
            return [Made({kind: File("", f"{t.step}{kind}") for kind in t.outputs}) for t in step]

        with contextlib.suppress(KeyError):  # of a statistic that this runner does not have
            flow([Shard("a", File(shard, "sum"))], 1, DedupConfig(**change), [], run_step)
        signed.append([(t.settings, t.inputs) for t in tasks if t.step == "sign"])
    assert signed[0] == signed[1] == signed[2] != signed[3]
