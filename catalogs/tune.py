"""What each cut of a feature would keep: questions to the catalogue, and their answers.

Nothing is read but columns of numbers and names, except for the texts of the samples. Every answer
carries the SQL that gives it, so that it can be asked again or changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb

from catalogs.axis import Axis, number
from catalogs.catalog import open_catalog
from catalogs.document_views import FATE, LATER
from catalogs.errors import UserError
from catalogs.feature import Feature, number_type
from catalogs.sql import literal

STATUSES = ("kept", "cut", "duplicate", "other")
"""Kept; dropped by rules on this feature alone; a copy; dropped by another rule as well."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
DROPPED = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
GROUPS = 14
WINDOW = 20
EXCERPT = 1500


@dataclass(frozen=True)
class Question:
    """What to tune.

    Attributes
    ----------
    feature
        A numeric column of the view ``documents``, or a value of a column of maps, as in
        ``scores['dclm']``.
    side
        Which values a cut drops: ``below`` or ``above`` it (the cut itself is kept).
    cut
        The threshold looked at; None takes the one in force, else the 10 % quantile.
    present
        Threshold in force for each source that has one.
    everywhere
        Cut all sources, also those whose filters do not look at the feature.
    others
        SQL expression: why a row falls by the rules on other features, or NULL.
    stages
        Stages whose rules `others` knows: what they rejected is judged anew.
    where
        SQL predicate over the columns of the documents, or None.
    samples, seed
        Texts shown on either side of the cut, and what they are drawn with.
    """

    feature: str
    side: str = "below"
    cut: float | None = None
    present: dict[str, float] = field(default_factory=dict)
    everywhere: bool = False
    others: str = "CAST(NULL AS VARCHAR)"
    stages: tuple[str, ...] = ("filter",)
    where: str | None = None
    samples: int = 6
    seed: int = 0


@dataclass
class Answer:
    """A table with the SQL that gives it."""

    title: str
    sql: str
    columns: list[str]
    rows: list[dict[str, Any]]


@dataclass
class Tuning:
    """Everything that the page and the terminal show."""

    question: Question
    doc: str
    cut: float
    axis: Axis
    documents: int
    without: int
    now: dict[str, int]
    after: dict[str, int]
    unexplained: int
    quantiles: Answer
    cuts: Answer
    sources: Answer
    languages: Answer
    histogram: Answer
    near: dict[str, Answer]


def tune(root: str, question: Question, doc: str = "") -> Tuning:
    """Ask the catalogue of a run what cuts of a feature would keep.

    Raises
    ------
    UserError
        When the feature is no numeric column, the predicate does not run, or no row has a value.
    """
    with open_catalog(root) as catalog:
        kind = number_type(catalog, Feature.of(question.feature))
        base = rows_sql(question)
        try:
            catalog.execute(f"CREATE TEMP TABLE rows AS {base}")
        except duckdb.Error as error:
            line = str(error).splitlines()[0]
            raise UserError(f"--where {question.where!r} does not run: {line}") from None
        ask = Asker(catalog, base)
        documents = ask.row("SELECT count(*) AS n FROM rows")["n"]
        if not documents:
            raise UserError(f"{root}: no document has a value of '{question.feature}' there")
        cut = _cut(ask, question)
        marks = sorted({cut, *question.present.values()})
        integer = "INT" in kind
        spread = ask.row(
            "SELECT quantile_disc(value, [0.005, 0.5, 0.99, 0.995]) AS quantiles FROM rows"
        )["quantiles"]
        axis = Axis.over(spread, integer, marks)
        passes = _passes(question, cut)
        status = "status IN ('kept', 'cut')"
        return Tuning(
            question=question,
            doc=doc,
            cut=cut,
            axis=axis,
            documents=documents,
            without=_without(catalog, question),
            now=ask.row(f"SELECT {_SUMS} FROM rows WHERE status = 'kept'"),
            after=ask.row(f"SELECT {_SUMS} FROM rows WHERE {status} AND ({passes})"),
            unexplained=ask.row(
                f"SELECT count(*) AS n FROM rows WHERE status = 'cut' AND ({_in_force(question)})"
            )["n"],
            quantiles=_quantiles(ask),
            cuts=_cuts(ask, question, integer, marks),
            sources=_groups(ask, "source", passes),
            languages=_groups(ask, "language", passes),
            histogram=ask.table(
                "Documents and tokens by bin",
                f"SELECT source, language, status, applies, {axis.sql('value')} AS bin, "
                "count(*) AS documents, sum(tokens) AS tokens\nFROM rows\n"
                "GROUP BY ALL ORDER BY ALL",
            ),
            near=_near(catalog, ask, question, cut),
        )


