"""robots.txt behind redirects: hops, other hosts, circles, and what is not known."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from pipeline.notices import authority
from pipeline.redirects import HOPS, destination, followed

AT = datetime(2026, 1, 2, tzinfo=UTC)


def notice(uri, status=200, body=b"", hour=0, later=False):
    at = AT.replace(hour=hour)
    found = {"kind": "robots", "scope": authority(uri), "uri": uri, "later": later}
    return {**found, "status": status, "body": body, "fetched_at": at}


def resolve(*notices, host="a.test"):
    by_host = {}
    for one in notices:
        by_host.setdefault(one["scope"], []).append(one)
    asked = []

    def fetch(hosts):
        asked.extend(hosts)
        return {name: by_host[name] for name in hosts if name in by_host}

    return followed({host: by_host.get(host, [])}, fetch, authority)[host], asked


def chain(hops):
    """A file behind a number of redirects, each on a host of its own."""
    urls = ["http://a.test/robots.txt", *(f"https://h{i}.test/robots.txt" for i in range(hops))]
    moves = [notice(here, 302, there.encode()) for here, there in pairwise(urls)]
    return [*moves, notice(urls[-1], body=b"the end")]


@pytest.mark.parametrize("hops", range(HOPS + 2))
def test_five_hops_are_followed(hops):
    found, asked = resolve(*chain(hops))
    assert [one["body"] for one in found] == ([b"the end"] if hops <= HOPS else [])
    assert len(asked) == min(hops, HOPS)


def test_the_same_host_with_another_scheme():
    found, asked = resolve(
        notice("http://a.test/robots.txt", 301, b"https://a.test/robots.txt"),
        notice("https://a.test:443/robots.txt", body=b"rules"),
    )
    assert [one["body"] for one in found] == [b"rules", b"rules"] and not asked


def test_circles_and_lost_ends_say_nothing():
    assert resolve(notice("http://a.test/robots.txt", 301, b"http://a.test/robots.txt")) == ([], [])
    there = notice("http://a.test/robots.txt", 307, b"http://b.test/robots.txt")
    back = notice("http://b.test/robots.txt", 307, b"http://a.test/robots.txt")
    assert resolve(there, back)[0] == []
    assert resolve(there)[0] == []
    other = notice("http://b.test/other.txt", body=b"not this one")
    assert resolve(there, other)[0] == []


def test_the_capture_nearest_in_time_is_taken_and_the_status_with_it():
    moved = notice("http://a.test/robots.txt", 308, b"http://b.test/robots.txt", hour=5)
    ends = [notice("http://b.test/robots.txt", 200 + i, hour=h) for i, h in enumerate((1, 6, 20))]
    (found,), _ = resolve(moved, *ends)
    assert found["status"] == 201 and found["fetched_at"] == moved["fetched_at"]
    later = notice("http://b.test/robots.txt", hour=5, later=True)
    assert resolve(moved, later)[0] == []  # of the crawl, and of a snapshot, each for itself


@pytest.mark.parametrize(
    ("status", "location", "target"),
    [
        (301, "https://b.test/robots.txt", "https://b.test/robots.txt"),
        (302, "/robots.txt?x#y", "http://a.test/robots.txt?x"),
        (307, "//b.test/robots.txt", "http://b.test/robots.txt"),
        (308, " https://b.test/r ", "https://b.test/r"),
        (301, None, None),
        (301, "http://[b/", None),
        (200, "/robots.txt", None),
        (None, "/robots.txt", None),
    ],
)
def test_where_an_answer_leads(status, location, target):
    assert destination(status, "http://a.test/robots.txt", location) == target
