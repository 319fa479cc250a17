"""The ledger: one row of accounting for each committed shard of each step.

A row is a small JSON file, ``ledger/STEP/SHARD.json``, written last and atomically. What has no row
does not exist; what has a row is complete. The row holds the address (the hash of what made the
shard), the files with their checksums, and the accounting
``read = kept + sum(rejected) + sum(quarantined)``.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import DamageError

FOLDER = "ledger"


@dataclass(frozen=True)
class File:
    """A published file of a shard; `path` is relative to the run folder, `rows` counts records."""

    path: str
    rows: int
    bytes: int
    checksum: str


@dataclass(frozen=True)
class Row:
    """The accounting of one committed shard.

    `rejected` and `quarantined` map a reason to a number of records; `stats` holds further sums of
    the step (bytes of text, tokens, pages through OCR …); `inputs` are the checksums or
    fingerprints of what the shard was made from.
    """

    step: str
    shard: str
    address: str
    files: dict[str, File]
    read: int
    kept: int
    rejected: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)
    stats: dict[str, float] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    source: str = ""
    code: str = ""
    attempts: int = 1
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    host: str = ""
    committed_at: str = ""

    def check_sum(self) -> None:
        """Raise `DamageError` unless every record read is kept, rejected or quarantined."""
        parts = self.kept + sum(self.rejected.values()) + sum(self.quarantined.values())
        if self.read != parts:
            raise DamageError(
                f"{self.step} {self.shard}: read {self.read} records, but kept + rejected + "
                f"quarantined = {parts}"
            )

    def checksum(self, kind: str | None = None) -> str:
        """Checksum of the file of one kind, or of all files together."""
        if kind is not None:
            return self.files[kind].checksum
        return ",".join(f"{name}:{self.files[name].checksum}" for name in sorted(self.files))


class Ledger:
    """The committed work below one run folder (local path or object store URL)."""

    def __init__(self, root: str):
        self.root = root

    def path(self, step: str, shard: str) -> str:
        return storage.join(self.root, FOLDER, step, f"{shard}.json")

    def file(self, file: File | str) -> str:
        """Full path of a file named in a row."""
        return storage.join(self.root, file if isinstance(file, str) else file.path)

    def rows(self, step: str | None = None) -> list[Row]:
        """All rows, or those of one step, sorted by step and shard."""
        folder = storage.join(self.root, FOLDER, *([step] if step else []))
        paths = storage.listing(folder, ".json")
        with ThreadPoolExecutor(8) as pool:  # many small files: latency, not bandwidth
            rows = list(pool.map(_read_row, paths))
        return sorted(rows, key=lambda row: (row.step, row.shard))

    def get(self, step: str, shard: str) -> Row | None:
        """The row of one shard, or None."""
        path = self.path(step, shard)
        return _read_row(path) if storage.exists(path) else None

    def committed(self, step: str, shard: str, address: str) -> Row | None:
        """The row, if the shard stands committed at exactly this address with all its files."""
        row = self.get(step, shard)
        if row is None or row.address != address:
            return None
        whole = all(storage.size(self.file(file)) == file.bytes for file in row.files.values())
        return row if whole else None

    def commit(self, row: Row, files: dict[str, tuple[str, str]]) -> Row:
        """Publish finished local files and then the row that vouches for them.

        Parameters
        ----------
        row
            The accounting; its `files` are filled in here.
        files
            ``kind -> (temporary local path, final path relative to the run folder)``.

        Raises
        ------
        DamageError
            When the accounting does not sum up; nothing is published then.
        """
        row.check_sum()
        entries = {
            kind: File(
                path=final,
                rows=_row_count(temporary),
                bytes=storage.size(temporary) or 0,
                checksum=storage.checksum(temporary),
            )
            for kind, (temporary, final) in files.items()
        }
        path = self.path(row.step, row.shard)
        old = self.get(row.step, row.shard)
        if old is not None and old.address != row.address:
            storage.delete(path)  # never let an old row vouch for new bytes
        for temporary, final in files.values():
            storage.publish(temporary, self.file(final))
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        filled = {"files": entries, "host": socket.gethostname(), "committed_at": stamp}
        row = Row(**{**row.__dict__, **filled})
        storage.write_text(path, json.dumps(asdict(row), indent=1, sort_keys=True))
        return row

    def replace(self, row: Row, files: dict[str, tuple[str, str]], old: Iterable[str]) -> None:
        """Let a row vouch for other files than before, with no moment at which none does.

        Parameters
        ----------
        row
            The new accounting, with the `files` that stay.
        files
            ``kind -> (temporary local path, final path relative to the run folder)``, of the kinds
            that change; the final paths are new ones.
        old
            Paths of the old row, relative to the run folder; deleted unless they stay.
        """
        entries = dict(row.files)
        for kind, (temporary, final) in files.items():
            rows, size = _row_count(temporary), storage.size(temporary) or 0
            entries[kind] = File(final, rows, size, storage.checksum(temporary))
            storage.publish(temporary, self.file(final))
        row = Row(**{**row.__dict__, "files": entries})
        row.check_sum()
        text = json.dumps(asdict(row), indent=1, sort_keys=True)
        storage.write_text(self.path(row.step, row.shard), text)
        alive = {file.path for file in entries.values()}
        for path in old:
            if path not in alive:
                storage.delete(self.file(path))

    def retire(self, rows: Iterable[Row]) -> int:
        """Forget shards that the recipe no longer asks for: first the rows, then their files."""
        rows = list(rows)
        for row in rows:
            storage.delete(self.path(row.step, row.shard))
        alive = {file.path for row in self.rows() for file in row.files.values()}
        for row in rows:
            for file in row.files.values():
                if file.path not in alive:
                    storage.delete(self.file(file))
        return len(rows)


def _read_row(path: str) -> Row:
    try:
        data = json.loads(storage.read_text(path))
        data["files"] = {kind: File(**file) for kind, file in data["files"].items()}
        return Row(**data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamageError(f"{path}: the ledger row is damaged: {error}") from None


def _row_count(path: str) -> int:
    return pq.read_metadata(path).num_rows if path.endswith(".parquet") else 0
