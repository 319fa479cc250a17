"""Gradient-boosted trees: RegMix's regressor, as a law beside the others."""

from __future__ import annotations

import zlib
from importlib.util import find_spec
from typing import ClassVar

import numpy as np

from catalogs.errors import UserError
from mixing.laws import Law, Scale, register

_LEAF = (5, 12, 20)  # runs in a leaf: at least, a part of all, and at most (LightGBM's own)
INSTALL = "pip install 'corpusmill[trees]'"
_SETTINGS = {
    "objective": "regression", "verbosity": -1, "num_threads": 1, "deterministic": True,
    "force_row_wise": True, "seed": 42,
}  # fmt: skip


@register
class BoostedTrees(Law):
    """LightGBM on the shares, the regressor of RegMix (Liu et al., 2024).

    No early stopping: rows that a fit is scored on must not say when it ends. RegMix has 1000
    trees at a rate of .01; a third of them at three times the rate predicts as well and costs a
    fifth. Leaves are smaller where runs are few, as LightGBM's own 20 would leave 30 runs without a
    split. Flat beyond what was sampled and between runs, hence not convex: it predicts, it is not
    solved on. The package `lightgbm` is optional.

    Parameters
    ----------
    trees, rate
        Number of trees, and the learning rate.
    """

    name: ClassVar[str] = "lightgbm"
    title: ClassVar[str] = "LightGBM"

    def __init__(self, trees: int = 300, rate: float = 0.03):
        self.trees, self.rate = trees, rate

    @classmethod
    def missing(cls) -> str:
        return "" if find_spec("lightgbm") else f"the package lightgbm is not installed ({INSTALL})"

    def _fit(self, P, Y, weight):
        lightgbm = _library()
        self.scale_ = Scale(Y, weight)
        Z = self.scale_.to_unit(Y)
        self.trees_ = []
        for z, w in zip(Z.T, weight.T, strict=True):
            use = w > 0
            least, part, most = _LEAF
            leaf = min(most, max(least, int(use.sum()) // part))
            settings = {**_SETTINGS, "learning_rate": self.rate, "min_data_in_leaf": leaf}
            data = lightgbm.Dataset(P[use], z[use], weight=w[use], params=settings)
            booster = lightgbm.train(settings, data, self.trees)
            packed = zlib.compress(booster.model_to_string().encode(), 1)
            self.trees_.append(np.frombuffer(packed, np.uint8))

    def _predict(self, P):
        lightgbm = _library()
        texts = (zlib.decompress(np.asarray(one).tobytes()).decode() for one in self.trees_)
        found = [lightgbm.Booster(model_str=text).predict(P, num_threads=1) for text in texts]
        return self.scale_.to_loss(np.stack(found, 1))


def _library():
    try:
        import lightgbm
    except ImportError:
        raise UserError(f"law 'lightgbm': the package is not installed: {INSTALL}") from None
    return lightgbm
