"""Kept tokens to text and Markdown: structure, code, tables, formulas; nothing lost or made up."""

import html
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.html.complete import complete
from pipeline.html.mathml import Node, plain_text, to_latex
from pipeline.html.render import everything, render, visible
from pipeline.html.tokens import TEXT, tokenize


def markdown(page, structure="markdown"):
    tokens = tokenize(page)
    return render(tokens, everything(tokens), structure)


def plain(page):
    return markdown(page, "plain")


def keeping(page, *words):
    """Tokens and the mask of the texts that hold one of the words."""
    tokens = tokenize(page)
    keep = np.zeros(len(tokens), bool)
    for i in np.flatnonzero(tokens.kind == TEXT):
        text = tokens.source[tokens.start[i] : tokens.end[i]].decode()
        keep[i] = any(word in text for word in words)
    return tokens, keep


@pytest.mark.parametrize(
    ("page", "expected", "as_plain"),
    [
        ("<p>a<p>b", "a\n\nb", "a\nb"),
        ("<p> a  <b>b</b>c <i> d</i>\n e &amp; f&nbsp;g", "a **b**c *d* e & f g", "a bc d e & f g"),
        ("<span>a</span><span>b</span>", "ab", "ab"),
        ("<div>a</div>b<div>c", "a\nb\nc", "a\nb\nc"),
        ("a<br>b<br><br>c", "a\nb\n\nc", "a\nb\nc"),
        ("<h2>a <b>b</b><br>c</h2>d", "## a b c\n\nd", "a b c\nd"),
        ("<h1><div>a</div></h1><h3></h3>b", "# a\n\nb", "a\nb"),
        ("<b>a<p>b</p></b>c", "**a**\n\n**b**\n\nc", "a\nb\nc"),
        ("<i></i><b> </b>a<em><i>b</i></em>", "a*b*", "ab"),
        ("use <code>x  y</code>.", "use `x y`.", "use x y."),
        (
            "<ul><li>a<li><p>b</p><p>c</p><li>d</ul>e",
            "- a\n- b\n\n  c\n- d\n\ne",
            "- a\n- b\nc\n- d\ne",
        ),
        (
            "<ol start=9><li>a<li>b<ul><li>c</ul>d</ol>",
            "9. a\n10. b\n    - c\n    d",
            "- a\n- b\n- c\nd",
        ),
        ("<ul><li><ul><li>a</ul></ul>", "- a", "- a"),
        ("<ul><li></li><li>a</li></ul>", "- a", "- a"),
        ("<dl><dt>a<dd>b</dl>", "a\nb", "a\nb"),
        (
            "<blockquote><p>a</p><blockquote>b</blockquote></blockquote>c",
            "> a\n>\n> > b\n\nc",
            "a\nb\nc",
        ),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字", "漢(kan)字", "漢(kan)字"),
        ("x<sup>2</sup>&lt;y &#x27;q&#39; &eacute;&hellip;", "x2<y 'q' é…", "x2<y 'q' é…"),
        ("a<script>b</script><style>c</style><svg><text>d</text></svg>e", "ae", "ae"),
        ("<nav>a</nav><main>b</main><footer>c</footer>", "b", "b"),
        ("<p>a * b_c # [d](e)", "a * b_c # [d](e)", "a * b_c # [d](e)"),
        ("", "", ""),
    ],
)
def test_structure(page, expected, as_plain):
    assert markdown(page) == expected
    assert plain(page) == as_plain


CODE = "def f(x):\n    if x < 1:\n\n        return `x`\n\treturn None"


