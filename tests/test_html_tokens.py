"""Tokens of HTML pages: against lexbor, as a well-formed tree on any input, in linear time."""

import html
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree, NodeType, traverse_dom

from pipeline.html import tokens as module
from pipeline.html.tags import TAG, TAGS
from pipeline.html.tokens import END, START, TEXT, PageLimitError, attributes, tokenize

UNSEEN = ("script", "style", "title", "textarea", "iframe", "xmp", "noembed", "noframes")


def outline(page):
    """The page as nested lists: (name, children) and texts; checks the arrays on the way."""
    tokens = tokenize(page)
    root = []
    stack, nodes = [root], [-1]
    for i in range(len(tokens)):
        assert tokens.parent[i] == (nodes[-1] if tokens.kind[i] != END else nodes[-2])
        assert 0 <= tokens.start[i] <= tokens.end[i] <= len(tokens.source)
        if tokens.kind[i] == TEXT:
            assert tokens.end[i] > tokens.start[i] and tokens.close[i] == i
            assert tokens.tag[i] == (tokens.tag[nodes[-1]] if nodes[-1] >= 0 else 0)
            stack[-1].append(tokens.source[tokens.start[i] : tokens.end[i]].decode())
        elif tokens.kind[i] == START:
            children = []
            stack[-1].append((TAGS[tokens.tag[i]], children))
            if tokens.close[i] != i:
                stack.append(children)
                nodes.append(i)
        else:
            assert tokens.close[i] == nodes[-1] and tokens.close[nodes[-1]] == i
            assert tokens.tag[i] == tokens.tag[nodes[-1]]
            stack.pop()
            nodes.pop()
    assert nodes == [-1]
    return root


def visible(page):
    tokens = tokenize(page)
    hidden = [TAG[name] for name in UNSEEN]
    seen = (tokens.kind == TEXT) & ~np.isin(tokens.tag, hidden)
    texts = [tokens.source[tokens.start[i] : tokens.end[i]] for i in np.flatnonzero(seen)]
    return "".join(html.unescape(b"".join(texts).decode()).split())


def visible_to_lexbor(page):
    texts = []

    def begin(context):
        node = context.node
        if node.type == NodeType.TEXT and (node.parent is None or node.parent.tag not in UNSEEN):
            texts.append(node.value or "")

    traverse_dom(HTMLTree.parse(page).document, begin)
    return "".join("".join(texts).split())


ROW_A = [("tr", [("td", ["a"])])]


