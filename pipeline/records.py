"""A record: what a reader found at one place of an input file, whatever the format of the file.

Every record that is present yields exactly one `Record`, also when it is no document (`reject`) or
cannot be read (`error`), so that counts add up: read = passed + rejected + quarantined.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

REJECTS: Mapping[str, str] = {
    "not_response": "a WARC record other than a response: warcinfo, request, metadata, resource …",
    "not_metadata": "a WAT record other than metadata",
    "not_conversion": "a WET record other than a conversion",
    "revisit": "a WARC record that only says that the page had not changed",
    "not_http": "a response that is not HTTP, such as DNS",
    "http_status": "an HTTP status other than 200",
    "media_type": "a payload that is neither HTML, PDF nor plain text",
    "robots_txt": "a robots.txt file",
    "consent_file": "an ai.txt or tdmrep.json file",
    "empty_body": "a response without payload",
    "metadata_only": "a WAT record: metadata of a page, without its text",
    "empty_text": "a row or file whose text is empty",
    "not_file": "a member of an archive that is a link or a device",
}
"""Reason codes: the record was read well, and is no document."""

ERRORS: Mapping[str, str] = {
    "gzip_damaged": "compressed bytes that do not inflate, or whose checksum is wrong",
    "zstd_damaged": "the same for Zstandard",
    "stream_damaged": "the same for xz and bzip2",
    "truncated_file": "the file ends within a record or a compressed stream",
    "warc_header": "bytes where a WARC header should be, or a header without a usable length",
    "warc_length": "a WARC record whose declared length contradicts where the next one begins",
    "http_header": "a response whose HTTP header cannot be read",
    "digest_mismatch": "a WARC record that is not what its digests say (option `digests`)",
    "oversized": "larger than `max_bytes`, stored or inflated",
    "invalid_utf8": "a line that is not UTF-8",
    "invalid_json": "a line that is not a JSON object",
    "missing_text": "a row without text, or a table without the text column",
    "parquet_damaged": "rows of a Parquet file that cannot be decoded",
    "not_warc": "a file without any WARC record",
    "not_parquet": "a file that cannot be opened as Parquet",
    "not_pdf": "a file without a PDF header",
    "empty_file": "a file of no bytes, an archive of no members",
    "archive_damaged": "an archive, or a member of it, that cannot be read",
    "encrypted_member": "a member of an archive that needs a password",
    "selection_row": "a row of a selection without a usable file name, offset or length",
    "range_missing": "a range of a selection outside its file, or in a file that is not there",
    "range_damaged": "a range of a selection that is not exactly one whole record",
    "range_url": "a range of a selection that holds the record of another URL",
}
"""Quarantine codes: the record or file could not be read."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an input file.

    Attributes
    ----------
    container
        The input file, as the caller names it.
    uri
        URL of the record; for whole-file readers the container; else ``""``.
    media_type
        Media type without parameters, lower case, sniffed where the header is missing or wrong.
    payload
        HTML or PDF bytes, HTTP codings undone; None if damaged or text already, or rejected, but
        for what hosts declare in files (robots.txt …).
    text
        The text, for inputs that are text already (WET, JSONL, Parquet, text/plain).
    offset
        WARC and WET: byte offset in the file. Where several records share one compressed stream it
        is the stream's offset plus the position in the inflated stream. JSONL: number of the line,
        Parquet: of the row, both from 0. Whole files: 0.
    length
        Bytes that the record takes in the file (inflated ones, where records share a stream), or
        that were lost; None if unknown.
    fetched_at
        When the record was fetched, UTC.
    charset
        Encoding that the HTTP header declares, as written; where `text` was decoded, the one used.
    charset_from
        What decided that (see `pipeline.charset.decode`), where `text` was decoded.
    headers
        HTTP header fields, names in lower case, repeated fields joined by a comma.
    metadata
        Other scalar columns of a row; for WARC records `warc_type`, `warc_record_id`,
        `warc_payload_digest`, `warc_truncated` and `http_status` where present, and
        `digest_mismatch` where that is so.
    digest
        How the digests of a WARC record fit (see `pipeline.readers.digests.check`); None where
        nothing was checked.
    reject, error
        A code of `REJECTS` or `ERRORS`, or None. Never both.
    detail
        One line for people; may also stand on records that pass, such as "gzip body is cut".
    """

    container: str
    uri: str = ""
    media_type: str = ""
    payload: bytes | None = None
    text: str | None = None
    offset: int = 0
    length: int | None = None
    fetched_at: datetime | None = None
    charset: str | None = None
    charset_from: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    digest: str | None = None
    reject: str | None = None
    error: str | None = None
    detail: str = ""
