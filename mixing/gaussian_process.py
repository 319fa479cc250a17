"""A Gaussian process over warped shares: follows what no formula foresees, where there is data."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.linalg import cho_solve, lapack
from scipy.optimize import minimize

from mixing.laws import Law, Scale, register

# Log-normal priors of amplitude, noise, linear part and length scales: (centre, precision).
_AMPLITUDE, _NOISE, _LINEAR, _LENGTH = (0.5, 0.2), (-2.0, 0.2), (-1.0, 0.2), (np.log(2.0), 0.5)
_BOUNDS = ((-6.0, 6.0), (-6.0, 2.0), (-8.0, 4.0), (-4.0, 6.0))
_JITTER = 1e-8
_ROOT5 = np.sqrt(5.0)


@register
class GaussianProcess(Law):
    """Matérn-5/2 with a length scale per domain, plus a linear part, on the cube roots of shares.

    Cube roots, as a small share of a domain does most of its good; logarithms of the losses where
    all are positive, as a power law is nearly additive there. Kernel and likelihood after
    Rasmussen and Williams (2006, ch. 4-5); hyperparameters at their posterior mode, which a few
    runs per domain need. Not convex: it ranks and it checks, it does not extrapolate.

    Parameters
    ----------
    root
        Shares are raised to ``1 / root``.
    """

    name: ClassVar[str] = "gp"
    title: ClassVar[str] = "Gaussian process"

    def __init__(self, root: float = 3.0):
        self.root = root

    def _fit(self, P, Y, weight):
        self.logarithm_ = (Y.min(0) > 0) & (Y.min(0) > 1e-3 * Y.max(0))
        Y = np.where(self.logarithm_, np.log(np.where(self.logarithm_, Y, 1.0)), Y)
        self.scale_ = Scale(Y, weight)
        Z = self.scale_.to_unit(Y)
        self.X_ = P ** (1 / self.root)
        tasks = Z.shape[1]
        self.theta_ = np.empty((tasks, 3 + P.shape[1]))
        self.alpha_ = np.zeros((len(P), tasks))
        for task in range(tasks):
            use = weight[:, task] > 0
            X, z, spread = self.X_[use], Z[use, task], 1 / weight[use, task]
            self.theta_[task] = theta = _mode(X, z, spread)
            lower = _cholesky(_covariance(theta, X, X)[0], theta, spread)
            self.alpha_[use, task] = cho_solve((lower, True), z)

    def _predict(self, P):
        X = P ** (1 / self.root)
        Z = np.stack(
            [
                _covariance(theta, X, self.X_)[0] @ alpha
                for theta, alpha in zip(self.theta_, self.alpha_.T, strict=True)
            ],
            axis=1,
        )
        Y = self.scale_.to_loss(Z)
        return np.where(self.logarithm_, np.exp(np.where(self.logarithm_, Y, 0.0)), Y)


def _covariance(theta, X, Z, room=None):
    """Covariance (rows, columns), and the parts that its derivatives are made of.

    The parts live in `room` where it is given, four such matrices: an optimiser asks hundreds of
    times, and fresh memory of this size costs as much as the arithmetic.
    """
    room = np.empty((4, len(X), len(Z))) if room is None else room
    amplitude, linear = np.exp(2 * theta[0]), np.exp(2 * theta[2])
    A, B = X / np.exp(theta[3:]), Z / np.exp(theta[3:])
    distance, ramp, matern, whole = room
    np.matmul(A, B.T, out=distance)
    distance *= -2
    distance += (A * A).sum(1)[:, None]
    distance += (B * B).sum(1)
    np.maximum(distance, 0.0, out=distance)
    np.sqrt(distance, out=distance)
    # matern = amplitude (1 + a d + 5/3 d^2) exp(-a d), slope = 5/3 amplitude (1 + a d) exp(-a d)
    np.multiply(distance, -_ROOT5, out=matern)
    np.exp(matern, out=matern)
    matern *= amplitude
    np.multiply(distance, _ROOT5, out=ramp)
    ramp += 1
    ramp *= matern
    distance *= distance
    distance *= 5 / 3
    matern *= distance
    matern += ramp
    ramp *= 5 / 3
    product = np.matmul(X, Z.T, out=distance)
    product *= linear
    np.add(matern, product, out=whole)
    return whole, matern, ramp, product


def _cholesky(K, theta, spread):
    np.einsum("ii->i", K)[:] += np.exp(2 * theta[1]) * spread + _JITTER
    # the transpose is what LAPACK reads without a copy, and the matrix is symmetric
    lower, failed = lapack.dpotrf(K.T, lower=1, overwrite_a=1)
    return None if failed else lower


def _mode(X, z, spread):
    m = X.shape[1]
    priors = [_AMPLITUDE, _NOISE, _LINEAR] + [_LENGTH] * m
    centre, precision = np.array(priors).T
    bounds = [*_BOUNDS[:3], *[_BOUNDS[3]] * m]
    found = minimize(
        _objective,
        centre.copy(),
        args=(X, z, spread, centre, precision, np.empty((5, len(X), len(X)))),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 200, "ftol": 1e-7, "gtol": 1e-4},
    )
    return found.x


def _objective(theta, X, z, spread, centre, precision, room):
    """Negative log posterior of the hyperparameters and its gradient."""
    K, matern, slope, product = _covariance(theta, X, X, room[:4])
    lower = _cholesky(K, theta, spread)
    if lower is None:
        return 1e10, np.zeros_like(theta)
    alpha = cho_solve((lower, True), z, check_finite=False)
    offset = theta - centre
    value = 0.5 * z @ alpha + np.log(np.diag(lower)).sum() + 0.5 * (precision * offset) @ offset
    # d value / d K, its lower triangle doubled: all that it is summed against is symmetric
    W, _ = lapack.dpotri(lower, lower=1, overwrite_c=1)
    W = W.T  # LAPACK's order of rows and columns: the triangle is now the upper one of K
    W -= np.multiply.outer(alpha, alpha, out=room[4])
    W *= 2
    np.einsum("ii->i", W)[:] /= 2
    W = np.triu(W)
    gradient = precision * offset
    gradient[0] += np.vdot(W, matern)
    gradient[1] += (np.diag(W) * spread).sum() * np.exp(2 * theta[1])
    gradient[2] += np.vdot(W, product)
    # dK_ab / d log l = slope_ab (x_a - x_b)^2 / l^2, summed against W without an (n, n, m) cube
    W *= slope
    squares = (W.sum(1) + W.sum(0)) @ (X * X) / 2 - ((W @ X) * X).sum(0)
    gradient[3:] += squares / np.exp(2 * theta[3:])
    return value, gradient
