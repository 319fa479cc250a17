"""What pages say of themselves: title, author, date, site, address, language."""

import time

import pytest

from pipeline.extract import extract_html
from pipeline.html.datelines import date_in
from pipeline.html.metadata import html_metadata
from pipeline.html.tokens import tokenize


def metadata(head, uri="http://a.test/dir/page", body="", attributes=""):
    page = f"<html {attributes}><head>{head}</head><body>{body}</body></html>"
    return html_metadata(tokenize(page), uri)


def test_metadata_of_an_article():
    page = extract_html(
        b"""<!DOCTYPE html><html lang="en-GB"><head><title>The river - Local News</title>
        <link rel="canonical" href="/river?x=1">
        <meta property="og:title" content="The river &amp; us">
        <meta property="og:site_name" content="Local News">
        <meta name="author" content="Ann  Miller">
        <meta property="article:published_time" content="2023-04-05T06:07:08Z">
        </head><body><h1>The river</h1><p>It rises.</p></body></html>""",
        uri="http://a.test/dir/page",
        engine="resiliparse",
    )
    assert page.title == "The river & us"
    assert page.author == "Ann Miller"
    assert page.date == "2023-04-05T06:07:08Z"
    assert page.site_name == "Local News"
    assert page.canonical_url == "http://a.test/river?x=1"
    assert page.html_lang == "en-GB"


@pytest.mark.parametrize(
    ("field", "head", "expected"),
    [
        ("title", "<title>\n Plain   title\n</title>", "Plain title"),
        ("title", "<title></title><meta name=citation_title content=Paper>", "Paper"),
        ("title", "<title>A day - Post</title><meta name=og:site_name content=x>", "A day - Post"),
        ("title", "<title>A day | Post</title><meta name=og:site_name content=Post>", "A day"),
        ("title", "<title>Floods: the long year - a.test</title>", "Floods: the long year"),
        (
            "author",
            "<meta name=citation_author content=A><meta name=citation_author content=B>",
            "A; B",
        ),
        ("author", "<meta property=article:author content=https://x.test/u>", None),
        ("author", "<meta name=DC.creator content='C. Reator'>", "C. Reator"),
        ("date", "<meta name=DC.date.issued content=2001>", "2001"),
        ("date", "<meta itemprop=datePublished content=2002-02-02>", "2002-02-02"),
        ("canonical_url", "<link rel='x CANONICAL' href='//b.test/y'>", "http://b.test/y"),
        ("canonical_url", "<meta property=og:url content='http://c.test/'>", "http://c.test/"),
        ("canonical_url", "<link rel=canonical href='javascript:x'>", None),
        ("canonical_url", "<link rel=canonical href='http://[bad'>", None),
        ("html_lang", "<meta http-equiv=Content-Language content=fr>", "fr"),
        ("html_lang", "<meta property=og:locale content=de_DE>", "de_DE"),
        (
            "html_lang",
            "<link rel=alternate hreflang=en href=http://a.test/en>"
            "<link rel=alternate hreflang=pl href=http://a.test/dir/page/>",
            "pl",
        ),
    ],
)
def test_carriers(field, head, expected):
    assert getattr(metadata(head), field) == expected


@pytest.mark.parametrize(
    ("title", "heading", "expected"),
    [
        ("The long year - Post", "The long year", "The long year"),
        ("Post » The Long Year", "The long year", "The Long Year"),
        ("The long year and the short", "The long year", "The long year and the short"),
        (
            "Post | Sport | The long year of floods",
            "Sport",
            "Post | Sport | The long year of floods",
        ),
        ("Well-known: a story", "", "Well-known: a story"),
    ],
)
def test_headings_tell_the_title_from_the_site(title, heading, expected):
    assert metadata(f"<title>{title}</title>", body=f"<h1><a>{heading}</a></h1>").title == expected


@pytest.mark.parametrize(
    ("body", "author"),
    [
        ('<span itemprop="author"><span itemprop="name">Ann Miller</span></span>', "Ann Miller"),
        ('<p class="byline">By Ann Miller</p>', "Ann Miller"),
        ('<a href="/u" rel="author">Ann Miller</a>', "Ann Miller"),
        ('<span class="author vcard">von <a class="fn n">Ann Miller</a></span>', "Ann Miller"),
        ('<p class="byline">Posted on 5 May by somebody of the house</p>', None),
        ('<div class="author-box"><p>' + "She writes of rivers. " * 20 + "</p></div>", None),
    ],
)
def test_bylines(body, author):
    assert metadata("", body=body).author == author


