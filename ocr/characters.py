"""Characters of a PDF text layer or an OCR engine, made fit for training text.

Only what typesetting did to the characters is undone: ligatures and Arabic presentation forms
(their Unicode compatibility decompositions), accents drawn as glyphs of their own, bullets in
symbol fonts.  Everything else stays as written; no general NFKC (it would flatten superscripts,
fractions and full-width forms).
"""

from __future__ import annotations

import re
import unicodedata

SOFT_HYPHEN = "\u00ad"

# C0, C1 (tab and newline aside), zero-width space, bidi controls, byte-order mark, soft hyphen,
# lone surrogates, noncharacters.  ZWNJ and ZWJ stay: Persian and Indic scripts spell with them.
_NEVER = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)
_COMPATIBILITY = re.compile(
    "[\ufb00-\ufb06\ufb13-\ufb17\ufb50-\ufd3d\ufd50-\ufdc7\ufdf0-\ufdfc\ufe70-\ufefc]+"
)
_SPACES = re.compile("[\t\u00a0\u2000-\u200a\u202f\u205f\u3000]")

# Symbol and Wingdings bullets, which PDF producers map to U+F000 + code (Adobe symbol encoding).
BULLETS = dict.fromkeys(
    [0xF06C, 0xF06E, 0xF076, 0xF09F, 0xF0A7, 0xF0A8, 0xF0B7, 0xF0D8, 0xF0FC], "•"
)
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")

# Spacing accents and their combining forms: TeX's OT1 fonts draw "é" as "´" then "e".
_ACCENTS = dict(
    zip(
        "´¨ˆ˜˘ˇ˙˚˝¸˛",
        "\u0301\u0308\u0302\u0303\u0306\u030c\u0307\u030a\u030b\u0327\u0328",
        strict=True,
    )
)
SPACING_ACCENTS = re.compile(f"[{''.join(_ACCENTS)}]")
_ACCENTED = re.compile(f"([{''.join(_ACCENTS)}]) ?([^\\W\\d_])")

_CJK = re.compile(
    "[\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]"
)
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


# Letters of formulas (Unicode's mathematical italics): the slant is the font's, as in any other.
_ITALICS = {
    code: unicodedata.normalize("NFKC", chr(code))
    for block in (range(0x1D434, 0x1D49C), range(0x1D608, 0x1D670), range(0x1D6E2, 0x1D756))
    for code in block
} | {0x210E: "h"}
_TAG = re.compile("</?su[bp]>")


def without_tags(text: str) -> str:
    """`text` with <sup> and <sub> gone."""
    return _TAG.sub("", text) if "<" in text else text


def clean(text: str) -> str:
    """`text` with ligatures opened, accents composed, symbol bullets mapped and every character
    removed that is no text (controls, noncharacters, lone surrogates, private use)."""
    if text.isascii() and text.isprintable():
        return text
    text = _COMPATIBILITY.sub(lambda m: unicodedata.normalize("NFKC", m.group()), text)
    text = _SPACES.sub(" ", text)
    text = _PRIVATE.sub("", text.translate(BULLETS))
    text = _ACCENTED.sub(_compose, text.translate(_ITALICS))
    return _NEVER.sub("", text)


def _compose(match: re.Match[str]) -> str:
    return compose_accent(match[2], match[1]) or match[0]


def compose_accent(letter: str, accent: str) -> str:
    """The letter with a spacing accent set on it as one character; "" where Unicode has none."""
    letter = {"ı": "i", "ȷ": "j"}.get(letter, letter)
    composed = unicodedata.normalize("NFC", letter + _ACCENTS[accent])
    return composed if len(composed) == 1 else ""


def is_cjk(char: str) -> bool:
    """Chinese or Japanese: scripts written without spaces (Hangul has them)."""
    return bool(char) and bool(_CJK.match(char))


def has_rtl(text: str) -> bool:
    """Does the text hold a letter of a right-to-left script?"""
    return not text.isascii() and bool(_RTL.search(text))
