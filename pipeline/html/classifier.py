"""The block classifier: two passes of boosted trees.

The first pass sees blocks (`pipeline.html.features`), the second what the first says of the blocks
around (`pipeline.html.context`). Their probabilities are averaged.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.html.blocks import Blocks
from pipeline.html.context import context
from pipeline.html.features import Frame, features
from pipeline.html.trees import Trees

MODEL = "model.npz"


class Classifier(NamedTuple):
    """Both passes."""

    first: Trees
    second: Trees

    def probabilities(self, page: Blocks) -> np.ndarray:
        """How likely each block belongs to the main text, float32[blocks]."""
        rows, frame = features(page)
        return self.of_rows(page, rows, frame)

    def of_rows(self, page: Blocks, rows: np.ndarray, frame: Frame) -> np.ndarray:
        """The same of features that are at hand."""
        p = self.first.probabilities(rows)
        q = self.second.probabilities(context(page, frame, p))
        return (p + q) * np.float32(0.5)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        np.savez_compressed(path, **self.first.arrays("first"), **self.second.arrays("second"))


def load(path) -> Classifier:
    """Read a model from an ``.npz`` file (a `Path` or a resource)."""
    with path.open("rb") as file, np.load(file) as archive:
        return Classifier(Trees.load(archive, "first"), Trees.load(archive, "second"))


@cache
def shipped() -> Classifier:
    """The model that comes with the package."""
    return load(files("pipeline.html").joinpath(MODEL))
