"""robots.txt by RFC 9309, ai.txt and tdmrep.json: what they say of a URL."""

import re
from urllib.robotparser import RobotFileParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protego import Protego

from filters.host_consent import file_kind, judge_ai_txt, judge_robots, judge_tdmrep
from filters.robots import LIMIT, matches, normalise, parse_robots, target

GROUPS = (
    "allow: /foo/bar/\n\nuser-agent: FooBot\ndisallow: /\nallow: /x/\nuser-agent: BarBot\n"
    "disallow: /\nallow: /y/\n\n\nallow: /w/\nuser-agent: BazBot\n\nuser-agent: FooBot\n"
    "allow: /z/\ndisallow: /\n"
)
FOO = "user-agent: FooBot\n"
CASES = [
    # groups, RFC 9309, 2.2.1
    (GROUPS, "FooBot", "/x/b", True),
    (GROUPS, "FooBot", "/z/d", True),
    (GROUPS, "FooBot", "/y/c", False),
    (GROUPS, "BarBot", "/y/c", True),
    (GROUPS, "BarBot", "/w/a", True),
    (GROUPS, "BarBot", "/z/d", False),
    (GROUPS, "BazBot", "/z/d", True),
    (GROUPS, "BazBot", "/foo/bar/", False),  # a rule before any group is none
    ("user-agent: a\nuser-agent: b\ndisallow: /\n\nuser-agent: *\ndisallow:", "b", "/", False),
    ("user-agent: a\nuser-agent: b\ndisallow: /\n\nuser-agent: *\ndisallow:", "c", "/", True),
    ("user-agent: a\nSitemap: https://a.b/s\nuser-agent: *\ndisallow: /", "a", "/", False),
    ("user-agent: *\nallow: /x\nuser-agent: FooBot\ndisallow: /x/y", "FooBot", "/x/z", True),
    ("user-agent: *\ndisallow: /\nuser-agent: FooBot\nallow: /", "FooBot", "/x", True),
    ("user-agent: *\ndisallow: /\nuser-agent: FooBot\nallow: /", "Foo", "/x", False),
    # names in any case, paths not
    ("USER-AGENT: foobot\nDISALLOW: /x/", "FooBot", "/x/y", False),
    (FOO + "disallow: /X/", "FooBot", "/x/y", True),
    ("user-agent: FooBot/1.2\ndisallow: /", "foobot", "/", False),
    # the longest rule, and of equal ones the one that allows: 2.2.2
    (FOO + "disallow: /x/page.html\nallow: /x/", "FooBot", "/x/page.html", False),
    (FOO + "disallow: /x/page.html\nallow: /x/", "FooBot", "/x/", True),
    (FOO + "disallow: /\nallow: /", "FooBot", "/x", True),
    (FOO + "disallow: /x\nallow: /x/", "FooBot", "/x", False),
    (FOO + "disallow: \nallow: \ndisallow: /x/page.html\nallow: /x/page.", "FooBot",
     "/x/page.html", False),
    (FOO + "disallow: /foo/bar/quz\nallow: /foo/*/qux", "FooBot", "/foo/bar/quz", False),
    # encoding
    (FOO + "disallow: /\nallow: /foo?qux=taz&baz=http://a.b?tar", "FooBot",
     "http://foo.bar/foo?qux=taz&baz=http://a.b?tar", True),
    (FOO + "disallow: /foo/bar?baz=https%3A%2F%2Ffoo.bar", "FooBot",
     "/foo/bar?baz=https://foo.bar", False),
    (FOO + "disallow: /foo/ツ", "FooBot", "/foo/%E3%83%84", False),
    (FOO + "disallow: /foo/%e3%83%84", "FooBot", "/foo/ツ", False),
    (FOO + "disallow: /foo/%62%61%7A", "FooBot", "/foo/baz", False),
    (FOO + "disallow: /a%2Fb", "FooBot", "/a/b", True),
    # special characters: 2.2.3
    (FOO + "disallow: /*.gif$", "FooBot", "/a/b.gif", False),
    (FOO + "disallow: /*.gif$", "FooBot", "/a/b.gif?c", True),
    (FOO + "disallow: /fish*", "FooBot", "/fish/salmon", False),
    (FOO + "disallow: /foo/bar$", "FooBot", "/foo/bar/", True),
    (FOO + "disallow: /file-with-a-%2A.html", "FooBot", "/file-with-a-*.html", False),
    (FOO + "disallow: /foo-%24", "FooBot", "/foo-$", False),
    # lines, comments, marks
    ("user-agent: FooBot # the one\r\ndisallow: /x # that\r\n", "FooBot", "/x", False),
    ("user-agent: FooBot\rdisallow: /x\r", "FooBot", "/x", False),
    ("\ufeffuser-agent: FooBot\ndisallow: /x", "FooBot", "/x", False),
    ("user-agent FooBot\ndisallow /", "FooBot", "/x", False),
    ("useragent: FooBot\ndissallow: /", "FooBot", "/x", False),
    ("foo: FooBot\nbar: /", "FooBot", "/x", True),
    ("", "FooBot", "/x", True),
    ("# nothing to say", "FooBot", "/x", True),
    (FOO + "disallow: /", "FooBot", "/robots.txt", True),  # 2.2.2: always allowed
    (FOO + "disallow: private", "FooBot", "/private", True),  # no path
    # several words, lists, no words
    ("user-agent: *\ndisallow: /\nuser-agent: Foo Bar\nallow: /x/\ndisallow: /", "Foo", "/x/",
     True),
    ("user-agent: *\ndisallow: /\nuser-agent: Foo Bar\nallow: /x/\ndisallow: /", "Foo", "/y",
     False),
    ("user-agent: Kangaroo Bot\ndisallow: /", "Kangaroo Bot", "/", False),
    ("user-agent: GPTBot, CCBot\ndisallow: /", "CCBot", "/", False),
    ("user-agent: GPTBot, CCBot\ndisallow: /", "Other", "/", True),
    ("user-agent:\ndisallow: /", "FooBot", "/", True),
    ("user-agent: *\ndisallow: /\nuser-agent: Foo_Bot-x\nallow: /", "foo_bot-x", "/", True),
    ("user-agent: foo\ndisallow: /", "foobot", "/", True),  # whole tokens, not their beginnings
    # groups of everybody in two places are one
    ("user-agent: *\ndisallow: /a\nuser-agent: b\nallow: /\nuser-agent: *\ndisallow: /c", "x",
     "/a", False),
    ("user-agent: *\ndisallow: /a\nuser-agent: b\nallow: /\nuser-agent: *\ndisallow: /c", "x",
     "/c", False),
    # what is no rule does not end a group, nor begin one
    ("user-agent: a\nCrawl-delay: 5\nunknown: x\nuser-agent: b\ndisallow: /", "a", "/", False),
    ("user-agent: a\ndisallow: /x\n\n# a comment\n\ndisallow: /y", "a", "/y", False),
    ("user-agent: a\ndisallow: /x\nSitemap: http://s.test/\ndisallow: /y", "a", "/y", False),
    ("  \tUser-agent \t:  a  \n\tDisallow:\t/x \n", "a", "/x", False),
    # a comment within a line
    ("user-agent: FooBot\ndisallow: /foo/quz#qux\nallow: /", "FooBot", "/foo/quz", False),
    ("user-agent: FooBot\ndisallow: /foo/quz#qux\nallow: /", "FooBot", "/foo/bar", True),
    # ends of lines, mixed
    ("user-agent: a\rdisallow: /x\r\ndisallow: /y\n\rdisallow: /z", "a", "/z", False),
    ("user-agent: a\ndisallow: /x\x0b\ndisallow: /y", "a", "/y", False),
    # patterns that are everything, nothing, or only a star or an end
    (FOO + "disallow: *", "FooBot", "/x", False),
    (FOO + "disallow: /*", "FooBot", "/", False),
    (FOO + "disallow: $", "FooBot", "/", True),
    (FOO + "disallow: /$", "FooBot", "/", False),
    (FOO + "disallow: /$", "FooBot", "/x", True),
    (FOO + "disallow: /a$b", "FooBot", "/a$b", False),
    (FOO + "disallow: /a**b", "FooBot", "/axxb", False),
    (FOO + "disallow: /x", "FooBot", "http://foo.test", True),
    (FOO + "disallow: /?q", "FooBot", "http://foo.test?q=1", False),
    (FOO + "disallow: /x", "FooBot", "/x#fragment", False),
    (FOO + "disallow: /%2a", "FooBot", "/*", False),
    (FOO + "disallow: /a%3Cd", "FooBot", "/a%3cd", False),
    (FOO + "disallow: /%7Ejoe/", "FooBot", "/~joe/", False),
    (FOO + "disallow: /~joe/", "FooBot", "/%7Ejoe/x", False),
    (FOO + "disallow: /a b", "FooBot", "/a%20b", False),
]  # fmt: skip

