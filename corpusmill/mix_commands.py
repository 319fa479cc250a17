"""mix plan, train, eval, fit, solve, refine, confirm, report, run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from catalogs.errors import UserError
from corpusmill.mix_options import (
    Available,
    MaybeStudy,
    Metrics,
    ModelFolder,
    Question,
    Ratios,
    Scaled,
    StudyFile,
    Workers,
    asks,
)
from corpusmill.mix_output import following, show_answer, show_fit, show_plan
from corpusmill.options import Address
from corpusmill.terminal import errors, output, progress

app = typer.Typer(help="Study mixtures: which sources in which proportions.", no_args_is_help=True)


@app.callback()
def mix() -> None:
    """Study mixtures: which sources in which proportions."""


@app.command()
def run(study: StudyFile, workers: Workers = None, address: Address = None) -> None:
    """Sample mixes, train a proxy on each, fit, recommend ratios, write the report.

    Run it again after a kill or a change: only what depends on the change is done again.

    Example: corpusmill mix run recipes/demo-mix.yaml
    """
    from mixing.study import run_study

    _tell(run_study(study, *_at_work(workers, address)))


@app.command()
def plan(study: StudyFile, workers: Workers = None, address: Address = None) -> None:
    """Show which mixes would be trained and what that costs; train nothing.

    Example: corpusmill mix plan recipes/demo-mix.yaml
    """
    from mixing.study import plan_study

    show_plan(plan_study(study, *_at_work(workers, address)))


@app.command()
def train(study: StudyFile, workers: Workers = None, address: Address = None) -> None:
    """Train the proxies of the swarm.

    Example: corpusmill mix train recipes/demo-mix.yaml
    """
    from mixing.study import train_study

    _count(train_study(study, *_at_work(workers, address)), "train")


@app.command("eval")
def evaluate(study: StudyFile, workers: Workers = None, address: Address = None) -> None:
    """Score the proxies on held-out text and on every suite; trains those that are missing.

    Example: corpusmill mix eval recipes/demo-mix.yaml
    """
    from mixing.study import evaluate_study

    _count(evaluate_study(study, *_at_work(workers, address)), "eval")


@app.command()
def fit(
    study: MaybeStudy = None,
    ratios: Ratios = None,
    metrics: Metrics = None,
    predict: Annotated[
        str | None,
        typer.Option(help="CSV of mixes to predict: index, then a share per domain."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Where the predictions go, as CSV.", metavar="PRED.csv")
    ] = None,
    out_model: ModelFolder = None,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Fit a study's swarm, or anybody's: choose a law per task, say how well it predicts.

    A law is chosen for each task by cross-validation. A second call finds the first fit.

    Example: corpusmill mix fit --ratios R.csv --metrics M.csv --predict NEW.csv --out PRED.csv
    """
    _one_source(study, ratios, metrics, "fit")
    if bool(predict) != bool(out):
        raise UserError("mix fit: --predict NEW.csv and --out PRED.csv go together")
    if study:
        from mixing.study import fit_study

        runs, model, paths = fit_study(study, *_at_work(workers, address))
        show_fit(model.fitted, runs.tasks, runs.losses, len(runs.domains))
        for kind in ("ratios", "metrics"):
            output.print(f"{kind}: {paths[kind]}", soft_wrap=True)
        ratios, metrics = paths["ratios"], paths["metrics"]
        if not predict:
            return
    from mixing.imported import beyond_support, fit_tables, predict_table

    with following("fit") as tell:
        found = fit_tables(ratios, metrics, out_model, tell=tell)
    swarm = found.swarm
    if swarm.left_out:
        errors.print(swarm.left_out, markup=False, soft_wrap=True)
    if not study:
        show_fit(found.fitted, swarm.tasks, swarm.losses, len(swarm.domains))
        told = "found in the cache" if found.cached else "fitted"
        output.print(f"{told} in {found.seconds:.1f} s")
    if predict:
        table = predict_table(found, predict, out)
        for line in beyond_support(found, table.aligned(swarm.domains)):
            errors.print(f"beyond the swarm's support: {line}", markup=False, soft_wrap=True)
        output.print(f"{len(table.index)} mixes predicted: {out}", soft_wrap=True)


