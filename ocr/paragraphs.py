"""Rows of one region -> blocks: paragraphs with their lines joined, and groups of table rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from ocr.characters import SOFT_HYPHEN, has_rtl, is_cjk, without_tags
from ocr.layout import Row

_WIDE_LEADING = 1.35  # of the region's usual line distance
_WIDE_SIZES = 1.9  # of the font size, where there are too few lines to know the usual distance
_FAR_SIZES = 3.2  # of the font size: no lines of one paragraph stand so far apart
_INDENT = 0.8  # of the font size
_BULLET = re.compile(r"[•▪▫‣●○◦∙■□➢➤✓✔·–—*-]\s|[•▪▫‣●○◦■□➢➤✓✔]")
_MARK = re.compile(r"[•▪▫‣●○◦∙■➢➤]\s*(?=\S)|-\s+(?=\S)")  # of a list item, and nothing else
_NUMBERED = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)](?:\s|$)")
LABEL = re.compile(
    r"(?:[•▪▫‣●○◦∙■□➢➤✓✔·–—*-]|\[?\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)\]]"
    r"|\d+(?:\.\d+)+(?:-\d+)?|§+ ?\d+)$"
)
_SENTENCE_END = re.compile(r"[.!?:;。！？：；؟۔][\"'”’»)\]]*$")
_NOTE_MARK = re.compile(r"<sup>[\d,*†‡§∗ ]*</sup>$")
_HYPHEN_END = re.compile(r"[^\W\d_][-‐\u00ad]$")


@dataclass(slots=True)
class Block:
    """A paragraph, a heading (level > 0) or rows kept line by line (`flows` False).

    item: of a list; left: where it begins, from the side the writing begins at.
    """

    text: str
    page: int
    size: float = 0.0
    bold: bool = False
    rows: int = 1
    flows: bool = True
    level: int = 0
    item: bool = False
    left: float = 0.0


def blocks_of(rows: list[Row], page: int, approximate: bool = False) -> list[Block]:
    """The blocks of one region, in order."""
    if not rows:
        return []
    given, rows = rows, _from_left(rows)
    left, right = _margins(rows)
    steps = [b.mid - a.mid for a, b in pairwise(rows) if b.mid > a.mid]
    usual = median(steps) if len(steps) > 2 else None
    tabular = _tabular(rows)
    groups: list[list[int]] = []
    for i, row in enumerate(rows):
        fresh = not groups or tabular[i] != tabular[i - 1]
        if not fresh:
            fresh = _parted(rows[i - 1], row, usual, approximate) or (
                not tabular[i] and _begins(rows, groups[-1], i, left, right, approximate)
            )
        if fresh:
            groups.append([])
        groups[-1].append(i)
    blocks = [_block([given[i] for i in g], page, tabular[g[0]]) for g in groups]
    for block, group in zip(blocks, groups, strict=True):
        block.left = rows[group[0]].x0
    return blocks


def _from_left(rows: list[Row]) -> list[Row]:
    """Rows written from right to left as if seen in a mirror: their lines begin at the left."""
    if 2 * sum(has_rtl(row.text) for row in rows) <= len(rows):
        return rows
    return [Row([replace(c, x0=-c.x1, x1=-c.x0) for c in row.cells]) for row in rows]


def _margins(rows: list[Row]) -> tuple[float, float]:
    lefts, rights = sorted(r.x0 for r in rows), sorted(r.x1 for r in rows)
    tail = len(rows) // 20
    return lefts[tail], rights[-1 - tail]


def _tabular(rows: list[Row]) -> list[bool]:
    """Rows of several cells next to another such row; a list label is no cell."""
    several = []
    for row in rows:
        cells = row.cells[1:] if LABEL.match(row.cells[0].text) else row.cells
        several.append(len(cells))
    return [
        n > 2 or (n > 1 and sum(m > 1 for m in several[max(0, i - 1) : i + 2]) > 1)
        for i, n in enumerate(several)
    ]


def _parted(before: Row, row: Row, usual: float | None, approximate: bool) -> bool:
    """Told apart by white space, size or weight."""
    step, size = row.mid - before.mid, max(row.size, before.size)
    wide = min(_WIDE_LEADING * usual, _FAR_SIZES * size) if usual else _WIDE_SIZES * size
    if step > wide or step < -0.5 * size:
        return True
    ratio = row.size / before.size if before.size else 1.0
    low, high = (0.6, 1.7) if approximate else (0.87, 1.15)
    if not low < ratio < high and min(len(row.text), len(before.text)) > 2:
        return True
    return row.bold != before.bold and not approximate


def _begins(
    rows: list[Row], group: list[int], i: int, left: float, right: float, approximate: bool
) -> bool:
    """Does row i begin a paragraph: indent, list mark, or a row above that ends early?"""
    row, before = rows[i], rows[i - 1]
    em = row.size or 10.0
    if _BULLET.match(row.text):
        return True
    ended = ends_sentence(before.text)
    in_list = bool(_NUMBERED.match(rows[group[0]].text))
    if _NUMBERED.match(row.text) and (ended or in_list):
        return True
    after = rows[i + 1] if i + 1 < len(rows) else None
    indented = row.x0 - before.x0 > _INDENT * em and row.x0 - left > _INDENT * em
    centred = abs((row.x0 + row.x1) - (before.x0 + before.x1)) < em
    first_line = after is None or after.x0 < row.x0 - 0.5 * em
    if indented and first_line and not centred and (ended or not _lower(row.text)):
        return True
    hanging = len(group) > 1 and rows[group[1]].x0 - row.x0 > _INDENT * em
    if hanging and abs(row.x0 - rows[group[0]].x0) < 0.5 * em:
        return True
    if _lower(row.text) and not ended:
        return False
    word = row.text[:1] if is_cjk(row.text[:1]) else row.text.split(" ", 1)[0]
    needs = (row.x1 - row.x0) * (len(word) + 1) / max(1, len(row.text))
    return right - before.x1 > needs + (2.0 if approximate else 1.0) * em


def _lower(text: str) -> bool:
    return text[:1].islower()


def _block(rows: list[Row], page: int, tabular: bool) -> Block:
    text = rows[0].text
    for row in rows[1:]:
        text = f"{text}\n{row.text}" if tabular else join_lines(text, row.text)
    longest = max(rows, key=lambda row: len(row.text))
    bold = all(row.bold for row in rows)
    item = not tabular and bool(_MARK.match(text) or _NUMBERED.match(text))
    if item:
        text = _MARK.sub("- ", text, count=1)
    return Block(text, page, longest.size, bold, len(rows), flows=not tabular, item=item)


# --- joining lines ---------------------------------------------------------------------------


def ends_sentence(text: str) -> bool:
    """Does it end with a full stop or the like, closing quotes and brackets aside?"""
    return bool(_SENTENCE_END.search(without_tags(_NOTE_MARK.sub("", text[-40:]))[-8:]))


def join_lines(above: str, below: str) -> str:
    """Two lines of one paragraph.  A word parted by a hyphen keeps a soft hyphen in the joint
    until the whole document is known (`settle_hyphens`)."""
    if not above or not below:
        return above + below
    if _HYPHEN_END.search(above[-2:]):
        if below[0].islower():
            return above[:-1] + SOFT_HYPHEN + below
        if below[0].isalnum():
            return above[:-1] + "-" + below
    if is_cjk(above[-1]) and is_cjk(below[0]):
        return above + below
    if above[-1] in "—/" and below[0].isalnum():
        return above + below
    return f"{above} {below}"


def may_flow_on(above: str, below: str) -> bool:
    """Is `below` (in the next column or on the next page) the same paragraph as `above`?"""
    if not above or not below or ends_sentence(above):
        return False
    if _HYPHEN_END.search(above[-2:]):
        return below[0].isalpha()
    return below[0].islower()


_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_HEAD, _TAIL = re.compile(r"[^\W\d_]*"), re.compile(r"[^\W\d_]*$")
_LONGEST_WORD = 60


def vocabulary(texts: list[str]) -> set[str]:
    """Words of the document that no line end parted, lower case, hyphenated ones whole and in
    parts."""
    words: set[str] = set()
    for text in texts:
        pieces = text.lower().split(SOFT_HYPHEN)
        for i, piece in enumerate(pieces):
            found = _WORD.findall(piece)
            found = found[1 if i else 0 : -1 if i + 1 < len(pieces) else None]
            words.update(found)
            words.update(part for word in found if "-" in word for part in word.split("-"))
    return words


def settle_hyphens(text: str, words: set[str]) -> str:
    """Soft hyphens at joints: gone where the joined word is known or nothing speaks against it,
    a hyphen where the document writes the compound so, or knows both halves and not the whole."""
    if SOFT_HYPHEN not in text:
        return text
    first, *rest = text.split(SOFT_HYPHEN)
    parts, before = [first], first
    for piece in rest:
        head = _TAIL.search(before[-_LONGEST_WORD:])[0].lower()
        tail = _HEAD.match(piece[:_LONGEST_WORD])[0].lower()
        compound = f"{head}-{tail}" in words or (
            min(len(head), len(tail)) > 2 and head in words and tail in words
        )
        joint = "-" if compound and head + tail not in words else ""
        parts += [joint, piece]
        before = (before[-_LONGEST_WORD:] + joint + piece)[-_LONGEST_WORD:]
    return "".join(parts)
