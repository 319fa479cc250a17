"""The licence of a document: of a web page by its marks, of code by its SPDX line.

Precision comes first: a licence counts for a page only where the page says so of its own text. A
caption under a photo, the credit of a theme or a map, an article about licences and the bare
announcement of terms (RSL) do not. What is found on a part is reported with the scope ``part``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from resiliparse.parse.html import HTMLTree

from filters.dom import HtmlPage
from filters.licence_ids import UNSPECIFIED, fuller, same_family
from filters.licence_marks import Mark, page_marks

ACCEPT = 2.0
"""Points from which a mark counts for the whole page."""
_HINTS = tuple(
    re.compile(hint)  # one by one: each begins with letters that are found at memory speed
    for hint in (
        *(rb"creative[\s-]?commons", rb"licen[sc]e", rb"cc[\s-]?(?:by|0|zero)\b"),
        *(rb"dc[.:]rights", rb"dcterms", rb"gfdl", rb"lizenz"),
    )
)
_CLAIM = re.compile(
    r"licen[sc]ed|licen[sc]e[ds]?\s*:|under (?:a|an|the|this)?|available under|released|published|"
    r"li[zs]en[zs]iert|steht|stehen|unterliegt|unter (?:einer|der|den|folgender)|lizenz|"
    r"sous (?:une |la )?licence|mis à disposition|sont? disponibles?|bajo (?:una |la )?licencia|"
    r"licenciad|licenza|rilasciat|na licencji|otherwise (?:noted|stated|specified|indicated)|"
    r"nicht anders|sauf (?:mention|indication)",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"\b(?:this|our|original|all|the|other) (?:\w+ )?(?:work|content|text|article|post|story|"
    r"material|publication|document|book|page|wiki|podcast|episode|tutorial|documentation)s?\b|"
    r"\b(?:content|contents|text|texts|articles|material|materials|contributions|documentation)\b|"
    r"\b(?:inhalte?n?|texte?n?|dieser text|werk|beiträge|beitrag|artikel|veröffentlichung|"
    r"contenus?|textes|œuvre|cet article|contenidos?|textos|obra|contenuti|opera|teksty|treści)\b|"
    r"otherwise (?:noted|stated|specified|indicated)|nicht anders|sauf (?:mention|indication)",
    re.IGNORECASE,
)
_WEAK = re.compile(
    r"\b(?:(?:web)?sites?|blog|weblog|page|homepage|seiten?|web-?seiten?|auftritt|sitio|sito|"
    r"strona|website|wiki|ce site|diese[rs]?)\b",
    re.IGNORECASE,
)
_PART = re.compile(
    r"\b(?:photos?|photograph\w*|pictures?|images?|illustrations?|graphics?|screenshots?|icons?|"
    r"fonts?|logos?|videos?|audio|music|songs?|sounds?|map|maps|tiles|data|dataset|database|"
    r"fotos?|bild(?:er|es|rechte|quelle|nachweis)?|titelbild|titelfoto|abbildung\w*|grafik\w*|"
    r"musik|karten?|urheber|photographie|imagen|imágenes|immagin\w+|zdjęci\w+|"
    r"theme|template|design\w*|layout|plugin|plug-in|script|widget|software|source code|"
    r"code (?:samples?|examples?|snippets?)|code|library|jquery|lightbox\w*|javascript|"
    r"openstreetmap|stamen|leaflet|geonames|flickr|wikimedia|pixabay|unsplash|via|powered)\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"aspire|may not be able|not (?:be )?licen[sc]ed|was ist|what is|explain|learn more about|"
    r"erklärt|choose a licen|you (?:must|should|can|may) (?:choose|select|apply)|i confirm",
    re.IGNORECASE,
)
_RESERVED = re.compile(r"all rights reserved|alle rechte vorbehalten|tous droits réservés", re.I)
_CARRIERS = {"header": 4.0, "link": 4.0, "meta": 3.0, "json-ld": 3.0, "microdata": 2.0}
_REGIONS = {"footer": 1.5, "sidebar": 1.0, "body": 0.0, "entry": 0.0, "nav": -1.0, "comment": -2.0}
_SPDX_LINE = re.compile(r"SPDX-License-Identifier:[ \t]*([^\r\n]+)")
_SPDX_HEAD = 4096


class Licence(NamedTuple):
    """What is known of a document's licence."""

    id: str | None
    """SPDX id with version (CC-BY-SA-4.0), without one if the page gives none (CC-BY-SA),
    CC-unspecified for a Creative Commons licence of unknown kind; None: no open licence."""
    scope: str | None
    """page: it covers the document's own text; part: an image, a map, code samples; unclear: the
    page contradicts itself; None without a licence."""
    evidence: str
    """The URL or the words that say so."""
    where: str
    """Carrier and region of the deciding mark, such as ``link``, ``anchor-footer``."""
    confidence: float
    """0 to 1."""


NONE = Licence(None, None, "", "", 0.0)
"""No licence found."""


