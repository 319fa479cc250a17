"""Counts of a block's text, straight from the bytes of the page.

Words are runs of letters and digits; in scripts written without spaces each character is one.
Character references stand for what they mean.
"""

from __future__ import annotations

import numpy as np

from filters.jit import inner
from pipeline.html.hashing import OFFSET, find, step
from pipeline.html.lexicon import TEXT_NAMES

COUNTS = (
    "chars", "words", "link_chars", "digits", "capital", "shouting", "commas", "stops", "colons",
    "marks", "currency", "quotes", "wide", "long_words", "bold_chars", "links", "images",
    "breaks", "code_chars", "texts", "first", "last", "years", "title_words", "addresses",
    "foreign",
)  # fmt: skip
(
    CHARS, WORDS, LINK_CHARS, DIGITS, CAPITAL, SHOUTING, COMMAS, STOPS, COLONS, MARKS, CURRENCY,
    QUOTES, WIDE, LONG, BOLD, LINKS, IMAGES, BREAKS, CODE, TEXTS, FIRST, LAST, YEARS, TITLED,
    ADDRESSES, FOREIGN,
) = range(len(COUNTS))  # fmt: skip
N_COUNTS = len(COUNTS)
N_TEXT = len(TEXT_NAMES)
WIDTH = N_COUNTS + N_TEXT


TITLE_SLOTS = 4096


@inner
def mark_title(data, start, end, title):
    """Mark the words of the title."""
    i = start
    while i < end:
        value, i, letters = _word(data, i, end)
        if letters > 0:
            title[value % TITLE_SLOTS] = 1


@inner
def _word(data, i, end):
    """Hash in lower case, end and length of the run of letters, digits and beyond-ASCII at i."""
    value, letters = OFFSET, 0
    while i < end:
        c = data[i]
        if 0x41 <= c <= 0x5A:
            c |= 0x20
        if not (0x61 <= c <= 0x7A or 0x30 <= c <= 0x39 or c >= 0x80):
            break
        value = step(value, c)
        letters += 1
        i += 1
    return value, i if letters else i + 1, letters


@inner
def count_text(data, start, end, block, links, bold, code, cues, title, out):
    """Add a piece of text to the counts of a block."""
    row = out.counts[block]
    chars = words = 0
    digest = out.text_hash[block]
    value = OFFSET
    length = capitals = digits = 0  # of the word so far
    pair = np.uint32(0)  # the last character of a script without spaces
    i = start
    last = 0
    while i <= end:
        c = data[i] if i < end else np.uint8(0x20)
        kind = 0  # 0 space, 1 mark, 2 letter, 3 digit, 4 character of a script without spaces
        width = 1
        if c < 0x80:
            if 0x61 <= c <= 0x7A:
                kind = 2
            elif 0x41 <= c <= 0x5A:
                kind = 2
                capitals += 1
                c |= 0x20
                if chars == 0 and row[FIRST] == 0:
                    row[FIRST] = 1
            elif 0x30 <= c <= 0x39:
                kind = 3
            elif c == 0x26:
                kind, width = _reference(data, i, end)
            elif c > 0x20:
                kind = 1
        else:
            kind, width = _beyond(data, i, end)
        if kind == 2 or kind == 3:
            for j in range(i, min(i + width, end)):
                value = step(value, c if width == 1 else data[j])
            length += 1
            if kind == 3:
                digits += 1
                row[DIGITS] += 1
            elif width > 1:
                row[FOREIGN] += 1
        elif length > 0:
            words += 1
            digest = step(digest, value)
            known = find(cues, value)
            if known != 255:
                row[N_COUNTS + known] += 1
            if title[value % TITLE_SLOTS]:
                row[TITLED] += 1
            if digits == length:
                if length == 4 and data[max(i - 4, start)] in (0x31, 0x32):
                    row[YEARS] += 1
            elif capitals == length and length > 1:
                row[SHOUTING] += 1
            if capitals > 0:
                row[CAPITAL] += 1
            if length >= 7:
                row[LONG] += 1
            value, length, capitals, digits = OFFSET, 0, 0, 0
        if kind == 4:
            words += 1
            row[WIDE] += 1
            value = OFFSET
            for j in range(i, min(i + width, end)):
                value = step(value, data[j])
            digest = step(digest, value)
            known = find(cues, value)
            if known != 255:
                row[N_COUNTS + known] += 1
            if title[value % TITLE_SLOTS]:
                row[TITLED] += 1
            if pair:
                both = pair
                for j in range(i, min(i + width, end)):
                    both = step(both, data[j])
                known = find(cues, both)
                if known != 255:
                    row[N_COUNTS + known] += 1
            pair, value = value, OFFSET
        else:
            pair = np.uint32(0)
            if kind == 1:
                _mark(data, i, c, width, row)
        if kind != 0:
            if chars == 0 and row[FIRST] == 0:
                row[FIRST] = kind + 1
            chars += 1
            last = _ending(c, kind, width, data, i)
        i += width
    if chars == 0:
        return
    row[CHARS] += chars
    row[WORDS] += words
    if links > 0:
        row[LINK_CHARS] += chars
    if bold > 0:
        row[BOLD] += chars
    if code > 0:
        row[CODE] += chars
    row[LAST] = last
    out.text_hash[block] = digest


