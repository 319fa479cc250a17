"""One look at a page through PDFium, without rendering: its words, and what the router asks.

PDFium's characters come in the order they are painted, with the spaces and line breaks it infers.
Words are cut at those; boxes are asked for the first and last character only, styles once per text
object: a page of 4,000 characters takes a few milliseconds.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ocr.characters import BULLETS, SPACING_ACCENTS, compose_accent
from ocr.drawn import Drawn
from ocr.pdfium import Frame, PdfError, page_sizes_ok
from ocr.router import PageFeatures, read_as_language
from ocr.rtl import LETTER as RTL_LETTER
from ocr.rtl import logical_words
from ocr.rulings import Box


@dataclass(slots=True)
class Word:
    """A run of characters without space, as PDFium orders them.

    box: x0, y0, x1, y1 in points as displayed; turn: quarter turns counter-clockwise of its
    writing direction (4 = vertical writing, top to bottom); glue: how it follows the word before
    (" " a space was there, "\\n" PDFium began a new line, "" nothing between).
    hyphen: PDFium saw a line-end hyphen behind it and took it away.
    base: a point of its baseline, x and y as displayed; mono: in a typewriter's font.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    turn: int
    glue: str
    hyphen: bool
    base: tuple[float, float]
    mono: bool = False


@dataclass(frozen=True, slots=True)
class PageScan:
    """One page seen without rendering: size in points as displayed, words, features, boxes of the
    straight lines drawn."""

    width: float
    height: float
    words: list[Word]
    hidden: list[Word]
    features: PageFeatures
    rules: list[Box]
    dots: list[Box]  # painted, as small as the bullets of a list
    cut: bool  # more characters than the cap


def scan_page(doc: pdfium.PdfDocument, index: int, max_chars: int, max_objects: int) -> PageScan:
    """Words, hidden words and router features of page `index` (0-based).

    Raises PdfError when the page cannot be loaded or has no area.
    """
    page = raw.FPDF_LoadPage(doc.raw, index)
    if not page:
        raise PdfError("corrupt", "page cannot be loaded")
    try:
        frame = Frame(page)
        if not page_sizes_ok(frame.width, frame.height):
            raise PdfError("corrupt", f"page box of {frame.width:g} x {frame.height:g} points")
        drawn = Drawn(page, frame, max_objects)
        text_page = raw.FPDFText_LoadPage(page)
        if not text_page:
            raise PdfError("corrupt", "text of the page cannot be loaded")
        try:
            return _scan_text(text_page, frame, drawn, max_chars)
        finally:
            raw.FPDFText_ClosePage(text_page)
    finally:
        raw.FPDF_ClosePage(page)


# --- its text --------------------------------------------------------------------------------

_HYPHEN = "\x02"  # stands in PDFium's character list for a line-end hyphen it took away
_PIECES = re.compile(r"[^\s\x02]+|\x02|[^\S\x02]+")
_BOLD = re.compile(rb"(?i)bold|black|heavy|cmbx|medi\b|demi")
_MONO = re.compile(rb"(?i)mono|courier|consol|menlo|cmtt|inconsolata|lettergothic|source.?code")
_JUNK = re.compile("[\x00\x01\x03-\x08\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")
_OTHER_LETTER = re.compile(r"[^\W\d_\u0000-\u024f]")
_LAM_ALEF = re.compile("[\u0622\u0623\u0625\u0627]\u0644")
_RTL_RUN = re.compile(  # letters and marks; punctuation may stand at either end of a word
    "[\u0591-\u05f2\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\u0710-\u08ff"
    "\ufb1d-\ufd3d\ufd50-\ufdfc\ufe70-\ufefc]+"
)
_GRAPHEME = re.compile("(?s).[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]*")
_RTL_PAGE = 0.2  # share of the characters from which a page is written right to left
_MAP_SAMPLES = 256
_GONE = "\ufdd0"  # a place in the character list that is no character any more
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")  # PDFium counts in UTF-16
_SCRIPTED = re.compile("[^\\W\\d_][\\d*†‡§∗⁎]|[.,;:!?)\\]”’\"'][\\d*†‡§∗]|^[\\d*†‡§∗]+[^\\W\\d_]")
_SHORT_WORD = 4  # letters: longer ones with letters alone hold no index
_MAX_ACCENTS = 2000  # a page
_ACCENT_REACH = 48  # characters between a letter and the accent drawn over it