@pytest.mark.parametrize(
    ("page", "tree"),
    [
        ("<p>a<p>b", [("p", ["a"]), ("p", ["b"])]),
        ("<P>a<DIV>b</p>c</dIv>", [("p", ["a"]), ("div", ["b", "c"])]),
        ("<ul><li>a<li>b</ul>c", [("ul", [("li", ["a"]), ("li", ["b"])]), "c"]),
        (
            "<ul><li>a<ul><li>b</ul><li>c</ul>",
            [("ul", [("li", ["a", ("ul", [("li", ["b"])])]), ("li", ["c"])])],
        ),
        ("<li><div>a<li>b", [("li", [("div", ["a"])]), ("li", ["b"])]),
        ("<dl><dt>a<dd>b<dt>c</dl>", [("dl", [("dt", ["a"]), ("dd", ["b"]), ("dt", ["c"])])]),
        (
            "<table><tr><td>a<th>b<tr><td>c</table>d",
            [("table", [("tr", [("td", ["a"]), ("th", ["b"])]), ("tr", [("td", ["c"])])]), "d"],
        ),
        (
            "<table><thead><tr><td>a<tbody><td>b</table>",
            [("table", [("thead", [("tr", [("td", ["a"])])]), ("tbody", [("td", ["b"])])])],
        ),
        (
            "<div><table><tr><td>a</div>b</p></ul>c</table>d</div>",
            [("div", [("table", [("tr", [("td", ["a", "b", "c"])])]), "d"])],
        ),
        (
            "<table><tr><td><table><tr><td>a</td></table>b<td>c</table>",
            [("table", [("tr", [("td", [("table", ROW_A), "b"]), ("td", ["c"])])])],
        ),
        ("<form><div>a</form>b</div>c", [("form", [("div", ["a", "b"]), "c"])]),
        (
            "<select><option>a<option>b</select>c",
            [("select", [("option", ["a"]), ("option", ["b"])]), "c"],
        ),
        (
            "<svg><foreignObject><p>a</p></foreignObject></svg>b",
            [("svg", [("foreignobject", [("p", ["a"])])]), "b"],
        ),
        ("<h2>a<h3>b</h2>c", [("h2", ["a"]), ("h3", ["b"]), "c"]),
        ("<b>a<p>b</b>c</p>", [("b", ["a", ("p", ["b"])]), "c"]),
        ("<b>a<div>b</b>c</div>d", [("b", ["a", ("div", ["b", "c"]), "d"])]),
        ("<a>b<a>c</a>", [("a", ["b"]), ("a", ["c"])]),
        ("<span>a<div>b</span>c</div></span>d", [("span", ["a", ("div", ["b", "c"])]), "d"]),
        ("<select><option>a<p>b", [("select", [("option", ["a"])]), ("p", ["b"])]),
        ("a<br>b</br>c<img src=x>d", ["a", ("br", []), "b", ("br", []), "c", ("img", []), "d"]),
        ("a<!-- <p> -->b<!-->c<!--->d<!--x--!>e<!DOCTYPE x>f<?php >g</>h</ x>i", list("abcdefghi")),
        ("<svg><path/><g>a</g></svg>b", [("svg", [("", []), ("", ["a"])]), "b"]),
        ("<svg><title>a</title><p>b", [("svg", [("title", ["a"])]), ("p", ["b"])]),
        ("<math><mi>x</mi><mspace/></math>", [("math", [("mi", ["x"]), ("mspace", [])])]),
        ("<div/>a", [("div", ["a"])]),
        ("<x-a>a<x-b>b</x-a>c", [("", ["a", ("", ["b"])]), "c"]),
        ("<script>a</b><p></SCRIPT >b", [("script", ["a</b><p>"]), "b"]),
        (
            "<script><!--<script></script>--></script>b",
            [("script", ["<!--<script></script>-->"]), "b"],
        ),
        ("<style>a</styles></style>b", [("style", ["a</styles>"]), "b"]),
        ("<noscript><p>a</noscript>b", [("noscript", [("p", ["a"])]), "b"]),
        ("<body><p>a</body></html>b", [("body", [("p", ["a", "b"])])]),
        ("<head><meta><p>a", [("head", [("meta", [])]), ("p", ["a"])]),
        ("<head> <link> a", [("head", [" ", ("link", [])]), " a"]),
        ("1 < 2 <3 & <", ["1 < 2 <3 & <"]),
        ("a<p", ["a"]),
        ("a<p title='>", ["a"]),
        ("<p title='>'b>c", [("p", ["c"])]),
        ('<p ="a>b', [("p", ["b"])]),
        ("", []),
    ],
)
def test_trees(page, tree):
    assert outline(page) == tree
    assert sorted(visible(page)) == sorted(visible_to_lexbor(page))


@pytest.mark.parametrize(
    ("page", "tree"),
    [
        ("<script><!--<script></script>b", [("script", ["<!--<script>"]), "b"]),
        ("<title>a<p>b", [("title", ["a", ("p", ["b"])])]),
        ("<div><textarea>a</div>b", [("div", [("textarea", ["a"])]), "b"]),
    ],
)
def test_text_behind_an_end_tag_that_never_comes_is_kept(page, tree):
    """Browsers lose it."""
    assert outline(page) == tree


def test_attributes():
    page = "<a HREF=/x?a=1&amp;b='2' b = \"q'&lt;\" c='' d e=f/g/ b=second /><p>"
    tokens = tokenize(page)
    assert attributes(tokens, 0) == {
        "href": "/x?a=1&b='2'",
        "b": "q'<",
        "c": "",
        "d": "",
        "e": "f/g/",
    }
    assert attributes(tokens, 1) == {}


NAMES = [
    "div",
    "p",
    "span",
    "b",
    "a",
    "ul",
    "li",
    "ol",
    "h2",
    "table",
    "tr",
    "td",
    "pre",
    "em",
    "section",
    "dl",
    "dt",
    "dd",
    "blockquote",
]
PIECES = st.sampled_from(
    [f"<{name}>" for name in NAMES]
    + [f"</{name}>" for name in NAMES]
    + ["x", "y", "<br>", "&amp;", "<!--c-->", "<", "</", "<!", "<svg>", "</svg>", "<script>"]
    + ["</script>", "<option>", "<a b='", "'", ">"]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_input_gives_a_tree(page):
    outline(page)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="<>/!-?=\"' \n\tabpé&;[]", max_size=60))
