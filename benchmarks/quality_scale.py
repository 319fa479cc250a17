"""Ranks, cuts and parts over a corpus: CPU time of what shards do and of what one job does.

    python benchmarks/quality_scale.py --documents 2000000 --shards 20

Scores of two models are drawn, one of them rounded so that documents tie; cuts and ranks that come
out are compared with those that sorting all scores in memory gives.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pyarrow as pa

from pipeline.documents import LABELS, SCORES
from pipeline.quality import map_column
from pipeline.quality_config import Quality
from pipeline.quality_ranks import RANKS, places_of, top_place
from pipeline.quality_scale import count_scores, load_scale, settle, tally, write_scale
from pipeline.quality_verdicts import verdict_columns

TOLD = {"path": "", "sha256": "0"}
CONFIG = Quality(
    models={"fine": {**TOLD, "top": 0.1}, "coarse": {**TOLD, "top": 0.1}},
    ensembles={"best": {"of": ["fine", "coarse"], "top": 0.2}},
    buckets={"score": "fine", "count": 20},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, default=2_000_000)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--memory", default="1024MiB", help="limit of DuckDB in the one job")
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    fine = rng.beta(0.3, 2, arguments.documents).astype(np.float32)
    coarse = np.round(rng.beta(2, 2, arguments.documents), 3).astype(np.float32)
    spent: Counter[str] = Counter()
    stayed = 0

    def timed(step, work, *given):
        began = time.process_time()
        result = work(*given)
        spent[step] += time.process_time() - began
        return result

    with tempfile.TemporaryDirectory() as folder:

        def paths(step):
            return [os.path.join(folder, f"{step}-{n}") for n in range(arguments.shards)]

        def shards():
            bounds = np.linspace(0, arguments.documents, arguments.shards + 1).astype(int)
            for start, end in itertools.pairwise(bounds):
                yield table(start, fine[start:end], coarse[start:end])

        for shard, path in zip(shards(), paths("counts"), strict=True):
            timed("count", count_scores, shard, CONFIG, path)
        first, last = os.path.join(folder, "first"), os.path.join(folder, "last")
        timed("scale", write_scale, paths("counts"), CONFIG, first, arguments.memory)
        scale = load_scale([first])
        for shard, path in zip(shards(), paths("tally"), strict=True):
            timed("tally", tally, shard, CONFIG, scale, path)
        timed("settle", settle, first, paths("tally"), CONFIG, last, arguments.memory)
        scale = load_scale([last])
        for shard in shards():
            reasons = timed("judge", verdict_columns, shard, CONFIG, scale)["quality_reason"]
            stayed += sum(reason != "fine:below_top" for reason in reasons.to_pylist())
    size = arguments.documents
    for name, scores in (("fine", fine), ("coarse", coarse)):
        ordered = np.sort(scores)
        places = places_of(RANKS)(size) - 1
        assert np.array_equal(scale["rank", name, None], ordered[places].astype(float))
        assert scale["cut", name, None][0] == ordered[top_place(size, 0.1) - 1]
    assert stayed == size - top_place(size, 0.1) + 1
    alone = spent["scale"] + spent["settle"]
    print(
        json.dumps(
            {
                "documents": size,
                "shards": arguments.shards,
                "us_per_document": {step: round(1e6 * s / size, 3) for step, s in spent.items()},
                "seconds_in_one_job": round(alone, 2),
                "share_in_one_job": round(alone / sum(spent.values()), 3),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "exact": True,
            },
            indent=1,
        )
    )


def table(start: int, fine: np.ndarray, coarse: np.ndarray) -> pa.Table:
    """Documents with these scores; ids are in the order of nothing else."""
    size = len(fine)
    numbers = (np.arange(start, start + size, dtype=np.uint64) * 11400714819323198485) % (1 << 63)
    scores = {"fine": pa.array(fine), "coarse": pa.array(coarse)}
    return pa.table(
        {
            "id": pa.array([f"{number:016x}" for number in numbers.tolist()]),
            "source": pa.repeat("s", size),
            "language": pa.nulls(size, pa.string()),
            "scores": map_column(scores, SCORES, size),
            "labels": pa.nulls(size, LABELS),
        }
    )


if __name__ == "__main__":
    main()