# a rule, paths it is about, paths it is not
PATHS = [
    ("/fish", "/fish /fish.html /fish/salmon.html /fishheads /fishheads/yummy.html /fish.html?id=x",
     "/Fish.asp /catfish /?id=fish /desert/fish"),
    ("/fish*", "/fish /fish.html /fish/salmon.html /fishheads /fish.php?id=anything",
     "/Fish.bar /catfish /?id=fish"),
    ("/fish/", "/fish/ /fish/salmon /fish/?salmon /fish/salmon.html /animals/../fish/",
     "/fish /fish.html /animals/fish/ /Fish/Salmon.asp"),
    ("/*.php", "/index.php /filename.php /folder/filename.php /folder/filename.php?parameters "
     "//folder/any.php.file.html /filename.php/ /index?f=filename.php/", "/ /windows.PHP /php"),
    ("/*.php$", "/filename.php /folder/filename.php",
     "/filename.php?parameters /filename.php/ /filename.php5 /php/ /filename?php /windows.PHP"),
    ("/fish*.php", "/fish.php /fishheads/catfish.php?parameters", "/Fish.PHP"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "about", "others"), PATHS)
def test_what_a_rule_is_about(rule, about, others):
    robots = parse_robots(f"user-agent: *\ndisallow: {rule}")
    dots = [path for path in about.split() if "/../" in path]  # paths are compared as they are
    assert [path for path in about.split() if robots.allows("a", path)] == dots
    assert [path for path in others.split() if not robots.allows("a", path)] == []


