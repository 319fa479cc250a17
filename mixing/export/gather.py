"""GATHER: one bucket of every scattered file, in order, as one shard of the export.

All buckets one after another are one stream of tokens. Where sequences have a fixed length the
stream is cut at its multiples, so that a sequence may end with the first documents of the next
bucket, and only the last one of the export is filled up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.ledger import Row
from mixing.export.formats import FORMATS
from mixing.export.sample import WINDOW, number_hashes
from mixing.export.scatter import read_bucket, read_head
from pipeline.documents import field
from pipeline.jobs import Job, Work, at_work

TRACE = pa.schema(
    [
        field("shard", pa.int32(), "number of the shard"),
        field("sequence", pa.int32(), "sequence in the shard, from 0"),
        field("position", pa.int32(), "where in the sequence this piece begins, tokens"),
        field("run", pa.int16(), "run in the manifest's list that holds the document"),
        field("row_id", pa.string(), "row of the run's views documents and corpus"),
        field("domain", pa.string(), "domain of the mixture"),
        field("copy", pa.int32(), "which of the document's copies, from 0"),
        field("start", pa.int64(), "first token of the piece in the document"),
        field("end", pa.int64(), "token after its last; a document's end is a token, too"),
    ]
)


def shard_name(number: int) -> str:
    return f"part-{number:05d}"


def gather(job: Job) -> Row:
    """Write one shard and its trace."""
    form = FORMATS[job.arguments["format"]]
    with at_work(job) as work:
        if not form.tokenised:
            return _gather_rows(work, job.arguments)
        if form.windows:
            return _gather_windows(work, job.arguments)
        return _gather_documents(work, job.arguments)


def _gather_rows(work: Work, arguments: dict[str, Any]) -> Row:
    table = _bucket(arguments["files"], arguments["bucket"])
    names = pa.array(arguments["domains"])
    table = table.set_column(
        table.schema.get_field_index("domain"), "domain", names.take(table["domain"])
    )
    FORMATS[arguments["format"]].write(work, arguments, table.drop_columns(["key"]))
    pieces = {
        "sequence": np.arange(len(table)),
        "position": np.zeros(len(table)),
        "start": np.zeros(len(table)),
        "end": table["n_tokens"].to_numpy(),
    }
    return _commit(work, arguments, _trace(arguments, table, table["domain"], pieces), len(table))


def _gather_documents(work: Work, arguments: dict[str, Any]) -> Row:
    table = _bucket(arguments["files"], arguments["bucket"])
    lengths = table["n_tokens"].to_numpy()
    FORMATS[arguments["format"]].write(work, arguments, _flat(table), lengths)
    pieces = {
        "sequence": np.arange(len(table)),
        "position": np.zeros(len(table)),
        "start": np.zeros(len(table)),
        "end": lengths,
    }
    domains = pa.array(arguments["domains"]).take(table["domain"])
    return _commit(work, arguments, _trace(arguments, table, domains, pieces), len(table))


def _gather_windows(work: Work, arguments: dict[str, Any]) -> Row:
    context, starts = arguments["context"], arguments["starts"]
    bucket, last = arguments["bucket"], starts[-1]
    own_start, own_end = starts[bucket], starts[bucket + 1]
    first, end = (-(-place // context) for place in (own_start, own_end))  # windows
    table = _bucket(arguments["files"], bucket)
    # nothing is lacking where the bucket begins no sequence
    held, needed = own_end, min(end * context, last) if end > first else own_end
    following = bucket
    while held < needed:
        following += 1
        head = _merged(read_head(path, following, needed - held) for path in arguments["files"])
        table = pa.concat_tables([table, head])
        held = min(needed, starts[following + 1])
    lengths = table["n_tokens"].to_numpy()
    begins = own_start + np.cumsum(lengths) - lengths  # of each document in the stream
    windows = end - first
    flat = _flat(table)[first * context - own_start : max(needed, first * context) - own_start]
    padding = windows * context - len(flat)
    tokens = np.full(windows * context, arguments["eos_id"], flat.dtype)
    tokens[: len(flat)] = flat
    whole = windows - bool(padding)  # what is filled up stays the last
    order = number_hashes(first + np.arange(whole), arguments["seed"], WINDOW)
    order = np.append(np.argsort(order, kind="stable"), np.arange(whole, windows))
    pieces = _cut(begins, lengths, first, windows, context, needed)
    rank = np.empty(windows, np.int64)
    rank[order] = np.arange(windows)
    pieces["sequence"] = rank[pieces["window"]]
    by_place = np.lexsort((pieces["position"], pieces["sequence"]))
    pieces = {name: values[by_place] for name, values in pieces.items()}
    rows = table.select(["run", "row_id", "domain", "copy"]).take(pieces["document"])
    domains = pa.array(arguments["domains"]).take(rows["domain"])
    trace = _trace(arguments, rows, domains, pieces)
    shuffled = tokens.reshape(windows, context)[order]
    FORMATS[arguments["format"]].write(work, arguments, shuffled, trace)
    return _commit(work, arguments, trace, windows, padding)


def _cut(
    begins: np.ndarray, lengths: np.ndarray, first: int, windows: int, context: int, end: int
) -> dict[str, np.ndarray]:
    """Pieces of documents in windows, in the order of the stream.

    Parameters
    ----------
    begins, lengths
        Place in the stream and tokens of each document, (documents,).
    first, windows, context
        Number of the first window, how many there are, and their tokens.
    end
        Where the stream ends, or the last window.
    """
    start = first * context
    end = max(end, start)
    cuts = np.concatenate([begins, start + context * np.arange(windows), [start]])
    cuts = np.unique(cuts[(cuts >= start) & (cuts < end)])
    document = np.searchsorted(begins + lengths, cuts, side="right")
    ends = np.append(cuts[1:], end)[: len(cuts)]
    return {
        "document": document,
        "window": (cuts - start) // context,
        "position": (cuts - start) % context,
        "start": cuts - begins[document],
        "end": ends - begins[document],
    }


def _bucket(files: list[str], bucket: int) -> pa.Table:
    return _merged(read_bucket(path, bucket) for path in files)


def _merged(batches: Iterator[pa.RecordBatch]) -> pa.Table:
    table = pa.Table.from_batches(list(batches))
    return table.take(np.argsort(table["key"].to_numpy(), kind="stable"))


def _flat(table: pa.Table) -> np.ndarray:
    return table["tokens"].combine_chunks().flatten().to_numpy()


def _trace(arguments, rows: pa.Table, domains, pieces: dict[str, np.ndarray]) -> pa.Table:
    columns = {
        "shard": pa.array(np.full(len(domains), arguments["bucket"])),
        "run": rows["run"],
        "row_id": rows["row_id"],
        "domain": domains,
        "copy": rows["copy"],
        **{name: pa.array(pieces[name]) for name in ("sequence", "position", "start", "end")},
    }
    return pa.table([columns[name] for name in TRACE.names], names=TRACE.names).cast(TRACE)


def _commit(
    work: Work, arguments: dict[str, Any], trace: pa.Table, sequences: int, padding: int = 0
) -> Row:
    name = shard_name(arguments["bucket"])
    pq.write_table(trace, work.path("trace", f"trace/{name}.parquet"), compression="zstd")
    spans = pa.table([trace["domain"], pc.subtract(trace["end"], trace["start"])], ["name", "n"])
    sums = spans.group_by("name").aggregate([("n", "sum")]).sort_by("name").to_pydict()
    tokens = {f"tokens:{name}": n for name, n in zip(sums["name"], sums["n_sum"], strict=True)}
    stats = {
        "sequences": sequences,
        "tokens": sum(tokens.values()),
        "padding": padding,
        **tokens,
    }
    return work.commit(read=len(trace), kept=len(trace), stats=stats)
