"""Exact and near-duplicate removal over Parquet files: the public face.

See `pipeline.dedup_flow` for the steps. No attribute depends on the order of the inputs or on the
number of parts; no step holds all documents or links.
"""

from __future__ import annotations

import os
from collections import Counter

import pyarrow.parquet as pq

from catalogs.errors import UserError
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_flow import LIMITS, File, Index, Limits, Made, Shard, Task, flow
from pipeline.dedup_rank import check_keep
from pipeline.dedup_sign import check_columns, ids_name_texts

__all__ = ["DedupConfig", "Index", "Limits", "Local", "check_keep", "dedup_files"]


class Local:
    """Runs tasks in this process and sums their statistics, by step, in `totals`."""

    def __init__(self, folder: str):
        self.folder = folder
        self.totals: dict[str, Counter] = {}

    def run_step(self, tasks: list[Task]) -> list[Made]:
        made = []
        for task in tasks:
            paths = {k: f"{self.folder}/{k}/{task.step}/{task.shard}" for k in task.outputs}
            if task.step == "judge":
                paths["attributes"] = f"{self.folder}/attributes/{task.shard}"
            for path in paths.values():
                os.makedirs(os.path.dirname(path), exist_ok=True)
            stats = task.run(**task.arguments, out=paths)
            total = self.totals.setdefault(task.step, Counter())
            for key, value in stats.items():
                total[key] = max(total[key], value) if key == "largest" else total[key] + value
            made.append(Made({kind: File(path) for kind, path in paths.items()}, stats))
        return made


def dedup_files(
    documents_paths: list[str],
    out_dir: str,
    config: DedupConfig,
    limits: Limits = LIMITS,
    old: tuple[Index, ...] = (),
) -> tuple[dict[str, dict[str, int]], Index]:
    """Run all steps in this process, one after the other.

    Parameters
    ----------
    out_dir
        Gets ``attributes/`` with one file for each documents shard, under the shard's path below
        the deepest folder that holds all shards; and one folder for each kind of file between.
    old
        Earlier runs, as this function returned them, the oldest first.

    Returns
    -------
    stats : dict
        By step, its statistics, summed over shards or parts.
    index : Index
        What a later run takes as `old`.
    """
    local = Local(out_dir)
    for path, times in Counter(map(os.path.abspath, documents_paths)).items():
        if times > 1:
            raise UserError(f"{path}: listed {times} times; list each input once")
    columns = [check_columns(path, config) for path in documents_paths]
    for path in documents_paths[:1]:
        check_keep(pq.read_schema(path), config, path)
    shards = [
        Shard(name, File(path), trusted=ids_name_texts(names, config))
        for name, path, names in zip(_names(documents_paths), documents_paths, columns, strict=True)
    ]
    rows = sum(pq.read_metadata(path).num_rows for path in documents_paths)
    unique = all("row_id" in names for names in columns)
    _, files = flow(shards, rows, config, list(old), local.run_step, limits, unique)
    return {step: dict(counts) for step, counts in local.totals.items()}, Index(
        out_dir, files, rows
    )


def _names(paths: list[str]) -> list[str]:
    if not paths:
        return []
    absolute = [os.path.abspath(path) for path in paths]
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [os.path.relpath(path, folder) for path in absolute]
