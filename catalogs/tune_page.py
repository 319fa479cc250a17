"""The page of `tune`: one HTML file that needs no other."""

from __future__ import annotations

from typing import Any

from catalogs import charts
from catalogs.axis import Axis, number
from catalogs.pages import percent, render, short
from catalogs.tune import STATUSES, Tuning

TITLES = {
    "kept": "kept",
    "cut": "dropped by rules on this column alone",
    "duplicate": "dropped as a copy",
    "other": "dropped by another rule",
    "apart": "in sources that the cut does not apply to",
}


def tune_page(run: str, tuning: Tuning) -> str:
    """The page as text; `run` is the run folder as the reader would write it."""
    question, axis = tuning.question, tuning.axis
    marks = cut_marks(tuning)
    bins = tuning.histogram.rows
    layers = {
        status: _bins(
            axis, bins, lambda row, status=status: row["applies"] and row["status"] == status
        )
        for status in STATUSES
    }
    layers["apart"] = _bins(axis, bins, lambda row: not row["applies"])
    return render(
        "tune.html",
        run=run,
        t=tuning,
        marks=marks,
        q=question,
        headline=headline(tuning),
        drops=f"values {question.side} the cut are dropped",
        applies=_applies(tuning),
        titles={name: title for name, title in TITLES.items() if sum(layers[name])},
        colours=charts.COLOURS,
        histogram=charts.histogram(axis, layers, marks, f"Distribution of {question.feature}"),
        curves=charts.curves(axis, kept_curves(tuning), marks, "What each cut keeps"),
        sparks={
            by: {
                row[by]: charts.spark(
                    axis,
                    _bins(axis, bins, lambda one, by=by, name=row[by]: one[by] == name),
                    marks if row["applies"] else (),
                    f"Distribution in {row[by]}",
                )
                for row in answer.rows
            }
            for by, answer in (("source", tuning.sources), ("language", tuning.languages))
        },
        answers=[
            *(tuning.cuts, tuning.sources, tuning.languages, tuning.quantiles),
            *(tuning.histogram, *tuning.near.values()),
        ],
    )


def headline(tuning: Tuning) -> str:
    """What the cut does, in one sentence."""
    now, after, question = tuning.now, tuning.after, tuning.question
    feature = question.feature
    bound = "at least" if question.side == "below" else "at most"
    kept = f"{after['documents']:,} documents, {short(after['tokens'])} tokens"
    if now == after:
        return f"{feature} {bound} {number(tuning.cut)} keeps what is kept now: {kept}."
    more = difference(after["documents"] - now["documents"])
    tokens = percent(after["tokens"] - now["tokens"], now["tokens"], signed=True)
    bound = f"{feature} {bound} {number(tuning.cut)}"
    return f"{bound} keeps {kept}: {more} than now ({tokens} of the tokens)."


def difference(documents: int) -> str:
    """So many documents more or fewer."""
    return f"{abs(documents):,} {'fewer' if documents < 0 else 'more'}"


def kept_curves(tuning: Tuning) -> dict[str, list[tuple[float, float]]]:
    """Documents and tokens kept along the axis, as shares of what no cut would keep.

    Only sources that the cut applies to count.
    """
    axis, below = tuning.axis, tuning.question.side == "below"
    found = {}
    for name in ("documents", "tokens"):
        cells = _bins(
            axis,
            tuning.histogram.rows,
            lambda row: row["applies"] and row["status"] in ("kept", "cut"),
            name,
        )
        whole = sum(cells) or 1
        whole_steps = axis.bins == round(axis.high - axis.low) and not axis.log
        points = []
        # the bins at the ends hold what lies beyond, so that a cut inside them says nothing
        for place in range(axis.bins) if whole_steps else range(1, axis.bins):
            last = place + 1 if whole_steps else place
            kept = sum(cells[place:] if below else cells[:last])
            points.append((axis.edge(place), kept / whole))
        found[name] = points
    return found


def cut_marks(tuning: Tuning) -> list[charts.Mark]:
    """The cut, and the thresholds in force that differ from it."""
    present = sorted(set(tuning.question.present.values()))
    main = "in force" if tuning.cut in present else "cut"
    marks = [(tuning.cut, f"{main} {number(tuning.cut)}", True)]
    return marks + [
        (value, f"in force {number(value)}", False) for value in present if value != tuning.cut
    ]


def _applies(tuning: Tuning) -> str:
    present, everywhere = tuning.question.present, tuning.question.everywhere
    if not present:
        return "No rule of the recipe looks at this column: the cut applies to every source."
    named = ", ".join(f"{name} ({number(value)})" for name, value in present.items())
    if everywhere:
        return f"The cut applies to every source; in force it is only in {named}."
    return f"The cut applies to the sources whose rules have it, with what is in force: {named}."


def _bins(axis: Axis, rows: list[dict[str, Any]], wanted, what: str = "documents") -> list[int]:
    cells = [0] * axis.bins
    for row in rows:
        if wanted(row):
            cells[row["bin"]] += row[what]
    return cells
