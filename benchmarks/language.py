"""Language identification beside plain fastText, on the same texts in one run, one core.

    OMP_NUM_THREADS=1 python benchmarks/language.py [FILE.parquet|RUN ...]

Measured is CPU time. "fasttext" calls predict once a text, on texts cut and stripped of newlines
beforehand; ours does the cutting, the mapping of labels and the columns as well. The second table
says how many labels change when only the first characters are looked at.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import sysconfig
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import pyarrow as pa
import pyarrow.parquet as pq

from filters import LanguageIdentifier, script_fits, scripts
from filters.language import MAX_CHARS

CUTS = (250, 500, 1000, 1500, 2000, 3000, 5000)


def read_texts(paths: list[str], column: str) -> list[str]:
    """Texts of Parquet files, of the documents of a run, or of the Python installation."""
    found: list[str] = []
    for path in map(Path, paths):
        files = [path] if path.is_file() else sorted(path.glob("documents/**/*.parquet"))
        files += sorted(path.glob("rejected/**/*.parquet"))
        for file in files:
            found += pq.ParquetFile(file).read(columns=[column])[column].to_pylist()
    if not paths:
        for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
            found.append(file.read_text("utf-8", "replace"))
    return [text for text in found if text and any(map(str.isalpha, text))]


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("inputs", nargs="*", help="Parquet files or run folders")
    parser.add_argument("--column", default="text")
    parser.add_argument("--model", help="fastText model; default lid.176.ftz")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--documents", type=int, default=5000, help="documents at most")
    options = parser.parse_args()

    texts = read_texts(options.inputs, options.column)[: options.documents]
    column = pa.array(texts, pa.large_string())
    ours = LanguageIdentifier(options.model)
    plain = ours._model
    cut = [text[:MAX_CHARS].replace("\n", " ") for text in texts]
    languages = ours.identify(column)
    dominant = scripts(column).script
    works: dict[str, Callable[[], object]] = {
        "fasttext": lambda: [plain.predict(text + "\n", 1, 0.0, "strict") for text in cut],
        "ours": lambda: ours.identify(column),
        "scripts": lambda: scripts(column),
        "contradictions": lambda: script_fits(languages.language, languages.script, dominant),
        "lines": lambda: ours.shares(column),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(options.rounds):  # in turns, so that a busy machine is busy for all
        for name, work in works.items():
            seconds[name].append(cpu_seconds(work))
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} texts, {size:.1f} MB; Python {platform.python_version()}, ", end="")
    print(f"fasttext-community {version('fasttext-community')}")
    print(f"{'':16}{'CPU s':>9}{'texts/s':>10}{'time ratio':>12}")
    for name, values in seconds.items():
        middle = statistics.median(values)
        pairs = zip(values, seconds["fasttext"], strict=True)
        ratio = statistics.median(own / theirs for own, theirs in pairs)
        print(f"{name:16}{middle:9.3f}{len(texts) / middle:10,.0f}{ratio:12.2f}")
    told = [plain.predict(text + "\n", 1, 0.0, "strict") for text in cut]
    same = sum(
        (pairs[0][1].removeprefix("__label__") if pairs else None) == label
        for pairs, label in zip(told, languages.language.to_pylist(), strict=True)
    )
    print(f"the same label for {same} of {len(texts)} texts")

    whole = LanguageIdentifier(options.model, max_chars=None).tag(column)[0].to_pylist()
    print(f"\n{'characters':>10}{'labels changed':>16}")
    for chars in CUTS:
        labels = LanguageIdentifier(options.model, max_chars=chars).tag(column)[0].to_pylist()
        changed = sum(own != full for own, full in zip(labels, whole, strict=True))
        print(f"{chars:10}{changed:9} {100 * changed / len(texts):5.2f} %")


if __name__ == "__main__":
    main()
