"""What cuts of a feature keep: against real runs with that cut, and as the SQL that is shown."""

from __future__ import annotations

import json
import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from catalogs.axis import Axis, number
from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.tune import Question, tune
from catalogs.tune_page import kept_curves, tune_page
from corpusmill.cli import app
from pipeline.recipe import load_recipe
from pipeline.recut import Bound, bounds_on, other_rules_sql
from pipeline.run import run
from pipeline.schedule import Settings
from tests.inputs import corpusmill, prose, write_recipe

WORDS = "gopher_n_words"
NGRAMS = [f"top_{n}_gram" for n in (2, 3, 4)] + [f"duplicated_{n}_n_grams" for n in range(5, 11)]
NASTY = "<script>alert(1)</script> & " + prose(77, 9)


def mill(folder, least):
    """A run whose source 'web' drops documents of fewer than `least` words."""
    folder.mkdir()
    texts = [prose(seed, 1 + seed % 40) for seed in range(120)]
    texts += [prose(3, 3), prose(3, 3), prose(30, 30), NASTY]
    texts += ["\n".join([prose(seed, 4 * seed)] * 2) for seed in range(1, 6)]  # double lines
    web = [{"text": text, "url": f"https://example.org/{n}"} for n, text in enumerate(texts)]
    notes = [{"text": prose(900 + seed, 1 + seed % 9)} for seed in range(30)]
    for name, rows in (("web", web), ("notes", notes)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = {
        "web": {"reader": "jsonl", "paths": "web.jsonl", "options": {"uri_field": "url"}},
        "notes": {"reader": "jsonl", "paths": "notes.jsonl", "filters": []},
    }
    filters = [
        {"preset": "gopher_quality", "overrides": {"short_doc": least}},
        {"preset": "gopher_repetition", "overrides": dict.fromkeys(NGRAMS)},
    ]
    path = write_recipe(
        folder, sources, dedup={"fuzzy": False}, boilerplate={"cut": False}, filters=filters
    )
    loaded = load_recipe(str(path))
    run(loaded, Settings(workers=1))
    return str(folder / "run"), loaded


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    return {least: mill(folder / str(least), least) for least in (50, 150)}


def asked(root, recipe, feature=WORDS, side="below", **changes):
    present = {b.source: b.value for b in bounds_on(recipe, feature) if b.side == side}
    others = other_rules_sql(recipe, feature, side)
    return tune(root, Question(feature, side=side, present=present, others=others, **changes))


def corpus(root):
    with open_catalog(root) as catalog:
        documents, tokens = catalog.execute("SELECT count(*), sum(n_tokens) FROM corpus").fetchone()
    return {"documents": documents, "tokens": int(tokens)}


@pytest.mark.parametrize(("here", "there"), [(50, 150), (150, 50)])
def test_a_cut_keeps_what_a_run_with_that_cut_keeps(runs, here, there):
    root, recipe = runs[here]
    found = asked(root, recipe, cut=there)
    assert found.now == corpus(root)
    assert found.after == corpus(runs[there][0])
    assert found.now != found.after
    assert found.unexplained == 0
    rows = {row["cut"]: row for row in found.cuts.rows}
    for cut in (here, there):
        kept = {name: rows[cut][name] for name in ("documents", "tokens")}
        assert kept == corpus(runs[cut][0])
    assert (rows[there]["won_back"] > 0) == (there < here)
    assert (rows[there]["lost"] > 0) == (there > here)
    for answer in (found.sources, found.languages):
        assert sum(row["kept_now"] for row in answer.rows) == found.now["documents"]
        assert sum(row["tokens_then"] for row in answer.rows) == found.after["tokens"]


def test_every_table_can_be_asked_again(runs):
    root, recipe = runs[50]
    found = asked(root, recipe, cut=70, where="language = 'en' OR n_words < 1000")
    answers = [found.quantiles, found.cuts, found.sources, found.languages, found.histogram]
    with open_catalog(root) as catalog:
        for answer in answers:
            result = catalog.execute(answer.sql)
            assert [column[0] for column in result.description] == answer.columns
            assert [tuple(row.values()) for row in answer.rows] == result.fetchall()
        for answer in found.near.values():
            names = {row[0] for row in catalog.execute(answer.sql).fetchall()}
            assert names == {row["row_id"] for row in answer.rows}


def test_only_sources_with_the_rule_are_cut_unless_all_are_asked_for(runs):
    root, recipe = runs[50]
    bound = Bound("web", "gopher_quality:short_doc", "below", 50)
    assert bound in bounds_on(recipe, WORDS)
    some, every = (asked(root, recipe, cut=60, everywhere=all_) for all_ in (False, True))
    for found, lost in ((some, False), (every, True)):
        notes = next(row for row in found.sources.rows if row["source"] == "notes")
        assert notes["applies"] == lost
        assert (notes["lost"] > 0) == lost


def test_values_above_can_be_dropped(runs):
    root, recipe = runs[50]
    found = asked(root, recipe, side="above", cut=300)
    with open_catalog(root) as catalog:
        kept = catalog.execute(
            "SELECT count(*) FROM corpus c JOIN documents USING (row_id) "
            "WHERE c.source = 'notes' OR gopher_n_words <= 300"
        ).fetchone()[0]
    assert found.after["documents"] == kept
    assert found.question.present == {"web": 100000}
    assert all(row["value"] > 300 for row in found.near["above"].rows)
    assert all(row["value"] <= 300 for row in found.near["below"].rows)


def test_features_without_a_threshold_are_cut_at_a_tenth(runs):
    root, recipe = runs[50]
    found = asked(root, recipe, feature="n_bytes")
    assert found.question.present == {}
    with open_catalog(root) as catalog:
        query = (
            "SELECT quantile_disc(n_bytes, 0.1) FROM (SELECT n_bytes FROM documents UNION ALL "
            "SELECT n_bytes FROM rejected WHERE stage <> 'dedup')"
        )
        assert catalog.execute(query).fetchone() == (found.cut,)
    assert all(row["applies"] for row in found.sources.rows)
    scores = asked(root, recipe, feature="language_score", cut=0.5)
    assert scores.documents == found.documents


def test_documents_without_a_value_are_told(runs):
    root, recipe = runs[50]
    found = asked(root, recipe, feature="record", where="stage = 'filter' OR source = 'web'")
    assert found.without == 0
    with pytest.raises(UserError, match="no document has a value of 'n_pages'"):
        asked(root, recipe, feature="n_pages")


def test_curves_end_at_all_and_at_nothing(runs):
    root, recipe = runs[50]
    for side in ("below", "above"):
        lines = kept_curves(asked(root, recipe, side=side, cut=100))
        for points in lines.values():
            shares = [share for _, share in points]
            assert shares == sorted(shares, reverse=side == "below")
            assert max(shares) > 0.9 and min(shares) < 0.1


def test_samples_lie_next_to_the_cut_and_are_drawn_by_the_seed(runs):
    root, recipe = runs[150]
    first, again, other = (asked(root, recipe, seed=seed, samples=3) for seed in (1, 1, 2))
    for side, answer in first.near.items():
        assert [row["row_id"] for row in answer.rows] == [
            row["row_id"] for row in again.near[side].rows
        ]
        assert len(answer.rows) == 3
        assert all(row["text"] for row in answer.rows)
        assert all((row["value"] < 150) == (side == "below") for row in answer.rows)
    assert any(
        {row["row_id"] for row in first.near[side].rows}
        != {row["row_id"] for row in other.near[side].rows}
        for side in first.near
    )
    assert all(row["fate"].startswith("filter:") for row in first.near["below"].rows)


def test_the_page_stands_alone_and_escapes_texts(runs):
    root, recipe = runs[50]
    page = tune_page(root, asked(root, recipe, cut=10, samples=200))
    assert "&lt;script&gt;alert" in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)|url\((?!#)|@import', page)
    assert page.count("<svg") == page.count("</svg>") >= 4
    assert page == tune_page(root, asked(root, recipe, cut=10, samples=200))


def test_the_command_prints_cuts_and_leaves_a_page(runs, tmp_path):
    root, _ = runs[50]
    process = corpusmill("tune", root, WORDS, "--cut", 70, "--out", tmp_path / "page.html")
    assert process.returncode == 0, process.stderr
    for part in ("Quantiles of gopher_n_words", "in force", "looked at", "fewer than now"):
        assert part in process.stdout
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    process = corpusmill("tune", root, WORDS, "--samples", 0)
    assert process.returncode == 0
    assert "reports/tune-gopher_n_words.html" in process.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gopher_n_wrods"], "did you mean 'gopher_n_words'?"),
        (["language"], "is no number but VARCHAR"),
        (["pages"], "is no number"),
        ([WORDS, "--cut", "nan"], "expected a finite number"),
        ([WORDS, "--where", "nonsense ="], "--where 'nonsense =' does not run"),
        ([WORDS, "--where", "n_words < 0"], "no document has a value"),
        ([WORDS, "--out", "/proc/none/page.html"], "cannot be written"),
    ],
)
def test_mistakes_are_one_line(runs, arguments, told):
    done = CliRunner().invoke(app, ["tune", runs[50][0], *arguments])
    assert isinstance(done.exception, UserError)  # which the entry point turns into exit code 2
    (line,) = str(done.exception).splitlines()
    assert told in line


