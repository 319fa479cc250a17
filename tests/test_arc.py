"""ARC files: the same records as from WARC, through the same framing."""

import gzip
import io
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers import READERS
from tests.warcs import (
    CONTAINERS,
    PAGE,
    arc,
    arc_file,
    assert_covers,
    flip,
    http,
    pages,
    read,
    read_counted,
    verdicts,
)


def bodies(count, size=400):
    rng = random.Random(5)
    return [
        PAGE + bytes(rng.choice(b"abcdefghijklmnop \n") for _ in range(size)) for _ in range(count)
    ]


def made(count=5, version=1):
    return arc_file(
        [
            arc(http(body), f"http://a.test/{n}", version=version)
            for n, body in enumerate(bodies(count))
        ],
        version,
    )


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("container", CONTAINERS)
def test_an_arc_gives_what_a_warc_gives(container, version):
    records = read(CONTAINERS[container](made(5, version)), "arc")
    assert verdicts(records) == ["not_response"] + ["ok"] * 5
    assert [r.payload for r in records[1:]] == bodies(5)
    page = records[2]
    assert page.uri == "http://a.test/1"
    assert page.fetched_at == datetime(2008, 4, 30, 20, 48, 25, tzinfo=UTC)
    assert (page.media_type, page.charset) == ("text/html", "utf-8")
    assert page.metadata["http_status"] == 200
    assert page.headers["content-type"].startswith("text/html")


def test_the_warc_reader_takes_arc_files_too():
    data = b"".join(map(gzip.compress, made()))
    assert read(data) == read(data, "arc")


@pytest.mark.parametrize("container", ["plain", "gzip by record"])
def test_offsets_point_at_the_record_and_can_be_read_alone(container):
    data = CONTAINERS[container](made())
    records = read(data)
    assert_covers(records, len(data))
    for record in records[1:]:
        [again] = read(data[record.offset : record.offset + record.length])
        assert again.payload == record.payload


@pytest.mark.parametrize(
    ("uri", "kind", "version"),
    [
        ("http://a.test/a page with spaces.html", "text/html", 1),
        ("http://a.test/a 1.2.3 page", "text/html; charset=utf-8", 1),
        ("http://a.test/two words", "text/html", 2),
        ("http://a.test/two words", "text/html; charset=x y", 2),
        ("https://a.test/?q=1 2 3", "no-type", 1),
        ("http://a.test/ünï", "text/html", 1),
    ],
)
def test_header_lines_with_spaces(uri, kind, version):
    record = read(b"".join(arc_file([arc(uri=uri, kind=kind, version=version)], version)))[1]
    assert record.uri == uri
    assert record.payload == PAGE


def test_records_that_are_no_pages():
    records = read(
        b"".join(
            arc_file(
                [
                    arc(b"a.test 1.2.3.4", "dns:a.test", "text/dns"),
                    arc(http(status="404 Not Found")),
                    arc(http(b"\x89PNG\r\n\x1a\n", headers={}), kind="image/png"),
                    arc(http(b"%PDF-1.4", headers={}), kind="application/pdf"),
                    arc(b"", "http://a.test/empty"),
                    arc(b"<html>no status line", "http://a.test/bare"),
                ]
            )
        )
    )
    assert verdicts(records) == [
        "not_response",
        "not_http",
        "http_status",
        "media_type",
        "ok",
        "empty_body",
        "http_header",
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_damaged_record_costs_itself(pack):
    parts = [pack(record) for record in made(6)]
    begin = sum(map(len, parts[:3]))
    header = 15 if pack is bytes else 10
    data = flip(b"".join(parts), begin, begin + header)
    records, present = read_counted(data)
    assert verdicts(records).count("ok") == 5
    assert sum(bool(record.error) for record in records) == 1
    assert records[-1].uri == "http://a.test/5"
    assert_covers(records, len(data))
    assert present == (None if pack is bytes else 7)


@pytest.mark.parametrize("lie", [300, 10**9])
def test_a_length_that_lies_costs_its_record(lie):
    good = made(3)
    data = b"".join([*good[:2], arc(length=len(http()) + lie), *good[2:]])
    records = read(data)
    assert verdicts(records) == ["not_response", "ok", "warc_length", "ok", "ok"]
    assert_covers(records, len(data))


def test_a_cut_file_is_reported():
    data = b"".join(map(gzip.compress, made()))[:-30]
    records = read(data, name="x.arc.gz")
    assert verdicts(records) == ["not_response"] + ["ok"] * 4 + ["truncated_file"]


def test_the_name_tells_where_the_first_bytes_are_damaged():
    data = b"\xde\xad\xbe\xef" + b"".join(map(gzip.compress, made()))[4:]
    assert verdicts(read(data, name="x.arc.gz")) == ["gzip_damaged"] + ["ok"] * 5


@settings(max_examples=40)
@given(st.data())
def test_every_byte_is_accounted_for_whatever_the_damage(data):
    pack = data.draw(st.sampled_from([bytes, gzip.compress]))
    whole = b"".join(pack(record) for record in made(4))
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start, min(len(whole), start + 900)))
    how = data.draw(st.sampled_from(["flip", "drop", "repeat"]))
    broken = {
        "flip": flip(whole, start, stop),
        "drop": whole[:start] + whole[stop:],
        "repeat": whole[:stop] + whole[start:],
    }[how]
    records = read(broken, name="x.arc.gz" if pack is gzip.compress else "x.arc")
    assert sum(record.length for record in records) <= len(broken)
    untouched = [p for p in bodies(4) if p in {r.payload for r in records}]
    assert len(untouched) >= 4 - 3


# --- present against seen, for both formats


@pytest.mark.parametrize("make", [made, pages])
@pytest.mark.parametrize("container", CONTAINERS)
def test_members_are_counted_where_they_are_records(container, make):
    data = CONTAINERS[container](make(7))
    records, present = read_counted(data)
    by_record = container.endswith("by record") or container == "zstd with dictionary"
    assert present == (len(records) if by_record else None)


def test_damaged_members_count_as_present():
    members = [gzip.compress(record) for record in pages(9)]
    begin = sum(map(len, members[:4]))
    for damaged in (flip(b"".join(members), begin + 20, begin + 60), b"".join(members)[:-50]):
        records, present = read_counted(damaged)
        assert present == len(records) == 9


def test_a_damaged_dictionary_costs_the_records_that_need_it():
    data = CONTAINERS["zstd with dictionary"](pages(4))
    records, present = read_counted(flip(data, 12, 600), name="x.warc.zst")
    assert {record.error for record in records} <= {"zstd_damaged", "truncated_file"}
    assert records and present in (None, len(records))


def test_empty_members_are_no_records():
    data = b"".join(map(gzip.compress, [*pages(3), b"", b"\r\n\r\n"]))
    records, present = read_counted(data)
    assert present == len(records) == 3


def test_a_reader_that_stops_early_is_found_out(monkeypatch):
    """The walk checks itself: a framing that leaves bytes behind is an error, not a short file."""
    from pipeline.readers import warc_frames

    data = b"".join(map(gzip.compress, pages(9)))
    plain = warc_frames.runs
    monkeypatch.setattr(warc_frames, "runs", lambda *a, **k: list_some(plain(*a, **k), 5))
    with pytest.raises(warc_frames.Miscount, match="reading ended at byte"):
        list(READERS["warc"]("x", "x", open_file=lambda path: io.BytesIO(data), options={}))


def list_some(found, count):
    for number, run in enumerate(found):
        if number == count:
            return
        yield run
