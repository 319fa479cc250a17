"""Taggers and filters over columns of text.

Tag once, judge later: every heuristic, score and flag is a column; a filter is a table of
thresholds over columns that yields a reason or nothing. Nothing here knows of Ray, of files of a
corpus or of recipes.

The names below are loaded when first used, so that a process that only reads licences never
loads the compiler of the kernels.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_FACE = {
    "Contamination": "contamination",
    "FEATURES": "feature_list",
    "HtmlPage": "dom",
    "LineCounts": "boilerplate",
    "LineRules": "boilerplate",
    "LanguageIdentifier": "language",
    "Licence": "licence",
    "Preset": "verdict",
    "Rule": "verdict",
    "SPANS": "c4",
    "UrlFilter": "url",
    "UrlList": "url",
    "boilerplate_spans": "boilerplate",
    "cut_spans": "c4",
    "feature_names": "feature_list",
    "features": "heuristics",
    "html_licence": "licence",
    "judge": "verdict",
    "Scripts": "script",
    "line_hashes": "boilerplate",
    "load_preset": "verdict",
    "make_preset": "verdict",
    "opt_outs": "consent",
    "override": "verdict",
    "personal_data": "pii",
    "preset_names": "verdict",
    "preset_sql": "verdict",
    "registered_domain": "hosts",
    "registered_domains": "hosts",
    "script_fits": "language",
    "scripts": "script",
    "text_licence": "licence",
}
__all__ = sorted(_FACE)


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FACE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
