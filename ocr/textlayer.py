"""The text layer of one page: words as PDFium finds them -> lines -> layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from ocr.characters import clean, has_rtl, is_cjk
from ocr.formulas import composed
from ocr.justified import justified
from ocr.layout import Layout, Line, lay_out, rows_of
from ocr.pagescan import PageScan, Word
from ocr.rulings import Box, Rule, horizontal, parts, vertical

_WIDE_GAP = 1.2  # of the font size: wider gaps part table cells and columns
_NEW_LINE_GAP = 0.6  # the same where PDFium itself began a new line
_RTL_GAP = 8.0  # right-to-left lines: words of a left-to-right run come in the other order
_SPACE = 0.15  # gap from which two pieces on a line are two words
_MANY = 300  # words on a line: no line of print, and no holes are looked for
_INDEX_SIZE = 0.85  # of the line's font size
_RAISED, _LOWERED = 0.15, 0.06  # of the font size: from baseline to baseline
_LONGEST_INDEX = 15  # characters
_LINES_BACK = 3  # a superscript or accent interrupts a line; it goes on behind it


def text_layout(scan: PageScan, hidden: bool = False) -> Layout:
    """The visible words of a page (with `hidden`, the invisible ones too: an old OCR layer)."""
    words = _without_doubles(scan.words + scan.hidden if hidden else scan.words)
    words = composed(_with_bullets(words, scan.dots), scan.rules, _on_a_line)
    chars: Counter[int] = Counter()
    for word in words:
        chars[word.turn] += len(word.text)
    if not chars:
        return Layout(scan.width, scan.height)
    main = max(chars, key=lambda turn: (chars[turn], -turn))
    by_turn: dict[int, list[Word]] = {turn: [] for turn in sorted(chars)}
    for word in words:  # short words amid vertical writing look horizontal
        by_turn[4 if main == 4 and word.turn == 0 else word.turn].append(word)
    own, beside = by_turn[main], None
    width, height = scan.width, scan.height
    if main in (1, 3, 4):
        width, height = height, width
    rules = [_upright(box, main, scan.width, scan.height) for box in scan.rules]
    across, upright = horizontal(rules), vertical(rules)
    lines = _lines(by_turn.pop(main), main, scan.width, scan.height, upright)
    lines = justified(lines)
    layout = lay_out(lines, width, height)
    layout.across, layout.upright = across, upright
    for turn, others in by_turn.items():
        beside = beside or _margins(own)
        for rows, margin in ((layout.aside, False), (layout.stamps, True)):
            some = [word for word in others if beside(word) == margin]
            rows.extend(rows_of(_lines(some, turn, scan.width, scan.height, [])))
    return layout


def _margins(words: list[Word]) -> Callable[[Word], bool]:
    """Does a word stand left or right of these, all but the outermost of them?"""
    lefts, rights = sorted(w.x0 for w in words), sorted(w.x1 for w in words)
    few = len(words) // 50
    left, right = lefts[few], rights[-1 - few]
    return lambda word: not left < (word.x0 + word.x1) / 2 < right


def _without_doubles(words: list[Word]) -> list[Word]:
    """Words drawn twice at nearly one place (fake bold, shadows, doubled layers) once."""
    order = sorted(range(len(words)), key=lambda i: (words[i].text, words[i].y0, words[i].x0))
    drop = set()
    for i, j in pairwise(order):
        a, b = words[i], words[j]
        near = 0.25 * max(1.0, a.y1 - a.y0)
        if a.text == b.text and abs(a.x0 - b.x0) < near and abs(a.y0 - b.y0) < near:
            drop.add(max(i, j))
    return [word for i, word in enumerate(words) if i not in drop] if drop else words


def _on_a_line(words: list[Word]) -> str:
    """Words side by side as text: the parts of a formula."""
    words = sorted(words, key=lambda word: word.x0)
    runs: list[_Run] = []
    for number, word in enumerate(words):
        if text := clean(word.text):
            box = (word.x0, word.y0, word.x1, word.y1)
            size = word.size or word.y1 - word.y0
            glue = " " if runs and word.x0 - runs[0].x1 > _SPACE * size else ""
            base = word.base[1]
            piece = _Piece(number, text, *box, size, word.bold, word.mono, glue, base)
            if runs:
                runs[0].add(piece)
            else:
                runs.append(_Run(piece))
    return runs[0].line().text if runs else ""


def _with_bullets(words: list[Word], dots: list[Box]) -> list[Word]:
    """Drawn dots that stand before a line, with nothing to their left, as the words they mean."""
    before: dict[int, Box] = {}
    for dot in dots:
        x0, y0, x1, y1 = dot
        middle = (y0 + y1) / 2
        level = [i for i, w in enumerate(words) if w.y0 < middle < w.y1 and w.turn == 0]
        right = [i for i in level if words[i].x0 >= x1 - 1]
        if not right:
            continue
        first = min(right, key=lambda i: words[i].x0)
        em = words[first].size or 10.0
        beside = any(words[i].x1 > x0 - 3 * em and words[i].x0 < x0 for i in level)
        if words[first].x0 - x1 < 2.5 * em and y1 - y0 < 0.7 * em and not beside:
            before[first] = dot
    if not before:
        return words
    found: list[Word] = []
    for i, word in enumerate(words):
        if dot := before.get(i):
            box = dot[0], word.y0, dot[2], word.y1
            found.append(replace(word, text="•", glue="\n", hyphen=False))
            found[-1].x0, found[-1].y0, found[-1].x1, found[-1].y1 = box
            word = replace(word, glue=" ")
        found.append(word)
    return found


def _lines(
    words: list[Word], turn: int, width: float, height: float, upright: list[Rule]
) -> list[Line]:
    runs: list[_Run] = []
    for number, word in enumerate(words):
        text = clean(word.text + "-" if word.hyphen else word.text)
        if not text:
            continue
        box = (word.x0, word.y0, word.x1, word.y1)
        x0, y0, x1, y1 = _upright(box, turn, width, height)
        size, base = word.size or y1 - y0, _upright(word.base * 2, turn, width, height)[1]
        piece = _Piece(number, text, x0, y0, x1, y1, size, word.bold, word.mono, word.glue, base)
        for run in reversed(runs[-_LINES_BACK:]):
            if run.takes(piece) and not (upright and run.parted(piece, upright)):
                run.add(piece)
                break
        else:
            runs.append(_Run(piece))
    return [run.line() for run in runs]


def _upright(box: Box, turn: int, width: float, height: float) -> Box:
    """A box with the writing direction turned to the right."""
    x0, y0, x1, y1 = box
    if turn == 1:
        return height - y1, x0, height - y0, x1
    if turn == 2:
        return width - x1, height - y1, width - x0, height - y0
    if turn in (3, 4):
        return y0, width - x1, y1, width - x0
    return x0, y0, x1, y1


@dataclass(slots=True)
class _Piece:
    number: int
    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    mono: bool
    glue: str
    base: float


def _script(piece: _Piece, main: _Piece) -> str:
    """Is the piece an index or a note mark: smaller, and raised ("sup") or lowered ("sub")?"""
    if piece.size > _INDEX_SIZE * main.size or len(piece.text) > _LONGEST_INDEX:
        return ""
    raised = main.base - piece.base
    if abs(raised) > main.size:  # of a text that is no line's own
        return ""
    if raised > _RAISED * main.size:
        return "sup"
    return "sub" if raised < -_LOWERED * main.size else ""


class _Run:
    """A line while words are added to it."""

    def __init__(self, piece: _Piece) -> None:
        self.pieces = [piece]
        self.x0, self.x1 = piece.x0, piece.x1
        self.main = piece  # the longest: it has the line's height and size
        self.rtl = has_rtl(piece.text)

    def takes(self, piece: _Piece) -> bool:
        """Is the piece on this line, behind it or in a hole of it?"""
        main = self.main
        y0, y1 = piece.y0, piece.y1
        high, own = y1 - y0, main.y1 - main.y0
        overlap = (main.y1 if main.y1 < y1 else y1) - (main.y0 if main.y0 > y0 else y0)
        if overlap < 0.4 * (own if own < high else high):
            return False
        if not piece.glue and piece.number == self.pieces[-1].number + 1:
            return True  # of one word
        em = max(main.size, piece.size)
        limit = _NEW_LINE_GAP if piece.glue == "\n" else _WIDE_GAP
        if piece.glue != "\n" and (self.rtl or has_rtl(piece.text)):
            return max(piece.x0 - self.x1, self.x0 - piece.x1) < _RTL_GAP * em
        if -0.3 * em < piece.x0 - self.x1 < limit * em:
            return True
        if piece.x0 < self.x0 - 0.3 * em or piece.x1 > self.x1 + 0.6 * em:
            return False
        if len(self.pieces) > _MANY:
            return False
        return all(min(p.x1, piece.x1) - max(p.x0, piece.x0) < 0.3 * em for p in self.pieces)

    def parted(self, piece: _Piece, upright: list[Rule]) -> bool:
        """Does a vertical rule stand between the line and the piece?"""
        left, right = min(self.x1, piece.x1), max(self.x0, piece.x0)
        return parts(upright, left - 0.5, right + 0.5, (piece.y0 + piece.y1) / 2)

    def add(self, piece: _Piece) -> None:
        self.pieces.append(piece)
        self.x0, self.x1 = min(self.x0, piece.x0), max(self.x1, piece.x1)
        self.rtl = self.rtl or has_rtl(piece.text)
        if len(piece.text) > len(self.main.text):
            self.main = piece

    def line(self) -> Line:
        pieces = self.pieces if self.rtl else sorted(self.pieces, key=lambda p: (p.x0, p.number))
        main, text, breaks, tag = self.main, "", [], ""
        for left, piece in zip([None, *pieces], pieces, strict=False):
            spaced = left is not None and self._spaced(left, piece)
            script = _script(piece, main) if piece is not main else ""
            if tag and script != tag:
                text += f"</{tag}>"
            if spaced:
                breaks.append((len(text), left.x1, piece.x0))
                text += " "
            if script and script != tag:
                text += f"<{script}>"
            text, tag = text + piece.text, script
        text += f"</{tag}>" if tag else ""
        bold = all(piece.bold for piece in pieces)
        line = Line(text, self.x0, main.y0, self.x1, main.y1, main.size, bold)
        line.mono = all(piece.mono for piece in pieces)
        line.breaks = [] if self.rtl else breaks
        return line

    def _spaced(self, left: _Piece, right: _Piece) -> bool:
        gap = max(right.x0 - left.x1, left.x0 - right.x1)
        if is_cjk(left.text[-1]) and is_cjk(right.text[0]):
            return gap > 0.25 * self.main.size
        if right.number == left.number + 1 and right.glue != "\n":
            return right.glue == " "
        return gap > _SPACE * self.main.size
