"""The n-gram rung: used where it lowers errors on unseen runs, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

import mixing
from mixing.informed import InformedPowerLaw, Prior, inform, lowers, saved_runs
from mixing.model import fit_model, read_model, write_model
from mixing.ngram_rung import tell_rung

M, TASKS = 6, 3


def truth(P: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Losses of a power law with weights V (tasks, m)."""
    return 1.5 + 2.5 * (1 + np.sqrt(P) @ V.T) ** -0.6


@pytest.fixture(scope="module")
def planted():
    """Few noisy runs, and priors of n-grams whose sources help the same tasks, or others."""
    rng = np.random.default_rng(3)
    V = np.exp(rng.normal(0.5, 2.5, (TASKS, M)))
    runs = mixing.design_swarm(tuple("abcdef"), np.ones(M), 16, 1, seed=1).shares
    dense = mixing.design_swarm(tuple("abcdef"), np.ones(M), 60, 0, seed=2).shares
    losses = truth(runs, V) + rng.normal(0, 0.01, (len(runs), TASKS))
    right = Prior.of(dense, 3 + 4 * truth(dense, V))
    wrong = Prior.of(dense, truth(dense, np.exp(rng.normal(0.5, 2.5, V.shape))))
    return runs, losses, right, wrong, V, dense


def test_a_prior_that_helps_is_used_and_one_that_does_not_is_not(planted, tmp_path):
    P, Y, right, wrong, V, dense = planted
    model = fit_model(P, Y, 20, 0)
    informed, told = inform(model, P, Y, right, 20, 0)
    assert any(told["solved"])
    assert told["saved"] > 0
    for task, yes in enumerate(told["solved"]):
        assert informed.choice[task] == ("informed" if yes else model.choice[task])
        if not yes:
            np.testing.assert_array_equal(informed.bank.v[:, task], model.bank.v[:, task])
    error = [np.abs(one.bank.predict(dense) - truth(dense, V)).mean() for one in (model, informed)]
    assert error[1] < error[0]
    path = str(tmp_path / "model.npz")
    write_model(path, informed)
    again = read_model(path)
    np.testing.assert_array_equal(again.bank.predict(P), informed.bank.predict(P))
    np.testing.assert_array_equal(again.fitted.law.predict(P), informed.fitted.law.predict(P))
    same, told = inform(model, P, Y, wrong, 20, 0)
    assert not any(told["solved"])
    assert not any(told["predicted"])
    assert same.choice == model.choice
    np.testing.assert_array_equal(same.bank.predict(P), model.bank.predict(P))
    np.testing.assert_array_equal(same.fitted.chosen, model.fitted.chosen)


def test_the_informed_law_is_one_of_its_own_tasks(planted):
    P, Y, right, *_ = planted
    whole = InformedPowerLaw(right).fit(P, Y)
    part = InformedPowerLaw(right.part(np.array([2]))).fit(P, Y[:, [2]])
    np.testing.assert_allclose(part.predict(P)[:, 0], whole.predict(P)[:, 2], atol=1e-6)
    versions = whole.refit(P, np.stack([Y, Y + 0.1]), None)
    np.testing.assert_allclose(versions[0].predict(P), whole.predict(P), atol=0.01)
    np.testing.assert_allclose(versions[1].predict(P), whole.predict(P) + 0.1, atol=0.01)


def test_errors_must_fall_by_more_than_noise():
    rng = np.random.default_rng(0)
    Y = np.zeros((40, 3))
    Y[3, 1] = np.nan
    before = rng.normal(0, 1, Y.shape)
    after = np.column_stack([0.5 * before[:, 0], before[::-1, 1], 2 * before[:, 2]])
    assert lowers(Y, before, after).tolist() == [True, False, False]
    outlier = before.copy()
    outlier[0] *= 50
    assert not lowers(Y, outlier, np.where(outlier == outlier[0], before, outlier * 1.1)).any()


def test_saved_runs_are_read_off_the_curve():
    assert saved_runs([(8, 0.4, 0.3), (12, 0.3, 0.25), (16, 0.2, 0.2)]) == 4
    assert saved_runs([(8, 0.4, 0.5), (16, 0.2, 0.2)]) == 0
    assert saved_runs([(8, 0.4, 0.1), (16, 0.2, 0.1)]) == 8
    assert saved_runs([(8, 0.4, 0.1)]) is None


def test_what_the_rung_did_is_told():
    told = {"solved": [True, False], "predicted": [False, False], "rho": [0.9, 0.8], "saved": 4.0,
            "curve": [(8, 0.4, 0.3), (16, 0.2, 0.2)]}  # fmt: skip
    text = tell_rung(told, ["books", "code"])
    assert "rank the runs at 0.850" in text
    assert "found with for books:" in text
    assert "with 8 mixes it is worth about 4 more" in text
    assert "not used" in tell_rung({**told, "solved": [False, False], "saved": 0.0}, ["a", "b"])
