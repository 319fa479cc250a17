"""Train the page router's model on a folder of PDFs whose right routes are known.

    python benchmarks/train_router.py FOLDER [--out ocr/models/router.json] [--seed 1]

FOLDER holds manifest.jsonl, one object a line with `id`, `file`, `expect.routes` (text, ocr or
either a page) or, without them, `kind` (a list; the pages of born_digital files are text).  Only
pages with at least 50 letters and digits, most of them Latin, count: the rules decide on others.

From each page with a good text layer more are derived whose label is known: garbled font maps
(letters shifted or exchanged), characters lost to U+FFFD or private use, scans with a hidden and
misread layer, text painted under a picture; and as good ones text over a background picture, parts
of pages and pages in capitals.  The same is done with a text in 25 languages.

Prints, from five folds parted by file, how many of the pages sent to OCR needed it and how many of
those left on the text layer were bad, at several thresholds, for real and for derived pages.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
from pathlib import Path

import numpy as np
import sklearn
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import GroupKFold

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from router_languages import ARTICLES

from ocr.pagescan import scan_page
from ocr.pdfium import PdfError, open_pdf
from ocr.router import (
    OTHER_SCRIPTS,
    PageFeatures,
    RouterThresholds,
    overrules,
    read_as_language,
    route,
)
from ocr.router_model import NAMES, evaluate, vector

MIN_ALNUM = RouterThresholds().min_alnum
SKIP = ("h_", "hh_")  # made to hang a reader
DERIVED_PAGES = 3  # of each file
MOST_PAGES = 20  # of a file born digital, all of them good text layers
REAL_WEIGHT = 4.0  # of a page as it is, against one derived


def with_text(f: PageFeatures, visible: str, hidden: str = "", **changes) -> PageFeatures:
    """The features of the same page with other words on it."""
    read = visible if len(visible.split()) >= len(hidden.split()) else hidden
    words, stops, pairs = read_as_language(read)
    letters = "".join(visible.split())
    return dataclasses.replace(
        f,
        chars=len(letters),
        alnum=sum(map(str.isalnum, letters)),
        junk=sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" for c in letters),
        hidden_chars=len("".join(hidden.split())),
        latin_words=words,
        stop_share=stops,
        usual_pairs=pairs,
        **changes,
    )


def exchanged(text: str, dice: random.Random, signs: bool) -> str:
    """Every character of the page's own alphabet for another one, always the same."""
    alphabet = sorted({c for c in text if c.isalpha()})
    other = alphabet + (list("!#$%&*+/<=>?@^|~") if signs else [])
    dice.shuffle(other)
    return text.translate(str.maketrans(dict(zip(alphabet, other, strict=False))))


def misread(text: str, dice: random.Random, share: float) -> str:
    """As old OCR does: some letters read as others or as signs."""
    return "".join(
        dice.choice("rncliIl1|!.,;:eoat") if c.isalpha() and dice.random() < share else c
        for c in text
    )


def derived(f: PageFeatures, text: str, dice: random.Random) -> list[tuple[PageFeatures, int]]:
    """Pages made of one with a good text layer, 1 where OCR is needed."""
    shift = dice.choice([1, 2, 3, 5, 29, 31])
    shifted = "".join(chr(ord(c) + shift) if c.isalnum() else c for c in text)
    lost = dice.choice([0.05, 0.2, 0.6])
    holes = "".join(
        dice.choice("\ufffd\uf021\uf0e4") if c.isalpha() and dice.random() < lost else c
        for c in text
    )
    page = {"image_cover": dice.uniform(0.8, 1.0), "images": dice.randrange(1, 4)}
    part = text[: dice.randrange(80, 600)]
    made = [
        (with_text(f, shifted), 1),
        (with_text(f, exchanged(text, dice, signs=False)), 1),
        (with_text(f, exchanged(text, dice, signs=True)), 1),
        (with_text(f, holes, map_errors=lost), 1),
        (with_text(f, part[:200], misread(text, dice, 0.1), covered_share=0.0, **page), 1),
        (with_text(f, misread(text, dice, 0.15), covered_share=1.0, **page), 1),
        (with_text(f, text, covered_share=0.0, **page), 0),
        (with_text(f, part), 0),
        (with_text(f, text.upper()), 0),
        (with_text(f, part, text[: dice.randrange(50, 2000)], image_cover=0.0), 0),  # hidden spam
    ]
    for _ in range(3):
        begin, size = dice.randrange(max(1, len(text) - 100)), dice.randrange(60, 900)
        made.append((with_text(f, text[begin : begin + size]), 0))
    latin = f.latin_words >= 15 and len(text) >= 120
    kept = made if latin else made[3:]  # exchanged letters of other scripts leave no trace here
    return [(features, label) for features, label in kept if features.alnum >= MIN_ALNUM]


