"""Two skills: a task that needs two kinds of text, where more of one does not make up the other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mixing.laws import Law, Scale, register
from mixing.levenberg import fit_modes
from mixing.power_law import PowerLaw, power_start, power_terms

# Centres and precisions of the priors that the power law has none of.
_SECOND, _SECOND_PRECISION = -1.5, 0.5  # log of the second term, over the range of losses seen
_PARTS = (0.1, 0.5)  # of the first term that the second one starts with
_NOISE = 0.1
_NOISE_RANGE = (0.01, 0.5)
_ROUNDS = 1
_EFFORT = {"steps": 100, "tolerance": 1e-5}


@register
class TwoSkill(Law):
    """``y = E + (w0 + sum_j w_j p_j^g)^-b + (u0 + sum_j u_j p_j^h)^-c``: two power laws, added.

    Within a term domains stand in for each other; between the terms they do not, so the law holds
    the simplest interactions. Convex. It has twice the coefficients of the power law and starts
    from its fit: once with the domains shared out between the terms, once with a small second term.
    """

    name: ClassVar[str] = "two-skill"
    title: ClassVar[str] = "two-skill power law"
    convex: ClassVar[bool] = True

    def _fit(self, P, Y, weight):
        self.scale_ = scale = Scale(Y, weight)
        Z = scale.to_unit(Y)
        tasks = Z.shape[1]
        self.floor_top_ = lowest = np.where(weight > 0, Z, np.inf).min(0)
        highest = np.where(weight > 0, Z, -np.inf).max(0)
        prior = power_start(P, Z, lowest, highest - lowest, 1)[1:]
        theta, centre, precision = _start(PowerLaw().fit(P, Z, weight).theta_, *prior)
        log_p = _log(P)
        starts = len(theta) // tasks
        which = np.tile(np.arange(tasks), starts)
        y, w, top = Z.T[which], weight.T[which], self.floor_top_[which]

        def model(values, rows):
            return _value(values, top[rows], log_p, jacobian=True)

        noise = np.full(len(y), _NOISE)
        for _ in range(1 + _ROUNDS):
            mode = fit_modes(model, theta, y, w / noise[:, None] ** 2, precision, centre, **_EFFORT)
            theta = mode.theta
            degrees = np.maximum((w > 0).sum(1) - mode.freedom, 0.1 * (w > 0).sum(1))
            noise = np.clip(noise * np.sqrt(mode.squares / degrees), *_NOISE_RANGE)
        evidence = mode.objective + (w > 0).sum(1) * np.log(noise)
        best = evidence.reshape(starts, tasks).argmin(0) * tasks + np.arange(tasks)
        self.theta_ = theta[best]

    def _predict(self, P):
        f, _ = _value(self.theta_, self.floor_top_, _log(P), jacobian=False)
        return self.scale_.to_loss(f.T)

    def gradient(self, p):
        p = np.maximum(np.asarray(p, float), 1e-12)
        slopes = np.zeros((len(self.theta_), len(p)))
        for theta in _terms(self.theta_):
            b, g = np.exp(theta[:, 2]), 1 / (1 + np.exp(-theta[:, 3:4]))
            V = np.exp(theta[:, 4:]) * p**g
            s = 1 + V.sum(1)
            outer = -b * np.exp(theta[:, 1] - b * np.log(s)) / s * self.scale_.spread
            slopes += outer[:, None] * g * V / p
        return slopes


def _start(found, centre, precision):
    """Starts (problems, parameters), centres of the priors, and their precision.

    From the fit of the power law, (tasks, k), and its prior.
    """
    tasks, k = found.shape
    starts = []
    for part in _PARTS:
        one, two = found.copy(), found.copy()
        one[:, 1] += np.log(1 - part)
        two[:, 1] += np.log(part)
        if part == 0.5:
            # every other domain by worth: the first term keeps the odd ones, the second the even
            rank = np.argsort(np.argsort(-found[:, 4:], axis=1), axis=1) % 2
            one[:, 4:] -= 2.0 * (rank == 1)
            two[:, 4:] -= 2.0 * (rank == 0)
        starts.append(np.hstack([one, two[:, 1:]]))
    whole = np.zeros((2 * k - 1, 2 * k - 1))
    whole[:k, :k] = precision
    whole[k:, k:] = precision[1:, 1:]
    whole[k, k] = _SECOND_PRECISION
    second = centre[:tasks, 1:].copy()
    second[:, 0] += _SECOND
    middle = np.hstack([centre[:tasks], second])
    return np.concatenate(starts), np.tile(middle, (len(starts), 1)), whole


def _terms(theta):
    """The two terms in the power law's order of parameters: gap, top, b, g, v_1 … v_m."""
    k = (theta.shape[1] + 1) // 2
    return theta[:, :k], np.hstack([np.zeros((len(theta), 1)), theta[:, k:]])


def _value(theta, top, log_p, jacobian):
    one, two = _terms(theta)
    f, J = power_terms(one, top, log_p, 1, jacobian)
    # without a floor of its own: 1 - exp(0)
    f2, J2 = power_terms(two, np.ones(len(theta)), log_p, 1, jacobian)
    if not jacobian:
        return f + f2, None
    return f + f2, np.concatenate([J, J2[:, :, 1:]], axis=2)


def _log(P):
    return np.log(np.maximum(P, 1e-30))
