"""classifier train, show, score, apply: quality classifiers and what they say."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Annotated, Any

import typer

from catalogs.errors import UserError
from corpusmill.run_commands import Run
from corpusmill.terminal import errors, output, progress, show_table

app = typer.Typer(
    help="Train, show and apply quality classifiers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
MODELS = "models"
_SPEC = "SQL, 'RUN: SQL', a run folder, or files (.txt a text a line, .jsonl, .parquet)"

Model = Annotated[str, typer.Argument(help="Model file or its folder.", metavar="MODEL")]
Names = Annotated[str, typer.Option(help="Name of the model.")]
RunOption = Annotated[str | None, typer.Option(help="Run that SQL is asked of.", metavar="RUN")]
Workers = Annotated[int | None, typer.Option(min=1, help="Jobs at once; default all CPUs.")]
PageOut = Annotated[
    str | None, typer.Option(help="Where the page goes; default RUN/reports/scores-NAME.html.")
]
Out = Annotated[str, typer.Option(help="Folder that the model's folder is made in.")]


@app.command()
def train(
    name: Names,
    positive: Annotated[
        list[str] | None, typer.Option(help=f"What is wanted: {_SPEC}; may be given again.")
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
    run: RunOption = None,
    out: Out = MODELS,
    text_column: Annotated[str, typer.Option(help="Column or field of the texts.")] = "text",
    whole_files: Annotated[
        bool, typer.Option("--whole-files", help="A .txt file is one text, not one a line.")
    ] = False,
    first_chars: Annotated[
        int, typer.Option(min=0, help="Characters of each text that are learned from; 0 for all.")
    ] = 0,
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
    seed: Annotated[int, typer.Option(help="What training draws with.")] = 1,
    target_column: Annotated[
        str | None, typer.Option(help="Column of numbers of --examples that a regressor estimates.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Train an estimator over embeddings instead: static, NAME:MODEL."),
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
    from pipeline.classifier_card import save_model
    from pipeline.classifier_train import FastTextSettings, train_fasttext
    from pipeline.embeddings import train_embedding
    from pipeline.examples import Columns
    from pipeline.plugins import load_plugin

    _check_name(name)
    if label_column and target_column:
        raise UserError("--label-column or --target-column: labels and numbers are two tasks")
    columns = Columns(text_column, label_column or target_column, whole_files, first_chars, limit)
    found, origin = _examples(
        positive, negative, examples, columns, run, limit, bool(target_column)
    )
    if encoder or estimator or target_column:
        for path in plugin or ():
            load_plugin(path)
        estimator = estimator or ("ridge" if target_column else "logistic")
        trained = train_embedding(
            found, encoder or "static", estimator, _json(params), target_column, held_out, _say
        )
    else:
        settings = FastTextSettings(ngrams, dim, epochs, rate, buckets, min_count, seed)
        trained = train_fasttext(found, settings, held_out, _say)
    folder = save_model(trained, name, out, _about(found, origin, columns))
    _show_card(folder)


def _examples(positive, negative, examples, columns, run, limit, numbers=False):
    """Labelled texts, and where they are from."""
    from dataclasses import replace

    from pipeline.classifier_model import NEGATIVE, POSITIVE
    from pipeline.examples import collect, read_examples

    if examples and (positive or negative):
        raise UserError("--examples stands alone: give it, or --positive and --negative")
    if examples:
        if columns.label is None:
            raise UserError("--examples needs --label-column or --target-column")
        rows = read_examples(examples, columns, run, "--examples")
        if numbers:
            return collect(_numbers(rows, columns.label), limit, False), {"all": list(examples)}
        found = collect(((text, str(label)) for text, label in rows), limit)
        return found, {"all": list(examples)}
    if not positive or not negative:
        raise UserError(
            "give --positive and --negative, or --examples and --label-column: what to learn from"
        )
    plain = replace(columns, label=None)

    def both():
        for label, specs in ((POSITIVE, positive), (NEGATIVE, negative)):
            for text, _ in read_examples(specs, plain, run, f"--{label}"):
                yield text, label

    return collect(both(), limit, keep_first=True), {POSITIVE: positive, NEGATIVE: negative}


def _numbers(rows, column: str):
    for text, value in rows:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise UserError(f"--target-column {column}: {value!r} is no number") from None
        if math.isfinite(number):
            yield text, number


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"--params {text}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"--params {text}: expected a JSON object of arguments")
    return found


def _about(found, origin: dict[str, list[str]], columns) -> dict[str, Any]:
    return {
        "from": {label: list(specs) for label, specs in origin.items()},
        "left_out": {
            "repeated": found.repeated,
            "conflicting": found.conflicting,
            "beyond_limit": found.left_out,
            "empty": found.empty,
        },
        "first_chars": columns.first_chars,
    }


@app.command()
def show(path: Model) -> None:
    """Show what a model is: hashes, labels, and its card if it has one.

    Example: corpusmill classifier show models/good-1a2b3c4d
    """
    from pipeline.classifier_card import load_card
    from pipeline.classifier_model import describe

    about = describe(path)
    if load_card(about["path"]):
        _show_card(os.path.dirname(about["path"]))
        return
    about["labels"] = ", ".join(about.get("labels", ()))
    show_table(None, ["model", ""], [[key, value] for key, value in about.items()])
    _show_snippet(os.path.basename(path).split(".")[0], about["path"], about["sha256"])


@app.command()
def score(
    path: Model,
    files: Annotated[list[str], typer.Argument(help="Texts: SQL, a run folder, or files.")],
    run: RunOption = None,
    text_column: Annotated[str, typer.Option(help="Column or field of the texts.")] = "text",
    whole_files: Annotated[
        bool, typer.Option("--whole-files", help="A .txt file is one text, not one a line.")
    ] = False,
    positive: Annotated[
        str | None, typer.Option(help="Label whose probability is the score.")
    ] = None,
    first_chars: Annotated[int, typer.Option(min=0, help="Characters looked at; 0: all.")] = 0,
) -> None:
    """Score texts: a JSON line each, in their order, with score, label and the text's beginning.

    Example: corpusmill classifier score models/good-1a2b3c4d pages.jsonl
    """
    from itertools import islice

    from catalogs import storage
    from filters.fasttext_scores import string_array
    from pipeline.classifier_model import load_scorer, model_file
    from pipeline.examples import Columns, read_examples

    file = model_file(path)
    scorer = load_scorer(file, storage.checksum(file), positive)
    rows = read_examples(files, Columns(text_column, None, whole_files), run, "FILE")
    while batch := [text for text, _ in islice(rows, 1024)]:
        found = scorer.score(string_array(batch), first_chars)
        for place, text in enumerate(batch):
            line: dict[str, Any] = {"score": round(float(found.scores[place]), 6)}
            if found.labels is not None:
                line["label"] = found.labels[place]
            line["text"] = " ".join(text[:200].split())[:80]
            print(json.dumps(line, ensure_ascii=False))


def _show_card(folder: str) -> None:
    from pipeline.classifier_card import load_card

    card = load_card(folder) or {}
    held = card["held_out"]
    rows = [[label, count] for label, count in card["examples"].items()]
    show_table(f"{card['name']} {card['version']}", ["label", "examples"], rows, "examples")
    numbers = [
        [name.replace("_", " "), value]
        for name, value in held.items()
        if isinstance(value, int | float) and name not in ("share", "folds", "calibrated_on")
    ]
    how = "examples held out" if held["how"] == "split" else "every example held out in its turn"
    show_table(how, ["measure", "value"], numbers, "value")
    if held.get("cuts"):
        columns = list(held["cuts"][0])
        body = [[row[column] for column in columns] for row in held["cuts"]]
        show_table("Cuts", columns, body, " ".join(columns))
    if isinstance(held.get("labels"), dict):
        names = ["examples", "precision", "recall", "f1", "auc"]
        body = [[label, *(own[n] for n in names)] for label, own in held["labels"].items()]
        show_table("Labels", ["label", *names], body, " ".join(names))
    _show_snippet(card["name"], folder, card["file"]["sha256"], card["first_chars"])


def _show_snippet(name: str, path: str, digest: str, first_chars: int = 0) -> None:
    from pipeline.classifier_card import snippet

    output.print("In a recipe:", style="bold")
    output.print(
        snippet(name, path, digest, first_chars), markup=False, highlight=False, soft_wrap=True
    )


@app.command()
def apply(
    root: Run,
    model: Annotated[str, typer.Option(help="Model file or its folder.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the score; default the model's own.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="Label whose probability is the score.")
    ] = None,
    first_chars: Annotated[int, typer.Option(min=0, help="Characters looked at; 0: all.")] = 0,
    samples: Annotated[int, typer.Option(min=0, max=100, help="Texts shown at each place.")] = 6,
    seed: Annotated[int, typer.Option(help="What the samples are drawn with.")] = 0,
    out: PageOut = None,
    workers: Workers = None,
) -> None:
    """Score a finished run, as a column of its documents, and write a page to judge it by.

    No raw input is read again. Ask for the score as scores['NAME'].

    Example: corpusmill classifier apply runs/demo --model models/good-1a2b3c4d
    """
    from catalogs import storage
    from pipeline.classifier_apply import apply_model
    from pipeline.classifier_card import load_card
    from pipeline.classifier_model import load_scorer, model_file
    from pipeline.progress import Progress
    from pipeline.schedule import Settings

    file = model_file(model)
    card = load_card(file)
    name = name or (card or {}).get("name") or os.path.basename(file).split(".")[0]
    _check_name(name)
    checksum = storage.checksum(file)
    load_scorer(file, checksum, positive)
    about = {"path": os.path.abspath(file), "checksum": checksum, "positive": positive}
    about |= {"first_chars": first_chars, "plugins": _plugins(root)}
    outcome = apply_model(root, name, about, Settings(workers=workers), Progress(progress))
    told = f"{outcome.done} shards scored" if outcome.done else "nothing to do"
    before = f", {outcome.skipped} were scored before" if outcome.skipped else ""
    output.print(f"{told}{before}: scores['{name}']", markup=False)
    _write_page(root, name, card, samples, seed, out)


@app.command()
def preview(
    root: Run,
    name: Annotated[str, typer.Argument(help="Name of a score.", metavar="SCORE")],
    samples: Annotated[int, typer.Option(min=0, max=100, help="Texts shown at each place.")] = 6,
    seed: Annotated[int, typer.Option(help="What the samples are drawn with.")] = 0,
    out: PageOut = None,
) -> None:
    """Write a page about a score of a run: its spread, and the top, middle and bottom documents.

    Example: corpusmill classifier preview runs/demo good
    """
    _write_page(root, name, None, samples, seed, out)


@app.command()
def select(
    root: Run,
    positive: Annotated[
        list[str], typer.Option(help=f"50 to 5,000 examples of what is wanted: {_SPEC}.")
    ],
    name: Names,
    negative: Annotated[
        list[str] | None, typer.Option(help="Default: documents that the run keeps, by hash.")
    ] = None,
    negatives: Annotated[
        int, typer.Option(min=20, help="Documents of the run that are taken at most.")
    ] = 10_000,
    text_column: Annotated[str, typer.Option(help="Column or field of the texts.")] = "text",
    whole_files: Annotated[
        bool, typer.Option("--whole-files", help="A .txt file is one text, not one a line.")
    ] = False,
    first_chars: Annotated[
        int, typer.Option(min=0, help="Characters of each text that count; 0 for all.")
    ] = 0,
    models: Out = MODELS,
    seed: Annotated[int, typer.Option(help="What training and samples are drawn with.")] = 1,
    samples: Annotated[int, typer.Option(min=0, max=100, help="Texts shown at each place.")] = 6,
    out: PageOut = None,
    workers: Workers = None,
) -> None:
    """Task-targeted selection: from a few examples to a score of every document, and a page.

    Trains a classifier of the examples against documents of the run, applies it to the run, and
    writes the page with the top, middle and bottom documents.

    Example: corpusmill classifier select runs/demo --positive gsm8k.jsonl --name maths
    """
    from pipeline.classifier_card import save_model
    from pipeline.classifier_train import FastTextSettings, train_fasttext
    from pipeline.examples import Columns

    _check_name(name)
    columns = Columns(text_column, None, whole_files, first_chars, negatives)
    found, origin = _examples(positive, negative or [root], None, columns, root, negatives)
    trained = train_fasttext(found, FastTextSettings(seed=seed), 0.2, _say)
    folder = save_model(trained, name, models, _about(found, origin, columns))
    _show_card(folder)
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


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UserError(f"--name {name}: letters, digits, '_' and '-' only, at most 64")


def _say(line: str) -> None:
    errors.print(line, markup=False, highlight=False)
