"""features: every heuristic feature and the verdicts of filters for a file, without Ray."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from catalogs import storage
from catalogs.errors import UserError
from corpusmill.terminal import errors, progress, show_table

ROW_GROUP = 16384
"""Rows of a row group of the output."""


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Parse")(features)


def features(
    file: Annotated[
        str, typer.Argument(help="FILE.parquet or FILE.jsonl[.gz|.zst].", metavar="FILE")
    ],
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
    from corpusmill.feature_inputs import batches
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
    if os.path.realpath(out) == os.path.realpath(file):
        raise UserError(f"--out {out}: is the input file, name another")
    if os.path.isdir(out):
        raise UserError(f"--out {out}: is a folder, name a file")
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
        tables = batches(file, source, wanted, language)
        measured = _measure(tables, words, presets, spoken)
        sums = _write(file, out, measured, names, lambda: source.tell() / max(total, 1))
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
    file: str,
    out: str,
    measured: Iterator[tuple[pa.Table, int]],
    names: list[str],
    share: Callable[[], float],
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
                    writer = _writer(temporary, table.schema)
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
            raise UserError(f"{file}: holds no documents")
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


def _writer(path: str, schema: pa.Schema) -> pq.ParquetWriter:
    try:
        return pq.ParquetWriter(path, schema, compression="zstd")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


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