def rows_sql(question: Question, kind: str = "DOUBLE") -> str:
    """One row per document that has columns, kept or not, with what became of it and why.

    `kind` is the SQL type that values are taken as.
    """
    column = Feature.of(question.feature).sql
    where = f" AND ({question.where})" if question.where else ""
    applies = "true"
    if question.present and not question.everywhere:
        applies = f"source IN ({', '.join(literal(name) for name in question.present)})"
    own = "fate = 'language:language_unsure'" if question.feature == "language_score" else "false"
    stages = ", ".join(literal(stage) for stage in ("kept", "dedup", *question.stages))
    return f"""WITH {_ALL_ROWS}, judged AS (
  SELECT row_id, id, source, uri, coalesce(language, 'none') AS language, fate,
    coalesce(n_tokens, 0) AS tokens, CAST({column} AS {kind}) AS value, {applies} AS applies,
    CASE WHEN split_part(fate, ':', 1) IN ({stages}) OR {own}
      THEN {_indented(question.others)}
      ELSE fate END AS other
  FROM all_rows
  WHERE {column} IS NOT NULL{where}
)
SELECT row_id, source, uri, language, fate, tokens, value, applies, other,
  CASE WHEN other IS NOT NULL THEN 'other'
    WHEN fate LIKE 'dedup:%' THEN 'duplicate'
    WHEN fate = 'kept' THEN 'kept'
    WHEN row_number() OVER (
      PARTITION BY id, other IS NULL ORDER BY fate = 'kept' DESC, row_id
    ) > 1 THEN 'duplicate'
    ELSE 'cut' END AS status
FROM judged"""


_ALL_ROWS = f"""all_rows AS (
  SELECT *, {FATE} AS fate
  FROM documents
  UNION ALL BY NAME
  SELECT *, stage || ':' || reason AS fate FROM rejected WHERE stage NOT IN {LATER}
)"""
_SUMS = "count(*) AS documents, coalesce(sum(tokens), 0)::BIGINT AS tokens"


