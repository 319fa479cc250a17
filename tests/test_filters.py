"""Heuristic features, their verdicts, and the kernels below them."""

import itertools
import math
import multiprocessing
import re
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import (
    FEATURES,
    cut_spans,
    feature_names,
    features,
    judge,
    load_preset,
    make_preset,
    preset_names,
    preset_sql,
)
from filters.arrow import texts_of
from filters.feature_list import markdown_table
from filters.segment import segment_lines, segment_words
from filters.spacy_words import spacy_words
from filters.wordstats import ALNUM_FIRST, CAPITAL_FIRST, word_hash, word_table

ODD = "aAbB1 \t\n\r.,!?…-•#'\"{}[]()<>:/_\x00\x0b\x1c\x85\u2028\u00a0\u200béß中文。ก่\U0001f600"
words_and_marks = st.lists(
    st.sampled_from(
        [
            "the",
            "of",
            "a",
            "b",
            "ab",
            "\n",
            "\n\n",
            " ",
            ".",
            "...",
            "don't",
            "x):",
            "•",
            "{",
            "[1]",
        ]
    ),
    max_size=80,
).map(" ".join)
texts = st.one_of(st.text(max_size=60), st.text(ODD, max_size=80), words_and_marks)


def words_of(*batch):
    found = segment_words(texts_of(list(batch)))
    raw = found.data.tobytes()
    all_words = [raw[a:b].decode() for a, b in zip(found.starts, found.ends, strict=True)]
    bounds = [0, *np.cumsum(found.counts).tolist()]
    return [all_words[a:b] for a, b in itertools.pairwise(bounds)]


def row(text, **kwargs):
    return features([text], **kwargs).to_pylist()[0]


