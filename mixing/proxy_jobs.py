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
from pipeline.jobs import Job, at_work
from proxies import (
    ModelConfig,
    TokenStream,
    TrainConfig,
    bits_per_byte,
    load_model,
    load_tokenizer,
    train,
    train_bpe,
    write_stream,
)

SAMPLE_BYTES = 2_000_000  # of each domain, for the tokenizer
SCORES = pa.schema(
    [
        ("domain", pa.string()),
        ("document", pa.int32()),
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
    """Train one proxy on one mix and score it on the held-out stream of every domain.

    A killed training goes on from its last checkpoint, kept below ``_tmp`` by address.
    """
    arguments = job.arguments
    streams = {name: TokenStream(path) for name, path in arguments["train"].items()}
    held = {name: TokenStream(path) for name, path in arguments["held"].items()}
    vocab = next(iter(held.values())).info.vocab_size
    model_config = ModelConfig.named(arguments["model"], vocab)
    config = TrainConfig(model=model_config, **arguments["config"])
    weights = storage.join(job.root, "_tmp", "train", job.address)
    with at_work(job) as work:
        result = train(arguments["mix"], streams, config, weights, arguments["subsample"])
        model = load_model(result.weights)
        tables, scores = [], {}
        for name, stream in held.items():
            scored = bits_per_byte(model, stream, config.context)
            scores[name] = {"bpb": scored.value, "standard_error": scored.standard_error}
            columns = [
                pa.array([name] * len(scored.bits)),
                pa.array(range(len(scored.bits)), pa.int32()),
                pa.array(scored.bits),
                pa.array(scored.n_bytes),
                pa.array(scored.n_tokens),
            ]
            tables.append(pa.table(columns, schema=SCORES))
        table = pa.concat_tables(tables)
        pq.write_table(table, work.path("scores", f"{job.step}/{job.shard}.parquet"))
        run = {
            "mix": arguments["mix"],
            "seed": arguments["config"]["seed"],
            "scores": scores,
            "tokens": result.tokens,
            "epochs": result.epochs,
            "loss_curve": result.loss_curve,
            "seconds": round(result.seconds, 2),
        }
        with open(work.path("run", f"{job.step}/{job.shard}.json"), "w") as file:
            json.dump(run, file, indent=1)
        row = work.commit(read=len(table), kept=len(table), stats={"tokens": result.tokens})
    shutil.rmtree(weights, ignore_errors=True)
    return row


def read_run(path: str) -> dict[str, Any]:
    """What `train_proxy` wrote of one run: mix, seed, scores by domain, epochs, loss curve."""
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
