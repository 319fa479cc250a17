"""The page of `contamination`: one HTML file that needs no other."""

from __future__ import annotations

from catalogs.contamination import Contamination
from catalogs.pages import count, percent, render


def contamination_page(run: str, found: Contamination) -> str:
    """The page as text; `run` is the run folder as the reader would write it."""
    hit = [row for row in found.benchmarks.rows if row["in_corpus"]]
    return render(
        "contamination.html",
        run=run,
        f=found,
        headline=headline(found),
        hit=hit,
        clean=[row for row in found.benchmarks.rows if not row["in_corpus"]],
        most=max((row["share"] for row in hit), default=0) or 1,
        answers=[found.benchmarks, found.sources, found.taken_out, found.worst],
    )


def headline(found: Contamination) -> str:
    """How many items the corpus holds, in one sentence."""
    totals, rows = found.totals, found.benchmarks.rows
    sets = f"{len(rows)} benchmark{'s' if len(rows) != 1 else ''}"
    if not totals["in_corpus"]:
        return f"The corpus holds none of the {count(totals['told'])} items of {sets}."
    hit = sum(1 for row in rows if row["in_corpus"])
    share = percent(totals["in_corpus"], totals["told"])
    return (
        f"The corpus holds {count(totals['in_corpus'])} of {count(totals['told'])} items "
        f"({share}), of {hit} of {sets}."
    )
