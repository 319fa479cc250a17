"""What runs inside the sandbox: one payload in, one row of parsed columns out."""

from __future__ import annotations

from typing import Any

from pipeline.compliance import opt_out_columns, pages_of, pdf_opt_out_columns
from pipeline.documents import PAGE
from pipeline.plugins import load_plugin

HTML_TYPES = ("text/html", "application/xhtml+xml")
PDF_TYPE = "application/pdf"
_WARM_UP = b"<title>a</title><body><h1>a</h1><p>b<table><tr><td>c<td>d</table><pre>e</pre>"
PDF_FAILURES = ("encrypted", "corrupt", "oversized")
PAGE_COLUMNS = tuple(field.name for field in PAGE)


def parse_html(item: dict[str, Any]) -> dict[str, Any]:
    """Parse one HTML page.

    Parameters
    ----------
    item
        ``payload`` (bytes), ``uri``, ``charset``, ``headers``, ``engine``, ``options``,
        ``structure``, ``plugins``.

    Returns
    -------
    dict
        Columns of the document row, with ``text``.
    """
    from filters import HtmlPage, html_licence
    from pipeline.extract import Page, check_options, extract_page

    _load_plugins(item)
    headers = item["headers"]
    structure = {"structure": item.get("structure", "plain")}
    options = check_options(item["engine"], structure | item["options"])
    decoded = Page.decode(item["payload"], item["uri"], item["charset"], options["max_bytes"])
    # marks first, of the text that people see: engines are free to change the tree
    marks = HtmlPage(decoded.html, lambda: decoded.tree)
    licence, reserved = html_licence(marks, headers), opt_out_columns(marks, headers)
    page = extract_page(decoded, item["engine"], options)
    return {
        "text": page.text,
        "title": page.title,
        "author": page.author,
        "date": page.date,
        "site_name": page.site_name,
        "canonical_url": page.canonical_url,
        "html_lang": page.html_lang,
        "charset": page.charset,
        "charset_from": page.decided_by,
        "engine": page.engine,
        **licence.columns,
        **reserved,
    }


def _load_kernels() -> None:
    page = {"payload": _WARM_UP, "uri": "", "charset": None, "headers": {}}
    parse_html(page | {"engine": "adaptive", "options": {}})


parse_html.prepare = _load_kernels
"""Before the child is ready: compiling, the first time, takes longer than a page may."""


def parse_pdf(item: dict[str, Any]) -> dict[str, Any]:
    """Parse one PDF.

    Parameters
    ----------
    item
        ``payload`` (bytes), ``plugins``, ``ocr`` (the recipe's) with ``max_seconds``.

    Returns
    -------
    dict
        Columns of the document row, with ``text``; or ``error`` and ``detail`` when the payload
        is to be quarantined.
    """
    from filters.licence_text import pdf_licence
    from ocr import PdfOptions, RouterThresholds, read_pdf

    _load_plugins(item)
    wanted = item["ocr"]
    options = PdfOptions(
        engine=wanted["engine"],
        engine_options=wanted["options"],
        fallback=wanted["fallback"],
        router=RouterThresholds(**wanted["router"]),
        max_pages=wanted["max_pages"],
        max_seconds=wanted["max_seconds"],
    )
    result = read_pdf(item["payload"], options)
    if result.status in PDF_FAILURES:
        return {"error": f"pdf_{result.status}", "detail": result.detail or result.error or ""}
    pages = [{name: getattr(page, name) for name in PAGE_COLUMNS} for page in result.pages]
    failed = [page.number for page in result.pages if page.route == "failed"]
    if len(failed) > wanted["max_failed_pages"] * max(len(pages), 1):
        detail = f"{len(failed)} of {len(pages)} pages failed; {result.detail}"
        return {"error": "pdf_pages_failed", "detail": detail[:300]}
    engines = sorted({page.engine or "text layer" for page in result.pages if page.chars})
    return {
        "text": result.text,
        "title": result.title,
        "author": result.author,
        "date": result.date,
        "engine": "+".join(engines) or None,
        "n_pages": result.n_pages,
        "pages": pages,
        "pdf_tags": [{"tag": tag, "evidence": why} for tag, why in result.tags.items()],
        "producer": result.producer,
        "doi": result.meta.get("doi"),
        "arxiv": result.meta.get("arxiv"),
        **pdf_licence(result.meta, pages_of(result.text, pages)).columns,
        **pdf_opt_out_columns(result.meta),
        "pdf_status": result.status,
        "pdf_detail": "; ".join(filter(None, (result.error, result.detail))),
    }


def _load_plugins(item: dict[str, Any]) -> None:
    for plugin in item.get("plugins", ()):
        load_plugin(plugin)
