"""What the recipe says about personal data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from filters.pii_types import TYPES

Type = Literal["key", "iban", "card", "national_id", "email", "ip", "phone"]
REJECT_ABOVE = 10.0


class PiiConfig(BaseModel):
    """Personal data and secrets in the text of documents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["none", "tag", "mask", "reject"] = Field(
        "none",
        description="do not look; leave the documents alone; put placeholders such as `<EMAIL>` "
        "into `corpus/`; or reject documents above `reject_above`",
    )
    types: list[Type] = Field(list(TYPES), description="what is looked for")
    min_confidence: float = Field(
        0.6, ge=0, le=1, description="what is less sure is neither told nor masked"
    )
    regions: list[str] = Field(
        default_factory=list,
        description="countries (ISO 3166, such as DE) whose telephone numbers are looked for "
        "besides those of the language of the text",
    )
    reject_above: float | None = Field(
        None,
        ge=0,
        description="documents with more finds per 1,000 words are rejected; "
        f"null: none, or with `action: reject` {REJECT_ABOVE:g}",
    )

    @model_validator(mode="before")
    @classmethod
    def _action_alone(cls, value: Any) -> Any:
        return {"action": value} if isinstance(value, str) else value

    @property
    def bound(self) -> float | None:
        """Finds per 1,000 words above which a document is rejected."""
        if self.reject_above is None and self.action == "reject":
            return REJECT_ABOVE
        return self.reject_above
