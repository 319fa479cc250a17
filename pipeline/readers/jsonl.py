"""JSON Lines, plain or compressed: a bad line costs that line, damage costs what it hits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from pipeline.readers.compression import Run, detect_codec, runs
from pipeline.readers.input_file import InputFile
from pipeline.readers.options import take
from pipeline.readers.rows import DEFAULTS, row_record
from pipeline.records import Record


def read(
    path: str,
    container: str,
    *,
    open_file: Callable[[str], BinaryIO],
    options: Mapping[str, Any],
) -> Iterator[Record]:
    """Read a file of one JSON object a line; gzip, Zstandard, xz and bzip2 are recognised.

    Parameters
    ----------
    options
        ``max_bytes`` of a line (64 MiB), and `pipeline.readers.rows.DEFAULTS`.

    Yields
    ------
    Record
        One a line that is not blank; `offset` is the line's number from 0, `length` its bytes.
        After damage to a compressed file one record tells what was lost, and reading goes on at
        the next member that begins with an object, if there is one.
    """
    known = take("jsonl", options, **DEFAULTS)
    with open_file(path) as binary:
        file = InputFile(binary)
        if not file.size:
            detail = "the file is empty"
            yield Record(container, length=0, error="empty_file", detail=detail)
            return
        number = 0
        codec = detect_codec(file, path, _begins_object)
        for run in runs(file, codec, accept=_begins_object):
            for line, size in _lines(run, known["max_bytes"]):
                base = {"container": container, "offset": number, "length": size}
                number += 1
                record = _record(line, size, base, known)
                if record is not None:
                    yield record
            if run.lost is not None:
                lost = run.end - run.lost.at or None  # what a cut lost cannot be known
                detail = f"line {number + 1}, byte {run.lost.at} of the file: {run.lost.detail}"
                yield Record(
                    container, offset=number, length=lost, error=run.lost.error, detail=detail
                )
                number += 1


def _begins_object(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _record(
    line: bytes | None, size: int, base: dict[str, Any], options: Mapping[str, Any]
) -> Record | None:
    where = f"line {base['offset'] + 1}"
    if line is None:
        detail = f"{where}: {size} bytes, limit {options['max_bytes']}"
        return Record(**base, error="oversized", detail=detail)
    if base["offset"] == 0:
        line = line.removeprefix(b"\xef\xbb\xbf")
    if not line.strip():
        return None
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        detail = f"{where}, byte {error.start}: {error.reason}"
        return Record(**base, error="invalid_utf8", detail=detail)
    except (ValueError, RecursionError) as error:
        return Record(**base, error="invalid_json", detail=f"{where}: {error}"[:300])
    if not isinstance(row, dict):
        detail = f"{where}: expected an object, got {type(row).__name__}"
        return Record(**base, error="invalid_json", detail=detail)
    return row_record(row, base, options)


def _lines(run: Run, limit: int) -> Iterator[tuple[bytes | None, int]]:
    """Lines of a run with their size in bytes; None for the line where it is over the limit.

    The end of a run that damage cut is no line: it is part of what was lost.
    """
    parts: list[bytes] = []
    size = 0
    for chunk in run.chunks:
        begin = 0
        while (end := chunk.find(b"\n", begin)) >= 0:
            size += end - begin
            yield (b"".join([*parts, chunk[begin:end]]) if size <= limit else None), size
            parts, size, begin = [], 0, end + 1
        size += len(chunk) - begin
        if size <= limit:
            parts.append(chunk[begin:])
        else:
            parts = []
    if size and run.lost is None:
        yield (b"".join(parts) if size <= limit else None), size
