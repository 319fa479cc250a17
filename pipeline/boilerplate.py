"""BOILERPLATE: spans of lines that repeat across the pages of one host in one documents shard.

A step between DEDUP and WRITE: copies and near copies do not count as further pages, and texts stay
whole in `documents/`; WRITE cuts the spans. Each shard is read twice, once to count the lines of
its hosts and once to find them again, so that only the hashes of different lines are in memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import DamageError
from catalogs.ledger import Row
from filters import SPANS, LineCounts, LineRules, boilerplate_spans, line_hashes
from filters.boilerplate import REASON
from pipeline.documents import DOCUMENTS, field
from pipeline.jobs import Job, at_work
from pipeline.shards import compression_options
from pipeline.write_config import Boilerplate

TOO_SHORT = "boilerplate:too_short"
BOILERPLATE = pa.schema(
    [
        DOCUMENTS.field("row_id"),
        field("cut_spans", SPANS, "bytes of the text that repeat across pages of its host"),
        field("cut_reason", pa.string(), "boilerplate:too_short when too little is left"),
    ]
)


def find_boilerplate(job: Job) -> Row:
    """Write the attribute file of one documents shard: the same rows in the same order."""
    arguments = job.arguments
    config = Boilerplate.model_validate(arguments["config"])
    rules = LineRules(config.min_chars, config.max_chars)
    kept = _kept(arguments["attributes"])
    documents = arguments["documents"]
    counts, enough = _count(documents, kept, config)
    stats: Counter[str] = Counter()
    rejected = 0
    with at_work(job) as work:
        path = work.path("boilerplate", f"attributes/boilerplate/{job.shard}.parquet")
        with pq.ParquetWriter(path, BOILERPLATE, **compression_options("zstd", 3)) as writer:
            for at, table in _groups(documents, ["row_id", "host", "text"]):
                spans, reasons = [], []
                for host, text, stays in _rows(table, kept, at):
                    found = []
                    if stays and host in enough:
                        hashes = line_hashes(text, host, config.max_chars)
                        repeated = counts.of(hashes) >= enough[host]
                        found = boilerplate_spans(text, repeated, rules) if repeated.any() else []
                    short = bool(found) and _left(text, found) < config.min_bytes
                    spans.append(found)
                    reasons.append(TOO_SHORT if short else None)
                    rejected += short
                    stats["documents_cut"] += bool(found) and not short
                    stats["bytes_cut"] += sum(end - start for start, end in found)
                writer.write_table(_table(table["row_id"], spans, reasons))
        read = sum(kept)
        losses = {TOO_SHORT: rejected} if rejected else {}
        return work.commit(read=read, kept=read - rejected, rejected=losses, stats=dict(stats))


def _count(
    documents: str, kept: list[bool], config: Boilerplate
) -> tuple[LineCounts, dict[str, int]]:
    """Pages of each line of the hosts with enough pages, and how many make it boilerplate."""
    pages: Counter[str] = Counter()
    for at, table in _groups(documents, ["host"]):
        for place, host in enumerate(table["host"].to_pylist(), at):
            pages[host] += host is not None and kept[place]
    enough = {
        host: max(config.pages, math.ceil(config.share * count))
        for host, count in pages.items()
        if count >= config.min_pages
    }
    counts = LineCounts()
    for at, table in _groups(documents, ["host", "text"]) if enough else ():
        for host, text, stays in _rows(table, kept, at):
            if stays and host in enough:
                counts.add(line_hashes(text, host, config.max_chars))
    return counts, enough


def _kept(attributes: str) -> list[bool]:
    with storage.open_input(attributes) as file:
        return pq.ParquetFile(file).read(columns=["kept"])["kept"].to_pylist()


def _groups(documents: str, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
    """Row groups, each with the number of its first row."""
    at = 0
    with storage.open_input(documents) as file:
        reader = pq.ParquetFile(file, pre_buffer=False)
        for group in range(reader.num_row_groups):
            table = reader.read_row_group(group, columns=columns)
            yield at, table
            at += len(table)


def _rows(table: pa.Table, kept: list[bool], at: int) -> Iterator[tuple[str | None, str, bool]]:
    stays = kept[at : at + len(table)]
    if len(stays) != len(table):
        raise DamageError(f"the dedup attributes end at row {len(kept)}, the documents do not")
    return zip(table["host"].to_pylist(), table["text"].to_pylist(), stays, strict=True)


def _left(text: str, spans: list[tuple[int, int]]) -> int:
    return len(text.encode()) - sum(end - start for start, end in spans)


def _table(row_ids: pa.ChunkedArray, spans: list[list], reasons: list[str | None]) -> pa.Table:
    lists: list[list[dict[str, Any]]] = [
        [{"start": start, "end": end, "reason": REASON} for start, end in found] for found in spans
    ]
    columns = [row_ids, pa.array(lists, SPANS), pa.array(reasons, pa.string())]
    return pa.table(columns, schema=BOILERPLATE)
