"""The two ways of writing web archives, WARC (ISO 28500) and ARC, as `frames` needs to know them.

In both a record is a header that tells the length of the block that follows. A WARC header is lines
of named fields; an ARC header is one line, whose fields are given the names they have in WARC.

ARC is described in Burner and Kahle, "Arc File Format" (Internet Archive, 1996): version 1 lines
hold URL, IP address, date, type and length; version 2 lines also status, checksum, location, offset
and file name before the length. URLs and types with spaces are found in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.http_body import header_lines

MARK = b"WARC/"
FILEDESC = "filedesc:"


@dataclass(frozen=True)
class Dialect:
    """How records begin.

    Attributes
    ----------
    starts
        Whether bytes can be the start of a record, judged from 16 of them.
    begins
        Whether a record begins, judged from up to `look` bytes.
    find
        Position from which on `begins` would hold first, or -1; needs `look` bytes after it.
    end_of_header
        Matches the end of a header, with group 1, or the start of a record within one, without.
    parse
        The fields of a header, names as in WARC and in lower case.
    """

    name: str
    look: int
    starts: Callable[[bytes], bool]
    begins: Callable[[bytes], bool]
    find: Callable[[bytes, int], int]
    end_of_header: re.Pattern[bytes]
    parse: Callable[[bytes], dict[str, str]]


# --- WARC

_WARC_LINES = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r*\n[a-z][a-z0-9-]{0,63}[ \t]*:", re.IGNORECASE)
_WARC_END = re.compile(
    rb"\r*\n(?:[ \t]*\r*(\n)|(?=WARC/\d\.\d{1,2}[ \t]*\r*\n))",
    re.IGNORECASE,
)


def begins_warc(head: bytes) -> bool:
    """True when bytes begin like a WARC record."""
    return head[: len(MARK)].upper() == MARK


def parse_fields(header: bytes) -> dict[str, str]:
    """The named fields of a WARC header, names in lower case; the first of a name wins."""
    fields: dict[str, str] = {}
    for name, value in header_lines(header):
        fields.setdefault(name, value)
    return fields


def _find_warc(data: bytes, start: int = 0) -> int:
    found = -1
    for mark in (MARK, MARK.lower()):
        end = len(data) if found < 0 else found
        spot = data.find(mark, start, end)
        while spot >= 0 and not _WARC_LINES.match(data, spot):
            spot = data.find(mark, spot + 1, end)
        found = spot if spot >= 0 else found
    return found


WARC = Dialect("warc", 160, begins_warc, begins_warc, _find_warc, _WARC_END, parse_fields)


# --- ARC

_SCHEME = rb"(?:https?|ftps?|dns|filedesc|whois|metadata|gopher|news|mms|rtsp|warcinfo|urn):"
_GAP = rb"[ \t]{1,4}"
_LINE = (  # lengths are bounded, so that junk cannot make the search slow
    rb"("
    + _SCHEME
    + rb"[^\n]{0,8000}?)"
    + _GAP
    + rb"([0-9A-Fa-f.:]{1,45}|-)"
    + _GAP
    + rb"(\d{8,17})"
    + _GAP
    + rb"(?:([^\n]{0,4000}?)"
    + _GAP
    + rb")?(\d{1,18})[ \t]{0,4}\r{0,4}"
)
_ARC_START = re.compile(_SCHEME, re.IGNORECASE)
_ARC_LINE = re.compile(_LINE + rb"(?:\n|\Z)", re.IGNORECASE)
_ARC_WHOLE_LINE = re.compile(rb"^" + _LINE + rb"\n", re.IGNORECASE | re.MULTILINE)
_VERSION_2 = re.compile(r"(.*?)[ \t]*\b(\d{3}|-)[ \t]+(\S+)[ \t]+(.*?)[ \t]*\b(\d+)[ \t]+(\S+)")


def starts_arc(head: bytes) -> bool:
    """True when bytes may be the start of an ARC record."""
    return _ARC_START.match(head) is not None


def begins_arc(head: bytes) -> bool:
    """True when bytes begin with the header line of an ARC record."""
    return _ARC_WHOLE_LINE.match(head) is not None


def parse_line(header: bytes) -> dict[str, str]:
    """The fields of an ARC header line under the names of WARC; empty if it is none.

    A record with an HTTP address counts as a response, the description of the file as warcinfo;
    ``warc-identified-payload-type`` is the type that the line names.
    """
    match = _ARC_LINE.match(header)
    if not match:
        return {}
    uri, address, date, rest, length = (_text(part or b"") for part in match.groups())
    fields = {
        "warc-type": "warcinfo" if uri.lower().startswith(FILEDESC) else "response",
        "warc-target-uri": uri,
        "warc-ip-address": address,
        "warc-date": date,
        "content-length": length,
    }
    version_2 = _VERSION_2.fullmatch(rest)
    kind = version_2[1] if version_2 else rest
    is_http = uri.lower().startswith(("http:", "https:"))
    fields["content-type"] = "application/http" if is_http else kind or "no-type"
    fields["warc-identified-payload-type"] = kind
    if version_2 and version_2[3] != "-":
        fields["warc-payload-digest"] = version_2[3]
    return fields


def _text(part: bytes) -> str:
    try:
        return part.decode("utf-8")
    except UnicodeDecodeError:
        return part.decode("latin-1")


def _find_arc(data: bytes, start: int = 0) -> int:
    match = _ARC_WHOLE_LINE.search(data, start)
    return match.start() if match else -1


ARC = Dialect(
    "arc", 1 << 13, starts_arc, begins_arc, _find_arc, re.compile(rb"\r*(\n)"), parse_line
)
