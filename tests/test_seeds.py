"""What a seed does to all mixes alike, and the noise that is left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixing.seeds import pooled_noise, seed_effects


def swarm(seed, lifts, noise=0.0, anchors=2, mixes=12, tasks=3):
    """Shares, losses and seeds: mixes with seed 7, and anchors again with other seeds."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(4), mixes)
    truth = rng.normal(2, 1, (mixes, tasks))
    rows = list(range(mixes)) + [one for _ in lifts for one in range(anchors)]
    seeds = [7] * mixes + [8 + number for number in range(len(lifts)) for _ in range(anchors)]
    lift = np.array([0.0] * mixes + [own for own in lifts for _ in range(anchors)])
    Y = truth[rows] + lift[:, None] + noise * rng.normal(size=(len(rows), tasks))
    return P[rows], Y, seeds, lift


@given(st.integers(0, 10**6), st.lists(st.floats(-1, 1), min_size=1, max_size=4))
def test_what_a_seed_does_to_all_mixes_is_found(seed, lifts):
    P, Y, seeds, lift = swarm(seed, lifts)
    effects, known = seed_effects(P, Y, seeds)
    assert known == len(lifts)
    assert effects == pytest.approx(np.tile(lift[:, None], 3), abs=1e-9)
    again, _ = seed_effects(P, Y - effects, seeds)
    assert again == pytest.approx(np.zeros_like(Y), abs=1e-9)


def test_a_seed_without_a_mix_in_common_stays_as_it_is():
    P = np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    effects, known = seed_effects(P, np.array([[1.0], [2.0], [9.0]]), [1, 1, 2])
    assert known == 0 and not effects.any()
    assert np.isnan(pooled_noise(P, np.ones((3, 1)), [1, 1, 2])).all()


def test_noise_is_what_seeds_do_to_mixes_differently():
    found = []
    for seed in range(200):
        P, Y, seeds, _ = swarm(seed, [0.5, -0.3], noise=0.02, anchors=3)
        found.append(pooled_noise(P, Y, seeds) ** 2)
    assert np.sqrt(np.mean(found)) == pytest.approx(0.02, rel=0.1)
    assert (pooled_noise(P, Y) > 0.2).all()


def test_one_anchor_cannot_tell_a_seed_from_noise():
    P, Y, seeds, _ = swarm(1, [0.5, -0.3], noise=0.02, anchors=1)
    effects, known = seed_effects(P, Y, seeds)
    assert known == 0 and not effects.any()
    assert pooled_noise(P, Y, seeds).tolist() == pooled_noise(P, Y).tolist()
