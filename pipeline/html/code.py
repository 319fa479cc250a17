"""Blocks of code: where they are, what in them is not code, and which language they are in."""

from __future__ import annotations

import re

import numpy as np

from pipeline.html.marks import CODE_BOX, CODE_ROW, GUTTER, LABEL
from pipeline.html.tags import ids, table
from pipeline.html.tokens import END, START, TEXT, Tokens, attributes
from pipeline.html.writer import BLOCK, DROP, LINE, VERBATIM

MOST_BLOCKS = 10_000
"""Of a page; later ones are written as they stand, with what is not code in them."""

_CODE, _TABLE, _TD, _DIV, _BR = ids("code table td div br")
_PRE = table("pre listing xmp plaintext")
_FRAME = table("table thead tbody tfoot tr td th ol ul li div figure section")
_SPAN = table("span code")
_NOT_CODE = table("button svg select input textarea")
_LANGUAGE = re.compile(
    r"(?:^|\s)(?:(?:language|lang|highlight(?:-source|-text)?|src|syntax|brush)[-:=]\s*"
    r"|(?:sourceCode|hljs|syntaxhighlighter(?:\s+nogutter)?)\s+)"
    r"([A-Za-z][\w+#.-]{0,19})(?=$|[\s;])",
    re.IGNORECASE,
)
_NAME = re.compile(r"[a-z][\w+#.-]{0,19}")
_NO_LANGUAGE = frozenset(
    """default none plaintext plain text txt notranslate highlight hljs source code console-output
    nohighlight no-highlight auto unknown undefined linenums line-numbers copyable wrap""".split()  # noqa: SIM905
)
_DIGITS = re.compile(rb"\s*\d{1,6}\s*")
_ONE, _TWO = re.compile(rb">\s*1\s*<"), re.compile(rb">\s*2\s*<")
_NUMBERS_ONLY = re.compile(rb"\s*\d{1,6}(?:\s+\d{1,6})*\s*")
_LINE_CLASS = re.compile(r"(?:^|[\s_-])line(?:$|[\s_\d])|^cl$|token-line|hljs-ln-line", re.I)


def find_code(tokens: Tokens, marks: tuple[np.ndarray, np.ndarray]) -> list[int]:
    """STARTs of the blocks of code, outermost ones, in document order."""
    pres = set(np.flatnonzero((tokens.kind == START) & _PRE[tokens.tag]).tolist())
    starts, editors = set(pres), set()
    where, groups = marks
    until = -1
    for i, group in zip(where.tolist(), groups.tolist(), strict=True):
        if not group & (CODE_BOX | CODE_ROW) or i < until:
            continue
        box = _box(tokens, i, group)
        until = int(tokens.close[i])
        if box is not None:
            starts.add(box)
            if tokens.tag[box] == _DIV:
                editors.add(box)
    codes = np.flatnonzero((tokens.kind == START) & (tokens.tag == _CODE))
    if len(codes):
        breaks = np.flatnonzero(tokens.tag == _BR)
        broken = np.searchsorted(breaks, codes) < np.searchsorted(breaks, tokens.close[codes])
        starts |= set(codes[broken].tolist())
    blocks: list[int] = []
    for i in sorted(starts):
        if tokens.close[i] <= i + 1:
            continue
        if blocks and i < tokens.close[blocks[-1]]:
            # an editor inside a pre: only what it shows is code
            if i in editors and i not in pres:
                blocks[-1] = i
        else:
            blocks.append(i)
    return blocks


def _box(tokens: Tokens, i: int, group: int) -> int | None:
    """The element that holds the lines of code that a mark at i tells of."""
    if group & CODE_ROW:
        node = i
        for _ in range(4):
            if node < 0 or tokens.tag[node] == _TABLE:
                break
            node = int(tokens.parent[node])
        return node if node >= 0 and tokens.tag[node] == _TABLE else None
    values = attributes(tokens, i)
    if "white-space:pre" in values.get("style", "").replace(" ", "").lower():
        # prose and inline code are kept from wrapping that way, too
        text = tokens.source[tokens.end[i] : tokens.start[tokens.close[i]]]
        is_code = tokens.tag[i] == _CODE or "code" in values.get("class", "").lower()
        return i if is_code and b"\n" in text.strip() else None
    return i


