"""The learned extraction engine: what it keeps of pages of every kind, limits, determinism."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.errors import UserError
from pipeline.extract import extract_html
from pipeline.html.adaptive import best_set, choose_main
from pipeline.html.blocks import MAX_BLOCKS, blocks
from pipeline.html.counts import WORDS
from pipeline.html.features import NAMES, features
from pipeline.html.render import visible
from pipeline.html.tokens import tokenize
from pipeline.html.trees import Trees

MENU = "".join(f"<li><a href='/{n}'>{n}</a></li>" for n in ("News", "Sports", "Culture", "Weather"))
HEADER = f"<header class='site-header'><nav class='menu'><ul>{MENU}</ul></nav></header>"
COOKIES = (
    "<div id='cookie-banner' class='cookie-consent'><p>We use cookies to give you the best"
    " experience. <a href='/p'>Privacy policy</a></p><button>Accept all</button></div>"
)
FOOTER = (
    "<footer class='site-footer'><ul><li><a href='/a'>About us</a></li><li><a href='/c'>Contact</a>"
    "</li><li><a href='/t'>Terms</a></li></ul><p>© 2024 Valley Press. All rights reserved.</p>"
    "</footer>"
)
RELATED = "<aside class='related'><h3>Related articles</h3><ul>" + "".join(
    f"<li><a href='/r{n}'>The {n} best places to see a bridge in summer</a></li>" for n in range(5)
) + "</ul></aside>"  # fmt: skip
PROSE = [
    "The river rises in the hills above the town and turns south after the old mill, where three"
    " weirs still hold the water back for the turbines that once drove the looms.",
    "In spring the meadows flood, and the herons come back to the reeds. The farmers of the valley"
    " count them every year, and in 2019 they found more than ever before.",
    "A ferry crossed here until the bridge was built by the men of three villages, who quarrelled"
    " over the toll for eleven years before the county took the road over.",
    "Today the towpath is a cycle route, and the mill is a museum. Its keeper, who was born in the"
    " house next door, says that she has never seen the water as low as it was last August.",
    "What becomes of the weirs is not settled: the anglers want them gone, the museum wants them"
    " kept, and the power company has written to both of them.",
]


def page(body, title="The river and us", head="", around=True):
    before, after = (HEADER + COOKIES, RELATED + FOOTER) if around else ("", "")
    html = (
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>{head}"
        f"<style>p {{ color: red }}</style></head><body>{before}{body}{after}</body></html>"
    )
    return html.encode()


def paragraphs(texts):
    return "".join(f"<p>{text}</p>" for text in texts)


ARTICLE = page(
    f"<main><article class='post'><h1>The river and us</h1><p class='byline'>By Ann Miller</p>"
    f"<div class='entry-content'>{paragraphs(PROSE)}</div></article></main>"
)
BOILERPLATE = ("Accept all", "All rights reserved", "Weather", "best places to see")


def text_of(payload, **options):
    return extract_html(payload, engine="adaptive", options=options).text


def test_an_article_without_what_surrounds_it():
    got = extract_html(ARTICLE)
    assert got.engine == "adaptive"
    for text in PROSE:
        assert text in got.text
    for text in BOILERPLATE:
        assert text not in got.text
    assert got.text.index(PROSE[0]) < got.text.index(PROSE[1]) < got.text.index(PROSE[4])


def test_posts_of_a_forum():
    users = ("miller", "heron42", "weir_watch", "anna", "towpath")
    posts = "".join(
        f"<div class='post' id='p{n}'><div class='author'><a href='/u/{user}'>{user}</a>"
        f"<span>Joined: 2011</span></div><div class='post-body'><p>{text}</p></div>"
        f"<div class='actions'><a href='#'>Reply</a> <a href='#'>Report</a></div></div>"
        for n, (user, text) in enumerate(zip(users, PROSE, strict=True))
    )
    got = text_of(page(f"<div id='thread' class='forum thread'><h1>River level</h1>{posts}</div>"))
    for text in PROSE:
        assert text in got
    for text in BOILERPLATE:
        assert text not in got


CODE = "import river\n\nfor weir in river.weirs():\n    if weir.open:\n        weir.close()"
MANUAL = page(
    f"<div class='sidebar'><ul>{MENU * 3}</ul></div><div class='document'><h1>Weirs</h1>"
    f"<p>{PROSE[0]}</p><h2>Closing a weir</h2><p>Call the method on each weir of the river, as"
    f" this example shows:</p><pre><code>{CODE}\n</code></pre><p>{PROSE[2]}</p></div>",
    title="Weirs - river documentation",
)


def test_documentation_keeps_its_code():
    got = text_of(MANUAL)
    assert CODE in got
    assert "Closing a weir" in got and PROSE[0] in got and PROSE[2] in got
    assert "All rights reserved" not in got


def test_a_product_and_its_description():
    body = (
        "<div class='product'><h1>Oak rowing boat</h1><span class='price'>$ 1,290.00</span>"
        f"<button>Add to cart</button><div class='product-description'>{paragraphs(PROSE[:3])}"
        "<ul><li>Length: 4.20 m, solid oak on ash ribs</li><li>Seats three people and a dog</li>"
        "</ul></div></div>"
    )
    got = text_of(page(body, title="Oak rowing boat"))
    for text in PROSE[:3]:
        assert text in got
    assert "All rights reserved" not in got and "Accept all" not in got


def test_a_listing_of_teasers():
    items = "".join(
        f"<div class='card'><h2><a href='/{n}'>Walk number {n} along the river</a></h2>"
        f"<p>{text}</p></div>"
        for n, text in enumerate(PROSE)
    )
    got = text_of(page(f"<main><h1>Walks</h1><div class='list'>{items}</div></main>", "Walks"))
    assert all(text in got for text in PROSE)
    assert "Accept all" not in got


@pytest.mark.parametrize(
    "text",
    [
        "这条河发源于小镇上方的山丘，流过老磨坊后转向南方，那里有三座堰坝拦住河水。春天草地被淹没，鹭鸟回到芦苇丛中。",
        "Река берёт начало в холмах над городом и поворачивает на юг за"
        " старой мельницей, где вода стоит высоко.",
        "ينبع النهر من التلال فوق البلدة ويتجه جنوبا بعد الطاحونة القديمة،"
        " وفي الربيع تغمر المياه المروج.",
        "川は町の上の丘から流れ出し、古い水車小屋の先で南に向きを変える。春には草地が水に浸かり、鷺が戻ってくる。",
    ],
)
def test_scripts_other_than_latin(text):
    got = text_of(page(f"<div class='content'><h1>{text[:8]}</h1>{paragraphs([text] * 4)}</div>"))
    assert text in got
    assert "All rights reserved" not in got


def test_text_that_stands_in_noscript():
    body = f"<noscript><div class='topic'>{paragraphs(PROSE)}</div></noscript>"
    assert PROSE[3] in text_of(page(body, around=False))


@pytest.mark.parametrize(
    "payload",
    [b"", b"<html></html>", b"<script>x()</script>", b"<p>&nbsp;</p>", b"<!--", b"<" * 99],
)
def test_pages_without_text(payload):
    assert text_of(payload).replace("<", "") == ""


def test_recall_keeps_more_than_precision():
    sizes = {
        favor: len(text_of(ARTICLE, favor=favor)) for favor in ("precision", "balanced", "recall")
    }
    assert sizes["precision"] <= sizes["balanced"] <= sizes["recall"]
    with pytest.raises(UserError, match="favor"):
        text_of(ARTICLE, favor="everything")


def test_markdown_on_request():
    got = text_of(MANUAL, structure="markdown")
    assert "## Closing a weir" in got
    assert f"```\n{CODE}\n```" in got
    with pytest.raises(UserError, match="structure"):
        text_of(ARTICLE, structure="rtf")


def test_the_same_page_gives_the_same_text_whatever_came_before():
    first = extract_html(ARTICLE)
    for other in (b"<p>x", page(paragraphs(PROSE[::-1])), b""):
        extract_html(other)
        assert extract_html(ARTICLE) == first


SENTENCE = "The river rises in the hills above the town and turns south after the old mill. "
KILLERS = {
    "nested divs": "<div>" * 100_000 + SENTENCE + "</div>" * 100_000,
    "attributes": "<div " + " ".join(f"a{n}=b{n}" for n in range(100_000)) + f"><p>{SENTENCE}",
    "class names": f"<div class='{'postpost ' * 100_000}'><p>{SENTENCE}",
    "options": f"<select>{'<option>one' * 300_000}</select><p>{SENTENCE}",
    "unclosed inline elements": "<b><i><font>x " * 30_000 + f"<p>{SENTENCE}",
    "wide cell": f"<table><tr><td colspan=9007199254740991>{SENTENCE}</table>",
    "short paragraphs": "<p>word" * 50_000 + f"<p>{SENTENCE}",
    "nested lists": "<ul><li>" * 20_000 + SENTENCE,
    "links": "<div><a href=x>y z</a></div>" * 50_000 + f"<p>{SENTENCE * 9}",
    "quotes": f"<div {'`' * 1_000_000}><p>{SENTENCE}",
    "ampersands": f"<p>{'&' * 1_000_000} {SENTENCE}",
    "headings": "<h1>x</h1>" * 100_000 + f"<p>{SENTENCE}",
}


@pytest.mark.parametrize("name", KILLERS)
def test_pages_made_to_kill_end_with_their_text(name):
    got = extract_html(KILLERS[name].encode(), options={"favor": "recall"})
    assert "river rises" in got.text or name in ("short paragraphs", "links", "headings")
    assert got.text


def test_tables_of_a_million_rows_and_lines_of_many_megabytes():
    rows = "<table>" + "<tr><td>1<td>2" * 1_000_000 + "</table>"
    assert "river" in extract_html(f"{rows}<p>{SENTENCE}".encode()).text
    line = f"<p>{SENTENCE * 600_000}".encode()
    limit = {"max_bytes": len(line)}
    assert len(extract_html(line, options=limit).text) == len(SENTENCE) * 600_000 - 1
    with pytest.raises(ValueError, match="limit"):
        extract_html(line)


def test_words_of_neighbouring_elements_stay_apart():
    links = (
        "<a href=x>currently</a> <a href=y>streaming</a> on<br>the <b>first</b>\n<i>of</i> May. "
    )
    got = text_of(page(f"<article>{paragraphs([links + text for text in PROSE])}</article>"))
    assert " ".join(got.split()).count("currently streaming on the first of May. ") == len(PROSE)


# --- the parts


def test_blocks_hold_every_visible_word_once():
    tokens = tokenize(ARTICLE.decode())
    found = blocks(tokens)
    texts = np.flatnonzero(visible(tokens))
    with_words = [
        i
        for i in texts
        if tokens.source[tokens.start[i] : tokens.end[i]].strip() not in (b"", b"|")
    ]
    assert all(found.of_token[i] >= 0 for i in with_words)
    assert (np.diff(found.of_token[found.of_token >= 0]) >= 0).all()
    words = sum(len(text.replace("'", "").split()) for text in PROSE)
    assert found.counts[:, WORDS].sum() > words
    assert found.counts[:, WORDS].max() == max(len(t.replace(".", " ").split()) for t in PROSE)


def test_a_page_of_too_many_blocks_is_cut_into_longer_ones():
    tokens = tokenize("<p>word" * (3 * MAX_BLOCKS))
    found = blocks(tokens)
    assert 0 < len(found.box) <= MAX_BLOCKS
    assert (found.of_token[tokens.kind == 0] >= 0).all()
    assert found.counts[:, WORDS].sum() == 3 * MAX_BLOCKS


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *("<p>", "</p>", "<div class='post-content'>", "</div>", "<a href=x>", "</a>"),
                *("<br>", "<hr>", "<td>", "<table>", "<li>", "<ul>", "</ul>", "<h2>", "</h2>"),
                *("<noscript>", "</noscript>", "<script>x</script>", "<nav>", "</nav>", "<pre>"),
                *(
                    "word",
                    "Größe.",
                    "漢字",
                    "&amp;",
                    "&#8364;",
                    "&#x;",
                    "12",
                    "\xa0",
                    "<b>",
                    "</b>",
                ),
            ]
        ),
        max_size=60,
    )
)
def test_any_page_has_finite_features_and_a_choice_among_its_texts(parts):
    tokens = tokenize(" ".join(parts))
    found = blocks(tokens)
    rows, _ = features(found)
    assert rows.shape == (len(found.box), len(NAMES))
    assert np.isfinite(rows).all()
    choice = choose_main(tokens)
    assert not choice.keep[tokens.kind != 0].any()
    assert ((choice.probabilities >= 0) & (choice.probabilities <= 1)).all()
    assert 0 <= choice.expected <= 1


def test_features_do_not_change_with_digits_in_class_names():
    one, two = (
        features(blocks(tokenize(f"<div class='post-{n}'><p>{SENTENCE}</p></div>" * 3)))[0]
        for n in (1, 2345)
    )
    assert (one == two).all()


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(1, 50)), min_size=1, max_size=9),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_no_other_set_of_blocks_promises_more(pairs, beta):
    p, words = (np.array(column) for column in zip(*pairs, strict=True))
    keep, promise = best_set(p.astype(np.float32), words, beta)
    weight = words + 0.01
    whole = (p * weight).sum()
    best = 0.0
    for bits in range(1, 1 << len(p)):
        chosen = np.array([bits >> k & 1 for k in range(len(p))], bool)
        right, taken = (p * weight)[chosen].sum(), weight[chosen].sum()
        best = max(best, (1 + beta**2) * right / (taken + beta**2 * whole))
    assert promise == pytest.approx(best, abs=1e-5)
    assert keep.any()


def test_trees_evaluate_as_they_are_written():
    leaf = lambda value: {"leaf_value": value}  # noqa: E731
    trees = Trees.build(
        [
            {
                "split_feature": 1,
                "threshold": 0.1,  # not a float32: rows at float32(0.1) > 0.1 go right
                "left_child": leaf(-1.0),
                "right_child": {
                    "split_feature": 0,
                    "threshold": 5.0,
                    "left_child": leaf(2.0),
                    "right_child": leaf(3.0),
                },
            },
            leaf(0.5),
        ]
    )
    rows = np.array([[0, 0], [5, 0.1], [6, 1], [5, 0.0999]], np.float32)
    expected = 1 / (1 + np.exp(-(np.array([-1.0, 2.0, 3.0, -1.0]) + 0.5)))
    assert trees.probabilities(rows) == pytest.approx(expected)
