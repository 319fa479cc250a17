"""Title, author, date, producer, licence and identifiers of a PDF."""

from __future__ import annotations

import ctypes
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from html import unescape
from itertools import islice

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ocr.characters import clean

_KEYS = ("Title", "Author", "Subject", "Keywords", "Creator", "Producer", "CreationDate", "ModDate")
_MAX_VALUE = 4096  # bytes of UTF-16 read of a value
_MAX_PACKETS, _MAX_PACKET = 20, 1 << 20
_METADATA = re.compile(rb"/Subtype\s{0,3}/XML\b")
_STREAM = re.compile(rb"[^<>]{0,300}>>\s{0,9}stream\r?\n")

_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)(\d\d)?)?")
_NO_TITLE = re.compile(
    r"(?i)^(untitled.*|microsoft (word|powerpoint|excel).*"
    r"|.*\.(docx?|pdf|indd|dvi|tex|qxd|pptx?|xlsx?|rtf|odt)"
    r"|(title|document|slide|layout)\s*\d*|none|null|\W*)$"
)
_DOI = re.compile(r"\b10\.\d{4,9}/[-._;()/:A-Za-z0-9]{2,100}")
_ARXIV = re.compile(
    r"\barXiv:\s?(\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]{2,12}(?:\.[A-Z]{2})?/\d{7}(?:v\d+)?)"
)
_XMP_FIELDS = {
    "licence": re.compile(
        rb"<(?:cc|dct|dcterms):license[^>]{0,40}rdf:resource=[\"']([^\"'<>]{1,500})|"
        rb"(?:cc|dct|dcterms):license(?:=[\"']|>)\s{0,9}([^\"'<>\s][^\"'<>]{0,500})|"
        rb"<xmpRights:WebStatement>([^<]{1,500})|"
        rb"xmpRights:WebStatement=[\"']([^\"'<>]{1,500})"
    ),
    "rights": re.compile(
        rb"<(?:dc:rights|xmpRights:UsageTerms)>\s{0,99}(?:<rdf:Alt>\s{0,99}<rdf:li[^>]{0,60}>)?"
        rb"([^<\s][^<]{0,1000})"
    ),
    # TDM Reservation Protocol (W3C community group report, 2024), properties of XMP
    "tdm-reservation": re.compile(
        rb"\btdm(?:rep)?:reservation(?:=[\"']|>)\s{0,9}([^\"'<>\s][^\"'<>]{0,50})"
    ),
    "tdm-policy": re.compile(
        rb"\btdm(?:rep)?:policy(?:=[\"']|>|[^>]{0,40}rdf:resource=[\"'])\s{0,9}"
        rb"([^\"'<>\s][^\"'<>]{0,500})"
    ),
    "doi": re.compile(rb"prism:doi(?:>|=[\"'])([^<\"']{5,200})"),
}


def read_metadata(doc: pdfium.PdfDocument, data: bytes) -> dict[str, str]:
    """Non-empty values under lower-case keys: title, author, subject, keywords, creator, producer,
    created, modified (ISO 8601), form (acroform | xfa), tagged, and from the document's own XMP
    packet licence, rights, doi, tdm-reservation, tdm-policy."""
    meta: dict[str, str] = {}
    for key in _KEYS:
        value = _info(doc, key)
        if key.endswith("Date"):
            value, key = iso_date(value), {"CreationDate": "created", "ModDate": "modified"}[key]
        if value:
            meta[key.lower()] = value
    if _NO_TITLE.match(meta.get("title", "")):
        meta.pop("title", None)
    form = raw.FPDF_GetFormType(doc.raw)
    if form != raw.FORMTYPE_NONE:
        meta["form"] = "acroform" if form == raw.FORMTYPE_ACRO_FORM else "xfa"
    if raw.FPDFCatalog_IsTagged(doc.raw):
        meta["tagged"] = "yes"
    return meta | _xmp(data)


def identifiers(first_page: str) -> dict[str, str]:
    """DOI and arXiv number printed on the first page."""
    found = {}
    if match := _DOI.search(first_page):
        found["doi"] = match.group().rstrip(".,;:)")
    if match := _ARXIV.search(first_page):
        found["arxiv"] = match[1]
    return found


def iso_date(value: str) -> str:
    """PDF date (ISO 32000-1, 7.9.4: D:YYYYMMDDHHmmSS) -> ISO 8601, as precise as it is given."""
    match = _DATE.match(value)
    if not match or not "1900" <= match[1] <= "2100":
        return ""
    year, month, day, hour, minute, second = match.groups()
    if not month or not "01" <= month <= "12":
        return year
    if not day or not "01" <= day <= "31":
        return f"{year}-{month}"
    date = f"{year}-{month}-{day}"
    if not hour or not (hour <= "23" and minute <= "59" and (second or "00") <= "59"):
        return date
    return f"{date}T{hour}:{minute}:{second or '00'}"


def _info(doc: pdfium.PdfDocument, key: str) -> str:
    size = min(raw.FPDF_GetMetaText(doc.raw, key.encode(), None, 0), _MAX_VALUE)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(_MAX_VALUE)
    full = raw.FPDF_GetMetaText(doc.raw, key.encode(), buffer, _MAX_VALUE)
    if full > _MAX_VALUE:  # PDFium writes nothing into a buffer too small
        return ""
    return " ".join(clean(buffer.raw[: full - 2].decode("utf-16-le", "ignore")).split())


def _xmp(data: bytes) -> dict[str, str]:
    """Licence and reservation fields of XMP packets that describe the document (those carry a PDF
    namespace) and not a picture in it."""
    found: dict[str, str] = {}
    for packet in _packets(data):
        if b"ns.adobe.com/pdf/" not in packet and b"aiim.org/pdf" not in packet:
            continue
        for field, pattern in _XMP_FIELDS.items():
            if match := pattern.search(packet):
                value = next(group for group in match.groups() if group)
                found[field] = " ".join(clean(unescape(value.decode("utf-8", "replace"))).split())
    return found


def _packets(data: bytes) -> Iterator[bytes]:
    """XMP packets, as they stand in the file and from compressed metadata streams."""
    at = 0
    for _ in range(_MAX_PACKETS):
        at = data.find(b"<x:xmpmeta", at)
        if at < 0:
            break
        end = data.find(b"</x:xmpmeta>", at, at + _MAX_PACKET)
        if end < 0:
            break
        yield data[at:end]
        at = end
    for match in islice(_METADATA.finditer(data), _MAX_PACKETS):
        begin = data.rfind(b"<<", max(0, match.start() - 300), match.start())
        stream = _STREAM.match(data, match.end())
        if begin >= 0 and stream and b"/FlateDecode" in data[begin : stream.end()]:
            packed = data[stream.end() : stream.end() + _MAX_PACKET]
            with suppress(zlib.error):
                yield zlib.decompressobj().decompress(packed, _MAX_PACKET)
