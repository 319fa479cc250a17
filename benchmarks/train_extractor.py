"""Train the block classifier of the extraction engine `adaptive` on pages with gold text.

    OMP_NUM_THREADS=1 python benchmarks/train_extractor.py PAGES_DIR --out pipeline/html/model.npz

PAGES_DIR is described in extraction_gold.py. Pages are weighted alike, so that macro means are
what is learned for; pages of which only snippets are known weigh less. First a table by
cross-validation, pages of one site always in one fold; with --folds DIR the models of the folds are
kept there, for `benchmarks/extract.py --cv DIR`. Last a model of all pages is written. Needs
LightGBM (`pip install lightgbm`), which using the model does not. The same pages give the same
model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import lightgbm
import numpy as np
from extraction_gold import load, mean
from extraction_labels import (
    Example,
    example,
    shingle_score,
    snippet_example,
    snippet_score,
)

from pipeline.html.adaptive import best_set
from pipeline.html.classifier import Classifier
from pipeline.html.context import context
from pipeline.html.features import NAMES
from pipeline.html.trees import Trees

PARAMETERS = {
    "objective": "cross_entropy",
    "learning_rate": 0.08,
    "num_leaves": 8,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
ROUNDS, SECOND_ROUNDS = 220, 120
SIZE_POWER = 0.7
"""A block weighs its words to this power: long blocks matter more, but not all that they weigh."""
SNIPPET_WEIGHT = 0.35
"""What a page of which only snippets are known weighs, of a page with gold text."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, help="folder of pages with gold text")
    parser.add_argument("--out", type=Path, help="file for the model of all pages (.npz)")
    parser.add_argument("--folds", type=Path, help="folder for the models of cross-validation")
    parser.add_argument("--model-only", action="store_true", help="no cross-validation")
    parser.add_argument("--k", type=int, default=6, help="number of folds")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    pages = load(arguments.pages)
    examples = [example(page) for page in pages if page.gold is not None]
    others = [snippet_example(page) for page in pages if page.gold is None]
    examples += [e for e in others if np.isfinite(e.labels).any()]
    sizes = [len(e.labels) for e in examples]
    print(f"{len(examples)} pages, {sum(sizes)} blocks, {len(NAMES)} features")
    passes = Passes(examples, folds(examples, arguments.k), arguments.k, arguments.seed)
    if not arguments.model_only:
        cross_validate(passes, arguments.folds)
    if arguments.out:
        passes.both().save(arguments.out)
        print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


def fit(examples: list[Example], rows: list[np.ndarray], rounds: int, seed: int) -> Trees:
    """Trees that tell the labels from rows of features."""
    weights = [block_weights(e) for e in examples]
    weight = np.concatenate(weights)
    known = weight > 0
    data = lightgbm.Dataset(
        np.concatenate(rows)[known],
        np.concatenate([e.labels for e in examples])[known],
        weight=weight[known] / weight[known].mean(),
    )
    booster = lightgbm.train(PARAMETERS | {"seed": seed}, data, rounds)
    return Trees.build([t["tree_structure"] for t in booster.dump_model()["tree_info"]])


class Passes:
    """Models of all pages but those of some folds, each fitted once.

    The second pass learns from what the first says of pages that it has not seen.
    """

    def __init__(self, examples: list[Example], fold: list[int], k: int, seed: int):
        self.examples, self.fold, self.k, self.seed = examples, np.array(fold), k, seed
        self._first: dict[frozenset[int], Trees] = {}

    def first(self, *without: int) -> Trees:
        """The first pass, fitted to all folds but these."""
        key = frozenset(without)
        if key not in self._first:
            chosen = [self.examples[i] for i in np.flatnonzero(~np.isin(self.fold, without))]
            self._first[key] = fit(chosen, [e.rows for e in chosen], ROUNDS, self.seed)
        return self._first[key]

    def both(self, *without: int) -> Classifier:
        """Both passes, fitted to all folds but these."""
        chosen, rows = [], []
        for other in sorted(set(range(self.k)) - set(without)):
            unseen = self.first(*without, other)
            for i in np.flatnonzero(self.fold == other):
                e = self.examples[i]
                chosen.append(e)
                rows.append(context(e.blocks, e.frame, unseen.probabilities(e.rows)))
        return Classifier(self.first(*without), fit(chosen, rows, SECOND_ROUNDS, self.seed))


def block_weights(example: Example) -> np.ndarray:
    """Weights of the blocks of a page; they add up to one, or to SNIPPET_WEIGHT."""
    weights = np.maximum(example.words, 0.3) ** SIZE_POWER * np.isfinite(example.labels)
    share = SNIPPET_WEIGHT if example.snippets else 1.0
    return weights * share / max(weights.sum(), 1e-9)


def cross_validate(passes: Passes, out: Path | None) -> None:
    """Print macro means over pages that the model has not seen, nor any page of their sites."""
    examples, fold = passes.examples, passes.fold
    scores: dict[int, tuple[float, float, float]] = {}
    snippets = []
    for number in range(passes.k):
        model = passes.both(number)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            model.save(out / f"{number}.npz")
        for i in np.flatnonzero(fold == number):
            e = examples[i]
            p = model.of_rows(e.blocks, e.rows, e.frame)
            keep = best_set(p, e.words)[0]
            if e.snippets:
                snippets.append((e, keep))
            else:
                scores[i] = shingle_score(e, keep)
    if out:
        ids = {e.page.id: int(f) for e, f in zip(examples, fold, strict=True)}
        (out / "folds.json").write_text(json.dumps(ids, indent=0), "utf-8")
    show("all", list(scores.values()))
    for name in ("page_type", "source"):
        groups = defaultdict(list)
        for i, row in sorted(scores.items()):
            groups[getattr(examples[i].page, name)].append(row)
        for group in sorted(groups):
            show(group, groups[group])
    if snippets:
        p, r, f = snippet_score(snippets)
        print(
            f"{'snippets of pages without gold text':50}{len(snippets):5}{p:8.3f}{r:8.3f}{f:8.3f}"
        )


def folds(examples: list[Example], k: int) -> list[int]:
    """A fold for each page: sites in the order of a hash, dealt out by source and page type."""
    kinds = {}
    for e in examples:
        kinds.setdefault(e.page.site, (e.page.source, e.page.page_type or ""))
    dealt: Counter = Counter()
    of_site = {}
    for site in sorted(kinds, key=lambda s: hashlib.sha256(s.encode()).digest()):
        kind = kinds[site]
        start = hashlib.sha256(repr(kind).encode()).digest()[0]
        of_site[site] = (start + dealt[kind]) % k
        dealt[kind] += 1
    return [of_site[e.page.site] for e in examples]


def show(name: str, scores: list[tuple[float, float, float]]) -> None:
    p, r, f = mean(scores)
    print(f"{name:50}{len(scores):5}{p:8.3f}{r:8.3f}{f:8.3f}")


if __name__ == "__main__":
    main()
