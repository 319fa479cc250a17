"""Heuristic filters against datatrove's, on the same documents in one run, one core.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/filters.py [FILE.parquet|FILE.jsonl[.gz]]

Measured is the CPU time of the process. "first pass" is the first reading of the documents, with
all machine code already compiled (its own line says how long that takes or took to load); "second
pass" reads them again, which helps whatever caches words; "fastest" is the fastest of seven, for
machines on which others work. datatrove judges document by document,
each of its four filters on the original text, so that its own cache of the last five
tokenisations works as in a pipeline. Here every feature is computed and every preset judges.

    python benchmarks/filters.py --stream 1000000 [FILE]

measures our side alone over so many documents: pieces of the texts with words that never came
before; CPU time a megabyte and memory of the process, now and at most so far, are shown as it
goes. A million documents take two to three minutes on an idle core.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import resource
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pyarrow as pa
import pyarrow.parquet as pq

from filters import features, judge, load_preset, preset_names

LOADED = {name: load_preset(name) for name in preset_names()}
PRESETS = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
WARM_UP = "the x): has [1] marks, and\n{all} the kernels of it."
PACKAGES = ("datatrove", "spacy", "numba", "numpy", "pyarrow")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", nargs="?", help="default: texts of the Python installation")
    parser.add_argument("--column", default="text", help="name of the text column")
    parser.add_argument("--mb", type=float, default=4.0, help="megabytes of text to read")
    parser.add_argument("--words", choices=("default", "spacy", "both"), default="both")
    parser.add_argument("--skip-datatrove", action="store_true", help="measure only our side")
    parser.add_argument("--stream", type=int, metavar="N", help="N documents, one after another")
    arguments = parser.parse_args()

    texts = limited(read_texts(arguments.input, arguments.column), arguments.mb)
    column = pa.array(texts, pa.large_string())
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} documents, {size:.2f} MB; Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
    if arguments.stream:
        for words in ("default", "spacy") if arguments.words == "both" else (arguments.words,):
            stream(texts, arguments.stream, words)
        return
    print(f"{'':34}{'CPU s':>9}{'MB/s':>9}{'docs/s':>9}{'ratio':>9}")

    baseline = None
    theirs: dict[str, list[str | None]] = {}
    if not arguments.skip_datatrove:
        oracles = load_datatrove()
        judge_by_datatrove(oracles, texts[:5])  # loads spaCy
        seconds, theirs = clock(lambda: judge_by_datatrove(oracles, texts))
        baseline = seconds
        show("datatrove, four filters", seconds, size, len(texts), baseline)

    modes = ("default", "spacy") if arguments.words == "both" else (arguments.words,)
    for words in modes:
        seconds, _ = clock(lambda mode=words: judge_here(pa.array([WARM_UP]), mode))
        print(f"corpusmill, {words} words: compile or load {seconds:.1f} CPU s")
        timed = []
        for _ in range(7):
            seconds, ours = clock(lambda mode=words: judge_here(column, mode))
            timed.append(seconds)
        passes = {"first pass": timed[0], "second pass": timed[1], "fastest": min(timed)}
        for name, seconds in passes.items():
            show(f"  features and verdicts, {name}", seconds, size, len(texts), baseline)
        for preset in PRESETS if theirs else ():
            pairs = list(zip(ours[preset], theirs[preset], strict=True))
            same = sum(a == b for a, b in pairs)
            decided = sum((a is None) == (b is None) for a, b in pairs)
            kept = sum(b is None for _, b in pairs)
            print(
                f"  {preset:18} decisions {100 * decided / len(pairs):6.2f} % equal, "
                f"reasons {100 * same / len(pairs):6.2f} %, datatrove keeps {kept}"
            )


def judge_here(column: pa.Array, words: str) -> dict[str, list[str | None]]:
    """All features, and the reasons of each preset (None where it keeps the text)."""
    languages = pa.array(["en"] * len(column), pa.string())
    table = features(column, words=words, languages=languages)
    table = table.append_column("language", languages)
    reasons = {name: judge(table, [preset]) for name, preset in LOADED.items()}
    return {name: reasons[name].to_pylist() for name in PRESETS}


def stream(texts: list[str], documents: int, words: str, batch: int = 2000) -> None:
    """Judge many documents in batches; print CPU time a megabyte and memory on the way."""
    judge_here(pa.array([WARM_UP]), words)
    rng = random.Random(0)
    print(f"{documents:,} documents, {words} words")
    print(f"{'documents':>12}{'MB':>10}{'CPU ms/MB':>12}{'memory MB':>12}{'peak MB':>10}")
    step = max(documents // 10, batch)
    seconds = size = mark_seconds = mark_size = 0.0
    for done in range(batch, documents + batch, batch):
        made = [new_document(rng, texts, done + k) for k in range(batch)]
        column = pa.array(made, pa.large_string())
        spent, _ = clock(lambda column=column: judge_here(column, words))
        seconds += spent
        size += sum(len(text.encode()) for text in made) / 1e6
        if done % step < batch:
            rate = 1000 * (seconds - mark_seconds) / (size - mark_size)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            print(f"{done:12,}{size:10.0f}{rate:12.1f}{memory():12.0f}{peak:10.0f}", flush=True)
            mark_seconds, mark_size = seconds, size


def new_document(rng: random.Random, texts: list[str], number: int) -> str:
    """Some 1,500 characters of a text, every 20th word a new one."""
    text = texts[rng.randrange(len(texts))]
    start = rng.randrange(max(len(text) - 1500, 1))
    pieces = text[start : start + 1500].split(" ")
    pieces[::20] = [f"w{number}x{k}" for k in range(len(pieces[::20]))]
    return " ".join(pieces)


def memory() -> float:
    """Resident memory of this process in megabytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def load_datatrove() -> dict[str, Any]:
    from datatrove.pipeline import filters as theirs

    return {
        "gopher_quality": theirs.GopherQualityFilter(),
        "gopher_repetition": theirs.GopherRepetitionFilter(),
        "c4": theirs.C4QualityFilter(),
        "fineweb": theirs.FineWebQualityFilter(),
    }


