"""How texts were decoded: the view `charsets` of the catalogue, from the ledger's stats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from catalogs.ledger import Row

PREFIX = "charset:"
CHARSETS = {
    "source": (pa.string(), "source in the recipe"),
    "declared": (
        pa.string(),
        "encoding that the HTTP header declares, by its WHATWG name; none, or unknown for labels "
        "that name no encoding",
    ),
    "used": (pa.string(), "encoding that was used"),
    "decided_by": (
        pa.string(),
        "bom, http, meta or detected; overruled where the bytes are valid UTF-8 and something else "
        "is declared; replaced where bytes that the encoding does not know became U+FFFD",
    ),
    "records": (pa.int64(), "number of records decoded that way"),
}


def charset_key(declared: str, used: str, decided_by: str) -> str:
    """The stat under which a ledger row counts one way of decoding."""
    return f"{PREFIX}{declared}>{used}:{decided_by}"


def charset_rows(rows: Iterable[Row]) -> list[dict]:
    """The view's rows, ordered by source and number."""
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        for key, count in row.stats.items():
            if key.startswith(PREFIX):
                ways, decided = key.removeprefix(PREFIX).rsplit(":", 1)
                counts[row.source, *ways.split(">", 1), decided] += int(count)
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0]))
    return [dict(zip(CHARSETS, (*names, count), strict=True)) for names, count in ordered]
