"""Evaluation items in texts: what is found, what is not, and where."""

import random
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.arrow import texts_of
from filters.contamination import Contamination, Rules
from filters.contamination_words import words_of
from filters.eval_items import Item, item_of
from pipeline.scrub import apply, edits
from tests.inputs import prose

ITEMS = [
    Item(
        "gym",
        "ropes",
        "A climber ties seven ropes of eleven metres end to end and loses forty centimetres in "
        "every knot. How long is the rope that she lowers into the gorge?",
        "Six knots cost 2.4 metres, so the rope is 77 - 2.4 = 74.6 metres long.",
    ),
    Item("gym", "capital", "Which Baltic harbour exported the most amber in 1487?", "Danzig"),
    Item(
        "gym",
        "cat",
        "What colour was she?",
        "ginger",
        "Behind the foundry lived a cat called Marzipan. She was ginger, slept in a bucket and "
        "caught no mice, because the smiths fed her herrings from a tin plate every evening.",
    ),
    Item("quiz", "same", "Which Baltic harbour exported the most amber in 1487?", "Danzig"),
    Item("quiz", "short", "Why is that?", "no reason"),
]
MATCHER = Contamination.of(ITEMS)


def found(text: str, matcher: Contamination = MATCHER) -> dict:
    """Parts found of each item, with the text of their spans."""
    data = text.encode()
    matches = matcher.tag([text]).to_pylist()[0]
    return {
        (m["benchmark"], m["item"], m["part"]): data[m["start"] : m["end"]].decode()
        for m in matches
    }


def edited(text: str, share: float, seed: int) -> str:
    rng = random.Random(seed)
    words = text.split()
    for at in rng.sample(range(len(words)), round(share * len(words))):
        words[at] = rng.choice(["", "wombat", f"{words[at]} indeed", "quite"])
    return " ".join(word for word in words if word)


def oracle(text: str) -> list[str]:
    """Letters, digits and the marks on them, one word each in scripts without spaces."""
    unspaced = r"[\u3041-\u3096\u4e00-\u9fff]"
    words: list[str] = []
    begin = None
    for at, char in enumerate([*text, " "]):
        mark = unicodedata.category(char)[0] == "M"
        inside = char.isalnum() or (mark and begin is not None)
        if begin is not None and (
            not inside
            or (not mark and (re.match(unspaced, char) or re.match(unspaced, text[begin])))
        ):
            words.append(text[begin:at])
            begin = None
        if inside and begin is None:
            begin = at
    return words


@given(
    st.lists(st.text(st.sampled_from("ab zÉ9éß.,'-\n日本あ語\u0301“…_"), max_size=40), max_size=4)
)
def test_words_are_runs_of_letters_and_digits(texts):
    words = words_of(texts_of(texts))
    for at, text in enumerate(texts):
        own = slice(words.offsets[at], words.offsets[at + 1])
        data = text.encode()
        cut = [data[a:b].decode() for a, b in zip(words.starts[own], words.ends[own], strict=True)]
        assert cut == oracle(text)


@given(st.text(max_size=60))
def test_case_makes_no_difference(text):
    plain = "".join(char for char in text if len(char.lower()) == len(char.upper().lower()) == 1)
    upper = "".join(
        char.upper() if char.upper().lower() == char.lower() else char for char in plain
    )
    both = words_of(texts_of([plain, upper]))
    half = both.offsets[1]
    assert np.array_equal(both.hashes[:half], both.hashes[half:])


def test_a_verbatim_item_is_found_with_its_answer():
    item = ITEMS[0]
    text = f"{prose(1)}\n{item.question}\n{item.answer}\n{prose(2)}"
    parts = found(text)
    assert parts[("gym", "ropes", "question")] == item.question.rstrip("?")
    assert parts[("gym", "ropes", "answer")] == item.answer.rstrip(".")
    assert {name[1] for name in parts} == {"ropes"}


def test_case_markup_and_line_breaks_do_not_hide_an_item():
    words = ITEMS[0].question.upper().split()
    text = f"{prose(3)}\n> **{' '.join(words[:9])}**\n> " + "\n> ".join(words[9:])
    assert ("gym", "ropes", "question") in found(text)


