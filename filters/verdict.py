"""Filters as tables of thresholds over columns: judged here, or as SQL over the same columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from filters.names import nearest

_PRESETS = Path(__file__).with_name("presets")


class Rule(NamedTuple):
    """A text fails when the feature is below ``min`` or above ``max`` (both inclusive bounds)."""

    reason: str
    feature: str
    min: float | None
    max: float | None
    language: str | None = None
    """The rule is for texts of this language (column ``language``); None: for all."""


class Preset(NamedTuple):
    """An ordered table of rules; the first that fails gives the reason."""

    name: str
    rules: tuple[Rule, ...]


def preset_names() -> tuple[str, ...]:
    """The presets that ship with corpusmill."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.yaml")))


def load_preset(name: str, overrides: Mapping[str, Any] | None = None) -> Preset:
    """A preset by name, its thresholds changed by reason.

    ``overrides`` maps a reason to its new threshold, to ``{"min": ..., "max": ...}``, or to None,
    which leaves the rule out: ``load_preset("gopher_quality", {"short_doc": 20})``. A reason that
    several rules share changes all of them; ``"dup_line_frac.de"`` is the rule for German alone.
    Raises ValueError with one line for an unknown preset or reason, or a threshold that is no
    number.
    """
    return override(_shipped(name), overrides or {})


@lru_cache(maxsize=32)
def _shipped(name: str) -> Preset:
    if name not in preset_names():
        raise ValueError(f"unknown preset {name!r}{nearest(name, preset_names())}")
    table = yaml.safe_load((_PRESETS / f"{name}.yaml").read_text("utf-8"))
    rules: list[Rule] = []
    for row in table["rules"]:
        if "include" in row:
            rules += _shipped(row["include"]).rules
        else:
            rules += make_preset(name, _by_language(row, table)).rules
    return Preset(name, tuple(rules))


