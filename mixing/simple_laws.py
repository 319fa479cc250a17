"""Simple laws: what the others must beat, and what wins when a task is simple."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mixing.laws import Law, Scale, register
from mixing.levenberg import fit_modes

_GAP, _GAP_PRECISION = -0.7, 0.1
_SLOPE_PRECISION = 0.01
_NOISE = 0.1
_RIDGE = 1e-2  # in units of the noise of a task whose spread is 1


@register
class LogLinear(Law):
    """``y = E + exp(a0 + a . p)``: the law of Data Mixing Laws (Ye et al., 2024) and of Olmix.

    Convex. Flat where a domain is nearly absent, which real losses are not.
    """

    name: ClassVar[str] = "log-linear"
    title: ClassVar[str] = "log-linear"
    convex: ClassVar[bool] = True

    def _fit(self, P, Y, weight):
        self.scale_ = Scale(Y, weight)
        Z = self.scale_.to_unit(Y)
        tasks, m = Z.shape[1], P.shape[1]
        self.floor_top_ = top = np.where(weight > 0, Z, np.inf).min(0)
        theta = np.zeros((tasks, 2 + m))
        theta[:, 0] = _GAP
        theta[:, 1] = np.log(np.median(Z, axis=0) - top + np.exp(_GAP))
        precision = np.diag([_GAP_PRECISION, 0.0, *[_SLOPE_PRECISION] * m])
        centre = np.zeros_like(theta)
        centre[:, 0] = _GAP

        def model(values, which):
            gap = np.exp(values[:, 0])
            power = np.exp(np.minimum(values[:, 1, None] + values[:, 2:] @ P.T, 50.0))
            J = np.empty((len(values), len(P), 2 + m))
            J[:, :, 0], J[:, :, 1], J[:, :, 2:] = -gap[:, None], power, power[:, :, None] * P
            return (top[which] - gap)[:, None] + power, J

        mode = fit_modes(model, theta, Z.T, weight.T / _NOISE**2, precision, centre)
        self.theta_ = mode.theta

    def _predict(self, P):
        floor = self.floor_top_ - np.exp(self.theta_[:, 0])
        power = np.exp(np.minimum(self.theta_[:, 1] + P @ self.theta_[:, 2:].T, 50.0))
        return self.scale_.to_loss(floor + power)

    def gradient(self, p):
        slopes = self.theta_[:, 2:]
        power = np.exp(np.minimum(self.theta_[:, 1] + slopes @ np.asarray(p, float), 50.0))
        return (power * self.scale_.spread)[:, None] * slopes


@register
class SquareRootLinear(Law):
    """``y = a0 + a . sqrt(p)``, ridge regression."""

    name: ClassVar[str] = "linear"
    title: ClassVar[str] = "linear in √share"

    def _fit(self, P, Y, weight):
        self.scale_ = Scale(Y, weight)
        Z, X = self.scale_.to_unit(Y), _design(P)
        ridge = _RIDGE * np.eye(X.shape[1])
        ridge[0, 0] = 1e-9
        self.theta_ = np.stack(
            [
                np.linalg.solve((X.T * w) @ X + ridge, (X.T * w) @ z)
                for z, w in zip(Z.T, weight.T, strict=True)
            ]
        )

    def _predict(self, P):
        return self.scale_.to_loss(_design(P) @ self.theta_.T)


def _design(P):
    return np.hstack([np.ones((len(P), 1)), np.sqrt(P)])
