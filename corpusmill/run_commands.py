"""run, status, audit, submit."""

from __future__ import annotations

from typing import Annotated

import typer

from catalogs import storage
from catalogs.errors import UserError
from corpusmill.export_commands import audit_export
from corpusmill.options import Address, Workers
from corpusmill.terminal import errors, output, progress, show_table, size

Recipe = Annotated[str, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE")]
Run = Annotated[str, typer.Argument(help="The run folder.", metavar="RUN")]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Mill")(run)
    app.command(rich_help_panel="Mill")(submit)
    app.command(rich_help_panel="Catalogue")(status)
    app.command(rich_help_panel="Catalogue")(audit)


def run(
    recipe: Recipe,
    out: Annotated[str | None, typer.Option(help="Run folder instead of the recipe's.")] = None,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Mill a recipe into its run folder; run it again to go on after a kill.

    Example: corpusmill run recipes/demo.yaml --workers 2
    """
    from pipeline.progress import Progress
    from pipeline.recipe import load_recipe
    from pipeline.run import run as run_recipe
    from pipeline.schedule import Settings

    loaded = load_recipe(recipe, out=out)
    settings = Settings(
        workers=workers,
        stall_seconds=loaded.limits.stall_seconds,
        attempts=loaded.limits.attempts,
        address=address,
    )
    summary = run_recipe(loaded, settings, Progress(progress))
    show_funnel(summary.root)
    if summary.done:
        before = f", {summary.skipped} were committed before" if summary.skipped else ""
        output.print(f"{summary.done} shards made in {summary.seconds:.1f} s{before}")
    else:
        output.print(f"nothing to do: all {summary.skipped} shards were already committed")
    output.print(f"run folder: {summary.root}", soft_wrap=True)


def show_funnel(root: str) -> None:
    """Print how many records went where: per source, and per reason."""
    from catalogs.funnel import OPTIONAL_STAGES, STAGES, funnel_rows, source_rows
    from catalogs.ledger import Ledger

    rows = Ledger(root).rows()
    funnel = funnel_rows(rows)
    sources = {source["source"]: source for source in source_rows(rows)}
    cells: dict[tuple[str, str], int] = {}
    reasons: dict[tuple[int, str, str], int] = {}
    for line in funnel:
        column = "records" if line["outcome"] == "read" else line["stage"]
        key = line["source"], column
        cells[key] = cells.get(key, 0) + line["records"]
        if line["reason"]:
            reason = line["rank"], line["stage"], line["reason"]
            reasons[reason] = reasons.get(reason, 0) + line["records"]
    present = {stage for _, stage in cells}
    stages = [s for s in STAGES if s not in OPTIONAL_STAGES or s in present]
    columns = ["records", *stages, "quarantine", "corpus"]
    body = [[name, *(cells.get((name, c)) for c in columns)] for name in sources]
    body.append(["all", *(sum(row[at] or 0 for row in body) for at in range(1, len(columns) + 1))])
    for row, tokens in zip(body, [s["tokens"] for s in sources.values()], strict=False):
        row.append(tokens)
    body[-1].append(sum(source["tokens"] for source in sources.values()))
    title = "Funnel: records read, how many each stage took out, and what is left in the corpus"
    show_table(title, ["source", *columns, "tokens"], body, " ".join([*columns, "tokens"]))
    read = body[-1][1] or 1
    why = [
        [stage, reason, count, f"{100 * count / read:.1f} %"]
        for (_, stage, reason), count in sorted(
            reasons.items(), key=lambda item: (item[0][0], -item[1])
        )
    ]
    if why:
        show_table("Why", ["stage", "reason", "records", "of those read"], why, "records of")


def status(root: Run) -> None:
    """Show how far a run is: shards planned and committed per step, and the funnel.

    Example: corpusmill status runs/demo
    """
    from catalogs.audit import load_plan
    from catalogs.ledger import Ledger

    plan, ledger = load_plan(root), Ledger(root)
    rows = ledger.rows()
    body = []
    for step, names in plan["shards"].items():
        own = [row for row in rows if row.step == step]
        body.append(
            [
                step,
                len(names),
                len({row.shard for row in own} & set(names)),
                sum(row.read for row in own),
                sum(row.attempts - 1 for row in own),
                round(sum(row.seconds for row in own), 1),
            ]
        )
    columns = ["step", "planned", "committed", "records", "retries", "worker seconds"]
    show_table(f"{root}: {plan['state']}", columns, body, " ".join(columns[1:]) + " seconds")
    if rows:
        show_funnel(root)
    if plan["state"] != "complete":
        output.print("The run is not finished; run its recipe again to go on.")


def audit(root: Run) -> None:
    """Verify every checksum of a run and recompute read = kept + rejected + quarantined.

    Of an export: every checksum, the shares from the tokens, and every sequence's documents. Exits
    with 1 and the names of the shards when something does not hold.

    Example: corpusmill audit runs/demo
    """
    if storage.exists(storage.join(root, "manifest.json")):
        return audit_export(root)
    from catalogs.audit import audit as audit_run
    from catalogs.ledger import Ledger
    from pipeline.progress import Progress

    count = len(Ledger(root).rows())
    with Progress(progress).step("audit", count, 0) as advance:
        result = audit_run(root, each=advance)
    output.print(
        f"{result.shards} shards, {result.files} files, {size(result.bytes)} verified",
        soft_wrap=True,
    )
    output.print(result.account, soft_wrap=True)
    for problem in result.problems:
        errors.print(f"[red]damaged:[/red] {problem}", soft_wrap=True)
    if result.problems:
        raise typer.Exit(1)
    output.print("the account sums up")
    return None


def submit(
    recipe: Recipe,
    address: Annotated[
        str, typer.Option(help="Dashboard of the Ray head, such as http://HEAD:8265.")
    ],
    out: Annotated[str | None, typer.Option(help="Run folder instead of the recipe's.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at once.")] = None,
    wait: Annotated[bool, typer.Option(help="Stream the logs until the job ends.")] = True,
) -> None:
    """Run a recipe on a Ray cluster: ships code and recipe, streams logs, exits as the job does.

    Paths of the recipe are resolved here and must be visible to the cluster.

    Example: corpusmill submit recipes/demo.yaml --address http://HEAD:8265
    """
    from pipeline.submit import submit_recipe

    code = submit_recipe(recipe, address, out=out, workers=workers, wait=wait, say=output.print)
    if code is None:
        raise UserError(f"{address}: the job ended without an exit status")
    raise typer.Exit(code)
