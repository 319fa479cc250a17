"""Which window of which source is trained on when: exact shares, exact repetition, fixed order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import xxhash

from catalogs.errors import UserError, nearest

_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Order:
    """The training sequences of a run, in order.

    Attributes
    ----------
    names
        Source names, sorted.
    source
        int32, shape (sequences,): index into `names`.
    window
        int64, shape (sequences,): window of that source.
    unique
        Windows that may be drawn, by source.
    """

    names: tuple[str, ...]
    source: np.ndarray
    window: np.ndarray
    unique: dict[str, int]

    @property
    def quotas(self) -> dict[str, int]:
        """Sequences drawn, by source."""
        counts = np.bincount(self.source, minlength=len(self.names))
        return {name: int(count) for name, count in zip(self.names, counts, strict=True)}

    @property
    def epochs(self) -> dict[str, float]:
        """How often each source's usable windows are seen; 0 for a source that is not."""
        return {n: q / self.unique[n] if q else 0.0 for n, q in self.quotas.items()}


def check_mix(mix: Mapping[str, float], sources: Mapping[str, object]) -> dict[str, float]:
    """The mix with sorted names and a sum of exactly one, up to rounding.

    Raises
    ------
    UserError
        When a name is not a source, a share is negative or not a number, or the sum is not one.
    """
    for name, share in sorted(mix.items()):
        if name not in sources:
            raise UserError(f"mix: source '{name}' is unknown{nearest(name, sources)}")
        if not (math.isfinite(share) and share >= 0):
            raise UserError(
                f"mix: the share of '{name}' must be a number of at least 0, got {share}"
            )
    total = math.fsum(mix.values())
    if abs(total - 1) > _TOLERANCE:
        raise UserError(f"mix: the shares must sum to 1, got {total:.6g}")
    return {name: mix[name] / total for name in sorted(mix)}


def quotas(mix: Mapping[str, float], total: int) -> dict[str, int]:
    """Split `total` by shares that sum to one, by largest remainders (Hamilton's method).

    Every quota is within one of ``share * total`` and they sum to `total`; equal remainders go
    by name.
    """
    names = sorted(mix)
    exact = np.array([mix[name] for name in names], np.float64) * total
    counts = np.floor(exact).astype(np.int64)
    by_remainder = sorted(range(len(names)), key=lambda i: (counts[i] - exact[i], names[i]))
    for i in by_remainder[: total - int(counts.sum())]:
        counts[i] += 1
    return dict(zip(names, counts.tolist(), strict=True))


def training_order(
    mix: Mapping[str, float],
    windows: Mapping[str, int],
    sequences: int,
    seed: int,
    usable: Mapping[str, int] | None = None,
) -> Order:
    """Draw the sequences of a run.

    Each source goes through a permutation of its windows, then through another, so that every
    window is seen either ``floor`` or ``ceil`` of the epochs times. Sources are interleaved
    evenly: the k-th of q sequences of a source lies at ``(k + u) / q`` of the run, u uniform, so
    that the share of every prefix is within about one sequence of the mix, and checkpoints on
    the way are runs of the same mix. The windows that a source gives, and their order, depend on
    the seed and its name alone: mixes of one seed share them, which takes noise out of their
    differences.

    Parameters
    ----------
    mix
        Share of the training tokens, by source; sums to one.
    windows
        Number of windows there are, by source.
    sequences
        Length of the run.
    usable
        At most so many windows of a source may be used (they nest as the number grows).

    Raises
    ------
    UserError
        When a source with a share has no window.
    """
    usable = usable or {}
    names = tuple(sorted(mix))
    unique = {n: min(windows[n], usable.get(n, windows[n])) for n in names}
    counts = quotas(mix, sequences)
    source, window, place = [], [], []
    for i, name in enumerate(names):
        if counts[name] and not unique[name]:
            raise UserError(
                f"source '{name}': no whole sequence to train on; add text or shorten the context"
            )
        if counts[name]:
            drawn = _draw(name, counts[name], windows[name], unique[name], seed)
            uniform = _generator(seed, "place", name).random(counts[name])
            window.append(drawn)
            place.append((np.arange(counts[name]) + uniform) / counts[name])
            source.append(np.full(counts[name], i, np.int32))
    by_place = np.lexsort((np.concatenate(source), np.concatenate(place)))
    return Order(names, np.concatenate(source)[by_place], np.concatenate(window)[by_place], unique)


def _draw(name: str, count: int, windows: int, unique: int, seed: int) -> np.ndarray:
    first = _generator(seed, "epoch", name, 0).permutation(windows)[:unique]
    epochs = [first]
    for epoch in range(1, -(-count // unique)):
        epochs.append(first[_generator(seed, "epoch", name, epoch).permutation(unique)])
    return np.concatenate(epochs)[:count]


def _generator(seed: int, *purpose: object) -> np.random.Generator:
    label = "\0".join(map(str, purpose))
    return np.random.default_rng([seed, xxhash.xxh3_64_intdigest(label.encode())])