@inner
def _reference(data, i, end):
    """Kind and width of the character reference at an ampersand."""
    stop = i + 1
    while stop < end and stop - i < 10 and data[stop] != 0x3B and data[stop] > 0x20:
        stop += 1
    if stop >= end or data[stop] != 0x3B:
        return 1, 1
    width = stop + 1 - i
    c = data[i + 1]
    if c == 0x23:
        code, base, j = 0, 10, i + 2
        if data[j] | 0x20 == 0x78:
            base, j = 16, j + 1
        for k in range(j, stop):
            d = data[k]
            digit = d - 0x30 if d <= 0x39 else (d | 0x20) - 0x57
            code = code * base + digit
        return _kind(code), width
    if c == 0x6E and width == 6 and data[i + 2] == 0x62:
        return 0, width  # &nbsp;
    if width >= 6 and (0x61 <= c | 0x20 <= 0x7A):
        d = data[i + 2]
        # &eacute; &agrave; &ouml; &ocirc; &ntilde; &aring; &oslash; but not &quot; or &ndash;
        if c not in (0x71, 0x6D, 0x6C, 0x72, 0x62) and d in (0x61, 0x67, 0x75, 0x63, 0x74, 0x72):
            return 2, width
    return 1, width


@inner
def _beyond(data, i, end):
    """Kind and width of a character beyond ASCII."""
    c = data[i]
    if c < 0xC2 or c > 0xF4:
        return 1, 1
    width = 2 if c < 0xE0 else 3 if c < 0xF0 else 4
    if i + width > end:
        return 1, 1
    code = np.int64(c) & (0x7F >> width)
    for j in range(i + 1, i + width):
        code = code << 6 | (data[j] & 0x3F)
    return _kind(code), width


@inner
def _kind(code):
    """Space 0, mark 1, letter 2, or 4 for scripts that are written without spaces."""
    if code < 0x80:
        if 0x30 <= code <= 0x39:
            return 3
        if 0x61 <= code | 0x20 <= 0x7A:
            return 2
        return 1 if code > 0x20 else 0
    if code < 0xC0:
        return 0 if code == 0xA0 else 1
    if code < 0x0E00:
        return 2
    if code < 0x0F00 or 0x1000 <= code < 0x10A0 or 0x1780 <= code < 0x1800:
        return 4
    if 0x2000 <= code <= 0x200F or code == 0x3000 or code == 0xFEFF:
        return 0
    if 0x2010 <= code < 0x2C00 or 0x3001 <= code < 0x3040 or 0xFF00 <= code < 0xFF10:
        return 1
    if 0x3040 <= code < 0x3100 or 0x3400 <= code < 0xA000 or 0xF900 <= code < 0xFB00:
        return 4
    if 0xFF1A <= code <= 0xFF20 or 0xE000 <= code < 0xF900:
        return 1
    if 0x1F000 <= code < 0x20000:
        return 1
    return 4 if code >= 0x20000 else 2


@inner
def _mark(data, i, c, width, row):
    """Count a punctuation mark."""
    if width == 1:
        if c == 0x2C or c == 0x3B:
            row[COMMAS] += 1
        elif c == 0x2E or c == 0x21 or c == 0x3F:
            if i + 1 >= len(data) or data[i + 1] <= 0x3C:
                row[STOPS] += 1
        elif c == 0x3A:
            row[COLONS] += 1
        elif c == 0x7C or c == 0x3E or c == 0x2F or c == 0x2A or c == 0x23:
            row[MARKS] += 1
        elif c == 0x24:
            row[CURRENCY] += 1
        elif c == 0x22 or c == 0x28 or c == 0x29:
            row[QUOTES] += 1
        elif c == 0x40:
            row[ADDRESSES] += 1
        return
    a, b, d = data[i], data[i + 1], data[i + width - 1]
    if width == 3 and a == 0xE3 and b == 0x80 and d == 0x82:
        row[STOPS] += 1  # ideographic full stop
    elif width == 3 and a == 0xE3 and b == 0x80 and d == 0x81:
        row[COMMAS] += 1
    elif width == 3 and a == 0xEF and b == 0xBC:
        if d == 0x8C or d == 0x9B:
            row[COMMAS] += 1
        elif d == 0x81 or d == 0x9F:
            row[STOPS] += 1
        elif d == 0x9A:
            row[COLONS] += 1
    elif (width == 3 and a == 0xE2 and b == 0x82) or (
        width == 2 and a == 0xC2 and (d == 0xA3 or d == 0xA5)
    ):
        row[CURRENCY] += 1
    elif (width == 2 and a == 0xC2 and (d == 0xBB or d == 0xAB or d == 0xB7)) or (
        width == 3 and a == 0xE2 and b != 0x80
    ):
        row[MARKS] += 1
    elif width == 3 and a == 0xE2 and d >= 0x98 and d <= 0x9F:
        row[QUOTES] += 1


@inner
def _ending(c, kind, width, data, i):
    """Class of a character as the last of a block."""
    if kind != 1:
        return 4 + kind  # 6 letter, 7 digit, 8 wide
    if width == 1:
        if c == 0x2E:
            return 1
        if c == 0x21 or c == 0x3F:
            return 2
        if c == 0x3A:
            return 3
        if c == 0x2C or c == 0x3B:
            return 4
    elif width == 3 and data[i] == 0xE3 and data[i + 2] == 0x82:
        return 1
    elif width == 3 and data[i] == 0xEF and (data[i + 2] == 0x81 or data[i + 2] == 0x9F):
        return 2
    return 5
