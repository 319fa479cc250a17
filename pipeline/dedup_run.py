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
from pipeline.dedup_sign import check_columns
from pipeline.dedup_sql import one, scan, session
from pipeline.progress import Progress
from pipeline.run import Runner, lock
from pipeline.schedule import Settings

N_BYTES = pa.field("n_bytes", pa.int64())


@dataclass(frozen=True)
class Outcome:
    """What became of the files: the ledger row of each, and sums over all of them."""

    files: dict[str, Row]
    attributes: dict[str, str]
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

    ``out/attributes/dedup/`` gets one file for each input, with its rows in their order; the folder
    is an index for later runs (``config.against``). Rows are named by `id`; a `row_id` is not asked
    for, and every row is judged by its own text, whoever shares its id. `n_bytes` may be used in
    ``config.keep`` though the files lack it.

    Raises
    ------
    UserError
        For a file or column that is missing, and settings that the files do not allow.
    """
    began = time.monotonic()
    shards, rows = _shards(paths, config), 0
    types: tuple[list[str], str] | None = None
    for shard in shards:
        schema = _schema(shard.file.path)
        rows += pq.read_metadata(shard.file.path).num_rows
        own = check_keep(
            schema if "n_bytes" in schema.names else schema.append(N_BYTES), config, shard.file.path
        )
        if types is not None and own != types[0]:
            raise UserError(
                f"{shard.file.path} and {types[1]}: what 'keep' orders by is of types "
                f"{', '.join(own)} in the one and {', '.join(types[0])} in the other; cast it, as "
                "in 'quality::DOUBLE desc'"
            )
        types = types or (own, shard.file.path)
    old = [load_index(run, run, config) for run in config.against]
    out = os.path.abspath(out)
    storage.make_folder(out)
    with lock(out):
        runner = Runner(out, settings, progress)
        judged = dedup_shards(out, shards, rows, config, old, runner.step, limits, False)
        runner.finish(catalogue=False)
    return _outcome(out, shards, judged, runner, time.monotonic() - began, limits)


def _shards(paths: list[str], config: DedupConfig) -> list[Shard]:
    real = sorted({os.path.realpath(path) for path in paths})
    folder = os.path.commonpath([os.path.dirname(path) for path in real])
    shards = []
    for path in real:
        check_columns(path, config)
        name = os.path.relpath(path, folder).removesuffix(".parquet")
        shards.append(Shard(name, File(path, storage.fingerprint(path)), trusted=False))
    return shards


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
    elected, signed = ledger.rows("elect"), ledger.rows("sign")
    listed = [ledger.file(row.files["rows"]) for row in ledger.rows("list")]
    with session(os.path.join(out, "dedup"), limits.memory) as connection:
        repeated, example = one(
            connection,
            f"""SELECT count(*), coalesce(min(id), '')
            FROM (SELECT id FROM {scan(listed, ROW)} GROUP BY id HAVING count(*) > 1)""",
        )
    return Outcome(
        files={shard.file.path: row for shard, row in zip(shards, judged, strict=True)},
        attributes={
            shard.file.path: ledger.file(row.files["attributes"])
            for shard, row in zip(shards, judged, strict=True)
        },
        clusters=int(sum(row.stats["groups"] for row in elected)),
        largest=int(max((row.stats["largest"] for row in elected), default=0)),
        repeated_ids=repeated,
        repeated_id=example,
        text_bytes=int(sum(row.stats.get("bytes", 0) for row in signed)),
        done=runner.done,
        skipped=runner.skipped,
        seconds=seconds,
    )
