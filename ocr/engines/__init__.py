"""OCR engines behind one function.  A new engine is one file and one entry here.

An engine reads an iterable of page images and yields one Reading per image, in order.  It is
handed a generator that renders as it is pulled, so a local engine holds one page at a time and a
remote one can keep as many in flight as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol

import numpy as np

from ocr.layout import Line


@dataclass(frozen=True, slots=True)
class PageImage:
    """pixels: uint8 grey, (height, width); scale: pixels per point; languages: ISO 639-1 hints."""

    number: int
    pixels: np.ndarray
    scale: float
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What an engine saw: `lines` with boxes in pixels of the upright image (layout is then done
    here), or `markdown` where the engine does its own layout.

    width, height: pixels of the upright image; turn: degrees counter-clockwise the image was
    turned to stand upright; confidence: 0 to 1 or None; error: non-empty when the page failed.
    """

    lines: list[Line] = field(default_factory=list)
    markdown: str | None = None
    width: int = 0
    height: int = 0
    turn: int = 0
    confidence: float | None = None
    error: str = ""


class OcrEngine(Protocol):
    """name and version are recorded with every page it read."""

    name: str
    version: str

    def read(self, pages: Iterable[PageImage]) -> Iterator[Reading]: ...


# name -> maker, or "module:attribute" of one, imported when first asked for
_MAKERS: dict[str, Callable[[], OcrEngine] | str] = {"rapidocr": "ocr.engines.rapid:RapidEngine"}
_LOADED: dict[str, OcrEngine] = {}


def register_engine(name: str, make: Callable[[], OcrEngine] | str) -> None:
    """Name an engine; `make` is called once per process, when its first page comes."""
    _MAKERS[name] = make
    _LOADED.pop(name, None)


def engine_names() -> list[str]:
    return sorted(_MAKERS)


def require_engine(name: str) -> None:
    """Raise ValueError unless the engine is registered (without loading it)."""
    if name not in _MAKERS:
        known = ", ".join(["none", *engine_names()])
        raise ValueError(f"unknown OCR engine {name!r}: use one of {known}")


def get_engine(name: str) -> OcrEngine:
    """The engine of this process, loaded at its first use.  Raises ValueError: unknown name."""
    require_engine(name)
    if name not in _LOADED:
        make = _MAKERS[name]
        if isinstance(make, str):
            module, _, attribute = make.partition(":")
            make = getattr(import_module(module), attribute)
        _LOADED[name] = make()
    return _LOADED[name]
