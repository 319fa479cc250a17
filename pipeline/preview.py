"""Pictures of PDF pages, painted inside the sandbox."""

from __future__ import annotations

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
    import cv2

    from ocr.pdfium import PdfError, open_pdf, render_page

    side = item["side"]
    pictures: dict[int, bytes] = {}
    try:
        with open_pdf(item["payload"]) as document:
            for number in item["pages"]:
                try:
                    pixels, _ = render_page(document, number - 1, 72, (side, side), side * side)
                except PdfError:
                    continue
                quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
                _, data = cv2.imencode(".jpg", pixels, quality)
                pictures[number] = data.tobytes()
    except PdfError:
        pass
    return pictures
