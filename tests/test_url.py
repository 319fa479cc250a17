"""Hosts of URLs and block lists."""

import json
import pickle
import re
from pathlib import Path
from urllib.parse import urlsplit

import publicsuffixlist
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from filters import UrlFilter, registered_domain, registered_domains
from filters.hosts import canonical_host
from filters.url import BLOCKED_EXTENSIONS, BLOCKED_WORDS, UrlList
from pipeline.plan import ingest_jobs
from pipeline.recipe import load_recipe
from pipeline.url_lists import url_lists
from tests.inputs import prose, write_jsonl, write_recipe

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
        ("http://[2001:DB8:0:0::1]/x", "[2001:db8::1]"),
        ("http://[v1.bad]/x", "[v1.bad]"),
        ("http://bücher.example/", "xn--bcher-kva.example"),
        ("http://BÜCHER.Example:80/ü", "xn--bcher-kva.example"),
        ("http://XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("http://b%C3%BCcher.example./", "xn--bcher-kva.example"),
        ("http://例え。テスト/", "xn--r8jz45g.xn--zckzah"),
        ("http://under_score.ex/", "under_score.ex"),
        ("http://ü_ü.ex/", "ü_ü.ex"),
        ("  http://example.com/", "example.com"),
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
    assert len(UrlFilter(domains=lines).compiled.tables.domains) == 4


@given(st.lists(st.from_regex(r"[a-z0-9]{1,6}(\.[a-z]{2,3}){1,2}", fullmatch=True), max_size=20))
def test_lists_hold_what_they_were_given(names):
    half = names[::2]
    filters = UrlFilter(hosts=half, **NOTHING)
    assert len(filters.compiled.tables.hosts) == len(set(half))
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


def test_pages_and_prefixes_with_queries_and_www():
    lists = {
        "pages": ["http://www.a.com/x", "a.com/q?id=3"],
        "prefixes": ["b.com/~me/", "c.com:80"],
        **NOTHING,
    }
    urls = [
        "https://a.com/x",
        "https://www2.A.com/x/?y=1",
        "http://a.com/x/y",
        "http://a.com/q",
        "http://a.com/q?id=3#top",
        "http://a.com/q?id=31",
        "http://b.com/~me",
        "http://b.com/~me/deep/er?q",
        "http://b.com/~men",
        "http://c.com",
        "http://c.com/any",
        "http://x.c.com/any",
        "http://www.com/",
    ]
    page, prefix = "url:page", "url:prefix"
    found = blocked(urls, **lists)
    assert found[:6] == [page, page, None, None, page, None]
    assert found[6:] == [prefix, prefix, None, prefix, prefix, None, None]


def test_what_is_allowed_no_list_blocks():
    lists = {
        "domains": ["bad.com", "good.org"],
        "allow": ["fine.bad.com", "bad.com/press", "w.net"],
    }
    urls = [
        "http://bad.com/x",
        "http://fine.bad.com/x",
        "http://deep.fine.bad.com/porn",
        "http://www.bad.com/press/2024",
        "http://bad.com/pressure",
        "http://w.net/photo.jpg",
        "http://good.org/",
    ]
    found = blocked(urls, **lists)
    assert found == ["url:domain", None, None, None, "url:domain", None, "url:domain"]


def ut1():
    return [
        UrlList("domain", "adult", ["one.com", b"two.com\nb\xc3\xbccher.example\n"]),
        UrlList("domain", "games", ["two.com", "three.com", "10.1.2.3"]),
        UrlList("prefix", "games", ["four.com/play"]),
        UrlList("expression", "adult", ["(^|[-\\?+=/_])naked([-\\?+=/_]|$)", "# comment", ""]),
        UrlList("allowed_domain", "", ["ok.one.com"]),
    ]


def test_categories_and_expressions_give_the_reason():
    urls = [
        "http://x.one.com/",
        "http://two.com/",
        "http://three.com/",
        "https://www.four.com/play/now",
        "http://five.com/a-Naked-b",
        "http://five.com/nakedly",
        "http://ok.one.com/naked",
        "http://xn--bcher-kva.example/",
        "http://10.1.2.3:8080/x",
        None,
    ]
    assert UrlFilter.of(ut1()).tag(urls).blocked.to_pylist() == [
        "url:domain:adult",
        "url:domain:adult",
        "url:domain:games",
        "url:prefix:games",
        "url:expression:adult",
        None,
        None,
        "url:domain:adult",
        "url:domain:games",
        None,
    ]


def test_wrong_lists_are_told():
    with pytest.raises(ValueError, match="unknown kind of list 'domians'"):
        UrlFilter.of([UrlList("domians", "", [])])
    with pytest.raises(ValueError, match="missing"):
        UrlFilter.of([UrlList("expression", "x", ["(open"])])
    with pytest.raises(ValueError, match="300 kinds and categories of lists, at most 255"):
        UrlFilter.of(UrlList("domain", str(n), ["a.b"]) for n in range(300))


def test_filters_are_compact_and_files_are_mapped(tmp_path):
    filters = UrlFilter(domains=(f"site{k}.example" for k in range(10_000)))
    table = filters.compiled.tables.domains
    assert len(table) == 10_000
    assert sum(array.nbytes for array in table[1:]) == 70_000
    filters.save(tmp_path / "lists.arrow")
    UrlFilter(domains=(f"site{k}.example" for k in range(10_000))).save(tmp_path / "again.arrow")
    assert (tmp_path / "lists.arrow").read_bytes() == (tmp_path / "again.arrow").read_bytes()
    mapped = UrlFilter.open(str(tmp_path / "lists.arrow"))
    assert not mapped.compiled.tables.domains.middle.flags.owndata
    column = pa.chunked_array([["http://site7.example/"], ["http://site.example/"]])
    for again in (filters, mapped):
        copy = pickle.loads(pickle.dumps(again))
        assert copy.tag(column).blocked.to_pylist() == ["url:domain", None]
    assert len(pickle.dumps(mapped)) < 500


def test_expressions_travel_with_the_file(tmp_path):
    UrlFilter.of(ut1()).save(tmp_path / "lists.arrow")
    urls = ["http://a.b/naked", "http://two.com", "http://a.b/"]
    found = UrlFilter.open(str(tmp_path / "lists.arrow")).tag(urls).blocked.to_pylist()
    assert found == ["url:expression:adult", "url:domain:adult", None]


def oracle(url, domains, prefixes):
    """The same question in plain Python: domain lists by suffix, prefix lists by path."""
    host, _, path = url.removeprefix("http://").partition("/")
    labels = host.split(".")
    if any(".".join(labels[k:]) in domains for k in range(len(labels))):
        return "url:domain"
    parts = path.split("/") if path else []
    bare = host.removeprefix("www.") if host.count(".") > 1 or host != "www." else host
    below = ("/".join([bare, *parts[:k]]) for k in range(len(parts) + 1))
    return "url:prefix" if any(one in prefixes for one in below) else None


name = st.from_regex(r"(www\.)?[ab]{1,2}(\.[ab]{1,2}){0,2}\.(com|net)", fullmatch=True)
path = st.from_regex(r"(/[ab]{1,2}){0,3}", fullmatch=True)


@given(
    st.lists(st.tuples(name, path), min_size=1, max_size=30),
    st.lists(name, max_size=6),
    st.lists(st.tuples(name, path), max_size=6),
)
def test_lists_agree_with_plain_python(urls, domains, pages):
    urls = [f"http://{host}{tail}" for host, tail in urls]
    prefixes = [f"{host.removeprefix('www.')}{tail}" for host, tail in pages]
    found = blocked(urls, domains=domains, prefixes=prefixes, **NOTHING)
    assert found == [oracle(url, set(domains), set(prefixes)) for url in urls]


@given(st.text(max_size=30))
def test_hosts_have_one_spelling(text):
    once = canonical_host(text)
    assert once == once.lower() or not once.isascii()
    if once.isascii() and "%" not in once:
        assert canonical_host(once) == once.rstrip(".")


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.com", "example.com"),
        ("example.com", "example.com"),
        ("news.bbc.co.uk", "bbc.co.uk"),
        ("bbc.co.uk", "bbc.co.uk"),
        ("a.b.gov.au", "b.gov.au"),
        ("a.b.example.de", "example.de"),
        ("a.b.city.kawasaki.jp", "city.kawasaki.jp"),
        ("x.y.kobe.jp", "x.y.kobe.jp"),
        ("www.user.github.io", "github.io"),
        ("shop.xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("10.1.2.3", "10.1.2.3"),
        ("[::1]", "[::1]"),
    ],
)
def test_registered_domains(host, domain):
    assert registered_domain(host) == domain
    column = pa.array([host, None, host], pa.large_string())
    assert registered_domains(column).to_pylist() == [domain, None, domain]


