"""The answer of a study in words: verdicts, report, notes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import mixing
from mixing.answer import Runs, find_answer
from mixing.asking import make_ask
from mixing.confirm import compare
from mixing.model import fit_model
from mixing.report import write_report
from mixing.story import study_story
from mixing.study_file import Study
from mixing.words import give_verdict, what_would_change
from tests.planted import planted

NAMES = ("books", "code", "law", "math", "web")


@pytest.fixture(scope="module")
def study():
    return Study.model_validate(
        {
            "name": "demo",
            "run": "runs/demo",
            "out": "runs/mix",
            "domains": {name: f"source = '{name}'" for name in NAMES},
            "tokens": "4M",
            "constraints": {"caps": {"web": 0.3}},
            "draws": 20,
        }
    )


@pytest.fixture(scope="module")
def answer(study):
    truth, _, _, _ = planted(11)
    tokens = np.array([6e5, 9e5, 3e5, 8e4, 2e6])
    swarm = mixing.design_swarm(NAMES, tokens)
    noise = np.random.default_rng(0).normal(size=(len(swarm), 5))
    losses = truth.predict(swarm.shares) + 0.005 * noise
    runs = Runs(NAMES, NAMES, NAMES, "bits per byte", swarm.shares, losses, tuple(swarm.seeds),
                swarm.kinds)  # fmt: skip
    ask = make_ask(runs, tokens, study.tokens, study.constraints, np.full(5, 0.2))
    return find_answer(runs, fit_model(runs.shares, losses, 20), ask).as_dict()


def confirming(answer, gains, seeds=3):
    """Runs in which each baseline's BPB is the recommended mix's plus a gain."""
    runs = []
    for mix, shares in answer["mixes"].items():
        for seed in range(seeds):
            noise = 0.01 * np.sin(seed)
            noise += (mix != "recommended") * 0.001 * (1, -1, 0)[seed]
            value = 2.0 + noise + gains.get(mix, 0.0)
            runs.append(
                {
                    "mix": {n: p for n, p in zip(NAMES, shares, strict=True) if p > 0},
                    "seed": seed,
                    "scores": {name: {"bpb": value} for name in NAMES},
                    "tokens": 1000,
                }
            )
    return runs


def test_answer_keeps_the_constraints_and_expects_a_gain(answer):
    best = np.array(answer["mixes"]["recommended"])
    assert best.sum() == 1.0 and best[NAMES.index("web")] <= 0.3 + 1e-6
    assert max(answer["epochs"]["recommended"]) <= 4 + 1e-4
    assert (np.array(answer["low"]) <= best + 1e-6).all()
    assert (best <= np.array(answer["high"]) + 1e-6).all()
    assert answer["gain"]["natural"][1] > 0 and answer["gap"] < 1e-4
    assert min(row["rho"] for row in answer["fit"]["scores"].values()) > 0.5


@pytest.mark.parametrize(
    ("gains", "seeds", "word", "told"),
    [
        ({"natural": 0.2, "uniform": 0.1, "unimax": 0.1, "observed": 0.1}, 3, "win",
         "outside the noise"),
        ({"natural": 0.2, "uniform": 0.1, "observed": 0.1}, 3, "mixed",
         "UniMax mix it is within the noise"),
        ({}, 3, "tie", "within the noise of the natural, uniform, UniMax and best observed"),
        ({"natural": -0.2, "uniform": 0.1}, 3, "lose", "Do not adopt .* natural mix"),
        ({"natural": 0.2}, 1, "predicted", "one seed"),
    ],
)  # fmt: skip
def test_verdicts_in_plain_words(answer, gains, seeds, word, told):
    verdict = give_verdict(answer, compare(answer, confirming(answer, gains, seeds)))
    assert verdict.word == word and re.search(told, verdict.headline)
    assert len(verdict.details) == 4


def test_a_predicted_gain_within_the_noise_is_called_so(answer):
    flat = {**answer, "gain": dict.fromkeys(answer["gain"], (0.001, -0.002, 0.004))}
    verdict = give_verdict(flat, None)
    assert verdict.word == "tie" and verdict.headline.startswith("Within the noise")


def test_gains_reach_out_to_what_the_laws_that_predict_best_say(answer):
    second = answer["second_opinion"]
    for name, (value, low, high) in answer["gain"].items():
        assert low <= min(value, second[name] - second["recommended"]) + 1e-12
        assert high >= max(value, second[name] - second["recommended"]) - 1e-12


def test_gains_that_training_does_not_show_are_told(answer):
    promised = {**answer, "gain": dict.fromkeys(answer["gain"], (0.03, 0.02, 0.04))}
    shown = compare(answer, confirming(answer, {"natural": 0.2, "unimax": -0.2}))
    told = [line for line in what_would_change(promised, shown) if "promise" in line]
    assert len(told) == 3 and not any("natural mix" in line for line in told)
    assert any(re.search(r"UniMax mix.* \+0\.020.*−0\.20", line) for line in told), told


def test_report_is_whole_escaped_and_the_same_again(study, answer, tmp_path):
    odd = ["<script>alert('x')</script>", 'a|b & "c"', "$x_1^2$", "日本語 ☃", "web" * 30]
    answer = {**answer, "domains": odd, "tasks": odd, "families": odd, "pareto": []}
    runs = confirming(answer, {"natural": 0.2})
    for run in runs:
        for part in ("mix", "scores"):
            names = dict(zip(NAMES, odd, strict=True))
            run[part] = {names[name]: value for name, value in run[part].items()}
    facts = {
        "streams": [{"held_documents": 3, "held_bytes": 900}] * 5,
        "cost": {"proxies": 30, "proxy_tokens": 3e7, "seconds": 100.0},
    }
    texts = []
    for again in range(2):
        files = {
            kind: str(tmp_path / f"{again}.{kind}")
            for kind in ("report", "markdown", "mixture", "summary")
        }
        story = study_story(study, answer, facts)
        write_report(story, answer, compare(answer, runs), files)
        texts.append({kind: Path(path).read_text() for kind, path in files.items()})
    assert texts[0] == texts[1]
    html, markdown = texts[0]["report"], texts[0]["markdown"]
    assert "<script" not in html and "&lt;script&gt;" in html and "日本語 ☃" in html
    assert html.count("<svg") == 3 and "prefers-color-scheme: dark" in html
    assert not re.search(r'(?:src|href)="(?!#)|url\((?!#)|@import', html)  # self-contained
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL).lower()
    assert "| a\\|b & " in markdown and not re.search(r"(?<!\\)<", markdown)
    rows = [line for line in markdown.splitlines() if line.startswith("| \\<script")]
    assert len(rows) == 1 and len(re.findall(r"(?<!\\)\|", rows[0])) == 10
    data = json.loads(texts[0]["mixture"], parse_constant=pytest.fail)
    assert list(data["ratios"]) == odd and sum(data["ratios"].values()) == 1.0
    assert data["verdict"]["word"] == "mixed" and data["verdict"]["text"] in texts[0]["summary"]


def test_report_without_confirmation_or_repeats(study, answer, tmp_path):
    fit = {**answer["fit"], "noise": [float("nan")] * 5}
    keep = [i for i, kind in enumerate(answer["swarm"]["kinds"]) if kind != "repeat"]
    swarm = {key: [values[i] for i in keep] for key, values in answer["swarm"].items()}
    for part in ("measured", "predicted"):
        fit[part] = [fit[part][i] for i in keep]
    path = tmp_path / "r.html"
    answer = {**answer, "fit": fit, "swarm": swarm}
    write_report(study_story(study, answer, {}), answer, None, {"report": str(path)})
    html = path.read_text()
    assert "not confirmed by training" in html and "Trained to confirm" not in html
    assert "Two runs of one mix" not in html