@pytest.mark.parametrize(
    "page",
    [
        f"<pre>{html.escape(CODE)}</pre>",
        f"<pre>\n\n{html.escape(CODE)}\n  \n</pre>",
        f"<pre><code>{html.escape(CODE).replace(chr(10), chr(13) + chr(10))}</code></pre>",
        "<pre>" + "<br>".join(html.escape(CODE).split("\n")) + "</pre>",
        "<pre>" + "".join(f"<div>{html.escape(n)}</div>" for n in CODE.split("\n")) + "</pre>",
        "<pre><code>"
        + "".join(f"<span class='line'>{html.escape(n)}</span>" for n in CODE.split("\n"))
        + "</code></pre>",
        "<pre>"
        + "".join(
            f"<span class=lineno>{k} </span><i>{html.escape(n)}</i>\n"
            for k, n in enumerate(CODE.split("\n"), 1)
        )
        + "</pre>",
        "<pre>"
        + "".join(
            f"<div><span>{k}</span><div>{html.escape(n)}</div></div>"
            for k, n in enumerate(CODE.split("\n"), 1)
        )
        + "</pre>",
        "<table><tr><td class=gutter><pre>1\n2\n3\n4\n5</pre></td><td><pre>"
        f"{html.escape(CODE)}</pre></td></tr></table>",
        "<table><tr><td><pre>1\n2\n3\n4\n5\n</pre><td><pre>" + html.escape(CODE) + "</table>",
        "<table>\n"
        + "\n".join(
            f"<tr>\n<td class='blob-num' data-line-number={k}></td>\n"
            f"<td class='blob-code'>{html.escape(n)}</td>\n</tr>"
            for k, n in enumerate(CODE.split("\n"), 1)
        )
        + "</table>",
        "<div class='blockcode'><ol>\n"
        + "\n".join(f"<li>{html.escape(n)}<br></li>" for n in CODE.split("\n"))
        + "</ol></div>",
        "<div class='CodeMirror-code'>"
        + "".join(f"<div>{html.escape(n)}</div>" for n in CODE.split("\n"))
        + "</div>",
        f"<p><code style='white-space: pre'>{html.escape(CODE)}</code></p>",
        "<p><code>"
        + "<br>".join(map(html.escape, CODE.replace(" ", "\xa0").split("\n")))
        + "</code>",
        f"<pre><button>Copy</button><div class=code-header>py</div>{html.escape(CODE)}</pre>",
        f"<ul><li>x<pre>{html.escape(CODE)}</pre></ul>",
        f"<blockquote>x<pre>{html.escape(CODE)}</pre></blockquote>",
        f"<b><code><pre>{html.escape(CODE)}</pre></code></b>",
    ],
)
def test_code_comes_out_as_it_is(page):
    assert f"```\n{CODE}\n```" in markdown(page)
    assert CODE in plain(page)


@pytest.mark.parametrize(
    ("attributes", "language"),
    [
        ("<pre><code class='language-python'>", "python"),
        ("<pre class='brush: js; title: x'>", "js"),
        ("<div class='highlight-source-c++'><pre>", "c++"),
        ("<pre data-lang=Rust>", "rust"),
        ("<pre class='hljs ruby'>", "ruby"),
        ("<div class='highlight-default notranslate'><div class=highlight><pre>", ""),
        ("<pre class='language-none'>", ""),
        ("<pre class='wide box'>", ""),
    ],
)
def test_language_of_code(attributes, language):
    assert markdown(attributes + "x = 1") == f"```{language}\nx = 1\n```"


def test_fences_are_longer_than_those_in_the_code():
    assert markdown("<pre class=language-md>\n```py\nx\n```</pre>") == (
        "````md\n```py\nx\n```\n````"
    )


def test_numbers_in_code_are_no_gutter():
    page = "<pre>a = [<b>1</b>, <b>2</b>, <b>3</b>]\nb = <b>4</b></pre>"
    assert plain(page) == "a = [1, 2, 3]\nb = 4"


def test_tables_of_data():
    page = (
        "<table><caption>Rivers</caption><tr><th>Name<th>Length, <i>km</i>"
        "<tr><td><p>Oder</p><td>840<br>(in all)<tr><td><td>a|b<tr><td> <td></table>after"
    )
    assert markdown(page) == (
        "Rivers\n\n| Name | Length, km |\n| --- | --- |\n"
        "| Oder | 840 (in all) |\n| | a\\|b |\n\nafter"
    )
    assert plain(page) == "Rivers\nName\tLength, km\nOder\t840 (in all)\n\ta|b\nafter"


def test_spans_keep_columns_in_line():
    page = (
        "<table><tr><th colspan=2>A<th>B<tr><td rowspan=2>1<td>2<td>3<tr><td>4<td>5"
        "<tr><td colspan=9007199254740991>6</table>"
    )
    rows = markdown(page).split("\n")
    assert rows[0].startswith("| A | | B |") and rows[2].startswith("| 1 | 2 | 3 |")
    assert rows[3].startswith("| | 4 | 5 |") and rows[4].startswith("| 6 |")
    assert max(map(len, rows)) < 1000


