"""Studies that change, and studies that follow one another, on a small real run."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
import yaml

from catalogs.errors import UserError
from catalogs.ledger import Ledger
from mixing.questions import solve_study
from mixing.study import fit_study, plan_study, run_study, train_study
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings, start_ray
from tests.inputs import write_recipe
from tests.test_study import STUDY, texts

SETTINGS = Settings(workers=2)
DOMAINS = STUDY["domains"]
SMALL = {
    **STUDY,
    "proxy": {**STUDY["proxy"], "tokens": 6_000, "keep_checkpoints": False},
    "swarm": {"mixes": 5, "repeats": 1},
    "confirm": {"seeds": 1},
    "out": "grown",
    "domains": {name: DOMAINS[name] for name in ("code", "prose")},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lineage")
    start_ray(SETTINGS)
    run(load_recipe(str(write_recipe(folder, texts(folder), dedup={"fuzzy": False}))), SETTINGS)
    yield folder
    ray.shutdown()


def write(folder, study, name="study.yaml"):
    path = folder / name
    path.write_text(yaml.safe_dump(study))
    return str(path)


def addresses(folder, step, out="grown"):
    return {row.shard: row.address for row in Ledger(str(folder / out)).rows(step)}


def trained(folder, out="grown"):
    """Training documents of all domains, by id, and those held out."""
    found = {True: set(), False: set()}
    for pool in (folder / out / "pool").glob("*.parquet"):
        for row in pq.read_table(pool, columns=["id", "held"]).to_pylist():
            found[row["held"]].add(row["id"])
    return found[False], found[True]


def test_a_study_that_changes_redoes_only_what_depends_on_the_change(corpus):
    first = run_study(write(corpus, SMALL), SETTINGS)
    assert "kept" not in first.summary
    runs, (texts_before, _) = addresses(corpus, "train"), trained(corpus)

    # a domain is added
    grown = {**SMALL, "domains": DOMAINS}
    path = write(corpus, grown)
    plan = plan_study(path, SETTINGS)
    assert plan.trained == len(runs) == 7 and plan.swarm.kinds.count("kept") == 7
    result = run_study(path, SETTINGS)
    now = addresses(corpus, "train")
    assert runs.items() <= now.items()
    reuse = json.loads((corpus / "grown" / "reuse.json").read_text())
    further = reuse["runs"]["further"]
    assert reuse["runs"]["kept"] == 7 and len(now) == 7 + further and 0 < further < 7
    assert reuse["changes"] == {"code": "kept", "prose": "kept", "numbers": "added"}
    assert set(reuse["coupling"]) == {"code", "prose"}
    for told in ("numbers added", f"7 runs kept, {further} further ones"):
        assert told in result.summary
        assert told in (corpus / "grown" / "report.html").read_text()
    frozen = {name: p for name, p in reuse["frozen"].items() if p}
    mixture = json.loads((corpus / "grown" / "mixture.json").read_text())
    rest = sum(mixture["ratios"][name] for name in frozen)
    for name, ratio in frozen.items():
        assert mixture["ratios"][name] == pytest.approx(ratio * rest, abs=1e-3)
    _, held = trained(corpus)
    assert not held & texts_before  # what was trained on is never held out
    again = run_study(path, SETTINGS)
    assert again.done == 0 and addresses(corpus, "train") == now
    assert solve_study(path, SETTINGS).done == 0
    assert solve_study(path, SETTINGS, weights={"code": 1.0}).done == 0

    # one is split: the runs on it are runs on its parts
    split = {"code": DOMAINS["code"], "prose": DOMAINS["prose"],
             "numbers-a": f"{DOMAINS['numbers']} and uri < 'numbers/2'",
             "numbers-b": DOMAINS["numbers"]}  # fmt: skip
    path = write(corpus, {**SMALL, "domains": split})
    result = run_study(path, SETTINGS)
    reuse = json.loads((corpus / "grown" / "reuse.json").read_text())
    assert {reuse["changes"][n] for n in ("numbers-a", "numbers-b")} == {"split from numbers"}
    assert reuse["runs"]["kept"] + sum(reuse["runs"]["dropped"].values()) == len(now)
    fitted, _, _ = fit_study(path, SETTINGS)
    P = fitted.shares[: reuse["runs"]["kept"]]
    a, b = (fitted.domains.index(n) for n in ("numbers-a", "numbers-b"))
    both = P[:, a] > 0
    assert both.any() and np.ptp(P[both, a] / P[both, b]) < 1e-3
    assert np.allclose(fitted.shares.sum(1), 1)

    # nothing of an earlier study is kept when it is not wanted, or trained otherwise
    afresh = {**SMALL, "swarm": {**SMALL["swarm"], "reuse": "none"}}
    assert "kept" not in plan_study(write(corpus, afresh), SETTINGS).swarm.kinds


def test_a_later_phase_starts_from_the_earlier_answer_and_counts_its_tokens(corpus):
    early = write(corpus, {**SMALL, "out": "early"}, "early.yaml")
    late = {**SMALL, "out": "late", "after": "early.yaml", "domains": DOMAINS, "tokens": "200K"}
    late["proxy"] = {**SMALL["proxy"], "context": 64, "tokens": 4_000}
    late["constraints"] = {"max_epochs": 60}
    path = write(corpus, late, "late.yaml")
    with pytest.raises(UserError, match=r"'after': .*early: no study was run there"):
        train_study(path, SETTINGS)
    run_study(early, SETTINGS)
    result = run_study(path, SETTINGS)
    assert "Conditioned on early.yaml" in result.summary and "epochs used" in result.summary
    starts = addresses(corpus, "start", "late")
    assert list(starts) == ["0.1M"]
    answer = json.loads((corpus / "early" / "answer.json").read_text())
    start = json.loads((corpus / "late" / "start" / "0.1M.json").read_text())
    recommended = dict(zip(answer["domains"], answer["mixes"]["recommended"], strict=True))
    assert start["mix"] == {name: p for name, p in recommended.items() if p > 0}
    runs = [json.loads(p.read_text()) for p in (corpus / "late" / "train").glob("*.json")]
    assert len({run["made"]["start"] for run in runs}) == 1 and runs[0]["made"]["start"]
    # its losses begin where the start ended, not at those of fresh weights
    assert runs[0]["loss_curve"][0][1] < start["loss_curve"][0][1] - 0.3
    found = json.loads((corpus / "late" / "answer.json").read_text())
    spent = dict(zip(answer["domains"], answer["epochs"]["recommended"], strict=True))
    for name, p, tokens, epochs in zip(
        found["domains"], found["mixes"]["recommended"], found["tokens"],
        found["epochs"]["recommended"], strict=True,
    ):  # fmt: skip
        assert epochs == pytest.approx(p * 200_000 / tokens + spent.get(name, 0), rel=0.02)
        assert epochs <= 60 * 1.001 or p < 1e-6
    assert run_study(path, SETTINGS).done == 0
    train_before, (trained_early, _) = addresses(corpus, "train", "late"), trained(corpus, "early")
    assert not trained(corpus, "late")[1] & trained_early

    # another answer of the earlier study is another start
    other = {**SMALL, "out": "early", "constraints": {"max_epochs": 40, "floors": {"prose": 0.2}}}
    run_study(write(corpus, other, "early.yaml"), SETTINGS)
    train_study(path, SETTINGS)
    assert not set(train_before) & set(addresses(corpus, "train", "late"))
    assert addresses(corpus, "start", "late") != starts

    for change, told in (
        ({"proxy": {**late["proxy"], "model": "0.3M"}}, "'proxy.model': expected 0.1M"),
        ({"proxy": {**late["proxy"], "tokenizer": "bytes"}}, "'proxy.tokenizer': bytes is not"),
        ({"proxy": {**late["proxy"], "vocab": 600}}, "'proxy.vocab': expected 512"),
        ({"after": "late"}, "'after': give the folder of an earlier study"),
        ({"after": "nowhere.yaml"}, "nowhere.yaml"),
    ):
        with pytest.raises(UserError, match=told):
            train_study(write(corpus, {**late, **change}, "wrong.yaml"), SETTINGS)
