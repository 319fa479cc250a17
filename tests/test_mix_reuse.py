"""Reuse over arrays: freezing and expanding, whose text is where, coupling, further mixes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixing
from catalogs.errors import UserError
from mixing.ask import Ask
from mixing.bank import Bank
from mixing.collapse import CollapsedBank, Frozen
from mixing.coupling import cosines, couplings
from mixing.earlier import MEMBERS
from mixing.feasible import Group
from mixing.overlap import Overlap, trained_on_held_out
from mixing.power_law import PowerLaw
from mixing.recommend import recommend
from mixing.reuse import plan_reuse
from mixing.swarm import further_mixes
from tests.planted import Truth


def mixes(rng, count, m):
    return rng.dirichlet(np.ones(m), count)


@st.composite
def freezing(draw, m=5):
    """Some domains frozen, and a generator."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    names = tuple(f"d{j}" for j in range(m))
    open_ones = draw(st.sets(st.sampled_from(names), min_size=1, max_size=m - 1))
    return Frozen.of(names, mixes(rng, 1, m)[0], sorted(open_ones)), rng


@pytest.fixture(scope="module")
def bank():
    rng = np.random.default_rng(3)
    P = mixes(rng, 40, 5)
    Y = Truth(3, 5).predict(P) + 0.003 * rng.normal(size=(40, 5))
    return Bank.of(
        [mixing.PowerLawPerDomain().fit(P, Y), PowerLaw().fit(P, Y), mixing.LogLinear().fit(P, Y)]
    )


# collapse and expand --------------------------------------------------------------------------


@given(freezing())
def test_collapse_undoes_expand_and_keeps_the_ratios(case):
    frozen, rng = case
    Z = mixes(rng, 6, len(frozen.names))
    P = frozen.expand(Z)
    assert np.allclose(P.sum(1), 1) and np.allclose(frozen.collapse(P), Z)
    rest = P[:, frozen.closed]
    assert np.allclose(rest / rest.sum(1, keepdims=True), frozen.ratios[frozen.closed])
    assert np.array_equal(P[:, frozen.open], Z[:, :-1])


