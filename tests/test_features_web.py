"""Features of DCLM, RefinedWeb, MADLAD-400 and FineWeb2 against their definitions."""

import re
from collections import Counter

import numpy as np
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import (
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from hypothesis import given
from hypothesis import strategies as st

from filters import cut_spans, features, judge, load_preset
from filters.ngrams import repeats
from filters.stop_words import STOP_WORDS
from tests.test_filters_parity import odd_texts, prose, scrambled_texts

STOPS = {"the", "be", "to", "of", "and", "that", "have", "with"}
COUNTER = re.compile(
    r"^\W*\d(?:,|\.|\d)*(?:k|m|b)?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|"
    r"upvotes|downvotes|downloads|views|followers)\W*$"
)
PIECES = [
    *("the", "The", "WITH", "of", "ABC", "12", "3,5", "x", "été", "ÉTÉ", "中文", "1.2k", "views"),
    *("likes", "items in cart", "Read more...", "Sign-in", "•", "●", "*", "-", "#", "...", ". . ."),
    *("…", "\n", "\n\n", " ", "\u00a0", "\x00", "\x1c", ".", "!", "?", "+/()", "а", "Ⅷ", "²"),
]
web_texts = st.lists(st.sampled_from(PIECES), max_size=40).flatmap(
    lambda parts: st.lists(
        st.sampled_from([" ", "\n", ""]), min_size=len(parts), max_size=len(parts)
    ).map(lambda glue: "".join(a + b for a, b in zip(parts, glue, strict=True)))
)


def share(above, below):
    return above / below if below else 0


def dclm_by_definition(text):
    chunks = text.split()
    lines = [line for part in text.split("\n") if (line := part.strip())]
    parts = [part for piece in text.split("\n\n") if (part := piece.strip())]
    copies, blocks = Counter(lines), Counter(parts)
    symbols = sum(text.count(mark) for mark in ("#", "...", ". . .", "…"))
    return {
        "dclm_n_words": sum(chunk[0].isalnum() for chunk in chunks),
        "dclm_mean_word_length": share(sum(map(len, chunks)), len(chunks)),
        "dclm_symbol_ratio": share(symbols, len(chunks)),
        "dclm_bullet_line_frac": share(
            sum(line.startswith(("●", "•", "*", "-")) for line in lines), len(lines)
        ),
        "dclm_ellipsis_line_frac": share(
            sum(line.endswith(("...", ". . .", "…")) for line in lines), len(lines)
        ),
        "dclm_alpha_word_frac": share(
            sum(any(char.isalpha() for char in chunk) for chunk in chunks), len(chunks)
        ),
        "dclm_stop_words": sum(chunk.lower() in STOPS for chunk in chunks),
        "dclm_dup_line_frac": share(sum(n for n in copies.values() if n > 1), len(lines)),
        "dclm_dup_para_frac": share(sum(n for n in blocks.values() if n > 1), len(parts)),
        "dclm_dup_line_char_frac": share(
            sum(n * len(line) for line, n in copies.items() if n > 1), sum(map(len, lines))
        ),
        "dclm_dup_para_char_frac": share(
            sum(n * len(part) for part, n in blocks.items() if n > 1), sum(map(len, parts))
        ),
    }


def reason_of_line(line):
    if sum(char.isupper() for char in line) / len(line) > 0.5:
        return "uppercase"
    if all(char.isdigit() for char in line):
        return "numeric"
    if COUNTER.search(line.lower()):
        return "counter"
    return "one_word" if len(line.split()) < 2 else None


@given(web_texts)
def test_dclm_features_by_their_definition(text):
    found = features([text]).to_pylist()[0]
    for name, value in dclm_by_definition(text).items():
        assert found[name] == value, name


@pytest.mark.parametrize("text", [*odd_texts(), *scrambled_texts(40)])
def test_dclm_features_of_odd_texts(text):
    found = features([text]).to_pylist()[0]
    for name, value in dclm_by_definition(text).items():
        assert found[name] == value, name


@given(web_texts)
def test_line_corrections_by_their_definition(text):
    found = features([text], spans="refinedweb").to_pylist()[0]
    reasons = Counter(reason_of_line(line) for line in text.split("\n") if line)
    for reason in ("uppercase", "numeric", "counter", "one_word"):
        assert found[f"refinedweb_lines_{reason}"] == reasons[reason]
    spans = found["refinedweb_spans"]
    edges = [edge for span in spans for edge in (span["start"], span["end"])]
    assert edges == sorted(edges) and all(0 <= edge <= len(text.encode()) for edge in edges)
    whole = [span for span in spans if span["reason"] != "phrase"]
    assert [span["reason"] for span in whole] == [
        reason for line in text.split("\n") if line and (reason := reason_of_line(line))
    ]
    assert (found["refinedweb_removed_word_frac"] > 0) <= bool(spans)


def test_line_corrections_cut_phrases():
    text = "\n".join(
        [
            "Sign-in to see the price of it",
            "There are 3 items in cart for you",
            "Items in cart",
            "The story of the year Read more...",
            "This line of more than ten words stays although there are items in cart, see.",
            "12 likes",
            "MENU AND MORE",
            "2024",
            "Word",
            "A plain line stays as it is.",
        ]
    )
    batch = features([text], spans="refinedweb")
    found = batch.to_pylist()[0]
    assert cut_spans([text], batch.column("refinedweb_spans")).to_pylist() == [
        "to see the price of it\nThere are 3 for you\nThe story of the year\n"
        "This line of more than ten words stays although there are items in cart, see.\n"
        "A plain line stays as it is."
    ]
    assert found["refinedweb_lines_phrase"] == 4
    # Sign-in, items in cart, twice, Read more..., and 7 words of the lines that go.
    assert found["refinedweb_removed_word_frac"] == (1 + 3 + 3 + 2 + 7) / found["dclm_n_words"]


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=30), max_size=4),
    st.integers(2, 10),
)
def test_repeated_ngrams_by_their_definition(batch, last):
    sizes = np.array([1, 2, 3, 5], np.int32)
    words = [word for text in batch for word in text]
    hashes = np.array([word * 0x1E3779B97F4A7C15 + 1 for word in words], np.uint64)
    found = repeats(np.array(list(map(len, batch)), np.int64), hashes, sizes[words], last)
    for k, text in enumerate(batch):
        for n in range(2, last + 1):
            grams = [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]
            counted = Counter(grams)
            if not grams:
                assert found.times[k, n - 2] == 0
                continue
            often = max(counted.values())
            best = [gram for gram in counted if counted[gram] == often]
            chars = [sum(int(sizes[word]) for word in gram) for gram in best]
            inside = {i + j for i, gram in enumerate(grams) if counted[gram] > 1 for j in range(n)}
            assert found.times[k, n - 2] == often
            assert found.first[k, n - 2] == chars[0]
            if often > 1:
                assert found.longest[k, n - 2] == max(chars)
            assert found.covered[k, n - 2] == sum(int(sizes[text[i]]) for i in inside)


