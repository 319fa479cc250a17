"""What the recipe says about duplicates."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

KEEP_FIRST = ("license is null", "fetched_at desc nulls last", "n_bytes desc")

OrderExpression = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class DedupConfig(BaseModel):
    """Settings of exact and near-duplicate removal.

    The defaults are those of FineWeb (Penedo et al. 2024, arXiv:2406.17557): word 5-grams, 14 bands
    of 8 rows, whose S-curve turns at a Jaccard similarity of about 0.72. Dolma 3 takes 26 bands of
    11 rows and ``jaccard: 0.8``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    exact: Literal["raw", "whitespace", "nfc_case", "none"] = Field(
        "raw",
        description="keep one row of each identical text: as it is; with each run of white space "
        "as one space; with Unicode NFC, case folded, too; or not at all",
    )
    fuzzy: bool = Field(True, description="keep one document of each cluster of near duplicates")
    signatures: Literal["native", "datatrove", "datatrove_sha1"] = Field(
        "native",
        description="how texts are hashed: by this project's kernels, or bit for bit as datatrove "
        "does (xxHash64 by default, or SHA-1)",
    )
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
    priority: tuple[str, ...] = Field(
        (),
        description="sources in order: a document of an earlier one never goes for one of a later; "
        "sources not named come last",
    )
    against: tuple[str, ...] = Field(
        (),
        description="finished runs, oldest first, whose documents come before those of this run",
    )

    @field_validator("exact", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        if value is None:
            return "none"
        return {True: "raw", False: "none"}[value] if isinstance(value, bool) else value

    @field_validator("unit")
    @classmethod
    def _words_only(cls, value: str, info: Any) -> str:
        if value != "word" and str(info.data.get("signatures")).startswith("datatrove"):
            raise ValueError("datatrove's signatures are made of words: leave 'unit: word'")
        return value

    @property
    def deciding(self) -> dict[str, Any]:
        """The settings that two runs must share to be compared: how texts become signatures."""
        names = ("exact", "fuzzy", "signatures", "unit", "ngram", "bands", "rows", "seed", "scope")
        return self.model_dump(mode="json", include=set(names))