@pytest.mark.parametrize(
    ("allow", "disallow", "path", "allowed"),
    [
        ("/p", "/", "/page", True),
        ("/folder", "/folder", "/folder/page", True),
        ("/page", "/*.htm", "/page.htm", False),
        ("/page", "/*.ph", "/page.php5", True),
        ("/$", "/", "/", True),
        ("/$", "/", "/page.htm", False),
        ("/*a", "/b", "/ba", True),
    ],
)
def test_precedence(allow, disallow, path, allowed):
    for rules in (f"allow: {allow}\ndisallow: {disallow}", f"disallow: {disallow}\nallow: {allow}"):
        assert parse_robots(f"user-agent: *\n{rules}").allows("a", path) is allowed


@pytest.mark.parametrize(
    ("mark", "obeyed"),
    [(b"\xef\xbb\xbf", True), (b"\xef\xbb", True), (b"\xef", True), (b"\xef\x11\xbf", False)],
)
def test_byte_order_marks(mark, obeyed):
    robots = parse_robots(mark + b"User-agent: foo\nDisallow: /\n")
    assert robots.allows("foo", "/") is not obeyed
    rest = parse_robots(mark + b"User-agent: a\nDisallow: /\nUser-agent: b\nDisallow: /\n")
    assert not rest.allows("b", "/")


