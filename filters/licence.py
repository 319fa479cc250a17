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
from filters.licence_marks import Mark, may_hold, other_names, page_marks
from filters.licence_phrases import (
    APPLIES,
    CLAIM,
    COMPOUND,
    CREDIT,
    GRANT,
    HEDGE,
    JOINED,
    LABEL,
    MEDIA_FILE,
    NAMED,
    OTHERWISE,
    OWNED,
    PART,
    PICTURE,
    SELF,
    SOURCE,
    STRONG,
    WEAK,
    bare,
    clause,
    quoted,
    sentence,
)

ACCEPT = 2.0
"""Points from which a mark counts for the whole page."""
_HINTS = tuple(
    re.compile(hint)  # one by one: each begins with letters that are found at memory speed
    for hint in (
        *(rb"licen[sc]e", rb"creative[\s-]?commons", rb"cc[\s-]?(?:by|0|zero)\b", rb"lizenz"),
        *(rb"gfdl", rb"public domain"),
    )
)
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
    "statement": 2.5,
    "XMP licence": 4.0,
    "XMP rights": 3.0,
}
_DOUBT = {"rival": 0.5, "reserved": 0.75, "hint": 0.9}
"""What each kind of contradiction leaves of the confidence."""
_REGIONS = dict.fromkeys(("header", "body", "entry"), 0.0) | {
    "footer": 1.5,
    "sidebar": 1.0,
    "nav": -1.0,
    "credit": -2.0,
    "quote": -2.0,
    "comment": -5.0,
    "other": -5.0,
}
_SOFTWARE = re.compile(r"MIT|Apache-|BSD-|[AL]?GPL-|MPL-|ISC|PSF-|Unlicense|0BSD")
"""Licences that sites name for programs more often than for their texts."""
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
    if not linked and not _hinted(page.lower):
        return _nothing(words)  # most pages: nothing to parse for
    return decide(_all_marks(page.tree, headers, page.lower), words)


def _hinted(lower: bytes) -> bool:
    if any(hint.search(lower) for hint in _HINTS):
        return True
    return any(may_hold(lower, name) for name in other_names(lower))


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
                found = reserved_words(squeeze(visible(node)))
                if found:
                    return found
    return ""


def reserved_words(text: str) -> str:
    """The words that reserve all rights in a text, with those before them; or nothing."""
    found = _RESERVED_WORDS.search(text)
    return text[max(0, found.start() - 60) : found.end()] if found else ""


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
    more = dict.fromkeys(_own_lines(marks), 0.5)
    scored = sorted(
        ((points(mark) + more.get(mark, 0.0), -place) for place, mark in enumerate(marks)),
        reverse=True,
    )
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


def _own_lines(marks: list[Mark]) -> list[Mark]:
    """Marks in running text that are labelled ("Licence: CC BY") or a whole line ("Licensed under
    CC BY"), where they are the only ones there: more of them make a list of works."""
    running = [mark for mark in marks if mark.region in ("body", "entry", "credit")]
    if len(running) > 2 or len({mark.id for mark in running}) > 1:
        return []
    lines = [(mark, mark.before.lower(), mark.own.lower()) for mark in running]
    return [
        mark
        for mark, before, own in lines
        if NAMED.search(before) or (bare(before) and CLAIM.search(f"{before} {own}"))
    ]


def _declared(mark: Mark) -> bool:
    return mark.rel or mark.carrier in _CARRIERS


def points(mark: Mark) -> float:
    """How strongly a mark says that the page's own text is under its licence."""
    if mark.carrier in _CARRIERS and mark.region == "head":
        return _CARRIERS[mark.carrier]
    if mark.region == "media":
        return -3.0
    mark = mark._replace(before=mark.before.lower(), own=mark.own.lower(), after=mark.after.lower())
    subject = mark.before + " " + mark.own
    around = f"{subject} {mark.after}"
    score = _CARRIERS.get(mark.carrier, 0.0) + _REGIONS[mark.region] + (2.0 if mark.rel else 0.0)
    strong, weak = STRONG.search(around), WEAK.search(subject)
    claimed, part = CLAIM.search(around), _is_part(mark)
    owned = mark.region in ("footer", "sidebar") and OWNED.search(clause(mark.before))
    words = mark.carrier.endswith("words")
    if claimed:
        score += 1.0
    if strong and claimed:
        score += 1.0
    elif (weak or owned) and claimed:
        score += 0.5
    if not part and (SELF.search(around) or OTHERWISE.search(subject)):
        score += 1.0
        if words and mark.region in ("entry", "body"):
            score += 1.0
    if mark.region == "credit" and claimed and not part:
        score += 2.0  # of the page
    if GRANT.search(mark.before) and mark.region != "comment":
        score += 2.0
    alone = mark.carrier in ("anchor", "badge") or mark.carrier.endswith(" link")
    if alone and len(around) < 60:  # a bare badge, or a line of its own
        score += 1.0 if mark.region in ("footer", "sidebar") else 0.5
    elif mark.carrier == "badge" and mark.region in ("footer", "sidebar"):
        score += 1.0
    elif alone and mark.region == "footer" and not CREDIT.search(mark.before):
        score += 0.5
    if mark.carrier == "badge" and mark.region in ("header", "body", "entry"):
        score += 1.5  # the button of Creative Commons is made for works; captions use words
    if part:
        score -= 4.0
    if HEDGE.search(around) or quoted(mark.before):
        score -= 5.0
    if words:
        # Words alone must claim something of the page, and say which licence in a fitting place.
        if mark.region in ("footer", "sidebar") and mark.id != UNSPECIFIED:
            short = len(around) < 100
            score += 0.5 if owned or claimed or short else -1.0
        elif not (claimed and (strong or weak or mark.region == "footer")):
            score -= 2.0
        score -= 1.0 if mark.region in ("entry", "body") else 0.0
        score -= 0.5 if mark.id == UNSPECIFIED else 0.0
    if _SOFTWARE.match(str(mark.id)) and not (strong or owned or mark.rel):
        score -= 2.0
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
    before, own, after = mark.before.lower(), mark.own.lower(), mark.after.lower()
    if applies := APPLIES.match(after):
        return PART.match(after, applies.end()) is not None
    if not before and mark.carrier in ("anchor", "badge"):  # what stands before its sentence
        before = CLAIM.split(after)[0]
    subject = COMPOUND.sub("", f"{clause(before)} {own}")
    if MEDIA_FILE.search(before) and not STRONG.search(before):
        return True
    if SOURCE.match(after) and not STRONG.search(before):
        return True
    labels = LABEL.findall(sentence(before))
    if labels and (PART.fullmatch(labels[-1]) or any(map(PICTURE.fullmatch, labels[-2:]))):
        return not STRONG.search(clause(before))
    return bool(PART.search(JOINED.sub("", subject))) and not STRONG.search(subject)


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
