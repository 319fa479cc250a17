"""How many items of evaluation sets a finished run holds: one look at every shard of ``corpus/``.

What is found lies in ``RUN/contamination/``, a folder with a ledger of its own, so that running the
recipe again leaves it alone; another question replaces it.
"""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import filters
from catalogs import storage
from catalogs.catalog import save_catalog
from catalogs.errors import UserError
from catalogs.found_views import FOLDER
from catalogs.ledger import Ledger, Row
from pipeline.address import address, code_version
from pipeline.eval_index import CODE as INDEX_CODE
from pipeline.eval_index import EvalIndex, open_index
from pipeline.evals import read_evals
from pipeline.jobs import Job, at_work
from pipeline.progress import Progress
from pipeline.run import Runner, lock
from pipeline.schedule import Settings

CODE = (*INDEX_CODE, "pipeline.eval_coverage")
BATCH = 1024
_COLUMNS = ["row_id", "id", "source", "uri", "text"]
MATCHES = pa.schema(
    [
        *((name, pa.string()) for name in ("row_id", "id", "source", "uri")),
        *((name, pa.string()) for name in ("benchmark", "item", "part")),
        ("start_byte", pa.int32()),
        ("end_byte", pa.int32()),
        ("score", pa.float32()),
    ]
)
ITEMS = pa.schema(
    [
        *((name, pa.string()) for name in ("benchmark", "item", "question", "answer")),
        ("told", pa.bool_()),
    ]
)


def measure(
    root: str, index: EvalIndex, rules: tuple[float, ...], settings: Settings, progress: Progress
) -> list[Row]:
    """Look for the items of `index` in ``corpus/`` of a run; goes on where it was stopped.

    `rules` are those of `filters.contamination.Rules`. The catalogue's views ``eval_items`` and
    ``eval_matches`` show what was found.

    Raises
    ------
    UserError
        When the run has no corpus.
    """
    root = root if storage.is_remote(root) else os.path.abspath(root)
    ledger = Ledger(root)
    written = ledger.rows("write")
    if not written:
        raise UserError(f"{root}: no corpus here yet; run its recipe to the end first")
    out = storage.join(root, FOLDER)
    storage.make_folder(out)
    with lock(out):
        index.write(out)
        runner = Runner(out, settings, progress)
        runner.step([_items_job(out, index, rules)])
        jobs = [_matches_job(ledger, out, row, index, rules) for row in written]
        rows = runner.step(jobs)
        runner.finish(catalogue=False)
    save_catalog(root)
    return rows


def _items_job(out: str, index: EvalIndex, rules: tuple[float, ...]) -> Job:
    code = code_version(CODE, ("pyarrow",))
    return Job(
        root=out,
        step="eval-items",
        shard="items",
        address=address("eval-items", [index.digest, rules], (), code),
        run=_write_items,
        arguments={
            "sets": index.sets,
            "base": index.base,
            "index": index.path(out),
            "rules": rules,
        },
        code=code,
        memory_mb=1024,
    )


def _matches_job(
    ledger: Ledger, out: str, row: Row, index: EvalIndex, rules: tuple[float, ...]
) -> Job:
    code = code_version(CODE, ("pyarrow", "numpy"))
    file = row.files["corpus"]
    return Job(
        root=out,
        step="eval-matches",
        shard=row.shard,
        address=address("eval-matches", [index.digest, rules], [file.checksum], code),
        run=_find_matches,
        arguments={"corpus": ledger.file(file), "index": index.path(out), "rules": rules},
        inputs=(file.checksum,),
        source=row.source,
        code=code,
        memory_mb=1024,
        weight=file.bytes,
    )


def _write_items(job: Job) -> Row:
    arguments = job.arguments
    told = open_index(arguments["index"], *arguments["rules"]).told().tolist()
    items = read_evals(arguments["sets"], arguments["base"])
    rows = [
        {
            "benchmark": item.benchmark,
            "item": item.item,
            "question": item.question,
            "answer": item.answer,
            "told": known,
        }
        for item, known in zip(items, told, strict=True)
    ]
    with at_work(job) as work:
        path = work.path("items", "attributes/eval-items.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema=ITEMS), path, compression="zstd")
        return work.commit(read=len(rows), kept=len(rows), stats={"told": sum(told)})


def _find_matches(job: Job) -> Row:
    """Write one row for each part of an item found in one shard, in the order of its documents."""
    arguments = job.arguments
    matcher: filters.Contamination = open_index(arguments["index"], *arguments["rules"])
    read = documents = found = 0
    with at_work(job) as work:
        path = work.path("matches", f"attributes/eval-matches/{job.shard}.parquet")
        with (
            storage.open_input(arguments["corpus"]) as file,
            pq.ParquetWriter(path, MATCHES, compression="zstd") as writer,
        ):
            for batch in pq.ParquetFile(file).iter_batches(BATCH, columns=_COLUMNS):
                matches = matcher.tag(batch["text"])
                parents = pc.list_parent_indices(matches)
                flat = matches.flatten()
                columns = [batch[name].take(parents) for name in MATCHES.names[:4]]
                columns += flat.flatten()
                table = pa.table(columns, schema=MATCHES)
                writer.write_table(table)
                read += len(batch)
                documents += len(pc.unique(parents))
                found += len(table)
        return work.commit(read=read, kept=read, stats={"documents": documents, "matches": found})
