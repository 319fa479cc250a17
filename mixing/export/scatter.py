"""SCATTER: the copies drawn from one corpus shard, by the bucket in which each ends.

The place of a copy in the export is a hash of its row id, its number and the seed; a bucket is a
range of such hashes. A scattered file is an Arrow IPC file with one record batch for each bucket,
in order inside, so that GATHER reads its own batch of every file and nothing else. Sorting by hash
within buckets is then the whole of a uniform shuffle.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.ledger import Row
from mixing.export.draw import copies_of, read_draw
from mixing.export.sample import ORDER, buckets, copy_keys, row_hashes
from mixing.export.tokenise import token_type
from pipeline.jobs import Job, at_work

COPY = [
    pa.field("key", pa.uint64()),
    pa.field("row_id", pa.string()),
    pa.field("run", pa.int16()),
    pa.field("domain", pa.int16()),
    pa.field("copy", pa.int32()),
    pa.field("n_tokens", pa.int64()),
]
COUNTS = pa.schema([("documents", pa.int64()), ("tokens", pa.int64())])
OWN = ("row_id", "n_tokens")  # columns of the corpus that COPY holds already


def scatter(job: Job) -> Row:
    """Write copies of tokens or of corpus rows by bucket, and the counts of each bucket."""
    arguments = job.arguments
    count, tokens_path = arguments["buckets"], arguments["tokens"]
    index = pq.read_table(arguments["index"])
    if tokens_path is None and "n_tokens" not in index.column_names:
        index = index.append_column("n_tokens", index["estimate"])
    domain, copies = index["domain"].to_numpy(), copies_of(read_draw(arguments["draw"]), index)
    place = np.repeat(np.arange(len(index)), copies)  # of each copy in the index
    number = np.arange(len(place)) - np.repeat(np.cumsum(copies) - copies, copies)
    keys = copy_keys(row_hashes(index["row_id"], arguments["seed"], ORDER)[place], number)
    order = np.argsort(keys, kind="stable")
    keys, place, number = keys[order], place[order], number[order]
    bounds = np.searchsorted(buckets(keys, count), np.arange(count + 1))
    lengths = index["n_tokens"].to_numpy()
    if tokens_path is None:
        payload, options = _corpus(arguments["corpus"], index["row"].to_numpy(), copies), "zstd"
        taken = np.cumsum(copies > 0) - 1  # rows without copies are not in the payload
    else:
        dtype = token_type(arguments["vocab_size"])
        payload, options = _tokens(tokens_path, lengths, dtype), None
        taken = np.arange(len(index))
    schema = pa.schema([*COPY, *payload.schema])
    index = index.select(["row_id", "domain", "n_tokens"])
    with at_work(job) as work:
        path = work.path("scattered", f"work/scattered/{job.shard}.arrow")
        writing = pa.ipc.IpcWriteOptions(compression=options)
        with pa.ipc.new_file(path, schema, options=writing) as writer:
            for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
                rows, here = index.take(place[start:end]), slice(start, end)
                columns = [
                    pa.array(keys[here]),
                    rows["row_id"].combine_chunks(),
                    pa.array(np.full(end - start, arguments["number"], np.int16)),
                    rows["domain"].combine_chunks(),
                    pa.array(number[here].astype(np.int32)),
                    rows["n_tokens"].combine_chunks(),
                    *(
                        column.combine_chunks()
                        for column in payload.take(taken[place[here]]).columns
                    ),
                ]
                writer.write_batch(pa.record_batch(columns, schema=schema))
        sums = np.concatenate([[0], np.cumsum(lengths[place])])
        counts = pa.table([np.diff(bounds), np.diff(sums[bounds])], schema=COUNTS)
        pq.write_table(counts, work.path("counts", f"work/scattered/{job.shard}.parquet"))
        left = int((copies == 0).sum())
        stats: dict[str, float] = {"copies": len(place), "tokens": int(sums[-1])}
        for one in np.unique(domain[copies > 0]).tolist():
            own = domain == one
            stats[f"documents:{one}"] = int((copies[own] > 0).sum())
            stats[f"copies:{one}"] = int(copies[own].sum())
            stats[f"tokens:{one}"] = int((copies[own] * lengths[own]).sum())
            stats[f"most:{one}"] = int(copies[own].max())
        return work.commit(
            read=len(index),
            kept=len(index) - left,
            rejected={"sample:not_drawn": left} if left else {},
            stats=stats,
        )


def read_bucket(path: str, bucket: int) -> pa.RecordBatch:
    """The batch of one bucket, read whole."""
    with pa.OSFile(path) as file, pa.ipc.open_file(file) as reader:
        return reader.get_batch(bucket)


def read_head(path: str, bucket: int, tokens: int) -> pa.RecordBatch:
    """The first copies of one bucket, as many as hold so many tokens or all of them."""
    with pa.memory_map(path) as file, pa.ipc.open_file(file) as reader:
        batch = reader.get_batch(bucket)
        enough = int(np.searchsorted(np.cumsum(batch["n_tokens"].to_numpy()), tokens)) + 1
        # taken, so that no view of the map is left
        return batch.take(pa.array(np.arange(min(enough, len(batch)))))


def _tokens(path: str, lengths: np.ndarray, dtype: np.dtype) -> pa.Table:
    ids = np.memmap(path, dtype, "r") if lengths.sum() else np.zeros(0, dtype)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]))
    lists = pa.LargeListArray.from_arrays(offsets, pa.array(ids))
    return pa.table([lists], names=["tokens"])


def _corpus(path: str, rows: np.ndarray, copies: np.ndarray) -> pa.Table:
    """Rows of a corpus shard that have copies, with 64-bit offsets: copies may pass 2 GiB."""
    wanted = rows[copies > 0]
    tables = list(_groups(path, wanted))
    table = pa.concat_tables(tables)
    wide = [f.with_type(pa.large_string()) if f.type == pa.string() else f for f in table.schema]
    return table.cast(pa.schema(wide)).replace_schema_metadata()


def _groups(path: str, rows: np.ndarray) -> Iterator[pa.Table]:
    with storage.open_input(path) as file:
        reader = pq.ParquetFile(file, pre_buffer=False)
        columns = [name for name in reader.schema_arrow.names if name not in OWN]
        yield reader.schema_arrow.empty_table().select(columns)
        first = 0
        for group in range(reader.num_row_groups):
            end = first + reader.metadata.row_group(group).num_rows
            inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, end)] - first
            first = end
            if len(inside):
                yield reader.read_row_group(group, columns=columns).take(inside)
