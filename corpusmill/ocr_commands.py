"""ocr: PDFs to Markdown on their own, without Ray."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated, Any

import typer
import yaml
from rich.progress import Progress

from catalogs import storage
from catalogs.errors import UserError, nearest
from catalogs.faults import RemoteError
from corpusmill.parse_commands import Files, Sink, expand
from corpusmill.terminal import errors


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Parse")(ocr)


def ocr(
    files: Files,
    engine: Annotated[str, typer.Option(help="OCR engine, or 'none'.")] = "rapidocr",
    option: Annotated[
        list[str] | None,
        typer.Option(help="Option of the engine, may be given many times.", metavar="NAME=VALUE"),
    ] = None,
    fallback: Annotated[
        str, typer.Option(help="Engine for pages that the first fails on, or 'none'.")
    ] = "rapidocr",
    jsonl: Annotated[
        str | None, typer.Option(help="Write one JSON line a PDF to this file ('-': stdout).")
    ] = None,
    html: Annotated[
        str | None, typer.Option(help="Write a page that shows each page beside its text.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="CPU seconds for one PDF.")] = 600.0,
) -> None:
    """Print PDFs as Markdown: the text layer where it is good, OCR where it is not.

    One PDF is printed as Markdown; many, or those of a tar or zip archive, as one JSON line each:
    file, status, text, seconds, the pages with route and confidence, licence and opt-outs.

    Example: corpusmill ocr paper.pdf > paper.md
    """
    from ocr import engine_names
    from pipeline.ingest import Parser
    from pipeline.ingest_config import Limits
    from pipeline.ingest_config import Ocr as OcrSettings

    names = [*engine_names(), "none"]
    for flag, name in (("--engine", engine), ("--fallback", fallback)):
        if name not in names:
            raise UserError(f"{flag} {name}: no such engine{nearest(name, names)}")
    paths = expand(files)
    try:
        wanted = OcrSettings(
            engine=engine, options=_options(option or []), fallback=fallback, max_failed_pages=1.0
        )
    except ValueError as error:
        raise UserError(f"--engine {engine}: {_first_line(error)}") from None
    arguments = {
        "limits": Limits(pdf_seconds=seconds).model_dump(),
        "extract": {},
        "plugins": [],
        "ocr": wanted.model_dump(),
    }
    many = len(paths) > 1 or _is_archive(paths[0])
    failed = unreadable = done = 0
    with ExitStack() as stack:
        page = None
        if html is not None:
            from corpusmill.ocr_page import OcrPage

            page = stack.enter_context(OcrPage(html))
        parser = stack.enter_context(Parser(arguments, attempt=1))
        sink = None
        if page is None or jsonl:
            sink = stack.enter_context(Sink("-" if many and not jsonl else jsonl))
        quiet = len(paths) < 2 or not errors.is_terminal
        bar = stack.enter_context(Progress(console=errors, transient=True, disable=quiet))
        task = bar.add_task("ocr", total=len(paths))
        for path in paths:
            for line, payload in _lines(path, parser):
                failed += bool(line.get("reason"))
                unreadable += line.get("reason") == "unreadable"
                done += 1
                if page:
                    page.add(line, payload)
                if sink:
                    sink.write(line)
            bar.advance(task)
        for output in (page, sink):
            if output:
                output.commit()
    if failed and html and not jsonl:
        errors.print(f"{failed} of {done} PDFs could not be read: {html} says why")
    if unreadable or (failed and not jsonl):
        raise typer.Exit(1)


def _lines(path: str, parser: Any) -> Iterator[tuple[dict[str, Any], bytes | None]]:
    from pipeline.compliance import COMPLIANCE, completed
    from pipeline.extract_files import records
    from pipeline.http_body import PDF_TYPE

    for _, record in records([path], "pdf"):
        began = time.monotonic()
        line: dict[str, Any] = {"file": record.uri or path}
        if record.error or record.reject:
            parsed = {"error": record.error or record.reject, "detail": record.detail}
        else:
            parsed = parser.parse(record)
        error = parsed.pop("error", None)
        line["status"] = error or parsed.pop("pdf_status", "ok")
        line["detail"] = parsed.pop("pdf_detail", "") or parsed.pop("detail", "")
        row = {**parsed, "media_type": PDF_TYPE}
        completed(row)  # with a compliance record, also where there is no text
        line |= parsed | {name: row[name] for name in COMPLIANCE}
        line["seconds"] = round(time.monotonic() - began, 2)
        if error:
            line["reason"] = error
        yield line, record.payload


def _is_archive(path: str) -> bool:
    from pipeline.readers.archives import archive_kind
    from pipeline.readers.input_file import InputFile

    try:
        with storage.open_input(path) as file:
            return archive_kind(InputFile(file), path) is not None
    except (OSError, RemoteError):  # told when it is read
        return False


def _options(pairs: list[str]) -> dict[str, Any]:
    found = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UserError(f"--option {pair}: expected NAME=VALUE")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[name] = value
    return found


def _first_line(error: ValueError) -> str:
    """The message of a validation error without pydantic's frame."""
    errors = getattr(error, "errors", None)
    message = errors()[0]["msg"] if errors else str(error)
    return message.removeprefix("Value error, ")
