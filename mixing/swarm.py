"""The swarm: which mixes to train proxies on, so that few runs say much.

Mixes lie around the natural one, as wide as a tempered Dirichlet distribution spreads them, and of
many candidates those are taken that lie far from each other. Some are sparse, since a small share
is where losses bend; some are near the natural mix, since the answer often is; some push one domain
up to the largest share that the solve may give it. Repeats of two mixes with other seeds measure
the noise.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from catalogs.errors import UserError
from mixing.collapse import Frozen
from mixing.shares import exact, natural, uniform

_STRENGTHS = 15  # log-spaced, as in RegMix (Liu et al., 2024) and Olmix (2026)
_CANDIDATES = 64  # per mix taken
_SMALLEST = 0.002  # smaller shares are dropped: they cost a domain and teach nothing
_NEAR = (20.0, 200.0)  # strengths of the Dirichlet distribution of the local mixes


@dataclass(frozen=True)
class Swarm:
    """Mixes to train.

    Attributes
    ----------
    domains
        Names, (m,).
    shares
        Of training tokens, (runs, m); every row sums to exactly 1.
    seeds
        Of the proxy's weights and order, (runs,); runs of one mix differ in it.
    kinds
        Why a run is there, (runs,): natural, uniform, reach, sparse, local, spread or repeat.
    """

    domains: tuple[str, ...]
    shares: np.ndarray
    seeds: np.ndarray
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.shares)


def default_mixes(domains: int) -> int:
    """Mixes that the laws need: three per coefficient of a domain (Olmix, 2026)."""
    return 3 * (domains + 1)


def design_swarm(
    domains: tuple[str, ...],
    tokens: np.ndarray,
    mixes: int | None = None,
    repeats: int = 2,
    temperature: float = 0.5,
    strengths: tuple[float, float] = (0.1, 5.0),
    sparse: float = 0.25,
    local: float = 0.25,
    reach: np.ndarray | None = None,
    seed: int = 0,
) -> Swarm:
    """Design a swarm.

    More mixes with the same seed keep the earlier ones: a swarm grows, it is not drawn again.

    Parameters
    ----------
    domains, tokens
        Names and available tokens, (m,).
    mixes
        Distinct mixes; default ``3 (m + 1)``, at least 3.
    repeats
        Further seeds at each of two anchors: the natural mix and the uniform one.
    temperature
        Natural shares are raised to it before they centre the candidates.
    strengths
        Least and largest concentration of the Dirichlet distribution of the candidates.
    sparse, local
        Shares of the mixes on few domains, and near the natural mix.
    reach
        For each domain, a share that at least one mix must reach, (m,): as much as the solve may
        give it. Default half.
    seed
        Of the draw and of the proxies.

    Raises
    ------
    UserError
        When there are fewer than two domains, a domain without tokens, or too few mixes.
    """
    tokens = np.asarray(tokens, float)
    m = len(domains)
    mixes = default_mixes(m) if mixes is None else mixes
    _check(domains, tokens, mixes)
    centre = natural(tokens)
    tempered = centre**temperature / (centre**temperature).sum()
    target = np.full(m, 0.5) if reach is None else np.clip(reach, 0.0, 1.0)
    anchors = {"natural": centre, "uniform": uniform(m)}
    if np.array_equal(*anchors.values()):
        del anchors["uniform"]
    chosen, kinds = list(anchors.values()), list(anchors)
    for domain in _to_reach(target, chosen)[: max(0, mixes - len(chosen))]:
        chosen.append(_push(tempered, domain, target[domain]))
        kinds.append("reach")
    rng = np.random.default_rng([seed, m])
    pools = {
        "spread": _dirichlet(tempered, np.geomspace(*strengths, _STRENGTHS), rng),
        "sparse": _on_few(tempered, rng),
        "local": _dirichlet(centre, np.geomspace(*_NEAR, _STRENGTHS), rng),
    }
    wanted = {"sparse": sparse, "local": local, "spread": max(0.0, 1 - sparse - local)}
    taken = dict.fromkeys(wanted, 0)
    while len(chosen) < mixes:
        done = sum(taken.values())
        kind = max(wanted, key=lambda k: (wanted[k] * (done + 1) - taken[k], k))
        taken[kind] += 1
        chosen.append(farthest(pools[kind](_CANDIDATES), np.array(chosen)))
        kinds.append(kind)
    shares, seeds = list(chosen), [seed] * len(chosen)
    for extra in range(1, repeats + 1):
        for anchor in anchors.values():
            shares.append(anchor)
            seeds.append(seed + extra)
            kinds.append("repeat")
    return Swarm(tuple(domains), np.array(shares), np.array(seeds), tuple(kinds))


def _check(domains, tokens, mixes) -> None:
    if len(domains) < 2:
        raise UserError("a mixture needs at least two domains")
    empty = [name for name, count in zip(domains, tokens, strict=True) if not count > 0]
    if empty:
        raise UserError(f"domain '{empty[0]}' holds no tokens; mend its predicate or drop it")
    if mixes < 3:
        raise UserError(f"swarm: mixes must be at least 3, got {mixes}")


def _to_reach(target, chosen) -> list[int]:
    best = np.max(chosen, axis=0)
    return [int(j) for j in np.argsort(best - target, kind="stable") if best[j] < target[j]]


def _push(centre, domain, share) -> np.ndarray:
    others = np.delete(centre, domain)
    mix = np.insert(others / others.sum() * (1 - share), domain, share)
    return exact(without_crumbs(mix[None])[0])


def _dirichlet(centre, strengths, rng):
    """Draws candidates, each with one strength of the list in turn."""
    turn = itertools.count()

    def draw(count: int) -> np.ndarray:
        strength = strengths[next(turn) % len(strengths)]
        return _sample(np.maximum(centre * strength, 1e-3), count, rng)

    # a list in order would give the first mixes the sparsest draws only
    strengths = strengths[np.argsort(np.modf(np.arange(len(strengths)) * 0.618034)[0])]
    return draw


def _on_few(centre, rng):
    """Draws candidates on two to half of the domains, the others absent."""
    m = len(centre)

    def draw(count: int) -> np.ndarray:
        rows = np.zeros((count, m))
        for row in rows:
            size = int(rng.integers(min(2, m), max(2, m // 2) + 1))
            some = rng.choice(m, size=size, replace=False)
            row[some] = rng.dirichlet(np.ones(size))
        return without_crumbs(rows)

    return draw


def _sample(alpha, count, rng) -> np.ndarray:
    rows = rng.dirichlet(alpha, count)
    # with a small concentration every gamma draw may underflow to 0
    bad = ~np.isfinite(rows).all(1) | (rows.sum(1) <= 0)
    rows[bad] = alpha / alpha.sum()
    return without_crumbs(rows)


def without_crumbs(rows) -> np.ndarray:
    kept = np.where(rows >= np.minimum(_SMALLEST, rows.max(1, keepdims=True)), rows, 0.0)
    return kept / kept.sum(1, keepdims=True)


def farthest(candidates, chosen) -> np.ndarray:
    """The candidate whose nearest chosen mix is farthest (maximin), in Hellinger distance.

    Square roots stretch small shares, where losses change fastest.
    """
    affinity = np.sqrt(candidates) @ np.sqrt(chosen).T
    return exact(candidates[int(np.argmin(affinity.max(1)))])


def further_mixes(
    domains: tuple[str, ...],
    tokens: np.ndarray,
    known: np.ndarray,
    changed: list[str],
    opened: list[str],
    frozen: Frozen | None,
    count: int,
    seed: int = 0,
    reach: float = 0.5,
) -> np.ndarray:
    """Mixes that teach what changed, beside those that are known.

    Shares of the changed domains together are log-spaced up to `reach`; the rest goes to the opened
    domains and the virtual one, near their natural shares or far from them in turn.

    Parameters
    ----------
    domains, tokens
        Names and available tokens, (m,).
    known
        Mixes that were trained, (runs, m).
    changed, opened
        Names of the domains that vary.
    frozen
        The others, which keep their ratios; None when there are none.
    count
        Mixes wanted.

    Returns
    -------
    np.ndarray
        Shares, (count, m).
    """
    tokens, m = np.asarray(tokens, float), len(domains)
    names = domains if frozen is None else frozen.names
    size = tokens if frozen is None else frozen.collapse(tokens)
    new = np.array([name in changed for name in names])
    rest = np.where(new, 0.0, size)
    rng = np.random.default_rng([seed, m, len(known), count])
    shares = np.geomspace(0.02, reach, max(2, count))
    # neither small nor large shares first, so that few mixes span the range already
    shares = shares[np.argsort(np.modf(np.arange(len(shares)) * 0.618034)[0])]
    chosen: list[np.ndarray] = []
    for number in range(count):
        candidates = np.zeros((_CANDIDATES, len(names)))
        share = shares[number] if new.any() else 0.0
        if new.any():
            candidates[:, new] = share * rng.dirichlet(np.ones(new.sum()), _CANDIDATES)
        if rest.sum() > 0:
            near = (1.0, 4.0, 20.0)[number % 3] * (rest > 0).sum() + 1e-3
            alpha = np.maximum(near * rest / rest.sum(), 1e-2)[~new]
            candidates[:, ~new] = (1 - share) * rng.dirichlet(alpha, _CANDIDATES)
        candidates = np.nan_to_num(candidates)
        candidates[candidates.sum(1) <= 0] = rest / max(rest.sum(), 1.0) + new
        whole = candidates if frozen is None else frozen.expand(candidates)
        others = np.concatenate([known, np.array(chosen).reshape(-1, m)])
        chosen.append(farthest(whole / whole.sum(1, keepdims=True), others))
    return np.array(chosen).reshape(-1, m)
