"""Studies whose proxies are trained in stacks, and their n-gram rung, as committed jobs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import ray
import yaml

from catalogs.errors import UserError
from catalogs.ledger import Ledger
from mixing.study import fit_study, train_study
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings, start_ray
from tests.inputs import write_recipe

SETTINGS = Settings(workers=2)
STUDY = {
    "name": "small",
    "run": "run",
    "domains": {name: f"source = '{name}'" for name in ("sums", "roots", "words")},
    "tokens": "200K",
    "proxy": {"model": "0.1M", "tokens": 6_000, "vocab": 300, "context": 32, "batch": 4},
    "evaluation": {"holdout_bytes": "4K", "suites": {"ask": {"path": "ask.jsonl"}}},
    "swarm": {"mixes": 5, "repeats": 1},
    "draws": 20,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    start_ray(SETTINGS)
    folder = tmp_path_factory.mktemp("stacks")
    kinds = {
        "sums": lambda n: "\n".join(f"{n} + {k} = {n + k}" for k in range(60)),
        "roots": lambda n: "\n".join(f"the root of {k} is {k**0.5:.4f}" for k in range(n, n + 40)),
        "words": lambda n: " ".join(f"word{k * n % 97} follows," for k in range(90)),
    }
    for name, text in kinds.items():
        rows = [json.dumps({"text": text(n), "path": f"{name}/{n}"}) for n in range(1, 41)]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    sources = {
        name: {"reader": "jsonl", "paths": f"{name}.jsonl", "options": {"uri_field": "path"}}
        for name in kinds
    }
    items = [{"context": f"{n} + 2 =", "continuation": f" {n + 2}"} for n in range(30)]
    (folder / "ask.jsonl").write_text("\n".join(map(json.dumps, items)) + "\n")
    run(load_recipe(str(write_recipe(folder, sources, dedup={"fuzzy": False}))), SETTINGS)
    yield folder
    ray.shutdown()


def study(folder, out: str, **proxy) -> str:
    path = folder / f"{out}.yaml"
    path.write_text(yaml.safe_dump({**STUDY, "out": out, "proxy": {**STUDY["proxy"], **proxy}}))
    return str(path)


def curves(folder, out: str) -> list[tuple]:
    """Mix, seed and last loss of every run, in order."""
    ledger = Ledger(str(folder / out))
    found = []
    for row in ledger.rows("train"):
        told = json.loads((folder / out / row.files["run"].path).read_text())
        found.append((sorted(told["mix"].items()), told["seed"], told["loss_curve"][-1][1]))
    return sorted(found)


@pytest.mark.slow
def test_a_study_trained_in_stacks_has_the_same_runs(folder):
    train_study(study(folder, "alone", stack="off"), SETTINGS)
    train_study(study(folder, "stacked", stack=3), SETTINGS)
    alone, stacked = curves(folder, "alone"), curves(folder, "stacked")
    assert len(alone) >= 6
    assert [one[:2] for one in alone] == [one[:2] for one in stacked]
    np.testing.assert_allclose([one[2] for one in alone], [one[2] for one in stacked], rtol=0.02)
    ledger = Ledger(str(folder / "stacked"))
    assert sum(row.kept for row in ledger.rows("stack")) == len(alone)
    assert max(row.kept for row in ledger.rows("stack")) == 3
    assert not Ledger(str(folder / "alone")).rows("stack")
    # what is committed is not trained again, and a lost run alone is
    before = {row.shard: row.seconds for row in ledger.rows("train")}
    lost = ledger.rows("train")[0]
    ledger.retire([lost])
    shop = train_study(study(folder, "stacked", stack=3), SETTINGS)
    assert shop.done == 2  # its stack of one, and its commit
    assert shop.skipped >= len(before) - 1
    assert curves(folder, "stacked")[0][:2] == alone[0][:2]


def test_the_rung_is_counted_once_and_told(folder):
    path = study(folder, "alone", stack="off")
    runs, model, _ = fit_study(path, SETTINGS)
    ledger = Ledger(str(folder / "alone"))
    rows = {row.shard: row for row in ledger.rows("ngrams")}
    assert set(rows) == {"sums", "roots", "words", "ask"}
    (fit,) = ledger.rows("fit")
    told = json.loads((folder / "alone" / fit.files["ngrams"].path).read_text())
    assert len(told["rho"]) == len(runs.tasks) == 4
    assert "informed" in model.fitted.unseen
    times = {name: row.seconds for name, row in rows.items()}
    fit_study(path, SETTINGS)
    assert times == {row.shard: row.seconds for row in ledger.rows("ngrams")}
    fit_study(study(folder, "alone", stack="off", ngrams="off"), SETTINGS)
    (fit,) = ledger.rows("fit")
    assert "ngrams" not in fit.files


@pytest.mark.parametrize("field", [{"stack": 1}, {"stack": "some"}, {"ngrams": "on"}])
def test_a_wrong_field_is_named(folder, field):
    with pytest.raises(UserError, match=f"proxy.{next(iter(field))}"):
        train_study(study(folder, "wrong", **field), SETTINGS)
