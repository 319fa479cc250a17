"""Published swarms as two tables: read, fitted, asked; and what is told when they are wrong."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import mixing
from catalogs.errors import UserError
from corpusmill.mix_commands import app
from mixing.fitted import fit_laws
from mixing.model_file import load_model, save_model
from mixing.tables import join_tables, read_ratios, read_table, write_table
from tests.planted import planted


@pytest.fixture(scope="module")
def swarm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    truth, _, swarm, losses = planted(3, m=4, mixes=24)
    index = tuple(str(n + 1) for n in range(len(swarm)))
    write_table(str(folder / "R.csv"), "index", index, swarm.domains, swarm.shares * 7)
    order = np.random.default_rng(0).permutation(len(index))
    tasks = tuple(f"loss/{name}" for name in swarm.domains)
    shuffled = tuple(f"{index[i]}.0" for i in order)
    write_table(str(folder / "M.csv"), "index", shuffled, tasks, losses[order])
    fresh = np.random.default_rng(1).dirichlet(np.ones(4), 40)
    backwards = swarm.domains[::-1]
    write_table(str(folder / "new.csv"), "mix", tuple(map(str, range(40))), backwards, fresh)
    return folder, truth, fresh[:, ::-1], tasks


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=True)


def test_a_published_swarm_is_fitted_and_predicts_new_mixes(swarm, tmp_path, monkeypatch):
    folder, truth, fresh, tasks = swarm
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tables = ("fit", "--ratios", folder / "R.csv", "--metrics", folder / "M.csv")
    out = tmp_path / "P.csv"
    result = call(*tables, "--predict", folder / "new.csv", "--out", out)
    assert result.exit_code == 0, result.output
    assert "chosen" in result.output and "fitted in" in result.output
    found = read_table(str(out))
    assert found.label == "mix" and found.columns == tasks
    rho = mixing.score(truth.predict(fresh), found.values).rho
    assert rho.min() > 0.95
    again = call(*tables, "--predict", folder / "new.csv", "--out", tmp_path / "Q.csv")
    assert "found in the cache" in again.output
    assert out.read_bytes() == (tmp_path / "Q.csv").read_bytes()


def test_a_model_file_predicts_as_the_law_that_it_holds(swarm, tmp_path):
    folder, _, fresh, _ = swarm
    joined = join_tables(read_ratios(str(folder / "R.csv")), read_table(str(folder / "M.csv")))
    fitted = fit_laws(joined.shares, joined.losses)
    path = str(tmp_path / "model.npz")
    save_model(path, {"law": fitted.law})
    assert np.array_equal(load_model(path)["law"].predict(fresh), fitted.law.predict(fresh))
    (tmp_path / "other.npz").write_bytes(b"PK nothing")
    with pytest.raises(UserError, match="not a fitted model"):
        load_model(str(tmp_path / "other.npz"))


def edited(path, change):
    rows = list(csv.reader(path.open()))
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def set_cell(row, column, value):
    return lambda rows: rows[row].__setitem__(column, value)


@pytest.mark.parametrize(
    ("table", "change", "told"),
    [
        ("R", set_cell(3, 2, "-0.1"), "R.csv: index '3', column 'd1': a ratio is at least 0"),
        ("R", set_cell(3, 2, "much"), "line 4, column 'd1': expected a finite number, got 'much'"),
        ("M", set_cell(3, 2, "nan"), "M.csv: line 4, column 'loss/d1'.*got 'nan'"),
        ("M", set_cell(3, 2, ""), "M.csv: line 4, column 'loss/d1'.*got nothing"),
        ("R", set_cell(3, 0, "2"), "index '2' occurs twice, first on line 3"),
        ("R", set_cell(0, 2, "d0"), "column 'd0' occurs twice"),
        ("R", set_cell(3, 0, "99"), "no metrics for index '99' .* no ratios for index '3'"),
        ("R", lambda rows: rows[3].pop(), "line 4: 4 cells, expected 5"),
        ("R", lambda rows: rows[3].__setitem__(slice(1, 5), ["0"] * 4), "all ratios are 0"),
        ("R", lambda rows: rows.__delitem__(slice(5, None)), "4 runs with ratios.*at least 8"),
        ("R", lambda rows: rows.clear(), "expected a line of names"),
        ("new", set_cell(0, 1, "e3"), "column 'd3' is missing .did you mean 'e3'"),
        ("new", lambda rows: [row.append("1") for row in rows], "column '1' is not among"),
    ],
)
def test_a_mistake_in_a_table_is_told_in_one_line(swarm, tmp_path, table, change, told):
    folder = swarm[0]
    for name in ("R", "M", "new"):
        (tmp_path / f"{name}.csv").write_bytes((folder / f"{name}.csv").read_bytes())
    edited(tmp_path / f"{table}.csv", change)
    result = call(
        "fit", "--ratios", tmp_path / "R.csv", "--metrics", tmp_path / "M.csv",
        "--predict", tmp_path / "new.csv", "--out", tmp_path / "P.csv",
        "--out-model", folder / "models",
    )  # fmt: skip
    assert isinstance(result.exception, UserError)
    assert "\n" not in str(result.exception)
    with pytest.raises(UserError, match=told):
        raise result.exception


def test_rows_that_only_one_table_has_are_told(swarm, tmp_path):
    folder = swarm[0]
    lines = (folder / "R.csv").read_text().splitlines(keepends=True)
    (tmp_path / "few.csv").write_text("".join(lines[:13]))
    joined = join_tables(read_ratios(str(tmp_path / "few.csv")), read_table(str(folder / "M.csv")))
    assert len(joined.index) == 12 and "have no partner" in joined.left_out


def test_a_published_swarm_is_solved_and_reported(swarm, tmp_path):
    folder, truth, _, _ = swarm
    lines = (folder / "M.csv").read_text().splitlines()
    few = [",".join(line.split(",")[:3]) for line in lines]  # fewer tasks than domains
    (tmp_path / "M.csv").write_text("\n".join(few) + "\n")
    (tmp_path / "T.csv").write_text("domain,tokens\nd0,5e9\nd1,2e9\nd2,1e9\nd3,5e8\n")
    tables = ("--ratios", folder / "R.csv", "--metrics", tmp_path / "M.csv",
              "--out-model", tmp_path / "models")  # fmt: skip
    asked = ("--weights", "d0=3,d1=1", "--tokens", "4B", "--cap", "d1=.25", "--max-epochs", "2",
             "--available", tmp_path / "T.csv")  # fmt: skip
    result = call("solve", *tables, *asked)
    assert result.exit_code == 0, result.output
    assert "25.0 %" in result.output and "solved in" in result.output
    out = tmp_path / "report"
    result = call("report", *tables, *asked, "--out", out)
    assert result.exit_code == 0, result.output
    html = (out / "report.html").read_text()
    assert "--cap d1=0.25" in html and "https://" not in html.replace("https://www.w3", "")
    ratios = json.loads((out / "mixture.json").read_text())["ratios"]
    assert sum(ratios.values()) == 1 and ratios["d1"] <= 0.25 + 1e-5
    best = truth.predict(np.array([list(ratios.values())]))[0, :2] @ (0.75, 0.25)
    natural = truth.predict(np.array([[5, 2, 1, 0.5]]) / 8.5)[0, :2] @ (0.75, 0.25)
    assert best < natural


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--weights", "d9=1"), "--weights: 'd9' is unknown"),
        (("--weights", "d1"), "--weights: expected NAME=NUMBER"),
        (("--weights", "loss=1"), "'loss' may be any of 'loss/d"),
        (("--cap", "d1=1.5"), "--cap: a share is at most 1"),
        (("--cap", "d1=.5", "--cap", "d1=.2"), "--cap: 'd1' has two numbers, 0.5 and 0.2"),
        (("--tokens", "lots"), "--tokens: expected a number of tokens"),
        (("--tokens", "1e400"), "--tokens: expected a number of tokens"),
        (("--max-epochs", "few"), "--max-epochs: expected a number or none"),
        (("--floor", "d0=.6,d1=.6"), "constraints: floors sum to 1.2"),
    ],
)
def test_a_mistake_in_a_question_is_told_in_one_line(swarm, tmp_path_factory, options, told):
    folder = swarm[0]
    models = folder / "solved"
    result = call("solve", "--ratios", folder / "R.csv", "--metrics", folder / "M.csv",
                  "--out-model", models, *options)  # fmt: skip
    assert isinstance(result.exception, UserError) and "\n" not in str(result.exception)
    with pytest.raises(UserError, match=told):
        raise result.exception
