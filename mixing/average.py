"""Averages of laws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mixing.laws import Law, make_law, register


@register
class Average(Law):
    """Half Gaussian process, half power laws (one with a common power, one with a power each).

    A formula and a process err in different places: the formula where interactions are strong, the
    process where runs are few. Equal parts are as good as parts chosen by cross-validation and do
    not depend on luck.
    """

    name: ClassVar[str] = "average"
    title: ClassVar[str] = "average of power laws and GP"

    members: ClassVar[tuple[tuple[str, float], ...]] = (
        ("power", 0.25),
        ("power-per-domain", 0.25),
        ("gp", 0.5),
    )

    def _fit(self, P, Y, weight):
        # the weights hold what is missing, so that members see the same rows
        self.laws_ = [make_law(name).fit(P, Y, weight) for name, _ in self.members]

    def _predict(self, P):
        return self.combine([law.predict(P) for law in self.laws_])

    @classmethod
    def combine(cls, predictions: Sequence[np.ndarray]) -> np.ndarray:
        """The average of the members' predictions, in their order."""
        return sum(
            share * value for (_, share), value in zip(cls.members, predictions, strict=True)
        )
