"""Right-to-left pages: words in the order they are read, out of glyphs where they stand.

PDFium turns right-to-left lines round by rules of its own, and with them brackets, numbers, marks
and ligatures; what came out of a producer that had turned them already is turned twice.  So the
order of its characters is not used here: glyphs are taken from right to left as they are painted,
marks go to the letter they stand over, and numbers and words of other scripts are turned back
(the inverse of the Unicode bidirectional algorithm, for one level of embedding).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from ocr.characters import clean

Box = tuple[float, float, float, float]

RTL = "\u0591-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_DIGIT = "0-9\u0660-\u0669\u06f0-\u06f9"
LETTER = re.compile(f"[{RTL}]")
_MARK = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]"
)
_OTHER = "A-Za-z\u00c0-\u024f\u0370-\u052f"  # letters written from left to right
_PLAIN = f"[^{RTL}]|[{_DIGIT}]"
_TURNED = re.compile(
    f"[{_OTHER}](?:(?:{_PLAIN})*[{_OTHER}{_DIGIT}])?|[{_DIGIT}](?:(?:{_PLAIN})*[{_OTHER}])"
    f"|%?[{_DIGIT}](?:[.,:/\u066b\u066c-]?[{_DIGIT}])*"
)
_MIRROR = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
_PAIRS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|«[^«»]*»")
_TURNED_PAIRS = re.compile(r"\)[^()]*\(|\][^\[\]]*\[|»[^«»]*«")
_ALEF, _LAM = "\u0622\u0623\u0625\u0627", "\u0644"
_SPACE, _SURE, _CELL = 0.08, 0.25, 1.2  # of the font size: gaps that part words where PDFium saw a
# space, and where it saw none, and gaps that part cells
_SAME_LINE = 0.35  # of the font size, from baseline to baseline


@dataclass(slots=True)
class _Glyph:
    text: str
    box: Box
    style: Any
    base: float

    @property
    def centre(self) -> float:
        return (self.box[0] + self.box[2]) / 2


@dataclass(slots=True)
class _Line:
    base: float
    size: float
    glyphs: list[_Glyph] = field(default_factory=list)
    spaces: list[float] = field(default_factory=list)  # middles of those painted


def logical_words(
    text: str,
    box: Callable[[int], Box],
    style: Callable[[int], Any],
) -> Iterator[tuple[str, Box, Any, str]]:
    """(letters, box, style, glue) of each word, line by line in the order of painting.

    text: PDFium's characters; box, style (with size and base): of the one at an index.
    """
    lines = [(line, *_in_order(line)) for line in _lines(text, box, style)]
    written = " ".join("".join(g.text for g in glyphs) for _, glyphs, _ in lines)
    mirrored = len(_TURNED_PAIRS.findall(written)) > len(_PAIRS.findall(written))
    for _, glyphs, gaps in lines:
        glue, word = "\n", []
        for gap, glyph in zip(gaps, glyphs, strict=True):
            if gap and word and (gap == "\n" or not _clings(word[-1], glyph, mirrored)):
                yield _word(word, glue, mirrored)
                glue, word = gap, []
            word.append(glyph)
        if word:
            yield _word(word, glue, mirrored)


def _clings(before: _Glyph, glyph: _Glyph, mirrored: bool) -> bool:
    """Is the space between the two inside a bracket (where none is written)?"""
    opening, closing = (")]", "([") if mirrored else ("([", ")]")
    return before.text in opening or glyph.text in closing


def _word(glyphs: list[_Glyph], glue: str, mirrored: bool) -> tuple[str, Box, Any, str]:
    letters = "".join(glyph.text for glyph in glyphs)
    if mirrored and not re.search(f"[{_OTHER}]", letters):
        letters = letters.translate(_MIRROR)
    boxes = [glyph.box for glyph in glyphs]
    whole = (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )
    return letters, whole, glyphs[len(glyphs) // 2].style, glue


def _lines(text, box, style) -> list[_Line]:
    """Glyphs by baseline; marks joined to their letters, letters that share a glyph in order."""
    lines: list[_Line] = []
    marks: list[_Glyph] = []
    line: _Line | None = None
    for i, char in enumerate(text):
        if char in " \u00a0" and line is not None:  # PDFium may give its place, and no height
            x0, _, x1, _ = box(i)
            line.spaces.append((x0 + x1) / 2)
        char = clean(char).strip()
        if not char:
            continue
        own = style(i)
        glyph = _Glyph(char, box(i), own, own.base[1])
        if _MARK.match(char):
            marks.append(glyph)
            continue
        for line in lines[-1:-4:-1]:
            if abs(line.base - glyph.base) < _SAME_LINE * max(line.size, own.size, 1.0):
                break
        else:
            line = _Line(glyph.base, max(own.size, 1.0))
            lines.append(line)
        last = line.glyphs[-1] if line.glyphs else None
        if last is not None and last.box == glyph.box:  # a ligature, which PDFium has turned
            kept = not LETTER.match(char) or (last.text == _LAM and char in _ALEF)
            last.text = last.text + char if kept else char + last.text
        else:
            line.glyphs.append(glyph)
    for mark in marks:
        near = [
            (abs(g.centre - mark.centre), g)
            for line in lines
            if abs(line.base - mark.base) < 1.2 * line.size
            for g in line.glyphs
            if LETTER.match(g.text)
        ]
        if near:
            min(near, key=lambda pair: pair[0])[1].text += mark.text
    return lines


def _in_order(line: _Line) -> tuple[list[_Glyph], list[str]]:
    """From right to left, numbers and words of other scripts from left to right; and what stands
    before each: a space, a gap between cells ("\\n"), or nothing."""
    glyphs = sorted(line.glyphs, key=lambda g: -g.centre)
    steps: dict[tuple, list[float]] = {}  # letters may be spaced tighter than their boxes
    kinds = [(round(g.style.size), g.style.bold, bool(LETTER.match(g.text))) for g in glyphs]
    for k in range(1, len(glyphs)):
        if kinds[k] == kinds[k - 1]:
            steps.setdefault(kinds[k], []).append(glyphs[k - 1].box[0] - glyphs[k].box[2])
    usual = {kind: min(0.0, median(own)) for kind, own in steps.items()}
    gaps = [""][: len(glyphs)]
    for k in range(1, len(glyphs)):
        tight = (usual.get(kinds[k - 1], 0.0) + usual.get(kinds[k], 0.0)) / 2
        gaps.append(_gap(glyphs[k - 1], glyphs[k], line, tight))
    shown = "".join(gap[:1] + g.text[0] for gap, g in zip(gaps, glyphs, strict=True))
    places = [k for k, gap in enumerate(gaps) for _ in gap[:1] + "x"]
    for match in _TURNED.finditer(shown):
        i, j = places[match.start()], places[match.end() - 1] + 1
        glyphs[i:j] = glyphs[i:j][::-1]
        gaps[i + 1 : j] = gaps[i + 1 : j][::-1]
    return glyphs, gaps


def _gap(right: _Glyph, left: _Glyph, line: _Line, usual: float) -> str:
    wide = right.box[0] - left.box[2] - usual
    if wide > _CELL * line.size:
        return "\n"
    if wide > _SURE * line.size:
        return " "
    near = 0.1 * line.size - usual
    told = any(left.box[2] - near < x < right.box[0] + near for x in line.spaces)
    return " " if told and wide > _SPACE * line.size else ""
