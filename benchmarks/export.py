"""Export of a mix beside datatrove's tokenisation pipeline and the bare tokenizer, one core.

    python benchmarks/export.py RUN --tokenizer tokenizer.json
    python benchmarks/export.py RUN --tokenizer tokenizer.json --tokens 20M --context 2048

All three take the corpus of a finished run. corpusmill selects, counts, draws, tokenises, packs and
shuffles into ``npy`` windows with their trace; datatrove's DocumentTokenizer tokenises and shuffles
within files, its merger shuffles documents over files, its context shuffler shuffles windows; the
bare `tokenizers` library only encodes texts that are in memory. The peers are given the documents
that corpusmill draws. Figures are CPU seconds of one process, jobs run one after another without
Ray; reading and writing count, the import of libraries and the load of the tokenizer do not.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from mixing.export import flow  # noqa: E402
from mixing.export.audit import audit_export  # noqa: E402
from mixing.export.mixture import Mixture  # noqa: E402
from mixing.study_file import parse_count  # noqa: E402
from pipeline.jobs import Job  # noqa: E402
from pipeline.run import Runner  # noqa: E402
from pipeline.schedule import Settings  # noqa: E402
from proxies import pieces  # noqa: E402


def cpu_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class InProcess(Runner):
    """Runs jobs here, one after another, and keeps the CPU seconds of each step."""

    seconds: dict[str, float] = {}  # noqa: RUF012

    def step(self, jobs: list[Job]):
        rows = []
        for job in jobs:
            began = cpu_seconds()
            rows.append(job.run(job))
            taken = cpu_seconds() - began
            self.seconds[job.step] = self.seconds.get(job.step, 0.0) + taken
            self.plan.setdefault(job.step, []).append(job.shard)
        self.done += len(jobs)
        return rows


def corpusmill(run: str, options: flow.Options, out: str) -> tuple[dict, float]:
    flow.Runner = InProcess
    mixture = Mixture(name="all", run=os.path.abspath(run), domains={"all": "true"},
                      shares={"all": 1.0})  # fmt: skip
    began = cpu_seconds()
    manifest = flow.run_export(mixture, options, out, Settings()).manifest
    return manifest, cpu_seconds() - began


def drawn_texts(out: str, run: str) -> list[str]:
    """The documents of the export, each copy once."""
    from catalogs.catalog import open_catalog

    with open_catalog(run) as catalog:
        rows = catalog.execute(
            f"""SELECT any_value(text) FROM corpus JOIN read_parquet('{out}/trace/*.parquet')
            USING (row_id) GROUP BY row_id, copy ORDER BY row_id"""
        ).fetchall()
    return [text for (text,) in rows]


def datatrove(texts: str, folder: str, tokenizer: str, context: int) -> tuple[float, float]:
    """CPU seconds, and those without the shuffle of windows."""
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.tokens.context_shuffler import DocumentTokenizerContextShuffler
    from datatrove.pipeline.tokens.merger import DocumentTokenizerMerger
    from datatrove.pipeline.tokens.tokenizer import DocumentTokenizer
    from datatrove.utils.logging import logger

    logger.remove()
    from proxies.tokenizer import load_tokenizer

    loaded = load_tokenizer(tokenizer)
    eos = loaded.inner.id_to_token(loaded.eos_id)
    places = [os.path.join(folder, name) for name in ("tokens", "merged", "windows")]
    size = 2 if loaded.vocab_size <= 1 << 16 else 4
    steps = [
        [
            ParquetReader(os.path.dirname(texts), text_key="text", id_key="id"),
            DocumentTokenizer(places[0], tokenizer, eos_token=eos, seed=0),
        ],
        [DocumentTokenizerMerger(places[0], places[1], "merged", seed=0, progress=False)],
        [DocumentTokenizerContextShuffler(places[1], places[2], context, 0, size)],
    ]
    seconds = []
    for number, pipeline in enumerate(steps):
        logs = os.path.join(folder, f"logs{number}")
        began = cpu_seconds()
        with contextlib.redirect_stderr(io.StringIO()):
            LocalPipelineExecutor(pipeline, tasks=1, logging_dir=logs).run()
        seconds.append(cpu_seconds() - began)
    return sum(seconds), sum(seconds[:2])


def bare(texts: list[str], tokenizer: str) -> tuple[int, float]:
    from tokenizers import Tokenizer

    inner = Tokenizer.from_file(tokenizer)
    inner.encode_special_tokens = True
    inner.encode_batch_fast(texts[:1])
    began = cpu_seconds()
    count = 0
    for at in range(0, len(texts), 256):
        encoded = inner.encode_batch_fast(texts[at : at + 256], add_special_tokens=False)
        count += sum(len(np.asarray(one.ids, np.uint32)) + 1 for one in encoded)
    return count, cpu_seconds() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a finished run folder")
    parser.add_argument("--tokenizer", required=True, help="a tokenizer.json")
    parser.add_argument("--tokens", default="5M")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--shard-tokens", default="2M")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    args = parser.parse_args()
    tokens, shard = parse_count(args.tokens), parse_count(args.shard_tokens)
    options = flow.Options(tokens, "npy", args.tokenizer, args.context, shard_tokens=shard)
    folder = tempfile.mkdtemp(prefix="export-")
    try:
        out = os.path.join(folder, "out")
        with contextlib.redirect_stderr(io.StringIO()):
            corpusmill(args.run, flow.Options(1000, "npy", args.tokenizer), folder + "/warm")
            InProcess.seconds = {}
            pieces._ENCODERS.clear()  # what the warm-up remembers does not count
            manifest, ours = corpusmill(args.run, options, out)
        problems = audit_export(out).problems
        if problems:
            sys.exit("\n".join(problems))
        texts = drawn_texts(out, args.run)
        import pyarrow as pa

        given = os.path.join(folder, "texts", "texts.parquet")
        os.makedirs(os.path.dirname(given))
        ids = [str(number) for number in range(len(texts))]
        pq.write_table(pa.table({"id": ids, "text": texts}), given, row_group_size=1000)
        count, floor = bare(texts, args.tokenizer)
        warm = os.path.join(folder, "warm-texts", "texts.parquet")
        os.makedirs(os.path.dirname(warm))
        pq.write_table(pa.table({"id": ids[:9], "text": texts[:9]}), warm)
        datatrove(warm, os.path.join(folder, "warm"), args.tokenizer, args.context)
        theirs, unshuffled = datatrove(given, folder, args.tokenizer, args.context)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    counted = manifest["tokens"]
    figures = {
        "tokens": counted,
        "megabytes": round(megabytes, 1),
        "corpusmill": {"seconds": round(ours, 2), "steps": {
            step: round(taken, 2) for step, taken in InProcess.seconds.items()}},
        "datatrove": {"seconds": round(theirs, 2), "without_windows": round(unshuffled, 2)},
        "bare": {"seconds": round(floor, 2)},
        "versions": {
            name: importlib.metadata.version(name) for name in ("datatrove", "tokenizers", "numpy")
        },
    }  # fmt: skip
    if args.json:
        print(json.dumps(figures, indent=1))
        return
    assert count == counted, (count, counted)
    print(f"{counted:,} tokens of {megabytes:.1f} MB text; {figures['versions']}")
    print(f"{'':<42} {'CPU s':>7} {'tokens/s':>10} {'MB/s':>6} {'ratio':>6}")
    rows = [
        ("corpusmill: draw, tokenise, windows, trace", ours),
        ("datatrove: tokenise, merge, windows", theirs),
        ("datatrove: tokenise, merge", unshuffled),
        ("tokenizers: encode only", floor),
    ]
    for name, seconds in rows:
        rate, speed = counted / seconds, megabytes / seconds
        print(f"{name:<42} {seconds:7.2f} {rate:10,.0f} {speed:6.2f} {seconds / ours:6.2f}")
    steps = ", ".join(f"{step} {taken:.2f}" for step, taken in InProcess.seconds.items())
    print(f"corpusmill by step, CPU s: {steps}")


if __name__ == "__main__":
    main()
