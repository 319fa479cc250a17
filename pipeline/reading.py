"""The records of one job, through its reader, with what came of reading them.

Records present, by a count of its own, must equal the records seen, and a remote file must be the
one that the run was planned with; else the shard fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

from catalogs import storage
from catalogs.charsets import charset_key
from catalogs.digests import digest_key
from catalogs.faults import RemoteError
from catalogs.remote import Access, Remote, RemoteFile
from pipeline.charset import canonical
from pipeline.http_body import declared_charset
from pipeline.inputs import IMMUTABLE
from pipeline.readers import READERS, selection
from pipeline.readers.warc_frames import Miscount
from pipeline.records import Record


class Reading:
    """Iterate once over the records of a job, then ask for its `stats`.

    Parameters
    ----------
    arguments
        Of the job: ``path``, ``container``, ``reader``, ``options``, ``remote`` with its
        ``folder``; for a part of a selection also ``base``.
    fingerprint
        Of the input as it was planned.
    """

    def __init__(self, arguments: dict[str, Any], fingerprint: str):
        self.arguments, self.fingerprint = arguments, fingerprint
        settings = dict(arguments.get("remote") or {})
        folder = settings.pop("folder", None)
        self.access = Access(Remote(**settings), folder)
        self.present: int | None = None
        self.charsets: Counter[str] = Counter()
        self.digests: Counter[str] = Counter()
        self._opened: list[RemoteFile] = []

    def __iter__(self) -> Iterator[Record]:
        arguments = self.arguments
        reader, options = READERS[arguments["reader"]], arguments["options"]
        if "base" in arguments:
            self.present = yield from selection.read(
                arguments["path"],
                base=arguments["base"],
                reader=reader,
                open_file=self._open,
                options=options,
            )
        else:
            self.present = yield from reader(
                arguments["path"], arguments["container"], open_file=self._open, options=options
            )
        self._check_versions()

    def note_charset(self, record: Record, parsed: dict[str, Any]) -> None:
        """Count how a text was decoded: what HTTP declared, what was used, what decided."""
        used, how = parsed.get("charset") or record.charset, parsed.get("charset_from")
        if used and how:
            label = declared_charset(record.headers) or ""
            declared = canonical(label) or ("unknown" if label else "none")
            self.charsets[charset_key(declared, used, how)] += 1

    def note_digest(self, record: Record) -> None:
        """Count how the digests of a record fitted."""
        if record.digest:
            self.digests[digest_key(record.digest)] += 1

    def stats(self, seen: int) -> dict[str, int]:
        """What the ledger is to hold.

        Raises
        ------
        Miscount
            When the number of records present is not that of the records seen.
        """
        if self.present is not None and self.present != seen:
            raise Miscount(
                f"{self.arguments['path']}: {self.present} records are present, but {seen} were "
                "read; the shard is not committed"
            )
        present = {} if self.present is None else {"records_present": self.present}
        return {
            **self.charsets,
            **self.digests,
            **self.access.counts,
            **present,
            "records_seen": seen,
        }

    def _open(self, path: str) -> BinaryIO:
        file = storage.open_input(path, self.access)
        if isinstance(file, RemoteFile):
            self._opened.append(file)
        return file

    def _check_versions(self) -> None:
        whole = "base" not in self.arguments and self.fingerprint != IMMUTABLE
        for file in self._opened:
            file.check()
            if whole and "{}:{}".format(*file.stamp()) != self.fingerprint:
                raise RemoteError(
                    f"{self.arguments['path']}: changed since the run was planned; run again"
                )
