"""What a study follows, in words: runs that it keeps, and the phase that it goes on from."""

from __future__ import annotations

from typing import Any

from mixing import words
from mixing.study_file import Study

_APART = 2e-3  # of a share from its frozen ratio


def tell_before(after: dict[str, Any] | None) -> list[str]:
    """What a study is conditioned on, in sentences."""
    if not after:
        return []
    mix = ", ".join(
        f"{name} {words.percent(p)}" for name, p in after["recommended"].items() if p > 0
    )
    used = ", ".join(f"{n} {words.epochs(e)}" for n, e in after["used"].items() if e > 0)
    return [
        f"Conditioned on {after['study']} (answer {after['answer'][-12:]}): every proxy starts "
        f"from one trained on {words.count(after['proxy_tokens'])} tokens of its answer ({mix}).",
        f"Its {words.count(after['tokens'])} tokens count as repetitions here; epochs used: "
        f"{used or 'none'}.",
    ]


def tell_reuse(
    plan: dict[str, Any] | None,
    not_kept: dict[str, int],
    study: Study,
    available: dict[str, float],
    mix: dict[str, float] | None = None,
) -> list[str]:
    """What was kept, opened and frozen, and why, in sentences.

    Parameters
    ----------
    plan
        What `mixing.reuse.plan_reuse` made, or None.
    not_kept
        Runs of an earlier study that hold no more, by reason, where none does.
    available
        Tokens of each domain.
    mix
        The recommended shares, where there are any yet.
    """
    if plan is None:
        told = ", ".join(f"{count} {reason}" for reason, count in not_kept.items())
        return [f"No run of the earlier study is kept: {told}."] if told else []
    runs, told = plan["runs"], []
    changes = [f"{name} {what}" for name, what in plan["changes"].items() if what != "kept"]
    told.append("Changed since the earlier study: " + ("; ".join(changes) or "nothing") + ".")
    dropped = ", ".join(f"{count} {reason}" for reason, count in runs["dropped"].items())
    told.append(
        f"{runs['kept']} runs kept, {runs['further']} further ones; a swarm of its own has "
        f"{runs['whole']}." + (f" Not kept: {dropped}." if dropped else "")
    )
    for name, row in plan["opened"].items():
        with_what = ", ".join(f"{other} {value:.2f}" for other, value in sorted(
            row.items(), key=lambda item: -item[1]))  # fmt: skip
        reason = f"coupled to {with_what}; from {plan['threshold']:g} on"
        if not row:
            few = "too few runs to tell what it is coupled to"
            reason = "it has no share that could be frozen" if plan["coupling"] else few
        told.append(f"Opened again: {name} ({reason}).")
    if not plan["opened"] and any(plan["coupling"].values()):
        told.append(f"Nothing else is opened: no coupling reaches {plan['threshold']:g}.")
    if plan["frozen"]:
        group = ", ".join(
            f"{name} {ratio:.1%}{_coupled(plan['coupling'].get(name))}"
            for name, ratio in plan["frozen"].items()
        )
        source = "the earlier answer" if plan["ratios_from"] == "answer" else "the natural mix"
        told.append(f"Frozen as one virtual domain, in the ratios of {source}: {group}.")
        told += _limit(plan["frozen"], study, available)
        rest = sum(mix[name] for name in plan["frozen"]) if mix else 0.0
        if mix and any(abs(mix[n] - rest * q) > _APART for n, q in plan["frozen"].items()):
            told.append("The limits forbid these ratios: all domains were solved for.")
    return told


def _limit(frozen: dict[str, float], study: Study, available: dict[str, float]) -> list[str]:
    """How much the virtual domain may have: as much as its scarcest member's epochs allow."""
    epochs = study.constraints.max_epochs
    if epochs is None:
        return []
    most = {n: epochs * available[n] / (study.tokens * q) for n, q in frozen.items() if q > 0}
    name = min(most, key=lambda n: most[n])
    if most[name] >= 1:
        return []
    return [f"Epochs of {name} hold the virtual domain at {words.percent(most[name])} at most."]


def _coupled(row: dict[str, float] | None) -> str:
    return f" (coupling {max(row.values()):.2f})" if row else ""
