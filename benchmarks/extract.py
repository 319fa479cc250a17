"""Extraction engines on pages with gold text: quality, speed, memory, in one run.

    OMP_NUM_THREADS=1 python benchmarks/extract.py PAGES_DIR [--engines adaptive trafilatura ...]

PAGES_DIR and the measure are described in extraction_gold.py. Quality: macro means over pages of
precision, recall and F1 of bags of 4-word shingles, by page type and source; and precision, recall
and F1 over all snippets of the pages that have some. Speed: pages per CPU second of all of
`extract_html`, engines taking turns, best of three rounds, and its ratio to trafilatura's.
The model of `adaptive` that comes with the package may have been trained on these very pages;
--cv DIR (from `benchmarks/train_extractor.py --folds DIR`) adds a row in which each page is read
by a model that has seen no page of its site. --growth shows how cost grows with the size of a page.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import sys
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from extraction_gold import GoldPage, load, mean, score, snippet_counts

from pipeline.charset import clean, decode
from pipeline.extract import ENGINES, extract_html
from pipeline.html.adaptive import choose_main
from pipeline.html.classifier import load as load_model
from pipeline.html.complete import complete
from pipeline.html.render import render
from pipeline.html.tokens import tokenize

PACKAGES = ("trafilatura", "resiliparse", "numba", "numpy")
PEER = "trafilatura"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, help="folder of pages with gold text")
    parser.add_argument("--engines", nargs="+", default=["adaptive", PEER, "resiliparse"])
    parser.add_argument("--cv", type=Path, help="folder of fold models: adds the row adaptive (cv)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the clock; 0: no clock")
    parser.add_argument("--growth", action="store_true", help="cost of pages of 1 kB to 10 MB")
    arguments = parser.parse_args()
    unknown = set(arguments.engines) - set(ENGINES)
    if unknown:
        parser.error(f"unknown engines: {', '.join(sorted(unknown))}")

    pages = load(arguments.pages)
    full = [page for page in pages if page.gold is not None]
    print(f"{len(pages)} pages, {len(full)} with full gold text; Python", end=" ")
    print(platform.python_version(), *(f"{name} {version(name)}" for name in PACKAGES), sep=", ")
    texts = {name: read_all(name, pages) for name in arguments.engines}
    if arguments.cv:
        texts["adaptive (cv)"] = read_by_folds(full, arguments.cv)
    show_quality(full, texts)
    show_snippets(pages, texts)
    if arguments.rounds:
        show_speed(full, arguments.engines, arguments.rounds)
    if arguments.growth:
        show_growth(full, "adaptive")


def read_all(engine: str, pages: list[GoldPage]) -> dict[str, str]:
    """Texts by page id; a page that an engine fails on has none."""
    texts = {}
    for page in pages:
        try:
            texts[page.id] = extract_html(page.payload, engine=engine).text
        except (ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
            print(f"{engine}: {page.id}: {type(error).__name__}: {error}")
            texts[page.id] = ""
    return texts


def read_by_folds(pages: list[GoldPage], folder: Path) -> dict[str, str]:
    """Texts by models of cross-validation, each page by the one that has not seen its site."""
    folds = json.loads((folder / "folds.json").read_text("utf-8"))
    models = {}
    for number in set(folds.values()):
        models[number] = load_model(folder / f"{number}.npz")
    texts = {}
    for page in pages:
        tokens = tokenize(clean(decode(page.payload)[0]))
        choice = choose_main(tokens, model=models[folds[page.id]])
        texts[page.id] = render(tokens, complete(tokens, choice.keep))
    return texts


def show_quality(pages: list[GoldPage], texts: dict[str, dict[str, str]]) -> None:
    print("\nfull gold text, macro means over pages (P R F1), and the page with the least F1")
    groups = {"all": pages}
    for page in pages:
        groups.setdefault(page.page_type or "no type", []).append(page)
    for page in pages:
        groups.setdefault(page.source, []).append(page)
    scores = {
        name: {page.id: score(found[page.id], page.gold or "") for page in pages}
        for name, found in texts.items()
    }
    print(f"{'':48}" + "".join(f"{name:>20}" for name in texts))
    for group, members in groups.items():
        cells = ""
        for name in texts:
            p, r, f = mean([scores[name][page.id] for page in members])
            cells += f"{p:8.3f}{r:6.3f}{f:6.3f}"
        print(f"{group:42}{len(members):6}{cells}")
    low = defaultdict(int)
    for name in texts:
        low[name] = sum(row[2] < 0.3 for row in scores[name].values())
    print(f"{'pages with F1 under .3':48}" + "".join(f"{low[name]:20}" for name in texts))


def show_snippets(pages: list[GoldPage], texts: dict[str, dict[str, str]]) -> None:
    """Over the pages that have a full gold text as well, and over those that have not."""
    for title, with_gold in (("with full gold text", True), ("without", False)):
        some = [page for page in pages if page.must_include or page.must_exclude]
        some = [page for page in some if (page.gold is not None) == with_gold]
        print(f"\nsnippets of {len(some)} pages {title}")
        for name, found in texts.items():
            known = [page for page in some if page.id in found]
            if not known:
                continue
            counts = [snippet_counts(found[page.id], page) for page in known]
            tp, fn, fp, _ = np.sum(counts, axis=0)
            p, r = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
            print(f"{name:20} P {p:.3f}  R {r:.3f}  F1 {2 * p * r / max(p + r, 1e-9):.3f}")


def show_speed(pages: list[GoldPage], engines: list[str], rounds: int) -> None:
    """Best of several rounds in which the engines take turns."""
    best = dict.fromkeys(engines, float("inf"))
    worst: dict[str, tuple[float, str]] = dict.fromkeys(engines, (0.0, ""))
    payloads = [(page.id, page.payload) for page in pages]
    for turn in range(rounds):
        for engine in engines:
            total = 0.0
            for name, payload in payloads:
                start = time.process_time()
                extract_html(payload, engine=engine)
                seconds = time.process_time() - start
                total += seconds
                if turn == 0:
                    worst[engine] = max(worst[engine], (seconds, name))
            best[engine] = min(best[engine], total)
    print("\nspeed of extract_html, one core")
    print(f"{'':20}{'pages/CPU s':>12}{f'of {PEER}':>16}{'worst page, CPU s':>20}{'peak MB':>10}")
    for engine in engines:
        ratio = f"{best[PEER] / best[engine]:.2f}" if PEER in best else "-"
        seconds, name = worst[engine]
        print(
            f"{engine:20}{len(pages) / best[engine]:12.1f}{ratio:>16}{seconds:20.3f}"
            f"{peak_memory(engine, payloads):10.0f}  {name}"
        )


def peak_memory(engine: str, payloads: list[tuple[str, bytes]]) -> float:
    """Peak resident megabytes of a fresh process that reads all pages."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak, (engine, [payload for _, payload in payloads]))


def _peak(engine: str, payloads: list[bytes]) -> float:
    for payload in payloads:
        extract_html(payload, engine=engine)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show_growth(pages: list[GoldPage], engine: str) -> None:
    """CPU time per byte of pages put together from real ones."""
    source = "\n".join(clean(decode(page.payload)[0]) for page in pages[:60])
    print(f"\ncost of {engine} by size of the page\n{'kB':>8}{'ms':>12}{'us per kB':>12}")
    for size in (1, 10, 100, 1_000, 10_000):
        text = (source * (size * 1000 // len(source) + 1))[: size * 1000]
        payload = f"<html><body>{text}".encode()
        repeats = max(1, 500 // size)
        start = time.process_time()
        for _ in range(repeats):
            extract_html(payload, engine=engine, options={"max_bytes": 1 << 30})
        spent = (time.process_time() - start) / repeats
        print(f"{size:8}{spent * 1e3:12.2f}{spent * 1e9 / len(payload):12.1f}", flush=True)


if __name__ == "__main__":
    main()
