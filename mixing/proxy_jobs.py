"""Tokenise, train and score as jobs: the functions of `proxies`, addressed and committed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.ledger import Row
from mixing.stacked_jobs import run_folder
from pipeline.jobs import Job, Work, at_work
from proxies import (
    BPB,
    ModelConfig,
    TokenStream,
    TrainConfig,
    bits_per_byte,
    load_model,
    load_tokenizer,
    read_items,
    score_items,
    train,
    train_bpe,
    write_stream,
)

SAMPLE_BYTES = 2_000_000  # of each domain, for the tokenizer
SCORES = pa.schema(
    [
        ("task", pa.string()),
        ("item", pa.int32()),
        ("bits", pa.float64()),
        ("n_bytes", pa.int64()),
        ("n_tokens", pa.int64()),
    ]
)


def train_tokenizer(job: Job) -> Row:
    """Train the BPE on an equal sample of every domain's training texts."""
    with at_work(job) as work:
        path = work.path("tokenizer", "tokenizer.json")
        texts = [text for pool in job.arguments["pools"] for text in _sample(pool)]
        train_bpe(texts, job.arguments["vocab"], path)
        return work.commit(read=len(texts), kept=len(texts))


def tokenise(job: Job) -> Row:
    """Write the training stream and the held-out stream of one domain."""
    arguments = job.arguments
    with at_work(job) as work:
        tokenizer = load_tokenizer(arguments["tokenizer"])
        stats: dict[str, float] = {}
        for kind, held in (("train", False), ("held", True)):
            path = os.path.join(work.folder, f"{kind}.bin")
            info = write_stream(_texts(arguments["pool"], held), tokenizer, path)
            stats[f"{kind}_tokens"], stats[f"{kind}_bytes"] = info.n_tokens, info.n_bytes
            stats[f"{kind}_documents"] = info.n_documents
            os.rename(path, work.path(kind, f"streams/{job.shard}/{kind}.bin"))
            sidecar = work.path(f"{kind}_info", f"streams/{job.shard}/{kind}.bin.json")
            os.rename(path + ".json", sidecar)
        rows = int(stats["train_documents"] + stats["held_documents"])
        return work.commit(read=rows, kept=rows, stats=stats)


def train_proxy(job: Job) -> Row:
    """Train one proxy on one mix; writes its weights and what it did.

    It may start from given weights. A killed training goes on from its last checkpoint, kept below
    ``_tmp`` by address.
    """
    arguments = job.arguments
    streams = {name: TokenStream(path) for name, path in arguments["train"].items()}
    vocab = next(iter(streams.values())).info.vocab_size
    model_config = ModelConfig.named(arguments["model"], vocab)
    config = TrainConfig(model=model_config, **arguments["config"])
    folder = run_folder(job)
    with at_work(job) as work:
        result = train(
            arguments["mix"],
            streams,
            config,
            folder,
            arguments["subsample"],
            arguments.get("start"),
        )
        place = f"{job.step}/{job.shard}"
        shutil.copyfile(result.weights, work.path("weights", f"{place}.safetensors"))
        kept = result.checkpoints if arguments["keep_checkpoints"] else []
        for point in kept:
            final = f"{place}.step-{point.step:07d}.safetensors"
            shutil.copyfile(point.path, work.path(f"step-{point.step:07d}", final))
        run = {
            "mix": arguments["mix"],
            "seed": arguments["config"]["seed"],
            "tokens": result.tokens,
            "epochs": result.epochs,
            "loss_curve": result.loss_curve,
            "made": arguments["made"],
            "checkpoints": [{"step": point.step, "tokens": point.tokens} for point in kept],
            "seconds": round(result.seconds, 2),
        }
        with open(work.path("run", f"{place}.json"), "w") as file:
            json.dump(run, file, indent=1)
        stats = {"tokens": result.tokens, "seconds": result.seconds}
        row = work.commit(read=1, kept=1, stats=stats)
    shutil.rmtree(folder, ignore_errors=True)
    return row


def score_held_out(job: Job) -> Row:
    """Score one proxy on the held-out stream of every domain."""
    arguments = job.arguments
    model = load_model(arguments["weights"])
    with at_work(job) as work:
        scored = {
            name: bits_per_byte(model, TokenStream(path), arguments["context"])
            for name, path in arguments["held"].items()
        }
        return _commit_scores(job, work, scored)


def score_suite(job: Job) -> Row:
    """Score one proxy on the gold answers of one suite."""
    arguments = job.arguments
    model = load_model(arguments["weights"])
    tokenizer = load_tokenizer(arguments["tokenizer"])
    with at_work(job) as work:
        items = read_items(arguments["path"], arguments["limit"])
        scored = score_items(model, tokenizer, items, arguments["context"])
        return _commit_scores(job, work, {arguments["suite"]: scored})


def _commit_scores(job: Job, work: Work, scored: dict[str, BPB]) -> Row:
    tables = [
        pa.table(
            [
                pa.array([task] * len(one.bits)),
                pa.array(range(len(one.bits)), pa.int32()),
                pa.array(one.bits),
                pa.array(one.n_bytes),
                pa.array(one.n_tokens),
            ],
            schema=SCORES,
        )
        for task, one in scored.items()
    ]
    table = pa.concat_tables(tables)
    place = f"{job.step}/{job.shard}"
    pq.write_table(table, work.path("items", f"{place}.parquet"))
    means = {
        task: {"bpb": one.value, "standard_error": one.standard_error}
        for task, one in scored.items()
    }
    with open(work.path("scores", f"{place}.json"), "w") as file:
        json.dump(means, file, indent=1)
    return work.commit(read=len(table), kept=len(table))


def read_run(path: str) -> dict[str, Any]:
    """What `train_proxy` wrote of one run: mix, seed, epochs, loss curve."""
    return json.loads(storage.read_text(path))


def _texts(pool: str, held: bool) -> Iterator[str]:
    with storage.open_input(pool) as file:
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(1024):
            yield from batch.filter(pc.equal(batch["held"], held))["text"].to_pylist()


def _sample(pool: str) -> Iterator[str]:
    left = SAMPLE_BYTES
    for text in _texts(pool, held=False):
        yield text
        left -= len(text)
        if left <= 0:
            return
