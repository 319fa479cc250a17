"""Personal data in texts: spans with type and confidence, and texts with placeholders instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from filters.arrow import StringColumn, as_strings, texts_of
from filters.pii_addresses import (
    REGIONS,
    find_emails,
    find_phones,
    find_spelled,
    find_v4,
    find_v6,
    is_date,
)
from filters.pii_kernels import AT, BLOCK, COLONS, NUMBER, SPELLED, TOKEN, byte_kinds, find_places
from filters.pii_keys import find_blocks, find_passwords, find_tokens
from filters.pii_numbers import find_numbers
from filters.pii_types import PII, TYPES, Find, settle

_ROOM = 4096


def personal_data(
    texts: StringColumn,
    languages: Sequence[str | None] | None = None,
    types: Sequence[str] = TYPES,
    min_confidence: float = 0.6,
    regions: Sequence[str] = (),
) -> pa.Array:
    """Personal data in each text: an array of type PII.

    Parameters
    ----------
    texts
        A column of texts.
    languages
        Language of each text (ISO 639), which decides whose national numbers are looked for.
    types
        What is looked for, of `pii_types.TYPES`.
    min_confidence
        What is less sure is left out.
    regions
        Countries (ISO 3166) whose telephone numbers are looked for whatever the language is.
    """
    column = as_strings(texts)
    regions = tuple(regions)
    found: list[list[dict]] = [[] for _ in range(len(column))]
    places = _places(column)
    cuts = np.searchsorted(places[:, 0], np.arange(len(column) + 1))
    for text in np.unique(places[:, 0]).tolist():
        own = places[cuts[text] : cuts[text + 1], 1:].tolist()
        language = ((languages[text] if languages is not None else None) or "")[:2]
        national = (r for r in REGIONS.get(language, ("US",)) if r not in regions)
        how = language, (*regions, *national), types, min_confidence
        data = column[text].as_py().encode()
        finds: list[Find] = []
        while more := find_in(data, own, *how):  # what masking brings to light is found as well
            finds += more
            data = _blanked(data, more)
            own = _places(pa.array([data.decode()], pa.large_string()))[:, 1:].tolist()
        found[text] = [find._asdict() for find in sorted(finds)]
    return pa.array(found, PII)


def _blanked(data: bytes, finds: list[Find]) -> bytes:
    """The text with something like a placeholder, of equal length, for each find."""
    blank = bytearray(data)
    for start, end, *_ in finds:
        blank[start:end] = b"<" + b" " * (end - start - 2) + b">"
    return bytes(blank)


def find_in(
    data: bytes,
    places: list[list[int]],
    language: str,
    regions: Sequence[str],
    types: Sequence[str],
    min_confidence: float,
) -> list[Find]:
    """Personal data at places of one text that the kernel found, settled."""
    finds: set[Find] = set()
    for start, end, what in places:
        if what == AT:
            finds.update(find_emails(data, start))
            finds.update(find_passwords(data, start))
        elif what == SPELLED:
            finds.update(find_spelled(data, start))
        elif what == COLONS:
            finds.update(find_v6(data, start, end))
        elif what == BLOCK:
            finds.update(find_blocks(data, start))
        elif what == TOKEN:
            finds.update(find_tokens(data, start))
            finds.update(find_numbers(data, start, end, language))
        elif what == NUMBER:
            finds.update(find_numbers(data, start, end, language))
            if data.count(b".", start, end) >= 3:
                finds.update(find_v4(data, start, end))
            if not is_date(data, start, end):
                finds.update(find_phones(data, start, end, regions))
    return settle(f for f in finds if f.type in types and f.confidence >= min_confidence)


def _places(column: pa.Array) -> np.ndarray:
    room = _ROOM
    while True:
        places = np.empty((room, 4), np.int64)
        n = find_places(*texts_of(column), byte_kinds(), places)
        if n <= room:
            return places[:n]
        room = 2 * n
