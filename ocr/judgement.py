"""What kind of PDF is this: tags with their evidence, for filters and for people.

A tag is a column, no verdict: nothing is dropped for one here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_BLANK = re.compile(r"_{4,}|(?:\.\s?){12,}(?!\s?\d)|[□☐]")
_BLANKS_A_PAGE = 5.0
_SLIDE_SHAPE = (1.2, 2.0)  # width by height
_SLIDE_WORDS = 160  # a page, at the median
_SLIDE_MAKERS = re.compile(
    r"(?i)powerpoint|keynote|impress|beamer|google slides|prezi|pptx|canva\b"
)
# olmOCR's list; its cut of 0.004 also takes manuals that speak of saving files, so more is asked
_SPAM = {
    *("download", "pdf", "epub", "mobi", "free", "ebook", "ebooks", "file", "save", "casino"),
    *("viagra", "cialis", "ciprofloxacin", "slots", "poker", "torrent", "keygen"),
}
_SPAM_SHARE, _SPAM_HITS = 0.06, 8
_WORD = re.compile(r"[^\W\d_]+")
_PRICE = re.compile(
    r"(?:[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|Rs\.?))\s?\d{1,3}(?:[.,\s]?\d{3})*[.,]\d\d\b"
    r"|\b\d{1,3}(?:[.,]?\d{3})*[.,]\d\d\s?(?:[$€£]|USD|EUR|GBP|CHF|Kč|zł)"
)
_PRICES_A_PAGE, _MIN_PRICES = 6.0, 10
_WORDS_A_PRICE = 30
_TABLE_SHARE = 0.7
_SCAN_SHARE = 0.8
_HIDDEN = 100  # characters


@dataclass(frozen=True, slots=True)
class PageShape:
    """What is known of a page besides its text: points, route, characters nobody can see."""

    width: float
    height: float
    route: str
    hidden: str = ""


def judge(text: str, pages: Sequence[PageShape], meta: dict[str, str]) -> dict[str, str]:
    """Tag -> evidence: form, slides, catalogue, seo_spam, hidden_text, tables_only, scan,
    scan_without_text."""
    found = {
        "form": _form(text, pages, meta),
        "slides": _slides(text, pages, meta),
        "catalogue": _catalogue(text, pages),
        "seo_spam": _spam(f"{text} {' '.join(page.hidden for page in pages)}"),
        "hidden_text": _hidden(pages),
        "tables_only": _tables(text),
        **_scan(text, pages),
    }
    return {tag: evidence for tag, evidence in found.items() if evidence}


def _form(text: str, pages: Sequence[PageShape], meta: dict[str, str]) -> str:
    if "form" in meta:
        return f"an {meta['form'].replace('xfa', 'XFA').replace('acroform', 'AcroForm')}"
    blanks = len(_BLANK.findall(text))
    if blanks >= _BLANKS_A_PAGE * max(1, len(pages)):
        return f"{blanks} blanks to fill in on {len(pages)} pages"
    return ""


def _slides(text: str, pages: Sequence[PageShape], meta: dict[str, str]) -> str:
    low, high = _SLIDE_SHAPE
    wide = [page for page in pages if page.height and low <= page.width / page.height <= high]
    if not pages or len(wide) < 0.8 * len(pages):
        return ""
    words = len(_WORD.findall(text)) / len(pages)
    maker = _SLIDE_MAKERS.search(f"{meta.get('creator', '')} {meta.get('producer', '')}")
    if maker:
        return f"made with {maker.group()}, {len(wide)} of {len(pages)} pages landscape"
    if len(pages) > 2 and words < _SLIDE_WORDS:
        return f"{len(wide)} of {len(pages)} pages landscape, {words:.0f} words a page"
    return ""


def _catalogue(text: str, pages: Sequence[PageShape]) -> str:
    prices = len(_PRICE.findall(text))
    words = len(_WORD.findall(text))
    dense = prices >= _PRICES_A_PAGE * max(1, len(pages)) and words < _WORDS_A_PRICE * prices
    return f"{prices} prices on {len(pages)} pages" if prices >= _MIN_PRICES and dense else ""


def _spam(text: str) -> str:
    words = [word.lower() for word in _WORD.findall(text)]
    hits = Counter(word for word in words if word in _SPAM)
    total = sum(hits.values())
    if total < _SPAM_HITS or total < _SPAM_SHARE * len(words) or len(hits) < 3:
        return ""
    commonest = sorted(hits, key=lambda word: (-hits[word], word))[:4]
    return f"{total} of {len(words)} words: {', '.join(commonest)}"


def _hidden(pages: Sequence[PageShape]) -> str:
    hidden = [len(page.hidden) for page in pages if page.route == "text" and page.hidden]
    if sum(hidden) < _HIDDEN:
        return ""
    return f"{sum(hidden)} characters that cannot be seen on {len(hidden)} pages"


def _tables(text: str) -> str:
    """Rules and empty cells of the tables do not count."""
    inside = outside = 0
    for line in text.split("\n"):
        letters = sum(map(str.isalnum, line))
        if line.startswith("|"):
            inside += letters
        else:
            outside += letters
    share = inside / max(1, inside + outside)
    return f"{share:.0%} of the text stands in tables" if share >= _TABLE_SHARE else ""


def _scan(text: str, pages: Sequence[PageShape]) -> dict[str, str]:
    pictures = sum(page.route in ("ocr", "blank", "failed") for page in pages)
    if not pages or pictures < _SCAN_SHARE * len(pages):
        return {}
    evidence = f"{pictures} of {len(pages)} pages are pictures"
    if any(map(str.isalnum, text)):
        return {"scan": evidence}
    return {"scan_without_text": evidence} if pages else {}
