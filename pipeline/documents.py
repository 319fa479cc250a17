"""The document: one Arrow schema, column by column.

Each field carries its description as metadata (``doc``), which travels inside every Parquet shard;
the catalogue shows it. Identity is content: `id` is a hash of the text alone, `row_id` names this
copy of it, and provenance travels beside both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import xxhash

from filters import FEATURES
from filters.eval_items import MATCHES
from filters.language import SHARES
from filters.pii_types import PII

BYTES_PER_TOKEN = 4.2


def field(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": doc})


PAGE = pa.struct(
    [
        ("number", pa.int32()),
        ("route", pa.string()),
        ("rule", pa.string()),
        ("probability", pa.float32()),
        ("confidence", pa.float32()),
        ("start", pa.int32()),
        ("engine", pa.string()),
        ("error", pa.string()),
        ("tokens_in", pa.int32()),
        ("tokens_out", pa.int32()),
        ("cost", pa.float32()),
    ]
)

PDF_TAG = pa.struct([("tag", pa.string()), ("evidence", pa.string())])

SCORES = pa.map_(pa.string(), pa.float32())
LABELS = pa.map_(pa.string(), pa.string())

IDENTITY = [
    field("id", pa.string(), "xxh3_128 of the text in UTF-8, 32 hex digits; copies share it"),
    field("row_id", pa.string(), "xxh3_128 of source, container and record: names this one copy"),
]
PROVENANCE = [
    field("source", pa.string(), "name of the source in the recipe"),
    field("uri", pa.string(), "URL of the record, or path of the file"),
    field("media_type", pa.string(), "media type of the payload, such as text/html"),
    field("container", pa.string(), "input file, relative to the recipe's root if below it"),
    field("record", pa.int64(), "running number of the record in its container, from 0"),
    field("offset", pa.int64(), "byte offset of the record in its container (row for tables)"),
    field("length", pa.int64(), "bytes of the record in its container, if known"),
    field("fetched_at", pa.timestamp("us", tz="UTC"), "when the record was fetched"),
]
PARSED = [
    field("title", pa.string(), "title that the document gives itself"),
    field("author", pa.string(), "author that the document names"),
    field("date", pa.string(), "date of publication that the document names, as written"),
    field("charset", pa.string(), "encoding that the bytes were decoded with"),
    field("engine", pa.string(), "extraction or OCR engine that made the text"),
    field("license", pa.string(), "licence as SPDX id, or null if none was found"),
    field(
        "license_scope",
        pa.string(),
        "what the licence covers: page (the whole text), part, unclear or source; null without one",
    ),
    field(
        "license_class",
        pa.string(),
        "public-domain, permissive, attribution, share-alike, non-commercial, no-derivatives, "
        "proprietary or unknown",
    ),
    field("license_confidence", pa.float32(), "how sure the licence and its scope are, 0 to 1"),
    field(
        "license_evidence",
        pa.string(),
        "where the licence stands and what stands there, and what contradicts it",
    ),
    field("opt_out", pa.list_(pa.string()), "signals against use for training, such as noai"),
    field("opt_out_evidence", pa.list_(pa.string()), "where these signals stand and what is said"),
    field("n_pages", pa.int32(), "pages of a PDF, else null"),
    field(
        "pages",
        pa.list_(PAGE),
        "each PDF page: route (text, ocr, blank, failed), why, and where its text starts",
    ),
    field(
        "pdf_tags",
        pa.list_(PDF_TAG),
        "kind of a PDF with the evidence: form, slides, catalogue, seo_spam, hidden_text, "
        "tables_only, scan, scan_without_text",
    ),
    field("producer", pa.string(), "program that wrote the PDF, as it says itself"),
    field("doi", pa.string(), "DOI in the XMP packet or on the first page of the PDF"),
    field("arxiv", pa.string(), "arXiv number on the first page of the PDF"),
    field("metadata", pa.string(), "further fields of the input record, as JSON"),
]
TAGGED = [
    field("host", pa.string(), "host of the URL, lower case and punycode, null for paths"),
    field("domain", pa.string(), "registered domain of the host (Public Suffix List)"),
    field("language", pa.string(), "language (ISO 639), null if the text has no letters"),
    field("language_score", pa.float32(), "probability of that language, 0 to 1"),
    field("language_script", pa.string(), "script that the language label names, or null"),
    field("script", pa.string(), "script (ISO 15924) of most letters, null if there are none"),
    field("script_share", pa.float32(), "share of that script among letters of any script"),
    field("script_fits", pa.bool_(), "whether the language is written in it; null if not known"),
    field("language_share", pa.float32(), "characters in lines of that language, if lines count"),
    field("language_shares", SHARES, "languages of the lines by share of characters, or null"),
    field("url_block", pa.string(), "block list that the URL is on, or null"),
    field("n_tokens", pa.int64(), f"tokens, estimated as UTF-8 bytes / {BYTES_PER_TOKEN}"),
]
CLASSIFIED = [
    field("scores", SCORES, "score of each quality model by its name, as in scores['dclm']"),
    field("labels", LABELS, "best label of each model of labels, as in labels['topic']"),
]
FOUND = [
    field("contamination", MATCHES, "parts of evaluation items: bytes of the text, score; or null"),
    field("pii", PII, "personal data: bytes of the text, type, confidence; null if not looked for"),
]
HEURISTICS = [field(f.name, f.type, f.formula) for f in FEATURES]
TEXT = [field("text", pa.string(), "the text, Markdown where structure was found")]

DOCUMENTS = pa.schema(
    IDENTITY + PROVENANCE + PARSED + TAGGED + CLASSIFIED + FOUND + HEURISTICS + TEXT
)

VERDICT = [
    field("stage", pa.string(), "stage that rejected the record: read, extract, url, filter …"),
    field("reason", pa.string(), "why the record was rejected"),
]
REJECTED = pa.schema(IDENTITY + VERDICT + list(DOCUMENTS)[len(IDENTITY) :])

QUARANTINE = pa.schema(
    [
        IDENTITY[1],
        field("stage", pa.string(), "stage that failed: read, parse, tag or worker"),
        field("error", pa.string(), "error code"),
        field("detail", pa.string(), "one line for people"),
        *PROVENANCE,
    ]
)


def text_id(text: str) -> str:
    """Identity of a text: xxh3_128 of its UTF-8 bytes, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(text.encode())


def row_id(source: str, container: str, record: int) -> str:
    """Identity of one copy: source, container and running number of the record."""
    return xxhash.xxh3_128_hexdigest(f"{source}\0{container}\0{record}".encode())


def to_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Build a table from dictionaries; columns that a row lacks become null."""
    rows = list(rows)
    columns = [pa.array([row.get(f.name) for row in rows], type=f.type) for f in schema]
    return pa.table(columns, schema=schema)
