"""Many small non-linear least-squares problems at once, each with a Gaussian prior.

A law of a swarm has some twenty to forty parameters and a few hundred rows, and is fitted for each
task, each start and each bootstrap. One at a time that is slow; as one batch of damped Gauss-Newton
steps it is a few matrix products. A Gaussian prior is one more row of residuals, so the posterior
mode (MAP) is a least-squares problem, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Model = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

_DAMPING, _GROW, _SHRINK = 1e-2, 4.0, 0.3
_DAMPING_MAX, _DAMPING_MIN = 1e10, 1e-9
_CHUNK_FLOATS = 1 << 24  # of Jacobians held at once


@dataclass(frozen=True)
class Mode:
    """Posterior modes of a batch of problems.

    Attributes
    ----------
    theta
        (problems, parameters).
    objective
        (problems,): half the weighted squared residuals plus half the prior's.
    squares
        (problems,): weighted squared residuals of the data alone.
    freedom
        (problems,): effective number of parameters, ``tr[(H + L)^-1 H]`` (MacKay, 1992).
    """

    theta: np.ndarray
    objective: np.ndarray
    squares: np.ndarray
    freedom: np.ndarray


def fit_modes(
    model: Model,
    theta: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    precision: np.ndarray,
    centre: np.ndarray,
    steps: int = 200,
    tolerance: float = 1e-9,
) -> Mode:
    """Minimise ``0.5 sum_i w_i (f_i - y_i)^2 + 0.5 (theta - centre)' L (theta - centre)``.

    Levenberg-Marquardt with Marquardt's scaling (Nocedal and Wright, 2006, ch. 10), the same steps
    whatever stands beside a problem in the batch.

    Parameters
    ----------
    model
        ``model(theta, which) -> (f, jacobian)``, of shapes (p, rows) and (p, rows, parameters),
        for the problems numbered by `which`.
    theta
        Starts, (problems, parameters).
    y, weights
        Targets and weights of the rows, (problems, rows).
    precision
        ``L``, (parameters, parameters), positive semi-definite.
    centre
        Of the prior, (problems, parameters).
    steps, tolerance
        At most so many steps; a problem ends when a step changes its objective by less than
        `tolerance` of it.
    """
    problems, size = theta.shape
    chunk = max(1, _CHUNK_FLOATS // max(1, y.shape[1] * size))
    parts = []
    for start in range(0, problems, chunk):
        which = np.arange(start, min(problems, start + chunk))
        parts.append(_fit(model, which, theta, y, weights, precision, centre, steps, tolerance))
    return Mode(*(np.concatenate([getattr(p, name) for p in parts]) for name in _FIELDS))


_FIELDS = ("theta", "objective", "squares", "freedom")


def _fit(model, which, theta, y, weights, precision, centre, steps, tolerance) -> Mode:
    theta, centre = theta[which].copy(), centre[which]
    y, weights = y[which], weights[which]
    damping = np.full(len(which), _DAMPING)
    f, jacobian = model(theta, which)
    objective = _objective(f, y, weights, theta - centre, precision)
    active = np.arange(len(which))
    quiet = np.zeros(len(which), int)
    for _ in range(steps):
        step, gain = _step(
            jacobian, f - y[active], weights[active], theta[active] - centre[active],
            precision, damping[active],
        )  # fmt: skip
        trial = theta[active] + step
        with np.errstate(all="ignore"):
            new_f, new_jacobian = model(trial, which[active])
            value = _objective(new_f, y[active], weights[active], trial - centre[active], precision)
        better = value < objective[active]
        moved = active[better]
        drop = objective[moved] - value[better]
        small = drop <= tolerance * (np.abs(objective[moved]) + 1e-12)
        theta[moved], objective[moved] = trial[better], value[better]
        f[better], jacobian[better] = new_f[better], new_jacobian[better]
        quiet[moved] = np.where(small, quiet[moved] + 1, 0)
        damping[active] *= np.where(better, _SHRINK, _GROW)
        damping[active] = np.maximum(damping[active], _DAMPING_MIN)
        flat = gain <= tolerance * (np.abs(objective[active]) + 1e-12)
        done = (quiet[active] >= 2) | (damping[active] > _DAMPING_MAX) | (flat & ~better)
        if done.any():
            keep = ~done
            active, f, jacobian = active[keep], f[keep], jacobian[keep]
            if not len(active):
                break
    f, jacobian = model(theta, which)
    residual = f - y
    squares = (weights * residual * residual).sum(1)
    hessian = _gram(jacobian, weights)
    ridge = 1e-12 * np.einsum("bii->b", hessian)[:, None, None] * np.eye(theta.shape[1])
    share = np.linalg.solve(hessian + precision + ridge + 1e-300, hessian)
    return Mode(theta, objective, squares, np.einsum("bii->b", share))


def _objective(f, y, weights, offset, precision) -> np.ndarray:
    residual = f - y
    prior = ((offset @ precision) * offset).sum(1)
    value = 0.5 * ((weights * residual * residual).sum(1) + prior)
    return np.where(np.isfinite(value), value, np.inf)


def _gram(jacobian, weights) -> np.ndarray:
    return np.matmul((jacobian * weights[:, :, None]).transpose(0, 2, 1), jacobian)


def _step(jacobian, residual, weights, offset, precision, damping):
    """The damped step and the decrease that the linear model promises for it."""
    hessian = _gram(jacobian, weights) + precision
    gradient = np.matmul((weights * residual)[:, None, :], jacobian)[:, 0] + offset @ precision
    diagonal = np.einsum("bii->bi", hessian)
    floor = 1e-12 + 1e-9 * diagonal.max(1, keepdims=True)
    damped = hessian.copy()
    np.einsum("bii->bi", damped)[:] += damping[:, None] * np.maximum(diagonal, floor)
    step = -np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
    gain = -0.5 * (gradient * step).sum(1)
    return step, gain
