"""Deduplication by itself: any Parquet files with `id` and `text` into a run folder."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from pipeline.dedup_config import KEEP_FIRST, DedupConfig
from pipeline.dedup_elect import ROW
from pipeline.dedup_flow import File, Limits, Shard
from pipeline.dedup_jobs import dedup_shards, load_index
from pipeline.dedup_rank import check_keep
from pipeline.dedup_sign import Piece, check_columns
from pipeline.dedup_sql import one, scan, session
from pipeline.progress import Progress
from pipeline.run import Runner, lock
from pipeline.schedule import Settings

PIECE_BYTES, MOST_PIECES = 256 << 20, 4096
SOURCE = "files"
N_BYTES = pa.field("n_bytes", pa.int64())


@dataclass(frozen=True)
class Outcome:
    """What became of the files: the ledger rows of each, and sums over all of them."""

    files: dict[str, list[Row]]
    clusters: int = 0
    largest: int = 0
    repeated_ids: int = 0
    repeated_id: str = ""
    text_bytes: int = 0
    done: int = 0
    skipped: int = 0
    seconds: float = 0.0


def default_keep(paths: list[str]) -> tuple[str, ...]:
    """The recipe's order of preference, as far as all files have the columns for it."""
    names = set.intersection(*(set(_schema(path).names) for path in paths))
    return tuple(order for order in KEEP_FIRST if order.split()[0] in {*names, "n_bytes"})


def run_dedup(
    paths: list[str],
    out: str,
    config: DedupConfig,
    settings: Settings,
    progress: Progress,
    limits: Limits,
) -> Outcome:
    """Judge every row of Parquet files into the run folder `out`; goes on where it was stopped.

    ``out/attributes/dedup/`` gets one file for each input, with its rows in their order; for an
    input of more than 256 MiB of text a folder of that name with a file for each piece, in order.
    The run folder is an index for later runs (``config.against``). Rows are named by `id`; a
    `row_id` is not asked for, and every row is judged by its own text, whoever shares its id.
    `n_bytes` may be used in ``config.keep`` though the files lack it.

    Raises
    ------
    UserError
        For a file or column that is missing, and settings that the files do not allow.
    """
    began = time.monotonic()
    real, rows = sorted({os.path.realpath(path) for path in paths}), 0
    types: tuple[list[str], str] | None = None
    for path in real:
        check_columns(path, config)
        schema = _schema(path)
        rows += pq.read_metadata(path).num_rows
        own = check_keep(
            schema if "n_bytes" in schema.names else schema.append(N_BYTES), config, path
        )
        if types is not None and own != types[0]:
            raise UserError(
                f"{path} and {types[1]}: what 'keep' orders by is of types "
                f"{', '.join(own)} in the one and {', '.join(types[0])} in the other; cast it, as "
                "in 'quality::DOUBLE desc'"
            )
        types = types or (own, path)
    shards = _shards(real)
    old = [load_index(run, run, config) for run in config.against]
    out = os.path.abspath(out)
    storage.make_folder(out)
    with lock(out):
        runner = Runner(out, settings, progress)
        judged = dedup_shards(out, shards, rows, config, old, runner.step, limits, False)
        runner.finish(catalogue=False)
    return _outcome(out, shards, judged, runner, time.monotonic() - began, limits)


def _shards(paths: list[str]) -> list[Shard]:
    """A shard for each file, and for each piece of a large one."""
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    sizes = {path: _text_bytes(path) for path in paths}
    most = max(PIECE_BYTES, sum(map(sum, sizes.values())) // MOST_PIECES)
    most = 1 << (most - 1).bit_length()  # so that a little more of input cuts nothing anew
    shards = []
    for path in paths:
        file, name = File(path, storage.fingerprint(path)), os.path.relpath(path, folder)
        pieces = _pieces(path, sizes[path], most)
        if len(pieces) == 1:
            shards.append(Shard(name.removesuffix(".parquet"), file, SOURCE, trusted=False))
            continue
        for number, piece in enumerate(pieces):
            # .parquet is added to the name of a shard, so the folder is called like the file
            shards.append(Shard(f"{name}/{number:05d}", file, SOURCE, False, piece))
    return shards


def _text_bytes(path: str) -> list[int]:
    """Bytes of the column `text` in each row group, before compression."""
    metadata, sizes = pq.read_metadata(path), []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = map(group.column, range(group.num_columns))
        sizes.append(sum(c.total_uncompressed_size for c in columns if c.path_in_schema == "text"))
    return sizes


def _pieces(path: str, sizes: list[int], most: int) -> list[Piece]:
    """Neighbouring row groups, as many as hold at most `most` bytes of text; at least one."""
    metadata = pq.read_metadata(path)
    pieces, group, row, held, rows = [], 0, 0, 0, 0
    for number, size in enumerate(sizes):
        if number > group and held + size > most:
            pieces.append(Piece(group, number, row, row + rows))
            group, row, held, rows = number, row + rows, 0, 0
        held += size
        rows += metadata.row_group(number).num_rows
    return [*pieces, Piece(group, len(sizes), row, row + rows)]


def _schema(path: str) -> pa.Schema:
    check_columns(path, DedupConfig())
    return pq.read_schema(path)


def _outcome(
    out: str,
    shards: list[Shard],
    judged: list[Row],
    runner: Runner,
    seconds: float,
    limits: Limits,
) -> Outcome:
    ledger = Ledger(out)
    files: dict[str, list[Row]] = {}
    for shard, row in zip(shards, judged, strict=True):
        files.setdefault(shard.file.path, []).append(row)
    elected, signed = ledger.rows("elect"), ledger.rows("sign")
    listed = [ledger.file(row.files["rows"]) for row in ledger.rows("list")]
    with session(os.path.join(out, "dedup"), limits.memory) as connection:
        repeated, example = one(
            connection,
            f"""SELECT count(*), coalesce(min(id), '')
            FROM (SELECT id FROM {scan(listed, ROW)} GROUP BY id HAVING count(*) > 1)""",
        )
    return Outcome(
        files=files,
        clusters=int(sum(row.stats["groups"] for row in elected)),
        largest=int(max((row.stats["largest"] for row in elected), default=0)),
        repeated_ids=repeated,
        repeated_id=example,
        text_bytes=int(sum(row.stats.get("bytes", 0) for row in signed)),
        done=runner.done,
        skipped=runner.skipped,
        seconds=seconds,
    )
