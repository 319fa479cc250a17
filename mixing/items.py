"""Per-item scores of a swarm, and what another draw of items would have said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage

_BLOCK = 1 << 22  # weights held at once


@dataclass(frozen=True)
class ItemScores:
    """A task's scores item by item.

    Attributes
    ----------
    bits
        Code lengths, (runs, items).
    n_bytes
        Of the items, (items,); the task's loss is all bits over all bytes.
    """

    bits: np.ndarray
    n_bytes: np.ndarray

    def shifts(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Losses of every run on items drawn with replacement, less those on all, (draws, runs).

        One draw serves all runs: items are hard or easy for all of them alike, and only what they
        do to the differences between mixes moves an optimum.
        """
        runs, items = self.bits.shape
        if items < 2 or not self.n_bytes.sum():
            return np.zeros((draws, runs))
        loss = self.bits.sum(1) / self.n_bytes.sum()
        found = np.empty((draws, runs))
        step = max(1, _BLOCK // items)
        for start in range(0, draws, step):
            part = slice(start, min(draws, start + step))
            count = part.stop - start
            taken = rng.multinomial(items, np.full(items, 1 / items), size=count).astype(float)
            sizes = taken @ self.n_bytes
            # a draw of items without a byte says nothing
            again = np.where(sizes > 0, sizes, np.inf)[:, None]
            found[part] = np.where(sizes[:, None] > 0, (taken @ self.bits.T) / again - loss, 0.0)
        return found


def read_items(paths: Sequence[Sequence[str]], tasks: Sequence[str]) -> dict[str, ItemScores]:
    """Per-item scores by task, from the item files of every run.

    A task is left out whose items are not the same in every run.

    Parameters
    ----------
    paths
        Of each run, the Parquet files that its scoring wrote.
    """
    bits: dict[str, list[np.ndarray]] = {task: [] for task in tasks}
    sizes: dict[str, list[np.ndarray]] = {task: [] for task in tasks}
    for one in paths:
        for path in one:
            with storage.open_input(path) as file:
                table = pq.read_table(file, columns=["task", "item", "bits", "n_bytes"])
            for task in table["task"].unique().to_pylist():
                if task not in bits:
                    continue
                rows = table.filter(pc.equal(table["task"], task)).sort_by("item")
                bits[task].append(rows["bits"].to_numpy())
                sizes[task].append(rows["n_bytes"].to_numpy())
    found = {}
    for task in tasks:
        first = sizes[task][0] if sizes[task] else np.zeros(0)
        same = all(np.array_equal(first, other) for other in sizes[task])
        if len(sizes[task]) == len(paths) and len(first) and same:
            found[task] = ItemScores(np.array(bits[task]), first)
    return found


def item_shifts(
    items: dict[str, ItemScores], tasks: Sequence[str], draws: int, seed: int
) -> np.ndarray | None:
    """What drawing the items anew does to every loss, (draws, runs, tasks); None without items.

    Tasks are drawn apart, each by a stream of its own: a task more leaves the others' draws alone.
    """
    if not items:
        return None
    runs = len(next(iter(items.values())).bits)
    found = np.zeros((draws, runs, len(tasks)))
    for number, task in enumerate(tasks):
        if task in items:
            rng = np.random.default_rng([seed, draws, *task.encode()])
            found[:, :, number] = items[task].shifts(draws, rng)
    return found
