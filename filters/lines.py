"""Lines and paragraphs of texts, as offset arrays, and what the quality rules ask of them.

Two notions of a line are in use and both are computed once per batch:

- *lines* as ``str.splitlines`` cuts them (Gopher quality, C4): at LF, CR, CR LF, VT, FF, FS, GS,
  RS, NEL, LS and PS, no empty line after a final break;
- *rows* as ``text.split("\\n")`` cuts them (Gopher repetition, FineWeb).
"""

from __future__ import annotations

import numpy as np

from filters.chars import LINE_END, SPACE, class_of, decode, step_back
from filters.hashset import claim, clear
from filters.jit import inner, kernel
from filters.masks import ONE, WIDTH, scanner
from filters.swar import (
    HIGH,
    LOW,
    continuations,
    controls,
    count_ones,
    equal_to,
    load_end,
    trailing_zeros,
)

TEXT_COLUMNS = ("chars", "newlines", "hashes", "ellipses", "spaced_ellipses")
LINE_COLUMNS = ("lines", "bullets", "ellipsis_ends")
ROW_COLUMNS = (
    "rows",  # of Gopher repetition: runs of newlines count as one
    "row_repeats",
    "row_repeat_chars",
    "paragraphs",
    "paragraph_repeats",
    "paragraph_repeat_chars",
    "filled_rows",  # of FineWeb: rows that are not blank
    "filled_ends",
    "filled_short",
    "filled_repeat_chars",
)
SHORT_ROW = 30
"""FineWeb: a row of at most so many characters is short."""
_SEED = np.uint64(0x9E37_79B9_7F4A_7C15)
_MIX = np.uint64(0xD6E8_FEB8_6659_FD93)
_HALF = np.uint64(32)
_LF = LOW * np.uint64(0x0A)
# Newlines, number signs, bytes that continue a character, and pairs that stand in ellipses.
scan = scanner(b"\n", b"#", bytes(range(0x80, 0xC0)), (b"..",), (b" .",), (b"\x80\xa6",))
_C2, _E2 = LOW * np.uint64(0xC2), LOW * np.uint64(0xE2)


@kernel
def find_lines(data, offsets, starts, ends, breaks, counts):
    """Lines of every text: bytes starts..ends (int32) and the width of the break after each.

    counts[k] (int64) is the number of lines of text k; returns the sum, or -1 if the output
    arrays are too short.
    """
    n = 0
    for k in range(len(offsets) - 1):
        first = n
        begin = i = np.int64(offsets[k])
        stop = np.int64(offsets[k + 1])
        while i < stop:
            eight = load_end(data, i, stop)
            marks = controls(eight) | equal_to(eight, _C2) | equal_to(eight, _E2)
            if marks == 0:
                i += 8
                continue
            i += trailing_zeros(marks) >> 3
            if i >= stop:
                break
            width = break_width(data, i, stop)
            if width:
                if n >= len(starts):
                    return -1
                starts[n], ends[n], breaks[n] = begin, i, width
                n += 1
                begin = i = i + width
            else:
                i += 1
        if begin < stop:
            if n >= len(starts):
                return -1
            starts[n], ends[n], breaks[n] = begin, stop, 0
            n += 1
        counts[k] = n - first
    return n


@inner
def break_width(data, i, stop):
    """Bytes of the line break at i, 0 if there is none."""
    b = data[i]
    if b < 0x20:
        if b == 0x0D and i + 1 < stop and data[i + 1] == 0x0A:
            return 2
        return 1 if 0x0A <= b <= 0x0D or 0x1C <= b <= 0x1E else 0
    if b == 0xC2:
        return 2 if i + 1 < stop and data[i + 1] == 0x85 else 0
    if b == 0xE2 and i + 2 < stop and data[i + 1] == 0x80 and data[i + 2] & 0xFE == 0xA8:
        return 3
    return 0


