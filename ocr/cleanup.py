"""The document pass: pages of rows or blocks -> one Markdown text with page offsets."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from ocr.characters import without_tags
from ocr.code import code_runs, code_text, forget_typewriting
from ocr.formulas import display
from ocr.furniture import remove_furniture
from ocr.layout import Layout, Row
from ocr.paragraphs import (
    Block,
    blocks_of,
    join_lines,
    may_flow_on,
    settle_hyphens,
    vocabulary,
)
from ocr.ruled_tables import take_ruled
from ocr.tables import find_tables, stacked

_HEADING_SIZE = 1.15  # of the body size; sizes read off an image are not used
_HEADING_CHARS = 160
_SAME_SIZE = 0.97  # of the body size: a bold line smaller is no heading
_MAX_LEVELS = 4
_RARE_SIZE, _RARE_WEIGHT = 0.15, 0.25  # share of the characters
_SHORT_TEXT = 600  # characters: on a title page or slide most of the text may be headings
_SMALL = 0.92  # of the body size: notes and captions a paragraph may run on behind
_LOOK_AHEAD = 4  # blocks a paragraph may run on behind
_JOINT_CONTEXT = 100  # characters before a joint that can matter to it


@dataclass(frozen=True, slots=True)
class Assembled:
    """text, the offset at which each page begins in it, and the first heading of the first page."""

    text: str
    starts: list[int]
    first_heading: str | None


def assemble(
    pages: list[Layout | str],
    *,
    page_separator: str | None = None,
    headings: bool = True,
    keep_running_heads: bool = False,
) -> Assembled:
    """Pages in order, each a Layout or the Markdown an engine gave, to one text."""
    layouts = [page for page in pages if isinstance(page, Layout)]
    if not keep_running_heads:
        remove_furniture(layouts)
    forget_typewriting(layouts)
    for layout in layouts:
        take_ruled(layout)
    blocks: list[Block] = []
    for number, page in enumerate(pages):
        blocks.extend(
            _markdown_blocks(page, number) if isinstance(page, str) else _blocks(page, number)
        )
    body = _body_size(layouts)
    if headings:
        _mark_headings(blocks, body, pages)
    for block in blocks:
        alone = block.flows and block.size and block.rows == 1 and not (block.level or block.item)
        if alone and (formula := display(block.text)):
            block.text, block.flows = formula, False
    words = vocabulary([block.text for block in blocks])
    if page_separator is None:
        blocks = _flow_order(blocks, body)
    text, starts = _write(blocks, words, len(pages), page_separator)
    first = next((b.text for b in blocks if b.level == 1 and b.page == 0), None)
    return Assembled(text, starts, first and without_tags(first))


def _blocks(layout: Layout, number: int) -> list[Block]:
    stacks = stacked(layout.regions)
    found = [b for rows in stacks for b in _region_blocks(rows, number, layout)]
    for row in [*layout.aside, *layout.stamps]:
        found.append(Block(row.text, number, row.size, flows=False))
    return found


def _region_blocks(rows: list[Row], number: int, layout: Layout) -> list[Block]:
    found: list[Block] = []
    at = 0
    for begin, end in code_runs(rows):
        found += _prose_blocks(rows[at:begin], number, layout)
        text = code_text(rows[begin:end])
        found.append(Block(text, number, rows[begin].size, rows=end - begin, flows=False))
        at = end
    return found + _prose_blocks(rows[at:], number, layout)


def _prose_blocks(rows: list[Row], number: int, layout: Layout) -> list[Block]:
    approximate = layout.approximate
    found: list[Block] = []
    tables = {table.begin: table for table in find_tables(rows, layout.across)}
    begin = i = 0
    while i <= len(rows):
        table = tables.get(i)
        if i < len(rows) and not table and not rows[i].cells[0].table:
            i += 1
            continue
        found += blocks_of(rows[begin:i], number, approximate)
        if table:
            found.append(Block(table.text, number, rows[i].size, rows=table.end - i, flows=False))
        elif i < len(rows):
            cells = rows[i].cells
            found.append(Block(cells[0].text, number, cells[0].size, flows=False))
            found += blocks_of([Row(cells[1:])], number, approximate) if cells[1:] else []
        i = begin = table.end if table else i + 1
    return found


def _markdown_blocks(markdown: str, number: int) -> list[Block]:
    parts = re.split(r"\n\s*\n", markdown.strip())
    return [Block(part.strip(), number, flows=part[:1].isalnum()) for part in parts if part.strip()]


# --- headings --------------------------------------------------------------------------------


def _body_size(layouts: list[Layout]) -> float:
    sizes: Counter[float] = Counter()
    for layout in layouts:
        if not layout.approximate:
            for row in layout.rows():
                sizes[_half_points(row.size)] += len(row.text)
    return max(sizes, key=lambda size: (sizes[size], -size)) if sizes else 0.0


def _mark_headings(blocks: list[Block], body: float, pages: list[Layout | str]) -> None:
    """Levels by font size, the largest first; a bold line of its own comes below them all.
    A size or weight that much of the text is set in marks no heading."""
    exact = [isinstance(page, Layout) and not page.approximate for page in pages]
    measured = [block for block in blocks if exact[block.page]]
    chars = sum(len(block.text) for block in measured)
    if not chars:
        return
    by_size: Counter[float] = Counter()
    for block in measured:
        by_size[_half_points(block.size)] += len(block.text)
    bold_is_rare = sum(len(b.text) for b in measured if b.bold) < _RARE_WEIGHT * chars
    large, bold = [], []
    for block, after in zip(measured, [*measured[1:], None], strict=True):
        if not block.flows or not _reads_as_heading(block):
            continue
        rare = by_size[_half_points(block.size)] < _RARE_SIZE * chars or chars < _SHORT_TEXT
        begins_text = after is not None and not after.bold and (after.flows or after.text[0] == "|")
        if block.size >= _HEADING_SIZE * body:
            if rare:
                large.append(block)
        elif (
            block.bold
            and bold_is_rare
            and begins_text
            and block.rows == 1
            and block.size >= _SAME_SIZE * body
        ):
            bold.append(block)
    sizes = sorted({_half_points(block.size) for block in large}, reverse=True)
    levels = {size: min(i + 1, _MAX_LEVELS) for i, size in enumerate(sizes)}
    for block in large:
        block.level = levels[_half_points(block.size)]
    for block in bold:
        block.level = min(len(sizes) + 1, _MAX_LEVELS)


def _half_points(size: float) -> float:
    return round(size * 2) / 2


def _reads_as_heading(block: Block) -> bool:
    text = block.text
    return (
        block.rows <= 3
        and 2 < len(text) <= _HEADING_CHARS
        and sum(map(str.isalpha, text)) > 0.5 * len(text.replace(" ", ""))
        and not text.endswith((".", ",", ";", ":", "。", "，"))
    )


# --- writing ---------------------------------------------------------------------------------


def _flow_order(blocks: list[Block], body: float) -> list[Block]:
    """Bring the rest of a paragraph that a column or page end interrupts up behind its beginning,
    over notes and captions in smaller type.  The two stay blocks; `_write` joins them."""
    ordered: list[Block] = []
    pending = list(blocks)
    i = 0
    while i < len(pending):
        block = pending[i]
        ordered.append(block)
        rest = _continuation(pending, i, body)
        if rest > i + 1:
            pending.insert(i + 1, pending.pop(rest))
        i += 1
    return ordered


def _continuation(blocks: list[Block], i: int, body: float) -> int:
    """Index of the block that goes on with block i, else 0."""
    block = blocks[i]
    if not block.flows or block.level:
        return 0
    for j in range(i + 1, min(i + 1 + _LOOK_AHEAD, len(blocks))):
        other = blocks[j]
        same = not block.size or not other.size or 0.9 < other.size / block.size < 1.1
        if other.flows and not other.level and same:
            return j if may_flow_on(block.text, other.text) else 0
        if other.level or not other.size or other.size >= _SMALL * body:
            return 0
    return 0


def _write(
    blocks: list[Block], words: set[str], n_pages: int, separator: str | None
) -> tuple[str, list[int]]:
    parts: list[str] = []
    starts: dict[int, int] = {}
    length = 0
    last: Block | None = None
    lefts: list[float] = []  # of the list items that the next one may stand in
    for block in blocks:
        text = f"{'#' * block.level} {block.text}" if block.level else block.text
        text = settle_hyphens(text, words)
        listed = bool(last and last.item and block.item and not (last.level or block.level))
        lefts = _nested(lefts, block) if block.item else []
        text = "  " * (len(lefts) - 1) + text
        if last is not None and _goes_on(last, block, separator):
            before = parts.pop()
            parts.append(before[:-_JOINT_CONTEXT])
            joined = settle_hyphens(join_lines(before[-_JOINT_CONTEXT:], text), words)
            length += len(joined) - len(before[-_JOINT_CONTEXT:])
            parts.append(joined)
            starts.setdefault(block.page, max(0, length - len(text)))
        else:
            turned = last is not None and separator is not None and last.page != block.page
            glue = "" if last is None else separator if turned else "\n\n"
            if listed and not turned:
                glue = "\n"
            starts.setdefault(block.page, length + len(glue))
            parts += [glue, text]
            length += len(glue) + len(text)
        last = block
    filled, following = [], length
    for page in reversed(range(n_pages)):  # a page without text begins where the next one does
        following = starts.get(page, following)
        filled.append(following)
    return "".join(parts), filled[::-1]


def _nested(lefts: list[float], block: Block) -> list[float]:
    """Where the items around this one begin, its own last: those further in are closed."""
    near = 0.6 * (block.size or 10.0)
    outer = [left for left in lefts if left < block.left - near]
    return [*outer, block.left][-_MAX_LEVELS:]


def _goes_on(last: Block, block: Block, separator: str | None) -> bool:
    if not (last.flows and block.flows) or last.level or block.level or block.item:
        return False
    if separator is not None and last.page != block.page:
        return False
    same = not last.size or not block.size or 0.9 < block.size / last.size < 1.1
    return same and may_flow_on(last.text, block.text)
