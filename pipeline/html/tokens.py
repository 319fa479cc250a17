"""A page as flat arrays of tokens: a lenient HTML tokenizer and tree builder in one linear pass.

Every byte is looked at a bounded number of times and every element is opened and closed once,
whatever the page looks like: questions such as "is a list item open in this list?" are answered
from the position of the innermost open element of each name, never by walking the open elements.
So there is no limit of depth, attributes or elements but the one of tokens per page.

The tree is that of the HTML standard but for what does not change which text stands where:
formatting elements are neither reopened nor moved, text lost between table cells stays where it
is, no html, head, body or tbody is made up, and an element left open ends with what encloses it.
"""

from __future__ import annotations

import html as _html
import re
from dataclasses import dataclass

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.nesting import closed_by_end, closed_by_start, highest
from pipeline.html.scan import (
    OTHER_NAMES,
    after_declaration,
    find,
    is_blank,
    is_letter,
    name_end,
    name_number,
    next_markup,
    raw_end,
    tag_end,
)
from pipeline.html.tags import (
    BREAKS_OUT,
    FLAGS,
    INTEGRATION,
    NAME_KEYS,
    NAME_VALUES,
    RAW,
    SLOTS,
    VOID,
    ids,
)

TEXT, START, END = 0, 1, 2
MAX_TOKENS = 16_000_000
"""A page of 20 MB cannot have more; they take 18 bytes each (288 MB), and the page is refused."""

_HTML, _HEAD, _BODY, _BR, _SVG, _MATH = ids("html head body br svg math")
_SCRIPT, _STYLE, _PLAINTEXT = ids("script style plaintext")
_N, _OPEN = 0, 1  # places in the state of the kernel


class PageLimitError(ValueError):
    """A page beyond a limit of the tokenizer; the message says which."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a page in document order; arrays are parallel.

    An element is a START and an END, with what it holds between them; every START has its END,
    also where the page leaves it out. Void elements (``br``; ``<path/>`` in SVG) are a START only.
    Comments, doctypes and processing instructions are left out. The content of script, style,
    title, textarea, iframe and xmp is one TEXT, not looked into; noscript holds markup, for there
    are forums that give all they have to clients without scripts there.
    """

    source: bytes
    """The page as UTF-8."""
    kind: np.ndarray
    """uint8: TEXT 0, START 1, END 2."""
    tag: np.ndarray
    """uint8: index into `TAGS`, 0 for any other name; of a TEXT: the tag of what encloses it."""
    start: np.ndarray
    """int32: where the bytes begin: of a TEXT its raw text, character references not decoded; of a
    START its attributes. An END has an empty span."""
    end: np.ndarray
    """int32: where they end."""
    parent: np.ndarray
    """int32: START of the enclosing element, -1 at the root; an END has that of its START."""
    close: np.ndarray
    """int32: of a START its END, of an END its START; of a void element and of a TEXT: itself."""

    def __len__(self) -> int:
        return len(self.kind)


