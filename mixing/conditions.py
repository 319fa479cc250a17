"""What a study follows, in words: runs that it keeps, and the phase that it goes on from."""

from __future__ import annotations

from typing import Any

from mixing import words


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


def tell_reuse(plan: dict[str, Any]) -> list[str]:
    """What was kept, opened and frozen, and why, in sentences."""
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
        reason = f"coupled to {with_what}" if row else "nothing else could be frozen with it"
        told.append(f"Opened again: {name} ({reason}; from {plan['threshold']:g} on).")
    if not plan["opened"] and plan["coupling"]:
        told.append(f"Nothing else is opened: no coupling reaches {plan['threshold']:g}.")
    if plan["frozen"]:
        group = ", ".join(
            f"{name} {ratio:.1%}{_coupled(plan['coupling'].get(name))}"
            for name, ratio in plan["frozen"].items()
        )
        source = "the earlier answer" if plan["ratios_from"] == "answer" else "the natural mix"
        told.append(f"Frozen as one virtual domain, in the ratios of {source}: {group}.")
    return told


def _coupled(row: dict[str, float] | None) -> str:
    return f" (coupling {max(row.values()):.2f})" if row else ""
