"""Quality classifiers beside plain fastText: AUC on one split, and documents per second and core.

    OMP_NUM_THREADS=1 python benchmarks/classifier.py [--positive SPEC …] [--negative SPEC …]

SPEC is what `corpusmill classifier train` takes: files, SQL over a run, a run folder. By default
the sample's encyclopedias and books stand against its questions, code and mathematics. A fifth of
the examples, by the hash of their text, is trained on by nobody; both sides see the others.

Speed is CPU time on one core, median of the rounds, on the texts that nobody trained on (repeated
to --documents). "fasttext" is its own predict on the model it trained (100 dimensions, 2 million
buckets, word bigrams), one call for all texts, newlines taken out beforehand; the same model read
by this project is the fairest line; "trained here" is the folded model that a recipe names.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import fasttext
import numpy as np

from filters.fasttext_scores import FastTextScorer, string_array
from pipeline.classifier_metrics import area_under_curve
from pipeline.classifier_model import NEGATIVE, POSITIVE
from pipeline.classifier_train import FastTextSettings, fasttext_line, train_fasttext
from pipeline.examples import Columns, Examples, collect, read_examples

SAMPLE = Path(__file__).parents[1] / "examples" / "sample"


def load(positive: list[str], negative: list[str], limit: int) -> tuple[Examples, Examples]:
    """Examples to train on, and those held out."""

    def rows():
        for label, specs in ((POSITIVE, positive), (NEGATIVE, negative)):
            for text, _ in read_examples(specs, Columns(), None, f"--{label}"):
                yield text, label

    whole = collect(rows(), limit, keep_first=True)
    sides = Examples(), Examples()
    for name, text, label in zip(whole.hashes, whole.texts, whole.labels, strict=True):
        side = sides[name % 5 == 0]
        side.hashes.append(name)
        side.texts.append(text)
        side.labels.append(label)
    return sides


def plain(folder: str, train: Examples, **settings) -> tuple[object, str]:
    """A model that fastText trains itself, and where it lies."""
    data, path = os.path.join(folder, "train.txt"), os.path.join(folder, "plain.bin")
    with open(data, "w") as file:
        for text, label in zip(train.texts, train.labels, strict=True):
            file.write(f"__label__{label} {fasttext_line(text)}\n")
    model = fasttext.train_supervised(data, thread=1, verbose=0, seed=1, **settings)
    model.save_model(path)
    return model, path


def by_fasttext(model, lines: list[str]) -> np.ndarray:
    names, scores = model.f.multilinePredict(lines, -1, 0.0, "strict")
    return np.array(
        [
            dict(zip(name, score, strict=True))[f"__label__{POSITIVE}"]
            for name, score in zip(names, scores, strict=True)
        ]
    )


def cpu(work: Callable[[], object], rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sample = {name: str(SAMPLE / name) for name in ("encyclopedia", "books", "qa", "code", "math")}
    parser.add_argument(
        "--positive", nargs="+", default=[sample["encyclopedia"], sample["books"]], metavar="SPEC"
    )
    parser.add_argument(
        "--negative", nargs="+", default=[sample[n] for n in ("qa", "code", "math")], metavar="SPEC"
    )
    parser.add_argument("--limit", type=int, default=5000, help="examples of a label")
    parser.add_argument("--documents", type=int, default=2000, help="documents that are timed")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    train, test = load(arguments.positive, arguments.negative, arguments.limit)
    truth = np.array([label == POSITIVE for label in test.labels])
    print(
        f"Python {platform.python_version()}, fasttext-community {version('fasttext-community')}, "
        f"{platform.processor() or platform.machine()}\n{len(train)} examples to train on, "
        f"{len(test)} held out ({truth.sum()} positive)\n"
    )
    column = string_array(test.texts)
    lines = [fasttext_line(text) + "\n" for text in test.texts]
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'trained by':34} {'AUC':>7} {'CPU s':>7} {'model MB':>9}")
        began = time.process_time()
        trained = train_fasttext(train, FastTextSettings())
        path = os.path.join(folder, "here.bin")
        trained.write(path)
        here = FastTextScorer(path)
        own = here.probabilities(column)[:, here.labels.index(POSITIVE)]
        tell("here (with folds and calibration)", own, truth, began, path)
        chosen = trained.card["settings"]
        for name, settings in (
            ("fasttext, its defaults, bigrams", {"wordNgrams": 2}),
            (
                f"fasttext, {chosen['epochs']} passes at {chosen['rate']}",
                {"wordNgrams": 2, "epoch": chosen["epochs"], "lr": chosen["rate"]},
            ),
        ):
            began = time.process_time()
            model, path = plain(folder, train, **settings)
            tell(name, by_fasttext(model, lines), truth, began, path)
        began = time.process_time()
        read = FastTextScorer(path)
        loading = time.process_time() - began
        theirs = by_fasttext(model, lines)
        ours = read.probabilities(column)[:, read.labels.index(POSITIVE)]
        times = -(-arguments.documents // len(test))
        column = string_array((test.texts * times)[: arguments.documents])
        lines = (lines * times)[: arguments.documents]
        size = sum(len(line.encode()) for line in lines)
        print(
            f"\nlargest difference to fastText's probabilities, same model: "
            f"{np.abs(theirs - 1e-5 - ours).max():.1e}; read and folded in {loading:.1f} CPU s"
            f"\n\n{len(lines)} documents of {size / len(lines):,.0f} bytes on average\n"
            f"{'scored by':34} {'docs/s':>9} {'MB/s':>7} {'ratio':>6}"
        )
        base = cpu(lambda: by_fasttext(model, lines), arguments.rounds)
        for name, seconds in (
            ("fasttext", base),
            ("the same model, read here", cpu(lambda: read.logits(column), arguments.rounds)),
            ("trained here", cpu(lambda: here.logits(column), arguments.rounds)),
            (
                "trained here, first 2,000 characters",
                cpu(lambda: here.logits(column, 2000), arguments.rounds),
            ),
        ):
            speed = len(lines) / seconds
            print(f"{name:34} {speed:9,.0f} {size / 1e6 / seconds:7.1f} {base / seconds:6.1f}")


def tell(name: str, scores: np.ndarray, truth: np.ndarray, began: float, path: str) -> None:
    spent = time.process_time() - began
    size = os.path.getsize(path) / 1e6
    print(f"{name:34} {area_under_curve(scores, truth):7.4f} {spent:7.1f} {size:9.1f}")


if __name__ == "__main__":
    main()
