"""Features to cut on: a numeric column of the documents, or one value of a column of maps."""

from __future__ import annotations

import re
from typing import NamedTuple

import duckdb

from catalogs.errors import UserError, nearest
from catalogs.sql import literal

NUMBERS = ("INT", "FLOAT", "DOUBLE", "DECIMAL", "REAL")
_MAPPED = re.compile(
    r"""(?P<column>\w+)(?:\[\s*(?P<quote>['"])(?P<key>.+)(?P=quote)\s*\]|\.(?P<own>[\w-]+))"""
)
_KEYS = "SELECT DISTINCT unnest(map_keys({0})) FROM documents WHERE {0} IS NOT NULL ORDER BY 1"


class Feature(NamedTuple):
    """A column, and the key of one of its values if it holds maps."""

    column: str
    key: str | None = None

    @classmethod
    def of(cls, told: str) -> Feature:
        """The feature that is written as ``column``, ``column['key']`` or ``column.key``."""
        match = _MAPPED.fullmatch(told.strip())
        return cls(match["column"], match["key"] or match["own"]) if match else cls(told.strip())

    @property
    def sql(self) -> str:
        """The feature as an SQL expression."""
        column = '"' + self.column.replace('"', '""') + '"'
        return column if self.key is None else f"{column}[{literal(self.key)}]"

    @property
    def name(self) -> str:
        """The feature as people write it."""
        return self.column if self.key is None else f"{self.column}[{literal(self.key)}]"

    @property
    def slug(self) -> str:
        """The feature as part of a file's name."""
        return re.sub(r"[^\w-]+", "-", f"{self.column}-{self.key}" if self.key else self.column)


def number_type(catalog: duckdb.DuckDBPyConnection, feature: Feature) -> str:
    """SQL type of a feature's numbers.

    Raises
    ------
    UserError
        When the documents have no such column or value, or it is no number.
    """
    kinds = {name: kind for name, kind, *_ in catalog.execute("DESCRIBE documents").fetchall()}
    plain = [name for name, kind in kinds.items() if _is_number(kind)]
    maps = {
        name: kind[4:-1].split(", ", 1)[1] for name, kind in kinds.items() if "MAP(" in kind[:4]
    }
    if feature.column not in kinds:
        known = [f"scores['{key}']" for key in _keys(catalog, "scores")] if "scores" in maps else []
        if (own := Feature("scores", feature.column).name) in known:
            raise UserError(f"no column '{feature.column}' in the view documents; say {own}")
        hint = nearest(feature.column, plain) or "; see corpusmill sql RUN --schema"
        raise UserError(f"no column '{feature.column}' in the view documents{hint}")
    if feature.key is None:
        if feature.column in plain:
            return kinds[feature.column]
        hint = f"; name one value, as in {feature.column}['KEY']" if feature.column in maps else ""
        raise UserError(
            f"column '{feature.column}' is no number but {kinds[feature.column]}: "
            f"it cannot be cut{hint}"
        )
    if not _is_number(maps.get(feature.column, "")):
        raise UserError(
            f"{feature.name} is no number: column '{feature.column}' is {kinds[feature.column]}"
        )
    keys = _keys(catalog, feature.column)
    if feature.key not in keys:
        hint = nearest(feature.key, keys) or f" (known: {', '.join(keys) or 'none'})"
        raise UserError(f"no document has {feature.name}{hint}")
    return maps[feature.column]


def _keys(catalog: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    return [key for (key,) in catalog.execute(_KEYS.format(column)).fetchall()]


def _is_number(kind: str) -> bool:
    return any(part in kind for part in NUMBERS) and not kind.endswith("]") and "(" not in kind[:7]
