"""Marks of a licence on a page: where each stands, and the words around it.

The page is looked at as a tree (resiliparse, lexbor). Nothing is judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from filters.dom import BREAKS, HIDDEN, select, squeeze, visible, walk
from filters.licence_ids import (
    UNSPECIFIED,
    fuller,
    licence_of_url,
    licence_of_value,
    licence_of_words,
    name_at,
    public_domain,
    same_family,
)
from filters.licence_languages import NAMES
from filters.licence_phrases import CLAIM, STRONG
from filters.licence_regions import region_of

MAX_WORDS = 400
"""Characters of context kept on each side of a mark."""

_BLOCKS = frozenset(
    """
    address article aside blockquote body center dd details dialog div dl dt fieldset figcaption
    figure footer form header li main nav ol p pre section small table td th tr ul
    """.split()  # noqa: SIM905
)
_RIGHTS_NAMES = frozenset(
    """
    dc.rights dc:rights dc.rights.license dcterms.rights dcterms.license dcterms:license
    dc.license rights license licence copyright cc:license content-license
    """.split()  # noqa: SIM905
)
# Links to licences, or declared as such; other links are never looked at.
_ANCHORS = ", ".join(
    [
        *(
            f'a[href*="{part}" i]'
            for part in (
                "creativecommons",
                "licensebuttons",
                "gnu.org/",
                "apache.org/licenses",
                "opensource.org/licen",
                "open-government-licence",
                "govdata.de/dl-de",
                "opendatacommons.org/licen",
                "opendefinition.org/licen",
                "spdx.org/licen",
                "choosealicense.com/licen",
                "etalab",
                "/mpl/",
                "unlicense.org",
                "data.norge.no/nlod",
                "open-government-licence-canada",
            )
        ),
        'a[rel~="license" i][href]',
        'a[rel~="licence" i][href]',
        'a[rel$=":license" i][href]',
        'a[property$="license" i][href]',
        'a[itemprop="license" i][href]',
    ]
)
# what the chooser of Creative Commons says of works that are no text
_NO_TEXT = ", ".join(
    f'[href$="dcmitype/{kind}"]' for kind in ("StillImage", "MovingImage", "Sound")
)
_BADGES = ", ".join(('img[src*="creativecommons.org/l/" i]', 'img[src*="licensebuttons.net/" i]'))
_STOCKS = ", ".join(
    f'a[href*="{host}" i]'
    for host in (
        "commons.wikimedia.org/",
        "flickr.com/",
        "flic.kr/",
        "unsplash.com/",
        "pixabay.com/",
    )
)
"""Links to where pictures are taken from."""
_BUTTONS = ", ".join(
    f'img[src*="{part}" i]'
    for part in ("commons.org/l/", "commons.org/p/", "commons.org/images/", "licensebuttons.net/")
)
_NAMED_BADGES = ", ".join(
    f'img[alt*="{name}" i]' for name in ("creative commons", "cc-by", "cc by", "cc0")
)
_NAMED_BADGE = re.compile(rb"alt=[\"'][^\"'<>]{0,99}(?:creative commons|cc[ -]by|cc0)")
_NAMES = (
    # what to look for in the page first, and then
    ("creative", ("creative commons", "creative-commons")),
    (
        "attribution-",
        ("attribution-noncommercial", "attribution-sharealike", "attribution-noderiv"),
    ),
    ("licen", ("mit licen", "apache licen", "open government licen", "licence ouverte")),
    ("software foundation licen", ("python software foundation licen",)),
    *((name, (name,)) for name in ("cc by", "cc-by", "ccby", "cc0", "gfdl", "gnu free", "etalab")),
    *((name, (name,)) for name in ("datenlizenz", "public domain")),
)
"""What words of a licence hold, in lower case."""


_HEAD_RELATIONS = frozenset(
    """
    license licence copyright dct:license cc:license schema:license dcterms.license dc.license
    dcterms:license dc.rights dcterms.rights
    """.split()  # noqa: SIM905
)


class Mark(NamedTuple):
    """One mark of a licence."""

    id: str | None
    """What it names; None for ``rel=license`` to a page whose licence is not known."""
    carrier: str
    """header, link, meta, json-ld, microdata, anchor or words."""
    rel: bool
    """Whether it is declared by ``rel=license`` or ``property=cc:license``."""
    region: str
    """head, header, media, credit, quote, comment, other, footer, sidebar, nav, entry or body."""
    before: str
    """Text of the same block before the mark, back to the mark before it."""
    own: str
    """Text of the mark itself."""
    after: str
    """Text of the same block after it, up to the next mark."""
    evidence: str
    """The URL or the words that name the licence."""


def page_marks(tree: Any, headers: Mapping[str, str], lower: bytes | None = None) -> list[Mark]:
    """All marks of a page in the order of carriers, then of the document.

    `lower`, the page in lower case, saves looking in the tree for what is not there.
    """
    return [
        *_header_marks(headers),
        *_head_marks(tree),
        *_anchor_marks(tree),
        *_badge_marks(tree, lower),
        *_word_marks(tree, _held(lower)),
    ]


def may_hold(lower: bytes | None, *words: str) -> bool:
    """Whether one of the words stands in a page that may not be known."""
    return lower is None or any(word.encode() in lower for word in words)


def _held(lower: bytes | None) -> list[str]:
    names = [name for stem, names in _NAMES if may_hold(lower, stem) for name in names]
    return [name for name in (*names, *other_names(lower)) if may_hold(lower, name)]


def other_names(lower: bytes | None) -> list[str]:
    """Names of Creative Commons whose first byte the page has at all: few pages have one."""
    return [name for name in NAMES if lower is None or name.encode()[:1] in lower]


def _header_marks(headers: Mapping[str, str]) -> Iterator[Mark]:
    for name, value in headers.items():
        if name.lower() != "link":
            continue
        for target, parameters in re.findall(r"<([^>]*)>([^<]*)", value):
            declared = re.search(r"rel\s*=\s*\"?[^\";]*\blicense\b", parameters, re.IGNORECASE)
            if declared and "rsl+xml" not in parameters:
                yield Mark(licence_of_url(target), "header", True, "head", "", "", "", target)


def _head_marks(tree: Any) -> Iterator[Mark]:
    for node in select(tree.document, "link[href][rel]"):
        rel = (node.getattr("rel") or "").lower().split()
        kind = (node.getattr("type") or "").lower()
        href = node.getattr("href") or ""
        if not _HEAD_RELATIONS.isdisjoint(rel) and "rsl" not in kind:
            yield Mark(licence_of_value(href), "link", True, "head", "", "", "", href)
    for node in select(tree.document, "meta[content]"):
        name = (node.getattr("name") or node.getattr("property") or "").strip().lower()
        if name in _RIGHTS_NAMES:
            content = (node.getattr("content") or "").strip()
            yield Mark(
                licence_of_value(content), "meta", False, "head", "", "", "", content[:MAX_WORDS]
            )


def _anchor_marks(tree: Any) -> Iterator[Mark]:
    for node in select(tree.document, _ANCHORS):
        href = node.getattr("href") or ""
        rel = (node.getattr("rel") or "").lower().split()
        relation = f"{node.getattr('property') or ''} {node.getattr('itemprop') or ''}".lower()
        declared = "license" in rel or "licence" in rel or "license" in relation
        declared = declared or any(part.endswith(":license") for part in rel)
        found = licence_of_url(href)
        own = squeeze(visible(node))
        named = licence_of_words(own)
        if not found and not declared and named in (None, UNSPECIFIED):
            continue
        if not found:
            page = re.sub(r"^(?:\w+:)?//[^/]*", "", href)  # the host alone names no licence
            told = licence_of_words(page.replace("_", " "))
            found = fuller(named, told) if named and told and same_family(named, told) else named
            found = found or told
        elif named and same_family(found, named):
            found = fuller(found, named)
        before, after = around(node)
        region = "media" if select(_block(node), _NO_TEXT) else region_of(node.parent, node)
        if region in ("body", "entry", "sidebar") and select(_block(node), _STOCKS):
            region = "media" if not STRONG.search(f"{before} {after}".lower()) else region
        carrier = "badge" if select(node, _BUTTONS) else "anchor"
        yield Mark(found, carrier, declared, region, before, own, after, href)


def _badge_marks(tree: Any, lower: bytes | None) -> Iterator[Mark]:
    """Pictures of a licence that no link to it surrounds."""
    badges = [_BADGES] if may_hold(lower, "commons.org/l/", "licensebuttons") else []
    if lower is None or _NAMED_BADGE.search(lower):
        badges.append(_NAMED_BADGES)
    for node in select(tree.document, ", ".join(badges)) if badges else ():
        found = licence_of_url(node.getattr("src") or "")
        found = found or licence_of_words(node.getattr("alt") or "")
        if found == UNSPECIFIED:
            continue
        link = _within(node, "a")
        if found and not (link is not None and licence_of_url(link.getattr("href") or "")):
            before, after = around(node)
            own = node.getattr("alt") or ""
            region = region_of(node.parent, node)
            yield Mark(found, "badge", False, region, before, own, after, node.getattr("src"))


def _word_marks(tree: Any, names: Sequence[str]) -> Iterator[Mark]:
    """Licences named in words, in blocks that hold no link to such a one."""
    seen = set()
    selectors = ", ".join(f'body :lexbor-contains("{name}" i)' for name in names)
    for node in select(tree.document, selectors) if names else ():
        if node.tag in HIDDEN:
            continue
        block = node if node.tag in _BLOCKS else _block(node)
        whole = squeeze(visible(block))
        at = max(0, (name_at(whole) or 0) - MAX_WORDS)
        text = whole[at : at + 4 * MAX_WORDS]  # old pages are one block
        found = licence_of_words(text)
        stated = None if found else public_domain(text)
        if stated and text not in seen and not select(block, _ANCHORS):
            seen.add(text)
            region = region_of(node)
            yield Mark(stated[0], "statement", False, region, "", stated[1], "", stated[1][:240])
        if found is None or text in seen or _linked(block, found):
            continue
        seen.add(text)
        start = name_at(text) or 0
        before, after = text[max(0, start - MAX_WORDS) : start], text[start : start + MAX_WORDS]
        linked = _only_link(block, text) or _within(node, "a") is not None
        listed = linked and not CLAIM.search(text.lower())
        region = "nav" if listed else region_of(node)
        if region == "footer" and len(whole) - at - start > 2 * MAX_WORDS:
            region = "body"  # what comes after it is in the same block
        yield Mark(found, "words", False, region, before, "", after, after[:120])


def around(node: Any) -> tuple[str, str]:
    """Visible text of the node's block before and after it, from mark to mark."""
    marks = set(select(_block(node), _ANCHORS)) - {node}
    before: list[str] = []
    after: list[str] = []
    passed = False
    inside = False
    for part, leaving in walk(_block(node)):
        if part == node:
            passed, inside = True, not leaving
        elif part in marks:
            if passed:
                break
            before.clear()
        elif not inside and (text := " " if part.tag in BREAKS else part.value or ""):
            (after if passed else before).append(text)
    return squeeze("".join(before))[-MAX_WORDS:], squeeze("".join(after))[:MAX_WORDS]


def _within(node: Any, tag: str) -> Any | None:
    while node is not None and node.tag != tag:
        node = node.parent
    return node


def _block(node: Any) -> Any:
    """The nearest block around a node."""
    block = node.parent
    while block.parent is not None and block.tag not in _BLOCKS:
        block = block.parent
    return block


def _linked(block: Any, found: str) -> bool:
    """Whether a link in the block says what its words say, or another kind of the same."""
    for anchor in select(block, _ANCHORS):
        href = anchor.getattr("href") or ""
        named = licence_of_url(href) or licence_of_words(squeeze(visible(anchor)))
        if named not in (None, UNSPECIFIED) and (named == found or named[:3] == found[:3]):
            return True
    return False


def _only_link(block: Any, text: str) -> bool:
    """Whether a block is nothing but one link (a tag, a menu entry)."""
    anchors = select(block, "a[href]")
    return len(anchors) == 1 and squeeze(visible(anchors[0])) == text
