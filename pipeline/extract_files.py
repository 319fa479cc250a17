"""The pages of many files as lines of text and facts, without Ray.

The files are read here, one after the other; each worker is a thread that owns a sandboxed child
process, where nearly all of the work is done. Lines come in the order of the pages whatever the
number of workers, and a bounded number of pages waits in memory.
"""

from __future__ import annotations

import posixpath
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from catalogs import storage
from catalogs.errors import UserError
from catalogs.faults import RemoteError
from pipeline.compliance import LICENSE, completed, said_by_headers
from pipeline.ingest import Parser
from pipeline.parse import PDF_TYPE
from pipeline.readers import READERS
from pipeline.readers.compression import CODECS
from pipeline.records import Record

FIELDS = (
    *("uri", "file", "offset", "http_status", "fetched_at", "media_type"),
    *("text", "engine", "title", "author", "date", "site_name", "canonical_url", "html_lang"),
    *("charset", "charset_from", *LICENSE, "opt_out", "opt_out_evidence"),
    *("reason", "detail"),
)
"""Keys of a line, always all of them: `reason` and `detail` where there is no text."""
NO_PAGE = ("not_response", "not_conversion")
AHEAD = 16  # pages a worker that wait for an earlier one
AHEAD_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class Step:
    """One record further: its line, or None for a record that is no page, and its bytes."""

    line: dict[str, Any] | None
    bytes: int


def extract_files(
    paths: Iterable[str], arguments: dict[str, Any], workers: int = 1
) -> Iterator[Step]:
    """Extract the pages of HTML, WARC and WET files, plain or compressed.

    Parameters
    ----------
    paths
        Local paths or URLs of object stores.
    arguments
        ``limits``, ``extract``, ``plugins`` and ``ocr`` of an ingest job.
    workers
        Child processes that parse at once.

    Yields
    ------
    Step
        A file that cannot be read gives a line with the reason ``unreadable``.
    """
    parsers = _Parsers(arguments)
    waiting: deque[tuple[Future | dict | None, int, int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(workers, "extract")
    try:
        for path, record in records(paths):
            line, length = _facts(record, path), record.length or 0
            size = len(record.payload or b"")
            if record.reject in NO_PAGE:
                waiting.append((None, length, 0))
            elif line["reason"] or record.text is not None:
                waiting.append((line, length, 0))
            else:
                waiting.append((pool.submit(_parse, parsers, record, line), length, size))
                held += size
            while len(waiting) > AHEAD * workers or held > AHEAD_BYTES:
                held -= waiting[0][2]
                yield _step(*waiting.popleft())
        while waiting:
            yield _step(*waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        parsers.close()


def reader_of(path: str) -> str:
    """The reader for a file, by its name without the suffixes of compression."""
    stem = posixpath.basename(path).lower()
    suffixes = tuple(suffix for codec in CODECS for suffix in codec.suffixes)
    while stem.endswith(suffixes):
        stem = stem.rpartition(".")[0]
    by_suffix = {".warc": "warc", ".wat": "warc", ".wet": "wet", ".arc": "arc"}
    by_suffix |= {".pdf": "pdf", ".txt": "text"}
    name = by_suffix.get(posixpath.splitext(stem)[1], "html")
    return name if name in READERS else "warc"


class _Parsers:
    """A parser for each thread that asks for one."""

    def __init__(self, arguments: dict[str, Any]):
        self.arguments = arguments
        self._own = threading.local()
        self._all: list[Parser] = []

    def get(self) -> Parser:
        if not hasattr(self._own, "parser"):
            self._own.parser = Parser(self.arguments, attempt=1)
            self._all.append(self._own.parser)
        return self._own.parser

    def close(self) -> None:
        for parser in self._all:
            parser.close()


def records(paths: Iterable[str], reader: str | None = None) -> Iterator[tuple[str, Record]]:
    """Path and record of all files in turn; a file that cannot be read is one `unreadable` record.

    `reader` is the name of a reader, by default as the names of the files tell.
    """
    for path in paths:
        read = READERS[reader or reader_of(path)]
        try:
            for record in read(path, path, open_file=storage.open_input, options={}):
                yield path, record
        except UserError:
            raise
        except (OSError, RemoteError) as error:
            why = getattr(error, "strerror", None) or str(error).splitlines()[0]
            why = why.removeprefix(f"{path}: ")
            yield path, Record(container=path, uri=path, error="unreadable", detail=why)


def _facts(record: Record, path: str) -> dict[str, Any]:
    """The line of a record as far as the reader knows it."""
    line = dict.fromkeys(FIELDS)
    line |= {
        "uri": record.uri or path,
        "file": path,
        "offset": record.offset,
        "http_status": record.metadata.get("http_status"),
        "fetched_at": record.fetched_at.isoformat() if record.fetched_at else None,
        "media_type": record.media_type or None,
        "text": record.text,
        "charset": record.charset,
        "charset_from": record.charset_from,
        "reason": record.error or record.reject,
        "detail": record.detail or None,
    }
    if line["reason"] is None and record.media_type == PDF_TYPE:
        line |= {"reason": "pdf", "detail": "PDF files are read by: corpusmill ocr"}
    elif line["reason"] is None and record.text is not None:
        line |= said_by_headers(record.headers)
        completed(line)
    return line


def _parse(parsers: _Parsers, record: Record, line: dict[str, Any]) -> dict[str, Any]:
    parsed = parsers.get().parse(record)
    line.update((name, parsed[name]) for name in FIELDS if parsed.get(name) is not None)
    if "error" in parsed:
        line["reason"] = parsed["error"]
    elif not parsed["text"].strip():
        line |= {"text": None, "reason": "no_text"}
    return line


def _step(work: Future | dict | None, length: int, size: int) -> Step:
    return Step(work.result() if isinstance(work, Future) else work, length)
