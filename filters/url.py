"""Hosts of URLs, and block lists of domains, hosts, pages, words and file extensions."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.arrow import readonly, strings_from, texts_of
from filters.url_kernels import REASONS, hash_lines, tag_urls

BLOCKED_WORDS = tuple(
    """
    porn porno porns pornstar pornstars pornhub hentai milf milfs camgirl camgirls sexcam sexcams
    sexchat livesex xvideos xhamster bukkake gangbang upskirt onlinecasino casinobonus freespins
    sportsbetting viagra cialis warez keygen
    """.split()  # noqa: SIM905
)
"""A short default list of words that hardly stand in the URL of any other page."""
BLOCKED_EXTENSIONS = tuple(
    """
    7z apk avi avif bin bmp bz2 css deb dll dmg eot exe flac flv gif gz ico iso jar jpeg jpg js
    json m3u8 m4a m4v mkv mov mp3 mp4 mpeg mpg msi ogg ogv otf png rar rpm rss svg tar tgz tif tiff
    ttf wav webm webp wmv woff woff2 xz zip
    """.split()  # noqa: SIM905
)
"""File extensions that stand for no document to read."""
_SECOND_LEVEL = frozenset(
    [
        "ac",
        "co",
        "com",
        "edu",
        "gob",
        "gouv",
        "gov",
        "govt",
        "gv",
        "ltd",
        "mil",
        "ne",
        "net",
        "nom",
        "or",
        "org",
        "plc",
        "sch",
        "school",
    ]
)
_CHUNK = 100_000


class Tags(NamedTuple):
    """What :meth:`UrlFilter.tag` says of a column of URLs."""

    host: pa.Array
    """large_string: lower-case host without port and final dot; null if the URL has none."""
    blocked: pa.Array
    """string: ``url:domain``, ``url:host``, ``url:page``, ``url:extension`` or ``url:word``; null
    if no list blocks the URL."""


class UrlFilter:
    """Block lists in compact form: eight bytes an entry, sorted, and nothing else.

    - ``domains`` block the name and every name below it (``example.com`` blocks
      ``www.example.com``);
    - ``hosts`` block exactly that host;
    - ``pages`` block host and path, without scheme, query and final slash;
    - ``words`` block URLs with that word (letters and digits) in host, path or query;
    - ``extensions`` block URLs whose path ends in ``.ext``.

    Lists are iterables of lines: blank lines and comments (``#``) are skipped, ``*.`` before a
    name and an address before it (hosts files) are taken off, case does not count. Entries are
    kept as 64-bit hashes: among ten million entries a name that is on no list is blocked with a
    chance of about 5e-13. Immutable: may be shared by threads and forks.
    """

    def __init__(
        self,
        domains: Iterable[str] = (),
        hosts: Iterable[str] = (),
        pages: Iterable[str] = (),
        words: Iterable[str] = BLOCKED_WORDS,
        extensions: Iterable[str] = BLOCKED_EXTENSIONS,
    ) -> None:
        self.lists = tuple(
            hash_list(entries) for entries in (domains, hosts, pages, words, extensions)
        )

    def tag(self, urls: pa.Array | pa.ChunkedArray | list[str | None]) -> Tags:
        """Host and block reason of every URL (null URLs have neither).

        A URL without ``scheme://`` (a path of a file) has no host, but extension and words count.
        """
        if isinstance(urls, list):
            urls = pa.array(urls, pa.large_string())
        if isinstance(urls, pa.ChunkedArray):
            urls = urls.combine_chunks()
        missing = urls.is_null().to_numpy(zero_copy_only=False)
        texts = texts_of(urls.fill_null(""))
        hosts = np.empty(int(texts.offsets[-1] - texts.offsets[0]), np.uint8)
        offsets = np.zeros(len(texts) + 1, np.int64)
        codes = np.zeros(len(texts), np.int32)
        tag_urls(texts.data, texts.offsets, *self.lists, hosts, offsets, codes)
        names = strings_from(hosts[: offsets[-1]].copy(), offsets)
        empty = pa.array(np.diff(offsets) == 0)
        reasons = pa.array(REASONS, pa.string()).take(pa.array(codes, mask=(codes == 0) | missing))
        return Tags(pc.if_else(empty, pa.scalar(None, names.type), names), reasons)


def hash_list(entries: Iterable[str]) -> np.ndarray:
    """Sorted distinct hashes (uint64) of a list's lines."""
    lines = iter(entries)
    parts = [np.zeros(0, np.uint64)]
    while chunk := list(islice(lines, _CHUNK)):
        raw = "\n".join(chunk).lower().encode()
        hashes = np.zeros(raw.count(b"\n") + 1, np.uint64)
        found = hash_lines(readonly(np.frombuffer(raw, np.uint8)), hashes)
        parts.append(np.unique(hashes[:found]))
    return readonly(np.unique(np.concatenate(parts)))


def registered_domain(host: str) -> str:
    """The name somebody registered, by a simple rule that needs no list.

    The last two labels; three where the last is a country code (two letters) and the one before
    it a usual second level (co, com, ac, gov, ...): ``news.bbc.co.uk`` -> ``bbc.co.uk``. Addresses
    and single labels are returned as they are.
    """
    labels = host.split(".")
    if len(labels) < 3 or host.startswith("[") or labels[-1].isdigit():
        return host
    nested = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if nested else labels[-2:])


def registered_domains(hosts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """:func:`registered_domain` of a column of hosts (nulls stay null)."""
    if isinstance(hosts, pa.ChunkedArray):
        hosts = hosts.combine_chunks()
    coded = hosts.dictionary_encode()
    names = [registered_domain(host) for host in coded.dictionary.to_pylist()]
    return pa.array(names, hosts.type).take(coded.indices)
