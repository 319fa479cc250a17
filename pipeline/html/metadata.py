"""What a page says of itself: title, author, date, site, canonical URL, language.

Carriers, in order of trust: Open Graph, the meta elements of scholarly publishers and Dublin Core,
JSON-LD (schema.org), microdata, elements marked as by-lines and times, the title element, the URL,
a short text with a date beside the heading.
Values are given as written, without white space around; a title without the name of the site, where
the page's heading or the name tells which part that is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np

from pipeline.charset import clean
from pipeline.html.datelines import date_in
from pipeline.html.marks import Words
from pipeline.html.tags import ids, table
from pipeline.html.tokens import START, TEXT, Tokens, attributes, text_of

MAX_ELEMENTS, MAX_SCRIPTS, MAX_JSON, MAX_NODES, MAX_VALUE = 500, 20, 200_000, 2_000, 1_000
"""What is looked at of one page; what a page says of itself stands before that."""
MAX_TEXT = 400
"""Tokens of a heading or by-line; larger elements are something else."""
BEFORE, BEHIND, DATELINE = 60, 300, 120
"""Tokens around the heading in which a dateline may stand, and its bytes."""

_UNSEEN = table("script style title option textarea")
_HTML, _META, _LINK, _TITLE, _H1, _TIME, _SCRIPT = ids("html meta link title h1 time script")
_TITLES = ("og:title", "citation_title", "dc.title", "dcterms.title", "twitter:title")
_AUTHORS = (
    "citation_author",
    "author",
    "article:author",
    "dc.creator",
    "dcterms.creator",
    "byl",
    "parsely-author",
    "sailthru.author",
)
_DATES = (
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
_SITES = ("og:site_name", "application-name")
_AUTHOR, _DATE = 1, 2
_WORDS = Words(
    {
        _AUTHOR: 'itemprop="author rel="author rel=author byline class="author class=author'
        " author-name author_name post-author entry-author fn~n vcard~author author~vcard",
        _DATE: "datepublished pubdate entry-date post-date published publish-date date-published"
        " posted-on article-date",
    }
)
_SEPARATOR = re.compile(r"\s+[|–—»«•·/-]\s+|\s*(?:::|[|»])\s*|:\s+")
_BY = re.compile(
    r"^(?:(?:posted|written|published|geschrieben|verfasst|veröffentlicht|eingestellt|artikel)\s+)?"
    r"(?:by|vo[nm]|par|por|di|door|autor(?:in)?|author|text|redaktion|interview)\b\s*:?\s+",
    re.IGNORECASE,
)
_ISO = re.compile(r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)")
_IN_URL = re.compile(r"/((?:19|20)\d\d)[/-](0[1-9]|1[0-2])[/-](0[1-9]|[12]\d|3[01])(?=[/_.-]|$)")


@dataclass(frozen=True, slots=True)
class HtmlMetadata:
    """What a page says of itself; None where it is silent."""

    title: str | None = None
    author: str | None = None
    date: str | None = None
    site_name: str | None = None
    canonical_url: str | None = None
    html_lang: str | None = None


def html_metadata(tokens: Tokens, uri: str) -> HtmlMetadata:
    """Read the metadata of a page.

    Parameters
    ----------
    tokens
        The page.
    uri
        Its URL, against which a relative canonical URL is resolved; may be "".
    """
    starts = tokens.kind == START
    meta = _meta(tokens, np.flatnonzero(tokens.tag == _META)[:MAX_ELEMENTS].tolist())
    links = [
        attributes(tokens, i) for i in np.flatnonzero(tokens.tag == _LINK)[:MAX_ELEMENTS].tolist()
    ]
    site = _first(meta, _SITES)
    canonical = _canonical(links, meta, uri)
    title = _first(meta, _TITLES)
    author = "; ".join(dict.fromkeys(_authors(meta))) or None
    date = _first(meta, _DATES)
    if not (title and author and date):
        linked = _linked_data(tokens, starts)
        title, author = title or linked.get("title"), author or linked.get("author")
        date = date or linked.get("date")
    if not (author and date):
        where, groups = _WORDS.find(tokens)
        author = author or _byline(tokens, where[(groups & _AUTHOR) > 0].tolist())
        date = date or _dated(tokens, where[(groups & _DATE) > 0].tolist(), starts)
    title = title or _text(tokens, np.flatnonzero((tokens.tag == _TITLE) & starts)[:1].tolist())
    headings = np.flatnonzero((tokens.tag == _H1) & starts)[:5].tolist()
    return HtmlMetadata(
        title=_without_site(title, [_text(tokens, [i]) for i in headings], site, canonical or uri),
        author=_value(author),
        date=date or _date_in(canonical or uri) or _dateline(tokens, headings),
        site_name=site,
        canonical_url=canonical,
        html_lang=_language(tokens, meta, links, canonical or uri),
    )


def _value(text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    return " ".join(clean(text[: 4 * MAX_VALUE]).split())[:MAX_VALUE] or None


def _text(tokens: Tokens, elements: list[int]) -> str | None:
    """Text of the first of some elements that has any."""
    for i in elements:
        if tokens.close[i] - i <= MAX_TEXT and (text := _value(text_of(tokens, i))):
            return text
    return None


def _meta(tokens: Tokens, elements: list[int]) -> dict[str, list[str]]:
    """Contents of meta elements by name, property, itemprop or http-equiv, in lower case."""
    found: dict[str, list[str]] = {}
    for i in elements:
        values = attributes(tokens, i)
        if (content := _value(values.get("content"))) is None:
            continue
        for key in ("name", "property", "itemprop", "http-equiv"):
            if name := values.get(key):
                found.setdefault(name.strip().lower(), []).append(content)
    return found


def _first(meta: dict[str, list[str]], names: tuple[str, ...]) -> str | None:
    return next((meta[name][0] for name in names if name in meta), None)


def _authors(meta: dict[str, list[str]]) -> list[str]:
    """Authors of the first carrier that names any; addresses of profiles are no names."""
    for name in _AUTHORS:
        people = [v for v in meta.get(name, ()) if not v.startswith(("http:", "https:", "/"))]
        if people:
            return people
    return []


def _byline(tokens: Tokens, elements: list[int]) -> str | None:
    """The author named by elements marked for that: a few words, and the same person once."""
    for i in elements[:20]:
        if tokens.close[i] == i or tokens.close[i] - i > 40:
            continue
        text = _value(text_of(tokens, i))
        name = _BY.sub("", text).strip(" ,|•·") if text else ""
        words = name.split()
        is_short = 0 < len(words) <= 6 and len(name) <= 60
        if is_short and name[0].isalpha() and not re.search(r"\d|^http", name):
            return name
    return None


def _dated(tokens: Tokens, elements: list[int], starts: np.ndarray) -> str | None:
    """The date of publication that elements marked for that give, or the first time element."""
    for i in elements[:20]:
        values = attributes(tokens, i)
        given = values.get("datetime") or (
            values.get("content") if values.get("itemprop", "").lower() == "datepublished" else None
        )
        if not given and (found := _ISO.match(values.get("title", ""))):
            given = found[0]
        if given and _ISO.search(given):
            return _value(given)
        if tokens.close[i] != i and tokens.close[i] - i <= MAX_TEXT:
            inside = i + np.flatnonzero(tokens.tag[i : tokens.close[i]] == _TIME)[:1]
            for k in inside.tolist():
                if tokens.kind[k] == START and (given := attributes(tokens, k).get("datetime")):
                    return _value(given)
            if tokens.close[i] - i <= 20 and (day := date_in(" ".join(text_of(tokens, i).split()))):
                return day
    times = np.flatnonzero((tokens.tag == _TIME) & starts)[:20].tolist()
    for i in times:
        given = attributes(tokens, i).get("datetime", "")
        if _ISO.match(given.strip()):
            return _value(given)
    return None


def _dateline(tokens: Tokens, headings: list[int]) -> str | None:
    """The first date that a short text near the heading consists of, or begins or ends with."""
    first = headings[0] if headings else 0
    nearby = slice(max(first - BEFORE, 0), first + BEHIND)
    for i in (nearby.start + np.flatnonzero(tokens.kind[nearby] == TEXT)).tolist():
        if 8 <= tokens.end[i] - tokens.start[i] <= DATELINE and not _UNSEEN[tokens.tag[i]]:
            text = text_of(tokens, i)
            if re.search(r"(?:19|20)\d\d", text) and (day := date_in(" ".join(text.split()))):
                return day
    return None


def _date_in(address: str) -> str | None:
    match = _IN_URL.search(address)
    return "-".join(match.groups()) if match else None


def _without_site(
    title: str | None, headings: list[str | None], site: str | None, address: str
) -> str | None:
    """A title without the parts that name the site."""
    if not title:
        return title
    parts = _SEPARATOR.split(title)
    if len(parts) < 2:
        return title
    for heading in headings:
        if heading and len(heading) >= 4 and title != heading and heading != site:
            at = title.casefold().find(heading.casefold())
            if at >= 0 and len(heading) * 5 >= len(title):
                before, behind = title[:at].rstrip(), title[at + len(heading) :].lstrip()
                if (not before or before[-1] in "|–—»-:·•/") and (
                    not behind or behind[0] in "|–—»«-:·•/"
                ):
                    return title[at : at + len(heading)]
    names = {_letters(site or "")}
    host = (urlsplit(address).hostname or "").removeprefix("www.") if "//" in address else ""
    names |= {_letters(host), _letters(host.rpartition(".")[0])}
    names.discard("")
    for part, at_end in ((parts[-1], True), (parts[0], False)):
        if _letters(part) in names:
            rest = title[: title.rindex(part)] if at_end else title[len(part) :]
            return rest.strip(" |–—»«•·:/-") or title
    return title


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _canonical(links: list[dict[str, str]], meta: dict[str, list[str]], uri: str) -> str | None:
    address = None
    for values in links:
        if "canonical" in values.get("rel", "").lower().split():
            address = _value(values.get("href"))
            break
    address = address or _first(meta, ("og:url",))
    if address is None:
        return None
    try:
        address = urljoin(uri, address)
    except ValueError:
        return None
    return address if address.startswith(("http://", "https://")) else None


def _language(
    tokens: Tokens, meta: dict[str, list[str]], links: list[dict[str, str]], address: str
) -> str | None:
    """The language of the root element, of meta elements, or of the link to this very page."""
    for i in np.flatnonzero((tokens.tag == _HTML) & (tokens.kind == START))[:1].tolist():
        values = attributes(tokens, i)
        if value := _value(values.get("lang")) or _value(values.get("xml:lang")):
            return value
    named = _first(meta, ("content-language", "language", "dc.language", "og:locale"))
    if named:
        return named
    here = address.rstrip("/")
    of_links = {v.get("href", "").rstrip("/"): v["hreflang"] for v in links if v.get("hreflang")}
    language = _value(of_links.get(here)) if here else None
    return None if language == "x-default" else language


def _linked_data(tokens: Tokens, starts: np.ndarray) -> dict[str, str]:
    """Headline, author and date of the first JSON-LD node that has a date or an author."""
    scripts = np.flatnonzero((tokens.tag == _SCRIPT) & starts)
    number = 0
    for i in scripts[:MAX_ELEMENTS].tolist():
        if tokens.close[i] - i != 2 or tokens.end[i] - tokens.start[i] < 15:
            continue
        if tokens.end[i + 1] - tokens.start[i + 1] > MAX_JSON:
            continue
        if "ld+json" not in attributes(tokens, i).get("type", ""):
            continue
        number += 1
        if number > MAX_SCRIPTS:
            break
        try:
            data = json.loads(text_of(tokens, i, decode=False), strict=False)
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
