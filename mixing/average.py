"""Averages of laws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mixing.laws import Law, make_law, register

_PROCESS_SHARE = 0.4  # with runs enough: five members, each counts a fifth
_ENOUGH = 5.0  # runs per domain from which Gaussian processes are worth that much


@register
class Average(Law):
    """Power laws (a common power, a power each, two skills) and Gaussian processes (alone, on
    residuals).

    A formula and a process err in different places: the formula where interactions are strong, the
    process where runs are few. All five count alike from five runs per domain on; below, processes
    count less, in proportion. Parts fixed beforehand are as good as parts chosen by
    cross-validation and do not depend on luck. Formulas have the larger half also because they hold
    better away from the runs: between mixes near and far from the natural one, and between sizes of
    model.
    """

    name: ClassVar[str] = "average"
    title: ClassVar[str] = "average of power laws and GPs"

    members: ClassVar[tuple[str, ...]] = (
        "power", "power-per-domain", "two-skill", "gp", "residual",
    )  # fmt: skip

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
        formulas, processes = sum(predictions[:3]) / 3, sum(predictions[3:]) / 2
        return (1 - process) * formulas + process * processes
