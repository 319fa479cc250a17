"""Tesseract (Apache-2.0), the program `tesseract` on PATH, asked for a TSV of words with boxes.

For the scripts the default engine lacks: Arabic, Cyrillic, Greek, Hebrew, Korean, Thai, Indic; the
trained data of each is a package of its own (Debian: tesseract-ocr-ara, …).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache

import cv2
import numpy as np

from ocr.characters import clean
from ocr.engines import PageImage, Reading
from ocr.layout import Line

_MIN_SCORE = 0.3  # a word below is noise
_MIN_PAGE_SCORE = 0.5  # mean score below which another way up is tried
_WIDE_GAP = 1.5  # of the line height: wider gaps part table cells

# ISO 639-1 -> Tesseract's names (ISO 639-2/T, and its own for Chinese)
_LANGUAGES = {
    "ar": "ara", "be": "bel", "bg": "bul", "bn": "ben", "ca": "cat", "cs": "ces", "da": "dan",
    "de": "deu", "el": "ell", "en": "eng", "es": "spa", "et": "est", "fa": "fas", "fi": "fin",
    "fr": "fra", "he": "heb", "hi": "hin", "hr": "hrv", "hu": "hun", "id": "ind", "it": "ita",
    "ja": "jpn", "ko": "kor", "la": "lat", "lt": "lit", "lv": "lav", "nl": "nld", "no": "nor",
    "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sk": "slk", "sl": "slv", "sr": "srp",
    "sv": "swe", "ta": "tam", "te": "tel", "th": "tha", "tr": "tur", "uk": "ukr", "ur": "urd",
    "vi": "vie", "zh": "chi_sim",
}  # fmt: skip


class TesseractEngine:
    """Options: languages (Tesseract's names, joined by +; default: those of the page's hints that
    are installed, else eng), seconds (of one page)."""

    name = "tesseract"

    def __init__(self, *, languages: str = "", seconds: float = 120.0) -> None:
        self.check(languages=languages)
        self.languages, self.seconds = languages, seconds
        first = _run(["--version"], seconds=30).stdout.decode().split("\n")[0]
        self.version = first.removeprefix("tesseract ").strip()

    @staticmethod
    def check(*, languages: str = "", seconds: float = 120.0) -> None:
        """Raise ValueError unless the program and the trained data are there."""
        if shutil.which("tesseract") is None:
            raise ValueError(
                "engine 'tesseract': no program of that name on PATH; install it (Debian: apt-get"
                " install tesseract-ocr) or use engine 'rapidocr', which needs no program"
            )
        for language in filter(None, languages.split("+")):
            if language not in _installed(os.environ.get("PATH", "")):
                raise ValueError(
                    f"engine 'tesseract': no trained data for {language!r}; installed:"
                    f" {', '.join(_installed(os.environ.get('PATH', '')))}"
                )

    def read(self, pages: Iterable[PageImage]) -> Iterator[Reading]:
        for page in pages:
            try:
                yield self._read(page)
            except MemoryError:
                raise
            except subprocess.TimeoutExpired:
                yield Reading(error=f"tesseract took more than {self.seconds:g} s")
            except (OSError, ValueError, subprocess.CalledProcessError) as exc:
                yield Reading(error=f"tesseract failed: {exc}"[:300])

    def _read(self, page: PageImage) -> Reading:
        """Upright first; the other ways up only where that reads badly."""
        best: Reading | None = None
        for turn in (0, 90, 270, 180):
            pixels = np.ascontiguousarray(np.rot90(page.pixels, turn // 90))
            height, width = pixels.shape
            lines = self._lines(pixels, page)
            score = sum((line.score or 0.0) * len(line.text) for line in lines)
            confidence = score / max(1, sum(len(line.text) for line in lines)) if lines else None
            reading = Reading(lines, None, width, height, turn, confidence)
            if best is None or (confidence or 0.0) > (best.confidence or 0.0):
                best = reading
            if confidence is not None and confidence >= _MIN_PAGE_SCORE:
                break
        return best

    def _lines(self, pixels: np.ndarray, page: PageImage) -> list[Line]:
        _, image = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        arguments = ["-", "-", "-l", self._language(page), "--psm", "3"]
        arguments += ["--dpi", str(max(70, round(page.scale * 72))), "tsv"]
        return _lines_of(_run(arguments, image.tobytes(), self.seconds).stdout.decode())

    def _language(self, page: PageImage) -> str:
        if self.languages:
            return self.languages
        installed = _installed(os.environ.get("PATH", ""))
        wanted = [_LANGUAGES.get(code, code) for code in page.languages]
        usable = [name for name in wanted if name in installed]
        return "+".join(usable) or ("eng" if "eng" in installed else installed[0])


@cache
def _installed(path: str) -> tuple[str, ...]:
    """Trained data that the program found on this PATH has."""
    lines = _run(["--list-langs"], seconds=30).stdout.decode().split("\n")[1:]
    found = tuple(sorted(line.strip() for line in lines if line.strip() and line.strip() != "osd"))
    if not found:
        raise ValueError("engine 'tesseract': it has no trained data (tesseract-ocr-eng)")
    return found


def _run(arguments: list[str], data: bytes = b"", seconds: float = 120.0):
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}
    return subprocess.run(
        ["tesseract", *arguments],
        input=data,
        capture_output=True,
        check=True,
        timeout=seconds,
        env=environment,
    )


def _lines_of(table: str) -> list[Line]:
    """Tesseract's TSV (one row a word: level, page, block, paragraph, line, word, left, top, width,
    height, confidence 0 to 100, text) -> lines, parted where the words stand wide apart."""
    if not table.startswith("level\t"):
        raise ValueError("its output is no TSV")
    words: dict[tuple[str, ...], list[tuple[int, int, int, int, float, str]]] = {}
    for row in table.split("\n")[1:]:
        fields = row.split("\t")
        if len(fields) != 12 or fields[0] != "5":
            continue
        x, y, wide, high = map(int, fields[6:10])
        score, text = float(fields[10]) / 100, clean(fields[11]).strip()
        if text and score >= _MIN_SCORE:
            words.setdefault(tuple(fields[1:5]), []).append((x, y, x + wide, y + high, score, text))
    lines = []
    for line in words.values():
        high = float(np.median([y1 - y0 for _, y0, _, y1, _, _ in line]))
        part = [line[0]]
        for word in line[1:]:
            if max(word[0] - part[-1][2], part[-1][0] - word[2]) > _WIDE_GAP * high:
                lines.append(_line(part, high))
                part = []
            part.append(word)
        lines.append(_line(part, high))
    return lines


def _line(words: list[tuple[int, int, int, int, float, str]], high: float) -> Line:
    x0, y0, x1, y1, scores, texts = zip(*words, strict=True)
    weights = [len(text) for text in texts]
    score = float(np.average(scores, weights=weights))
    return Line(" ".join(texts), min(x0), min(y0), max(x1), max(y1), high, score=score)
