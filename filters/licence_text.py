"""The licence that a PDF declares for itself: in its XMP packet, on its first and last pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from filters.dom import squeeze
from filters.licence import Licence, decide, reserved_words
from filters.licence_ids import licence_of_url, licence_of_words, name_at, public_domain
from filters.licence_marks import MAX_WORDS, Mark

_LINK = re.compile(
    r"(?:https?://|www\.)?\b(?:creativecommons\.org|gnu\.org|apache\.org|opensource\.org|"
    r"nationalarchives\.gov\.uk|govdata\.de|opendatacommons\.org|spdx\.org)/[^\s)\]>\"]+",
    re.IGNORECASE,
)
_SPLIT_URL = re.compile(
    r"(creativecommons\.org/|/licenses/|/publicdomain/) (?=[a-z])|(/by[a-z-]*/) (?=\d\.\d)", re.I
)
"""A URL that goes on in the next line."""
_LINE = 200
"""Characters of a paragraph that stands alone, as a footer does."""


def pdf_licence(packet: Mapping[str, str], pages: Mapping[str, str]) -> Licence:
    """Weigh what an XMP packet and pages say.

    Parameters
    ----------
    packet
        ``licence`` (a URL) and ``rights`` (words), where the packet has them.
    pages
        Text by the name of the page, such as ``first-page``.
    """
    marks = []
    for field, find in (("licence", licence_of_url), ("rights", licence_of_words)):
        value = packet.get(field, "")
        found = find(value) or licence_of_url(value)
        carrier = f"XMP {field}"
        marks.append(Mark(found, carrier, True, "head", "", "", "", value[:MAX_WORDS]))
    for name, text in pages.items():
        marks += _page_marks(name, text)
    texts = [packet.get("rights", ""), *pages.values()]
    return decide(marks, next(filter(None, map(reserved_words, texts)), ""))


def _page_marks(name: str, text: str) -> Iterator[Mark]:
    for paragraph in re.split(r"\n\s*\n", text):
        words = _SPLIT_URL.sub(r"\1\2", squeeze(paragraph))
        link = _LINK.search(words)
        found = licence_of_url(link.group()) if link else None
        if found:
            start, end, carrier = link.start(), link.end(), "link"
        else:
            found, carrier = licence_of_words(words), "words"
            start = end = name_at(words) or 0
        if found is None and (stated := public_domain(words)):
            region, said = "footer" if len(words) < _LINE else "body", stated[1]
            yield Mark(stated[0], "statement", False, region, "", said, "", said[:MAX_WORDS])
        if found is None:
            continue
        before, after = words[max(0, start - MAX_WORDS) : start], words[end : end + MAX_WORDS]
        region = "footer" if len(words) < _LINE else "body"
        evidence = words[max(0, start - 80) : end + 120]
        yield Mark(found, f"{name} {carrier}", False, region, before, "", after, evidence)
