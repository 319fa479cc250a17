"""What the recipe says about quality: which classifiers score, and what their scores decide."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _share(value: Any) -> Any:
    """A share of the corpus as a number, or as text such as ``10 %``."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return round(float(value.strip()[:-1]) / 100, 12)
        except ValueError:
            return value
    return value


Share = Annotated[float, BeforeValidator(_share), Field(gt=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Strict):
    """A classifier or regressor, named by the hash of its file."""

    path: str = Field(
        description="model file, the folder that `classifier train` made, or a folder or model "
        "of transformers, as in `transformers:OWNER/NAME@REVISION`"
    )
    sha256: str | None = Field(
        None, description="SHA-256 of the model file or folder, 64 hex digits"
    )
    xxh3: str | None = Field(None, description="xxh3_128 of the model file, instead of SHA-256")
    positive: str | None = Field(
        None,
        description="label whose probability is the score; default `positive` or `hq` if the model "
        "has two labels. Models of other labels give `labels` and the probability of the best",
    )
    first_chars: int = Field(0, ge=0, description="characters looked at; 0 for all")
    min: float | None = Field(None, description="documents with a lower score are rejected")
    max: float | None = Field(None, description="documents with a higher score are rejected")
    drop: tuple[str, ...] = Field((), description="labels whose documents are rejected")
    top: Share | None = Field(
        None, description="share of the corpus that is kept, by score, such as 0.1 or 10 %"
    )
    sources: tuple[str, ...] | None = Field(
        None, description="sources that are scored; null for all"
    )

    @model_validator(mode="after")
    def _named_by_hash(self) -> Model:
        if (self.sha256 is None) == (self.xxh3 is None):
            raise ValueError(
                f"needs one of 'sha256' and 'xxh3' (corpusmill classifier show {self.path} tells)"
            )
        return self


class Ensemble(_Strict):
    """Several scores as one: each becomes a rank among the corpus, and the ranks are combined."""

    of: tuple[Name, ...] = Field(min_length=2, description="names of models with a score")
    combine: Literal["max", "mean"] = Field("max", description="largest rank, or their mean")
    top: Share | None = Field(None, description="share of the corpus that is kept, by that rank")


class Buckets(_Strict):
    """Equal parts of the corpus by quality, for up-sampling later: 0 is the worst."""

    score: Name = Field(description="name of a model or ensemble")
    per: str | None = Field(
        None,
        description="parts within each: `source`, `language`, or a model of labels, such as topics",
    )
    count: int = Field(20, ge=2, le=1000, description="number of parts: 20 are vigintiles")


class Quality(_Strict):
    """Quality classifiers: scores and labels as columns, cuts over the corpus, buckets."""

    models: dict[Name, Model] = Field(default_factory=dict, description="models by name")
    ensembles: dict[Name, Ensemble] = Field(
        default_factory=dict, description="combinations of models by name"
    )
    buckets: Buckets | None = Field(None, description="column `quality_bucket`; null for none")

    @model_validator(mode="after")
    def _names_known(self) -> Quality:
        for name, ensemble in self.ensembles.items():
            if name in self.models:
                raise ValueError(f"'ensembles.{name}' is the name of a model, too")
            for part in ensemble.of:
                if part not in self.models:
                    raise ValueError(f"'ensembles.{name}.of' names '{part}', which is no model")
        if self.buckets is None:
            return self
        scores = [*self.models, *self.ensembles]
        if self.buckets.score not in scores:
            raise ValueError(f"'buckets.score' names '{self.buckets.score}', which is no score")
        if self.buckets.per not in (None, "source", "language", *self.models):
            valid = ", ".join(["source", "language", *self.models])
            raise ValueError(f"'buckets.per' is '{self.buckets.per}' (valid: {valid})")
        return self

    @property
    def decides(self) -> bool:
        """Whether documents are judged or put into parts by scores."""
        own = (
            (model.min, model.max, model.drop or None) != (None, None, None)
            for model in self.models.values()
        )
        return any(own) or self.ranks

    @property
    def rejects_sql(self) -> str:
        """SQL over ``scores`` and ``labels``: a rule rejects the document for itself; may be empty.

        The best shares of the corpus are no such rules.
        """
        tests = []
        for name, model in self.models.items():
            score = f"scores['{name}']"
            for bound, sign in ((model.min, "<"), (model.max, ">")):
                if bound is not None:
                    tests.append(f"{score} {sign} CAST({bound!r} AS FLOAT)")
            if model.drop:
                labels = ", ".join("'" + label.replace("'", "''") + "'" for label in model.drop)
                tests.append(f"labels['{name}'] IN ({labels})")
        return f"coalesce({' OR '.join(tests)}, false)" if tests else ""

    @property
    def deciding(self) -> dict[str, Any]:
        """The settings that verdicts hang on: models are in the scores already."""
        settings = self.model_dump(mode="json")
        for model in settings["models"].values():
            model["path"] = ""
        return settings

    @property
    def ranks(self) -> bool:
        """Whether something is to be computed over the whole corpus."""
        cuts = any(one.top is not None for one in (*self.models.values(), *self.ensembles.values()))
        return bool(cuts or self.ensembles or self.buckets)
