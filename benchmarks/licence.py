"""Precision and recall of licences on labelled pages.

    python benchmarks/licence.py FOLDER

FOLDER holds ``gold.jsonl``, a page a line: ``file`` (HTML, plain or .gz, relative to FOLDER),
``scope`` (page, part or none), ``expected`` (the SPDX id with version of the page's own text where
the scope is page) and, if a label is doubtful, ``ambiguous``. An answer is an id at the scope
``page``; exact means that the ids are equal, version and all:

    precision = exact / answers given        recall = exact / pages with the scope page

Ambiguous pages are left out. On the same pages: the first Creative Commons URL of the page,
``rel=license`` alone, and the licence of trafilatura's metadata.

``--stripped`` measures the detector on the same pages with less to go by: without ``rel``, without
classes and ids, without the elements of HTML 5. The labels still hold, so that it tells how much
the rules lean on one way of writing a page.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from filters import html_licence
from filters.dom import HtmlPage, select
from filters.licence_ids import licence_of_url, licence_of_words

_URL = re.compile(rb"https?://creativecommons\.org/(?:licenses|publicdomain)/[^\"'\s<>]+")


def ours(page: bytes) -> str | None:
    found = html_licence(page)
    return found.id if found.scope == "page" else None


def first_url(page: bytes) -> str | None:
    """The first Creative Commons URL anywhere in the page, as C4Corpus and Dolma take it."""
    found = _URL.search(page)
    return licence_of_url(found.group().decode("utf-8", "replace")) if found else None


def rel_license(page: bytes) -> str | None:
    for node in select(HtmlPage(page).tree.document, "[rel~=license][href]"):
        if found := licence_of_url(node.getattr("href") or ""):
            return found
    return None


def trafilatura_metadata(page: bytes) -> str | None:
    from trafilatura.metadata import extract_metadata

    found = extract_metadata(page.decode("utf-8", "replace"))
    words = (found.license if found else None) or ""
    return licence_of_url(words) or licence_of_words(words)


_STRIPPED = {
    "rel": rb"""\srel=(?:"[^"]*licen[^"]*"|'[^']*licen[^']*')""",
    "classes, ids": rb"""\s(?:class|id|role)=(?:"[^"]*"|'[^']*')""",
    "HTML 5": rb"""</?(?:footer|aside|article|main|header|figure|figcaption)\b[^>]*>""",
}


def stripped(pages: list[bytes], wanted: list[str | None]) -> None:
    """Print precision and recall with one kind of mark-up after the other taken away."""
    gone = []
    for name, pattern in _STRIPPED.items():
        gone.append(name)
        pages = [re.sub(pattern, b"", page, flags=re.IGNORECASE) for page in pages]
        given, exact = _counts([ours(page) for page in pages], wanted)
        licensed = sum(want is not None for want in wanted)
        precision, recall = exact / max(given, 1), exact / max(licensed, 1)
        print(f"without {', '.join(gone)}: {given} given, P {precision:.3f}, R {recall:.3f}")


def _counts(answers: list[str | None], wanted: list[str | None]) -> tuple[int, int]:
    """Answers given, and those that are exact."""
    pairs = [(a, w) for a, w in zip(answers, wanted, strict=True) if a is not None]
    return len(pairs), sum(a == w for a, w in pairs)


METHODS: dict[str, Callable[[bytes], str | None]] = {
    "corpusmill": ours,
    "first CC URL": first_url,
    "rel=license": rel_license,
    "trafilatura": trafilatura_metadata,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with gold.jsonl")
    parser.add_argument("--wrong", action="store_true", help="list the pages that differ")
    parser.add_argument("--stripped", action="store_true", help="also with less mark-up")
    asked = parser.parse_args()
    lines = (asked.folder / "gold.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if not row.get("ambiguous")]
    pages = [_read(asked.folder / row["file"]) for row in rows]
    wanted = [row["expected"] if row["scope"] == "page" else None for row in rows]
    licensed = sum(want is not None for want in wanted)
    print(f"{len(rows)} pages, {licensed} of them licensed; trafilatura {version('trafilatura')}")
    print(f"{'method':14} {'given':>6} {'exact':>6} {'P':>6} {'R':>6} {'F1':>6} {'ms/page':>8}")
    for name, method in METHODS.items():
        began = time.process_time()
        answers = [method(page) for page in pages]
        spent = (time.process_time() - began) / max(len(pages), 1) * 1000
        given, exact = _counts(answers, wanted)
        precision, recall = exact / max(given, 1), exact / max(licensed, 1)
        f1 = 2 * exact / max(given + licensed, 1)
        print(
            f"{name:14} {given:6} {exact:6} {precision:6.3f} {recall:6.3f} {f1:6.3f} {spent:8.2f}"
        )
        if asked.wrong and name == "corpusmill":
            for row, answer, want in zip(rows, answers, wanted, strict=True):
                if answer != want:
                    print(f"    {row.get('id', row['file'])}: {answer}, expected {want}")
    if asked.stripped:
        stripped(pages, wanted)


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


if __name__ == "__main__":
    main()
