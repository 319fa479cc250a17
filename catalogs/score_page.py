"""The page of a score: how it is spread, what cuts keep, and documents to judge by eye."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from catalogs import charts
from catalogs.axis import Axis, number
from catalogs.catalog import open_catalog
from catalogs.errors import UserError, nearest
from catalogs.pages import render, short
from catalogs.sql import literal

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
WINDOW = 0.01
"""Samples are drawn from so large a share of the corpus."""
EXCERPT = 1500
LABELS = 40
BANDS = (
    ("The best", 0.0),
    ("Where the best tenth ends", 0.1),
    ("The middle", 0.5),
    ("The worst", 1.0),
)


@dataclass
class Band:
    """Samples from one place of the order."""

    title: str
    rows: list[dict[str, Any]]
    sql: str


@dataclass
class ScoreView:
    """Everything that the page shows."""

    name: str
    run: str
    documents: int
    tokens: int
    axis: Axis
    bins: list[int]
    cuts: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    source_bins: dict[str, list[int]]
    labels: list[dict[str, Any]]
    bands: list[Band]
    tenth: float
    samples: int
    seed: int
    queries: dict[str, str] = field(default_factory=dict)


def look_at_scores(root: str, name: str, samples: int = 6, seed: int = 0) -> ScoreView:
    """Ask the catalogue of a run how a score is spread over the documents that it keeps.

    Raises
    ------
    UserError
        When no document has a score of that name.
    """
    with open_catalog(root) as catalog:
        key = literal(name)
        base = (
            "SELECT row_id, source, uri, coalesce(language, 'none') AS language, "
            f"coalesce(n_tokens, 0) AS tokens, scores[{key}]::DOUBLE AS value, "
            f"labels[{key}] AS label\nFROM documents\n"
            f"WHERE coalesce(kept, true) AND scores[{key}] IS NOT NULL"
        )
        catalog.execute(f"CREATE TEMP TABLE scored AS {base}")
        queries: dict[str, str] = {}

        def ask(title: str, query: str) -> list[dict[str, Any]]:
            result = catalog.execute(query)
            names = [column[0] for column in result.description]
            inner = "\n".join(f"  {line}" for line in base.splitlines())
            if title:
                queries[title] = f"WITH scored AS (\n{inner}\n)\n{query}"
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

        (whole,) = ask(
            "",
            "SELECT count(*) AS documents, coalesce(sum(tokens), 0)::BIGINT AS tokens, "
            "quantile_disc(value, [0.005, 0.5, 0.99, 0.995]) AS spread FROM scored",
        )
        total = whole["documents"]
        if not total:
            raise UserError(_unknown(catalog, root, name))
        cuts = ask("What each cut keeps", _cuts_sql(total))
        tenth = next(row["score"] for row in cuts if row["share"] == 0.1)
        axis = Axis.over(whole["spread"], False, [tenth])
        bins = ask(
            "Documents by bin",
            f"SELECT source, {axis.sql('value')} AS bin, count(*) AS documents "
            "FROM scored GROUP BY ALL ORDER BY ALL",
        )
        sources = ask(
            "By source",
            "SELECT source, count(*) AS documents, median(value) AS median, "
            f"count(*) FILTER (WHERE value >= CAST({tenth!r} AS DOUBLE)) AS best, "
            "sum(tokens)::BIGINT AS tokens\n"
            "FROM scored GROUP BY source ORDER BY documents DESC, source",
        )
        labels = ask(
            "By label",
            "SELECT label, count(*) AS documents, median(value) AS median, "
            "sum(tokens)::BIGINT AS tokens\nFROM scored WHERE label IS NOT NULL "
            f"GROUP BY label ORDER BY documents DESC, label LIMIT {LABELS}",
        )
        bands = []
        for title, condition, window in _bands(total, samples, [row["label"] for row in labels]):
            query = _sample_sql(condition, window, samples, seed)
            rows = ask(title, query) if samples else []
            _add_texts(catalog, rows)
            bands.append(Band(title, rows, queries.get(title, "")))
        spread: dict[str, list[int]] = {row["source"]: [0] * axis.bins for row in sources}
        for row in bins:
            spread[row["source"]][row["bin"]] = row["documents"]
        return ScoreView(
            name=name,
            run=root,
            documents=total,
            tokens=whole["tokens"],
            axis=axis,
            bins=[sum(values) for values in zip(*spread.values(), strict=True)],
            cuts=cuts,
            sources=sources,
            source_bins=spread,
            labels=labels,
            bands=bands,
            tenth=tenth,
            samples=samples,
            seed=seed,
            queries=queries,
        )


def score_page(view: ScoreView, card: dict[str, Any] | None = None) -> str:
    """The page as text; `card` is the model's, if there is one."""
    marks = [] if view.labels else [(view.tenth, f"best tenth {number(view.tenth)}", True)]
    title = f"Distribution of {view.name}"
    return render(
        "scores.html",
        v=view,
        card=card,
        headline=headline(view),
        histogram=charts.histogram(view.axis, {"kept": view.bins}, marks, title),
        sparks={
            source: charts.spark(view.axis, bins, marks, f"{title} in {source}")
            for source, bins in view.source_bins.items()
        },
    )


