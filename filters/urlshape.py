"""Does a chunk of text have the shape of a URL, a host name or an e-mail address?"""

from __future__ import annotations

from filters.chars import DECIMAL, HOST, LOWER, WORD, class_of, decode
from filters.jit import inner


@inner
def is_url(data, start, end, classes):
    """True for ``[scheme://][user@]host.tld[:port][/path]`` that fills data[start:end].

    The grammar of spaCy's url_match: the last label is lower case, IPv4 addresses count unless
    they are private.
    """
    dots = 0
    for i in range(start, end):
        if data[i] == 0x2E:
            dots += 1
    if dots == 0:
        return False
    first = after_scheme(data, start, end, classes)
    if is_host(data, first, end, classes):
        return True
    if first != start and is_host(data, start, end, classes):
        return True
    for i in range(start + 1, end):  # noqa: SIM110
        if data[i] == 0x40 and is_host(data, i + 1, end, classes):
            return True
    return False


@inner
def after_scheme(data, start, end, classes):
    """Where the part after ``scheme://`` begins; start if there is no scheme."""
    i = start
    characters = 0
    while i < end:
        cp, width = decode(data, i, end)
        if cp == 0x3A:
            slashes = i + 2 < end and data[i + 1] == 0x2F and data[i + 2] == 0x2F
            return i + 3 if slashes and characters >= 2 else start
        plain = cp == 0x2B or cp == 0x2D or cp == 0x2E
        if not plain and class_of(classes, cp) & WORD == 0:
            return start
        characters += 1
        i += width
    return start


@inner
def is_host(data, start, end, classes):
    """Whether host, port and path, and nothing else, fill data[start:end]."""
    i = start
    label = 0  # characters in the current label
    labels = 0  # labels that a dot has closed
    plain = True  # the current label may stand before a dot
    closed = True  # its last character may end it
    lower = True  # all its characters are lower case: it may stand last
    digits = True  # digits and dots only, so far
    while i < end:
        cp, width = decode(data, i, end)
        if cp == 0x3A or cp == 0x2F or cp == 0x3F or cp == 0x23:
            break
        cls = class_of(classes, cp)
        if cp == 0x2E:
            if label == 0 or label > 64 or not plain or not closed:
                return False
            labels += 1
            label = 0
            lower = True
        else:
            joint = cp == 0x5F or cp == 0x2D
            closed = cls & HOST != 0
            plain = plain and (closed or (joint and label > 0))
            lower = lower and cls & LOWER != 0
            if not plain and not lower:
                return False
            digits = digits and 0x30 <= cp <= 0x39
            label += 1
        i += width
    if digits and labels == 3:
        if not is_public_ipv4(data, start, i):
            return False
    elif labels == 0 or label < 2 or label > 63 or not lower:
        return False
    if i < end and data[i] == 0x3A:
        i += 1
        port = 0
        while i < end:
            cp, width = decode(data, i, end)
            if class_of(classes, cp) & DECIMAL == 0:
                break
            port += 1
            i += width
        if not 2 <= port <= 5:
            return False
        return i == end or data[i] == 0x2F or data[i] == 0x3F or data[i] == 0x23
    return True


@inner
def is_public_ipv4(data, start, end):
    """Whether four dotted octets form a host address outside the private networks."""
    a = b = octet = -1
    place = 0
    size = 0
    for i in range(start, end + 1):
        if i == end or data[i] == 0x2E:
            outer = place == 0 or place == 3
            padded = size > 1 and data[i - size] == 0x30 and (outer or size > 2)
            if size == 0 or size > 3 or octet > 255 or padded:
                return False
            if place == 0:
                a = octet
            elif place == 1:
                b = octet
            place += 1
            if i < end:
                octet = -1
                size = 0
        else:
            octet = max(octet, 0) * 10 + (data[i] - 0x30)
            size += 1
    if a < 1 or a > 223 or octet < 1 or octet > 254:
        return False
    if a == 10 or a == 127 or (a == 169 and b == 254) or (a == 192 and b == 168):
        return False
    return not (a == 172 and 16 <= b <= 31)
