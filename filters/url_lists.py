"""Lists of URLs, compiled: look-up tables, reasons and expressions, in memory or in one file.

The file is an Arrow IPC file of one row whose columns are the arrays of the tables; it is mapped
into memory, so that all processes of a machine share one copy of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.arrow import readonly
from filters.hosts import canonical_host
from filters.url_kernels import NAME, PAGE, TOKEN, Tables, hash_lines
from filters.url_table import MAX_CODE, Table, make_table

KINDS = {
    "allowed_domain": ("allowed_domains", NAME),
    "allowed_page": ("allowed_pages", PAGE),
    "domain": ("domains", NAME),
    "host": ("hosts", NAME),
    "page": ("pages", PAGE),
    "prefix": ("prefixes", PAGE),
    "extension": ("extensions", TOKEN),
    "word": ("words", TOKEN),
}
"""Kinds of lists: the table they go to, and how their entries are read."""
EXPRESSION = "expression"
_CHUNK = 100_000


class UrlList(NamedTuple):
    """One list: what its entries are, the category they stand for ('' for none), and the entries.

    ``entries`` yields lines (str), or blocks of whole lines (bytes, UTF-8).
    """

    kind: str
    category: str
    entries: Iterable[str | bytes]


class Compiled(NamedTuple):
    """What a filter looks up."""

    tables: Tables
    reasons: list[str | None]
    """``reasons[code]``; the first is None."""
    expressions: list[tuple[str, str]]
    """Reason and regular expression (RE2), in order."""


def compile_lists(lists: Iterable[UrlList]) -> Compiled:
    """Tables of many lists; where lists share an entry, the first of them gives the reason.

    Raises ValueError for an unknown kind, for an expression that RE2 does not read, and for more
    than 255 pairs of kind and category.
    """
    reasons: list[str | None] = [None]
    parts: dict[str, list] = {name: [] for name in Tables._fields}
    expressions = []
    for one in lists:
        reason = f"url:{one.kind}" + (f":{one.category}" if one.category else "")
        if one.kind == EXPRESSION:
            for line in _lines(one.entries):
                check_expression(line)
                expressions.append((reason, line))
            continue
        if one.kind not in KINDS:
            raise ValueError(f"unknown kind of list {one.kind!r} (valid: {', '.join(KINDS)})")
        if reason not in reasons:
            reasons.append(reason)
        table, reading = KINDS[one.kind]
        hashes = [hash_entries(block, reading) for block in _blocks(one.entries)]
        code = reasons.index(reason)
        parts[table].append((np.concatenate([np.zeros(0, np.uint64), *hashes]), code))
    if len(reasons) > MAX_CODE + 1:
        raise ValueError(f"{len(reasons) - 1} kinds and categories of lists, at most {MAX_CODE}")
    tables = Tables(*(make_table(parts[name]) for name in Tables._fields))
    return Compiled(tables, reasons, expressions)


def hash_entries(block: bytes, reading: int) -> np.ndarray:
    """Hashes (uint64) of the entries in a block of lines; case does not count."""
    if not block.isascii():
        block = b"\n".join(
            line if line.isascii() else _ascii_line(line, reading) for line in block.split(b"\n")
        )
    hashes = np.empty(block.count(b"\n") + 1, np.uint64)
    found = hash_lines(readonly(np.frombuffer(block, np.uint8)), reading, hashes)
    return hashes[:found].copy()


def check_expression(pattern: str) -> None:
    """Raise ValueError unless RE2 reads the expression."""
    try:
        pc.match_substring_regex(pa.array(["a"]), pattern, ignore_case=True)
    except pa.ArrowInvalid as error:
        raise ValueError(str(error).splitlines()[0].removeprefix("Invalid regular ")) from None


def save_lists(compiled: Compiled, path: str) -> None:
    """Write tables, reasons and expressions to a file; equal lists give equal bytes."""
    about = {"reasons": compiled.reasons, "expressions": compiled.expressions}
    columns = {}
    for name, table in zip(Tables._fields, compiled.tables, strict=True):
        for part, array in zip(Table._fields, table, strict=True):
            ends = pa.array([0, len(array)], pa.int64())
            columns[f"{name}.{part}"] = pa.LargeListArray.from_arrays(ends, pa.array(array))
    batch = pa.RecordBatch.from_pydict(columns)
    batch = batch.replace_schema_metadata({"url_lists": json.dumps(about)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def open_lists(path: str) -> Compiled:
    """Map a file of :func:`save_lists` into memory; nothing is read before it is looked up."""
    with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
        batch = reader.get_batch(0)
        about = json.loads(reader.schema.metadata[b"url_lists"])

    def array(name: str) -> np.ndarray:
        return readonly(batch.column(name).values.to_numpy(zero_copy_only=True))

    tables = (
        Table(*(array(f"{name}.{part}") for part in Table._fields)) for name in Tables._fields
    )
    return Compiled(Tables(*tables), about["reasons"], [tuple(e) for e in about["expressions"]])


def _blocks(entries: Iterable[str | bytes]) -> Iterator[bytes]:
    held: list[str] = []
    for entry in entries:
        if isinstance(entry, bytes):
            yield entry
            continue
        held.append(entry)
        if len(held) == _CHUNK:
            yield "\n".join(held).encode()
            held = []
    if held:
        yield "\n".join(held).encode()


def _lines(entries: Iterable[str | bytes]) -> Iterator[str]:
    for block in _blocks(entries):
        for line in block.decode("utf-8", "replace").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line.strip()


def _ascii_line(line: bytes, reading: int) -> bytes:
    """A line with its host in punycode; bare words stay as they are."""
    fields = line.decode("utf-8", "replace").split("#")[0].split()
    if not fields or reading == TOKEN:
        return line
    host, slash, path = fields[-1].split("://")[-1].removeprefix("*.").partition("/")
    return f"{canonical_host(host)}{slash}{path}".encode()
