"""What is left of a PDF that was cut off: its whole pages behind a new page tree.

A quarter of the PDFs of Common Crawl end after the first megabyte, and with them the catalogue and
the cross-reference table.  The objects before the cut are found by their markers, those packed in
object streams are unpacked, and a catalogue, a page tree and a table are written behind them.
"""

from __future__ import annotations

import re

from ocr.objects import flate_layers, inflated, raw_objects

_PAGE = re.compile(rb"/Type\s*/Page(?![\w-])")
_NODE = re.compile(rb"/Type\s*/Pages(?![\w-])")
_KIDS = re.compile(rb"/Kids\s*\[([^\]]*)\]")
_REFERENCE = re.compile(rb"(\d+)\s+\d+\s+R")
_PACKED = re.compile(rb"/Type\s*/ObjStm")
_INFO = re.compile(rb"/Info\s+(\d+\s+\d+\s+R)")
_MOST_PACKED = 1 << 24  # bytes of an object stream unpacked
_MOST_PAGES = 100_000


def salvage(data: bytes) -> bytes | None:
    """A whole PDF of the pages found in `data`, or None where there are none.

    Encrypted files are not salvaged: without their trailer they cannot be deciphered.
    """
    if b"/Encrypt" in data:
        return None
    heads: dict[int, bytes] = {}
    places: dict[int, int] = {}
    packed: dict[int, bytes] = {}
    last = None
    for item in raw_objects(data):
        marker = data.rfind(b"%d" % item.number, 0, item.begin - 3)
        heads[item.number], places[item.number] = item.head, marker
        packed.pop(item.number, None)
        last = item
        if item.stream >= 0 and _PACKED.search(item.head):
            for number, body in _unpack(item.head, data[item.stream : item.end]):
                if number not in places:
                    packed[number] = body
    heads |= packed
    pages = _in_order(heads)
    if not pages:
        return None
    out = bytearray(data)
    if last.end >= len(data):
        out += b"\nendstream" if last.stream >= 0 else b""
    out += b"\nendobj\n"
    tree = max(heads) + 1
    for number, body in packed.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    kids = b" ".join(b"%d 0 R" % number for number in pages)
    for number, body in (
        (tree, b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids)),
        (tree + 1, b"<</Type/Catalog/Pages %d 0 R>>" % tree),
    ):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    info = _INFO.search(data)
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number in sorted(places):
        out += b"%d 1\n%010d 00000 n \n" % (number, places[number])
    out += b"trailer\n<</Size %d/Root %d 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (
        tree + 2,
        tree + 1,
        b"/Info " + info[1] if info else b"",
        start,
    )
    return bytes(out)


def _unpack(head: bytes, data: bytes) -> list[tuple[int, bytes]]:
    """Number and body of the objects in an object stream (ISO 32000-1, 7.5.7)."""
    first = re.search(rb"/First\s+(\d+)", head)
    if not first:
        return []
    content = inflated(data, flate_layers(head), _MOST_PACKED)
    start = int(first[1])
    index = [int(value) for value in re.findall(rb"\d+", content[:start])]
    numbers, offsets = index[::2], index[1::2]
    ends = [*offsets[1:], len(content) - start]
    return [
        (number, content[start + begin : start + end])
        for number, begin, end in zip(numbers, offsets, ends, strict=False)
        if begin < end <= len(content) - start
    ]


def _in_order(heads: dict[int, bytes]) -> list[int]:
    """Page objects as the nodes of the old tree that are left order them, the others as they lie
    in the file."""
    found = [n for n, head in heads.items() if _PAGE.search(head) and not _NODE.search(head)]
    rank: dict[int, int] = {}
    for head in heads.values():
        kids = _KIDS.search(head) if _NODE.search(head) else None
        for match in _REFERENCE.finditer(kids[1]) if kids else ():
            rank.setdefault(int(match[1]), len(rank))
    found = found[:_MOST_PAGES]
    if all(number in rank for number in found):
        found.sort(key=lambda number: rank[number])
    return found