def tokenize(html: str | bytes) -> Tokens:
    """Tokens of a page; any input is a page.

    Parameters
    ----------
    html
        The page, decoded or as UTF-8.

    Raises
    ------
    PageLimitError
        When the page has more than `MAX_TOKENS` tokens or 2 GiB.
    """
    source = html.encode("utf-8", "replace") if isinstance(html, str) else html
    if len(source) >= 1 << 31:
        raise PageLimitError(f"page of {len(source)} bytes, limit {(1 << 31) - 1}")
    # a "<" makes an element (two tokens) and the text behind it; the shortest is "<p>x"
    most = min(3 * source.count(b"<"), 3 * len(source) // 4) + 8
    room = min(most, MAX_TOKENS)
    kind, tag = np.empty((2, room), np.uint8)
    start, end, parent, close = np.empty((4, room), np.int32)
    data = np.frombuffer(source, np.uint8)
    names = NAME_KEYS, NAME_VALUES, np.zeros(SLOTS, np.uint64), np.zeros(SLOTS + 1, np.int32)
    last = np.full(256 + OTHER_NAMES, -1, np.int32)
    unended = np.zeros(256, np.bool_)
    out = kind, tag, start, end, parent, close
    state = np.zeros(2, np.int64)
    if not _tokenize(data, FLAGS, names, out, last, unended, state):
        raise PageLimitError(f"page of more than {MAX_TOKENS} elements and texts")
    n = state[_N]
    return Tokens(source, kind[:n], tag[:n], start[:n], end[:n], parent[:n], close[:n])


_ATTRIBUTE = re.compile(
    rb"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?""", re.DOTALL
)


MAX_ATTRIBUTES = 1 << 17
"""Bytes of one tag that `attributes` reads; more is data, and many readers may ask for one tag."""


def attributes(tokens: Tokens, i: int) -> dict[str, str]:
    """Attributes of a START: names in lower case, values decoded, the first of a name counts."""
    found: dict[str, str] = {}
    span = tokens.source[tokens.start[i] : min(tokens.end[i], tokens.start[i] + MAX_ATTRIBUTES)]
    for match in _ATTRIBUTE.finditer(span.rstrip(b" \t\r\n\f/")):
        name = match[1].decode("utf-8", "replace").lower()
        if name not in found:
            value = next((group for group in match.groups()[1:] if group is not None), b"")
            found[name] = _html.unescape(value.decode("utf-8", "replace"))
    return found


def text_of(tokens: Tokens, i: int, decode: bool = True) -> str:
    """Text of a TEXT token or of all of an element, as it stands, references decoded."""
    if tokens.kind[i] == TEXT:
        pieces = [tokens.source[tokens.start[i] : tokens.end[i]]]
    else:
        inside = i + np.flatnonzero(tokens.kind[i : tokens.close[i]] == TEXT)
        pieces = [tokens.source[tokens.start[k] : tokens.end[k]] for k in inside.tolist()]
    text = b"".join(pieces).decode("utf-8", "replace")
    return _html.unescape(text) if decode else text


@kernel
def _tokenize(data, flags, names, out, last, unended, state):
    """Fill the arrays of tokens; False when they are too short.

    ``last`` holds the innermost open element of every name; while an element is open, its place in
    ``close`` holds the one of the same name outside it.
    """
    tag = out[1]
    room = len(tag)
    size = len(data)
    current, i = -1, 0
    while i < size:
        # a round adds a text, a start and its raw text; every open element still needs its end
        if state[_N] + state[_OPEN] + 4 > room:
            return False
        mark = next_markup(data, i)
        if mark > i:
            if current >= 0 and current == last[_HEAD] and not is_blank(data, i, mark):
                current = _pop_to(current, current, i, data, names, out, last, state)
            _put(TEXT, tag[current] if current >= 0 else 0, i, mark, current, out, state)
        if mark >= size:
            break
        c = data[mark + 1]
        foreign = max(last[_SVG], last[_MATH])
        if foreign >= 0 and foreign < highest(last, INTEGRATION):
            foreign = -1
        if c == 0x21:
            i = after_declaration(data, mark + 2, foreign >= 0)
            continue
        if c == 0x3F or (c == 0x2F and not is_letter(data[mark + 2])):
            i = find(data, mark + 2, 0x3E) + 1
            continue
        begin = mark + 2 if c == 0x2F else mark + 1
        stop = name_end(data, begin)
        i = tag_end(data, stop)
        if i >= size:
            break  # cut off within a tag
        name = name_number(data, begin, stop, names)
        i += 1
        if c == 0x2F and name != _BR:
            top = closed_by_end(name, current, flags, tag, last)
            if top >= 0:
                current = _pop_to(top, current, mark, data, names, out, last, state)
            continue
        flag = flags[name] if name < 256 else 0
        if foreign >= 0 and flag & BREAKS_OUT:
            current = _pop_to(foreign, current, mark, data, names, out, last, state)
            foreign = -1
        if last[name] >= 0 and name in (_HTML, _HEAD, _BODY):
            continue
        self_closing = False
        if foreign >= 0:
            self_closing = data[i - 2] == 0x2F and i - 2 >= stop
        else:
            top = closed_by_start(name, flag, current, flags, tag, last)
            if top >= 0:
                current = _pop_to(top, current, mark, data, names, out, last, state)
        if c == 0x2F:  # </br> is a line break
            stop = i - 1
        number = np.uint8(name if name < 256 else 0)
        node = _put(START, number, stop, i - 1, current, out, state)
        if self_closing or flag & VOID:
            continue
        out[5][node] = last[name]
        last[name] = node
        state[_OPEN] += 1
        current = node
        if flag & RAW and (foreign < 0 or name in (_SCRIPT, _STYLE)):
            until = _raw_until(data, i, begin, stop, name, unended)
            if until >= 0:
                if until > i:
                    _put(TEXT, number, i, until, current, out, state)
                current = _pop_to(node, current, until, data, names, out, last, state)
                i = until
    while current >= 0:
        current = _pop_to(current, current, size, data, names, out, last, state)
    return True


@inner
def _raw_until(data, i, begin, stop, name, unended):
    """Where the raw text that begins at i ends, or -1 if it is to be read as markup.

    A search that reached the end of the page is not made again: one such search per name.
    """
    size = len(data)
    if name == _PLAINTEXT:
        return size
    if name == _SCRIPT and not unended[0]:
        until = raw_end(data, i, begin, stop, True)
        if until < size:
            return until
        unended[0] = True
    if not unended[name]:
        until = raw_end(data, i, begin, stop, False)
        if until < size:
            return until
        unended[name] = True
    # what browsers take for code to the end of the page is lost text elsewhere
    return size if name in (_SCRIPT, _STYLE) else -1


@inner
def _put(kind, tag, start, end, parent, out, state):
    """Append a token; its index, which is also its `close` for now."""
    n = state[_N]
    out[0][n], out[1][n], out[2][n], out[3][n] = kind, tag, start, end
    out[4][n], out[5][n] = parent, n
    state[_N] = n + 1
    return n


@inner
def _pop_to(top, current, position, data, names, out, last, state):
    """End the open elements from the innermost to ``top``; the innermost one that is left."""
    tag, start, parent, close = out[1], out[2], out[4], out[5]
    node = current
    while True:
        name = np.int64(tag[node])
        if name == 0:
            stop = begin = np.int64(start[node])
            while data[begin - 1] != 0x3C:
                begin -= 1
            name = name_number(data, begin, stop, names)
        last[name] = close[node]
        close[node] = _put(END, tag[node], position, position, parent[node], out, state)
        close[close[node]] = node
        state[_OPEN] -= 1
        current = np.int64(parent[node])
        if node == top:
            return current
        node = current
