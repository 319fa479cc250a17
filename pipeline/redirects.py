"""robots.txt behind redirects: what they lead to holds for the host that was asked.

RFC 9309, 2.3.1.2: a crawler follows at least five hops, also to other hosts, and obeys what it
finds there in the context of the first host. Chains that are longer, turn in a circle or lead to
what the inputs do not hold say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

HOPS = 5
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def destination(status: int | None, uri: str, location: str | None) -> str | None:
    """The absolute URL that an answer leads to, without a fragment, or None."""
    if not 300 <= (status or 0) < 400 or not location:
        return None
    try:
        return urljoin(uri, location.strip()).partition("#")[0]
    except ValueError:
        return None


def redirects(notice: dict[str, Any]) -> bool:
    return 300 <= (notice["status"] or 0) < 400


def followed(
    notices: dict[str, list[dict]],
    fetch: Callable[[Iterable[str]], dict[str, list[dict]]],
    host_of: Callable[[str], str | None],
) -> dict[str, list[dict]]:
    """Notices by host, each redirect replaced by what it leads to.

    `fetch` gives the notices of further hosts. What a redirect leads to keeps the time at which
    the redirect was met, and its own ``uri``; a redirect to nothing known is left out.
    """
    known = dict(notices)
    for _ in range(HOPS):
        met = [_target(n) for own in known.values() for n in own if redirects(n)]
        further = {host for url in met if (host := host_of(url))} - set(known)
        if not further:
            break
        known |= {host: [] for host in further} | fetch(further)
    by_url: dict[str, list[dict]] = {}
    for own in known.values():
        for notice in own:
            by_url.setdefault(_same(notice["uri"]), []).append(notice)
    return {
        host: [end for n in own if (end := _end(n, by_url)) is not None]
        for host, own in notices.items()
    }


def _end(notice: dict[str, Any], by_url: dict[str, list[dict]]) -> dict[str, Any] | None:
    at = notice["fetched_at"]
    end = notice
    for _ in range(HOPS):
        if not redirects(end):
            break
        met = by_url.get(_same(_target(end)), ())
        fitting = [n for n in met if n["kind"] == notice["kind"] and n["later"] == notice["later"]]
        if not fitting:
            return None
        end = min(fitting, key=lambda n: abs((n["fetched_at"] or _LONG_AGO) - (at or _LONG_AGO)))
    return None if redirects(end) else {**end, "fetched_at": at}


def _target(notice: dict[str, Any]) -> str:
    return notice["body"].decode("utf-8", "replace")


def _same(url: str) -> str:
    """A URL as far as it tells one file from another: no fragment, usual port, case of the host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    place = f"{parts.hostname or ''}{'' if port in (None, usual) else f':{port}'}"
    return f"{parts.scheme}://{place}{parts.path or '/'}?{parts.query}"