@inner
def strip_left(data, start, end, classes):
    """First byte of data[start:end] that is not white space, or end."""
    while start < end:
        cp, width = decode(data, start, end)
        if class_of(classes, cp) & SPACE == 0:
            break
        start += width
    return start


@inner
def strip_right(data, start, end, classes):
    """End of data[start:end] without the white space there, or start."""
    while end > start:
        at = step_back(data, end, start)
        if class_of(classes, decode(data, at, end)[0]) & SPACE == 0:
            break
        end = at
    return end


@kernel
def count_text(data, offsets, out):
    """TEXT_COLUMNS: characters, newlines, number signs, ellipses ("..." or U+2026), ". . ."."""
    for k in range(len(offsets) - 1):
        chars = newlines = hashes = ellipses = spaced = np.int64(0)
        free = i = begin = np.int64(offsets[k])
        stop = np.int64(offsets[k + 1])
        chars = stop - begin
        while i < stop:
            newline, sign, later, dots, spaced_dots, dotted = scan(data, i, stop)
            chars -= count_ones(later)
            newlines += count_ones(newline)
            hashes += count_ones(sign)
            while dots:
                at = i + trailing_zeros(dots)
                dots &= dots - ONE
                if at == begin or data[at - 1] != 0x2E:
                    end = at + 1
                    while end < stop and data[end] == 0x2E:
                        end += 1
                    ellipses += (end - at) // 3
            while spaced_dots:
                at = i + trailing_zeros(spaced_dots) - 1
                spaced_dots &= spaced_dots - ONE
                if at >= free and at + 4 < stop and data[at] == 0x2E and is_spaced(data, at):
                    spaced += 1
                    free = at + 5
            while dotted:
                at = i + trailing_zeros(dotted)
                dotted &= dotted - ONE
                ellipses += at > begin and at + 1 < stop and data[at - 1] == 0xE2
            i += WIDTH
        out[k, 0] = chars
        out[k, 1] = newlines
        out[k, 2] = hashes
        out[k, 3] = ellipses
        out[k, 4] = spaced


@inner
def is_spaced(data, i):
    """Whether ". . ." stands at i."""
    blanks = data[i + 1] == 0x20 and data[i + 3] == 0x20
    return blanks and data[i + 2] == 0x2E and data[i + 4] == 0x2E


@kernel
def count_lines(data, starts, ends, counts, classes, out):
    """LINE_COLUMNS: lines, those that start with "•" or "-", those that end in an ellipsis."""
    base = 0
    for k in range(len(counts)):
        bullets = ellipsis_ends = 0
        for n in range(base, base + counts[k]):
            start, end = np.int64(starts[n]), np.int64(ends[n])
            i = strip_left(data, start, end, classes)
            if i == end:
                continue
            if data[i] == 0x2D or decode(data, i, end)[0] == 0x2022:
                bullets += 1
            end = strip_right(data, i, end, classes)
            if end - i >= 3:
                a, b, c = data[end - 3], data[end - 2], data[end - 1]
                full_stops = a == 0x2E and b == 0x2E and c == 0x2E
                ellipsis_ends += full_stops or (a == 0xE2 and b == 0x80 and c == 0xA6)
        out[k, 0] = counts[k]
        out[k, 1] = bullets
        out[k, 2] = ellipsis_ends
        base += counts[k]


@kernel
def count_rows(data, offsets, classes, starts, hashes, chars, keys, out):
    """ROW_COLUMNS of every text; starts, hashes, chars are working space for one text's rows.

    Rows (and paragraphs) are equal when their 64-bit hashes are.
    """
    for k in range(len(offsets) - 1):
        begin, stop = offsets[k], offsets[k + 1]
        rows = split_rows(data, begin, stop, starts, hashes, chars)
        row_repeats(data, stop, rows, classes, starts, hashes, chars, keys, out[k])
        paragraph_repeats(data, begin, stop, rows, classes, starts, hashes, chars, keys, out[k])


