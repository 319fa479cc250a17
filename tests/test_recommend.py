"""Recommendations from a bank of laws: limits, ties, prices, guard, fading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixing
from catalogs.errors import UserError
from mixing.ask import Ask
from mixing.asking import task_weights
from mixing.bank import Bank, Repetition
from mixing.program import programs, solve_programs
from mixing.recommend import recommend
from tests.planted import objective, planted


@pytest.fixture(scope="module")
def bank():
    """A bank of two kinds of law, and five bootstraps of it."""
    _, _, swarm, losses = planted(12)
    P = swarm.shares
    law = mixing.FixedLaw(["power", "log-linear", "power-per-domain", "power", "log-linear"])
    law.fit(P, losses)
    return Bank.of([law, *law.refit(P, np.stack([losses + 0.01 * k for k in range(5)]), None)])


def question(**changes):
    names = tuple(f"d{j}" for j in range(5))
    settings = {"domains": names, "available": np.array([8.0, 4.0, 2.0, 1.0, 0.5]),
                "weights": np.full(5, 0.2), "budget": 4.0, "families": names}  # fmt: skip
    return Ask(**{**settings, **changes})


@given(st.integers(0, 1000), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_bank_says_what_its_laws_say_and_has_true_derivatives(bank, seed, fading):
    p = np.random.default_rng(seed).dirichlet(np.ones(5)) * 0.98 + 0.004
    reuse = Repetition(np.array([0.3, 0.1, 0.05, 0.02, 0.9])) if fading else None
    which = np.zeros(1, int)
    found = bank.evaluate(p[None], which, reuse)
    step = 1e-6
    for j in range(5):
        up, down = p.copy(), p.copy()
        up[j], down[j] = p[j] + step, p[j] - step
        a, b = (bank.evaluate(q[None], which, reuse) for q in (up, down))
        assert np.allclose((a.y - b.y)[0] / (2 * step), found.slope[0, :, j], rtol=1e-3, atol=1e-5)
        second = found.curve[0][:, None] * found.slope[0] * found.slope[0, :, [j]].T
        second[:, j] += found.diagonal[0, :, j]
        assert (second[:, j] >= -1e-9).all()  # convex
        bent = (a.slope - b.slope)[0] / (2 * step)
        assert np.allclose(bent, second, rtol=2e-2, atol=1e-2 * np.abs(second).max())


def test_the_interior_point_method_agrees_with_quadratic_programming(bank):
    _, _, swarm, losses = planted(12)
    law = mixing.FixedLaw(["power", "log-linear", "power-per-domain", "power", "log-linear"])
    law.fit(swarm.shares, losses)
    for changes in ({}, {"caps": {"d1": 0.1}, "floors": {"d2": 0.3}}, {"kl": 0.2},
                    {"groups": (mixing.Group("g", ("d0", "d1"), 0.2, 0.3),)}):  # fmt: skip
        ask = question(max_epochs=None, **changes)
        other = mixing.solve(objective(law, 5), ask.feasible())
        mine = recommend(bank, ask, 0.01)
        best = mine.mixes["recommended"]
        assert ask.feasible().violation(best) < 1e-5
        assert objective(law, 5)(best) == pytest.approx(other.value, abs=1e-5)
        assert np.abs(best - other.shares).max() < 2e-3 and mine.gap < 1e-6


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_recommendations_keep_every_limit(bank, data):
    share = st.floats(0, 1)
    inside = np.random.default_rng(data.draw(st.integers(0, 99))).dirichlet(np.ones(5))
    floors = {f"d{j}": data.draw(share) * p for j, p in enumerate(inside)}
    caps = {f"d{j}": p + data.draw(share) * (1 - p) for j, p in enumerate(inside)}
    part = tuple(data.draw(share) for _ in range(2))
    group = mixing.Group("g", ("d0", "d1"), 0.0, float(inside[:2] @ part), part)
    ask = question(floors=floors, caps=caps, groups=(group,), max_epochs=None,
                   available=inside, kl=data.draw(st.one_of(st.none(), st.floats(0.01, 1))),
                   fading=data.draw(st.booleans()))  # fmt: skip
    found = recommend(bank, ask, 0.02)
    best = found.mixes["recommended"]
    assert best.sum() == 1.0 and ask.feasible().violation(best) < 2e-5
    assert (found.tie_low <= best).all() and (best <= found.tie_high).all()
    assert (found.low <= best).all() and (best <= found.high).all()
    assert found.gain["natural"][0] >= -1e-6  # natural is allowed here


def test_ties_reach_as_far_as_the_slack_and_no_farther(bank):
    ask = question()
    found = recommend(bank, ask, 0.01)
    best = found.mixes["recommended"]
    value = bank.predict(best)[0].mean()
    for j in range(5):
        wide = np.linspace(found.tie_high[j] + 0.02, 1, 3)
        held = [question(floors={f"d{j}": p}, max_epochs=None) for p in wide if p < 1]
        for ask in held:
            other = recommend(bank, ask, 0.0, whole=False).mixes["recommended"]
            assert bank.predict(other)[0].mean() > value + 0.009


def test_a_price_is_what_easing_the_limit_gains(bank):
    free = recommend(bank, question(max_epochs=None), 0.01, whole=False).mixes["recommended"]
    top = int(free.argmax())
    cap = 0.5 * float(free[top])
    found = recommend(bank, question(max_epochs=None, caps={f"d{top}": cap}), 0.01)
    assert found.binding[top] == "cap" and found.prices[0].name == f"d{top}"
    eased = question(max_epochs=None, caps={f"d{top}": cap + 0.001})
    value = [bank.predict(recommend(bank, ask, 0.0, whole=False).mixes["recommended"])[0].mean()
             for ask in (question(max_epochs=None, caps={f"d{top}": cap}), eased)]  # fmt: skip
    assert (value[0] - value[1]) * 10 == pytest.approx(found.prices[0].gain, rel=0.1)
    few = question(max_epochs=1.0, budget=14.0)
    tokens = [one for one in recommend(bank, few, 0.01).prices if one.limit == "tokens"]
    assert tokens and all(one.gain > 0 for one in tokens)


def test_the_guard_holds_the_worst_family(bank):
    weights = np.array([0.96, 0.01, 0.01, 0.01, 0.01])
    ask = question(weights=weights, max_epochs=None)
    free = recommend(bank, ask, 0.01)
    worse = free.loss["recommended"] - free.loss["natural"]
    assert worse.max() > 0.01
    guarded = recommend(bank, question(weights=weights, max_epochs=None, guard=0.0), 0.01)
    assert (guarded.loss["recommended"] - guarded.loss["natural"]).max() < 1e-4
    assert guarded.loss["recommended"] @ weights > free.loss["recommended"] @ weights
    assert any(one.limit == "guard" for one in guarded.prices)


def test_repeated_text_that_fades_is_used_less(bank):
    ask = question(budget=40.0, max_epochs=None)
    plain, faded = (recommend(bank, question(budget=40.0, max_epochs=None, fading=one), 0.01)
                    for one in (False, True))  # fmt: skip
    scarce = int(np.argmin(ask.available))
    assert faded.mixes["recommended"][scarce] < plain.mixes["recommended"][scarce]
    assert faded.prices and faded.prices[0].limit == "tokens"


def test_weights_by_name_family_and_part_of_a_name():
    tasks, families = ("a/math", "a/code", "b/qa"), ("a", "a", "b")
    weigh = lambda given, default=0.0: task_weights(given, tasks, families, default, "w").tolist()  # noqa: E731
    assert weigh({"math": 2, "qa": 1}) == pytest.approx([2 / 3, 0, 1 / 3])
    assert weigh({"a": 1, "b": 1}) == [0.25, 0.25, 0.5]
    assert weigh({"code": 0}, 1.0) == [0.5, 0, 0.5]
    assert weigh({"math": 1, "others": 0.5}) == [0.5, 0.25, 0.25]
    for wrong, told in (({"mth": 1}, "'mth' is unknown"), ({"math": 0}, "all weights are 0")):
        with pytest.raises(UserError, match=told):
            weigh(wrong)


def test_a_batch_of_programs_is_solved_as_each_alone(bank):
    ask = question()
    limits, middle = ask.feasible(), np.array([0.3, 0.3, 0.2, 0.1, 0.1])
    weights = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    which = np.arange(20) % len(bank)
    together = solve_programs(programs(bank, limits, weights, which), middle)
    for i in (0, 7, 19):
        alone = solve_programs(programs(bank, limits, weights[i], which[[i]]), middle)
        assert np.allclose(alone.shares[0], together.shares[i], atol=1e-4)
