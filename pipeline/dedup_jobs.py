"""DEDUP as jobs: the tasks of `pipeline.dedup_flow`, addressed, scheduled and committed."""

from __future__ import annotations

import json
from collections.abc import Callable

from catalogs import storage
from catalogs.audit import load_plan
from catalogs.errors import UserError
from catalogs.ledger import Row
from pipeline.address import address, code_version
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_flow import File, Index, Limits, Made, Shard, Task, flow
from pipeline.jobs import Job, at_work
from pipeline.recipe import Recipe

SIGNATURES = (
    "pipeline.dedup_text",
    "pipeline.minhash",
    "pipeline.datatrove_minhash",
    "pipeline.shingles",
)
CODE = (
    *SIGNATURES,
    "pipeline.dedup_candidates",
    "pipeline.dedup_cluster",
    "pipeline.dedup_elect",
    "pipeline.dedup_flow",
    "pipeline.dedup_jobs",
    "pipeline.dedup_rank",
    "pipeline.dedup_sign",
    "pipeline.dedup_sql",
    "pipeline.dedup_stars",
    "pipeline.dedup_verify",
    "pipeline.components",
    "filters.spacy_words",
    "filters.words",
)
LIBRARIES = ("duckdb", "numpy", "numba", "pyarrow")
INDEX_NAME = "dedup.json"

RunJobs = Callable[[list[Job]], list[Row]]


def dedup(
    recipe: Recipe, ingested: list[Row], allowed: dict[str, Row], run_jobs: RunJobs
) -> list[Row]:
    """Judge every document that CONSENT allows; returns one row per ingest shard, in their order.

    Parameters
    ----------
    ingested
        Ledger rows of the ingest step.
    allowed
        All or none of their shards with the row of CONSENT.
    run_jobs
        Runs the jobs of one step and returns their rows in the order of the jobs.
    """
    config, root = recipe.dedup, recipe.run_folder
    shards = []
    for row in ingested:
        file = row.files["documents"]
        path = File(storage.join(root, file.path), file.checksum)
        trusted = config.exact in ("raw", "none")
        out = allowed[row.shard].files.get("refused") if row.shard in allowed else None
        refused = File(storage.join(root, out.path), out.checksum) if out else None
        shards.append(Shard(row.shard, path, row.source, trusted, refused=refused))
    old = earlier_runs(recipe)
    limits = Limits.of(recipe.limits.dedup_memory_mb)
    rows = sum(row.kept for row in allowed.values() or ingested)
    last = recipe.quality.rejects_sql
    return dedup_shards(root, shards, rows, config, old, run_jobs, limits, last=last)


def earlier_runs(recipe: Recipe) -> list[Index]:
    """The runs that the recipe's documents are judged against; raises as `load_index` does."""
    config = recipe.dedup
    return [load_index(storage.join(recipe.base, run), run, config) for run in config.against]


def dedup_shards(
    root: str,
    shards: list[Shard],
    rows: int,
    config: DedupConfig,
    old: list[Index],
    run_jobs: RunJobs,
    limits: Limits,
    unique_rows: bool = True,
    last: str = "",
) -> list[Row]:
    """Judge every row of the shards into the run folder `root`, and leave an index of it there.

    Other parameters are those of `pipeline.dedup_flow.flow`. Returns the rows of the last step, in
    the order of the shards.
    """
    judged: list[Row] = []

    def run_step(tasks: list[Task]) -> list[Made]:
        rows = run_jobs([_job(root, task, limits) for task in tasks])
        if tasks and tasks[0].step == "judge":
            judged.extend(rows)
        return [_made(root, row) for row in rows]

    _, files = flow(shards, rows, config, old, run_step, limits, unique_rows, last)
    _save_index(root, files, rows, config)
    return judged


def load_index(root: str, name: str, config: DedupConfig) -> Index:
    """What the finished run in the folder `root` left for later ones.

    Raises
    ------
    UserError
        When there is no finished run, or its texts were signed in another way than `config` asks.
    """
    where = f"field 'dedup.against': {name}"
    plan = load_plan(root)
    if plan.get("state") != "complete":
        raise UserError(f"{where}: the run is not finished; run its recipe again first")
    path = storage.join(root, INDEX_NAME)
    if not storage.exists(path):
        raise UserError(f"{where}: it left no {INDEX_NAME}; run its recipe again with this version")
    saved = json.loads(storage.read_text(path))
    for key, value in config.deciding.items():
        if saved["settings"].get(key) != value:
            raise UserError(
                f"{where}: was made with 'dedup.{key}: {saved['settings'].get(key)}', this run has "
                f"'{value}'; the two must agree"
            )
    if saved["signatures"] != _signature_code():
        raise UserError(
            f"{where}: was signed by another version of this program; run its recipe again"
        )
    files = {
        kind: [File(storage.join(root, path), checksum) for path, checksum in entries]
        for kind, entries in saved["files"].items()
    }
    for file in files["index"] + files["bands"]:
        if not storage.exists(file.path):
            raise UserError(f"{where}: {file.path} is missing; run its recipe again")
    return Index(name, files, saved["rows"])


def _save_index(root: str, files: dict[str, list[File]], rows: int, config: DedupConfig) -> None:
    start = len(storage.join(root, ""))
    index = {
        "settings": config.deciding,
        "signatures": _signature_code(),
        "rows": rows,
        "files": {
            kind: [[file.path[start:], file.checksum] for file in own]
            for kind, own in files.items()
        },
    }
    storage.write_text(storage.join(root, INDEX_NAME), json.dumps(index, indent=1))


def _signature_code() -> str:
    return code_version(SIGNATURES, ("numpy",))


def _job(root: str, task: Task, limits: Limits) -> Job:
    code = code_version(CODE, LIBRARIES)
    return Job(
        root=root,
        step=task.step,
        shard=task.shard,
        address=address(task.step, [task.settings, task.shard], task.inputs, code),
        run=run_task,
        arguments={"task": task},
        inputs=task.inputs,
        source=task.source,
        code=code,
        memory_mb=2 * limits.memory_mb,
    )


def run_task(job: Job) -> Row:
    """Do one task and commit what it made; duplicates are the rejected of the step ``judge``."""
    task: Task = job.arguments["task"]
    with at_work(job) as work:
        out = {kind: work.path(kind, _place(kind, task)) for kind in task.outputs}
        stats = task.run(**task.arguments, out=out)
        rows = stats.get("rows", stats.get("documents", 0))
        if task.step != "judge":
            return work.commit(read=rows, kept=rows, stats=stats)
        reasons = ("exact_duplicate", "near_duplicate")
        rejected = {f"dedup:{reason}": stats[reason] for reason in reasons if stats[reason]}
        return work.commit(read=rows, kept=stats["kept"], rejected=rejected)


def _place(kind: str, task: Task) -> str:
    if kind == "attributes":
        return f"attributes/dedup/{task.shard}.parquet"
    return f"dedup/{task.step}/{kind}/{task.shard}.parquet"


def _made(root: str, row: Row) -> Made:
    files = {
        kind: File(storage.join(root, file.path), file.checksum) for kind, file in row.files.items()
    }
    return Made(files, row.stats)
