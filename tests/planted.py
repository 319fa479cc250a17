"""Swarms with planted losses, for the tests of the mixing room."""

from __future__ import annotations

import numpy as np

import mixing


class Truth:
    """Planted losses, (mixes, tasks), of the form that proxies show; one task to a domain."""

    def __init__(self, seed: int, m: int, interaction: float = 0.0):
        rng = np.random.default_rng(seed)
        self.floor = rng.uniform(0.6, 1.0, m)
        own = np.diag(rng.uniform(1, 3, m))
        self.w = np.exp(rng.normal(-1.5, 1.0, (m, m))) + own
        self.b = rng.uniform(0.2, 0.6, m)
        self.g = rng.uniform(0.4, 0.9, m)
        self.cross = interaction * rng.normal(size=(m, m, m))

    def predict(self, P):
        P = np.maximum(np.atleast_2d(P), 1e-12)
        s = 0.05 + np.stack([(P**g) @ w for g, w in zip(self.g, self.w, strict=True)], 1)
        return self.floor + s**-self.b + np.einsum("ni,tij,nj->nt", P, self.cross, P)

    def gradient(self, p):
        p = np.maximum(p, 1e-12)
        s = 0.05 + np.array([(p**g) @ w for g, w in zip(self.g, self.w, strict=True)])
        slope = self.w * self.g[:, None] * p ** (self.g[:, None] - 1)
        cross = np.einsum("tij,j->ti", self.cross + self.cross.transpose(0, 2, 1), p)
        return -(self.b * s ** (-self.b - 1))[:, None] * slope + cross


def planted(seed: int, m: int = 5, noise: float = 0.005, interaction: float = 0.0, mixes=None):
    rng = np.random.default_rng([seed, 7])
    truth = Truth(seed, m, interaction)
    tokens = rng.lognormal(16, 1.0, m)
    swarm = mixing.design_swarm(tuple(f"d{j}" for j in range(m)), tokens, mixes, seed=seed)
    losses = truth.predict(swarm.shares) + noise * rng.normal(size=(len(swarm), m))
    return truth, tokens, swarm, losses


def objective(law, m):
    return mixing.Objective(law, np.full(m, 1 / m), np.ones(m))


def anything(m):
    return mixing.make_feasible([f"d{j}" for j in range(m)], np.ones(m), 1.0, None)
