"""Reuse: when domains change, only what is coupled to the change is mixed anew.

Runs of an earlier study are kept where they were trained as this one trains, on text that is still
there: on domains that were renamed or split they are runs on the new ones. The laws fitted to them
say which domains the changed ones are coupled to; these are opened again, all others are frozen in
the ratios of the earlier answer, as one virtual domain (Olmix, 2026). Further mixes vary only what
is open and the virtual domain's share; laws are fitted to kept and further runs together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalogs import storage
from catalogs.ledger import Row
from mixing.collapse import Frozen
from mixing.coupling import couplings
from mixing.earlier import Earlier
from mixing.overlap import UNLIKE, Overlap
from mixing.power_law import PowerLaw
from mixing.seeds import pooled_noise
from mixing.shares import exact, natural
from mixing.swarm import default_mixes, further_mixes
from pipeline.jobs import Job, at_work

_FEWEST = 4  # mixes that a law can be asked about

REUSE_CODE = (
    "mixing.reuse", "mixing.collapse", "mixing.coupling", "mixing.overlap", "mixing.swarm",
    "mixing.seeds", "mixing.shares", "mixing.laws", "mixing.levenberg", "mixing.power_law",
)  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A run of an earlier study that was trained as this one trains.

    Attributes
    ----------
    row, seed
        Its ledger row and seed.
    old, shares
        Its mix of the earlier study's domains, and of this one's; None where nothing of it is left.
    unlike
        Share of its tokens that were other text than this one's domains hold.
    """

    row: Row
    seed: int
    old: np.ndarray
    shares: np.ndarray | None
    unlike: float

    @property
    def holds(self) -> bool:
        """Whether it is a run of this study, too; if not, it still tells what is coupled."""
        return self.shares is not None and self.unlike <= UNLIKE


def kept_runs(
    earlier: Earlier, overlap: Overlap, wanted: dict[str, Any], code: str, held_out: list[str]
) -> tuple[list[Kept], dict[str, int]]:
    """The runs that were trained alike, and how many are of no use, by reason.

    Parameters
    ----------
    wanted
        How this study trains.
    code
        Version of the code that trains.
    held_out
        Earlier domains some of whose training text is held out now.
    """
    found, dropped = [], {}
    order = [earlier.domains.index(name) for name in overlap.old]
    hidden = np.isin(overlap.old, held_out)
    for one in earlier.runs():
        mix, made = one.mix[order], one.run.get("made", {})
        shares = overlap.carry(mix)
        alike = all(made.get(k) == v for k, v in wanted.items() if k not in ("vocab", "drawn"))
        if not alike or one.row.code != code:
            reason = "trained by other code or settings"
        elif (mix[hidden] > 0).any():
            reason = "trained on text that is held out now"
        else:
            kept = None if shares is None else exact(shares)
            unlike = one.unlike + overlap.unlike(mix)
            found.append(Kept(one.row, int(one.run["seed"]), mix, kept, unlike))
            if found[-1].holds:
                continue
            reason = "on text that is not in these domains"
        dropped[reason] = dropped.get(reason, 0) + 1
    return found, dropped


def plan_job(job: Job) -> Row:
    """Choose what to open and the further mixes; writes the plan that `plan_reuse` makes."""
    arguments = job.arguments
    losses = []
    for paths in arguments["scores"]:
        scores = {k: v for path in paths for k, v in json.loads(storage.read_text(path)).items()}
        losses.append([scores[task]["bpb"] for task in arguments["tasks"]])
    with at_work(job) as work:
        plan = plan_reuse(np.array(losses), arguments)
        plan |= {name: arguments[name] for name in ("kept", "witnesses")}
        with open(work.path("plan", "reuse.json"), "w") as file:
            json.dump(plan, file, indent=1)
        return work.commit(read=len(losses), kept=len(losses))


def plan_reuse(losses: np.ndarray, facts: dict[str, Any]) -> dict[str, Any]:
    """What changed, what it is coupled to, what is frozen, and the further mixes.

    Parameters
    ----------
    losses
        Of the runs trained alike on the tasks now, (runs, tasks).
    facts
        ``old`` and ``domains`` (names), ``went`` and ``came`` (see `Overlap`), ``old_shares`` (of
        these runs), ``shares`` (of those that hold), ``tasks``, ``weights``, ``tokens`` (of the
        domains), ``answer`` (earlier shares of the old domains, or None), ``threshold``, ``mixes``,
        ``explicit`` (whether these are the further ones), ``whole`` (runs of a swarm of its own),
        ``seed`` and ``dropped``.
    """
    names, tokens = tuple(facts["domains"]), np.array(facts["tokens"], float)
    overlap = Overlap(tuple(facts["old"]), names, np.array(facts["went"]), np.array(facts["came"]))
    old, P = np.array(facts["old_shares"]), np.array(facts["shares"])
    changed = [name for name in names if name not in overlap.same()]
    answer = None if facts["answer"] is None else np.array(facts["answer"])
    table = _couplings(losses, facts, overlap, old, answer)
    why = {
        name: row for name, row in table.items()
        if max(row.values(), default=0.0) >= facts["threshold"]
    }  # fmt: skip
    opened = list(why) if len(np.unique(old, axis=0)) >= _FEWEST else list(overlap.same())
    carried = None if answer is None else overlap.carry(answer)
    ratios = natural(tokens) if carried is None else carried
    # with nothing open there is nothing to mix, and no reason to freeze either
    varied = [*changed, *opened]
    frozen = Frozen.of(names, ratios, varied) if varied else None
    if varied and frozen is None:
        opened = [name for name in names if name not in changed]
    count = _count(len(changed) + len(opened), len(names), facts)
    mixes = further_mixes(
        names, tokens, P, changed, opened, frozen, count, facts["seed"]
    )  # fmt: skip
    return {
        "changes": overlap.changes(),
        "coupling": table,
        "threshold": facts["threshold"],
        "opened": {name: why.get(name, {}) for name in opened},
        "frozen": {}
        if frozen is None
        else {
            name: float(ratio)
            for name, ratio in zip(names, frozen.ratios, strict=True)
            if not np.isnan(ratio)
        },
        "ratios_from": "natural" if carried is None else "answer",
        "runs": {
            "kept": len(P),
            "dropped": facts["dropped"],
            "further": len(mixes),
            "whole": facts["whole"],
        },
        "mixes": mixes.tolist(),
    }


def _couplings(losses, facts, overlap, old, answer) -> dict[str, dict[str, float]]:
    if len(np.unique(old, axis=0)) < _FEWEST:
        return {}
    middle = old.mean(0)
    if answer is not None:
        middle = (middle + answer) / 2
    noise = pooled_noise(old, losses)
    law = PowerLaw().fit(old, losses)
    unknown = np.abs(law.predict(old) - losses).mean(0)
    return couplings(
        law,
        overlap,
        middle / middle.sum(),
        tuple(facts["tasks"]),
        np.array(facts["weights"]),
        np.where(np.isfinite(noise), noise, unknown),
    )


def _count(open_domains: int, domains: int, facts: dict[str, Any]) -> int:
    """Further mixes: three per coefficient that is open, in proportion where a number is given."""
    wanted = facts["mixes"]
    if not open_domains:
        return 0
    if wanted is None:
        return 3 * (open_domains + 1)
    if facts["explicit"]:
        return wanted
    return int(np.ceil(wanted * (open_domains + 1) / (domains + 1)))


def whole_swarm(domains: int, mixes: int | None, repeats: int) -> int:
    """Runs of a swarm that keeps none."""
    return (default_mixes(domains) if mixes is None else mixes) + 2 * repeats