def judge_by_datatrove(oracles: dict[str, Any], texts: list[str]) -> dict[str, list[str | None]]:
    from datatrove.data import Document

    reasons: dict[str, list[str | None]] = {name: [] for name in oracles}
    for text in texts:
        for name, oracle in oracles.items():
            result = oracle.filter(Document(text=text, id=""))
            reason = None if result is True else f"{name}:{result[1].removeprefix('gopher_')}"
            reasons[name].append(reason)
    return reasons


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def show(name: str, seconds: float, size: float, documents: int, baseline: float | None) -> None:
    ratio = f"{baseline / seconds:9.1f}" if baseline else f"{'':9}"
    print(f"{name:34}{seconds:9.2f}{size / seconds:9.2f}{documents / seconds:9.0f}{ratio}")


def read_texts(path: str | None, column: str) -> Iterator[str]:
    if path is None:
        yield from installed_texts()
    elif path.endswith(".parquet"):
        for batch in pq.ParquetFile(path).iter_batches(columns=[column]):
            yield from (text for text in batch.column(0).to_pylist() if text is not None)
    elif path.removesuffix(".gz").endswith((".jsonl", ".json", ".ndjson")):
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line)[column] for line in lines if line.strip())
    else:
        sys.exit(f"{path}: expected a .parquet or .jsonl[.gz] file with a column {column!r}")


def installed_texts() -> Iterator[str]:
    """Help topics, package descriptions, licences and source files of the Python installation."""
    from pydoc_data.topics import topics

    yield from (topics[name] for name in sorted(topics))
    packages = Path(sysconfig.get_paths()["purelib"])
    library = Path(sysconfig.get_paths()["stdlib"])
    patterns = ("*.dist-info/METADATA", "*.dist-info/**/LICENSE*", "**/*.rst", "**/*.md")
    paths = [path for pattern in patterns for path in sorted(packages.glob(pattern))]
    for path in [*paths, *sorted(library.glob("*.py"))]:
        if path.is_file():
            yield path.read_text("utf-8", "replace")


def limited(texts: Iterator[str], megabytes: float) -> list[str]:
    """Distinct texts up to so many megabytes."""
    kept: dict[str, None] = {}
    size = 0
    for text in texts:
        if text and text not in kept:
            kept[text] = None
            size += len(text.encode())
            if size >= megabytes * 1e6:
                break
    return list(kept)


if __name__ == "__main__":
    main()
