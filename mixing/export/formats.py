"""What a shard of each format is made of: one entry of `FORMATS` each."""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import zstandard

from pipeline.jobs import Work
from pipeline.shards import write_table

FOLDER = "data"
ROWS = 4096
LEVEL = 3  # of zstd
MEGATRON_HEADER = b"MMIDIDX\x00\x00"
MEGATRON_UINT16, MEGATRON_INT32 = 8, 4
MEGATRON_UINT16_IDS = 65500  # Megatron takes int32 for larger vocabularies
MDS_SIZE_LIMIT = 1 << 26


@dataclass(frozen=True)
class Shard:
    """A shard as read back.

    Attributes
    ----------
    lengths
        Tokens of each sequence as the file says, (sequences,).
    tokens
        All ids one after another; None for texts.
    row_ids, texts
        Of each document; None for ids.
    """

    lengths: np.ndarray
    tokens: np.ndarray | None = None
    row_ids: list[str] | None = None
    texts: pa.ChunkedArray | None = None


@dataclass(frozen=True)
class Format:
    """One output format.

    Attributes
    ----------
    tokenised, windows
        Whether it holds ids, and whether in sequences of one length.
    suffix
        Of its main file.
    write
        ``write(work, arguments, ...)`` with the table of rows; with ids and the tokens of each
        document; or with ids, (windows, context), and the trace.
    read
        ``read(path, manifest) -> Shard`` from its main file.
    finish
        ``finish(manifest) -> (file name, text)`` of a file over all shards.
    opens
        How a trainer opens it, for people.
    """

    tokenised: bool
    windows: bool
    suffix: str
    write: Callable[..., None]
    read: Callable[[str, dict[str, Any]], Shard]
    opens: str
    finish: Callable[[dict[str, Any]], tuple[str, str]] | None = None


def _target(work: Work, arguments: dict[str, Any], kind: str, suffix: str) -> str:
    return work.path(kind, f"{FOLDER}/part-{arguments['bucket']:05d}{suffix}")


# texts ---------------------------------------------------------------------------------------


def _slices(table: pa.Table):
    """Parts small enough for 32-bit offsets, with plain strings."""
    plain = [f.with_type(pa.string()) if f.type == pa.large_string() else f for f in table.schema]
    schema = pa.schema(plain)
    for at in range(0, len(table), ROWS):
        yield table.slice(at, ROWS).cast(schema)


def write_parquet(work: Work, arguments: dict[str, Any], table: pa.Table) -> None:
    """Rows of the corpus with domain and copy; row groups of about 8 MB."""
    path = _target(work, arguments, "parquet", ".parquet")
    schema = next(_slices(table), table.slice(0, 0)).schema
    how = {"compression": "zstd", "compression_level": LEVEL}
    write_table(_slices(table), path, schema, how)


def read_parquet(path: str, manifest: dict[str, Any]) -> Shard:
    table = pq.read_table(path, columns=["row_id", "n_tokens", "text"])
    lengths, row_ids = table["n_tokens"].to_numpy(), table["row_id"].to_pylist()
    return Shard(lengths, row_ids=row_ids, texts=table["text"])


def write_jsonl(work: Work, arguments: dict[str, Any], table: pa.Table) -> None:
    """One JSON object to a line; times are ISO 8601, empty columns are left out."""
    path = _target(work, arguments, "jsonl", ".jsonl.zst")
    with open(path, "wb") as raw, zstandard.ZstdCompressor(level=LEVEL).stream_writer(raw) as file:
        for part in _slices(table):
            for row in part.to_pylist():
                told = {key: value for key, value in row.items() if value is not None}
                line = json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=_iso)
                file.write(line.encode() + b"\n")


