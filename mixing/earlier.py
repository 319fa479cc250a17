"""What a study leaves for those that follow it: whose text it trained on, and what it answered.

A finished study notes the ids of its documents, so that a later one can tell, after the corpus or
the domains have changed, which text is still there, and never holds out what was trained on. A
folder that changes keeps the notes of its last finished study, each under the digest of its domains
and corpus: ``lineage.json`` says which study followed which.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from mixing.proxy_jobs import read_run
from mixing.runs_file import corpus_checksums
from mixing.study_file import Study, load_study
from pipeline.address import digest
from pipeline.jobs import Job, at_work

STEP = "earlier"
LINEAGE = "lineage.json"
AFRESH = "none"  # of swarm.reuse: nothing is kept
MEMBERS = pa.schema(
    [("domain", pa.string()), ("id", pa.string()), ("held", pa.bool_()), ("n_bytes", pa.int64())]
)


@dataclass(frozen=True)
class EarlierRun:
    """A trained run: its ledger row, what it did, and its mix of the earlier study's domains.

    `unlike` is the share of its tokens that were other text than these domains'.
    """

    row: Row
    run: dict[str, Any]
    mix: np.ndarray
    unlike: float


@dataclass(frozen=True)
class Earlier:
    """An earlier study, as it was noted.

    Attributes
    ----------
    folder
        Where its files are; this study's own when it is the folder's last one.
    members
        Path of the note of its documents.
    checksum
        Of both notes: what follows from them has it in its address.
    facts
        ``domains``, ``tokenizer`` (its identity), ``streams`` (checksums of the training
        texts), ``runs`` (shard -> address, mix, and the part of it that is not what it says),
        ``proxies`` (how runs were made, by step), and of an answered study ``recommended``,
        ``epochs``, ``tokens`` (target) and ``available``.
    """

    folder: str
    members: str
    checksum: str
    facts: dict[str, Any]

    @property
    def domains(self) -> list[str]:
        return list(self.facts["domains"])

    def runs(self) -> list[EarlierRun]:
        """Its swarm's runs that are still there."""
        ledger, found = Ledger(self.folder), []
        for shard, known in sorted(self.facts["runs"].items()):
            row = ledger.committed("train", shard, known["address"])
            if row:
                run = read_run(ledger.file(row.files["run"]))
                mix = np.array([known["mix"].get(name, 0.0) for name in self.domains])
                found.append(EarlierRun(row, run, mix, known["unlike"]))
        return found


def note_job(job: Job) -> Row:
    """Note a study's documents and its answer, from its pools and its ledger."""
    arguments = job.arguments
    place = f"{STEP}/{job.shard}"
    with at_work(job) as work:
        rows = 0
        with pq.ParquetWriter(work.path("members", f"{place}.parquet"), MEMBERS) as to:
            for domain, pool in arguments["pools"].items():
                with storage.open_input(pool) as file:
                    for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(1024):
                        sizes = pc.binary_length(batch["text"]).cast(pa.int64())
                        names = pa.array([domain] * len(batch), pa.string())
                        to.write_batch(pa.record_batch(
                            [names, batch["id"], batch["held"], sizes], schema=MEMBERS
                        ))  # fmt: skip
                        rows += len(batch)
        with open(work.path("facts", f"{place}.json"), "w") as file:
            json.dump(arguments["facts"], file, indent=1)
        return work.commit(read=rows, kept=rows)


