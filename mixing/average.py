"""Averages of laws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mixing.laws import Law, make_law, register

_PROCESS_SHARE = 0.6  # with runs enough
_ENOUGH = 5.0  # runs per domain from which Gaussian processes are worth that much


@register
class Average(Law):
    """Power laws (a common power, a power each) and Gaussian processes (alone, on residuals).

    A formula and a process err in different places: the formula where interactions are strong, the
    process where runs are few. Processes count .6 from five runs per domain on and less below, in
    proportion; parts fixed beforehand are as good as parts chosen by cross-validation and do not
    depend on luck.
    """

    name: ClassVar[str] = "average"
    title: ClassVar[str] = "average of power laws and GPs"

    members: ClassVar[tuple[str, ...]] = ("power", "power-per-domain", "gp", "residual")

    def _fit(self, P, Y, weight):
        # the weights hold what is missing, so that members see the same rows
        self.laws_ = [make_law(name).fit(P, Y, weight) for name in self.members]
        self.size_ = P.shape

    def _predict(self, P):
        return self.combine([law.predict(P) for law in self.laws_], *self.size_)

    @classmethod
    def combine(cls, predictions: Sequence[np.ndarray], runs: int, domains: int) -> np.ndarray:
        """The average of the members' predictions, in their order, for that many runs."""
        process = _PROCESS_SHARE * min(1.0, runs / (_ENOUGH * domains))
        formulas, processes = sum(predictions[:2]) / 2, sum(predictions[2:]) / 2
        return (1 - process) * formulas + process * processes
