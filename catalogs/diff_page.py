"""The page of `diff`: one HTML file that needs no other."""

from __future__ import annotations

from catalogs.diff import SIDES, Difference
from catalogs.pages import percent, render, short


def diff_page(difference: Difference) -> str:
    """The page as text."""
    return render("diff.html", d=difference, sides=SIDES, headline=headline(difference))


def headline(difference: Difference) -> str:
    """How much more or less B keeps, in one sentence."""
    documents, tokens = difference.totals.rows[1], difference.totals.rows[2]
    more = documents["b"] - documents["a"]
    told = f"{abs(more):,} documents {'fewer' if more < 0 else 'more'}" if more else "as many"
    if difference.texts.rows and all(row["texts"] == "in both" for row in difference.texts.rows):
        return f"Both runs keep the same texts: {documents['b']:,} documents."
    share = percent(tokens["b"] - tokens["a"], tokens["a"], signed=True)
    return f"B keeps {told} than A: {short(tokens['b'])} tokens, {share}.".replace(
        "as many than", "as many documents as"
    )
