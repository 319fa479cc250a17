"""Remote files against real servers on loopback: slow-downs, cuts, stalls, changes, one pace."""

import gzip
import io
import multiprocessing
import random
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogs import objects, pacing, storage
from catalogs.pacing import Pace, Patience
from catalogs.remote import Access, Remote, RemoteError
from pipeline.readers import READERS
from tests.servers import serving
from tests.warcs import pages, verdicts

DATA = random.Random(1).randbytes(3_000_000)
QUICK = {"requests_per_second": None, "timeout_seconds": 1.0, "give_up_seconds": 20.0}


@pytest.fixture(autouse=True)
def short_delays(monkeypatch):
    monkeypatch.setattr(pacing, "FIRST_DELAY", 0.05)


@pytest.fixture
def server():
    with serving({"a.bin": DATA, "b/data": DATA, "b/empty": b"", "empty": b""}) as server:
        yield server


@pytest.fixture
def s3(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return server


def access(**settings):
    return Access(Remote(**{**QUICK, **settings}))


def first(count, fault):
    """Faults of the first requests."""
    return lambda number, path: fault if number <= count else None


# --- reading


def test_a_remote_file_reads_like_a_local_one(server):
    rng = random.Random(2)
    with access(block_mb=0.25).open(f"{server.url}/a.bin") as remote, io.BytesIO(DATA) as local:
        for _ in range(60):
            whence = rng.choice([0, 1, 2])
            offset = rng.randrange(len(DATA)) * (-1 if whence == 2 else 1)
            offset = offset % 100_000 if whence == 1 else offset
            assert remote.seek(offset, whence) == local.seek(offset, whence)
            count = rng.choice([0, 1, 17, 5000, 70_000, 600_000])
            assert remote.read(count) == local.read(count)
            assert remote.tell() == local.tell()
        remote.seek(0)
        assert remote.read() == DATA


def test_reading_on_asks_for_few_large_blocks(server):
    opened = access()
    with opened.open(f"{server.url}/a.bin") as file:
        while file.read(1 << 16):
            pass
    assert [entry[2] for entry in server.log] == [
        "bytes=0-1048575",
        f"bytes=1048576-{(3 << 20) - 1}",
    ]
    assert opened.counts == {"remote_requests": 2, "remote_bytes": len(DATA)}


@pytest.mark.parametrize("path", ["empty", "a.bin"])
def test_size_and_version_are_known_from_one_request(server, path):
    assert access().look(f"{server.url}/{path}") == (len(server.files[path]), '"1"')
    assert len(server.log) == 1
    assert storage.size(f"{server.url}/{path}") == len(server.files[path])


def test_an_empty_file(server):
    with access().open(f"{server.url}/empty") as file:
        assert file.read() == b"" and file.seek(0, 2) == 0


def test_parquet_reads_its_footer_and_not_the_rest(server):
    sink = io.BytesIO()
    texts = [f"{random.Random(n).getrandbits(8000):x}" for n in range(2000)]
    pq.write_table(pa.table({"a": range(2000), "text": texts}), sink, row_group_size=200)
    server.files["t.parquet"] = sink.getvalue()
    opened = access()
    with opened.open(f"{server.url}/t.parquet") as file:
        assert pq.ParquetFile(file).read(["a"])["a"].to_pylist() == list(range(2000))
    with opened.open(f"{server.url}/t.parquet") as file:
        assert pq.ParquetFile(file).read()["text"].to_pylist() == texts


# --- faults that pass


PASSING = {
    "http": [*((status, {}) for status in (429, 500, 502, 504)), "cut", "reset", "stall", "drip"],
    "s3": [*((status, {}) for status in (429, 500, 503)), "cut", "reset", "stall"],
}


@pytest.mark.parametrize(
    ("scheme", "fault"), [(scheme, fault) for scheme in PASSING for fault in PASSING[scheme]]
)
def test_what_passes_is_tried_again(s3, scheme, fault):
    s3.faults = lambda number, path: fault if number == 2 else None
    path = f"{s3.url}/a.bin" if scheme == "http" else "s3://b/data"
    opened = access()
    with opened.open(path) as file:
        assert file.read() == DATA
    # a kept connection that broke is opened again by curl itself
    assert opened.counts["remote_retries"] == int((scheme, fault) != ("s3", "reset"))


def test_a_cut_stream_is_resumed_where_it_broke(server):
    server.faults = first(3, "cut")
    with access().open(f"{server.url}/a.bin") as file:
        assert file.read(1 << 20) == DATA[: 1 << 20]
    starts = [int(entry[2].removeprefix("bytes=").split("-")[0]) for entry in server.log]
    assert starts == sorted(starts) and starts[0] == 0
    assert len(set(starts)) == 4


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_server_says_how_long_to_wait(server, form):
    value = "1" if form == "seconds" else formatdate(time.time() + 2.5, usegmt=True)
    server.faults = first(1, (503, {"Retry-After": value}))
    beats = []
    shared = Access(Remote(**QUICK), beat=lambda: beats.append(time.monotonic()))
    with shared.open(f"{server.url}/a.bin") as file:
        file.read(10)
    times = [entry[3] for entry in server.log]
    assert times[1] - times[0] >= 1.0
    assert len(beats) == 3, "before each request, and before the wait"


# --- faults that stay


def test_giving_up_is_one_line_that_says_how_to_go_on(server):
    server.faults = lambda number, path: (503, {})
    with (
        access(give_up_seconds=1.0).open(f"{server.url}/a.bin") as file,
        pytest.raises(RemoteError) as told,
    ):
        file.read(10)
    message = str(told.value)
    assert "a.bin: given up after" in message and "503" in message and "run again" in message
    assert "\n" not in message
    server.faults = lambda number, path: (429, {"Retry-After": "86400"})
    before = len(server.log)
    with pytest.raises(RemoteError, match="asks to wait 86400 s"):
        access().open(f"{server.url}/a.bin").read(10)
    assert len(server.log) == before + 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, FileNotFoundError),
        (410, FileNotFoundError),
        (403, PermissionError),
        (400, RemoteError),
    ],
)
def test_what_stays_is_told_at_once(server, status, error):
    server.faults = lambda number, path: (status, {})
    with pytest.raises(error, match=r"a\.bin"):
        access().open(f"{server.url}/a.bin").read(10)
    assert len(server.log) == 1