def test_private_suffixes_on_demand():
    assert registered_domain("www.user.github.io", private=True) == "user.github.io"
    column = pa.array(["www.user.github.io"])
    assert registered_domains(column, private=True).to_pylist() == ["user.github.io"]


def recipe_with(folder, **url):
    write_jsonl(folder / "texts.jsonl", range(3))
    sources = {"texts": {"reader": "jsonl", "paths": "texts.jsonl"}}
    return load_recipe(str(write_recipe(folder, sources, url=url)))


def write_ut1(folder):
    """A folder of lists as the University of Toulouse publishes them."""
    for category, files in {
        "adult": {
            "domains": "one.com\ntwo.com\n",
            "urls": "three.com/~x\n",
            "expressions": "(^|[/_-])naked([/_-]|$)\n",
            "usage": "black\n",
        },
        "games": {"domains": "two.com\nfour.com\n"},
    }.items():
        (folder / "ut1" / category).mkdir(parents=True)
        for name, text in files.items():
            (folder / "ut1" / category / name).write_text(text)


def test_ut1_folders_are_read_as_they_are(tmp_path):
    write_ut1(tmp_path)
    (tmp_path / "fine.txt").write_text("# ours\nok.one.com\nfour.com/rules\n")
    urls = ["http://a.one.com", "http://two.com", "http://www.three.com/~x/y", "http://four.com/"]
    urls += [
        "http://five.com/naked/",
        "http://ok.one.com/",
        "http://four.com/rules/1",
        "http://e.f",
    ]

    def tags(**url):
        lists = url_lists(recipe_with(tmp_path, words=[], extensions=[], **url))
        lists.write(str(tmp_path / "run"))
        filters = UrlFilter.open(lists.path(str(tmp_path / "run")))
        return filters.tag(urls).blocked.to_pylist(), lists.digest

    adult, games = "url:domain:adult", "url:domain:games"
    expected = [adult, adult, "url:prefix:adult", games, "url:expression:adult", None, None, None]
    found, digest = tags(folders=["ut1"], allow=["fine.txt"])
    assert found == expected
    assert tags(folders=["ut1"], allow=["fine.txt"]) == (expected, digest)
    found, _ = tags(folders=["ut1"], categories=["games", "adult"], allow=["ok.one.com"])
    assert found[:4] == [adult, games, "url:prefix:adult", games]
    found, other = tags(folders=["ut1"], categories=["games"], allow=["four.com/rules"])
    assert found == [None, games, None, games, None, None, None, None]
    assert other != digest
    assert len(list((tmp_path / "run" / "lists").iterdir())) == 1  # what was asked for last


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ({"domains": ["lists/none.txt"]}, "field 'url.domains.0': no file matches"),
        ({"words": ["a", "b.txt"]}, "field 'url.words.1': no file matches 'b.txt'"),
        ({"prefixes": ["lists/none"]}, "field 'url.prefixes.0': no file matches"),
        ({"folders": ["run"]}, "field 'url.folders.0': no file named domains"),
        ({"folders": ["ut1"], "categories": ["adlut"]}, r"\(did you mean 'adult'\?\)"),
        ({"categories": ["adult"]}, "there are: none"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, url, told):
    write_ut1(tmp_path)
    with pytest.raises(UserError, match=told):
        url_lists(recipe_with(tmp_path, **url))


