"""The main text of a page: a learned classifier of blocks, and the choice that it leads to.

The classifier gives each block the probability that its words belong to the main text. Kept are
those blocks that together promise the best F-measure: to keep a block costs precision with the one
chance and gains recall with the other, so that the best set is a prefix of the blocks in falling
order of probability, cut where the expected F-measure is highest (Lewis 1995; for F1 that is at
half the value reached). A page of which all is likely to be text is thus kept whole, and of a page
where little is certain the best of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.html.blocks import Blocks, blocks
from pipeline.html.classifier import Classifier, shipped
from pipeline.html.counts import WORDS
from pipeline.html.tokens import Tokens

BETA = {"precision": 0.5, "balanced": 1.0, "recall": 2.0}
"""Weight of recall in the expected F-measure."""


@dataclass(frozen=True)
class Choice:
    """What was chosen of a page.

    `keep` is bool[tokens], true for TEXT tokens of the main text; `expected` the F-measure that
    the probabilities promise; `probabilities` float32[blocks].
    """

    keep: np.ndarray
    expected: float
    probabilities: np.ndarray
    blocks: Blocks


def choose_main(tokens: Tokens, favor: str = "balanced", model: Classifier | None = None) -> Choice:
    """Choose the main text of a page.

    Parameters
    ----------
    tokens
        Of the page.
    favor
        A name of `BETA`.
    model
        Default: the one that comes with the package.
    """
    page = blocks(tokens)
    p = (model or shipped()).probabilities(page)
    kept, expected = best_set(p, page.counts[:, WORDS], BETA[favor])
    keep = np.zeros(len(tokens), bool)
    inside = page.of_token >= 0
    keep[inside] = kept[page.of_token[inside]]
    return Choice(keep, expected, p, page)


def best_set(p: np.ndarray, words: np.ndarray, beta: float = 1.0) -> tuple[np.ndarray, float]:
    """The blocks that promise the best F-measure, as bool[blocks], and what they promise.

    Parameters
    ----------
    p
        Probability of each block to be main text.
    words
        Words of each block.
    beta
        Weight of recall.
    """
    keep = np.zeros(len(p), bool)
    if not len(p):
        return keep, 0.0
    weight = words.astype(np.float64) + 0.01
    order = np.argsort(-p, kind="stable")
    right = np.cumsum(p[order] * weight[order])
    taken = np.cumsum(weight[order])
    promise = (1 + beta**2) * right / (taken + beta**2 * right[-1])
    best = int(np.argmax(promise))
    keep[order[: best + 1]] = True
    return keep, float(promise[best])