def test_a_line_that_the_limit_cuts_does_not_count():
    head = b"User-agent: *\nDisallow: /x\n"
    body = head + b"#" * (LIMIT - len(head) - 13) + b"\nDisallow: /longer"
    assert body[:LIMIT].endswith(b"\nDisallow: /l")
    assert parse_robots(body).allows("a", "/l")
    assert not parse_robots(body).allows("a", "/x")


RULE = st.text("ab/*$", max_size=6).map(lambda rest: f"/{rest}")
LINES = st.lists(
    st.one_of(
        st.sampled_from(["one", "two", "*"]).map(lambda name: f"User-agent: {name}"),
        st.tuples(st.sampled_from(["Allow", "Disallow"]), RULE).map(": ".join),
    ),
    max_size=10,
)


@settings(deadline=None)
@given(LINES, st.sampled_from(["one", "two", "three"]), st.text("ab/", max_size=6))
def test_another_parser_decides_alike(lines, agent, path):
    body = "\n".join(lines)
    expected = Protego.parse(body).can_fetch(f"http://a.test/{path}", agent)
    assert parse_robots(body).allows(agent, f"http://a.test/{path}") is expected


PLAIN = st.lists(st.text("ab", min_size=1, max_size=2), max_size=3).map("/".join).map("/{}".format)


@settings(deadline=None)
@given(PLAIN, PLAIN)
def test_the_standard_library_decides_alike_on_one_plain_rule(rule, path):
    body = f"User-agent: *\nDisallow: {rule}"
    oracle = RobotFileParser()
    oracle.parse(body.splitlines())
    assert parse_robots(body).allows("a", path) is oracle.can_fetch("a", f"http://a.test{path}")


@pytest.mark.parametrize(("body", "agent", "url", "allowed"), CASES)
def test_rfc_9309(body, agent, url, allowed):
    for form in (body, body.encode()):
        robots = parse_robots(form)
        assert robots.allows(agent, url) is allowed
        assert robots.allows(agent, url if "://" in url else f"https://a.test{url}") is allowed


def test_500_kib_are_read_and_no_more():
    line = b"Disallow: /late\n"
    head = b"User-agent: *\n"
    filler = b"#" * (LIMIT - len(head) - len(line) - 1) + b"\n"
    assert not parse_robots(head + filler + line).allows("a", "/late")
    assert parse_robots(head + filler + b"#\n" + line).allows("a", "/late")


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><p>User-agent: *",
        b"\n <html>",
        b"\xff\xfeU\0s\0e\0r\0",
        b"Page not found",
        b"error: 1",
    ],
)
def test_what_cannot_be_read_is_an_error(body):
    assert parse_robots(body).error
    (found,) = judge_robots(200, body, "/x")
    assert found.signal == "robots-error"


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_file_may_come(body, path):
    robots = parse_robots(b"user-agent: *\ndisallow: /" + body)
    assert isinstance(robots.allows("GPTBot", f"http://a.test/{path}"), bool)
    for judge in (judge_ai_txt, judge_tdmrep):
        assert isinstance(judge(200, body, f"http://a.test/{path}"), list)


@given(st.text("ab*$", max_size=8), st.text("ab", max_size=8))
def test_patterns_match_as_the_expressions_they_mean(pattern, path):
    pattern, path = "/" + pattern, "/" + path
    end = r"\Z" if pattern.endswith("$") else ""
    parts = pattern.removesuffix("$").split("*")
    expression = ".*".join(re.escape(part) for part in parts) + end
    expected = re.match(expression, path) is not None
    assert matches(normalise(pattern, pattern=True), target(path)) is expected


