"""What the recipe says about duplicates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

KEEP_FIRST = ("licence is null", "fetched_at desc nulls last", "n_bytes desc")

OrderExpression = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class DedupConfig(BaseModel):
    """Settings of exact and near-duplicate removal.

    The defaults are those of FineWeb (Penedo et al. 2024, arXiv:2406.17557): word 5-grams, 14 bands
    of 8 rows, whose S-curve turns at a Jaccard similarity of about 0.72. Dolma 3 takes 26 bands of
    11 rows and ``jaccard: 0.8``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    exact: bool = Field(True, description="keep one row of each identical text")
    fuzzy: bool = Field(True, description="keep one document of each cluster of near duplicates")
    unit: Literal["word", "char"] = Field("word", description="what a shingle is made of")
    ngram: int = Field(5, ge=1, le=64, description="units to a shingle")
    bands: int = Field(14, ge=1, le=256, description="bands of the MinHash signature")
    rows: int = Field(8, ge=1, le=64, description="permutations to a band")
    seed: int = Field(1, ge=0, lt=1 << 63, description="seed of the permutations")
    jaccard: float | None = Field(
        0.7, gt=0, le=1, description="true Jaccard a candidate pair must reach; null: trust bands"
    )
    keep: tuple[OrderExpression, ...] = Field(
        KEEP_FIRST,
        description="SQL order over document columns; the first row of a group stays, "
        "ties go to the smallest id, then row_id",
    )
    scope: Literal["all", "source"] = Field(
        "all", description="compare across all sources, or within each source only"
    )

    @property
    def band_names(self) -> list[str]:
        """Column names of the bands in a signature file: ``b00``, ``b01`` …"""
        return [f"b{band:02d}" for band in range(self.bands)]
