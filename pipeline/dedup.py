"""Exact and near-duplicate removal as steps over files.

Each step reads paths and writes one file, so that any scheduler may run it anywhere::

    sign_shard     one documents shard   -> band hashes of each text         (per shard)
    candidates     all signatures        -> buckets of a share of the bands  (per partition)
    verify         buckets, documents    -> edges with their true Jaccard    (per partition)
    cluster        all edges             -> the cluster of each document
    elect          columns and clusters  -> verdict on rows with duplicates  (per partition)
    judge_shard    one documents shard   -> its attribute file               (per shard)

Without fuzzy dedup only `elect` and `judge_shard` run. No attribute depends on the order of the
inputs or on the number of partitions. Each step needs DuckDB's `memory` and one batch of texts,
`cluster` one integer more for each document with an edge.
"""

from __future__ import annotations

import os
from collections import Counter

from pipeline.dedup_candidates import candidates, sign_shard
from pipeline.dedup_cluster import cluster
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_judge import check_keep, elect, judge_shard
from pipeline.dedup_sql import MEMORY
from pipeline.dedup_verify import verify

__all__ = [
    "DedupConfig",
    "candidates",
    "check_keep",
    "cluster",
    "dedup_files",
    "elect",
    "judge_shard",
    "sign_shard",
    "verify",
]


def dedup_files(
    documents_paths: list[str],
    out_dir: str,
    config: DedupConfig,
    n_partitions: int = 1,
    memory: str = MEMORY,
) -> dict[str, dict[str, int]]:
    """Run all steps in this process, one after the other.

    Parameters
    ----------
    out_dir
        Gets ``attributes/`` with one file for each documents shard, under the shard's path below
        the deepest folder that holds all shards; and, as the steps between, ``signatures/``,
        ``candidates/``, ``edges/``, ``clusters.parquet`` and ``elected/``.

    Returns
    -------
    dict
        By step, its statistics, summed over shards or partitions.
    """
    names = _names(documents_paths)
    partitions = [(index, n_partitions) for index in range(n_partitions)]
    totals: dict[str, Counter] = {}

    def run(step, name: str, *before, after: tuple = (), **limits) -> str:
        out_path = os.path.join(out_dir, name)
        os.makedirs(os.path.dirname(out_path), exist_ok=True)
        total = totals.setdefault(step.__name__, Counter())
        for key, value in step(*before, out_path, *after, **limits).items():
            total[key] = max(total[key], value) if key == "largest" else total[key] + value
        return out_path

    def run_partitions(step, folder: str, *before) -> list[str]:
        return [
            run(step, f"{folder}/{p:05d}.parquet", *before, after=(config, p, n), memory=memory)
            for p, n in partitions
        ]

    edges, clusters = [], None
    if config.fuzzy:
        signatures = [
            run(sign_shard, f"signatures/{name}", path, after=(config,))
            for path, name in zip(documents_paths, names, strict=True)
        ]
        found = run_partitions(candidates, "candidates", signatures)
        edges = run_partitions(verify, "edges", found, documents_paths)
        clusters = run(cluster, "clusters.parquet", edges, memory=memory)
    elected = run_partitions(elect, "elected", documents_paths, clusters, edges)
    for shard, (path, name) in enumerate(zip(documents_paths, names, strict=True)):
        run(judge_shard, f"attributes/{name}", path, shard, elected, memory=memory)
    return {step: dict(counts) for step, counts in totals.items()}


def _names(paths: list[str]) -> list[str]:
    if not paths:
        return []
    absolute = [os.path.abspath(path) for path in paths]
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [os.path.relpath(path, folder) for path in absolute]
