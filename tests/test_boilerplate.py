"""Site boilerplate: planted banners and menus are cut, what repeats and is content is not."""

from __future__ import annotations

import itertools
import json

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.explain import find
from catalogs.ledger import Ledger
from filters import LineCounts, LineRules, boilerplate_spans, cut_spans, features, line_hashes
from pipeline.boilerplate import BOILERPLATE
from pipeline.recipe import load_recipe
from pipeline.run import run
from pipeline.schedule import Settings
from tests.inputs import files_of, prose, write_recipe

BANNER = "We use cookies to make this site better. Read our policy or accept them all."
MENU = "Home\nNews\nSports\nWeather"
RULES = LineRules()


def cut(text, repeated_lines):
    """The text without its spans when these lines repeat."""
    repeated = np.array([line.strip() in repeated_lines for line in text.split("\n")])
    spans = [
        {"start": a, "end": b, "reason": ""} for a, b in boilerplate_spans(text, repeated, RULES)
    ]
    kind = BOILERPLATE.field("cut_spans").type
    return cut_spans(pa.array([text]), pa.array([spans], kind)).to_pylist()[0]


# --- what is cut of one text


def test_a_banner_and_the_blank_lines_after_it_are_cut():
    text = f"Grüße aus dem Wald.\n\n{BANNER}\n\nEin Käse."
    assert cut(text, {BANNER}) == "Grüße aus dem Wald.\n\nEin Käse."


def test_short_lines_are_cut_in_a_run_and_stay_alone():
    repeated = {*MENU.split("\n"), "Ingredients"}
    text = f"{MENU}\nA cake\nIngredients\nTwo eggs."
    assert cut(text, repeated) == "A cake\nIngredients\nTwo eggs."


def test_blank_lines_do_not_end_a_run():
    assert cut("Home\n\nNews\n \nSports\nWeather\nText.", set(MENU.split("\n"))) == "Text."


@pytest.mark.parametrize(
    "line",
    [
        "import numpy as np, pandas",
        "    value = compute(all_the_things)",
        "for (int i = 0; i < count; i++) {",
        " * This program does things and then other things",
        "// the usual comment above each of the examples",
        ">>> from fractions import Fraction",
        "<div> and all the rest of the markup",
    ],
)
def test_code_stays(line):
    text = f"First.\n{line}\nLast."
    assert cut(text, {line.strip()}) == text


def test_fenced_code_stays():
    text = f"First.\n```\n{BANNER}\n```\nLast.\n{BANNER}"
    assert cut(text, {BANNER, "```"}) == f"First.\n```\n{BANNER}\n```\nLast."


def test_the_grant_of_a_licence_stays_as_a_whole():
    grant = [
        "# Copyright (c) 2019 The Millers and their friends",
        "# Licensed under the Apache License, Version 2.0; you may",
        "# not use this file except in compliance with the License.",
    ]
    text = "\n".join([*grant, "Text."])
    assert cut(text, set(grant)) == text


LINES = st.lists(st.sampled_from(["", "a", "Äpfel und Birnen aus dem Garten", MENU, "x = 1;"]))


@given(LINES, st.randoms(use_true_random=False))
def test_spans_are_whole_lines_in_order(lines, rng):
    text = "\n".join(lines)
    repeated = np.array([rng.random() < 0.5 for _ in text.split("\n")])
    data, end = text.encode(), -1
    for start, stop in boilerplate_spans(text, repeated, RULES):
        assert end < start < stop <= len(data)
        assert start == 0 or data[start - 1 : start] == b"\n"
        assert stop == len(data) or data[stop - 1 : stop] == b"\n"
        end = stop


# --- counting


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=30))
def test_lines_are_counted_once_a_text(texts):
    counts = LineCounts()
    for number, lines in enumerate(texts):
        counts.add(line_hashes("\n".join(lines), "host", 500))
        if number % 7 == 0:
            counts.of(np.zeros(1, np.uint64))  # counting may go on after a look
    expected = [sum(letter in lines for lines in texts) for letter in "abcdefgh"]
    hashes = line_hashes("\n".join("abcdefgh"), "host", 500)
    assert counts.of(hashes).tolist() == expected
    assert counts.of(line_hashes("a\nb", "other host", 500)).tolist() == [0, 0]


