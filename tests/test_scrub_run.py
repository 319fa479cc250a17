"""Runs that cut, mask and reject; and how much of an evaluation set a finished run holds."""

from __future__ import annotations

import gzip
import json

import pytest
import yaml
from typer.testing import CliRunner

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.contamination import side_by_side
from catalogs.errors import UserError
from catalogs.explain import find
from corpusmill.cli import app
from pipeline.contamination_config import EvalSet
from pipeline.eval_index import eval_index
from pipeline.evals import read_evals
from pipeline.pii_config import PiiConfig
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings
from tests.inputs import files_of, prose, write_recipe
from tests.test_contamination import ITEMS

pytestmark = pytest.mark.usefixtures("cluster")

SETTINGS = Settings(workers=1)
DIRTY = "Mail anna@gmail.com or call +48 22 601 23 45. "


def texts() -> list[str]:
    made = [prose(n) for n in range(12)]
    made[2] += f"\n{ITEMS[0].question}\n{ITEMS[0].answer}"
    made[4] = f"{made[4]}\n{ITEMS[1].question} Danzig, of course.\n{DIRTY}"
    made[6] += f"\n{DIRTY}"
    made[8] = f"{ITEMS[0].question} {ITEMS[0].answer} {prose(8, 2)}"
    made[10] = DIRTY * 20
    return made


def write_evals(path) -> None:
    names = ("benchmark", "id", "question", "answer", "passage")
    lines = "".join(json.dumps(dict(zip(names, item, strict=True))) + "\n" for item in ITEMS)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines)


