"""What the recipe says about INGEST: sources, extraction, OCR, languages, URLs, filters, limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from catalogs.errors import UserError
from filters import load_preset
from filters.url import BLOCKED_EXTENSIONS, BLOCKED_WORDS
from ocr import RouterThresholds, engine_names, require_engine
from pipeline.config import Strict, one_of
from pipeline.extract import ENGINES, check_options
from pipeline.inputs import Inputs
from pipeline.readers import READERS


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
        return one_of(name, ENGINES)

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
        return one_of(name, [*engine_names(), "none"])

    @field_validator("router")
    @classmethod
    def _thresholds(cls, router: dict[str, float]) -> dict[str, float]:
        for name in router:
            one_of(name, RouterThresholds.__dataclass_fields__)
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
        return one_of(name, READERS)


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


def preset_arguments(spec: str | Preset) -> tuple[str, dict]:
    return (spec, {}) if isinstance(spec, str) else (spec.preset, spec.overrides)
