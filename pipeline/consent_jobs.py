"""CONSENT as jobs: snapshots read, notices merged, every shard of documents judged."""

from __future__ import annotations

from collections.abc import Callable

from catalogs import storage
from catalogs.errors import UserError
from catalogs.ledger import Row
from filters.host_consent import AI_AGENTS
from pipeline.address import address, code_version
from pipeline.consent import judge_consent, merge_notices, read_snapshot
from pipeline.jobs import Job
from pipeline.plan import shard_name
from pipeline.recipe import Recipe

CODE = (
    *("pipeline.consent", "pipeline.consent_jobs", "pipeline.notices", "pipeline.compliance"),
    *("pipeline.documents", "pipeline.shards", "pipeline.readers", "pipeline.reading"),
    *("filters.consent", "filters.host_consent", "filters.robots", "filters.licence_files"),
    *("filters.licence_classes", "filters.licence", "filters.licence_ids"),
)
LIBRARIES = ("duckdb", "pyarrow", "idna")
RunJobs = Callable[[list[Job]], list[Row]]


def consent(recipe: Recipe, ingested: list[Row], run_jobs: RunJobs) -> dict[str, Row]:
    """The row of each ingest shard with its file ``consent``; empty where there is nothing to say.

    That is when the recipe asks for no licence and no consent, and the inputs hold no notices.
    """
    inputs = snapshots(recipe)
    found = [row for row in ingested if "notices" in row.files]
    if not (recipe.license or recipe.consent or found):
        return {}
    code = code_version(CODE, LIBRARIES)
    root = recipe.run_folder
    read = run_jobs(
        [
            Job(
                root=root,
                step="notices",
                shard=f"snapshot/{shard_name(path)}",
                address=address("notices", reader, [checksum], code),
                run=read_snapshot,
                arguments={
                    "path": path,
                    "container": path,
                    "reader": reader,
                    "options": options,
                    "remote": recipe.patience.model_dump(),
                },
                inputs=(checksum,),
                code=code,
            )
            for path, reader, options, checksum in inputs
        ]
    )
    files = [row.files["notices"] for row in (*found, *read)]
    merged = None
    if files:
        sums = tuple(file.checksum for file in files)
        (row,) = run_jobs(
            [
                Job(
                    root=root,
                    step="merge-notices",
                    shard="all",
                    address=address("merge-notices", None, sums, code),
                    run=merge_notices,
                    arguments={"paths": [storage.join(root, file.path) for file in files]},
                    inputs=sums,
                    code=code,
                )
            ]
        )
        merged = row.files["notices"]
    return _judge(recipe, ingested, merged, run_jobs, code)


def _judge(recipe, ingested, merged, run_jobs, code) -> dict[str, Row]:
    root = recipe.run_folder
    license = recipe.license.model_dump(mode="json") if recipe.license else None
    asked = recipe.consent.model_dump(mode="json") if recipe.consent else None
    agents = sorted(asked["agents"]) if asked else [*AI_AGENTS, "*"]
    jobs = []
    for row in ingested:
        file = row.files["documents"]
        inputs = (file.checksum, *([merged.checksum] if merged else []))
        config = [license, {**(asked or {}), "robots": None}, agents, row.source]
        jobs.append(
            Job(
                root=root,
                step="consent",
                shard=row.shard,
                address=address("consent", config, inputs, code),
                run=judge_consent,
                arguments={
                    "documents": storage.join(root, file.path),
                    "notices": storage.join(root, merged.path) if merged else None,
                    "license": license,
                    "consent": asked,
                    "agents": agents,
                    "source": row.source,
                },
                inputs=inputs,
                source=row.source,
                code=code,
                weight=file.rows,
            )
        )
    return {row.shard: row for row in run_jobs(jobs)}


def snapshots(recipe: Recipe) -> list[tuple[str, str, dict, str]]:
    """Path, reader, its options and checksum of each file of `consent.robots`.

    Raises
    ------
    UserError
        When a path matches no file, or `consent.exempt` names no source.
    """
    if recipe.consent is None:
        return []
    for index, name in enumerate(recipe.consent.exempt):
        if name not in recipe.sources:
            raise UserError(
                f"recipe '{recipe.name}': field 'consent.exempt.{index}': '{name}' is no source "
                f"(there are: {', '.join(sorted(recipe.sources))})"
            )
    found = []
    for index, pattern in enumerate(recipe.consent.robots):
        paths = storage.expand(pattern, recipe.base)
        if not paths:
            raise UserError(
                f"recipe '{recipe.name}': field 'consent.robots.{index}': no file matches "
                f"'{pattern}' (looked in {recipe.base})"
            )
        for path in paths:
            name = path.lower()
            if ".jsonl" in name or ".ndjson" in name or ".json" in name:
                reader, options = "jsonl", {"text_field": "body"}
            elif ".parquet" in name:
                reader, options = "parquet", {"text_field": "body"}
            else:
                reader, options = "warc", {}
            if reader != "warc":
                options["fetched_at_field"] = "fetched_at"
            found.append((path, reader, options, storage.checksum(path)))
    return found
