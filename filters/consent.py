"""Opt-outs that a page or its HTTP response declares; columns first, a filter decides later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from resiliparse.parse.html import HTMLTree

from filters.dom import HtmlPage, select

NOAI = ("noai", "noimageai", "noml")
"""Community directives against training, in robots fields (DeviantArt 2022 and followers)."""
PAGE_SIGNALS = (*NOAI, "tdm-reservation", "content-usage", "rsl", "noindex")
"""All signals that :func:`opt_outs` tells, in its order. ``noindex`` is about search engines, no
opt-out of training: it is told so that a recipe can decide."""
HOST_SIGNALS = (
    *("robots-ai", "robots-all", "robots-unreachable", "robots-error", "ai-txt", "ai-txt-error"),
    *("tdm-error", "unknown"),
)
"""Signals of the files of a host, see `filters.host_consent`."""
SIGNALS = (*PAGE_SIGNALS, *HOST_SIGNALS)
TDM_FIELD = "tdm-reservation"

_META = re.compile(rb"<meta(?>[^>\"']++|\"[^\"]*+\"?|'[^']*+'?)*+")
"""A meta element up to its end, of a page in lower case; never tries a byte twice."""
_HINT = re.compile(rb"no(?:ai|imageai|ml|index|ne)\b|tdm-reservation")
_ROBOTS = re.compile(r"robots|bot|crawler|spider|slurp", re.IGNORECASE)
_VALUED = re.compile(r"unavailable_after|max-")
"""Directives that have a value after a colon, so that the colon ends no agent's name."""
_EVIDENCE = 300
_REFUSED_USE = re.compile(r"(?:train-ai|ai|bots|train-genai|genai)\s*=\s*n\b", re.IGNORECASE)


def opt_outs(
    page: str | bytes | HtmlPage | HTMLTree, headers: Mapping[str, str] | None = None
) -> list[str]:
    """Which of SIGNALS a page carries, in their order.

    - ``noai``, ``noimageai``, ``noml``, ``noindex``: ``<meta name=robots>`` (or the name of a
      crawler) and ``X-Robots-Tag``, with or without an agent before it; ``none`` is ``noindex``;
    - ``tdm-reservation``: the TDM Reservation Protocol (W3C community group, 2024), as HTTP field
      or ``<meta>``; any value but 0 reserves, since an error is no permission;
    - ``content-usage``: the IETF aipref draft's ``Content-Usage`` field refusing training;
    - ``rsl``: terms announced by Really Simple Licensing (link or Link field).

    ``headers`` are the HTTP fields (names in any case; several fields of a name joined by
    commas). Never raises for broken HTML.
    """
    return [signal for signal in PAGE_SIGNALS if signal in opt_out_marks(page, headers)]


def opt_out_marks(
    page: str | bytes | HtmlPage | HTMLTree, headers: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """What :func:`opt_outs` tells, each signal with its evidence, such as ``meta robots: noai``.

    The key ``""`` holds statements that reserve nothing: ``tdm-reservation: 0``.
    """
    found: dict[str, list[str]] = {}
    for signal, evidence in _marks(page, headers or {}):
        if evidence not in (told := found.setdefault(signal, [])):
            told.append(evidence[:_EVIDENCE])
    return found


def pdf_opt_outs(packet: Mapping[str, str]) -> dict[str, list[str]]:
    """What the XMP packet of a PDF reserves, as :func:`opt_out_marks` tells it of a page."""
    value = packet.get(TDM_FIELD)
    if value is None:
        return {}
    said = f"XMP {TDM_FIELD}: {value}"
    if policy := packet.get("tdm-policy"):
        said += f", tdm-policy: {policy}"
    return {"" if value.strip() == "0" else TDM_FIELD: [said[:_EVIDENCE]]}


def _marks(
    page: str | bytes | HtmlPage | HTMLTree, headers: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        name, said = name.lower(), f"HTTP {name}: {value.strip()}"
        if name == "x-robots-tag":
            yield from ((signal, said) for signal in sorted(_directives(value)))
        elif name == TDM_FIELD:
            yield ("" if value.strip() == "0" else TDM_FIELD), said
        elif name == "content-usage" and _REFUSED_USE.search(value):
            yield "content-usage", said
        elif name == "link" and "rsl+xml" in value.lower():
            yield "rsl", said
    if isinstance(page, HTMLTree):
        yield from _page_marks(page)
        return
    page = page if isinstance(page, HtmlPage) else HtmlPage(page)
    if b"rsl+xml" in page.lower or any(map(_HINT.search, _META.findall(page.lower))):
        yield from _page_marks(page.tree)


def _page_marks(tree: HTMLTree) -> Iterator[tuple[str, str]]:
    for node in select(tree.document, "meta[name][content]"):
        name = (node.getattr("name") or "").strip().lower()
        content = node.getattr("content") or ""
        said = f"meta {name}: {content.strip()}"
        if name == TDM_FIELD:
            yield ("" if content.strip() == "0" else TDM_FIELD), said
        elif _ROBOTS.search(name):
            directives = _directives(content)
            # What one named crawler may index says nothing about the others.
            found = directives if name == "robots" else directives - {"noindex"}
            yield from ((signal, said) for signal in sorted(found))
    for node in select(tree.document, 'link[rel~="license" i][type*="rsl+xml" i]'):
        yield "rsl", f"link license: {node.getattr('href') or ''}"


def _directives(value: str) -> set[str]:
    """Signals in a robots value; what follows ``agent:`` is for that agent only."""
    found: set[str] = set()
    agent = ""
    for part in value.lower().split(","):
        name, colon, directive = part.rpartition(":")
        if colon and not _VALUED.search(name):
            agent = name.strip()
        elif colon:
            continue
        words = set(directive.split())
        if "none" in words:
            words.add("noindex")
        found |= words & ({*NOAI} if agent not in ("", "*") else {*NOAI, "noindex"})
    return found
