"""The mixing room over arrays: shares, swarm, laws, solve, report, study file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad, least_squares
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

import mixing
from catalogs.errors import UserError
from mixing.answer import Runs, find_answer
from mixing.ask import Ask
from mixing.asking import make_ask, task_weights
from mixing.bank import Bank, Repetition
from mixing.confirm import compare
from mixing.levenberg import fit_modes
from mixing.model import fit_model
from mixing.program import programs, solve_programs
from mixing.recommend import recommend
from mixing.report import write_report
from mixing.shares import divergence
from mixing.story import study_story
from mixing.study_file import Study, load_study
from mixing.words import give_verdict

CONVEX = [name for name, law in mixing.LAWS.items() if law.convex]
NAMES = ("books", "code", "law", "math", "web")


class Truth:
    """Planted losses, (mixes, tasks), of the form that proxies show; one task to a domain."""

    def __init__(self, seed: int, m: int, interaction: float = 0.0):
        rng = np.random.default_rng(seed)
        self.floor = rng.uniform(0.6, 1.0, m)
        own = np.diag(rng.uniform(1, 3, m))
        self.w = np.exp(rng.normal(-1.5, 1.0, (m, m))) + own
        self.b = rng.uniform(0.2, 0.6, m)
        self.g = rng.uniform(0.4, 0.9, m)
        self.cross = interaction * rng.normal(size=(m, m, m))

    def predict(self, P):
        P = np.maximum(np.atleast_2d(P), 1e-12)
        s = 0.05 + np.stack([(P**g) @ w for g, w in zip(self.g, self.w, strict=True)], 1)
        return self.floor + s**-self.b + np.einsum("ni,tij,nj->nt", P, self.cross, P)

    def gradient(self, p):
        p = np.maximum(p, 1e-12)
        s = 0.05 + np.array([(p**g) @ w for g, w in zip(self.g, self.w, strict=True)])
        slope = self.w * self.g[:, None] * p ** (self.g[:, None] - 1)
        cross = np.einsum("tij,j->ti", self.cross + self.cross.transpose(0, 2, 1), p)
        return -(self.b * s ** (-self.b - 1))[:, None] * slope + cross


def planted(seed: int, m: int = 5, noise: float = 0.005, interaction: float = 0.0, mixes=None):
    rng = np.random.default_rng([seed, 7])
    truth = Truth(seed, m, interaction)
    tokens = rng.lognormal(16, 1.0, m)
    swarm = mixing.design_swarm(tuple(f"d{j}" for j in range(m)), tokens, mixes, seed=seed)
    losses = truth.predict(swarm.shares) + noise * rng.normal(size=(len(swarm), m))
    return truth, tokens, swarm, losses


def objective(law, m):
    return mixing.Objective(law, np.full(m, 1 / m), np.ones(m))


def anything(m):
    return mixing.make_feasible([f"d{j}" for j in range(m)], np.ones(m), 1.0, None)


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


# laws -----------------------------------------------------------------------------------------


def test_batched_least_squares_agrees_with_scipy():
    rng = np.random.default_rng(0)
    x = np.linspace(0.1, 2, 30)
    truth = np.array([[1.0, -0.7, 0.5], [0.8, -1.0, 0.2], [2.0, -1.5, 1.0]])
    y = truth[:, :1] * np.exp(truth[:, 1:2] * x) + truth[:, 2:] + 0.01 * rng.normal(size=(3, 30))
    weights = rng.uniform(0.5, 2, (3, 30))

    def model(theta, which):
        e = np.exp(theta[:, 1:2] * x)
        J = np.stack([e, theta[:, :1] * x * e, np.ones_like(e)], 2)
        return theta[:, :1] * e + theta[:, 2:], J

    precision, centre = np.diag([0.1, 0.2, 0.0]), np.zeros((3, 3))
    mode = fit_modes(model, np.tile([1.0, -0.5, 0.0], (3, 1)), y, weights, precision, centre)
    for i in range(3):

        def residual(theta, i=i):
            f = theta[0] * np.exp(theta[1] * x) + theta[2]
            return np.append(np.sqrt(weights[i]) * (f - y[i]), np.sqrt([0.1, 0.2]) * theta[:2])

        found = least_squares(residual, [1.0, -0.5, 0.0], xtol=1e-14, ftol=1e-14)
        assert np.allclose(mode.theta[i], found.x, atol=1e-4)
        assert mode.objective[i] == pytest.approx(found.cost, rel=1e-6)
        alone = fit_modes(
            lambda theta, which: model(theta, which),
            np.array([[1.0, -0.5, 0.0]]), y[i : i + 1], weights[i : i + 1], precision, centre[:1],
        )  # fmt: skip
        assert np.array_equal(alone.theta[0], mode.theta[i])  # whatever stands beside it


@pytest.mark.parametrize("name", CONVEX)
def test_convex_laws_are_convex_with_true_gradients(name):
    _, _, swarm, losses = planted(1)
    law = mixing.make_law(name).fit(swarm.shares, losses)
    rng = np.random.default_rng(0)
    for _ in range(3):
        p = rng.dirichlet(np.ones(5))
        slopes = law.gradient(p)
        for task in range(5):
            error = check_grad(
                lambda q, t=task: law.predict(q[None])[0, t],
                lambda q, t=task: law.gradient(q)[t],
                p,
                epsilon=1e-7,
            )
            assert error < 1e-3 * np.abs(slopes[task]).max()
    a, b = rng.dirichlet(np.full(5, 0.3), (2, 200))
    for t in (0.2, 0.5, 0.8):
        chord = t * law.predict(a) + (1 - t) * law.predict(b)
        assert (law.predict(t * a + (1 - t) * b) <= chord + 1e-9).all()


@pytest.mark.parametrize("name", sorted(mixing.LAWS))
def test_laws_treat_tasks_apart_and_leave_out_what_is_missing(name):
    _, _, swarm, losses = planted(2)
    P, Y = swarm.shares, losses
    whole = mixing.make_law(name).fit(P, Y).predict(P)
    one = mixing.make_law(name).fit(P, Y[:, 3])
    assert one.predict(P).shape == (len(P),)
    assert np.allclose(one.predict(P), whole[:, 3], atol=1e-6)
    gone = Y.copy()
    gone[4, 1] = np.nan
    keep = np.arange(len(P)) != 4
    weight = keep.astype(float)
    without = mixing.make_law(name).fit(P[keep], Y[keep]).predict(P)
    told = mixing.make_law(name).fit(P, gone).predict(P)
    # whether a residual is noise or detail may be a close call, within the noise
    near = 2e-2 if name == "residual" else 2e-3
    assert np.allclose(told[:, 1], without[:, 1], atol=near)
    assert np.allclose(mixing.make_law(name).fit(P, Y, weight).predict(P), without, atol=near)
    shifted = mixing.make_law(name).fit(P, 3 * Y + 2).predict(P)
    if name not in ("gp", "average", "residual"):  # these take logarithms
        assert np.allclose(shifted, 3 * whole + 2, atol=1e-5)


def test_gaussian_process_agrees_with_scikit_learn():
    _, _, swarm, losses = planted(3)
    law = mixing.GaussianProcess().fit(swarm.shares, losses[:, 0])
    theta = law.theta_[0]
    kernel = ConstantKernel(np.exp(2 * theta[0]), "fixed") * Matern(
        np.exp(theta[3:]), "fixed", nu=2.5
    ) + ConstantKernel(np.exp(2 * theta[2]), "fixed") * DotProduct(0.0, "fixed")
    z = law.scale_.to_unit(np.log(losses[:, :1]))[:, 0]
    oracle = GaussianProcessRegressor(kernel, alpha=np.exp(2 * theta[1]) + 1e-8, optimizer=None)
    oracle.fit(np.cbrt(swarm.shares), z)
    new = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    expected = np.exp(law.scale_.to_loss(oracle.predict(np.cbrt(new))[:, None])[:, 0])
    assert np.allclose(law.predict(new), expected, rtol=1e-8)


def test_laws_beat_baselines_on_planted_data():
    _, _, swarm, losses = planted(4, m=6, noise=0.01, interaction=0.02)
    folds = mixing.make_folds(swarm.shares)
    laws = [mixing.make_law(name) for name in mixing.LAWS]
    out = mixing.cross_validate(laws, swarm.shares, losses, folds)
    mse = {name: mixing.score(losses, f).means()["mse"] for name, f in out.items()}
    assert max(mse["power"], mse["power-per-domain"]) < 0.5 * min(mse["linear"], mse["log-linear"])
    assert mse["average"] < min(mse["linear"], mse["log-linear"])
    again = mixing.cross_validate([mixing.Average()], swarm.shares, losses, folds)
    assert np.allclose(again["average"], out["average"])


def test_an_unknown_law_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"law 'powr' is unknown \(did you mean 'power'"):
        mixing.make_law("powr")


def test_a_task_without_losses_is_refused():
    with pytest.raises(UserError, match="without a single measured loss"):
        mixing.PowerLaw().fit(np.eye(3), np.full(3, np.nan))


# validation -----------------------------------------------------------------------------------


@given(st.integers(2, 30), st.integers(2, 8), st.integers(0, 3))
def test_folds_cover_once_and_keep_repeats_together(mixes, folds, seed):
    P = np.random.default_rng(seed).dirichlet(np.ones(4), mixes)
    P = np.concatenate([P, P[: mixes // 2]])
    parts = mixing.make_folds(P, folds, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(P)))
    for part in parts:
        inside = {tuple(row) for row in P[part]}
        outside = {tuple(row) for row in np.delete(P, part, axis=0)}
        assert not inside & outside


def test_scores_are_what_they_say():
    y = np.array([[3.0], [1.0], [2.0], [5.0], [4.0]])
    perfect = mixing.score(y, y)
    assert (perfect.mse[0], perfect.r2[0], perfect.rho[0], perfect.regret[0]) == (0, 1, 1, 0)
    turned = mixing.score(y, -y)
    assert turned.rho[0] == -1 and turned.regret[0] == pytest.approx(4 / y.std())


def test_the_preferred_law_stays_unless_another_is_clearly_better():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(60, 2))
    noise = rng.normal(size=(60, 2))
    out = {
        "average": y + 0.1 * noise,
        "power": y + 0.1 * np.roll(noise, 1, 0) * [1.0, 0.1],
    }
    assert mixing.choose(y, out) == ["average", "power"]
    law = mixing.ChosenLaw(("power", "linear"), preferred="linear")
    _, _, swarm, losses = planted(5, m=4, mixes=30)
    law.fit(swarm.shares, losses)
    assert set(law.choice_) == {"power"}
    fixed = mixing.FixedLaw(["power"] * 4).fit(swarm.shares, losses)
    assert fixed.convex and np.allclose(fixed.predict(swarm.shares), law.predict(swarm.shares))


def test_good_mixes_count_more_only_where_the_law_is_wrong():
    weights = np.full(5, 0.2)
    _, _, swarm, losses = planted(6, noise=0.002)
    folds = mixing.make_folds(swarm.shares)
    right = mixing.fit_surface(swarm.shares, losses, weights, folds)
    assert right.weight is None
    bent = losses + 2.0 * swarm.shares.max(1, keepdims=True) ** 3  # no sum of powers bends so
    wrong = mixing.fit_surface(swarm.shares, bent, weights, folds)
    assert wrong.weight is not None and wrong.weight.argmax() == (bent @ weights).argmin()
    good = bent @ weights <= np.median(bent @ weights)
    plain = mixing.FixedLaw(wrong.law.choice).fit(swarm.shares, bent).predict(swarm.shares)
    error = np.abs(wrong.law.predict(swarm.shares) - bent)[good].mean()
    assert error < np.abs(plain - bent)[good].mean()
    drawn = wrong.draw(5, 0)
    assert [law.choice for law in drawn[3:]] == [["power"] * 5] * 2


# solve ----------------------------------------------------------------------------------------


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


# recommend ------------------------------------------------------------------------------------


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


# answer and report ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    return Study.model_validate(
        {
            "name": "demo",
            "run": "runs/demo",
            "out": "runs/mix",
            "domains": {name: f"source = '{name}'" for name in NAMES},
            "tokens": "4M",
            "constraints": {"caps": {"web": 0.3}},
            "draws": 20,
        }
    )


@pytest.fixture(scope="module")
def answer(study):
    truth, _, _, _ = planted(11)
    tokens = np.array([6e5, 9e5, 3e5, 8e4, 2e6])
    swarm = mixing.design_swarm(NAMES, tokens)
    noise = np.random.default_rng(0).normal(size=(len(swarm), 5))
    losses = truth.predict(swarm.shares) + 0.005 * noise
    runs = Runs(NAMES, NAMES, NAMES, "bits per byte", swarm.shares, losses, tuple(swarm.seeds),
                swarm.kinds)  # fmt: skip
    ask = make_ask(runs, tokens, study.tokens, study.constraints, np.full(5, 0.2))
    return find_answer(runs, fit_model(runs.shares, losses, 20), ask).as_dict()


def confirming(answer, gains, seeds=3):
    """Runs in which each baseline's BPB is the recommended mix's plus a gain."""
    runs = []
    for mix, shares in answer["mixes"].items():
        for seed in range(seeds):
            noise = 0.01 * np.sin(seed)
            noise += (mix != "recommended") * 0.001 * (1, -1, 0)[seed]
            value = 2.0 + noise + gains.get(mix, 0.0)
            runs.append(
                {
                    "mix": {n: p for n, p in zip(NAMES, shares, strict=True) if p > 0},
                    "seed": seed,
                    "scores": {name: {"bpb": value} for name in NAMES},
                    "tokens": 1000,
                }
            )
    return runs


def test_answer_keeps_the_constraints_and_expects_a_gain(answer):
    best = np.array(answer["mixes"]["recommended"])
    assert best.sum() == 1.0 and best[NAMES.index("web")] <= 0.3 + 1e-6
    assert max(answer["epochs"]["recommended"]) <= 4 + 1e-4
    assert (np.array(answer["low"]) <= best + 1e-6).all()
    assert (best <= np.array(answer["high"]) + 1e-6).all()
    assert answer["gain"]["natural"][1] > 0 and answer["gap"] < 1e-4
    assert min(row["rho"] for row in answer["fit"]["scores"].values()) > 0.5


@pytest.mark.parametrize(
    ("gains", "seeds", "word", "told"),
    [
        ({"natural": 0.2, "uniform": 0.1, "unimax": 0.1, "observed": 0.1}, 3, "win",
         "outside the noise"),
        ({"natural": 0.2, "uniform": 0.1, "observed": 0.1}, 3, "mixed",
         "UniMax mix it is within the noise"),
        ({}, 3, "tie", "within the noise of the natural, uniform, UniMax and best observed"),
        ({"natural": -0.2, "uniform": 0.1}, 3, "lose", "Do not adopt .* natural mix"),
        ({"natural": 0.2}, 1, "predicted", "one seed"),
    ],
)  # fmt: skip
def test_verdicts_in_plain_words(answer, gains, seeds, word, told):
    verdict = give_verdict(answer, compare(answer, confirming(answer, gains, seeds)))
    assert verdict.word == word and re.search(told, verdict.headline)
    assert len(verdict.details) == 4


def test_a_predicted_gain_within_the_noise_is_called_so(answer):
    flat = {**answer, "gain": dict.fromkeys(answer["gain"], (0.001, -0.002, 0.004))}
    verdict = give_verdict(flat, None)
    assert verdict.word == "tie" and verdict.headline.startswith("Within the noise")


def test_report_is_whole_escaped_and_the_same_again(study, answer, tmp_path):
    odd = ["<script>alert('x')</script>", 'a|b & "c"', "$x_1^2$", "日本語 ☃", "web" * 30]
    answer = {**answer, "domains": odd, "tasks": odd, "families": odd, "pareto": []}
    runs = confirming(answer, {"natural": 0.2})
    for run in runs:
        for part in ("mix", "scores"):
            names = dict(zip(NAMES, odd, strict=True))
            run[part] = {names[name]: value for name, value in run[part].items()}
    facts = {
        "streams": [{"held_documents": 3, "held_bytes": 900}] * 5,
        "cost": {"proxies": 30, "proxy_tokens": 3e7, "seconds": 100.0},
    }
    texts = []
    for again in range(2):
        files = {
            kind: str(tmp_path / f"{again}.{kind}")
            for kind in ("report", "markdown", "mixture", "summary")
        }
        story = study_story(study, answer, facts)
        write_report(story, answer, compare(answer, runs), files)
        texts.append({kind: Path(path).read_text() for kind, path in files.items()})
    assert texts[0] == texts[1]
    html, markdown = texts[0]["report"], texts[0]["markdown"]
    assert "<script" not in html and "&lt;script&gt;" in html and "日本語 ☃" in html
    assert html.count("<svg") == 3 and "prefers-color-scheme: dark" in html
    assert not re.search(r'(?:src|href)="(?!#)|url\((?!#)|@import', html)  # self-contained
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL).lower()
    assert "| a\\|b & " in markdown and not re.search(r"(?<!\\)<", markdown)
    rows = [line for line in markdown.splitlines() if line.startswith("| \\<script")]
    assert len(rows) == 1 and len(re.findall(r"(?<!\\)\|", rows[0])) == 10
    data = json.loads(texts[0]["mixture"], parse_constant=pytest.fail)
    assert list(data["ratios"]) == odd and sum(data["ratios"].values()) == 1.0
    assert data["verdict"]["word"] == "mixed" and data["verdict"]["text"] in texts[0]["summary"]


def test_report_without_confirmation_or_repeats(study, answer, tmp_path):
    fit = {**answer["fit"], "noise": [float("nan")] * 5}
    keep = [i for i, kind in enumerate(answer["swarm"]["kinds"]) if kind != "repeat"]
    swarm = {key: [values[i] for i in keep] for key, values in answer["swarm"].items()}
    for part in ("measured", "predicted"):
        fit[part] = [fit[part][i] for i in keep]
    path = tmp_path / "r.html"
    answer = {**answer, "fit": fit, "swarm": swarm}
    write_report(study_story(study, answer, {}), answer, None, {"report": str(path)})
    html = path.read_text()
    assert "not confirmed by training" in html and "Trained to confirm" not in html
    assert "Two seeds of one mix" not in html


# study file -----------------------------------------------------------------------------------

GOOD = {
    "name": "s",
    "run": "runs/a",
    "out": "runs/b",
    "tokens": "2B",
    "domains": {"web": "source = 'web'", "code": "source = 'code'"},
}


def write_study(tmp_path, **changes):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return str(path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tokenz": 3}, "field 'tokenz' is unknown .did you mean 'tokens'"),
        ({"tokens": "lots"}, "field 'tokens'.*expected a number of tokens such as 2B"),
        ({"proxy": {"model": "0.4M"}}, "field 'proxy.model'.*0.4M.*did you mean"),
        ({"proxy": {"contexts": 8}}, "field 'proxy.contexts' is unknown .did you mean 'context'"),
        ({"constraints": {"floors": {"cod": 0.1}}}, "floors.*'cod'.*did you mean 'code'"),
        ({"constraints": {"floors": {"code": 1.5}}}, "constraints.floors.code.*less than or equal"),
        ({"evaluation": {"weights": {"code": -1}}}, "evaluation.weights.code.*greater than or"),
        ({"domains": {"web": "true"}}, "field 'domains'.*at least 2"),
        ({"swarm": {"mixes": 2}}, "field 'swarm.mixes'.*greater than or equal to 3"),
    ],
)
def test_wrong_fields_give_one_line(tmp_path, changes, told):
    path = write_study(tmp_path, **changes)
    with pytest.raises(UserError, match=told) as caught:
        load_study(path)
    assert str(caught.value).startswith(path) and "\n" not in str(caught.value)


def test_a_study_is_read_with_its_units(tmp_path):
    study = load_study(write_study(tmp_path, tokens="1.5B"))
    assert study.tokens == 1_500_000_000
    assert study.run_folders == [str(tmp_path / "runs/a")]
