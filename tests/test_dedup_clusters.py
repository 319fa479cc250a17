"""Which documents dedup joins: as brute force does, at any size, in any order of the edges."""

from __future__ import annotations

import random
import tempfile
import uuid
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from catalogs.errors import UserError
from pipeline.components import forest, join, labels
from pipeline.dedup import DedupConfig, Limits, Local
from pipeline.dedup_candidates import deal
from pipeline.dedup_cluster import cluster
from pipeline.dedup_flow import File, Flow, Made
from pipeline.dedup_sign import sign_shard
from pipeline.dedup_verify import LINK, verify
from pipeline.minhash import band_hashes
from pipeline.shingles import shingle_sets
from tests.dedups import (
    partition_by_cluster,
    planted_corpus,
    rows_of,
    run,
    text_id,
    words,
    write_shards,
)

slow_start = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def brute_force(texts: list[str], config: DedupConfig) -> set[frozenset[str]]:
    """Components over all pairs that share a band and reach the threshold."""
    texts = sorted(set(texts), key=text_id)
    column = pa.array(texts, pa.string())
    hashes, offsets = shingle_sets(column, config.ngram, config.unit)
    sets = [set(hashes[a:b].tolist()) for a, b in pairwise(offsets)]
    options = config.model_dump(include={"ngram", "unit", "bands", "rows", "seed"})
    bands, _ = band_hashes(column, **options)
    group = list(range(len(texts)))
    for i, j in combinations(range(len(texts)), 2):
        near = sets[i] and sets[j] and np.any(bands[i] == bands[j])
        if near and len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= config.jaccard:
            old, new = group[j], group[i]
            group = [new if label == old else label for label in group]
    return {
        frozenset(text_id(t) for t, g in zip(texts, group, strict=True) if g == label)
        for label in group
    }


near_texts = st.lists(
    st.lists(st.sampled_from("abcdefgh"), max_size=9).map(" ".join)
    | st.sampled_from(["", "...", "a b c d e f", "A b, c d e f!", "a b c d e g", "b c d e f g"]),
    max_size=25,
)


@slow_start
@given(
    near_texts, st.sampled_from([0.3, 0.5, 0.7, 1.0]), st.integers(1, 3), st.sampled_from([1, 4])
)
def test_clusters_equal_brute_force(tmp_path_factory, texts, jaccard, ngram, parts):
    config = {"jaccard": jaccard, "ngram": ngram, "bands": 6, "rows": 2}
    folder = tmp_path_factory.mktemp("brute")
    found, _ = run(folder, rows_of(texts), shards=2, parts=parts, **config)
    assert partition_by_cluster(found) == brute_force(texts, DedupConfig(**config))
    for row in found.values():
        copies = [r for r in found.values() if r["dup_cluster"] == row["dup_cluster"]]
        if row["dup_cluster"] is None:
            assert (row["kept"], row["dup_count"], row["dup_kept_id"]) == (True, 1, None)
            continue
        assert row["dup_cluster"] == min(copy["id"] for copy in copies)
        assert row["dup_count"] == len(copies) > 1
        (kept,) = [copy for copy in copies if copy["kept"]]
        assert (row["dup_kept_id"], row["dup_kept_row"]) == (kept["id"], kept["row_id"])
        assert (row["reason"] is None) == row["kept"]
        if not row["kept"]:
            assert jaccard <= row["dup_jaccard"] <= 1


@given(st.integers(1, 40), st.data())
def test_components_take_the_smallest_node_of_any_edge_order(nodes, data):
    node = st.integers(0, nodes - 1)
    edges = data.draw(st.lists(st.tuples(node, node), max_size=60))
    wanted = list(range(nodes))
    for _ in wanted:
        for a, b in edges:
            wanted[a] = wanted[b] = min(wanted[a], wanted[b])
    for order in (edges, data.draw(st.permutations(edges))):
        parents = forest(nodes)
        left, right = np.array(order, np.int64).reshape(-1, 2).T.copy()
        join(parents, left, right)
        assert labels(parents).tolist() == wanted


