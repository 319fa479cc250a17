"""Where the pieces of HTML markup begin and end: kernels over the bytes of a page."""

from __future__ import annotations

import numpy as np

from filters.jit import inner
from pipeline.html.tags import HASH_PRIME, HASH_SEED, SLOTS

OTHER_NAMES = 1024
"""Names beyond the known ones that are told apart on one page; later ones count as one name."""
_PRIME, _SEED = np.uint64(HASH_PRIME), np.uint64(HASH_SEED)


@inner
def is_letter(c):
    return 0x61 <= (c | 0x20) <= 0x7A


@inner
def is_space(c):
    """White space of HTML: space, tab, line feed, form feed, carriage return."""
    return c == 0x20 or c == 0x0A or c == 0x09 or c == 0x0D or c == 0x0C


@inner
def is_blank(data, start, end):
    while start < end and is_space(data[start]):
        start += 1
    return start == end


@inner
def find(data, i, c):
    """First position from i on with the byte c, or the size."""
    while i < len(data) and data[i] != c:
        i += 1
    return i


@inner
def next_markup(data, i):
    """First position from i on where a tag, comment, declaration or instruction begins."""
    size = len(data)
    while i < size:
        if data[i] == 0x3C and i + 1 < size:
            c = data[i + 1]
            if is_letter(c) or c == 0x21 or c == 0x3F or (c == 0x2F and i + 2 < size):
                return i
        i += 1
    return size


@inner
def name_end(data, i):
    while i < len(data) and not (is_space(data[i]) or data[i] == 0x2F or data[i] == 0x3E):
        i += 1
    return i


@inner
def tag_end(data, i):
    """Position of the ">" of a tag whose name ends at i, or the size when the page ends before."""
    size = len(data)
    while i < size:
        while i < size and (is_space(data[i]) or data[i] == 0x2F):
            i += 1
        if i < size and data[i] == 0x3E:
            return i
        i += 1  # a name may begin with "="
        while i < size and not is_space(data[i]) and not _ends_name(data[i]):
            i += 1
        while i < size and is_space(data[i]):
            i += 1
        if i < size and data[i] == 0x3D:
            i += 1
            while i < size and is_space(data[i]):
                i += 1
            if i < size and (data[i] == 0x22 or data[i] == 0x27):
                i = find(data, i + 1, data[i]) + 1
            else:
                while i < size and not is_space(data[i]) and data[i] != 0x3E:
                    i += 1
    return size


@inner
def _ends_name(c):
    return c == 0x2F or c == 0x3E or c == 0x3D


@inner
def after_declaration(data, i, foreign):
    """Position behind a comment, doctype or CDATA section whose "<!" ends before i."""
    size = len(data)
    if i + 1 < size and data[i] == 0x2D and data[i + 1] == 0x2D:
        i += 2
        if i < size and data[i] == 0x3E:
            return i + 1
        if i + 1 < size and data[i] == 0x2D and data[i + 1] == 0x3E:
            return i + 2
        while i < size:
            if data[i] == 0x3E:
                dash = i - 2 if data[i - 1] == 0x21 else i - 1  # "--!>" ends a comment as well
                if data[dash] == 0x2D and data[dash - 1] == 0x2D:
                    return i + 1
            i += 1
        return size
    if foreign and i < size and data[i] == 0x5B:  # [CDATA[ ... ]]>
        while i < size:
            if data[i] == 0x3E and data[i - 1] == 0x5D and data[i - 2] == 0x5D:
                return i + 1
            i += 1
        return size
    return find(data, i, 0x3E) + 1


@inner
def name_number(data, start, end, names):
    """Number of an element name: its place in TAGS, or for other names 256 and up."""
    keys, values, other_keys, other_ids = names
    value = _SEED
    for i in range(end - 1, start - 1, -1):
        c = data[i]
        value = (value ^ np.uint64(c | 0x20 if 0x41 <= c <= 0x5A else c)) * _PRIME
    slot = np.int64(value & np.uint64(SLOTS - 1))
    while keys[slot] != 0:
        if keys[slot] == value:
            return np.int64(values[slot])
        slot = (slot + 1) & (SLOTS - 1)
    slot = np.int64(value & np.uint64(SLOTS - 1))
    while other_keys[slot] != 0:
        if other_keys[slot] == value:
            return np.int64(other_ids[slot])
        slot = (slot + 1) & (SLOTS - 1)
    if other_ids[SLOTS] < OTHER_NAMES - 1:
        other_ids[SLOTS] += 1
        other_keys[slot] = value
        other_ids[slot] = 256 + other_ids[SLOTS]
        return np.int64(other_ids[slot])
    return 256


@inner
def raw_end(data, i, name_start, name_stop, escapes):
    """Position of the end tag of a raw text element that begins at i, or the size.

    With ``escapes``, script end tags inside ``<!-- <script>`` do not count (HTML standard, script
    data double escaped state).
    """
    size, length = len(data), name_stop - name_start
    comment = double = False
    while i < size:
        c = data[i]
        if c == 0x3C and i + 1 < size:
            closing = data[i + 1] == 0x2F
            if closing and not (escapes and double):
                if _is_name(data, i + 2, name_start, length):
                    return i
            elif escapes and comment:
                at = i + 2 if closing else i + 1
                if _is_name(data, at, name_start, length):
                    double = not closing
            if i + 3 < size and data[i + 1] == 0x21 and data[i + 2] == data[i + 3] == 0x2D:
                comment = escapes
                i += 3
        elif escapes and c == 0x3E and data[i - 1] == 0x2D and data[i - 2] == 0x2D:
            comment = double = False
        i += 1
    return size


@inner
def _is_name(data, i, start, length):
    """Whether the name data[start:start+length] stands at i as a whole, in any case."""
    stop = i + length
    if stop >= len(data):
        return False
    for k in range(length):
        if data[i + k] | 0x20 != data[start + k] | 0x20:
            return False
    c = data[stop]
    return is_space(c) or c == 0x2F or c == 0x3E


@inner
def attribute(data, i, end, name):
    """First and last position of the value of an attribute, as written; both -1 without it.

    ``data[i:end]`` are the attributes of a START, ``name`` bytes in lower case.
    """
    while i < end:
        while i < end and (is_space(data[i]) or data[i] == 0x2F):
            i += 1
        first = i
        i += 1
        while i < end and not is_space(data[i]) and not _ends_name(data[i]):
            i += 1
        found = i - first == len(name)
        k = 0
        while found and k < len(name):
            found = data[first + k] | 0x20 == name[k]
            k += 1
        while i < end and is_space(data[i]):
            i += 1
        begin = stop = i
        if i < end and data[i] == 0x3D:
            i += 1
            while i < end and is_space(data[i]):
                i += 1
            if i < end and (data[i] == 0x22 or data[i] == 0x27):
                begin = i + 1
                stop = min(find(data, begin, data[i]), end)
                i = stop + 1
            else:
                begin = i
                while i < end and not is_space(data[i]):
                    i += 1
                stop = i
        if found:
            return begin, stop
    return -1, -1
