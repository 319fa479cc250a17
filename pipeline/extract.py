"""HTML to main text: several engines behind one function, and the metadata of the page.

An engine is a function ``(page, options) -> (text, name of the engine that decided)``. Measured on
436 pages with full gold text: macro means over pages of precision, recall and F1 of bags of 4-word
shingles, for `adaptive` by models that have not seen the page's site (docs/extraction-model.md);
pages per CPU second of all of `extract_html`, as a multiple of trafilatura's in the same run.

================ ===== ===== ===== =======
engine             P     R     F1    speed
================ ===== ===== ===== =======
adaptive          .867  .915  .873     9.0
balanced          .843  .883  .844     1.3
trafilatura       .854  .862  .836     1.0
trafilatura_fast  .854  .829  .809     1.4
resiliparse       .781  .896  .813     8.7
================ ===== ===== ===== =======
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from catalogs.errors import UserError, nearest
from pipeline.charset import clean, decode
from pipeline.html.adaptive import BETA, choose_main
from pipeline.html.complete import complete
from pipeline.html.metadata import HtmlMetadata, html_metadata
from pipeline.html.render import STRUCTURES, render
from pipeline.html.tokens import Tokens, tokenize

MAX_BYTES = 20_000_000
RESET_EVERY = 500
"""Pages after which trafilatura's caches are emptied; they grow with every page."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a page ("" if it has no main text), and what the page says of itself.

    `charset` is the encoding that was used, `decided_by` how it was found (see
    `pipeline.charset.decode`), `engine` the engine whose text this is.
    """

    text: str
    title: str | None
    author: str | None
    date: str | None
    site_name: str | None
    canonical_url: str | None
    html_lang: str | None
    charset: str
    decided_by: str
    engine: str


class Page:
    """A decoded page; its tokens and its tree (lexbor) are made once, when first asked for.

    `charset` is the encoding it was decoded from, `decided_by` how that was found.
    """

    def __init__(self, html: str, uri: str = "", charset: str = "utf-8", decided_by: str = ""):
        self.html, self.uri = html, uri
        self.charset, self.decided_by = charset, decided_by
        self._tokens: Tokens | None = None
        self._tree: HTMLTree | None = None

    @classmethod
    def decode(
        cls,
        payload: bytes,
        uri: str = "",
        declared: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Page:
        """The page of these bytes; `declared` is the encoding that the HTTP header names.

        Raises
        ------
        ValueError
            When there are more than `max_bytes`.
        """
        if len(payload) > max_bytes:
            raise ValueError(f"page of {len(payload)} bytes, limit {max_bytes}")
        html, charset, how = decode(payload, declared)
        return cls(clean(html), uri, charset, how)

    @property
    def tokens(self) -> Tokens:
        if self._tokens is None:
            self._tokens = tokenize(self.html)
        return self._tokens

    @property
    def tree(self) -> HTMLTree:
        if self._tree is None:
            self._tree = HTMLTree.parse(self.html)
        return self._tree


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine and the options it knows, with their defaults."""

    run: Callable[[Page, Mapping[str, Any]], tuple[str, str]]
    options: dict[str, Any] = field(default_factory=dict)


ENGINES: dict[str, Engine] = {}


def register_engine(name: str, **options: Any) -> Callable:
    """Add an engine under a name, as a decorator; the keywords are its options with defaults."""

    def add(run: Callable) -> Callable:
        ENGINES[name] = Engine(run, options)
        return run

    return add


_CHOICES = {"favor": tuple(BETA), "structure": STRUCTURES}
"""Values of the options that are words."""