def test_verified_edges_are_true_and_near_enough(tmp_path):
    texts = planted_corpus()
    run(tmp_path, rows_of(texts), shards=3, bands=20, rows=4)
    sets = {}
    hashes, offsets = shingle_sets(pa.array(texts))
    for text, (a, b) in zip(texts, pairwise(offsets), strict=True):
        sets[text_id(text)] = set(hashes[a:b].tolist())
    links = pq.read_table(tmp_path / "out/links/verify/00000").to_pylist()
    pairs = {(link["a"].hex, link["b"].hex): link["jaccard"] for link in links}
    assert len(pairs) == len(links) > 120
    for (a, b), similarity in pairs.items():
        assert pairs[b, a] == similarity
        a, b = sets[a], sets[b]
        assert similarity == len(a & b) / len(a | b) >= 0.7


def test_a_chain_is_one_cluster_though_its_ends_are_far_apart(tmp_path):
    base = words(random.Random(3), 300)
    a, b, c = (" ".join(base[n : n + 200]) for n in (0, 22, 44))
    alone, _ = run(tmp_path / "ends", rows_of([a, c]), bands=64, rows=4)
    assert all(row["kept"] for row in alone.values())
    found, _ = run(tmp_path / "chain", rows_of([a, b, c]), bands=64, rows=4, keep=["row_id"])
    assert [found[f"{n:08d}"]["kept"] for n in range(3)] == [True, False, False]
    assert {row["dup_count"] for row in found.values()} == {3}
    assert found["00000002"]["dup_jaccard"] == pytest.approx(174 / 218)  # to b, its neighbour


