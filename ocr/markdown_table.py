"""A table as Markdown: cells out of lines, columns tidied, rows written."""

from __future__ import annotations

import re

from ocr.characters import has_rtl, without_tags
from ocr.layout import Line, rows_of
from ocr.paragraphs import join_lines

_SIDE = re.compile(r"(?:[$€£¥₹]|US\$|R\$|\(|RMB|EUR|USD)$"), re.compile(r"[%)]+$")


def markdown(table: list[list[str]]) -> str:
    """Rows of cells as a GitHub Markdown table, the first row its head; empty rows and columns
    go.  Cells come as they stand on the page; where most that hold letters are written right to
    left, the columns are read so."""
    rows = [row for row in table if any(row)]
    if not rows:
        return ""
    texts = [text for row in rows for text in row if any(map(str.isalpha, text))]
    if 2 * sum(map(has_rtl, texts)) > len(texts):
        rows = [row[::-1] for row in rows]
    used = [c for c in range(len(rows[0])) if any(row[c] for row in rows)]
    lines = ["| " + " | ".join(_escaped(row[c]) for c in used) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(used))
    return "\n".join(lines)


def cell_text(lines: list[Line]) -> str:
    """The lines of one cell, joined."""
    if len(lines) == 1:
        return lines[0].text
    text = ""
    for row in rows_of(lines):
        text = join_lines(text, row.text) if text else row.text
    return text


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def is_number(text: str) -> bool:
    text = without_tags(text)
    return bool(text) and sum(map(str.isdigit, text)) >= 0.5 * len(text.replace(" ", ""))


def head_joined(table: list[list[str]]) -> list[list[str]]:
    """A head that stands beside the column of its numbers, and not over it, goes to them."""
    for c in range(len(table[0]) - 1):
        left, right = ([row[i] for row in table] for i in (c, c + 1))
        apart = not any(a and b for a, b in zip(left, right, strict=True))
        if apart and any(right) and (not any(left[1:]) or not any(right[1:])):
            for row in table:
                row[c + 1], row[c] = row[c] or row[c + 1], ""
    return table


def without_sides(table: list[list[str]]) -> list[list[str]]:
    """Currency signs and opening brackets in a column of their own go to the next, percent signs
    and closing brackets to the one before."""
    table = [list(row) for row in table]
    columns = len(table[0])
    for c in range(columns):
        texts = [row[c] for row in table if row[c]]
        for sign, to in ((_SIDE[0], c + 1), (_SIDE[1], c - 1)):
            if 0 <= to < columns and texts and all(sign.match(text) for text in texts):
                for row in table:
                    pair = (row[c], row[to]) if to > c else (row[to], row[c])
                    row[to], row[c] = (" " if to > c else "").join(filter(None, pair)), ""
    return table