def mill(folder, **fields):
    rows = [{"text": text, "url": f"https://e.org/{n}"} for n, text in enumerate(texts())]
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_evals(folder / "evals.jsonl")
    source = {"reader": "jsonl", "paths": "t.jsonl", "options": {"uri_field": "url"}}
    recipe = write_recipe(folder, {"x": source}, **fields)
    return run(load_recipe(str(recipe)), SETTINGS)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """A run that only tags."""
    folder = tmp_path_factory.mktemp("tagged")
    mill(folder, contamination={"evals": ["evals.jsonl"]}, pii="tag")
    return folder


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A run that cuts and masks."""
    folder = tmp_path_factory.mktemp("cut")
    mill(folder, contamination={"evals": ["evals.jsonl"], "action": "cut"}, pii="mask")
    return folder


def ask(folder, sql: str) -> list[tuple]:
    with open_catalog(str(folder / "run")) as catalog:
        return catalog.execute(sql).fetchall()


def test_tags_are_columns_views_and_told_by_explain(tagged):
    rows = ask(tagged, "SELECT DISTINCT uri, benchmark, item, fate FROM contamination ORDER BY ALL")
    assert rows == [
        ("https://e.org/2", "gym", "ropes", "kept"),
        ("https://e.org/4", "gym", "capital", "kept"),
        ("https://e.org/4", "quiz", "same", "kept"),
        ("https://e.org/8", "gym", "ropes", "kept"),
    ]
    pii = ask(tagged, "SELECT type, count(DISTINCT uri) FROM pii GROUP BY 1 ORDER BY 1")
    assert pii == [("email", 3), ("phone", 3)]
    story = find(str(tagged / "run"), "https://e.org/4")[0]
    words = {span["words"] for span in story.found("contamination")}
    assert words == {ITEMS[1].question.rstrip("?"), "Danzig"}
    same = "SELECT bool_and(d.text = c.text) FROM documents d JOIN corpus c USING (row_id)"
    assert ask(tagged, same) == [(True,)]


def test_cuts_and_masks_leave_the_rest_as_it_was(cut):
    kept = dict(ask(cut, "SELECT uri, text FROM corpus"))
    whole = dict(ask(cut, "SELECT uri, text FROM documents"))
    assert whole["https://e.org/2"].endswith(ITEMS[0].answer)
    assert kept["https://e.org/2"] == prose(2)
    assert "Baltic" not in kept["https://e.org/4"] and "Danzig" not in kept["https://e.org/4"]
    masked = "Mail <EMAIL> or call <PHONE>."
    assert kept["https://e.org/4"].endswith(masked)
    assert kept["https://e.org/6"] == f"{prose(6)}\n{masked} "
    assert kept["https://e.org/10"].count("<EMAIL>") == 20
    counts = "SELECT cut_bytes, masked, n_bytes, strlen(text) FROM corpus WHERE uri LIKE '%/6'"
    assert ask(cut, counts) == [(0, 2, *(len(kept["https://e.org/6"].encode()),) * 2)]


def test_what_a_cut_leaves_too_short_is_rejected(cut):
    sql = "SELECT stage, reason, records FROM funnel WHERE outcome = 'rejected'"
    assert ask(cut, sql) == [("contamination", "too_short", 1)]
    assert not audit(str(cut / "run")).problems


def test_the_catalogue_file_has_the_views_too(cut):
    import duckdb

    with duckdb.connect(str(cut / "run" / "catalog.duckdb"), read_only=True) as catalog:
        assert catalog.execute("SELECT count(*) FROM contamination").fetchone()[0] > 0


def test_contaminated_documents_are_rejected_by_benchmark(tmp_path):
    mill(
        tmp_path,
        contamination={"evals": ["evals.jsonl"], "action": "reject"},
        pii={"action": "reject", "reject_above": 50},
    )
    sql = "SELECT stage, reason, records FROM funnel WHERE outcome = 'rejected' ORDER BY ALL"
    assert ask(tmp_path, sql) == [("contamination", "gym", 3), ("pii", "density", 1)]
    fates = ask(tmp_path, "SELECT DISTINCT fate FROM contamination")
    assert fates == [("contamination:gym",)]
    assert run(load_recipe(str(tmp_path / "recipe.yaml")), SETTINGS).done == 0


def test_a_masking_recipe_redoes_only_what_it_changes(tagged, tmp_path):
    for name in ("t.jsonl", "evals.jsonl"):
        (tmp_path / name).write_bytes((tagged / name).read_bytes())
    mill(tmp_path, contamination={"evals": ["evals.jsonl"]}, pii="tag")
    before = files_of(tmp_path / "run" / "documents")
    recipe = yaml.safe_load((tmp_path / "recipe.yaml").read_text()) | {"pii": "mask"}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert run(load_recipe(str(tmp_path / "recipe.yaml")), SETTINGS).done == 1
    assert files_of(tmp_path / "run" / "documents") == before


def test_the_reverse_counts_items_as_a_table_a_page_and_sql(tagged):
    root = str(tagged / "run")
    command = ["contamination", root, "--evals", str(tagged / "evals.jsonl"), "--workers", "1"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "The corpus holds 3 of 4 items (75.0 %), of 2 of 2 benchmarks." in first.stdout
    items = ask(tagged, "SELECT item, told, documents FROM eval_items ORDER BY ALL")
    assert items == [
        ("capital", True, 1),
        ("cat", True, 0),
        ("ropes", True, 2),
        ("same", True, 1),
        ("short", False, 0),
    ]
    page = (tagged / "run" / "reports" / "contamination.html").read_text()
    assert "ropes" in page and "Baltic harbour" in page and "<script" not in page
    found = files_of(tagged / "run" / "contamination" / "attributes")
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0 and "nothing to do" in again.output
    assert files_of(tagged / "run" / "contamination" / "attributes") == found
    run(load_recipe(str(tagged / "recipe.yaml")), SETTINGS)  # leaves the answer where it is
    assert ask(tagged, "SELECT count(*) FROM eval_items WHERE in_corpus") == [(3,)]


def test_the_reverse_without_sets_says_what_to_give(tmp_path):
    source = {"reader": "jsonl", "paths": "t.jsonl"}
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": prose(1)}) + "\n")
    run(load_recipe(str(write_recipe(tmp_path, {"x": source}))), SETTINGS)
    result = CliRunner().invoke(app, ["contamination", str(tmp_path / "run")])
    assert isinstance(result.exception, UserError) and "--evals" in str(result.exception)


@pytest.mark.parametrize(
    ("line", "fields", "message"),
    [
        ("{", {}, "line 1: not JSON"),
        ("[]", {}, "line 1: expected an object"),
        ('{"a": 1}', {}, "line 1: no question found"),
        ('{"a": 1}', {"question": "q"}, "line 1: no field 'q'"),
        ("", {}, "no items in it"),
    ],
)
def test_bad_evaluation_sets_are_named(tmp_path, line, fields, message):
    path = tmp_path / "e.jsonl"
    path.write_text(line)
    with pytest.raises(UserError, match=message):
        list(read_evals([EvalSet(path=str(path), **fields)]))


def test_a_missing_set_and_an_unknown_benchmark_are_named(tmp_path):
    with pytest.raises(UserError, match="no file matches"):
        eval_index([EvalSet(path="none.jsonl")], str(tmp_path))


def test_compressed_sets_are_read_and_names_given(tmp_path):
    write_evals(tmp_path / "evals.jsonl.gz")
    read = list(read_evals([EvalSet(path="*.gz")], str(tmp_path)))
    assert read == ITEMS
    named = read_evals([EvalSet(path="*.gz", name="mine")], str(tmp_path))
    assert {item.benchmark for item in named} == {"mine"}


def test_a_bare_action_is_a_section():
    assert PiiConfig.model_validate("reject").bound == 10
    assert PiiConfig.model_validate("mask").bound is None


def test_pieces_side_by_side_make_up_their_texts():
    a, b = "Seven ropes, of eleven metres.", "seven strong ropes of ten metres"
    left, right = side_by_side(a, b)
    assert "".join(text for text, _ in left) == a and "".join(text for text, _ in right) == b
    assert ("strong ", False) in right or (" strong", False) in right