def _by_language(row: Mapping[str, Any], table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rule, or one for each language if its threshold is the name of a column of the table."""
    bound = next((key for key in ("min", "max") if isinstance(row.get(key), str)), None)
    if bound is None:
        return [dict(row)]
    place = table["columns"].index(row[bound])
    return [
        {**row, bound: values[place], "language": code}
        for code, values in table["languages"].items()
    ]


def make_preset(name: str, rules: Iterable[Mapping[str, Any]]) -> Preset:
    """A preset from a table of one's own: mappings with reason, feature, min or max, and language.

    Raises ValueError naming the preset, the place of the rule and the key at fault.
    """
    made = []
    for number, row in enumerate(rules, 1):
        where = f"preset {name}, rule {number}"
        keys = Rule._fields
        for key in row:
            if key not in keys:
                raise ValueError(f"{where}: unknown key {key!r}{nearest(key, keys)}")
        for key in ("reason", "feature"):
            if not isinstance(row.get(key), str):
                raise ValueError(f"{where}: {key} must be a name, got {row.get(key)!r}")
        low, high = (_threshold(row.get(key), f"{where}: {key}") for key in ("min", "max"))
        if low is None and high is None:
            raise ValueError(f"{where}: give min, max or both")
        language = row.get("language")
        if language is not None and not isinstance(language, str):
            raise ValueError(f"{where}: language must be a code such as de, got {language!r}")
        made.append(Rule(row["reason"], row["feature"], low, high, language))
    return Preset(name, tuple(made))


def override(preset: Preset, overrides: Mapping[str, Any]) -> Preset:
    """The preset with thresholds changed by reason, as :func:`load_preset` describes."""
    reasons = {rule.reason for rule in preset.rules}
    valid = reasons | {_own_key(rule) for rule in preset.rules}
    for reason in overrides:
        if reason not in valid:
            hint = nearest(reason, reasons)
            raise ValueError(f"preset {preset.name} has no rule {reason!r}{hint}")
    rules = []
    for rule in preset.rules:
        changed: Rule | None = rule
        for key in (rule.reason, _own_key(rule)):
            if key in overrides:
                changed = _changed(preset.name, rule, overrides[key])
        if changed is not None:
            rules.append(changed)
    return Preset(preset.name, tuple(rules))


def _own_key(rule: Rule) -> str:
    return f"{rule.reason}.{rule.language}" if rule.language else rule.reason


def judge(table: pa.RecordBatch | pa.Table, presets: Iterable[Preset]) -> pa.StringArray:
    """Why each row fails: ``preset:reason`` of the first failing rule, null for rows that pass.

    A null feature passes. Raises ValueError naming the column if the table lacks one.
    """
    reasons = np.full(table.num_rows, -1, np.int32)
    names: list[str] = []
    columns: dict[str, np.ndarray] = {}
    spoken: dict[str | None, np.ndarray] | None = None
    for preset in presets:
        for rule in preset.rules:
            if rule.language is not None and spoken is None:
                spoken = _rows_by_language(table, preset)
            if rule.language is not None and rule.language not in spoken:
                continue
            if rule.feature not in columns:
                columns[rule.feature] = _column(table, preset, rule)
            values = columns[rule.feature]
            fails = np.zeros(table.num_rows, np.bool_)
            with np.errstate(invalid="ignore"):
                if rule.min is not None:
                    fails |= values < rule.min
                if rule.max is not None:
                    fails |= values > rule.max
            if rule.language is not None:
                fails &= spoken[rule.language]
            reasons[fails & (reasons < 0)] = len(names)
            names.append(f"{preset.name}:{rule.reason}")
    indices = pa.array(reasons, mask=reasons < 0)
    return pc.take(pa.array(names, pa.string()), indices)


def preset_sql(preset: Preset | str) -> str:
    """The verdict as a SQL expression over the feature columns: a string, or NULL.

    The same decisions as :func:`judge`, to be cut anew in DuckDB; several presets combine by
    ``coalesce``. A name stands for the shipped preset with its own thresholds.
    """
    if isinstance(preset, str):
        preset = load_preset(preset)
    lines = []
    for rule in preset.rules:
        language = rule.language and rule.language.replace("'", "''")
        column = '"' + rule.feature.replace('"', '""') + '"'
        tests = []
        if rule.min is not None:
            tests.append(f"{column} < {_literal(rule.min)}")
        if rule.max is not None:
            tests.append(f"{column} > {_literal(rule.max)}")
        reason = f"{preset.name}:{rule.reason}".replace("'", "''")
        test = " OR ".join(tests)
        if language:
            test = f"\"language\" = '{language}' AND ({test})"
        lines.append(f"  WHEN {test} THEN '{reason}'")
    return "CASE\n" + "\n".join(lines) + "\nEND" if lines else "CAST(NULL AS VARCHAR)"


def _literal(value: float) -> str:
    # A decimal literal would be compared as a decimal: the cast keeps double precision.
    return str(int(value)) if value == int(value) else f"CAST({value!r} AS DOUBLE)"


def _column(table: pa.RecordBatch | pa.Table, preset: Preset, rule: Rule) -> np.ndarray:
    names = table.schema.names
    if rule.feature not in names:
        hint = nearest(rule.feature, names)
        raise ValueError(
            f"preset {preset.name}, rule {rule.reason}: no column {rule.feature!r}{hint}"
        )
    values = table.column(rule.feature)
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _rows_by_language(table: pa.RecordBatch | pa.Table, preset: Preset) -> dict:
    if "language" not in table.schema.names:
        raise ValueError(f"preset {preset.name} needs a column 'language' with ISO 639-1 codes")
    column = np.array(table.column("language").to_pylist(), object)
    return {code: column == code for code in set(column.tolist())}


def _changed(preset: str, rule: Rule, change: Any) -> Rule | None:
    where = f"preset {preset}, rule {rule.reason}"
    if change is None:
        return None
    if isinstance(change, Mapping):
        for key in change:
            if key not in ("min", "max"):
                raise ValueError(f"{where}: unknown key {key!r}: give min, max or both")
        low, high = (_threshold(change.get(key), f"{where}: {key}") for key in ("min", "max"))
        return rule._replace(min=low, max=high) if change else None
    value = _threshold(change, where)
    if rule.min is not None and rule.max is not None:
        raise ValueError(f"{where}: has two bounds, give them as min and max")
    return rule._replace(min=value) if rule.min is not None else rule._replace(max=value)


def _threshold(value: Any, where: str) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ValueError(f"{where}: the threshold must be a number, got {value!r}")
    return value
