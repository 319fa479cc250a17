"""Numbers and findings in plain words, with the digits that they deserve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

BASELINES = ("natural", "uniform", "unimax")
MIXES = ("natural", "uniform", "unimax", "observed")
TITLES = {
    "recommended": "recommended",
    "natural": "natural",
    "uniform": "uniform",
    "unimax": "UniMax",
    "observed": "best observed",
}


@dataclass(frozen=True)
class Verdict:
    """What to do with the answer.

    Attributes
    ----------
    word
        win, mixed, tie, lose or predicted.
    headline
        One sentence.
    details
        A sentence for each baseline.
    """

    word: str
    headline: str
    details: list[str]


def percent(share: float, width: float | None = None) -> str:
    """A share in percent; `width` of its interval decides the digits."""
    if not _finite(share):
        return "–"
    if share == 0:
        return "0 %"
    value = 100 * share
    if width is not None and width > 0.1 and value >= 1:
        return f"{value:.0f} %"
    if value < 0.05:
        return "<0.1 %"
    return f"{value:.1f} %"


def span(low: float, high: float) -> str:
    """Two shares in percent, or one where both read the same."""
    ends = percent(low), percent(high)
    return ends[0] if ends[0] == ends[1] else " – ".join(ends)


def bpb(value: float) -> str:
    """A loss in bits per byte."""
    return f"{value:.3f}" if _finite(value) else "–"


def change(value: float) -> str:
    """A difference in bits per byte, signed, with a true minus."""
    if not _finite(value):
        return "–"
    digits = 3 if abs(value) >= 0.0095 else 4
    text = f"{abs(value):.{digits}f}"
    sign = "" if float(text) == 0 else "+" if value > 0 else "−"
    return sign + text


def count(value: float) -> str:
    """A number of tokens or bytes, short: 12.3B."""
    if not _finite(value):
        return "–"
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= 0.9995 * size:
            return f"{_three(value / size)}{unit}"
    return f"{value:.0f}"


def epochs(value: float) -> str:
    """How often a domain repeats."""
    if not _finite(value):
        return "–"
    return f"{value:.1f}" if value >= 0.095 else f"{value:.2f}" if value >= 0.005 else "0"


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def within(low: float, high: float) -> str:
    """An interval of differences: ``+0.010 to +0.032``."""
    if not (_finite(low) and _finite(high)):
        return "unknown"
    return f"{change(low)} to {change(high)}"


def give_verdict(answer: dict[str, Any], confirmation: dict[str, Any] | None) -> Verdict:
    """The verdict on a study: from what was trained, or else from what is predicted."""
    if confirmation:
        return _confirmed(confirmation, short_unit(answer["unit"]))
    details, clear, unit = [], [], short_unit(answer["unit"])
    for name in BASELINES:
        value, low, high = answer["gain"][name]
        told = f"{change(value)} {unit} (90 % interval {within(low, high)})"
        if low > 0:
            clear.append(name)
            details.append(f"Predicted to beat the {_mix(name)} by {told}.")
        else:
            details.append(f"Against the {_mix(name)} within the noise: {told}.")
    if clear:
        headline = f"Predicted to beat {_listing(clear)}; not confirmed by training."
        return Verdict("predicted", headline, details)
    return Verdict(
        "tie", "Within the noise: no better mix than the baselines is predicted.", details
    )


def _confirmed(confirmation: dict[str, Any], unit: str) -> Verdict:
    sorted_by = {"win": [], "tie": [], "lose": [], "untested": [], "same mix": []}
    details = []
    seeds = confirmation["seeds"]
    for name, found in confirmation["baselines"].items():
        verdict = found["verdict"]
        sorted_by[verdict].append(name)
        if verdict == "same mix":
            details.append(f"The {_mix(name)} is the recommended one.")
            continue
        told = f"{change(found['difference'])} {unit}"
        if verdict == "untested":
            details.append(f"Against the {_mix(name)} {told} with one seed: the noise is unknown.")
            continue
        told += f" (90 % interval {within(found['low'], found['high'])}, {seeds} paired seeds)"
        words = {
            "win": f"Win against the {_mix(name)}: {told}.",
            "tie": f"Tie with the {_mix(name)}, within the noise: {told}.",
            "lose": f"Loss to the {_mix(name)}: {told}.",
        }
        details.append(words[verdict])
    wins, ties, losses = sorted_by["win"], sorted_by["tie"], sorted_by["lose"]
    if losses:
        headline = f"Do not adopt the recommended mix: trained, it loses to {_listing(losses)}."
        return Verdict("lose", headline, details)
    if wins and not ties:
        headline = f"The recommended mix beats {_listing(wins)}, outside the noise."
        return Verdict("win", headline, details)
    if wins:
        headline = (
            f"The recommended mix beats {_listing(wins)}; "
            f"against {_listing(ties)} it is within the noise."
        )
        return Verdict("mixed", headline, details)
    if ties:
        headline = (
            f"The recommended mix is within the noise of {_listing(ties)}: "
            "choose by other reasons, or train more."
        )
        return Verdict("tie", headline, details)
    if sorted_by["untested"]:
        return Verdict("predicted", "Trained with one seed only: the noise is unknown.", details)
    return Verdict("tie", "The recommended mix is a baseline itself.", details)


def what_would_change(answer: dict[str, Any], confirmation: dict[str, Any] | None) -> list[str]:
    """What would change the answer, strongest first; each a sentence."""
    names = answer["domains"]
    mix = answer["mixes"]["recommended"]
    found = [price(one, answer) for one in answer["prices"][:4]]
    priced = {one["name"] for one in answer["prices"]}
    held = [j for j, cause in enumerate(answer["binding"]) if cause and names[j] not in priced]
    for j in held[:4]:
        cause, share = answer["binding"][j], percent(mix[j])
        mend = {
            "epochs": f"More text of {names[j]}, or more epochs: the limit holds it at {share}",
            "cap": f"A higher cap for {names[j]}: it is held at {share}",
            "support": f"Runs with more {names[j]}: it is held at {share}, near the most that "
            "the swarm sampled",
            "floor": f"A lower floor for {names[j]}: it is held at {share}",
        }[cause]
        found.append(mend + ".")
    moved = [one for one in answer["beyond"] if one["moved"] and one["moved"] > 0.05]
    for one in sorted(moved, key=lambda one: -one["moved"])[:2]:
        found.append(
            f"Another question: {one['change']} would move {percent(one['moved'])} of the tokens "
            "elsewhere."
        )
    widths = [high - low for low, high in zip(answer["low"], answer["high"], strict=True)]
    widest = max(range(len(names)), key=lambda j: widths[j])
    if widths[widest] > 0.02:
        low, high = answer["low"][widest], answer["high"][widest]
        found.append(
            f"More runs: the share of {names[widest]} is the least certain "
            f"({percent(low)} to {percent(high)})."
        )
    near = [name for name in BASELINES if answer["gain"][name][1] <= 0 < answer["gain"][name][2]]
    if near:
        found.append(
            f"More seeds or longer proxies: the predicted gain over {_listing(near)} is within "
            "the noise."
        )
    found += _broken_promises(answer, confirmation)
    if len(set(answer["weights"])) == 1:
        found.append("Other weights: every task counts the same here.")
    return found


def _broken_promises(answer: dict[str, Any], confirmation: dict[str, Any] | None) -> list[str]:
    """Where training shows less than the whole interval of what was predicted."""
    found, unit = [], short_unit(answer["unit"])
    for name, one in (confirmation or {}).get("baselines", {}).items():
        least, mixes = answer["gain"][name][1], answer["mixes"]
        if one["verdict"] not in ("tie", "lose") or not one["difference"] < least:
            continue
        both = sum(map(min, mixes["recommended"], mixes[name]))
        found.append(
            f"More runs near the optimum, as mix refine trains: against the {_mix(name)}, with "
            f"which it shares {percent(both)} of the tokens, the laws promise {change(least)} "
            f"{unit} or more, and training shows {change(one['difference'])}."
        )
    return found


def intervals(fit: dict[str, Any]) -> str:
    """What the intervals of shares are made of, and how often they held a known optimum."""
    items = f" and {fit['items']} evaluation items" if fit["items"] else ""
    told = f"bootstrap over runs, seeds{items}"
    found = fit["coverage"]
    if not found["worlds"]:
        return told
    before, after = (
        round(found["before"] * found["shares"]),
        round(found["after"] * found["shares"]),
    )
    return told + (
        f", stretched by {found['factor']:.2g} and reaching out to where a law that is not convex "
        f"has its optimum; in {found['worlds']} planted swarms they hold {after} of "
        f"{found['shares']} true shares, the bootstrap's own {before}"
    )


def breaks(limits: list[str] | None, most: int = 3) -> str:
    """The limits that a mix breaks, short: ``breaks epochs of math and 2 more limits``."""
    if not limits:
        return ""
    rest = len(limits) - most
    more = f" and {rest} more limit{'s' if rest > 1 else ''}" if rest > 0 else ""
    return "breaks " + ", ".join(limits[:most]) + more


def price(one: dict[str, Any], answer: dict[str, Any]) -> str:
    """What easing a limit buys, in a sentence."""
    name, gain = one["name"], f"{one['gain']:.2g} {short_unit(answer['unit'])}"
    if one["limit"] == "tokens":
        return f"{count(one['unit'])} more tokens of {name} would buy {gain}."
    eased = {
        "cap": f"One percent of the tokens above the cap of {name}",
        "support": f"One percent more {name} than the swarm's support allows",
        "floor": f"One percent of the tokens below the floor of {name}",
        "group": f"One percent of the tokens beyond the bound of {name}",
        "kl": "0.01 nats further from the natural mix",
        "guard": f"A guard of {name} looser by 0.001",
    }
    return f"{eased[one['limit']]} would buy {gain}."


def short_unit(unit: str) -> str:
    """The unit of the losses, short."""
    return "BPB" if unit == "bits per byte" else "loss"


def _mix(name: str) -> str:
    return f"{TITLES[name]} mix"


def _listing(names: list[str]) -> str:
    titles = [f"{TITLES.get(name, name)}" for name in names]
    if len(titles) == 1:
        return f"the {titles[0]} mix"
    return "the " + ", ".join(titles[:-1]) + f" and {titles[-1]} mixes"


def _three(value: float) -> str:
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
