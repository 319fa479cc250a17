"""Convex laws as plain arrays: many versions of many tasks, evaluated at once.

Bootstraps, weightings and bounds all ask the same few formulas. As arrays they answer hundreds of
mixes in a millisecond, with exact first and second derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixing.laws import Law
from mixing.power_law import PowerLaw
from mixing.simple_laws import LogLinear
from mixing.validation import ChosenLaw

REPEATS = 15.0  # R*, Muennighoff et al. (2023): the value of repeated text decays with it


@dataclass(frozen=True)
class Bank:
    """Laws ``y = floor + exp(top) s^-b``, ``s = 1 + sum_j v_j p_j^g_j``, or the log-linear one.

    Attributes
    ----------
    floor, top, b
        (versions, tasks); `b` is 0 where the law is log-linear, ``y = floor + exp(top + v . p)``.
    v, g
        (versions, tasks, m).
    """

    floor: np.ndarray
    top: np.ndarray
    b: np.ndarray
    v: np.ndarray
    g: np.ndarray

    @classmethod
    def of(cls, laws: Sequence[Law]) -> Bank:
        """The bank of fitted convex laws, a version for each."""
        parts = [_terms(law) for law in laws]
        return cls(*(np.stack(values) for values in zip(*parts, strict=True)))

    def __len__(self) -> int:
        return len(self.floor)

    def predict(self, P: np.ndarray, version: int = 0) -> np.ndarray:
        """Losses of one version at several mixes, (mixes, tasks)."""
        P = np.atleast_2d(P)
        return self.evaluate(P, np.full(len(P), version), derivatives=False).y

    def gradient(self, p: np.ndarray) -> np.ndarray:
        """d loss / d share of the first version, (tasks, m)."""
        return self.evaluate(np.asarray(p, float)[None], np.zeros(1, int)).slope[0]

    def evaluate(
        self,
        P: np.ndarray,
        which: np.ndarray,
        reuse: Repetition | None = None,
        derivatives: bool = True,
    ) -> Values:
        """Losses and their derivatives, problem by problem.

        Parameters
        ----------
        P, which
            A mix, (problems, m), and the version, (problems,), of each problem.
        reuse
            What repeated text is worth; None: as much as fresh text.
        """
        P = np.maximum(P, 1e-12)
        q, d1, d2 = (P, None, None) if reuse is None else reuse(P)
        v, g, b = self.v[which], self.g[which], self.b[which]
        power = b > 0
        Q = q[:, None, :]
        # what harms is not harmed less by repetition, which also keeps the law convex
        linear = ~power[:, :, None] & (v > 0)
        if d1 is not None:
            Q = np.where(linear, P[:, None, :], Q)
        V = v * np.where(power[:, :, None], np.exp(g * np.log(Q)), Q)
        total = V.sum(2)
        log_s = np.log1p(np.where(power, total, 0.0))
        gain = np.exp(np.minimum(self.top[which] + np.where(power, -b * log_s, total), 50.0))
        y = self.floor[which] + gain
        if not derivatives:
            return Values(y, None, None, None)
        # outer derivative with respect to the sum
        outer = np.where(power, -b * gain * np.exp(-log_s), gain)[:, :, None]
        inner = V * g / Q
        bend = inner * (g - 1) / Q
        if d1 is not None:
            D1, D2 = d1[:, None, :], d2[:, None, :]
            bend = np.where(linear, 0.0, bend * D1**2 + inner * D2)
            inner = np.where(linear, inner, inner * D1)
        slope = outer * inner
        with np.errstate(divide="ignore"):
            curve = np.where(power, (b + 1) / np.maximum(b, 1e-300), 1.0) / gain
        return Values(y, slope, curve, outer * bend)


@dataclass(frozen=True)
class Values:
    """Losses (problems, tasks) and derivatives: Hessian of a task = curve slope slope' + diag."""

    y: np.ndarray
    slope: np.ndarray | None
    curve: np.ndarray | None
    diagonal: np.ndarray | None


@dataclass(frozen=True)
class Repetition:
    """What a share of repeated text is worth, as a share of fresh text (Muennighoff et al., 2023).

    ``n (1 + R (1 - exp(-(p / n - 1) / R)))`` above the share `n` that is one epoch: concave, so
    the laws stay convex.

    Attributes
    ----------
    once
        Share that is one epoch of each domain: available tokens over the budget, (m,).
    """

    once: np.ndarray
    repeats: float = REPEATS

    def __call__(self, P: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Effective shares and their first and second derivatives."""
        n, R = np.maximum(self.once, 1e-12), self.repeats
        more = np.maximum(P / n - 1, 0.0)
        fade = np.exp(-more / R)
        q = np.where(more > 0, n * (1 + R * (1 - fade)), P)
        return q, fade, np.where(more > 0, -fade / (R * n), 0.0)


def _terms(law: Law) -> tuple[np.ndarray, ...]:
    """floor, top, b (tasks,) and v, g (tasks, m) of a fitted convex law."""
    if isinstance(law, ChosenLaw):
        parts = [(tasks, _terms(part)) for tasks, part in law.laws_.values()]
        count = len(law.choice_)
        found = []
        for number in range(5):
            first = parts[0][1][number]
            whole = np.empty((count, *first.shape[1:]))
            for tasks, terms in parts:
                whole[tasks] = terms[number]
            found.append(whole)
        return tuple(found)
    if isinstance(law, PowerLaw):
        theta, k, scale = law.theta_, law.powers_, law.scale_
        b, v = np.exp(theta[:, 2]), np.exp(theta[:, 3 + k :])
        g = np.broadcast_to(1 / (1 + np.exp(-theta[:, 3 : 3 + k])), v.shape)
    elif isinstance(law, LogLinear):
        theta, scale = law.theta_, law.scale_
        v = theta[:, 2:]
        b, g = np.zeros(len(v)), np.ones(v.shape)
    else:
        raise TypeError(f"{law.title} is not a convex law")
    floor = scale.mean + scale.spread * (law.floor_top_ - np.exp(theta[:, 0]))
    return floor, theta[:, 1] + np.log(scale.spread), b, v, g
