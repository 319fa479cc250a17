"""The effective-data power law: loss falls as a power of the data that counts for a task."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mixing.laws import Law, Scale, register
from mixing.levenberg import fit_modes

# Centres and precisions of the priors, in units of a task's own spread; weak on purpose.
_GAP, _GAP_PRECISION = -0.7, 0.5  # log of the distance from the floor to the least loss seen
_TOP, _TOP_PRECISION = 0.1, 8.0  # log of the loss without data, over the range of losses seen
_RATE, _RATE_PRECISION = np.log(0.4), 1.0  # log b
_BEND, _BEND_PRECISION = 1.0, 0.3  # logit g
_BEND_SPREAD = 1.0  # of each domain's logit g around their mean
_WEIGHT, _WEIGHT_PRECISION = 2.0, 0.15  # log v_j
_STARTS = ((0.3, 0.7), (1.0, 0.7))  # (b, g)
_NOISE = 0.1  # first guess of the residual, shares of the spread
_NOISE_RANGE = (0.01, 0.5)
_ROUNDS = 2
_WARM = {"steps": 60, "tolerance": 1e-5}


@register
class PowerLaw(Law):
    """``y = E + (w0 + sum_j w_j p_j^g)^-b`` with w >= 0, b > 0, 0 < g < 1.

    The bracket is the effective data of a task: a concave sum over domains, of which each counts
    with its own weight. A negative power of a positive concave function is convex, so the law is
    convex in the shares. It is fitted as ``E + A (1 + sum_j v_j p_j^g)^-b``: E + A, the loss
    without data, is held not far above the worst mix, so that mixes without the domain that a
    task needs are not extrapolated to absurd losses. With one domain it is the usual scaling law
    of loss in data (Kaplan et al., 2020; Hoffmann et al., 2022).

    Fitted to its posterior mode under weak Gaussian priors on the logarithms of the coefficients,
    from two starts; the noise is re-estimated from the residuals (evidence procedure, MacKay 1992).

    Parameters
    ----------
    per_domain
        A power g_j for each domain, drawn to their mean, instead of one for all.
    """

    name: ClassVar[str] = "power"
    title: ClassVar[str] = "power law"
    convex: ClassVar[bool] = True

    def __init__(self, per_domain: bool = False):
        self.per_domain = per_domain

    def _fit(self, P, Y, weight):
        self.scale_ = scale = Scale(Y, weight)
        Z = scale.to_unit(Y)
        tasks, m = Z.shape[1], P.shape[1]
        powers = m if self.per_domain else 1
        log_p = _log(P)
        self.floor_top_ = lowest = np.where(weight > 0, Z, np.inf).min(0)
        highest = np.where(weight > 0, Z, -np.inf).max(0)
        theta, centre, precision = power_start(P, Z, lowest, highest - lowest, powers)
        if hasattr(self, "warm_"):
            theta, centre = self.warm_, centre[: len(self.warm_)]
        theta, centre, precision = self._informed(theta, centre, precision)
        # one problem per task and start
        starts = len(theta) // tasks
        problem_task = np.tile(np.arange(tasks), starts)
        y, w = Z.T[problem_task], weight.T[problem_task]
        top = lowest[problem_task]

        def model(values, which):
            return power_terms(values, top[which], log_p, powers, jacobian=True)

        # a refit to like losses starts near its end and knows the noise
        warm = hasattr(self, "warm_")
        noise = self.warm_noise_.copy() if warm else np.full(len(y), _NOISE)
        effort = _WARM if warm else {}
        for _ in range(1 if warm else 1 + _ROUNDS):
            mode = fit_modes(model, theta, y, w / noise[:, None] ** 2, precision, centre, **effort)
            theta = mode.theta
            degrees = np.maximum((w > 0).sum(1) - mode.freedom, 0.1 * (w > 0).sum(1))
            noise = np.clip(noise * np.sqrt(mode.squares / degrees), *_NOISE_RANGE)
        evidence = mode.objective + (w > 0).sum(1) * np.log(noise)
        best = evidence.reshape(starts, tasks).argmin(0) * tasks + np.arange(tasks)
        self.theta_, self.powers_ = theta[best], powers
        self.noise_ = noise[best] * scale.spread

    def _informed(self, theta, centre, precision):
        """Starts, centres and precision of the priors, for laws that know more."""
        return theta, centre, precision

    def refit(self, P, Ys, sample_weight):
        versions, _, tasks = Ys.shape
        fresh = self.clone()
        fresh.warm_ = np.tile(self.theta_, (versions, 1))
        fresh.warm_noise_ = np.tile(self.noise_ / self.scale_.spread, versions)
        fresh.fit(P, Ys.transpose(1, 0, 2).reshape(len(P), -1), _tiled(sample_weight, versions))
        return [fresh._part(slice(v * tasks, (v + 1) * tasks)) for v in range(versions)]

    def _part(self, tasks: slice) -> PowerLaw:
        part = self.clone()
        part.single_ = False
        part.scale_ = self.scale_.part(tasks)
        part.powers_ = self.powers_
        for name in ("theta_", "floor_top_", "noise_"):
            setattr(part, name, getattr(self, name)[tasks])
        return part

    def _predict(self, P):
        f, _ = power_terms(self.theta_, self.floor_top_, _log(P), self.powers_, jacobian=False)
        return self.scale_.to_loss(f.T)

    def gradient(self, p):
        theta, k = self.theta_, self.powers_
        p = np.maximum(np.asarray(p, float), 1e-12)
        b, g = np.exp(theta[:, 2]), 1 / (1 + np.exp(-theta[:, 3 : 3 + k]))
        V = np.exp(theta[:, 3 + k :]) * p**g
        s = 1 + V.sum(1)
        slope = -b * np.exp(theta[:, 1] - b * np.log(s)) / s * self.scale_.spread
        return slope[:, None] * g * V / p


@register
class PowerLawPerDomain(PowerLaw):
    """The power law with a power for each domain."""

    name: ClassVar[str] = "power-per-domain"
    title: ClassVar[str] = "power law, per-domain powers"

    def __init__(self):
        super().__init__(per_domain=True)


def _tiled(weight, versions):
    if weight is None or np.ndim(weight) == 1:
        return weight
    return np.tile(weight, (1, versions))


def _log(P: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(P, 1e-30))


def power_start(P, Z, lowest, extent, powers):
    """Starts (problems, parameters), centres of the priors, and their precision."""
    tasks, m = Z.shape[1], P.shape[1]
    size = 3 + powers + m
    bends, weights = slice(3, 3 + powers), slice(3 + powers, size)
    centre = np.zeros((tasks, size))
    centre[:, 0], centre[:, 1], centre[:, 2] = _GAP, _TOP + np.log(extent + np.exp(_GAP)), _RATE
    centre[:, bends], centre[:, weights] = _BEND, _WEIGHT
    theta = np.tile(centre, (len(_STARTS), 1, 1))
    middle = np.median(Z, axis=0) - lowest + np.exp(_GAP)
    for i, (b, g) in enumerate(_STARTS):
        s = np.median(1 + np.exp(_WEIGHT) * (P**g).sum(1))
        theta[i, :, 1] = np.log(middle) + b * np.log(s)
        theta[i, :, 2], theta[i, :, bends] = np.log(b), np.log(g / (1 - g))
    precision = np.diag([_GAP_PRECISION, _TOP_PRECISION, _RATE_PRECISION, *[0.0] * (powers + m)])
    common = np.full((powers, powers), 1 / powers)
    precision[bends, bends] = _BEND_SPREAD * (np.eye(powers) - common)
    precision[bends, bends] += _BEND_PRECISION / powers * common
    precision[weights, weights] = _WEIGHT_PRECISION * np.eye(m)
    return theta.reshape(-1, size), np.tile(centre, (len(_STARTS), 1)), precision


def power_terms(theta, top, log_p, powers, jacobian):
    """Unit losses (problems, rows), and their Jacobian (problems, rows, parameters)."""
    k = powers
    gap, b = np.exp(theta[:, 0]), np.exp(theta[:, 2])
    g = 1 / (1 + np.exp(-theta[:, 3 : 3 + k]))
    V = np.exp(g[:, None, :] * log_p + theta[:, None, 3 + k :])
    s = 1 + V.sum(2)
    log_s = np.log(s)
    power = np.exp(np.minimum(theta[:, 1, None] - b[:, None] * log_s, 50.0))
    f = (top - gap)[:, None] + power
    if not jacobian:
        return f, None
    J = np.empty((*f.shape, theta.shape[1]))
    J[:, :, 0] = -gap[:, None]
    J[:, :, 1] = power
    J[:, :, 2] = -power * b[:, None] * log_s
    slope = -b[:, None] * power / s
    bend = V * log_p
    if k == 1:
        J[:, :, 3] = slope * bend.sum(2) * (g * (1 - g))
    else:
        J[:, :, 3 : 3 + k] = slope[:, :, None] * bend * (g * (1 - g))[:, None, :]
    J[:, :, 3 + k :] = slope[:, :, None] * V
    return f, J