@pytest.mark.parametrize(
    "page",
    [
        "<table><tr><td><h2>a</h2><td>b<tr><td>c<td>d</table>",
        "<table><tr><td>a<td>b</table>",
        "<table><tr><td>a<tr><td>b</table>",
        "<table role=presentation><tr><td>a<td>b<tr><td>c<td>d</table>",
        f"<table><tr><td>a<td>{'b ' * 1000}<tr><td>c<td>d</table>",
    ],
)
def test_tables_that_lay_out_a_page_are_blocks(page):
    assert "|" not in markdown(page) and "\t" not in plain(page)
    assert "a\n" in plain(page)


TREE = "<mfrac><mrow><mo>−</mo><mi>b</mi></mrow><msup><mi>a</mi><mn>2</mn></msup></mfrac>"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (f"is <math>{TREE}</math>.", r"is $\frac{-b}{a^{2}}$."),
        (f"is <math display=block>{TREE}</math>.", "is\n\n$$\\frac{-b}{a^{2}}$$\n\n."),
        (f"is <math alttext='\\alpha &lt; 1'>{TREE}</math>", r"is $\alpha < 1$"),
        (
            f"is <math><semantics>{TREE}<annotation encoding='application/x-tex'>"
            r"\frac ab</annotation></semantics></math>",
            r"is $\frac ab$",
        ),
        (f"is <m:math xmlns:m='MathML'>{TREE}</m:math>", r"is $\frac{-b}{a^{2}}$"),
        ("is <script type='math/tex'>a<b</script>.", "is $a<b$."),
        ("is <script type='math/tex; mode=display'>x\n y</script>", "is\n\n$$x y$$"),
        (
            "is <span class=MathJax_Preview>x</span><span class=MathJax>x</span>"
            "<script type='math/tex'>x</script>",
            "is $x$",
        ),
        (
            "is <span class=math-container><span class=MathJax_Preview>x</span>"
            "<div class=MathJax_Display><span class=MathJax>x</span></div>"
            "<script type='math/tex; mode=display'>x</script></span>",
            "is\n\n$$x$$",
        ),
        (
            "is <span class=mwe-math-element><math alttext='\\a'></math> or "
            "<math alttext='\\b'></math></span>",
            r"is $\a$ or $\b$",
        ),
        (
            f"is <span class=MathJax data-mathml='<math>{TREE}</math>'>b a</span>",
            r"is $\frac{-b}{a^{2}}$",
        ),
        (
            "is <span class=katex-display><span class=katex><span class=katex-mathml><math><mi>x"
            "</mi><annotation encoding='application/x-tex'>x</annotation></math></span>"
            "<span class=katex-html>x</span></span></span>",
            "is\n\n$$x$$",
        ),
        (
            "is <b class=math-inline data-math='\\pi r^2'><span class=katex-html>π</span></b>",
            r"is $\pi r^2$",
        ),
        (
            "is <span class=mwe-math-element><span style='display: none'><math alttext="
            "'{\\displaystyle a}'><mi>a</mi></math></span><img alt='{\\displaystyle a}'></span>",
            r"is ${\displaystyle a}$",
        ),
        (
            "is <mjx-container class=MathJax><mjx-math><mjx-msub><mjx-mi><mjx-c class=mjx-c1D465>"
            "</mjx-c></mjx-mi><mjx-script><mjx-mn><mjx-c class=mjx-c32></mjx-c></mjx-mn>"
            "</mjx-script></mjx-msub></mjx-math></mjx-container>",
            "is $x_{2}$",
        ),
        (
            "is <img src='https://latex.codecogs.com/svg.latex?%5Cinline%20%5Cfrac%7Ba%7D%7Bb%7D'>",
            None,
        ),
        ("is <img class=latex src=/latex.php?latex=x alt='\\frac{a}{b}'>", None),
        ("is <img src='//s0.wp.com/latex.php?latex=%5Cfrac%7Ba%7D%7Bb%7D&bg=fff'>", None),
        ("is <img src='/cgi-bin/mimetex.cgi?\\frac{a}{b}'>", None),
        ("is <img alt='$\\frac{a}{b}$' src=1.png>", None),
        ("is <img alt='a picture' src=1.png>.", "is ."),
        (r"is \(a_1\), $b$ and <span class=math>\(c\)</span>", r"is \(a_1\), $b$ and \(c\)"),
        (r'is <span class="tex">\sqrt{c}</span>', r"is $\sqrt{c}$"),
    ],
)
def test_formulas(page, expected):
    expected = expected or r"is $\frac{a}{b}$"
    assert markdown(f"<p>{page}</p>") == expected
    assert plain(f"<p>{page}</p>") == expected.replace("\n\n", "\n")


