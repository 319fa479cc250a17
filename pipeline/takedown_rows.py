"""What is left of a row that was taken down."""

from __future__ import annotations

from typing import Any

from catalogs.takedown import STAGE
from pipeline.documents import PROVENANCE

BLANK = ["row_id", *(f.name for f in PROVENANCE)]
"""Columns that stay: where the row came from, nothing of what it said."""


def blank(row: dict[str, Any], reason: str) -> dict[str, Any]:
    """The row of ``rejected/`` for a row that was taken down."""
    return {**{name: row.get(name) for name in BLANK}, "stage": STAGE, "reason": reason}
