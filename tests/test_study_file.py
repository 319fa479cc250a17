"""The study file: every field is checked when it is loaded."""

from __future__ import annotations

import pytest
import yaml

from catalogs.errors import UserError
from mixing.study_file import load_study

GOOD = {
    "name": "s",
    "run": "runs/a",
    "out": "runs/b",
    "tokens": "2B",
    "domains": {"web": "source = 'web'", "code": "source = 'code'"},
}


def write_study(tmp_path, **changes):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return str(path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tokenz": 3}, "field 'tokenz' is unknown .did you mean 'tokens'"),
        ({"tokens": "lots"}, "field 'tokens'.*expected a number of tokens such as 2B"),
        ({"tokens": float("inf")}, "field 'tokens'.*expected a number of tokens such as 2B"),
        ({"tokens": float("nan")}, "field 'tokens'.*expected a number of tokens such as 2B"),
        ({"tokens": "1.2.3M"}, "field 'tokens'.*expected a number of tokens such as 2B"),
        ({"proxy": {"model": "0.4M"}}, "field 'proxy.model'.*0.4M.*did you mean"),
        ({"proxy": {"contexts": 8}}, "field 'proxy.contexts' is unknown .did you mean 'context'"),
        ({"constraints": {"floors": {"cod": 0.1}}}, "floors.*'cod'.*did you mean 'code'"),
        ({"constraints": {"floors": {"code": 1.5}}}, "constraints.floors.code.*less than or equal"),
        ({"evaluation": {"weights": {"code": -1}}}, "evaluation.weights.code.*greater than or"),
        ({"domains": {"web": "true"}}, "field 'domains'.*at least 2"),
        ({"swarm": {"mixes": 2}}, "field 'swarm.mixes'.*greater than or equal to 3"),
    ],
)
def test_wrong_fields_give_one_line(tmp_path, changes, told):
    path = write_study(tmp_path, **changes)
    with pytest.raises(UserError, match=told) as caught:
        load_study(path)
    assert str(caught.value).startswith(path) and "\n" not in str(caught.value)


def test_a_study_is_read_with_its_units(tmp_path):
    study = load_study(write_study(tmp_path, tokens="1.5B"))
    assert study.tokens == 1_500_000_000
    assert study.run_folders == [str(tmp_path / "runs/a")]
