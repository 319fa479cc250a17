"""How the digests of WARC records fitted: the view `digests`, from the ledger's stats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from catalogs.ledger import Row

PREFIX = "digest:"
DIGESTS = {
    "source": (pa.string(), "source in the recipe"),
    "outcome": (
        pa.string(),
        "fits; mismatch where neither the block nor the payload is what its digest says; truncated "
        "where that is so of a record that was cut or is a segment; unknown for digests that are "
        "not read; absent",
    ),
    "records": (pa.int64(), "number of records that were read as documents"),
}


def digest_key(outcome: str) -> str:
    """The stat under which a ledger row counts an outcome."""
    return PREFIX + outcome


def digest_rows(rows: Iterable[Row]) -> list[dict]:
    """The view's rows, ordered by source and number."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for key, count in row.stats.items():
            if key.startswith(PREFIX):
                counts[row.source, key.removeprefix(PREFIX)] += int(count)
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0]))
    return [dict(zip(DIGESTS, (*names, count), strict=True)) for names, count in ordered]
