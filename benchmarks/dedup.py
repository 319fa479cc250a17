"""Near-duplicate removal beside datatrove's MinHash stages: same corpus, one run, one core.

    python benchmarks/dedup.py                              # the texts of this Python installation
    python benchmarks/dedup.py --documents crawl.parquet    # any Parquet with id and text
    python benchmarks/dedup.py --megabytes 500 --no-datatrove

Pairs of known similarity are planted: random sequences of the corpus' own words, and copies with
words replaced. With datatrove's own signatures, clusters are compared one by one. Prints
documents/s and MB/s (CPU time) per step, peak memory, recall per similarity beside theory, and
precision: the share of clustered documents that have a neighbour in their cluster whose word 5-gram
sets reach a Jaccard similarity of 0.7. datatrove's tokenizer needs spaCy.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline.dedup import DedupConfig, Local
from pipeline.dedup_flow import File, Shard, flow
from pipeline.dedup_sign import sign_shard
from pipeline.minhash import expected_recall
from pipeline.shingles import shingle_sets

SIMILARITIES = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
NEAR = 0.7
NGRAM = 5


def installed_texts(limit: int) -> list[str]:
    """Python and text files of the standard library and installed packages, up to `limit` bytes."""
    roots = [Path(os.__file__).parent, *(Path(p) for p in sys.path if p.endswith("site-packages"))]
    files = {
        f for root in roots for kind in ("py", "txt", "md", "rst") for f in root.rglob(f"*.{kind}")
    }
    texts, held = [], 0
    for file in random.Random(0).sample(sorted(files), len(files)):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = file.read_text("utf-8")[:20_000]
            texts.append(text)
            held += len(text.encode())
        if held > limit:
            break
    return texts


def planted_pairs(texts: list[str], per_similarity: int) -> list[tuple[str, str]]:
    """Pairs whose word 5-gram sets have about the similarities of `SIMILARITIES`, in turn."""
    rng = random.Random(1)
    vocabulary = sorted({word for text in texts[:500] for word in text.split() if word.isalpha()})
    pairs = []
    for similarity in SIMILARITIES * per_similarity:
        words = rng.choices(vocabulary, k=rng.randint(200, 600))
        shingles = len(words) - NGRAM + 1
        # a replaced word destroys n shingles and makes n: J = (m - n e) / (m + n e)
        edits = round(shingles * (1 - similarity) / (NGRAM * (1 + similarity)))
        edited = list(words)
        for place in range(edits):
            edited[NGRAM + place * (shingles - NGRAM) // max(1, edits)] = "".join(
                rng.choices("abcdefghijklmnopqrstuvwxyz", k=9)
            )
        pairs.append((" ".join(words), " ".join(edited)))
    return pairs


def write_corpus(texts: list[str], path: str) -> list[str]:
    """Write a documents shard of the distinct texts; return them in the order of the shard."""
    by_id = {xxhash.xxh3_128_hexdigest(text.encode()): text for text in texts}
    ids = sorted(by_id)
    texts = [by_id[name] for name in ids]
    sizes = [len(text.encode()) for text in texts]
    table = {"id": ids, "row_id": ids, "text": texts, "source": ["corpus"] * len(ids)}
    pq.write_table(pa.table({**table, "n_bytes": sizes}), path, row_group_size=2048)
    return texts


class Timed(Local):
    """Runs tasks in this process; CPU seconds by step in `seconds`."""

    def __init__(self, folder: str):
        super().__init__(folder)
        self.seconds: dict[str, float] = defaultdict(float)

    def run_step(self, tasks):
        start = time.process_time()
        try:
            return super().run_step(tasks)
        finally:
            self.seconds[tasks[0].step] += time.process_time() - start


def run_ours(documents: str, folder: str, settings: dict) -> tuple[dict, list[str | None]]:
    """Seconds of each step, and the cluster of each document or None."""
    config = DedupConfig(keep=["n_bytes desc"], **settings)
    warm = {kind: f"{folder}/warm-{kind}" for kind in ("keys", "bands", "sets")}
    write_corpus(["warm up of the kernels, which takes é some words"], f"{folder}/warm.parquet")
    sign_shard(f"{folder}/warm.parquet", warm, config)
    local, rows = Timed(folder), pq.read_metadata(documents).num_rows
    judged, _ = flow([Shard("documents", File(documents))], rows, config, [], local.run_step)
    attributes = pq.read_table(judged[0].files["attributes"].path)
    return dict(local.seconds), attributes["dup_cluster"].to_pylist()


def run_datatrove(documents: str, folder: str, _: None = None) -> tuple[dict, list[str | None]]:
    """Seconds of each stage, and the cluster of each document or None."""
    os.environ["TQDM_DISABLE"] = "1"
    from datatrove.data import Document
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.utils.logging import logger

    logger.remove()
    table = pq.read_table(documents, columns=["id", "text"]).to_pylist()
    corpus = [Document(text=row["text"], id=row["id"]) for row in table]
    places = {name: f"{folder}/{name}" for name in ("signatures", "buckets", "remove")}
    sign = MinhashDedupSignature(places["signatures"])
    # its default hash hands a string to xxhash, which takes only bytes since version 4
    sign._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())
    sign.get_shingles("warm up")
    buckets = MinhashDedupBuckets(places["signatures"], places["buckets"])
    cluster = MinhashDedupCluster(places["buckets"], places["remove"], save_cluster_id=True)
    keep = MinhashDedupFilter(places["remove"], load_cluster_ids=True)
    stages = {
        "signatures": lambda: sign.run(corpus),
        "buckets": lambda: [buckets.run(None, rank, 14) for rank in range(14)],
        "cluster": lambda: cluster.run(None),
        "filter": lambda: list(keep.run(corpus)),
    }
    seconds = {}
    for name, stage in stages.items():
        start = time.process_time()
        stage()
        seconds[name] = time.process_time() - start
    clusters = [document.metadata.get("minhash_cluster_id", -1) for document in corpus]
    return seconds, [None if label == -1 else str(label) for label in clusters]


def in_child(function, *arguments) -> tuple[dict, list[str | None], float]:
    """Run in a process of its own, on one core; also the peak memory in MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool, tempfile.TemporaryDirectory() as out:
        document, *rest = arguments
        return pool.apply(_measured, (function, document, out, *rest))


