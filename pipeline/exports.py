"""Exports: files made from a corpus elsewhere, from which rows are to be taken down."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from catalogs import storage
from catalogs.errors import UserError
from catalogs.takedown import Takedown

SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
_URLS = ("uri", "url")
_IDS = ("id", "row_id")


def find_exports(places: Iterable[str]) -> list[str]:
    """The exported files at these places.

    Raises
    ------
    UserError
        When there is none at a place.
    """
    found = []
    for place in places:
        own = [path for path in storage.expand(place) if path.endswith(SUFFIXES)]
        if not own:
            raise UserError(f"--exports {place}: no file ends with {', '.join(SUFFIXES)}")
        found += own
    return found


def clean_exports(paths: Iterable[str], takedown: Takedown, apply: bool = True) -> dict[str, int]:
    """Rows on the list by file; `apply` writes the files anew without them.

    Rows are known by their columns ``id`` or ``row_id``, ``uri`` or ``url``.

    Raises
    ------
    UserError
        When a file has none of these columns.
    """
    found = {}
    for path in paths:
        clean = _parquet if path.endswith(".parquet") else _jsonl
        temporary = f"{path}.takedown.tmp"
        try:
            count = clean(path, temporary, takedown)
            if count:
                found[path] = count
            if count and apply:
                os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    return found


def _gone(row: dict[str, Any], takedown: Takedown) -> bool:
    ids = [row.get(name) for name in _IDS]
    urls = [row[name] for name in _URLS if row.get(name)] or [None]
    return any(takedown.reason(url, *ids) for url in urls)


def _check(path: str, names: Iterable[str]) -> None:
    if not {*_IDS, *_URLS} & set(names):
        raise UserError(
            f"--exports {path}: no column {', '.join((*_IDS, *_URLS))} to know rows by; "
            "make the export again"
        )


def _parquet(path: str, temporary: str, takedown: Takedown) -> int:
    count = 0
    with pq.ParquetFile(path) as reader:
        names = [name for name in (*_IDS, *_URLS) if name in reader.schema_arrow.names]
        _check(path, names)
        codec = reader.metadata.row_group(0).column(0).compression if reader.num_row_groups else ""
        codec = "NONE" if codec in ("", "UNCOMPRESSED") else codec
        with pq.ParquetWriter(temporary, reader.schema_arrow, compression=codec) as writer:
            for group in range(reader.num_row_groups):
                table = reader.read_row_group(group)
                gone = [_gone(row, takedown) for row in table.select(names).to_pylist()]
                count += sum(gone)
                table = table.filter(pa.array([not one for one in gone], pa.bool_()))
                if len(table):
                    writer.write_table(table)
    return count


def _jsonl(path: str, temporary: str, takedown: Takedown) -> int:
    count = 0
    with _open(path, "rb") as source, _open(temporary, "wb", path) as sink:
        for line in _lines(source):
            row = json.loads(line) if line.strip() else {}
            if row:
                _check(path, row)
            if row and _gone(row, takedown):
                count += 1
            else:
                sink.write(line)
    return count


def _open(path: str, mode: str, name: str = "") -> BinaryIO:
    name = name or path
    if name.endswith(".gz"):
        return gzip.GzipFile(path, mode, mtime=0)
    return zstandard.open(path, mode) if name.endswith(".zst") else open(path, mode)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while block := source.read(1 << 20):
        *lines, rest = (rest + block).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest
