"""What a recipe says of one feature: its thresholds by source, and all other rules as SQL."""

from __future__ import annotations

from dataclasses import dataclass

from catalogs.sql import literal
from filters import Preset, Rule, load_preset, preset_sql
from pipeline.recipe import Recipe

LANGUAGE_SCORE = "language_score"


@dataclass(frozen=True)
class Bound:
    """One threshold of one source: values on that side of it are dropped."""

    source: str
    reason: str
    side: str
    value: float


def bounds_on(recipe: Recipe, feature: str) -> list[Bound]:
    """Every threshold that a recipe has for a feature, in the order of sources and rules.

    `feature` is a column; ``language_score`` has the thresholds of the language rules, those of
    single languages left out.
    """
    found = []
    for source in recipe.sources:
        if feature == LANGUAGE_SCORE:
            least = recipe.language_of(source).min_score
            least = least.get("default", 0.0) if isinstance(least, dict) else least
            if least:
                found.append(Bound(source, "language_unsure", "below", least))
        for preset in _presets(recipe, source):
            for rule in preset.rules:
                if rule.feature == feature:
                    reason = f"{preset.name}:{rule.reason}"
                    if rule.min is not None:
                        found.append(Bound(source, reason, "below", rule.min))
                    if rule.max is not None:
                        found.append(Bound(source, reason, "above", rule.max))
    return found


def other_rules_sql(recipe: Recipe, feature: str, side: str) -> str:
    """Why a row falls by the filters alone, those on this side of the feature left out, as SQL.

    An expression over ``source`` and the feature columns: the first reason, or NULL.
    """
    cases: dict[str, list[str]] = {}
    for source in recipe.sources:
        presets = [_without(preset, feature, side) for preset in _presets(recipe, source)]
        parts = [preset_sql(preset) for preset in presets if preset.rules]
        if parts:
            joined = ",\n".join(parts)
            expression = f"coalesce(\n{joined})" if len(parts) > 1 else parts[0]
            cases.setdefault(expression, []).append(source)
    if not cases:
        return "CAST(NULL AS VARCHAR)"
    lines = [
        f"WHEN source IN ({', '.join(map(literal, sources))}) THEN {expression}"
        for expression, sources in cases.items()
    ]
    return "CASE\n" + "\n".join(lines) + "\nEND"


def _presets(recipe: Recipe, source: str) -> list[Preset]:
    return [load_preset(*spec) for spec in recipe.filters_of(source)]


def _without(preset: Preset, feature: str, side: str) -> Preset:
    open_side = {"below": "min", "above": "max"}[side]
    rules: list[Rule] = []
    for rule in preset.rules:
        if rule.feature == feature:
            rule = rule._replace(**{open_side: None})
        if rule.min is not None or rule.max is not None:
            rules.append(rule)
    return preset._replace(rules=tuple(rules))