def read_jsonl(path: str, manifest: dict[str, Any]) -> Shard:
    lengths, row_ids, texts = [], [], []
    with open(path, "rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as file:
        for line in io.TextIOWrapper(file, "utf-8", newline="\n"):
            row = json.loads(line)
            lengths.append(row["n_tokens"])
            row_ids.append(row["row_id"])
            texts.append(row["text"])
    return Shard(np.array(lengths, np.int64), row_ids=row_ids, texts=pa.chunked_array([texts]))


def _iso(value: Any) -> str:
    return value.isoformat()


# tokens --------------------------------------------------------------------------------------


def write_npy(work: Work, arguments: dict[str, Any], windows: np.ndarray, trace: pa.Table) -> None:
    """A flat memory map of ids without a header, and the pieces of documents beside it.

    As the dolma toolkit writes and OLMo-core reads: ``part.npy`` is raw little-endian ids, each
    line of ``part.csv.gz`` is start, end, row_id, domain, copy of one piece.
    """
    with open(_target(work, arguments, "npy", ".npy"), "wb") as file:
        file.write(windows.data)
    starts = trace["sequence"].to_numpy().astype(np.int64) * arguments["context"]
    starts = starts + trace["position"].to_numpy()
    ends = starts + trace["end"].to_numpy() - trace["start"].to_numpy()
    table = pa.table(
        [pa.array(starts), pa.array(ends), trace["row_id"], trace["domain"], trace["copy"]],
        names=["start", "end", "row_id", "domain", "copy"],
    )
    lines = pa.BufferOutputStream()
    how = pacsv.WriteOptions(include_header=False, quoting_style="none")
    pacsv.write_csv(table, lines, how)
    with (
        open(_target(work, arguments, "index", ".csv.gz"), "wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as file,  # no name, no time: same bytes
    ):
        file.write(lines.getvalue())


def read_npy(path: str, manifest: dict[str, Any]) -> Shard:
    tokens = np.fromfile(path, np.dtype(manifest["dtype"]).newbyteorder("<"))
    context = manifest["context"]
    whole, rest = divmod(len(tokens), context)
    return Shard(np.array([context] * whole + [rest] * bool(rest), np.int64), tokens)


def write_mds(work: Work, arguments: dict[str, Any], windows: np.ndarray, trace: pa.Table) -> None:
    """Mosaic Data Shard, version 2, one column ``tokens`` of a fixed shape.

    The file is the number of samples, their offsets (all uint32), the JSON of the columns, and the
    samples.
    """
    samples, context = windows.shape
    config = json.dumps(_mds_columns(windows.dtype.name, context), sort_keys=True).encode()
    begin = 4 + 4 * (samples + 1) + len(config)
    offsets = begin + windows.dtype.itemsize * context * np.arange(samples + 1, dtype=np.int64)
    with open(_target(work, arguments, "mds", ".mds"), "wb") as file:
        file.write(np.uint32(samples).tobytes() + offsets.astype("<u4").tobytes() + config)
        file.write(windows.data)


def read_mds(path: str, manifest: dict[str, Any]) -> Shard:
    data = np.fromfile(path, np.uint8)
    samples = int(data[:4].view("<u4")[0])
    offsets = data[4 : 8 + 4 * samples].view("<u4").astype(np.int64)
    dtype = np.dtype(manifest["dtype"]).newbyteorder("<")
    tokens = data[offsets[0] : offsets[-1]].view(dtype)
    return Shard(np.diff(offsets) // dtype.itemsize, tokens)


def finish_mds(manifest: dict[str, Any]) -> tuple[str, str]:
    """``index.json``, by which StreamingDataset finds the shards."""
    columns = _mds_columns(manifest["dtype"], manifest["context"])
    shards = [
        {
            **columns,
            "raw_data": {"basename": name, "bytes": file["bytes"], "hashes": {}},
            "samples": shard["sequences"],
            "zip_data": None,
        }
        for shard in manifest["shards"]
        for name, file in shard["files"].items()
        if name.endswith(".mds") and shard["sequences"]
    ]
    return "index.json", json.dumps({"shards": shards, "version": 2}, sort_keys=True) + "\n"


def _mds_columns(dtype: str, context: int) -> dict[str, Any]:
    return {
        "column_encodings": [f"ndarray:{dtype}:{context}"],
        "column_names": ["tokens"],
        "column_sizes": [np.dtype(dtype).itemsize * context],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": MDS_SIZE_LIMIT,
        "version": 2,
    }


def write_megatron(
    work: Work, arguments: dict[str, Any], tokens: np.ndarray, lengths: np.ndarray
) -> None:
    """Megatron-LM's indexed dataset, version 1: ids in ``.bin``, one sequence to a document.

    ``.idx`` is the magic, version (uint64), code of the type (uint8), numbers of sequences and of
    document bounds (uint64), then tokens of each sequence (int32), their byte offsets (int64) and
    the bounds of documents as numbers of sequences (int64).
    """
    small = arguments["vocab_size"] < MEGATRON_UINT16_IDS
    dtype = np.dtype("<u2" if small else "<i4")
    with open(_target(work, arguments, "bin", ".bin"), "wb") as file:
        file.write(tokens.astype(dtype, copy=False).data)
    count = len(lengths)
    offsets = (np.cumsum(lengths) - lengths) * dtype.itemsize
    code = MEGATRON_UINT16 if small else MEGATRON_INT32
    with open(_target(work, arguments, "idx", ".idx"), "wb") as file:
        file.write(MEGATRON_HEADER + struct.pack("<QBQQ", 1, code, count, count + 1))
        file.write(lengths.astype("<i4").tobytes())
        file.write(offsets.astype("<i8").tobytes())
        file.write(np.arange(count + 1, dtype="<i8").tobytes())


def read_megatron(path: str, manifest: dict[str, Any]) -> Shard:
    with open(path.removesuffix(".bin") + ".idx", "rb") as file:
        if file.read(9) != MEGATRON_HEADER:
            raise ValueError("not a Megatron index")
        _, code, count, _ = struct.unpack("<QBQQ", file.read(25))
        lengths = np.frombuffer(file.read(4 * count), "<i4").astype(np.int64)
    return Shard(lengths, np.fromfile(path, "<u2" if code == MEGATRON_UINT16 else "<i4"))


def finish_megatron(manifest: dict[str, Any]) -> tuple[str, str]:
    """A file for ``--data-args-path``: weight and prefix of every shard, as seen from here."""
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=" ", lineterminator="\n")
    for shard in manifest["shards"]:
        if shard["tokens"]:
            writer.writerow([shard["tokens"], shard["name"]])
    return "data_paths.txt", lines.getvalue()


def id_type(name: str, vocab_size: int) -> str:
    """Name of the type of ids in a tokenised format."""
    if name == "megatron":
        return "uint16" if vocab_size < MEGATRON_UINT16_IDS else "int32"
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


FORMATS = {
    "parquet": Format(
        False,
        False,
        ".parquet",
        write_parquet,
        read_parquet,
        "any Parquet reader: columns text, domain, copy, and all of the corpus",
    ),
    "jsonl.zst": Format(
        False,
        False,
        ".jsonl.zst",
        write_jsonl,
        read_jsonl,
        "zstdcat: one JSON object to a line",
    ),
    "megatron": Format(
        True,
        False,
        ".bin",
        write_megatron,
        read_megatron,
        "Megatron-LM, in this folder: --data-args-path data_paths.txt",
        finish_megatron,
    ),
    "mds": Format(
        True,
        True,
        ".mds",
        write_mds,
        read_mds,
        "streaming.StreamingDataset(local=FOLDER), column tokens",
        finish_mds,
    ),
    "npy": Format(
        True,
        True,
        ".npy",
        write_npy,
        read_npy,
        "numpy.memmap(FILE, DTYPE), or OLMo-core with this sequence length",
    ),
}
