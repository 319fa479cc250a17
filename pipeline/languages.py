"""Language rules of a recipe: checked against the model, turned into columns and verdicts."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import pyarrow as pa

from catalogs import storage
from catalogs.errors import UserError, nearest
from filters.language import LanguageIdentifier, default_model, script_fits
from filters.language_codes import Label, parse_label, scripts_of
from filters.script import scripts
from pipeline.ingest_config import Language
from pipeline.recipe import Recipe

DEFAULT = "default"


def language_arguments(recipe: Recipe, source: str) -> dict[str, Any]:
    """Settings of an ingest job; ``model`` is a path or None, ``model_checksum`` its content.

    Raises
    ------
    UserError
        When the model is not there or is none, or knows no language of that code.
    """
    language = recipe.language_of(source)
    own = recipe.sources[source].language is not None
    field = f"sources.{source}.language" if own else "language"
    where = f"recipe '{recipe.name}': field '{field}"
    path = storage.join(recipe.base, language.model) if language.model else None
    if path and not os.path.isfile(path):
        raise UserError(f"{where}.model': no such file: {path}")
    try:
        model = path or str(default_model())
    except FileNotFoundError as error:
        raise UserError(str(error)) from None
    least = language.min_score
    least = least if isinstance(least, dict) else {DEFAULT: least}
    _check_codes(model, language, least, where)
    return {
        **language.model_dump(),
        "min_score": {parse_label(code).language: score for code, score in least.items()},
        "model": path,
        "model_checksum": storage.checksum(model),
    }


def _check_codes(model: str, language: Language, least: dict[str, float], where: str) -> None:
    codes = [("keep", code) for code in language.keep]
    codes += [("min_score", code) for code in least if code != DEFAULT]
    known = _known(model, os.path.getmtime(model), where) if codes or language.model else ()
    for name, code in codes:
        if parse_label(code).language not in known:
            hint = nearest(code, known)
            raise UserError(f"{where}.{name}': the model knows no language '{code}'{hint}")


@lru_cache(maxsize=8)
def _known(model: str, changed: float, where: str) -> frozenset[str]:
    try:
        return frozenset(label.language for label in LanguageIdentifier(model).labels())
    except ValueError as error:
        raise UserError(f"{where}.model': {error}") from None


@lru_cache(maxsize=2)
def _loaded(model: str | None, checksum: str, chars: int | None) -> LanguageIdentifier:
    """The model, kept for the next tasks of this process: large ones take seconds to load."""
    return LanguageIdentifier(model, max_chars=chars)


class LanguageTagger:
    """Columns of language and script for batches of texts."""

    def __init__(self, settings: dict[str, Any]):
        chars = settings["first_chars"] or None
        self.identifier = _loaded(settings["model"], settings["model_checksum"], chars)
        self.lines = settings["lines"]

    def columns(self, texts: pa.Array) -> dict[str, pa.Array]:
        language, score, written = self.identifier.identify(texts)
        dominant, share = scripts(texts)
        found = {
            "language": language,
            "language_score": score,
            "language_script": written,
            "script": dominant,
            "script_share": share,
            "script_fits": script_fits(language, written, dominant),
        }
        if self.lines:
            shares = self.identifier.shares(texts)
            found["language_shares"] = shares
            found["language_share"] = _share_of(language, shares)
        return found


def language_reasons(table: pa.Table, settings: dict[str, Any]) -> pa.Array:
    """Why a text is rejected for its language (null: it is not)."""
    kept = [parse_label(code) for code in settings["keep"]]
    least = settings["min_score"]
    names = ("language", "language_score", "language_script", "script", "script_fits")
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    if not kept and not any(least.values()) and not settings["check_script"]:
        return pa.nulls(len(table), pa.string())

    def reason(language, score, written, dominant, fits) -> str | None:
        if language is None:
            return "language_unknown"
        if kept and not any(_is(label, language, written, dominant) for label in kept):
            return "language_not_kept"
        # as the column stores it, so that the same cut in SQL decides alike
        if score < _single(least.get(language, least.get(DEFAULT, 0.0))):
            return "language_unsure"
        return "script_contradiction" if settings["check_script"] and fits is False else None

    return pa.array([reason(*row) for row in rows], pa.string())


def _is(label: Label, language: str, written: str | None, dominant: str | None) -> bool:
    if label.language != language:
        return False
    return label.script in (None, written) or (
        written is None and dominant in (scripts_of(label) or ())
    )


def _single(value: float) -> float:
    return pa.scalar(value, pa.float32()).as_py()


def _share_of(language: pa.Array, shares: pa.Array) -> pa.Array:
    """The share of each text's own language; null where no line counts."""
    rows = zip(language.to_pylist(), shares.to_pylist(), strict=True)
    values = [
        sum(one["share"] for one in found if one["language"] == name) if found else None
        for name, found in rows
    ]
    return pa.array(values, pa.float32())
