"""Site boilerplate: lines that repeat across the pages of one host, such as banners and menus.

A line counts by its letters, whatever its case and white space. What repeats is cut only where it
is hardly content: in runs of repeated lines that hold enough letters, so that a heading or a
closing bracket that many pages share stays where it stands alone; never in code, in paragraphs, or
in a run that grants a licence. The idea is that of line-level deduplication in CCNet (Wenzek et al.
2020, arXiv:1911.00359), narrowed from the whole crawl to one host.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import xxhash

REASON = "site_boilerplate"
MERGE_AT = 1 << 20  # hashes that wait to be counted
_FENCES = ("```", "~~~")
_CODE = re.compile(
    r"^(?: {4}|\t)(?!\s*[•·*-])|[{}]|[;=\\]\s*$|:=|==|->|::|\w\(\)|</?\w+>|"
    r"^\s*(?:import |from \S+ import|#include|using |package |def |class |return\b|//|/\*|\*/|"
    r">>>|\$ |@\w+\s*$)|^\s+\*\s"
)
_GRANT = re.compile(
    r"licen[sc]ed under|licen[sc]ed to|permission is (?:hereby )?granted|spdx-license|"
    r"redistribution and use|without warrant|copyright \(c\)",
    re.IGNORECASE,
)


class LineRules(NamedTuple):
    """When repeated lines are cut."""

    min_chars: int = 20
    """Letters and digits that a run of repeated lines needs."""
    max_chars: int = 500
    """Characters from which a line is a paragraph, which stays."""


def line_hashes(text: str, host: str, max_chars: int) -> np.ndarray:
    """The hash of each line of a text, uint64; 0 for blank lines and for paragraphs.

    Hosts have hashes of their own. Lines end at line feeds.
    """
    seed = xxhash.xxh3_64_intdigest(host.encode())
    hashes = np.zeros(text.count("\n") + 1, np.uint64)
    for place, line in enumerate(text.split("\n")):
        if line and len(line) <= max_chars and (words := line.lower().split()):
            hashes[place] = xxhash.xxh3_64_intdigest(" ".join(words).encode(), seed) or 1
    return hashes


class LineCounts:
    """On how many texts each line stands: 12 bytes for each different line."""

    def __init__(self) -> None:
        self.hashes = np.zeros(0, np.uint64)
        self.counts = np.zeros(0, np.int32)
        self._waiting: list[np.ndarray] = []
        self._held = 0

    def add(self, hashes: np.ndarray) -> None:
        """Count the lines of one text, each once."""
        lines = np.unique(hashes)
        self._waiting.append(lines)
        self._held += len(lines)
        if self._held >= max(MERGE_AT, len(self.hashes)):
            self._merge()

    def of(self, hashes: np.ndarray) -> np.ndarray:
        """Texts that hold each of these lines, int32; 0 for the hash 0."""
        self._merge()
        if not len(self.hashes):
            return np.zeros(len(hashes), np.int32)
        places = np.searchsorted(self.hashes, hashes).clip(max=len(self.hashes) - 1)
        found = (self.hashes[places] == hashes) & (hashes != 0)
        return np.where(found, self.counts[places], 0)

    def _merge(self) -> None:
        if self._waiting:
            new, counts = np.unique(np.concatenate(self._waiting), return_counts=True)
            hashes = np.union1d(self.hashes, new)
            merged = np.zeros(len(hashes), np.int32)
            merged[np.searchsorted(hashes, self.hashes)] = self.counts
            merged[np.searchsorted(hashes, new)] += counts.astype(np.int32)
            self.hashes, self.counts = hashes, merged
            self._waiting, self._held = [], 0


def boilerplate_spans(text: str, repeated: np.ndarray, rules: LineRules) -> list[tuple[int, int]]:
    """What to cut from a text: ascending byte ranges of its UTF-8, ends exclusive.

    `repeated` tells of each line (bool) whether it repeats. A range runs from the beginning of a
    line to that of the next line that stays, blank lines between them included.
    """
    lines = text.split("\n")
    spans: list[tuple[int, int]] = []
    run: list[str] = []
    begin = at = 0
    fenced = False

    def close(end: int) -> None:
        chars = sum(map(str.isalnum, "".join(run)))
        if chars >= rules.min_chars and not _GRANT.search(" ".join(run)):
            spans.append((begin, end))
        run.clear()

    for line, again in zip(lines, repeated.tolist(), strict=True):
        fence = line.lstrip().startswith(_FENCES)
        if line.strip():
            if again and not (fenced or fence or _CODE.search(line)):
                begin = at if not run else begin
                run.append(line)
            elif run:
                close(at)
        fenced ^= fence
        at += len(line.encode()) + 1
    if run:
        close(at - 1)
    return spans