@pytest.mark.parametrize(
    ("body", "uri", "date"),
    [
        (
            '<time itemprop="datePublished" datetime="2011-02-03T04:05">3 Feb</time>',
            "",
            "2011-02-03T04:05",
        ),
        ("<time datetime='2011-02-03'>x</time>", "", "2011-02-03"),
        ('<abbr class="published" title="2011-02-03T01:00">x</abbr>', "", "2011-02-03"),
        ('<span class="entry-date">am 3.2.2011</span>', "", "2011-02-03"),
        ('<p class="posted-on"><a><time datetime="2012-01-01">x</time></a></p>', "", "2012-01-01"),
        ("", "http://a.test/2011/02/03/floods", "2011-02-03"),
        ("", "http://a.test/2011/22/03/floods", None),
        ('<span class="entry-date">yesterday</span><time datetime="P1D">x</time>', "", None),
    ],
)
def test_dates(body, uri, date):
    assert metadata("", uri=uri, body=body).date == date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Posted on August 6, 2009 by Ann", "2009-08-06"),
        ("Am 3. März 2011 um 10 Uhr", "2011-03-03"),
        ("le 1er janvier 2020", "2020-01-01"),
        ("5 de mayo de 2016", "2016-05-05"),
        ("07.11.2012, 08:15", "2012-11-07"),
        ("12/31/2019", "2019-12-31"),
        ("31/12/2019", "2019-12-31"),
        ("2019/3/4", "2019-03-04"),
        ("2014年5月18日", "2014-05-18"),
        ("Sept. 9, 2021", "2021-09-09"),
        ("room 12 in 2014", None),
        ("45.99.2012", None),
        ("", None),
    ],
)
def test_dates_in_text(text, date):
    assert date_in(text) == date


def test_a_dateline_near_the_heading_is_the_date():
    body = "<p>x</p><h1>Floods</h1><p class=z>Ann, 3 February 2011</p><p>In 2012-01-01 it fell.</p>"
    assert metadata("", body=body).date == "2011-02-03"
    long = f"<h1>Floods</h1><p>{'It rose. ' * 20} It fell on 2012-01-01.</p>"
    assert metadata("", body=long).date is None


@pytest.mark.parametrize(
    "data",
    [
        '{"@type": "NewsArticle", "datePublished": "2020-01-01", "author": {"name": "J. D."}}',
        '[{"@type": "X"}, {"datePublished": "2020-01-01", "author": [{"name": "J. D."}]}]',
        '{"@graph": [{"@type": "X"}, {"author": "J. D.", "datePublished": "2020-01-01"}]}',
    ],
)
def test_linked_data(data):
    got = metadata(f'<script type="application/ld+json">{data}</script>')
    assert (got.author, got.date) == ("J. D.", "2020-01-01")


@pytest.mark.parametrize(
    "data", ["{", "5", "null", "[" * 5000, '{"author": {"name": 5}}', '{"@graph": 1}']
)
def test_bad_linked_data_is_passed_over(data):
    got = metadata(f'<script type="application/ld+json">{data}</script>')
    assert (got.author, got.date) == (None, None)


def test_metadata_outside_the_head():
    got = metadata(
        "", body="<div>early</div><meta name=author content=Z><time pubdate datetime=2011-01-01>x"
    )
    assert (got.author, got.date) == ("Z", "2011-01-01")
    assert metadata("", attributes="lang=de").html_lang == "de"
    assert metadata("") == html_metadata(tokenize(""), "")


KILLERS = {
    "meta": "<meta name=author content=>" * 200_000,
    "links": "<link rel=canonical>" * 200_000,
    "scripts": '<script type="application/ld+json">[[</script>' * 100_000,
    "headings": "<h1>" * 200_000,
    "attributes": "<html " + "a " * 1_000_000 + "><meta name=author content=x>",
    "white space": "<html a" + " " * 5_000_000 + "b>",
    "bylines": '<div class="byline">' * 100_000 + "x",
    "times": "<time datetime=x>" * 200_000,
    "title": "<title>" + "| " * 1_000_000 + "</title>",
}


@pytest.mark.parametrize("name", KILLERS)
def test_killers_cost_little(name):
    tokens = tokenize(KILLERS[name])
    html_metadata(tokenize("<p>"), "")
    before = time.process_time()
    html_metadata(tokens, "http://a.test/")
    assert time.process_time() - before < 10  # what is quadratic takes minutes
