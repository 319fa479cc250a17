"""Options that the verbs of `corpusmill classifier` share."""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer

from catalogs.errors import UserError
from corpusmill.terminal import errors

MODELS = "models"
SPEC = "SQL, 'RUN: SQL', a run folder, or files (.txt a text a line, .jsonl, .parquet)"

Model = Annotated[
    str, typer.Argument(help="Model file or its folder, or transformers:ID@REVISION.")
]
Name = Annotated[str, typer.Option(help="Name of the model.")]
AskedRun = Annotated[str | None, typer.Option(help="Run that SQL is asked of.", metavar="RUN")]
Out = Annotated[str, typer.Option(help="Folder that the model's folder is made in.")]
TextColumn = Annotated[str, typer.Option(help="Column or field of the texts.")]
WholeFiles = Annotated[
    bool, typer.Option("--whole-files", help="A .txt file is one text, not one a line.")
]
FirstChars = Annotated[
    int, typer.Option(min=0, help="Characters of each text that count; 0 for all.")
]
Label = Annotated[str | None, typer.Option(help="Label whose probability is the score.")]
Samples = Annotated[int, typer.Option(min=0, max=100, help="Texts shown at each place.")]
Seed = Annotated[int, typer.Option(help="What is drawn by chance is drawn with it.")]
PageOut = Annotated[
    str | None, typer.Option(help="Where the page goes; default RUN/reports/scores-NAME.html.")
]


def check_name(name: str) -> None:
    """Refuse what is no name of a score.

    Raises
    ------
    UserError
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UserError(f"--name {name}: letters, digits, '_' and '-' only, at most 64")


def name_of(model: str) -> str:
    """What a model without a card is called, by its path."""
    return os.path.basename(model.rstrip("/")).partition("@")[0].split(".")[0]


def say(line: str) -> None:
    """Tell a step of long work."""
    errors.print(line, markup=False, highlight=False)
