"""What a page paints besides text: how much of it pictures cover, and what lies under its words."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pypdfium2.raw as raw

from ocr.pdfium import Frame
from ocr.rulings import THIN, Box


class Drawn:
    """Pictures and paths of a page: image cover on a 64 x 64 grid, boxes of what is painted."""

    GRID = 64
    MAX_DEPTH = 4  # of nested form XObjects
    MAX_BOXES = 2000
    MAX_RULES, MAX_SEGMENTS = 4000, 2000
    PAGE_WIDE = 0.6  # share of the page an image must cover to hide what was painted before it

    def __init__(self, page, frame: Frame, max_objects: int) -> None:
        self.frame = frame
        self.grid = np.zeros((self.GRID, self.GRID), dtype=bool)
        self.images = self.paths = self.max_pixels = 0
        self.texts = self.covered = 0  # text objects, and those painted before a page-wide image
        self.painted: list[Box] = []
        self.dots: list[Box] = []  # small and as wide as high
        self.rules: list[Box] = []  # straight lines along the page's sides
        self.left = max_objects
        self._walk(page, raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject, None, 0)

    @property
    def cover(self) -> float:
        return float(self.grid.mean())

    def _walk(self, parent, count, get, matrix, depth: int) -> None:
        box = [ctypes.c_float() for _ in range(4)]
        refs = [ctypes.byref(value) for value in box]
        for i in range(count(parent)):
            self.left -= 1
            if self.left < 0:
                return
            obj = get(parent, i)
            kind = raw.FPDFPageObj_GetType(obj)
            if kind == raw.FPDF_PAGEOBJ_TEXT:
                self.texts += 1
                continue
            if kind == raw.FPDF_PAGEOBJ_FORM:
                if depth < self.MAX_DEPTH:
                    inner = _times(_matrix(obj), matrix)
                    count_in, get_in = raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject
                    self._walk(obj, count_in, get_in, inner, depth + 1)
                continue
            if not raw.FPDFPageObj_GetBounds(obj, *refs):
                continue
            x0, y0, x1, y1 = self.frame.box(*_moved([v.value for v in box], matrix))
            if not all(map(math.isfinite, (x0, y0, x1, y1))):
                continue
            if len(self.painted) < self.MAX_BOXES:
                self.painted.append((x0, y0, x1, y1))
            if kind == raw.FPDF_PAGEOBJ_IMAGE:
                self._image(obj, x0, y0, x1, y1)
            elif kind == raw.FPDF_PAGEOBJ_PATH:
                self.paths += 1
                if 1.5 < x1 - x0 < 7 and abs(y1 - y0 - x1 + x0) < 1 and len(self.dots) < 500:
                    self.dots.append((x0, y0, x1, y1))
                self._rule(obj, (x0, y0, x1, y1), matrix)

    def _image(self, obj, x0: float, y0: float, x1: float, y1: float) -> None:
        self.images += 1
        wide, high = ctypes.c_uint(), ctypes.c_uint()
        if raw.FPDFImageObj_GetImagePixelSize(obj, ctypes.byref(wide), ctypes.byref(high)):
            self.max_pixels = max(self.max_pixels, wide.value * high.value)
        w, h, g = self.frame.width, self.frame.height, self.GRID
        if (x1 - x0) * (y1 - y0) > self.PAGE_WIDE * w * h and not raw.FPDFPageObj_HasTransparency(
            obj
        ):
            self.covered = self.texts
        cx0, cx1 = (min(max(round(x / w * g), 0), g) for x in (x0, x1))
        cy0, cy1 = (min(max(round(y / h * g), 0), g) for y in (y0, y1))
        self.grid[cy0:cy1, cx0:cx1] = True

    def _rule(self, obj, box: Box, matrix) -> None:
        """Thin boxes are rules; of others that are stroked, or more than one box, the sides."""
        if len(self.rules) >= self.MAX_RULES:
            return
        x0, y0, x1, y1 = box
        if x1 - x0 <= THIN or y1 - y0 <= THIN:
            self.rules.append(box)
            return
        count = raw.FPDFPath_CountSegments(obj)
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(obj, ctypes.byref(fill), ctypes.byref(stroke))
        if count > self.MAX_SEGMENTS or (count <= 5 and not stroke.value):
            return
        m = _times(_matrix(obj), matrix)
        x, y = ctypes.c_float(), ctypes.c_float()
        here = begin = None
        for i in range(count):
            segment = raw.FPDFPath_GetPathSegment(obj, i)
            if not raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y)):
                return
            there = m[0] * x.value + m[2] * y.value + m[4], m[1] * x.value + m[3] * y.value + m[5]
            kind = raw.FPDFPathSegment_GetType(segment)
            if kind == raw.FPDF_SEGMENT_BEZIERTO:
                return  # a drawing
            if kind == raw.FPDF_SEGMENT_MOVETO:
                begin = there
            elif kind == raw.FPDF_SEGMENT_LINETO and here:
                self._side(here, there)
            if begin and raw.FPDFPathSegment_GetClose(segment):
                self._side(there, begin)
            here = there

    def _side(self, a: tuple[float, float], b: tuple[float, float]) -> None:
        left, right, low, high = min(a[0], b[0]), max(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1])
        if min(right - left, high - low) < 1 and max(right - left, high - low) > THIN:
            box = self.frame.box(left, low, right, high)
            if all(map(math.isfinite, box)):
                self.rules.append(box)

    def behind(self, x: float, y: float) -> bool:
        """Is anything painted under this point (so that white text there can be seen)?"""
        if len(self.painted) >= self.MAX_BOXES:
            return True
        return any(a <= x <= c and b <= y <= d for a, b, c, d in self.painted)


def _matrix(obj) -> tuple[float, ...]:
    m = raw.FS_MATRIX()
    raw.FPDFPageObj_GetMatrix(obj, ctypes.byref(m))
    return m.a, m.b, m.c, m.d, m.e, m.f


def _times(m: tuple[float, ...], n: tuple[float, ...] | None) -> tuple[float, ...]:
    if n is None:
        return m
    a, b, c, d, e, f = m
    p, q, r, s, t, u = n
    return (
        a * p + b * r,
        a * q + b * s,
        c * p + d * r,
        c * q + d * s,
        e * p + f * r + t,
        e * q + f * s + u,
    )


def _moved(box: list[float], m: tuple[float, ...] | None) -> list[float]:
    if m is None:
        return box
    left, bottom, right, top = box
    xs = [m[0] * x + m[2] * y + m[4] for x in (left, right) for y in (bottom, top)]
    ys = [m[1] * x + m[3] * y + m[5] for x in (left, right) for y in (bottom, top)]
    return [min(xs), min(ys), max(xs), max(ys)]