FORMS = {
    "full width": lambda text: re.sub(r"[!-~]", lambda m: chr(ord(m[0]) + 0xFEE0), text),
    "accents apart": lambda text: unicodedata.normalize("NFD", text.replace("e", "é")),
    "accents": lambda text: text.replace("o", "ö"),
    "ligatures": lambda text: text.replace("fo", "ﬀo").replace("fl", "ﬂ"),
    "soft hyphens": lambda text: re.sub(r"(\w{3})(\w{3})", "\\1\u00ad\\2", text),
    "smart quotes": lambda text: f"“{text}”".replace("'", "’"),
    "mathematical letters": lambda text: text.replace("a", "𝑎").replace("e", "𝐞"),
    "no punctuation": lambda text: re.sub(r"[^\w\s]", " ", text),
    "table": lambda text: "| " + " | ".join(text.split()) + " |",
    "numbered lines": lambda text: "\n".join(
        f"{n}. **{part}**" for n, part in enumerate(re.findall(r"(?:\S+\s*){1,7}", text), 1)
    ),
    "hyphens at line ends": lambda text: text.replace("centimetres", "centi-\nmetres"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_way_it_is_written_does_not_hide_an_item(form):
    text = f"{prose(6)}\n{FORMS[form](ITEMS[0].question)}\n{prose(7)}"
    assert ("gym", "ropes", "question") in found(text)


def test_words_are_the_same_however_they_are_composed():
    forms = ["Ｑｕｅｓｔｉｏｎ ﬁre naïve x² H₂ ﻻ", "question fire naive x 2 H 2 لا"]
    words = words_of(texts_of([*forms, "한국어", unicodedata.normalize("NFD", "한국어")]))
    first, second, third, fourth = (
        words.hashes[a:b].tolist() for a, b in zip(words.offsets, words.offsets[1:], strict=False)
    )
    assert first == second and third == fourth


def test_choices_in_any_order_stand_between_question_and_answer():
    question, answer = ITEMS[1].question, ITEMS[1].answer
    text = f"{prose(1)}\n{question}\n(A) Riga\n(B) Memel\n(C) {answer}\n(D) Reval\n{prose(2)}"
    assert found(text)[("gym", "capital", "answer")] == "Danzig"


def test_an_item_in_a_long_text_and_many_in_one():
    text = "\n".join(prose(n) for n in range(200))
    assert len(text) > 100_000
    middle = len(text) // 2
    text = f"{text[:middle]}\n{ITEMS[0].question}\n{text[middle:]}\n{ITEMS[1].question}\n"
    assert {name[1] for name in found(text)} == {"ropes", "capital", "same"}


NAMES = [
    Item("trivia", "play", "Who wrote The Comedy of the Seven Millers?", "Ambrose Quill"),
    Item("trivia", "peak", "Which is the highest mountain in Westmark County?", "Grimhorn"),
    Item("rows", "days", "Mon Tue Wed", "Thu"),
    Item("rows", "greek", "alpha beta gamma alpha beta", "gamma"),
    Item("sums", "one", "Calculate 54 + 43 =", "97"),
    Item(
        "howto", "lamp", "Cleaning lamps", "Wipe the cold chimney with vinegar and old newspaper."
    ),
    Item(
        "howto", "knife", "Sharpen blunt knives.", "Draw the blade along a wet stone, edge first."
    ),
]
NAMED = Contamination.of(NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "Ambrose Quill became known for The Comedy of the Seven Millers, his third play.",
        "Works\nThe Comedy of the Seven Millers\nAmbrose Quill",
        "Grimhorn is the highest mountain in Westmark County.",
        "days = [mon, tue, wed, thu, fri]",
        "alpha beta gamma alpha beta gamma",
        "54 43 97\n55 44 99",
        "Sharpen blunt knives. Then cut the bread.",
    ],
)
def test_names_statements_and_sequences_are_no_questions(text):
    assert not found(f"{prose(8)}\n{text}\n{prose(9)}", NAMED)


def test_questions_with_a_name_are_found_even_with_their_beginning_edited():
    assert found(f"{prose(8)}\nSay wrote The Comedy of the Seven Millers?\n", NAMED)
    assert found(f"{prose(8)}\nWhich was the highest mountain in Westmark County?\n", NAMED)


def test_short_questions_are_found_with_the_long_answer_that_follows():
    assert NAMED.told().tolist() == [True, True, False, False, False, True, True]
    assert NAMED.told(alone=True).tolist() == [True, True, False, False, False, False, False]
    for item in NAMES[-2:]:
        text = f"{prose(3)}\n{item.question}\n{item.answer}\n{prose(4)}"
        assert {name[1] for name in found(text, NAMED)} == {item.item}


UNSPACED = [
    Item("zh", "mill", "磨坊主每天用河水磨多少公斤小麦才能养活全镇的人？", "三百公斤"),
    Item("ja", "bridge", "洪水で流された古い橋はどの大工が何年かけて直しましたか。", "佐吉が三年"),
    Item("th", "boat", "ชาวประมงต้องพายเรือกี่ชั่วโมงจึงจะถึงเกาะที่มีประภาคารเก่า", "สี่ชั่วโมง"),
]


def test_scripts_without_spaces_are_matched_character_by_character():
    matcher = Contamination.of(UNSPACED)
    assert matcher.told(alone=True).all()
    for item in UNSPACED:
        half = len(item.question) // 2
        edited_text = item.question[: half - 1] + item.question[half:]
        for text in (item.question, edited_text, "\n".join(re.findall(".{1,9}", item.question))):
            assert {m["item"] for m in matcher.tag([f"{text}\n"]).to_pylist()[0]} == {item.item}
    others = [
        "磨坊主的女儿每天早上走路去学校。",
        "古い橋のそばに大工の家がありました。",
        "ชาวประมงกลับบ้านตอนเย็น",
    ]
    assert not any(matcher.tag(others).to_pylist())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("😀 前。\n{}。\n后 😀", "😀 前。\n\n后 😀"),
        ("😀 a.\n**{}**\nb", "😀 a.\n**\nb"),
    ],
)
def test_cuts_take_the_punctuation_behind_them(text, left):
    item = UNSPACED[0] if "前" in text else ITEMS[0]
    matcher = Contamination.of([item])
    data = text.format(item.question).encode()
    result = edits(data, None, matcher.tag([data.decode()]).to_pylist()[0], None)
    assert apply(data, result).decode() == left
    assert result.cut == len(data) - len(left.encode())


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_edited_items_are_found(share):
    texts = [
        f"{prose(n)}\n{edited(ITEMS[0].question, share, n)}\n{prose(n + 1)}" for n in range(40)
    ]
    hits = [bool(row) for row in MATCHER.tag(texts).to_pylist()]
    assert sum(hits) >= (36 if share == 0.2 else 39)


