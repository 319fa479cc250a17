"""tune, diff: what thresholds and recipes keep and drop."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

import numpy as np
import typer

from catalogs import storage
from catalogs.errors import UserError
from corpusmill.run_commands import Run
from corpusmill.terminal import errors, output, show_table


class Side(StrEnum):
    below = "below"
    above = "above"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Catalogue")(tune)
    app.command(rich_help_panel="Catalogue")(diff)


def tune(
    root: Run,
    feature: Annotated[
        str,
        typer.Argument(
            help="A numeric column of the view documents, \"scores['NAME']\", \"labels['NAME']\".",
            metavar="FEATURE",
        ),
    ],
    cut: Annotated[
        float | None, typer.Option(help="Threshold to look at; default the one in force.")
    ] = None,
    side: Annotated[
        Side | None, typer.Option(help="Which values are dropped; default as the recipe does.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="SQL predicate: only these documents.", metavar="SQL")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Label to drop, of \"labels['NAME']\"; may be given again."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=200, help="Texts shown on either side of the cut.")
    ] = 6,
    seed: Annotated[int, typer.Option(help="What the samples are drawn with.")] = 0,
    all_sources: Annotated[
        bool, typer.Option("--all-sources", help="Cut sources whose filters lack the column too.")
    ] = False,
    out: Annotated[
        str | None, typer.Option(help="Where the page goes; default RUN/reports/tune-FEATURE.html.")
    ] = None,
) -> None:
    """Show how a column is distributed, what each cut of it keeps, and texts around the cut.

    Example: corpusmill tune runs/demo gopher_alpha_word_frac --cut 0.75
    """
    from catalogs.catalog import columns, open_catalog
    from catalogs.feature import Feature
    from catalogs.tune import Question
    from catalogs.tune import tune as ask
    from catalogs.tune_labels import is_label
    from catalogs.tune_page import headline, tune_page
    from pipeline.recipe import load_recipe
    from pipeline.recut import bounds_on, other_rules_sql
    from pipeline.recut_quality import cuts_in_force, other_quality_sql, score_bounds

    if cut is not None and not math.isfinite(cut):
        raise UserError(f"--cut {cut}: expected a finite number")
    recipe = load_recipe(storage.join(root, "recipe.yaml"))
    about, stages = Feature.of(feature), ("filter",)
    feature = about.name
    cuts = cuts_in_force(root) if about.key else {}
    with open_catalog(root) as catalog:
        labels = is_label(catalog, about)
    if labels:
        if cut is not None or side is not None:
            raise UserError(f"{feature} has no order: give --drop LABEL instead of --cut or --side")
        _tune_labels(root, recipe, about, cuts, drop or (), where, samples, seed, out)
        return
    if drop:
        raise UserError(f"--drop: {feature} is no column of labels; give --cut")
    bounds = bounds_on(recipe, feature) + score_bounds(recipe, about, cuts)
    chosen = side.value if side else _side(bounds)
    others = other_rules_sql(recipe, feature, chosen)
    if about.key:
        # numbers as the column stores them
        cut = None if cut is None else float(np.float32(cut))
        others = f"coalesce({others},\n{other_quality_sql(recipe, about, chosen, cuts)})"
        stages = ("filter", "quality")
    question = Question(
        feature=feature,
        side=chosen,
        cut=cut,
        present=_tightest(bounds, chosen),
        everywhere=all_sources,
        others=others,
        stages=stages,
        where=where,
        samples=samples,
        seed=seed,
    )
    described = {c.name: c.doc for c in columns(root) if c.view == "documents"}
    tuning = ask(root, question, described.get(about.column, ""))
    _show(tuning)
    output.print(headline(tuning), markup=False, soft_wrap=True)
    if tuning.unexplained:
        errors.print(
            f"note: {tuning.unexplained} documents were rejected by rules that the recipe no "
            "longer has; run it again before trusting this"
        )
    path = out or storage.join(root, "reports", f"tune-{about.slug}.html")
    write_page(path, tune_page(root, tuning))
    output.print(f"page: {path}", soft_wrap=True, markup=False)


def _tune_labels(root, recipe, about, cuts, drop, where, samples, seed, out) -> None:
    from catalogs.tune import Question
    from catalogs.tune_labels import dropped_now, label_headline, label_page, tune_labels
    from pipeline.recut import other_rules_sql
    from pipeline.recut_quality import dropped_labels, other_quality_sql

    filters = other_rules_sql(recipe, about.name, "below")
    present = dropped_labels(recipe, about)
    question = Question(
        feature=about.name,
        present=dict.fromkeys(present, 0.0),
        others=f"coalesce({filters},\n{other_quality_sql(recipe, about, 'below', cuts)})",
        stages=("filter", "quality"),
        where=where,
        samples=samples,
        seed=seed,
    )
    tuning = tune_labels(root, question, present, tuple(drop))
    names = list(tuning.labels.columns)
    rows = []
    for row in tuning.labels.rows:
        marks = ["dropped now"] * (row["label"] in dropped_now(tuning))
        marks += ["looked at"] * (row["label"] in drop)
        rows.append([*row.values(), ", ".join(marks)])
    title = f"What labels of {about.name} keep, all other rules as they are"
    show_table(title, [*names, ""], rows, " ".join(names[1:]))
    output.print(label_headline(tuning), markup=False, soft_wrap=True)
    path = out or storage.join(root, "reports", f"tune-{about.slug}.html")
    write_page(path, label_page(root, tuning))
    output.print(f"page: {path}", soft_wrap=True, markup=False)


def _side(bounds: list) -> str:
    """The side that most of the rules drop; below in doubt."""
    above = sum(bound.side == "above" for bound in bounds)
    return "above" if above > len(bounds) - above else "below"


def _tightest(bounds: list, side: str) -> dict[str, float]:
    found: dict[str, float] = {}
    pick = max if side == "below" else min
    for bound in bounds:
        if bound.side == side:
            found[bound.source] = pick(bound.value, found.get(bound.source, bound.value))
    return found


def _show(tuning) -> None:
    from catalogs.axis import number
    from catalogs.pages import change, percent

    columns = tuning.quantiles.columns
    rows = [
        [row[columns[0]], f"{row[columns[1]]:,}", *(number(row[name]) for name in columns[2:])]
        for row in tuning.quantiles.rows
    ]
    names = [name.replace(" ", "") for name in columns]
    feature, side = tuning.question.feature, tuning.question.side
    show_table(f"Quantiles of {feature}", names, rows, " ".join(names[1:]))
    body = []
    for row in tuning.cuts.rows:
        marks = ["in force"] * (row["cut"] in tuning.question.present.values())
        marks += ["looked at"] * (row["cut"] == tuning.cut)
        tokens = percent(row["tokens"] - tuning.now["tokens"], tuning.now["tokens"], True)
        body.append(
            [
                number(row["cut"]),
                row["documents"],
                change(row["documents"] - tuning.now["documents"]),
                row["tokens"],
                tokens,
                row["won_back"],
                row["lost"],
                ", ".join(marks),
            ]
        )
    columns = ["cut", "documents", "difference", "tokens", "of_tokens", "won_back", "lost", ""]
    title = f"What each cut keeps: values {side} it are dropped, all other rules as they are"
    show_table(title, columns, body, " ".join(columns))


def write_page(path: str, text: str) -> None:
    """Write a page; a place that cannot be written to is told."""
    try:
        storage.write_text(path, text, durable=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


def diff(
    a: Annotated[str, typer.Argument(help="A run folder.", metavar="RUN_A")],
    b: Annotated[str, typer.Argument(help="Another run folder.", metavar="RUN_B")],
    html: Annotated[
        str | None, typer.Option(help="Write a page with samples to this file as well.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=50, help="Texts shown of each reason, on the page.")
    ] = 4,
    seed: Annotated[int, typer.Option(help="What the samples are drawn with.")] = 0,
) -> None:
    """Compare two runs: what each keeps that the other drops, and what their recipes say.

    Records are matched by source, container and number; texts by their content.

    Example: corpusmill diff runs/demo runs/demo-strict --html diff.html
    """
    from catalogs.diff import diff as compare
    from catalogs.diff_page import diff_page, headline

    found = compare((a, b), _recipe_changes(a, b), samples if html else 0, seed)
    _show_difference(found)
    output.print(headline(found), markup=False, soft_wrap=True)
    for note in found.notes:
        output.print(f"note: {note}", markup=False, soft_wrap=True)
    if html:
        write_page(html, diff_page(found))
        output.print(f"page: {html}", soft_wrap=True, markup=False)


def _recipe_changes(a: str, b: str) -> list[tuple[str, str, str]]:
    from catalogs.diff import changed_fields
    from pipeline.recipe import load_recipe

    data = [
        load_recipe(storage.join(root, "recipe.yaml")).model_dump(mode="json") for root in (a, b)
    ]
    return [line for line in changed_fields(*data) if line[0] != "out"]


def _show_difference(found) -> None:
    from catalogs.pages import change

    show_table(
        f"A: {found.roots['a']}   B: {found.roots['b']}",
        ["", "A", "B", "difference"],
        [
            [row["what"], row["a"], row["b"], change(row["b"] - row["a"])]
            for row in found.totals.rows
        ],
        "A B difference",
    )
    if found.recipe:
        show_table("What the recipes say", ["field", "A", "B"], found.recipe)
    else:
        output.print("The recipes say the same.\n")
    texts = {"in both": "by both", "only in a": "by A alone", "only in b": "by B alone"}
    show_table(
        "Texts kept, wherever they are from",
        ["kept", "texts", "tokens"],
        [[texts[row["texts"]], row["documents"], row["tokens"]] for row in found.texts.rows],
        "texts tokens",
    )
    for side, other in (("a", "B"), ("b", "A")):
        table = found.reasons[side]
        if table.rows:
            show_table(
                f"{table.title}: what became of it in {other}",
                [f"in {other}", "documents", "tokens", "text_kept_elsewhere"],
                [list(row.values()) for row in table.rows],
                "documents tokens text_kept_elsewhere",
            )
    for table, by in ((found.sources, "source"), (found.languages, "language")):
        names = ["kept_a", "kept_b", "both", "other_text", "only_a", "only_b"]
        names += ["tokens_a", "tokens_b"]
        rows = [[row[by], *(row[name] for name in names)] for row in table.rows]
        show_table(table.title, [by, *names], rows, " ".join(names))
