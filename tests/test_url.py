"""Hosts of URLs and block lists."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import UrlFilter, registered_domain, registered_domains
from filters.url import BLOCKED_EXTENSIONS, BLOCKED_WORDS, hash_list

NOTHING = {"words": (), "extensions": ()}


def blocked(urls, **lists):
    return UrlFilter(**lists).tag(urls).blocked.to_pylist()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.Example.COM/a?b#c", "www.example.com"),
        ("http://user:pa@ss@example.com:8080/", "example.com"),
        ("http://example.com.", "example.com"),
        ("HTTP://EXAMPLE.com?x=//y", "example.com"),
        ("//cdn.example.com/x", "cdn.example.com"),
        ("s3://bucket/key", "bucket"),
        ("http://[2001:db8::1]:80/x", "[2001:db8::1]"),
        ("http://192.168.0.1/", "192.168.0.1"),
        ("http://bücher.example/", "bücher.example"),
        ("/data/file.txt", None),
        ("file:///data/file.txt", None),
        ("mailto:me@example.com", None),
        ("http://", None),
        ("", None),
        (None, None),
    ],
)
def test_hosts(url, host):
    assert UrlFilter().tag([url]).host.to_pylist() == [host]


def test_domains_block_what_lies_below_them():
    urls = [
        "http://bad.com/",
        "http://www.BAD.com:80/x",
        "http://notbad.com/",
        "http://bad.com.au/",
        "http://deep.down.bad.com./",
        "http://com/",
    ]
    found = blocked(urls, domains=["bad.com"], **NOTHING)
    assert found == ["url:domain", "url:domain", None, None, "url:domain", None]


def test_hosts_and_pages_block_exactly():
    lists = {"hosts": ["a.b.com"], "pages": ["c.com/x/y/", "d.com"], **NOTHING}
    urls = ["http://a.b.com/", "http://x.a.b.com/", "https://c.com/X/y?q=1", "http://c.com/x/y/z"]
    assert blocked(urls, **lists) == ["url:host", None, "url:page", None]
    assert blocked(["http://d.com/", "http://d.com/z"], **lists) == ["url:page", None]


def test_words_and_extensions():
    urls = [
        "http://a.com/free-PORN-here",
        "http://porn.a.com/",
        "http://a.com/?q=porn",
        "http://a.com/pornography-law",
        "http://a.com/x.JPG?y",
        "http://a.com/x.jpg.html",
        "http://a.com/v1.zip/readme",
        "scan.zip",
        "http://a.com",
    ]
    assert blocked(urls) == [
        "url:word",
        "url:word",
        "url:word",
        None,
        "url:extension",
        None,
        None,
        "url:extension",
        None,
    ]
    assert blocked(urls, **NOTHING) == [None] * 9
    assert len(set(BLOCKED_WORDS)) == len(BLOCKED_WORDS)
    assert len(set(BLOCKED_EXTENSIONS)) == len(BLOCKED_EXTENSIONS)


def test_lists_are_read_as_people_write_them():
    lines = [
        "# comment",
        "",
        "  One.com  ",
        "*.two.com",
        "0.0.0.0 three.com # why",
        ".four.com",
        "\n",
    ]
    urls = [f"http://www.{name}.com/" for name in ("one", "two", "three", "four", "five")]
    found = blocked(urls, domains=iter(lines), **NOTHING)
    assert found == ["url:domain"] * 4 + [None]
    assert len(hash_list(lines)) == 4


@given(st.lists(st.from_regex(r"[a-z0-9]{1,6}(\.[a-z]{2,3}){1,2}", fullmatch=True), max_size=20))
def test_lists_hold_what_they_were_given(names):
    half = names[::2]
    table = hash_list(half)
    assert len(table) == len(set(half)) and (np.diff(table.astype(object)) > 0).all()
    filters = UrlFilter(hosts=half, **NOTHING)
    tags = filters.tag([f"http://{name}/" for name in names])
    assert tags.host.to_pylist() == names
    assert tags.blocked.to_pylist() == [("url:host" if n in set(half) else None) for n in names]


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=10))
def test_any_text_may_stand_for_a_url(urls):
    tags = UrlFilter(domains=["a.b"]).tag(urls)
    assert len(tags.host) == len(tags.blocked) == len(urls)
    for url, host, reason in zip(
        urls, tags.host.to_pylist(), tags.blocked.to_pylist(), strict=True
    ):
        assert (url is not None) or (host is None and reason is None)
        assert host is None or host == host.strip(".") or host.startswith(".")


def test_filters_are_compact_and_pickle():
    filters = UrlFilter(domains=(f"site{k}.example" for k in range(10_000)))
    assert sum(table.nbytes for table in filters.lists) < 81_000
    again = pickle.loads(pickle.dumps(filters))
    column = pa.chunked_array([["http://site7.example/"], ["http://site.example/"]])
    assert again.tag(column).blocked.to_pylist() == ["url:domain", None]


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.com", "example.com"),
        ("example.com", "example.com"),
        ("news.bbc.co.uk", "bbc.co.uk"),
        ("bbc.co.uk", "bbc.co.uk"),
        ("a.b.gov.au", "b.gov.au"),
        ("a.b.example.de", "example.de"),
        ("localhost", "localhost"),
        ("10.1.2.3", "10.1.2.3"),
        ("[::1]", "[::1]"),
    ],
)
def test_registered_domains(host, domain):
    assert registered_domain(host) == domain
    column = pa.array([host, None, host], pa.large_string())
    assert registered_domains(column).to_pylist() == [domain, None, domain]
