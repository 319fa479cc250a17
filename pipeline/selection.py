"""A selection cut into parts: tables of records to fetch, sorted so that files are read forward."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import UserError
from catalogs.faults import RemoteError
from catalogs.remote import Access
from catalogs.sql import literal
from pipeline.address import digest
from pipeline.inputs import LOOKS_AT_ONCE, Input, Inputs, container

FOLDER = "selections"
COLUMNS = {
    "url": ("url", "uri", "target_uri"),
    "file": ("filename", "warc_filename", "file", "path"),
    "offset": ("offset", "warc_record_offset"),
    "length": ("length", "warc_record_length"),
}
SCANS = {
    (".parquet", ".pq"): "read_parquet({})",
    (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz"): "read_csv({}, all_varchar = true)",
    (".jsonl", ".jsonl.gz", ".json", ".ndjson"): "read_json({}, format = 'newline_delimited')",
}
SCHEMA = pa.schema(
    [("file", pa.string()), ("offset", pa.int64()), ("length", pa.int64()), ("url", pa.string())]
)


def find_parts(
    field: str, spec: Inputs, root: str, run_folder: str, source: str, access: Access
) -> list[Input]:
    """Cut the selection of a source into parts of `shard_rows` rows, sorted by file and offset.

    Parts are files of the run folder, named by what they hold.

    Raises
    ------
    UserError
        When a table cannot be read or lacks a column.
    """
    inputs = []
    for index, pattern in enumerate(spec.selection):
        own = f"{field}.selection.{index}'"
        try:
            tables = storage.expand(pattern, root, access)
            if not tables:
                raise UserError(f"{own}: no file matches '{pattern}' (looked in {root})")
            for table in tables:
                for number, part in enumerate(_parts(own, table, spec.shard_rows, access)):
                    path = storage.join(run_folder, FOLDER, f"{_digest(part)}.parquet")
                    _write(part, path)
                    name = f"{container(table, root)}.{number:05d}"
                    stamp = _stamps(part, storage.join(root, spec.base or root), spec, access)
                    stamp = digest([storage.checksum(path), stamp])
                    size = sum(value or 0 for value in part["length"].to_pylist())
                    inputs.append(Input(source, path, name, f"{size}:{stamp}"))
        except (OSError, RemoteError) as error:
            raise UserError(f"{own}: {error}") from None
    return inputs


def _parts(field: str, path: str, rows: int, access: Access) -> Iterator[pa.Table]:
    scan = next((scan for ends, scan in SCANS.items() if path.lower().endswith(ends)), None)
    if scan is None:
        ends = ", ".join(end for group in SCANS for end in group)
        raise UserError(f"{field}: {path}: expected a table whose name ends in {ends}")
    with tempfile.TemporaryDirectory(prefix="corpusmill-") as folder, duckdb.connect() as database:
        local = path
        if storage.is_remote(path):
            local = os.path.join(folder, os.path.basename(path))
            with storage.open_input(path, access) as source, open(local, "wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
        database.execute(f"SET temp_directory = {literal(folder)}")
        table = scan.format(literal(local))
        try:
            names = [row[0] for row in database.execute(f"DESCRIBE FROM {table}").fetchall()]
            query = f"SELECT {_select(field, path, names)} FROM {table} ORDER BY ALL"
            yield from _rechunked(database.sql(query).to_arrow_reader(rows), rows)
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{field}: {path}: cannot be read as a table ({reason})") from None


def _select(field: str, path: str, names: list[str]) -> str:
    """The four columns under their names; numbers that are none become null."""
    known = {name.lower(): name for name in names}
    parts = []
    for column in SCHEMA.names:
        name = next((known[name] for name in COLUMNS[column] if name in known), None)
        kind = "BIGINT" if column in ("offset", "length") else "VARCHAR"
        if name is None and column != "url":
            raise UserError(
                f"{field}: {path}: no column {' or '.join(COLUMNS[column])} "
                f"(columns: {', '.join(names[:20])})"
            )
        value = "NULL" if name is None else '"' + name.replace('"', '""') + '"'
        parts.append(f'TRY_CAST({value} AS {kind}) AS "{column}"')
    return ", ".join(parts)


def _rechunked(batches: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly `rows`, but the last."""
    held = SCHEMA.empty_table()
    for batch in batches:
        held = pa.concat_tables([held, pa.Table.from_batches([batch]).cast(SCHEMA)])
        while len(held) >= rows:
            yield held.slice(0, rows).combine_chunks()
            held = held.slice(rows)
    if len(held):
        yield held.combine_chunks()


def _digest(part: pa.Table) -> str:
    return digest(part.to_pydict())


def _write(part: pa.Table, path: str) -> None:
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}.tmp"
        pq.write_table(part, temporary, compression="zstd")
        os.replace(temporary, path)


def _stamps(part: pa.Table, base: str, spec: Inputs, access: Access) -> list[str]:
    """Versions of the files that a part names: of all local ones, of others if they may change."""
    from concurrent.futures import ThreadPoolExecutor

    def stamp(name: str) -> str:
        path = storage.join(base, name)
        if storage.is_remote(path) and spec.immutable is not False:
            return ""
        try:
            return storage.fingerprint(path, access)
        except FileNotFoundError:
            return "missing"

    names = sorted(set(part["file"].drop_null().to_pylist()))
    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        return list(pool.map(stamp, names))
