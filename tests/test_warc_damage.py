"""Damaged WARC files: every byte is accounted for, and only what was hit is lost."""

import gzip
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warcs import CONTAINERS, PAGE, assert_covers, flip, http, pages, read, verdicts, warc


def test_a_damaged_gzip_member_costs_one_record():
    members = [gzip.compress(record) for record in pages(9)]
    offset = sum(map(len, members[:4]))
    for begin, end in [(0, 3), (20, 60), (len(members[4]) - 8, len(members[4]))]:
        data = flip(b"".join(members), offset + begin, offset + end)
        records = read(data)
        assert verdicts(records) == ["ok"] * 4 + ["gzip_damaged"] + ["ok"] * 4
        assert_covers(records, len(data))
        assert (records[4].offset, records[4].length) == (offset, len(members[4]))


def test_the_url_of_a_damaged_record_is_told_where_it_can_be_read():
    members = [gzip.compress(record) for record in pages(3, 4000)]
    end = len(members[0]) + len(members[1])
    [_, lost, _] = read(flip(b"".join(members), end - 6, end))
    assert lost.error == "gzip_damaged"
    assert lost.uri == "http://a.test/1"


def test_damage_over_several_members_is_one_gap():
    members = [gzip.compress(record) for record in pages(9)]
    sizes = [len(member) for member in members]
    data = flip(b"".join(members), sum(sizes[:3]) + 10, sum(sizes[:5]) + 10)
    records = read(data)
    assert verdicts(records) == ["ok"] * 3 + ["gzip_damaged"] + ["ok"] * 3
    assert_covers(records, len(data))


def test_members_that_lost_bytes_do_not_swallow_the_next():
    members = [gzip.compress(record) for record in pages(9)]
    for cut in (1, 5, 100):
        data = b"".join([*members[:4], members[4][:-cut], *members[5:]])
        records = read(data)
        assert verdicts(records) == ["ok"] * 4 + ["gzip_damaged"] + ["ok"] * 4
        assert_covers(records, len(data))


def test_the_first_bytes_may_be_damaged():
    data = b"\xde\xad\xbe\xef" + b"".join(map(gzip.compress, pages(4)))[4:]
    assert verdicts(read(data, name="x.warc.gz")) == ["gzip_damaged"] + ["ok"] * 3


@pytest.mark.parametrize(
    "container", ["plain", "gzip by record", "zstd by record", "gzip as a whole"]
)
def test_a_cut_tail_is_reported(container):
    made = pages(5)
    data = CONTAINERS[container](made)
    short = data[:-100] if container == "gzip as a whole" else data[: len(data) - len(data) // 15]
    records = read(short)
    assert verdicts(records) == ["ok"] * 4 + ["truncated_file"]
    assert [r.uri for r in records[:4]] == [f"http://a.test/{n}" for n in range(4)]


def test_garbage_between_records_is_reported_and_passed_over():
    for pack in (bytes, gzip.compress):
        first, second, third = (pack(record) for record in pages(3))
        junk = bytes(random.Random(3).randbytes(5000))
        records = read(first + junk + second + third)
        kinds = verdicts(records)
        assert kinds.count("ok") == 3
        assert [r.length for r in records if r.error] == [5000]
        assert_covers(records, len(first + second + third) + 5000)


def test_a_block_of_a_stream_in_blocks_is_lost_alone():
    made = pages(40)
    members = [gzip.compress(b"".join(made)[i : i + 777]) for i in range(0, 40 * 700, 777)]
    whole = read(b"".join(members))
    begin = sum(map(len, members[:10]))
    records = read(flip(b"".join(members), begin + 30, begin + 60))
    assert "gzip_damaged" in verdicts(records)
    assert verdicts(records).count("ok") >= verdicts(whole).count("ok") - 3


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lengths_that_lie_cost_their_record_only(pack):
    good, block = pages(3), http(PAGE + b"x" * 50)
    for lie in (len(block) + 300, 10**9, 10**15):
        data = pack(good[0] + warc(block, length=lie) + good[1] + good[2])
        records = read(data)
        assert verdicts(records) == ["ok", "warc_length", "ok", "ok"]
        assert [r.payload for r in records if r.payload] == [read(g)[0].payload for g in good]
    short = pack(good[0] + warc(block, length=len(block) - 20) + good[1])
    records = read(short)
    assert verdicts(records) == ["ok", "ok", "warc_header", "ok"]
    assert "expected a record" in records[2].detail


def test_many_lying_lengths_stay_linear():
    block = http(PAGE)
    data = b"".join(warc(block, f"http://a.test/{n}", length=10**12) for n in range(3000))
    records = read(data + pages(1)[0])
    assert verdicts(records) == ["warc_length"] * 3000 + ["ok"]
    assert_covers(records, len(data) + len(pages(1)[0]))


@pytest.mark.parametrize("length", ["", "-5", "12x", "9" * 30])
def test_records_without_a_usable_length(length):
    data = pages(1)[0] + warc(http(), length=length) + pages(1)[0]
    records = read(data)
    assert verdicts(records) == ["ok", "warc_header", "ok"]
    assert records[1].uri == "http://a.test/1"
    assert_covers(records, len(data))


def test_a_warc_inside_a_record_is_not_taken_apart():
    inner = b"".join(pages(3))
    data = warc(http(inner, headers={"Content-Type": "application/warc"})) + pages(1)[0]
    assert verdicts(read(data)) == ["media_type", "ok"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "empty_file"),
        (b"The monkeys are coming", "not_warc"),
        (b"\r\n\r\n", "not_warc"),
        (b"<html>" * 9999, "not_warc"),
        (gzip.compress(b"<html>" * 9999, mtime=0), "not_warc"),
        (b"filedesc://x.arc 0.0.0.0 20080430204825 text/plain 76\n", "truncated_file"),
        (b"\x04\x22\x4d\x18 lz4", "stream_damaged"),
        (b"WARC/1.0", "not_warc"),
        (gzip.compress(warc(http()), mtime=0)[:30], "truncated_file"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 50, "gzip_damaged"),
    ],
)
def test_a_file_that_is_no_warc_is_one_quarantined_record(data, error):
    [record] = read(data)
    assert record.error == error
    assert record.length == len(data)
    assert record.detail and "\n" not in record.detail


