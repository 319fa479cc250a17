"""OCR engines behind one function.  A new engine is one file and one entry here.

An engine reads an iterable of page images and yields one Reading per image, in order.  It is
handed a generator that renders as it is pulled, so a local engine holds one page at a time and a
remote one can keep as many in flight as it likes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from typing import Any, Protocol

import numpy as np

from ocr.layout import Line


@dataclass(frozen=True, slots=True)
class PageImage:
    """pixels: uint8 grey, (height, width); scale: pixels per point; languages: ISO 639-1 hints."""

    number: int
    pixels: np.ndarray
    scale: float
    languages: tuple[str, ...] = ()


@dataclass(slots=True)
class Usage:
    """What a page cost a remote engine, all tries together; cost in the currency of its prices."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    tries: int = 0


@dataclass(slots=True)
class Reading:
    """What an engine saw: `lines` with boxes in pixels of the upright image (layout is then done
    here), or `markdown` where the engine does its own layout.

    width, height: pixels of the upright image; turn: degrees counter-clockwise the image was
    turned to stand upright; confidence: 0 to 1 or None; error: non-empty when the page failed.
    usage: of a remote engine; seconds: where pages are read side by side and the time between two
    readings says nothing.
    """

    lines: list[Line] = field(default_factory=list)
    markdown: str | None = None
    width: int = 0
    height: int = 0
    turn: int = 0
    confidence: float | None = None
    error: str = ""
    usage: Usage | None = None
    seconds: float | None = None


class OcrEngine(Protocol):
    """name and version are recorded with every page it read.

    Options are keyword arguments of the engine's maker.  A maker may have a static method `check`,
    which takes the same keywords and raises ValueError for what cannot work, without loading.
    """

    name: str
    version: str

    def read(self, pages: Iterable[PageImage]) -> Iterator[Reading]: ...


# name -> maker, or "module:attribute" of one, imported when first asked for
_MAKERS: dict[str, Callable[..., OcrEngine] | str] = {
    "rapidocr": "ocr.engines.rapid:RapidEngine",
    "tesseract": "ocr.engines.tesseract:TesseractEngine",
    "vlm": "ocr.engines.vlm:VlmEngine",
}
_LOADED: dict[tuple[str, str], OcrEngine] = {}


def register_engine(name: str, make: Callable[..., OcrEngine] | str) -> None:
    """Name an engine; `make` is called once per process, when its first page comes."""
    _MAKERS[name] = make
    for key in [key for key in _LOADED if key[0] == name]:
        del _LOADED[key]


def engine_names() -> list[str]:
    return sorted(_MAKERS)


def require_engine(name: str, options: Mapping[str, Any] | None = None) -> None:
    """Raise ValueError unless the engine is registered, knows the options and can run here
    (without loading it)."""
    if name not in _MAKERS:
        known = ", ".join(["none", *engine_names()])
        raise ValueError(f"unknown OCR engine {name!r}: use one of {known}")
    if name == "rapidocr" and not options:
        return  # importing its maker takes half a second, and it always runs
    options, make = dict(options or {}), _maker(name)
    parameters = signature(make).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for option in options:
            if option not in parameters:
                known = ", ".join(parameters) or "none"
                raise ValueError(f"engine {name!r}: unknown option {option!r}, it has: {known}")
    if check := getattr(make, "check", None):
        check(**options)


def get_engine(name: str, options: Mapping[str, Any] | None = None) -> OcrEngine:
    """The engine of this process with these options, loaded at its first use.

    Raises ValueError: unknown name or option, or an engine that cannot run here.
    """
    require_engine(name, options)
    key = name, json.dumps(options or {}, sort_keys=True, default=str)
    if key not in _LOADED:
        _LOADED[key] = _maker(name)(**(options or {}))
    return _LOADED[key]


def _maker(name: str) -> Callable[..., OcrEngine]:
    make = _MAKERS[name]
    if isinstance(make, str):
        module, _, attribute = make.partition(":")
        make = getattr(import_module(module), attribute)
    return make