@pytest.mark.parametrize(
    ("status", "body", "signals"),
    [
        (404, b"whatever", []),
        (403, b"", []),
        (429, b"", []),
        (503, b"", ["robots-unreachable"]),
        (301, b"", None),
        (None, b"User-agent: CCBot\nUser-agent: GPTBot\nDisallow: /", ["robots-ai"]),
        (200, b"User-agent: *\nDisallow: /", ["robots-all"]),
        (200, b"User-agent: Googlebot\nDisallow: /", []),
        (200, b"User-agent: GPTBot\nAllow: /\nUser-agent: *\nDisallow: /", ["robots-all"]),
        (200, b"User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /",
         ["content-usage"]),
        (200, b"User-agent: *\nContent-Usage: train-ai=n", ["content-usage"]),
        (200, b"User-agent: *\nContent-Usage: train-ai=y", []),
        (200, b"License: https://a.test/rsl.xml\nUser-agent: *\nAllow: /", ["rsl"]),
    ],
)  # fmt: skip
def test_answers_of_a_host(status, body, signals):
    found = judge_robots(status, body, "http://a.test/x")
    assert signals == (None if found is None else [finding.signal for finding in found])


def test_agents_are_those_asked_for():
    body = b"User-agent: MyBot\nDisallow: /\nUser-agent: *\nDisallow: /"
    found = judge_robots(200, body, "/x", ["mybot"])
    assert [f.evidence for f in found] == ["robots.txt: mybot: Disallow: /"]


@pytest.mark.parametrize(
    ("body", "url", "reserved"),
    [
        (b"User-Agent: *\nDisallow: /", "http://a.test/x", True),
        (b"User-Agent: *\nDisallow: *.html\nAllow: *.jpg", "http://a.test/x", True),
        (b"User-Agent: *\nDisallow: *.jpg", "http://a.test/x", False),
        (b"User-Agent: *\nDisallow: *.pdf", "http://a.test/x.pdf", True),
        (b"User-Agent: *\nAllow: /", "http://a.test/x", False),
        (b"<html>not found", "http://a.test/x", False),
    ],
)
def test_ai_txt(body, url, reserved):
    assert bool(judge_ai_txt(200, body, url)) is reserved
    assert judge_ai_txt(404, body, url) == []


@pytest.mark.parametrize(
    ("body", "path", "signal"),
    [
        (b'[{"location": "/", "tdm-reservation": 1}]', "/x", "tdm-reservation"),
        (b'{"location": "/*", "tdm-reservation": "1"}', "/x", "tdm-reservation"),
        (b'[{"location": "/", "tdm-reservation": 0}]', "/x", None),
        (b'[{"location": "/a", "tdm-reservation": 1}]', "/x", None),
        (b'[{"location": "/a/", "tdm-reservation": 1}, '
         b'{"location": "/a/b/*", "tdm-reservation": 0}]', "/a/b/c", None),
        (b'[{"location": "/*.pdf$", "tdm-reservation": 1}]', "/a.pdf", "tdm-reservation"),
        (b'[{"location": "/", "tdm-reservation": "yes"}]', "/x", "tdm-reservation"),
        (b'[{"location": "/"}]', "/x", "tdm-reservation"),
        (b'[{"tdm-reservation": 1}]', "/x", "tdm-error"),
        (b"[{oops", "/x", "tdm-error"),
        (b"[]", "/x", None),
        (b"<html>", "/x", None),
    ],
)  # fmt: skip
def test_tdmrep(body, path, signal):
    found = judge_tdmrep(200, body, f"https://a.test{path}")
    assert [finding.signal for finding in found] == ([signal] if signal else [])


def test_files_are_known_by_their_paths():
    assert file_kind("http://a.test/robots.txt?x") == "robots"
    assert file_kind("https://a.test/.well-known/tdmrep.json") == "tdmrep"
    assert file_kind("https://a.test/ai.txt") == "ai-txt"
    assert file_kind("https://a.test/b/robots.txt") is None