DAMAGE = st.tuples(
    st.floats(0, 1), st.integers(0, 400), st.sampled_from(["flip", "cut", "insert", "zero"])
)


def damaged(packed, damage):
    """A file with damage done to it, and the numbers of the records that were hit."""
    data = b"".join(packed)
    places = sorted((int(where * len(data)), size, how) for where, size, how in damage)
    ends = [*(at for at, *_ in places[1:]), len(data)][: len(places)]
    stops = [min(at + size, end) for (at, size, _), end in zip(places, ends, strict=True)]
    edges = [(at, stop) for (at, *_), stop in zip(places, stops, strict=True)]
    hit, start = set(), 0
    for number, member in enumerate(packed):
        # damage that touches a record's edge may cost the neighbour, too
        if any(start <= stop and at <= start + len(member) for at, stop in edges):
            hit.add(number)
        start += len(member)
    for (at, size, how), stop in reversed(list(zip(places, stops, strict=True))):
        old = data[at:stop]
        new = {
            "flip": flip(old, 0, size),
            "cut": b"",
            "insert": random.Random(size).randbytes(size) + old,
            "zero": bytes(len(old)),
        }[how]
        data = data[:at] + new + data[stop:]
    return data, hit


@settings(max_examples=80)
@given(
    container=st.sampled_from(["plain", "gzip by record", "zstd by record"]),
    damage=st.lists(DAMAGE, max_size=3),
)
def test_whatever_happens_all_bytes_are_accounted_for(container, damage):
    """Records that damage did not touch survive, and nothing is left without a record."""
    packed = [CONTAINERS[container]([record]) for record in TEN]
    data, hit = damaged(packed, damage)
    name = {"gzip by record": "x.gz", "zstd by record": "x.zst"}.get(container, "x")
    records = read(data, name=name)
    found = {record.uri: record.payload for record in records if record.payload is not None}
    for n in set(range(10)) - hit:
        assert found.get(f"http://a.test/{n}") == TEN_PAYLOADS[n]
    last = 0
    for record in records:
        assert not data[last : record.offset].strip(b"\0\r\n \t")
        last = max(last, record.offset + record.length)
    assert not data[last:].strip(b"\0\r\n \t")


TEN = pages(10, 300)
TEN_PAYLOADS = [record.payload for record in read(b"".join(TEN))]


@settings(max_examples=150)
@given(
    data=st.binary(max_size=300), reader=st.sampled_from(["warc", "wet", "jsonl", "text", "html"])
)
def test_readers_never_raise_on_any_bytes(data, reader):
    for prefix in (b"", b"WARC/1.0\r\n", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh9", b"{"):
        records = read(prefix + data, reader)
        assert all((record.error or record.reject or "ok") for record in records)
        assert records or reader == "jsonl"


def test_members_that_all_lost_their_end_are_all_told():
    data = b"".join(gzip.compress(record)[:-4] for record in pages(50))
    records = read(data)
    assert verdicts(records) == ["gzip_damaged"] * 49 + ["truncated_file"]
    assert [record.uri for record in records[:-1]] == [f"http://a.test/{n}" for n in range(49)]
    assert_covers(records, len(data))


def test_hostile_files_end_in_time():
    header = b"WARC/1.0\r\nA: b\r\n"
    assert verdicts(read(header * 5000)) == ["warc_header"] * 5000
    assert verdicts(read((header + b"\r\n") * 5000)) == ["warc_header"] * 5000
    assert verdicts(read(b"\x1f\x8b\x08" * 20_000)) == ["truncated_file"]
    assert verdicts(read(b"WARC/1.0 " * 50_000)) == ["not_warc"]


def test_bytes_of_a_large_skipped_record_are_not_held():
    video = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + bytes(40_000_000)
    data = gzip.compress(warc(video), 1) + gzip.compress(warc(http()))
    tracemalloc.start()
    records = read(data, max_bytes=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert verdicts(records) == ["oversized", "ok"]
    assert peak < 12_000_000
