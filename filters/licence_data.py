"""Marks of a licence in structured data: JSON-LD, microdata and RDFa.

What is said of an image, a video or a program is a mark of the region ``media``: it is a part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from filters.dom import select
from filters.licence_ids import licence_of_value
from filters.licence_marks import MAX_WORDS, Mark, around, may_hold
from filters.licence_regions import region_of

_PAGE_TYPES = frozenset(
    """
    WebPage WebSite Article NewsArticle BlogPosting Blog ScholarlyArticle TechArticle Report
    CreativeWork LearningResource Course Book Chapter Recipe ItemPage AboutPage FAQPage QAPage
    Dataset DigitalDocument AnalysisNewsArticle OpinionNewsArticle ReportageNewsArticle
    SocialMediaPosting DiscussionForumPosting MedicalWebPage HowTo APIReference CollectionPage
    MedicalScholarlyArticle BackgroundNewsArticle AskPublicNewsArticle AdvertiserContentArticle
    SatiricalArticle TextDigitalDocument Thesis Legislation PublicationIssue Poem Quiz Syllabus
    Question Answer Review Statement Claim ProfilePage ContactPage CheckoutPage SearchResultsPage
    """.split()  # noqa: SIM905
)
_SAME_TEXT = ("mainEntity", "mainEntityOfPage", "articleBody", "@graph", "isPartOf")
"""Properties that lead from a page to its main text, and back."""
_PREFIX = re.compile(r"^(?:https?://schema\.org/|schema:)")
_DEEPEST = 12
_DECLARED = ", ".join(
    (
        "[itemprop=license]:not(a)",
        '[property$="license" i]:not(a):not(meta)',
        '[rel$="license" i]:not(a):not(link)',
    )
)


def data_marks(tree: Any, lower: bytes | None = None) -> Iterator[Mark]:
    """All such marks, those of JSON-LD first; `lower` as in `licence_marks.page_marks`."""
    script = 'script[type="application/ld+json"]'
    for node in select(tree.document, script) if may_hold(lower, "ld+json") else ():
        try:
            data = json.loads(node.text_content or "", strict=False)
        except (ValueError, RecursionError):
            continue
        yield from _json_marks(data, True, 0)
    if not may_hold(lower, "itemprop=", "property=", "resource=", "rel="):
        return
    for node in select(tree.document, _DECLARED):
        values = (node.getattr(name) for name in ("resource", "href", "content"))
        value = next(filter(None, values), None) or node.text_content or ""
        found = licence_of_value(value[:MAX_WORDS])
        if not found or "rsl" in (node.getattr("type") or ""):
            continue
        carrier = "microdata" if node.getattr("itemprop") else "rdfa"
        in_head = _in_head(node)
        region = "head" if in_head else region_of(node if carrier == "rdfa" else node.parent)
        before, after = ("", "") if in_head else around(node)
        yield Mark(found, carrier, True, region, before, "", after, value[:MAX_WORDS])


def _json_marks(data: Any, main: bool, depth: int) -> Iterator[Mark]:
    """Licences of the entities of a block; `main` while they stand for the page or its text."""
    if isinstance(data, list):
        for item in data:
            yield from _json_marks(item, main, depth)
        return
    if not isinstance(data, dict) or depth > _DEEPEST:
        return
    entity = {_PREFIX.sub("", str(key)): value for key, value in data.items()}
    kinds = entity.get("@type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    kinds = {_PREFIX.sub("", str(kind)) for kind in kinds if kind}
    # what has no type of its own, such as a graph, is passed through
    text = main and (bool(_PAGE_TYPES & kinds) or not kinds)
    for value in _strings(entity.get("license")) if kinds else ():
        found = licence_of_value(value)
        region = "head" if text else "media"
        yield Mark(found, "json-ld", False, region, "", "", "", value[:MAX_WORDS])
    for key, value in entity.items():
        if key != "license" and isinstance(value, dict | list):
            yield from _json_marks(value, text and key in _SAME_TEXT, depth + 1)


def _strings(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from (str(item[key]) for key in ("@id", "url", "name") if item.get(key))


def _in_head(node: Any) -> bool:
    while node is not None and node.tag not in ("head", "body"):
        node = node.parent
    return node is not None and node.tag == "head"