def test_any_text_gives_a_tree(page):
    outline(page)


def nested(children):
    flow = st.sampled_from(["div", "section", "blockquote", "article"])
    inline = st.sampled_from(["span", "b", "a", "em", "code"])
    blocks = st.lists(children, max_size=4).map("".join)
    words = st.sampled_from(["one", "two &lt; three", " ", "é 漢字", "a&b", "&nbsp;", "&#x41;"])
    phrase = st.tuples(inline, words).map(lambda t: f"<{t[0]} title='>'>{t[1]}</{t[0]}>")
    return st.one_of(
        st.tuples(flow, blocks).map(lambda t: f"<{t[0]} class=x>{t[1]}</{t[0]}>"),
        st.lists(st.one_of(words, phrase), max_size=4).map(lambda t: f"<p>{''.join(t)}"),
        st.lists(children, max_size=3).map(lambda t: f"<ul>{''.join('<li>' + c for c in t)}</ul>"),
        st.lists(children, max_size=3).map(
            lambda t: f"<table><tr>{''.join('<td>' + c for c in t)}</table>"
        ),
    )


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.just("text"), nested, max_leaves=20))
def test_text_is_that_of_lexbor(page):
    assert visible(page) == visible_to_lexbor(page)
    outline(page)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(PIECES.filter(lambda p: (p[-1] == ">" and "svg" not in p) or p.isalpha()), max_size=30)
)
def test_sloppy_pages_lose_no_text(pieces):
    page = "".join(pieces)
    if "<script>" not in page and "<option>" not in page:
        assert sorted(visible(page)) == sorted(visible_to_lexbor(page))


KILLERS = {
    "nested divs": "<div>" * 100_000 + "x",
    "attributes": "<p " + " ".join(f"a{i}=v" for i in range(100_000)) + ">x",
    "options": "<select>" + "<option>x" * 300_000,
    "formatting": "<b><i><font color=red>x<p>" * 30_000,
    "rows": "<table>" + "<tr><td>a</td></tr>" * 1_000_000,
    "colspan": "<table><tr><td colspan=9007199254740991>x" * 1000,
    "paragraphs": "<p>word" * 50_000,
    "one line": "word " * 10_000_000,
    "brackets": "<" * 10_000_000,
    "end tags": "</" * 5_000_000,
    "quotes": '<a b="' * 2_000_000,
    "comments": "<!--" * 2_000_000,
    "scripts": "<script>" * 1_000_000,
    "escaped scripts": "<script><!--<script>" * 500_000 + "</script>",
    "raw text": "<textarea><title><iframe><xmp>" * 300_000,
    "names": "".join(f"<x-{i}>" for i in range(200_000)) + "</x-1>" * 200_000,
    "long name": ("<" + "x" * 1000 + ">") * 10_000,
    "items under divs": "<ul>" + "<div>" * 100_000 + "<li></li>" * 200_000,
    "ends of nothing": "<table>" * 50_000 + "</p></div></b></x>" * 100_000,
    "links": "<a><div>" * 100_000 + "</a>" * 100_000,
    "svg": "<svg><p>" * 300_000,
    "tables": "<table><tr><td>" * 100_000,
}


@pytest.mark.parametrize("name", KILLERS)
def test_killers_cost_what_other_pages_cost(name):
    page = KILLERS[name].encode()
    tokenize("<p>")
    before = time.process_time()
    tokens = tokenize(page)
    assert time.process_time() - before < 10  # what is quadratic takes minutes or hours
    ends = np.flatnonzero(tokens.kind == END)
    assert np.array_equal(tokens.close[tokens.close[ends]], ends)
    assert (tokens.close >= 0).all()


def test_too_many_tokens_are_refused_with_a_reason(monkeypatch):
    monkeypatch.setattr(module, "MAX_TOKENS", 1000)
    assert len(tokenize("<p>" * 400)) == 800
    with pytest.raises(PageLimitError, match="more than 1000"):
        tokenize("<p>" * 600)
