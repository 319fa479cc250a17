"""mix run, fit."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Annotated

import typer

from catalogs.errors import UserError
from corpusmill.terminal import errors, output, progress, show_table

app = typer.Typer(help="Study mixtures: which sources in which proportions.", no_args_is_help=True)

Workers = Annotated[
    int | None, typer.Option(min=1, help="Proxies trained at once; default all CPUs.")
]
Address = Annotated[
    str | None, typer.Option(help="Ray cluster to join; default RAY_ADDRESS, else local.")
]
Ratios = Annotated[
    str | None,
    typer.Option(help="CSV of a trained swarm: index, then a share per domain.", metavar="R.csv"),
]
Metrics = Annotated[
    str | None,
    typer.Option(help="CSV of its losses: index, then a column per task.", metavar="M.csv"),
]


@app.callback()
def mix() -> None:
    """Study mixtures: which sources in which proportions."""


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="The study, a YAML file.", metavar="STUDY")],
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Sample mixes, train a proxy on each, fit, recommend ratios, write the report.

    Run it again after a kill or a change: only what depends on the change is done again.

    Example: corpusmill mix run recipes/demo-mix.yaml
    """
    from mixing.study import run_study
    from pipeline.progress import Progress
    from pipeline.schedule import Settings

    result = run_study(study, Settings(workers=workers, address=address), Progress(progress))
    output.print(result.summary, markup=False)
    if not result.done:
        output.print(f"nothing to do: all {result.skipped} parts were already committed")
    output.print(f"mixture report: {result.report}", soft_wrap=True)


@app.command()
def fit(
    ratios: Ratios = None,
    metrics: Metrics = None,
    predict: Annotated[
        str | None,
        typer.Option(help="CSV of mixes to predict: index, then a share per domain."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Where the predictions go, as CSV.", metavar="PRED.csv")
    ] = None,
    out_model: Annotated[
        str | None,
        typer.Option(help="Folder that keeps the fit; default the user's cache.", metavar="DIR"),
    ] = None,
) -> None:
    """Fit a swarm: choose a law for each task by cross-validation, say how well it predicts.

    Higher metrics may be better or worse: a fit does not care. A second call finds the first fit.

    Example: corpusmill mix fit --ratios R.csv --metrics M.csv --predict NEW.csv --out PRED.csv
    """
    from mixing.imported import beyond_support, fit_tables, predict_table

    if not (ratios and metrics):
        raise UserError("mix fit: give both --ratios R.csv and --metrics M.csv")
    if bool(predict) != bool(out):
        raise UserError("mix fit: --predict NEW.csv and --out PRED.csv go together")
    with following("fit") as tell:
        found = fit_tables(ratios, metrics, out_model, tell=tell)
    if found.swarm.left_out:
        errors.print(found.swarm.left_out, markup=False, soft_wrap=True)
    _show_fit(found)
    if predict:
        table = predict_table(found, predict, out)
        for line in beyond_support(found, table.aligned(found.swarm.domains)):
            errors.print(f"beyond the swarm's support: {line}", markup=False, soft_wrap=True)
        output.print(f"{len(table.index)} mixes predicted: {out}", soft_wrap=True)


def _show_fit(found) -> None:
    from mixing.fitted import title

    fitted, swarm = found.fitted, found.swarm
    scores = fitted.scores(swarm.losses)
    show_table(
        f"{len(swarm.index)} runs, {len(swarm.domains)} domains, {len(swarm.tasks)} tasks; scores "
        "on runs not used in the fit, means over the tasks",
        ("law", "MSE", "R²", "rank", "best quarter RMSE", "regret", "tasks"),
        [
            (title(name), one["mse"], one["r2"], f"{one['rho']:.4f}", one["low_rmse"],
             one["regret"], fitted.choice.count(name) or "")
            for name, one in ((name, found.means()) for name, found in scores.items())
        ],
        right="MSE R² rank regret tasks",
    )  # fmt: skip
    chosen = scores["chosen"]
    show_table(
        None,
        ("task", "law", "MSE", "R²", "rank", "± 90 %"),
        [
            (task, title(fitted.choice[t]), float(chosen.mse[t]), float(chosen.r2[t]),
             f"{chosen.rho[t]:.4f}", float(fitted.half_width[t]))
            for t, task in enumerate(swarm.tasks)
        ],
        right="MSE R² rank",
    )  # fmt: skip
    told = "found in the cache" if found.cached else "fitted"
    output.print(f"{told} in {found.seconds:.1f} s")


@contextmanager
def following(name: str):
    """A progress bar; what is yielded takes what is done, how much of it, and of how much."""
    from rich.progress import Progress as Bars

    with Bars(console=progress, transient=True, disable=not progress.is_terminal) as bars:
        task = bars.add_task(name)

        def tell(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)

        yield tell