def html_licence(
    page: str | bytes | HtmlPage | HTMLTree, headers: Mapping[str, str] | None = None
) -> Licence:
    """The licence of a web page's own text.

    ``page`` is the HTML or a resiliparse tree of it, ``headers`` the HTTP header fields (names in
    any case). Never raises for broken HTML. A filter should trust ``scope == "page"`` only.
    """
    headers = headers or {}
    if isinstance(page, HTMLTree):
        return decide(page_marks(page, headers))
    page = page if isinstance(page, HtmlPage) else HtmlPage(page)
    linked = any(name.lower() == "link" for name in headers)
    if not linked and not any(hint.search(page.lower) for hint in _HINTS):
        return NONE  # most pages: nothing to parse for
    return decide(page_marks(page.tree, headers))


def decide(marks: Iterable[Mark]) -> Licence:
    """Weigh the marks of a page: the best one decides, others confirm or contradict it."""
    marks = _without_mentions([mark for mark in marks if mark.id is not None])
    scored = sorted(((points(mark), -place) for place, mark in enumerate(marks)), reverse=True)
    if not scored:
        return NONE
    best_points, place = scored[0]
    best = marks[-place]
    if best_points < ACCEPT:
        if best_points <= -2.0 or best.region == "media" or _is_part(best):
            return _licence(best, best.id, "part", 0.6)
        return NONE
    chosen = best.id
    rivals = []
    for value, place in scored[1:]:
        other = marks[-place]
        if value < ACCEPT or other.id == chosen:
            continue
        if same_family(other.id, chosen):
            chosen = fuller(chosen, other.id)
        elif value > best_points - 1.5:
            rivals.append(other)
    confidence = 1 / (1 + math.exp(-0.8 * (best_points - 1.0)))
    if rivals:
        return _licence(best, chosen, "unclear", confidence / 2)
    return _licence(best, chosen, "page", confidence)


def points(mark: Mark) -> float:
    """How strongly a mark says that the page's own text is under its licence."""
    if mark.carrier in _CARRIERS and mark.region == "head":
        return _CARRIERS[mark.carrier]
    if mark.region == "media":
        return -3.0
    subject = mark.before + " " + mark.own
    around = f"{subject} {mark.after}"
    score = _CARRIERS.get(mark.carrier, 0.0) + _REGIONS[mark.region] + (2.0 if mark.rel else 0.0)
    strong, weak = _STRONG.search(around), _WEAK.search(subject)
    claimed = _CLAIM.search(around)
    if claimed:
        score += 1.0
    if strong and claimed:
        score += 1.0
    elif weak and claimed:
        score += 0.5
    if mark.carrier == "anchor" and len(around) < 60:  # a bare badge, or a line of its own
        score += 1.0 if mark.region in ("footer", "sidebar") else 0.5
    if _is_part(mark):
        score -= 4.0
    if _HEDGE.search(around):
        score -= 3.0
    if mark.carrier == "words":
        # Words alone must claim something of the page, and say which licence in a fitting place.
        score -= 0.0 if claimed and (strong or weak) else 2.0
        score -= 1.0 if mark.region in ("entry", "body") else 0.0
        score -= 0.5 if mark.id == UNSPECIFIED else 0.0
    return score


def text_licence(text: str) -> Licence:
    """The licence that a source file declares in its first 4,096 characters (SPDX 2.3, annex E)."""
    match = _SPDX_LINE.search(text[:_SPDX_HEAD])
    if not match:
        return NONE
    line = re.sub(r"\s*(?:\*/|-->|\*\)|#}|%>|\"\"\"|''')\s*$", "", match.group(1)).strip()
    try:
        expression = canonicalize_license_expression(line)
    except InvalidLicenseExpression:
        return Licence(None, "unclear", match.group(), "spdx-line", 0.2)
    return Licence(str(expression), "page", match.group(), "spdx-line", 0.99)


def _is_part(mark: Mark) -> bool:
    """Whether the words around a mark speak of a picture, a map, code or a theme."""
    subject = _clause(mark.before) + " " + mark.own
    part = _PART.search(subject)
    return bool(part) and not _STRONG.search(subject)


def _clause(before: str) -> str:
    """The last clause before a mark: what the licence is said of."""
    return re.split(r"[.;!?]\s|, and |[|•·—–]", before)[-1]


def _without_mentions(marks: list[Mark]) -> list[Mark]:
    """Leave out marks in running text of a page that speaks of three kinds of licence or more."""
    told = {mark.id for mark in marks if mark.carrier in ("anchor", "words")}
    kinds = {re.sub(r"-\d\.\d$", "", str(name)) for name in told}
    if len(kinds) < 3:
        return marks
    return [mark for mark in marks if mark.region in ("head", "footer", "sidebar", "media")]


def _licence(mark: Mark, licence_id: str | None, scope: str, confidence: float) -> Licence:
    where = mark.carrier if mark.region == "head" else f"{mark.carrier}-{mark.region}"
    return Licence(licence_id, scope, mark.evidence, where, round(confidence, 3))
