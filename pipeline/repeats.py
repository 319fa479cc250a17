"""Repeats: lines, paragraphs and spans of bytes that several documents share.

Each document has a *home number*: its place by ``dedup.priority``, then by its id. A repeated unit
stays in the document whose number is least and is cut from the others; texts stay whole in
`documents/`, WRITE cuts the spans. Nothing is compared within one document.

Spans are found exactly: every byte that lies in a run of at least `min_bytes` bytes that stands,
byte for byte, in a document of a lesser number is cut (but for the bytes of a character that the
run holds in part). Hashes have 64 bits; nothing is sampled. In two turns over the texts::

    fingerprints   a shard        -> winnowed fingerprints; any shared run holds a shared one
    count          range of hash  -> those of two documents or more, by shard
    windows        a shard        -> hashes of all windows of `min_bytes` around those
    count          range of hash  -> those of two documents or more, and the least home number
    cuts           a shard        -> the spans

A step holds one batch of texts, DuckDB's memory, and what one shard shares with others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.errors import DamageError
from filters import SPANS
from pipeline.boilerplate import BOILERPLATE
from pipeline.dedup_sql import MEMORY, copy, scan, session
from pipeline.repeat_kernels import find_fingerprints, find_lines, find_windows, join_windows
from pipeline.shingles import text_buffers
from pipeline.spans import cut_bytes, merge_spans

TOO_SHORT = "repeats:too_short"
UNIT = pa.schema([("hash", pa.uint64()), ("home", pa.uint64())])
UNITS = {"hash": "UBIGINT", "home": "UBIGINT"}
REPEATED = {"shard": "INTEGER", "hash": "UBIGINT", "first": "UBIGINT"}
BATCH = 512


class Inputs(NamedTuple):
    """Paths of one documents shard, its verdicts, and its boilerplate spans or None."""

    documents: str
    attributes: str
    boilerplate: str | None = None


class Batch(NamedTuple):
    """Rows of a shard: texts of the rows that stay, empty for the others, and home numbers."""

    row_ids: pa.Array
    data: np.ndarray
    offsets: np.ndarray
    homes: np.ndarray
    stays: np.ndarray
    cuts: pa.RecordBatch | None


def find_units(
    inputs: Inputs,
    out: Mapping[str, str],
    how: str,
    size: int,
    priority: Sequence[str] = (),
    fingerprints: Sequence[str] = (),
    shard: int = 0,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the units of one shard: (hash, home), sorted.

    Parameters
    ----------
    how, size
        ``line`` or ``paragraph``: of at least `size` bytes. ``fingerprint``: for runs of `size`
        bytes. ``window``: of `size` bytes, around those `fingerprints` (outputs of `count_units`)
        that this `shard` shares with other documents.
    out
        ``units``.

    Returns
    -------
    dict
        ``rows`` read, ``units`` written, ``bytes`` of text that stays.
    """
    stats = {"rows": 0, "bytes": 0}
    shared = _shared(fingerprints, shard, out["units"], memory)[0] if how == "window" else None
    loose = f"{out['units']}.loose"
    with pq.ParquetWriter(loose, UNIT, compression="none", use_dictionary=False) as writer:
        for batch in _batches(inputs, priority):
            texts, _, hashes = _units(batch, how, size, shared)
            writer.write_table(pa.table([hashes, batch.homes[texts]], UNIT))
            stats["rows"] += len(batch.homes)
            stats["bytes"] += int(batch.offsets[-1] - batch.offsets[0])
    with session(out["units"], memory) as connection:
        units = copy(connection, f"SELECT * FROM {scan([loose], UNITS)} ORDER BY ALL", out["units"])
    os.unlink(loose)
    return {**stats, "units": units}