def test_lines_are_equal_by_letters_and_paragraphs_are_none():
    first, second, blank, long = line_hashes("A  Line \na line\n \n" + "x" * 501, "h", 500)
    assert first == second != 0
    assert (blank, long) == (0, 0)


# --- the step in a run

REFRAIN = "And the mill goes round and round by the river"
PARAGRAPH = " ".join(["A notice of many words that each page repeats in full."] * 12)


def pages(folder):
    """Two hosts of 12 and 3 pages, each page with banner, menu and a paragraph all repeat."""
    rows = []
    for host, count in (("big.test", 12), ("small.test", 3)):
        for number in range(count):
            text = "\n".join(
                [
                    *(MENU, f"Story {number} of {host}", "Contents", prose(number * 7 + len(host))),
                    *([REFRAIN, "one more verse", REFRAIN] if number < 3 else []),
                    *(PARAGRAPH, BANNER),
                ]
            )
            rows.append({"text": text, "url": f"https://{host}/{number}"})
    rows.append({"text": f"{MENU}\nNothing to see.\n{BANNER}", "url": "https://big.test/empty"})
    rows += [{**rows[0], "url": f"https://copies.test/{n}"} for n in range(12)]
    (folder / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "web": {"reader": "jsonl", "paths": "pages.jsonl", "options": {"uri_field": "url"}},
    }


@pytest.fixture(scope="module")
def milled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boilerplate")
    recipe = write_recipe(folder, pages(folder))
    run(load_recipe(str(recipe)), Settings(workers=1))
    return folder


def texts_of(folder, view="corpus"):
    with open_catalog(str(folder / "run")) as catalog:
        return dict(catalog.execute(f"SELECT uri, text FROM {view}").fetchall())


def test_planted_banners_are_cut_from_the_corpus_alone(milled):
    corpus, documents = texts_of(milled), texts_of(milled, "documents")
    for number in range(12):
        uri = f"https://big.test/{number}"
        if uri in corpus:
            text = corpus[uri]
            assert BANNER not in text
            assert "Sports" not in text
            assert text.startswith(f"Story {number} of big.test\nContents\n")
            assert PARAGRAPH in text
            assert (REFRAIN in text) == (number < 3)
        assert BANNER in documents[uri]
    assert sum("big.test" in uri for uri in corpus) >= 11  # a copy elsewhere may stand for one
    small = [text for uri, text in corpus.items() if "small.test" in uri]
    assert len(small) == 3
    assert all(BANNER in text and MENU in text for text in small)


def test_counts_are_of_what_is_left(milled):
    with open_catalog(str(milled / "run")) as catalog:
        rows = catalog.execute(
            "SELECT c.n_bytes, c.cut_bytes, d.n_bytes, c.n_words, d.n_words, strlen(c.text) "
            "FROM corpus c JOIN documents d USING (row_id)"
        ).fetchall()
    for left, lost, whole, words, all_words, size in rows:
        assert left == size == whole - lost
        assert (words < all_words) == (lost > 0)
    assert sum(lost > 0 for _, lost, *_ in rows) in (11, 12)


CHINESE = (
    "河边的小镇在清晨醒来,渔民们把船推入水中。",
    "老师告诉学生们,历史不只是年份和名字。",
    "冬天的雪覆盖了整个山谷,路上没有一个人。",
    "市场里的水果很便宜,因为今年的收成很好。",
    "火车晚点了两个小时,旅客们在站台上等待。",
    "她每天晚上都写日记,记录花园里的变化。",
)
NOTICE = "本网站使用缓存来改善您的浏览体验,请阅读我们的隐私政策并点击接受所有内容。"


