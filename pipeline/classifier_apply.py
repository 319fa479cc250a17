"""A model's scores for the documents of a finished run, without reading its raw inputs again."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.applied import KIND, STEP
from catalogs.audit import load_plan
from catalogs.catalog import save_catalog
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from pipeline.address import address, code_version
from pipeline.classifier_model import load_scorer
from pipeline.documents import DOCUMENTS, field
from pipeline.jobs import Job, at_work
from pipeline.plugins import load_plugin
from pipeline.progress import Progress
from pipeline.run import lock
from pipeline.schedule import Outcome, Settings, run_jobs
from pipeline.shards import compression_options

APPLIED = pa.schema(
    [
        DOCUMENTS.field("row_id"),
        field("score", pa.float32(), "score of the model"),
        field("label", pa.string(), "best label, of models of labels"),
    ]
)
CODE = ("filters", "pipeline.classifier_model", "pipeline.classifier_apply", "pipeline.hub")
CODE += ("pipeline.embeddings", "pipeline.encoders", "pipeline.classifier_transformer")
CODE += ("pipeline.classifier_metrics",)
LIBRARIES = ("numpy", "pyarrow", "onnxruntime", "tokenizers", "torch", "transformers")
LIBRARIES += ("sentence-transformers",)


def apply_model(
    root: str, name: str, model: dict[str, Any], settings: Settings, progress: Progress
) -> Outcome:
    """Score every document of a run; the views of its catalogue show it as ``scores[name]``.

    Writes ``attributes/applied/NAME/``, a file for each shard of documents; again is a no-op, and
    another model under the same name takes the place of the first.

    Parameters
    ----------
    model
        ``path``, ``checksum``, ``positive``, ``first_chars``, ``plugins``.

    Raises
    ------
    UserError
        When the run is not finished, or its recipe has a model of that name.
    """
    if load_plan(root).get("state") != "complete":
        raise UserError(f"{root}: the run is not finished; run its recipe again first")
    code = code_version(CODE, LIBRARIES)
    config = {key: value for key, value in model.items() if key not in ("path", "plugins")}
    config["plugins"] = [storage.checksum(plugin) for plugin in model["plugins"]]
    with lock(root):
        ledger = Ledger(root)
        ingested = ledger.rows("ingest")
        _check_name(root, name)
        step = STEP + name
        jobs = []
        for row in ingested:
            documents = row.files["documents"]
            inputs = (documents.checksum, model["checksum"])
            jobs.append(
                Job(
                    root=root,
                    step=step,
                    shard=row.shard,
                    address=address(step, config, inputs, code),
                    run=_apply_job,
                    arguments={**model, "documents": storage.join(root, documents.path)},
                    inputs=inputs,
                    source=row.source,
                    code=code,
                    memory_mb=2048,
                    weight=documents.bytes,
                )
            )
        planned = {job.shard: job.address for job in jobs}
        ledger.retire([r for r in ledger.rows(step) if planned.get(r.shard) != r.address])
        outcome = run_jobs(jobs, settings, progress)
        save_catalog(root)
    return outcome


def applied_names(root: str) -> list[str]:
    """Names of the models that were applied to a run."""
    steps = {row.step for row in Ledger(root).rows() if row.step.startswith(STEP)}
    return sorted(step.removeprefix(STEP) for step in steps)


def remove_applied(root: str, name: str) -> int:
    """Forget what a model said of a run; returns how many shards had it."""
    with lock(root):
        ledger = Ledger(root)
        count = ledger.retire(ledger.rows(STEP + name))
        save_catalog(root)
    return count


def _check_name(root: str, name: str) -> None:
    from pipeline.config import load_yaml

    quality = load_yaml(storage.join(root, "recipe.yaml")).get("quality") or {}
    if name in (quality.get("models") or {}):
        raise UserError(
            f"--name {name}: the recipe of {root} scores with a model of that name; give another"
        )


def _apply_job(job: Job) -> Row:
    arguments = job.arguments
    for plugin in arguments["plugins"]:
        load_plugin(plugin)
    scorer = load_scorer(arguments["path"], arguments["checksum"], arguments["positive"])
    rows = 0
    with at_work(job) as work:
        path = work.path(KIND, f"attributes/applied/{job.step}/{job.shard}.parquet")
        options = compression_options("zstd", 3)
        with (
            storage.open_input(arguments["documents"]) as file,
            pq.ParquetWriter(path, APPLIED, **options) as writer,
        ):
            reader = pq.ParquetFile(file, pre_buffer=False)
            for group in range(reader.num_row_groups):
                table = reader.read_row_group(group, columns=["row_id", "text"])
                found = scorer.score(table["text"].combine_chunks(), arguments["first_chars"])
                labels = found.labels or [None] * len(table)
                columns = [table["row_id"], pa.array(found.scores), pa.array(labels, pa.string())]
                writer.write_table(pa.table(columns, schema=APPLIED))
                rows += len(table)
        return work.commit(read=rows, kept=rows)
