"""A power law with a Gaussian process on what it leaves: shape from the one, detail from both."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mixing.gaussian_process import GaussianProcess
from mixing.laws import Law, register
from mixing.power_law import PowerLaw


@register
class PowerLawResidual(Law):
    """The power law plus a Gaussian process fitted to its residuals.

    For tasks that have no domain of their own: what they gain from several domains together is no
    sum of powers, and the process follows it. The residuals are relative where all losses are
    positive. Where they are noise alone the process finds none of its own and the law is the power
    law. Not convex.
    """

    name: ClassVar[str] = "residual"
    title: ClassVar[str] = "power law + GP residual"

    def _fit(self, P, Y, weight):
        self.relative_ = (Y.min(0) > 0) & (Y.min(0) > 1e-3 * Y.max(0))
        self.shape_ = self._formula().fit(P, Y, weight)
        self.detail_ = GaussianProcess().fit(P, self._left(Y, self.shape_.predict(P)), weight)

    def _formula(self) -> Law:
        return PowerLaw()

    def _predict(self, P):
        shape, detail = self.shape_.predict(P), self.detail_.predict(P)
        return np.where(self.relative_, shape * np.exp(np.clip(detail, -5, 5)), shape + detail)

    def _left(self, Y, shape):
        with np.errstate(all="ignore"):
            return np.where(self.relative_, np.log(Y / np.maximum(shape, 1e-9)), Y - shape)