def note_arguments(
    folder: str, plan: dict[str, dict[str, str]] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """What `note_job` is to note of a study's folder, and the checksums of what it reads.

    Parameters
    ----------
    plan
        step -> shards that count; default all.

    Raises
    ------
    UserError
        When there is no study with token streams in `folder`.
    """
    ledger = Ledger(folder)

    def rows(step: str) -> list[Row]:
        found = ledger.rows(step)
        return found if plan is None else [row for row in found if row.shard in plan.get(step, ())]

    pools = {row.shard: row for row in rows("pool")}
    streams = {row.shard: row for row in rows("tokenise")}
    if not pools or pools.keys() != streams.keys():
        raise UserError(f"{folder}: no study has trained proxies here; run that study first")
    facts: dict[str, Any] = {
        "domains": sorted(pools),
        "streams": {name: row.checksum("train") for name, row in streams.items()},
        # the tokenizer is the second of the inputs of a stream
        "tokenizer": next(iter(streams.values())).inputs[1],
        "runs": _runs(ledger, rows("train"), rows("reuse")),
        "proxies": {step: _made(ledger, rows(step)) for step in ("train", "confirm")},
    }
    sums = [pools[name].checksum("pool") for name in sorted(pools)]
    for row in rows("answer"):
        answer = json.loads(storage.read_text(ledger.file(row.files["answer"])))
        if sorted(answer["domains"]) == sorted(pools):
            facts |= _answered(answer)
    paths = {name: ledger.file(pools[name].files["pool"]) for name in sorted(pools)}
    return {"pools": paths, "facts": facts}, sums


def read_note(folder: str, root: str, row: Row) -> Earlier:
    """The note `row` of the folder `root` on the study in `folder`."""
    path = storage.join(root, row.files["members"].path)
    facts = json.loads(storage.read_text(storage.join(root, row.files["facts"].path)))
    return Earlier(folder, path, row.checksum(), facts)


def resolve(study: Study, given: str, field: str) -> str:
    """Folder of another study that is given as its file or its folder.

    Raises
    ------
    UserError
        When it is not there, or is this study's own.
    """
    path = storage.join(study.root or ".", given)
    if path.endswith((".yaml", ".yml")):
        path = load_study(path).out_folder
    if os.path.normpath(path) == os.path.normpath(study.out_folder):
        raise UserError(f"field '{field}': give the folder of an earlier study, not this one's")
    if not storage.exists(storage.join(path, "ledger")):
        raise UserError(f"field '{field}': {path}: no study was run there; run that study first")
    return path


def generation(study: Study) -> str:
    """Digest of what decides which documents belong to which domain."""
    return digest([list(study.domains.items()), corpus_checksums(study)])[:16]


def predecessor(folder: str, now: str) -> str | None:
    """The study that `now` follows in its folder, noted when it is first asked for."""
    lineage = _lineage(folder)
    if now not in lineage["parents"]:
        lineage["parents"][now] = lineage["head"]
        storage.write_text(storage.join(folder, LINEAGE), json.dumps(lineage, indent=1))
    return lineage["parents"][now]


def succeed(folder: str, now: str) -> None:
    """Note that `now` is the folder's last finished study."""
    lineage = _lineage(folder)
    if lineage["head"] != now:
        lineage["head"] = now
        storage.write_text(storage.join(folder, LINEAGE), json.dumps(lineage, indent=1))


def adopt(row: Row, source: str, target: str) -> None:
    """Copy a committed part from one study's folder to another's, unless it is there."""
    here, there = Ledger(target), Ledger(source)
    if source == target or here.committed(row.step, row.shard, row.address):
        return
    with storage.scratch(target, f"adopt-{row.shard}") as folder:
        files = {}
        for kind, file in row.files.items():
            local = os.path.join(folder, os.path.basename(file.path))
            with storage.open_input(there.file(file)) as origin, open(local, "wb") as to:
                shutil.copyfileobj(origin, to)
            files[kind] = (local, file.path)
        here.commit(row, files)


def _lineage(folder: str) -> dict[str, Any]:
    path = storage.join(folder, LINEAGE)
    if not storage.exists(path):
        return {"head": None, "parents": {}}
    return json.loads(storage.read_text(path))


def _answered(answer: dict[str, Any]) -> dict[str, Any]:
    names = answer["domains"]
    return {
        "recommended": dict(zip(names, answer["mixes"]["recommended"], strict=True)),
        "epochs": dict(zip(names, answer["epochs"]["recommended"], strict=True)),
        "available": dict(zip(names, answer["tokens"], strict=True)),
        "tokens": answer["budget"],
    }


def _made(ledger: Ledger, rows: list[Row]) -> dict[str, Any] | None:
    """How the runs of a step were made, mix and seed aside; of all domains that they saw."""
    found: dict[str, Any] | None = None
    for row in rows:
        made = read_run(ledger.file(row.files["run"])).get("made")
        if made and found and found["subsample"]:
            made["subsample"] |= found["subsample"]
        found = made or found
    if found:
        del found["mix"], found["config"]["seed"]
    return found


def _runs(ledger: Ledger, rows: list[Row], carried: list[Row]) -> dict[str, dict[str, Any]]:
    """Runs by shard; those that were carried over stand for the mix that they were given."""
    known: dict[str, Any] = {}
    witnesses: set[str] = set()
    for row in carried:
        plan = json.loads(storage.read_text(ledger.file(row.files["plan"])))
        known |= plan["kept"]
        witnesses |= set(plan["witnesses"])
    found = {}
    for row in rows:
        if row.shard in witnesses:
            continue
        mix = read_run(ledger.file(row.files["run"]))["mix"]
        stands = known.get(row.shard, {"mix": mix, "unlike": 0.0})
        found[row.shard] = {"address": row.address, **stands}
    return found
