"""The axis that a feature is drawn along: its range, its bins and its ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass

BINS = 60


@dataclass(frozen=True)
class Axis:
    """From `low` to `high` in `bins` steps, of equal width in the value or in ``log10(1 + value)``.

    What lies beyond an end belongs to the bin at that end.
    """

    low: float
    high: float
    bins: int = BINS
    log: bool = False

    @classmethod
    def over(
        cls, quantiles: list[float], whole: bool, shown: list[float], bins: int = BINS
    ) -> Axis:
        """An axis for values with these quantiles (0.5, 50, 99 and 99.5 %) and marks at `shown`.

        Logarithmic when the values are not negative and the median is far below the 99 % quantile
        or below a mark.
        """
        first, middle, far, last = quantiles
        low, high = min([first, *shown]), max([last, *shown])
        far = max([far, *shown])
        log = low >= 0 and far > 8 * middle > 0 and far > 10
        if high <= low:
            high = low + 1
        if whole and not log and high - low < bins:
            return cls(math.floor(low), math.floor(high) + 1, int(high - low) + 1)
        if not log:  # so that a mark at an end is seen
            pad = (high - low) / bins
            low = low - pad if low in shown and low != 0 else low
            high = high + pad if high in shown else high
        return cls(low, high, bins, log)

    def scaled(self, value: float) -> float:
        return math.log10(1 + max(value, 0.0)) if self.log else value

    def place(self, value: float) -> float:
        """Where a value lies, 0 to 1."""
        low, high = self.scaled(self.low), self.scaled(self.high)
        return min(1.0, max(0.0, (self.scaled(value) - low) / (high - low)))

    def edge(self, number: int) -> float:
        """Lower end of a bin; ``edge(bins)`` is the upper end of the last."""
        low, high = self.scaled(self.low), self.scaled(self.high)
        at = low + (high - low) * number / self.bins
        return 10**at - 1 if self.log else at

    def sql(self, column: str) -> str:
        """The number of the bin of a column's value."""
        low, high = self.scaled(self.low), self.scaled(self.high)
        value = f"log10(1 + greatest({column}, 0))" if self.log else column
        step = f"({value} - CAST({low!r} AS DOUBLE)) * {self.bins} / CAST({high - low!r} AS DOUBLE)"
        return f"CAST(least(greatest(floor({step}), 0), {self.bins - 1}) AS INTEGER)"

    def ticks(self, count: int = 6) -> list[float]:
        """Round values to write along the axis."""
        if self.log:
            powers = [10.0**power for power in range(13)]
            ticks = [value for value in [0.0, *powers] if self.low <= value <= self.high]
            if len(ticks) < 4:
                fine = [power * factor for power in powers for factor in (1, 3)]
                ticks = [value for value in [0.0, *fine] if self.low <= value <= self.high]
            return ticks[:: 1 + len(ticks) // 9]
        rough = (self.high - self.low) / count
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [
            number * step
            for number in range(first, first + 3 * count)
            if number * step <= self.high * (1 + 1e-12) or number * step <= self.high
        ]


def number(value: float | None) -> str:
    """A value of a feature as a person reads it."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if 0.999 < value < 1:  # a probability: 0.99983 is no 1
        return f"{value:.{min(math.ceil(-math.log10(1 - value)) + 1, 8)}f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
