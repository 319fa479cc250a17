"""Documents in shards with copies planted among them, for the tests of deduplication."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipeline.dedup import DedupConfig, Limits, dedup_files

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


def near_copies() -> list[str]:
    base = words(random.Random(5), 200)
    return [" ".join([*base, *tail]) for tail in (["x"], ["longer", "tail"], ["y"], ["z"])]
