"""Pages with gold text, and the measure of extraction: bags of 4-word shingles.

A folder of pages holds ``manifest.jsonl``, one page a line: `id`, `file` (gzip where it ends in
.gz), `url`, `source`, `page_type`, and `gold_text_file` (the whole main text) or `must_include` and
`must_exclude` (snippets). Words are runs of letters and digits after NFKC in lower case, and single
characters in Han, kana, Thai, Lao, Khmer and Myanmar.
"""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SHINGLE = 4
_SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_SINGLE}]|[^\W_{_SINGLE}]+")
_SPACE = re.compile(r"\s+")
_SECOND_LEVEL = {"ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"}


@dataclass(frozen=True)
class GoldPage:
    """A page of the folder; `gold` is None for pages that have snippets only."""

    id: str
    path: Path
    url: str
    source: str
    page_type: str | None
    gold: str | None
    must_include: list[str]
    must_exclude: list[str]

    @cached_property
    def payload(self) -> bytes:
        return payload(self.path)

    @property
    def site(self) -> str:
        return site(self.url) or self.id


def payload(path: Path) -> bytes:
    """The bytes of a page, of a file that may be compressed."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def lines_and_pages(manifest: Path) -> list[tuple[dict[str, Any], str]]:
    """Each line of a manifest and the decoded page that its `file` names beside it."""
    from pipeline.charset import clean, decode

    rows = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    return [(row, clean(decode(payload(manifest.parent / row["file"]))[0])) for row in rows]


def load(folder: Path) -> list[GoldPage]:
    """The pages of a folder, in the order of the manifest."""
    with open(folder / "manifest.jsonl", encoding="utf-8") as lines:
        return [_page(folder, json.loads(line)) for line in lines]


def _page(folder: Path, row: dict[str, Any]) -> GoldPage:
    name = row.get("gold_text_file")
    return GoldPage(
        id=row["id"],
        path=folder / row["file"],
        url=row.get("url") or "",
        source=row["source"],
        page_type=row.get("page_type"),
        gold=(folder / name).read_text("utf-8") if name else None,
        must_include=row.get("must_include") or [],
        must_exclude=row.get("must_exclude") or [],
    )


def site(url: str) -> str:
    """Registered domain of a URL, by a short rule for second-level suffixes such as co.uk."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    labels = host.split(".")
    wide = len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2
    return ".".join(labels[-3 if wide else -2 :])


def words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def shingles(tokens: list[str]) -> Counter:
    """Bag of runs of four words; of a shorter text, the text itself."""
    if not tokens:
        return Counter()
    last = max(1, len(tokens) - SHINGLE + 1)
    return Counter(tuple(tokens[i : i + SHINGLE]) for i in range(last))


def score(text: str, gold: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of a text; all 1 where both are empty."""
    return score_bags(shingles(words(text)), shingles(words(gold)))


def score_bags(found: Counter, wanted: Counter) -> tuple[float, float, float]:
    n, m = found.total(), wanted.total()
    if not n or not m:
        same = float(n == m)
        return same, same, same
    hits = (found & wanted).total()
    return hits / n, hits / m, 2 * hits / (n + m)


def snippet_counts(text: str, page: GoldPage) -> tuple[int, int, int, int]:
    """True positives, false negatives, false positives and true negatives over the snippets."""
    flat = _SPACE.sub(" ", text)
    inside = sum(_SPACE.sub(" ", s).strip() in flat for s in page.must_include)
    wrong = sum(_SPACE.sub(" ", s).strip() in flat for s in page.must_exclude)
    return inside, len(page.must_include) - inside, wrong, len(page.must_exclude) - wrong


def mean(rows: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    """Means of the columns."""
    columns = list(zip(*rows, strict=True))
    return tuple(sum(column) / len(column) for column in columns)
