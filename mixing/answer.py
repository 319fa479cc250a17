"""The answer: what the swarm's scores say, as one plain value that a report can be made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from mixing.bootstrap import interval
from mixing.domains import Domain
from mixing.feasible import make_feasible
from mixing.laws import LAWS, make_law
from mixing.shares import exact, natural, uniform, unimax
from mixing.solve import Objective, solve, solve_many, tolerance_region
from mixing.study_file import Study
from mixing.surface import fit_surface
from mixing.swarm import Swarm
from mixing.validation import FixedLaw, cross_validate, make_folds, score

SUPPORT = 1.2  # a law is trusted up to this multiple of the largest share sampled
LEVEL = 0.9


@dataclass(frozen=True)
class Fit:
    """How well the laws describe the swarm, on runs they did not see.

    Attributes
    ----------
    scores
        law -> score -> mean over the tasks; see `mixing.validation.Scores`.
    rho
        Rank correlation of the law used, by task.
    choice
        Law used for each task.
    measured, predicted
        Losses and out-of-fold predictions of the law used, BPB, (runs, tasks).
    noise
        Standard deviation between seeds of one mix, BPB, by task; nan without repeats.
    focused
        Whether good mixes count more in the fit, as cross-validation prefers it.
    """

    scores: dict[str, dict[str, float]]
    rho: list[float]
    choice: list[str]
    measured: list[list[float]]
    predicted: list[list[float]]
    noise: list[float]
    focused: bool


@dataclass(frozen=True)
class Answer:
    """The recommended mix and all that qualifies it; shares are of training tokens.

    Attributes
    ----------
    mixes
        recommended, natural, uniform, unimax -> shares, (domains,).
    low, high
        Ends of the 90 % bootstrap interval of the recommended shares.
    tie_low, tie_high
        Least and largest shares among mixes whose predicted loss is within the noise of the best.
    epochs
        Repetitions of each domain in the target run, by mix.
    loss
        Predicted weighted mean BPB, by mix.
    gain
        baseline -> (predicted fall of the mean BPB, low, high).
    slope
        d BPB / d share at the recommended mix, (tasks, domains), less its mean over domains.
    binding, pull
        What holds each share at a bound, and what easing it would gain: BPB per unit of share.
    """

    domains: list[str]
    tokens: list[int]
    budget: int
    weights: list[float]
    mixes: dict[str, list[float]]
    low: list[float]
    high: list[float]
    tie_low: list[float]
    tie_high: list[float]
    epochs: dict[str, list[float]]
    loss: dict[str, float]
    gain: dict[str, tuple[float, float, float]]
    slope: list[list[float]]
    binding: list[str]
    pull: list[float]
    gap: float
    fit: Fit
    swarm: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_answer(
    study: Study, domains: list[Domain], tokens: np.ndarray, swarm: Swarm, losses: np.ndarray
) -> Answer:
    """Fit the laws, solve for the best feasible mix, and say how sure that is.

    Parameters
    ----------
    tokens
        Tokens of each domain that may be trained on, (m,).
    losses
        BPB of every run of the swarm on every domain's held-out text, (runs, m).

    Raises
    ------
    UserError
        When the constraints of the study cannot be met together.
    """
    names = [domain.name for domain in domains]
    P, Y = swarm.shares, losses
    weights = np.array([study.evaluation.weights.get(name, 1.0) for name in names])
    weights = weights / weights.sum()
    noise = _noise(swarm, Y)
    folds = make_folds(P, 5, study.seed)
    predictions = cross_validate([make_law(name) for name in LAWS if _plain(name)], P, Y, folds)
    surface = fit_surface(P, Y, weights, folds, predictions)
    law, choice, unseen = surface.law, surface.law.choice, surface.unseen
    # what is minimised is what is reported: the weighted mean in bits per byte
    objective = Objective(law, weights, np.ones(len(names)))
    limits = study.constraints
    feasible = make_feasible(
        names,
        tokens,
        study.tokens,
        limits.max_epochs,
        limits.floors,
        limits.caps,
        kl=limits.kl,
        centre=natural(tokens),
        support=np.minimum(1.0, SUPPORT * P.max(0)),
    )
    best = solve(objective, feasible, starts=[P[np.argmin(Y @ weights)]])
    drawn = surface.draw(study.draws, study.seed)
    optima = solve_many([replace(objective, law=one) for one in drawn], feasible, best.shares)
    low, high = interval(optima, LEVEL)
    slack = float(np.nan_to_num(_noise(swarm, (Y @ weights)[:, None])[0], nan=0.0))
    ties = tolerance_region(objective, feasible, best.shares, slack, natural(tokens))
    mixes = {
        "recommended": exact(best.shares),
        "natural": natural(tokens),
        "uniform": uniform(len(names)),
        "unimax": unimax(tokens, study.tokens, limits.max_epochs or np.inf),
    }
    mean = {name: float(law.predict(p[None])[0] @ weights) for name, p in mixes.items()}
    slope = law.gradient(np.maximum(best.shares, 1e-6))
    return Answer(
        domains=names,
        tokens=[int(count) for count in tokens],
        budget=study.tokens,
        weights=weights.tolist(),
        mixes={name: p.tolist() for name, p in mixes.items()},
        low=np.minimum(low, best.shares).tolist(),
        high=np.maximum(high, best.shares).tolist(),
        tie_low=ties.lower.tolist(),
        tie_high=ties.upper.tolist(),
        epochs={name: (p * study.tokens / tokens).tolist() for name, p in mixes.items()},
        loss=mean,
        gain={
            name: _gain(drawn, weights, mixes[name], best.shares, mean[name] - mean["recommended"])
            for name in mixes
            if name != "recommended"
        },
        slope=(slope - slope.mean(1, keepdims=True)).tolist(),
        binding=list(best.binding),
        pull=best.pull.tolist(),
        gap=best.gap,
        fit=Fit(
            scores={name: score(Y, out).means() for name, out in predictions.items()},
            rho=score(Y, unseen).rho.tolist(),
            choice=choice,
            measured=Y.tolist(),
            predicted=unseen.tolist(),
            noise=noise.tolist(),
            focused=surface.weight is not None,
        ),
        swarm={
            "shares": P.tolist(),
            "seeds": [int(seed) for seed in swarm.seeds],
            "kinds": list(swarm.kinds),
        },
    )


def _plain(name: str) -> bool:
    return name not in (FixedLaw.name, "chosen")


def _noise(swarm: Swarm, Y: np.ndarray) -> np.ndarray:
    """Pooled standard deviation between seeds of one mix, by task."""
    squares, freedom = np.zeros(Y.shape[1]), 0
    for mix in np.unique(swarm.shares, axis=0):
        same = Y[(swarm.shares == mix).all(1)]
        squares += ((same - same.mean(0)) ** 2).sum(0)
        freedom += len(same) - 1
    return np.sqrt(squares / freedom) if freedom else np.full(Y.shape[1], np.nan)


def _gain(laws, weights, baseline, best, middle) -> tuple[float, float, float]:
    falls = np.array(
        [
            law.predict(baseline[None])[0] @ weights - law.predict(best[None])[0] @ weights
            for law in laws
        ]
    )
    low, high = interval(falls, LEVEL)
    return float(middle), float(low), float(high)
