"""Readers of WET, JSONL, Parquet and whole files; options and plug-ins."""

import bz2
import gzip
import io
import json
import lzma
import random
import tracemalloc
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from catalogs import storage
from catalogs.errors import UserError
from pipeline.readers import READERS, register_reader
from pipeline.records import Record
from tests.warcs import PAGE, blocks, flip, http, pages, read, read_counted, verdicts, warc

# --- WET


def test_wet_gives_text():
    text = "Grüße\nSecond line\n"
    made = [
        warc(b"x", kind="warcinfo", content_type="application/warc-fields"),
        warc(text.encode(), kind="conversion", content_type="text/plain"),
        warc(b" ", kind="conversion", content_type="text/plain"),
        warc(http()),
    ]
    records = read(b"".join(map(gzip.compress, made)), "wet")
    assert verdicts(records) == ["not_conversion", "ok", "empty_text", "not_conversion"]
    assert records[1].text == text
    assert records[1].media_type == "text/plain"


def test_wet_limits():
    made = warc(b"x" * 5000, kind="conversion", content_type="text/plain")
    assert verdicts(read(made, "wet", max_bytes=100)) == ["oversized"]


# --- JSONL


def jsonl(rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


ROWS = [
    {"text": f"text {n}", "url": f"http://a.test/{n}", "id": f"d{n}", "score": n / 2, "tags": ["x"]}
    for n in range(500)
]


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        zstandard.compress,
        lzma.compress,
        bz2.compress,
        lambda d: blocks(d, 999),
    ],
)
def test_jsonl_in_every_compression(pack):
    records = read(pack(jsonl(ROWS)), "jsonl")
    assert [r.text for r in records] == [row["text"] for row in ROWS]
    assert [r.offset for r in records] == list(range(500))
    assert records[3].uri == "http://a.test/3"
    assert records[3].metadata == {"url": "http://a.test/3", "id": "d3", "score": 1.5}
    assert records[3].length == len(json.dumps(ROWS[3]))


def test_jsonl_options_and_nested_fields():
    row = {"body": "b", "meta": {"link": "http://b.test/"}, "when": "2024-01-02T03:04:05+01:00"}
    row["metadata"] = {"licence": "CC-BY-4.0", "when": "never"}
    options = {"text_field": "body", "uri_field": "meta.link", "fetched_at_field": "when"}
    [record] = read(jsonl([row]), "jsonl", **options)
    assert record.text == "b" and record.uri == "http://b.test/"
    assert record.metadata == {"licence": "CC-BY-4.0", "when": row["when"]}
    assert record.fetched_at == datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC)
    [record] = read(jsonl([{"x": {"y": "deep"}}]), "jsonl", text_field="x.y")
    assert record.text == "deep"


def test_a_bad_line_costs_that_line():
    good = b'{"text": "good"}\n'
    bad = {
        b'{"text": ': "invalid_json",
        b"[1, 2]": "invalid_json",
        b'"text"': "invalid_json",
        b"[" * 100_000: "invalid_json",
        b'{"text": "\xff\xfe"}': "invalid_utf8",
        b'{"other": 1}': "missing_text",
        b'{"text": null}': "missing_text",
        b'{"text": 5}': "missing_text",
        b'{"text": "  "}': "empty_text",
        b'{"text": "' + b"x" * 300_000 + b'"}': "oversized",
    }
    data = good + b"".join(line + b"\n" + good for line in bad)
    records = read(data, "jsonl", max_bytes=200_000)
    assert verdicts(records[1::2]) == list(bad.values())
    assert verdicts(records[::2]) == ["ok"] * (len(bad) + 1)
    for number, (record, line) in enumerate(zip(records[1::2], bad, strict=True)):
        assert record.offset == 2 * number + 1
        assert record.length == len(line)
    invalid = [r for r in records if r.error and r.error.startswith("invalid")]
    assert all(r.detail.startswith(f"line {r.offset + 1}") for r in invalid)


