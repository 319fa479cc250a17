"""Reuse: runs of an earlier study that this one would train just the same, and what they lack.

A run is kept when its address is what this study gives it: its mix names domains that are here,
whose streams, tokenizer and training are unchanged. What it does not know is a new domain; further
mixes vary that one, with the others frozen in the ratios of the earlier answer as one virtual
domain, and some with these ratios disturbed. Where the new domain turns out to stand in for an old
one, the refining rounds open the two.
"""

from __future__ import annotations

import json
import os
import shutil

import numpy as np

from catalogs import storage
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from mixing.proxy_jobs import read_run
from mixing.shares import exact, natural
from mixing.study_file import Study
from mixing.swarm import Swarm, farthest, without_crumbs
from pipeline.jobs import Job

_KNOWN = 3  # runs with a domain from which its coefficients are not new
_STRENGTH = 60.0  # of the Dirichlet distribution that disturbs the frozen ratios
_CANDIDATES = 64


def earlier_runs(study: Study, domains: list[str]) -> list[tuple[np.ndarray, int, Row]]:
    """Mixes, seeds and ledger rows of the earlier study's runs on domains that are here.

    Raises
    ------
    UserError
        When the earlier study is this one.
    """
    folder = earlier_folder(study)
    if folder.rstrip("/") == study.out_folder.rstrip("/"):
        raise UserError("field 'swarm.reuse': give the folder of an earlier study, not this one's")
    ledger, found = Ledger(folder), []
    for row in ledger.rows("train"):
        run = read_run(ledger.file(row.files["run"]))
        if set(run["mix"]) <= set(domains):
            mix = np.array([run["mix"].get(name, 0.0) for name in domains])
            found.append((mix, int(run["seed"]), row))
    return found


def earlier_folder(study: Study) -> str:
    """Folder of the earlier study."""
    return storage.join(study.root or ".", study.swarm.reuse or "")


def adopt(study: Study, row: Row, job: Job) -> bool:
    """Take over a run if this study would train just the same; says whether it did."""
    if row.address != job.address:
        return False
    ledger, earlier = Ledger(study.out_folder), Ledger(earlier_folder(study))
    if ledger.committed(job.step, job.shard, job.address):
        return True
    if earlier.committed(row.step, row.shard, row.address) is None:
        return False
    with storage.scratch(study.out_folder, f"adopt-{job.shard}") as folder:
        files = {}
        for kind, file in row.files.items():
            local = os.path.join(folder, os.path.basename(file.path))
            with storage.open_input(earlier.file(file)) as source, open(local, "wb") as to:
                shutil.copyfileobj(source, to)
            files[kind] = (local, file.path)
        ledger.commit(row, files)
    return True


def frozen_ratios(study: Study, domains: list[str], tokens: np.ndarray) -> np.ndarray:
    """Ratios of the domains that the earlier study knew: its answer's, or else the natural ones."""
    path = storage.join(earlier_folder(study), "answer.json")
    if storage.exists(path):
        answer = json.loads(storage.read_text(path))
        known = dict(zip(answer["domains"], answer["mixes"]["recommended"], strict=True))
        ratios = np.array([known.get(name, 0.0) for name in domains])
        if ratios.sum() > 0:
            return exact(ratios)
    return natural(tokens)


def new_domains(kept: np.ndarray) -> np.ndarray:
    """Numbers of the domains of which the runs that are kept, (runs, m), know next to nothing."""
    return np.flatnonzero((kept > 0).sum(0) < _KNOWN)


def extend_swarm(
    domains: tuple[str, ...],
    kept: list[tuple[np.ndarray, int]],
    frozen: np.ndarray,
    mixes: int | None,
    seed: int,
    reach: float = 0.5,
) -> Swarm:
    """The runs that are kept, and mixes that teach what they do not know.

    Parameters
    ----------
    kept
        Mixes and seeds.
    frozen
        Ratios of the known domains, (m,); new ones count 0.
    mixes
        Further mixes; default three per coefficient of what is new, none when nothing is.
    reach
        Largest share of a new domain.
    """
    P = np.array([mix for mix, _ in kept])
    fresh = new_domains(P)
    count = mixes if mixes is not None else 3 * (len(fresh) + 1) if len(fresh) else 0
    frozen = frozen.copy()
    frozen[fresh] = 0
    frozen = frozen / frozen.sum()
    rng = np.random.default_rng([seed, len(domains), len(kept)])
    chosen = []
    shares = np.geomspace(0.02, reach, max(2, count))
    for number in range(count):
        candidates = rng.dirichlet(np.maximum(frozen * _STRENGTH, 1e-3), _CANDIDATES)
        if number % 3 == 0:
            candidates[:] = frozen
        if len(fresh):
            # every other strength in turn, so that few mixes span the range already
            share = shares[(number * 5) % len(shares)]
            parts = rng.dirichlet(np.ones(len(fresh)), _CANDIDATES)
            candidates *= (1 - share) / candidates.sum(1, keepdims=True)
            candidates[:, fresh] += share * parts
        others = np.concatenate([P, np.array(chosen).reshape(-1, P.shape[1])])
        chosen.append(farthest(without_crumbs(candidates), others))
    rows = [*P, *chosen]
    seeds = [seed for _, seed in kept] + [seed] * len(chosen)
    kinds = ["kept"] * len(kept) + ["extend"] * len(chosen)
    return Swarm(tuple(domains), np.array(rows), np.array(seeds), tuple(kinds))
