"""The page being written: a buffer of bytes, and what was put off until the next character.

Kernels share a state ``s`` of `STATE` integers, zeros at the start; its places are named here.
"""

from __future__ import annotations

from filters.jit import inner

LEVELS, MOST_QUOTES, MOST_INDENT, COLUMNS = 32, 8, 32, 64
"""Lists, quotations and indents beyond this are written as if they were at it; columns beyond it
are neither padded nor moved aside for cells that span rows."""
# places in the state
AT, GAP, INDENT, QUOTES, LAST_QUOTES, LISTS, MARKER, IN_HEADING = range(8)
IN_CODE, CODE_AT, FENCE_AT, LINE_AT, SAVED_AT, SAVED_GAP, SAVED_MARKS = range(8, 15)
ROW_TEXT, COLUMN, ROWS, IN_CELL, IN_ROW, WIDTH, ROW_AT, ROW_GAP, ROW_MARKS = range(15, 24)
OPENED, WRITTEN, MARKS, COUNT, PUSHED = 24, 25, 26, 30, 34  # the last three by mark
NUMBER = 38  # next number of the list, by level; 0 in a list without numbers
BASE = NUMBER + LEVELS  # indent of its items
SPANS = BASE + LEVELS  # rows that a cell above still covers, by column
STATE = SPANS + COLUMNS
SPACE, NEWLINE, BLANK = 1, 2, 3
BULLET = -1
STRONG, EMPHASIS, CODE = range(14, 17)


@inner
def put(c, s, out):
    out[s[AT]] = c
    s[AT] += 1


@inner
def widen(gap, s):
    """What comes next stands at least this far from what came before."""
    if s[IN_CELL] or s[IN_HEADING] < 0:
        gap = SPACE
    if s[GAP] < gap and not (s[MARKER] and gap > SPACE):
        s[GAP] = gap


@inner
def new_line(prefixed, markdown, s, out):
    """End the line and write what the next one begins with."""
    while s[WRITTEN]:
        put_mark(s[MARKS + s[WRITTEN] - 1], s, out)
        s[WRITTEN] -= 1
    if s[AT]:
        put(0x0A, s, out)
        if s[GAP] == BLANK and markdown:
            for _ in range(min(s[QUOTES], s[LAST_QUOTES]) if prefixed else 0):
                put(0x3E, s, out)
            put(0x0A, s, out)
    if markdown and prefixed:
        for _ in range(min(s[QUOTES], MOST_QUOTES)):
            put(0x3E, s, out)
            put(0x20, s, out)
        if s[AT]:
            for _ in range(min(s[INDENT], MOST_INDENT)):
                put(0x20, s, out)
        s[LAST_QUOTES] = min(s[QUOTES], MOST_QUOTES)
    s[GAP] = 0


@inner
def separate(markdown, s, out):
    """Write what was put off, before the next visible character."""
    if s[GAP] >= NEWLINE or s[AT] == 0:
        new_line(True, markdown, s, out)
    elif s[GAP] == SPACE and out[s[AT] - 1] > 0x20:
        put(0x20, s, out)
    s[GAP] = 0
    if s[MARKER]:
        first = s[AT]
        if s[MARKER] == BULLET:
            put(0x2D, s, out)
        else:
            put_number(s[MARKER], s, out)
            put(0x2E, s, out)
        put(0x20, s, out)
        s[INDENT] += s[AT] - first
        s[MARKER] = 0
    if s[IN_HEADING] > 0:
        for _ in range(s[IN_HEADING] if markdown else 0):
            put(0x23, s, out)
        if markdown:
            put(0x20, s, out)
        s[IN_HEADING] = -s[IN_HEADING]
    while s[WRITTEN] < s[OPENED] and not s[IN_CELL]:
        put_mark(s[MARKS + s[WRITTEN]], s, out)
        s[WRITTEN] += 1
    s[ROW_TEXT] = 1


@inner
def put_number(number, s, out):
    size = 1
    while number >= 10**size:
        size += 1
    for k in range(size - 1, -1, -1):
        put(0x30 + number // 10**k % 10, s, out)


@inner
def put_mark(what, s, out):
    put(0x60 if what == CODE else 0x2A, s, out)
    if what == STRONG:
        put(0x2A, s, out)


@inner
def open_mark(what, markdown, s):
    k = what - STRONG
    s[COUNT + k] += 1
    if s[COUNT + k] == 1:
        s[PUSHED + k] = 0
        inside = s[IN_CELL] or s[PUSHED + CODE - STRONG]
        if markdown and not inside and (s[IN_HEADING] == 0 or what == CODE):
            s[PUSHED + k] = 1
            s[MARKS + s[OPENED]] = what
            s[OPENED] += 1


@inner
def close_mark(what, s, out):
    k = what - STRONG
    s[COUNT + k] -= 1
    if s[COUNT + k] == 0 and s[PUSHED + k]:
        s[PUSHED + k] = 0
        if s[WRITTEN] == s[OPENED]:
            put_mark(what, s, out)
            s[WRITTEN] -= 1
        s[OPENED] -= 1
