"""Kernels that take URLs apart and look their parts up in sorted arrays of hashes.

Names are hashed from their last byte to their first (FNV-1a, 64 bits), so that one pass over a
host passes the hashes of all domains above it.
"""

from __future__ import annotations

import numpy as np

from filters.jit import inner, kernel

REASONS = (None, "url:domain", "url:host", "url:page", "url:extension", "url:word")
DOMAIN, HOST, PAGE, EXTENSION, WORD = range(1, 6)
_PRIME = np.uint64(0x0000_0100_0000_01B3)
_START = np.uint64(0xCBF2_9CE4_8422_2325)


@kernel
def hash_lines(data, out):
    """Hash (uint64) of the entry in every line of a list; returns how many there are.

    Lines are in lower case. A comment (#) is left out, then all but the last field, then ``*.``
    and full stops and slashes at the ends.
    """
    n = 0
    start = 0
    size = len(data)
    while start < size:
        end = start
        while end < size and data[end] != 0x0A and data[end] != 0x23:
            end += 1
        following = end
        while following < size and data[following] != 0x0A:
            following += 1
        while end > start and data[end - 1] <= 0x20:
            end -= 1
        begin = end
        while begin > start and data[begin - 1] > 0x20:
            begin -= 1
        if end - begin > 1 and data[begin] == 0x2A and data[begin + 1] == 0x2E:
            begin += 2
        while begin < end and (data[begin] == 0x2E or data[begin] == 0x2F):
            begin += 1
        while end > begin and (data[end - 1] == 0x2E or data[end - 1] == 0x2F):
            end -= 1
        if begin < end:
            out[n] = hash_back(data, begin, end, _START)
            n += 1
        start = following + 1
    return n


@kernel
def tag_urls(data, offsets, domains, hosts, pages, words, extensions, out, out_offsets, codes):
    """Write every lower-case host to out, and the place of the reason in REASONS to codes."""
    size = 0
    for k in range(len(offsets) - 1):
        start, end = offsets[k], offsets[k + 1]
        begin, stop, path = split_url(data, start, end)
        for i in range(begin, stop):
            out[size + i - begin] = lower(data[i])
        size += stop - begin
        out_offsets[k + 1] = size
        path_end = path
        while path_end < end and data[path_end] != 0x3F and data[path_end] != 0x23:
            path_end += 1
        code = 0
        if begin < stop:
            code = host_code(data, begin, stop, domains, hosts)
            if code == 0 and len(pages):
                last = path_end
                while last > path and data[last - 1] == 0x2F:
                    last -= 1
                value = hash_back(data, path, last, _START)
                if contains(pages, hash_back(data, begin, stop, value)):
                    code = PAGE
        if code == 0 and has_extension(data, path, path_end, extensions):
            code = EXTENSION
        if code == 0 and has_word(data, begin, end, words):
            code = WORD
        codes[k] = code


@inner
def lower(b):
    return b | 0x20 if 0x41 <= b <= 0x5A else b


@inner
def hash_back(data, start, end, value):
    """Go on hashing data[start:end], last byte first, from a hash so far."""
    i = end - 1
    while i >= start:
        value = (value ^ np.uint64(lower(data[i]))) * _PRIME
        i -= 1
    return value


@inner
def contains(table, value):
    """Whether a sorted uint64 array holds the value."""
    low, high = 0, len(table)
    while low < high:
        middle = (low + high) >> 1
        if table[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < len(table) and table[low] == value


@inner
def split_url(data, start, end):
    """First byte and end of the host (equal if there is none), and where the path begins."""
    i = start
    while i < end and data[i] != 0x3A and data[i] != 0x2F and data[i] != 0x3F and data[i] != 0x23:
        i += 1
    if i < end and data[i] == 0x3A:
        i += 1
    else:
        i = start
    if i + 1 >= end or data[i] != 0x2F or data[i + 1] != 0x2F:
        return start, start, start
    begin = i + 2
    path = begin
    while path < end and data[path] != 0x2F and data[path] != 0x3F and data[path] != 0x23:
        path += 1
    stop = path
    for j in range(begin, path):
        if data[j] == 0x40:  # user information
            begin = j + 1
    j = begin
    if j < stop and data[j] == 0x5B:  # an IPv6 address
        while j < stop and data[j] != 0x5D:
            j += 1
    while j < stop and data[j] != 0x3A:
        j += 1
    stop = j
    while stop > begin and data[stop - 1] == 0x2E:
        stop -= 1
    return begin, stop, path


@inner
def host_code(data, begin, stop, domains, hosts):
    value = _START
    i = stop - 1
    while i >= begin:
        if data[i] == 0x2E and len(domains) and contains(domains, value):
            return DOMAIN
        value = (value ^ np.uint64(lower(data[i]))) * _PRIME
        i -= 1
    if contains(domains, value):
        return DOMAIN
    return HOST if contains(hosts, value) else 0


@inner
def has_extension(data, path, path_end, extensions):
    i = path_end - 1
    while i >= path and data[i] != 0x2E and data[i] != 0x2F:
        i -= 1
    if i < path or data[i] != 0x2E:
        return False
    return contains(extensions, hash_back(data, i + 1, path_end, _START))


@inner
def has_word(data, begin, end, words):
    if len(words) == 0:
        return False
    i = begin
    while i < end:
        j = i
        while j < end and is_alphanumeric(data[j]):
            j += 1
        if j > i and contains(words, hash_back(data, i, j, _START)):
            return True
        i = j + 1
    return False


@inner
def is_alphanumeric(b):
    return 0x30 <= b <= 0x39 or 0x61 <= b | 0x20 <= 0x7A or b >= 0x80
