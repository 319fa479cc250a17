"""Killed in the middle of judging: quality, consent, applied models, contamination; same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from catalogs.applied import STEP
from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.ledger import Ledger
from tests.inputs import files_of, prose, write_recipe
from tests.test_classifier import BAD, GOOD, words
from tests.test_kill import ENVIRONMENT, kill_all
from tests.test_quality import model

FILES, ROWS = 6, 40
CHANCE = random.Random(20261123)
STEPS = (
    *("notices", "merge-notices", "consent", "list"),
    *("quality-count", "quality-scale", "quality-tally", "quality-settle", "quality", "write"),
)
JUDGED = ("corpus", "attributes/consent", "attributes/refused", "attributes/quality", "notices")


def asked(seed):
    """A question that no other text has."""
    rng = random.Random(seed)
    a, b, c, d, e = ("".join(rng.choices("abdeiklmnorstu", k=7)) for _ in range(5))
    return f"Why does the {a} of {b} sink whenever a {c} climbs over the {d} beside {e}?"


def corpusmill(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "corpusmill", *map(str, arguments), "--workers", "2"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**ENVIRONMENT, "PYTHONPATH": os.getcwd()},
        start_new_session=True,
    )


def end(process):
    try:
        output, _ = process.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        kill_all(process)
        raise
    return process.returncode, output


def kill_when(process, reached):
    """SIGKILL the driver at that moment, or a little later; whether it was still there."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and process.poll() is None:
        if reached():
            time.sleep(CHANCE.random() / 20)
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    code, output = end(process)
    assert code in (0, -signal.SIGKILL), output
    return code != 0


def planned(root, step):
    """Whether a run has come to a step."""
    try:
        return step in json.loads((root / "plan.json").read_text())["shards"]
    except (FileNotFoundError, ValueError):
        return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished run with every step of judgement; its recipe is beside it."""
    folder = tmp_path_factory.mktemp("judged")
    for number in range(FILES):
        seeds = range(number * ROWS, (number + 1) * ROWS + 5)  # some stand in the next file, too
        rows = [
            {
                "text": f"{prose(seed, 12)} {words(GOOD if seed % 2 else BAD, seed)} {asked(seed)}",
                "url": f"http://{'abc'[(seed + number) % 3]}.test/{number}/{seed}",
            }
            for seed in seeds
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{number}.jsonl").write_text(lines)
    for number, host in enumerate("ab"):
        row = {"host": f"{host}.test", "body": f"User-agent: *\nDisallow: /{3 + number}/"}
        (folder / f"robots-{number}.json").write_text(json.dumps(row) + "\n")
    kinds = {"positive": GOOD, "negative": BAD}
    own = [model(folder, f"m{seed}", kinds, seed=seed) for seed in (1, 2)]
    quality = {
        "models": {"one": {**own[0], "top": 0.7}, "two": own[1]},
        "ensembles": {"both": {"of": ["one", "two"], "top": 0.9}},
        "buckets": {"score": "both", "per": "source", "count": 4},
    }
    options = {"uri_field": "url"}
    recipe = write_recipe(
        folder,
        {"web": {"reader": "jsonl", "paths": "[0-9].jsonl", "options": options}},
        quality=quality,
        consent={"mode": "permissive", "robots": "robots-*.json"},
        boilerplate={"cut": False},
        dedup={"fuzzy": False},
    )
    code, output = end(corpusmill(folder, "run", recipe))
    assert code == 0, output
    with open_catalog(str(folder / "run")) as catalog:
        stages = dict(
            catalog.execute("SELECT stage, sum(records) FROM funnel GROUP BY 1").fetchall()
        )
    assert min(stages[stage] for stage in ("consent", "dedup", "quality", "corpus")) > 10
    return folder, recipe


def judged(root):
    return {kind: files_of(root / kind) for kind in JUDGED}


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([CHANCE.choice(STEPS)], id="one"),
        pytest.param(STEPS, id="every", marks=pytest.mark.slow),
    ],
)
def test_killed_at_a_step_and_run_again(undisturbed, steps):
    """One run, killed at one step after the other, each time run again."""
    folder, recipe = undisturbed
    root = folder / f"killed-{len(steps)}"
    command = ("run", recipe, "--out", root)
    hits = [
        kill_when(corpusmill(folder, *command), lambda step=step: planned(root, step))
        for step in steps
    ]
    assert any(hits)
    code, output = end(corpusmill(folder, *command))
    assert code == 0, output
    assert judged(root) == judged(folder / "run")
    assert audit(str(root)).problems == []


@pytest.fixture
def copies(undisturbed, tmp_path):
    """Two copies of the finished run."""
    for name in ("killed", "whole"):
        shutil.copytree(undisturbed[0] / "run", tmp_path / name, copy_function=shutil.copy2)
    return tmp_path / "killed", tmp_path / "whole"


def kill_and_repeat(folder, arguments, root, whole, ledger, step):
    """Kill the verb once some shards are committed; run it again, and beside it undisturbed."""
    after = CHANCE.randrange(FILES - 1)
    process = corpusmill(folder, *arguments(root))
    assert kill_when(process, lambda: len(Ledger(str(ledger)).rows(step)) >= after)
    for place in (root, whole):
        code, output = end(corpusmill(folder, *arguments(place)))
        assert code == 0, output


@pytest.mark.slow
def test_classifier_apply_killed_and_run_again(undisturbed, copies):
    folder, (root, whole) = undisturbed[0], copies
    task = model(folder, "task", {"positive": GOOD, "negative": BAD}, seed=3)["path"]

    def apply(place):
        return ["classifier", "apply", place, "--model", task]

    kill_and_repeat(folder, apply, root, whole, root, f"{STEP}task")
    assert files_of(root / "attributes") == files_of(whole / "attributes")
    assert audit(str(root)).problems == []
    with open_catalog(str(root)) as catalog:
        query = "SELECT count(*) - count(scores['task']), count(*) FROM documents"
        (missing, rows) = catalog.execute(query).fetchone()
    assert missing == 0 and rows > FILES * ROWS


def test_contamination_killed_and_run_again(undisturbed, copies):
    folder, (root, whole) = undisturbed[0], copies
    lines = [
        json.dumps({"question": asked(seed), "answer": "the river"})
        for seed in range(0, FILES * ROWS, 7)
    ]
    (folder / "evals.jsonl").write_text("\n".join(lines) + "\n")

    def ask(place):
        return ["contamination", place, "--evals", "evals.jsonl"]

    step = CHANCE.choice(["eval-items", "eval-matches"])
    own = root / "contamination"
    process = corpusmill(folder, *ask(root))
    assert kill_when(process, lambda: planned(own, step))
    for place in (root, whole):
        code, output = end(corpusmill(folder, *ask(place)))
        assert code == 0, output
    left = files_of(own / "attributes")
    assert left == files_of(whole / "contamination" / "attributes") and left
    with open_catalog(str(root)) as catalog:
        (found,) = catalog.execute("SELECT count(DISTINCT item) FROM eval_matches").fetchone()
    assert found > 10
