"""Two runs side by side: what each keeps that the other drops, and why.

A record is the same in both runs when source, container and number in the container are (its
``row_id``); a text is the same when its ``id`` is. Texts are read for the samples only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb
import yaml

from catalogs.catalog import attach_catalog
from catalogs.document_views import FATE, LATER
from catalogs.ledger import Ledger

SIDES = ("a", "b")
SAMPLES = 4
EXCERPT = 1500
MOST_SAMPLES = 60
TOP = 15


@dataclass
class Table:
    """Rows of a table; `title` says what they count."""

    title: str
    columns: list[str]
    rows: list[dict[str, Any]]


@dataclass
class Difference:
    """Everything that the page and the terminal show.

    Attributes
    ----------
    roots
        The two run folders.
    only_sources
        Sources that one run alone has, for ``a`` and ``b``.
    disjoint
        Whether no record of a common source is in both: then only texts can be compared.
    recipe
        Changed fields as ``(field, value in a, value in b)``.
    notes
        Sentences on what limits the comparison.
    """

    roots: dict[str, str]
    only_sources: dict[str, list[str]]
    disjoint: bool
    recipe: list[tuple[str, str, str]]
    notes: list[str]
    totals: Table
    texts: Table
    sources: Table
    languages: Table
    reasons: dict[str, Table] = field(default_factory=dict)
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def diff(
    roots: tuple[str, str],
    recipe: list[tuple[str, str, str]],
    samples: int = SAMPLES,
    seed: int = 0,
) -> Difference:
    """Compare what two runs keep.

    Raises
    ------
    UserError
        When a folder is no run.
    """
    with duckdb.connect() as catalog:
        catalog.execute("SET TimeZone = 'UTC'")
        for side, root in zip(SIDES, roots, strict=True):
            attach_catalog(catalog, root, side)
            catalog.execute(f"CREATE TEMP TABLE rows_{side} AS {_outcomes(side)}")
        catalog.execute(_JOIN)
        named = dict(zip(SIDES, roots, strict=True))
        own = {side: _column(catalog, f"SELECT name FROM {side}_sources") for side in SIDES}
        only = {
            "a": sorted(set(own["a"]) - set(own["b"])),
            "b": sorted(set(own["b"]) - set(own["a"])),
        }
        common = catalog.execute(
            "SELECT count(*) FILTER (WHERE in_a AND in_b), count(*) FROM pairs "
            "WHERE source IN (SELECT name FROM a_sources) "
            "AND source IN (SELECT name FROM b_sources)"
        ).fetchone()
        found = Difference(
            roots=named,
            only_sources=only,
            disjoint=common[0] == 0 < common[1],
            recipe=recipe,
            notes=[],
            totals=_totals(catalog),
            texts=_texts(catalog),
            sources=_by(catalog, "source"),
            languages=_by(catalog, "language"),
        )
        for side, other in (("a", "b"), ("b", "a")):
            found.reasons[side] = _reasons(catalog, side, other)
            found.samples[side] = _samples(catalog, side, other, samples, seed)
        found.notes = _notes(found)
        return found


def same_code(roots: tuple[str, str]) -> bool:
    """Whether the input files of both runs were milled by the same code and libraries."""
    codes = [{row.code for row in Ledger(root).rows("ingest")} for root in roots]
    return codes[0] == codes[1]


def _outcomes(side: str) -> str:
    return f"""
SELECT row_id, id, source, coalesce(language, 'none') AS language, coalesce(n_tokens, 0) AS tokens,
  {FATE} AS fate
FROM {side}.documents
UNION ALL BY NAME
SELECT row_id, id, source, coalesce(language, 'none') AS language, coalesce(n_tokens, 0) AS tokens,
  stage || ':' || reason AS fate
