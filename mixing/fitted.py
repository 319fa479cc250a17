"""A swarm, fitted: which law predicts each task, how well, and what it says of other mixes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mixing.laws import LAWS, make_law
from mixing.model_file import load_model, save_model
from mixing.validation import (
    FixedLaw,
    Scores,
    candidates,
    choose,
    choose_unseen,
    cross_validate,
    make_folds,
    score,
)
from pipeline.address import code_version, digest

FOLDS = 5
LEVEL = 0.9
CODE = (
    "mixing.average", "mixing.boosting", "mixing.gaussian_process", "mixing.laws",
    "mixing.levenberg", "mixing.power_law", "mixing.residual", "mixing.simple_laws",
    "mixing.two_skill", "mixing.validation",
)  # fmt: skip
LIBRARIES = ("numpy", "scipy", "lightgbm")

Tell = Callable[[str, int, int], None]
"""Called with what is fitted, the number of fits done and their total."""


@dataclass(frozen=True)
class Fitted:
    """Laws chosen by cross-validation and fitted to all runs.

    Attributes
    ----------
    law
        Predicts every task, each with its own kind of law.
    unseen
        Out-of-fold predictions of every law, (runs, tasks) each, by name.
    chosen
        The same of the law chosen for each task, with the choice made on other runs.
    half_width
        Of the 90 % prediction interval of a new run, by task, (tasks,): the quantile of the
        out-of-fold errors (split-conformal; Vovk et al., 2005).
    left_out
        law -> why it could not be compared.
    """

    law: FixedLaw
    unseen: dict[str, np.ndarray]
    chosen: np.ndarray
    half_width: np.ndarray
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def choice(self) -> list[str]:
        return self.law.choice

    def scores(self, Y: np.ndarray) -> dict[str, Scores]:
        """Scores of every law and of the ``chosen`` one, best first."""
        found = {name: score(Y, values) for name, values in self.unseen.items()}
        found = dict(sorted(found.items(), key=lambda item: float(np.mean(item[1].mse))))
        return {"chosen": score(Y, self.chosen), **found}


def fit_laws(P: np.ndarray, Y: np.ndarray, seed: int = 0, tell: Tell | None = None) -> Fitted:
    """Choose a law for each task by cross-validation and fit it to all runs.

    Parameters
    ----------
    P, Y
        Shares (runs, m) and losses (runs, tasks).
    seed
        Of the folds; repeats of one mix stay together.
    """
    folds = make_folds(P, FOLDS, seed)
    names, left_out = candidates()
    done, total = 0, len(folds) * (len(names) - 1) + 1

    def tick() -> None:
        nonlocal done
        done += 1
        if tell:
            tell("cross-validate" if done < total else "fit", done, total)

    laws = [make_law(name) for name in names]
    unseen = cross_validate(laws, P, Y, folds, tick=tick)
    law = FixedLaw(choose(Y, unseen)).fit(P, Y)
    tick()
    chosen = choose_unseen(Y, unseen, folds)
    return Fitted(law, unseen, chosen, half_width(Y, chosen), left_out)


def cached_fit(
    P: np.ndarray, Y: np.ndarray, folder: str, seed: int = 0, tell: Tell | None = None
) -> tuple[Fitted, bool]:
    """`fit_laws`, or what it found before for the same numbers and the same code.

    Returns
    -------
    Fitted, bool
        And whether it was found in `folder`.
    """
    path = os.path.join(folder, f"fit-{fit_address(P, Y, seed)[:16]}.npz")
    if os.path.exists(path):
        return Fitted(**load_model(path)), True
    fitted = fit_laws(P, Y, seed, tell)
    save_model(path, vars(fitted))
    return fitted, False


def fit_address(P: np.ndarray, Y: np.ndarray, seed: int) -> str:
    """Hash of the numbers that are fitted and of the code that fits them."""
    numbers = [np.ascontiguousarray(one).tobytes().hex() for one in (P, Y)]
    return digest([numbers, list(P.shape), seed, code_version(CODE, LIBRARIES)])


def cache_folder() -> str:
    """Where fits are kept unless a folder is named: ``$XDG_CACHE_HOME/corpusmill/mix``."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "corpusmill", "mix")


def title(name: str) -> str:
    """A law's title for people."""
    from mixing.informed import INFORMED

    if name in INFORMED:
        return INFORMED[name].title
    return LAWS[name].title if name in LAWS else "chosen per task"


def half_width(Y: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    widths = []
    for y, f in zip(Y.T, unseen.T, strict=True):
        errors = np.sort(np.abs(y - f)[np.isfinite(y)])
        rank = min(len(errors), int(np.ceil((len(errors) + 1) * LEVEL)))
        widths.append(errors[rank - 1])
    return np.array(widths)