def headline(view: ScoreView) -> str:
    """What the score says of the run, in one sentence."""
    if view.labels:
        best = view.labels[0]
        share = 100 * best["documents"] / view.documents
        return (
            f"{len(view.labels)} labels over {view.documents:,} documents; "
            f"most often {best['label']} ({share:.0f} %)."
        )
    tenth = next(row for row in view.cuts if row["share"] == 0.1)
    return (
        f"The best tenth of {view.documents:,} documents scores {number(view.tenth)} or more: "
        f"{tenth['documents']:,} documents, {short(tenth['tokens'])} tokens."
    )


def _cuts_sql(total: int) -> str:
    lines = ", ".join(f"({share}::DOUBLE, {max(round(share * total), 1)})" for share in SHARES)
    return f"""SELECT share, score, count(*) AS documents, sum(tokens)::BIGINT AS tokens
FROM (
  SELECT share, value AS score
  FROM (VALUES {lines}) AS wanted(share, place)
  JOIN (SELECT value, row_number() OVER (ORDER BY value DESC, row_id) AS place FROM scored)
  USING (place)
) JOIN scored ON value >= score
GROUP BY share, score ORDER BY share"""


def _bands(total: int, samples: int, labels: list[str]) -> list[tuple[str, str, tuple[int, int]]]:
    """Title, condition, and first and last place of the window that samples are drawn from."""
    wide = max(round(WINDOW * total), samples)
    if labels:
        return [(label, f"label = {literal(label)}", (1, wide)) for label in labels]
    found = []
    for title, share in BANDS:
        first = round(share * total - wide / 2)
        first = min(max(first, 0), max(total - wide, 0))
        found.append((title, "true", (first + 1, first + wide)))
    return found


def _sample_sql(condition: str, window: tuple[int, int], samples: int, seed: int) -> str:
    draw = f"md5(row_id || {literal(str(seed))})"
    return f"""SELECT row_id, source, language, uri, tokens, value, label, place FROM (
  SELECT *, row_number() OVER (ORDER BY value DESC, row_id) AS place
  FROM scored WHERE {condition}
) WHERE place BETWEEN {window[0]} AND {window[1]}
ORDER BY {draw} LIMIT {samples}"""


def _add_texts(catalog, rows: list[dict[str, Any]]) -> None:
    rows.sort(key=lambda row: row["place"])
    texts = dict(
        catalog.execute(
            f"SELECT row_id, text[:{EXCERPT + 1}] FROM documents "
            "WHERE row_id IN (SELECT unnest($1))",
            [[row["row_id"] for row in rows]],
        ).fetchall()
    )
    for row in rows:
        row["text"] = texts.get(row["row_id"]) or ""


def _unknown(catalog, root: str, name: str) -> str:
    query = "SELECT DISTINCT unnest(map_keys(scores)) FROM documents ORDER BY 1"
    names = [key for (key,) in catalog.execute(query).fetchall()]
    known = f" (scores: {', '.join(names)})" if names else " (it has no scores at all)"
    hint = nearest(name, names) or known
    return f"{root}: no document that is kept has a score '{name}'{hint}"
