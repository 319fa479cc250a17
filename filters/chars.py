"""Character classes: one bit table over all code points, shared by every kernel.

Classes that Python's ``str`` methods define (isspace, isalpha, splitlines) come from
``unicodedata``, so that kernels and Python agree on every code point of the running interpreter.
Classes of the word rules follow spaCy 3.8's English tokenizer; classes of the quality rules follow
datatrove 0.10's punctuation sets.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np

from filters.arrow import readonly
from filters.jit import inner

SPACE = 1 << 0  # str.isspace
BREAK = 1 << 1  # a line ends here: str.splitlines
ALPHA = 1 << 2  # str.isalpha
DECIMAL = 1 << 3  # category Nd: what \d matches
PUNCT = 1 << 4  # category P*
SYMBOL = 1 << 5  # a word made of these only is no word (Gopher rules)
LINE_END = 1 << 6  # a line that ends in one of these ends a sentence (FineWeb rules)
SENT_END = 1 << 7  # a token that is one of these ends a sentence
PREFIX = 1 << 8  # splits off the front of a chunk
SUFFIX = 1 << 9  # splits off its end
ICON = 1 << 10  # splits everywhere: dingbats, emoji
LETTER = 1 << 11  # "alpha" of the affix rules
LOWER = 1 << 12
UPPER = 1 << 13
QUOTE = 1 << 14
CURRENCY = 1 << 15
FULL_STOP_AFTER = 1 << 16  # a final full stop splits off after one of these
HOST = 1 << 17  # may stand in a host name
WORD = 1 << 18  # \w
UNSPACED = 1 << 19  # scripts written without spaces: one word a character
MARK = 1 << 20  # combining marks stay with the character before them
HYPHEN = 1 << 21
CLOSING = 1 << 22  # CJK punctuation that stands inside a chunk
CAPITAL = 1 << 23  # str.isupper
ALNUM = 1 << 24  # str.isalnum
DIGIT = 1 << 25  # str.isdigit

# PUNCTUATION of datatrove.utils.text, as ranges of code points.
_SYMBOLS = (
    "0-8 B-1F 21-2F 3A-40 5B-60 7B-9F AB B4 BB 2013-2014 2019 201C-201E 2026 2236 2501 25BA "
    "3001-3002 3008-300D 3010-3011 FF01 FF05 FF08-FF09 FF0C FF0E FF11 FF1A-FF1B FF1F FF5E"
)
# Sentence terminals: Unicode's Sentence_Terminal property as spaCy's sentencizer knows it ...
_SENT_END = (
    "21 2E 3F 589 61F 6D4 700-702 7F9 964-965 104A-104B 1362 1367-1368 166E 1735-1736 1803 1809 "
    "1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C "
    "3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB "
    "FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 11047-11048 110BE-110C1 11141-11143 "
    "111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 "
    "115C9-115D7 11641-11642 1173C-1173E 11A42-11A43 11A9B-11A9C 11C41-11C42 16A6E-16A6F 16AF5 "
    "16B37-16B38 16B44 1BC9F 1DA88"
)
# ... and the code points that datatrove's TERMINAL_PUNCTUATION adds to it.
_LINE_END_TOO = (
    "61D-61E 837 839 83D-83E 17D4-17D6 17D9-17DA 1B7D-1B7E 2E53-2E54 10F55-10F59 10F86-10F89 "
    "11944 11946 11EF7-11EF8 11F43-11F44 16E98"
)
_QUOTES = (
    "22 27 2C 60 AB B4 BB 2018-201A 201C-201E 2329-232A 27E6-27E7 3008-3011 3014-3015 FF08-FF09"
)
_CURRENCY = "24 A3 A5 E3F 20A0-20BF FDFC"
_AFFIX_PUNCT = (
    "21 23 26 28-2A 2C 3A-3C 3E-3F 5B 5D 5F 7B 7D A1 B7 BF 60C 61B 61F 66A 6D4 964 2026 "
    "3001-3002 FF01 FF0C FF1A-FF1B FF1F FF5E"
)
# Cased scripts of the affix rules: Latin, Greek, Cyrillic, fullwidth Latin.
_CASED = (
    "41-24F 250-2AF 386-3CE 400-4FF 1D00-1D9A 1E00-1EFF 2C60-2C7F A722-A7FA AB30-AB64 FF21-FF5A"
)
_UNCASED = (
    "591-5F4 620-64A 66E-6D5 6E5-6FF 750-77F 8A0-8BD 900-9FF B80-CFF D80-DFF 1100-137F 2E80-2FDF "
    "2FF0-30FF 31C0-31EF 3200-4DBF 4E00-9FFF AC00-D7AF F900-FAFF FB1D-FBB1 FBD3-FD3D FD50-FDC7 "
    "FDF0-FDFB FE30-FE4F FE70-FEFC 1EE00-1EEBB 1F200-1F2FF 20000-2A6DF 2A700-2EBEF 2F800-2FA1F"
)
# Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    "E00-E7F E80-EFF 1000-109F 1780-17FF 3005-3007 3021-3029 3031-3035 3038-303B 3041-3096 "
    "309D-309F 30A1-30FA 30FC-30FF 31F0-31FF 3400-4DBF 4E00-9FFF F900-FAFF FF66-FF9D 20000-323AF"
)
_BREAKS = "A-D 1C-1E 85 2028-2029"

_PLANES = ((0x0, 0xD800), (0xE000, 0x33480), (0xE0000, 0xE0200))
_HIGHEST = 0x110000


ASCII = _HIGHEST >> 8
"""Where the classes of U+0000..U+00FF stand in the table."""


def parse_ranges(text: str) -> list[tuple[int, int]]:
    """``"41-5A 61"`` as inclusive pairs of code points."""
    pairs = (part.partition("-") for part in text.split())
    return [(int(low, 16), int(high or low, 16)) for low, _, high in pairs]


@lru_cache(maxsize=1)
def char_classes() -> np.ndarray:
    """Class bits of every code point, for the running interpreter's Unicode version.

    uint32, flat: the first 4352 entries say where each block of 256 code points begins, equal
    blocks are stored once, so the bits of cp are ``table[table[cp >> 8] + (cp & 255)]``.
    Built once (0.2 s).
    """
    return pack(class_bits())


def pack(bits: np.ndarray) -> np.ndarray:
    """The table of :func:`char_classes` for given bits (uint32, one entry a code point)."""
    blocks, first, inverse = np.unique(
        bits.reshape(-1, 256), axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(first)  # ASCII first
    rank = np.argsort(order)
    index = ASCII + 256 * rank[inverse.reshape(-1)]
    return readonly(np.concatenate([index, blocks[order].reshape(-1)]).astype(np.uint32))


def class_bits() -> np.ndarray:
    """Class bits of every code point, uint32, one entry each."""
    bits = np.zeros(_HIGHEST, np.uint32)
    categories = {low: _categories(low, high) for low, high in _PLANES}
    for low, high in _PLANES:
        part, names = bits[low:high], categories[low]
        major = names.astype("U1")
        part[major == "L"] |= ALPHA | WORD
        part[major == "N"] |= WORD
        part[names == "Nd"] |= DECIMAL
        part[major == "P"] |= PUNCT
        part[names == "So"] |= ICON | PREFIX | SUFFIX
        part[major == "M"] |= MARK
        for flag, is_member in ((CAPITAL, str.isupper), (ALNUM, str.isalnum), (DIGIT, str.isdigit)):
            part[[is_member(chr(cp)) for cp in range(low, high)]] |= flag
    bits[ord("_")] |= WORD
    for cp in range(0x3001):
        if chr(cp).isspace():
            bits[cp] |= SPACE

    def add(ranges: str, flags: int) -> None:
        for low, high in parse_ranges(ranges):
            bits[low : high + 1] |= flags

    add(_BREAKS, BREAK)
    add(_SYMBOLS + " " + _SENT_END + " " + _LINE_END_TOO, SYMBOL)
    add(_SENT_END, SENT_END | LINE_END)
    add(_LINE_END_TOO, LINE_END)
    add(_QUOTES, QUOTE | PREFIX | SUFFIX | FULL_STOP_AFTER)
    add(_AFFIX_PUNCT, PREFIX | SUFFIX | FULL_STOP_AFTER)
    add(_CURRENCY, CURRENCY | PREFIX)
    add("25 3D A7 2013-2014", PREFIX)
    add("2013-2014", SUFFIX)
    add("25 2B 2D 3F 7C B2 30-39", FULL_STOP_AFTER)
    add("2D 7E 2013-2014", HYPHEN)
    add("30-39 41-5A 61-7A A1-FFFF", HOST)
    names = np.full(_HIGHEST, "", "U2")
    for low, part in categories.items():
        names[low : low + len(part)] = part
    for low, high in parse_ranges(_CASED):
        part, kind = bits[low : high + 1], names[low : high + 1]
        part[np.isin(kind, ("Ll", "Lu", "Lt", "Lo"))] |= LETTER
        part[kind == "Ll"] |= LOWER | FULL_STOP_AFTER
        part[kind == "Lu"] |= UPPER
    add(_UNCASED, LETTER | LOWER | UPPER | FULL_STOP_AFTER)
    add(_UNSPACED, UNSPACED)
    bits[(bits & UNSPACED > 0) & (bits & (ALPHA | MARK) == 0)] &= np.uint32(~UNSPACED & 0xFFFFFFFF)
    for low, high in parse_ranges("3001-303F 30FB FF01-FF0F FF1A-FF20 FF3B-FF40 FF5B-FF65"):
        part = bits[low : high + 1]
        part[part & PUNCT > 0] |= CLOSING
    return bits


def _categories(low: int, high: int) -> np.ndarray:
    return np.array([unicodedata.category(chr(cp)) for cp in range(low, high)], "U2")


@inner
def decode(data, i, end):
    """Code point and byte width at i; broken UTF-8 reads as U+FFFD, one byte wide."""
    b = np.int64(data[i])
    if b < 0x80:
        return b, 1
    if b < 0xC2:
        return 0xFFFD, 1
    if b < 0xE0:
        if i + 2 <= end:
            return ((b & 0x1F) << 6) | (data[i + 1] & 0x3F), 2
    elif b < 0xF0:
        if i + 3 <= end:
            return ((b & 0x0F) << 12) | ((data[i + 1] & 0x3F) << 6) | (data[i + 2] & 0x3F), 3
    elif b < 0xF5 and i + 4 <= end:
        cp = ((b & 0x07) << 18) | ((data[i + 1] & 0x3F) << 12)
        cp |= ((data[i + 2] & 0x3F) << 6) | (data[i + 3] & 0x3F)
        if cp < 0x110000:
            return cp, 4
    return 0xFFFD, 1


@inner
def step_back(data, i, start):
    """Where the character that ends before byte i begins."""
    i -= 1
    low = max(start, i - 3)
    while i > low and (data[i] & 0xC0) == 0x80:
        i -= 1
    return i


@inner
def class_of(classes, cp):
    """Class bits of a code point."""
    return np.int64(classes[classes[cp >> 8] + (cp & 255)])
