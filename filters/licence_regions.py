"""The part of a page that a mark of a licence stands in, told by elements, classes and ids."""

from __future__ import annotations

import re
from typing import Any

from filters.dom import HIDDEN, squeeze, visible

_MEDIA = re.compile(
    r"\b(?:fig)?caption|wp-caption|gallery|slideshow|lightbox|leaflet|openlayers|ol-attribution|"
    r"\bmap\b|thumb|player|"
    r"(?:photo|image|img|picture|bild|foto|media|hero|cover)[-_ ]?(?:\w*[-_])?"
    r"(?:credit|source|copyright|licen[sc]e|info|attribution|author|quelle|rights)|"
    r"(?:credit|licen[sc]e|attribution|copyright)[-_]?(?:photo|image|img|picture|bild|foto|media)",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"(?:^|[\s_-])(?:credits?|(?<!licen[sc]e[-_])attribution)(?:$|[\s_-])", re.IGNORECASE
)
"""Of a picture, or of the page."""
_OTHER = re.compile(
    r"(?:^|[\s_-])(?:related|recommend(?:ed|ations)?|similar|see-?also|read-?more|signature|"
    r"search-?results?|teasers?)(?:$|[\s_-])",
    re.IGNORECASE,
)
"""Other works than the page."""
_CODE = frozenset(("pre", "code", "samp", "textarea"))
_QUOTES = frozenset(("blockquote", "q"))
_TAIL = 200
"""Characters of text that may stand below a mark at the end of the page."""
_FOOTER = re.compile(
    r"foot|bottom|colophon|copyright|site-?info|impressum|imprint|legal|licen[sc]e|lizenz|"
    r"fu(?:ss|ß)|pied-?de|rodap|piepagina|stopka|"
    r"(?:^|[\s_-])cc(?:$|[\s_-])",
    re.IGNORECASE,
)
_SIDEBAR = re.compile(
    r"side-?bar|widget|secondary|rail|column-?(?:left|right)|sidenav|blogroll|marginal|spalte|"
    r"(?:right|left|rechts?e?|links|linke)[-_]?(?:col|bar|side|nav|menu|panel)",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"\b(?:comment|reply|reaction|forum-?post|postbody|post_body)", re.I)
_ENTRY = re.compile(
    r"(?:^|[\s_-])(?:post|entry|article|story)-?(?:content|body|text)?(?:$|[\s_-])|main", re.I
)
_THINGS = re.compile(
    r"\b(?:\w*(?:Image|Photograph|Video|Audio|Media|Music)\w*|Map|SoftwareSourceCode|Person|"
    r"SoftwareApplication|MovingImage|Sound|DataDownload|DataFeed)\b(?! *Article)"
)
"""Types of RDFa and microdata (schema.org, DCMI) that are no text."""
_FILES = re.compile(
    r"\.(?:jpe?g|png|gif|svg|webp|tiff?|mp[34]|ogg|wav|webm|avi|mov|zip|csv)(?:[?#]|$)", re.I
)


def region_of(node: Any, mark: Any = None) -> str:
    """The part of the page a block stands in: what it or its nearest telling ancestor says.

    A block that says nothing is the footer if hardly any text comes after it, or after `mark`.

    What an ancestor says of a thing of its own (RDFa ``about``, the type of a microdata item) is
    ``media`` as well: the text of the page is another thing.
    """
    depth = 0
    credit = False
    found = "body"
    start = node if mark is None else mark
    while node is not None and node.tag not in (None, "html"):
        tag = node.tag
        names = f"{node.id or ''} {' '.join(node.class_list)}" if tag != "body" else ""
        if tag in ("figure", "figcaption") or (depth < 6 and _MEDIA.search(names)):
            return "media"
        kinds = f"{node.getattr('typeof') or ''} {node.getattr('itemtype') or ''}"
        if _THINGS.search(kinds) or _FILES.search(node.getattr("about") or ""):
            return "media"
        if tag in _CODE:
            return "comment"
        if depth < 5 and _OTHER.search(names):
            return "other"
        if tag in _QUOTES:
            return "quote"
        if depth < 6 and _CREDIT.search(names):
            credit = True
        if _COMMENT.search(names) and "comments-area" not in names and found in ("body", "entry"):
            found = "comment"
        if found == "body":
            if tag == "footer" or node.getattr("role") == "contentinfo" or _FOOTER.search(names):
                found = "footer"
            elif (
                tag == "aside" or node.getattr("role") == "complementary" or _SIDEBAR.search(names)
            ):
                found = "sidebar"
            elif tag in ("nav", "header"):
                found = tag
            elif tag in ("article", "main") or _ENTRY.search(names):
                found = "entry"
        node = node.parent
        depth += 1
    if credit and found in ("body", "entry"):
        return "credit"
    return "footer" if found == "body" and _ends_page(start) else found


def _ends_page(node: Any) -> bool:
    """Whether hardly any text comes after a node."""
    left = _TAIL
    while node is not None and node.tag not in (None, "html", "body"):
        after = node.next
        while after is not None and left > 0:
            if after.tag == "#text":
                left -= len((after.value or "").strip())
            elif after.tag not in HIDDEN:
                left -= len(squeeze(visible(after)))
            after = after.next
        node = node.parent
    return left > 0