class Asker:
    """Runs a query over the table ``rows`` and writes it down as it can be run by anyone."""

    def __init__(self, catalog: duckdb.DuckDBPyConnection, base: str):
        self.catalog, self.base = catalog, base

    def table(self, title: str, query: str) -> Answer:
        result = self.catalog.execute(query)
        columns = [column[0] for column in result.description]
        rows = [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
        inner = "\n".join(f"  {line}" for line in self.base.splitlines())
        return Answer(title, f"WITH rows AS (\n{inner}\n)\n{query}", columns, rows)

    def row(self, query: str) -> dict[str, Any]:
        return self.table("", query).rows[0]


def _cut(ask: Asker, question: Question) -> float:
    if question.cut is not None:
        return float(question.cut)
    if question.present:
        tightest = max if question.side == "below" else min
        return float(tightest(question.present.values()))
    share = 0.1 if question.side == "below" else 0.9
    return ask.row(f"SELECT quantile_disc(value, {share}) AS cut FROM rows")["cut"]


def _passes(question: Question, cut: float) -> str:
    return f"NOT applies OR value {_sign(question)} CAST({cut!r} AS DOUBLE)"


def _in_force(question: Question) -> str:
    """Whether a row passes the thresholds of the recipe."""
    tests = [
        f"source = {literal(source)} AND value {_sign(question)} CAST({value!r} AS DOUBLE)"
        for source, value in question.present.items()
    ]
    named = ", ".join(literal(source) for source in question.present)
    rest = f"source NOT IN ({named})" if named else "true"
    return " OR ".join([*tests, rest])


def _sign(question: Question) -> str:
    return ">=" if question.side == "below" else "<="


def _without(catalog: duckdb.DuckDBPyConnection, question: Question) -> int:
    """Documents of the corpus without a value, which no cut drops."""
    where = f" AND ({question.where})" if question.where else ""
    return catalog.execute(
        f"WITH {_ALL_ROWS} SELECT count(*) FROM all_rows "
        f"WHERE fate = 'kept' AND {Feature.of(question.feature).sql} IS NULL{where}"
    ).fetchone()[0]


def _quantiles(ask: Asker) -> Answer:
    parts = ",\n  ".join(f'quantile_disc(value, {q}) AS "{100 * q:g} %"' for q in QUANTILES)
    what = f'count(*) AS documents, min(value) AS "min",\n  {parts},\n  max(value) AS "max"'
    query = f"""SELECT coalesce(source, 'all') AS source, {what}
FROM rows GROUP BY GROUPING SETS ((), (source))
ORDER BY grouping(rows.source) DESC, documents DESC, source"""
    return ask.table("Quantiles", query)


def _cuts(ask: Asker, question: Question, whole: bool, marks: list[float]) -> Answer:
    shares = [share if question.side == "below" else 1 - share for share in DROPPED]
    spots = ask.row(
        f"SELECT quantile_disc(value, {shares}) AS spots FROM rows "
        "WHERE status IN ('kept', 'cut') AND applies"
    )["spots"]
    spots = [value if whole else float(number(value).replace(",", "")) for value in spots or []]
    values = sorted({float(value) for value in [*marks, *spots]})
    lines = ", ".join(f"(CAST({value!r} AS DOUBLE))" for value in values)
    query = f"""SELECT cut, count(row_id) AS documents, coalesce(sum(tokens), 0)::BIGINT AS tokens,
  count(*) FILTER (WHERE status = 'cut') AS won_back,
  (SELECT count(*) FROM rows WHERE status = 'kept')
    - count(*) FILTER (WHERE status = 'kept') AS lost
FROM (VALUES {lines}) AS cuts(cut)
LEFT JOIN rows ON status IN ('kept', 'cut') AND (NOT applies OR value {_sign(question)} cut)
GROUP BY cut ORDER BY cut"""
    return ask.table("What each cut keeps", query)


def _groups(ask: Asker, by: str, passes: str) -> Answer:
    decided = "status IN ('kept', 'cut')"
    query = f"""SELECT {by}, count(*) AS documents, bool_or(applies) AS applies,
  median(value) AS median,
  count(*) FILTER (WHERE status = 'kept') AS kept_now,
  count(*) FILTER (WHERE {decided} AND ({passes})) AS kept_then,
  count(*) FILTER (WHERE status = 'cut' AND ({passes})) AS won_back,
  count(*) FILTER (WHERE status = 'kept' AND NOT ({passes})) AS lost,
  coalesce(sum(tokens) FILTER (WHERE status = 'kept'), 0)::BIGINT AS tokens_now,
  coalesce(sum(tokens) FILTER (WHERE {decided} AND ({passes})), 0)::BIGINT AS tokens_then
FROM rows GROUP BY {by} ORDER BY documents DESC, {by} LIMIT {GROUPS}"""
    return ask.table(f"By {by}", query)


def _near(
    catalog: duckdb.DuckDBPyConnection, ask: Asker, question: Question, cut: float
) -> dict[str, Answer]:
    """Documents whose fate this cut alone decides, drawn from those nearest to it."""
    found = {}
    for side, sign, order in (("below", "<", "DESC"), ("above", ">=", "ASC")):
        if question.side == "above":
            sign = {"<": "<=", ">=": ">"}[sign]
        draw = f"md5(row_id || {literal(str(question.seed))})"
        query = f"""SELECT row_id, source, language, uri, fate, tokens, value FROM (
  SELECT * FROM rows
  WHERE applies AND status IN ('kept', 'cut') AND value {sign} CAST({cut!r} AS DOUBLE)
  ORDER BY value {order}, {draw} LIMIT {WINDOW * question.samples}
) ORDER BY {draw} LIMIT {question.samples}"""
        answer = ask.table(f"Just {side} the cut", query)
        answer.rows.sort(key=lambda row: (row["value"], row["row_id"]), reverse=side == "below")
        add_texts(catalog, answer.rows)
        found[side] = answer
    return found


def add_texts(catalog: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    """The beginning of the text of each row, as ``text``."""
    ids = [row["row_id"] for row in rows]
    texts: dict[str, str] = {}
    for view in ("documents", "rejected"):
        found = catalog.execute(
            f"SELECT row_id, text[:{EXCERPT + 1}] FROM {view} WHERE row_id IN (SELECT unnest($1))",
            [ids],
        )
        texts.update(found.fetchall())
    for row in rows:
        row["text"] = texts.get(row["row_id"]) or ""


def _indented(sql: str) -> str:
    return sql.replace("\n", "\n      ")
