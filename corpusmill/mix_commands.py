"""mix run."""

from __future__ import annotations

from typing import Annotated

import typer

from corpusmill.terminal import output, progress

app = typer.Typer(help="Study mixtures: which sources in which proportions.", no_args_is_help=True)


@app.callback()
def mix() -> None:
    """Study mixtures: which sources in which proportions."""


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="The study, a YAML file.", metavar="STUDY")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Proxies trained at once; default all CPUs.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join; default RAY_ADDRESS, else local.")
    ] = None,
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
