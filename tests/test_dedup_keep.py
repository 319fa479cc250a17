"""Which copy dedup keeps: policies, scopes, priorities, and runs against earlier ones."""

from __future__ import annotations

import random
import shutil

import pytest

from catalogs.errors import UserError
from pipeline.dedup import DedupConfig, dedup_files
from tests.dedups import (
    EPOCH,
    attributes,
    near_copies,
    planted_corpus,
    rows_of,
    run,
    shared_out,
    text_id,
    words,
    write_shards,
)


def test_keep_policy_orders_by_its_keys(tmp_path):
    texts = near_copies()
    dates = [EPOCH.replace(day=day) for day in (1, 2, 3, 4)]
    rows = rows_of(texts, license=[None, None, "CC-BY-4.0", None], fetched_at=dates)

    def kept(name, **config):
        found, _ = run(tmp_path / name, rows, **config)
        return [row["row_id"][-1] for row in found.values() if row["kept"]]

    assert kept("default") == ["2"]
    assert kept("newest", keep=["fetched_at desc nulls last"]) == ["3"]
    assert kept("longest", keep=["n_bytes desc -- a comment", "fetched_at"]) == ["1"]
    assert kept("only", keep=["source <> 'books'", "row_id = '00000000' desc"]) == ["0"]
    smallest = min(range(4), key=lambda n: text_id(texts[n]))
    assert kept("ties", keep=[]) == [str(smallest)]


def test_exact_copies_are_grouped_before_near_ones(tmp_path):
    one, two, *_ = near_copies()
    dates = [EPOCH.replace(day=day) for day in (1, 9, 3, 4)]
    rows = rows_of([one, two, one, two], fetched_at=dates)
    found, stats = run(tmp_path / "both", rows)
    assert [found[f"{n:08d}"]["reason"] for n in range(4)] == [
        "exact_duplicate", None, "near_duplicate", "exact_duplicate",
    ]  # fmt: skip
    assert {row["dup_count"] for row in found.values()} == {4}
    assert {row["dup_kept_row"] for row in found.values()} == {"00000001"}
    near = found["00000002"]["dup_jaccard"]
    assert [found[f"{n:08d}"]["dup_jaccard"] for n in range(4)] == [near, None, near, 1.0]
    assert 0.95 < near < 1 and stats["elect"]["groups"] == 1

    exact, _ = run(tmp_path / "exact", rows, fuzzy=False)
    assert [exact[f"{n:08d}"]["kept"] for n in range(4)] == [False, True, True, False]
    assert not (tmp_path / "exact/out/signatures").exists()
    fuzzy, _ = run(tmp_path / "fuzzy", rows, exact=False)
    assert sorted(row["reason"] or "" for row in fuzzy.values()) == ["", *["near_duplicate"] * 3]
    off, _ = run(tmp_path / "off", rows, exact=False, fuzzy=False)
    assert all(row["kept"] and row["dup_cluster"] is None for row in off.values())


def test_scope_source_compares_within_each_source_only(tmp_path):
    a, b, c, _ = near_copies()
    rows = rows_of([a, b, a, c, b], source=["web", "web", "books", None, None])
    found, _ = run(tmp_path, rows, shards=2, scope="source")
    groups = {}
    for row in rows:
        groups.setdefault(row["source"], []).append(found[row["row_id"]])
    for source, size in (("web", 2), ("books", 1), (None, 2)):
        assert [row["dup_count"] for row in groups[source]] == [size] * size
        assert sum(row["kept"] for row in groups[source]) == 1


def test_scope_source_does_not_chain_through_another_source(tmp_path):
    base = words(random.Random(2), 300)
    a, b, c = (" ".join(base[n : n + 200]) for n in (0, 22, 44))  # J(a, c) is below 0.7
    rows = rows_of([a, b, c, a, c], source=["web", "web", "web", "books", "books"])
    found, _ = run(tmp_path, rows, scope="source", bands=64, rows=4)
    assert [found[f"{n:08d}"]["dup_count"] for n in range(5)] == [3, 3, 3, 1, 1]


def test_a_wrong_keep_expression_names_itself_and_the_near_column(tmp_path):
    rows = rows_of(["a text"])
    with pytest.raises(UserError, match=r"dedup.keep.1.*fetchd_at desc.*fetched_at"):
        run(tmp_path, rows, keep=["n_bytes", "fetchd_at desc"])


