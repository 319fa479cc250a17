"""A swarm that somebody else trained: read from two tables, fitted, asked about other mixes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalogs.errors import UserError
from mixing.answer import Answer, Runs, find_answer
from mixing.asking import find_name, limit, make_ask, task_weights
from mixing.fitted import Fitted, Tell, cache_folder, cached_fit
from mixing.model import Model, cached_model
from mixing.report import write_report
from mixing.story import swarm_story
from mixing.study_file import Constraints
from mixing.tables import Joined, Table, join_tables, read_ratios, read_table, write_table

_FEWEST = 8  # runs below which five folds leave next to nothing to fit


@dataclass(frozen=True)
class Imported:
    """An imported swarm and its fit.

    Attributes
    ----------
    swarm
        The two tables, joined.
    fitted
        The laws.
    cached
        Whether the fit was found from an earlier call.
    seconds
        That the fit, or reading it, took.
    label
        Name of the index column.
    """

    swarm: Joined
    fitted: Fitted
    cached: bool
    seconds: float
    label: str


def fit_tables(
    ratios: str, metrics: str, folder: str | None = None, seed: int = 0, tell: Tell | None = None
) -> Imported:
    """Fit a swarm given as two CSV tables.

    Parameters
    ----------
    ratios, metrics
        Paths: an index column, then a column per domain or per task; joined on the index.
    folder
        Where fits are kept; default the user's cache.

    Raises
    ------
    UserError
        When the tables cannot be read, do not match or hold too few runs.
    """
    mixes = read_ratios(ratios)
    swarm = join_tables(mixes, read_table(metrics))
    _check_size(metrics, swarm)
    began = time.perf_counter()
    fitted, cached = cached_fit(swarm.shares, swarm.losses, folder or cache_folder(), seed, tell)
    return Imported(swarm, fitted, cached, time.perf_counter() - began, mixes.label)


def predict_table(found: Imported, path: str, out: str) -> Table:
    """Predict every task at the mixes of another table of ratios, and write them as CSV.

    Raises
    ------
    UserError
        When the table's domains are not those of the swarm.
    """
    table = read_ratios(path)
    shares = table.aligned(found.swarm.domains)
    write_table(out, table.label, table.index, found.swarm.tasks, found.fitted.law.predict(shares))
    return table


def beyond_support(found: Imported, shares: np.ndarray) -> list[str]:
    """Domains of which a mix has more than the swarm ever had, (mixes, m), as sentences."""
    most, asked = found.swarm.shares.max(0), shares.max(0)
    return [
        f"{name}: asked up to {100 * share:.1f} %, sampled up to {100 * top:.1f} %"
        for name, share, top in zip(found.swarm.domains, asked, most, strict=True)
        if share > top + 0.005
    ]


def imported_runs(found: Joined, families: dict[str, str] | None = None) -> Runs:
    """An imported swarm as runs; a task without a family is its own."""
    families = families or {}
    return Runs(
        found.domains,
        found.tasks,
        tuple(families.get(task, task) for task in found.tasks),
        "loss",
        found.shares,
        found.losses,
        (0,) * len(found.index),
        ("imported",) * len(found.index),
    )


def load_tables(
    ratios: str, metrics: str, folder: str | None = None, seed: int = 0, tell: Tell | None = None
) -> tuple[Runs, Model, str, bool]:
    """Runs and model of an imported swarm, what was left out of it, and whether it was cached.

    The tasks may be in any units; which mixes are good is said by their standardised mean.

    Raises
    ------
    UserError
        As `fit_tables`.
    """
    swarm = join_tables(read_ratios(ratios), read_table(metrics))
    _check_size(metrics, swarm)
    model, cached = cached_model(
        swarm.shares,
        swarm.losses,
        folder or cache_folder(),
        seed=seed,
        units=swarm.losses.std(0) + 1e-12,
        tell=tell,
    )
    return imported_runs(swarm), model, swarm.left_out, cached


def read_tokens(path: str | None, runs: Runs, budget: float | None) -> tuple[np.ndarray, str]:
    """Available tokens of each domain, and how they were found when no table gives them.

    The table has a line per domain: its name, then its tokens. Without one the swarm's mean mix
    stands for the natural one, and the text is taken to last: nothing repeats.

    Raises
    ------
    UserError
        When the table names other domains or no numbers.
    """
    if path is None:
        mean = np.maximum(runs.shares.mean(0), 1e-6)
        told = "not given: the swarm's mean mix stands for the natural one, and nothing repeats"
        return mean / mean.min() * (budget or 1.0), told
    table = read_table(path)
    if len(table.columns) != 1:
        raise UserError(f"{path}: expected two columns, the domain and its tokens")
    given = dict(zip(table.index, table.values[:, 0], strict=True))
    tokens = {find_name(name, runs.domains, path): float(n) for name, n in given.items()}
    for name in runs.domains:
        if not tokens.get(name, 0) > 0:
            raise UserError(f"{path}: domain '{name}' has no tokens")
    return np.array([tokens[name] for name in runs.domains]), ""


def _check_size(path: str, swarm: Joined) -> None:
    if len(swarm.index) < _FEWEST:
        raise UserError(
            f"{path}: {len(swarm.index)} runs with ratios; a fit needs at least {_FEWEST}, and "
            f"does well from {3 * (len(swarm.domains) + 1)} on"
        )


@dataclass(frozen=True)
class Answered:
    """An answer from tables, the seconds to read the fit and to solve, and what to tell."""

    answer: Answer
    limits: Constraints
    reading: float
    solving: float
    notes: list[str]
    estimated: str


def solve_tables(
    ratios: str,
    metrics: str,
    available: str | None = None,
    folder: str | None = None,
    weights: dict[str, float] | None = None,
    tokens: int | None = None,
    caps: dict[str, float] | None = None,
    floors: dict[str, float] | None = None,
    limits: dict[str, Any] | None = None,
    whole: bool = False,
    tell: Tell | None = None,
) -> Answered:
    """The best mix of an imported swarm; losses are taken to be better when lower.

    Parameters
    ----------
    available
        Path of a table of domains and their tokens; see `read_tokens`.
    weights, tokens, caps, floors, limits
        As `solve_study` takes them; tokens default to what there is.

    Raises
    ------
    UserError
        When tables are wrong, a name is unknown or the limits cannot be met together.
    """
    began = time.perf_counter()
    runs, model, left_out, _ = load_tables(ratios, metrics, folder, tell=tell)
    there, estimated = read_tokens(available, runs, tokens)
    read = time.perf_counter()
    if available is None and limits is not None and "max_epochs" not in limits:
        limits = {**limits, "max_epochs": None}
    constraints = limit(Constraints(**(limits or {})), runs.domains, caps, floors)
    default = 1.0 if weights is None else 0.0
    share = task_weights(weights or {}, runs.tasks, runs.families, default, "--weights")
    ask = make_ask(runs, there, tokens or int(there.sum()), constraints, share)
    answer = find_answer(runs, model, ask, whole)
    notes = [text for text in (left_out, estimated and f"available tokens {estimated}") if text]
    solving = time.perf_counter() - read
    return Answered(answer, constraints, read - began, solving, notes, estimated)


def report_tables(
    out: str,
    ratios: str,
    metrics: str,
    available: str | None = None,
    folder: str | None = None,
    tell: Tell | None = None,
    **asked: Any,
) -> Answered:
    """Write the report of an imported swarm into a folder; arguments as `solve_tables`."""
    found = solve_tables(ratios, metrics, available, folder, whole=True, tell=tell, **asked)
    answer = found.answer.as_dict()
    command = f"corpusmill mix report --ratios {ratios} --metrics {metrics}"
    facts = {"sources": [ratios, metrics], "estimated": found.estimated,
             "commands": [command + _options(available, asked) + f" --out {out}"]}  # fmt: skip
    name = os.path.basename(ratios).rsplit(".", 1)[0]
    os.makedirs(out, exist_ok=True)
    kinds = {"report": "html", "markdown": "md", "mixture": "json", "summary": "txt"}
    names = {"mixture": "mixture", "summary": "summary"}
    files = {k: os.path.join(out, f"{names.get(k, 'report')}.{end}") for k, end in kinds.items()}
    write_report(swarm_story(name, answer, found.limits, facts), answer, None, files)
    return found


def _options(available: str | None, asked: dict[str, Any]) -> str:
    """The options that ask the same question again."""
    parts = [f"--available {available}"] if available else []
    if asked.get("tokens"):
        parts.append(f"--tokens {asked['tokens']}")
    for name, option in (("weights", "weights"), ("caps", "cap"), ("floors", "floor")):
        pairs = ",".join(f"{key}={value:g}" for key, value in (asked.get(name) or {}).items())
        parts += [f"--{option} {pairs}"] if pairs else []
    for name, value in (asked.get("limits") or {}).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            option = option if value else f"--no-{name}"
            parts.append(option)
        else:
            parts.append(f"{option} {'none' if value is None else f'{value:g}'}")
    return "".join(f" {part}" for part in parts)
