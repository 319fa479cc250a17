"""INGEST: one input file in, one shard of documents out, every record accounted for.

read → parse (sandboxed) → tag → judge. A record ends as a document, as rejected with stage and
reason, or in quarantine with an error.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalogs import storage
from catalogs.ledger import Row
from catalogs.takedown import Takedown
from pipeline.compliance import declared, merged, said_by_headers
from pipeline.documents import DOCUMENTS, QUARANTINE, REJECTED, row_id, to_table
from pipeline.jobs import Job, Work, at_work
from pipeline.journal import Journal
from pipeline.notices import notice_of, write_notices
from pipeline.parse import HTML_TYPES, PDF_TYPE
from pipeline.plugins import load_plugin
from pipeline.reading import Reading
from pipeline.records import Record
from pipeline.sandbox import Limits, Sandbox, borrow, rest
from pipeline.shards import SortedShard, compression_options
from pipeline.stopwatch import Stopwatch
from pipeline.tag import Tagger
from pipeline.takedown_rows import BLANK, blank

BATCH_BYTES = 64 << 20


def ingest(job: Job) -> Row:
    """Mill one input file and commit its shard."""
    arguments = job.arguments
    for plugin in arguments["plugins"]:
        load_plugin(plugin)
    with at_work(job) as work, Parser(arguments, job.attempt) as parser:
        reading = Reading(arguments, *job.inputs)
        mill = Mill(work, parser, arguments, reading)
        reading.access.beat = mill.journal.beat
        mill.run(reading, arguments["limits"]["batch"])
        row = mill.commit()
        parser.rest()
    storage.delete(job.journal_path)
    return row


class Parser:
    """Payload to text: sandboxes for HTML and for PDF, started when first needed."""

    def __init__(self, arguments: dict[str, Any], attempt: int):
        limits, self.arguments = arguments["limits"], arguments
        factor = 2 if attempt > 1 else 1  # a try after a crash gets more memory from the start
        self.html_limits = Limits(limits["seconds"], limits["memory_mb"] * factor)
        self.pdf_limits = Limits(limits["pdf_seconds"], limits["pdf_memory_mb"] * factor, 200)
        self.max_bytes = {PDF_TYPE: limits["max_pdf_bytes"]}
        self.default_max_bytes = limits["max_bytes"]
        self._boxes: dict[bool, Sandbox] = {}

    def __enter__(self) -> Parser:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the children; from another thread, this also ends a parse at work."""
        for box in self._boxes.values():
            box.close()

    def rest(self) -> None:
        """Leave the child for HTML to the next job of this process; that for PDF is large."""
        if False in self._boxes:
            rest(self._boxes.pop(False))

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the sandboxed children."""
        return sum(box.cpu_seconds for box in self._boxes.values())

    def parse(self, record: Record) -> dict[str, Any]:
        """Columns with ``text``; or ``error`` and ``detail``; or ``stage`` and ``reason``."""
        limit = self.max_bytes.get(record.media_type, self.default_max_bytes)
        if len(record.payload) > limit:
            detail = f"{len(record.payload):,} bytes, more than the limit of {limit:,}"
            return {"error": "oversized", "detail": detail}
        is_pdf = record.media_type == PDF_TYPE
        if is_pdf not in self._boxes:
            limits = self.pdf_limits if is_pdf else self.html_limits
            function = "parse_pdf" if is_pdf else "parse_html"
            self._boxes[is_pdf] = borrow(f"pipeline.parse:{function}", limits)
        outcome = self._boxes[is_pdf].call(self._item(record, is_pdf))
        if outcome.error:
            return {"error": outcome.error, "detail": outcome.detail}
        return outcome.value

    def _item(self, record: Record, is_pdf: bool) -> dict[str, Any]:
        item = {
            "payload": record.payload,
            "uri": record.uri,
            "charset": record.charset,
            "headers": record.headers,
            "plugins": self.arguments["plugins"],
        }
        if is_pdf:
            ocr = self.arguments["ocr"]
            seconds = self.pdf_limits.seconds * 0.9  # ends by itself and keeps the pages done
            item["ocr"] = {**ocr, "max_seconds": seconds}
        else:
            item.update(self.arguments["extract"])
        return item


class Mill:
    """Runs records through parse, tag and judge, and keeps the account."""

    def __init__(self, work: Work, parser: Parser, arguments: dict[str, Any], reading: Reading):
        self.work, self.parser, self.arguments = work, parser, arguments
        self.reading = reading
        self.source = arguments["source"]
        self.tagger = Tagger(arguments)
        self.journal = Journal.load(work.job.journal_path)
        self.read = 0
        self.rejected: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()
        self.stats: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.notices: list[dict[str, Any]] = []
        root = arguments.get("takedown")
        self.taken = Takedown.load(root) if root else Takedown()
        self.watch = Stopwatch()
        buffer = arguments["limits"]["buffer_mb"] << 20
        compression = compression_options("zstd", 3)

        def shard(kind: str, schema: pa.Schema, order: list[str]) -> SortedShard:
            path = work.path(kind, f"{kind}/{work.job.shard}.parquet")
            return SortedShard(path, schema, order, buffer, compression)

        self.documents = shard("documents", DOCUMENTS, ["id", "row_id"])
        self.rejects = shard("rejected", REJECTED, ["row_id"])
        self.quarantine = shard("quarantine", QUARANTINE, ["row_id"])

    def run(self, records: Iterable[Record], size: int) -> None:
        for first, batch in _batches(self.watch.each("read", records), size):
            self.read += len(batch)
            for start, stop in self.journal.ranges(first, first + len(batch)):
                self.journal.enter(start, stop)
                self._range(start, batch[start - first : stop - first])
            self.journal.enter(self.read, self.read)  # nobody to blame while reading on

    def commit(self) -> Row:
        with self.watch.stage("write"):
            for shard in (self.documents, self.rejects, self.quarantine):
                shard.close()
            if self.notices:
                path = f"notices/{self.work.job.shard}.parquet"
                write_notices(self.work.path("notices", path), self.notices)
        self.watch.seconds["parse"] += self.parser.cpu_seconds
        self.stats.update(self.watch.stats())
        self.stats["host_pages"] = max(self.hosts.values(), default=0)  # of the host with most
        self.stats.update(self.reading.stats(self.read))
        return self.work.commit(
            read=self.read,
            kept=self.documents.rows,
            rejected=dict(self.rejected),
            quarantined=dict(self.quarantined),
            stats=dict(sorted(self.stats.items())),
        )

    def _range(self, first: int, batch: list[Record]) -> None:
        rows, rejects, failures = [], [], []
        with self.watch.stage("tag"):
            blocked = self.tagger.blocked([record.uri for record in batch])
        for number, (record, block) in enumerate(zip(batch, blocked, strict=True), first):
            self.journal.beat()
            row = self._provenance(record, number)
            self.reading.note_digest(record)
            if notice := notice_of(record, self.source):
                self.notices.append(notice)
            if self.taken and (why := self.taken.reason(row["uri"], row["row_id"])):
                rejects.append(blank(row, why))
                continue
            if len(batch) == 1 and self.journal.poisoned(number):
                detail = f"workers died on this record {self.work.job.attempt - 1} times"
                failures.append({**row, "stage": "worker", "error": "worker_crash"})
                failures[-1]["detail"] = detail
                continue
            if block and not (record.error or record.reject):
                rejects.append({**row, "stage": "url", "reason": block, "url_block": block})
            else:
                with self.watch.stage("parse"):
                    self._parse(record, row, rows, rejects, failures)
        with self.watch.stage("tag"):
            tagged, untaggable = self._tag(rows)
            tagged, gone = self._take_down(tagged)
            rejects += gone
            kept, judged = self.tagger.judge(tagged)
        with self.watch.stage("write"):
            self._append(kept, (judged, to_table(rejects, REJECTED)), failures + untaggable)

    def _take_down(self, tagged: pa.Table) -> tuple[pa.Table, list[dict]]:
        """The table without texts that were taken down by id, and what is left of those."""
        if not self.taken.ids:
            return tagged, []
        mask = pc.is_in(tagged["id"], value_set=pa.array(sorted(self.taken.ids), pa.string()))
        gone = [blank(row, "id") for row in tagged.filter(mask).select(BLANK).to_pylist()]
        return tagged.filter(pc.invert(mask)), gone

    def _append(self, kept: pa.Table, rejects: Iterable[pa.Table], failures: list[dict]) -> None:
        if len(kept):
            self.stats["text_bytes"] += pc.sum(kept["n_bytes"]).as_py()
            self.stats["tokens"] += pc.sum(kept["n_tokens"]).as_py()
            self.hosts.update(kept["host"].drop_null().to_pylist())
            self.documents.append(kept)
        for table in rejects:
            self._reject(table)
        if failures:
            self.quarantined.update(failure["error"] for failure in failures)
            self.quarantine.append(to_table(failures, QUARANTINE))

    def _parse(self, record: Record, row: dict, rows: list, rejects: list, failures: list) -> None:
        if record.error:
            failures.append(
                {**row, "stage": "read", "error": record.error, "detail": record.detail}
            )
        elif record.reject:
            rejects.append({**row, "stage": "read", "reason": record.reject})
        else:
            parsed = self._text(record)
            self.reading.note_charset(record, parsed)
            if parsed.get("error"):
                failures.append({**row, "stage": "parse", **parsed})
            elif not parsed["text"].strip():
                verdict = {"stage": "extract", "reason": "no_text"}
                rejects.append({**merged(row, parsed), **verdict})
            else:
                self.stats["pages_ocr"] += sum(
                    page["route"] == "ocr" for page in parsed.get("pages") or ()
                )
                rows.append(merged(row, parsed))

    def _text(self, record: Record) -> dict[str, Any]:
        if record.text is not None:
            said = said_by_headers(record.headers)
            return {"text": record.text, "charset_from": record.charset_from, **said}
        if record.media_type not in (*HTML_TYPES, PDF_TYPE):
            return {"error": "media_type", "detail": f"no parser for {record.media_type}"}
        self.stats["pages_html"] += record.media_type in HTML_TYPES
        parsed = self.parser.parse(record)
        if record.media_type == PDF_TYPE and "text" in parsed:
            return merged(said_by_headers(record.headers), parsed)
        return parsed

    def _tag(self, rows: list[dict]) -> tuple[pa.Table, list[dict]]:
        """Tag a batch; a text that breaks a tagger is found by halving and costs itself alone."""
        try:
            return self.tagger.tag(rows), []
        except Exception as error:
            if len(rows) == 1:
                detail = f"{type(error).__name__}: {error}".splitlines()[0][:300]
                failure = {**rows[0], "stage": "tag", "error": "tag_error", "detail": detail}
                return self.tagger.tag([]), [failure]
            middle = len(rows) // 2
            left, left_failures = self._tag(rows[:middle])
            right, right_failures = self._tag(rows[middle:])
            return pa.concat_tables([left, right]), left_failures + right_failures

    def _reject(self, table: pa.Table) -> None:
        if len(table):
            self.rejected.update(
                f"{stage}:{reason}"
                for stage, reason in zip(
                    table["stage"].to_pylist(), table["reason"].to_pylist(), strict=True
                )
            )
            self.rejects.append(table)

    def _provenance(self, record: Record, number: int) -> dict[str, Any]:
        container = self.arguments["container"]
        metadata = dict(record.metadata)
        row = {
            "row_id": row_id(self.source, container, number),
            "source": self.source,
            "uri": record.uri,
            "media_type": record.media_type,
            "container": record.container or container,
            "record": number,
            "offset": record.offset,
            "length": record.length,
            "fetched_at": record.fetched_at,
            "charset": record.charset,
        }
        own = ("title", "author", "date")
        row.update({name: str(metadata.pop(name)) for name in own if metadata.get(name)})
        row.update(declared(metadata, self.arguments["license"]))
        if metadata:
            row["metadata"] = json.dumps(metadata, sort_keys=True, default=str)
        return row


def _batches(records: Iterable[Record], size: int) -> Iterator[tuple[int, list[Record]]]:
    """Batches of at most `size` records and about `BATCH_BYTES`, with the number of the first."""
    batch: list[Record] = []
    first = held = 0
    for record in records:
        batch.append(record)
        held += len(record.payload or record.text or "")
        if len(batch) >= size or held >= BATCH_BYTES:
            yield first, batch
            first, held, batch = first + len(batch), 0, []
    if batch:
        yield first, batch
