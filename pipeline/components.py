"""Connected components of a graph whose nodes are 0 … n-1, by union-find over one array.

The label of a component is its smallest node, whatever the order of the edges. Memory is one
integer per node; edges may come in any number of batches.
"""

from __future__ import annotations

import numpy as np
from numba import njit


def forest(nodes: int) -> np.ndarray:
    """A forest of single nodes: int64 array in which each node is its own parent."""
    return np.arange(nodes, dtype=np.int64)


def join(parents: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Join the trees of the ends of each edge, in place."""
    _join(parents, left, right)


def labels(parents: np.ndarray) -> np.ndarray:
    """The smallest node of each node's component, int64 array; the forest is flattened to it."""
    return _labels(parents)


@njit(cache=True, nogil=True)
def find(parents, node):
    """Root of a node; halves the path on its way (Tarjan, van Leeuwen 1984)."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@njit(cache=True, nogil=True)
def unite(parents, left, right):
    """Join two trees under the smaller root; false if they were one already."""
    left, right = find(parents, left), find(parents, right)
    if left == right:
        return False
    parents[max(left, right)] = min(left, right)
    return True


@njit(cache=True, nogil=True)
def _join(parents, left, right):
    for i in range(len(left)):
        unite(parents, left[i], right[i])


@njit(cache=True, nogil=True)
def _labels(parents):
    for node in range(len(parents)):  # a parent is smaller than its child, so it is done already
        parents[node] = parents[parents[node]]
    return parents