def test_what_is_left_is_counted_as_the_whole_was(tmp_path):
    """Chinese is counted by character, in the document and in what WRITE leaves of it."""
    with open(tmp_path / "pages.jsonl", "w") as file:
        for number, order in zip(range(12), itertools.permutations(CHINESE), strict=False):
            text = "\n".join([f"第{number}页", "".join(order) * (number + 3), NOTICE])
            file.write(json.dumps({"text": text, "url": f"https://zh.test/{number}"}) + "\n")
    options = {"reader": "jsonl", "paths": "pages.jsonl", "options": {"uri_field": "url"}}
    recipe = write_recipe(tmp_path, {"web": options}, dedup={"fuzzy": False})
    run(load_recipe(str(recipe)), Settings(workers=1))
    with open_catalog(str(tmp_path / "run")) as catalog:
        rows = catalog.execute(
            "SELECT c.text, c.n_words, c.language FROM corpus c WHERE cut_bytes > 0"
        ).fetchall()
    assert len(rows) == 12
    for text, words, language in rows:
        assert language == "zh" and NOTICE not in text
        [counted] = features([text], languages=[language])["n_words"].to_pylist()
        assert words == counted > len(text) // 2


def test_copies_are_not_further_pages(milled):
    """Twelve copies of one page on one host: dedup keeps one, and nothing of it repeats."""
    [kept] = [text for text in texts_of(milled).values() if "Story 0 of big.test" in text]
    assert prose(len("big.test")) in kept


def test_what_is_left_too_short_is_rejected_with_its_reason(milled):
    root = str(milled / "run")
    with open_catalog(root) as catalog:
        found = catalog.execute(
            "SELECT uri, stage, reason FROM rejected WHERE stage = 'boilerplate'"
        ).fetchall()
        funnel = catalog.execute(
            "SELECT records FROM funnel WHERE stage = 'boilerplate' AND reason = 'too_short'"
        ).fetchall()
        kept = catalog.execute("SELECT kept FROM documents WHERE uri LIKE '%empty'").fetchall()
    assert found == [("https://big.test/empty", "boilerplate", "too_short")]
    assert funnel == [(1,)]
    assert kept == [(False,)]
    [story] = find(root, "https://big.test/empty")
    assert story.outcome == "rejected at boilerplate: too_short"
    assert "of site boilerplate cut" in find(root, "https://big.test/5")[0].outcome


def test_the_account_sums_up_and_spans_are_co_partitioned(milled):
    root = milled / "run"
    assert audit(str(root)).problems == []
    [row] = Ledger(str(root)).rows("boilerplate")
    assert row.rejected == {"boilerplate:too_short": 1}
    assert row.stats["documents_cut"] in (11, 12)
    [ingested] = Ledger(str(root)).rows("ingest")
    spans = pq.read_table(root / row.files["boilerplate"].path)
    documents = pq.read_table(root / ingested.files["documents"].path)
    assert spans["row_id"].equals(documents["row_id"])
    cuts = duckdb.sql("SELECT DISTINCT unnest(cut_spans).reason FROM spans").fetchall()
    assert cuts == [("site_boilerplate",)]


def test_the_order_of_the_pages_changes_no_byte(milled, tmp_path):
    sources = pages(tmp_path)
    lines = (tmp_path / "pages.jsonl").read_text().splitlines()
    run(load_recipe(str(write_recipe(tmp_path, sources))), Settings(workers=2))
    first = files_of(milled / "run" / "corpus")
    assert files_of(tmp_path / "run" / "corpus") == first
    (tmp_path / "pages.jsonl").write_text("\n".join(reversed(lines)))
    run(load_recipe(str(tmp_path / "recipe.yaml")), Settings(workers=2))
    assert set(texts_of(tmp_path).values()) == set(texts_of(milled).values())


def test_it_can_be_switched_off_and_only_what_depends_on_it_is_done_again(tmp_path):
    recipe = write_recipe(tmp_path, pages(tmp_path))
    run(load_recipe(str(recipe)), Settings(workers=1))
    recipe = write_recipe(tmp_path, pages(tmp_path), boilerplate={"cut": False})
    before = {row.address for row in Ledger(str(tmp_path / "run")).rows("judge")}
    run(load_recipe(str(recipe)), Settings(workers=1))
    ledger = Ledger(str(tmp_path / "run"))
    assert ledger.rows("boilerplate") == []
    assert {row.address for row in ledger.rows("judge")} == before
    assert all(BANNER in text for text in texts_of(tmp_path).values())
