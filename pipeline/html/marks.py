"""Elements whose attributes hold words that tell of something, found in one pass over a page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from filters.jit import inner, kernel
from pipeline.html.tokens import START, Tokens

CODE_BOX, CODE_ROW, GUTTER, LABEL, MATH = 1, 2, 4, 8, 16
_SLOTS = 1 << 12


class Words:
    """Groups of words to look for, in lower case; a group is a bit, a word has four bytes or more.

    A tilde in a word stands for a space.
    """

    def __init__(self, groups: Mapping[int, str]):
        pairs = [(w.replace("~", " ").encode(), g) for g, ws in groups.items() for w in ws.split()]
        pairs.sort(key=lambda pair: self._slot(pair[0]))
        slots = [self._slot(word) for word, _ in pairs]
        self.tables = (
            np.frombuffer(b"".join(word for word, _ in pairs), np.uint8),
            np.cumsum([0] + [len(word) for word, _ in pairs]).astype(np.int32),
            np.array([group for _, group in pairs], np.uint8),
            # where the words begin whose first four bytes fall into a slot
            np.searchsorted(slots, np.arange(_SLOTS + 1)).astype(np.int32),
        )

    @staticmethod
    def _slot(word: bytes) -> int:
        return (int.from_bytes(word[:4], "little") * 0x9E3779B1 & 0xFFFFFFFF) >> 20

    def find(self, tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
        """The STARTs with such words in their attributes, and the groups that each has (bits)."""
        groups = np.zeros(len(tokens), np.uint8)
        data = np.frombuffer(tokens.source or b"\0", np.uint8)
        count = _find(data, tokens.kind, tokens.start, tokens.end, self.tables, groups)
        found = np.flatnonzero(groups) if count else np.zeros(0, np.int64)
        return found, groups[found]


_STRUCTURES = Words(
    {
        # elements that hold lines of code without being a pre
        CODE_BOX: "syntaxhighlighter blockcode cm-content codemirror-code view-lines crayon-pre"
        " ace_text-layer white-space:pre white-space:~pre",
        # cells and rows that hold one line of code each
        CODE_ROW: "lines-code blob-code line_content hljs-ln-code js-file-line",
        # line numbers
        GUTTER: "gutter lineno line-number linenumber line_number lines-num blob-num hljs-ln-n"
        ' "lnt" "ln" ln-num linenodiv crayon-nums data-line-number code-line-num rowno',
        # what stands at the head of a block of code
        LABEL: "language-id code__header code-header codeheader code-block-header copy-btn"
        " btn-copy copy-button copybtn button-copy toolbar-item toolbar_item",
        # formulas and pictures of them
        MATH: "math katex latex mimetex mathtex mjx- chart.apis cht=tx tex.cgi /tex? data-tex"
        ' data-equation data-entry "tex" "formula" "equation" /%5c ?%5c =%5c alt="\\ alt="$'
        " alt='\\ alt='$",
    }
)


def find_marks(tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
    """The STARTs that look like code or formulas, and the groups of words that each has."""
    return _STRUCTURES.find(tokens)


@kernel
def _find(data, kind, start, end, tables, groups):
    group, first = tables[2], tables[3]
    count = 0
    for i in range(len(kind)):
        if kind[i] != START:
            continue
        window = np.uint32(0)  # the last four bytes, the latest one highest
        for at in range(start[i], end[i]):
            c = data[at]
            c = c | 0x20 if 0x41 <= c <= 0x5A else c
            window = window >> np.uint32(8) | np.uint32(c) << np.uint32(24)
            slot = np.int64(np.uint32(window * np.uint32(0x9E3779B1)) >> np.uint32(20))
            if first[slot] == first[slot + 1] or at < start[i] + 3:
                continue
            for k in range(first[slot], first[slot + 1]):
                if not groups[i] & group[k] and _stands(data, at - 3, end[i], tables, k):
                    count += groups[i] == 0
                    groups[i] |= group[k]
    return count


@inner
def _stands(data, at, end, tables, k):
    words, ends = tables[0], tables[1]
    length = ends[k + 1] - ends[k]
    if at + length > end:
        return False
    for i in range(length):
        c = data[at + i]
        if (c | 0x20 if 0x41 <= c <= 0x5A else c) != words[ends[k] + i]:
            return False
    return True
