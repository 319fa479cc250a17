"""How deduplication grows: time per document and peak memory of each step; and hard cases.

    python benchmarks/dedup_growth.py                          # 10 k, 100 k and 1 M documents
    python benchmarks/dedup_growth.py --documents 10000 --memory 256
    python benchmarks/dedup_growth.py --hard 1000000           # copies of one text, one bucket
    python benchmarks/dedup_growth.py --texts 50               # exact and substring, MB/s

Every step runs in a process of its own, as in a run, so that its peak memory is its own; CPU time
and peaks are the kernel's account of that process, start-up of Python and its libraries included.
`--memory` is the recipe's ``dedup_memory_mb``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.dedup import installed_texts, peak_memory, write_corpus
from pipeline.dedup import DedupConfig, Local
from pipeline.dedup_flow import File, Limits, Shard, flow
from pipeline.dedup_text import content_nodes, normalise
from pipeline.repeats import Inputs, count_units, find_cuts, find_units

SHARD = 250_000


class Apart(Local):
    """Runs each task in a process of its own; sums CPU seconds and takes peaks by step."""

    def __init__(self, folder: str):
        super().__init__(folder)
        self.seconds: dict[str, float] = defaultdict(float)
        self.peaks: dict[str, float] = defaultdict(float)

    def run_step(self, tasks):
        made = []
        for task in tasks:
            with multiprocessing.get_context("forkserver").Pool(1) as pool:
                result, seconds, peak = pool.apply(_measured, (self.folder, task))
            made += result
            self.seconds[task.step] += seconds
            self.peaks[task.step] = max(self.peaks[task.step], peak)
        return made


def _measured(folder: str, task):
    start = time.process_time()
    made = Local(folder).run_step([task])
    return made, time.process_time() - start, peak_memory()


def short_documents(folder: Path, count: int, identical: bool = False) -> list[Path]:
    """Shards of texts of 40 to 60 words, a tenth of them near copies; or of one text in disguise.

    A text in disguise differs in punctuation alone: other ids, the same shingles, so that every
    document lies in every bucket.
    """
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"{number:x}" for number in rng.integers(1 << 16, 1 << 36, 20_000)])
    paths = []
    for start in range(0, count, SHARD):
        texts: list[str] = []
        for place in range(min(SHARD, count - start)):
            if identical:
                marks = f"{start + place:024b}".replace("0", "!").replace("1", "?")
                texts.append(" ".join(vocabulary[:50]) + (marks if place % 2 else ""))
            elif place % 10 == 9:
                words = texts[int(rng.integers(len(texts)))].split()
                words[int(rng.integers(len(words)))] = "edited"
                texts.append(" ".join(words))
            else:
                texts.append(" ".join(rng.choice(vocabulary, int(rng.integers(40, 61)))))
        ids = [xxhash.xxh3_128_hexdigest(text.encode()) for text in texts]
        order = np.argsort(ids, kind="stable")
        columns = {
            "id": [ids[n] for n in order],
            "row_id": [f"{start + n:09d}" for n in order],
            "text": [texts[n] for n in order],
            "n_bytes": [len(texts[n]) for n in order],
        }
        paths.append(folder / f"{start:09d}.parquet")
        pq.write_table(pa.table(columns), paths[-1], row_group_size=10_000)
    return paths


def grow(count: int, memory: int, identical: bool = False) -> float:
    """Deduplicate so many documents; print each step; return CPU seconds per document."""
    folder = Path(tempfile.mkdtemp(prefix="growth-"))
    try:
        paths = short_documents(folder, count, identical)
        shards = [Shard(path.stem, File(str(path))) for path in paths]
        apart, config = Apart(str(folder / "out")), DedupConfig(keep=("n_bytes desc",))
        judged, _ = flow(shards, count, config, [], apart.run_step, Limits.of(memory))
        rows, kept = (sum(made.stats[name] for made in judged) for name in ("rows", "kept"))
        disk = sum(file.stat().st_size for file in (folder / "out").rglob("*") if file.is_file())
    finally:
        shutil.rmtree(folder)
    total = sum(apart.seconds.values())
    what = "copies of one text" if identical else "documents"
    print(f"{count:,} {what}, limit {memory} MiB: {rows:,} rows, {kept:,} kept")
    for step, seconds in apart.seconds.items():
        print(f"  {step:12}{1e6 * seconds / count:9.2f} µs each{apart.peaks[step]:8,.0f} MB peak")
    peak = max(apart.peaks.values())
    print(
        f"  {'all':12}{1e6 * total / count:9.2f} µs each{peak:8,.0f} MB peak, "
        f"{disk / count:,.0f} bytes on disk each\n"
    )
    return total / count


def measure_texts(megabytes: float) -> None:
    """Print the speed of exact keys in memory, and of substring and line repeats over a shard."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/documents.parquet"
        texts = [text for text in installed_texts(int(megabytes * 1e6)) if text]
        texts = write_corpus(texts, path)
        column = pa.array(texts, pa.large_string())
        size = sum(len(text.encode()) for text in texts) / 1e6
        for how in ("raw", "whitespace", "nfc_case"):

            def unique(how=how):
                nodes = content_nodes(normalise(column, how))
                return len(np.unique(nodes.view("V16")))

            _timed(f"exact, {how}, in memory", size, unique)
        judged = pq.read_table(path, columns=["row_id"])
        judged = judged.append_column("kept", pa.array([True] * len(judged)))
        pq.write_table(judged, f"{folder}/judged")
        inputs = Inputs(path, f"{folder}/judged")
        for how, least in (("window", 200), ("line", 20)):
            name = f"repeats, {how} of {least} bytes"
            _timed(name, size, partial(_cut, folder, inputs, how, least))


def _cut(folder: str, inputs: Inputs, how: str, size: int) -> str:
    prints: list[str] = []
    for kind in ("fingerprint", "window") if how == "window" else (how,):
        units, repeated = f"{folder}/{kind}", f"{folder}/{kind}-repeated"
        find_units(inputs, {"units": units}, kind, size, fingerprints=prints)
        count_units([units], {"repeated": repeated})
        if kind == "fingerprint":
            prints = [repeated]
    stats = find_cuts(inputs, {"cuts": f"{folder}/cuts"}, [(how, size, [repeated], prints)], 0, 0)
    return f"{stats['bytes_cut']:,} bytes cut from {stats['documents_cut']:,} documents"


def _timed(name: str, megabytes: float, work) -> None:
    work()  # machine code and files warm
    start = time.process_time()
    found = work()
    seconds = time.process_time() - start
    print(f"{name:32}{megabytes / seconds:10,.1f} MB/s  {found}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--memory", type=int, default=1024, help="limit of a task, MiB (1024)")
    parser.add_argument("--hard", type=int, help="copies of one text, in disguise, instead")
    parser.add_argument("--texts", type=float, help="MB of text for exact and repeats, instead")
    options = parser.parse_args()
    packages = ("duckdb", "numba", "numpy", "pyarrow")
    print(", ".join(f"{name} {version(name)}" for name in packages), f"{os.cpu_count()} CPUs\n")
    if options.texts:
        measure_texts(options.texts)
    elif options.hard:
        grow(options.hard, options.memory, identical=True)
    else:
        with contextlib.redirect_stdout(io.StringIO()):
            grow(500, options.memory)  # compiles what is not compiled yet
        costs = [grow(count, options.memory) for count in options.documents]
        if len(costs) > 1:
            print(f"time per document, last to first: {costs[-1] / costs[0]:.2f} x")


if __name__ == "__main__":
    main()
