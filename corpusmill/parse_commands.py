"""extract, ocr: the parsers on their own, without Ray."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from catalogs import storage
from catalogs.errors import UserError, nearest
from corpusmill.terminal import errors

Files = Annotated[list[str], typer.Argument(help="Files, folders or globs.", metavar="FILES")]
Jsonl = Annotated[
    str | None, typer.Option(help="Write one JSON line a page to this file ('-': stdout).")
]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Parse")(extract)
    app.command(rich_help_panel="Parse")(ocr)


def extract(
    files: Files,
    engine: Annotated[str, typer.Option(help="Extraction engine.")] = "balanced",
    jsonl: Jsonl = None,
    seconds: Annotated[float, typer.Option(help="CPU seconds for one page.")] = 20.0,
) -> None:
    """Print the main text of HTML files or of every page of WARC files.

    A page without text is told with its reason on standard error.

    Example: corpusmill extract page.html --engine trafilatura
    """
    from pipeline.extract import ENGINES
    from pipeline.ingest import Parser
    from pipeline.recipe import Limits

    if engine not in ENGINES:
        raise UserError(f"--engine {engine}: no such engine{nearest(engine, ENGINES)}")
    arguments = {
        "limits": Limits(seconds=seconds).model_dump(),
        "extract": {"engine": engine, "options": {}},
        "plugins": [],
        "ocr": {},
    }
    with Parser(arguments, attempt=1) as parser, _Sink(jsonl) as sink:
        for path in _expand(files):
            for record in _records(path):
                line = {"uri": record.uri, "file": path}
                if record.error or record.reject:
                    line["reason"] = record.error or record.reject
                    line["detail"] = record.detail
                elif record.media_type == "application/pdf":
                    line["reason"] = "pdf"
                elif record.text is not None:
                    line["text"] = record.text
                else:
                    line.update(_flat(parser.parse(record)))
                sink.write(line)


def ocr(
    files: Files,
    engine: Annotated[str, typer.Option(help="OCR engine, or 'none'.")] = "rapidocr",
    jsonl: Jsonl = None,
    seconds: Annotated[float, typer.Option(help="CPU seconds for one PDF.")] = 600.0,
) -> None:
    """Print PDFs as Markdown: the text layer where it is good, OCR where it is not.

    Example: corpusmill ocr paper.pdf > paper.md
    """
    from ocr import engine_names
    from pipeline.ingest import Parser
    from pipeline.recipe import Limits
    from pipeline.recipe import Ocr as OcrSettings
    from pipeline.records import Record

    if engine not in (*engine_names(), "none"):
        raise UserError(
            f"--engine {engine}: no such engine{nearest(engine, [*engine_names(), 'none'])}"
        )
    arguments = {
        "limits": Limits(pdf_seconds=seconds).model_dump(),
        "extract": {},
        "plugins": [],
        "ocr": OcrSettings(engine=engine, max_failed_pages=1.0).model_dump(),
    }
    failed = 0
    with Parser(arguments, attempt=1) as parser, _Sink(jsonl) as sink:
        for path in _expand(files):
            began = time.monotonic()
            with storage.open_input(path) as file:
                payload = file.read()
            parsed = parser.parse(
                Record(payload=payload, uri=path, media_type="application/pdf", container=path)
            )
            failed += bool(parsed.get("error"))
            status = parsed.pop("error", None) or "ok"
            line = {"file": path, "status": status, **parsed}
            line["seconds"] = round(time.monotonic() - began, 2)
            if status != "ok":
                line["reason"] = status
            sink.write(line)
    if failed and not jsonl:
        raise typer.Exit(1)


class _Sink:
    """Text to standard output, or JSON lines to a file."""

    def __init__(self, jsonl: str | None):
        self.path = jsonl

    def __enter__(self) -> _Sink:
        if self.path in (None, "-"):
            self.file = sys.stdout
        else:
            folder = os.path.dirname(os.path.abspath(self.path))
            if not os.path.isdir(folder):
                raise UserError(f"--jsonl {self.path}: there is no folder {folder}")
            self.file = open(self.path, "w", encoding="utf-8")
        return self

    def __exit__(self, *exc: object) -> None:
        if self.file is not sys.stdout:
            self.file.close()

    def write(self, line: dict[str, Any]) -> None:
        if self.path is not None:
            self.file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        elif line.get("text"):
            self.file.write(line["text"].rstrip() + "\n")
        if not line.get("text"):
            where = line.get("uri") or line["file"]
            why = line.get("reason", "no_text")
            detail = f" ({line['detail']})" if line.get("detail") else ""
            errors.print(f"{where}: {why}{detail}", soft_wrap=True, markup=False)


def _flat(parsed: dict[str, Any]) -> dict[str, Any]:
    if "error" in parsed:
        return {"reason": parsed["error"], "detail": parsed.get("detail", "")}
    if not parsed["text"].strip():
        parsed["reason"] = "no_text"
    return parsed


def _expand(files: list[str]) -> list[str]:
    found = []
    for pattern in files:
        paths = storage.expand(pattern)
        if not paths:
            raise UserError(f"{pattern}: no such file")
        found += paths
    return found


def _records(path: str) -> Iterator[Any]:
    from pipeline.readers import READERS

    name = os.path.basename(path).lower()
    reader = "warc" if ".warc" in name or ".arc" in name else "wet" if ".wet" in name else "html"
    return READERS[reader](path, path, open_file=storage.open_input, options={})