def test_fifty_thousand_identical_documents(tmp_path):
    same = " ".join(["same", "words", "again", "and", "again"])
    marks = [same + "!" * (n % 250) + "?" * (n // 250) for n in range(25_000)]
    found, stats = run(tmp_path, rows_of(marks + [same] * 25_000), shards=2)
    assert sum(row["kept"] for row in found.values()) == 1
    assert {row["dup_count"] for row in found.values()} == {50_000}
    assert stats["candidates"] == {"buckets": 14, "candidates": 14 * 24_999, "largest": 25_000}
    assert stats["verify"]["buckets"] == 1 and stats["verify"]["edges"] == 24_999


def one_bucket(folder: Path, texts: list[str]) -> dict:
    """What `verify` takes, if all texts were in one bucket."""
    folder.mkdir(exist_ok=True)
    (shard,) = write_shards(folder / "documents", rows_of(texts))
    paths = {kind: str(folder / kind) for kind in ("keys", "bands", "sets", "dealt")}
    sign_shard(shard, paths, DedupConfig())
    nodes = sorted(uuid.UUID(text_id(text)) for text in texts)
    columns = {"head": pa.array([nodes[0].bytes] * len(nodes), pa.uuid())}
    columns |= {"bucket": pa.array([7] * len(nodes), pa.uint64())}
    columns |= {"level": pa.array([0] * len(nodes), pa.int16())}
    columns |= {"node": pa.array([node.bytes for node in nodes], pa.uuid())}
    pq.write_table(pa.table(columns), folder / "buckets")
    columns |= {"shard": pa.array([0] * len(nodes)), "part": pa.array([0] * len(nodes))}
    pq.write_table(pa.table(columns), folder / "wanted")
    deal(paths["sets"], [str(folder / "wanted")], 0, paths)
    return {"buckets": [str(folder / "buckets")], "dealt": [paths["dealt"]]}


def verified(folder: Path, texts: list[str]) -> dict[str, int]:
    out = {"links": str(folder / "links")}
    return verify(**one_bucket(folder, texts), out=out, config=DedupConfig())


def test_a_bucket_of_strangers_stays_linear_and_joins_nobody(tmp_path):
    rng = random.Random(4)
    stats = verified(tmp_path, [" ".join(words(rng, 30)) for _ in range(5000)])
    assert stats == {"buckets": 1, "documents": 5000, "shingles": 5000 * 26, "edges": 0}


def test_families_in_one_large_bucket_are_found_behind_its_head(tmp_path):
    rng = random.Random(6)
    families = [words(rng, 200) for _ in range(20)]
    texts = [" ".join([*base, f"tail{n}"]) for base in families for n in range(100)]
    texts += [" ".join(words(rng, 9)) for _ in range(9)]
    assert verified(tmp_path, texts)["edges"] == 20 * 99
    stats = cluster([str(tmp_path / "links")], [], {"clusters": str(tmp_path / "clusters")})
    assert stats == {"documents": 2000, "edges": 1980, "clusters": 20, "largest": 100}


def test_more_members_of_a_bucket_change_nothing_among_those_before_them(tmp_path):
    rng = random.Random(7)
    families = [words(rng, 60) for _ in range(90)]
    texts = [" ".join([*base, f"tail{n}"]) for base in families for n in range(4)]
    texts.sort(key=text_id)

    def links(name: str, count: int) -> set[tuple]:
        verified(tmp_path / name, texts[:count])
        rows = pq.read_table(tmp_path / name / "links").to_pylist()
        return {(row["a"].hex, row["b"].hex) for row in rows}

    few, many = links("few", 200), links("many", 360)
    early = {text_id(text) for text in texts[:200]}
    assert few == {pair for pair in many if early.issuperset(pair)} != many


def test_without_threshold_bands_are_trusted_and_no_set_is_read(tmp_path):
    texts = ["one text", "another thing", "something else"]
    made = one_bucket(tmp_path, texts)
    out, trusting = {"links": str(tmp_path / "links")}, DedupConfig(jaccard=None)
    verify(made["buckets"], ["no-such-file"], out, trusting)
    links = pq.read_table(out["links"]).to_pylist()
    first, second, third = sorted(text_id(text) for text in texts)
    found = {(row["a"].hex, row["b"].hex) for row in links if row["jaccard"] is None}
    assert found == {(first, second), (first, third), (second, first), (third, first)}


def test_a_candidate_without_its_shingles_is_an_error(tmp_path):
    made = one_bucket(tmp_path, ["one text", "another thing", "something else"])
    with pytest.raises(UserError, match="the shingles of 3 candidates"):
        verify(made["buckets"], [], {"links": str(tmp_path / "links")}, DedupConfig())


@given(st.data())
@settings(max_examples=6, deadline=None, phases=[Phase.generate])
def test_rounds_in_parts_give_the_clusters_of_one_process(data):
    size = data.draw(st.integers(2, 40))
    node = st.integers(0, size - 1)
    pairs = data.draw(st.lists(st.tuples(node, node), max_size=60))
    if data.draw(st.booleans()):
        pairs += list(pairwise(range(size)))  # a long path
    rng = random.Random(size)
    names = [uuid.UUID(int=rng.getrandbits(128)) for _ in range(size)]
    levels = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    links = sorted({(names[a], names[b], levels[a], levels[b]) for a, b in pairs if a != b})
    links = sorted({*links, *((b, a, m, n) for a, b, n, m in links)})
    with tempfile.TemporaryDirectory() as folder:
        columns = list(zip(*links, strict=True)) or [[]] * 4
        ends = [pa.array([name.bytes for name in columns[n]], pa.uuid()) for n in (0, 1)]
        similar = pa.array([1.0] * len(links))
        steps = [pa.array(columns[n], pa.int16()) for n in (2, 3)]
        table = pa.table([*ends, similar, *steps], list(LINK))
        pq.write_table(table, f"{folder}/links")
        cluster([f"{folder}/links"], [], {"clusters": f"{folder}/one"})
        one = pq.read_table(f"{folder}/one").to_pylist()
        config = DedupConfig(priority=["a", "b", "c"])
        edges = {"edges": len(links) // 2}
        made = [Made({"links": File(f"{folder}/links")}, edges)]
        runner = Local(folder)
        paths = Flow(
            [], 0, config, [], runner.run_step, Limits(1024, len(links) // 2 + 1), True
        ).cluster(made)
        many = [row for file in paths for row in pq.read_table(file.path).to_pylist()]
    assert {row["node"] for row in many} == {row["node"] for row in one}
    assert groups_of(many) == groups_of(one)


def groups_of(rows: list[dict]) -> set[frozenset]:
    groups: dict = {}
    for row in rows:
        groups.setdefault(row["label"], set()).add(row["node"])
    return {frozenset(group) for group in groups.values()}
