"""Is there ink on a page image?  Connected components of ink the size of letters decide.

A test by the spread of grey levels loses pages with a single line of text, and one by the amount
of ink takes speckle and shade for text.
"""

from __future__ import annotations

import cv2
import numpy as np

_WINDOW = 31  # pixels, odd: neighbourhood a pixel must stand out from
_CONTRAST = 18  # grey levels by which it must
_MIN_HEIGHT = 6  # pixels: components smaller are speckle
_MIN_LETTERS = 3  # components of letter size from which a page is not blank


def is_blank(pixels: np.ndarray) -> bool:
    """pixels: uint8 grey (height, width), rendered for OCR (dark on light or light on dark)."""
    height, width = pixels.shape
    smooth = cv2.medianBlur(pixels, 3)
    for image in (smooth, 255 - smooth):
        ink = cv2.adaptiveThreshold(
            image, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, _WINDOW, _CONTRAST
        )
        _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
        wide, high, area = stats[1:, 2], stats[1:, 3], stats[1:, 4]
        letters = (
            (high >= _MIN_HEIGHT)
            & (high < height / 4)
            & (wide >= 2)
            & (wide < width / 2)
            & (area >= 10)
        )
        if int(letters.sum()) >= _MIN_LETTERS:
            return False
    return True
