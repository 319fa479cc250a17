"""Shards: sorted by id, and the same bytes however the rows arrived."""

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.shards import SortedShard, compression_options

SCHEMA = pa.schema([("id", pa.string()), ("row_id", pa.string()), ("text", pa.string())])
BUFFER = 4096


def write(path, rows, sizes, buffer_bytes):
    shard = SortedShard(
        str(path), SCHEMA, ["id", "row_id"], buffer_bytes, compression_options("zstd", 3)
    )
    at = 0
    for size in sizes:
        shard.append(pa.Table.from_pylist(rows[at : at + size], schema=SCHEMA))
        at += size
    shard.append(pa.Table.from_pylist(rows[at:], schema=SCHEMA))
    shard.close()
    return path.read_bytes()


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(st.text(max_size=300), max_size=60),
    seed=st.randoms(use_true_random=False),
    sizes=st.lists(st.integers(1, 9), max_size=8),
)
def test_bytes_depend_on_the_rows_alone(tmp_path_factory, texts, seed, sizes):
    folder = tmp_path_factory.mktemp("shards")
    rows = [
        {"id": f"{hash_of:04d}", "row_id": str(number), "text": text}
        for number, (text, hash_of) in enumerate((text, sum(text.encode()) % 50) for text in texts)
    ]
    plain = write(folder / "plain.parquet", rows, [], 1 << 30)
    shuffled = list(rows)
    seed.shuffle(shuffled)
    spilled = write(folder / "spilled.parquet", shuffled, sizes, BUFFER)
    assert spilled == plain
    table = pq.read_table(folder / "plain.parquet")
    keys = list(zip(table["id"].to_pylist(), table["row_id"].to_pylist(), strict=True))
    assert keys == sorted((row["id"], row["row_id"]) for row in rows)
    assert sorted(table["text"].to_pylist()) == sorted(texts)


def test_a_large_shard_is_merged_from_many_runs_to_the_same_bytes(tmp_path):
    rows = [
        {"id": f"{n * 7919 % 6007:06d}", "row_id": str(n), "text": f"{n} " * (n % 700)}
        for n in range(6007)
    ]
    plain = write(tmp_path / "plain.parquet", rows, [], 1 << 30)
    spilled = write(tmp_path / "spilled.parquet", rows[::-1], [50] * 120, 300_000)
    assert spilled == plain
    assert not list(tmp_path.glob("*.run*"))


def test_row_groups_are_bounded_in_bytes(tmp_path):
    rows = [{"id": str(n), "row_id": str(n), "text": "x" * 1_000_000} for n in range(40)]
    write(tmp_path / "x.parquet", rows, [], 1 << 30)
    assert pq.read_metadata(tmp_path / "x.parquet").num_row_groups == 5


def test_an_empty_shard_has_its_schema(tmp_path):
    write(tmp_path / "x.parquet", [], [], 1 << 30)
    assert pq.read_schema(tmp_path / "x.parquet").names == SCHEMA.names
