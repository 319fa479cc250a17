"""sql, explain."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import duckdb
import typer

from catalogs.errors import UserError
from corpusmill.run_commands import Run
from corpusmill.terminal import errors, output, show_table, text

SAMPLE = 400
FOUND_COLUMNS = {
    "contamination": ("benchmark", "item", "part", "score", "start", "end", "words"),
    "pii": ("type", "kind", "confidence", "start", "end", "words"),
}


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Catalogue")(sql)
    app.command(rich_help_panel="Catalogue")(explain)


def sql(
    root: Run,
    query: Annotated[
        str | None, typer.Argument(help="DuckDB SQL; default: standard input.", metavar="[QUERY]")
    ] = None,
    schema: Annotated[bool, typer.Option(help="Describe every view and column.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the answer.")] = Format.table,
    rows: Annotated[int, typer.Option(help="Rows shown in a table; 0 for all.")] = 50,
) -> None:
    """Ask the catalogue of a run in plain DuckDB SQL.

    Views: documents, corpus, rejected, quarantine, shards, steps, funnel, sources.

    Example: corpusmill sql runs/demo "select source, sum(n_tokens) from corpus group by 1"
    """
    from catalogs.catalog import open_catalog

    if schema:
        _show_schema(root)
        return
    if query is None:
        if sys.stdin.isatty():
            raise UserError("no query: give one, pipe one in, or ask for --schema")
        query = sys.stdin.read()
    _note_unfinished(root)
    with open_catalog(root) as connection:
        try:
            result = connection.execute(query)
            if not (result and result.description):
                raise UserError("the query says nothing: give a statement")
            names = [column[0] for column in result.description]
            if format is not Format.table:
                _write(result, names, format)
                return
            body = result.fetchmany(rows) if rows else result.fetchall()
            more = bool(rows) and result.fetchone() is not None
        except duckdb.Error as error:
            raise UserError(f"the query does not run: {str(error).splitlines()[0]}") from None
    numeric = [
        name
        for at, name in enumerate(names)
        if body and all(isinstance(row[at], int | float) for row in body)
    ]
    show_table(None, names, body, " ".join(numeric))
    if more:
        errors.print(f"only the first {rows} rows are shown; see --rows and --format")


def _write(result: Any, names: list[str], format: Format) -> None:
    if format is Format.csv:
        import csv

        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        while batch := result.fetchmany(1000):
            writer.writerows(batch)
        return
    while batch := result.fetchmany(1000):
        for row in batch:
            values = dict(zip(names, row, strict=True))
            print(json.dumps(values, ensure_ascii=False, default=str))


def _show_schema(root: str) -> None:
    from catalogs.catalog import VIEW_DOCS, columns

    described = columns(root)
    for view, doc in VIEW_DOCS.items():
        body = [[c.name, c.type, c.doc] for c in described if c.view == view]
        show_table(f"{view}: {doc}", ["column", "type", "description"], body)


def _note_unfinished(root: str) -> None:
    from catalogs.audit import load_plan

    if load_plan(root)["state"] != "complete":
        errors.print(f"note: the run in {root} is not finished, so the views are not whole")


def explain(
    root: Run,
    what: Annotated[
        str, typer.Argument(help="Id, row id, URL or path of a document.", metavar="ID_OR_URL")
    ],
) -> None:
    """Tell everything that happened to one document: origin, scores, verdicts, duplicates.

    Example: corpusmill explain runs/demo https://docs.example.org/page.html
    """
    from catalogs.explain import find

    found = find(root, what)
    if not found:
        raise UserError(f"{root}: nothing here has the id, row id or URL '{what}'")
    for number, story in enumerate(found):
        if number:
            output.rule()
        _tell(root, story)


def _tell(root: str, story: Any) -> None:
    from catalogs.pages import excerpt

    row = story.row
    output.print(story.outcome, style="bold", markup=False, soft_wrap=True)
    show_table(
        None, ["origin", ""], [[k, row[k]] for k in story.origin if row.get(k) not in (None, "")]
    )
    show_table(
        None, ["what it is", ""], [[k, row[k]] for k in story.tags if row.get(k) not in (None, [])]
    )
    rules = _verdicts(root, story)
    if rules:
        show_table(None, ["filter", "feature", "value", "allowed", "verdict"], rules, "value")
    scores = [line for name in story.scores for line in _score_lines(name, row.get(name))]
    if scores:
        show_table(None, ["score", "value"], scores, "value")
    for column, names in FOUND_COLUMNS.items():
        spans = story.found(column)
        for span in spans:
            span["words"] = excerpt(" ".join(span["words"].split()), 80)
        if spans:
            body = [[span[name] for name in names] for span in spans]
            show_table(None, names, body, "start end score confidence")
    if story.copies:
        columns = ["kept", "row_id", "id", "source", "uri", "dup_jaccard", "dup_reason"]
        show_table(
            f"cluster of {len(story.copies)} copies and near copies",
            columns,
            [[copy[c] for c in columns] for copy in story.copies],
        )
    if row.get("text"):
        sample = row["text"][:SAMPLE]
        output.print("text:", style="bold")
        output.print(text(sample) + ("…" if len(row["text"]) > SAMPLE else ""))


def _score_lines(name: str, value: Any) -> list[list[Any]]:
    """A score, or each of a column of several, by the name that SQL has for it."""
    if isinstance(value, dict):
        return [[f"{name}['{key}']", own] for key, own in value.items()]
    return [] if value is None else [[name, value]]


def _verdicts(root: str, story: Any) -> list[list[Any]]:
    """Each rule of the filters that judged this source, beside the value of the document."""
    from catalogs import storage
    from filters import load_preset
    from pipeline.recipe import load_recipe

    source = story.row.get("source")
    if story.row.get("n_words") is None:
        return []
    recipe = load_recipe(storage.join(root, "recipe.yaml"))
    if source not in recipe.sources:
        return []
    lines: list[list[Any]] = []
    for name, overrides in recipe.filters_of(source):
        preset = load_preset(name, overrides)
        for rule in preset.rules:
            value = story.row.get(rule.feature)
            low = rule.min is not None and value < rule.min
            high = rule.max is not None and value > rule.max
            bounds = [f"at least {rule.min:g}"] * (rule.min is not None)
            bounds += [f"at most {rule.max:g}"] * (rule.max is not None)
            verdict = "fails" if low or high else "ok"
            reason = f"{preset.name}:{rule.reason}"
            lines.append([reason, rule.feature, value, " and ".join(bounds), verdict])
    return lines
