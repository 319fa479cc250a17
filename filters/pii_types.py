"""What a find of personal data is, and how overlapping finds are settled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

TYPES = ("key", "iban", "card", "national_id", "email", "ip", "phone")
"""Types of personal data; where finds overlap, the earlier type gives the name."""

PII = pa.list_(
    pa.struct(
        [
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("type", pa.string()),
            ("kind", pa.string()),
            ("confidence", pa.float32()),
        ]
    )
)
"""Personal data in one text: byte offsets into its UTF-8, end exclusive, ascending, no overlaps."""


class Find(NamedTuple):
    """Personal data in a text."""

    start: int
    """First byte."""
    end: int
    type: str
    """One of TYPES."""
    kind: str
    """Which one: ``us_ssn``, ``visa``, ``ipv6``, ``github_token`` …"""
    confidence: float
    """0 to 1."""


def settle(finds: Iterable[Find]) -> list[Find]:
    """Finds in order, overlapping ones joined under the name of the surest of them.

    They are joined and not dropped, so that masking leaves no half of either.
    """
    joined: list[Find] = []
    for find in sorted(finds):
        if joined and find.start < joined[-1].end:
            other = joined[-1]
            best = min(other, find, key=lambda f: (-f.confidence, TYPES.index(f.type), f))
            joined[-1] = best._replace(start=other.start, end=max(other.end, find.end))
        else:
            joined.append(find)
    return joined


def placeholder(type: str) -> str:
    """What stands for personal data of a type: ``<EMAIL>``."""
    return f"<{type.upper()}>"


def matches(shape: re.Pattern[bytes], data: bytes, low: int, high: int) -> Iterator[re.Match]:
    """Matches in a window of a text, without those that the end of the window may have cut off."""
    high = min(high, len(data))
    for match in shape.finditer(data, max(low, 0), high):
        if match.end() < high or high == len(data):
            yield match