@app.command()
@asks
def solve(
    study: MaybeStudy = None,
    ratios: Ratios = None,
    metrics: Metrics = None,
    *,
    question: Question,
    scaled: Scaled = False,
    available: Available = None,
    out_model: ModelFolder = None,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Answer another weighting, budget or cap from the fit that there is, in under a second.

    Example: corpusmill mix solve STUDY --weights math=2,code=1 --tokens 2T --cap code=.2
    """
    _one_source(study, ratios, metrics, "solve")
    asked = question.parsed()
    if study:
        from mixing.questions import solve_study

        found = solve_study(study, *_at_work(workers, address), **asked, scaled=scaled)
    else:
        from mixing.imported import solve_tables

        if scaled:
            raise UserError("mix solve: --scaled needs a study whose confirmation has anchors")
        with following("fit") as tell:
            found = solve_tables(ratios, metrics, available, out_model, tell=tell, **asked)
        for line in found.notes:
            errors.print(line, markup=False, soft_wrap=True)
    show_answer(found.answer)
    output.print(f"fit read in {found.reading:.2f} s, solved in {found.solving:.2f} s")


@app.command()
def refine(
    study: StudyFile,
    rounds: Annotated[int, typer.Option(min=1, help="Further rounds at most.")] = 1,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Train further mixes where they inform the optimum; stop when regret is below the noise.

    Example: corpusmill mix refine recipes/demo-mix.yaml --rounds 2
    """
    from mixing.study import refine_study

    for found in refine_study(study, *_at_work(workers, address), rounds):
        told = f"{len(found['mixes'])} further runs" if found["mixes"] else "sure enough: no runs"
        output.print(
            f"{told}; expected regret {found['regret']:.2g}, noise {found['noise']:.2g} BPB"
        )


@app.command()
def confirm(study: StudyFile, workers: Workers = None, address: Address = None) -> None:
    """Train the recommended mix against the baselines with paired seeds, and say who won.

    Example: corpusmill mix confirm recipes/demo-mix.yaml
    """
    from mixing.study import confirm_study

    _tell(confirm_study(study, *_at_work(workers, address)))


@app.command()
@asks
def report(
    study: MaybeStudy = None,
    ratios: Ratios = None,
    metrics: Metrics = None,
    out: Annotated[
        str | None, typer.Option(help="Folder of an imported swarm's report.", metavar="DIR")
    ] = None,
    *,
    question: Question,
    available: Available = None,
    out_model: ModelFolder = None,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Write the report of a study, or of anybody's swarm.

    Example: corpusmill mix report --ratios R.csv --metrics M.csv --tokens 100B --out report
    """
    _one_source(study, ratios, metrics, "report")
    if study:
        from mixing.study import report_study

        if question != Question() or out:
            raise UserError("mix report: a study's report asks what the study file asks")
        _tell(report_study(study, *_at_work(workers, address)))
        return
    from mixing.imported import report_tables

    if not out:
        raise UserError("mix report: give --out DIR for the report of an imported swarm")
    with following("fit") as tell:
        found = report_tables(
            out, ratios, metrics, available, out_model, tell=tell, **question.parsed()
        )
    for line in found.notes:
        errors.print(line, markup=False, soft_wrap=True)
    show_answer(found.answer)
    output.print(f"mixture report: {out}/report.html", soft_wrap=True)


def _at_work(workers: int | None, address: str | None) -> tuple[Any, Any]:
    from pipeline.progress import Progress
    from pipeline.schedule import Settings

    return Settings(workers=workers, address=address), Progress(progress)


def _one_source(study: str | None, ratios: str | None, metrics: str | None, verb: str) -> None:
    if study and not (ratios or metrics):
        return
    if study or not (ratios and metrics):
        raise UserError(f"mix {verb}: give a study, or both --ratios R.csv and --metrics M.csv")


def _count(shop, step: str) -> None:
    rows = len(shop.plan.get(step, ()))
    output.print(f"{step}: {rows} parts; {shop.done} made now, {shop.skipped} there already")


def _tell(result) -> None:
    output.print(result.summary, markup=False)
    if not result.done:
        output.print(f"nothing to do: all {result.skipped} parts were already committed")
    output.print(f"mixture report: {result.report}", soft_wrap=True)
