"""classifier train, show, score: quality classifiers, from examples to a score."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from catalogs.errors import UserError
from corpusmill import classifier_run_commands
from corpusmill.classifier_options import (
    MODELS,
    SPEC,
    AskedRun,
    FirstChars,
    Label,
    Model,
    Name,
    Out,
    Seed,
    TextColumn,
    WholeFiles,
    check_name,
    name_of,
    say,
)
from corpusmill.classifier_show import show_card, show_snippet
from corpusmill.terminal import show_table

app = typer.Typer(
    help="Train, show and apply quality classifiers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def train(
    name: Name,
    positive: Annotated[
        list[str] | None, typer.Option(help=f"What is wanted: {SPEC}; may be given again.")
    ] = None,
    negative: Annotated[
        list[str] | None, typer.Option(help="What there is besides, told in the same ways.")
    ] = None,
    examples: Annotated[
        list[str] | None, typer.Option(help="Texts with labels or targets, told in the same ways.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column of labels of --examples, such as topics.")
    ] = None,
    run: AskedRun = None,
    out: Out = MODELS,
    text_column: TextColumn = "text",
    whole_files: WholeFiles = False,
    first_chars: FirstChars = 0,
    limit: Annotated[int, typer.Option(min=20, help="Examples of a label at most.")] = 200_000,
    held_out: Annotated[
        float, typer.Option(min=0.02, max=0.8, help="Share of the examples kept from training.")
    ] = 0.2,
    ngrams: Annotated[int, typer.Option(min=1, max=8, help="Longest word n-gram.")] = 2,
    dim: Annotated[int, typer.Option(min=1, help="Dimensions that are trained in.")] = 16,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes; default by size.")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate; default by size.")] = None,
    buckets: Annotated[
        int | None, typer.Option(min=1, help="Rows for n-grams; default by size.")
    ] = None,
    min_count: Annotated[int, typer.Option(min=1, help="Rarer words are left out.")] = 1,
    seed: Seed = 1,
    target_column: Annotated[
        str | None, typer.Option(help="Column of numbers of --examples that a regressor estimates.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Train an estimator over embeddings instead: trained, static, NAME:MODEL."
        ),
    ] = None,
    estimator: Annotated[
        str | None,
        typer.Option(help="ridge, linear, logistic, boosting or a class such as sklearn.svm.SVR."),
    ] = None,
    params: Annotated[str, typer.Option(help="Arguments of the estimator, as JSON.")] = "{}",
    plugin: Annotated[
        list[str] | None, typer.Option(help="Python file that registers encoders.")
    ] = None,
) -> None:
    """Train a quality classifier, measure it on held-out examples, calibrate it, write its card.

    A fastText classifier, unless an encoder, an estimator or a target column is given.

    Example: corpusmill classifier train --positive good.jsonl --negative runs/demo --name good
    """
    from corpusmill.classifier_examples import labelled
    from pipeline.classifier_card import save_model
    from pipeline.classifier_train import FastTextSettings, train_fasttext
    from pipeline.embedding_train import train_embedding
    from pipeline.examples import Columns
    from pipeline.plugins import load_plugin

    check_name(name)
    if label_column and target_column:
        raise UserError("--label-column or --target-column: labels and numbers are two tasks")
    columns = Columns(text_column, label_column or target_column, whole_files, first_chars, limit)
    found, about = labelled(positive, negative, examples, columns, run, bool(target_column))
    if encoder or estimator or target_column:
        for path in plugin or ():
            load_plugin(path)
        estimator = estimator or ("ridge" if target_column else "logistic")
        trained = train_embedding(
            found, encoder or "static", estimator, _json(params), target_column, held_out, say
        )
    else:
        settings = FastTextSettings(ngrams, dim, epochs, rate, buckets, min_count, seed)
        trained = train_fasttext(found, settings, held_out, say)
    folder = save_model(trained, name, out, about)
    show_card(folder)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"--params {text}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"--params {text}: expected a JSON object of arguments")
    return found


@app.command()
def show(path: Model) -> None:
    """Show what a model is: hashes, labels, and its card if it has one.

    Example: corpusmill classifier show models/good-1a2b3c4d
    """
    from pipeline.classifier_card import load_card
    from pipeline.classifier_model import describe

    about = describe(path)
    if load_card(about["path"]):
        show_card(os.path.dirname(about["path"]))
        return
    if os.path.isdir(about["path"]):  # of the hub's, the name tells more than its place in a cache
        about["path"] = path
    about["labels"] = ", ".join(about.get("labels", ()))
    show_table(None, ["model", ""], [[key, value] for key, value in about.items()])
    show_snippet(
        name_of(path),
        about["path"],
        about["sha256"],
    )


@app.command()
def score(
    path: Model,
    files: Annotated[list[str], typer.Argument(help="Texts: SQL, a run folder, or files.")],
    run: AskedRun = None,
    text_column: TextColumn = "text",
    whole_files: WholeFiles = False,
    positive: Label = None,
    first_chars: FirstChars = 0,
) -> None:
    """Score texts: a JSON line each, in their order, with score, label and the text's beginning.

    Example: corpusmill classifier score models/good-1a2b3c4d pages.jsonl
    """
    from itertools import islice

    from filters.fasttext_scores import string_array
    from pipeline.classifier_model import hashes, load_scorer, model_file
    from pipeline.examples import Columns, read_examples

    file = model_file(path)
    scorer = load_scorer(file, hashes(file)[1], positive)
    rows = read_examples(files, Columns(text_column, None, whole_files), run, "FILE")
    while batch := [text for text, _ in islice(rows, 1024)]:
        found = scorer.score(string_array(batch), first_chars)
        for place, text in enumerate(batch):
            line: dict[str, Any] = {"score": round(float(found.scores[place]), 6)}
            if found.labels is not None:
                line["label"] = found.labels[place]
            line["text"] = " ".join(text[:200].split())[:80]
            print(json.dumps(line, ensure_ascii=False))


classifier_run_commands.register(app)
