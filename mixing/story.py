"""What the report tells of an experiment besides its answer: a study's, or an imported swarm's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from mixing import words
from mixing.conditions import tell_before, tell_reuse
from mixing.export.mixture import export_fields
from mixing.ngram_rung import tell_rung
from mixing.study_file import Constraints, Study

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Story:
    """An experiment in words.

    Attributes
    ----------
    name, subtitle
        Of the report.
    card, limits
        Terms and what they are: of the experiment, of the constraints.
    commands
        That make the report again.
    text
        The study file, or nothing.
    closing
        A sentence on how the report comes about.
    domains
        Predicate of each domain, where there are any.
    exports
        Further fields of the mixture file, by which the mix can be exported.
    rung
        What n-gram models were good for, or nothing.
    notes
        Sentences that the summary tells besides its table.
    """

    name: str
    subtitle: str
    card: Pairs
    limits: Pairs
    commands: list[str]
    text: str = ""
    closing: str = ""
    domains: dict[str, str] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)
    rung: str = ""
    notes: list[str] = field(default_factory=list)


def study_story(study: Study, answer: dict[str, Any], facts: dict[str, Any]) -> Story:
    """Of a study; `facts` may have ``streams``, ``cost`` and ``rounds``."""
    proxy, runs = study.proxy, answer["swarm"]["kinds"]
    rate = f"{proxy.lr:g}" if proxy.lr else "0.5 / width"
    card = [
        (
            "Proxy",
            f"Llama-style decoder of {proxy.model} parameters without embeddings; "
            f"{words.count(proxy.tokens)} tokens, batches of {proxy.batch} × {proxy.context} "
            f"tokens, peak learning rate {rate}",
        ),
        (
            "Tokenizer",
            proxy.tokenizer
            or f"byte-level BPE of {proxy.vocab} ids, trained on an equal sample of every domain",
        ),
        (
            "Repetition",
            "matched: each domain is subsampled so that a proxy repeats what the target run would"
            if proxy.match_repetition
            else "not matched: proxies see all text of a domain",
        ),
        ("Swarm", _swarm(answer)),
        ("Objective", "weighted mean of the tasks' bits per byte; a law for each task"),
    ]
    streams = facts.get("streams")
    if streams:
        documents = round(sum(one["held_documents"] for one in streams))
        size = words.count(sum(one["held_bytes"] for one in streams))
        card.append(
            (
                "Held out",
                f"{documents} documents, {size} bytes, chosen by a hash of their ids; the corpus "
                "holds no near duplicates of them",
            )
        )
    card += [("Goes on from", told) for told in tell_before(facts.get("after"))]
    available = dict(zip(answer["domains"], answer["tokens"], strict=True))
    best = dict(zip(answer["domains"], answer["mixes"]["recommended"], strict=True))
    not_kept = facts.get("not_kept") or {}
    reused = tell_reuse(facts.get("reuse"), not_kept, study, available, best)
    card += [("Reused", " ".join(reused))] if reused else []
    for name, suite in study.evaluation.suites.items():
        card.append((f"Suite {name}", f"bits per byte of the gold answers in {suite.path}"))
    rounds = facts.get("rounds") or []
    if rounds:
        last = rounds[-1]
        end = "; the last found nothing worth a run" if not last["mixes"] else ""
        card.append(
            (
                "Refined",
                f"{len(rounds)} rounds, {runs.count('refine')} runs at optima of the bootstraps; "
                f"expected regret {last['regret']:.2g}, noise {last['noise']:.2g}{end}",
            )
        )
    cost = facts.get("cost")
    if cost:
        card.append(
            (
                "Cost",
                f"{cost['proxies']} proxies, {words.count(cost['proxy_tokens'])} tokens in all, "
                f"{words.duration(cost['seconds'])} of one core",
            )
        )
    card.append(("Seed", str(study.seed)))
    data = study.model_dump(mode="json", exclude={"root"})
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=88).rstrip()
    run = study.run if isinstance(study.run, str) else ", ".join(study.run)
    return Story(
        name=study.name,
        subtitle=f"{len(answer['domains'])} domains, {len(runs)} proxies of {proxy.model} "
        f"parameters trained on {words.count(proxy.tokens)} tokens each; for a training run of "
        f"{words.count(answer['budget'])} tokens.",
        card=card,
        limits=tell_limits(study.constraints, answer),
        commands=["corpusmill mix run STUDY.yaml"],
        text=text,
        closing="The study in full; everything else follows from it and from the run folder "
        f"{run}. The same study over the same corpus gives the same report. mixture.json beside "
        "this page holds the ratios for machines. Domains: the first predicate that holds counts.",
        domains=dict(study.domains),
        exports={
            **export_fields(study),
            **{name: facts[name] for name in ("reuse", "after") if facts.get(name)},
        },
        notes=tell_before(facts.get("after")) + reused,
        rung=tell_rung(facts["ngrams"], answer["tasks"]) if facts.get("ngrams") else "",
    )


def swarm_story(
    name: str, answer: dict[str, Any], limits: Constraints, facts: dict[str, Any]
) -> Story:
    """Of an imported swarm; `facts` has ``commands`` and ``sources``, and maybe ``estimated``."""
    count = len(answer["swarm"]["shares"])
    card = [
        ("Runs", "trained elsewhere; read from " + " and ".join(facts["sources"])),
        ("Swarm", _swarm(answer)),
        ("Objective", f"weighted mean of {len(answer['tasks'])} tasks ({answer['unit']})"),
    ]
    if facts.get("estimated"):
        card.append(("Available tokens", facts["estimated"]))
    return Story(
        name=name,
        subtitle=f"{len(answer['domains'])} domains, {count} imported runs, "
        f"{len(answer['tasks'])} tasks; for a training run of {words.count(answer['budget'])} "
        "tokens.",
        card=card,
        limits=tell_limits(limits, answer),
        commands=facts["commands"],
        closing="The same tables and options give the same report.",
    )


def tell_limits(limits: Constraints, answer: dict[str, Any]) -> Pairs:
    """The constraints in words."""
    repetition = (
        f"at most {limits.max_epochs:g} epochs of a domain"
        if limits.max_epochs is not None
        else "not limited"
    )
    if limits.fading:
        repetition += "; repeated text counts less than fresh text"
    found = [
        ("Target", f"{words.count(answer['budget'])} tokens"),
        ("Repetition", repetition),
        ("Floors", _shares(limits.floors)),
        ("Caps", _shares(limits.caps)),
    ]
    for name, group in limits.groups.items():
        found.append((f"Group {name}", f"{', '.join(group.domains)}: {_between(group)}"))
    for name, quota in limits.licenses.items():
        found.append((f"Licence {name}", _between(quota)))
    near = f"at most {limits.kl:g} nats" if limits.kl is not None else "not limited"
    found.append(("Distance from natural", near))
    if limits.guard is not None:
        told = f"no family may be predicted more than {limits.guard:g} worse than the natural mix"
        found.append(("Guard", told))
    unit = words.short_unit(answer["unit"])
    found.append(
        (
            "Optimality",
            f"under the laws no allowed mix is better by more than {answer['gap']:.1g} {unit} "
            "(duality gap)",
        )
    )
    return found


def _swarm(answer: dict[str, Any]) -> str:
    rows = [tuple(row) for row in answer["swarm"]["shares"]]
    mixes = len(set(rows))
    per = mixes / (len(answer["domains"]) + 1)
    return (
        f"{mixes} mixes and {len(rows) - mixes} repeats with other seeds; {per:.1f} mixes per "
        "coefficient of a law"
    )


def _shares(limits: dict[str, float]) -> str:
    return ", ".join(f"{name} {words.percent(p)}" for name, p in limits.items()) or "none"


def _between(bounds: Any) -> str:
    parts = []
    if bounds.at_least > 0:
        parts.append(f"at least {words.percent(bounds.at_least)}")
    if bounds.at_most < 1:
        parts.append(f"at most {words.percent(bounds.at_most)}")
    return " and ".join(parts) or "not limited"
