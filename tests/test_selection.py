"""Selections: every row of an index yields exactly one record, by byte range."""

import gzip
import io
import json
import random

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml

from catalogs.errors import UserError
from pipeline.reading import Reading
from pipeline.recipe import load_recipe
from tests.servers import serving
from tests.warcs import arc, arc_file, flip, http, pages, read, verdicts, warc


def packed(count=20, seed=0, pack=gzip.compress):
    """A WARC file and its index rows."""
    data, rows = b"", []
    for number, record in enumerate(pages(count, 600, seed)):
        member = pack(record)
        rows.append((f"http://a.test/{number}", len(data), len(member)))
        data += member
    return data, rows


def table(rows, names=("url", "warc_filename", "warc_record_offset", "warc_record_length")):
    return pa.table([list(column) for column in zip(*rows, strict=True)], names=names)


def load(folder, **source):
    path = folder / "recipe.yaml"
    source = {"reader": "warc", "selection": "picked.parquet", **source}
    path.write_text(yaml.safe_dump({"name": "t", "out": "run", "sources": {"cc": source}}))
    return load_recipe(str(path))


def records(recipe, **remote):
    """All records of a selection, part by part, and how many were present."""
    source = recipe.sources["cc"]
    found, present = [], 0
    for item in recipe.inputs():
        arguments = {
            "path": item.path,
            "container": item.container,
            "reader": source.reader,
            "options": source.options,
            "base": source.base or recipe.base,
            "remote": {"requests_per_second": None, **remote},
        }
        reading = Reading(arguments, item.fingerprint)
        own = list(reading)
        found += own
        present += reading.stats(len(own))["records_present"]
    return found, present


@pytest.fixture
def files(tmp_path):
    """Three WARCs on disk and a shuffled selection of most of their records."""
    rows = []
    for number in range(3):
        data, index = packed(seed=number)
        (tmp_path / f"{number}.warc.gz").write_bytes(data)
        rows += [(url, f"{number}.warc.gz", offset, length) for url, offset, length in index]
    random.Random(0).shuffle(rows)
    pq.write_table(table(rows[:50]), tmp_path / "picked.parquet")
    return tmp_path, rows[:50]


def test_each_row_is_one_record_with_its_provenance(files):
    folder, rows = files
    found, present = records(load(folder))
    assert verdicts(found) == ["ok"] * 50 and present == 50
    assert [(r.uri, r.container, r.offset, r.length) for r in found] == sorted(
        rows, key=lambda row: row[1:]
    )
    whole = {r.uri: r.payload for r in read((folder / "0.warc.gz").read_bytes())}
    assert all(r.payload == whole[r.uri] for r in found if r.container == "0.warc.gz")


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("names", [("url", "filename", "offset", "length"), None])
def test_tables_and_names_of_the_wild(files, kind, names):
    folder, rows = files
    data = table(rows, names) if names else table(rows)
    path = folder / f"other.{kind}"
    if kind == "parquet":
        pq.write_table(data, path)
    else:
        sink = io.BytesIO()
        if kind.startswith("csv"):
            pyarrow.csv.write_csv(data, sink)
        else:  # as the index server answers: numbers as text, and more fields
            for row in data.to_pylist():
                line = {**{k: str(v) for k, v in row.items()}, "status": "200"}
                sink.write(json.dumps(line).encode() + b"\n")
        pack = gzip.compress if kind.endswith("gz") else bytes
        path.write_bytes(pack(sink.getvalue()))
    expected, _ = records(load(folder))
    found, present = records(load(folder, selection=f"other.{kind}"))
    assert found == expected and present == 50


def test_parts_are_bounded_sorted_and_the_same_for_any_order(files):
    folder, rows = files
    first = load(folder, shard_rows=8).inputs()
    assert len(first) == 7
    assert sorted(pq.read_metadata(item.path).num_rows for item in first) == [2] + [8] * 6
    random.Random(1).shuffle(rows)
    pq.write_table(table(rows), folder / "picked.parquet")
    assert load(folder, shard_rows=8).inputs() == first
    found, present = records(load(folder, shard_rows=8))
    assert present == 50 and len({(r.container, r.offset) for r in found}) == 50


