"""Intervals of shares against planted optima: of a convex world, and of one that bends."""

from __future__ import annotations

import numpy as np
import pytest

import mixing
from mixing.answer import Runs, find_answer
from mixing.ask import SUPPORT, Ask
from mixing.calibration import Coverage, bent_optimum, calibrate
from mixing.collapse import Frozen
from mixing.model import fit_model, read_model, write_model
from mixing.recommend import Setting
from mixing.words import intervals
from tests.planted import planted


def asked(swarm, tokens, **limits):
    m = len(swarm.domains)
    return Ask(swarm.domains, tokens, np.full(m, 1 / m), 1.0, swarm.domains,
               max_epochs=None, **limits)  # fmt: skip


def test_intervals_widen_to_hold_what_no_convex_law_bends_to():
    held = np.zeros((4, 2, 4), bool)
    for seed in range(4):
        truth, tokens, swarm, losses = planted(seed, m=4, noise=0.003, interaction=0.1, mixes=50)
        P, weights, folds = swarm.shares, np.full(4, 0.25), mixing.make_folds(swarm.shares)
        surface = mixing.fit_surface(P, losses, weights, folds)
        bent = mixing.PowerLawResidual().fit(P, losses)
        coverage = calibrate(surface, bent, weights, folds, seed, worlds=4, draws=16)
        bank = mixing.Bank.of([surface.law, *surface.draw(60, seed)])
        ask = asked(swarm, tokens, support=P.max(0) / SUPPORT)
        goal = mixing.Objective(truth, weights, np.ones(4))
        feasible = mixing.make_feasible(swarm.domains, tokens, 1.0, None, support=P.max(0))
        ideal = mixing.solve(goal, feasible, [mixing.uniform(4)]).shares
        wide = {"stretch": coverage.factor, "bent": bent}
        for number, added in enumerate(({}, wide)):
            found = mixing.recommend(bank, ask, 0.0, whole=False, **added)
            held[seed, number] = (found.low - 1e-3 <= ideal) & (ideal <= found.high + 1e-3)
        assert coverage.factor >= 1 and coverage.after >= coverage.before
        assert coverage.shares == 4 * coverage.worlds == 4 * 8
    alone, widened = held.mean((0, 2))
    assert widened >= 0.8 and widened > alone


def test_the_optimum_of_a_law_that_bends_is_no_worse_than_the_start():
    _, _, swarm, losses = planted(2, m=4, interaction=0.1, mixes=40)
    bent = mixing.PowerLawResidual().fit(swarm.shares, losses)
    feasible = mixing.make_feasible(
        swarm.domains, np.ones(4), 1.0, None, caps={"d0": 0.2}, floors={"d1": 0.1}
    )
    start, weights = feasible.check(), np.full(4, 0.25)
    found = bent_optimum(bent, weights, feasible, start)
    assert feasible.violation(found) < 1e-6
    assert bent.predict(found[None])[0] @ weights <= bent.predict(start[None])[0] @ weights


@pytest.fixture(scope="module")
def fitted():
    _, tokens, swarm, losses = planted(5, m=4, mixes=20)
    return tokens, swarm, losses, fit_model(swarm.shares, losses, 30)


def test_widened_intervals_stay_within_the_limits(fitted):
    tokens, swarm, _, model = fitted
    ask = asked(swarm, tokens, caps={"d0": 0.3}, floors={"d1": 0.1})
    plain = mixing.recommend(model.bank, ask, 0.0, whole=False)
    wide = mixing.recommend(model.bank, ask, 0.0, whole=False, stretch=50.0, bent=model.bent)
    assert (wide.low <= plain.low).all() and (wide.high >= plain.high).all()
    assert (wide.low >= 0).all() and (wide.high <= 1).all()
    assert wide.high[0] <= 0.3 + 1e-5 and wide.low[1] >= 0.1 - 1e-5


def test_intervals_of_frozen_domains_reach_out_together(fitted):
    tokens, swarm, _, model = fitted
    frozen = Frozen.of(swarm.domains, np.array([0.4, 0.3, 0.2, 0.1]), ["d3"])
    setting = Setting(model.bank, asked(swarm, tokens, frozen=frozen))
    best = setting.solve(np.full(4, 0.25)).shares[0]
    found = best + setting.reach(model.bent, best)
    assert np.allclose(found[:3] / found[:3].sum(), [4 / 9, 3 / 9, 2 / 9], atol=1e-6)
    bent = model.bent.predict(np.stack([found, best])).mean(1)
    assert bent[0] <= bent[1] + 1e-9


def test_a_model_keeps_its_coverage_in_a_file_and_the_answer_tells_it(fitted, tmp_path):
    tokens, swarm, losses, model = fitted
    write_model(str(tmp_path / "m.npz"), model)
    read = read_model(str(tmp_path / "m.npz"))
    assert read.coverage == model.coverage and read.coverage.worlds > 0
    names = swarm.domains
    runs = Runs(names, names, names, "loss", swarm.shares, losses,
                (0,) * len(losses), ("imported",) * len(losses))  # fmt: skip
    answers = [
        find_answer(runs, one, asked(swarm, tokens), whole=False).as_dict() for one in (model, read)
    ]
    assert answers[0]["low"] == answers[1]["low"] and answers[0]["high"] == answers[1]["high"]
    told = intervals(answers[0]["fit"])
    assert f"of {model.coverage.shares} true shares" in told and "evaluation items" not in told
    unchecked = {"items": 12, "coverage": vars(Coverage())}
    assert intervals(unchecked) == "bootstrap over runs, seeds and 12 evaluation items"
