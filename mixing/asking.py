"""Questions in people's words: weights, caps and tokens by name, put into an `Ask`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from catalogs.errors import UserError, nearest
from mixing.answer import Runs
from mixing.ask import Ask
from mixing.feasible import Group
from mixing.study_file import Constraints

OTHERS = "others"


def find_name(name: str, valid: Sequence[str], field: str) -> str:
    """The one of `valid` that is meant: itself, or the only one that contains it.

    Raises
    ------
    UserError
        When there is none, or more than one.
    """
    if name in valid:
        return name
    inside = [one for one in valid if name in one]
    if len(inside) == 1:
        return inside[0]
    if inside:
        told = ", ".join(f"'{one}'" for one in inside[:3])
        raise UserError(f"{field}: '{name}' may be any of {told}; give the whole name")
    hint = nearest(name, valid) or f" (valid: {', '.join(list(valid)[:12])})"
    raise UserError(f"{field}: '{name}' is unknown{hint}")


def parse_pairs(texts: Iterable[str], field: str, least: float = 0.0) -> dict[str, float]:
    """``["a=1,b=.5", "c=2"]`` as a mapping.

    Raises
    ------
    UserError
        When a part is not NAME=NUMBER, a number is below `least`, or a name has two.
    """
    found: dict[str, float] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        if not part:
            continue
        name, equals, value = part.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not (equals and name.strip()) or not (least <= number < float("inf")):
            raise UserError(f"{field}: expected NAME=NUMBER such as code=0.2, got '{part}'")
        if found.setdefault(name.strip(), number) != number:
            raise UserError(
                f"{field}: '{name.strip()}' has two numbers, {found[name.strip()]:g} and {number:g}"
            )
    return found


def task_weights(
    given: dict[str, float],
    tasks: Sequence[str],
    families: Sequence[str],
    default: float,
    field: str,
) -> np.ndarray:
    """Weights of the tasks, summing to 1, (tasks,).

    A family's weight is dealt evenly to its tasks; a task's own weight comes before its family's.

    Parameters
    ----------
    given
        Task or family -> weight; ``others`` -> weight of every task that is not named.
    default
        Weight of those when ``others`` is not given.

    Raises
    ------
    UserError
        When a name is unknown or all weights are 0.
    """
    weights = np.full(len(tasks), given.get(OTHERS, default), float)
    own = [name for name in given if name != OTHERS]
    valid = list(dict.fromkeys([*tasks, *families]))
    meant = {find_name(name, valid, field): given[name] for name in own}
    for name, value in meant.items():
        members = [t for t, family in enumerate(families) if family == name]
        if name not in tasks:
            weights[members] = value / len(members)
    for name, value in meant.items():
        if name in tasks:
            weights[list(tasks).index(name)] = value
    if not weights.sum() > 0:
        raise UserError(f"{field}: all weights are 0")
    return weights / weights.sum()


def make_ask(
    runs: Runs,
    available: np.ndarray,
    budget: float,
    limits: Constraints,
    weights: np.ndarray,
    license_fractions: dict[str, list[float]] | None = None,
) -> Ask:
    """A question about a swarm.

    Parameters
    ----------
    available
        Tokens of each domain that may be trained on, (m,).
    budget
        Training tokens.
    license_fractions
        Licence -> part of each domain's tokens that is under it, (m,).

    Raises
    ------
    UserError
        When a limit names what is not there.
    """
    names = runs.domains
    groups = [
        Group(
            name,
            tuple(find_name(one, names, f"group {name}") for one in group.domains),
            group.at_least,
            group.at_most,
        )
        for name, group in limits.groups.items()
    ]
    known = license_fractions or {}
    for license, quota in limits.licenses.items():
        if license not in known:
            hint = nearest(license, known) or f" (found: {', '.join(sorted(known)) or 'none'})"
            raise UserError(f"constraints.licenses: no text is under '{license}'{hint}")
        fractions = tuple(known[license])
        groups.append(
            Group(f"licence {license}", tuple(names), quota.at_least, quota.at_most, fractions)
        )
    return Ask(
        domains=tuple(names),
        available=np.asarray(available, float),
        weights=weights,
        budget=float(budget),
        families=tuple(runs.families),
        max_epochs=limits.max_epochs,
        floors={find_name(n, names, "floor"): v for n, v in limits.floors.items()},
        caps={find_name(n, names, "cap"): v for n, v in limits.caps.items()},
        groups=tuple(groups),
        kl=limits.kl,
        guard=limits.guard,
        fading=limits.fading,
        support=runs.shares.max(0),
    )


def limit(
    constraints: Constraints,
    domains: Sequence[str],
    caps: dict[str, float] | None,
    floors: dict[str, float] | None,
) -> Constraints:
    """The same constraints with further caps and floors.

    Raises
    ------
    UserError
        When a domain is unknown or a share is above 1.
    """
    for kind, option, more in (("caps", "--cap", caps), ("floors", "--floor", floors)):
        named = {find_name(name, domains, option): value for name, value in (more or {}).items()}
        for name, value in named.items():
            if value > 1:
                raise UserError(f"{option}: a share is at most 1, got {name}={value:g}")
        constraints = constraints.model_copy(update={kind: {**getattr(constraints, kind), **named}})
    return constraints
