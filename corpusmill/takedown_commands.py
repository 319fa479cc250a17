"""takedown: rows leave a run, and stay out of it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from catalogs import storage
from catalogs.errors import DamageError, UserError
from corpusmill.terminal import errors, output, progress, show_table

Run = Annotated[str, typer.Argument(help="The run folder.", metavar="RUN")]
SHOWN = 20
File = typer.Option(help="File with one a line ('-': standard input).", metavar="FILE")


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Catalogue")(takedown)


def takedown(
    root: Run,
    urls: Annotated[str | None, File] = None,
    ids: Annotated[str | None, File] = None,
    hosts: Annotated[str | None, File] = None,
    exports: Annotated[
        list[str] | None,
        typer.Option(
            help="Exports elsewhere: folders of corpusmill export, Parquet or JSONL files."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what is affected.")] = False,
) -> None:
    """Take documents out of a run: list the files that hold them, and write these anew.

    By URL (scheme and fragment do not matter), by id of a text or of a row, or by host ('*.name'
    for all hosts below a name). The text goes from corpus/, documents/, rejected/ and every
    attribute file; the ledger still sums up, with the rows rejected at the stage 'takedown'. The
    run keeps the list, so that running its recipe again does not bring them back. Exports beside
    the run that hold such rows are made again, as their manifests say.

    Example: corpusmill takedown runs/demo --urls wanted-out.txt
    """
    from catalogs.audit import load_plan
    from catalogs.takedown import Takedown
    from mixing.export.manifest import is_export
    from mixing.export.renew import exports_of, holds
    from pipeline.exports import clean_exports, find_exports
    from pipeline.progress import Progress
    from pipeline.run import lock
    from pipeline.takedown import take_down
    from pipeline.takedown_find import taken_rows

    load_plan(root)
    asked = Takedown.of(_lines(urls, "urls"), _lines(hosts, "hosts"), _lines(ids, "ids"))
    before = Takedown.load(root)
    if not asked and not before:
        raise UserError("nothing to take down: give --urls, --ids or --hosts with a file")
    with lock(root):
        own = [place for place in exports or [] if is_export(place)]
        found = find_exports(place for place in exports or [] if place not in own)
        folders = exports_of(root, own)
        whole = before | asked
        report = take_down(root, asked, apply=False)
        exported = clean_exports(found, whole, apply=False)
        body = [[a.step, a.shard, a.path, a.rows] for a in report.files]
        body += [["export", "", path, rows] for path, rows in exported.items()]
        gone = taken_rows(root) | report.row_ids
        held = {folder: holds(folder, gone) for folder in folders} if gone else {}
        body += [
            ["export", shard, os.path.relpath(folder), rows]
            for folder, shards in held.items()
            for shard, rows in shards.items()
        ]
        if body:
            show_table("Affected", ["step", "shard", "file", "rows"], body, "rows")
        if report.copies:
            output.print(
                f"{report.copies:,} copies of these texts from other places stay; "
                "give their id with --ids to take all copies"
            )
        _tell_unknown(asked.entries - before.entries, report.entries)
        if dry_run:
            output.print(f"{report.rows:,} rows would be taken down; nothing was changed")
            return
        shards = len({(affected.step, affected.shard) for affected in report.files})
        with Progress(progress).step("takedown", shards, 0) as advance:
            take_down(root, asked, each=advance)
        clean_exports(found, whole)
    for folder in (folder for folder, shards in held.items() if shards):
        _renew(folder)
    output.print(
        f"{report.rows:,} rows taken down, {len(body):,} files written anew", soft_wrap=True
    )
    if report.rows:
        errors.print("proxy models and reports that were made from these texts are to be redone")


def _tell_unknown(asked: set, known: set) -> None:
    """Name the new entries that no row of the run is on."""
    unknown = sorted(asked - known)
    if unknown:
        shown = ", ".join(f"{kind} {entry}" for kind, entry in unknown[:SHOWN])
        more = f" and {len(unknown) - SHOWN:,} more" if len(unknown) > SHOWN else ""
        errors.print(
            f"not found in this run: {len(unknown):,} of {len(asked):,} entries: "
            f"{shown}{more}; the list of the run keeps them out of later inputs",
            soft_wrap=True,
            markup=False,
        )


def _renew(folder: str) -> None:
    """Make an export again; it must not stand with what was taken down."""
    from mixing.export.renew import renew
    from pipeline.progress import Progress
    from pipeline.schedule import Settings

    try:
        renew(folder, Settings(), Progress(progress))
    except UserError as error:
        raise DamageError(
            f"{os.path.relpath(folder)}: the run is clean, but this export still holds texts that "
            f"were taken down: it cannot be made again ({error}); delete it"
        ) from None


def _lines(path: str | None, name: str) -> list[str]:
    if path is None:
        return []
    if path == "-":
        return sys.stdin.read().splitlines()
    try:
        lines = storage.read_text(path).removeprefix("\ufeff").splitlines()
    except FileNotFoundError:
        raise UserError(f"--{name} {path}: no such file") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise UserError(f"--{name} {path}: expected a text file, one entry a line") from None
    if not any(line.strip() for line in lines):
        raise UserError(f"--{name} {path}: the file holds no entry")
    return lines
