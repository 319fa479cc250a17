"""Some domains as one: frozen in given ratios, they are a virtual domain of a smaller mix.

A mix of the smaller kind, z, stands for the whole mix ``p = z M``: open domains keep their share,
and the virtual domain's share is dealt to the frozen ones by their ratios. As every domain has one
place in z, the derivatives of a law keep their form, so a smaller mix is solved for exactly
(mixture reuse; Olmix, 2026).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from catalogs.errors import UserError
from mixing.bank import Bank, Repetition, Values
from mixing.feasible import Feasible, Group
from mixing.laws import Law

VIRTUAL = "(frozen)"


@dataclass(frozen=True)
class Frozen:
    """Which domains are frozen, and in which ratios.

    Attributes
    ----------
    domains
        Names of the whole mix, (m,).
    ratios
        Of the frozen domains within their sum, (m,), summing to 1; nan where a domain is open.
    matrix
        (k + 1, m): the open domains in their order, then the virtual one.
    """

    domains: tuple[str, ...]
    ratios: np.ndarray
    matrix: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        matrix = np.eye(len(self.domains))[self.open]
        virtual = np.nan_to_num(self.ratios)
        object.__setattr__(self, "matrix", np.vstack([matrix, virtual / virtual.sum()]))

    @classmethod
    def of(cls, domains: tuple[str, ...], shares: np.ndarray, open: list[str]) -> Frozen | None:
        """Freeze all but `open` in the ratios that they have in `shares`; None without any."""
        ratios = np.where([name in open for name in domains], np.nan, shares)
        total = np.nansum(ratios)
        if np.isnan(ratios).all() or not total > 0:
            return None
        return cls(tuple(domains), ratios / total)

    @property
    def open(self) -> np.ndarray:
        """Numbers of the open domains, (k,)."""
        return np.flatnonzero(np.isnan(self.ratios))

    @property
    def closed(self) -> np.ndarray:
        """Numbers of the frozen domains with a share, (m - k,) at most."""
        return np.flatnonzero(np.nan_to_num(self.ratios) > 0)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the smaller mix, (k + 1,)."""
        return (*(self.domains[j] for j in self.open), VIRTUAL)

    def expand(self, Z: np.ndarray) -> np.ndarray:
        """Whole mixes, (…, m), of smaller ones, (…, k + 1)."""
        return np.asarray(Z) @ self.matrix

    def collapse(self, P: np.ndarray) -> np.ndarray:
        """Smaller mixes, (…, k + 1), that keep the open shares and the frozen ones' sum."""
        P = np.asarray(P)
        rest = np.flatnonzero(~np.isnan(self.ratios))
        return np.concatenate([P[..., self.open], P[..., rest].sum(-1, keepdims=True)], axis=-1)

    def of_law(self, law: Law) -> CollapsedLaw:
        """What a law says of the whole mixes of smaller ones."""
        return CollapsedLaw(law, self)

    def limits(self, whole: Feasible) -> Feasible:
        """What a smaller mix must keep to so that its whole mix keeps to `whole`.

        The virtual share is held by the tightest of the frozen domains: with epochs,
        ``rho <= min_j k N_j / (R q_j)`` for ratios q.

        Raises
        ------
        UserError
            When a frozen domain without a share has a floor.
        """
        tightest, low, high = self._virtual_bounds(whole)
        return Feasible(
            self.names,
            np.append(whole.lower[self.open], low),
            np.append(whole.upper[self.open], high),
            (*(whole.causes[j] for j in self.open), whole.causes[tightest]),
            tuple(self._group(whole, group) for group in whole.groups),
            None if whole.centre is None else self._centre(whole.centre),
            whole.kl,
        )

    def spread_prices(
        self, whole: Feasible, lower: np.ndarray, upper: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Multipliers of the whole mix's bounds, (…, m), from those of the smaller one's."""
        found = []
        for values, edge in ((lower, whole.lower), (upper, whole.upper)):
            spread = np.zeros((*values.shape[:-1], len(self.domains)))
            spread[..., self.open] = values[..., :-1]
            # easing the bound of the domain that holds the virtual one eases that by 1 / ratio
            room = edge[self.closed] / self.ratios[self.closed]
            holds = self.closed[room.argmax() if edge is whole.lower else room.argmin()]
            spread[..., holds] = values[..., -1] / self.ratios[holds]
            found.append(spread)
        return found[0], found[1]

    def _virtual_bounds(self, whole: Feasible) -> tuple[int, float, float]:
        closed, ratios = self.closed, self.ratios[self.closed]
        without = np.flatnonzero((self.ratios == 0) & (whole.lower > 0))
        if len(without):
            name = self.domains[without[0]]
            raise UserError(
                f"constraints: the floor of '{name}' cannot be met while it is frozen at 0"
            )
        room = whole.upper[closed] / ratios
        holds = int(room.argmin())
        return closed[holds], float((whole.lower[closed] / ratios).max()), min(1.0, room[holds])

    def _group(self, whole: Feasible, group: Group) -> Group:
        counts = dict(zip(group.domains, group.fractions or [1.0] * len(group.domains),
                          strict=True))  # fmt: skip
        member = self.matrix @ np.array([counts.get(name, 0.0) for name in whole.domains])
        return replace(group, domains=self.names, fractions=tuple(member.tolist()))

    def _centre(self, centre: np.ndarray) -> np.ndarray:
        """``KL(p || c) = KL(z || c')`` for whole mixes, with a virtual c' that does not sum up."""
        ratios, at = self.ratios[self.closed], np.maximum(centre[self.closed], 1e-9)
        return np.append(centre[self.open], np.exp(-(ratios * np.log(ratios / at)).sum()))


@dataclass(frozen=True)
class CollapsedLaw:
    """Predictions of a law over smaller mixes."""

    law: Law
    frozen: Frozen

    def predict(self, Z: np.ndarray) -> np.ndarray:
        return self.law.predict(self.frozen.expand(Z))


@dataclass(frozen=True)
class CollapsedBank:
    """A bank of laws over smaller mixes: says of z what `bank` says of its whole mix."""

    bank: Bank
    frozen: Frozen

    def __len__(self) -> int:
        return len(self.bank)

    def evaluate(
        self,
        Z: np.ndarray,
        which: np.ndarray,
        reuse: Repetition | None = None,
        derivatives: bool = True,
    ) -> Values:
        """As `Bank.evaluate`, with derivatives by the shares of the smaller mix."""
        found = self.bank.evaluate(self.frozen.expand(Z), which, reuse, derivatives)
        if not derivatives:
            return found
        matrix = self.frozen.matrix
        return Values(found.y, found.slope @ matrix.T, found.curve, found.diagonal @ (matrix**2).T)
