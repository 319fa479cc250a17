"""Shares that are exact, and the swarm of mixes to train."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixing
from catalogs.errors import UserError

# shares ---------------------------------------------------------------------------------------

positive = st.floats(1e-9, 1e12, allow_nan=False)


@given(st.lists(st.one_of(st.just(0.0), positive), min_size=1, max_size=40).filter(any), st.data())
def test_exact_shares_sum_to_one_in_any_order(values, data):
    p = mixing.exact(np.array(values))
    order = data.draw(st.permutations(range(len(p))))
    assert sum(p[order]) == 1.0 and p.sum() == 1.0
    assert (p >= 0).all() and (p[np.array(values) == 0] == 0).all()
    assert np.abs(p - np.array(values) / np.sum(values)).max() <= len(p) / 2**20


def test_shares_that_are_no_mix_are_refused():
    for bad in ([0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="finite shares"):
            mixing.exact(np.array(bad))


@given(
    st.lists(st.floats(1e3, 1e9), min_size=2, max_size=12),
    st.floats(1e3, 1e11),
    st.floats(0.5, 16),
)
def test_unimax_is_as_uniform_as_epochs_allow(tokens, budget, epochs):
    tokens = np.array(tokens)
    p = mixing.unimax(tokens, budget, epochs)
    if budget > epochs * tokens.sum():
        assert np.allclose(p, tokens / tokens.sum(), atol=1e-5)
        return
    spent = p * budget
    assert (spent <= epochs * tokens + 2e-5 * budget).all()
    free = spent < epochs * tokens - 2e-5 * budget
    if free.any():  # those not held at their limit share alike, and above the others
        assert np.ptp(p[free]) < 2e-5 and p[free].min() >= p.max() - 2e-5


# swarm ----------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(1.0, 1e12), min_size=2, max_size=12),
    st.integers(0, 5),
    st.integers(3, 40),
    st.floats(0.1, 1.0),
)
def test_swarm_lies_on_the_simplex_and_is_the_same_again(tokens, seed, mixes, temperature):
    names = tuple(f"d{j}" for j in range(len(tokens)))

    def design(count):
        return mixing.design_swarm(
            names, np.array(tokens), count, temperature=temperature, seed=seed
        )

    swarm, again, larger = design(mixes), design(mixes), design(mixes + 5)
    assert (swarm.shares.sum(1) == 1.0).all() and (swarm.shares >= 0).all()
    assert np.array_equal(swarm.shares, again.shares) and swarm.kinds == again.kinds
    assert np.array_equal(larger.shares[:mixes], swarm.shares[:mixes])  # it grows
    assert len(np.unique(swarm.shares, axis=0)) == len(swarm) - swarm.kinds.count("repeat")


def test_swarm_reaches_what_the_solve_may_give():
    tokens = np.array([1e9, 1e8, 1e7, 1e6])
    reach = np.array([0.7, 0.6, 0.3, 0.05])
    swarm = mixing.design_swarm(("a", "b", "c", "d"), tokens, reach=reach)
    assert mixing.default_mixes(4) == 15 == len(swarm) - swarm.kinds.count("repeat")
    assert (swarm.shares.max(0) >= reach - 1e-6).all()
    assert np.array_equal(swarm.shares[0], mixing.natural(tokens))
    for anchor in (mixing.natural(tokens), mixing.uniform(4)):
        same = (swarm.shares == anchor).all(1)
        assert same.sum() == 3 and len(set(swarm.seeds[same])) == 3
    sparse = swarm.shares[[kind == "sparse" for kind in swarm.kinds]]
    assert len(sparse) and ((sparse > 0).sum(1) <= 2).all()


@pytest.mark.parametrize(
    ("names", "tokens", "mixes", "told"),
    [
        (("a",), [1.0], None, "at least two domains"),
        (("a", "b"), [1.0, 0.0], None, "domain 'b' holds no tokens"),
        (("a", "b"), [1.0, 1.0], 2, "at least 3"),
    ],
)
def test_swarm_refuses_what_cannot_be_mixed(names, tokens, mixes, told):
    with pytest.raises(UserError, match=told):
        mixing.design_swarm(names, np.array(tokens), mixes)
