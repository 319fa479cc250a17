"""Examples to train classifiers on: from files, or from SQL over the catalogue of a run.

Examples are named by a hash of their text. The hash alone says which are taken when there are too
many, and which are held out, so the same texts give the same sets in whatever order they come.
"""

from __future__ import annotations

import gzip
import heapq
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
import zstandard

from catalogs import storage
from catalogs.audit import PLAN
from catalogs.catalog import open_catalog
from catalogs.errors import UserError, nearest
from catalogs.ledger import Ledger

_SQL = re.compile(r"\s*(?:(?P<run>[^\n]+?):\s+)?(?P<sql>(?:select|with|from)\b.+)", re.I | re.S)
_JSON = (".jsonl", ".ndjson", ".json")
_LINES = (".txt",)
_WHOLE = (".md",)
_LABEL = "__label__"
_BROKEN = (
    *(pa.ArrowInvalid, gzip.BadGzipFile, EOFError, UnicodeDecodeError),
    zstandard.ZstdError,
)
_BATCH = 1024
SPLIT_SEED = 7
"""Seed of the hash that names examples; no other hash of this project has it."""


@dataclass(frozen=True)
class Columns:
    """Where an example's parts stand: `text` always, `label` if asked for.

    Of a run folder with many more documents than `limit`, only some are read, by their ids.
    """

    text: str = "text"
    label: str | None = None
    whole_files: bool = False
    first_chars: int = 0
    limit: int | None = None


@dataclass
class Examples:
    """Texts with labels, sorted by hash.

    `repeated` counts texts seen again, `conflicting` those that came with two labels, `left_out`
    those beyond the limit of their label, `empty` those without a word.
    """

    hashes: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    repeated: int = 0
    conflicting: int = 0
    left_out: int = 0
    empty: int = 0

    def __len__(self) -> int:
        return len(self.texts)


def collect(
    rows: Iterable[tuple[str, Any]], limit: int, per_label: bool = True, keep_first: bool = False
) -> Examples:
    """Examples from ``(text, label)``: each text once, the `limit` least hashes of each label.

    A text that comes with two labels is left out; with `keep_first` it keeps the first. Without
    `per_label` labels are numbers: the limit is for all together, and the first one counts.
    """
    found, heaps, labels = Examples(), {}, {}
    texts: dict[int, str] = {}
    for text, label in rows:
        if not text.strip():
            found.empty += 1
            continue
        name = example_hash(text)
        if name in labels:
            if per_label and label != labels[name]:
                found.conflicting += 1
                labels[name] = labels[name] if keep_first else None
            else:
                found.repeated += 1
            continue
        labels[name] = label
        heap = heaps.setdefault(label if per_label else None, [])
        texts[name] = text
        heapq.heappush(heap, -name)
        if len(heap) > limit:
            found.left_out += 1
            del texts[-heapq.heappop(heap)]
    for name in sorted(texts):
        if labels[name] is None:
            continue
        found.hashes.append(name)
        found.texts.append(texts[name])
        found.labels.append(labels[name])
    return found


def example_hash(text: str) -> int:
    """Name of an example: 64 bits of its words, however they are spaced."""
    return xxhash.xxh3_64_intdigest(" ".join(text.split()).encode("utf-8", "replace"), SPLIT_SEED)


def read_examples(
    specs: Sequence[str], columns: Columns, run: str | None, option: str
) -> Iterator[tuple[str, Any]]:
    """``(text, label)`` of everything that `specs` name; the label is None unless asked for.

    A spec is SQL (over the catalogue of `run`, of the run that it begins with as in ``RUN: select
    …``, or over files that the SQL itself names), a run folder (its documents), or a file, folder
    or glob of .txt (a document a line), .jsonl or .parquet. `option` names the command's option in
    errors.

    Raises
    ------
    UserError
        When something is missing, does not run, or holds no text.
    """
    for spec in specs:
        empty = True
        for text, label in _rows(spec, columns, run, option):
            empty = False
            yield (text[: columns.first_chars] if columns.first_chars else text), label
        if empty:
            raise UserError(f"{option} {_short(spec)}: no text in it")


def _rows(spec: str, columns: Columns, run: str | None, option: str) -> Iterator[tuple[str, Any]]:
    match = _SQL.fullmatch(spec)
    where = f"{option} {_short(spec)}"
    if match:
        root = match["run"] or run
        if root and not storage.exists(storage.join(root, PLAN)):
            raise UserError(f"{where}: {root} is not a run folder (it has no {PLAN})")
        yield from _query(where, root, match["sql"], columns)
        return
    if storage.exists(storage.join(spec, PLAN)):
        what = "*" if columns.label else "text"
        query = f"SELECT {what} FROM documents WHERE coalesce(kept, true)"
        yield from _query(where, spec, query + _some_ids(spec, columns.limit), columns)
        return
    paths = storage.expand(spec)
    if not paths:
        hint = "" if run else "; SQL needs a run: 'RUN: select …', or --run RUN"
        raise UserError(f"{where}: no such file{hint}")
    for path in paths:
        yield from _file(f"{option} {path}", path, columns)


