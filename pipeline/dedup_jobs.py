"""DEDUP as jobs: the file-level steps of `pipeline.dedup`, addressed and committed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from catalogs import storage
from catalogs.ledger import Row
from pipeline import dedup as steps
from pipeline.address import address, code_version
from pipeline.dedup_config import DedupConfig
from pipeline.jobs import Job, at_work
from pipeline.recipe import Recipe

CODE = (
    "pipeline.dedup_jobs",
    "pipeline.dedup",
    "pipeline.dedup_candidates",
    "pipeline.dedup_cluster",
    "pipeline.dedup_config",
    "pipeline.dedup_judge",
    "pipeline.dedup_sql",
    "pipeline.dedup_verify",
    "pipeline.components",
    "pipeline.minhash",
    "pipeline.shingles",
)
LIBRARIES = ("duckdb", "numpy", "numba", "pyarrow")
PARTITION_ROWS = 2_000_000


def dedup(
    recipe: Recipe, ingested: list[Row], run_step: Callable[[list[Job]], list[Row]]
) -> list[Row]:
    """Judge every ingested document; returns one row per ingest shard, in their order.

    Parameters
    ----------
    ingested
        Ledger rows of the ingest step.
    run_step
        Runs the jobs of one step and returns their rows in the order of the jobs.
    """
    config, root = recipe.dedup, recipe.run_folder
    documents = [row.files["documents"] for row in ingested]
    paths = [storage.join(root, file.path) for file in documents]
    sums = [file.checksum for file in documents]
    rows = sum(row.kept for row in ingested)
    partitions = [f"{index:05d}" for index in range(max(1, -(-rows // PARTITION_ROWS)))]
    code = code_version(CODE, LIBRARIES)
    settings = config.model_dump(mode="json")

    def jobs(step: str, names: list[str], run, arguments: list[dict], inputs: list[list[str]]):
        return [
            Job(
                root=root,
                step=step,
                shard=name,
                address=address(step, [settings, name], own_inputs, code),
                run=run,
                arguments={**own, "config": settings},
                inputs=tuple(own_inputs),
                source=own.get("source", ""),
                code=code,
                memory_mb=4096,
            )
            for name, own, own_inputs in zip(names, arguments, inputs, strict=True)
        ]

    def made(rows: list[Row], kind: str) -> tuple[list[str], list[str]]:
        files = [row.files[kind] for row in rows]
        return [storage.join(root, f.path) for f in files], [f.checksum for f in files]

    def share(at: int) -> dict[str, int]:
        return {"partition": at, "n_partitions": len(partitions)}

    shards = [row.shard for row in ingested]
    each = range(len(partitions))
    edges, edge_sums, clusters, cluster_sums = [], [], [None], []
    if config.fuzzy:
        owns = [{"documents": p, "source": r.source} for p, r in zip(paths, ingested, strict=True)]
        signed = run_step(jobs("sign", shards, sign, owns, [[s] for s in sums]))
        signatures, signature_sums = made(signed, "signatures")
        owns = [{"signatures": signatures, **share(at)} for at in each]
        found = run_step(
            jobs("candidates", partitions, candidates, owns, [signature_sums] * len(partitions))
        )
        buckets, bucket_sums = made(found, "candidates")
        owns = [{"candidates": buckets, "documents": paths, **share(at)} for at in each]
        verified = run_step(
            jobs("verify", partitions, verify, owns, [bucket_sums + sums] * len(partitions))
        )
        edges, edge_sums = made(verified, "edges")
        joined = run_step(jobs("cluster", ["all"], cluster, [{"edges": edges}], [edge_sums]))
        clusters, cluster_sums = made(joined, "clusters")
    owns = [
        {"documents": paths, "clusters": clusters[0], "edges": edges, **share(at)} for at in each
    ]
    elected = run_step(
        jobs("elect", partitions, elect, owns, [sums + cluster_sums + edge_sums] * len(partitions))
    )
    verdicts, verdict_sums = made(elected, "elected")
    owns = [
        {"documents": path, "index": index, "elected": verdicts, "source": row.source}
        for index, (path, row) in enumerate(zip(paths, ingested, strict=True))
    ]
    return run_step(jobs("judge", shards, judge, owns, [[s, *verdict_sums] for s in sums]))


def sign(job: Job) -> Row:
    return _commit(
        job,
        "signatures",
        lambda a, out: steps.sign_shard(a["documents"], out, _config(a)),
    )


def candidates(job: Job) -> Row:
    return _commit(
        job,
        "candidates",
        lambda a, out: steps.candidates(
            a["signatures"], out, _config(a), a["partition"], a["n_partitions"]
        ),
    )


def verify(job: Job) -> Row:
    return _commit(
        job,
        "edges",
        lambda a, out: steps.verify(
            a["candidates"], a["documents"], out, _config(a), a["partition"], a["n_partitions"]
        ),
    )


def cluster(job: Job) -> Row:
    return _commit(job, "clusters", lambda a, out: steps.cluster(a["edges"], out))


def elect(job: Job) -> Row:
    return _commit(
        job,
        "elected",
        lambda a, out: steps.elect(
            a["documents"],
            a["clusters"],
            a["edges"],
            out,
            _config(a),
            a["partition"],
            a["n_partitions"],
        ),
    )


def judge(job: Job) -> Row:
    """Attribute file of one ingest shard; its duplicates are the rejected of this step."""
    arguments = job.arguments
    with at_work(job) as work:
        out = work.path("attributes", f"attributes/dedup/{job.shard}.parquet")
        counts = steps.judge_shard(
            arguments["documents"], arguments["index"], arguments["elected"], out
        )
        reasons = ("exact_duplicate", "near_duplicate")
        rejected = {f"dedup:{reason}": counts[reason] for reason in reasons if counts[reason]}
        return work.commit(read=counts["rows"], kept=counts["kept"], rejected=rejected)


def _commit(job: Job, kind: str, step: Callable[[dict[str, Any], str], dict[str, int]]) -> Row:
    with at_work(job) as work:
        out = work.path(kind, f"attributes/{kind}/{job.shard}.parquet")
        stats = step(job.arguments, out)
        rows = stats.get("rows", stats.get("documents", 0))
        return work.commit(read=rows, kept=rows, stats=stats)


def _config(arguments: dict[str, Any]) -> DedupConfig:
    return DedupConfig.model_validate(arguments["config"])
