"""extract: the HTML parser on its own, without Ray."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter
from typing import Annotated, Any

import typer

from catalogs import storage
from catalogs.errors import UserError, nearest
from corpusmill.terminal import errors, progress

Files = Annotated[list[str], typer.Argument(help="Files, folders or globs.", metavar="FILES")]
Jsonl = Annotated[
    str | None, typer.Option(help="Write one JSON line a page to this file ('-': stdout).")
]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Parse")(extract)


def extract(
    files: Files,
    engine: Annotated[str, typer.Option(help="Extraction engine.")] = "adaptive",
    structure: Annotated[str, typer.Option(help="plain or markdown.")] = "plain",
    jsonl: Jsonl = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Parsers at once; default all CPUs.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="CPU seconds for one page.")] = 20.0,
) -> None:
    """Extract the main text of HTML files and of every page of WARC and WET files.

    Without --jsonl the texts are printed, and pages without text are told on standard error. With
    it, each page is a line: text, charset, title, author, date, licence marks, opt-outs and where
    it stands, or the reason why there is no text. Files may be remote (s3://, https://).

    Example: corpusmill extract crawl/*.warc.gz --jsonl pages.jsonl --workers 2
    """
    from pipeline.extract import ENGINES, check_options
    from pipeline.extract_files import extract_files
    from pipeline.ingest_config import Limits
    from pipeline.progress import Progress

    if engine not in ENGINES:
        raise UserError(f"--engine {engine}: no such engine{nearest(engine, ENGINES)}")
    check_options(engine, {"structure": structure})
    arguments = {
        "limits": Limits(seconds=seconds).model_dump(),
        "extract": {"engine": engine, "options": {}, "structure": structure},
        "plugins": [],
        "ocr": {},
    }
    paths = expand(files)
    counts: Counter[str] = Counter()
    steps = extract_files(paths, arguments, workers or len(os.sched_getaffinity(0)))
    with (
        Sink(jsonl) as sink,
        Progress(progress).pages("extract", _bytes(paths)) as advance,
        contextlib.closing(steps),
    ):
        try:
            for step in steps:
                if step.line is None:
                    counts["no page"] += 1
                else:
                    counts[step.line["reason"] or "text"] += 1
                    sink.write(step.line)
                advance(step.bytes)
        except KeyboardInterrupt:
            steps.close()
            errors.print(f"[red]interrupted:[/red] {sink.partial(counts.total())}", soft_wrap=True)
            raise typer.Exit(130) from None
        sink.commit()
    if jsonl:
        errors.print(_summary(counts, len(paths)), soft_wrap=True, markup=False)
    if counts["unreadable"]:
        raise typer.Exit(1)


class Sink:
    """Text to standard output, or JSON lines to a file that appears when it is complete."""

    def __init__(self, jsonl: str | None):
        self.path = jsonl
        self.work = None  # where the lines stand until they are complete

    def __enter__(self) -> Sink:
        if self.path in (None, "-"):
            self.file = sys.stdout
            return self
        folder = os.path.dirname(os.path.abspath(self.path))
        if storage.is_remote(self.path) or not os.path.isdir(folder):
            raise UserError(f"--jsonl {self.path}: there is no folder {folder}")
        special = os.path.exists(self.path) and not os.path.isfile(self.path)  # a pipe, a device
        try:
            self.work = None if special else f"{self.path}.part"
            self.file = open(self.work or self.path, "w", encoding="utf-8")
        except OSError as error:
            raise UserError(f"--jsonl {self.path}: cannot be written ({error.strerror})") from None
        return self

    def __exit__(self, *exc: object) -> None:
        if self.file is not sys.stdout:
            self.file.close()

    def commit(self) -> None:
        """Say that all lines are written."""
        self.file.flush()
        if self.work:
            os.replace(self.work, self.path)

    def partial(self, records: int) -> str:
        """What to tell when the work was interrupted."""
        self.file.flush()
        where = f"; {self.work} holds what is done" if self.work else ""
        return f"records done: {records:,}{where}; run the command again to begin anew"

    def write(self, line: dict[str, Any]) -> None:
        if self.path is not None:
            self.file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
            return
        if line.get("text"):
            self.file.write(line["text"].rstrip() + "\n")
        else:
            where = line.get("uri") or line["file"]
            why = line.get("reason", "no_text")
            detail = f" ({line['detail']})" if line.get("detail") else ""
            errors.print(f"{where}: {why}{detail}", soft_wrap=True, markup=False)


def expand(files: list[str]) -> list[str]:
    found = []
    for pattern in files:
        paths = storage.expand(pattern)
        if not paths:
            raise UserError(f"{pattern}: no such file")
        found += paths
    return found


def _bytes(paths: list[str]) -> int:
    return sum(0 if storage.is_remote(path) else os.path.getsize(path) for path in paths)


def _summary(counts: Counter[str], files: int) -> str:
    texts, others = counts.pop("text", 0), counts.pop("no page", 0)
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
    without = f", {counts.total():,} without ({reasons})" if reasons else ""
    rest = f"; records that are no pages: {others:,}" if others else ""
    plural = "file" if files == 1 else "files"
    return f"{files:,} {plural}: {texts:,} pages with text{without}{rest}"