def snapshot(seed: int, texts: list[str], base: list[list[str]]) -> list[str]:
    """New texts: copies and near copies of `texts`, bridges between families, and others."""
    rng = random.Random(seed)
    new = rng.sample(texts, 20)
    for text in rng.sample([t for t in texts if len(t.split()) > 60], 60):
        edited = text.split()
        for place in rng.sample(range(len(edited)), rng.randint(1, 4)):
            edited[place] = "edited"
        new += [" ".join(edited), " ".join([*edited, "again"])]
    new += [" ".join(a[:n] + b[n:]) for a, b in base for n in (50, 60, 70)]
    return new + [" ".join(words(rng, 50)) for _ in range(30)]


def bridges(seed: int) -> list[list[str]]:
    """Pairs of texts that are no near duplicates, with room for one between them."""
    pairs = []
    for number in range(12):
        shared = words(random.Random(1000 * seed + number), 144)
        pairs.append([shared[:120], shared[24:]])
    return pairs


def test_a_snapshot_against_old_runs_is_judged_as_all_at_once_with_the_old_first(tmp_path):
    pairs = bridges(1)
    oldest = planted_corpus(1) + [" ".join(text) for pair in pairs for text in pair]
    between = [[a[:-10], a[10:]] for a, _ in pairs]
    older = snapshot(2, oldest, between) + [
        " ".join(pair[0][12:] + pair[1][-12:]) for pair in pairs
    ]
    new = snapshot(3, oldest + older, between)
    new += [" ".join(a[6:] + b[-18:]) for a, b in pairs]
    texts = oldest + older + new
    sizes = {"oldest": len(oldest), "older": len(older), "new": len(new)}
    sources = [name for name, size in sizes.items() for _ in range(size)]
    rows = rows_of(texts, source=sources)
    settings = {"bands": 20, "rows": 5, "keep": ["n_bytes desc"]}

    limits = shared_out(len(rows), 2)
    runs, apart = [], {}
    for name in sizes:
        own = [row for row in rows if row["source"] == name]
        paths = write_shards(tmp_path / name / "documents", own, 2)
        _, index = dedup_files(
            paths, str(tmp_path / name), DedupConfig(**settings), limits, tuple(runs)
        )
        shutil.rmtree(tmp_path / name / "documents")  # no later run reads a text of it
        runs.append(index)
        apart |= attributes(tmp_path / name)
    together, _ = run(tmp_path / "all", rows, 3, priority=list(sizes), **settings)

    old_ids = {row["id"] for row in rows if row["source"] != "new"}
    for row in rows:
        one, all_ = apart[row["row_id"]], together[row["row_id"]]
        assert one["kept"] == all_["kept"], row["source"]
        if row["source"] == "new":  # all that is known of its cluster was known
            if row["id"] in old_ids and one["dup_jaccard"]:
                assert all_["dup_jaccard"] >= 0.7
                one["dup_jaccard"] = all_["dup_jaccard"]
            assert one | {"dup_kept_run": None} == all_
    outcome = [(row["source"], apart[row["row_id"]]) for row in rows]
    found = {(source, verdict["dup_kept_run"]) for source, verdict in outcome}
    assert {("new", str(tmp_path / name)) for name in ("oldest", "older")} < found
    assert ("new", None) in found and any(v["kept"] for source, v in outcome if source == "new")
    # a document of "older" hangs between two of "oldest" that are not alike: both stay
    kept = {row["text"] for row in rows if apart[row["row_id"]]["kept"]}
    assert all(" ".join(text) in kept for pair in pairs for text in pair)


def test_an_earlier_source_never_goes_for_a_later_one(tmp_path):
    base = words(random.Random(3), 300)
    a, b, c = (" ".join(base[n : n + 200]) for n in (0, 22, 44))  # b is near both, a is not near c
    settings = {"bands": 64, "rows": 4, "keep": ["n_bytes"]}
    rows = rows_of([a, b, c], source=["books", "web", "books"])
    found, _ = run(tmp_path / "books", rows, priority=["books"], **settings)
    assert [found[f"{n:08d}"]["kept"] for n in range(3)] == [True, False, True]
    found, _ = run(tmp_path / "web", rows, priority=["web", "books"], **settings)
    assert [found[f"{n:08d}"]["kept"] for n in range(3)] == [False, True, False]
    assert {found[f"{n:08d}"]["dup_kept_row"] for n in range(3)} == {"00000001"}
