"""How often title, author and date of pages are found, beside trafilatura.

    python benchmarks/html_metadata.py FOLDER [--misses title|author|date]

FOLDER holds manifest.jsonl, one object a line: `file` (a page, may end in .gz), `url`, and where
known `title`, `author` (text or list) and `date`. A title counts when it is the same but for case,
punctuation and white space, authors when they are the same people, a date when it is the same day.
`silent` are pages that have the field and for which a tool says nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import unicodedata
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from extraction_gold import lines_and_pages

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FIELDS = ("title", "author", "date")


def same(field: str, gold: str, found: str) -> bool:
    """Whether a value found says what the gold says."""
    if field == "date":
        return _day(gold) == _day(found)
    if field == "author":
        return _people(gold) == _people(found)
    return _letters(gold) == _letters(found)


def _letters(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[^\w]+", " ", text).split())


def _people(text: str) -> set[str]:
    return {_letters(name) for name in re.split(r"[;,]| and ", text)}


def _day(text: str) -> str:
    match = re.search(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", text)
    return "-".join(part.zfill(2) for part in match.groups()) if match else text


def ours(html: str, url: str) -> dict[str, str | None]:
    from pipeline.html.metadata import html_metadata
    from pipeline.html.tokens import tokenize

    found = html_metadata(tokenize(html), url)
    return {field: getattr(found, field) for field in FIELDS}


def trafilatura(html: str, url: str) -> dict[str, str | None]:
    from trafilatura import extract_metadata

    found = extract_metadata(html, default_url=url or None)
    return {field: getattr(found, field, None) for field in FIELDS}


def read(folder: Path) -> list[tuple[dict, str]]:
    """The lines of the manifest that have one of the fields, and their pages."""
    pages = lines_and_pages(folder / "manifest.jsonl")
    return [(gold, page) for gold, page in pages if any(gold.get(field) for field in FIELDS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="with manifest.jsonl")
    parser.add_argument("--misses", choices=FIELDS, help="print what we miss of a field")
    options = parser.parse_args()
    pages = read(options.folder)
    tools: dict[str, Callable] = {"corpusmill": ours}
    if not options.misses:
        tools[f"trafilatura {version('trafilatura')}"] = trafilatura
    for name, run in tools.items():
        run("<p>warm</p>", "")
        before = time.process_time()
        found = [run(html, gold.get("url") or "") for gold, html in pages]
        cost = 1000 * (time.process_time() - before) / max(len(pages), 1)
        parts = []
        for field in FIELDS:
            pairs = [(g, f[field]) for (g, _), f in zip(pages, found, strict=True) if g.get(field)]
            hits = silent = 0
            for gold, value in pairs:
                wanted = gold[field] if isinstance(gold[field], str) else "; ".join(gold[field])
                hit = same(field, wanted, value or "")
                hits, silent = hits + hit, silent + (not value)
                if field == options.misses and not hit:
                    print(f"{gold.get('id', gold['file'])}: {wanted!r}, found {value!r}")
            parts.append(f"{field} {hits}/{len(pairs)} ({silent} silent)")
        print(f"{name:20} {', '.join(parts)}, {cost:.2f} ms/page with parsing")


if __name__ == "__main__":
    main()