@given(freezing(), st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_laws_of_smaller_mixes_say_the_same_with_true_derivatives(bank, case, version):
    frozen, rng = case
    small = CollapsedBank(bank, frozen)
    z = 0.9 * mixes(rng, 1, len(frozen.names))[0] + 0.1 / len(frozen.names)
    which = np.array([version])
    here = small.evaluate(z[None], which)
    assert np.array_equal(here.y, bank.evaluate(frozen.expand(z)[None], which).y)
    H = here.curve[0][:, None, None] * here.slope[0][:, :, None] * here.slope[0][:, None, :]
    H += here.diagonal[0][:, :, None] * np.eye(len(z))
    step = 1e-5
    for j in range(len(z)):
        ahead, behind = (
            small.evaluate((z + sign * step * np.eye(len(z))[j])[None], which) for sign in (1, -1)
        )
        assert np.allclose((ahead.y - behind.y)[0] / 2 / step, here.slope[0][:, j], rtol=1e-4,
                           atol=1e-5)  # fmt: skip
        bend = (ahead.slope - behind.slope)[0] / 2 / step
        assert np.allclose(bend, H[:, :, j], rtol=1e-3, atol=1e-2)


@given(freezing())
@settings(deadline=None)
def test_limits_of_smaller_mixes_are_those_of_whole_ones(case):
    frozen, rng = case
    m, budget = 5, 10.0
    tokens = rng.lognormal(0, 1, m)
    names = frozen.domains
    whole = mixing.make_feasible(
        names, tokens, budget, 4.0, {names[0]: 0.01}, {names[1]: 0.4},
        [Group("g", names[:3], 0.05, 0.7), Group("l", names, 0, 0.6, tuple(rng.random(m)))],
        0.8, mixing.natural(tokens),
    )  # fmt: skip
    small = frozen.limits(whole)
    # the epochs of the scarcest frozen domain, for its ratio, hold the virtual share
    limit = min(whole.upper[j] / frozen.ratios[j] for j in frozen.closed)
    assert small.upper[-1] == pytest.approx(min(1.0, limit))
    for z in mixes(rng, 20, len(frozen.names)):
        a, b = small.violation(z), whole.violation(frozen.expand(z))
        assert (a < 1e-9) == (b < 1e-9)


def test_a_floor_under_a_domain_frozen_at_nothing_is_told():
    names = ("a", "b", "c")
    frozen = Frozen.of(names, np.array([0.5, 0.0, 0.5]), ["a"])
    with pytest.raises(UserError, match="floor of 'b'"):
        frozen.limits(mixing.make_feasible(names, np.ones(3), 1.0, 4.0, {"b": 0.1}))


@given(freezing())
@settings(max_examples=15, deadline=None)
def test_the_best_mix_keeps_the_frozen_ratios_and_every_limit(bank, case):
    frozen, rng = case
    tokens = rng.lognormal(0, 0.5, 5)
    plain = Ask(frozen.domains, tokens, np.full(5, 0.2), 2.0, frozen.domains, max_epochs=2.0)
    asked = Ask(**{**vars(plain), "frozen": frozen})
    free, held = (
        recommend(bank, plain, 0.01, whole=False),
        recommend(bank, asked, 0.01, whole=False),
    )
    p = held.mixes["recommended"]
    assert asked.feasible().violation(p) < 1e-4
    rest = p[frozen.closed]
    if rest.sum() > 1e-3:
        assert np.allclose(rest / rest.sum(), frozen.ratios[frozen.closed], atol=1e-3)
    goal = np.full(5, 0.2)
    assert free.loss["recommended"] @ goal <= held.loss["recommended"] @ goal + 1e-5
    # no mix with these ratios is better
    Z = mixes(rng, 200, len(frozen.names))
    P = frozen.expand(Z)
    P = P[[asked.feasible().violation(one) < 1e-9 for one in P]]
    if len(P):
        assert (bank.predict(P) @ goal).min() >= held.loss["recommended"] @ goal - 1e-5


def test_epochs_used_before_count_as_repetitions():
    names, tokens = ("a", "b"), np.array([1.0, 3.0])
    ask = Ask(names, tokens, np.ones(1), 4.0, names, max_epochs=2.0, used=np.array([1.5, 0.0]))
    assert np.allclose(ask.feasible().upper, [0.125, 1.0])
    assert np.allclose(ask.epochs(np.array([0.125, 0.875])), [2.0, 3.5 / 3])
    spent = Ask(names, tokens, np.ones(1), 4.0, names, max_epochs=2.0, used=np.array([3.0, 0.0]))
    assert spent.feasible().upper[0] == 0


# whose text is where --------------------------------------------------------------------------


def note(path, domains):
    rows = [(d, key, key in held, size) for d, (texts, held) in domains.items()
            for key, size in texts.items()]  # fmt: skip
    columns = [
        pa.array(column, kind.type)
        for column, kind in zip(zip(*rows, strict=True), MEMBERS, strict=True)
    ]
    pq.write_table(pa.table(columns, schema=MEMBERS), path)
    return str(path)


def pool(path, texts, held=()):
    pq.write_table(
        pa.table({"id": list(texts), "held": [key in held for key in texts],
                  "text": ["x" * size for size in texts.values()]}), path)  # fmt: skip
    return str(path)


def test_split_renamed_refreshed_added_and_removed_domains_are_told_apart(tmp_path):
    web = {f"w{n}": 10 for n in range(10)}
    code = {f"c{n}": 10 for n in range(10)}
    old = note(tmp_path / "old.parquet", {
        "web": (web, {"w0"}), "code": (code, ()), "law": ({"l": 9}, ()), "wiki": ({"k": 9}, ()),
    })  # fmt: skip
    it = iter(web.items())
    pools = {
        "web-a": pool(tmp_path / "1.parquet", dict(next(it) for _ in range(4)), {"w1"}),
        "web-b": pool(tmp_path / "2.parquet", dict(it)),
        "code": pool(tmp_path / "3.parquet", {**code, **{f"n{n}": 10 for n in range(5)}}),
        "encyclopedia": pool(tmp_path / "4.parquet", {"k": 9}),
        "math": pool(tmp_path / "5.parquet", {"m": 50}),
    }
    overlap = Overlap.count(old, pools)
    assert overlap.old == ("code", "law", "web", "wiki") and overlap.new == tuple(pools)
    assert overlap.same() == {"encyclopedia": "wiki"} and overlap.removed() == ["law"]
    changes = overlap.changes()
    assert changes["web-a"] == changes["web-b"] == "split from web"
    assert changes["code"].startswith("refreshed, 33% new") and changes["math"] == "added"
    assert changes["encyclopedia"] == "renamed from wiki" and changes["law"] == "removed"
    split = np.array([0, 0, 0.5, 0.5])
    assert np.allclose(overlap.carry(split), [0.2, 0.3, 0, 0.5, 0])
    assert overlap.unlike(split) == pytest.approx(0)
    assert overlap.unlike(np.array([1.0, 0, 0, 0])) == pytest.approx(1 / 3)
    assert overlap.unlike(np.array([0, 0.1, 0.9, 0])) == pytest.approx(0.1)
    assert overlap.carry(np.array([0, 1.0, 0, 0])) is None
    # w1 was trained on and is held out now: runs on the web have seen the test
    assert trained_on_held_out(old, pools) == ["web"]


def test_a_merged_domain_stands_for_its_parts_in_their_own_proportion(tmp_path):
    old = note(tmp_path / "old.parquet", {"a": ({"1": 30}, ()), "b": ({"2": 10}, ())})
    overlap = Overlap.count(old, {"ab": pool(tmp_path / "1.parquet", {"1": 30, "2": 10}),
                                  "c": pool(tmp_path / "2.parquet", {"3": 5})})  # fmt: skip
    assert overlap.changes() == {"ab": "merged from a and b", "c": "added"}
    assert overlap.unlike(np.array([0.75, 0.25])) == pytest.approx(0)
    assert overlap.unlike(np.array([0.25, 0.75])) == pytest.approx(0.5)


# coupling -------------------------------------------------------------------------------------


class Planted:
    """Four domains: code and its docs serve each other's tasks; law and web only their own."""

    names = ("code", "docs", "law", "web")
    W = np.array([[3, 1.5, 0, 0], [1.5, 3, 0, 0], [0, 0, 3, 0], [0, 0, 0, 3.0]])

    def __init__(self, extra=()):
        rows = [np.pad(self.W, ((0, 0), (0, len(extra))))]
        rows += [np.array(one, float)[None] for one in extra]
        self.all = np.concatenate(rows)

    def predict(self, P):
        return 0.7 + (0.1 + np.sqrt(np.maximum(P, 0)) @ self.all[:, : P.shape[1]].T) ** -0.4


def test_what_serves_no_common_task_is_not_coupled():
    P = mixes(np.random.default_rng(1), 60, 4)
    law = PowerLaw().fit(P, Planted().predict(P))
    whole = np.eye(4)
    # docs are new text altogether
    came = np.diag([1.0, 0.0, 1.0, 1.0])
    overlap = Overlap(Planted.names, Planted.names, came, came)
    noise, weights = np.full(4, 0.002), np.full(4, 0.25)
    table = couplings(law, overlap, P.mean(0), Planted.names, weights, noise)
    assert set(table) == {"code", "law", "web"}
    assert set(table["code"]) == {"docs", "docs as it was"}
    for now in table["code"]:
        assert table["code"][now] > 0.3 > 0.1 > max(table["law"][now], table["web"][now])
    same = Overlap(Planted.names, Planted.names, whole, whole)
    assert couplings(law, same, P.mean(0), Planted.names, weights, noise)["code"] == {}


@given(st.integers(0, 1000))
def test_coupling_lies_between_none_and_all_and_knows_no_scale(seed):
    rng = np.random.default_rng(seed)
    A = rng.exponential(size=(6, 3)) * (rng.random((6, 3)) < 0.5)
    table = cosines(A, A)
    assert (table >= 0).all() and (table <= 1 + 1e-9).all() and np.allclose(table, table.T)
    assert np.allclose(table, cosines(A * 7, A * [1, 2, 3]))
    assert np.allclose(np.diag(table)[A.any(0)], 1)


# the plan -------------------------------------------------------------------------------------


def planned(**changes):
    """A domain "docs2" is added to four; its text is helped by code and docs."""
    rng = np.random.default_rng(5)
    P = mixes(rng, 40, 4)
    tasks = [*Planted.names, "docs2"]
    truth = Planted(extra=[[1.2, 2.0, 0, 0, 3.0]])
    went = np.hstack([np.eye(4), np.zeros((4, 1))])
    facts = {
        "old": list(Planted.names), "domains": tasks, "went": went.tolist(),
        "came": went.tolist(), "old_shares": P.tolist(), "shares": (P @ went).tolist(),
        "tasks": tasks, "weights": [0.2] * 5, "tokens": [4e6, 2e6, 1e6, 8e6, 1e6],
        "answer": [0.3, 0.2, 0.2, 0.3], "threshold": 0.25, "mixes": None, "explicit": False,
        "whole": 22, "seed": 0, "dropped": {},
    }  # fmt: skip
    facts.update(changes)
    return facts, plan_reuse(truth.predict(P) + 1e-4 * rng.normal(size=(40, 5)), facts)


def test_only_what_is_coupled_is_opened_and_mixed():
    _, plan = planned()
    assert set(plan["opened"]) == {"code", "docs"} and plan["changes"]["docs2"] == "added"
    assert plan["opened"]["docs"]["docs2"] >= 0.25 > plan["coupling"]["web"]["docs2"]
    assert plan["frozen"] == pytest.approx({"law": 0.4, "web": 0.6})
    P = np.array(plan["mixes"])
    assert len(P) == 3 * (3 + 1) == plan["runs"]["further"] and plan["runs"]["kept"] == 40
    assert np.allclose(P.sum(1), 1) and (P >= 0).all() and (P[:, 4] > 0).all()
    law, web = P[:, 2], P[:, 3]
    assert np.allclose(law * 0.6, web * 0.4, atol=1e-5)
    assert P[:, 4].max() > 0.35 and P[:, 4].min() < 0.05
    assert planned()[1] == plan
    assert not planned(threshold=1.0)[1]["opened"]
    assert len(planned(mixes=18)[1]["mixes"]) == 18 * 4 / 6
    assert len(planned(mixes=3, explicit=True)[1]["mixes"]) == 3


def test_with_too_few_runs_to_tell_everything_is_open():
    facts, _ = planned()
    few = {name: facts[name][:3] for name in ("old_shares", "shares")}
    plan = plan_reuse(np.ones((3, 5)), {**facts, **few})
    assert set(plan["opened"]) == set(Planted.names) and plan["frozen"] == {}


def test_when_nothing_changed_nothing_is_frozen():
    facts, _ = planned()
    same = {"went": np.eye(4).tolist(), "came": np.eye(4).tolist(), "shares": facts["old_shares"],
            "domains": facts["old"], "tasks": facts["old"], "weights": [0.25] * 4,
            "tokens": facts["tokens"][:4]}  # fmt: skip
    plan = plan_reuse(Planted().predict(np.array(facts["old_shares"])), {**facts, **same})
    assert plan["frozen"] == plan["opened"] == {} and plan["mixes"] == []


def test_a_domain_that_is_gone_opens_what_it_was_coupled_to():
    went = np.delete(np.eye(4), 1, axis=1)  # docs are gone
    rng = np.random.default_rng(5)
    P = mixes(rng, 40, 4)
    names = ["code", "law", "web"]
    keep = np.array(P[:, 1] <= 0.1)
    P[:8, 1] = 0
    P /= P.sum(1, keepdims=True)
    facts, _ = planned()
    facts |= {
        "domains": names, "tasks": names, "went": went.tolist(), "came": went.tolist(),
        "weights": [1 / 3] * 3, "tokens": [4e6, 1e6, 8e6], "old_shares": P.tolist(),
        "shares": (P @ went / (P @ went).sum(1, keepdims=True)).tolist(),
    }  # fmt: skip
    plan = plan_reuse(Planted().predict(P)[:, [0, 2, 3]], facts)
    assert keep.any() and plan["changes"]["docs"] == "removed"
    assert set(plan["opened"]) == {"code"} and set(plan["frozen"]) == {"law", "web"}


@given(st.integers(0, 500), st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_further_mixes_vary_only_what_is_open(seed, count):
    rng = np.random.default_rng(seed)
    names = tuple("abcde")
    frozen = Frozen.of(names, mixes(rng, 1, 5)[0], ["a", "b"])
    P = further_mixes(
        names, rng.lognormal(10, 1, 5), mixes(rng, 4, 5), ["a"], ["b"], frozen, count, seed
    )
    assert P.shape == (count, 5) and (P.sum(1) == 1).all() and (P >= 0).all()
    assert (P[:, 0] > 0.01).all() and (P[:, 0] <= 0.51).all()
    rest = P[:, 2:]
    apart = rest - rest.sum(1, keepdims=True) * frozen.ratios[2:]
    assert np.abs(apart).max() < 1e-5
