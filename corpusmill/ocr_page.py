"""One self-contained HTML page: each page of a PDF as a picture beside its text and route."""

from __future__ import annotations

import base64
import os
from itertools import pairwise
from typing import Any

import jinja2

from catalogs.errors import UserError
from pipeline.sandbox import Limits, Sandbox

MAX_PAGES = 200  # shown of one PDF
_SIDE = 1100  # pixels of a picture


class OcrPage:
    """Sections appended to a file that appears when it is complete."""

    def __init__(self, path: str):
        self.path, self.part = path, f"{path}.part"

    def __enter__(self) -> OcrPage:
        if os.path.isdir(self.path):
            raise UserError(f"--html {self.path}: is a folder, name a file")
        loader = jinja2.PackageLoader("corpusmill")
        environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
        self.template = environment.get_template("ocr.html").module
        self.painter = Sandbox("pipeline.preview:preview", Limits(120.0, 4096, 200))
        try:
            self.file = open(self.part, "w", encoding="utf-8")
        except OSError as error:
            raise UserError(f"--html {self.path}: cannot be written ({error.strerror})") from None
        self.file.write(str(self.template.head()))
        return self

    def __exit__(self, *exc: object) -> None:
        self.painter.__exit__(*exc)
        self.file.close()

    def add(self, line: dict[str, Any], payload: bytes | None) -> None:
        """A PDF as parsed (columns of `pipeline.parse.parse_pdf`, ``file``, ``status``)."""
        pages = list(line.get("pages") or ())
        text = line.get("text") or ""
        starts = [page["start"] for page in pages] + [len(text)]
        texts = [text[a:b].strip() for a, b in pairwise(starts)]
        numbers = [page["number"] for page in pages[:MAX_PAGES]]
        pictures: dict[int, bytes] = {}
        if payload and numbers:
            item = {"payload": payload, "pages": numbers, "side": _SIDE}
            pictures = self.painter.call(item).value or {}
        shown = [
            {
                **page,
                "text": own,
                "image": base64.b64encode(pictures.get(page["number"], b"")).decode(),
            }
            for page, own in zip(pages[:MAX_PAGES], texts, strict=False)
        ]
        self.file.write(str(self.template.document(line, shown, len(shown))))

    def commit(self) -> None:
        """Say that all sections are written."""
        self.file.write("</body>\n</html>\n")
        self.file.close()
        os.replace(self.part, self.path)