def count_units(
    units: Sequence[str],
    out: Mapping[str, str],
    documents: int = 2,
    keep_first: bool = True,
    part: int = 0,
    parts: int = 1,
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write which units of this part's range of hashes stand in so many documents, by shard.

    ``out["repeated"]``: (shard, hash, first), sorted; `first` is the home number of the document
    whose unit stays, 0 if none does.
    """
    low, high = (part << 64) // parts, ((part + 1) << 64) // parts - 1
    mine = f"hash BETWEEN {low} AND {high}"
    files = scan(units, UNITS, ["file_index"])
    first = "min(home)" if keep_first else "0::UBIGINT"
    many = f"AND count(DISTINCT home) >= {documents}" if documents > 2 else ""
    with session(out["repeated"], memory) as connection:
        rows = copy(
            connection,
            f"""SELECT DISTINCT file_index::INTEGER AS shard, hash, first FROM {files} JOIN (
                SELECT hash, {first} AS first FROM {files} WHERE {mine}
                GROUP BY hash HAVING min(home) < max(home) {many}
            ) USING (hash) WHERE {mine} ORDER BY ALL""",
            out["repeated"],
        )
    return {"rows": rows}


def find_cuts(
    inputs: Inputs,
    out: Mapping[str, str],
    turns: Sequence[tuple[str, int, Sequence[str], Sequence[str]]],
    shard: int,
    min_bytes: int,
    priority: Sequence[str] = (),
    memory: str = MEMORY,
) -> dict[str, int]:
    """Write the spans to cut from each row of a shard, with those of its boilerplate.

    Parameters
    ----------
    turns
        For each kind of unit: how and size as in `find_units`, the outputs of `count_units` for
        it, and those for its fingerprints.
    min_bytes
        A text of which less is left is rejected.
    out
        ``cuts``: row_id, cut_spans, cut_reason, row by row as in the shard.

    Returns
    -------
    dict
        ``read`` rows that stay so far, ``too_short`` rows that go, ``documents_cut``,
        ``bytes_cut``.
    """
    stats = dict.fromkeys(("read", "too_short", "documents_cut", "bytes_cut"), 0)
    found = [
        (
            how,
            size,
            _shared(repeated, shard, out["cuts"], memory),
            _shared(prints, shard, out["cuts"], memory)[0] if how == "window" else None,
        )
        for how, size, repeated, prints in turns
    ]
    with pq.ParquetWriter(out["cuts"], BOILERPLATE, compression="zstd") as writer:
        for batch in _batches(inputs, priority):
            spans: list[list] = [[] for _ in batch.homes]
            reasons: list[str | None] = [None] * len(spans)
            if batch.cuts is not None:
                reasons = batch.cuts["cut_reason"].to_pylist()
                for own, before in zip(spans, batch.cuts["cut_spans"].to_pylist(), strict=True):
                    own += [(span["start"], span["end"], span["reason"]) for span in before or ()]
            for how, size, repeated, shared in found:
                for text, start, end in zip(
                    *_spans(batch, how, size, repeated, shared), strict=True
                ):
                    spans[text].append((int(start), int(end), f"repeated_{_name(how)}"))
            sizes = np.diff(batch.offsets)
            for row in np.flatnonzero(batch.stays):
                stats["read"] += 1
                before = len(spans[row])
                spans[row] = merge_spans(spans[row])
                gone = cut_bytes(spans[row])
                if before and sizes[row] - gone < min_bytes:
                    reasons[row] = TOO_SHORT
                    stats["too_short"] += 1
                elif gone:
                    stats["documents_cut"] += 1
                    stats["bytes_cut"] += gone
            lists = [
                [dict(zip(("start", "end", "reason"), s, strict=True)) for s in own]
                for own in spans
            ]
            columns = [batch.row_ids, pa.array(lists, SPANS), pa.array(reasons, pa.string())]
            writer.write_table(pa.table(columns, schema=BOILERPLATE))
    return stats


def _name(how: str) -> str:
    return "span" if how == "window" else how


def _spans(
    batch: Batch,
    how: str,
    size: int,
    repeated: tuple[np.ndarray, np.ndarray],
    shared: np.ndarray | None,
) -> tuple[np.ndarray, ...]:
    """Text, start and end of what goes."""
    texts, places, hashes = _units(batch, how, size, shared)
    known, first = repeated
    if not len(known):
        return (np.zeros(0, np.int64),) * 3
    order = np.argsort(hashes)  # neighbours are looked up much faster
    at = np.empty(len(hashes), np.int64)
    at[order] = np.minimum(np.searchsorted(known, hashes[order]), len(known) - 1)
    goes = (known[at] == hashes) & (first[at] != batch.homes[texts])
    if how == "window":
        return join_windows(batch.data, batch.offsets, texts[goes], places[goes], size)
    return texts[goes], places[goes, 0], places[goes, 1]


def _units(
    batch: Batch, how: str, size: int, shared: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Text, place (start, or start and end) and hash of each unit."""
    data, offsets = batch.data, batch.offsets
    if how in ("line", "paragraph"):
        texts, starts, ends, hashes = find_lines(data, offsets, how == "paragraph", size)
        return texts, np.stack([starts, ends], axis=1), hashes
    width = size // 2
    texts, places, hashes = find_fingerprints(data, offsets, width, size - width + 1)
    if how == "fingerprint":
        return texts, places, hashes
    mine = np.isin(hashes, shared)
    return find_windows(data, offsets, texts[mine], places[mine], width, size)


def _shared(
    repeated: Sequence[str], shard: int, beside: str, memory: str
) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of this shard that repeat, ascending, and the home numbers where they stay."""
    with session(beside, memory) as connection:
        table = connection.sql(
            f"SELECT hash, first FROM {scan(repeated, REPEATED)} "
            f"WHERE shard = {shard} ORDER BY hash"
        ).to_arrow_table()
    return table["hash"].to_numpy(), table["first"].to_numpy()


def _batches(inputs: Inputs, priority: Sequence[str]) -> Iterator[Batch]:
    """The rows of a shard with the texts that stay so far."""
    with pq.ParquetFile(inputs.attributes) as file:
        kept = file.read(columns=["row_id", "kept"]).combine_chunks()
    cuts = None
    if inputs.boilerplate:
        with pq.ParquetFile(inputs.boilerplate) as file:
            cuts = file.read().combine_chunks()
    levels = {name: level for level, name in enumerate(priority)}
    at = 0
    columns = ["id", "row_id", "text", "source"]
    with pq.ParquetFile(inputs.documents, pre_buffer=False, buffer_size=1 << 20) as file:
        for table in file.iter_batches(BATCH, columns=columns):
            mine = kept.slice(at, len(table))
            if not mine["row_id"].combine_chunks().equals(table["row_id"]):
                raise DamageError(f"{inputs.attributes} does not match {inputs.documents}")
            stays = mine["kept"].to_numpy()
            own = None
            if cuts is not None:
                own = cuts.slice(at, len(table)).combine_chunks().to_batches()[0]
                stays = stays & own["cut_reason"].is_null().to_numpy(zero_copy_only=False)
            at += len(table)
            texts = pc.if_else(pa.array(stays), table["text"].cast(pa.large_string()), "")
            level = [levels.get(name, len(levels)) for name in table["source"].to_pylist()]
            numbers = np.array([int(name[:14], 16) + 1 for name in table["id"].to_pylist()])
            homes = (np.array(level, np.uint64) << np.uint64(56)) | numbers.astype(np.uint64)
            data, offsets = text_buffers(texts)
            yield Batch(table["row_id"], data, offsets, homes, stays, own)
