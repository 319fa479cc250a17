"""What the recipe says about licences and consent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from catalogs.errors import nearest
from filters.consent import SIGNALS
from filters.host_consent import AI_AGENTS
from filters.licence_classes import CLASSES

RESERVE = tuple(
    signal for signal in SIGNALS if signal not in ("noimageai", "noindex", "rsl", "unknown")
)
"""Signals that reserve by default: pictures, search engines and announced terms are left out."""


def _among(valid: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in valid:
            hint = nearest(name, valid) or f" (valid: {', '.join(valid)})"
            raise ValueError(f"unknown name '{name}'{hint}")
        return name

    return AfterValidator(check)


class LicenseFilter(BaseModel):
    """Which licences are kept; every document has a class, at worst ``unknown``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: list[Annotated[str, _among(CLASSES)]] = Field(
        default_factory=lambda: list(CLASSES[:4]),
        min_length=1,
        description="classes kept: " + ", ".join(CLASSES),
    )
    scopes: list[Literal["page", "source", "part", "unclear"]] = Field(
        default_factory=lambda: ["page", "source"],
        description="what the licence must cover; a document without a licence has no scope, and "
        "is judged by its class alone",
    )
    min_confidence: float = Field(0.0, ge=0, le=1, description="lowest confidence kept")


class Consent(BaseModel):
    """Which reservations of rights are obeyed, and where they are looked for.

    The pages' own (meta, HTTP fields) and the robots.txt, ai.txt and tdmrep.json files that the
    inputs hold are always read and told in ``opt_out``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["permissive", "strict"] = Field(
        description="permissive: a host of which no robots.txt is known has not refused; strict: "
        "what is not known is reserved. A file that cannot be read is no permission in either",
    )
    robots: list[str] = Field(
        default_factory=list,
        description="files (WARC, JSONL or Parquet with host and body) of robots.txt, ai.txt and "
        "tdmrep.json fetched later: they hold for every document of the host",
    )
    agents: list[str] = Field(
        default_factory=lambda: [*AI_AGENTS, "*"],
        min_length=1,
        description="user agents whose refusal in robots.txt counts; * is every robot",
    )
    reserve: list[Annotated[str, _among(SIGNALS)]] = Field(
        default_factory=lambda: list(RESERVE),
        description="signals that reject: " + ", ".join(SIGNALS),
    )
    exempt: list[str] = Field(
        default_factory=list, description="sources whose documents are told of, not rejected"
    )

    @field_validator("robots", mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
