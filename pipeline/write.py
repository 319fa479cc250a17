"""WRITE: what survived, without site boilerplate, as clean shards sorted by id."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import DamageError
from catalogs.ledger import Row
from filters import cut_spans, features
from pipeline.compliance import COMPLIANCE
from pipeline.documents import BYTES_PER_TOKEN, DOCUMENTS, field
from pipeline.jobs import Job, at_work
from pipeline.quality_verdicts import QUALITY
from pipeline.scrub import edited
from pipeline.shards import SortedShard, compression_options

CORPUS_COLUMNS = [
    *("id", "row_id", "source", "uri", "host", "media_type", "title", "author", "date"),
    *("fetched_at", "container", "record", "offset", "language", "language_score"),
    *COMPLIANCE,
    *("scores", "labels", "n_bytes", "n_words", "n_tokens"),
]
CORPUS = pa.schema(
    [DOCUMENTS.field(name) for name in CORPUS_COLUMNS]
    + [
        field("dup_count", pa.int64(), "copies and near copies read, this one included"),
        *QUALITY[:2],
        field("cut_bytes", pa.int64(), "bytes of boilerplate, repeats, evaluation items cut"),
        field("masked", pa.int32(), "spans of personal data replaced by placeholders"),
        field("text", pa.string(), "the text of the document without what was cut"),
    ]
)


COLUMNS = {
    "attributes": ["row_id", "kept", "reason", "dup_count", *(own.name for own in QUALITY)],
    "consent": ["row_id", *COMPLIANCE, "consent_reason"],
    "cuts": ["row_id", "cut_spans", "cut_reason"],
}
"""What is read of the attribute files of a shard, by the kind of file."""


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
    """Write one shard of ``corpus/`` from some document shards and their attribute files.

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
        for part in arguments["parts"]:
            documents = part["documents"]
            own = {kind: read_verdicts(kind, part[kind]) for kind in COLUMNS if kind in part}
            at = 0
            for table in _groups(documents):
                batches = {kind: batch.slice(at, len(table)) for kind, batch in own.items()}
                at += len(table)
                for kind, batch in batches.items():
                    if not batch["row_id"].equals(table["row_id"].combine_chunks()):
                        raise DamageError(f"{part[kind]} does not match {documents}")
                reasons = reject_reasons(batches)
                rejected.update(reasons.drop_null().to_pylist())
                keep = pc.is_null(reasons)
                for name in ("dup_count", *(own.name for own in QUALITY[:2])):
                    table = table.append_column(name, batches["attributes"][name])
                for name in COMPLIANCE if "consent" in batches else ():
                    place = table.column_names.index(name)
                    table = table.set_column(place, CORPUS.field(name), batches["consent"][name])
                table = table.filter(keep)
                spans = batches["cuts"]["cut_spans"].filter(keep) if "cuts" in batches else None
                table = _edit(table, arguments["words"], arguments["scrub"], spans)
                tokens += pc.sum(table["n_tokens"]).as_py() or 0
                text_bytes += pc.sum(table["n_bytes"]).as_py() or 0
                shard.append(table)
            for kind, batch in own.items():
                if at != len(batch):
                    raise DamageError(f"{part[kind]} has {len(batch)} rows, {documents} has {at}")
            read += at
        shard.close()
        stats = {"text_bytes": text_bytes, "tokens": tokens}
        return work.commit(read=read, kept=shard.rows, rejected=rejected, stats=stats)


def reject_reasons(batches: dict[str, pa.RecordBatch]) -> pa.Array:
    """Why rows are not written, ``stage:reason`` of the first stage that rejects, or null.

    Raises
    ------
    DamageError
        When reasons do not fit what DEDUP and QUALITY kept.
    """
    verdicts = batches["attributes"]
    reasons = pc.coalesce(
        pc.binary_join_element_wise("dedup", verdicts["reason"], ":"),
        pc.binary_join_element_wise("quality", verdicts["quality_reason"], ":"),
    )
    if "consent" in batches:
        reasons = pc.coalesce(batches["consent"]["consent_reason"], reasons)
    if not pc.is_null(reasons).equals(verdicts["kept"]):
        raise DamageError("documents were dropped without a reason, or kept in spite of one")
    return pc.coalesce(reasons, batches["cuts"]["cut_reason"]) if "cuts" in batches else reasons


def _edit(
    table: pa.Table, words: str, scrub: dict[str, bool], cuts: pa.Array | None = None
) -> pa.Table:
    """The rows without their spans; the text that is left is counted as INGEST counted it."""
    spans = [
        cuts,
        table["contamination"].combine_chunks() if scrub["cut"] else None,
        table["pii"].combine_chunks() if scrub["mask"] else None,
    ]
    some = [pc.greater(pc.fill_null(pc.list_value_length(s), 0), 0) for s in spans if s is not None]
    changed = functools.reduce(pc.or_, some) if some else pa.repeat(False, len(table))
    cut, masked = np.zeros(len(table), np.int64), np.zeros(len(table), np.int32)
    if pc.any(changed).as_py():
        before = table["text"].filter(changed).combine_chunks()
        own = [s.filter(changed) if s is not None else None for s in spans]
        places = np.flatnonzero(changed.to_numpy(zero_copy_only=False))
        if any(scrub.values()):
            texts, cut[places], masked[places] = edited(before, *own)
        else:
            texts = cut_spans(before, own[0])
            sizes = pc.subtract(pc.binary_length(before), pc.binary_length(texts))
            cut[places] = sizes.to_numpy()
        table = _recounted(table, changed, texts, words)
    return table.append_column("cut_bytes", pa.array(cut)).append_column("masked", pa.array(masked))


def _recounted(table: pa.Table, changed: pa.Array, texts: pa.Array, words: str) -> pa.Table:
    """The table with other texts in some rows, and their counts."""
    languages = table["language"].filter(changed).combine_chunks()
    counts = features(texts, words=words, languages=languages)
    n_bytes, n_words = counts["n_bytes"], counts["n_words"]
    tokens = np.ceil(n_bytes.to_numpy() / BYTES_PER_TOKEN).astype(np.int64)
    new = {"text": texts, "n_bytes": n_bytes, "n_words": n_words, "n_tokens": pa.array(tokens)}
    for name, values in new.items():
        place, old = table.column_names.index(name), table[name].combine_chunks()
        values = pc.replace_with_mask(old, changed, values.cast(old.type))
        table = table.set_column(place, CORPUS.field(name), values)
    return table


def _groups(documents: str):
    columns = [name for name in CORPUS.names if name in DOCUMENTS.names]
    columns += ["contamination", "pii"]
    with storage.open_input(documents) as file:
        reader = pq.ParquetFile(file, pre_buffer=False)
        for group in range(reader.num_row_groups):
            yield reader.read_row_group(group, columns=columns)


def read_verdicts(kind: str, path: str) -> pa.RecordBatch:
    """What WRITE needs of an attribute file of a kind of `COLUMNS`."""
    names = COLUMNS[kind]
    with storage.open_input(path) as file:
        reader = pq.ParquetFile(file)
        present = set(reader.schema_arrow.names)
        table = reader.read(columns=[name for name in names if name in present]).combine_chunks()
    for column in QUALITY if kind == "attributes" else ():
        if column.name not in present:  # there was no such step
            table = table.append_column(column, pa.nulls(len(table), column.type))
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