def _some_ids(root: str, limit: int | None) -> str:
    """SQL that leaves about twice `limit` documents: shards are sorted by id, so little is read."""
    documents = sum(row.kept for row in Ledger(root).rows("write"))
    if limit is None or documents <= 4 * limit:
        return ""
    return f" AND id < '{int(2 * limit / documents * (1 << 32)):08x}'"


def _query(where: str, root: str | None, sql: str, columns: Columns) -> Iterator[tuple[str, Any]]:
    with open_catalog(root) if root else duckdb.connect() as connection:
        try:
            result = connection.sql(sql)
            if result is None:
                raise UserError(f"{where}: gives no rows")
            reader = result.to_arrow_reader(_BATCH)
            names = reader.schema.names
            text = columns.text if columns.text in names or len(names) > 1 else names[0]
            yield from _batches(where, reader, names, text, columns.label)
        except duckdb.Error as error:
            raise UserError(f"{where}: does not run: {str(error).splitlines()[0]}") from None


def _file(where: str, path: str, columns: Columns) -> Iterator[tuple[str, Any]]:
    plain = path.removesuffix(".gz").removesuffix(".zst")
    try:
        if plain.endswith(".parquet"):
            with storage.open_input(path) as file:
                table = pq.ParquetFile(file)
                names = table.schema_arrow.names
                wanted = [n for n in (columns.text, columns.label) if n in names]
                batches = table.iter_batches(_BATCH, columns=wanted)
                yield from _batches(where, batches, names, columns.text, columns.label)
        elif plain.endswith(_JSON):
            yield from _json(where, path, columns)
        elif plain.endswith(_LINES + _WHOLE):
            yield from _text(where, path, columns, plain.endswith(_WHOLE))
        else:
            raise UserError(f"{where}: expected .txt, .md, .jsonl or .parquet, or SQL")
    except _BROKEN as error:
        raise UserError(f"{where}: cannot be read: {str(error).splitlines()[0]}") from None


def _batches(where, batches, names, text: str, label: str | None) -> Iterator[tuple[str, Any]]:
    for name in (text, label):
        if name is not None and name not in names:
            hint = nearest(name, names) or f" (columns: {', '.join(names[:12])})"
            raise UserError(f"{where}: no column '{name}'{hint}")
    for batch in batches:
        texts = batch.column(text)
        if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
            raise UserError(f"{where}: column '{text}' is no text but {texts.type}")
        labels = batch.column(label).to_pylist() if label else [None] * len(batch)
        for value, kind in zip(texts.to_pylist(), labels, strict=True):
            if value is not None and (label is None or kind is not None):
                yield value, kind


def _json(where: str, path: str, columns: Columns) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{where}: line {number} is not JSON: {error}") from None
        for name in (columns.text, columns.label):
            if name is not None and (not isinstance(row, dict) or name not in row):
                names = list(row) if isinstance(row, dict) else []
                hint = nearest(name, names) or f" (fields: {', '.join(names[:12])})"
                raise UserError(f"{where}: line {number} has no field '{name}'{hint}")
        if not isinstance(row[columns.text], str):
            raise UserError(f"{where}: line {number}: field '{columns.text}' is no text")
        label = row[columns.label] if columns.label else None
        if columns.label is None or label is not None:
            yield row[columns.text], label


def _text(where: str, path: str, columns: Columns, whole: bool) -> Iterator[tuple[str, Any]]:
    if whole or columns.whole_files:
        if columns.label is not None:
            raise UserError(f"{where}: a file that is one document has no labels")
        yield "".join(_lines(path)), None
        return
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        if columns.label is None:
            yield line.rstrip("\n"), None
            continue
        label, _, text = line.rstrip("\n").partition(" ")
        if not label.startswith(_LABEL):
            raise UserError(f"{where}: line {number} does not begin with {_LABEL}LABEL")
        yield text, label.removeprefix(_LABEL)


def _lines(path: str) -> Iterator[str]:
    with storage.open_input(path) as file:
        lines = file
        if path.endswith(".gz"):
            lines = gzip.GzipFile(fileobj=file)
        elif path.endswith(".zst"):
            decoder = zstandard.ZstdDecompressor()
            lines = io.BufferedReader(decoder.stream_reader(file, read_across_frames=True))
        for line in lines:
            yield line.decode("utf-8-sig" if line.startswith(b"\xef\xbb\xbf") else "utf-8")


def _short(spec: str) -> str:
    text = " ".join(spec.split())
    text = text if len(text) <= 80 else text[:79] + "…"
    return f"'{text}'" if " " in text else os.path.normpath(text)
