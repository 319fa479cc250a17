"""PDFium: open a document, know its page boxes, render a page.

PDFium (BSD-3 / Apache-2.0) is not thread-safe: one process, one thread.  No form environment is
set up, so no JavaScript runs and no attachment is opened.  Boxes are turned into the page as
displayed: points, origin at the top left, /Rotate applied.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw


class PdfError(Exception):
    """The file or the page cannot be read; `status` is the document status it stands for."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


@contextmanager
def open_pdf(data: bytes) -> Iterator[pdfium.PdfDocument]:
    """Open from memory; PDFium tries the empty user password by itself.

    Raises PdfError with status encrypted or corrupt.
    """
    try:
        doc = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as exc:
        if exc.err_code == raw.FPDF_ERR_PASSWORD:
            raise PdfError(
                "encrypted", "a password is needed; the empty one does not open it"
            ) from None
        if exc.err_code == raw.FPDF_ERR_SECURITY:
            raise PdfError("encrypted", "unsupported security handler") from None
        raise PdfError("corrupt", f"PDFium cannot open it: {_why(data)}") from None
    try:
        yield doc
    finally:
        doc.close()


def _why(data: bytes) -> str:
    if not data.strip():
        return "no bytes"
    if b"%PDF-" not in data[:1024]:
        head = data[:16].decode("latin-1").encode("unicode_escape").decode()
        return f"no %PDF- header, begins with '{head}'"
    if b"%%EOF" not in data[-2048:]:
        return "no %%EOF at its end, probably cut off"
    return "no usable cross-reference table or page tree"


def page_sizes_ok(width: float, height: float) -> bool:
    """A page has an area and no side above 10 km; hostile files make PDFium read NaN and inf."""
    return all(math.isfinite(side) and 0 < side < 3e7 for side in (width, height))


class Frame:
    """The visible page box and the way from page space to the page as displayed."""

    def __init__(self, page) -> None:
        box = raw.FS_RECTF()
        raw.FPDF_GetPageBoundingBox(page, ctypes.byref(box))
        self.left, self.bottom, self.right, self.top = box.left, box.bottom, box.right, box.top
        self.rotation = raw.FPDFPage_GetRotation(page) % 4  # quarter turns clockwise
        wide, high = self.right - self.left, self.top - self.bottom
        self.width, self.height = (high, wide) if self.rotation % 2 else (wide, high)

    def box(self, left: float, bottom: float, right: float, top: float):
        """Page space -> displayed (x0, y0, x1, y1)."""
        if self.rotation == 0:
            return left - self.left, self.top - top, right - self.left, self.top - bottom
        if self.rotation == 1:
            return bottom - self.bottom, left - self.left, top - self.bottom, right - self.left
        if self.rotation == 2:
            return self.right - right, bottom - self.bottom, self.right - left, top - self.bottom
        return self.top - top, self.right - right, self.top - bottom, self.right - left


def render_page(
    doc: pdfium.PdfDocument, index: int, dpi: int, longest_side: tuple[int, int], max_pixels: int
) -> tuple[np.ndarray, float]:
    """(uint8 grey image of shape (height, width), pixels per point).

    At `dpi`, enlarged to longest_side[0] (small media boxes hold full-size scans) and cut to
    longest_side[1] and `max_pixels`.  Raises PdfError when the page cannot be loaded.
    """
    try:
        page = doc[index]
    except pdfium.PdfiumError as exc:
        raise PdfError("corrupt", f"page cannot be loaded: {exc}") from None
    try:
        width, height = page.get_size()
        if not page_sizes_ok(width, height):
            raise PdfError("corrupt", f"page box of {width:g} x {height:g} points")
        side = max(width, height)
        scale = min(max(dpi / 72, longest_side[0] / side), longest_side[1] / side)
        scale = min(scale, math.sqrt(max_pixels / (width * height)))
        bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False)
        image = bitmap.to_numpy()
        return np.array(image.reshape(image.shape[:2])), scale
    finally:
        page.close()
