"""What YAML files of fields have in common: strict models, names, and how they are read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalogs import storage
from catalogs.errors import UserError, explain_validation, nearest

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_yaml(path: str) -> dict[str, Any]:
    """Read a YAML mapping; a missing or malformed file is a `UserError` that names the line."""
    try:
        data = yaml.safe_load(storage.read_text(path))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file (expected YAML)") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, expected a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UserError(f"{path}: {where}{getattr(error, 'problem', error)}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected a mapping of fields, got {type(data).__name__}")
    return data


def validated(model: type[Model], data: dict[str, Any], path: str) -> Model:
    """The model of a file's fields; wrong ones are a `UserError` of one line each."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UserError(explain_validation(path, error, model)) from None


def one_of(name: str, valid: Collection[str]) -> str:
    """The name, for validators of fields that name something registered."""
    if name not in valid:
        hint = nearest(name, valid) or f" (valid: {', '.join(sorted(valid))})"
        raise ValueError(f"expected the name of something registered, got '{name}'{hint}")
    return name