def mathml(markup):
    found = markdown(f"<p>x <math>{markup}</math>")
    assert found.startswith("x $") and found.endswith("$")
    return found[3:-1]


@pytest.mark.parametrize(
    ("markup", "latex"),
    [
        ("<mi>sin</mi><mi>x</mi>", r"\sin x"),
        ("<mi>α</mi><mo>∈</mo><mi>ℝ</mi>", r"\alpha \in \mathbb{R}"),
        ("<msqrt><mn>2</mn></msqrt><mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt{2}\sqrt[3]{x}"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "x_{i}^{2}"),
        (
            "<msup><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup>",
            "{a + b}^{2}",
        ),
        (
            "<munderover><mo>∑</mo><mrow><mi>k</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>",
            r"\sum_{k = 1}^{n}",
        ),
        ("<mover><mi>x</mi><mo>¯</mo></mover>", r"\bar{x}"),
        ("<mover><mi>v</mi><mo>→</mo></mover>", r"\vec{v}"),
        ("<munder><mi>x</mi><mtext>min</mtext></munder>", r"\underset{\text{min}}{x}"),
        ("<mo>(</mo><mi>x</mi><mo>)</mo>", r"\left( x \right)"),
        ("<mo>(</mo><mi>x</mi><mo>]</mo>", "(x]"),
        (
            "<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr><mtr><mtd><mn>3</mn></mtd>"
            "</mtr></mtable>",
            r"\begin{matrix}1 & 2 \\ 3\end{matrix}",
        ),
        ("<mfenced open='['><mi>a</mi><mi>b</mi></mfenced>", r"\left[ a, b \right)"),
        ("<mi mathvariant=bold>v</mi><mi>𝑧</mi>", r"\mathbf{v}z"),
        ("<mtext>if </mtext><mn>5</mn><mo>%</mo>", r"\text{if }5\%"),
        ("<mmultiscripts><mi>C</mi><mn>6</mn><none/><mprescripts/><none/><mn>12</mn></mmultiscripts>",
         "{}^{12}C_{6}"),
        ("<mfrac linethickness=0><mi>n</mi><mi>k</mi></mfrac>", r"\genfrac{}{}{0}{}{n}{k}"),
        ("<mi>x</mi><mo>&#x2062;</mo><mi>y</mi>", "xy"),
    ],
)  # fmt: skip
def test_mathml(markup, latex):
    assert mathml(markup) == latex


def test_formulas_without_end_are_text():
    node = Node("mi", {}, [], "x")
    for _ in range(3000):
        node = Node("mrow", {}, [node])
    assert to_latex(node) == plain_text(node) == "x"


def test_formulas_are_kept_with_the_text_beside_them():
    page = (
        "<p>left <img class=latex alt='\\a'> right</p><p><img class=latex alt='\\b'></p>"
        "<p>other</p><p><img class=latex alt='\\c'></p><p>more</p>"
    )
    assert render(*keeping(page, "left"), "markdown") == "left $\\a$"
    assert render(*keeping(page, "left", "right", "other")) == "left $\\a$ right\n$\\b$\nother"
    assert render(*keeping(page, "nothing")) == ""


def test_only_kept_text_leaves_a_trace():
    page = (
        "<h1>no</h1><ul><li>no<li>yes<li>no</ul><table><tr><td>no<td>no<tr><td>yes<td>no</table>"
        "<pre>no</pre><blockquote>no</blockquote><p><b>no</b> yes"
    )
    tokens, keep = keeping(page, "yes")
    assert render(tokens, keep, "markdown") == ("- yes\n\n| yes | |\n| --- | --- |\n\nyes")


def test_noscript_counts_where_it_is_the_page():
    tokens = tokenize("<p>short</p><noscript><p>the long text of the page</p></noscript>")
    assert render(tokens, visible(tokens)) == "short\nthe long text of the page"
    tokens = tokenize("<p>the long text of the page</p><noscript>short</noscript>")
    assert render(tokens, visible(tokens)) == "the long text of the page"


def test_blocks_of_code_and_tables_are_kept_whole():
    page = (
        "<div><p>before</p><pre>command one</pre><p>behind</p></div><div><table><tr><td>1<td>kept"
        "<tr><td>2<td>3</table></div><aside><pre>elsewhere</pre></aside><div><p>last</p></div>"
    )
    tokens, keep = keeping(page, "before", "behind", "kept")
    text = render(tokens, complete(tokens, keep))
    assert text == "before\ncommand one\nbehind\n1\tkept\n2\t3"
    tokens, keep = keeping(page, "before")
    assert render(tokens, complete(tokens, keep)) == "before"


