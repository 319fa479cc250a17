"""The recipe: what to mill and how, as one YAML file.

Every field is checked when the recipe is loaded, before any work is done. Paths are resolved
against `root`, by default the folder of the recipe.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from catalogs import storage
from catalogs.errors import UserError, explain_validation, nearest
from catalogs.remote import Access, Remote
from filters import load_preset
from filters.url import BLOCKED_EXTENSIONS, BLOCKED_WORDS
from ocr import RouterThresholds, engine_names, require_engine
from pipeline.consent_config import Consent, LicenseFilter
from pipeline.contamination_config import ContaminationConfig
from pipeline.dedup_config import DedupConfig
from pipeline.extract import ENGINES, check_options
from pipeline.inputs import Input, Inputs, find_files
from pipeline.pii_config import PiiConfig
from pipeline.plugins import load_plugin
from pipeline.quality_config import Quality
from pipeline.readers import READERS
from pipeline.selection import find_parts

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]


class Strict(BaseModel):
    """Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Extract(Strict):
    """How text is taken from HTML."""

    engine: str = Field("adaptive", description="extraction engine by name")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the engine")
    structure: Literal["plain", "markdown"] = Field(
        "plain", description="plain text, or Markdown: headings, lists, tables, code, formulas"
    )

    @field_validator("engine")
    @classmethod
    def _known(cls, name: str) -> str:
        return _one_of(name, ENGINES)

    @model_validator(mode="after")
    def _options_known(self) -> Extract:
        try:
            check_options(self.engine, self.options)
        except UserError as error:
            raise ValueError(str(error)) from None
        return self


class Ocr(Strict):
    """How text is taken from PDFs."""

    engine: str = Field("rapidocr", description="OCR engine by name, or 'none'")
    options: dict[str, Any] = Field(
        default_factory=dict, description="options of the engine, such as `base_url` of `vlm`"
    )
    fallback: str = Field(
        "rapidocr", description="engine for the pages that the first one fails on, or 'none'"
    )
    router: dict[str, float] = Field(
        default_factory=dict, description="thresholds of the page router, by name"
    )
    max_pages: int = Field(2000, ge=1, description="pages read of one PDF")
    max_failed_pages: float = Field(
        0.5, ge=0, le=1, description="share of pages that may fail before the PDF is quarantined"
    )

    @field_validator("engine", "fallback")
    @classmethod
    def _known(cls, name: str) -> str:
        return _one_of(name, [*engine_names(), "none"])

    @field_validator("router")
    @classmethod
    def _thresholds(cls, router: dict[str, float]) -> dict[str, float]:
        for name in router:
            _one_of(name, RouterThresholds.__dataclass_fields__)
        return router

    @model_validator(mode="after")
    def _can_run(self) -> Ocr:
        if self.engine != "none":
            require_engine(self.engine, self.options)
        return self


class Language(Strict):
    """Language identification, and which languages are kept.

    Codes are ISO 639-1 or 639-3, with a script where it matters: ``en``, ``srp_Latn``.
    """

    model: str | None = Field(
        None, description="fastText model file, labels as lid.176 or GlotLID; default lid.176.ftz"
    )
    keep: list[str] = Field(default_factory=list, description="languages kept; empty keeps all")
    min_score: float | dict[str, float] = Field(
        0.0, description="lowest probability kept, or one for each language and 'default'"
    )
    first_chars: int = Field(2000, ge=0, description="characters looked at; 0 for all")
    lines: bool = Field(False, description="tell the language of every line as well, as shares")
    check_script: bool = Field(
        False, description="reject texts in a script that their language is not written in"
    )

    @field_validator("min_score")
    @classmethod
    def _probabilities(cls, value: float | dict[str, float]) -> float | dict[str, float]:
        for score in value.values() if isinstance(value, dict) else [value]:
            if not 0 <= score <= 1:
                bound = "greater than or equal to 0" if score < 0 else "less than or equal to 1"
                raise ValueError(f"should be {bound}, got {score}")
        return value


class Url(Strict):
    """Lists of URLs: entries, or files (a path, or a name in .txt) of one entry a line."""

    domains: list[str] = Field(default_factory=list, description="blocked domains, with subdomains")
    hosts: list[str] = Field(default_factory=list, description="blocked hosts, exactly")
    pages: list[str] = Field(default_factory=list, description="blocked pages: host and path")
    prefixes: list[str] = Field(
        default_factory=list, description="blocked pages and all paths below them"
    )
    words: list[str] = Field(
        default_factory=lambda: list(BLOCKED_WORDS), description="words blocked anywhere in the URL"
    )
    extensions: list[str] = Field(
        default_factory=lambda: list(BLOCKED_EXTENSIONS), description="blocked file extensions"
    )
    folders: list[str] = Field(
        default_factory=list,
        description="folders of lists as UT1 and squidGuard have them: "
        "CATEGORY/domains, urls and expressions",
    )
    categories: list[str] = Field(
        default_factory=list, description="categories of the folders used; empty for all"
    )
    allow: list[str] = Field(
        default_factory=list,
        description="domains, or pages with all below them, that no list blocks",
    )