FROM {side}.rejected WHERE stage NOT IN {LATER}
UNION ALL BY NAME
SELECT row_id, NULL AS id, source, 'none' AS language, 0 AS tokens, 'quarantine:' || error AS fate
FROM {side}.quarantine"""


_JOIN = """
CREATE TEMP VIEW a_sources AS SELECT DISTINCT source AS name FROM a.sources;
CREATE TEMP VIEW b_sources AS SELECT DISTINCT source AS name FROM b.sources;
CREATE TEMP TABLE texts_a AS SELECT DISTINCT id FROM rows_a WHERE fate = 'kept';
CREATE TEMP TABLE texts_b AS SELECT DISTINCT id FROM rows_b WHERE fate = 'kept';
CREATE TEMP TABLE pairs AS
SELECT coalesce(x.row_id, y.row_id) AS row_id, coalesce(x.source, y.source) AS source,
  CASE WHEN x.fate = 'kept' THEN x.language ELSE coalesce(y.language, x.language) END AS language,
  x.row_id IS NOT NULL AS in_a, y.row_id IS NOT NULL AS in_b,
  coalesce(x.fate, CASE WHEN coalesce(x.source, y.source) IN (SELECT name FROM a_sources)
    THEN 'not read' ELSE 'no such source' END) AS fate_a,
  coalesce(y.fate, CASE WHEN coalesce(x.source, y.source) IN (SELECT name FROM b_sources)
    THEN 'not read' ELSE 'no such source' END) AS fate_b,
  coalesce(x.tokens, 0) AS tokens_a, coalesce(y.tokens, 0) AS tokens_b, x.id AS id_a, y.id AS id_b,
  x.id IN (SELECT id FROM texts_b) AS text_a_in_b, y.id IN (SELECT id FROM texts_a) AS text_b_in_a
FROM rows_a x FULL JOIN rows_b y USING (row_id)"""


def _totals(catalog: duckdb.DuckDBPyConnection) -> Table:
    query = """SELECT count(*) FILTER (WHERE in_a) AS read_a,
  count(*) FILTER (WHERE in_b) AS read_b,
  count(*) FILTER (WHERE fate_a = 'kept') AS kept_a,
  count(*) FILTER (WHERE fate_b = 'kept') AS kept_b,
  coalesce(sum(tokens_a) FILTER (WHERE fate_a = 'kept'), 0)::BIGINT AS tokens_a,
  coalesce(sum(tokens_b) FILTER (WHERE fate_b = 'kept'), 0)::BIGINT AS tokens_b
FROM pairs"""
    (row,) = _rows(catalog, query)
    rows = [
        {"what": title, "a": row[f"{name}_a"], "b": row[f"{name}_b"]}
        for name, title in (
            ("read", "records read"),
            ("kept", "documents kept"),
            ("tokens", "tokens kept"),
        )
    ]
    return Table("The two runs", ["what", "a", "b"], rows)


def _texts(catalog: duckdb.DuckDBPyConnection) -> Table:
    """Texts, wherever they come from: the same text may stand in another record."""
    query = """WITH
x AS (SELECT id, max(tokens) AS tokens FROM rows_a WHERE fate = 'kept' GROUP BY 1),
y AS (SELECT id, max(tokens) AS tokens FROM rows_b WHERE fate = 'kept' GROUP BY 1)
SELECT CASE WHEN y.id IS NULL THEN 'only in a' WHEN x.id IS NULL THEN 'only in b' ELSE 'in both' END
  AS texts, count(*) AS documents, sum(coalesce(x.tokens, y.tokens))::BIGINT AS tokens
FROM x FULL JOIN y USING (id) GROUP BY 1 ORDER BY 1"""
    return Table("Texts kept", ["texts", "documents", "tokens"], _rows(catalog, query))


def _by(catalog: duckdb.DuckDBPyConnection, by: str) -> Table:
    query = f"""SELECT {by},
  count(*) FILTER (WHERE fate_a = 'kept') AS kept_a,
  count(*) FILTER (WHERE fate_b = 'kept') AS kept_b,
  count(*) FILTER (WHERE fate_a = 'kept' AND fate_b = 'kept') AS both,
  count(*) FILTER (WHERE fate_a = 'kept' AND fate_b = 'kept' AND id_a <> id_b) AS other_text,
  count(*) FILTER (WHERE fate_a = 'kept' AND fate_b <> 'kept') AS only_a,
  count(*) FILTER (WHERE fate_b = 'kept' AND fate_a <> 'kept') AS only_b,
  coalesce(sum(tokens_a) FILTER (WHERE fate_a = 'kept'), 0)::BIGINT AS tokens_a,
  coalesce(sum(tokens_b) FILTER (WHERE fate_b = 'kept'), 0)::BIGINT AS tokens_b