def test_short_answers_count_only_close_by():
    question = ITEMS[1].question
    near = found(f"{prose(1)} {question} Many think of Riga, but it was Danzig. {prose(2)}")
    assert near[("gym", "capital", "answer")] == "Danzig"
    assert ("quiz", "same", "answer") in near
    far = found(f"{question} {prose(2)} Danzig")
    assert ("gym", "capital", "question") in far and ("gym", "capital", "answer") not in far


def test_a_question_too_short_alone_is_found_after_its_passage():
    cat = ITEMS[2]
    parts = found(f"{prose(4)}\n{cat.passage}\n{cat.question} {cat.answer}\n{prose(5)}")
    assert parts[("gym", "cat", "passage")].startswith("Behind the foundry")
    assert parts[("gym", "cat", "question")] == "What colour was she"
    assert not found(f"{prose(4)}\n{cat.question} {cat.answer}\n{prose(5)}")
    assert not found(f"{prose(4)}\n{cat.passage}\n{prose(5)}")  # prose alone is no benchmark


def test_what_a_passage_says_is_no_question_about_it():
    passage = ITEMS[2].passage
    items = [
        Item("read", "where", "Where did she sleep?", "in a bucket", passage),
        Item("read", "sleep", "She slept in a bucket and caught what?", "no mice", passage),
        Item("read", "why", "Why?", "because the smiths fed her herrings", passage),
    ]
    matcher = Contamination.of(items)
    assert not found(f"{prose(4)}\n{passage}\n{prose(5)}", matcher)
    asked = found(f"{prose(4)}\n{passage}\n{items[0].question} {items[0].answer}", matcher)
    assert {name[1] for name in asked} == {"where"}