def collect(folder: Path, seed: int):
    """(features, labels, file numbers, derived or not) of every page that counts."""
    dice = random.Random(seed)
    found: list[tuple[PageFeatures, int, int, bool]] = []
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    for number, case in enumerate(json.loads(line) for line in lines if line.strip()):
        if case["file"].startswith(SKIP):
            continue
        routes = case.get("expect", {}).get("routes") or []
        if not routes and "born_digital" in case.get("kind", ()):
            routes = ["text"] * MOST_PAGES
        try:
            with open_pdf((folder / case["file"]).read_bytes()) as document:
                for index, wanted in enumerate(routes[: len(document)]):
                    scan = scan_page(document, index, 200_000, 20_000)
                    f = scan.features
                    latin = f.other_letters <= OTHER_SCRIPTS * f.alnum
                    if wanted not in ("text", "ocr") or f.alnum < MIN_ALNUM or not latin:
                        continue
                    found.append((scan.features, int(wanted == "ocr"), number, False))
                    if wanted == "text" and index < DERIVED_PAGES:
                        text = " ".join(word.text for word in scan.words)
                        more = derived(scan.features, text, dice)
                        found += [(f, label, number, True) for f, label in more]
        except PdfError:
            continue
    for number, article in enumerate(ARTICLES.values(), len(lines)):
        text = " ".join([article] * 4)
        for words in (text, article, text.upper()):
            found.append((with_text(PageFeatures(), words), 0, number, True))
        found += [(f, label, number, True) for f, label in derived(found[-3][0], text, dice)]
    features, labels, groups, made = zip(*found, strict=True)
    return list(features), np.array(labels), np.array(groups), np.array(made)


def train(x: np.ndarray, y: np.ndarray, weights: np.ndarray, seed: int) -> dict:
    """Boosted trees as plain lists."""
    booster = GradientBoostingClassifier(
        n_estimators=40, max_depth=3, learning_rate=0.2, min_samples_leaf=5, random_state=seed
    )
    booster.fit(x, y, sample_weight=weights)
    prior = np.average(y, weights=weights)
    trees = []
    for (tree,) in booster.estimators_:
        t = tree.tree_
        trees.append(
            [
                [float(round(t.value[i, 0, 0] * booster.learning_rate, 6))]
                if t.children_left[i] < 0
                else [
                    int(t.feature[i]),
                    float(round(t.threshold[i], 6)),
                    int(t.children_left[i]),
                    int(t.children_right[i]),
                ]
                for i in range(t.node_count)
            ]
        )
    return {
        "names": list(NAMES),
        "bias": float(round(np.log(prior / (1 - prior)), 6)),
        "trees": trees,
    }


def report(name: str, y: np.ndarray, p: np.ndarray) -> None:
    for threshold in (0.2, 0.5, 0.8, 0.9, 0.95):
        sent = p >= threshold
        right = y[sent].mean() if sent.any() else 1.0
        bad = y[~sent].mean() if (~sent).any() else 0.0
        print(
            f"{name:8s} p >= {threshold:4.2f}: {sent.sum():4d} of {len(y)} to OCR, {right:6.1%}"
            f" needed it; {bad:5.1%} of those left were bad"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    features, y, groups, made = collect(arguments.folder, arguments.seed)
    x = np.array([vector(f) for f in features])
    weights = np.where(made, 1.0, REAL_WEIGHT)
    print(
        f"{len(y)} pages of {len(set(groups))} files, {made.sum()} of them derived;"
        f" {y.sum()} need OCR; scikit-learn {sklearn.__version__}"
    )
    p = np.zeros(len(y))
    for rest, held in GroupKFold(5).split(x, y, groups):
        model = train(x[rest], y[rest], weights[rest], arguments.seed)
        p[held] = [evaluate(model, row) for row in x[held]]
    report("real", y[~made], p[~made])
    report("derived", y[made], p[made])
    never = RouterThresholds(min_ocr_probability=2.0)
    rules = np.array([route(f, never).route == "ocr" for f in features], dtype=float)
    report_rules(features, y, rules, p, made)
    model = train(x, y, weights, arguments.seed)
    if arguments.out:
        arguments.out.write_text(json.dumps(model, separators=(",", ":")) + "\n")
        print(f"wrote {arguments.out}")


def report_rules(
    features, y: np.ndarray, rules: np.ndarray, p: np.ndarray, made: np.ndarray
) -> None:
    thresholds = RouterThresholds()
    sure = [overrules(f, thresholds, q) for f, q in zip(features, p, strict=True)]
    both = (rules > 0) | np.array(sure)
    for name, chosen in (("real", ~made), ("derived", made)):
        for who, sent in (("rules", rules > 0), ("rules + model", both)):
            own, out = y[chosen], sent[chosen]
            right, bad = own[out].mean() if out.any() else 1.0, own[~out].mean()
            print(
                f"{name:8s} {who:16s} {out.sum():4d} to OCR, {right:.1%} needed it; {bad:.1%} bad"
            )


if __name__ == "__main__":
    main()