# Words and lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, (world)!", ["Hello", ",", "(", "world", ")", "!"]),
        ("I can't, don’t, cannot.", ["I", "ca", "n't", ",", "do", "n’t", ",", "can", "not", "."]),
        ("Mr. Smith's U.S. e.g., 10am", ["Mr.", "Smith", "'s", "U.S.", "e.g.", ",", "10", "am"]),
        (
            "well-known a/b and/or 1-2",
            ["well", "-", "known", "a", "/", "b", "and/or", "1", "-", "2"],
        ),
        ("5km 3.5GB US$10 20°C.", ["5", "km", "3.5", "GB", "US$", "10", "20", "°", "C", "."]),
        (":-) x): 😀👍", [":-)", "x", "):", "😀", "👍"]),
        ("中文，ab。ก่า", ["中文，ab。ก่า"]),
        ("中文，见。", ["中文，见", "。"]),
        ("wait... what..", ["wait", "...", "what", ".."]),
        ("\x00 \u200b", ["\x00", "\u200b"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words(text, words):
    assert words_of(text) == [words]
    assert row(text)["n_words"] == len(words)


def test_unspaced_scripts_can_be_cut_by_character():
    batch = texts_of(["中文，ab。ก่า"] * 2)
    found = segment_words(batch, unspaced=np.array([False, True]))
    assert found.counts.tolist() == [1, 7]
    raw = found.data.tobytes()
    words = [raw[a:b].decode() for a, b in zip(found.starts[1:], found.ends[1:], strict=True)]
    assert words == ["中", "文", "，", "ab", "。", "ก่", "า"]


def test_urls_stay_whole():
    text = "see http://a.org/b?c=1#d and www.example.com:8080/x or me@x.org (https://y.com)."
    (words,) = words_of(text)
    assert words[:5] == ["see", "http://a.org/b?c=1#d", "and", "www.example.com:8080/x", "or"]
    assert words[5:] == ["me@x.org", "(", "https://y.com", ")", "."]


@given(texts)
def test_words_cover_everything_but_white_space(text):
    (words,) = words_of(text)
    assert "".join(words) == "".join(text.split())


@given(texts)
def test_lines_are_those_of_splitlines(text):
    lines = segment_lines(texts_of([text]))
    raw = text.encode()
    spans = zip(lines.starts, lines.ends, strict=True)
    assert [raw[a:b].decode() for a, b in spans] == text.splitlines()
    assert int(lines.breaks.sum() + (lines.ends - lines.starts).sum()) == len(raw)


def test_emoticons_without_end():
    for text in ("x): " * 3000, ":):):)" * 1000, "x" + "):" * 200):
        assert row(text, words="spacy")["n_words"] == spacy_words([text]).counts[0]
    assert row("x): " * 3000)["n_words"] == 6000
    # So many overlapping ones are not told apart, which only spaCy's words go to lengths for.
    assert row("x" + "):" * 1000)["n_words"] == 2001


# Features


def test_features_of_a_small_text():
    text = "The cat sat...\n- of the mat #1\n\nThe cat sat...\n"
    found = row(text)
    assert found["n_bytes"] == found["n_chars"] == len(text)
    # The cat sat ... - of the mat # 1 The cat sat ...
    assert found["n_words"] == 14
    assert found["n_lines"] == 4
    assert found["gopher_n_words"] == 10
    assert found["gopher_mean_word_length"] == 27 / 10
    assert found["gopher_hash_ratio"] == 1 / 14
    assert found["gopher_ellipsis_ratio"] == 2 / 14
    assert found["gopher_bullet_line_frac"] == 1 / 4
    assert found["gopher_ellipsis_line_frac"] == 2 / 4
    assert found["gopher_alpha_word_frac"] == 9 / 14
    assert found["gopher_stop_words"] == 2
    assert found["gopher_dup_line_frac"] == 1 / 4  # the empty part after the last newline counts
    assert found["gopher_dup_line_char_frac"] == 14 / len(text)
    assert found["gopher_dup_para_frac"] == 0
    assert found["gopher_top_2gram_char_frac"] == 2 * len("The cat") / len(text)
    assert found["gopher_top_4gram_char_frac"] == 2 * len("The cat sat ...") / len(text)
    assert found["gopher_dup_5gram_char_frac"] == 0
    assert found["fineweb_n_lines"] == 3
    assert found["fineweb_line_punct_frac"] == 2 / 3
    assert found["fineweb_short_line_frac"] == 1
    assert found["fineweb_dup_line_char_frac"] == 14 / (len(text) - 4)
    assert found["fineweb_newline_word_ratio"] == 4 / 14
    assert found["c4_lines_no_terminal_punct"] == 4
    assert found["c4_lines_kept"] == 0
    assert found["c4_fineweb_lines_kept"] == 3
    assert found["c4_fineweb_lines_few_words"] == 1


@given(st.lists(texts, max_size=6))
def test_features_are_finite_and_in_range(batch):
    found = features(batch)
    assert found.num_rows == len(batch)
    assert found.schema.names == list(feature_names())
    for text, values in zip(batch, found.to_pylist(), strict=True):
        assert values["n_bytes"] == len(text.encode())
        assert values["n_chars"] == len(text)
        assert values["n_lines"] == len(text.splitlines())
        assert values.pop("stop_words") is None
        for name, value in values.items():
            assert value is not None and math.isfinite(value) and value >= 0
            if name.endswith("_frac") and "_top_" not in name:
                assert value <= 1
            if name.endswith("_first"):
                assert value in (0, 1)


@given(st.lists(texts, min_size=1, max_size=8), st.data())
def test_rows_do_not_depend_on_the_batch(batch, data):
    cut = data.draw(st.integers(0, len(batch)))
    whole = features(batch, spans="c4")
    parts = [features(part, spans="c4") for part in (batch[:cut], batch[cut:])]
    assert pa.Table.from_batches(parts).combine_chunks() == pa.Table.from_batches([whole])
    # Any layout of the same column gives the same rows.
    plain = pa.array(batch, pa.string())
    padded = pa.concat_arrays([pa.array(["x\n"]), plain, pa.array(["y"])]).slice(1, len(batch))
    chunked = pa.chunked_array([plain[:cut], plain[cut:]])
    for layout in (plain, padded, chunked, plain.cast(pa.string_view())):
        assert features(layout, spans="c4") == whole


def test_blocks_do_not_show(monkeypatch):
    batch = [f"the text number {k} of the batch.\n" * (k % 7) for k in range(50)]
    whole = features(batch, spans="c4_fineweb")
    monkeypatch.setattr("filters.heuristics.BLOCK_BYTES", 100)
    assert features(batch, spans="c4_fineweb") == whole


def duplicates(elements):
    seen, count, chars = set(), 0, 0
    for element in elements:
        if element in seen:
            count += 1
            chars += len(element)
        seen.add(element)
    return count, chars


@given(st.lists(st.sampled_from(["a", "bb", " ", "\n", "\n\n", "\r", "a\n", "é"]), max_size=40))
def test_repeated_lines_and_paragraphs_by_their_definition(pieces):
    text = "".join(pieces)
    found = row(text)
    if text:
        paragraphs = re.split(r"\n{2,}", text.strip())
        count, chars = duplicates(paragraphs)
        assert found["gopher_dup_para_frac"] == count / len(paragraphs)
        assert found["gopher_dup_para_char_frac"] == chars / len(text)
        lines = re.split("\n+", text)
        count, chars = duplicates(lines)
        assert found["gopher_dup_line_frac"] == count / len(lines)
        assert found["gopher_dup_line_char_frac"] == chars / len(text)
    filled = [line for line in text.split("\n") if line.strip()]
    assert found["fineweb_n_lines"] == len(filled)
    if filled:
        chars = len(text.replace("\n", ""))
        assert found["fineweb_dup_line_char_frac"] == duplicates(filled)[1] / chars
        assert found["fineweb_short_line_frac"] == sum(len(x) <= 30 for x in filled) / len(filled)


@given(st.lists(st.sampled_from(["a", "b", "ab", "ba", "aab"]), max_size=60), st.booleans())
def test_repeated_ngrams_by_their_definition(pieces, newlines):
    text = ("\n" if newlines else " ").join(pieces)
    (words,) = words_of(text)
    found = row(text)
    for n in (2, 3, 4):
        grams = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
        top = max(grams.items(), key=lambda item: item[1], default=("", 0))
        value = found[f"gopher_top_{n}gram_char_frac"]
        assert value == (len(top[0]) * top[1] / len(text) if text else 0)
    for n in range(5, 11):
        seen, chars, i = set(), 0, 0
        while i < len(words) - n + 1:
            gram = "".join(words[i : i + n])
            chars += len(gram) if gram in seen else 0
            i += n if gram in seen else 1
            seen.add(gram)
        assert found[f"gopher_dup_{n}gram_char_frac"] == (chars / len(text) if text else 0)


@given(st.lists(st.text(ODD, max_size=20), max_size=20))
def test_the_word_table_is_that_of_its_words(batch):
    found = segment_words(texts_of(batch))
    table = word_table(found)
    raw = found.data.tobytes()
    words = [raw[a:b] for a, b in zip(found.starts, found.ends, strict=True)]
    assert table.stream.tobytes()[: table.places[-1]] == b"".join(words)
    assert np.diff(table.places).tolist() == [len(word) for word in words]
    assert table.hashes.tolist() == [word_hash(word) for word in words]
    spelt = [word.decode() for word in words]
    assert table.lengths.tolist() == [len(word) for word in spelt]
    assert (table.flags & ALNUM_FIRST > 0).tolist() == [word[0].isalnum() for word in spelt]
    assert (table.flags & CAPITAL_FIRST > 0).tolist() == [word[0].isupper() for word in spelt]


def test_large_and_broken_texts():
    line = "x" * 5_000_000
    found = features([line, "the " * 1_250_000, "\n" * 300_000, "."])
    assert found.column("n_words").to_pylist() == [1, 1_250_000, 0, 1]
    assert found.column("c4_lines_long_word").to_pylist() == [1, 0, 0, 0]
    # Bytes that are no UTF-8, as an unchecked buffer may hold them, are read as they come.
    raw = b"ab\xff\xc3 \xe2\x80 \xf0\x9f\x98 end\xe4"
    broken = pa.StringArray.from_buffers(
        1, pa.py_buffer(np.array([0, len(raw)], np.int32)), pa.py_buffer(raw)
    )
    assert features(broken).column("n_bytes").to_pylist() == [len(raw)]


def test_empty_batches_keep_the_schema():
    found = features(pa.array([], pa.string()), spans="c4")
    assert found.num_rows == 0
    assert found.schema.names == [*feature_names(), "c4_spans"]
    assert features(pa.chunked_array([], pa.string())).num_rows == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": ["a", None]}, "row 1 is null"),
        ({"texts": pa.array([1])}, "column of text, got int64"),
        ({"texts": ["a"], "words": "spcy"}, "did you mean 'spacy'"),
        ({"texts": ["a"], "spans": "c5"}, "did you mean 'c4'"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        features(**arguments)


def _features_in_child(queue):
    queue.put(features(["the text of a child.\nof it"]).to_pylist())


def test_kernels_work_after_a_fork():
    here = features(["the text of a child.\nof it"]).to_pylist()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_features_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == here
    child.join(timeout=60)
    assert child.exitcode == 0


def test_features_are_documented():
    page = (Path(__file__).parents[1] / "docs" / "features.md").read_text("utf-8")
    assert markdown_table() in page
    for name in preset_names():
        assert f"`{name}`" in page


# Spans


@given(texts)
def test_spans_are_in_order_and_cut(text):
    for variant in ("c4", "c4_fineweb"):
        column = features([text], spans=variant).column("c4_spans")
        spans = column.to_pylist()[0]
        raw = text.encode()
        edges = [edge for span in spans for edge in (span["start"], span["end"])]
        assert edges == sorted(edges) and all(0 <= edge <= len(raw) for edge in edges)
        kept, at = b"", 0
        for span in spans:
            assert span["start"] < span["end"]
            kept += raw[at : span["start"]]
            at = span["end"]
        kept += raw[at:]
        assert cut_spans([text], column).to_pylist() == [kept.decode().strip()]


def test_spans_say_why():
    text = "Home | About\nThis line stays[12] here.\n  Turn on JavaScript to see it.\nToo short."
    spans = features([text], spans="c4").column("c4_spans")
    assert [(text[s["start"] : s["end"]], s["reason"]) for s in spans.to_pylist()[0]] == [
        ("Home | About\n", "no_terminal_punct"),
        ("[12]", "citation"),
        ("  Turn on JavaScript to see it.\n", "javascript"),
        ("Too short.", "few_words"),
    ]
    assert cut_spans([text], spans).to_pylist() == ["This line stays here."]
    with pytest.raises(ValueError, match="2 texts but 1 lists"):
        cut_spans(["a", "b"], spans)


# Verdicts

SMALL = (
    "empty",
    "the " * 60,
    "\n".join(f"The line number {k} of the page ends well." for k in range(30)),
    "Lorem ipsum dolor sit amet.",
)


def test_the_first_failing_rule_gives_the_reason():
    table = features(["", "word", SMALL[2]])
    assert judge(table, [load_preset("gopher_quality")]).to_pylist() == [
        "gopher_quality:short_doc",
        "gopher_quality:short_doc",
        None,
    ]
    both = judge(table, [load_preset("fineweb"), load_preset("gopher_quality")]).to_pylist()
    assert both == ["fineweb:empty", "fineweb:line_punct_ratio", None]


def test_overrides_change_thresholds_by_reason():
    table = features(["the words of these " * 5])
    for overrides, reason in (
        ({}, "gopher_quality:short_doc"),
        ({"short_doc": 10}, None),
        ({"short_doc": None}, None),
        ({"short_doc": {"min": 21}}, "gopher_quality:short_doc"),
        ({"short_doc": 20, "enough_stop_words": 3}, "gopher_quality:enough_stop_words"),
        ({"short_doc": {"min": 5, "max": 19}}, "gopher_quality:short_doc"),
    ):
        assert judge(table, [load_preset("gopher_quality", overrides)]).to_pylist() == [reason]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load_preset("gophr"), "unknown preset 'gophr': did you mean 'gopher'"),
        (lambda: load_preset("c4", {"too_few": 1}), "did you mean 'too_few_sentences'"),
        (lambda: load_preset("c4", {"too_few_sentences": "five"}), "must be a number, got 'five'"),
        (lambda: load_preset("c4", {"too_few_sentences": math.nan}), "must be a number"),
        (lambda: load_preset("c4", {"too_few_sentences": {"low": 1}}), "unknown key 'low'"),
        (lambda: make_preset("p", [{"reason": "r", "feature": "f"}]), "rule 1: give min, max"),
        (lambda: make_preset("p", [{"reason": "r", "min": 1}]), "feature must be a name"),
        (
            lambda: make_preset("p", [{"reason": "r", "feature": "f", "mn": 1}]),
            "unknown key 'mn': did you mean 'min'",
        ),
        (
            lambda: judge(
                features(["a"]),
                [make_preset("p", [{"reason": "r", "feature": "n_word", "min": 1}])],
            ),
            "preset p, rule r: no column 'n_word': did you mean 'n_words'",
        ),
    ],
)
def test_misspelt_rules_are_named(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_every_preset_uses_known_features():
    for name in preset_names():
        for rule in load_preset(name).rules:
            assert rule.feature in feature_names()


def test_thresholds_by_language():
    preset = load_preset("fineweb2")
    table = pa.table({f.name: pa.array([0.27] * 3) for f in FEATURES})
    table = table.append_column("language", pa.array(["de", "fr", None]))

    def reasons(overrides, name="dup_line_frac"):
        chosen = [r for r in load_preset("fineweb2", overrides).rules if r.reason == name]
        return judge(table, [preset._replace(rules=tuple(chosen))]).to_pylist()

    assert reasons({}) == ["fineweb2:dup_line_frac"] * 2 + [None]
    assert reasons({"dup_line_frac": 0.265}) == ["fineweb2:dup_line_frac"] * 2 + [None]
    assert reasons({"dup_line_frac.de": 0.5}) == [None, "fineweb2:dup_line_frac", None]
    assert reasons({"dup_line_frac": 0.5, "dup_line_frac.fr": 0.2})[:2] == [
        None,
        "fineweb2:dup_line_frac",
    ]
    with pytest.raises(ValueError, match="needs a column 'language'"):
        judge(table.drop_columns("language"), [preset])


def test_presets_include_others():
    reasons = [rule.reason for rule in load_preset("dolma3").rules]
    assert reasons[0] == "short_text" and reasons[-1] == "too_many_questionable"
    inside = [rule.reason for rule in load_preset("dclm").rules]
    assert reasons[1 : 1 + len(inside)] == inside
    assert load_preset("gopher").rules == (
        load_preset("gopher_repetition").rules + load_preset("gopher_quality").rules
    )


thresholds = sorted(
    {
        bound
        for name in preset_names()
        for rule in load_preset(name).rules
        for bound in (rule.min, rule.max)
        if bound is not None
    }
)
values = st.one_of(
    st.none(),
    st.sampled_from(thresholds),
    st.sampled_from([np.nextafter(t, s) for t in thresholds for s in (-1e9, 1e9)]).map(float),
    st.floats(0, 2, width=16),
)


@settings(max_examples=40)
@given(st.lists(st.fixed_dictionaries({f.name: values for f in FEATURES}), max_size=4))
def test_sql_gives_the_same_verdicts(rows):
    columns = {
        f.name: pa.array([r[f.name] for r in rows], pa.float64()).cast(f.type, safe=False)
        for f in FEATURES
    }
    languages = ["de", None, "zh", "en"][: len(rows)]
    table = pa.table({**columns, "language": pa.array(languages, pa.string())})
    presets = [load_preset(name) for name in preset_names()]
    presets.append(
        make_preset("own's", [{"reason": "o'r", "feature": "n_chars", "min": 0.1, "max": 0.3}])
    )
    connection = duckdb.connect(config={"threads": 1})
    connection.register("documents", table)
    for preset in presets:
        query = f"select {preset_sql(preset)} as reason from documents"
        found = [reason for (reason,) in connection.execute(query).fetchall()]
        assert found == judge(table, [preset]).to_pylist()


def test_sql_of_shipped_presets_by_name():
    languages = ["en", "de", "fr", None]
    table = pa.Table.from_batches([features(list(SMALL), languages=languages)])
    table = table.append_column("language", pa.array(languages, pa.string()))
    connection = duckdb.connect()
    connection.register("documents", table)
    names = preset_names()
    parts = ", ".join(preset_sql(name) for name in names)
    rows = connection.execute(f"select coalesce({parts}) from documents").fetchall()
    expected = judge(table, [load_preset(name) for name in names]).to_pylist()
    assert [reason for (reason,) in rows] == expected
