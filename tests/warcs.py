"""WARC files made by hand, for the tests of readers and of the whole mill."""

import bz2
import gzip
import io
import lzma
import random
import struct

import lz4.frame
import zstandard

from pipeline.readers import READERS

PAGE = b"<!doctype html><title>T</title><body><p>Gr\xc3\xbc\xc3\x9fe aus dem Wald</p>"
HEADERS = {"Content-Type": "text/html; charset=utf-8"}


def http(body=PAGE, status="200 OK", headers=HEADERS):
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def warc(
    block=b"",
    uri="http://a.test/1",
    kind="response",
    content_type="application/http; msgtype=response",
    length=None,
    **fields,
):
    head = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{uri}>",
        "WARC-Target-URI": uri,
        "WARC-Date": "2024-02-29T12:30:45Z",
        "Content-Type": content_type,
        "Content-Length": len(block) if length is None else length,
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    text = "\r\n".join(["WARC/1.0", *(f"{name}: {value}" for name, value in head.items())])
    return text.encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def pages(count, size=400, seed=0):
    """Records that compress little, each with its own URL."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        filler = bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz \n") for _ in range(size))
        made.append(warc(http(PAGE + filler), f"http://a.test/{number}"))
    return made


def read(data, reader="warc", name="in", **options):
    """All records of a file of these bytes."""
    return list(
        READERS[reader](name, "box", open_file=lambda path: io.BytesIO(data), options=options)
    )


def read_counted(data, reader="warc", name="in", **options):
    """All records, and the number of records present that the reader returns."""
    found = READERS[reader](name, "box", open_file=lambda path: io.BytesIO(data), options=options)
    records = []
    while True:
        try:
            records.append(next(found))
        except StopIteration as end:
            return records, end.value


ARC_VERSIONS = {
    1: b"1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n",
    2: b"2 0 InternetArchive\nURL IP-address Archive-date Content-type Result-code Checksum "
    b"Location Offset Filename Archive-length\n",
}


def arc(block=None, uri="http://a.test/1", kind="text/html", version=1, length=None):
    """One ARC record."""
    block = http() if block is None else block
    size = len(block) if length is None else length
    middle = f"{kind} 200 c0ffee - 0 x.arc" if version == 2 else kind
    return f"{uri} 192.0.2.7 20080430204825 {middle} {size}\n".encode() + block + b"\n"


def arc_file(records, version=1):
    """The records of an ARC file, its description first."""
    about = ARC_VERSIONS[version]
    return [arc(about, "filedesc://x.arc", "text/plain"), *records]


def verdicts(records):
    return [record.error or record.reject or "ok" for record in records]


def assert_covers(records, size):
    """Offsets and lengths tile the file."""
    position = 0
    for record in records:
        assert record.offset == position
        position += record.length
    assert position == size


def zstd_frames(records):
    return b"".join(zstandard.compress(record) for record in records)


def blocks(data, size):
    """Gzip members that begin anywhere, as bgzip makes them."""
    return b"".join(gzip.compress(data[i : i + size]) for i in range(0, len(data), size))


def zstd_with_dictionary(records):
    """Dictionary in a skippable frame, as the WARC-ZSTD proposal says."""
    samples = [record + bytes([n]) * 9 for n, record in enumerate(records * 8)]
    dictionary = zstandard.train_dictionary(2048, samples)
    data = dictionary.as_bytes()
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    frames = b"".join(compressor.compress(record) for record in records)
    return b"\x5d\x2a\x4d\x18" + struct.pack("<I", len(data)) + data + frames


CONTAINERS = {
    "plain": b"".join,
    "gzip by record": lambda records: b"".join(map(gzip.compress, records)),
    "gzip as a whole": lambda records: gzip.compress(b"".join(records)),
    "gzip in blocks": lambda records: blocks(b"".join(records), 333),
    "zstd by record": zstd_frames,
    "zstd as a whole": lambda records: zstandard.compress(b"".join(records)),
    "zstd with dictionary": zstd_with_dictionary,
    "lz4 by record": lambda records: b"".join(map(lz4.frame.compress, records)),
    "lz4 as a whole": lambda records: lz4.frame.compress(b"".join(records)),
    "xz": lambda records: lzma.compress(b"".join(records)),
    "bzip2": lambda records: bz2.compress(b"".join(records)),
}


def flip(data, start, stop):
    return data[:start] + bytes(byte ^ 0x5A for byte in data[start:stop]) + data[stop:]
