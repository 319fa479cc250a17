"""What dropping labels of a classifier would keep: questions to the catalogue, and the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from catalogs.catalog import open_catalog
from catalogs.errors import UserError, nearest
from catalogs.feature import Feature
from catalogs.pages import percent, render, short
from catalogs.sql import literal
from catalogs.tune import Answer, Asker, Question, add_texts, rows_sql

_KEPT = "status = 'kept'"
_DECIDED = "status IN ('kept', 'cut')"


@dataclass
class LabelTuning:
    """Everything that the page and the terminal show."""

    question: Question
    drop: tuple[str, ...]
    present: dict[str, tuple[str, ...]]
    documents: int
    now: dict[str, int]
    after: dict[str, int]
    labels: Answer
    samples: dict[str, Answer]


def tune_labels(
    root: str, question: Question, present: dict[str, tuple[str, ...]], drop: tuple[str, ...]
) -> LabelTuning:
    """Ask the catalogue of a run what dropping labels would keep.

    Parameters
    ----------
    question
        Its feature is a value of the column ``labels``; its `others` know all rules but those that
        drop these labels.
    present
        Labels that are dropped now, by source.
    drop
        Labels looked at; without any, those that are dropped now.

    Raises
    ------
    UserError
        When the predicate does not run, or no document has such a label.
    """
    with open_catalog(root) as catalog:
        base = rows_sql(question, "VARCHAR")
        try:
            catalog.execute(f"CREATE TEMP TABLE rows AS {base}")
        except duckdb.Error as error:
            line = str(error).splitlines()[0]
            raise UserError(f"{question.feature} or --where does not run: {line}") from None
        ask = Asker(catalog, base)
        known = [row["value"] for row in ask.table("", "SELECT DISTINCT value FROM rows").rows]
        if not known:
            raise UserError(f"{root}: no document has {question.feature} there")
        for label in drop:
            if label not in known:
                hint = nearest(label, known) or f" (labels: {', '.join(sorted(known))})"
                raise UserError(f"--drop {label}: no document has that label{hint}")
        chosen = drop or tuple(sorted({label for own in present.values() for label in own}))
        stays = "true"
        if chosen:
            stays = f"NOT applies OR value NOT IN ({', '.join(map(literal, chosen))})"
        sums = "count(*) AS documents, coalesce(sum(tokens), 0)::BIGINT AS tokens"
        labels = ask.table(
            "By label",
            f"""SELECT value AS label, count(*) AS documents,
  count(*) FILTER ({_KEPT}) AS kept_now,
  coalesce(sum(tokens) FILTER ({_KEPT}), 0)::BIGINT AS tokens_now,
  count(*) FILTER ({_DECIDED}) AS kept_if_wanted,
  coalesce(sum(tokens) FILTER ({_DECIDED}), 0)::BIGINT AS tokens_if_wanted,
  count(*) FILTER ({_DECIDED} AND ({stays})) AS kept_then
FROM rows GROUP BY label ORDER BY documents DESC, label""",
        )
        samples = {}
        for row in labels.rows if question.samples else ():
            name = row["label"]
            draw = f"md5(row_id || {literal(str(question.seed))})"
            query = (
                "SELECT row_id, source, language, uri, fate, tokens, value FROM rows\n"
                f"WHERE {_DECIDED} AND value = {literal(name)}\n"
                f"ORDER BY {draw} LIMIT {question.samples}"
            )
            samples[name] = ask.table(f"Documents of {name}", query)
            add_texts(catalog, samples[name].rows)
        return LabelTuning(
            question=question,
            drop=chosen,
            present=present,
            documents=ask.row("SELECT count(*) AS n FROM rows")["n"],
            now=ask.row(f"SELECT {sums} FROM rows WHERE {_KEPT}"),
            after=ask.row(f"SELECT {sums} FROM rows WHERE {_DECIDED} AND ({stays})"),
            labels=labels,
            samples=samples,
        )


def label_headline(tuning: LabelTuning) -> str:
    """What dropping the labels does, in one sentence."""
    now, after = tuning.now, tuning.after
    kept = f"{after['documents']:,} documents, {short(after['tokens'])} tokens"
    what = f"dropping {', '.join(tuning.drop)}" if tuning.drop else "dropping no label"
    if now == after:
        return f"{tuning.question.feature}: {what} keeps what is kept now: {kept}."
    gap = after["documents"] - now["documents"]
    tokens = percent(after["tokens"] - now["tokens"], now["tokens"], signed=True)
    return (
        f"{tuning.question.feature}: {what} keeps {kept}: {abs(gap):,} "
        f"{'fewer' if gap < 0 else 'more'} than now ({tokens} of the tokens)."
    )


def label_page(run: str, tuning: LabelTuning) -> str:
    """The page as text; `run` is the run folder as the reader would write it."""
    return render(
        "tune_labels.html",
        run=run,
        t=tuning,
        headline=label_headline(tuning),
        dropped=dropped_now(tuning),
        most=max(row["documents"] for row in tuning.labels.rows),
    )


def dropped_now(tuning: LabelTuning) -> set[Any]:
    """Labels that some source drops now."""
    return {label for own in tuning.present.values() for label in own}


def is_label(catalog: duckdb.DuckDBPyConnection, feature: Feature) -> bool:
    """Whether a feature is a value of a column of maps to text."""
    kinds = {name: kind for name, kind, *_ in catalog.execute("DESCRIBE documents").fetchall()}
    return feature.key is not None and kinds.get(feature.column) == "MAP(VARCHAR, VARCHAR)"