def _scan_text(text_page, frame: Frame, drawn: Drawn, max_chars: int) -> PageScan:
    total = max(0, raw.FPDFText_CountChars(text_page))
    count = min(total, max_chars)
    code_of = raw.FPDFText_GetUnicode
    codes = [code_of(text_page, i) for i in range(count)]
    text = "".join([chr(code) if code < 0x110000 else "\ufffd" for code in codes])
    text = _PAIR.sub(_joined_pair, text)
    styles = _Styles(text_page, frame)
    if SPACING_ACCENTS.search(text):
        text = _mend_accents(text, styles, text_page)
    words: list[Word] = []
    hidden: list[Word] = []
    script = 0 if text.isascii() or frame.rotation else len(RTL_LETTER.findall(text))
    find = _rtl_words if script > _RTL_PAGE * len(text) else _words
    for word, style in find(text, styles, text_page):
        x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
        on_page = 0 <= x <= frame.width and 0 <= y <= frame.height
        seen = style.visible and on_page and (not style.white or drawn.behind(x, y))
        (words if seen else hidden).append(word)
    features = _features(text, words, hidden, drawn, text_page)
    return PageScan(
        width=frame.width,
        height=frame.height,
        words=words,
        hidden=hidden,
        features=features,
        rules=drawn.rules,
        dots=drawn.dots,
        cut=total > count,
    )


