"""The study: which domains, which proxies, which constraints, as one YAML file."""

from __future__ import annotations

import math
import os
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from catalogs import storage
from catalogs.errors import nearest
from pipeline.config import Name, Strict, load_yaml, validated
from proxies import SIZES

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_COUNT = r"\s*((?:\d[\d_]*\.?\d*|\.\d+)(?:e\+?\d+)?)\s*([KMBT]?)\s*"


def parse_count(value: Any) -> Any:
    """A number of tokens: ``2e9``, ``2_000_000``, ``"2B"``, ``"1.5T"``."""
    if not isinstance(value, str | float):
        return value
    match = re.fullmatch(_COUNT, str(value), re.IGNORECASE)
    number = float(match[1].replace("_", "")) * _UNITS[match[2].upper()] if match else math.inf
    if math.isinf(number):
        raise ValueError(f"expected a number of tokens such as 2B, got '{value}'")
    return round(number)


def _known_size(name: str) -> str:
    if name not in SIZES:
        hint = nearest(name, SIZES) or f" (valid: {', '.join(SIZES)})"
        raise ValueError(f"expected the name of a proxy size, got '{name}'{hint}")
    return name


Count = Annotated[int, BeforeValidator(parse_count), Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Proxy(Strict):
    """The proxy model and its training."""

    model: Annotated[str, AfterValidator(_known_size)] = Field(
        "0.3M", description="size by name: parameters without embeddings"
    )
    tokens: Count = Field(500_000, description="training tokens of one proxy")
    vocab: int = Field(2048, ge=257, description="ids of the BPE trained on the pool")
    tokenizer: str | None = Field(None, description="a tokenizer.json to use instead, or 'bytes'")
    context: int = Field(64, ge=8, description="tokens per sequence")
    batch: int = Field(8, ge=1, description="sequences per step")
    lr: float | None = Field(None, gt=0, description="peak learning rate; default 0.5 / width")
    warmup: float = Field(
        0.15, ge=0, lt=1, description="share of the steps in which the rate rises; less is noisier"
    )
    match_repetition: bool = Field(
        True, description="subsample domains so that a proxy repeats what the target would"
    )
    ngrams: Literal["auto", "off"] = Field(
        "auto", description="n-gram models as a prior of the laws, where that lowers their errors"
    )
    stack: Literal["auto", "off"] | Annotated[int, Field(ge=2)] = Field(
        "auto",
        description="proxies trained as one program: auto, on a GPU as many as fit; or so many",
    )
    checkpoints: int = Field(4, ge=1, description="states of a run that a kill cannot lose")
    keep_checkpoints: bool = Field(
        True, description="keep the weights of every checkpoint as data, not of the last alone"
    )


class SwarmDesign(Strict):
    """Which mixes are trained."""

    mixes: int | None = Field(None, ge=3, description="distinct mixes; default 3 (domains + 1)")
    repeats: int = Field(2, ge=0, description="further seeds at the natural and the uniform mix")
    temperature: float = Field(0.5, gt=0, le=1, description="flattens the natural shares")
    sparse: Share = Field(0.25, description="share of mixes on few domains")
    local: Share = Field(0.25, description="share of mixes near the natural one")
    reuse: str | None = Field(
        None,
        description="folder of an earlier study whose runs are kept where they still hold; none to "
        "keep nothing; default this study's own, when its domains change",
    )
    coupling: Share = Field(
        0.25,
        description="from which a domain is opened again when one that it is coupled to changes",
    )


class Suite(Strict):
    """Items to score gold answers on: JSON lines with ``context`` and ``continuation``."""

    path: str = Field(description="JSONL or Parquet; each item a context and its continuation")
    family: str | None = Field(None, description="tasks weighed and guarded together; default own")
    limit: int | None = Field(None, ge=1, description="items scored at most, the first ones")


class Evaluation(Strict):
    """What proxies are scored on, in bits per byte."""

    holdout_bytes: Count = Field(200_000, description="held-out text per domain, UTF-8 bytes")
    holdout_share: Share = Field(0.2, description="of a domain's text that is held out at most")
    suites: dict[Name, Suite] = Field(
        default_factory=dict, description="name -> items whose gold answers are scored"
    )
    families: dict[Name, list[str]] = Field(
        default_factory=dict, description="family -> domains whose held-out texts belong to it"
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="domain, suite or family -> weight in the objective; default 1",
    )


class Budget(Strict):
    """Bounds on a summed share."""

    domains: list[str] = Field(min_length=1, description="whose shares are summed")
    at_least: Share = Field(0.0, description="of the training tokens")
    at_most: Share = Field(1.0, description="of the training tokens")


class Quota(Strict):
    """Bounds on the share of text under one licence."""

    at_least: Share = Field(0.0, description="of the training tokens")
    at_most: Share = Field(1.0, description="of the training tokens")


class Constraints(Strict):
    """What the recommended mix must keep to."""

    max_epochs: float | None = Field(4.0, gt=0, description="repetitions of a domain at most")
    fading: bool = Field(
        False, description="repeated text counts less than fresh text (R* = 15 epochs)"
    )
    floors: dict[str, Share] = Field(default_factory=dict, description="least share by domain")
    caps: dict[str, Share] = Field(default_factory=dict, description="largest share by domain")
    groups: dict[Name, Budget] = Field(
        default_factory=dict, description="name -> bounds on the summed share of domains"
    )
    licenses: dict[str, Quota] = Field(
        default_factory=dict, description="licence (SPDX id, or none) -> bounds on its share"
    )
    kl: float | None = Field(None, gt=0, description="distance from the natural mix, nats")
    guard: float | None = Field(
        None, ge=0, description="no family may be predicted worse than the natural mix by more"
    )


class Refine(Strict):
    """Further runs where they inform the optimum."""

    rounds: int = Field(0, ge=0, description="rounds of a whole run; it stops sooner when sure")
    runs: int | None = Field(None, ge=1, description="runs of a round; default half the domains")


class Confirm(Strict):
    """Proxies trained on the answer and on the baselines, with paired seeds."""

    tokens: Count | None = Field(None, description="training tokens; default those of a proxy")
    model: Annotated[str, AfterValidator(_known_size)] | None = Field(
        None, description="size by name; default the proxies'"
    )
    seeds: int = Field(3, ge=0, description="seeds of each mix; 0 to skip")
    anchors: int = Field(
        0, ge=0, description="further mixes of the swarm, to calibrate each task's scale"
    )


class Study(Strict):
    """A mixture study."""

    name: Name = Field(description="name of the study")
    run: str | list[str] = Field(description="run folder, or several, whose corpus is mixed")
    out: str = Field(description="folder of the study")
    root: str | None = Field(None, description="folder that paths are relative to")
    domains: dict[Name, str] = Field(
        min_length=2,
        description="name -> SQL predicate over the view documents; the first that holds counts",
    )
    tokens: Count = Field(description="tokens of the training run that the mix is for")
    after: str | None = Field(
        None, description="study, or its folder, whose training run this one goes on from"
    )
    proxy: Proxy = Proxy()
    swarm: SwarmDesign = SwarmDesign()
    evaluation: Evaluation = Evaluation()
    constraints: Constraints = Constraints()
    refine: Refine = Refine()
    confirm: Confirm = Confirm()
    draws: int = Field(200, ge=20, description="bootstrap draws for the intervals")
    seed: int = Field(0, ge=0, description="seed of the design, the proxies and the bootstrap")

    @model_validator(mode="after")
    def _domains_exist(self) -> Study:
        limits, evaluation = self.constraints, self.evaluation
        families = {*evaluation.families, *(s.family for s in evaluation.suites.values())} - {None}
        for name in evaluation.suites:
            if name in self.domains:
                raise ValueError(f"'evaluation.suites' names '{name}', which is a domain, too")
        tasks = {*self.domains, *evaluation.suites, *families}
        named = {
            "evaluation.weights": (evaluation.weights, tasks, "domain, suite or family"),
            "constraints.floors": (limits.floors, self.domains, "domain"),
            "constraints.caps": (limits.caps, self.domains, "domain"),
        }
        for name, group in limits.groups.items():
            named[f"constraints.groups.{name}"] = (group.domains, self.domains, "domain")
        for name, members in evaluation.families.items():
            named[f"evaluation.families.{name}"] = (members, self.domains, "domain")
        for field, (names, valid, kind) in named.items():
            for name in names:
                if name not in valid:
                    raise ValueError(
                        f"'{field}' names '{name}', which is no {kind}{nearest(name, valid)}"
                    )
        return self

    @property
    def run_folders(self) -> list[str]:
        runs = [self.run] if isinstance(self.run, str) else self.run
        return [storage.join(self.root or ".", run) for run in runs]

    @property
    def tokenizer_path(self) -> str | None:
        """The tokenizer that is given; else None."""
        given = self.proxy.tokenizer
        return given if given in (None, "bytes") else storage.join(self.root or ".", given)

    @property
    def out_folder(self) -> str:
        return storage.join(self.root or ".", self.out)


def load_study(path: str) -> Study:
    """Read and check a study.

    Raises
    ------
    UserError
        One line per wrong field: file, field, what was expected, nearest valid name.
    """
    data = load_yaml(path)
    here = os.path.dirname(os.path.abspath(path))
    data["root"] = os.path.abspath(os.path.join(here, str(data.get("root") or ".")))
    return validated(Study, data, path)
