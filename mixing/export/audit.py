"""Audit of an export: hashes, sums, shares and the way from every sequence to its documents."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.audit import load_plan
from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.sql import exact
from mixing.export.formats import FORMATS, Shard
from mixing.export.manifest import TOKENIZER, read_manifest
from mixing.export.sample import number_hashes
from mixing.export.tokenise import encode
from proxies.tokenizer import load_tokenizer

SAMPLE = 64  # pieces that are compared with their document in the run


@dataclass
class ExportAudit:
    """What an audit of an export saw.

    Attributes
    ----------
    problems
        One line each; they name the file.
    compared
        Pieces that were compared with their document: texts as they are, ids by tokenising it.
    unseen
        Runs that could not be opened for that.
    """

    manifest: dict[str, Any]
    shards: int = 0
    files: int = 0
    bytes: int = 0
    tokens: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    compared: int = 0
    unseen: list[str] = field(default_factory=list)


def audit_export(folder: str, each: Callable[[dict], None] = lambda shard: None) -> ExportAudit:
    """Verify an export from its files.

    Every file has its hash; every shard holds the sequences and tokens of the manifest, and pieces
    of documents that fill each sequence without gap; each copy of a document is there once and
    whole, ended by the tokenizer's end; tokens of each domain sum to the manifest's, whose shares
    follow from them. Some pieces are compared with their document in the run.

    Parameters
    ----------
    folder
        The export.
    each
        Called with every shard's entry of the manifest after it was checked, for progress.

    Raises
    ------
    UserError
        When the folder is no finished export.
    """
    manifest = read_manifest(folder)
    result = ExportAudit(manifest)
    if load_plan(folder)["state"] != "complete":
        result.problems.append("the export is not finished: run the same command again")
    whole, pieces = [], []
    for number, shard in enumerate(manifest["shards"]):
        if _check_files(folder, shard, result):
            pieces += _check_shard(folder, number, shard, result)
            whole.append(os.path.join(folder, "trace", f"{shard['name']}.parquet"))
        result.shards += 1
        each(shard)
    if len(whole) == len(manifest["shards"]):
        _check_sums(manifest, result)
        _check_copies(whole, manifest, result)
        _compare(folder, manifest, pieces, result)
    return result


def _check_files(folder: str, shard: dict[str, Any], result: ExportAudit) -> bool:
    whole = True
    for name, file in shard["files"].items():
        inside = name if name.startswith("trace/") else f"{result.manifest['folder']}/{name}"
        path = os.path.join(folder, inside)
        result.files += 1
        result.bytes += file["bytes"]
        if not os.path.exists(path):
            result.problems.append(f"{inside} is missing")
        elif storage.checksum(path) != file["checksum"]:
            result.problems.append(f"{inside} was changed (checksum differs)")
        else:
            continue
        whole = False
    return whole


def _check_shard(
    folder: str, number: int, entry: dict[str, Any], result: ExportAudit
) -> list[dict[str, Any]]:
    """Check one shard against its trace; returns some pieces with their ids or text."""
    manifest, name = result.manifest, entry["name"]
    form = FORMATS[manifest["format"]]
    path = os.path.join(folder, manifest["folder"], name + form.suffix)
    trace = pq.read_table(os.path.join(folder, "trace", f"{name}.parquet"))
    try:
        shard = form.read(path, manifest)
    except (ValueError, KeyError, OSError) as error:
        result.problems.append(f"{name}: cannot be read: {error}")
        return []
    sequence, position, start, end = (
        trace[key].to_numpy().astype(np.int64) for key in ("sequence", "position", "start", "end")
    )
    size = end - start
    sums = pa.table([trace["domain"], pa.array(size)], ["name", "n"])
    sums = sums.group_by("name").aggregate([("n", "sum")]).to_pydict()
    tokens = dict(zip(sums["name"], sums["n_sum"], strict=True))
    result.tokens.update(tokens)

    def expect(what: str, good: bool) -> None:
        if not good:
            result.problems.append(f"{name}: {what}")

    held = np.bincount(sequence, size, minlength=len(shard.lengths)).astype(np.int64)
    same = len(shard.lengths) == entry["sequences"] and len(held) == entry["sequences"]
    expect(f"does not hold {entry['sequences']} sequences", same)
    expect("tokens of its domains differ from the manifest", tokens == entry["domains"])
    first = np.flatnonzero(np.diff(sequence, prepend=-1))
    reached = np.append(position[1:], 0) * (np.diff(sequence, append=-1) == 0)
    inner = np.diff(sequence, append=-1) == 0
    expect("pieces do not follow one another", bool((position + size == reached)[inner].all()))
    expect("sequences do not begin with a piece", not position[first].any() and (size > 0).all())
    expect("a document goes on where it did not begin", not start[position > 0].any())
    if same:
        filled = int((shard.lengths - held).sum())
        gaps = int((shard.lengths != held).sum())
        expect(f"has {filled} tokens of padding", filled == entry["padding"] and gaps <= 1)
    if shard.row_ids is not None:
        if shard.row_ids == trace["row_id"].to_pylist():
            return _some(number, trace, manifest, lambda i: {"text": shard.texts[i].as_py()})
        expect("rows are not those of the trace", False)
        return []
    return _check_ids(number, shard, trace, manifest, expect)


def _check_ids(
    number: int, shard: Shard, trace: pa.Table, manifest: dict[str, Any], expect: Callable
) -> list[dict[str, Any]]:
    begins = np.cumsum(shard.lengths) - shard.lengths
    at = begins[trace["sequence"].to_numpy()] + trace["position"].to_numpy()
    start, end = trace["start"].to_numpy(), trace["end"].to_numpy()
    eos = manifest["tokenizer"]["eos_id"]
    new = np.flatnonzero((start == 0) & (trace["position"].to_numpy() > 0))
    expect("documents are not ended", bool((shard.tokens[at[new] - 1] == eos).all()))
    pad = shard.tokens[at[-1] + end[-1] - start[-1] :] if len(at) else shard.tokens
    expect("padding is no end token", bool((pad[: manifest["padding"]] == eos).all()))
    return _some(
        number, trace, manifest, lambda i: {"ids": shard.tokens[at[i] : at[i] + end[i] - start[i]]}
    )


def _some(
    number: int, trace: pa.Table, manifest: dict[str, Any], content: Callable[[int], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Pieces drawn by the hash of their number, each with its content."""
    few = -(-SAMPLE // len(manifest["shards"]))
    drawn = np.argsort(number_hashes(np.arange(len(trace)), number, 0), kind="stable")[:few]
    rows = trace.take(drawn).to_pylist()
    return [row | content(i) for row, i in zip(rows, drawn.tolist(), strict=True)]


def _check_sums(manifest: dict[str, Any], result: ExportAudit) -> None:
    total = sum(result.tokens.values())
    if total != manifest["tokens"]:
        result.problems.append(f"the shards hold {total} tokens, not {manifest['tokens']}")
    for name, domain in manifest["domains"].items():
        tokens = result.tokens[name]
        if tokens != domain["tokens"] or abs(domain["achieved"] - tokens / max(total, 1)) > 1e-12:
            result.problems.append(
                f"domain '{name}': the shards hold {tokens} tokens, {tokens / max(total, 1):.4%}, "
                f"but the manifest says {domain['tokens']}, {domain['achieved']:.4%}"
            )
    for key in ("sequences", "padding"):
        if sum(shard[key] for shard in manifest["shards"]) != manifest[key]:
            result.problems.append(f"{key} of the shards do not sum to {manifest[key]}")


def _check_copies(traces: list[str], manifest: dict[str, Any], result: ExportAudit) -> None:
    """Each copy is there once and whole, and copies and documents are as many as told."""
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        rows = connection.execute(
            """SELECT domain, count(*), count(DISTINCT (run, row_id)), max(copy) + 1,
                count(*) FILTER (tokens != ends OR begins != 0)
            FROM (SELECT any_value(domain) AS domain, run, row_id, copy,
                sum("end" - start) AS tokens, max("end") AS ends, min(start) AS begins
                FROM read_parquet($1) GROUP BY run, row_id, copy) GROUP BY domain""",
            [list(map(exact, traces))],
        ).fetchall()
    found = {name: counts for name, *counts in rows}
    for name, domain in manifest["domains"].items():
        copies, documents, most, torn = found.get(name, (0, 0, 0, 0))
        if torn:
            result.problems.append(f"domain '{name}': {torn} copies are not whole")
        if [copies, documents, most] != [
            domain["copies"],
            domain["documents"],
            domain["most_copies"],
        ]:
            result.problems.append(
                f"domain '{name}': {documents} documents in {copies} copies, at most {most} of "
                "one, which is not what the manifest says"
            )


def _compare(
    folder: str, manifest: dict[str, Any], pieces: list[dict[str, Any]], result: ExportAudit
) -> None:
    same = _comparison(folder, manifest)
    for number, run in enumerate(manifest["runs"]):
        own = [piece for piece in pieces if piece["run"] == number]
        try:
            with open_catalog(storage.join(folder, run)) as catalog:
                found = dict(
                    catalog.execute(
                        "SELECT row_id, text FROM corpus WHERE row_id IN (SELECT unnest($1))",
                        [[piece["row_id"] for piece in own]],
                    ).fetchall()
                )
        except UserError:
            result.unseen.append(run)
            continue
        for piece in own:
            text = found.get(piece["row_id"])
            if text is None:
                result.problems.append(f"{run}: no row {piece['row_id']} in its corpus any more")
                continue
            result.compared += 1
            if not same(piece, text):
                result.problems.append(f"{run}: row {piece['row_id']} has another text now")


def _comparison(folder: str, manifest: dict[str, Any]) -> Callable[[dict[str, Any], str], bool]:
    """Whether a piece is what its document's text gives."""
    if not FORMATS[manifest["format"]].tokenised:
        return lambda piece, text: piece["text"] == text
    path = os.path.join(folder, TOKENIZER)
    tokenizer = load_tokenizer(path if os.path.exists(path) else "bytes")
    dtype = np.dtype(manifest["dtype"])

    def same(piece: dict[str, Any], text: str) -> bool:
        ids = encode(tokenizer, [text], dtype)[0][piece["start"] : piece["end"]]
        return np.array_equal(ids, piece["ids"])

    return same
