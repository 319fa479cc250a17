"""How much of evaluation sets a run holds: tables, and the worst items beside their documents."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from catalogs.catalog import open_catalog

BENCHMARKS = """
SELECT benchmark, count(*) AS items, count(*) FILTER (told) AS told,
    count(*) FILTER (in_corpus) AS in_corpus,
    count(*) FILTER (in_corpus) / greatest(count(*) FILTER (told), 1) AS share,
    coalesce(any_value(d.documents), 0) AS documents, coalesce(any_value(d.answered), 0) AS answered
FROM eval_items LEFT JOIN (
    SELECT benchmark, count(DISTINCT row_id) AS documents,
        count(DISTINCT item) FILTER (part = 'answer') AS answered
    FROM eval_matches GROUP BY ALL
) d USING (benchmark)
GROUP BY benchmark ORDER BY in_corpus DESC, benchmark
"""
SOURCES = """
SELECT source, benchmark, count(DISTINCT row_id) AS documents, count(DISTINCT item) AS items
FROM eval_matches GROUP BY ALL ORDER BY documents DESC, source, benchmark
"""
TAKEN_OUT = """
SELECT benchmark, fate, count(DISTINCT row_id) AS documents, count(DISTINCT item) AS items
FROM contamination GROUP BY ALL ORDER BY documents DESC, benchmark, fate
"""
WORST = """
WITH hits AS (
    SELECT benchmark, item, row_id, source, uri, score, min(start_byte) AS first_byte,
        max(end_byte) AS last_byte
    FROM eval_matches GROUP BY ALL
), best AS (
    SELECT *, row_number() OVER (PARTITION BY benchmark, item ORDER BY score DESC, row_id) AS place
    FROM hits
), ranked AS (
    SELECT i.*, b.* EXCLUDE (benchmark, item, place), row_number() OVER (
        PARTITION BY i.benchmark ORDER BY documents DESC, score DESC, i.item
    ) AS place
    FROM eval_items i JOIN best b USING (benchmark, item) WHERE b.place = 1
)
SELECT r.* EXCLUDE (place), c.text FROM ranked r JOIN corpus c USING (row_id)
WHERE place <= {each}
ORDER BY documents DESC, score DESC, benchmark, item LIMIT {samples}
"""
AROUND = 160
"""Bytes of a document shown before and after what was found in it."""
LONGEST = 1600


@dataclass(frozen=True)
class Answer:
    """A table with the SQL that made it."""

    title: str
    sql: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Contamination:
    """What `corpusmill contamination` tells."""

    benchmarks: Answer
    sources: Answer
    taken_out: Answer
    worst: Answer

    @property
    def totals(self) -> dict[str, int]:
        """Items, those that can be told, those in the corpus; summed over benchmarks."""
        return {
            name: sum(row[name] for row in self.benchmarks.rows)
            for name in ("items", "told", "in_corpus")
        }


def contamination(root: str, samples: int = 12) -> Contamination:
    """The tables of a run that was looked through, and up to so many of its worst items.

    Worst are the items that most documents hold; at most four of a benchmark are shown. Each gets
    ``pairs``: pieces of item and document side by side, see `side_by_side`.
    """
    with open_catalog(root) as catalog:

        def ask(title: str, sql: str) -> Answer:
            result = catalog.execute(sql)
            names = [column[0] for column in result.description]
            rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
            return Answer(title, sql.strip(), rows)

        found = Contamination(
            ask("Items of each benchmark in the corpus", BENCHMARKS),
            ask("By source", SOURCES),
            ask("What the recipe found, and what became of it", TAKEN_OUT),
            ask("Worst items", WORST.format(each=4, samples=samples)),
        )
    for row in found.worst.rows:
        row.update(_excerpt(row.pop("text"), row["first_byte"], row["last_byte"]))
        item = " ".join(part for part in (row["question"], row["answer"]) if part)
        row["item_pieces"], row["words_pieces"] = side_by_side(item, row["words"])
    return found


def _excerpt(text: str, start: int, end: int) -> dict[str, str]:
    """What stands before, inside and after a span of bytes."""
    data = text.encode()
    end = min(end, start + LONGEST)
    before = data[max(0, start - AROUND) : start].decode(errors="ignore")
    after = data[end : end + AROUND].decode(errors="ignore")
    words = data[start:end].decode(errors="ignore")
    return {
        "before": ("…" if start > AROUND else "") + before,
        "words": words,
        "after": after + ("…" if end + AROUND < len(data) else ""),
    }


def side_by_side(a: str, b: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Two texts as pieces of (text, whether the other has it too), compared word by word."""
    pieces = [re.findall(r"\w+|\W+", text) for text in (a[:LONGEST], b[:LONGEST])]
    keys = [[piece.lower() if piece[0].isalnum() else " " for piece in own] for own in pieces]
    blocks = difflib.SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks()
    result = []
    for side, own in enumerate(pieces):
        marked: list[tuple[str, bool]] = []
        at = 0
        for block in blocks:
            start = block[side]
            if start > at:
                marked.append(("".join(own[at:start]), False))
            if block.size:
                marked.append(("".join(own[start : start + block.size]), True))
            at = start + block.size
        result.append(marked)
    return result[0], result[1]
