"""WRITE: what survived, as clean shards sorted by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import DamageError
from catalogs.ledger import Row
from pipeline.documents import DOCUMENTS, field
from pipeline.jobs import Job, at_work
from pipeline.shards import SortedShard, compression_options

CORPUS_COLUMNS = [
    *("id", "row_id", "source", "uri", "host", "media_type", "title", "author", "date"),
    *("fetched_at", "container", "record", "offset", "language", "language_score"),
    *("licence", "licence_scope", "licence_evidence", "opt_out"),
    *("n_bytes", "n_words", "n_tokens"),
]
CORPUS = pa.schema(
    [DOCUMENTS.field(name) for name in CORPUS_COLUMNS]
    + [
        field("dup_count", pa.int64(), "copies and near copies read, this one included"),
        DOCUMENTS.field("text"),
    ]
)


def plan_parts(rows: Iterable[Row], shard_bytes: int) -> list[list[Row]]:
    """Group the ingest rows of one source, in order, into parts of about `shard_bytes` of text."""
    parts: list[list[Row]] = []
    held = 0.0
    for row in rows:
        if not parts or held >= shard_bytes:
            parts.append([])
            held = 0.0
        parts[-1].append(row)
        held += row.stats.get("text_bytes", 0)
    return parts


def write_part(job: Job) -> Row:
    """Write one shard of ``corpus/`` from some document shards and their dedup attributes.

    Raises
    ------
    DamageError
        When an attribute file does not match its document shard row by row.
    """
    arguments = job.arguments
    rejected: Counter[str] = Counter()
    read = 0
    with at_work(job) as work:
        path = work.path("corpus", f"corpus/{job.shard}.parquet")
        compression = compression_options(arguments["compression"], arguments["level"])
        buffer = arguments["buffer_mb"] << 20
        shard = SortedShard(path, CORPUS, ["id", "row_id"], buffer, compression)
        tokens = text_bytes = 0
        for documents, attributes in arguments["parts"]:
            judged = _read_attributes(attributes)
            at = 0
            for table in _groups(documents):
                verdicts = judged.slice(at, len(table))
                at += len(table)
                if not verdicts["row_id"].equals(table["row_id"].combine_chunks()):
                    raise DamageError(f"{attributes} does not match {documents}")
                keep = verdicts["kept"]
                rejected.update(
                    f"dedup:{reason}"
                    for reason in verdicts["reason"].filter(pc.invert(keep)).to_pylist()
                )
                table = table.append_column("dup_count", verdicts["dup_count"]).filter(keep)
                tokens += pc.sum(table["n_tokens"]).as_py() or 0
                text_bytes += pc.sum(table["n_bytes"]).as_py() or 0
                shard.append(table)
            if at != len(judged):
                raise DamageError(f"{attributes} has {len(judged)} rows, {documents} has {at}")
            read += at
        shard.close()
        stats = {"text_bytes": text_bytes, "tokens": tokens}
        return work.commit(read=read, kept=shard.rows, rejected=rejected, stats=stats)


def _groups(documents: str):
    columns = [name for name in CORPUS.names if name != "dup_count"]
    with storage.open_input(documents) as file:
        reader = pq.ParquetFile(file, pre_buffer=False)
        for group in range(reader.num_row_groups):
            yield reader.read_row_group(group, columns=columns)


def _read_attributes(path: str) -> pa.RecordBatch:
    columns = ["row_id", "kept", "reason", "dup_count"]
    with storage.open_input(path) as file:
        table = pq.ParquetFile(file).read(columns=columns).combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
