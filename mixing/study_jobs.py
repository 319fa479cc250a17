"""What the steps of a study do in a worker: fit, propose further runs, answer, report."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.ledger import Row
from mixing.answer import Runs, find_answer
from mixing.confirm import compare
from mixing.items import item_shifts, read_items
from mixing.model import fit_model, read_model, write_model
from mixing.ngram_rung import with_rung
from mixing.proxy_jobs import read_run
from mixing.refine import propose
from mixing.report import write_report
from mixing.runs_file import read_runs, study_ask, with_families
from mixing.scale import answer_at_scale
from mixing.seeds import seed_effects
from mixing.story import study_story
from mixing.study_file import Study
from mixing.tables import write_table
from pipeline.jobs import Job, at_work

UNIT = "bits per byte"


def fit_job(job: Job) -> Row:
    """Fit the swarm's scores; writes the model, the runs as JSON, and the swarm as two tables.

    The model and the JSON are without what a seed does to all mixes alike; the tables have the
    losses as they were measured.
    """
    arguments = job.arguments
    measured = gather(arguments)
    effects, _ = seed_effects(measured.shares, measured.losses, measured.seeds)
    runs = replace(measured, losses=measured.losses - effects)
    draws, seed = arguments["draws"], arguments["seed"]
    items = read_items(arguments["items"], runs.tasks)
    shifts = item_shifts(items, runs.tasks, draws, seed)
    count = sum(len(one.n_bytes) for one in items.values())
    model = fit_model(runs.shares, runs.losses, draws, seed, shifts=shifts, items=count)
    shard, told = job.shard, None
    if arguments["ngrams"]:
        model, told = with_rung(model, runs, arguments["ngrams"], arguments, shifts)
    with at_work(job) as work:
        if told:
            with open(work.path("ngrams", f"fit/{shard}.ngrams.json"), "w") as file:
                json.dump(told, file, indent=1)
        write_model(work.path("model", f"fit/{shard}.npz"), model)
        with open(work.path("runs", f"fit/{shard}.json"), "w") as file:
            json.dump({**arguments["facts"], "runs": _plain(runs)}, file)
        index = tuple(str(number) for number in range(len(runs.shares)))
        for kind, columns, values in (
            ("ratios", runs.domains, runs.shares),
            ("metrics", runs.tasks, measured.losses),
        ):
            path = work.path(kind, f"fit/{shard}.{kind}.csv")
            write_table(path, "index", index, columns, values)
        return work.commit(read=len(runs.shares), kept=len(runs.shares))


def gather(arguments: dict[str, Any]) -> Runs:
    """The runs with their scores, from the files of the scoring jobs."""
    domains, tasks = arguments["domains"], arguments["tasks"]
    losses = []
    for scores in arguments["scores"]:
        found = {k: v for path in scores for k, v in json.loads(storage.read_text(path)).items()}
        losses.append([found[task]["bpb"] for task in tasks])
    return Runs(
        tuple(domains),
        tuple(tasks),
        tuple(tasks),
        UNIT,
        np.array(arguments["shares"]),
        np.array(losses),
        tuple(arguments["seeds"]),
        tuple(arguments["kinds"]),
    )


def answer_job(job: Job) -> Row:
    """Solve for the best mix; writes ``answer.json``."""
    arguments = job.arguments
    study = Study.model_validate(arguments["study"])
    runs, facts = read_runs(arguments["runs"])
    runs = with_families(runs, study)
    answer = find_answer(runs, read_model(arguments["model"]), study_ask(study, runs, facts))
    with at_work(job) as work:
        with open(work.path("answer", "answer.json"), "w") as file:
            json.dump(answer.as_dict(), file, indent=1)
        return work.commit(read=len(runs.shares), kept=len(runs.shares))


def propose_job(job: Job) -> Row:
    """Choose the runs of a further round; writes their mixes, none when they would not matter."""
    arguments = job.arguments
    study = Study.model_validate(arguments["study"])
    runs, facts = read_runs(arguments["runs"])
    runs = with_families(runs, study)
    ask = study_ask(study, runs, facts)
    found = propose(runs, read_model(arguments["model"]), ask, arguments["count"])
    with at_work(job) as work:
        with open(work.path("round", f"refine/{job.shard}.json"), "w") as file:
            json.dump(asdict(found), file, indent=1)
        return work.commit(read=len(found.mixes), kept=len(found.mixes))


def report_job(job: Job) -> Row:
    """Write the report as HTML, Markdown and JSON, and a summary for the terminal."""
    arguments = job.arguments
    answer = json.loads(storage.read_text(arguments["answer"]))
    confirmed = []
    for path, scores in zip(arguments["confirmed"], arguments["confirmed_scores"], strict=True):
        found = {k: v for one in scores for k, v in json.loads(storage.read_text(one)).items()}
        confirmed.append({**read_run(path), "scores": found})
    with at_work(job) as work:
        files = {
            "report": work.path("report", "report.html"),
            "markdown": work.path("markdown", "report.md"),
            "mixture": work.path("mixture", "mixture.json"),
            "summary": work.path("summary", "summary.txt"),
        }
        confirmation = compare(answer, confirmed)
        study = Study.model_validate(arguments["study"])
        if confirmation and confirmation["transfer"]:
            confirmation["at_scale"] = _at_scale(study, answer, confirmation, arguments)
        story = study_story(study, answer, arguments)
        write_report(story, answer, confirmation, files)
        return work.commit(read=len(confirmed), kept=len(confirmed))


def _at_scale(study, answer, confirmation, arguments) -> dict[str, Any]:
    runs, facts = read_runs(arguments["runs"])
    runs = with_families(runs, study)
    model, ask = read_model(arguments["model"]), study_ask(study, runs, facts)
    before = answer["mixes"]["recommended"]
    return answer_at_scale(confirmation["transfer"]["scale"], runs, model, ask, before)


def _plain(runs: Runs) -> dict[str, Any]:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(runs).items()}
