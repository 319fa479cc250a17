"""Which domains depend on each other: two are coupled when they serve the same tasks.

In the theory of mixture reuse the loss of freezing the ratios of unchanged domains is bounded by
how far these ratios are from the best, times the coupling between them and what changed: the part
of the losses in which both have a say (Olmix, 2026). Here it is read from the fitted laws. What a
domain does for a task is by how much the task's loss rises when the domain is left out; the
coupling of two domains is the cosine between what they do for all tasks, from 0, no task in common,
to 1.
"""

from __future__ import annotations

import numpy as np

from mixing.laws import Law
from mixing.overlap import Overlap


def service(law: Law, mix: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """What each domain does for each task, (tasks, m): the rise of its loss without the domain.

    Parameters
    ----------
    law
        Fitted.
    mix
        From which domains are left out, the others growing alike, (m,).
    noise
        Of the tasks' losses, (tasks,); rises within it count nothing.
    """
    m = len(mix)
    without = np.tile(mix, (m, 1))
    np.fill_diagonal(without, 0.0)
    left = without.sum(1, keepdims=True)
    without = np.where(left > 0, without / np.maximum(left, 1e-12), mix)
    losses = law.predict(np.vstack([mix[None], without]))
    return np.maximum(losses[1:] - losses[0] - noise, 0.0).T


def profiles(service: np.ndarray, overlap: Overlap, tasks: tuple[str, ...]) -> np.ndarray:
    """What each new domain is expected to do for each task, (tasks, n).

    Text that was in an old domain does what that did. Of new text nothing is known but who helps
    it: what an old domain does for its held-out text, it is taken to do for the old domain's; and
    for its own held-out text what domains do for theirs on average.

    Parameters
    ----------
    service
        Of the old domains, (tasks, m).
    tasks
        Names; those of new domains are their held-out texts.
    """
    same = overlap.same()
    place = {task: t for t, task in enumerate(tasks)}
    own = [service[place[new], overlap.old.index(old)] for new, old in same.items()]
    typical = float(np.mean(own)) if own else float(service.max(initial=0.0))
    found = service @ overlap.came
    for j, name in enumerate(overlap.new):
        unknown = np.zeros(len(tasks))
        unknown[place[name]] = max(typical, float(service[place[name]].max(initial=0.0)))
        for other, old in same.items():
            if other != name:
                unknown[place[other]] = service[place[name], overlap.old.index(old)]
        found[:, j] += max(0.0, 1 - overlap.came[:, j].sum()) * unknown
    return found


def cosines(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Between the columns of A, (tasks, a), and of B, (tasks, b): (a, b); 0 where one is 0."""
    product = np.sqrt((A**2).sum(0))[:, None] * np.sqrt((B**2).sum(0))
    return np.where(product > 0, A.T @ B / np.where(product > 0, product, 1.0), 0.0)


def couplings(
    law: Law,
    overlap: Overlap,
    mix: np.ndarray,
    tasks: tuple[str, ...],
    weights: np.ndarray,
    noise: np.ndarray,
) -> dict[str, dict[str, float]]:
    """Coupling of every unchanged domain with everything that changed.

    Parameters
    ----------
    law
        Fitted to losses by the shares of the old domains.
    mix
        Shares of the old domains, (m,), about which the law is asked.
    tasks, weights, noise
        Names, weights and noise of the tasks now, (tasks,).

    Returns
    -------
    dict
        unchanged new domain -> changed or removed domain -> coupling, 0 to 1.
    """
    same = overlap.same()
    weight = np.asarray(weights, float)[:, None]
    does = service(law, mix, noise)
    of_new = weight * profiles(does, overlap, tasks)
    of_old = weight * does
    changed = {name: of_new[:, j] for j, name in enumerate(overlap.new) if name not in same}
    for name in overlap.removed():
        told = f"{name} as it was" if name in overlap.new else name
        changed[told] = of_old[:, overlap.old.index(name)]
    if not changed:
        return {name: {} for name in same}
    table = cosines(of_new, np.column_stack(list(changed.values())))
    return {
        name: dict(zip(changed, table[overlap.new.index(name)].tolist(), strict=True))
        for name in same
    }
