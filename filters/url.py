"""Hosts of URLs, and what lists of domains, hosts, pages, words and file extensions say of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.arrow import strings_from, texts_of
from filters.hosts import canonical_host, registered_domain, registered_domains
from filters.url_kernels import host_spans, tag_urls
from filters.url_lists import Compiled, UrlList, compile_lists, open_lists, save_lists

__all__ = ["Tags", "UrlFilter", "UrlList", "has_path", "registered_domain", "registered_domains"]

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


class Tags(NamedTuple):
    """What :meth:`UrlFilter.tag` says of a column of URLs."""

    host: pa.Array
    """large_string: canonical host (lower case, punycode) without port and final dot; null if the
    URL has none."""
    blocked: pa.Array
    """string: ``url:KIND`` or ``url:KIND:CATEGORY`` of the list that blocks the URL, else null.
    The kind is domain, host, page, prefix, extension, word or expression."""


class UrlFilter:
    """Lists of URLs in compact form: seven bytes an entry, in memory or mapped from a file.

    - ``domains`` block the name and every name below it (``example.com`` blocks
      ``www.example.com``);
    - ``hosts`` block exactly that host;
    - ``pages`` block host and path, whatever the query, or with that query if the entry has one;
    - ``prefixes`` block a page and all paths below it;
    - ``words`` block URLs with that word (letters and digits) in host, path or query;
    - ``extensions`` block URLs whose path ends in ``.ext``;
    - ``allow`` holds domains, or pages with all paths below them where the entry has a path: what
      it names is blocked by no list.

    The first kind that blocks gives the reason, in the order domain, host, page, prefix, extension,
    word, expression. Lists are iterables of lines: blank lines and comments (``#``) are skipped;
    ``*.`` before a name, an address before it (hosts files) and ``scheme://`` are taken off; case,
    a final slash, and ``www.`` before a page do not count. Entries are compared by 64-bit hashes:
    among ten million entries a name that is on no list is blocked with a chance of about 5e-13.
    Immutable: may be shared by threads and forks.
    """

    def __init__(
        self,
        domains: Iterable[str] = (),
        hosts: Iterable[str] = (),
        pages: Iterable[str] = (),
        words: Iterable[str] = BLOCKED_WORDS,
        extensions: Iterable[str] = BLOCKED_EXTENSIONS,
        prefixes: Iterable[str] = (),
        allow: Iterable[str] = (),
    ) -> None:
        allow = list(allow)
        lists = {"domain": domains, "host": hosts, "page": pages, "prefix": prefixes}
        lists |= {"extension": extensions, "word": words}
        lists["allowed_domain"] = [entry for entry in allow if not has_path(entry)]
        lists["allowed_page"] = [entry for entry in allow if has_path(entry)]
        self._hold(compile_lists(UrlList(kind, "", items) for kind, items in lists.items()))

    @classmethod
    def of(cls, lists: Iterable[UrlList]) -> UrlFilter:
        """A filter of lists with categories; raises ValueError as `compile_lists` does."""
        made = cls.__new__(cls)
        made._hold(compile_lists(lists))
        return made

    @classmethod
    def open(cls, path: str) -> UrlFilter:
        """A filter over a file of :meth:`save`, mapped into memory; pickles as the path."""
        made = cls.__new__(cls)
        made._hold(open_lists(path), path)
        return made

    def save(self, path: str) -> None:
        """Write the filter to one file; equal lists give equal bytes."""
        save_lists(self.compiled, path)

    def _hold(self, compiled: Compiled, path: str | None = None) -> None:
        self.compiled, self.path = compiled, path
        self._reasons = pa.array(compiled.reasons, pa.string())

    def __reduce__(self):
        if self.path is not None:
            return type(self).open, (self.path,)
        return super().__reduce__()

    def tag(self, urls: pa.Array | pa.ChunkedArray | list[str | None]) -> Tags:
        """Host and block reason of every URL (null URLs have neither).

        A URL without ``scheme://`` (a path of a file) has no host, but extension and words count.
        """
        if isinstance(urls, list):
            urls = pa.array(urls, pa.large_string())
        if isinstance(urls, pa.ChunkedArray):
            urls = urls.combine_chunks()
        missing = urls.is_null().to_numpy(zero_copy_only=False)
        urls = _with_plain_hosts(urls.fill_null(""))
        texts = texts_of(urls)
        hosts = np.empty(int(texts.offsets[-1] - texts.offsets[0]), np.uint8)
        offsets = np.zeros(len(texts) + 1, np.int64)
        codes = np.zeros(len(texts), np.int32)
        tag_urls(texts.data, texts.offsets, self.compiled.tables, hosts, offsets, codes)
        names = strings_from(hosts[: offsets[-1]].copy(), offsets)
        empty = pa.array(np.diff(offsets) == 0)
        reasons = self._reasons.take(pa.array(codes, mask=(codes <= 0) | missing))
        for reason, pattern in self.compiled.expressions:
            open_rows = pa.array((codes == 0) & ~missing)
            found = pc.match_substring_regex(_address(urls), pattern, ignore_case=True)
            reasons = pc.if_else(
                pc.and_(pc.and_(found, open_rows), reasons.is_null()), reason, reasons
            )
        return Tags(pc.if_else(empty, pa.scalar(None, names.type), names), reasons)


def _with_plain_hosts(urls: pa.Array) -> pa.Array:
    """The same URLs with their hosts in canonical spelling, where that is not plain to see."""
    texts = texts_of(urls)
    starts, ends = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    if not host_spans(texts.data, texts.offsets, starts, ends):
        return urls
    rows = np.flatnonzero(ends < 0)
    spelt = []
    for row, url in zip(rows, urls.take(pa.array(rows)).to_pylist(), strict=True):
        raw = url.encode()
        host = canonical_host(raw[starts[row] : -ends[row]].decode("utf-8", "replace"))
        spelt.append((raw[: starts[row]] + host.encode() + raw[-ends[row] :]).decode())
    return pc.replace_with_mask(urls, pa.array(ends < 0), pa.array(spelt, urls.type))


def _address(urls: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(urls, r"^[^:/?#]*://", "", max_replacements=1)


def has_path(entry: str) -> bool:
    """Whether an entry names a page rather than a host."""
    return "/" in entry.strip().split("://")[-1].strip("/")
