"""Kept tokens of a page to plain text or Markdown.

Markdown: headings, lists, quotations, emphasis, inline code, fenced blocks of code, tables, and
formulas as LaTeX between dollars. Plain: the same text, its blocks on lines of their own, items
behind ``- ``, the cells of a row between tabs, code as it stands, formulas as LaTeX. Text is never
escaped but for bars inside table cells: what a page says is not rewritten.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from filters.jit import kernel
from pipeline.html.code import plan_code
from pipeline.html.marks import find_marks
from pipeline.html.math import plan_math
from pipeline.html.output import STATE
from pipeline.html.references import REFERENCES
from pipeline.html.tables import find_tables
from pipeline.html.tags import ids, table
from pipeline.html.tokens import START, TEXT, Tokens, attributes
from pipeline.html.writer import MARGIN, MEANING, write

STRUCTURES = ("plain", "markdown")
Structure = Literal["plain", "markdown"]

_UNSEEN = table(
    "head title script style template textarea iframe noembed noframes svg select datalist"
    " object canvas audio video map"
)
_AROUND = table("nav footer button")
_NOSCRIPT, _OL = ids("noscript ol")


def render(tokens: Tokens, keep: np.ndarray, structure: Structure = "plain") -> str:
    """Text of a page.

    Parameters
    ----------
    tokens
        The page.
    keep
        bool[len(tokens)]: the TEXT tokens that are content.
    structure
        ``plain`` or ``markdown``.
    """
    if structure not in STRUCTURES:
        raise ValueError(f"structure '{structure}' is neither plain nor markdown")
    meaning = MEANING[tokens.tag]
    argument = np.zeros(len(tokens), np.int32)
    inserts = Inserts()
    marks = find_marks(tokens)
    find_tables(tokens, keep, meaning, argument)
    plan_math(tokens, keep, marks, meaning, argument, inserts.add)
    keep = plan_code(tokens, keep, marks, meaning, argument, inserts.add)
    for i in np.flatnonzero((tokens.tag == _OL) & (tokens.end > tokens.start)).tolist():
        first = attributes(tokens, i).get("start", "")
        argument[i] = int(first) if first.isascii() and first.isdigit() and len(first) < 7 else 0
    return _write(tokens, keep, meaning, argument, inserts, structure == "markdown")


class Inserts:
    """Prepared pieces of text, by number; number 0 is empty."""

    def __init__(self) -> None:
        self.pieces = [b""]

    def add(self, text: str) -> int:
        self.pieces.append(text.encode("utf-8", "replace"))
        return len(self.pieces) - 1

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        data = np.frombuffer(b"".join(self.pieces) + b"\0", np.uint8)
        return data, np.cumsum([len(piece) for piece in self.pieces])


def _write(tokens, keep, meaning, argument, inserts: Inserts, markdown: bool) -> str:
    data = np.frombuffer(tokens.source or b"\0", np.uint8)
    arrays = tokens.kind, tokens.tag, tokens.start, tokens.end, tokens.close
    plan = meaning, argument, *inserts.arrays()
    room = 4 * MARGIN + len(data) // 4
    while True:
        out = np.empty(room, np.uint8)
        state = np.zeros(STATE, np.int64)
        size = write(data, arrays, keep, plan, REFERENCES, markdown, state, out)
        if size >= 0:
            return out[:size].tobytes().decode("utf-8", "replace")
        room *= 2


def everything(tokens: Tokens) -> np.ndarray:
    """bool[len(tokens)]: all visible texts but those of navigation and footers."""
    return _visible(tokens, _UNSEEN | _AROUND)


def visible(tokens: Tokens) -> np.ndarray:
    """bool[len(tokens)]: the TEXT tokens that readers see.

    What stands in noscript counts if it is most of the text: then it is the page.
    """
    return _visible(tokens, _UNSEEN)


def _visible(tokens: Tokens, unseen: np.ndarray) -> np.ndarray:
    seen = np.zeros(len(tokens), np.bool_)
    fallback = np.zeros(len(tokens), np.bool_)
    arrays = tokens.kind, tokens.tag, tokens.start, tokens.end, tokens.close
    shown, other = _mark_visible(arrays, unseen, seen, fallback, np.zeros(2, np.int64))
    return seen | fallback if other > shown else seen


@kernel
def _mark_visible(tokens, unseen, seen, fallback, sizes):
    """Mark texts outside noscript and inside; how many bytes of either kind there are."""
    kind, tag, start, end, close = tokens
    i = until = 0
    while i < len(kind):
        if kind[i] == START:
            if unseen[tag[i]]:
                i = close[i]
            elif tag[i] == _NOSCRIPT:
                until = close[i]
        elif kind[i] == TEXT:
            inside = i < until
            if inside:
                fallback[i] = True
            else:
                seen[i] = True
            sizes[1 if inside else 0] += end[i] - start[i]
        i += 1
    return sizes[0], sizes[1]