def sentences_of(text):
    return [part for part in re.split(r"[.!?]+\s+", text) if part.strip()]


@given(web_texts)
def test_sentences_by_their_definition(text):
    found = features([text]).to_pylist()[0]
    parts = sentences_of(text)
    odd = [part for part in parts if not 20 <= len(part) <= 500]
    technical = [
        part for part in parts if 5 * sum(c in "0123456789{}+/()>" for c in part) > len(part)
    ]
    assert found["madlad_sentences"] == len(parts)
    assert found["madlad_odd_length_frac"] == share(len(odd), len(parts))
    assert found["madlad_technical_frac"] == share(len(technical), len(parts))


@pytest.mark.parametrize(
    ("sentence", "list_case", "cursed"),
    [
        ("A plain sentence of the common kind, which says nothing in particular", 0, 0),
        ("Here Are Far Too Many Capital Letters In One Single Sentence Of Text", 1, 0),
        ("Here Are Too Many Capital Letters", 0, 0),
        ("They let you download the whole thing from here", 0, 1),
        ("A page of mp3 files and of other things besides", 0, 1),
        ("Follow us on Facebook and on other such places", 0, 1),
        ("It ends in a bar like the cells of a table |", 0, 1),
        ("lorem or Lorem ipsum dolor sit amet and so on", 0, 1),
        ("One has a b c d e f g h i j k l m n o p letters", 0, 1),
        ("the old man and the sea and the sky are his own", 0, 1),
        ("A list of aa, bb, cc, dd, ee codes of two letters", 0, 1),
        ("He wrote it in Vol. 3 of his collected works", 0, 1),
        ("See the paper nr", 0, 1),
        ("He bought 黄色电影 somewhere in the city of his", 0, 1),
    ],
)
def test_questionable_sentences(sentence, list_case, cursed):
    text = f"{sentence}. And here a second sentence follows, of a good length."
    found = features([text]).to_pylist()[0]
    total = found["madlad_sentences"]
    assert round(found["madlad_list_case_frac"] * total) == list_case
    assert round(found["madlad_cursed_frac"] * total) == cursed


