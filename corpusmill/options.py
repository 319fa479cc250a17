"""Options that several verbs share, and how counts are read."""

from __future__ import annotations

from typing import Annotated

import typer

from catalogs.errors import UserError

Workers = Annotated[int | None, typer.Option(min=1, help="Jobs at once; default all CPUs.")]
Address = Annotated[
    str | None, typer.Option(help="Ray cluster to join; default RAY_ADDRESS, else local.")
]


def parse_tokens(option: str, text: str) -> int:
    """A number of tokens such as 2B, at least one; `option` is named where it is none."""
    from mixing.study_file import parse_count

    try:
        count = parse_count(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None
    if count < 1:
        raise UserError(f"{option}: expected at least one token, got {text}")
    return count
