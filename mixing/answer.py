"""The answer: what the swarm's scores say, as one plain value that a report can be made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mixing.ask import Ask
from mixing.model import Model
from mixing.recommend import Recommendation, recommend
from mixing.seeds import pooled_noise
from mixing.validation import score


@dataclass(frozen=True)
class Runs:
    """The trained runs of a swarm, whoever trained them.

    Attributes
    ----------
    domains, tasks, families
        Names, (m,), (tasks,) and of each task's family, (tasks,).
    unit
        Of the losses, for people.
    shares, losses
        (runs, m) and (runs, tasks).
    seeds, kinds
        Of the runs, (runs,): a run's seed, and why it is there.
    """

    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    families: tuple[str, ...]
    unit: str
    shares: np.ndarray
    losses: np.ndarray
    seeds: tuple[int, ...]
    kinds: tuple[str, ...]

    def noise(self) -> np.ndarray:
        """Standard deviation between runs of one mix by task, less what a seed does to all mixes
        alike; nan without repeats.
        """
        return pooled_noise(self.shares, self.losses, self.seeds)


@dataclass(frozen=True)
class Fit:
    """How well the laws describe the swarm, on runs they did not see.

    Attributes
    ----------
    scores
        law -> score -> mean over the tasks; see `mixing.validation.Scores`.
    by_task
        law -> ``mse`` and ``rho`` by task.
    left_out
        law -> why it could not be compared.
    rho
        Rank correlation of the law used, by task.
    choice
        Convex law that the best mix of each task is found with.
    predictor
        Law that predicts each task best.
    measured, predicted
        Losses and out-of-fold predictions of the convex laws, (runs, tasks).
    noise
        Standard deviation between seeds of one mix, by task; nan without repeats.
    half_width
        Of the 90 % prediction interval of a new run, by task.
    focused
        Whether good mixes count more in the convex laws, as cross-validation prefers it.
    curve
        Runs fitted, and rank correlation on the others.
    items
        Evaluation items that the bootstraps drew anew, 0 for none.
    coverage
        `mixing.calibration.Coverage` of the intervals of shares.
    """

    scores: dict[str, dict[str, float]]
    by_task: dict[str, dict[str, list[float]]]
    left_out: dict[str, str]
    rho: list[float]
    choice: list[str]
    predictor: list[str]
    measured: list[list[float]]
    predicted: list[list[float]]
    noise: list[float]
    half_width: list[float]
    focused: bool
    curve: list[tuple[int, float]]
    items: int
    coverage: dict[str, float]


@dataclass(frozen=True)
class Answer:
    """The recommended mix and all that qualifies it; shares are of training tokens.

    Attributes
    ----------
    mixes
        recommended, natural, uniform, unimax, and observed (the best run's) -> shares, (domains,).
    low, high
        Ends of the 90 % bootstrap interval of the recommended shares.
    tie_low, tie_high
        Least and largest shares among mixes whose predicted loss is within `slack` of the best.
    slack, slack_is
        And where it comes from: ``seeds`` or ``fit``.
    epochs
        Repetitions of each domain in the target run and the phases before it, by mix.
    loss, task_loss
        Predicted weighted mean, and loss of every task, by mix.
    second_opinion
        Predicted weighted mean by mix of the laws that predict best, convex or not.
    gain
        baseline -> (predicted fall of the mean loss, low, high).
    breaks
        mix -> limits that it breaks, in words; a baseline need not keep to them.
    slope
        d loss / d share at the recommended mix, (tasks, domains), less its mean over domains.
    binding
        What holds each share at a bound.
    prices, pareto, beyond
        What easing a limit buys; the best mixes as weight moves to one family; how far the answer
        moves when the question changes a little.
    scale
        Slopes by which the tasks' weights were multiplied, (tasks,); empty where they were not.
    """

    domains: list[str]
    tasks: list[str]
    families: list[str]
    unit: str
    tokens: list[int]
    budget: int
    weights: list[float]
    mixes: dict[str, list[float]]
    low: list[float]
    high: list[float]
    tie_low: list[float]
    tie_high: list[float]
    slack: float
    slack_is: str
    epochs: dict[str, list[float]]
    loss: dict[str, float]
    task_loss: dict[str, list[float]]
    second_opinion: dict[str, float]
    gain: dict[str, tuple[float, float, float]]
    breaks: dict[str, list[str]]
    slope: list[list[float]]
    binding: list[str]
    prices: list[dict[str, Any]]
    pareto: list[dict[str, Any]]
    beyond: list[dict[str, Any]]
    gap: float
    fit: Fit
    swarm: dict[str, Any] = field(default_factory=dict)
    scale: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_answer(runs: Runs, model: Model, ask: Ask, whole: bool = True) -> Answer:
    """Solve for the best feasible mix, and say how sure that is.

    Parameters
    ----------
    runs, model
        The swarm and its model.
    ask
        Weights, budget and limits.
    whole
        Whether neighbouring questions are answered, too, as the report wants.

    Raises
    ------
    UserError
        When the limits cannot be met together.
    """
    slack, slack_is = tie_slack(runs, model, ask.weights)
    observed = runs.shares[int(np.nanargmin(runs.losses @ ask.weights))]
    found = recommend(
        model.bank, ask, slack, {"observed": observed}, whole, model.coverage.factor, model.bent
    )
    mixes, task_loss = found.mixes, found.loss
    P = np.array(list(mixes.values()))
    second = model.fitted.law.predict(P) @ ask.weights
    available = np.asarray(ask.available, float)
    return Answer(
        domains=list(runs.domains),
        tasks=list(runs.tasks),
        families=list(runs.families),
        unit=runs.unit,
        tokens=[int(count) for count in available],
        budget=int(ask.budget),
        weights=ask.weights.tolist(),
        mixes={name: np.asarray(p).tolist() for name, p in mixes.items()},
        low=found.low.tolist(),
        high=found.high.tolist(),
        tie_low=found.tie_low.tolist(),
        tie_high=found.tie_high.tolist(),
        slack=slack,
        slack_is=slack_is,
        epochs={n: ask.epochs(p).tolist() for n, p in mixes.items()},
        loss={name: float(y @ ask.weights) for name, y in task_loss.items()},
        task_loss={name: y.tolist() for name, y in task_loss.items()},
        second_opinion=dict(zip(mixes, second.tolist(), strict=True)),
        gain=_reaching(found.gain, dict(zip(mixes, second, strict=True)), ask),
        breaks=found.breaks,
        slope=(found.slope - found.slope.mean(1, keepdims=True)).tolist(),
        binding=found.binding,
        prices=[asdict(price) for price in found.prices],
        pareto=_pareto(runs, ask, found),
        beyond=found.beyond,
        gap=found.gap,
        fit=_fit(runs, model),
        swarm={
            "shares": runs.shares.tolist(),
            "seeds": [int(seed) for seed in runs.seeds],
            "kinds": list(runs.kinds),
        },
    )


def _reaching(
    gain: dict[str, tuple[float, float, float]], second: dict[str, float], ask: Ask
) -> dict[str, tuple[float, float, float]]:
    """Intervals of gains that reach out, too, as far as what the laws that predict best say.

    Those laws bend; what the convex laws miss is bias, and their bootstraps do not show it. Of text
    that fades with repetition they know nothing, and are not asked.
    """
    if ask.reuse() is not None:
        return gain
    found = {}
    for name, (value, low, high) in gain.items():
        reach = float(second[name] - second["recommended"]) - value
        found[name] = (value, low + min(reach, 0.0), high + max(reach, 0.0))
    return found


def tie_slack(runs: Runs, model: Model, weights: np.ndarray) -> tuple[float, str]:
    """What two mixes may differ by and still tie: the noise between seeds, or the law's error.

    Without repeated mixes the noise is unknown; then it is the root mean squared error of the
    weighted mean on the quarter of the runs with the least loss, each predicted unseen.
    """
    mean = runs.losses @ weights
    noise = float(pooled_noise(runs.shares, mean[:, None], runs.seeds)[0])
    if np.isfinite(noise):
        return noise, "seeds"
    error = model.unseen @ weights - mean
    good = mean <= np.nanquantile(mean, 0.25)
    return float(np.sqrt(np.nanmean(error[good] ** 2))), "fit"


def _fit(runs: Runs, model: Model) -> Fit:
    fitted, Y = model.fitted, runs.losses
    scores = fitted.scores(Y)
    return Fit(
        scores={name: one.means() for name, one in scores.items()},
        by_task={
            name: {"mse": one.mse.tolist(), "rho": one.rho.tolist()} for name, one in scores.items()
        },
        left_out=fitted.left_out,
        rho=score(Y, model.unseen).rho.tolist(),
        choice=list(model.choice),
        predictor=list(fitted.choice),
        measured=Y.tolist(),
        predicted=model.unseen.tolist(),
        noise=runs.noise().tolist(),
        half_width=fitted.half_width.tolist(),
        focused=model.focused,
        curve=model.curve,
        items=model.items,
        coverage=asdict(model.coverage),
    )


def _pareto(runs: Runs, ask: Ask, found: Recommendation) -> list[dict[str, Any]]:
    families = list(dict.fromkeys(runs.families))
    return [
        {
            "family": family,
            "moved": moved,
            "shares": p.tolist(),
            "losses": dict(zip(families, y.tolist(), strict=True)),
        }
        for family, moved, p, y in found.pareto
    ]