@pytest.fixture
def closed():
    """An address on this machine that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("http://no-such-host.invalid/x", "no host has the name no-such-host.invalid"),
        ("http://{closed}/x", "{closed} refuses connections"),
        ("s3://bucket/x", "http://{closed} refuses connections"),
    ],
)
def test_a_host_that_never_answered_is_not_waited_for_long(closed, monkeypatch, path, told):
    monkeypatch.setattr("catalogs.remote.UNKNOWN_SECONDS", 0.5)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{closed}")
    began = time.monotonic()
    for _ in range(3):  # the host is not waited for again
        with pytest.raises(RemoteError) as found:
            access(give_up_seconds=600).look(path.format(closed=closed))
        assert re.search(told.format(closed=closed), str(found.value))
        assert "check the address" in str(found.value)
        assert "\n" not in str(found.value)
    assert time.monotonic() - began < 60


def test_a_host_that_answered_before_is_waited_for(monkeypatch):
    monkeypatch.setattr("catalogs.remote.UNKNOWN_SECONDS", 0.0)
    with serving({"a.bin": DATA}) as server:
        access().look(f"{server.url}/a.bin")
        port = server.server_port
    with ThreadPoolExecutor(1) as pool:
        looked = pool.submit(access().look, f"http://127.0.0.1:{port}/a.bin")
        time.sleep(0.3)
        with serving({"a.bin": DATA}, port):
            assert looked.result(60) == (len(DATA), '"1"')


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_an_object_that_changes_is_not_read_as_one(s3, scheme):
    path = f"{s3.url}/a.bin" if scheme == "http" else "s3://b/data"
    with access().open(path) as file:
        file.read(1000)
        s3.version += 1
        with pytest.raises(RemoteError, match="changed while it was read"):
            file.read()
            file.check()


# --- servers without ranges


@pytest.mark.parametrize("lengths", [True, False])
def test_a_server_without_ranges_is_spooled(server, lengths):
    server.ranges, server.lengths = False, lengths
    opened = access()
    with opened.open(f"{server.url}/a.bin") as file:
        assert file.seek(0, 2) == len(DATA)
        file.seek(1_000_000)
        assert file.read(1000) == DATA[1_000_000:1_001_000]
        file.seek(0)
        assert file.read() == DATA
    assert len(server.log) == 2


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("lengths", [True, False])
def test_spooling_survives_cuts_and_never_mixes_versions(server, lengths, stamps):
    server.ranges, server.lengths, server.stamps = False, lengths, stamps
    server.faults = lambda number, path: "cut" if number in (2, 3) else None
    opened = access()
    with opened.open(f"{server.url}/a.bin") as file:
        assert file.read() == DATA
    assert opened.counts["remote_retries"] == 2


def test_a_spool_is_bounded(server):
    server.ranges = False
    with pytest.raises(RemoteError, match=r"remote\.spool_mb"):
        access(spool_mb=1).open(f"{server.url}/a.bin").read()


# --- S3


def test_s3_paths_globs_and_folders(s3):
    s3.files = {f"b/x/{n}.warc.gz": b"%d" % n for n in range(3)} | {"b/x/.hidden": b""}
    expected = [f"s3://b/x/{n}.warc.gz" for n in range(3)]
    assert access().find("s3://b/x/*.warc.gz") == expected
    assert storage.expand("s3://b/x") == expected
    assert storage.expand("s3://b/none/*.gz") == []
    with access().open(expected[1]) as file:
        assert file.read() == b"1"
    with pytest.raises(FileNotFoundError, match="s3://b/none"):
        access().look("s3://b/none")


def test_s3_credentials_that_do_not_suffice(s3):
    s3.faults = lambda number, path: (403, {})
    with pytest.raises(PermissionError, match=r"remote\.anonymous"):
        access().look("s3://b/data")


# --- one pace


def _ask(url, folder, count):
    shared = Access(Remote(**{**QUICK, "requests_per_second": 40, "connections": 2}), folder)
    for _ in range(count):
        shared.look(f"{url}/a.bin")


def test_processes_share_one_pace_and_its_connections(server, tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_ask, args=(server.url, str(tmp_path / "pace"), 10))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    times = sorted(entry[3] for entry in server.log)
    assert len(times) == 30
    assert times[-1] - times[0] >= 29 / 40 * 0.95
    assert server.most_open <= 2


def test_a_slow_down_holds_all_workers(tmp_path):
    one, other = (Pace(str(tmp_path), per_second=1000) for _ in range(2))
    one.pause(0.5)
    began = time.monotonic()
    with other.turn():
        assert time.monotonic() - began >= 0.4


def test_a_turn_left_by_a_wrong_clock_is_not_waited_for(tmp_path):
    pace = Pace(str(tmp_path), per_second=1000)
    (tmp_path / "turn").write_bytes(b"\0\0\0\0\0\0\xf0\x7f")  # infinity
    began = time.monotonic()
    with pace.turn():
        assert time.monotonic() - began < 5


def test_delays_grow_with_jitter_and_end():
    patience = Patience(0.3)
    assert patience.wait()
    tries = 1
    while patience.wait():
        tries += 1
    assert tries < 100
    patience.progress()
    assert patience.wait()


# --- readers over the wire


@pytest.mark.parametrize("fault", ["cut", (503, {}), "reset"])
def test_a_warc_over_a_bad_line_gives_what_the_file_gives(server, fault):
    members = [gzip.compress(record) for record in pages(300, 9000)]
    server.files["x.warc.gz"] = b"".join(members)
    rng = random.Random(4)
    server.faults = lambda number, path: fault if rng.random() < 0.4 else None
    opened = access(block_mb=0.3)

    def records(open_file, path):
        return list(READERS["warc"](path, "box", open_file=open_file, options={}))

    here = records(lambda path: io.BytesIO(server.files["x.warc.gz"]), "x")
    there = records(opened.open, f"{server.url}/x.warc.gz")
    assert verdicts(there) == ["ok"] * 300
    assert there == here
    assert opened.counts["remote_retries"] > 0


@pytest.mark.parametrize("fault", [(503, {}), (404, {}), (403, {}), "version"])
def test_no_fault_of_the_line_is_taken_for_damage_of_the_file(server, fault):
    sink = io.BytesIO()
    texts = [f"{random.Random(n).getrandbits(40_000):x}" for n in range(400)]
    pq.write_table(pa.table({"text": texts}), sink, row_group_size=50)
    server.files["t.parquet"] = sink.getvalue()

    def faults(number, path):
        if fault == "version":
            server.version = 1 + (number > 3)
        return fault if number > 3 and fault != "version" else None

    server.faults = faults
    opened = access(block_mb=1, give_up_seconds=0.3)
    with pytest.raises(RemoteError, match=r"t\.parquet"):
        list(
            READERS["parquet"](f"{server.url}/t.parquet", "box", open_file=opened.open, options={})
        )


def test_a_large_file_is_never_held_in_memory(server):
    import tracemalloc

    server.files["big.warc"] = b"".join(pages(4, 100_000)) * 60
    assert len(server.files["big.warc"]) > 20_000_000
    opened = access(block_mb=1)
    tracemalloc.start()
    count = sum(
        1
        for _ in READERS["warc"](f"{server.url}/big.warc", "box", open_file=opened.open, options={})
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 240
    assert peak < 8_000_000


def test_protocols_of_fsspec_are_read_the_same_way():
    import fsspec

    fsspec.filesystem("memory").pipe_file("/box/x.bin", DATA)
    assert storage.expand("memory://box/*.bin") == ["memory:///box/x.bin"]
    with access().open("memory://box/x.bin") as file:
        assert file.read() == DATA
    assert storage.fingerprint("memory://box/x.bin").startswith(f"{len(DATA)}:")
    assert objects.is_s3("s3a://x")
