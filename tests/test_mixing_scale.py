"""Anchors at a larger size: each task's scale, and the answer in that size's units."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import mixing
from catalogs.errors import UserError
from mixing.answer import Runs, find_answer
from mixing.ask import Ask
from mixing.confirm import compare
from mixing.model import fit_model
from mixing.scale import answer_at_scale, expected, scaled_weights, study_scale, transfer
from tests.planted import planted

SCALE = np.array([3.0, 0.3, 1.0])


@pytest.fixture(scope="module")
def swarm():
    truth, tokens, design, losses = planted(4, m=3, noise=0.002)
    names = design.domains
    runs = Runs(
        names, names, names, "bits per byte", design.shares, losses,
        (0,) * len(losses), ("design",) * len(losses),
    )  # fmt: skip
    ask = Ask(names, tokens, np.full(3, 1 / 3), 1.0, names, max_epochs=None)
    return truth, runs, fit_model(design.shares, losses, 30), ask


def larger(truth, mixes, names, scale=SCALE):
    """Runs of a model whose losses are the planted ones on other scales."""
    return [
        {
            "mix": {n: float(p) for n, p in zip(names, mix, strict=True) if p > 0},
            "seed": 1,
            "tokens": 100,
            "scores": {
                n: {"bpb": float(y)}
                for n, y in zip(names, 0.2 + scale * truth.predict(mix)[0], strict=True)
            },
        }
        for mix in mixes
    ]


def test_scales_are_found_and_move_the_optimum_to_the_larger_models(swarm):
    truth, runs, model, ask = swarm
    confirmed = larger(truth, runs.shares[:9], runs.domains)
    found = transfer(expected(runs, model, confirmed), runs.domains, runs.tasks, confirmed)
    assert found["mixes"] == len(np.unique(runs.shares[:9], axis=0)) and min(found["rho"]) > 0.9
    slopes = np.array(found["scale"])
    assert slopes[0] > 1.8 > 1.4 > slopes[2] > slopes[1]
    before = find_answer(runs, model, ask, whole=False)
    after = answer_at_scale(found["scale"], runs, model, ask, before.mixes["recommended"])

    def large(shares):
        return float((SCALE * truth.predict(np.array(shares))[0]).mean())

    feasible = mixing.make_feasible(runs.domains, ask.available, 1.0, None)
    goal = mixing.Objective(truth, SCALE / SCALE.sum(), np.ones(3))
    best = large(mixing.solve(goal, feasible, [mixing.uniform(3)]).shares)
    gap = large(before.mixes["recommended"]) - best
    assert gap > 0.005 and large(after["shares"]) - best < 0.4 * gap
    assert after["moved"] > 0.02 and sum(after["weights"]) == pytest.approx(1)


def test_the_confirmation_tells_the_same_scales(swarm):
    truth, runs, model, ask = swarm
    answer = find_answer(runs, model, ask, whole=False).as_dict()
    mixes = [*answer["mixes"].values(), *runs.shares[3:8].tolist()]
    confirmed = larger(truth, [np.array(mix) for mix in mixes], runs.domains)
    told = compare(answer, confirmed)["transfer"]
    own = transfer(expected(runs, model, confirmed), runs.domains, runs.tasks, confirmed)
    assert np.allclose(told["scale"], own["scale"])


def test_a_task_that_does_not_follow_counts_nothing():
    weights = scaled_weights(np.array([0.5, 0.25, 0.25]), [1.0, -0.3, 2.0])
    assert np.allclose(weights, [0.5, 0.0, 0.5])
    with pytest.raises(UserError, match="follows what the swarm predicts"):
        scaled_weights(np.array([0.5, 0.5]), [-1.0, 0.0])


def test_without_anchors_the_mend_is_told(swarm, tmp_path):
    truth, runs, model, _ = swarm
    assert transfer({}, runs.domains, runs.tasks, larger(truth, runs.shares, runs.domains)) is None
    study = SimpleNamespace(out_folder=str(tmp_path))
    with pytest.raises(UserError, match=r"set confirm.anchors and run corpusmill mix confirm"):
        study_scale(study, runs, model)
