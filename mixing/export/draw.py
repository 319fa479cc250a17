"""DRAW: how often documents of each domain and factor are seen, and where the last copy ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalogs import storage
from catalogs.ledger import Row
from catalogs.sql import exact, parquet
from mixing.export.sample import MILLI, draw_ranks, repetitions, whole_copies
from pipeline.jobs import Job, at_work

BINS = 1 << 14  # to a unit of rank; the bar is sought in the one bin that holds it
LAST = 4 * BINS  # ranks of 4 and more share a bin
FOLLOWING = 1000  # documents beyond the bar that may fit into what is left


@dataclass
class Drawn:
    """The draw of one domain.

    Attributes
    ----------
    factors, rates
        Thousandths and repetitions of each distinct factor.
    bar
        Documents whose rank is at most this get one copy more; negative for none.
    extra
        Row ids of documents beyond the bar that get one, too: the next ones that fit into what is
        left of the quota.
    quota, tokens
        Tokens wanted and drawn.
    documents, available
        Documents of the domain, and their tokens: counted where all were, else estimated.
    counted
        Whether all documents of the domain were tokenised (or need not be).
    lacking
        The quota cannot be met under `max_epochs`.
    short
        The draw reached further than what was tokenised: tokenise more.
    """

    name: str
    quota: int
    factors: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    bar: float = -1.0
    extra: list[str] = field(default_factory=list)
    tokens: int = 0
    documents: int = 0
    available: int = 0
    counted: bool = True
    lacking: bool = False
    short: bool = False


def copies_of(drawn: list[Drawn], index: pa.Table) -> np.ndarray:
    """Copies of each document of an index, int64, shape (documents,)."""
    domain, factor, u = (index[name].to_numpy() for name in ("domain", "factor", "u"))
    copies = np.zeros(len(index), np.int64)
    for number, one in enumerate(drawn):
        own = np.flatnonzero(domain == number)
        if len(own) and one.factors:
            rates = np.array(one.rates)[np.searchsorted(one.factors, factor[own])]
            ids = index["row_id"].take(own)
            extra = pc.is_in(ids, pa.array(one.extra, pa.string())).to_numpy()
            copies[own] = whole_copies(rates) + (draw_ranks(u[own], rates) <= one.bar) + extra
    return copies


def reaches(
    indexes: list[str],
    ratios: list[float],
    quotas: list[int],
    cap: float | None,
    whole: int,
) -> Iterator[tuple[float | None, float]]:
    """How far the draw of each domain is expected to reach, before anything is tokenised.

    Parameters
    ----------
    indexes
        What SELECT wrote.
    ratios
        Tokens to one of the catalogue's estimate, by domain.
    quotas
        Tokens wanted, by domain.
    cap
        Repetitions at most.
    whole
        Estimated tokens up to which a domain is taken whole.

    Yields
    ------
    reach, tokens
        The largest `u` to a thousandth of factor, inf for all documents, or None where tokens are
        lacking beyond what a wrong estimate can explain; and the tokens estimated.
    """
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT domain, factor, sum(estimate)::BIGINT FROM read_parquet($1) "
            "GROUP BY ALL ORDER BY ALL",
            [list(map(exact, indexes))],
        ).fetchall()
    for number, (ratio, quota) in enumerate(zip(ratios, quotas, strict=True)):
        groups = np.array([row[1:] for row in rows if row[0] == number], float).reshape(-1, 2)
        factors, tokens = groups[:, 0], groups[:, 1] * ratio
        if repetitions(factors / MILLI, tokens, quota / 2, cap) is None:
            yield None, float(tokens[factors > 0].sum())
            continue
        rates = repetitions(factors / MILLI, tokens, quota, None)
        everything = rates is None or tokens.sum() <= whole
        reach = np.inf if everything else float((rates / np.maximum(factors, 1)).max())
        yield reach, float(tokens.sum())


def draw(job: Job) -> Row:
    """Write ``draw.json``: a `Drawn` for each domain.

    Reads indexes twice by DuckDB, a histogram of ranks and then the bin of the bar, so that memory
    does not grow with the number of documents.
    """
    arguments = job.arguments
    with at_work(job) as work, duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute(f"CREATE VIEW every AS SELECT * FROM {parquet(arguments['selected'])}")
        counted = "*" if arguments["tokenised"] else "*, estimate AS n_tokens"
        files = arguments["tokenised"] or arguments["selected"]
        connection.execute(f"CREATE VIEW one AS SELECT {counted} FROM {parquet(files)}")
        connection.execute("CREATE TABLE rates (domain SMALLINT, factor INTEGER, fraction DOUBLE)")
        groups = connection.execute(
            """SELECT domain, factor, e.documents, e.estimate, coalesce(o.documents, 0),
                coalesce(o.estimate, 0), coalesce(o.tokens, 0)
            FROM (SELECT domain, factor, count(*) AS documents, sum(estimate)::BIGINT AS estimate
                FROM every GROUP BY ALL) e
            LEFT JOIN (SELECT domain, factor, count(*) AS documents,
                sum(estimate)::BIGINT AS estimate, sum(n_tokens)::BIGINT AS tokens
                FROM one GROUP BY ALL) o USING (domain, factor)
            ORDER BY domain, factor"""
        ).fetchnumpy()
        drawn = []
        for number, (name, quota) in enumerate(arguments["quotas"].items()):
            own = {key: values[groups["domain"] == number] for key, values in groups.items()}
            table = np.array(list(own.values())[1:], float).reshape(6, -1)
            drawn.append(_draw_domain(connection, number, name, quota, table, arguments))
        with open(work.path("draw", "work/draw.json"), "w") as file:
            json.dump([asdict(one) for one in drawn], file, indent=1)
        documents = int(sum(one.documents for one in drawn))
        return work.commit(read=documents, kept=documents)


def read_draw(path: str) -> list[Drawn]:
    return [Drawn(**one) for one in json.loads(storage.read_text(path))]


def _draw_domain(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    name: str,
    quota: int,
    groups: np.ndarray,
    arguments: dict[str, Any],
) -> Drawn:
    factors, documents, estimate, seen, seen_estimate, seen_tokens = groups
    # a group of which nothing was tokenised is as long as the domain's others
    ratio = seen_tokens.sum() / max(seen_estimate.sum(), 1)
    ratios = np.where(seen > 0, seen_tokens / np.maximum(seen_estimate, 1), ratio)
    tokens = estimate * ratios
    one = Drawn(
        name=name,
        quota=quota,
        factors=factors.astype(int).tolist(),
        documents=int(documents.sum()),
        available=round(float(tokens.sum())),
        counted=bool(((seen == documents) | (factors == 0)).all()),
    )
    rates = repetitions(factors / MILLI, tokens, quota, arguments["max_epochs"])
    if rates is None:
        one.lacking = True
        return one
    one.rates = rates.tolist()
    whole = whole_copies(rates)
    one.tokens = int((whole * seen_tokens).sum())
    one.short = bool(((whole > 0) & (seen < documents)).any())
    fractions = rates - whole
    if one.tokens < quota and not one.short:
        connection.execute("DELETE FROM rates")
        connection.executemany(
            "INSERT INTO rates VALUES (?, ?, ?)",
            [
                (number, factor, fraction)
                for factor, fraction in zip(one.factors, fractions.tolist(), strict=True)
            ],
        )
        one.bar, one.extra, more, all_in = _find_bar(connection, quota - one.tokens)
        one.tokens += more
        partly = (seen < documents) & (factors > 0)
        reach = factors[partly] * (arguments["limits"][number] if partly.any() else 0.0)
        one.short = bool(len(reach)) and (
            all_in or bool((one.bar * fractions[partly] > reach).any())
        )
    return one


def _find_bar(
    connection: duckdb.DuckDBPyConnection, wanted: int
) -> tuple[float, list[str], int, bool]:
    """Largest rank that is drawn, extra rows, the tokens of both, and whether all documents are.

    Documents are drawn in order as long as they fit, then those of the next ones that still do.
    Where a document more comes nearer to what is wanted, it is that one.
    """
    ranked = """SELECT u / fraction AS rank, row_id, n_tokens FROM one
        JOIN rates USING (domain, factor) WHERE fraction > 0"""
    bins = connection.execute(
        f"""SELECT least(floor(rank * {BINS}), {LAST})::INTEGER AS bin, sum(n_tokens)::BIGINT AS n
        FROM ({ranked}) GROUP BY bin ORDER BY bin"""
    ).fetchnumpy()
    sums = np.cumsum(bins["n"])
    total = int(sums[-1]) if len(sums) else 0
    if total <= wanted:
        return np.inf if len(sums) else -1.0, [], total, True
    at = int(np.searchsorted(sums, wanted, side="right"))
    before = int(sums[at - 1]) if at else 0
    rows = connection.execute(
        f"""SELECT rank, n_tokens FROM ({ranked})
        WHERE least(floor(rank * {BINS}), {LAST}) = $1 ORDER BY rank, row_id""",
        [int(bins["bin"][at])],
    ).fetchnumpy()
    inside = before + np.cumsum(rows["n_tokens"])
    first = int(np.searchsorted(inside, wanted, side="right"))  # the first that does not fit
    held = int(inside[first - 1]) if first else before
    over = float(rows["rank"][first])
    # the bar lies between the two, and above the bins before
    bar = float(rows["rank"][first - 1]) if first else float(np.nextafter(over, -1))
    following = connection.execute(
        f"SELECT row_id, n_tokens FROM ({ranked}) WHERE rank > $1 ORDER BY rank, row_id "
        f"LIMIT {FOLLOWING}",
        [bar],
    ).fetchall()
    extra, filled = [], held
    for row_id, tokens in following:
        if filled + tokens <= wanted:
            extra.append(row_id)
            filled += tokens
    if int(inside[first]) - wanted < wanted - filled:
        return over, [], int(inside[first]), False
    return bar, extra, filled, False
