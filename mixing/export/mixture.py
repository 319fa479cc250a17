"""The mixture file: domains, their shares of training tokens, and what may be repeated."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from catalogs import storage
from catalogs.errors import UserError, nearest
from mixing.study_file import Count, load_study
from pipeline.config import Name, Strict, load_yaml, validated

if TYPE_CHECKING:
    from mixing.study_file import Study

FILE_NAME = "mixture.json"
_TOLERANCE = 1e-3
# of a study's answer, which says more than an export needs
_FIELDS = ("name", "root", "run", "domains", "max_epochs", "tokens", "tokenizer", "held_out")

# YAML reads the predicate true as a yes
Predicate = Annotated[
    str, BeforeValidator(lambda given: str(given).lower() if isinstance(given, bool) else given)
]
Factor = Annotated[float, Field(ge=0, le=1000)]


class Mixture(Strict):
    """Which documents in which proportions."""

    name: Name = Field(description="name of the mixture")
    run: str | list[str] = Field(description="run folder, or several, whose corpus is exported")
    root: str | None = Field(None, description="folder that paths are relative to")
    domains: dict[Name, Predicate] = Field(
        min_length=1,
        description="name -> SQL predicate over the view documents; the first that holds counts",
    )
    shares: dict[Name, Annotated[float, Field(ge=0)]] = Field(
        description="domain -> share of training tokens; they sum to 1"
    )
    upsample: dict[Name, str | dict[str, Factor]] = Field(
        default_factory=dict,
        description="domain -> how often a document is repeated beside others of the domain: an "
        "SQL expression, or predicate -> factor (the first that holds counts, else 1)",
    )
    max_epochs: float | None = Field(
        None, gt=0, description="epochs of a domain, and repetitions of any document, at most"
    )
    tokens: Count | None = Field(None, description="training tokens, unless the command says")
    tokenizer: str | None = Field(None, description="a tokenizer.json, or 'bytes'")
    held_out: list[str] = Field(
        default_factory=list,
        description="Parquet files with the columns id and held: never exported where held",
    )

    @field_validator("run")
    @classmethod
    def _one_at_least(cls, run: str | list[str]) -> str | list[str]:
        if not run:
            raise ValueError("expected a run folder")
        return run

    @model_validator(mode="after")
    def _shares_fit(self) -> Mixture:
        for field in ("shares", "upsample"):
            for name in getattr(self, field):
                if name not in self.domains:
                    raise ValueError(
                        f"'{field}' names '{name}', which is no domain{nearest(name, self.domains)}"
                    )
        total = math.fsum(self.shares.values())
        if not abs(total - 1) <= _TOLERANCE:
            raise ValueError(f"'shares' must sum to 1, got {total:.6g}")
        return self

    @property
    def runs(self) -> list[str]:
        """Paths of the run folders."""
        runs = [self.run] if isinstance(self.run, str) else self.run
        return [self.path(run) for run in runs]

    def path(self, name: str) -> str:
        """A path of the file, resolved."""
        return storage.join(self.root or ".", name)

    def share(self, name: str) -> float:
        """Share of a domain, of shares that sum to exactly one up to rounding."""
        return self.shares.get(name, 0.0) / math.fsum(self.shares.values())

    def factor(self, name: str) -> str:
        """SQL: the repetition factor of a document of a domain."""
        given = self.upsample.get(name, "1")
        if isinstance(given, str):
            return given
        cases = " ".join(f"WHEN ({test}\n) THEN {factor!r}" for test, factor in given.items())
        return f"CASE {cases} ELSE 1 END" if cases else "1"


def load_mixture(path: str) -> Mixture:
    """Read a mixture: a study's file or folder, its ``mixture.json``, or a file written by hand.

    Raises
    ------
    UserError
        One line per wrong field: file, field, what was expected, nearest valid name.
    """
    if os.path.isdir(path):
        folder, path = path, storage.join(path, FILE_NAME)
        if not os.path.exists(path):
            raise UserError(
                f"{folder}: no {FILE_NAME} here; run the study first, or give a mixture file"
            )
    data = _load_json(path) if path.endswith(".json") else load_yaml(path)
    if "out" in data and "shares" not in data:
        return load_mixture(load_study(path).out_folder)
    if "ratios" in data:
        if "run" not in data:
            raise UserError(
                f"{path}: field 'run' is missing; write it again with 'corpusmill mix run', "
                "or name the run folder there"
            )
        data = {**{key: data[key] for key in _FIELDS if key in data}, "shares": data["ratios"]}
    if not storage.is_remote(path):
        here = os.path.dirname(os.path.abspath(path))
        data["root"] = os.path.abspath(os.path.join(here, str(data.get("root") or ".")))
    return validated(Mixture, data, path)


def _load_json(path: str) -> dict[str, Any]:
    try:
        data = json.loads(storage.read_text(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected a mapping of fields, got {type(data).__name__}")
    return data


def export_fields(study: Study) -> dict[str, Any]:
    """What a study's answer needs to be exported; paths are relative to the study's folder."""
    tokenizer = study.tokenizer_path
    if tokenizer is None:
        tokenizer = "tokenizer.json"
    elif tokenizer != "bytes":
        tokenizer = _relative(tokenizer, study.out_folder)
    runs = [_relative(folder, study.out_folder) for folder in study.run_folders]
    return {
        "run": runs[0] if len(runs) == 1 else runs,
        "max_epochs": study.constraints.max_epochs,
        "tokenizer": tokenizer,
        "held_out": [f"pool/{name}.parquet" for name in study.domains],
    }


def _relative(path: str, folder: str) -> str:
    if storage.is_remote(path) or storage.is_remote(folder):
        return path
    return os.path.relpath(path, folder)
