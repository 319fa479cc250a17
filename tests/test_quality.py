"""Quality in a run: scores as columns, cuts, ranks and parts over the corpus, applied models."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.explain import find
from catalogs.feature import Feature
from catalogs.ledger import Ledger
from catalogs.pages import short
from catalogs.score_page import look_at_scores, score_page
from pipeline.classifier_card import load_card, save_model
from pipeline.classifier_model import model_file, sha256
from pipeline.classifier_train import FastTextSettings, train_fasttext
from pipeline.documents import LABELS, SCORES
from pipeline.examples import collect
from pipeline.quality import map_column
from pipeline.quality_config import Quality
from pipeline.quality_scale import count_scores, load_scale, settle, tally, write_scale
from pipeline.quality_verdicts import verdict_columns
from pipeline.recipe import load_recipe
from pipeline.recut_quality import cuts_in_force, other_quality_sql
from pipeline.run import run
from pipeline.schedule import Settings
from tests.inputs import files_of, write_recipe
from tests.test_classifier import BAD, GOOD, LAW, invoke, words

DEDUP = {"jaccard": 0.7}
ABOUT = {
    "from": {"all": ["here"]},
    "left_out": dict.fromkeys(("repeated", "conflicting", "beyond_limit", "empty"), 0),
    "first_chars": 0,
}


def model(folder, name, kinds, seed=1):
    """A small model; `kinds` maps labels to the words that they are made of."""
    rows = [
        (words(kind, 5000 * place + number), label)
        for place, (label, kind) in enumerate(kinds.items(), 1)
        for number in range(24)
    ]
    trained = train_fasttext(collect(rows, 100), FastTextSettings(seed=seed))
    path = save_model(trained, name, str(folder / "models"), ABOUT)
    return {"path": path, "sha256": sha256(model_file(path))}


@pytest.fixture(scope="module")
def milled(tmp_path_factory):
    """A run with two scores, topics, an ensemble, cuts and parts; and its recipe."""
    folder = tmp_path_factory.mktemp("quality")
    kinds = [GOOD, BAD, LAW]
    near = near_copies()
    for source, start, count in (("web", 0, 240), ("notes", 400, 60)):
        rows = [{"text": words(kinds[n % 3], n)} for n in range(start, start + count)]
        rows += rows[:7]  # copies
        rows += near if source == "web" else []
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{source}.jsonl").write_text(lines)
    quality = {
        "models": {
            "good": {
                **model(folder, "good", {"positive": GOOD, "negative": BAD}),
                "min": 0.02,
                "top": "60 %",
            },
            "law": {**model(folder, "law", {"positive": LAW, "negative": BAD}), "first_chars": 90},
            "topic": {
                **model(folder, "topic", {"maths": GOOD, "spam": BAD, "law": LAW}),
                "sources": ["web"],
                "drop": ["spam"],
            },
        },
        "ensembles": {
            "best": {"of": ["good", "law"], "combine": "max", "top": 0.8},
            "mean": {"of": ["good", "law"], "combine": "mean"},
        },
        "buckets": {"score": "mean", "per": "topic", "count": 5},
    }
    sources = {name: {"reader": "jsonl", "paths": f"{name}.jsonl"} for name in ("web", "notes")}
    path = write_recipe(folder, sources, quality=quality, dedup=DEDUP, boilerplate={"cut": False})
    run(load_recipe(str(path)), Settings(workers=1))
    return folder, path


def near_copies():
    """The longer of two near copies, which stays by itself, has words that lower its score."""
    text = " ".join(words(GOOD, n) for n in range(900, 905))
    return [{"text": text}, {"text": f"{text} {BAD[:60]}"}]


@pytest.fixture
def copied(milled, tmp_path):
    """A copy of the finished run, for tests that change it; and its recipe."""
    shutil.copytree(milled[0] / "run", tmp_path / "run", copy_function=shutil.copy2)
    return tmp_path / "run", milled[1]


@pytest.fixture(scope="module")
def task(milled):
    """A model that the recipe does not name."""
    return model(milled[0], "task", {"positive": LAW, "negative": GOOD}, seed=2)


def ask(root, query):
    with open_catalog(str(root)) as catalog:
        return catalog.execute(query).fetchall()


def documents(folder):
    """Scores and verdicts of the documents that deduplication keeps."""
    return ask(
        folder / "run",
        "SELECT row_id, source, scores['good'], scores['law'], labels['topic'], quality_ranks, "
        "quality_bucket, quality_reason, kept FROM documents WHERE dup_reason IS NULL",
    )


def shares(values):
    """Exact share of values that are no greater than each."""
    ordered = np.sort(values)
    return np.searchsorted(ordered, values, side="right") / len(ordered)


def test_cuts_ranks_and_parts_are_what_the_recipe_says(milled):
    rows = documents(milled[0])
    assert len(rows) == 301
    good, law = (np.array([row[place] for row in rows]) for place in (2, 3))
    cut = np.sort(good)[len(good) - math.ceil(0.6 * len(good))]
    ranks = {"good": shares(good), "law": shares(law)}
    best = np.maximum(ranks["good"], ranks["law"])
    best_cut = np.sort(best)[len(best) - math.ceil(0.8 * len(best))]
    mean = (ranks["good"] + ranks["law"]) / 2
    parts = np.array([row[4] or "" for row in rows])
    for place, row in enumerate(rows):
        _, source, score, _, topic, told, bucket, reason, kept = row
        assert told["good"] == pytest.approx(ranks["good"][place], abs=2e-4)
        assert told["best"] == pytest.approx(shares(best)[place], abs=4e-3)
        assert (topic is not None) == (source == "web")
        own = np.sort(mean[parts == parts[place]])
        low, high = (np.searchsorted(own, mean[place] + d) for d in (-3e-4, 3e-4))
        assert 5 * low // len(own) - 1e-9 <= bucket <= 5 * high / len(own) + 1e-9
        expected = None
        if score < np.float32(0.02):
            expected = "good:below_min"
        elif score < cut:
            expected = "good:below_top"
        elif topic == "spam":
            expected = "topic:label_spam"
        elif best[place] < best_cut - 3e-4:
            expected = "best:below_top"
        if abs(best[place] - best_cut) > 3e-4 or expected is not None:
            assert reason == expected
        assert kept == (reason is None)
    reasons = {row[7] for row in rows}
    assert {"good:below_min", "good:below_top", None} <= reasons


def test_the_account_sums_up_in_every_place(milled):
    root = str(milled[0] / "run")
    result = audit(root)
    assert result.problems == []
    rows = documents(milled[0])
    told = dict(
        ask(root, "SELECT reason, sum(records) FROM funnel WHERE stage = 'quality' GROUP BY 1")
    )
    counted = {}
    for row in rows:
        if row[7]:
            counted[row[7]] = counted.get(row[7], 0) + 1
    assert told == counted
    assert (
        dict(ask(root, "SELECT reason, count(*) FROM rejected WHERE stage = 'quality' GROUP BY 1"))
        == counted
    )
    kept = [row[0] for row in rows if row[7] is None]
    corpus = ask(
        root, "SELECT row_id, scores['good'], quality_bucket, quality_ranks['mean'] FROM corpus"
    )
    assert sorted(row[0] for row in corpus) == sorted(kept)
    assert all(None not in row for row in corpus)
    dropped = next(row for row in rows if row[7] == "good:below_min")
    (story,) = find(root, dropped[0])
    assert story.outcome == "rejected at quality: good:below_min"
    assert "scores" in story.scores
    assert "quality_ranks" in story.scores


def test_again_is_a_no_op_and_any_number_of_workers_gives_the_same_bytes(milled, tmp_path):
    folder, path = milled
    again = run(load_recipe(str(path)), Settings(workers=1))
    assert again.done == 0
    other = run(load_recipe(str(path), out=str(tmp_path / "run")), Settings(workers=3))
    assert other.done > 0
    for kind in ("corpus", "attributes/quality", "documents"):
        assert files_of(folder / "run" / kind) == files_of(tmp_path / "run" / kind)


def test_a_changed_cut_reads_no_input_again(copied, tmp_path):
    root, path = copied
    out = {"out": str(root)}
    recipe = yaml.safe_load(path.read_text())
    recipe["quality"]["models"]["good"]["top"] = 0.2
    changed = path.with_name("changed.yaml")
    changed.write_text(yaml.safe_dump(recipe))
    done = run(load_recipe(str(changed), **out), Settings(workers=1)).done
    rows = Ledger(str(tmp_path / "run")).rows()
    remade = ("quality-scale", "quality-tally", "quality-settle", "quality", "write")
    assert done == sum(row.step in remade for row in rows)
    with open_catalog(str(tmp_path / "run")) as catalog:
        query = "SELECT count(*) FILTER (WHERE scores['good'] IS NOT NULL AND kept) FROM documents"
        assert catalog.execute(query).fetchone()[0] <= 61
    recipe["quality"] = {"models": recipe["quality"]["models"]}
    for one in recipe["quality"]["models"].values():
        for key in ("min", "top", "drop"):
            one.pop(key, None)
    changed.write_text(yaml.safe_dump(recipe))
    run(load_recipe(str(changed), **out), Settings(workers=1))
    assert ask(
        tmp_path / "run", "SELECT count(*), count(quality_reason) FROM documents WHERE kept"
    ) == [(301, 0)]


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (["models", "good", "sha256"], "0" * 64, "the recipe says 0000"),
        (["models", "good", "path"], "models/none", "field 'quality.models.good.path': "),
        (["models", "good", "positive"], "spam", "has no label 'spam'"),
        (["models", "good", "drop"], ["spam"], "the model gives no label 'spam'"),
        (["models", "topic", "sources"], ["wep"], "there is no source 'wep'"),
        (["models", "good", "top"], "110 %", "less than or equal to 1"),
        (["models", "good", "sha256"], None, "corpusmill classifier show"),
        (["ensembles", "best", "of"], ["good", "lwa"], "names 'lwa', which is no model"),
        (["buckets", "score"], "none", "which is no score"),
        (["buckets", "per"], "topics", "valid: source, language"),
    ],
)
def test_mistakes_in_the_recipe_are_one_clear_line(milled, place, value, told):
    folder, path = milled
    recipe = yaml.safe_load(path.read_text())
    inner = recipe["quality"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    wrong = folder / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(recipe))
    with pytest.raises(UserError) as error:
        run(load_recipe(str(wrong), out=str(folder / "wrong")), Settings(workers=1))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_applied_to_a_run_is_a_column_like_any_other(milled, copied, task, capsys):
    folder, (root, path) = milled[0], copied
    apply = ["classifier", "apply", root, "--model", task["path"], "--workers", "1"]
    result = invoke(*apply)
    assert result.exit_code == 0, result.output
    query = "SELECT count(*), count(scores['task']), count(scores['good']) FROM {}"
    assert ask(root, query.format("documents")) == [(316, 316, 316)]
    (kept, scored, also) = ask(root, query.format("corpus"))[0]
    assert kept == scored == also > 0
    assert "nothing to do" in invoke(*apply).output
    assert audit(str(root)).problems == []
    page = (root / "reports" / "scores-task.html").read_text()
    assert page.count('<article class="sample">') == 24
    assert "<b>" in page
    # the recipe run again keeps it, and other documents do not
    assert run(load_recipe(str(path), out=str(root)), Settings(workers=1)).done == 0
    assert ask(root, query.format("documents")) == [(316, 316, 316)]
    recipe = yaml.safe_load(path.read_text())
    recipe["filters"] = [{"preset": "gopher_quality", "overrides": {}}]
    changed = folder / "filtered.yaml"
    changed.write_text(yaml.safe_dump(recipe))
    capsys.readouterr()
    run(load_recipe(str(changed), out=str(root)), Settings(workers=1))
    assert "scores 'task' of 2 shards" in capsys.readouterr().err
    assert ask(root, query.format("documents"))[0][1] == 0
    result = invoke("classifier", "apply", root, "--model", task["path"], "--name", "good")
    assert "scores with a model of that name" in str(result.exception)
    result = invoke("classifier", "preview", root, "taks")
    assert isinstance(result.exception, UserError)


def test_what_is_taken_down_leaves_verdicts_and_applied_scores(copied, task, tmp_path, capsys):
    root, path = str(copied[0]), copied[1]
    invoke("classifier", "apply", root, "--model", task["path"], "--workers", "1")
    query = "SELECT row_id FROM documents WHERE {} ORDER BY row_id LIMIT 3"
    gone = [row for (row,) in ask(root, query.format("kept"))]
    gone += [row for (row,) in ask(root, query.format("quality_reason IS NOT NULL"))]
    (tmp_path / "ids.txt").write_text("\n".join(gone))
    result = invoke("takedown", root, "--ids", tmp_path / "ids.txt")
    assert result.exit_code == 0, result.output
    assert audit(root).problems == []
    for kind in ("quality", "applied"):
        tables = [
            pq.read_table(file) for file in (tmp_path / "run/attributes" / kind).rglob("*.parquet")
        ]
        left = {row for table in tables for row in table["row_id"].to_pylist()}
        assert len(left) == 316 - len(gone)
        assert not left & set(gone)
    capsys.readouterr()
    run(load_recipe(str(path), out=root), Settings(workers=1))
    assert "were dropped" not in capsys.readouterr().err
    assert audit(root).problems == []
    query = "SELECT count(*), count(scores['task']), count(scores['good']) FROM documents"
    assert ask(root, query) == [(316 - len(gone),) * 3]  # applied scores stay
    query = "SELECT count(*) FROM rejected WHERE stage = 'takedown' AND text IS NULL"
    assert ask(root, query) == [(len(gone),)]  # and what was taken down stays away


def test_task_targeted_selection_from_a_few_examples(milled, tmp_path):
    folder, _ = milled
    examples = tmp_path / "wanted.txt"
    examples.write_text("".join(words(LAW, 8000 + n) + "\n" for n in range(50)))
    root = folder / "run"
    result = invoke(
        *("classifier", "select", root, "--positive", examples, "--name", "wanted"),
        *("--models", tmp_path / "models", "--workers", "1", "--samples", "3"),
    )
    assert result.exit_code == 0, result.output
    ordered = ask(
        root, "SELECT text FROM documents WHERE kept ORDER BY scores['wanted'] DESC LIMIT 20"
    )
    own = {"court", "held", "statute", "applies", "appeal", "defendant", "dismissed"}
    assert all(own & set(text.split()) for (text,) in ordered)
    (path,) = (tmp_path / "models").iterdir()
    card = load_card(str(path))
    assert card["examples"]["positive"] == 50
    assert card["from"]["negative"] == [str(root)]
    view = look_at_scores(str(root), "wanted", 2)
    text = score_page(view, card)
    assert "Words that speak" in text
    places = [row["place"] for band in view.bands for row in band.rows]
    assert places == sorted(places)
    labels = look_at_scores(str(root), "topic", 1)
    assert {row["label"] for row in labels.labels} <= {"maths", "law", "spam"}
    assert "surest of each label" in score_page(labels)


@pytest.mark.parametrize(
    ("side", "cut"), [("below", 0.02), ("below", 0.4), ("below", 0.999), ("above", 0.6)]
)
def test_a_cut_on_a_score_keeps_what_the_recipe_would(milled, tmp_path, side, cut):
    folder, path = milled
    root = str(folder / "run")
    changed = load_recipe(str(path)).quality.model_dump()
    files = (folder / "run/attributes/quality-settle").rglob("*.parquet")
    scale = load_scale([str(file) for file in files])
    if side == "below":  # the cut takes the place of both that the recipe has
        changed["models"]["good"]["min"] = cut
        del scale["cut", "good", None]
    else:
        changed["models"]["good"]["max"] = cut
    with open_catalog(root) as catalog:
        rows = catalog.sql(
            "SELECT id, source, language, scores, labels, n_tokens FROM documents "
            "WHERE dup_reason IS NULL"
        ).to_arrow_table()
    rows = rows.set_column(3, "scores", rows["scores"].cast(SCORES))
    reasons = verdict_columns(rows, Quality.model_validate(changed), scale)["quality_reason"]
    expected = pc.is_null(reasons)
    arguments = ["tune", root, "scores.good", "--side", side, "--cut", str(cut)]
    result = invoke(*arguments, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "note:" not in result.output
    kept = pc.sum(expected).as_py()
    tokens = pc.sum(pc.if_else(expected, rows["n_tokens"], 0)).as_py()
    found = re.search(
        r"keeps (?:what is kept now: )?([\d,]+) documents, (\S+) tokens", result.output
    )
    assert int(found[1].replace(",", "")) == kept
    assert found[2] == short(tokens)
    assert "scores[&#39;good&#39;]" in (tmp_path / "page.html").read_text()
    now = invoke("tune", root, "scores['good']", "--out", tmp_path / "page.html").output
    count = ask(root, "SELECT count(*) FROM corpus")[0][0]
    assert f"keeps what is kept now: {count} documents" in now


def test_cuts_without_ties_and_runs_without_cuts_can_be_tuned(milled, tmp_path):
    recipe, feature = load_recipe(str(milled[1])), Feature.of("scores.law")
    sql = other_quality_sql(recipe, feature, "below", {("cut", "good"): (0.5, None)})
    assert "CAST(0.5 AS FLOAT)" in sql and "id >" not in sql
    assert "best:below_top" not in other_quality_sql(recipe, feature, "below", {})
    assert cuts_in_force(str(tmp_path)) == {}


@pytest.mark.parametrize("drop", [[], ["law"], ["law", "spam"]])
def test_dropping_labels_keeps_what_the_recipe_would(milled, tmp_path, drop):
    folder, path = milled
    root = str(folder / "run")
    changed = load_recipe(str(path)).quality.model_dump()
    changed["models"]["topic"]["drop"] = drop or ["spam"]
    files = (folder / "run/attributes/quality-settle").rglob("*.parquet")
    with open_catalog(root) as catalog:
        rows = catalog.sql("SELECT * FROM documents WHERE dup_reason IS NULL").to_arrow_table()
    rows = rows.set_column(rows.column_names.index("scores"), "scores", rows["scores"].cast(SCORES))
    found = verdict_columns(
        rows, Quality.model_validate(changed), load_scale([str(file) for file in files])
    )
    # sources without labels are apart: no label of theirs can be dropped
    labelled = [bool(labels) for labels in rows["labels"].to_pylist()]
    kept = pc.and_(pc.is_null(found["quality_reason"]), pa.array(labelled))
    options = [part for label in drop for part in ("--drop", label)]
    page = tmp_path / "page.html"
    result = invoke("tune", root, "labels['topic']", *options, "--out", page)
    assert result.exit_code == 0, result.output
    told = re.search(r"keeps (?:what is kept now: )?([\d,]+) documents", result.output)
    assert int(told[1]) == pc.sum(kept).as_py()
    assert "<script" not in page.read_text() and "dropped now" in page.read_text()
    query = re.search(r"<pre>(WITH rows.*?)</pre>", page.read_text(), re.S)[1]
    assert {row[0] for row in ask(root, html.unescape(query))} == {"maths", "spam", "law"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["labels['topic']", "--drop", "lav"], "no document has that label (did you mean 'law'?)"),
        (["labels['topic']", "--cut", "0.5"], "has no order: give --drop LABEL"),
        (["scores['good']", "--drop", "law"], "is no column of labels; give --cut"),
        (["labels['topics']"], "no document has labels['topics']"),
    ],
)
def test_labels_that_cannot_be_dropped_are_told(milled, options, told):
    result = invoke("tune", milled[0] / "run", *options)
    assert isinstance(result.exception, UserError)
    assert told in str(result.exception)


@pytest.mark.parametrize(
    ("feature", "told"),
    [
        ("scores['goood']", "no document has scores['goood'] (did you mean 'good'?)"),
        ("good", "no column 'good' in the view documents; say scores['good']"),
        ("scores", "it cannot be cut; name one value, as in scores['KEY']"),
    ],
)
def test_features_that_are_no_score_are_told(milled, feature, told):
    result = invoke("tune", milled[0] / "run", feature)
    assert isinstance(result.exception, UserError)
    assert told in str(result.exception)


def test_sql_over_a_run_gives_examples(milled, tmp_path):
    root = milled[0] / "run"
    query = "select text from documents where labels['topic'] = 'law'"
    both = ["--positive", f"{root}: {query}", "--negative", query.replace("=", "<>")]
    result = invoke("classifier", "train", *both, "--run", root, "--name", "s", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    card = load_card(str(next(tmp_path.iterdir())))
    assert card["held_out"]["auc"] > 0.9


def test_of_near_copies_one_stays_that_the_rules_keep(milled, tmp_path):
    """The longer one goes by its own score: it does not take the other along."""
    texts = {row["text"]: place for place, row in enumerate(near_copies())}
    query = "SELECT text, scores['good'], dup_reason, quality_reason FROM documents"

    def pair(root):
        rows = [row for row in ask(root, query) if row[0] in texts]
        return [row[1:] for row in sorted(rows, key=lambda row: texts[row[0]])]

    (short, short_reason, _), (long, long_reason, _) = pair(milled[0] / "run")
    assert (short_reason, long_reason) == ("near_duplicate", None) and short != long
    recipe = yaml.safe_load(milled[1].read_text())
    good = recipe["quality"]["models"]["good"]
    good["min" if long < short else "max"] = (short + long) / 2
    changed = milled[0] / "near.yaml"
    changed.write_text(yaml.safe_dump(recipe))
    root = tmp_path / "run"
    shutil.copytree(milled[0] / "run", root, copy_function=shutil.copy2)
    signed = {row.shard: row.address for row in Ledger(str(root)).rows("sign")}
    run(load_recipe(str(changed), out=str(root)), Settings(workers=1))
    assert [reason for _, reason, _ in pair(root)] == [None, "near_duplicate"]
    assert signed == {row.shard: row.address for row in Ledger(str(root)).rows("sign")}
    assert audit(str(root)).problems == []


SCORE = st.none() | st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1, width=32)


@settings(max_examples=12)
@given(
    rows=st.lists(
        st.tuples(SCORE, SCORE, st.sampled_from(["x", "y", None]), st.booleans()),
        min_size=1,
        max_size=60,
    ),
    share=st.sampled_from([0.05, 0.1, 0.25, 0.5, 1.0]),
    count=st.integers(2, 6),
    how=st.sampled_from(["max", "mean"]),
)
def test_the_scale_of_a_corpus_against_counting_by_hand(tmp_path_factory, rows, share, count, how):
    folder = tmp_path_factory.mktemp("scale")
    a, b = (pa.array([row[place] for row in rows], pa.float32()) for place in (0, 1))
    language = pa.array([row[2] for row in rows], pa.string())
    table = pa.table(
        {
            "id": [f"{7919 * n % 1009:04d}" for n in range(len(rows))],
            "source": pa.array(["s"] * len(rows)),
            "language": language,
            "scores": map_column({"a": a, "b": b}, SCORES, len(rows)),
            "labels": pa.nulls(len(rows), LABELS),
        }
    )
    kept = table.filter(pa.array([row[3] for row in rows]))
    told = {"path": "", "sha256": "0"}
    config = Quality(
        models={"a": {**told, "top": share}, "b": told},
        ensembles={"both": {"of": ["a", "b"], "combine": how, "top": share}},
        buckets={"score": "a", "per": "language", "count": count},
    )
    half = len(kept) // 2
    shards = [kept.slice(0, half), kept.slice(half)]
    paths = {
        step: [str(folder / f"{step}-{number}") for number in range(2)]
        for step in ("counts", "scale", "tally")
    }
    for shard, path in zip(shards, paths["counts"], strict=True):
        count_scores(shard, config, path)
    write_scale(paths["counts"], config, paths["scale"][0])
    for shard, path in zip(shards, paths["tally"], strict=True):
        tally(shard, config, load_scale(paths["scale"][:1]), path)
    settle(paths["scale"][0], paths["tally"], config, paths["scale"][1])
    found = verdict_columns(table, config, load_scale(paths["scale"][1:]))
    ranks = found["quality_ranks"].to_pylist()
    buckets = found["quality_bucket"].to_pylist()
    reasons = found["quality_reason"].to_pylist()
    ids = table["id"].to_pylist()
    values = {
        name: {n: v for n, v in enumerate(column.to_pylist()) if v is not None and rows[n][3]}
        for name, column in (("a", a), ("b", b))
    }
    exact = {
        name: {n: Fraction(sum(w <= v for w in own.values()), len(own)) for n, v in own.items()}
        for name, own in values.items()
    }
    for place, row in enumerate(rows):
        if not row[3]:
            continue
        told = dict(ranks[place] or ())
        for name in ("a", "b"):
            assert (name in told) == (place in values[name])
            if name in told:
                assert told[name] == pytest.approx(float(exact[name][place]), abs=2e-4)
        if place not in values["a"]:
            assert buckets[place] is None
            continue
        peers = sorted(v for n, v in values["a"].items() if rows[n][2] == row[2])
        below = sum(v < values["a"][place] for v in peers)
        assert buckets[place] == below * count // len(peers)
        order = sorted(values["a"], key=lambda n: (-values["a"][n], ids[n]))
        stay = order[: max(math.ceil(share * len(order) - 1e-9), 1)]
        assert (reasons[place] == "a:below_top") == (place not in stay)
