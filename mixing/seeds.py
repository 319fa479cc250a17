"""What a seed does to all mixes alike, and the noise that is left.

Runs of one seed share their first weights and the order of their data: they are better or worse
together, and mixes are compared within a seed, as in a randomised block design (Fisher, 1935). A
repeat with another seed would else pull its mix up or down beside all mixes that have no repeat.
"""

from __future__ import annotations

from collections import Counter

import numpy as np


def seed_effects(P: np.ndarray, Y: np.ndarray, seeds) -> tuple[np.ndarray, int]:
    """By how much each run's loss differs for its seed's sake.

    Beside the most common seed, and over the mixes that were trained with both. Of a seed that has
    fewer than two mixes in common with it nothing is known: one difference may be noise as well.

    Parameters
    ----------
    P, Y
        Shares (runs, m) and losses (runs, tasks).
    seeds
        Of the runs, (runs,).

    Returns
    -------
    ndarray, int
        Effects (runs, tasks), and of how many seeds.
    """
    Y, seeds = np.asarray(Y, float), np.asarray(seeds)
    effects = np.zeros_like(Y)
    counts = Counter(seeds.tolist())
    base = min(counts, key=lambda seed: (-counts[seed], seed))
    _, mix = np.unique(P, axis=0, return_inverse=True)
    mix = mix.ravel()
    known = 0
    for seed in sorted(set(counts) - {base}):
        falls = [
            Y[(mix == one) & (seeds == seed)].mean(0) - Y[(mix == one) & (seeds == base)].mean(0)
            for one in np.intersect1d(mix[seeds == seed], mix[seeds == base])
        ]
        if len(falls) > 1:
            effects[seeds == seed] = np.mean(falls, axis=0)
            known += 1
    return effects, known


def pooled_noise(P: np.ndarray, Y: np.ndarray, seeds=None) -> np.ndarray:
    """Pooled standard deviation of losses between runs of one mix, (tasks,); nan without any.

    With `seeds`, what a seed does to all mixes alike is left out.
    """
    squares, freedom = np.zeros(Y.shape[1]), 0
    if seeds is not None:
        effects, known = seed_effects(P, Y, seeds)
        Y, freedom = Y - effects, -known
    _, group = np.unique(P, axis=0, return_inverse=True)
    group = group.ravel()
    for one in np.flatnonzero(np.bincount(group) > 1):
        same = Y[group == one]
        squares += ((same - same.mean(0)) ** 2).sum(0)
        freedom += len(same) - 1
    return np.sqrt(squares / freedom) if freedom > 0 else np.full(Y.shape[1], np.nan)