def test_clean_text_and_near_misses_are_left_alone():
    texts = [prose(n) for n in range(200)]
    texts += ["Which Baltic harbour had the most ferries in 1987?", "Why is that? No reason."]
    texts += ["Seven ropes of eleven metres hang in the gym.", "", " ", "…"]
    assert not any(MATCHER.tag(texts).to_pylist())


def test_every_copy_of_an_item_is_found():
    item = ITEMS[1]
    text = f"{item.question} Danzig. {prose(1)} {item.question} Danzig. {prose(2)} {item.question}"
    matches = [m for m in MATCHER.tag([text]).to_pylist()[0] if m["item"] == "capital"]
    assert [m["part"] for m in matches] == ["question", "answer", "question", "answer", "question"]


def test_which_items_can_be_told():
    assert MATCHER.told().tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("count", [1, 5])
def test_an_index_without_a_seed_finds_nothing(count):
    matcher = Contamination.of([Item("quiz", str(n), "Why is that?") for n in range(count)])
    assert matcher.tag([ITEMS[0].question, prose(1), ""]).to_pylist() == [[], [], []]


def test_the_threshold_decides():
    text = edited(ITEMS[0].question, 0.25, 7)
    strict = Contamination(MATCHER.index, MATCHER.names, Rules(threshold=0.99))
    assert found(text) and not found(text, strict)


@given(st.integers(0, 10_000), st.integers(0, 3))
def test_spans_are_ascending_words_of_the_text(seed, count):
    rng = random.Random(seed)
    parts = [prose(seed, 4)]
    for _ in range(count):
        item = rng.choice(ITEMS)
        whole = " ".join((item.passage, item.question, item.answer))
        parts += [edited(whole, rng.choice([0, 0.1, 0.3]), seed), prose(seed + 1, 3)]
    text = "é — ".join(parts)
    data = text.encode()
    matches = MATCHER.tag([text]).to_pylist()[0]
    assert matches == sorted(matches, key=lambda m: (m["start"], m["end"]))
    for match in matches:
        assert 0 <= match["start"] < match["end"] <= len(data)
        assert 0 < match["score"] <= 1
        span = data[match["start"] : match["end"]].decode()
        assert span[0].isalnum() and span[-1].isalnum()


def test_an_index_from_a_file_says_the_same_and_has_equal_bytes(tmp_path):
    text = f"{prose(1)} {ITEMS[0].question} {prose(2)}"
    for name in ("a", "b"):
        Contamination.of(ITEMS).save(str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    opened = Contamination.open(str(tmp_path / "a"))
    assert opened.tag([text]).equals(MATCHER.tag([text]))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"question": "Q?", "answer": "A", "passage": "P"}, ("Q?", "A", "P")),
        ({"question": "Q?", "choices": ["x", "y"], "answer": 1}, ("Q?", "y", "")),
        (
            {
                "question": "Q?",
                "choices": {"text": ["x", "y"], "label": ["A", "B"]},
                "answerKey": "B",
            },
            ("Q?", "y", ""),
        ),
        (
            {
                "query": "Title -- About.\nQuestion: Is it?\nAnswer:",
                "choices": ["yes", "no"],
                "gold": 0,
            },
            ("Is it?", "yes", "Title -- About."),
        ),
        ({"question": "Q?\n A. x\n B. y\nAnswer:", "gold": 0}, ("Q?", "", "")),
        ({"problem": "P", "solution": "S"}, ("P", "S", "")),
        ({"question": "Q?", "answer": {"value": "V", "aliases": ["W"]}}, ("Q?", "V", "")),
        ({"question": "Q?", "answers": [["first"], ["second"]]}, ("Q?", "first", "")),
        ({"context": "Only a passage."}, ("Only a passage.", "", "")),
        ({"question": "Q?", "answer": False}, ("Q?", "", "")),
    ],
)
def test_records_of_benchmarks_are_understood(record, expected):
    assert item_of(record, "b", 3)[2:] == expected


def test_named_fields_are_taken_as_they_are():
    item = item_of(
        {"frage": "Q", "text": "no", "nr": 7}, "b", 0, {"question": "frage", "item": "nr"}
    )
    assert item == Item("b", "7", "Q", "", "")
    with pytest.raises(ValueError, match="no field 'frage'"):
        item_of({"text": "no"}, "b", 0, {"question": "frage"})