def test_jsonl_odds_and_ends():
    data = b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n'
    data += b'{"text": "nul \\u0000 and \\ud800 out"}\n{"text": "end"}'
    records = read(data, "jsonl")
    assert [r.text for r in records] == ["a", "nul  and  out", "end"]
    assert [r.offset for r in records] == [0, 3, 4]


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, zstandard.compress, lzma.compress, lambda data: bz2.compress(data, 1)],
)
def test_a_cut_stream_yields_what_can_be_read(pack):
    rows = [{"text": f"{n} {random.Random(n).getrandbits(4000):x}"} for n in range(600)]
    data = pack(jsonl(rows))
    records = read(data[: len(data) * 3 // 4], "jsonl")
    assert verdicts(records[:-1]) == ["ok"] * (len(records) - 1)
    assert records[-1].error == "truncated_file"
    assert len(records) > 100
    assert records[-1].offset == len(records) - 1
    assert records[-1].detail.startswith(f"line {len(records)},")


def test_jsonl_goes_on_at_the_next_member_after_damage():
    parts = [gzip.compress(jsonl(ROWS[n : n + 100])) for n in range(0, 500, 100)]
    begin = len(parts[0])
    records = read(flip(b"".join(parts), begin + 100, begin + 140), "jsonl")
    texts = [r.text for r in records if r.text]
    assert texts[:100] == [row["text"] for row in ROWS[:100]]
    assert texts[-300:] == [row["text"] for row in ROWS[200:]]
    assert [r.error for r in records if r.error] == ["gzip_damaged"]
    assert len({r.offset for r in records}) == len(records)


def test_a_long_line_is_not_held_in_memory():
    data = gzip.compress(b"x" * 60_000_000 + b'\n{"text": "after"}\n')
    tracemalloc.start()
    records = read(data, "jsonl", max_bytes=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert verdicts(records) == ["oversized", "ok"]
    assert records[0].length == 60_000_000
    assert peak < 6_000_000


# --- Parquet


def parquet(table, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def test_parquet_rows():
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    table = pa.table(
        {
            "text": pa.array(["a", None, "c\0", " "]).dictionary_encode(),
            "url": ["http://a.test/", None, "x", "y"],
            "n": [1, 2, 3, 4],
            "when": [moment] * 4,
            "tags": [["x"], [], [], []],
            "metadata": [{"licence": "CC0-1.0"}] * 4,
        }
    )
    data = parquet(table, row_group_size=2)
    records, present = read_counted(data, "parquet", fetched_at_field="when")
    assert present == 4
    assert verdicts(records) == ["ok", "missing_text", "ok", "empty_text"]
    assert [r.offset for r in records] == [0, 1, 2, 3]
    assert records[2].text == "c"
    assert records[0].uri == "http://a.test/" and records[1].uri == ""
    expected = {"licence": "CC0-1.0", "url": "http://a.test/", "n": 1, "when": moment.isoformat()}
    assert records[0].metadata == expected
    assert records[0].fetched_at == moment


def test_parquet_binary_text_and_limits():
    table = pa.table({"text": pa.array([b"ok", b"\xff", b"x" * 50], pa.binary())})
    assert verdicts(read(parquet(table), "parquet", max_bytes=20)) == [
        "ok",
        "invalid_utf8",
        "oversized",
    ]


def test_a_damaged_row_group_costs_its_rows():
    texts = [f"{random.Random(n).getrandbits(800):x}" for n in range(300)]
    data = parquet(
        pa.table({"text": texts}), row_group_size=100, compression="gzip", use_dictionary=False
    )
    second = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(1).column(0)
    middle = second.data_page_offset + second.total_compressed_size // 2
    records, present = read_counted(flip(data, middle, middle + 200), "parquet")
    assert present == len(records)
    assert verdicts(records) == ["ok"] * 100 + ["parquet_damaged"] + ["ok"] * 100
    assert records[100].offset == 100 and "rows 100 to 199" in records[100].detail
    assert [r.text for r in records[101:]] == texts[200:]


def test_parquet_that_is_none():
    assert verdicts(read(b"PAR1 but not really", "parquet")) == ["not_parquet"]
    assert verdicts(read(b"", "parquet")) == ["empty_file"]
    [record] = read(parquet(pa.table({"content": ["x"]})), "parquet")
    assert record.error == "missing_text"
    assert "content" in record.detail and "text_field" in record.detail


# --- whole files


def test_whole_files():
    [page] = read(PAGE, "html")
    assert page.payload == PAGE and page.media_type == "text/html" and page.uri == "box"
    [page] = read(gzip.compress(PAGE), "html")
    assert page.payload == PAGE
    [pdf] = read(b"%PDF-1.7 rest", "pdf")
    assert pdf.payload and pdf.media_type == "application/pdf"
    [text] = read("Käse\0 und Brot".encode("latin-1"), "text")
    assert text.text == "Käse und Brot" and text.charset == "windows-1252"


def test_whole_files_that_fail():
    assert verdicts(read(b"", "html") + read(b"", "pdf") + read(b"", "text")) == ["empty_file"] * 3
    assert verdicts(read(b"<html>", "pdf")) == ["not_pdf"]
    assert verdicts(read(b" \n", "text")) == ["empty_text"]
    assert verdicts(read(b"x" * 100, "html", max_bytes=99)) == ["oversized"]
    assert verdicts(read(gzip.compress(b"x" * 10_000_000), "text", max_bytes=99)) == ["oversized"]
    assert verdicts(read(gzip.compress(PAGE)[:-9], "html")) == ["truncated_file"]


# --- the registry


def test_plug_ins_register_both_ways():
    @register_reader("one")
    def first(path, container, *, open_file, options):
        yield Record(container, text="1")

    def second(path, container, *, open_file, options):
        yield Record(container, text="2")

    register_reader("two", second)
    try:
        assert [read(b"", name)[0].text for name in ("one", "two")] == ["1", "2"]
    finally:
        del READERS["one"], READERS["two"]


@pytest.mark.parametrize(
    ("reader", "options", "named"),
    [
        ("warc", {"max_byte": 5}, "max_bytes"),
        ("jsonl", {"textfield": "x"}, "text_field"),
        ("jsonl", {"max_bytes": -1}, "max_bytes"),
        ("parquet", {"text_field": 3}, "text_field"),
        ("warc", {"digests": "ignore"}, "expected tag, quarantine, off"),
    ],
)
def test_wrong_options_are_the_users_mistake(reader, options, named):
    with pytest.raises(UserError, match=named):
        read(b"x", reader, **options)


def test_real_files_open_through_the_door(tmp_path):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(b"".join(map(gzip.compress, pages(3))))
    records = READERS["warc"](str(path), "x", open_file=storage.open_input, options={})
    assert verdicts(list(records)) == ["ok"] * 3