def _measured(function, *arguments):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    seconds, clusters = function(*arguments)
    return seconds, clusters, peak_memory()


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory at the fork
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def precision(sets: list[np.ndarray], clusters: list[str | None]) -> float:
    """Share of clustered documents with a neighbour in their cluster at `NEAR` or above."""
    members: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(clusters):
        if label is not None:
            members[label].append(place)
    near = total = 0
    for group in members.values():
        for place in group[:200]:
            total += 1
            near += any(
                _jaccard(sets[place], sets[other]) >= NEAR for other in group if other != place
            )
    return near / total if total else float("nan")


def clusters_of(labels: list[str | None]) -> set[frozenset[int]]:
    """Groups of places with equal labels."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        if label is not None:
            groups[label].append(place)
    return {frozenset(group) for group in groups.values()}


def _jaccard(left: np.ndarray, right: np.ndarray) -> float:
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / max(1, len(left) + len(right) - shared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--documents", help="Parquet file with a column text")
    parser.add_argument("--megabytes", type=float, default=20, help="text to read, MB (20)")
    parser.add_argument("--pairs", type=int, default=100, help="planted pairs per similarity (100)")
    parser.add_argument("--no-datatrove", action="store_true", help="measure this project alone")
    parser.add_argument("--json", help="write the figures here, too")
    options = parser.parse_args()

    limit = int(options.megabytes * 1e6)
    texts = read_texts(options.documents, limit) if options.documents else installed_texts(limit)
    pairs = planted_pairs(texts, options.pairs)
    with tempfile.TemporaryDirectory() as folder:
        documents = f"{folder}/documents.parquet"
        texts = write_corpus([*texts, *(text for pair in pairs for text in pair)], documents)
        runs = {
            "corpusmill": in_child(run_ours, documents, {"jaccard": NEAR}),
            "corpusmill, bands alone": in_child(run_ours, documents, {"jaccard": None}),
        }
        if not options.no_datatrove:
            alike = {"jaccard": None, "signatures": "datatrove"}
            runs["corpusmill as datatrove"] = in_child(run_ours, documents, alike)
            runs["datatrove"] = in_child(run_datatrove, documents)
    report = summarise(texts, pairs, runs)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1))


def read_texts(path: str, limit: int) -> list[str]:
    texts, held = [], 0
    for batch in pq.ParquetFile(path).iter_batches(512, columns=["text"]):
        for text in batch["text"].to_pylist():
            if text:
                texts.append(text)
                held += len(text.encode())
        if held > limit:
            break
    return texts


def summarise(texts: list[str], pairs: list[tuple[str, str]], runs: dict) -> dict:
    """Print the tables; return their figures."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} distinct documents, {megabytes:.1f} MB, {len(pairs)} planted pairs\n")
    hashes, offsets = shingle_sets(pa.array(texts, pa.large_string()))
    sets = [hashes[a:b] for a, b in pairwise(offsets)]
    places = {text: place for place, text in enumerate(texts)}
    ends = [(places[one], places[other]) for one, other in pairs]
    truth = np.array([_jaccard(sets[a], sets[b]) for a, b in ends])
    report: dict = {"documents": len(texts), "megabytes": megabytes}

    print(f"{'':38}{'CPU s':>9}{'docs/s':>11}{'MB/s':>9}")
    for name, (seconds, clusters, peak) in runs.items():
        for step, spent in [*seconds.items(), ("whole", sum(seconds.values()))]:
            rate, speed = len(texts) / max(spent, 1e-9), megabytes / max(spent, 1e-9)
            print(f"{name + ': ' + step:38}{spent:9.3f}{rate:11,.0f}{speed:9.2f}")
        right = precision(sets, clusters)
        print(f"{'':4}peak memory {peak:,.0f} MB, precision {right:.4f}\n")
        report[name] = {"seconds": seconds, "peak_mb": peak, "precision": right, "recall": {}}
    if "datatrove" in runs:
        theirs = sum(runs["datatrove"][0].values())
        for name in ("corpusmill", "corpusmill as datatrove"):
            print(f"datatrove / {name}, whole: {theirs / sum(runs[name][0].values()):.1f} x")
        ours, other = (clusters_of(runs[n][1]) for n in ("corpusmill as datatrove", "datatrove"))
        print(f"clusters of datatrove that are found alike: {len(ours & other)} of {len(other)}")
        print(f"clusters found that datatrove has not: {len(ours - other)}\n")
        report["clusters alike"] = [len(ours & other), len(other), len(ours - other)]

    print(f"{'Jaccard':>8}{'theory':>9}{'s.e.':>7}" + "".join(f"{name:>26}" for name in runs))
    for number, similarity in enumerate(SIMILARITIES):
        chosen = range(number, len(ends), len(SIMILARITIES))
        expected = expected_recall(truth[chosen])
        error = np.sqrt(np.mean(expected * (1 - expected)) / len(chosen))
        line = f"{truth[chosen].mean():8.3f}{expected.mean():9.3f}{error:7.3f}"
        for name, (_, clusters, _) in runs.items():
            found = [
                clusters[a] is not None and clusters[a] == clusters[b]
                for a, b in np.array(ends)[chosen]
            ]
            report[name]["recall"][similarity] = float(np.mean(found))
            line += f"{np.mean(found):26.3f}"
        print(line)
    return report


if __name__ == "__main__":
    main()
