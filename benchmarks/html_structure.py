"""What survives of code, formulas and tables when pages are turned into text, beside the peers.

    python benchmarks/html_structure.py FOLDER [--structure plain] [--engines a,b] [--misses]

FOLDER holds structure.jsonl, one object a line: `id`, `file` (a page, may end in .gz), `code`
(blocks of code; line breaks and indentation count), `latex` (formulas, compared without white
space) and `tables` (lists of rows of cells; a row counts when its cells stand behind one another).
Figures are means over the pages that have the kind. `whole` is our renderer over all of the page
but navigation and what nobody sees; our engines come next, then peers, as far as installed.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from extraction_gold import lines_and_pages

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

KINDS = ("code", "latex", "tables")


def code_found(block: str, text: str) -> bool:
    """Whether a block of code stands in a text; only white space at line ends is left aside."""
    return _lines(block).strip("\n") in _lines(text)


def latex_found(formula: str, text: str) -> bool:
    """Whether a formula stands in a text, white space left aside."""
    return "".join(formula.split()) in "".join(text.split())


def row_found(row: list[str], text: str) -> bool:
    """Whether the cells of a row stand in a text behind one another, between bars or blanks."""
    return _cells(" ".join(row)) in _cells(text)


def score(gold: dict, text: str) -> dict[str, tuple[int, int]]:
    """Items found and items of each kind for one page."""
    rows = [row for table in gold["tables"] for row in table if any(cell.strip() for cell in row)]
    found = {
        "code": [code_found(block, text) for block in gold["code"]],
        "latex": [latex_found(formula, text) for formula in gold["latex"]],
        "tables": [row_found(row, text) for row in rows],
    }
    return {kind: (sum(hits), len(hits)) for kind, hits in found.items()}


def means(scores: list[dict[str, tuple[int, int]]]) -> dict[str, float]:
    """Mean share of items found per page, over the pages that have the kind."""
    shares = {k: [s[k][0] / s[k][1] for s in scores if s[k][1]] for k in KINDS}
    return {kind: sum(values) / max(len(values), 1) for kind, values in shares.items()}


def _lines(text: str) -> str:
    text = text.replace("\xa0", " ").replace("\r\n", "\n")
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _cells(text: str) -> str:
    return " " + " ".join(re.sub(r"[|\s]+", " ", text.replace("\\|", "|")).split()) + " "


def whole_page(html: str, structure: str) -> str:
    """Our renderer over everything but navigation and what nobody sees."""
    from pipeline.html.render import everything, render
    from pipeline.html.tokens import tokenize

    tokens = tokenize(html)
    return render(tokens, everything(tokens), structure)


def our_engine(name: str) -> Callable[[str, str], str]:
    from pipeline.extract import extract_html

    def run(html: str, structure: str) -> str:
        return extract_html(html.encode(), engine=name, options={"structure": structure}).text

    return run


def peers(structure: str) -> dict[str, Callable[[str, str], str]]:
    """Other tools by name and version, those that are installed."""
    found: dict[str, Callable[[str, str], str]] = {}

    def add(package: str, label: str, run: Callable[[str, str], str]) -> None:
        try:
            found[f"{label} {version(package)}"] = run
        except PackageNotFoundError:
            print(f"{package}: not installed, left out", file=sys.stderr)

    def resiliparse(main: bool) -> Callable[[str, str], str]:
        def run(html: str, structure: str) -> str:
            from resiliparse.extract.html2text import extract_plain_text

            return extract_plain_text(html, preserve_formatting=True, main_content=main)

        return run

    def trafilatura(html: str, structure: str) -> str:
        kind = "markdown" if structure == "markdown" else "txt"
        return importlib.import_module("trafilatura").extract(html, output_format=kind) or ""

    def html2text(html: str, structure: str) -> str:
        converter = importlib.import_module("html2text").HTML2Text(bodywidth=0)
        return converter.handle(html)

    def inscriptis(html: str, structure: str) -> str:
        return importlib.import_module("inscriptis").get_text(html)

    def markdownify(html: str, structure: str) -> str:
        return importlib.import_module("markdownify").markdownify(html)

    add("resiliparse", "resiliparse full", resiliparse(main=False))
    add("resiliparse", "resiliparse main", resiliparse(main=True))
    add("trafilatura", f"trafilatura {structure}", trafilatura)
    add("html2text", "html2text", html2text)
    add("inscriptis", "inscriptis", inscriptis)
    add("markdownify", "markdownify", markdownify)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="with structure.jsonl")
    parser.add_argument("--structure", default="markdown", choices=("plain", "markdown"))
    parser.add_argument("--engines", default="", help="our engines, separated by commas")
    parser.add_argument("--misses", action="store_true", help="print what `whole` misses, no peers")
    options = parser.parse_args()
    pages = lines_and_pages(options.folder / "structure.jsonl")
    if options.misses:
        print_misses(pages, options.structure)
        return
    tools = {"whole": whole_page}
    tools |= {name: our_engine(name) for name in options.engines.split(",") if name}
    tools |= peers(options.structure)
    print(f"{len(pages)} pages, structure: {options.structure}")
    print(f"{'':28} {'code':>6} {'latex':>6} {'rows':>6} {'CPU ms/page':>12}")
    for name, run in tools.items():
        run("<p>warm</p>", options.structure)
        before = time.process_time()
        texts = [run(html, options.structure) for _, html in pages]
        cost = 1000 * (time.process_time() - before) / max(len(pages), 1)
        mean = means([score(gold, text) for (gold, _), text in zip(pages, texts, strict=True)])
        print(f"{name:28} " + " ".join(f"{mean[k]:6.3f}" for k in KINDS) + f" {cost:12.2f}")


def print_misses(pages: list[tuple[dict, str]], structure: str) -> None:
    for gold, html in pages:
        text = whole_page(html, structure)
        for block in gold["code"]:
            if not code_found(block, text):
                print(f"{gold['id']} code {block[:300]!r}")
        for formula in gold["latex"]:
            if not latex_found(formula, text):
                print(f"{gold['id']} latex {formula[:300]!r}")
        for row in (row for table in gold["tables"] for row in table):
            if any(cell.strip() for cell in row) and not row_found(row, text):
                print(f"{gold['id']} row {str(row)[:300]}")


if __name__ == "__main__":
    main()
