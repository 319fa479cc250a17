"""The rung below the proxies: n-gram models of the domains, counted once, as jobs of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catalogs import storage
from catalogs.ledger import Row
from mixing.answer import Runs
from mixing.informed import Prior, inform
from mixing.model import Model
from mixing.swarm import design_swarm
from mixing.validation import score
from pipeline.jobs import Job, at_work
from proxies import (
    Experts,
    TokenStream,
    held_out_texts,
    load_tokenizer,
    ngram_experts,
    read_items,
    suite_path,
    suite_texts,
)

if TYPE_CHECKING:
    from mixing.proxy_shop import ProxyShop

STEP = "ngrams"
_TOKENS = 32_768  # of a task that are scored at most: its probabilities are kept for every domain
_MIXES = 10  # priced mixes per domain
_CODE = ("mixing.ngram_rung", "proxies")
_LIBRARIES = ("numpy", "numba", "tokenizers")


def count_task(job: Job) -> Row:
    """Probabilities of one task's tokens under the n-gram model of every domain."""
    arguments = job.arguments
    streams = {name: TokenStream(path) for name, path in arguments["train"].items()}
    with at_work(job) as work:
        if "held" in arguments:
            texts = held_out_texts(TokenStream(arguments["held"]), _TOKENS)
        else:
            items = read_items(arguments["path"], arguments["limit"])
            texts = suite_texts(items, load_tokenizer(arguments["tokenizer"]), _TOKENS)
        experts = ngram_experts(texts, streams, arguments["tokens"])
        experts.save(work.path("experts", f"{STEP}/{job.shard}.npz"))
        count = len(experts.probability)
        return work.commit(read=count, kept=count)


def ngram_jobs(shop: ProxyShop) -> list[Job]:
    """A job for each task of the study: the held-out texts of every domain, and every suite."""
    study = shop.study
    rows = dict(zip((domain.name for domain in shop.domains), shop.streams(), strict=True))
    train = {name: shop.path(row, "train") for name, row in rows.items()}
    sums = [row.checksum("train") for row in rows.values()]
    common = {"train": train, "tokens": study.proxy.tokens}
    jobs = []
    for name, row in rows.items():
        arguments = {**common, "held": shop.path(row, "held")}
        inputs = [*sums, row.checksum("held")]
        config = [list(train), study.proxy.tokens, _TOKENS]
        jobs.append((name, config, inputs, arguments))
    tokenizer, identity = shop.tokenizer()
    for name, suite in study.evaluation.suites.items():
        path = suite_path(suite.path, study.root or ".")
        arguments = {**common, "path": path, "limit": suite.limit, "tokenizer": tokenizer}
        inputs = [*sums, identity, storage.checksum(path)]
        config = [list(train), study.proxy.tokens, _TOKENS, suite.limit]
        jobs.append((name, config, inputs, arguments))
    return [
        shop._job(STEP, name, count_task, config, inputs, arguments, _CODE, _LIBRARIES)
        for name, config, inputs, arguments in jobs
    ]


def with_rung(
    model: Model,
    runs: Runs,
    paths: list[str],
    settings: dict[str, Any],
    shifts: np.ndarray | None = None,
) -> tuple[Model, dict[str, Any]]:
    """The model with the n-grams' prior where it helps, and what to tell of it.

    Parameters
    ----------
    paths
        What `count_task` wrote, in the order of the tasks.
    settings
        ``draws`` and ``seed`` of the model.
    shifts
        What other evaluation items would have added to the losses, as in `fit_model`.
    """
    experts = [Experts.load(path) for path in paths]
    m, seed = len(runs.domains), settings["seed"]
    dense = design_swarm(runs.domains, np.ones(m), _MIXES * m, 0, seed=seed).shares
    prices, ours = (
        np.column_stack([one.bits_per_byte(shares) for one in experts])
        for shares in (dense, runs.shares)
    )
    prior = Prior.of(dense, prices)
    draws = settings["draws"]
    model, told = inform(model, runs.shares, runs.losses, prior, draws, seed, shifts)
    return model, {**told, "rho": score(runs.losses, ours).rho.tolist()}


def tell_rung(told: dict[str, Any], tasks: list[str]) -> str:
    """What the rung was good for, in words."""
    solved = [name for name, yes in zip(tasks, told["solved"], strict=True) if yes]
    predicted = [name for name, yes in zip(tasks, told["predicted"], strict=True) if yes]
    ranks = f"N-gram models, which need no training, rank the runs at {np.mean(told['rho']):.3f}."
    if solved:
        used = f"the law that the mix is found with for {', '.join(solved)}"
        if predicted:
            used += f", and of the one that predicts for {', '.join(predicted)}"
    elif predicted:
        used = f"the law that predicts for {', '.join(predicted)}"
    else:
        used = ""
    told_used = (
        f" They are the prior of {used}: there it lowers the errors on unseen runs, by more than "
        "two standard errors of the task or of all tasks together."
        if used
        else " They are not used: as a prior they lower no task's errors on unseen runs by more "
        "than two standard errors."
    )
    lines = [
        f"{size} mixes {informed:.3f} ({without:.3f} without)"
        for size, without, informed in told["curve"]
    ]
    curve = f" Mean error of a power law with that prior: {', '.join(lines)}" if lines else ""
    if told["saved"]:
        first, last = (told["curve"][at][0] for at in (0, -1))
        about = "at least" if told["saved"] >= last - first else "about"
        curve += f"; with {first} mixes it is worth {about} {told['saved']:.0f} more"
    return f"{ranks}{told_used}{curve}{'.' if curve else ''}"