def test_a_wrong_expression_is_named_with_its_line(tmp_path):
    write_ut1(tmp_path)
    (tmp_path / "ut1" / "adult" / "expressions").write_text("fine\n(open\n")
    with pytest.raises(UserError, match=r"adult/expressions: line 2: "):
        url_lists(recipe_with(tmp_path, folders=["ut1"])).write(str(tmp_path / "run"))


def test_pages_may_stand_in_the_recipe(tmp_path):
    lists = url_lists(recipe_with(tmp_path, pages=["a.com/x", "https://b.com/y"], words=[]))
    lists.write(str(tmp_path / "run"))
    filters = UrlFilter.open(lists.path(str(tmp_path / "run")))
    assert filters.tag(
        ["http://a.com/x", "http://b.com/y", "http://b.com/"]
    ).blocked.to_pylist() == [
        "url:page",
        "url:page",
        None,
    ]


def test_records_are_rejected_with_kind_and_category(tmp_path):
    write_ut1(tmp_path)
    urls = ["http://x.one.com/", "http://www.news.co.uk/a", "http://ok.one.com/", "file.txt"]
    rows = [{"text": prose(n), "url": url} for n, url in enumerate(urls)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"uri_field": "url"}
    sources = {"texts": {"reader": "jsonl", "paths": "texts.jsonl", "options": options}}
    url = {"folders": ["ut1"], "allow": ["ok.one.com"]}
    recipe = load_recipe(str(write_recipe(tmp_path, sources, url=url)))
    url_lists(recipe).write(recipe.run_folder)
    (job,) = ingest_jobs(recipe)
    assert job.run(job).rejected == {"url:url:domain:adult": 1}
    with open_catalog(recipe.run_folder) as catalog:
        blocked = catalog.execute("SELECT uri, url_block FROM rejected").fetchall()
        assert blocked == [("http://x.one.com/", "url:domain:adult")]
        query = "SELECT host, domain FROM documents ORDER BY uri"
        assert catalog.execute(query).fetchall() == [
            (None, None),
            ("ok.one.com", "one.com"),
            ("www.news.co.uk", "news.co.uk"),
        ]


def test_registered_domains_follow_the_vectors_of_the_list():
    vectors = Path(publicsuffixlist.__file__).with_name("test_psl.txt").read_text("utf-8")
    pairs = re.findall(r"^checkPublicSuffix\('([^']+)', '([^']+)'\)", vectors, re.MULTILINE)
    assert len(pairs) > 50
    for host, domain in pairs:
        assert registered_domain(host.lower(), private=True) == domain.lower()


labels = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,5}[a-zA-Z0-9])?", fullmatch=True)


@given(
    st.sampled_from(["http", "HTTPS", "ftp"]),
    st.sampled_from(["", "user@", "user:pass@", "a@b:c@"]),
    st.lists(labels, min_size=1, max_size=4),
    st.sampled_from(["", ".", ":80", ":8080", ".:443"]),
    st.sampled_from(["", "/", "/a@b:c/d", "?q=http://x.y/", "#f@g", "/p;r?x=1#y"]),
)
def test_hosts_are_those_of_the_standard_library(scheme, user, names, port, tail):
    url = f"{scheme}://{user}{'.'.join(names)}{port}{tail}"
    host = urlsplit(url).hostname.rstrip(".")
    assert UrlFilter(**NOTHING).tag([url]).host.to_pylist() == [host]