def plan_code(
    tokens: Tokens,
    keep: np.ndarray,
    marks: tuple[np.ndarray, np.ndarray],
    meaning: np.ndarray,
    argument: np.ndarray,
    add,
) -> np.ndarray:
    """Mark blocks of code in the plan of the writer; the texts that are still to be written.

    ``add`` takes a text and gives its number among the inserts.
    """
    blocks = [i for i in find_code(tokens, marks) if keep[i : tokens.close[i]].any()]
    if not blocks:
        return keep
    keep = keep.copy()
    _drop_gutters(tokens, marks, keep, meaning)
    starts = tokens.kind == START
    meaning[_PRE[tokens.tag] & starts] = BLOCK  # but for those that are blocks of code
    frames = np.flatnonzero((_PRE[tokens.tag] | (tokens.tag == _TABLE)) & starts)
    languages: dict[int, str] = {}
    meaning[blocks] = VERBATIM
    for i in blocks[:MOST_BLOCKS]:
        last = int(tokens.close[i])
        if not _PRE[tokens.tag[i]]:
            _drop_layout(tokens, i, last, keep)
        low, high = np.searchsorted(marks[0], (i, last))
        groups = marks[1][low:high]
        gutters = ((groups & (GUTTER | LABEL)) > 0) & ((groups & CODE_ROW) == 0)
        for k in marks[0][low:high][gutters].tolist():
            at = np.searchsorted(frames, (k + 1, tokens.close[k]))
            if k != i and at[0] == at[1]:  # no pre or table in it
                meaning[k] = DROP
        inside = slice(i + 1, last)
        unwanted = (tokens.kind[inside] == START) & _NOT_CODE[tokens.tag[inside]]
        meaning[inside][unwanted] = DROP
        raw = tokens.source[tokens.end[i] : tokens.start[last]]
        one = _ONE.search(raw)
        if one and _TWO.search(raw, one.end() - 1):
            _drop_table(tokens, i, last, meaning)
        if b"\n" not in raw.strip() and b"<br" not in raw:
            _mark_lines(tokens, i, last, meaning)
        if _is_gutter(tokens, i, last, keep):
            meaning[i] = DROP
        else:
            language = _language(tokens, i, last, languages)
            argument[i] = add(language) if language else 0
    return keep


def _drop_gutters(tokens: Tokens, marks, keep: np.ndarray, meaning: np.ndarray) -> None:
    """Leave out cells of line numbers that stand beside a block of code."""
    until = -1
    for i in marks[0][((marks[1] & GUTTER) > 0) & (tokens.tag[marks[0]] == _TD)].tolist():
        if i > until:
            until = int(tokens.close[i])
            if _is_gutter(tokens, i, until, keep):
                meaning[i] = DROP


def _drop_layout(tokens: Tokens, first: int, last: int, keep: np.ndarray) -> None:
    """Leave out white space between the cells and lines of a box of code that is no pre."""
    texts = first + np.flatnonzero(tokens.kind[first:last] == TEXT)
    for i in texts[_FRAME[tokens.tag[texts]]].tolist():
        text = tokens.source[tokens.start[i] : tokens.end[i]]
        if b"\n" in text and not text.strip():
            keep[i] = False


def _drop_table(tokens: Tokens, first: int, last: int, meaning: np.ndarray) -> None:
    """Leave out the numbers 1, 2, 3 and so on that are the first element of a line each."""
    expected, found, lines = 1, [], set()
    for i in (first + np.flatnonzero(tokens.kind[first:last] == TEXT)).tolist():
        number, line = i - 1, int(tokens.parent[i - 1])
        alone = tokens.kind[number] == START and tokens.kind[i + 1] == END and line > first
        text = tokens.source[tokens.start[i] : tokens.end[i]]
        if alone and number == line + 1 and _DIGITS.fullmatch(text) and int(text) == expected:
            found.append(number)
            lines.add(line)
            expected += 1
    if len(lines) > 1 and len({int(tokens.parent[line]) for line in lines}) == 1:
        meaning[found] = DROP


def _is_gutter(tokens: Tokens, first: int, last: int, keep: np.ndarray) -> bool:
    """Whether a block in a cell is a column of line numbers."""
    cell = first
    for _ in range(3):
        if cell >= 0 and tokens.tag[cell] != _TD:
            cell = int(tokens.parent[cell])
    if cell < 0 or tokens.tag[cell] != _TD:
        return False
    texts = first + np.flatnonzero((tokens.kind[first:last] == TEXT) & keep[first:last])
    text = b"".join(tokens.source[tokens.start[i] : tokens.end[i]] for i in texts[:2000].tolist())
    if not _NUMBERS_ONLY.fullmatch(text):
        return False
    lines = [int(number) for number in text.split()]
    return lines == list(range(lines[0], lines[0] + len(lines)))


def _mark_lines(tokens: Tokens, first: int, last: int, meaning: np.ndarray) -> None:
    """Spans that stand for lines where no other sign ends a line."""
    spans = (tokens.kind[first + 1 : last] == START) & _SPAN[tokens.tag[first + 1 : last]]
    lines = []
    for i in (first + 1 + np.flatnonzero(spans)).tolist():
        if meaning[i] != DROP and tokens.end[i] > tokens.start[i]:
            values = attributes(tokens, i)
            if "data-line" in values or _LINE_CLASS.search(values.get("class", "")):
                lines.append(i)
    if len(lines) > 1:
        meaning[lines] = LINE


def _language(tokens: Tokens, first: int, last: int, known: dict[int, str]) -> str:
    """The language that classes of the block, of the code in it or around it name, or ""."""
    nodes = [first, *(first + 1 + np.flatnonzero(tokens.tag[first + 1 : last] == _CODE)[:1])]
    around = int(tokens.parent[first])
    for _ in range(3):
        if around >= 0:
            nodes.append(around)
            around = int(tokens.parent[around])
    for i in map(int, nodes):
        if i not in known:
            known[i] = _named_language(attributes(tokens, i))
        if known[i]:
            return known[i]
    return ""


def _named_language(values: dict[str, str]) -> str:
    named = values.get("data-lang") or values.get("data-language") or ""
    if not named and (match := _LANGUAGE.search(values.get("class", ""))):
        named = match[1]
    named = named.strip().rstrip(";").lower()
    return named if _NAME.fullmatch(named) and named not in _NO_LANGUAGE else ""
