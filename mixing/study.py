"""The verbs of a study: each makes its part and what that needs, and nothing that is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.ledger import Ledger
from mixing.answer import Runs
from mixing.domains import Domain, count_domains
from mixing.model import Model, read_model
from mixing.questions import check_runs
from mixing.study_file import Study, load_study
from mixing.study_jobs import read_runs, with_families
from mixing.swarm import Swarm
from mixing.workshop import Workshop
from pipeline.progress import Progress
from pipeline.run import lock
from pipeline.schedule import Settings
from proxies import ModelConfig


@dataclass(frozen=True)
class Result:
    """Where the report is, what it says in a few lines, and what was done for it."""

    report: str
    summary: str
    done: int
    skipped: int


@dataclass(frozen=True)
class Plan:
    """What a study would train.

    Attributes
    ----------
    study, domains, tokens
        The study, its domains, and the tokens of each that may be trained on, (m,).
    swarm
        Mixes of the first round.
    confirming
        Runs of the confirmation.
    proxy_tokens, flops
        Of all runs; 6 operations for each parameter and token.
    parameters
        Of a proxy, its embedding included.
    trained
        Runs that are committed already.
    seconds
        Of one core for what is left; None where no proxy was timed yet.
    notes
        What the study follows, in sentences.
    """

    study: Study
    domains: list[Domain]
    tokens: np.ndarray
    swarm: Swarm
    confirming: int
    proxy_tokens: float
    flops: float
    parameters: int
    trained: int
    seconds: float | None
    notes: list[str]


@contextmanager
def workshop(path: str, settings: Settings, progress: Progress | None = None) -> Iterator[Workshop]:
    """Open a study for work.

    Raises
    ------
    UserError
        When the study, a run folder or a predicate is wrong, or another process is at work in it.
    """
    study = load_study(path)
    check_runs(study)
    domains = count_domains(study)
    storage.make_folder(study.out_folder)
    with lock(study.out_folder):
        yield Workshop(study, domains, settings, progress or Progress())


def run_study(path: str, settings: Settings, progress: Progress | None = None) -> Result:
    """Run a study file from end to end, doing only what is not committed yet.

    Raises
    ------
    UserError
        When the study, its run folder, a predicate or the constraints are wrong.
    RunError
        When a proxy fails for good.
    """
    with workshop(path, settings, progress) as shop:
        _refine(shop, shop.study.refine.rounds)
        return _report(shop)


def plan_study(path: str, settings: Settings, progress: Progress | None = None) -> Plan:
    """Design the swarm and say what it costs, without training."""
    with workshop(path, settings, progress) as shop:
        study, swarm = shop.study, shop.swarm()
        confirm, budget = study.confirm, study.confirm.tokens or study.proxy.tokens
        confirming = (5 + confirm.anchors / max(1, confirm.seeds)) * confirm.seeds
        vocab = study.proxy.vocab
        models = [ModelConfig.named(n, vocab) for n in (study.proxy.model, confirm.model) if n]
        sizes = [model.parameters for model in models]
        tokens = [len(swarm) * study.proxy.tokens, confirming * budget]
        rows = Ledger(study.out_folder).rows("train")
        rates = [row.stats["tokens"] / max(row.seconds, 1e-9) for row in rows]
        left = max(0, len(swarm) - len(rows)) * study.proxy.tokens
        shop.finish(whole=False)
        return Plan(
            study,
            shop.domains,
            shop.tokens(),
            swarm,
            round(confirming),
            sum(tokens),
            6.0 * (sizes[0] * tokens[0] + sizes[-1] * tokens[1]),
            sizes[0],
            len(rows),
            left / float(np.median(rates)) if rates else None,
            shop.notes_in_words(),
        )


def train_study(path: str, settings: Settings, progress: Progress | None = None) -> Workshop:
    """Train the proxies of the swarm and of the rounds so far."""
    with workshop(path, settings, progress) as shop:
        shop.proxies(scored=False)
        shop.finish(whole=False)
        return shop


def evaluate_study(path: str, settings: Settings, progress: Progress | None = None) -> Workshop:
    """Score the proxies on held-out texts and on every suite."""
    with workshop(path, settings, progress) as shop:
        shop.proxies()
        shop.finish(whole=False)
        return shop


def fit_study(
    path: str, settings: Settings, progress: Progress | None = None
) -> tuple[Runs, Model, dict[str, str]]:
    """Fit the swarm; returns its runs, the model, and where the model and the tables are."""
    with workshop(path, settings, progress) as shop:
        row = shop.fitted()
        shop.finish(whole=False)
        paths = {kind: shop.path(row, kind) for kind in ("model", "ratios", "metrics")}
        runs, _ = read_runs(shop.path(row, "runs"))
        return with_families(runs, shop.study), read_model(paths["model"]), paths


def refine_study(
    path: str, settings: Settings, progress: Progress | None = None, rounds: int = 1
) -> list[dict[str, Any]]:
    """Train so many further rounds, fewer when the answer is sure enough; returns the rounds."""
    with workshop(path, settings, progress) as shop:
        found = _refine(shop, shop.rounds() + rounds)
        shop.fitted()
        shop.finish(whole=False)
        return found


def confirm_study(path: str, settings: Settings, progress: Progress | None = None) -> Result:
    """Train the answer and the baselines with paired seeds, and say who won."""
    with workshop(path, settings, progress) as shop:
        return _report(shop)


def report_study(path: str, settings: Settings, progress: Progress | None = None) -> Result:
    """Write the report, making what it needs."""
    return confirm_study(path, settings, progress)


def _refine(shop: Workshop, rounds: int) -> list[dict[str, Any]]:
    """Go on to so many rounds, or until one has no mixes; returns the new ones."""
    found = []
    while shop.rounds() < rounds:
        number = shop.rounds() + 1
        found.append(json.loads(storage.read_text(shop.path(shop.proposed(number), "round"))))
        if not found[-1]["mixes"]:
            break
        shop.ask_for_rounds(number)
    return found


def _report(shop: Workshop) -> Result:
    reported = shop.reported()
    shop.leave_note()
    shop.finish(whole=True)
    summary = storage.read_text(shop.path(reported, "summary"))
    return Result(shop.path(reported, "report"), summary, shop.done, shop.skipped)
