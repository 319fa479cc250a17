"""Further runs where they inform the optimum, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixing.answer import Runs, tie_slack
from mixing.ask import Ask
from mixing.model import Model
from mixing.recommend import Setting
from mixing.shares import exact

_SAME = 0.02  # of the tokens that may move for a mix to count as trained


@dataclass(frozen=True)
class Round:
    """A round of further runs.

    Attributes
    ----------
    mixes
        Shares of each further run, (runs, m); empty when the answer was trained and is sure.
    regret
        Expected loss of the recommended mix above the best one, over the bootstraps.
    noise
        Of the weighted mean between seeds (or of the fit, where no mix was repeated): regret below
        it cannot be seen by training.
    """

    mixes: list[list[float]]
    regret: float
    noise: float


def propose(runs: Runs, model: Model, ask: Ask, count: int) -> Round:
    """Choose `count` further mixes by Thompson sampling, or none.

    The recommended mix comes first, as long as nothing like it was trained: of all mixes it is the
    one that the laws are likeliest to overrate, since they chose it. It is sure enough once it was
    trained and the expected regret is below the noise.

    Each bootstrap of the laws has an optimum of its own; where the optima differ, the runs do not
    say enough. Of these optima those are taken that lie farthest from all mixes trained and from
    each other (maximin, Hellinger distance), so that a round does not train one mix twice.
    """
    setting = Setting(model.bank, ask)
    best = setting.solve(ask.weights).shares[0]
    which = np.arange(1, len(model.bank))
    optima = setting.solve(ask.weights, which=which, start=best).shares
    there = np.concatenate([np.tile(best, (len(which), 1)), optima])
    y = model.bank.evaluate(there, np.tile(which, 2), setting.reuse, derivatives=False).y
    losses = y @ ask.weights
    regret = float(np.maximum(losses[: len(which)] - losses[len(which) :], 0).mean())
    noise, _ = tie_slack(runs, model, ask.weights)
    trained = np.abs(runs.shares - best).sum(1).min() / 2 <= _SAME
    if trained and regret < noise:
        return Round([], regret, noise)
    taken, chosen = np.sqrt(runs.shares), []
    if not trained and count:
        chosen.append(exact(best).tolist())
        taken = np.concatenate([taken, np.sqrt(best)[None]])
    candidates = np.sqrt(np.concatenate([best[None], optima]))
    for _ in range(min(count - len(chosen), len(candidates))):
        nearest = (candidates @ taken.T).max(1)
        pick = int(nearest.argmin())
        chosen.append(exact(candidates[pick] ** 2).tolist())
        taken = np.concatenate([taken, candidates[pick][None]])
    return Round(chosen, regret, noise)
