"""Exports of a run that lost rows: found, told by their traces, and made again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.errors import UserError
from mixing.export.flow import Result, run_export
from mixing.export.manifest import FILE_NAME, KIND, TOKENIZER, is_export, read_manifest
from mixing.export.mixture import Mixture
from mixing.export.options import CONTEXT, SHARD_TOKENS, Options
from pipeline.progress import Progress
from pipeline.schedule import Settings

_DEEP = 3


def exports_of(run: str, places: Iterable[str] = ()) -> list[str]:
    """Folders of the exports of a run: those beside it, three folders deep, and given ones.

    Raises
    ------
    UserError
        When a given folder holds an export of other runs.
    """
    run = os.path.realpath(run)
    found = [folder for folder in _beside(run) if _is_of(folder, run)]
    for place in places:
        if not _is_of(place, run):
            raise UserError(f"--exports {place}: an export of another run")
        found.append(place)
    return sorted({os.path.realpath(folder) for folder in found})


def holds(folder: str, rows: Iterable[str]) -> dict[str, int]:
    """How many pieces of these rows (by row_id) the shards of an export hold."""
    wanted = pa.array(sorted(rows), pa.string())
    found = {}
    for shard in read_manifest(folder)["shards"]:
        trace = os.path.join(folder, "trace", f"{shard['name']}.parquet")
        names = pq.read_table(trace, columns=["row_id"])["row_id"]
        count = pc.sum(pc.is_in(names, value_set=wanted)).as_py() or 0
        if count:
            found[shard["name"]] = count
    return found


def renew(folder: str, settings: Settings, progress: Progress | None = None) -> Result:
    """Make an export again from its runs as they are now, as its manifest says it was made.

    Raises
    ------
    UserError
        When what it was made with is not found, or the corpus has not the tokens any more.
    """
    manifest = read_manifest(folder)
    runs = [os.path.join(folder, run) for run in manifest["runs"]]
    fields = manifest["mixture"]
    root = next((root for root in _above(folder) if _fits(root, fields, runs)), None)
    if root is None:
        if fields.get("held_out"):
            raise UserError(f"{folder}: its mixture is not found; run corpusmill export again")
        root, fields = folder, {**fields, "run": manifest["runs"]}
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = None
        if entry := manifest["tokenizer"]:
            tokenizer = entry["file"]
            if tokenizer != "bytes":
                tokenizer = os.path.join(scratch, entry["file"])
                shutil.copyfile(os.path.join(folder, TOKENIZER), tokenizer)
        options = Options(
            tokens=manifest["tokens_asked"],
            format=manifest["format"],
            tokenizer=tokenizer,
            context=manifest["context"] or CONTEXT,
            seed=manifest["seed"],
            shard_tokens=manifest.get("shard_tokens", SHARD_TOKENS),
            max_epochs=manifest["max_epochs"],
        )
        mixture = Mixture.model_validate({**fields, "root": root})
        return run_export(mixture, options, folder, settings, progress)


def _beside(run: str) -> Iterator[str]:
    base = os.path.dirname(run)
    for folder, names, files in os.walk(base):
        depth = os.path.relpath(folder, base).count(os.sep) + (folder != base)
        names[:] = [] if depth >= _DEEP or folder == run else sorted(names)
        if FILE_NAME in files and folder != run:
            yield folder


def _is_of(folder: str, run: str) -> bool:
    if not is_export(folder):
        return False
    try:
        with open(os.path.join(folder, FILE_NAME)) as file:
            manifest = json.load(file)
    except (OSError, ValueError):
        return False
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        return False
    runs = (os.path.realpath(os.path.join(folder, name)) for name in manifest["runs"])
    return run in runs


def _above(folder: str) -> Iterator[str]:
    folder = os.path.abspath(folder)
    for _ in range(_DEEP):
        folder = os.path.dirname(folder)
        yield folder


def _fits(root: str, fields: dict, runs: list[str]) -> bool:
    """Whether the paths of a mixture lead to its runs and files from this folder."""
    mixture = Mixture.model_validate({**fields, "root": root})
    same = [os.path.realpath(run) for run in mixture.runs] == [os.path.realpath(r) for r in runs]
    return same and all(os.path.exists(mixture.path(name)) for name in mixture.held_out)