@inner
def split_rows(data, begin, stop, starts, hashes, chars):
    """Rows of one text with their hashes and characters; starts gets one entry more."""
    n = 0
    i = np.int64(begin)
    while True:
        starts[n] = i
        i, hashes[n], chars[n] = hash_row(data, i, np.int64(stop))
        n += 1
        if i >= stop:
            break
        i += 1
    starts[n] = stop + 1
    return n


@inner
def row_repeats(data, stop, rows, classes, starts, hashes, chars, keys, out):
    """Repeated rows, once as Gopher counts them and once as FineWeb does."""
    gopher = gopher_repeats = gopher_chars = 0
    filled = filled_ends = filled_short = filled_chars = 0
    mask = clear(keys, rows)
    edge_empty = 0
    for n in range(rows):
        start, end = np.int64(starts[n]), np.int64(starts[n + 1]) - 1
        if start == end:
            # Empty rows count only at the two ends of a text: "\n+" separates the others.
            if (n == 0 or n == rows - 1) and rows > 1:
                gopher += 1
                edge_empty += 1
                gopher_repeats += edge_empty == 2
            continue
        slot, key = claim(keys, mask, hashes[n])
        seen = keys[slot] == key
        keys[slot] = key
        gopher += 1
        if seen:
            gopher_repeats += 1
            gopher_chars += chars[n]
        if strip_left(data, start, end, classes) == end:
            continue
        filled += 1
        at = step_back(data, end, start)
        filled_ends += class_of(classes, decode(data, at, end)[0]) & LINE_END != 0
        filled_short += chars[n] <= SHORT_ROW
        if seen:
            filled_chars += chars[n]
    out[0], out[1], out[2] = gopher, gopher_repeats, gopher_chars
    out[6], out[7], out[8], out[9] = filled, filled_ends, filled_short, filled_chars


@inner
def paragraph_repeats(data, begin, stop, rows, classes, starts, hashes, chars, keys, out):
    """Repeated paragraphs of the stripped text: what two or more newlines separate."""
    low = strip_left(data, begin, stop, classes)
    high = strip_right(data, low, stop, classes)
    paragraphs = repeats = repeat_chars = 0
    mask = clear(keys, rows)
    value = np.uint64(0)
    count = -1  # characters so far; -1: no paragraph is open
    for n in range(rows + 1):
        inside = n < rows and np.int64(starts[n + 1]) - 1 > low and np.int64(starts[n]) < high
        start = max(np.int64(starts[n]), low) if inside else 0
        end = min(np.int64(starts[n + 1]) - 1, high) if inside else 0
        if start < end:
            row, characters = hashes[n], np.int64(chars[n])
            if start != starts[n] or end != starts[n + 1] - 1:
                _, row, characters = hash_row(data, start, end)
            value = (value + row) * np.uint64(0x9E37_79B9_7F4A_7C15)
            count += characters + 1
        elif count >= 0:
            slot, key = claim(keys, mask, value)
            paragraphs += 1
            if keys[slot] == key:
                repeats += 1
                repeat_chars += count
            keys[slot] = key
            value = np.uint64(0)
            count = -1
    out[3], out[4], out[5] = max(paragraphs, 1), repeats, repeat_chars


@inner
def hash_row(data, start, stop):
    """End of the row from start on (before its newline, or stop), its hash and characters."""
    value = _SEED
    i = start
    more = np.int64(0)
    while i < stop:
        eight = load_end(data, i, stop)
        width = min(stop - i, np.int64(8))
        found = equal_to(eight, _LF)
        if found:
            width = trailing_zeros(found) >> 3
            if width == 0:
                break
            eight &= (np.uint64(1) << np.uint64(8 * width)) - np.uint64(1)
        if eight & HIGH:
            more += continuations(eight)
        value = (value ^ eight) * _MIX
        value ^= value >> _HALF
        i += width
        if found:
            break
    return i, value + np.uint64(i - start), i - start - more
