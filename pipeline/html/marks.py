"""Elements whose attributes hold words that tell of code or formulas, found in one pass."""

from __future__ import annotations

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.tokens import START, Tokens

CODE_BOX, CODE_ROW, GUTTER, LABEL, MATH = 1, 2, 4, 8, 16
_WORDS = {
    # elements that hold lines of code without being a pre
    CODE_BOX: "syntaxhighlighter blockcode cm-content codemirror-code view-lines ace_text-layer"
    " white-space:pre white-space:_pre crayon-pre",
    # cells and rows that hold one line of code each
    CODE_ROW: "lines-code blob-code line_content hljs-ln-code js-file-line",
    # line numbers
    GUTTER: "gutter lineno line-number linenumber line_number lines-num blob-num hljs-ln-numbers"
    ' hljs-ln-n "lnt" "ln" ln-num linenodiv crayon-nums data-line-number code-line-num rowno',
    # what stands at the head of a block of code
    LABEL: "language-id code__header code-header codeheader code-block-header copy-btn btn-copy"
    " copy-button copybtn button-copy toolbar-item code-toolbar-",
    # formulas and pictures of them
    MATH: "math katex latex mimetex mathtex mjx- chart.apis cht=tx tex.cgi /tex? data-tex"
    ' data-equation data-entry "tex" "formula" "equation" /%5c ?%5c =%5c alt="\\ alt="$ alt=\'\\',
}
_SLOTS = 1 << 12


def _prefix(word: bytes) -> int:
    """Slot of the first four bytes; no word is shorter."""
    return (int.from_bytes(word[:4], "little") * 0x9E3779B1 & 0xFFFFFFFF) >> 20


_ALL = [
    (word.replace("_pre", " pre").encode(), group)
    for group, words in _WORDS.items()
    for word in words.split()
]
_ALL.sort(key=lambda pair: _prefix(pair[0]))
_BYTES = np.frombuffer(b"".join(word for word, _ in _ALL), np.uint8)
_ENDS = np.cumsum([len(word) for word, _ in _ALL]).astype(np.int32)
_GROUPS = np.array([group for _, group in _ALL], np.uint8)
_FIRST = np.searchsorted([_prefix(word) for word, _ in _ALL], np.arange(_SLOTS + 1)).astype(
    np.int32
)
"""Where the words begin whose first four bytes hash to a slot."""


def find_marks(tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
    """The STARTs with such words, and the groups of words that each has (bits)."""
    groups = np.zeros(len(tokens), np.uint8)
    data = np.frombuffer(tokens.source or b"\0", np.uint8)
    count = _find(data, tokens.kind, tokens.start, tokens.end, groups)
    found = np.flatnonzero(groups) if count else np.zeros(0, np.int64)
    return found, groups[found]


@kernel
def _find(data, kind, start, end, groups):
    count = 0
    for i in range(len(kind)):
        if kind[i] != START or end[i] - start[i] < 4:
            continue
        window = np.uint32(0)  # the last four bytes, the latest one highest
        for at in range(start[i], end[i]):
            window = window >> np.uint32(8) | np.uint32(_lower(data[at])) << np.uint32(24)
            slot = np.int64(np.uint32(window * np.uint32(0x9E3779B1)) >> np.uint32(20))
            if _FIRST[slot] == _FIRST[slot + 1] or at < start[i] + 3:
                continue
            for k in range(_FIRST[slot], _FIRST[slot + 1]):
                if not groups[i] & _GROUPS[k] and _stands(data, at - 3, end[i], k):
                    count += groups[i] == 0
                    groups[i] |= _GROUPS[k]
    return count


@inner
def _lower(c):
    return c | 0x20 if 0x41 <= c <= 0x5A else c


@inner
def _stands(data, at, end, k):
    first = _ENDS[k - 1] if k else 0
    if at + _ENDS[k] - first > end:
        return False
    for i in range(first, _ENDS[k]):  # noqa: SIM110
        if _lower(data[at + i - first]) != _BYTES[i]:
            return False
    return True