def _words(text: str, styles: _Styles, text_page) -> Iterator[tuple[Word, _Style]]:
    """Each word once the piece behind it is known not to be its hyphen."""
    glue = "\n"
    held: tuple[Word, _Style] | None = None
    mended = _GONE in text
    for match in _PIECES.finditer(text):
        piece = match.group()
        first, last = match.start(), match.end() - 1
        if mended:
            first += len(piece) - len(piece.lstrip(_GONE))
            last -= len(piece) - len(piece.rstrip(_GONE))
            if first > last:
                continue
        if piece == _HYPHEN:
            if held and raw.FPDFText_IsHyphen(text_page, first) == 1:
                held[0].hyphen = True
        elif piece.isspace():
            glue = " " if piece.strip("\r\n") else "\n"
        else:
            for begin, end in _parts(text, first, last, styles):
                if held:
                    yield held
                style = styles.at((begin + end) // 2)
                box = _word_box(styles, begin, end, style.turn)
                upright = box[3] - box[1] > 2 * (box[2] - box[0]) and end - begin > 2
                turn = 4 if upright and style.turn == 0 else style.turn
                letters = text[begin : end + 1]
                if not letters.isascii():
                    letters = _mend_right_to_left(letters, begin, styles)
                word = Word(letters, *box, style.size, style.bold, turn, glue, False, style.base)
                word.mono = style.mono
                held = word, style
                glue = ""
    if held:
        yield held


def _rtl_words(text: str, styles: _Styles, text_page) -> Iterator[tuple[Word, _Style]]:
    for letters, box, style, glue in logical_words(text, styles.box, styles.at):
        yield (
            Word(letters, *box, style.size, style.bold, style.turn, glue, False, style.base),
            style,
        )


def _joined_pair(match: re.Match[str]) -> str:
    high, low = match.group()
    return chr(0x10000 + (ord(high) - 0xD800) * 0x400 + ord(low) - 0xDC00) + _GONE


def _parts(text: str, first: int, last: int, styles: _Styles) -> list[tuple[int, int]]:
    """A word in the pieces that are set in one size: an index or a note mark is one of its own."""
    if last == first:
        return [(first, last)]
    word = text[first : last + 1]
    if not _SCRIPTED.search(word):
        short = last - first < _SHORT_WORD and not word.isdecimal()
        if not short or styles.at(first) is styles.at(last):
            return [(first, last)]
    parts, begin, size = [], first, styles.at(first).size
    for i in range(first + 1, last + 1):
        own = styles.at(i).size
        if abs(own - size) > 0.1 * max(own, size) and text[i] != _GONE:
            parts.append((begin, i - 1))
            begin, size = i, own
    return [*parts, (begin, last)]


def _word_box(styles: _Styles, first: int, last: int, turn: int):
    x0, y0, x1, y1 = styles.box(first)
    if last == first:
        return x0, y0, x1, y1
    a0, b0, a1, b1 = styles.box(last)
    if turn % 2 == 0 and y1 - y0 > 1.4 * (b1 - b0) > 0:  # a drop cap: the word is not so high
        y0, y1 = b0, b1
    return min(x0, a0), min(y0, b0), max(x1, a1), max(y1, b1)


def _features(text: str, words: list[Word], hidden: list[Word], drawn: Drawn, text_page):
    visible = "".join(word.text for word in words)
    read = words if len(words) >= len(hidden) else hidden
    latin, stop_share, usual_pairs = read_as_language(" ".join(word.text for word in read))
    junk = len(_JUNK.findall(text.translate(BULLETS))) + _swapped_bytes(visible)
    for match in re.finditer(_HYPHEN, text):
        junk += raw.FPDFText_IsHyphen(text_page, match.start()) != 1
    sampled = range(0, len(text), max(1, len(text) // _MAP_SAMPLES))
    sampled = [i for i in sampled if not text[i].isspace()]
    errors = sum(raw.FPDFText_HasUnicodeMapError(text_page, i) == 1 for i in sampled)
    return PageFeatures(
        chars=len(visible),
        alnum=sum(map(str.isalnum, visible)),
        junk=junk,
        hidden_chars=sum(len(word.text) for word in hidden),
        other_letters=0 if visible.isascii() else len(_OTHER_LETTER.findall(visible)),
        map_errors=errors / max(1, len(sampled)),
        latin_words=latin,
        stop_share=stop_share,
        usual_pairs=usual_pairs,
        covered_share=drawn.covered / max(1, drawn.texts),
        image_cover=drawn.cover,
        images=drawn.images,
        max_image_pixels=drawn.max_pixels,
        paths=drawn.paths,
    )


def _swapped_bytes(text: str) -> int:
    """Characters that read as Latin once their two bytes are swapped (a layer written in the wrong
    byte order looks Chinese); 0 where they are as few as in real Chinese."""
    swapped = sum(c > "\u1fff" and not ord(c) & 0xFF and chr(ord(c) >> 8).isalnum() for c in text)
    return swapped if swapped > 0.2 * len(text) else 0


@dataclass(frozen=True, slots=True)
class _Style:
    size: float
    bold: bool
    turn: int
    visible: bool
    white: bool
    base: tuple[float, float]
    mono: bool


class _Styles:
    """Font size, weight, direction and visibility, asked once per text object."""

    def __init__(self, text_page, frame: Frame) -> None:
        self.text_page, self.frame = text_page, frame
        self.loose_box, self.place = raw.FPDFText_GetLooseCharBox, frame.box
        self.seen: dict[int, _Style] = {}
        self.rect, self.matrix = raw.FS_RECTF(), raw.FS_MATRIX()
        self.rect_ref, self.matrix_ref = ctypes.byref(self.rect), ctypes.byref(self.matrix)

    def box(self, i: int):
        r = self.rect
        self.loose_box(self.text_page, i, self.rect_ref)
        return self.place(r.left, r.bottom, r.right, r.top)

    def at(self, i: int) -> _Style:
        obj = raw.FPDFText_GetTextObject(self.text_page, i)
        key = ctypes.addressof(obj.contents) if obj else 0
        if key not in self.seen:
            self.seen[key] = self._ask(i, obj)
        return self.seen[key]

    def _ask(self, i: int, obj) -> _Style:
        m = self.matrix
        raw.FPDFText_GetMatrix(self.text_page, i, self.matrix_ref)
        scale = math.hypot(m.c, m.d)
        size = raw.FPDFText_GetFontSize(self.text_page, i) * scale
        angle = math.degrees(math.atan2(m.b, m.a)) - 90 * self.frame.rotation
        if not math.isfinite(size) or not math.isfinite(angle):
            size, angle = 0.0, 0.0
        mode = raw.FPDFTextObj_GetTextRenderMode(obj) if obj else raw.FPDF_TEXTRENDERMODE_FILL
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        known = raw.FPDFText_GetFillColor(self.text_page, i, red, green, blue, alpha)
        white = bool(known) and min(red.value, green.value, blue.value) >= 250
        clear = bool(known) and alpha.value == 0
        drawn_modes = (raw.FPDF_TEXTRENDERMODE_INVISIBLE, raw.FPDF_TEXTRENDERMODE_CLIP)
        font, fixed = self._font(i)
        return _Style(
            size=size,
            bold=bool(_BOLD.search(font)),
            mono=fixed or bool(_MONO.search(font)),
            turn=round(angle / 90) % 4,
            visible=mode not in drawn_modes and not clear,
            white=white and mode == raw.FPDF_TEXTRENDERMODE_FILL,
            base=self.frame.box(m.e, m.f, m.e, m.f)[:2],
        )

    def _font(self, i: int) -> tuple[bytes, bool]:
        """Name, and whether it calls itself one of fixed pitch (ISO 32000-1, table 123)."""
        name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
        raw.FPDFText_GetFontInfo(self.text_page, i, name, 128, flags)
        return name.value, bool(flags.value & 1)


def _mend_accents(text: str, styles: _Styles, text_page) -> str:
    """TeX's OT1 fonts draw an accent as a glyph of its own, over or before its letter.  Where one
    stands over a letter the two become one character; accent and the spaces PDFium made around it
    become `_GONE`, so that positions stay."""
    chars = list(text)
    for match in islice(SPACING_ACCENTS.finditer(text), _MAX_ACCENTS):
        i = match.start()
        x0, y0, x1, y1 = styles.box(i)
        reach = range(max(0, i - _ACCENT_REACH), min(len(text), i + _ACCENT_REACH))
        for j in sorted(reach, key=lambda j: abs(j - i)):
            if not chars[j].isalpha():
                continue
            a0, b0, a1, b1 = styles.box(j)
            over = abs(a0 + a1 - x0 - x1) < 0.6 * min(a1 - a0, x1 - x0)
            composed = compose_accent(chars[j], chars[i])
            if over and composed and min(b1, y1) - max(b0, y0) > 0.5 * (b1 - b0):
                chars[j], chars[i] = composed, _GONE
                for k in (i - 1, i + 1):
                    made = raw.FPDFText_IsGenerated(text_page, k) == 1
                    if made and 0 <= k < len(chars) and chars[k] == " ":
                        chars[k] = _GONE
                break
    return "".join(chars)


def _mend_right_to_left(text: str, first: int, styles: _Styles) -> str:
    """PDFium turns most right-to-left lines, glyph by glyph, and with them the two letters of the
    lam-alef ligature, which share one glyph box: they are turned back.  Words that it left as they
    were painted, from left to right, are turned here."""
    for match in _RTL_RUN.finditer(text):
        i, j = match.span()
        painted = j - i > 1 and _centre(styles, first + i) < _centre(styles, first + j - 1)
        letters = match.group()
        if painted:
            letters = "".join(_GRAPHEME.findall(letters)[::-1])
        else:
            for pair in _LAM_ALEF.finditer(letters):
                k = pair.start()
                if styles.box(first + i + k) == styles.box(first + i + k + 1):
                    letters = letters[:k] + letters[k + 1] + letters[k] + letters[k + 2 :]
        text = text[:i] + letters + text[j:]
    return text


def _centre(styles: _Styles, i: int) -> float:
    x0, _, x1, _ = styles.box(i)
    return x0 + x1
