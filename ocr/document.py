"""One PDF in, one Markdown text out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pypdfium2 as pdfium

from ocr.cleanup import assemble
from ocr.engines import OcrEngine, PageImage, Reading, Usage, get_engine, require_engine
from ocr.guard import defuse
from ocr.judgement import PageShape, judge
from ocr.layout import Layout, lay_out
from ocr.metadata import identifiers, read_metadata
from ocr.pagescan import scan_page
from ocr.pdfium import PdfError, open_pdf, render_page
from ocr.results import PageResult, PdfOptions, PdfResult
from ocr.router import route
from ocr.salvage import salvage
from ocr.scans import is_blank
from ocr.textlayer import text_layout

_MAX_HIDDEN = 5000  # characters a page kept to judge by


@dataclass(slots=True)
class _Page:
    """A page on its way: what it will be reported as, its content, and the text layer to fall
    back on should OCR fail or see less."""

    number: int
    route: str = "failed"
    rule: str = ""
    probability: float | None = None
    content: Layout | str = ""
    layer: Layout | None = None
    scale: float = 1.0
    engine: str = ""
    turn: int = 0
    confidence: float | None = None
    begun: float = 0.0
    seconds: float = 0.0
    error: str = ""
    usage: Usage = field(default_factory=Usage)
    shape: tuple[float, float] = (0.0, 0.0)
    hidden: str = ""

    def fail(self, why: str) -> None:
        self.route = "failed"
        self.error = f"{self.error}; {why}" if self.error else why


def read_pdf(data: bytes, options: PdfOptions | None = None) -> PdfResult:
    """Read a PDF to Markdown, each page from its text layer or by OCR.

    Bad input never raises: it comes back with status encrypted, corrupt, empty (no pages),
    oversized (more than `max_bytes`) or partial (pages over the limit, out of time, too many
    failed), the reason in `error`, and the pages that could be read.  A hang, an endless
    decompression or a native crash inside PDFium cannot be caught here: read what you do not trust
    in a child process with a time and a memory limit.

    Raises ValueError for an engine or an option unknown, MemoryError when memory ends, and
    whatever an engine raises instead of answering.
    """
    options = options or PdfOptions()
    if options.engine != "none":
        require_engine(options.engine, options.engine_options)
        if options.fallback != "none":
            require_engine(options.fallback)
    begin = time.monotonic()
    if len(data) > options.max_bytes:
        error = f"{len(data)} bytes, limit {options.max_bytes}"
        return PdfResult("", "oversized", error=error)
    data, defused = defuse(data, options.max_stream_bytes, options.max_page_objects)
    try:
        result = _open(data, options, begin)
    except PdfError as exc:
        result = PdfResult("", exc.status, error=str(exc))
        rest = salvage(data) if exc.status == "corrupt" else None
        with suppress(PdfError):
            found = _open(rest, options, begin) if rest else result
            if found.text:
                error = f"{exc}; {found.n_pages} pages found without its page tree"
                result = replace(found, status="partial", error=error)
    if defused and result.status in ("ok", "partial"):
        error = f"{defused}; {result.error}" if result.error else defused
        result = replace(result, status="partial", error=error)
    return replace(result, seconds=time.monotonic() - begin)


def _open(data: bytes, options: PdfOptions, begin: float) -> PdfResult:
    with open_pdf(data) as doc:
        return _read(doc, data, options, begin)


def _read(doc: pdfium.PdfDocument, data: bytes, options: PdfOptions, begin: float) -> PdfResult:
    n_pages = len(doc)
    if n_pages < 1:
        return PdfResult("", "empty", error="no pages")
    meta = read_metadata(doc, data)
    deadline = None if options.max_seconds is None else begin + options.max_seconds
    pages: list[_Page] = []
    for index in range(min(n_pages, options.max_pages)):
        if pages and _over(deadline):
            break
        pages.append(_look(doc, index, options))
    waiting = [page for page in pages if page.route == "ocr"]
    if waiting and options.engine != "none":
        engine = get_engine(options.engine, options.engine_options)
        _recognise(engine, doc, waiting, options, deadline)
        if options.fallback not in ("none", options.engine):
            again = [page for page in waiting if page.route == "failed" and page.engine]
            if again:
                _recognise(get_engine(options.fallback), doc, again, options, deadline)
    for page in pages:
        if page.route == "failed" or (page.route == "ocr" and options.engine == "none"):
            _fall_back(page)

    stamps = " ".join(row.text for row in getattr(pages[0].content, "stamps", ()))
    text = assemble(
        [page.content for page in pages],
        page_separator=options.page_separator,
        headings=options.headings,
        keep_running_heads=options.keep_running_heads,
    )
    status, error = _status(pages, n_pages, options)
    ends = [*text.starts[1:], len(text.text)]
    first = text.text[: ends[0]]
    meta = identifiers(f"{first}\n{stamps}") | meta
    shapes = [PageShape(*p.shape, _picture(p), p.hidden) for p in pages]
    return PdfResult(
        text=text.text,
        status=status,
        pages=tuple(_report(*p) for p in zip(pages, text.starts, ends, strict=True)),
        n_pages=n_pages,
        title=meta.get("title") or text.first_heading,
        author=meta.get("author"),
        date=meta.get("created") or meta.get("modified"),
        producer=meta.get("producer"),
        meta=meta,
        tags=judge(text.text, shapes, meta),
        error=error,
        detail="; ".join(f"page {p.number}: {p.error}" for p in pages if p.error)[:2000],
    )


def _picture(page: _Page) -> str:
    """The route, for what it says of the page: one without anything drawn is no picture."""
    return "text" if page.rule == "nothing_drawn" else page.route


def _over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _look(doc: pdfium.PdfDocument, index: int, options: PdfOptions) -> _Page:
    """Scan a page, route it, and lay its text layer out."""
    begin = time.monotonic()
    page = _Page(index + 1)
    try:
        scan = scan_page(doc, index, options.max_page_chars, options.max_page_objects)
        decision = route(scan.features, options.router)
        page.shape = scan.width, scan.height
        page.hidden = " ".join(word.text for word in scan.hidden)[:_MAX_HIDDEN]
        page.route, page.rule = decision.route, decision.rule
        page.probability = decision.probability
        if scan.cut:
            page.error = f"cut after {options.max_page_chars} characters"
        if decision.route == "text":
            page.content = text_layout(scan)
        elif decision.route == "ocr":
            if decision.usable_layer:
                page.layer = text_layout(scan, hidden=decision.rule == "old_ocr_layer")
            if scan.features.max_image_pixels > options.max_image_pixels:
                page.route = "failed"
                page.error = f"a picture of {scan.features.max_image_pixels} pixels"
    except PdfError as exc:
        page.route, page.rule, page.error = "failed", "unreadable", str(exc)
    except MemoryError:
        raise
    except Exception as exc:  # one page no rule foresaw must not end the document
        page.route, page.rule = "failed", "unreadable"
        page.error = f"{type(exc).__name__}: {exc}"[:300]
    page.seconds = time.monotonic() - begin
    return page


# --- OCR -------------------------------------------------------------------------------------


def _recognise(
    engine: OcrEngine,
    doc: pdfium.PdfDocument,
    waiting: list[_Page],
    options: PdfOptions,
    deadline: float | None,
) -> None:
    sent: list[_Page] = []

    def images() -> Iterator[PageImage]:
        for page in waiting:
            begin = time.monotonic()
            if _over(deadline):
                page.fail("out of time before OCR")
                continue
            try:
                pixels, page.scale = render_page(
                    doc, page.number - 1, options.dpi, options.longest_side, options.max_pixels
                )
            except PdfError as exc:
                page.fail(str(exc))
                continue
            if is_blank(pixels):
                page.route, page.rule = "blank", "no_ink"
                page.seconds += time.monotonic() - begin
                continue
            page.begun = begin
            sent.append(page)
            yield PageImage(page.number, pixels, page.scale, options.languages)

    done = 0
    for reading in engine.read(images()):  # in the order the pages were sent
        page = sent[done]
        done += 1
        spent = reading.seconds
        page.seconds += time.monotonic() - page.begun if spent is None else spent
        page.engine = f"{engine.name} {engine.version}"
        _take(page, reading)
    for page in sent[done:]:
        page.engine = f"{engine.name} {engine.version}"
        page.fail(f"{engine.name} gave no answer")


def _take(page: _Page, reading: Reading) -> None:
    page.turn, page.confidence = reading.turn, reading.confidence
    page.usage = reading.usage or page.usage
    if reading.error:
        page.fail(reading.error)
        return
    page.route = "ocr"
    if reading.markdown is not None:
        page.content = reading.markdown
    else:
        for line in reading.lines:
            line.x0, line.x1 = line.x0 / page.scale, line.x1 / page.scale
            line.y0, line.y1 = line.y0 / page.scale, line.y1 / page.scale
            line.size /= page.scale
        width, height = reading.width / page.scale, reading.height / page.scale
        page.content = lay_out(reading.lines, width, height, approximate=True)
    if page.rule == "no_text_but_drawn":  # a short page with rules or pictures: its text is exact
        layer = _letters(page.layer)
        if layer and layer >= 0.9 * _letters(page.content):
            page.route, page.content, page.confidence = "text", page.layer, None
    if page.rule == "model" and _letters(page.content) < 0.5 * _letters(page.layer):
        page.route, page.content, page.confidence = "text", page.layer, None  # OCR saw less
    if page.route == "ocr" and not _letters(page.content):
        page.route = "blank"


def _letters(content: Layout | str | None) -> int:
    if isinstance(content, Layout):
        content = "".join(row.text for row in [*content.rows(), *content.aside])
    return sum(map(str.isalnum, content or ""))


def _fall_back(page: _Page) -> None:
    """Without OCR: the text layer, where there is one the router did not find garbled."""
    if _letters(page.layer):
        page.route, page.content = "text", page.layer
    elif page.route == "ocr":
        page.route, page.error = "failed", "needs OCR, and no engine is set"


# --- reporting -------------------------------------------------------------------------------


def _status(pages: list[_Page], n_pages: int, options: PdfOptions) -> tuple[str, str]:
    failed = [page for page in pages if page.route == "failed"]
    if pages and len(failed) == len(pages) and all(p.rule == "unreadable" for p in failed):
        return "corrupt", f"no page can be read: {failed[0].error}"
    problems = []
    if n_pages > options.max_pages:
        problems.append(f"{n_pages} pages, limit {options.max_pages}")
    if len(pages) < min(n_pages, options.max_pages):
        problems.append(f"out of time after page {len(pages)} of {n_pages}")
    if len(failed) > options.max_failed_pages * len(pages):
        problems.append(f"{len(failed)} of {len(pages)} pages failed: {failed[0].error}")
    return ("partial", "; ".join(problems)) if problems else ("ok", "")


def _report(page: _Page, start: int, end: int) -> PageResult:
    return PageResult(
        number=page.number,
        route=page.route,
        rule=page.rule,
        probability=page.probability,
        chars=max(0, end - start),
        confidence=page.confidence,
        engine=page.engine,
        turn=page.turn,
        seconds=round(page.seconds, 4),
        start=start,
        error=page.error,
        tokens_in=page.usage.tokens_in,
        tokens_out=page.usage.tokens_out,
        cost=page.usage.cost,
        tries=page.usage.tries,
    )
