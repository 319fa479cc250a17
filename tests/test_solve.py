"""The best mix under constraints, by quadratic programs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixing
from catalogs.errors import UserError
from mixing.shares import divergence
from tests.planted import Truth, anything, objective, planted


def test_the_optimum_is_that_of_a_fine_grid():
    truth = Truth(6, 3)
    found = mixing.solve(objective(truth, 3), anything(3))
    steps = np.arange(1, 400) / 400
    grid = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b < 1])
    values = objective(truth, 3).many(grid)
    assert found.optimal and found.gap < 1e-5
    assert found.value <= values.min() + 1e-9
    assert np.abs(found.shares - grid[values.argmin()]).max() < 0.02


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_constraints_hold_and_the_certificate_is_small(data):
    m = 5
    share = st.floats(0, 1)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    inside = rng.dirichlet(np.ones(m))  # a mix that will be feasible
    names = [f"d{j}" for j in range(m)]
    floors = {n: data.draw(share) * p for n, p in zip(names, inside, strict=True)}
    caps = {n: p + data.draw(share) * (1 - p) for n, p in zip(names, inside, strict=True)}
    tokens = rng.lognormal(2, 1, m)
    epochs = float((inside / tokens).max() * data.draw(st.floats(1.0, 5.0)))
    group = mixing.Group("g", ("d0", "d1"), at_most=float(inside[:2].sum()))
    kl = data.draw(st.one_of(st.none(), st.floats(0.05, 1.0)))
    feasible = mixing.make_feasible(
        names, tokens, 1.0, epochs, floors, caps, (group,),
        kl, inside if kl else None,
    )  # fmt: skip
    goal = objective(Truth(7, m), m)
    found = mixing.solve(goal, feasible)
    p = found.shares
    assert feasible.violation(p) <= 1e-6 and abs(p.sum() - 1) < 1e-9
    assert (p <= epochs * tokens + 1e-6).all() and p[:2].sum() <= group.at_most + 1e-6
    assert found.gap < 1e-3
    assert found.value <= goal(inside) + 1e-9


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"floors": {"a": 0.7, "b": 0.6}}, "floors sum to 1.3, more than 1: a 0.7, b 0.6"),
        ({"caps": {"a": 0.2, "b": 0.3, "c": 0.1}}, "less than 1: cap: a 0.2, b 0.3, c 0.1"),
        ({"max_epochs": 1.0, "budget": 9.0}, "epochs: a 0.111.*raise max_epochs, lower tokens"),
        ({"floors": {"a": 0.5}, "caps": {"a": 0.4}}, "floor of 'a' .0.5. is above its cap .0.4."),
        ({"groups": (mixing.Group("code", ("a", "b"), at_most=0.1),), "caps": {"c": 0.5}},
         "group 'code' cannot be met"),
        ({"floors": {"a": 0.9}, "kl": 0.1}, "kl 0.1 clashes .* nats from the natural one"),
    ],
)  # fmt: skip
def test_constraints_that_clash_are_named(limits, told):
    limits = dict(limits)
    budget = limits.pop("budget", 1.0)
    limits.setdefault("max_epochs", None)
    feasible = mixing.make_feasible(
        ("a", "b", "c"), np.ones(3), budget, centre=mixing.uniform(3), **limits
    )
    with pytest.raises(UserError, match=told):
        mixing.solve(objective(Truth(0, 3), 3), feasible)


def test_bounds_that_hold_the_answer_are_told():
    truth = Truth(8, 4)
    free = mixing.solve(objective(truth, 4), anything(4))
    top = int(free.shares.argmax())
    names = [f"d{j}" for j in range(4)]
    feasible = mixing.make_feasible(
        names, np.ones(4), 1.0, None, caps={names[top]: 0.5 * free.shares[top]}
    )
    held = mixing.solve(objective(truth, 4), feasible)
    assert held.binding[top] == "cap" and held.pull[top] > 0
    assert [cause for j, cause in enumerate(held.binding) if j != top] == [""] * 3
    # the pull is a shadow price: what a slightly higher cap gains
    step = 1e-4
    eased = mixing.make_feasible(
        names, np.ones(4), 1.0, None, caps={names[top]: 0.5 * free.shares[top] + step}
    )
    gained = (held.value - mixing.solve(objective(truth, 4), eased).value) / step
    assert gained == pytest.approx(held.pull[top], rel=0.05)


def test_a_narrow_trust_region_gives_the_natural_mix():
    truth, centre = Truth(9, 5), mixing.natural(np.array([5.0, 4.0, 3.0, 2.0, 1.0]))
    values = []
    for kl in (1e-6, 0.02, 0.2, None):
        feasible = mixing.make_feasible(
            [f"d{j}" for j in range(5)], np.ones(5), 1.0, None, kl=kl, centre=centre
        )
        found = mixing.solve(objective(truth, 5), feasible)
        assert found.gap < 1e-4
        assert kl is None or divergence(found.shares, centre) <= kl + 1e-6
        values.append(found.value)
        if kl == 1e-6:
            assert np.abs(found.shares - centre).max() < 1e-3
    assert values == sorted(values, reverse=True)


def test_the_recovered_optimum_is_near_and_the_interval_covers():
    covered, regrets, widths = [], [], []
    for seed in range(6):
        truth, _, swarm, losses = planted(20 + seed, noise=0.01)
        P, m = swarm.shares, 5
        law = mixing.PowerLawPerDomain().fit(P, losses)
        feasible = anything(m)
        best = mixing.solve(objective(law, m), feasible)
        ideal = mixing.solve(objective(truth, m), feasible)
        regret = objective(truth, m)(best.shares) - ideal.value
        natural = objective(truth, m)(swarm.shares[0]) - ideal.value
        regrets.append(regret / natural)
        folds = mixing.make_folds(P)
        unseen = mixing.cross_validate([law], P, losses, folds)[law.name]
        drawn = mixing.bootstrap_laws(law, P, losses, unseen, 40, seed)
        optima = mixing.solve_many([objective(one, m) for one in drawn], feasible, best.shares)
        low, high = mixing.interval(optima)
        covered += list((low <= ideal.shares) & (ideal.shares <= high))
        widths.append(high - low)
    assert np.median(regrets) < 0.02 and max(regrets) < 0.1
    assert np.mean(covered) >= 0.8 and np.mean(widths) < 0.1
