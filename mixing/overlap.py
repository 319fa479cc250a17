"""Which text of an earlier study's domains is in which domain now, and what its runs are worth.

A run on domains that were renamed or split is a run on the new ones: their shares follow from where
its text is now. A run on text that is gone, or that is only part of a domain now, says little of
the new one, the less the more of it there was.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

SAME = 0.95  # of the bytes in common from which a domain counts as unchanged
UNLIKE = 0.1  # share of a run's tokens that may stand for other text than what they were
_TRACE = 0.05  # of a domain's bytes below which another's text is no part of it


@dataclass(frozen=True)
class Overlap:
    """Text in common, weighed in bytes.

    Attributes
    ----------
    old, new
        Names of the domains then, (m,), and now, (n,).
    went
        Part of an old domain's text that is in a new one, (m, n); rows sum to at most 1.
    came
        Part of a new domain's text that was in an old one, (m, n); columns sum to at most 1.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    went: np.ndarray
    came: np.ndarray

    @classmethod
    def count(cls, members: str, pools: dict[str, str]) -> Overlap:
        """From the note of an earlier study's documents and the pools of this one's domains."""
        with duckdb.connect() as database:
            database.execute(_MEMBERS, [members])
            database.execute(_pools(pools), list(pools.values()))
            shared = database.execute(_SHARED).fetchall()
            sizes = [
                dict(database.execute(f"SELECT domain, sum(n) FROM {one} GROUP BY 1").fetchall())
                for one in ("old", "new")
            ]
        old, new = tuple(sorted(sizes[0])), tuple(pools)
        table = np.zeros((len(old), len(new)))
        for before, now, size in shared:
            table[old.index(before), new.index(now)] = size
        before = np.array([max(1, sizes[0][name]) for name in old], float)
        now = np.array([max(1, sizes[1].get(name, 1)) for name in new], float)
        went, came = table / before[:, None], table / now
        return cls(old, new, np.minimum(went, 1.0), np.minimum(came, 1.0))

    def same(self) -> dict[str, str]:
        """New domains that are an old one all but unchanged -> that one."""
        found = {}
        for j, name in enumerate(self.new):
            i = int(self.came[:, j].argmax())
            if self.came[i, j] >= SAME and self.went[i, j] >= SAME:
                found[name] = self.old[i]
        return found

    def changes(self) -> dict[str, str]:
        """What became of each new domain, in words, and of the old ones that are gone."""
        same, found = self.same(), {}
        for j, name in enumerate(self.new):
            sources = [o for i, o in enumerate(self.old) if self.came[i, j] >= _TRACE]
            whole = self.came[:, j].sum()
            if name in same:
                found[name] = "kept" if same[name] == name else f"renamed from {same[name]}"
            elif whole < _TRACE:
                found[name] = "added" if name not in self.old else "replaced by other text"
            elif len(sources) > 1:
                found[name] = "merged from " + " and ".join(sources)
            elif name in self.old and sources == [name]:
                new, lost = 1 - whole, 1 - self.went[self.old.index(name), j]
                found[name] = f"refreshed, {new:.0%} new text and {lost:.0%} gone"
            else:
                part = "split from" if whole >= SAME else "mostly from"
                found[name] = f"{part} {', '.join(sources)}"
        for i, name in enumerate(self.old):
            if self.went[i].sum() < _TRACE:
                found.setdefault(name, "removed")
        return found

    def removed(self) -> list[str]:
        """Old domains whose text is in none now."""
        return [name for i, name in enumerate(self.old) if self.went[i].sum() < _TRACE]

    def carry(self, mix: np.ndarray) -> np.ndarray | None:
        """Shares of the new domains, (n,), of an old mix, (m,); None when nothing of it is left."""
        shares = mix @ self.went
        return shares / shares.sum() if shares.sum() > 0 else None

    def unlike(self, mix: np.ndarray) -> float:
        """Share of an old mix's tokens that would stand for other text than what they were.

        What is gone, and for every new domain the distance (total variation) between where its
        text came from and where the run's came from.
        """
        parts = mix[:, None] * self.went
        shares = parts.sum(0)
        gone = 1 - shares.sum()
        here = shares > 0
        made_of = parts[:, here] / shares[here]
        apart = 1 - np.minimum(made_of, self.came[:, here]).sum(0)
        return float(gone + shares[here] @ apart)


def trained_on_held_out(members: str, pools: dict[str, str]) -> list[str]:
    """Domains of an earlier study some of whose training text is held out now."""
    with duckdb.connect() as database:
        database.execute(_MEMBERS, [members])
        database.execute(_pools(pools), list(pools.values()))
        rows = database.execute(
            "SELECT DISTINCT old.domain FROM old JOIN new USING (id) "
            "WHERE NOT old.held AND new.held ORDER BY 1"
        ).fetchall()
    return [name for (name,) in rows]


_MEMBERS = """CREATE TABLE old AS
    SELECT domain, id, bool_and(held) AS held, sum(n_bytes) AS n FROM read_parquet(?)
    GROUP BY domain, id"""
_SHARED = """SELECT old.domain, new.domain, sum(least(old.n, new.n)) FROM old JOIN new USING (id)
    GROUP BY ALL"""


def _pools(pools: dict[str, str]) -> str:
    parts = [
        "SELECT '{}' AS domain, id, bool_and(held) AS held, sum(strlen(text)) AS n "
        "FROM read_parquet(?) GROUP BY id".format(name.replace("'", "''"))
        for name in pools
    ]
    return "CREATE TABLE new AS " + " UNION ALL ".join(parts)
