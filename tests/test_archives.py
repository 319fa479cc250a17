"""PDFs in tar and zip archives: a record a member, whatever the archive tries."""

import bz2
import gzip
import io
import struct
import tarfile
import zipfile
from collections import Counter

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs import storage
from pipeline.readers import READERS
from tests.pdfs import Page, make

PDF = make(Page().text(72, 100, "The river had been rising.")).bytes()
FILES = {"a.pdf": PDF, "deep/b.pdf": PDF + b"\n", "notes.txt": b"no PDF", "bad.pdf": b"<html>"}


def zipped(files, compression=zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files, extra=()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return out.getvalue()


def read(tmp_path, data: bytes, name="in.bin", **options):
    path = tmp_path / name
    path.write_bytes(data)
    return list(READERS["pdf"](str(path), name, open_file=storage.open_input, options=options))


def verdicts(records):
    return [record.error or record.reject or "ok" for record in records]


PACKERS = {
    "zip": zipped,
    "stored zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "tar": tarred,
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.zst": lambda files: zstandard.compress(tarred(files)),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_every_member_is_a_record(tmp_path, packer):
    records = read(tmp_path, PACKERS[packer](FILES))
    assert verdicts(records) == ["ok", "ok", "media_type", "not_pdf"]
    assert [record.payload for record in records] == [PDF, PDF + b"\n", None, None]
    assert [record.uri for record in records][:2] == ["in.bin!/a.pdf", "in.bin!/deep/b.pdf"]
    assert {record.container for record in records} == {"in.bin"}
    assert records[0].media_type == "application/pdf" and records[0].length == len(PDF)


def test_names_are_labels_only(tmp_path):
    names = ["../../etc/x.pdf", "/abs.pdf", "..\\win.pdf", "a\nb\x1b[31m.pdf", "c//./d.pdf", ".."]
    records = read(tmp_path, zipped(dict.fromkeys(names, PDF)))
    assert [record.uri for record in records] == [
        f"in.bin!/{name}"
        for name in ["etc/x.pdf", "abs.pdf", "win.pdf", "ab[31m.pdf", "c/d.pdf", "unnamed"]
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["in.bin"]


def test_links_devices_and_folders(tmp_path):
    kinds = []
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        info = tarfile.TarInfo("link.pdf")
        info.type, info.linkname = kind, "/etc/passwd"
        kinds.append(info)
    folder = tarfile.TarInfo("folder")
    folder.type = tarfile.DIRTYPE
    records = read(tmp_path, tarred({"a.pdf": PDF}, [folder, *kinds]))
    assert verdicts(records) == ["ok"] + ["not_file"] * 4
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link.pdf")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("folder/", "")
    assert verdicts(read(tmp_path, out.getvalue())) == ["not_file"]


def test_encrypted_members_are_named_and_the_others_read(tmp_path):
    data = bytearray(zipped({"a.pdf": PDF, "b.pdf": PDF}))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # flag bit 0 of the first member
        data[data.index(magic) + at] |= 1
    assert verdicts(read(tmp_path, bytes(data))) == ["encrypted_member", "ok"]


def test_bombs_are_left_at_the_limit(tmp_path):
    bomb = b"%PDF-1.4\n" + bytes(3_000_000)
    for pack in (zipped, lambda files: gzip.compress(tarred(files))):
        data = pack({"bomb.pdf": bomb, "a.pdf": PDF})
        assert verdicts(read(tmp_path, data, max_bytes=1_000_000)) == ["oversized", "ok"]
    lying = bytearray(zipped({"bomb.pdf": bomb}))
    at = lying.index(b"PK\x01\x02")
    struct.pack_into("<L", lying, at + 24, 10)  # declares ten bytes
    [record] = read(tmp_path, bytes(lying), max_bytes=1_000_000)
    assert record.error in ("oversized", "archive_damaged") and record.payload is None


def test_a_tar_header_that_fills_the_memory_is_refused(tmp_path):
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.XHDTYPE, 200 << 20
    data = gzip.compress(info.tobuf() + bytes(64 << 20), 1)
    [record] = read(tmp_path, data)
    assert record.error == "archive_damaged" and "header of more than" in record.detail


def test_cut_archives_keep_what_stands_before_the_cut(tmp_path):
    data = tarred({"a.pdf": PDF, "b.pdf": PDF})
    records = read(tmp_path, data[: len(PDF) + 1024 + 700])
    assert verdicts(records)[0] == "ok"
    assert set(verdicts(records)[1:]) <= {"archive_damaged"} and len(records) > 1
    packed = gzip.compress(tarred(dict.fromkeys("abc", b"%PDF-1.4" + bytes(range(256)) * 900)))
    assert "archive_damaged" in verdicts(read(tmp_path, packed[: len(packed) // 2]))
    assert verdicts(read(tmp_path, zipped(FILES)[:-30])) == ["archive_damaged"]
    assert verdicts(read(tmp_path, zipped({}))) == ["empty_file"]


def test_a_pdf_alone_is_read_as_before(tmp_path):
    for data in (PDF, gzip.compress(PDF), zstandard.compress(PDF)):
        [record] = read(tmp_path, data)
        assert record.payload == PDF and record.uri == "in.bin"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["zip", "tar"]), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255))))
def test_flipped_bytes_lose_no_account(tmp_path_factory, kind, flips):
    data = bytearray(PACKERS[kind](FILES))
    for place, value in flips:
        data[min(int(place * len(data)), len(data) - 1)] = value
    records = read(tmp_path_factory.mktemp("flips"), bytes(data))
    assert records
    counts = Counter(bool(record.payload) for record in records)
    assert counts[True] == verdicts(records).count("ok")