def test_a_page_goes_where_the_command_is_run(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["tune", runs[50][0], WORDS, "--out", "page.html"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "page.html").exists()


def test_what_is_no_run_is_told(tmp_path):
    assert corpusmill("tune", tmp_path, WORDS).returncode == 2
    (tmp_path / "file").write_text("no run")
    done = CliRunner().invoke(app, ["tune", str(tmp_path / "file"), WORDS])
    assert isinstance(done.exception, UserError)
    with pytest.raises(UserError):
        tune(str(tmp_path), Question(WORDS))


floats = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(st.lists(floats, min_size=4, max_size=4).map(sorted), st.booleans(), floats, floats)
def test_bins_are_the_same_in_sql_and_in_figures(quantiles, whole, mark, value):
    if whole:
        quantiles, mark, value = [float(int(q)) for q in quantiles], float(int(mark)), int(value)
    axis = Axis.over(quantiles, whole, [mark])
    edges = [axis.edge(k) for k in range(axis.bins + 1)]
    assert edges == sorted(edges)
    assert 0 <= axis.place(value) <= 1
    assert all(axis.low <= tick <= axis.high * (1 + 1e-9) + 1e-9 for tick in axis.ticks())
    assert all(axis.place(tick) <= 1 for tick in axis.ticks())
    query = f"SELECT {axis.sql('v')} FROM (SELECT CAST({value!r} AS DOUBLE) AS v)"
    ((bin_,),) = duckdb.sql(query).fetchall()
    slack = 1e-6 * (1 + abs(value))
    assert bin_ == 0 or edges[bin_] <= value + slack
    assert bin_ == axis.bins - 1 or value <= edges[bin_ + 1] + slack


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "–"), (3.0, "3"), (1234567, "1,234,567"), (0.12345, "0.123"), (0.999834, "0.99983")],
)
def test_numbers_as_people_read_them(value, told):
    assert number(value) == told