def test_every_way_to_miss_is_one_quarantined_record(tmp_path):
    data, index = packed(6)
    url, offset, length = index[2]
    broken = flip(data, index[4][1] + 30, index[4][1] + 60)
    (tmp_path / "x.warc.gz").write_bytes(broken)
    rows = {
        "ok": (url, "x.warc.gz", offset, length),
        "range_url": ("http://other.test/", "x.warc.gz", offset, length),
        "range_damaged": (index[4][0], "x.warc.gz", index[4][1], index[4][2]),
        "range_damaged 2": (url, "x.warc.gz", offset + 1, length),
        "range_damaged 3": (url, "x.warc.gz", offset, length - 5),
        "range_damaged 4": (url, "x.warc.gz", offset, length + index[3][2]),
        "range_missing": (url, "x.warc.gz", len(data) - 10, 500),
        "range_missing 2": (url, "x.warc.gz", len(data) + 10_000, 500),
        "range_missing 3": (url, "none.warc.gz", offset, length),
        "selection_row": (url, None, offset, length),
        "selection_row 2": (url, "x.warc.gz", None, length),
        "selection_row 3": (url, "x.warc.gz", offset, 0),
        "selection_row 4": (url, "x.warc.gz", -5, length),
        "oversized": (url, "x.warc.gz", offset, 10**12),
        "ok 2": (None, "x.warc.gz", offset, length),
    }
    pq.write_table(table(rows.values()), tmp_path / "picked.parquet")
    found, present = records(load(tmp_path))
    assert present == len(found) == len(rows)
    assert sorted(verdicts(found)) == sorted(name.split()[0] for name in rows)
    assert all("\n" not in r.detail and r.detail for r in found if r.error)


def test_what_is_no_page_is_rejected_as_in_a_whole_file(tmp_path):
    made = [
        warc(http(status="404 Not Found"), "http://a.test/1"),
        warc(http(b""), "http://a.test/2", kind="revisit"),
        warc(http(b"\x89PNG\r\n\x1a\n", headers={}), "http://a.test/3"),
    ]
    (tmp_path / "x.warc").write_bytes(b"".join(made))
    starts = [0, len(made[0]), len(made[0]) + len(made[1])]
    rows = [(f"http://a.test/{n + 1}", "x.warc", starts[n], len(made[n]) - 4) for n in range(3)]
    pq.write_table(table(rows), tmp_path / "picked.parquet")
    found, _ = records(load(tmp_path))
    assert verdicts(found) == ["http_status", "revisit", "media_type"]


def test_records_of_arc_files(tmp_path):
    parts = [gzip.compress(record) for record in arc_file([arc(uri=f"http://a/{n}") for n in "ab"])]
    (tmp_path / "x.arc.gz").write_bytes(b"".join(parts))
    rows = [("http://a/b", "x.arc.gz", len(parts[0] + parts[1]), len(parts[2]))]
    pq.write_table(table(rows), tmp_path / "picked.parquet")
    found, _ = records(load(tmp_path, reader="arc"))
    assert verdicts(found) == ["ok"]


def test_ranges_that_lie_close_are_fetched_together(tmp_path):
    data, index = packed(200)
    with serving({"x.warc.gz": data}) as server:
        rows = [(url, "x.warc.gz", offset, length) for url, offset, length in index]
        pq.write_table(table(rows[50:180:2]), tmp_path / "picked.parquet")
        found, present = records(load(tmp_path, base=server.url))
        assert verdicts(found) == ["ok"] * 65 and present == 65
        assert len(server.log) == 1
        server.log.clear()
        far = [(url, "x.warc.gz", offset, length) for url, offset, length in index[::190]]
        server.files["x.warc.gz"] = (
            data[: index[190][1]] + b"\0" * 2_000_000 + data[index[190][1] :]
        )
        url, name, offset, length = far[1]
        pq.write_table(
            table([far[0], (url, name, offset + 2_000_000, length)]), tmp_path / "picked.parquet"
        )
        found, _ = records(load(tmp_path, base=server.url))
        assert verdicts(found) == ["ok", "ok"]
        assert sum(len(entry[2]) > 0 for entry in server.log) == 2


def test_remote_selections_over_a_bad_line(tmp_path):
    data, index = packed(30)
    rows = [(url, "x.warc.gz", offset, length) for url, offset, length in index]
    sink = io.BytesIO()
    pq.write_table(table([*rows, (rows[0][0], "none.warc.gz", 0, 10)]), sink)
    with serving({"x.warc.gz": data, "i/picked.parquet": sink.getvalue()}) as server:
        server.faults = lambda number, path: ["cut", (503, {}), None][number % 3]
        recipe = load(tmp_path, selection=f"{server.url}/i/picked.parquet", base=server.url)
        found, present = records(recipe)
    assert verdicts(found) == ["range_missing"] + ["ok"] * 30 and present == 31


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("picked.parquet", b"no parquet", r"selection\.0'.*cannot be read as a table"),
        ("picked.csv", b"url,filename,offset\nx,y,1\n", "no column length or warc_record_length"),
        ("picked.txt", b"x", "expected a table whose name ends in"),
        ("other.csv", b"x", r"no file matches 'picked\.csv'"),
    ],
)
def test_selections_that_cannot_be_read(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    wanted = "picked.csv" if name == "other.csv" else name
    with pytest.raises(UserError, match=told) as error:
        load(tmp_path, selection=wanted).inputs()
    assert "\n" not in str(error.value)


def test_a_file_that_changes_makes_its_part_anew(files):
    folder, _ = files
    before = load(folder).inputs()
    (folder / "1.warc.gz").write_bytes((folder / "1.warc.gz").read_bytes() + b"\n")
    after = load(folder).inputs()
    assert [item.path for item in after] == [item.path for item in before]
    assert [item.fingerprint for item in after] != [item.fingerprint for item in before]
