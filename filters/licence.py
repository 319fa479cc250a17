"""The licence of a document: of a web page by its marks, of code by its SPDX line.

Precision comes first: a licence counts for a page only where the page says so of its own text. A
caption under a photo, the credit of a theme or a map, an article about licences and the bare
announcement of terms (RSL) do not. What is found on a part is reported with the scope ``part``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import NamedTuple

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from resiliparse.parse.html import HTMLTree

from filters.dom import HIDDEN, HtmlPage, select, squeeze, visible
from filters.licence_classes import license_class
from filters.licence_data import data_marks
from filters.licence_ids import UNSPECIFIED, fuller, same_family
from filters.licence_marks import Mark, page_marks

ACCEPT = 2.0
"""Points from which a mark counts for the whole page."""
_HINTS = tuple(
    re.compile(hint)  # one by one: each begins with letters that are found at memory speed
    for hint in (
        *(rb"creative[\s-]?commons", rb"licen[sc]e", rb"cc[\s-]?(?:by|0|zero)\b"),
        *(rb"dc[.:]rights", rb"dcterms", rb"gfdl", rb"lizenz", rb"etalab"),
    )
)
_CLAIM = re.compile(
    r"licen[sc]ed|licen[sc]e[ds]?\s*:|under (?:a|an|the|this)?|available under|released|published|"
    r"distributed under|under the terms|"
    r"li[zs]en[zs]iert|steht|stehen|unterliegt|unter (?:einer|der|den|folgender)|lizenz|"
    r"sous (?:une |la )?licence|mis à disposition|sont? disponibles?|bajo (?:una |la )?licencia|"
    r"licenciad|licenza|rilasciat|na licencji|otherwise (?:noted|stated|specified|indicated)|"
    r"nicht anders|sauf (?:mention|indication)",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"\b(?:this|our|original|all|the|other) (?:\w+ )?(?:work|content|text|article|post|story|"
    r"material|publication|document|book|page|wiki|podcast|episode|tutorial|documentation)s?\b|"
    r"\bopen[- ]access (?:article|paper|publication|book|chapter|journal)\b|"
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
_SELF = re.compile(
    r"\b(?:this|dies(?:e[rs]?)?|cet(?:te)?|cette|ce|est[ea]|quest[oa]) (?:[\w-]+ )?"
    r"(?:work|article|text|post|story|page|document|publication|book|chapter|paper|documentation|"
    r"(?:web)?site|blog|wiki|tutorial|content|material|werk|artikel|beitrag|inhalt|seite|dokument|"
    r"œuvre|texte|contenu|obra|artículo|texto|contenido|opera|articolo|testo)\b[^.!?]{0,40}"
    r"\b(?:licen[sc]ed|distributed|available|released|(?:re)?published|lizenziert|steht|unterliegt|"
    r"veröffentlicht|sous licence|mise? à disposition|bajo|licenza|rilasciat)|"
    r"\bthis is an open[- ]access (?:article|paper|publication|book|chapter)",
    re.IGNORECASE,
)
"""The page says of itself that it is licensed."""
_RESERVED = (
    *("all rights reserved", "alle rechte vorbehalten", "tous droits réservés"),
    *("todos los derechos reservados", "tutti i diritti riservati"),
    *("todos os direitos reservados", "alle rechten voorbehouden", "wszelkie prawa zastrzeżone"),
)
_RESERVED_HINTS = tuple(words.encode() for words in _RESERVED)
_UNSEEN = ((b"<script", b"</script"), (b"<style", b"</style"), (b"<!--", b"-->"), (b"<", b">"))
_RESERVED_WORDS = re.compile("|".join(_RESERVED), re.IGNORECASE)
_CARRIERS = {
    "header": 4.0,
    "link": 4.0,
    "meta": 3.0,
    "json-ld": 3.0,
    "microdata": 2.0,
    "rdfa": 2.0,
    "XMP licence": 4.0,
    "XMP rights": 3.0,
}
_DOUBT = {"rival": 0.5, "reserved": 0.75, "hint": 0.9}
"""What each kind of contradiction leaves of the confidence."""
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
    """0 to 1: how sure it is that the id, with its version, is that of what `scope` names. A
    logistic curve over the points of the deciding mark, from 0.69 where a mark just counts to 0.98
    for a declaration in the footer with words that say of what; each contradiction lowers it."""
    conflicts: tuple[str, ...] = ()
    """Marks that say something else, as ``where: evidence``."""
    reserved: bool = False
    """Whether the page reserves all rights."""

    @property
    def kind(self) -> str:
        """One of ``licence_classes.CLASSES``."""
        if self.id is None and self.reserved:
            return "proprietary"
        return license_class(self.id)

    @property
    def columns(self) -> dict[str, object]:
        """The columns of a document: id, scope, class, confidence and evidence."""
        told = [f"{self.where}: {self.evidence}"] if self.evidence else []
        if self.conflicts:
            told.append(f"conflicts: {' | '.join(self.conflicts)}")
        return {
            "license": self.id,
            "license_scope": self.scope if self.id else None,
            "license_class": self.kind,
            "license_confidence": self.confidence,
            "license_evidence": "; ".join(told) or None,
        }


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
        return decide(_all_marks(page, headers), _reserved(page))
    page = page if isinstance(page, HtmlPage) else HtmlPage(page)
    linked = any(name.lower() == "link" for name in headers)
    words = _reserved_bytes(page)
    if not linked and not any(hint.search(page.lower) for hint in _HINTS):
        return _nothing(words)  # most pages: nothing to parse for
    return decide(_all_marks(page.tree, headers, page.lower), words)


def _all_marks(
    tree: HTMLTree, headers: Mapping[str, str], lower: bytes | None = None
) -> list[Mark]:
    return [*page_marks(tree, headers, lower), *data_marks(tree, lower)]


def _reserved_bytes(page: HtmlPage) -> str:
    """What `_reserved` tells, without a tree: half of all pages hold such words."""
    for words in _RESERVED_HINTS:
        at = page.lower.find(words)
        while at >= 0:
            before = page.lower[:at]
            if not any(before.rfind(begin) > before.rfind(end) for begin, end in _UNSEEN):
                start = max(0, at - 200)
                text = page.bytes[start : at + len(words)].decode("utf-8", "ignore")
                text = text.partition(">")[2] or text  # may begin within a tag
                return squeeze(unescape(re.sub(r"<[^>]*>?", " ", text)))[-80:]
            at = page.lower.find(words, at + 1)
    return ""


def _reserved(tree: HTMLTree) -> str:
    """The words that reserve all rights in the page, with those around them."""
    for words in _RESERVED:
        for node in select(tree.document, f'body :lexbor-contains("{words}" i)'):
            if node.tag not in HIDDEN:
                text = squeeze(visible(node))
                found = _RESERVED_WORDS.search(text)
                if found:
                    return text[max(0, found.start() - 60) : found.end()]
    return ""


def _nothing(reserved: str) -> Licence:
    if not reserved:
        return NONE
    return Licence(None, None, reserved, "words", 0.8, reserved=True)


def decide(marks: Iterable[Mark], reserved: str = "") -> Licence:
    """Weigh the marks of a page: the best one decides, others confirm or contradict it.

    `reserved` are words that reserve all rights: they stand beside licences on many pages whose
    text is licensed, so that they lower the confidence and no more.
    """
    marks = _without_mentions([mark for mark in marks if mark.id is not None])
    scored = sorted(((points(mark), -place) for place, mark in enumerate(marks)), reverse=True)
    if not scored:
        return _nothing(reserved)
    best_points, place = scored[0]
    best = marks[-place]
    if best_points < ACCEPT:
        if best_points <= -2.0 or best.region == "media" or _is_part(best):
            return _licence(best, best.id, "part", 0.6, reserved=bool(reserved))
        return _nothing(reserved)
    chosen = best.id
    scope, conflicts = "page", []
    confidence = 1 / (1 + math.exp(-0.8 * (best_points - 1.0)))
    for value, place in scored[1:]:
        other = marks[-place]
        if other.id == chosen or value < 0 or other.region == "media" or _is_part(other):
            continue
        if same_family(other.id, chosen):
            chosen = fuller(chosen, other.id) if value >= ACCEPT else chosen
            continue
        conflicts.append(f"{_where(other)}: {other.evidence}")
        rival = value >= ACCEPT
        confidence *= _DOUBT["rival" if rival else "hint"] if len(conflicts) < 4 else 1.0
        if rival and (value > best_points - 1.5 or (_declared(other) and _declared(best))):
            scope = "unclear"
    if reserved:
        conflicts.append(f"words: {reserved}")
        confidence *= _DOUBT["reserved"]
    conflicts = tuple(dict.fromkeys(conflicts))
    return _licence(best, chosen, scope, confidence, conflicts, bool(reserved))


def _declared(mark: Mark) -> bool:
    return mark.rel or mark.carrier in _CARRIERS


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
    if _SELF.search(around) and not _is_part(mark):
        score += 1.0
        if mark.carrier.endswith("words") and mark.region in ("entry", "body"):
            score += 1.0
    alone = mark.carrier in ("anchor", "badge") or mark.carrier.endswith(" link")
    if alone and len(around) < 60:  # a bare badge, or a line of its own
        score += 1.0 if mark.region in ("footer", "sidebar") else 0.5
    if _is_part(mark):
        score -= 4.0
    if _HEDGE.search(around):
        score -= 3.0
    if mark.carrier.endswith("words"):
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
    told = {mark.id for mark in marks if not _declared(mark)}
    kinds = {re.sub(r"-\d\.\d$", "", str(name)) for name in told}
    if len(kinds) < 3:
        return marks
    return [mark for mark in marks if mark.region in ("head", "footer", "sidebar", "media")]


def _where(mark: Mark) -> str:
    return mark.carrier if mark.region == "head" else f"{mark.carrier}-{mark.region}"


def _licence(
    mark: Mark,
    licence_id: str | None,
    scope: str,
    confidence: float,
    conflicts: tuple[str, ...] = (),
    reserved: bool = False,
) -> Licence:
    confidence = round(confidence, 3)
    found = Licence(licence_id, scope, mark.evidence, _where(mark), confidence)
    return found._replace(conflicts=conflicts, reserved=reserved)
