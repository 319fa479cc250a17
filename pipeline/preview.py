"""Pictures of PDF pages, painted inside the sandbox."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

JPEG_QUALITY = 70


def preview(item: dict[str, Any]) -> dict[int, bytes]:
    """JPEG of each page that can be painted.

    Parameters
    ----------
    item
        ``payload`` (bytes of the PDF), ``pages`` (numbers from 1), ``side`` (pixels of the longest
        side).
    """
    from ocr import PdfOptions
    from ocr.guard import defuse
    from ocr.pdfium import PdfError
    from ocr.salvage import salvage

    limits = PdfOptions()
    payload, _ = defuse(item["payload"], limits.max_stream_bytes, limits.max_page_objects)
    try:
        return _pictures(payload, item["pages"], item["side"], limits.max_image_pixels)
    except PdfError:
        rest = salvage(payload)
        with suppress(PdfError):
            return (
                _pictures(rest, item["pages"], item["side"], limits.max_image_pixels)
                if rest
                else {}
            )
    return {}


def _pictures(payload: bytes, pages: list[int], side: int, most: int) -> dict[int, bytes]:
    import cv2

    from ocr.pagescan import scan_page
    from ocr.pdfium import PdfError, open_pdf, render_page

    pictures: dict[int, bytes] = {}
    with open_pdf(payload) as document:
        for number in pages:
            try:
                if scan_page(document, number - 1, 1, 20_000).features.max_image_pixels > most:
                    continue
                pixels, _ = render_page(document, number - 1, 72, (side, side), side * side)
            except PdfError:
                continue
            quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            _, data = cv2.imencode(".jpg", pixels, quality)
            pictures[number] = data.tobytes()
    return pictures
