"""How well laws predict runs that they have not seen, and which law to trust for which task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mixing.average import Average
from mixing.laws import LAWS, Law, make_law

CANDIDATES = (
    "average", "power", "power-per-domain", "gp", "residual", "two-skill", "lightgbm", "log-linear",
    "linear",
)  # fmt: skip
_CLEARLY = 2.0  # standard errors by which another law must beat the preferred one


def candidates() -> tuple[list[str], dict[str, str]]:
    """Laws to choose from, and why others are left out, by name."""
    left_out = {name: told for name in CANDIDATES if (told := LAWS[name].missing())}
    return [name for name in CANDIDATES if name not in left_out], left_out


@dataclass(frozen=True)
class Scores:
    """Scores per task, (tasks,) each, of predictions for runs not used in the fit.

    Attributes
    ----------
    mse, r2
        Mean squared error, and one minus its ratio to the variance.
    rho
        Spearman's rank correlation.
    regret
        Loss of the run predicted best above the best run's, in standard deviations of the task.
    low_rmse
        Root mean squared error among the quarter of the runs with the least loss.
    """

    mse: np.ndarray
    r2: np.ndarray
    rho: np.ndarray
    regret: np.ndarray
    low_rmse: np.ndarray

    def means(self) -> dict[str, float]:
        return {name: float(np.mean(value)) for name, value in vars(self).items()}


def make_folds(P: np.ndarray, folds: int = 5, seed: int = 0) -> list[np.ndarray]:
    """Split runs at random into at most `folds` test sets; repeats of one mix stay together."""
    _, group = np.unique(P, axis=0, return_inverse=True)
    group = group.ravel()
    order = np.random.default_rng(seed).permutation(group.max() + 1)
    count = min(folds, len(order))
    return [np.flatnonzero(np.isin(group, order[fold::count])) for fold in range(count)]


def cross_validate(
    laws: Sequence[Law],
    P: np.ndarray,
    Y: np.ndarray,
    folds: Sequence[np.ndarray],
    weight: np.ndarray | None = None,
    tick: Callable[[], None] | None = None,
) -> dict[str, np.ndarray]:
    """Out-of-fold predictions of every law, (runs, tasks) each, by name.

    An average whose members are among the laws is made from their predictions. `tick` is called
    after every fit.
    """
    names = [law.name for law in laws]
    found: dict[str, np.ndarray] = {}
    derived = []
    for law in laws:
        if isinstance(law, Average) and all(name in names for name in law.members):
            derived.append(law)
            continue
        found[law.name] = predictions = np.full(Y.shape, np.nan)
        for test in folds:
            train = np.setdiff1d(np.arange(len(P)), test)
            fresh = law.clone().fit(P[train], Y[train], None if weight is None else weight[train])
            predictions[test] = fresh.predict(P[test])
            if tick:
                tick()
    for law in derived:
        found[law.name] = predictions = np.full(Y.shape, np.nan)
        for test in folds:
            members = [found[name][test] for name in law.members]
            predictions[test] = law.combine(members, len(P) - len(test), P.shape[1])
    return {name: found[name] for name in names}


def choose_unseen(
    Y: np.ndarray,
    predictions: dict[str, np.ndarray],
    folds: Sequence[np.ndarray],
    preferred: str = "average",
) -> np.ndarray:
    """Predictions of the law chosen per task, (runs, tasks), with the choice paid for.

    For the runs of each test set the law is chosen by its errors on the others only, so the scores
    of these predictions are those of choosing, not of the luckiest law.
    """
    unseen = np.full(Y.shape, np.nan)
    for test in folds:
        rest = np.setdiff1d(np.arange(len(Y)), test)
        others = {name: values[rest] for name, values in predictions.items()}
        for task, name in enumerate(choose(Y[rest], others, preferred)):
            unseen[test, task] = predictions[name][test, task]
    return unseen


def score(Y: np.ndarray, predicted: np.ndarray) -> Scores:
    """Scores per task of predictions, both (runs, tasks); a missing loss (nan) is left out."""
    columns = [_score(y[ok], f[ok]) for y, f, ok in _columns(Y, predicted)]
    return Scores(*np.array(columns).T)


def choose(
    Y: np.ndarray,
    predictions: dict[str, np.ndarray],
    preferred: str = "average",
    weight: np.ndarray | None = None,
) -> list[str]:
    """The law to trust for each task.

    It is the preferred one, unless another's squared errors are less by more than two standard
    errors of the difference: with few runs the best of many scores is partly luck. Runs count by
    `weight`, (runs,).
    """
    chosen = []
    for task in range(Y.shape[1]):
        y = Y[:, task]
        ok = np.isfinite(y)
        share = 1.0 if weight is None else weight[ok] / weight[ok].mean()
        errors = {name: share * (f[ok, task] - y[ok]) ** 2 for name, f in predictions.items()}
        best = min(errors, key=lambda name: errors[name].mean())
        difference = errors[preferred] - errors[best]
        margin = _CLEARLY * difference.std() / np.sqrt(max(1, ok.sum()))
        chosen.append(best if difference.mean() > margin else preferred)
    return chosen


class ChosenLaw(Law):
    """Each task with the law that cross-validation chooses for it.

    Cross-validating this law is nested cross-validation: the choice is made anew on each training
    set, so that its scores pay for choosing.
    """

    name = "chosen"
    title = "chosen per task"

    def __init__(
        self,
        candidates: Sequence[str] | None = None,
        preferred: str = "average",
        folds: int = 5,
        seed: int = 0,
    ):
        self.candidates, self.preferred = candidates, preferred
        self.folds, self.seed = folds, seed

    def _fit(self, P, Y, weight):
        laws = [make_law(name) for name in self.candidates or candidates()[0]]
        folds = make_folds(P, self.folds, self.seed)
        measured = np.where(weight > 0, Y, np.nan)
        out_of_fold = cross_validate(laws, P, measured, folds, weight)
        self._settle(P, Y, weight, choose(measured, out_of_fold, self.preferred))

    def _settle(self, P, Y, weight, choice: list[str]) -> None:
        self.choice_ = choice
        self.laws_ = {}
        for name in sorted(set(choice)):
            tasks = np.array([task for task, one in enumerate(choice) if one == name])
            law = make_law(name).fit(P, Y[:, tasks], weight[:, tasks])
            self.laws_[name] = (tasks, law)

    def _predict(self, P):
        Y = np.empty((len(P), len(self.choice_)))
        for tasks, law in self.laws_.values():
            Y[:, tasks] = law.predict(P)
        return Y

    def refit(self, P, Ys, sample_weight):
        versions = [FixedLaw(self.choice_) for _ in Ys]
        for version in versions:
            version.choice_, version.laws_, version.single_ = self.choice_, {}, False
        for name, (tasks, law) in self.laws_.items():
            weight = sample_weight
            if weight is not None and np.ndim(weight) == 2:
                weight = weight[:, tasks]
            for version, part in zip(versions, law.refit(P, Ys[:, :, tasks], weight), strict=True):
                version.laws_[name] = (tasks, part)
        return versions

    def gradient(self, p):
        slopes = np.empty((len(self.choice_), len(p)))
        for tasks, law in self.laws_.values():
            slopes[tasks] = law.gradient(p)
        return slopes


class FixedLaw(ChosenLaw):
    """Each task with a law named beforehand."""

    name = "fixed"
    title = "fixed per task"

    def __init__(self, choice: Sequence[str]):
        self.choice = list(choice)

    @property
    def convex(self) -> bool:
        return all(make_law(name).convex for name in self.choice)

    def _fit(self, P, Y, weight):
        self._settle(P, Y, weight, self.choice)


def _columns(Y, predicted):
    for task in range(Y.shape[1]):
        y, f = Y[:, task], predicted[:, task]
        yield y, f, np.isfinite(y) & np.isfinite(f)


def _score(y, f):
    error = f - y
    mse = float(np.mean(error**2))
    variance = float(np.var(y))
    spread = np.sqrt(variance) or 1.0
    low = y <= np.quantile(y, 0.25)
    return (
        mse,
        1 - mse / variance if variance else np.nan,
        _spearman(y, f),
        float(y[np.argmin(f)] - y.min()) / spread,
        float(np.sqrt(np.mean(error[low] ** 2))),
    )


def _ranks(x) -> np.ndarray:
    """Ranks; those of equal values are their mean."""
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _spearman(y, f) -> float:
    a, b = _ranks(y), _ranks(f)
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm else 0.0
