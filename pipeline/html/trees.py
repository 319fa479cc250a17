"""Boosted decision trees as flat arrays, and a kernel that evaluates them.

The arrays are stored in an ``.npz`` file and read without pickle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from filters.jit import kernel

FIELDS = ("feature", "threshold", "left", "right", "value", "first")


@dataclass(frozen=True)
class Trees:
    """A sum of decision trees; a row goes left where ``row[feature] <= threshold``.

    Nodes of all trees stand one after the other. A child below 0 is a leaf, the number of its
    value being ``~child``. `first` holds the first node of each tree, or the leaf ``~first`` of
    a tree without nodes.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    first: np.ndarray

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """The logistic function of the sum of the trees, float32[rows]."""
        sums = np.zeros(len(rows), np.float64)
        _evaluate(
            rows, self.feature, self.threshold, self.left, self.right, self.value, self.first, sums
        )
        return (1.0 / (1.0 + np.exp(-sums))).astype(np.float32)

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """The fields under names with a prefix, for `numpy.savez`."""
        return {f"{prefix}_{name}": getattr(self, name) for name in FIELDS}

    @classmethod
    def load(cls, archive: Any, prefix: str) -> Trees:
        """Read the fields from an open ``.npz`` archive."""
        return cls(*(np.ascontiguousarray(archive[f"{prefix}_{name}"]) for name in FIELDS))

    @classmethod
    def build(cls, trees: list[dict[str, Any]]) -> Trees:
        """From nested nodes: ``split_feature``, ``threshold``, ``left_child``, ``right_child``, or
        ``leaf_value``, as LightGBM dumps them.
        """
        feature: list[int] = []
        threshold: list[np.float32] = []
        left: list[int] = []
        right: list[int] = []
        value: list[float] = []
        first = []

        def add(node: dict[str, Any]) -> int:
            if "split_feature" not in node:
                value.append(node["leaf_value"])
                return ~(len(value) - 1)
            number = len(feature)
            feature.append(node["split_feature"])
            threshold.append(_floor32(node["threshold"]))
            left.append(0)
            right.append(0)
            left[number] = add(node["left_child"])
            right[number] = add(node["right_child"])
            return number

        for tree in trees:
            first.append(add(tree))
        return cls(
            np.array(feature, np.int16),
            np.array(threshold, np.float32),
            np.array(left, np.int32),
            np.array(right, np.int32),
            np.array(value, np.float32),
            np.array(first, np.int32),
        )


def _floor32(x: float) -> np.float32:
    """The largest float32 that is not above x: comparisons of float32 come out the same."""
    y = np.float32(x)
    return np.nextafter(y, np.float32(-np.inf)) if float(y) > x else y


@kernel
def _evaluate(rows, feature, threshold, left, right, value, first, sums):
    # tree by tree, so that a tree stays in the nearest cache
    for tree in first:
        for i in range(len(rows)):
            node = tree
            while node >= 0:
                if rows[i, feature[node]] <= threshold[node]:
                    node = left[node]
                else:
                    node = right[node]
            sums[i] += value[~node]