def test_stop_words_are_those_of_the_language():
    texts = ["der und die das Haus", "the house of the man and", "的 房子 是 在", "xx"]
    found = features(texts, languages=["de", "en", "zh", "xx"]).to_pylist()
    assert [row["stop_words"] for row in found] == [4, 3, 3, None]
    assert len(STOP_WORDS) >= 30
    for words in STOP_WORDS.values():
        assert 5 <= len(words) == len(set(words)) <= 64
    assert found[2]["n_words"] == 5  # by character: the language is written without spaces
    assert features([texts[2]]).to_pylist()[0]["n_words"] == 4
    with pytest.raises(ValueError, match="1 texts but 2 languages"):
        features(["a"], languages=["de", "en"])


def test_fineweb2_judges_as_datatrove_does():
    code = "de"
    rules = {
        (rule.feature, "min" if rule.max is None else "max"): rule
        for rule in load_preset("fineweb2").rules
        if rule.language == code
    }

    def bound(feature, side):
        return getattr(rules[(feature, side)], side)

    def top(kind, sizes):
        return [(n, bound(f"gopher_{kind}_{n}gram_char_frac", "max")) for n in sizes]

    oracles = [
        GopherRepetitionFilter(
            dup_para_frac=0,
            dup_line_char_frac=0,
            dup_para_char_frac=0,
            dup_line_frac=bound("gopher_dup_line_frac", "max"),
            top_n_grams=top("top", (2, 3, 4)),
            dup_n_grams=top("dup", range(5, 11)),
        ),
        FineWebQualityFilter(
            short_line_thr=999,
            char_duplicates_ratio=0.1,
            line_punct_thr=bound("fineweb_line_punct_frac", "min"),
            new_line_ratio=bound("fineweb_newline_word_ratio", "max"),
        ),
        GopherQualityFilter(
            max_avg_word_length=bound("gopher_mean_word_length", "max"),
            min_avg_word_length=bound("gopher_mean_word_length", "min"),
            stop_words=list(STOP_WORDS[code]),
            max_non_alpha_words_ratio=bound("gopher_alpha_word_frac", "min"),
        ),
    ]
    german = "Das ist der Text und die Zeile von dem Haus, das auf dem Berg steht. "
    texts = [
        *odd_texts(),
        *scrambled_texts(60),
        german * 8,
        "\n".join(f"{german} Nummer {k} und noch eine." for k in range(12)),
        *(prose(size) + " der die und" for size in (40, 60, 200)),
    ]
    theirs = []
    for text in texts:
        reason = None
        for oracle in oracles:
            result = oracle.filter(Document(text=text, id=""))
            if result is not True:
                reason = "fineweb2:" + result[1].removeprefix("gopher_")
                break
        theirs.append(reason)
    table = features(texts, words="spacy", languages=[code] * len(texts))
    table = table.append_column("language", np.array([code] * len(texts)))
    assert judge(table, [load_preset("fineweb2")]).to_pylist() == theirs
    assert len(set(theirs)) > 5
