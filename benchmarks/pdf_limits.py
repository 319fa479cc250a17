"""Two measurements of `ocr` for `benchmarks/pdf.py`: OCR against its engine, memory over pages."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Iterator
from pathlib import Path

_PER_FILE = 2000  # pages of a concatenated PDF: as many as are read of one by default


def engine_alone(paths: list[Path], engine: str, most: int) -> None:
    """CPU seconds of the OCR path against the bare engine on the same page images, in one process.

    The engine alone is a page rendered as here and RapidOCR's own pipeline with the same models and
    settings: it finds and reads lines, and leaves the rest (routing, blank test, way up, skew,
    layout, Markdown) to others.
    """
    import cv2

    from ocr import PdfOptions, get_engine, read_pdf
    from ocr.pdfium import open_pdf, render_page

    if engine != "rapidocr":
        raise SystemExit("--alone measures --engine rapidocr")
    bare = get_engine(engine)._ocr
    options = PdfOptions(engine=engine, max_pages=1)
    ours = alone = 0.0
    done = -1  # the first page pays for loading and is read twice
    for path in [*paths[:1], *paths]:
        data = path.read_bytes()
        begin = time.process_time()
        result = read_pdf(data, options)
        own_seconds = time.process_time() - begin
        if not result.pages or result.pages[0].route != "ocr":
            continue
        begin = time.process_time()
        with open_pdf(data) as doc:
            pixels, _ = render_page(doc, 0, options.dpi, options.longest_side, options.max_pixels)
        image = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
        bare(image, use_det=True, use_cls=False, use_rec=True)
        engine_seconds = time.process_time() - begin
        done += 1
        if done:
            ours, alone = ours + own_seconds, alone + engine_seconds
            print(
                f"{path.name:32s} {engine_seconds:7.2f} s alone {own_seconds:7.2f} s ours"
                f" {own_seconds / engine_seconds:6.2f} turned {result.pages[0].turn}",
                flush=True,
            )
        if done >= most:
            break
    if alone:
        print(f"{done} pages: ours / engine alone = {ours / alone:.3f}")


def memory(paths: list[Path], pages: int) -> None:
    """Resident memory while `pages` text-layer pages are read in one process: first of the folder's
    small PDFs one by one, then of files put together from them, 2,000 pages each."""
    from ocr import PdfOptions, read_pdf

    options = PdfOptions(engine="none")
    sources = []
    for path in paths:
        data = path.read_bytes()
        if data.startswith(b"%PDF") and len(data) < 3_000_000:
            result = read_pdf(data, PdfOptions(engine="none", max_pages=5))
            if result.status == "ok" and {page.route for page in result.pages} <= {"text"}:
                sources.append(data)
    print(f"{len(sources)} files with a text layer; start {_resident():.0f} MB")
    for kind, files in (
        ("small files", itertools.cycle(sources)),
        ("concatenated", _concatenated(sources)),
    ):
        begin, done, shown, chars = time.process_time(), 0, 0, 0
        for data in files:
            result = read_pdf(data, options)
            done += len(result.pages)
            chars += len(result.text)
            if done >= shown + pages // 10 or done >= pages:
                shown = done
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"{kind:13s} {done:7d} pages {_resident():7.0f} MB resident {peak:7.0f} MB peak"
                    f" {done / (time.process_time() - begin):6.0f} pages per core-second",
                    flush=True,
                )
            if done >= pages:
                break


def _concatenated(sources: list[bytes]) -> Iterator[bytes]:
    import io

    import pypdfium2 as pdfium

    while True:
        whole = pdfium.PdfDocument.new()
        for data in itertools.cycle(sources):
            source = pdfium.PdfDocument(data)
            whole.import_pages(source)
            source.close()
            if len(whole) >= _PER_FILE:
                break
        buffer = io.BytesIO()
        whole.save(buffer)
        whole.close()
        yield buffer.getvalue()


def _resident() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / 1e6
