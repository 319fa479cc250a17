"""dedup: exact and near-duplicate removal on its own."""

from __future__ import annotations

import glob
import os
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from catalogs import storage
from catalogs.errors import UserError, explain_validation
from corpusmill.options import Workers
from corpusmill.terminal import errors, output, progress, show_table, size

Files = Annotated[
    list[str], typer.Argument(help="Parquet files, folders or globs.", metavar="FILES")
]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Mill")(dedup)


def dedup(
    files: Files,
    out: Annotated[str, typer.Option(help="Folder for the attribute files.")],
    jaccard: Annotated[
        float, typer.Option(help="Jaccard similarity of near duplicates; 0 trusts the bands.")
    ] = 0.7,
    bands: Annotated[int, typer.Option(help="Bands of the MinHash signature.")] = 14,
    rows: Annotated[int, typer.Option(help="Permutations to a band.")] = 8,
    shingle: Annotated[int, typer.Option(help="Words (or characters) to a shingle.")] = 5,
    unit: Annotated[str, typer.Option(help="Shingles of 'word's or 'char's.")] = "word",
    exact: Annotated[
        str, typer.Option(help="What counts as identical: raw, whitespace, nfc_case or none.")
    ] = "raw",
    fuzzy: Annotated[bool, typer.Option(help="Find near duplicates, too.")] = True,
    signatures: Annotated[
        str, typer.Option(help="native, or as datatrove hashes: datatrove, datatrove_sha1.")
    ] = "native",
    keep: Annotated[
        list[str] | None,
        typer.Option(help="SQL order over columns, best row first; may be given again."),
    ] = None,
    scope: Annotated[str, typer.Option(help="Compare 'all' rows, or within each 'source'.")] = (
        "all"
    ),
    priority: Annotated[
        list[str] | None, typer.Option(help="A source that wins over those named later.")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="A finished run that comes before these files.")
    ] = None,
    workers: Workers = None,
    memory: Annotated[int, typer.Option(min=128, help="Memory of one job, MiB.")] = 1024,
) -> None:
    """Find exact and near duplicates in any Parquet files with the columns id and text.

    Writes OUT/attributes/dedup/NAME.parquet for each file (a folder of that name for a large one):
    its rows, in its order, with id, dup_cluster, dup_count, dup_kept_id, dup_jaccard, kept and
    reason. Run it again to go on after a kill. OUT is an index: give it as --against to a later
    run.

    Example: corpusmill dedup crawl/*.parquet --out runs/dedup --keep "quality desc" --workers 2
    """
    from pipeline.dedup_config import DedupConfig
    from pipeline.dedup_flow import Limits
    from pipeline.dedup_run import default_keep, run_dedup
    from pipeline.progress import Progress
    from pipeline.schedule import Settings

    paths = _expand(files)
    options: dict[str, Any] = {
        "jaccard": jaccard or None,
        "bands": bands,
        "rows": rows,
        "ngram": shingle,
        "unit": unit,
        "exact": exact,
        "fuzzy": fuzzy,
        "signatures": signatures,
        "keep": default_keep(paths) if keep is None else keep,
        "scope": scope,
        "priority": priority or (),
        "against": against or (),
    }
    try:
        config = DedupConfig.model_validate(options)
    except ValidationError as error:
        told = explain_validation("dedup", error, DedupConfig).replace("field 'ngram'", "'shingle'")
        raise UserError(told) from None
    found = run_dedup(
        paths, out, config, Settings(workers=workers), Progress(progress), Limits.of(memory)
    )
    _show(found, config, out)


def _show(found: Any, config: Any, out: str) -> None:
    body = []
    for path, rows in found.files.items():
        exact, near = (
            sum(row.rejected.get(f"dedup:{kind}_duplicate", 0) for row in rows)
            for kind in ("exact", "near")
        )
        counts = [sum(row.read for row in rows), sum(row.kept for row in rows)]
        body.append([os.path.relpath(path), *counts, exact, near])
    if len(body) > 1:
        body.append(["all", *(sum(row[at] for row in body) for at in range(1, 5))])
    columns = ["file", "rows", "kept", "exact", "near"]
    show_table("Rows kept, and exact and near duplicates that go", columns, body, " ".join(columns))
    read, kept = body[-1][1:3]
    output.print(
        f"{read - kept:,} of {read:,} rows go ({100 * (read - kept) / max(read, 1):.1f} %), "
        f"{found.clusters:,} groups, the largest of {found.largest:,} rows"
    )
    if config.fuzzy:
        from pipeline.minhash import expected_recall

        chances = ", ".join(
            f"{expected_recall(j, config.bands, config.rows):.1%} at {j}" for j in (0.7, 0.8, 0.9)
        )
        output.print(f"chance that a pair of this Jaccard similarity is compared: {chances}")
    if found.repeated_ids:
        errors.print(
            f"note: {found.repeated_ids:,} ids name more than one row, such as "
            f"'{found.repeated_id}'; every row was judged by its own text, in its file's order",
            markup=False,
            soft_wrap=True,
        )
    rate = f", {size(found.text_bytes / max(found.seconds, 1e-9))}/s" if found.text_bytes else ""
    if found.done:
        output.print(f"{found.done} tasks in {found.seconds:.1f} s{rate}")
    else:
        output.print(f"nothing to do: all {found.skipped} tasks were already committed")
    output.print(f"attributes: {os.path.join(out, 'attributes', 'dedup')}", soft_wrap=True)


def _expand(files: list[str]) -> list[str]:
    paths = []
    for pattern in files:
        if storage.is_remote(pattern):
            raise UserError(f"{pattern}: give local files; a run reads object stores")
        found = storage.expand(pattern)
        if os.path.isdir(pattern):
            found = [path for path in found if path.endswith((".parquet", ".pq"))]
        if not found:
            what = "no Parquet file" if os.path.isdir(pattern) else "no such file"
            what = "no file matches" if glob.has_magic(pattern) else what
            raise UserError(f"{pattern}: {what}")
        paths += found
    return paths