FROM pairs GROUP BY {by} HAVING kept_a + kept_b > 0
ORDER BY only_a + only_b DESC, {by} LIMIT {TOP}"""
    rows = _rows(catalog, query)
    return Table(f"By {by}", list(rows[0]) if rows else [by], rows)


def _reasons(catalog: duckdb.DuckDBPyConnection, side: str, other: str) -> Table:
    """Documents that `side` keeps and the other run does not, by what became of them there."""
    query = f"""SELECT fate_{other} AS reason, count(*) AS documents,
  sum(tokens_{side})::BIGINT AS tokens,
  count(*) FILTER (WHERE coalesce(text_{side}_in_{other}, false)) AS text_elsewhere
FROM pairs WHERE fate_{side} = 'kept' AND fate_{other} <> 'kept'
GROUP BY 1 ORDER BY documents DESC, reason"""
    columns = ["reason", "documents", "tokens", "text_elsewhere"]
    return Table(f"Kept by {side.upper()} alone", columns, _rows(catalog, query))


def _samples(
    catalog: duckdb.DuckDBPyConnection, side: str, other: str, count: int, seed: int
) -> list[dict[str, Any]]:
    """Texts that one run keeps and the other has nowhere, a few of each of its reasons."""
    query = f"""SELECT p.row_id, p.source, p.language, p.tokens_{side} AS tokens,
  p.fate_{other} AS reason, d.uri, d.text[:{EXCERPT + 1}] AS text
FROM (
  SELECT *, count(*) OVER (PARTITION BY fate_{other}) AS size,
    row_number() OVER (PARTITION BY fate_{other} ORDER BY md5(row_id || $1), row_id) AS place
  FROM pairs WHERE fate_{side} = 'kept' AND fate_{other} <> 'kept'
    AND NOT coalesce(text_{side}_in_{other}, false)
) p JOIN {side}.documents d USING (row_id)
WHERE place <= $2 ORDER BY size DESC, reason, place LIMIT {MOST_SAMPLES}"""
    return _rows(catalog, query, [str(seed), count])


def _notes(found: Difference) -> list[str]:
    notes = []
    for side, names in found.only_sources.items():
        if names:
            notes.append(f"only {side.upper()} has the source{'s' * (len(names) > 1)} "
                         f"{', '.join(names)}")  # fmt: skip
    if found.disjoint:
        notes.append(
            "no record of a common source is in both runs (their input files are named "
            "differently), so records cannot be matched: compare the texts"
        )
    if not same_code((found.roots["a"], found.roots["b"])):
        notes.append("the runs were made by different versions of the code or its libraries")
    return notes


def _rows(catalog: duckdb.DuckDBPyConnection, query: str, values: Any = None) -> list[dict]:
    result = catalog.execute(query, values) if values else catalog.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _column(catalog: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return [row[0] for row in catalog.execute(query).fetchall()]


def changed_fields(a: Any, b: Any, place: str = "") -> list[tuple[str, str, str]]:
    """Fields in which two recipes (plain data) differ, as ``(field, value in a, value in b)``.

    Lists of plain values that differ in a few show these only, with their sign.
    """
    if isinstance(a, dict) and isinstance(b, dict):
        return [
            line
            for key in [*a, *(key for key in b if key not in a)]
            for line in changed_fields(
                a.get(key, _ABSENT), b.get(key, _ABSENT), f"{place}.{key}".strip(".")
            )
        ]
    if a == b:
        return []
    if isinstance(a, list) and isinstance(b, list) and all(isinstance(x, str) for x in a + b):
        gone, new = [x for x in a if x not in b], [x for x in b if x not in a]
        if len(a) + len(b) > 8 and len(gone) + len(new) < len(a) + len(b):
            return [(place, _listing("−", gone), _listing("+", new))]
    return [(place, _told(a), _told(b))]


_ABSENT = object()


def _listing(sign: str, values: list[str], most: int = 12) -> str:
    more = f" … and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(f"{sign}{value}" for value in values[:most]) + more or "the rest"


def _without_nothing(value: Any) -> Any:
    """The same without the fields of mappings that hold nothing of their own."""
    if isinstance(value, dict):
        return {key: _without_nothing(one) for key, one in value.items() if one not in (None, {})}
    return [_without_nothing(one) for one in value] if isinstance(value, list) else value


def _told(value: Any) -> str:
    if value is _ABSENT:
        return "(not there)"
    if isinstance(value, dict | list):
        value = _without_nothing(value)
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()
        return text if len(text) < 400 else f"{text[:400]} …"
    return "null" if value is None else str(value)
