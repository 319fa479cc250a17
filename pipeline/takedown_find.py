"""Which rows of a run are on a takedown list, and which files hold them; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.applied import KIND, STEP
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from catalogs.takedown import STAGE, Entry, Takedown

ATTRIBUTES = {
    "judge": "attributes",
    "quality": "attributes",
    "boilerplate": "boilerplate",
    "repeats": "cuts",
    "consent": "consent",
}
"""Steps with one file a shard whose rows are those of its documents, and the kind of the file."""
NAMES = ("row_id", "uri")
"""Columns without which a row cannot be told."""


@dataclass
class Hits:
    """Rows of one shard of INGEST that are to go: reason by row_id, for each kind of file."""

    row: Row
    found: dict[str, dict[str, str]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    @property
    def documents(self) -> dict[str, str]:
        return self.found["documents"]

    def __bool__(self) -> bool:
        return any(self.found.values())


@dataclass(frozen=True)
class Affected:
    """A file that holds rows to be taken down."""

    step: str
    shard: str
    path: str
    rows: int


@dataclass
class Report:
    """What a takedown affects: files of the run; copies of the texts that stay; and the entries of
    the list that name something, be it taken down before."""

    files: list[Affected]
    copies: int
    row_ids: set[str]
    entries: set[Entry]

    @property
    def rows(self) -> int:
        return len(self.row_ids)


def kind_of(step: str) -> str | None:
    """The kind of a step's file whose rows are those of a documents shard; None: it has none."""
    return KIND if step.startswith(STEP) else ATTRIBUTES.get(step)


def find(ledger: Ledger, rows: list[Row], takedown: Takedown) -> tuple[dict[str, Hits], Report]:
    """The rows that are to go, by shard of INGEST, and the files that hold them."""
    entries: set[Entry] = set()
    found = (_hits(ledger, row, takedown, entries) for row in rows if row.step == "ingest")
    hits = {one.row.shard: one for one in found if one}
    return hits, _report(ledger, rows, hits, entries)


def _hits(ledger: Ledger, row: Row, takedown: Takedown, entries: set[Entry]) -> Hits:
    hits = Hits(row)
    for kind in ("documents", "rejected", "quarantine"):
        own = hits.found[kind] = {}
        for group in groups(
            ledger.file(row.files[kind]), ["id", "row_id", "uri", "stage", "reason"]
        ):
            for one in group.to_pylist():
                named = takedown.entries_of(one["uri"], one["row_id"], one.get("id"))
                entries.update(named)
                why = named[0][0] if named else None
                done = kind == "rejected" and (one["stage"], one["reason"]) == (STAGE, why)
                if why and not done:
                    own[one["row_id"]] = why
                    hits.ids.add(one.get("id") or "")
    return hits


def _report(ledger: Ledger, rows: list[Row], hits: dict[str, Hits], entries: set[Entry]) -> Report:
    files = []
    gone = {name for found in hits.values() for name in found.documents}
    texts = {name for found in hits.values() for name in found.ids}
    copies = 0
    for row in rows:
        own = hits.get(row.shard)
        if row.step == "write":
            count = sum(_count(ledger.file(row.files["corpus"]), gone) if gone else [0])
            if count:
                files.append(Affected("write", row.shard, row.files["corpus"].path, count))
        elif (kind := kind_of(row.step)) and own and own.documents:
            path = row.files[kind].path
            files.append(Affected(row.step, row.shard, path, len(own.documents)))
        elif row.step == "ingest":
            for kind, found in (own.found if own else {}).items():
                if found:
                    path = row.files[kind].path
                    files.append(Affected("ingest", row.shard, path, len(found)))
            if texts - {""}:
                documents = own.documents if own else {}
                for group in groups(ledger.file(row.files["documents"]), ["id", "row_id"]):
                    copies += sum(
                        one["id"] in texts and one["row_id"] not in documents
                        for one in group.to_pylist()
                    )
    names = [name for found in hits.values() for own in found.found.values() for name in own]
    return Report(files, copies, set(names), entries)


def taken_rows(root: str) -> set[str]:
    """The row ids of all rows that were taken down."""
    ledger, found = Ledger(root), set()
    for row in ledger.rows("ingest"):
        for table in groups(ledger.file(row.files["rejected"]), ["row_id", "stage"]):
            found.update(table.filter(pc.equal(table["stage"], STAGE))["row_id"].to_pylist())
    return found


def groups(path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of a file, with those of the columns that it has.

    Raises
    ------
    UserError
        When it lacks what names a row.
    """
    with storage.open_input(path) as file:
        reader = pq.ParquetFile(file, pre_buffer=False)
        if columns is not None:
            present = reader.schema_arrow.names
            lacking = [name for name in columns if name in NAMES and name not in present]
            if lacking:
                raise UserError(
                    f"{path}: made by another version of corpusmill (it has no column "
                    f"{', '.join(lacking)}); run its recipe again first"
                )
            columns = [name for name in columns if name in present]
        for group in range(reader.num_row_groups):
            yield reader.read_row_group(group, columns=columns)


def mask_of(table: pa.Table, names: set[str]) -> pa.ChunkedArray:
    """Which rows of a table with ``row_id`` have one of these."""
    return pc.is_in(table["row_id"], value_set=pa.array(sorted(names), pa.string()))


def _count(path: str, names: set[str]) -> Iterator[int]:
    for table in groups(path, ["row_id"]):
        yield pc.sum(mask_of(table, names)).as_py() or 0
