"""Mixes as vectors of shares of training tokens, and the mixes that need no study."""

from __future__ import annotations

import numpy as np

# Shares are whole multiples of 2^-20: sums of such numbers are exact in floating point.
GRAIN = 1 << 20


def exact(P: np.ndarray) -> np.ndarray:
    """Round mixes to multiples of 2^-20 so that each sums to exactly 1, in any order of addition.

    Largest remainders; what is exactly 0 stays 0.

    Parameters
    ----------
    P
        Non-negative, (domains,) or (mixes, domains); rows need not be normalised.
    """
    rows = np.atleast_2d(np.asarray(P, float))
    total = rows.sum(1, keepdims=True)
    if not (np.isfinite(rows).all() and (rows >= 0).all() and (total > 0).all()):
        raise ValueError("a mix needs finite shares of at least 0 and one above 0")
    wanted = rows / total * GRAIN
    whole = np.floor(wanted)
    missing = GRAIN - whole.sum(1)
    # what is 0 comes last, ties by position
    order = np.argsort(np.where(wanted > 0, whole - wanted, 1.0), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(rows.shape[1])[None, :], axis=1)
    result = (whole + (rank < missing[:, None])) / GRAIN
    return result.reshape(np.shape(P))


def natural(tokens: np.ndarray) -> np.ndarray:
    """Shares in proportion to the tokens that there are, (domains,)."""
    return exact(tokens)


def uniform(domains: int) -> np.ndarray:
    """The same share for every domain, (domains,)."""
    return exact(np.ones(domains))


def unimax(tokens: np.ndarray, budget: float, max_epochs: float) -> np.ndarray:
    """UniMax (Chung et al., 2023): as uniform as whole repetitions allow.

    The budget is dealt out evenly, smallest domain first; a domain that would repeat more than
    `max_epochs` times gets just that, and the rest goes to the larger ones.

    Parameters
    ----------
    tokens
        Tokens available, (domains,).
    budget
        Training tokens.
    max_epochs
        Largest number of repetitions. When all domains together do not fill the budget at that
        many, shares are in proportion to tokens.
    """
    tokens = np.asarray(tokens, float)
    given = np.zeros(len(tokens))
    left = float(budget)
    for position, domain in enumerate(np.argsort(tokens, kind="stable")):
        given[domain] = min(left / (len(tokens) - position), tokens[domain] * max_epochs)
        left -= given[domain]
    return exact(given)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Kullback-Leibler divergence of `p` from `q`, nats; 0 log 0 is 0."""
    p, q = np.asarray(p, float), np.asarray(q, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / q), 0.0)
    return float(terms.sum())
