"""classifier apply, preview, select: scores of a finished run."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from corpusmill.classifier_options import (
    MODELS,
    SPEC,
    FirstChars,
    Label,
    Name,
    Out,
    PageOut,
    Samples,
    Seed,
    TextColumn,
    WholeFiles,
    check_name,
    name_of,
    say,
)
from corpusmill.classifier_show import show_card
from corpusmill.options import Workers
from corpusmill.run_commands import Run
from corpusmill.terminal import output, progress


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (apply, preview, select):
        app.command()(verb)


def apply(
    root: Run,
    model: Annotated[
        str, typer.Option(help="Model file or its folder, or transformers:ID@REVISION.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the score; default the model's own.")
    ] = None,
    positive: Label = None,
    first_chars: FirstChars = 0,
    samples: Samples = 6,
    seed: Seed = 0,
    out: PageOut = None,
    workers: Workers = None,
) -> None:
    """Score a finished run, as a column of its documents, and write a page to judge it by.

    No raw input is read again. Ask for the score as scores['NAME'].

    Example: corpusmill classifier apply runs/demo --model models/good-1a2b3c4d
    """
    from pipeline.classifier_apply import apply_model
    from pipeline.classifier_card import load_card
    from pipeline.classifier_model import hashes, load_scorer, model_file
    from pipeline.progress import Progress
    from pipeline.schedule import Settings

    file = model_file(model)
    card = load_card(file)
    name = name or (card or {}).get("name") or name_of(model)
    check_name(name)
    checksum = hashes(file)[1]
    load_scorer(file, checksum, positive)
    about = {"path": os.path.abspath(file), "checksum": checksum, "positive": positive}
    about |= {"first_chars": first_chars, "plugins": _plugins(root)}
    outcome = apply_model(root, name, about, Settings(workers=workers), Progress(progress))
    told = f"{outcome.done} shards scored" if outcome.done else "nothing to do"
    before = f", {outcome.skipped} were scored before" if outcome.skipped else ""
    output.print(f"{told}{before}: scores['{name}']", markup=False)
    _write_page(root, name, card, samples, seed, out)


def preview(
    root: Run,
    name: Annotated[str, typer.Argument(help="Name of a score.", metavar="SCORE")],
    samples: Samples = 6,
    seed: Seed = 0,
    out: PageOut = None,
) -> None:
    """Write a page about a score of a run: its spread, and the top, middle and bottom documents.

    Example: corpusmill classifier preview runs/demo good
    """
    _write_page(root, name, None, samples, seed, out)


def select(
    root: Run,
    positive: Annotated[
        list[str], typer.Option(help=f"50 to 5,000 examples of what is wanted: {SPEC}.")
    ],
    name: Name,
    negative: Annotated[
        list[str] | None, typer.Option(help="Default: documents that the run keeps, by hash.")
    ] = None,
    negatives: Annotated[
        int, typer.Option(min=20, help="Documents of the run that are taken at most.")
    ] = 10_000,
    text_column: TextColumn = "text",
    whole_files: WholeFiles = False,
    first_chars: FirstChars = 0,
    models: Out = MODELS,
    seed: Seed = 1,
    samples: Samples = 6,
    out: PageOut = None,
    workers: Workers = None,
) -> None:
    """Task-targeted selection: from a few examples to a score of every document, and a page.

    Trains a classifier of the examples against documents of the run, applies it to the run, and
    writes the page with the top, middle and bottom documents.

    Example: corpusmill classifier select runs/demo --positive gsm8k.jsonl --name maths
    """
    from corpusmill.classifier_examples import labelled
    from pipeline.classifier_card import save_model
    from pipeline.classifier_train import FastTextSettings, train_fasttext
    from pipeline.examples import Columns

    check_name(name)
    columns = Columns(text_column, None, whole_files, first_chars, negatives)
    found, about = labelled(positive, negative or [root], None, columns, root)
    trained = train_fasttext(found, FastTextSettings(seed=seed), 0.2, say)
    folder = save_model(trained, name, models, about)
    show_card(folder)
    apply(root, folder, name, None, first_chars, samples, seed, out, workers)


def _write_page(root, name: str, card, samples: int, seed: int, out: str | None) -> None:
    from catalogs import storage
    from catalogs.score_page import headline, look_at_scores, score_page
    from corpusmill.tune_commands import write_page

    view = look_at_scores(root, name, samples, seed)
    path = out or storage.join(root, "reports", f"scores-{name}.html")
    write_page(path, score_page(view, card))
    output.print(headline(view), markup=False, soft_wrap=True)
    output.print(f"page: {path}", soft_wrap=True, markup=False)


def _plugins(root: str) -> list[str]:
    from catalogs import storage
    from pipeline.config import load_yaml
    from pipeline.plugins import load_plugin

    recipe = load_yaml(storage.join(root, "recipe.yaml"))
    found = [storage.join(recipe.get("root") or ".", own) for own in recipe.get("plugins") or ()]
    for path in found:
        load_plugin(path)
    return found
