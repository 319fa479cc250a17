"""What goes in and what comes out of the room: options, page results, the document result."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ocr.router import RouterThresholds

Status = Literal["ok", "partial", "encrypted", "corrupt", "empty", "oversized"]
Route = Literal["text", "ocr", "blank", "failed"]


@dataclass(frozen=True, slots=True)
class PdfOptions:
    """How to read a PDF.  Every limit bounds work inside one process; a hang or a native crash
    is for the caller's sandbox to end.

    engine: name of a registered OCR engine, or "none" (pages that need OCR keep the text layer
        they have, if any, and count as failed otherwise).
    engine_options: keyword arguments of the engine, such as base_url and model of "vlm".
    fallback: engine that reads the pages the first one failed on, or "none".
    languages: ISO 639-1 hints for engines that can use them.
    dpi, longest_side: a page is rendered at `dpi`, or more where that leaves its longest side
        under `longest_side[0]` pixels, never above `longest_side[1]` pixels or `max_pixels`.
    max_stream_bytes: content of pages and forms that unpacks to more is not read.
    max_image_pixels: a page with a bigger picture on it is not rendered (decoded it would take
        that many bytes or more).
    max_seconds: wall-clock budget of the document, looked at between pages; with it the result
        depends on the machine's speed, so runs that must repeat byte for byte leave it None.
    max_failed_pages: share of failed pages above which the document is `partial`
        (olmOCR drops a document above 1 in 250).
    page_separator: None joins paragraphs that run over a page end; a string is put between
        pages and nothing is joined across it.
    """

    engine: str = "rapidocr"
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    fallback: str = "rapidocr"
    languages: tuple[str, ...] = ()
    dpi: int = 200
    longest_side: tuple[int, int] = (1800, 3000)
    max_bytes: int = 1 << 30
    max_stream_bytes: int = 1 << 27
    max_pages: int = 2000
    max_page_chars: int = 200_000
    max_page_objects: int = 20_000
    max_pixels: int = 9_000_000
    max_image_pixels: int = 200_000_000
    max_seconds: float | None = None
    max_failed_pages: float = 1 / 250
    page_separator: str | None = None
    keep_running_heads: bool = False
    headings: bool = True
    router: RouterThresholds = field(default_factory=RouterThresholds)


@dataclass(frozen=True, slots=True)
class PageResult:
    """One page.  `start` is where its text begins in the document's text (characters).

    `probability`: the router model's, that the page needs OCR; None where it does not judge.
    A page that the first engine failed on and the fallback read carries the fallback's name in
    `engine` and the first one's reason in `error`; tokens, cost and tries are the first one's.
    """

    number: int
    route: Route
    rule: str
    probability: float | None = None
    chars: int = 0
    confidence: float | None = None
    engine: str = ""
    turn: int = 0
    seconds: float = 0.0
    start: int = 0
    error: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class PdfResult:
    """One PDF as Markdown.  `n_pages` is what the file holds, `pages` what was looked at.

    tags: what kind of document it is (`judgement.judge`) with the evidence, nothing dropped for it.
    """

    text: str
    status: Status
    pages: tuple[PageResult, ...] = ()
    n_pages: int = 0
    title: str | None = None
    author: str | None = None
    date: str | None = None
    producer: str | None = None
    meta: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    error: str = ""
    detail: str = ""
    seconds: float = 0.0

    def page_of(self, offset: int) -> int:
        """Number of the page that the character at this offset of the text comes from."""
        at = bisect_right(self.pages, offset, key=lambda page: page.start)
        return self.pages[max(0, at - 1)].number
