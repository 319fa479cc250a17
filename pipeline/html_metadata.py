"""What a page says of itself in its head: title, author, date, site, canonical URL, language.

Carriers, in order of trust: Open Graph, the meta elements of scholarly publishers and Dublin Core,
JSON-LD (schema.org), the title element. Values are given as written, without white space around.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from resiliparse.parse.html import HTMLTree

from pipeline.charset import clean

MAX_ELEMENTS = 500
MAX_SCRIPTS = 20
MAX_JSON = 200_000
MAX_NODES = 2_000
MAX_VALUE = 1_000

_TITLE = ("og:title", "citation_title", "dc.title", "dcterms.title", "twitter:title")
_AUTHOR = (
    "citation_author",
    "author",
    "article:author",
    "dc.creator",
    "dcterms.creator",
    "byl",
    "parsely-author",
)
_DATE = (
    "article:published_time",
    "citation_publication_date",
    "citation_date",
    "datepublished",
    "dc.date.issued",
    "dcterms.issued",
    "dc.date",
    "dcterms.date",
    "dcterms.created",
    "date",
    "pubdate",
    "publishdate",
    "parsely-pub-date",
    "sailthru.date",
)
_SITE = ("og:site_name", "application-name")


@dataclass(frozen=True, slots=True)
class HtmlMetadata:
    """Fields of a page's head; None where the page is silent."""

    title: str | None = None
    author: str | None = None
    date: str | None = None
    site_name: str | None = None
    canonical_url: str | None = None
    html_lang: str | None = None


def html_metadata(tree: HTMLTree, uri: str) -> HtmlMetadata:
    """Read the metadata of a parsed page.

    Parameters
    ----------
    tree
        The page.
    uri
        Its URL, against which a relative canonical URL is resolved; may be "".
    """
    document = tree.document
    if document is None:
        return HtmlMetadata()
    head = [*_children(tree.head), *_children(tree.body)]
    meta = _meta(head)
    title = _first(meta, _TITLE) or _value(tree.title)
    author = "; ".join(dict.fromkeys(_authors(meta))) or None
    date = _first(meta, _DATE)
    if not (title and author and date):
        linked = _linked_data(document)
        title, author = title or linked.get("title"), author or linked.get("author")
        date = date or linked.get("date") or _time(document)
    return HtmlMetadata(
        title=title,
        author=_value(author),
        date=date,
        site_name=_first(meta, _SITE),
        canonical_url=_canonical(head, meta, uri),
        html_lang=_language(document.query_selector("html"), meta),
    )


def _value(text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    return " ".join(clean(text[: 4 * MAX_VALUE]).split())[:MAX_VALUE] or None


def _children(parent: Any) -> Iterator[tuple[str, Any]]:
    """Meta and link elements right below the head; or the body, where stray elements end a head.

    They are walked as siblings: resiliparse's collections rebuild all nodes on each access.
    """
    element, number = parent.first_element_child if parent is not None else None, 0
    while element is not None and number < MAX_ELEMENTS:
        tag = element.tag
        if tag in ("meta", "link"):
            yield tag, element
        element, number = element.next_element_sibling, number + 1


def _meta(head: list[tuple[str, Any]]) -> dict[str, list[str]]:
    """Contents of meta elements by name, property, itemprop or http-equiv, in lower case."""
    found: dict[str, list[str]] = {}
    for tag, element in head:
        if tag != "meta" or (content := _value(element.getattr("content"))) is None:
            continue
        for key in ("name", "property", "itemprop", "http-equiv"):
            name = element.getattr(key)
            if name:
                found.setdefault(name.strip().lower(), []).append(content)
    return found


def _first(meta: dict[str, list[str]], names: tuple[str, ...]) -> str | None:
    return next((meta[name][0] for name in names if name in meta), None)


def _authors(meta: dict[str, list[str]]) -> list[str]:
    """Authors of the first carrier that names any; addresses of profiles are no names."""
    for name in _AUTHOR:
        people = [v for v in meta.get(name, ()) if not v.startswith(("http:", "https:", "/"))]
        if people:
            return people
    return []


def _time(document: Any) -> str | None:
    element = document.query_selector('time[itemprop="datePublished"], time[pubdate]')
    return _value(element.getattr("datetime")) if element is not None else None


def _canonical(head: list[tuple[str, Any]], meta: dict[str, list[str]], uri: str) -> str | None:
    address = None
    for tag, element in head:
        if tag == "link" and "canonical" in (element.getattr("rel") or "").lower().split():
            address = _value(element.getattr("href"))
            break
    address = address or _first(meta, ("og:url",))
    if address is None:
        return None
    try:
        address = urljoin(uri, address)
    except ValueError:
        return None
    return address if address.startswith(("http://", "https://")) else None


def _language(root: Any, meta: dict[str, list[str]]) -> str | None:
    if root is not None:
        value = _value(root.getattr("lang")) or _value(root.getattr("xml:lang"))
        if value:
            return value
    return _first(meta, ("content-language", "language", "dc.language", "og:locale"))


def _linked_data(document: Any) -> dict[str, str]:
    """Headline, author and date of the first JSON-LD node that has a date or an author."""
    scripts = list(document.query_selector_all('script[type="application/ld+json"]')[:MAX_SCRIPTS])
    for script in scripts:
        text = script.text
        if not text or len(text) > MAX_JSON:
            continue
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            continue
        for node in _nodes(data):
            date, author = _value(node.get("datePublished")), _names(node.get("author"))
            if date or author:
                title = _value(node.get("headline"))
                found = {"date": date, "author": author, "title": title}
                return {name: value for name, value in found.items() if value}
    return {}


def _nodes(data: Any) -> Iterator[dict]:
    """The objects of a JSON-LD document: the top ones, those of lists and of @graph."""
    waiting, seen = [data], 0
    while waiting and seen < MAX_NODES:
        node = waiting.pop(0)
        seen += 1
        if isinstance(node, list):
            waiting = node[:MAX_NODES] + waiting
        elif isinstance(node, dict):
            yield node
            if isinstance(node.get("@graph"), list):
                waiting = node["@graph"][:MAX_NODES] + waiting


def _names(author: Any) -> str | None:
    people = author if isinstance(author, list) else [author]
    names = [_value(p.get("name") if isinstance(p, dict) else p) for p in people[:50]]
    return "; ".join(name for name in names if name and not name.startswith("http")) or None
