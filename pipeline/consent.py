"""CONSENT: the final licence and opt-outs of every document, and whether the recipe keeps it.

Rows are judged by their tags and by the notices of their host and folder; no text is read. It comes
before DEDUP, which passes over the rows that are refused here: of copies one stays that may.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.ledger import Row
from catalogs.sql import exact
from filters.consent import SIGNALS, TDM_FIELD
from filters.host_consent import JUDGES, Finding
from filters.licence_classes import license_class
from filters.licence_files import joined, nearest_licence
from pipeline.compliance import COMPLIANCE, LICENSE
from pipeline.documents import DOCUMENTS, field
from pipeline.inputs import IMMUTABLE
from pipeline.jobs import Job, at_work
from pipeline.notices import (
    LICENCE,
    NOTICES,
    ORDER,
    authority,
    code_path,
    notices_in,
    write_notices,
)
from pipeline.reading import Reading
from pipeline.redirects import followed
from pipeline.shards import SortedShard, compression_options, write_table

VERDICTS = pa.schema(
    [
        DOCUMENTS.field("row_id"),
        *(DOCUMENTS.field(name) for name in COMPLIANCE),
        field("consent_reason", pa.string(), "stage:reason where licence or consent reject it"),
    ]
)
REFUSED = pa.schema([DOCUMENTS.field("row_id")])
READ = ("row_id", "source", "uri", "media_type", "fetched_at", "metadata", *COMPLIANCE)
_IN_FILE = 0.9
"""Confidence in a licence file above a file of code."""
_ERRORS = ("robots-error", "robots-unreachable", "ai-txt-error", "tdm-error", "unknown")
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def read_snapshot(job: Job) -> Row:
    """The notices of one file of `consent.robots`."""
    with at_work(job) as work:
        found, read = notices_in(Reading(job.arguments, IMMUTABLE))
        path = work.path("notices", f"notices/{job.shard}.parquet")
        kept = len(found)
        write_notices(path, found)
        other = {"read:no_notice": read - kept} if read > kept else {}
        return work.commit(read=read, kept=kept, rejected=other)


def merge_notices(job: Job) -> Row:
    """All notices of a run as one file, sorted by kind and scope."""
    with at_work(job) as work:
        path = work.path("notices", "notices/all.parquet")
        shard = SortedShard(path, NOTICES, ORDER, 512 << 20, compression_options("zstd", 3))
        for own in job.arguments["paths"]:
            with storage.open_input(own) as file:
                shard.append(pq.ParquetFile(file).read())
        shard.close()
        return work.commit(read=shard.rows, kept=shard.rows)


def judge_consent(job: Job) -> Row:
    """Write the verdicts on one shard of documents, row by row in its order.

    The file ``refused``, if some are, names those rows alone: what comes after hangs on it, and not
    on the evidence, which changes with every snapshot.
    """
    arguments = job.arguments
    rejected: Counter[str] = Counter()
    refused: list[str] = []
    with at_work(job) as work:
        path = work.path("consent", f"attributes/consent/{job.shard}.parquet")
        judge = _Judge(arguments)

        def tables() -> Iterator[pa.Table]:
            for rows in _groups(arguments["documents"]):
                judged = judge.rows(rows)
                out = [row for row in judged if row["consent_reason"]]
                rejected.update(row["consent_reason"] for row in out)
                refused.extend(row["row_id"] for row in out)
                yield pa.Table.from_pylist(judged, schema=VERDICTS)

        write_table(tables(), path, VERDICTS, compression_options("zstd", 3))
        if refused:
            path_of_refused = work.path("refused", f"attributes/refused/{job.shard}.parquet")
            table = pa.table({"row_id": refused}, schema=REFUSED)
            pq.write_table(table, path_of_refused, **compression_options("zstd", 3))
        read = pq.read_metadata(path).num_rows
        return work.commit(read=read, kept=read - rejected.total(), rejected=dict(rejected))


def _groups(documents: str) -> Iterator[list[dict[str, Any]]]:
    with storage.open_input(documents) as file:
        reader = pq.ParquetFile(file, pre_buffer=False)
        for group in range(reader.num_row_groups):
            yield reader.read_row_group(group, columns=list(READ)).to_pylist()


class _Judge:
    def __init__(self, arguments: dict[str, Any]):
        self.license, self.consent = arguments["license"], arguments["consent"]
        self.notices = arguments["notices"]
        consent = self.consent or {}
        self.agents = arguments["agents"]
        self.strict = consent.get("mode") == "strict"
        reserve = set(consent.get("reserve", ()))
        self.reserve = reserve | set(_ERRORS) if self.strict else reserve
        if arguments["source"] in consent.get("exempt", ()):
            self.reserve = set()
        self.folders = self._folders(arguments["source"])

    def rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        hosts = {host for row in rows if (host := authority(row["uri"] or ""))}
        notices = followed(self._of_hosts(hosts), self._of_hosts, authority) if hosts else {}
        return [self._row(row, notices) for row in rows]

    def _row(self, row: dict[str, Any], notices: dict[str, list[dict]]) -> dict[str, Any]:
        judged = {name: row[name] for name in ("row_id", *COMPLIANCE)}
        if self.folders:
            judged.update(self._licence_file(row))
        findings = self._findings(row, notices)
        if findings:
            signals = {*(row["opt_out"] or ()), *(found.signal for found in findings)}
            judged["opt_out"] = [signal for signal in SIGNALS if signal in signals]
            told = [*(row["opt_out_evidence"] or ()), *(found.evidence for found in findings)]
            judged["opt_out_evidence"] = list(dict.fromkeys(told))
        judged["consent_reason"] = self._reason(judged)
        return judged

    def _reason(self, row: dict[str, Any]) -> str | None:
        if self.license is not None:
            kind, scope = row["license_class"] or "unknown", row["license_scope"]
            if kind not in self.license["classes"]:
                return f"license:{kind}"
            if scope is not None and scope not in self.license["scopes"]:
                return f"license:scope_{scope}"
            if scope and (row["license_confidence"] or 0) < self.license["min_confidence"]:
                return "license:low_confidence"
        for signal in row["opt_out"] or ():
            if signal in self.reserve:
                return f"consent:{signal}"
        return None

    def _findings(self, row: dict[str, Any], notices: dict[str, list[dict]]) -> list[Finding]:
        url = row["uri"] or ""
        host = authority(url)
        own = notices.get(host or "", ())
        found: list[Finding] = []
        known = False
        # a page's own field goes before the file of its host
        page = any(TDM_FIELD in said.lower() for said in row["opt_out_evidence"] or ())
        for kind, judge in JUDGES.items():
            if kind == "tdmrep" and page:
                continue
            for notice in _chosen([n for n in own if n["kind"] == kind], row["fetched_at"]):
                agents = {"agents": self.agents} if kind == "robots" else {}
                judged = judge(notice["status"], notice["body"], url, **agents)
                known |= kind == "robots" and judged is not None
                when = f"{notice['fetched_at']:%Y-%m-%d}" if notice["fetched_at"] else "undated"
                via = f", at {notice['uri']}" if notice["scope"] != host else ""
                place = f" ({'snapshot' if notice['later'] else 'crawl'}, {when}{via})"
                found += [Finding(f.signal, f.evidence + place) for f in judged or ()]
        if self.strict and not known:
            found.append(Finding("unknown", f"no robots.txt is known of {host or 'no host'}"))
        return found

    def _licence_file(self, row: dict[str, Any]) -> dict[str, Any]:
        """Licence columns from the nearest licence file above a file of code."""
        scope = row["license_scope"]
        if (scope not in (None, "source")) or (row["media_type"] or "text/plain") != "text/plain":
            return {}
        path = code_path(row["uri"], json.loads(row["metadata"] or "{}"))
        found = nearest_licence(path, self.folders)
        if found is None:
            return {}
        name, uri = found
        evidence, confidence = f"licence file: {uri}", _IN_FILE
        if scope and row["license"] != name:
            evidence += f"; conflicts: {row['license_evidence']}"
            confidence /= 2
        kind = license_class(name)
        return dict(zip(LICENSE, (name, "page", kind, confidence, evidence), strict=True))

    def _folders(self, source: str) -> dict[str, tuple[str, str]]:
        """Licence and path of its file by folder."""
        files: dict[str, dict[str, str]] = defaultdict(dict)
        for notice in self._query("kind = $1 AND source = $2", [LICENCE, source]):
            files[notice["scope"]][notice["uri"]] = notice["body"].decode()
        return {
            folder: (
                joined({uri.rpartition("/")[2]: name for uri, name in own.items()}),
                ", ".join(sorted(own)),
            )
            for folder, own in files.items()
        }

    def _of_hosts(self, hosts: Iterable[str]) -> dict[str, list[dict]]:
        found: dict[str, list[dict]] = defaultdict(list)
        where = "kind <> $1 AND scope IN (SELECT unnest($2::VARCHAR[]))"
        for notice in self._query(where, [LICENCE, sorted(hosts)]):
            found[notice["scope"]].append(notice)
        return found

    def _query(self, where: str, values: list[Any]) -> list[dict[str, Any]]:
        if not self.notices:
            return []
        with duckdb.connect() as connection:
            connection.execute("SET threads = 1; SET TimeZone = 'UTC'")
            order = ", ".join(ORDER)
            query = f"SELECT * FROM read_parquet($3) WHERE {where} ORDER BY {order}"
            table = connection.execute(query, [*values, exact(self.notices)]).to_arrow_table()
            return table.to_pylist()


def _chosen(notices: list[dict], at: datetime | None) -> Iterator[dict]:
    """The capture that held when a document was fetched, and the last one of the snapshots."""
    crawl = [notice for notice in notices if not notice["later"]]
    later = [notice for notice in notices if notice["later"]]

    def when(notice: dict) -> datetime:
        return notice["fetched_at"] or _LONG_AGO

    if crawl:
        before = [notice for notice in crawl if at is None or when(notice) <= at]
        yield max(before, key=when) if before else min(crawl, key=when)
    if later:
        yield max(later, key=when)
