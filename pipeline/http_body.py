"""The HTTP response inside a WARC record: header, transfer and content codings, media type.

Written for what servers and crawlers really store: status lines without a reason, codings that
are declared but already undone, bodies that are cut. Bytes that cannot be decoded are kept as they
are, with a note; nothing here raises on bad input.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import brotli
import zstandard

HTML_TYPES = ("text/html", "application/xhtml+xml")
PDF_TYPE = "application/pdf"
TEXT_TYPE = "text/plain"

_STATUS = re.compile(rb"\s*HTTP/\d(?:\.\d)?[ \t]*(\d{3})?")
_END_OF_HEADER = re.compile(rb"\r*\n[ \t]*\r*\n")
_CHARSET = re.compile(r"charset\s*[=:]\s*[\"']?\s*([^\s\"';,]+)", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"[ \t]*(?:0[xX])?([0-9a-fA-F]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: status (None if the first line is no status line), fields, raw body."""

    status: int | None
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """A decoded body. `note` says what could not be decoded; `oversized` that `data` is not all."""

    data: bytes
    note: str = ""
    oversized: bool = False


def parse_response(block: bytes) -> Response:
    """Split an HTTP response as stored in a WARC record into status, header fields and body.

    Field names are in lower case; repeated fields are joined by ", " (RFC 9110, section 5.3), but
    of Content-Type and Content-Length the last one counts.
    """
    status = _STATUS.match(block)
    if not status:
        return Response(None, {}, block)
    end = _END_OF_HEADER.search(block)
    header, body = (block[: end.start()], block[end.end() :]) if end else (block, b"")
    headers: dict[str, str] = {}
    for name, value in header_lines(header):
        if name in headers and name not in ("content-type", "content-length"):
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return Response(int(status[1]) if status[1] else None, headers, body)


def header_lines(header: bytes) -> list[tuple[str, str]]:
    """All fields of a header after its first line, in order, names in lower case.

    Folded lines are joined; a header that is not UTF-8 is read as Latin-1.
    """
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError:
        text = header.decode("latin-1")
    lines: list[tuple[str, str]] = []
    for line in text.split("\n")[1:]:
        if line[:1] in (" ", "\t") and lines:
            name, value = lines[-1]
            lines[-1] = (name, f"{value} {line.strip()}".strip())
            continue
        name, colon, value = line.partition(":")
        if colon and name.strip():
            lines.append((name.strip().lower(), value.strip()))
    return lines


def decode_body(body: bytes, headers: dict[str, str], max_bytes: int) -> Body:
    """Undo the transfer and content codings of a body.

    Parameters
    ----------
    body
        The body as stored.
    headers
        Its header fields, names in lower case.
    max_bytes
        Most bytes that the body may have at any step; more make it `oversized`.
    """
    notes = []
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, note = unchunk(body)
        notes.append(note)
    codings = [c.strip().lower() for c in headers.get("content-encoding", "").split(",")]
    codings = [_ALIASES.get(coding, coding) for coding in codings if coding]
    if not codings and body.startswith(b"\x1f\x8b\x08"):
        codings = ["gzip"]  # compressed twice, or not declared
    for coding in reversed(codings):
        if coding in ("identity", "none"):
            continue
        if coding not in _INFLATERS:
            notes.append(f"unknown content coding '{coding[:40]}'")
            continue
        body, note, oversized = _inflate(coding, body, max_bytes)
        notes.append(note)
        if oversized:
            return Body(body, "; ".join(filter(None, notes)), True)
    return Body(body, "; ".join(filter(None, notes)), len(body) > max_bytes)


def unchunk(body: bytes) -> tuple[bytes, str]:
    """Undo chunked transfer coding (RFC 9112, section 7.1), leniently.

    Returns the body and a note. A body that does not begin with a whole chunk comes back as it is;
    after an unreadable chunk size the rest is appended as it is.
    """
    parts, position, note = [], 0, "chunked body is cut"
    while position < len(body):
        match = _CHUNK_SIZE.match(body, position)
        if not match:
            if not parts:
                return body, "chunked declared, body is plain"
            if b"\n" not in body[position : position + 20] and len(body) - position < 20:
                break  # cut within the size itself
            parts.append(body[position:])
            note = "chunk size is not readable, the rest is kept as it is"
            break
        size, begin = int(match[1], 16), match.end()
        if size == 0:
            note = ""
            break
        end = begin + size
        if not parts and end < len(body) and body[end : end + 1] not in (b"\r", b"\n"):
            return body, "chunked declared, body is plain"
        parts.append(body[begin:end])
        position = end
        for newline in (b"\r", b"\n"):
            position += body.startswith(newline, position)
    return b"".join(parts), note if body else ""


_ALIASES = {"x-gzip": "gzip", "x-deflate": "deflate", "brotli": "br"}
PIECE = 1 << 18
_FAULTS = (zlib.error, brotli.error, zstandard.ZstdError, MemoryError)


