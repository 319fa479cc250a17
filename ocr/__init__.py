"""PDF to Markdown: text layer, page router, OCR engines, assembly.

One function, `read_pdf(data, options)`; engines are added with `register_engine`.
"""

from ocr.document import read_pdf
from ocr.engines import (
    OcrEngine,
    PageImage,
    Reading,
    Usage,
    engine_names,
    get_engine,
    register_engine,
    require_engine,
)
from ocr.layout import Line
from ocr.results import PageResult, PdfOptions, PdfResult
from ocr.router import PageFeatures, RouterThresholds

__all__ = [
    "Line",
    "OcrEngine",
    "PageFeatures",
    "PageImage",
    "PageResult",
    "PdfOptions",
    "PdfResult",
    "Reading",
    "RouterThresholds",
    "Usage",
    "engine_names",
    "get_engine",
    "read_pdf",
    "register_engine",
    "require_engine",
]