def check_options(engine: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an engine, with defaults.

    Raises
    ------
    UserError
        When the engine, an option or the word it is set to is unknown.
    """
    if engine not in ENGINES:
        hint = nearest(engine, ENGINES) or f" (valid: {', '.join(sorted(ENGINES))})"
        raise UserError(f"extraction engine '{engine}' is unknown{hint}")
    known = {"max_bytes": MAX_BYTES, "structure": "plain", **ENGINES[engine].options}
    for name in options:
        if name not in known:
            hint = nearest(name, known) or f" (valid: {', '.join(sorted(known))})"
            raise UserError(f"extraction engine '{engine}': option '{name}' is unknown{hint}")
    chosen = known | dict(options)
    for name, valid in _CHOICES.items():
        if name in chosen and chosen[name] not in valid:
            hint = nearest(str(chosen[name]), valid) or f" (valid: {', '.join(valid)})"
            raise UserError(
                f"extraction engine '{engine}': {name} '{chosen[name]}' is unknown{hint}"
            )
    return chosen


def extract_html(
    payload: bytes,
    *,
    uri: str = "",
    charset: str | None = None,
    engine: str = "adaptive",
    options: Mapping[str, Any] | None = None,
) -> Extracted:
    """Extract the main text of an HTML page. Bad pages may cost any time: run it in a sandbox.

    Parameters
    ----------
    payload
        The page as bytes, HTTP codings undone.
    uri
        Its URL, for relative addresses; may be "".
    charset
        Encoding that the HTTP header declares.
    engine
        A name of `ENGINES`.
    options
        Of the engine; besides ``max_bytes`` (20,000,000) and ``structure``: ``plain`` text, or
        ``markdown`` as far as the engine tells structure.

    Raises
    ------
    ValueError
        When the payload is larger than ``max_bytes`` (`PageLimitError`: or has too many elements).
    UserError
        When the engine or an option is unknown.
    """
    known = check_options(engine, options or {})
    return extract_page(Page.decode(payload, uri, charset, known["max_bytes"]), engine, known)


def extract_page(page: Page, engine: str, options: Mapping[str, Any]) -> Extracted:
    """`extract_html` for a page that is decoded already, with options from `check_options`."""
    if page.html.strip():
        head = html_metadata(page.tokens, page.uri)
        text, decided = ENGINES[engine].run(page, options)
    else:
        head, text, decided = HtmlMetadata(), "", engine
    return Extracted(
        text=clean(text).strip(),
        title=head.title,
        author=head.author,
        date=head.date,
        site_name=head.site_name,
        canonical_url=head.canonical_url,
        html_lang=head.html_lang,
        charset=page.charset,
        decided_by=page.decided_by,
        engine=decided,
    )


@register_engine("adaptive", favor="balanced")
def _adaptive(page: Page, options: Mapping[str, Any]) -> tuple[str, str]:
    """Blocks chosen by a learned classifier, code and tables kept whole."""
    chosen = complete(page.tokens, choose_main(page.tokens, options["favor"]).keep)
    return render(page.tokens, chosen, options["structure"]), "adaptive"


_TRAFILATURA = {
    "include_comments": True,
    "include_tables": True,
    "include_links": False,
    "include_formatting": False,
    "favor_precision": False,
    "favor_recall": False,
}
_RESILIPARSE = {"comments": True, "alt_texts": False, "links": False, "list_bullets": True}
_pages_since_reset = 0


@register_engine("trafilatura", **_TRAFILATURA)
def _trafilatura(page: Page, options: Mapping[str, Any]) -> tuple[str, str]:
    return _run_trafilatura(page, options, fast=False), "trafilatura"


@register_engine("trafilatura_fast", **_TRAFILATURA)
def _trafilatura_fast(page: Page, options: Mapping[str, Any]) -> tuple[str, str]:
    return _run_trafilatura(page, options, fast=True), "trafilatura_fast"


def _run_trafilatura(page: Page, options: Mapping[str, Any], fast: bool) -> str:
    """Trafilatura without its memory of segments seen, which makes output depend on history."""
    global _pages_since_reset
    import trafilatura  # imports for a third of a second, and only in the sandbox
    from trafilatura.meta import reset_caches

    _pages_since_reset += 1
    if _pages_since_reset >= RESET_EVERY:
        _pages_since_reset = 0
        reset_caches()
    chosen = {name: options[name] for name in _TRAFILATURA}
    if options["structure"] == "markdown":
        chosen |= {"output_format": "markdown", "include_formatting": True}
    return trafilatura.extract(page.html, fast=fast, deduplicate=False, **chosen) or ""


@register_engine("resiliparse", whole_if_empty=True, **_RESILIPARSE)
def _resiliparse(page: Page, options: Mapping[str, Any]) -> tuple[str, str]:
    """Its main content; where it finds none (2 pages of 100), all of the page's text."""
    text = _run_resiliparse(page, options)
    if text.strip() or not options["whole_if_empty"]:
        return text, "resiliparse"
    return _run_resiliparse(page, options, main=False), "resiliparse_whole"


def _run_resiliparse(page: Page, options: Mapping[str, Any], main: bool = True) -> str:
    return extract_plain_text(
        page.tree,
        preserve_formatting=True,
        main_content=main,
        form_fields=False,
        noscript=False,
        **{name: options[name] for name in _RESILIPARSE},
    )


@register_engine("balanced", ratio=0.5, **_TRAFILATURA)
def _balanced(page: Page, options: Mapping[str, Any]) -> tuple[str, str]:
    """Trafilatura's fast mode, unless it finds less than `ratio` of what resiliparse finds.

    Resiliparse runs without comments: with them it outvotes trafilatura on articles.
    """
    text = _run_resiliparse(page, {**_RESILIPARSE, "comments": False})
    try:
        better = _run_trafilatura(page, options, fast=True)
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, RecursionError):
        better = ""
    if better and len(better) >= options["ratio"] * len(text):
        return better, "trafilatura_fast"
    return text, "resiliparse"