def _inflate(coding: str, body: bytes, max_bytes: int) -> tuple[bytes, str, bool]:
    """Inflated bytes, a note, and whether they would be more than `max_bytes`."""
    if not body:
        return body, "", False
    parts, size, note = [], 0, ""
    try:
        for part in _INFLATERS[coding](body):
            parts.append(part)
            size += len(part)
            if size > max_bytes:
                return b"".join(parts)[:max_bytes], f"{coding} body inflates too far", True
    except EOFError:
        note = f"{coding} body is cut"
    except _FAULTS as error:
        note = f"{coding} body is damaged ({error})"
    if not size and note:
        return body, f"{coding} declared, body kept as it is", False
    return b"".join(parts), note, False


def _zlib_pieces(body: bytes, wbits: int) -> Iterator[bytes]:
    while body:
        stream = zlib.decompressobj(wbits)
        piece = stream.decompress(body, PIECE)
        yield piece
        while not stream.eof and (stream.unconsumed_tail or len(piece) == PIECE):
            piece = stream.decompress(stream.unconsumed_tail, PIECE)
            yield piece
        if not stream.eof:
            raise EOFError
        body = stream.unused_data if stream.unused_data.startswith(b"\x1f\x8b") else b""


def _gzip_pieces(body: bytes) -> Iterator[bytes]:
    if not body.startswith(b"\x1f\x8b"):
        raise zlib.error("no gzip header")
    yield from _zlib_pieces(body, 31)


def _deflate_pieces(body: bytes) -> Iterator[bytes]:
    # the standard means zlib's format, some servers send bare deflate
    zlib_header = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    if body.startswith(b"\x1f\x8b\x08"):
        yield from _zlib_pieces(body, 31)
    else:
        yield from _zlib_pieces(body, 15 if zlib_header else -15)


def _brotli_pieces(body: bytes) -> Iterator[bytes]:
    stream = brotli.Decompressor()
    yield stream.process(body, output_buffer_limit=PIECE)
    while not stream.is_finished():
        piece = stream.process(b"", output_buffer_limit=PIECE)
        if not piece and stream.can_accept_more_data():
            raise EOFError
        yield piece


def _zstd_pieces(body: bytes) -> Iterator[bytes]:
    stream = zstandard.ZstdDecompressor().decompressobj()
    for position in range(0, len(body), 1024):
        yield stream.decompress(body[position : position + 1024])
        if stream.eof:
            return
    raise EOFError


_INFLATERS = {
    "gzip": _gzip_pieces,
    "deflate": _deflate_pieces,
    "br": _brotli_pieces,
    "zstd": _zstd_pieces,
}


def declared_type(headers: dict[str, str]) -> str:
    """Media type of the Content-Type field without parameters, lower case; "" if there is none."""
    match = _TYPE.match(headers.get("content-type", "").strip().lower())
    return match[0] if match else ""


def declared_charset(headers: dict[str, str]) -> str | None:
    """Charset of the Content-Type field, in any of its spellings, or None."""
    match = _CHARSET.search(headers.get("content-type", ""))
    return match[1] if match else None


# After the WHATWG MIME Sniffing standard, section 7.1, with the types that crawls hold most.
_HTML_TAG = re.compile(
    rb"(?:<!doctype html|<!--|<(?:html|head|script|iframe|h1|div|font|table|a|style|title|b|body"
    rb"|br|p|meta|link|main|article|section|nav|header|ul|span|form)[\s>/])",
    re.IGNORECASE,
)
_SIGNATURES = (
    (b"%PDF-", PDF_TYPE),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "application/x-riff"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"%!PS", "application/postscript"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x7fELF", "application/x-executable"),
    (b"OggS", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
)
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_VAGUE = ("", "application/octet-stream", "unknown/unknown", "application/unknown", "*/*")


def sniff_type(declared: str, data: bytes) -> str:
    """The media type of decoded bytes: the declared one, unless they show that it is wrong.

    Bytes with the signature of a binary format (PDF among them) have that format's type, whatever
    was declared. HTML is recognised where the type is missing, vague, text/plain or XML.
    """
    head = data[:1024].lstrip()
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if declared in (*HTML_TYPES, PDF_TYPE):
        return declared
    vague = declared in _VAGUE
    xml = declared in ("text/xml", "application/xml")
    if vague or xml or declared == TEXT_TYPE:
        return _textual_type(declared, head, vague)
    return declared


def _textual_type(declared: str, head: bytes, vague: bool) -> str:
    if head.startswith(_BOMS[1:]):
        head = head.replace(b"\0", b"")
    bare = head.lstrip(b"".join(_BOMS) + b" \t\r\n")
    after_prolog = re.sub(rb"\A<\?xml[^>]*>\s*", b"", bare)
    if _HTML_TAG.match(after_prolog) and (declared != TEXT_TYPE or _is_page(after_prolog)):
        return HTML_TYPES[0]
    if not vague:
        return declared
    if re.match(rb"<\?xml|<rss|<feed", bare):
        return "text/xml"
    if re.match(rb'[\[{]\s*["\[{\]}]', bare):
        return "application/json"
    controls = sum(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in head)
    return TEXT_TYPE if bare and not controls else "application/octet-stream"


def _is_page(head: bytes) -> bool:
    return head[:14].lower().startswith((b"<!doctype html", b"<html"))
