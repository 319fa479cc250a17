"""Bombs taken out of a PDF before PDFium sees them, which has no limits of its own.

* Form XObjects that paint themselves, or each other so often that a page would hold millions of
  them: 40 levels of two make 10^12.
* Streams that unpack to more than they should: deflate packs 1,032 to 1, twice deflated a million.

The file keeps its length and its offsets: references come to point at nothing, streams are spoilt
in place. What object streams or a cipher hide is not seen; the caller's limits of time and memory
end those.
"""

from __future__ import annotations

import re

from ocr.objects import RawObject, flate_layers, inflate, inflated, raw_objects

_RATIO = 1032  # of deflate at most
_PROBE = 1 << 14  # packed bytes by which a single deflated stream is judged
_SUSPECT = 200  # ratio from which it is unpacked further
_MAX_CONTENT = 1 << 20  # bytes of a form's content read to count what it paints
_XOBJECTS = re.compile(rb"/XObject\s*(<<[^<>]*>>|\d+\s+\d+\s+R)")
_REFERENCE = re.compile(rb"/([^\s/<>\[\]()]+)\s*\b(\d+)\s+\d+\s+R")
_PAINTS = re.compile(rb"/([^\s/<>\[\]()]+)\s+Do\b")


def defuse(data: bytes, max_stream: int, max_forms: int) -> tuple[bytes, str]:
    """`data` without what would end a worker, and what was taken out ("" where nothing was).

    max_stream: bytes a stream may unpack to, pictures aside (those are bounded by their pixels);
    max_forms: form XObjects a form may come to paint.
    """
    if b"obj" not in data:
        return data, ""
    cuts: list[tuple[int, int, bytes]] = []
    reasons: list[str] = []
    forms: dict[int, RawObject] = {}
    plain: dict[int, RawObject] = {}
    nested = b"/Form" in data
    for item in raw_objects(data):
        if item.stream >= 0 and _explodes(data, item, max_stream):
            cuts.append((item.stream, min(item.stream + 64, item.end), b"\0"))
            reasons.append(f"object {item.number} unpacks to more than {max_stream >> 20} MB")
        elif nested and item.stream >= 0 and b"/Form" in item.head:
            forms[item.number] = item
        elif nested and item.stream < 0:
            plain[item.number] = item
    for number in _repeating(data, forms, plain, max_forms):
        at, resources = _resources(forms[number], plain)
        for match in _REFERENCE.finditer(resources):  # no dictionary at all: the page's would serve
            cuts.append((at + match.start(2), at + match.end(2), b"0"))
        if not resources:
            cuts.append((forms[number].stream, forms[number].end, b" "))
        reasons.append(f"form {number} paints itself or more than {max_forms} forms")
    if not cuts:
        return data, ""
    mended = bytearray(data)
    for begin, end, filling in cuts:
        mended[begin:end] = filling * (end - begin)
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return bytes(mended), "; ".join(reasons[:3]) + more


def _explodes(data: bytes, item: RawObject, limit: int) -> bool:
    layers = flate_layers(item.head)
    packed = item.end - item.stream
    if not layers or packed * _RATIO**layers <= limit:
        return False
    if layers == 1:
        if b"/Image" in item.head:
            return False
        probe = sum(map(len, inflate(data[item.stream : item.stream + _PROBE], 1)))
        if probe < _SUSPECT * min(packed, _PROBE):
            return False
    total = 0
    for part in inflate(data[item.stream : item.end], layers):
        total += len(part)
        if total > limit:
            return True
    return False


def _repeating(
    data: bytes, forms: dict[int, RawObject], plain: dict[int, RawObject], most: int
) -> list[int]:
    """Forms that paint themselves by way of others, or more than `most` forms."""
    shared: dict[bytes, int] = {}  # names in the resources of pages, for forms without their own
    for item in plain.values():
        for match in _XOBJECTS.finditer(item.head):
            shared |= _named(match[1], forms)
    children = {
        number: _painted(data, item, forms, plain, shared) for number, item in forms.items()
    }
    weight: dict[int, int] = {}
    bad: set[int] = set()
    for root in forms:
        stack, open_ = [(root, iter(children[root]))], {root}
        while stack:
            number, rest = stack[-1]
            child = next(rest, None)
            if child is None:
                stack.pop()
                open_.discard(number)
                total = 1 + sum(n * weight.get(c, 1) for c, n in children[number].items())
                weight[number] = 1 if number in bad or total > most else total
                if total > most:
                    bad.add(number)
            elif child in open_:
                bad.add(number)
            elif child not in weight:
                stack.append((child, iter(children[child])))
                open_.add(child)
    return sorted(number for number in bad if children[number])


def _painted(
    data: bytes,
    item: RawObject,
    forms: dict[int, RawObject],
    plain: dict[int, RawObject],
    shared: dict[bytes, int],
) -> dict[int, int]:
    """Forms among the form's resources -> times its content paints them."""
    _, resources = _resources(item, plain)
    named = _named(resources, forms) if resources else shared
    if not named:
        return {}
    packed = data[item.stream : item.end]
    content = inflated(packed, flate_layers(item.head), _MAX_CONTENT)
    painted: dict[int, int] = {}
    for name in _PAINTS.findall(content):
        if name in named:
            painted[named[name]] = painted.get(named[name], 0) + 1
    return painted


def _named(resources: bytes, forms: dict[int, RawObject]) -> dict[bytes, int]:
    return {m[1]: int(m[2]) for m in _REFERENCE.finditer(resources) if int(m[2]) in forms}


def _resources(item: RawObject, plain: dict[int, RawObject]) -> tuple[int, bytes]:
    """Where the dictionary of the form's XObjects lies, and its bytes; empty without one."""
    match = _XOBJECTS.search(item.head)
    if not match:
        return 0, b""
    if match[1].startswith(b"<<"):
        return item.begin + match.start(1), match[1]
    indirect = plain.get(int(match[1].split()[0]))
    return (indirect.begin, indirect.head) if indirect else (0, b"")
