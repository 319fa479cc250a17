"""Takedown: rows leave every file of a finished run, and stay out of it.

The list is saved first, then shards are written anew beside the old ones, each followed by its
ledger row and the end of the old file: corpus/ first, then the attributes, the shards of INGEST
last, since these tell what is to go. A kill leaves a run that `catalogs.audit` calls unfinished;
the same command, or a run of the recipe, ends it.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.applied import KIND
from catalogs.catalog import save_catalog
from catalogs.errors import UserError
from catalogs.ledger import File, Ledger, Row
from catalogs.takedown import Takedown
from pipeline.consent import VERDICTS
from pipeline.documents import DOCUMENTS, QUARANTINE, REJECTED, to_table
from pipeline.shards import SortedShard, compression_options, conform, write_table
from pipeline.takedown_find import ATTRIBUTES, Hits, Report, find, groups, kind_of, mask_of
from pipeline.takedown_rows import BLANK, blank
from pipeline.write import CORPUS, read_verdicts, reject_reasons

_SCHEMAS = {
    "documents": DOCUMENTS,
    "rejected": REJECTED,
    "quarantine": QUARANTINE,
    "corpus": CORPUS,
    "consent": VERDICTS,
}


def take_down(
    root: str,
    asked: Takedown,
    apply: bool = True,
    each: Callable[[Row], None] = lambda row: None,
) -> Report:
    """Find every file with rows on the list, and write it anew without them.

    Parameters
    ----------
    root
        The run folder.
    asked
        Entries added to the list of the run.
    apply
        False only looks.
    each
        Called with each ledger row whose files were written anew.

    Raises
    ------
    UserError
        When the run holds no documents.
    """
    ledger = Ledger(root)
    rows = ledger.rows()
    if not any(row.step == "ingest" for row in rows):
        raise UserError(f"{root}: holds no documents yet; run its recipe first")
    takedown = Takedown.load(root) | asked
    hits, report = find(ledger, rows, takedown)
    if not apply:
        return report
    takedown.save(root)
    work = _Work(ledger, takedown, each)
    for row in rows:
        if row.step == "write":
            work.corpus(row, rows, hits)
    for row in rows:
        if kind_of(row.step) and row.shard in hits:
            work.attributes(row, hits[row.shard])
    for row in rows:
        if row.step == "ingest":
            work.ingest(row, hits.get(row.shard))
    work.inputs()
    save_catalog(root)
    return report


class _Work:
    def __init__(self, ledger: Ledger, takedown: Takedown, each: Callable[[Row], None]):
        self.ledger, self.takedown, self.each = ledger, takedown, each

    def corpus(self, row: Row, rows: list[Row], hits: dict[str, Hits]) -> None:
        shards = {key.partition("//")[0] for key in row.inputs}
        gone = {name for shard in shards & hits.keys() for name in hits[shard].documents}
        if not gone:
            return
        rejected: Counter[str] = Counter()
        read = 0
        for shard in sorted(shards):
            # one by one: after a kill some of them are done and others not
            batches = {
                kind: _left(read_verdicts(kind, self.ledger.file(file)), gone)
                for kind, file in _behind(rows, shard).items()
                if kind != "documents"
            }
            rejected.update(reject_reasons(batches).drop_null().to_pylist())
            read += len(batches["attributes"])
        stats = Counter(text_bytes=0, tokens=0)

        def tables(path: str) -> Iterator[pa.Table]:
            for table in _without(path, gone):
                stats["text_bytes"] += pc.sum(table["n_bytes"]).as_py() or 0
                stats["tokens"] += pc.sum(table["n_tokens"]).as_py() or 0
                yield table

        def make(changed: dict[str, str]) -> Row:
            kept = pq.read_metadata(changed["corpus"]).num_rows
            return dataclasses.replace(
                row,
                read=read,
                kept=kept,
                rejected=dict(sorted(rejected.items())),
                stats=dict(stats),
            )

        self._write(row, {"corpus": tables}, make)

    def attributes(self, row: Row, hits: Hits) -> None:
        kind = kind_of(row.step)
        if not hits.documents:
            return

        def make(changed: dict[str, str]) -> Row:
            table = pq.read_table(changed[kind])
            prefix = f"{row.step}:"
            if row.step == "judge":
                reasons = [f"dedup:{own}" for own in table["reason"].drop_null().to_pylist()]
                table = table.filter(pc.is_valid(table["dup_count"]))  # the others CONSENT refused
            elif row.step == "quality":  # it passes on what DEDUP rejected
                reasons = [
                    f"quality:{own}" for own in table["quality_reason"].drop_null().to_pylist()
                ]
                table = table.filter(
                    pc.and_(pc.is_null(table["reason"]), pc.is_valid(table["dup_count"]))
                )
            elif kind == KIND:
                reasons = []
            elif row.step == "consent":
                reasons = table["consent_reason"].drop_null().to_pylist()
            else:
                reasons = table["cut_reason"].drop_null().to_pylist()
                reasons = [reason for reason in reasons if reason.startswith(prefix)]
            rejected = Counter(reasons)
            kept = len(table) - rejected.total()
            return dataclasses.replace(
                row, read=len(table), kept=kept, rejected=dict(sorted(rejected.items()))
            )

        kinds = [kind, *({"refused"} & row.files.keys())]
        makers = dict.fromkeys(kinds, lambda path: _without(path, set(hits.documents)))
        self._write(row, makers, make)

    def inputs(self) -> None:
        """Let rows of WRITE, and applied scores, name the files they are of as they are now."""
        rows = self.ledger.rows()
        documents = {row.shard: row.files["documents"] for row in rows if row.step == "ingest"}
        for row in rows:
            if kind_of(row.step) == KIND and row.shard in documents:
                inputs = [documents[row.shard].checksum, *row.inputs[1:]]
                if inputs != row.inputs:
                    self.ledger.replace(dataclasses.replace(row, inputs=inputs), {}, ())
            elif row.step == "write":
                shards = dict.fromkeys(key.partition("//")[0] for key in row.inputs)
                inputs = [
                    f"{shard}//{kind}:{file.checksum}"
                    for shard in shards
                    for kind, file in _behind(rows, shard).items()
                ]
                if inputs != row.inputs:
                    self.ledger.replace(dataclasses.replace(row, inputs=inputs), {}, ())

    def ingest(self, row: Row, hits: Hits | None) -> None:
        """Move rows to ``rejected/`` without their text; in any case, stamp the address."""
        if hits is None:
            if row.address != self.takedown.stamp(row.address):
                self.ledger.replace(self._stamped(row), {}, ())
            return
        found = hits.found
        stats = Counter(text_bytes=0, tokens=0)
        moved: list[dict[str, Any]] = []

        def stay(kind: str) -> Callable[[str], Iterator[pa.Table]]:
            def tables(path: str) -> Iterator[pa.Table]:
                names = found[kind]
                for table in groups(path):
                    mask = mask_of(table, set(names))
                    blanks = table.filter(mask).select(
                        [n for n in BLANK if n in table.column_names]
                    )
                    moved.extend(blank(one, names[one["row_id"]]) for one in blanks.to_pylist())
                    table = table.filter(pc.invert(mask))
                    if kind == "documents":
                        stats["text_bytes"] += pc.sum(table["n_bytes"]).as_py() or 0
                        stats["tokens"] += pc.sum(table["n_tokens"]).as_py() or 0
                    yield table

            return tables

        def rejects(path: str) -> Iterator[pa.Table]:
            yield from stay("rejected")(path)
            yield to_table(moved, REJECTED)

        def make(changed: dict[str, str]) -> Row:
            verdicts = pq.read_table(changed["rejected"], columns=["stage", "reason"])
            pairs = zip(*(verdicts[name].to_pylist() for name in ("stage", "reason")), strict=True)
            rejected = Counter(f"{stage}:{reason}" for stage, reason in pairs)
            errors = Counter(
                pq.read_table(changed["quarantine"], columns=["error"])["error"].to_pylist()
            )
            return dataclasses.replace(
                row,
                kept=pq.read_metadata(changed["documents"]).num_rows,
                rejected=dict(sorted(rejected.items())),
                quarantined=dict(sorted(errors.items())),
                stats={**row.stats, **stats} if row.stats.get("text_bytes") else row.stats,
            )

        makers = {
            "documents": stay("documents"),
            "quarantine": stay("quarantine"),
            "rejected": rejects,
        }
        self._write(row, makers, make)

    def _write(
        self,
        row: Row,
        makers: dict[str, Callable[[str], Iterator[pa.Table]]],
        make: Callable[[dict[str, str]], Row],
    ) -> None:
        """Write the files of a row anew, then its row, then end the old files."""
        with storage.scratch(self.ledger.root, f"takedown-{row.shard.replace('/', '_')}") as folder:
            changed, files = {}, {}
            for kind, tables in makers.items():
                old = row.files[kind]
                path = storage.join(folder, f"{kind}.parquet")
                schema, compression = _how(self.ledger.file(old), kind)
                if kind == "rejected":
                    shard = SortedShard(path, schema, ["row_id"], 512 << 20, compression)
                    for table in tables(self.ledger.file(old)):
                        shard.append(table)
                    shard.close()
                else:
                    made = (conform(table, schema) for table in tables(self.ledger.file(old)))
                    write_table(made, path, schema, compression)
                changed[kind] = path
                files[kind] = path, self._name(old.path)
            new = self._stamped(make(changed))
            self.ledger.replace(new, files, [file.path for file in row.files.values()])
        self.each(new)

    def _stamped(self, row: Row) -> Row:
        return dataclasses.replace(row, address=self.takedown.stamp(row.address))

    def _name(self, path: str) -> str:
        """Another name for the file, by the list: the old one stands until its row is replaced."""
        stem = re.sub(r"~[0-9a-f]{8}$", "", path.removesuffix(".parquet"))
        return f"{stem}~{self.takedown.digest[:8]}.parquet"


def _behind(rows: list[Row], shard: str) -> dict[str, File]:
    """The files that WRITE makes its rows of one shard from, in the order of its inputs."""
    own = {row.step: row for row in rows if row.shard == shard}
    steps = {
        "documents": ("ingest",),
        "attributes": ("quality", "judge"),
        "cuts": ("repeats", "boilerplate"),  # the later holds what the earlier found
        "consent": ("consent",),
    }
    found = {}
    for kind, names in steps.items():
        for step in names:
            if step in own:
                found[kind] = own[step].files[ATTRIBUTES.get(step, "documents")]
                break
    return found


def _left(batch: pa.RecordBatch, names: set[str]) -> pa.RecordBatch:
    gone = pc.is_in(batch["row_id"], value_set=pa.array(sorted(names), pa.string()))
    return batch.filter(pc.invert(gone))


def _without(path: str, names: set[str]) -> Iterator[pa.Table]:
    for table in groups(path):
        yield table.filter(pc.invert(mask_of(table, names)))


def _how(path: str, kind: str) -> tuple[pa.Schema, dict[str, Any]]:
    """Schema and compression of a shard."""
    with storage.open_input(path) as file:
        reader = pq.ParquetFile(file)
        schema, codec = reader.schema_arrow, "ZSTD"
        if reader.num_row_groups:
            codec = reader.metadata.row_group(0).column(0).compression
    name = "none" if codec == "UNCOMPRESSED" else codec.lower()
    return _SCHEMAS.get(kind, schema), compression_options(name, 3 if name == "zstd" else None)
