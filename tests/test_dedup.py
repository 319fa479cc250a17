"""Dedup over files: the right clusters, the right survivors, the same bytes however it is run."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import uuid
from datetime import UTC, datetime
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from catalogs.errors import UserError
from pipeline.components import forest, join, labels
from pipeline.dedup import DedupConfig, Limits, Local, dedup_files
from pipeline.dedup_candidates import deal
from pipeline.dedup_cluster import cluster
from pipeline.dedup_flow import File, Flow, Made, Shard, flow
from pipeline.dedup_sign import sign_shard
from pipeline.dedup_verify import LINK, verify
from pipeline.minhash import band_hashes
from pipeline.shingles import shingle_sets

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("row_id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("license", pa.string()),
        ("fetched_at", pa.timestamp("us", tz="UTC")),
        ("n_bytes", pa.int64()),
    ]
)
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
slow_start = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def text_id(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode())


def rows_of(texts: list[str], **columns) -> list[dict]:
    rows = []
    for number, text in enumerate(texts):
        row = {"id": text_id(text), "row_id": f"{number:08d}", "text": text, "source": "web"}
        row |= {"license": None, "fetched_at": EPOCH, "n_bytes": len(text.encode())}
        rows.append(row | {name: values[number] for name, values in columns.items()})
    return rows


def write_shards(folder: Path, rows: list[dict], shards: int = 1) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for shard in range(shards):
        part = sorted(rows[shard::shards], key=lambda row: (row["id"], row["row_id"]))
        paths.append(str(folder / f"part-{shard:05d}.parquet"))
        table = pa.Table.from_pylist(part, SCHEMA)
        pq.write_table(table, paths[-1], row_group_size=max(1, len(part) // 3))
    return paths


def attributes(out: Path) -> dict[str, dict]:
    files = sorted((out / "attributes").rglob("*.parquet"))
    return {row["row_id"]: row for file in files for row in pq.read_table(file).to_pylist()}


def shared_out(rows: int, parts: int, memory: int = 1024) -> Limits:
    """Limits under which so many rows make so many parts."""
    return Limits(memory, max(1, rows // parts)) if parts > 1 else Limits(memory)


def run(folder: Path, rows: list[dict], /, shards: int = 1, parts: int = 1, **config):
    paths = write_shards(folder / "documents", rows, shards)
    limits = shared_out(len(rows), parts)
    stats, _ = dedup_files(paths, str(folder / "out"), DedupConfig(**config), limits)
    found = attributes(folder / "out")
    judged = stats.get("judge", {"rows": 0})
    assert judged["rows"] == len(rows) == len(found)
    counted = sum(judged.get(k, 0) for k in ("kept", "exact_duplicate", "near_duplicate"))
    assert counted == len(rows), "rows = kept + rejected by reason"
    return found, stats


def words(rng: random.Random, count: int) -> list[str]:
    return [f"{rng.getrandbits(40):x}" for _ in range(count)]


def partition_by_cluster(found: dict[str, dict]) -> set[frozenset[str]]:
    groups: dict[str, set] = {}
    for row in found.values():
        groups.setdefault(row["dup_cluster"] or row["id"], set()).add(row["id"])
    return {frozenset(group) for group in groups.values()}


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


def planted_corpus(seed: int = 0) -> list[str]:
    """Documents alone, pairs of falling similarity, families, and exact copies."""
    rng = random.Random(seed)
    texts = [" ".join(words(rng, rng.randint(3, 200))) for _ in range(120)]
    for number in range(120):
        base = words(rng, 150)
        edited = list(base)
        for place in range(number % 20):
            edited[place * 7] = "edited"
        texts += [" ".join(base), " ".join(edited)]
    family = words(rng, 120)
    texts += [" ".join([*family, f"tail{n}"]) for n in range(40)]
    texts += texts[:30] + texts[:5] + ["", "", "?!", "one two", "ONE, two"]
    rng.shuffle(texts)
    return texts


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


def near_copies() -> list[str]:
    base = words(random.Random(5), 200)
    return [" ".join([*base, *tail]) for tail in (["x"], ["longer", "tail"], ["y"], ["z"])]


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
