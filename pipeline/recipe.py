"""The recipe: what to mill and how, as one YAML file.

Every field is checked when the recipe is loaded, before any work is done. Paths are resolved
against `root`, by default the folder of the recipe.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from catalogs import storage
from catalogs.errors import nearest
from catalogs.remote import Access, Remote
from pipeline.config import Name, Strict, load_yaml, validated
from pipeline.consent_config import Consent, LicenseFilter
from pipeline.contamination_config import ContaminationConfig
from pipeline.dedup_config import DedupConfig
from pipeline.ingest_config import (
    Extract,
    Filter,
    Language,
    Limits,
    Ocr,
    Source,
    Url,
    preset_arguments,
)
from pipeline.inputs import Input, find_files
from pipeline.pii_config import PiiConfig
from pipeline.plugins import load_plugin
from pipeline.quality_config import Quality
from pipeline.selection import find_parts
from pipeline.write_config import Boilerplate, Repeats, Write


class Recipe(Strict):
    """A whole run."""

    name: Name = Field(description="name of the run")
    out: str = Field(description="run folder, on a file system that all workers see")
    root: str | None = Field(None, description="folder that paths are relative to")
    sources: dict[Name, Source] = Field(min_length=1, description="sources by name")
    extract: Extract = Extract()
    ocr: Ocr = Ocr()
    language: Language = Language()
    url: Url = Url()
    filters: list[Filter] = Field(
        default_factory=lambda: ["gopher_quality", "gopher_repetition", "fineweb"],
        description="filters in order, by preset name or {preset, overrides}",
    )
    words: Literal["default", "spacy"] = Field(
        "default",
        description="how features cut words: by the default rules, or exactly as spaCy's English "
        "tokenizer, which gives datatrove's decisions",
    )
    quality: Quality = Quality()
    license: LicenseFilter | None = Field(None, description="which licences are kept; null: all")
    consent: Consent | None = Field(None, description="which opt-outs reject; null: none, tag only")
    contamination: ContaminationConfig = ContaminationConfig()
    pii: PiiConfig = PiiConfig()
    dedup: DedupConfig = DedupConfig()
    boilerplate: Boilerplate = Boilerplate()
    repeats: Repeats = Repeats()
    write: Write = Write()
    limits: Limits = Limits()
    remote: Remote = Remote()
    plugins: list[str] = Field(default_factory=list, description="Python files loaded first")

    @field_validator("out")
    @classmethod
    def _on_a_file_system(cls, path: str) -> str:
        if storage.is_remote(path):
            raise ValueError(
                f"expected a path on a file system that all workers see, got '{path}'; "
                "object stores are for inputs"
            )
        return path

    @model_validator(mode="after")
    def _priority_known(self) -> Recipe:
        for name in self.dedup.priority:
            if name not in self.sources:
                hint = nearest(name, self.sources) or f" (valid: {', '.join(sorted(self.sources))})"
                raise ValueError(f"'dedup.priority' names '{name}', which is no source{hint}")
        return self

    @cached_property
    def base(self) -> str:
        return self.root or "."

    @property
    def run_folder(self) -> str:
        return storage.join(self.base, self.out)

    def filters_of(self, source: str) -> list[tuple[str, dict]]:
        """The filters of one source as ``(preset, overrides)``."""
        own = self.sources[source].filters
        return [preset_arguments(spec) for spec in (self.filters if own is None else own)]

    def language_of(self, source: str) -> Language:
        return self.sources[source].language or self.language

    def extract_of(self, source: str) -> Extract:
        return self.sources[source].extract or self.extract

    @property
    def patience(self) -> Remote:
        """How remote inputs are read; waiting ends before a worker counts as stalled."""
        seconds = min(self.remote.give_up_seconds, self.limits.stall_seconds / 2)
        return self.remote.model_copy(update={"give_up_seconds": seconds})

    def inputs(self) -> list[Input]:
        """Every input of every source, sorted by source and path.

        Lists are read, remote files looked at, selections cut into parts below the run folder.

        Raises
        ------
        UserError
            When a path matches no file, or a list or selection cannot be read.
        """
        access, found = Access(self.remote), []
        for name, source in self.sources.items():
            field = f"recipe '{self.name}': field 'sources.{name}"
            if source.selection:
                found += find_parts(field, source, self.base, self.run_folder, name, access)
            else:
                found += find_files(field, source, self.base, name, access)
        return sorted(found, key=lambda item: (item.source, item.path))


def load_recipe(path: str, **changes: Any) -> Recipe:
    """Read and check a recipe.

    Parameters
    ----------
    path
        The YAML file.
    **changes
        Top-level fields that replace those of the file, such as ``out``.

    Raises
    ------
    UserError
        One line per wrong field: file, field, what was expected, nearest valid name.
    """
    data = load_yaml(path)
    plugins = data.get("plugins")
    for plugin in plugins if isinstance(plugins, list) else ():  # what else it is, is told below
        load_plugin(storage.join(data.get("root") or os.path.dirname(path) or ".", str(plugin)))
    if data.get("root") is None and not storage.is_remote(path):
        data["root"] = os.path.dirname(os.path.abspath(path))
    elif data.get("root") and not storage.is_remote(str(data["root"])):
        data["root"] = os.path.abspath(os.path.join(os.path.dirname(path), str(data["root"])))
    data.update({key: value for key, value in changes.items() if value is not None})
    return validated(Recipe, data, path)