class Preset(Strict):
    """A filter by name, with thresholds overridden."""

    preset: str = Field(description="name of the preset")
    overrides: dict[str, float | dict[str, float] | None] = Field(
        default_factory=dict,
        description="reason -> threshold, or {min, max}; null switches the rule off",
    )


def _known_preset(spec: str | Preset) -> str | Preset:
    load_preset(*preset_arguments(spec))
    return spec


Filter = Annotated[str | Preset, AfterValidator(_known_preset)]


class Source(Inputs):
    """One source: which inputs, read how, with which exceptions from the rules of the recipe.

    Exactly one of `paths`, `crawl` and `selection` tells the inputs.
    """

    options: dict[str, Any] = Field(default_factory=dict, description="options of the reader")
    license: str | None = Field(None, description="licence declared for all of the source (SPDX)")
    filters: list[Filter] | None = Field(None, description="filters instead of the recipe's")
    language: Language | None = Field(None, description="language rules instead of the recipe's")
    extract: Extract | None = Field(None, description="extraction instead of the recipe's")

    @field_validator("reader")
    @classmethod
    def _known(cls, name: str) -> str:
        return _one_of(name, READERS)


class Limits(Strict):
    """What one document, one batch and one task may cost."""

    seconds: float = Field(20.0, gt=0, description="CPU seconds for one page of HTML")
    pdf_seconds: float = Field(600.0, gt=0, description="CPU seconds for one PDF")
    memory_mb: int = Field(2048, ge=512, description="address space of an HTML parser, MiB")
    pdf_memory_mb: int = Field(4096, ge=1024, description="address space of a PDF parser, MiB")
    max_bytes: int = Field(20_000_000, ge=1, description="largest HTML payload parsed, bytes")
    max_pdf_bytes: int = Field(256_000_000, ge=1, description="largest PDF parsed, bytes")
    batch: int = Field(64, ge=1, description="records tagged together")
    buffer_mb: int = Field(128, ge=1, description="text held before a task spills to disk, MiB")
    dedup_memory_mb: int = Field(1024, ge=128, description="memory of a deduplication task, MiB")
    stall_seconds: float = Field(1800.0, gt=0, description="a task without progress is killed")
    attempts: int = Field(40, ge=1, description="tries of one task, all rungs of the ladder")


class Boilerplate(Strict):
    """Lines that repeat across the pages of one host in one input file are cut from `corpus/`."""

    cut: bool = Field(True, description="look for such lines and cut them")
    min_pages: int = Field(10, ge=2, description="hosts with fewer pages are left alone")
    pages: int = Field(5, ge=2, description="pages of the host that a line must stand on")
    share: float = Field(
        0.3, gt=0, le=1, description="share of the host's pages that a line must stand on"
    )
    min_chars: int = Field(
        20, ge=1, description="letters and digits that repeated lines in a row need to be cut"
    )
    max_chars: int = Field(500, ge=1, description="longer lines are paragraphs, and stay")
    min_bytes: int = Field(
        300, ge=0, description="a text with fewer bytes left after a cut is rejected"
    )


class Lines(Strict):
    """Lines or paragraphs that many documents share."""

    unit: Literal["line", "paragraph"] = Field("line", description="what is counted")
    documents: int = Field(10, ge=2, description="documents that a unit must stand in to be cut")
    min_bytes: int = Field(20, ge=1, description="shorter units stay")
    keep_first: bool = Field(True, description="the first of the documents keeps it")


class Substring(Strict):
    """Runs of bytes that two documents share."""

    min_bytes: int = Field(400, ge=16, description="shorter runs stay")


class Repeats(Strict):
    """What documents of the whole corpus share is cut from all but one, in `corpus/`."""

    lines: Lines | None = Field(None, description="cut lines or paragraphs; null: do not look")
    substring: Substring | None = Field(None, description="cut runs of bytes; null: do not look")
    min_bytes: int = Field(
        300, ge=0, description="a text with fewer bytes left after a cut is rejected"
    )


class Write(Strict):
    """The clean shards."""

    shard_mb: int = Field(256, ge=1, description="UTF-8 text per shard of corpus/, about, MB")
    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"
    level: int | None = Field(3, description="compression level; null for the codec's default")


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
    for plugin in data.get("plugins") or []:
        load_plugin(storage.join(data.get("root") or os.path.dirname(path) or ".", str(plugin)))
    if data.get("root") is None and not storage.is_remote(path):
        data["root"] = os.path.dirname(os.path.abspath(path))
    elif data.get("root") and not storage.is_remote(str(data["root"])):
        data["root"] = os.path.abspath(os.path.join(os.path.dirname(path), str(data["root"])))
    data.update({key: value for key, value in changes.items() if value is not None})
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise UserError(explain_validation(path, error, Recipe)) from None


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


def preset_arguments(spec: str | Preset) -> tuple[str, dict]:
    return (spec, {}) if isinstance(spec, str) else (spec.preset, spec.overrides)


def _one_of(name: str, valid: Any) -> str:
    if name not in valid:
        hint = nearest(name, valid) or f" (valid: {', '.join(sorted(valid))})"
        raise ValueError(f"expected the name of something registered, got '{name}'{hint}")
    return name
