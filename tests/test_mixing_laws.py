"""Boosted trees and the two-skill law as candidates beside the others."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mixing
from mixing.answer import Runs, find_answer
from mixing.ask import Ask
from mixing.boosting import BoostedTrees
from mixing.fitted import Fitted, fit_laws
from mixing.model import Model, fit_model
from mixing.model_file import load_model, save_model
from mixing.report import write_report
from mixing.story import swarm_story
from mixing.study_file import Constraints
from tests.planted import planted


def needs_two(P):
    """A loss that falls only with both of two kinds of text, and one that falls with either."""
    both = 0.7 + (0.1 + P[:, 0] ** 0.7) ** -0.4 + (0.1 + P[:, 1] ** 0.7) ** -0.4
    either = 0.7 + (0.1 + P[:, 0] ** 0.7 + P[:, 1] ** 0.7) ** -0.4
    return np.stack([both, either], 1)


def test_two_skills_hold_what_one_power_law_cannot():
    rng = np.random.default_rng(0)
    P, fresh = rng.dirichlet(np.full(4, 0.6), 80), rng.dirichlet(np.full(4, 0.6), 300)
    Y = needs_two(P) + 0.003 * rng.normal(size=(80, 2))
    two = mixing.score(needs_two(fresh), mixing.TwoSkill().fit(P, Y).predict(fresh)).mse
    one = mixing.score(needs_two(fresh), mixing.PowerLaw().fit(P, Y).predict(fresh)).mse
    assert two[0] < 0.25 * one[0]
    assert two[1] < 2 * one[1] + 1e-5  # where one term is enough the second does no harm


def test_boosted_trees_are_the_same_again_and_survive_a_file(tmp_path):
    _, _, swarm, losses = planted(1, m=4, mixes=40)
    law = mixing.BoostedTrees().fit(swarm.shares, losses)
    save_model(str(tmp_path / "m.npz"), {"law": law})
    read = load_model(str(tmp_path / "m.npz"))["law"]
    again = mixing.BoostedTrees().fit(swarm.shares, losses)
    assert np.array_equal(law.predict(swarm.shares), read.predict(swarm.shares))
    assert np.array_equal(law.predict(swarm.shares), again.predict(swarm.shares))
    with pytest.raises(TypeError, match="no gradient"):
        law.gradient(swarm.shares[0])


@pytest.fixture(scope="module")
def model():
    _, _, swarm, losses = planted(3, m=4, mixes=20)
    runs = Runs(
        swarm.domains, swarm.domains, swarm.domains, "loss", swarm.shares, losses,
        (0,) * len(losses), ("imported",) * len(losses),
    )  # fmt: skip
    return runs, fit_model(runs.shares, losses, 20)


def asked(runs, **limits):
    return Ask(runs.domains, np.array([8e9, 4e9, 2e9, 1e9]), np.full(4, 0.25), 8e9,
               runs.families, **limits)  # fmt: skip


def told(answer, folder):
    story = swarm_story(
        "s", answer, Constraints(), {"sources": ["R.csv", "M.csv"], "commands": ["corpusmill"]}
    )
    files = {"report": str(folder / "r.html"), "markdown": str(folder / "r.md"),
             "mixture": str(folder / "m.json")}  # fmt: skip
    write_report(story, answer, None, files)
    return {kind: open(path).read() for kind, path in files.items()}


def test_the_report_has_every_law_at_every_task(model, tmp_path):
    runs, fitted = model
    answer = find_answer(runs, fitted, asked(runs), whole=False).as_dict()
    assert {"lightgbm", "two-skill", "log-linear", "average"} <= set(answer["fit"]["by_task"])
    for name, scores in answer["fit"]["scores"].items():
        one = answer["fit"]["by_task"][name]
        assert np.mean(one["mse"]) == pytest.approx(scores["mse"])
        assert np.mean(one["rho"]) == pytest.approx(scores["rho"])
    texts = told(answer, tmp_path)
    for text in (texts["report"], texts["markdown"]):
        assert "two-skill power law" in text and "LightGBM" in text
    assert "Not compared" not in texts["report"]


def test_without_the_package_trees_are_left_out_and_that_is_told(model, tmp_path, monkeypatch):
    runs, fitted = model
    monkeypatch.setattr("mixing.boosting.find_spec", lambda name: None)
    without = fit_laws(runs.shares, runs.losses)
    assert "lightgbm" not in without.unseen and "corpusmill[trees]" in without.left_out["lightgbm"]
    same = {name: fitted.fitted.unseen[name] for name in without.unseen}
    assert all(np.array_equal(same[name], without.unseen[name]) for name in same)
    save_model(str(tmp_path / "fit.npz"), vars(without))
    assert Fitted(**load_model(str(tmp_path / "fit.npz"))).left_out == without.left_out
    answer = find_answer(
        runs, Model(**{**vars(fitted), "fitted": without}), asked(runs), whole=False
    )
    texts = told(answer.as_dict(), tmp_path)
    assert "Not compared: LightGBM: the package lightgbm is not installed" in texts["report"]
    assert BoostedTrees.missing()


def test_mixes_that_break_the_limits_are_told(model, tmp_path):
    runs, fitted = model
    ask = asked(runs, max_epochs=2.0, caps={"d0": 0.4}, floors={"d3": 0.05})
    answer = find_answer(runs, fitted, ask, whole=False).as_dict()
    best = runs.shares[int((runs.losses @ ask.weights).argmin())]
    expected = [
        f"{'epochs' if j else 'cap'} of d{j}"
        for j in range(4)
        if best[j] > (0.4, 1.0, 0.5, 0.25)[j] + 2e-4
    ] + ["floor of d3"] * bool(best[3] < 0.05 - 2e-4)
    assert sorted(answer["breaks"].get("observed", [])) == sorted(expected)
    assert "cap of d0" in answer["breaks"]["natural"] and "recommended" not in answer["breaks"]
    texts = told(answer, tmp_path)
    assert "The natural mix breaks cap of d0" in texts["report"]
    assert json.loads(texts["mixture"])["ratios"]["d0"] <= 0.4 + 1e-5
