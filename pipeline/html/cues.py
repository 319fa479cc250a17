"""What the attributes of elements, JSON-LD and meta elements hint at, by the words in them."""

from __future__ import annotations

import numpy as np

from filters.jit import inner
from pipeline.html.hashing import MIX, OFFSET, find, fnv, step

(
    NAME_CLASS, NAME_STYLE, NAME_HIDDEN, NAME_ARIA_HIDDEN,
    WORD_DISPLAY, WORD_NONE, WORD_VISIBILITY, WORD_HIDDEN, WORD_GENERATOR, WORD_OG,
) = (
    np.uint32(fnv(word))
    for word in (
        b"class", b"style", b"hidden", b"aria-hidden",
        b"display", b"none", b"visibility", b"hidden", b"generator", b"og",
    )
)  # fmt: skip
TELLING = tuple(
    np.uint32(fnv(name))
    for name in (b"id", b"role", b"itemprop", b"aria-label", b"data-testid", b"data-component")
)
"""Attributes besides class whose words are looked up."""


@inner
def read_attributes(data, start, end, cues):
    """Cues of an element as bits, a hash of its classes without digits, and whether it is hidden.

    Words of names are matched greedily from their start, so that "postContent" and "postcontent"
    are both a post and content.
    """
    bits, path, hidden = np.uint64(0), np.uint64(0), False
    i = start
    while i < end:
        c = data[i]
        if c <= 0x20 or c == 0x2F:
            i += 1
            continue
        name = OFFSET
        first = i
        while i < end and data[i] != 0x3D and data[i] > 0x20 and (data[i] != 0x2F or i == first):
            name = step(name, data[i] | 0x20)
            i += 1
        while i < end and data[i] <= 0x20:
            i += 1
        if i >= end or data[i] != 0x3D:
            hidden |= name == NAME_HIDDEN
            i = max(i, first + 1)
            continue
        i += 1
        while i < end and data[i] <= 0x20:
            i += 1
        stop = i
        if i < end and (data[i] == 0x22 or data[i] == 0x27):
            stop = i + 1
            while stop < end and data[stop] != data[i]:
                stop += 1
            i += 1
        else:
            while stop < end and data[stop] > 0x20:
                stop += 1
        if name == NAME_CLASS:
            found, path = _words(data, i, stop, cues)
            bits |= found
        elif name == NAME_STYLE:
            hidden |= _hides(data, i, stop)
        elif name == NAME_HIDDEN:
            hidden = True
        elif name == NAME_ARIA_HIDDEN:
            hidden |= stop - i == 4
        elif name in TELLING:
            bits |= _words(data, i, stop, cues)[0]
        i = stop + 1
    return bits, path, hidden


@inner
def _words(data, start, end, cues):
    """Cue bits and hash of the letters of an attribute value."""
    bits, path = np.uint64(0), np.uint64(0)
    i = start
    while i < end:
        c = data[i] | 0x20
        if c < 0x61 or c > 0x7A:
            i += 1
            continue
        # the longest known word at the start of this run of letters
        value, j, found, stop = OFFSET, i, np.uint8(255), i
        while j < end and j - i < 24:
            c = data[j] | 0x20
            if c < 0x61 or c > 0x7A:
                break
            if j > i and data[j] < 0x61 and data[j - 1] >= 0x61:
                break
            value = step(value, c)
            j += 1
            if j - i >= 4 or j == end or (data[j] | 0x20) < 0x61 or (data[j] | 0x20) > 0x7A:
                known = find(cues, value)
                if known != 255:
                    found, stop = known, j
        path = (path ^ np.uint64(value)) * MIX
        if found != 255:
            bits |= np.uint64(1) << np.uint64(found)
            i = stop
        else:
            i = j
    return bits, path


@inner
def _hides(data, start, end):
    """Whether a style says display:none or visibility:hidden."""
    previous = np.uint32(0)
    i = start
    while i < end:
        value = OFFSET
        first = i
        while i < end and 0x61 <= data[i] | 0x20 <= 0x7A:
            value = step(value, data[i] | 0x20)
            i += 1
        if i == first:
            i += 1
            continue
        if (previous == WORD_DISPLAY and value == WORD_NONE) or (
            previous == WORD_VISIBILITY and value == WORD_HIDDEN
        ):
            return True
        previous = value
    return False


@inner
def is_linked_data(data, start, end):
    """Whether the attributes of a script speak of application/ld+json."""
    for i in range(start, end - 3):
        if data[i] == 0x2B and data[i + 1] | 0x20 == 0x6A and data[i - 1] | 0x20 == 0x64:
            return True
    return False


@inner
def read_linked_data(data, start, end, cues, seen):
    """Types named in JSON-LD: quoted words made of letters."""
    i = start
    while i < end:
        if data[i] != 0x22:
            i += 1
            continue
        i += 1
        value = OFFSET
        first = i
        while i < end and 0x61 <= data[i] | 0x20 <= 0x7A:
            value = step(value, data[i] | 0x20)
            i += 1
        if i > first and i < end and data[i] == 0x22:
            found = find(cues, value)
            if found != 255:
                seen[found] = 1


@inner
def read_meta(data, start, end, cues, seen):
    """Words of a meta element that names the page's type or what made it."""
    telling = False
    for again in range(2):
        i = start
        while i < end:
            value = OFFSET
            first = i
            while i < end and 0x61 <= data[i] | 0x20 <= 0x7A:
                value = step(value, data[i] | 0x20)
                i += 1
            if i == first:
                i += 1
            elif again:
                found = find(cues, value)
                if found != 255:
                    seen[found] = 1
            elif value in (WORD_GENERATOR, WORD_OG):
                telling = True
        if not telling:
            return
