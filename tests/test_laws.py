"""Mixing laws: their fit, their gradients, and how they are validated and chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad, least_squares
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

import mixing
from catalogs.errors import UserError
from mixing.levenberg import fit_modes
from tests.planted import planted

CONVEX = [name for name, law in mixing.LAWS.items() if law.convex]


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
