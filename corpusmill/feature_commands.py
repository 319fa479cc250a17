"""features: every heuristic feature and the verdicts of filters for a file, without Ray."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from catalogs import storage
from catalogs.errors import UserError, nearest
from corpusmill.terminal import errors, progress, show_table

BATCH_BYTES = 8 << 20
"""Text worked on at a time, about; the memory that the command needs depends on it alone."""
BATCH_ROWS = 4096
ROW_GROUP = 16384
"""Rows of a row group of the output."""


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Parse")(features)


def features(
    file: Annotated[str, typer.Argument(help="FILE.parquet or FILE.jsonl[.gz].", metavar="FILE")],
    out: Annotated[str, typer.Option(help="Parquet file to write.")],
    words: Annotated[str, typer.Option(help="Word rules: default or spacy.")] = "default",
    preset: Annotated[
        list[str] | None, typer.Option(help="Filter to judge by; may be given again. Default: all.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    id_column: Annotated[str, typer.Option(help="Column of the ids.")] = "id",
    language_column: Annotated[
        str | None, typer.Option(help="Column of languages (ISO 639-1), for stop words.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language of all texts.")] = None,
) -> None:
    """Write every feature, and per filter its verdict and reason, for each document of a file.

    Memory stays bounded. A file without the column of ids gets the number of the row, from 0.

    Example: corpusmill features pages.parquet --words spacy --out features.parquet
    """
    from filters import load_preset, preset_names
    from filters.heuristics import WORD_RULES

    spoken = bool(language or language_column)
    names = preset or [name for name in preset_names() if spoken or name != "fineweb2"]
    try:
        presets = [load_preset(name) for name in names]
    except ValueError as error:
        raise UserError(f"--preset: {error}") from None
    if words not in WORD_RULES:
        raise UserError(f"--words {words}: expected one of {', '.join(WORD_RULES)}")
    if not spoken and any(rule.language for judge in presets for rule in judge.rules):
        raise UserError("--preset fineweb2 needs --language or --language-column")
    if os.path.abspath(out) == os.path.abspath(file):
        raise UserError(f"--out {out}: is the input file, name another")
    folder = os.path.dirname(os.path.abspath(out))
    if not os.path.isdir(folder):
        raise UserError(f"--out {out}: there is no folder {folder}")
    if not os.path.isfile(file) and not storage.is_remote(file):
        raise UserError(f"{file}: no such file")
    wanted = {"text": text_column, "id": id_column, "language": language_column}
    began = time.process_time()
    with storage.open_input(file) as source:
        source.seek(0, os.SEEK_END)
        total = source.tell()
        source.seek(0)
        tables = _tables(file, source, wanted, language)
        measured = _measure(tables, words, presets, spoken)
        sums = _write(out, measured, names, lambda: source.tell() / max(total, 1))
    _tell(out, names, sums, time.process_time() - began)


def _measure(tables: Iterator[pa.Table], words: str, presets: list, spoken: bool):
    """Batches of ids, features, verdicts and reasons, with the bytes of their texts."""
    from filters import features as measure
    from filters import judge

    for table in tables:
        languages = table["language"].combine_chunks() if spoken else None
        batch = measure(table["text"].combine_chunks(), words=words, languages=languages)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        judged = batch
        if spoken:
            judged = batch.append_column("language", languages)
        row = {"id": table["id"].combine_chunks(), **columns}
        for preset in presets:
            reasons = judge(judged, [preset]).to_pylist()
            kept = [reason is None for reason in reasons]
            row[f"{preset.name}_keep"] = pa.array(kept, pa.bool_())
            bare = [reason and reason.partition(":")[2] for reason in reasons]
            row[f"{preset.name}_reason"] = pa.array(bare, pa.string())
        yield pa.table(row), sum(batch.column("n_bytes").to_pylist())


def _write(
    out: str, measured: Iterator[tuple[pa.Table, int]], names: list[str], share: Callable[[], float]
) -> dict[str, int]:
    """Write the file under a temporary name, then under its own; what was written, summed up."""
    from rich.progress import Progress

    temporary = f"{out}.part"
    sums = {"documents": 0, "bytes": 0, **{f"{name}_keep": 0 for name in names}}
    writer = None
    try:
        with Progress(console=progress, transient=True) as bar:
            task = bar.add_task("features", total=1.0)
            pending: list[pa.Table] = []
            for table, size in measured:
                if writer is None:
                    writer = pq.ParquetWriter(temporary, table.schema, compression="zstd")
                pending.append(table)
                if sum(map(len, pending)) >= ROW_GROUP:
                    writer.write_table(pa.concat_tables(pending))
                    pending = []
                sums["documents"] += len(table)
                sums["bytes"] += size
                for name in names:
                    sums[f"{name}_keep"] += sum(table[f"{name}_keep"].to_pylist())
                bar.update(task, completed=share())
        if writer is None:
            raise UserError("the input holds no documents")
        if pending:
            writer.write_table(pa.concat_tables(pending))
        writer.close()
        os.replace(temporary, out)
    finally:
        if writer is not None:
            writer.close()
        if os.path.exists(temporary):
            os.remove(temporary)
    return sums


def _tell(out: str, names: list[str], sums: dict[str, int], seconds: float) -> None:
    documents = sums["documents"]
    rows = [
        (name, sums[f"{name}_keep"], 100 * sums[f"{name}_keep"] / max(documents, 1))
        for name in names
    ]
    show_table(None, ["filter", "kept", "kept %"], rows, right="kept kept %")
    speed = sums["bytes"] / 1e6 / max(seconds, 1e-9)
    errors.print(
        f"{documents:,} documents, {sums['bytes'] / 1e6:,.1f} MB in {seconds:,.1f} CPU s "
        f"({speed:,.1f} MB/s with loading, reading and writing); wrote {out}",
        markup=False,
    )


def _tables(
    path: str, file: Any, wanted: dict[str, str | None], language: str | None
) -> Iterator[pa.Table]:
    """Batches with the columns text, id and language."""
    suffix = path.removesuffix(".gz")
    if suffix.endswith(".parquet"):
        batches = _parquet(path, file, wanted)
    elif suffix.endswith((".jsonl", ".ndjson", ".json")):
        lines = gzip.GzipFile(fileobj=file) if path.endswith(".gz") else file
        batches = _json(path, lines, wanted)
    else:
        raise UserError(f"{path}: expected a .parquet or .jsonl[.gz] file")
    for columns in batches:
        if language:
            columns["language"] = [language] * len(columns["text"])
        columns.setdefault("language", [None] * len(columns["text"]))
        yield pa.table(
            {
                "id": columns["id"],
                "text": pa.array(columns["text"], pa.large_string()),
                "language": pa.array(columns["language"], pa.string()),
            }
        )


def _parquet(path: str, file: Any, wanted: dict[str, str | None]) -> Iterator[dict[str, Any]]:
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}"
        ) from None
    names = table.schema_arrow.names
    for option, key in (("--text-column", "text"), ("--language-column", "language")):
        if wanted[key] and wanted[key] not in names:
            hint = nearest(wanted[key], names) or f" (columns: {_some(names)})"
            raise UserError(f"{path}: {option}: no column '{wanted[key]}'{hint}")
    present = {key: name for key, name in wanted.items() if name in names}
    row = 0
    for batch in table.iter_batches(256, columns=list(dict.fromkeys(present.values()))):
        columns: dict[str, Any] = {key: batch.column(name) for key, name in present.items()}
        if columns["text"].null_count:
            at = row + columns["text"].is_null().index(True).as_py()
            raise UserError(f"{path}: the text of row {at} is null: drop the row first")
        columns.setdefault("id", pa.array(range(row, row + len(batch)), pa.int64()))
        row += len(batch)
        yield columns


def _json(path: str, lines: Any, wanted: dict[str, str | None]) -> Iterator[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    size = 0
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            rows.append(_json_row(f"{path}: line {number}", line, number - 1, wanted))
            size += len(line)
            if size >= BATCH_BYTES or len(rows) >= BATCH_ROWS:
                yield _json_columns(rows)
                rows, size = [], 0
    except (EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: damaged after line {number}: {error}") from None
    if rows:
        yield _json_columns(rows)


def _json_row(where: str, line: bytes, row: int, wanted: dict[str, str | None]) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON: {error}") from None
    text = found.get(wanted["text"]) if isinstance(found, dict) else None
    if not isinstance(text, str):
        names = list(found) if isinstance(found, dict) else []
        hint = nearest(wanted["text"], names) or f" (fields: {_some(names)})"
        raise UserError(f"{where}: --text-column: no text in '{wanted['text']}'{hint}")
    text = text.encode("utf-8", "replace").decode()  # lone surrogates of \\ud800
    return {
        "id": str(found.get(wanted["id"], row)),
        "text": text,
        "language": found.get(wanted["language"]) if wanted["language"] else None,
    }


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:12])) + (", ..." if len(names) > 12 else "")


def _json_columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": pa.array([row["id"] for row in rows], pa.string()),
        "text": [row["text"] for row in rows],
        "language": [row["language"] for row in rows],
    }
