"""Kernels that take URLs apart and look their parts up in tables of hashes.

Names are hashed from their last byte to their first (FNV-1a, 64 bits), so that one pass over a
host passes the hashes of all domains above it; paths go on from there forwards, so that one pass
passes all paths above them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from filters.jit import inner, kernel
from filters.url_table import Table, look_up

_PRIME = np.uint64(0x0000_0100_0000_01B3)
_START = np.uint64(0xCBF2_9CE4_8422_2325)

NAME, PAGE, TOKEN = range(3)
"""How an entry of a list is read: a host name, host and path, or a bare word."""


class Tables(NamedTuple):
    """The look-up tables of all lists; codes are places in the filter's list of reasons."""

    allowed_domains: Table
    allowed_pages: Table
    domains: Table
    hosts: Table
    pages: Table
    prefixes: Table
    extensions: Table
    words: Table


@kernel
def hash_lines(data, kind, out):
    """Hash (uint64) of the entry in every line of a list; returns how many there are.

    A comment (#) is left out, then all but the last field, then ``scheme://``, ``*.`` and full
    stops and slashes at the ends.
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
        for i in range(begin, end - 2):
            if data[i] == 0x3A and data[i + 1] == 0x2F and data[i + 2] == 0x2F:
                begin = i + 3
                break
        if end - begin > 1 and data[begin] == 0x2A and data[begin + 1] == 0x2E:
            begin += 2
        while begin < end and (data[begin] == 0x2E or data[begin] == 0x2F):
            begin += 1
        if kind == NAME and begin < end and data[begin] != 0x5B:
            end = before_port(data, begin, end)
        while end > begin and (data[end - 1] == 0x2E or data[end - 1] == 0x2F):
            end -= 1
        if begin < end:
            out[n] = hash_page(data, begin, end) if kind == PAGE else hash_back(data, begin, end)
            n += 1
        start = following + 1
    return n


@kernel
def host_spans(data, offsets, starts, ends):
    """Where the host of each URL lies; returns how many need to be rewritten to plain ASCII.

    Those have another byte than ASCII, an escape (%) or an IPv6 address, and get a negative end.
    """
    odd = 0
    for k in range(len(offsets) - 1):
        begin, stop, _ = split_url(data, offsets[k], offsets[k + 1])
        starts[k] = begin - offsets[k]
        ends[k] = stop - offsets[k]
        for i in range(begin, stop):
            if data[i] >= 0x80 or data[i] == 0x25 or data[i] == 0x5B:
                ends[k] = -ends[k]
                odd += 1
                break
    return odd


@kernel
def tag_urls(data, offsets, tables, out, out_offsets, codes):
    """Write every lower-case host to out, and the code of what blocks the URL to codes.

    0: nothing; -1: nothing, and the URL is on a list of allowed ones.
    """
    size = 0
    for k in range(len(offsets) - 1):
        start, end = offsets[k], offsets[k + 1]
        begin, stop, path = split_url(data, start, end)
        for i in range(begin, stop):
            out[size + i - begin] = lower(data[i])
        size += stop - begin
        out_offsets[k + 1] = size
        codes[k] = judge_url(data, begin, stop, path, end, tables)


@inner
def judge_url(data, begin, stop, path, end, tables):
    path_end = path
    while path_end < end and data[path_end] != 0x3F and data[path_end] != 0x23:
        path_end += 1
    query_end = path_end
    while query_end < end and data[query_end] != 0x23:
        query_end += 1
    code = 0
    if begin < stop:
        if domain_code(data, begin, stop, tables.allowed_domains):
            return -1
        if page_code(data, begin, stop, path, path_end, query_end, tables.allowed_pages, True):
            return -1
        code = domain_code(data, begin, stop, tables.domains)
        if code == 0 and len(tables.hosts.middle):
            code = look_up(tables.hosts, hash_back(data, begin, stop))
        if code == 0:
            code = page_code(data, begin, stop, path, path_end, query_end, tables.pages, False)
        if code == 0:
            code = page_code(data, begin, stop, path, path_end, query_end, tables.prefixes, True)
    if code == 0:
        code = extension_code(data, path, path_end, tables.extensions)
    if code == 0:
        code = word_code(data, begin, end, tables.words)
    return code


@inner
def before_port(data, start, end):
    for i in range(start, end):
        if data[i] == 0x3A:
            return i
    return end


@inner
def lower(b):
    return b | 0x20 if 0x41 <= b <= 0x5A else b


@inner
def hash_back(data, start, end):
    """Hash of a name, last byte first."""
    value = _START
    i = end - 1
    while i >= start:
        value = (value ^ np.uint64(lower(data[i]))) * _PRIME
        i -= 1
    return value


@inner
def hash_page(data, start, end):
    """Hash of ``host/path``: the host last byte first, then the path forwards."""
    stop = start
    while stop < end and data[stop] != 0x2F and data[stop] != 0x3F:
        stop += 1
    name_end = before_port(data, start, stop)
    value = hash_back(data, after_www(data, start, name_end), name_end)
    for i in range(stop, end):
        value = (value ^ np.uint64(lower(data[i]))) * _PRIME
    return value


@inner
def after_www(data, start, end):
    """Where a host begins without its leading ``www.``, ``www2.`` …"""
    i = start
    while i < end and i < start + 3 and data[i] | 0x20 == 0x77:
        i += 1
    if i < start + 3:
        return start
    while i < end and 0x30 <= data[i] <= 0x39:
        i += 1
    return i + 1 if i + 1 < end and data[i] == 0x2E else start


@inner
def split_url(data, start, end):
    """First byte and end of the host (equal if there is none), and where the path begins."""
    i = start
    while i < end and data[i] <= 0x20:
        i += 1
    start = i
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
def domain_code(data, begin, stop, table):
    """Code of the host or of the highest domain above it that the table holds, else 0."""
    if len(table.middle) == 0:
        return 0
    value = _START
    i = stop - 1
    while i >= begin:
        if data[i] == 0x2E:
            code = look_up(table, value)
            if code:
                return code
        value = (value ^ np.uint64(lower(data[i]))) * _PRIME
        i -= 1
    return look_up(table, value)


@inner
def page_code(data, begin, stop, path, path_end, query_end, table, below):
    """Code of the page (with or without its query), or of a path above it if below is true."""
    if len(table.middle) == 0:
        return 0
    value = hash_back(data, after_www(data, begin, stop), stop)
    last = path_end
    while last > path and data[last - 1] == 0x2F:
        last -= 1
    for i in range(path, last):
        if below and data[i] == 0x2F:
            code = look_up(table, value)
            if code:
                return code
        value = (value ^ np.uint64(lower(data[i]))) * _PRIME
    code = look_up(table, value)
    if code or path_end == query_end:
        return code
    for i in range(last, query_end):
        value = (value ^ np.uint64(lower(data[i]))) * _PRIME
    return look_up(table, value)


@inner
def extension_code(data, path, path_end, extensions):
    i = path_end - 1
    while i >= path and data[i] != 0x2E and data[i] != 0x2F:
        i -= 1
    if i < path or data[i] != 0x2E:
        return 0
    return look_up(extensions, hash_back(data, i + 1, path_end))


@inner
def word_code(data, begin, end, words):
    """Code of the first run of letters and digits that is a listed word, else 0."""
    if len(words.middle) == 0:
        return 0
    i = begin
    while i < end:
        j = i
        while j < end and is_alphanumeric(data[j]):
            j += 1
        if j > i:
            code = look_up(words, hash_back(data, i, j))
            if code:
                return code
        i = j + 1
    return 0


@inner
def is_alphanumeric(b):
    return 0x30 <= b <= 0x39 or 0x61 <= b | 0x20 <= 0x7A or b >= 0x80
