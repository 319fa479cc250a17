"""Errors that a user can mend, and how they are told: one line that names file, field and mend."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError


class UserError(Exception):
    """A mistake the user can mend. The message is one clear line; never shown as a traceback."""


class DamageError(Exception):
    """Committed files disagree with the ledger: a shard is missing, changed or does not sum up."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest valid name, or ``""`` when none is near."""
    match = difflib.get_close_matches(str(name), sorted(valid), n=1, cutoff=0.5)
    return f" (did you mean '{match[0]}'?)" if match else ""


def explain_validation(path: str, error: ValidationError, model: type[BaseModel]) -> str:
    """Turn a pydantic error into one line per wrong field.

    Parameters
    ----------
    path
        The file the user wrote, as it should be named to them.
    error
        What pydantic raised while validating that file.
    model
        The root model, used to look up the valid names at the place of an unknown field.

    Returns
    -------
    str
        ``FILE: field 'a.b': what was expected, got VALUE (did you mean 'c'?)``
    """
    lines = []
    for item in error.errors(include_url=False):
        loc = [part for part in item["loc"] if not _is_union_tag(part)]
        field = ".".join(str(part) for part in loc) or "(whole file)"
        if item["type"] == "extra_forbidden":
            valid = _field_names(model, loc[:-1])
            hint = nearest(loc[-1], valid) or f" (valid: {', '.join(sorted(valid))})"
            lines.append(f"{path}: field '{field}' is unknown{hint}")
        elif item["type"] == "missing":
            lines.append(f"{path}: field '{field}' is missing")
        else:
            expected = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
            got = "" if item["type"] == "value_error" else f", got {_short(item.get('input'))}"
            lines.append(f"{path}: field '{field}': {expected}{got}")
    return "\n".join(dict.fromkeys(lines))


def _is_union_tag(part: object) -> bool:
    # pydantic puts the tried member of a union into the location: 'list[str]', 'function-…'
    return isinstance(part, str) and ("[" in part or part.startswith("function-"))


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _field_names(annotation: object, loc: list) -> set[str]:
    for part in loc:
        annotation = _step(annotation, part)
    names: set[str] = set()
    for candidate in _alternatives(annotation):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            names |= {f.alias or name for name, f in candidate.model_fields.items()}
    return names


def _step(annotation: object, part: object) -> object:
    for candidate in _alternatives(annotation):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            for name, field in candidate.model_fields.items():
                if part in (name, field.alias):
                    return field.annotation
        args = typing.get_args(candidate)
        if args:
            return args[-1]
    return None


def _alternatives(annotation: object) -> tuple:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)