def test_an_unknown_structure_is_an_error():
    tokens = tokenize("<p>x")
    with pytest.raises(ValueError, match="neither plain nor markdown"):
        render(tokens, visible(tokens), "html")


WORDS = st.sampled_from(["one", "&lt;3", "é", "漢字", "&#x41;&#66;", "&amp;amp;", "&nbsp;", "&"])
ELEMENTS = "p div b i h2 section blockquote pre code table span td tr br"
PARTS = st.recursive(
    WORDS,
    lambda inner: st.tuples(
        st.sampled_from(ELEMENTS.split()), st.lists(inner, max_size=4).map(" ".join)
    ).map(lambda t: f"<{t[0]}>{t[1]}</{t[0]}>"),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, max_size=5).map("".join))
def test_plain_text_has_every_character_once(page):
    tokens = tokenize(page)
    spans = [(tokens.start[i], tokens.end[i]) for i in np.flatnonzero(tokens.kind == TEXT)]
    text = b" ".join(tokens.source[first:last] for first, last in spans).decode()
    assert "".join(plain(page).split()) == "".join(html.unescape(text).split())


@settings(max_examples=150, deadline=None)
@given(st.text("<>/abhpre1l=\"' \n&;#x\xa0", max_size=80), st.integers(0, 2**32))
def test_anything_can_be_rendered(page, seed):
    tokens = tokenize(page + "<table><tr><td>x</td><pre><ul><li>y</ol></b><h1>z</table>")
    keep = (tokens.kind == TEXT) & (np.random.default_rng(seed).random(len(tokens)) < 0.7)
    for structure in ("plain", "markdown"):
        render(tokens, complete(tokens, keep), structure)


@settings(max_examples=150, deadline=None)
@given(st.text("&;#xX0123456789abfgltnospqu", max_size=40))
def test_references_are_those_of_the_standard(text):
    expected = " ".join(html.unescape(text).replace("\xa0", " ").split())
    assert plain(f"<p>{text}</p>") == expected


KILLERS = {
    "lists": "<ul><li>x" * 100_000,
    "quotations": "<blockquote>x" * 100_000,
    "code in code": "<code style='white-space:pre'>\nx<br>" * 50_000,
    "gutters": "<pre>" + "<div class=gutter>x" * 50_000 + "<pre>x</pre></pre>",
    "numbers": "<pre>" + "".join(f"<div><b>{k}</b>x</div>" for k in range(1, 50_000)) + "</pre>",
    "blocks": "<div class=language-x>" + "<pre>x\n</pre>" * 50_000,
    "attributes": "<div class='" + "a " * 1_000_000 + "'>" + "<pre>x</pre>" * 20_000,
    "formula": "<math>" + "<mrow>" * 100_000 + "<mi>x",
    "fractions": "<math>" + "<mfrac><mn>1</mn><mrow>" * 1000,
    "formulas": "<math><mi>x</mi></math>" * 20_000,
    "mathjax": "<span class=MathJax>" * 100_000 + "x",
    "pictures": "x<img class=latex alt='\\a'>" * 20_000,
    "spans": "<table>" + "<tr><td rowspan=50 colspan=9007199254740991>x" * 50_000,
    "columns": "<table><tr>" + "<td>x" * 300_000 + "<tr><td>y<td>z",
    "rows": "<table>" + "<tr><td>a<td>b" * 500_000,
    "references": "&" * 2_000_000 + "&abcdefgh" * 100_000 + "&nGt;" * 500_000,
    "backticks": "<pre>" + "`" * 3_000_000,
    "breaks": "<br>" * 500_000 + "x",
    "marks": "<b><i><code>x<p>" * 100_000,
    "options": "<select>" + "<option>x" * 300_000,
}  # fmt: skip


@pytest.mark.parametrize("name", KILLERS)
def test_killers_cost_little(name):
    tokens = tokenize(KILLERS[name])
    keep = tokens.kind == TEXT
    before = time.process_time()
    text = render(tokens, complete(tokens, keep), "markdown")
    assert time.process_time() - before < 20  # what is quadratic takes minutes or hours
    assert len(text) < 100 * len(tokens.source)
