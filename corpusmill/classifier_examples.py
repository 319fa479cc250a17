"""Examples to train on, from the options of a command; and what a card says of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from catalogs.errors import UserError
from pipeline.classifier_model import NEGATIVE, POSITIVE
from pipeline.examples import Columns, Examples, collect, read_examples

Specs = list[str] | None


def labelled(
    positive: Specs,
    negative: Specs,
    examples: Specs,
    columns: Columns,
    run: str | None,
    numbers: bool = False,
) -> tuple[Examples, dict[str, Any]]:
    """Texts with their labels, or `numbers`; and the card's fields about them.

    Raises
    ------
    UserError
        When the options do not say what to learn from, or what they name cannot be read.
    """
    limit = columns.limit
    if examples and (positive or negative):
        raise UserError("--examples stands alone: give it, or --positive and --negative")
    if examples:
        if columns.label is None:
            raise UserError("--examples needs --label-column or --target-column")
        rows = read_examples(examples, columns, run, "--examples")
        if numbers:
            found = collect(_numbers(rows, columns.label), limit, False)
        else:
            found = collect(((text, str(label)) for text, label in rows), limit)
        return found, _about(found, {"all": examples}, columns)
    if not positive or not negative:
        raise UserError(
            "give --positive and --negative, or --examples and --label-column: what to learn from"
        )
    sides = {POSITIVE: positive, NEGATIVE: negative}
    plain = replace(columns, label=None)

    def both() -> Iterator[tuple[str, str]]:
        for label, specs in sides.items():
            for text, _ in read_examples(specs, plain, run, f"--{label}"):
                yield text, label

    found = collect(both(), limit, keep_first=True)
    return found, _about(found, sides, columns)


def _numbers(rows: Iterable[tuple[str, Any]], column: str) -> Iterator[tuple[str, float]]:
    for text, value in rows:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise UserError(f"--target-column {column}: {value!r} is no number") from None
        if math.isfinite(number):
            yield text, number


def _about(found: Examples, origin: dict[str, list[str]], columns: Columns) -> dict[str, Any]:
    return {
        "from": {label: list(specs) for label, specs in origin.items()},
        "left_out": {
            "repeated": found.repeated,
            "conflicting": found.conflicting,
            "beyond_limit": found.left_out,
            "empty": found.empty,
        },
        "first_chars": columns.first_chars,
    }
