"""A whole study on a small real run: resumable, held-out texts apart, and a report at the end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from catalogs.errors import UserError
from catalogs.ledger import Ledger
from mixing.export.mixture import load_mixture
from mixing.questions import solve_study
from mixing.study import (
    evaluate_study,
    fit_study,
    plan_study,
    refine_study,
    run_study,
    train_study,
)
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings
from tests.inputs import write_recipe

pytestmark = pytest.mark.usefixtures("cluster")

SETTINGS = Settings(workers=2)


def texts(folder):
    """Three kinds of text that differ: Python code, its prose, and licences."""
    library = Path(os.__file__).parent
    modules = sorted(path for path in library.glob("*.py") if 8_000 < path.stat().st_size < 40_000)
    code = [path.read_text("utf-8", "replace") for path in modules[:60]]
    words = ("about", "this", "that", "which", "when", "value")
    prose = [
        "\n".join(line for line in text.splitlines() if any(f" {word} " in line for word in words))
        for text in code
    ]
    numbers = [
        "\n".join(f"{n} times {k} is {n * k}." for n in range(start, start + 60) for k in range(9))
        for start in range(0, 3000, 75)
    ]
    for name, rows in {"code": code, "prose": prose, "numbers": numbers}.items():
        lines = [json.dumps({"text": text, "path": f"{name}/{n}"}) for n, text in enumerate(rows)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    options = {"uri_field": "path"}
    return {
        name: {"reader": "jsonl", "paths": f"{name}.jsonl", "options": options}
        for name in ("code", "prose", "numbers")
    }


STUDY = {
    "name": "small",
    "run": "run",
    "out": "study",
    "domains": {name: f"source = '{name}'" for name in ("code", "prose", "numbers")},
    "tokens": "2M",
    "proxy": {"model": "0.1M", "tokens": 20_000, "vocab": 512, "context": 32, "batch": 8},
    "evaluation": {"holdout_bytes": "20K"},
    "swarm": {"mixes": 8, "repeats": 1},
    "constraints": {"max_epochs": 40},
    "confirm": {"seeds": 2},
    "draws": 20,
}


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    recipe = write_recipe(folder, texts(folder), dedup={"fuzzy": False})
    run(load_recipe(str(recipe)), SETTINGS)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder, run_study(str(folder / "study.yaml"), SETTINGS)


def commits(folder):
    ledger = Ledger(str(folder / "study"))
    return {
        (row.step, row.shard): os.stat(ledger.path(row.step, row.shard)).st_mtime_ns
        for row in ledger.rows()
    }


def test_the_report_stands_and_the_mixture_adds_up(studied):
    folder, result = studied
    page = Path(result.report).read_text()
    assert page.startswith(("<!DOCTYPE html>", "<!doctype html>"))
    assert "http://" not in page.split("</style>")[-1].replace("http://www.w3.org", "")
    answer = json.loads((folder / "study" / "answer.json").read_text())
    for shares in answer["mixes"].values():
        assert sum(shares) == pytest.approx(1)
    for share, epochs in zip(
        answer["mixes"]["recommended"], answer["epochs"]["recommended"], strict=True
    ):
        assert share >= 0
        assert epochs <= 40 * 1.001
    assert answer["mixes"]["recommended"] != answer["mixes"]["natural"]
    assert result.summary.strip()


def test_the_answer_can_be_exported(studied):
    folder, _ = studied
    study = folder / "study"
    for given in (folder / "study.yaml", study, study / "mixture.json"):
        mixture = load_mixture(str(given))
        assert [Path(run).resolve() for run in mixture.runs] == [(folder / "run").resolve()]
        assert mixture.domains == STUDY["domains"]
        assert sum(mixture.shares.values()) == 1
        assert mixture.max_epochs == 40
        assert Path(mixture.path(mixture.tokenizer)).exists()
        assert all(Path(mixture.path(name)).exists() for name in mixture.held_out)


def test_no_held_out_document_is_trained_on(studied):
    folder, _ = studied
    for pool in (folder / "study" / "pool").glob("*.parquet"):
        table = pq.read_table(pool)
        held = table.filter(table["held"])
        trained = table.filter([not value for value in table["held"].to_pylist()])
        assert len(held)
        assert len(trained)
        assert not set(held["id"].to_pylist()) & set(trained["id"].to_pylist())


def test_proxies_learn_what_they_are_given(studied):
    folder, _ = studied
    runs = []
    for path in (folder / "study" / "train").glob("*.json"):
        scores = json.loads((folder / "study" / "eval" / path.name).read_text())
        runs.append({**json.loads(path.read_text()), "scores": scores})
    assert len(runs) == 8 + 2
    best = max(runs, key=lambda run: run["mix"].get("numbers", 0))
    worst = min(runs, key=lambda run: run["mix"].get("numbers", 0))
    assert best["scores"]["numbers"]["bpb"] < worst["scores"]["numbers"]["bpb"]


def test_running_again_trains_nothing(studied):
    folder, _ = studied
    before = commits(folder)
    again = run_study(str(folder / "study.yaml"), SETTINGS)
    assert again.done == 0
    assert commits(folder) == before


def test_another_weighting_retrains_no_proxy_of_the_swarm(studied):
    folder, _ = studied
    before = commits(folder)
    weighted = {**STUDY, "evaluation": {"holdout_bytes": "20K", "weights": {"code": 3}}}
    (folder / "study.yaml").write_text(yaml.safe_dump(weighted))
    run_study(str(folder / "study.yaml"), SETTINGS)
    after = commits(folder)
    redone = {step for (step, shard) in after if after[step, shard] != before.get((step, shard))}
    assert redone <= {"answer", "confirm", "confirm-eval", "report", "earlier"}
    assert "answer" in redone
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))


def test_a_question_is_answered_from_the_fit_that_is_there(studied):
    folder, _ = studied
    before = commits(folder)
    path = str(folder / "study.yaml")
    plain = solve_study(path, SETTINGS)
    asked = solve_study(
        path, SETTINGS, weights={"code": 1.0}, tokens=10**6, caps={"code": 0.3},
        limits={"max_epochs": None},
    )  # fmt: skip
    assert plain.done == asked.done == 0 and commits(folder) == before
    assert asked.answer.weights[plain.answer.domains.index("code")] == 1.0
    best = dict(zip(asked.answer.domains, asked.answer.mixes["recommended"], strict=True))
    assert best["code"] == pytest.approx(0.3, abs=1e-4) and asked.answer.budget == 10**6
    assert asked.answer.binding[asked.answer.domains.index("code")] == "cap"
    with pytest.raises(UserError, match=r"--weights: 'cod3' is unknown .did you mean 'code'"):
        solve_study(path, SETTINGS, weights={"cod3": 1.0})


def test_each_verb_does_its_part_and_what_that_needs(studied, tmp_path):
    folder, _ = studied
    items = [{"context": f"{n} times {k} is ", "continuation": f"{n * k}."} for n, k in
             ((3, 4), (20, 7), (81, 5))]  # fmt: skip
    suite = tmp_path / "sums.jsonl"
    suite.write_text("\n".join(map(json.dumps, items)))
    domains = {name: STUDY["domains"][name] for name in ("code", "prose")}
    small = {"swarm": {"mixes": 4, "repeats": 0}, "out": "parts", "confirm": {"seeds": 0}}
    study = {**STUDY, **small, "domains": domains, "root": str(folder)}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    plan = plan_study(str(path), SETTINGS)
    assert len(plan.swarm) == 4 and plan.trained == 0 and plan.proxy_tokens == 4 * 20_000
    assert not (folder / "parts" / "train").exists()
    assert train_study(str(path), SETTINGS).done > 0
    weights = list((folder / "parts" / "train").glob("*.safetensors"))
    assert len(weights) == 4 * (1 + 4)  # the last state and four on the way
    study["evaluation"] = {**study["evaluation"], "suites": {"sums": {"path": str(suite)}}}
    path.write_text(yaml.safe_dump(study))
    shop = evaluate_study(str(path), SETTINGS)
    assert sorted(shop.plan["eval"])[0].count(".") == 0 and len(shop.plan["eval"]) == 8
    assert all(weight.exists() for weight in weights)  # a task needs no training
    scores = [json.loads(one.read_text()) for one in (folder / "parts/eval").glob("*.sums.json")]
    assert len(scores) == 4 and all(0 < one["sums"]["bpb"] < 20 for one in scores)
    larger = {**study, "domains": STUDY["domains"], "out": "more"}
    larger["evaluation"] = STUDY["evaluation"]
    larger["swarm"] = {"reuse": "parts", "mixes": 3}
    path.write_text(yaml.safe_dump(larger))
    shop = train_study(str(path), SETTINGS)
    kinds = shop.swarm().kinds
    assert kinds.count("kept") == 4 and kinds.count("extend") == 3
    old = {one.name: one.read_bytes() for one in (folder / "parts" / "train").iterdir()}
    new = {one.name: one.read_bytes() for one in (folder / "more" / "train").iterdir()}
    assert old.items() <= new.items() and len(shop.plan["train"]) == 7
    fresh = shop.swarm().domains.index("numbers")
    assert (shop.swarm().shares[4:, fresh] > 0).all()


def test_a_refined_swarm_has_its_further_runs(studied, tmp_path):
    folder, _ = studied
    study = {**STUDY, "root": str(folder), "refine": {"runs": 2}}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    (found,) = refine_study(str(path), SETTINGS, rounds=1)
    runs, _, paths = fit_study(str(path), SETTINGS)
    first = np.array(found["mixes"][0])  # the answer that nothing was trained like
    assert len(found["mixes"]) == 2
    assert min(np.abs(one - first).sum() / 2 for one in runs.shares[:-2]) > 0.02
    assert runs.kinds.count("refine") == len(found["mixes"])
    lines = Path(paths["ratios"]).read_text().splitlines()
    assert lines[0] == "index," + ",".join(runs.domains) and len(lines) == len(runs.shares) + 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"domains": {"a": "sourc = 'code'", "b": "true"}}, "domains.a"),
        ({"domains": {"a": "source = 'none'", "b": "true"}}, "domains.a"),
        ({"run": "nowhere"}, "not a run folder"),
        ({"proxi": {}}, "did you mean 'proxy'?"),
        ({"proxy": {"model": "0.2M"}}, "proxy.model"),
        ({"constraints": {"caps": {"cod": 0.1}}}, "did you mean 'code'?"),
        ({"tokens": "many"}, "tokens"),
    ],
)
def test_a_mistake_in_a_study_is_told(studied, tmp_path, change, told):
    folder, _ = studied
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**STUDY, "root": str(folder), **change}))
    with pytest.raises(UserError) as error:
        run_study(str(path), SETTINGS)
    assert told in str(error.value)
