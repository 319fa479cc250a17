"""Items of evaluation sets: question, answer and passage from the records that benchmarks use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

MATCHES = pa.list_(
    pa.struct(
        [
            ("benchmark", pa.string()),
            ("item", pa.string()),
            ("part", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("score", pa.float32()),
        ]
    )
)
"""Parts of items in one text: byte offsets into its UTF-8, end exclusive, ascending; the score is
that of the item, the same for all its parts."""

QUESTION = (
    *("premise", "question", "problem", "goal", "text", "sentence", "prompt", "instruction"),
    *("input", "question_stem", "ctx", "query", "sentence1"),
)
ANSWER = (
    *("answers", "answer_text", "answers_text", "ideal", "correct_answer", "solution", "response"),
    *("canonical_solution", "code", "target", "output", "answer", "hypothesis", "sentence2"),
)
PASSAGE = ("passage", "context", "support", "story", "protocol", "background", "article")
CHOICES = ("choices", "options", "endings")
CORRECT = ("gold", "label", "answer_idx", "answerKey", "cop", "answer")
IDENTITY = ("id", "task_id", "query_id", "question_id", "native_id", "index", "ind", "idx")
BENCHMARK = ("benchmark", "eval_key", "task_name")
_BEFORE = re.compile(r"(?:^|\n)\s*(?:Question|Q|Problem|Goal|Fill in the blank)\s*:\s*")
_HEAD = re.compile(r"^\s*(?:Passage|Context|Background|Title|Category|Story)\s*:\s*", re.M)
_TAIL = re.compile(r"\n\s*(?:Answer|A|Solution)\s*:?\s*$")
_OPTIONS = re.compile(r"(?:\n\s*[A-J][.)] [^\n]*){2,}\s*$")


class Item(NamedTuple):
    """One item of an evaluation set; parts that it lacks are empty."""

    benchmark: str
    item: str
    question: str
    answer: str = ""
    passage: str = ""


def item_of(
    record: Mapping[str, Any], benchmark: str, number: int, fields: Mapping[str, str] | None = None
) -> Item:
    """An item from a record of an evaluation set.

    Parameters
    ----------
    record
        Fields by name, as the record has them.
    benchmark, number
        Name of the set, and of the item where the record has none.
    fields
        Which field holds ``question``, ``answer``, ``passage``, ``item``, ``benchmark``. What is
        not named here is looked for under the names that benchmarks use (the tuples above); the
        answer may also be the number or letter of one of several choices.

    Raises
    ------
    ValueError
        When a field that is named is not in the record.
    """
    fields = fields or {}
    for name in fields.values():
        if name not in record:
            raise ValueError(f"no field '{name}' (fields: {', '.join(record)})")
    question = _named(record, fields, "question", QUESTION)
    passage = _named(record, fields, "passage", PASSAGE)
    if "question" not in fields:
        before, question = _split_prompt(question)
        passage = passage or before
    if "answer" in fields:
        answer = _text(record[fields["answer"]])
    else:
        answer = _chosen(record) or _first(record, ANSWER)
    if not question:
        question, passage = passage, ""
    name = _named(record, fields, "item", IDENTITY) or str(number)
    own = _named(record, fields, "benchmark", BENCHMARK) or benchmark
    return Item(own, name, question, answer, passage)


def _named(
    record: Mapping[str, Any], fields: Mapping[str, str], part: str, names: tuple[str, ...]
) -> str:
    return _text(record[fields[part]]) if part in fields else _first(record, names)


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        if text := _text(record.get(name)):
            return text
    return ""


def _text(value: Any) -> str:
    """The text of a field; of several answers the first, of a mapping its value or text."""
    while isinstance(value, list | tuple | dict):
        if isinstance(value, dict):
            value = value.get("value", value.get("text"))
        else:
            value = value[0] if value else None
    return "" if value is None or isinstance(value, bool) else str(value).strip()


def _split_prompt(text: str) -> tuple[str, str]:
    """What stands before the question of a prompt, and the question without options and cue."""
    text = _OPTIONS.sub("", _TAIL.sub("", text))
    places = list(_BEFORE.finditer(text))
    if not places:
        return "", _HEAD.sub("", text).strip()
    last = places[-1]
    return _HEAD.sub("", text[: last.start()]).strip(), text[last.end() :].strip()


def _chosen(record: Mapping[str, Any]) -> str:
    """The right one of several choices, as its number or its letter tells; empty if unclear."""
    choices = next((record[name] for name in CHOICES if record.get(name)), None)
    letters: list[str] = []
    if isinstance(choices, dict):  # {"text": [...], "label": [...]}
        letters = [str(label) for label in choices.get("label", ())]
        choices = choices.get("text")
    if not isinstance(choices, list | tuple):
        names = [
            name for name in record if re.fullmatch(r"(?:choice|sol|option)\d|answer[A-E]", name)
        ]
        choices = [record[name] for name in names]
    if not choices:
        return ""
    key = next((record[name] for name in CORRECT if record.get(name) is not None), None)
    key = str(key)
    if key in letters:
        place = letters.index(key)
    elif key.isdigit():
        place = int(key)
    elif re.fullmatch(r"[A-J]", key):
        place = ord(key) - ord("A")
    else:
        return _text(choices[0]) if len(choices) == 1 else ""
    return _text(choices[place]) if place < len(choices) else ""
