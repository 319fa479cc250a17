"""The licence columns of a row: what a document says of itself, and what is declared for it."""

from __future__ import annotations

from typing import Any

from filters.consent import PAGE_SIGNALS, SIGNALS, opt_out_marks, pdf_opt_outs
from filters.licence import NONE, html_licence, text_licence
from filters.licence_classes import license_class
from filters.licence_ids import licence_of_value
from pipeline.http_body import HTML_TYPES, PDF_TYPE

LICENSE = (
    *("license", "license_scope", "license_class", "license_confidence"),
    "license_evidence",
)
COMPLIANCE = (*LICENSE, "opt_out", "opt_out_evidence")
"""Columns that the step CONSENT has the last word on."""
_RECORD, _SOURCE = 0.95, 0.9
"""Confidence in what the record of an input, and the recipe for a source, declares."""
_CONTRADICTED = 0.5


def declared(metadata: dict[str, Any], for_source: str | None) -> dict[str, Any]:
    """Licence columns that the record of the input or the recipe declares.

    The fields ``license`` and ``licence`` leave `metadata`. Values are read as SPDX ids, URLs or
    words; what is none of them stays as it is, of the class ``unknown``.
    """
    values = [metadata.pop(name, None) for name in ("license", "licence")]
    value = str(values[0] or values[1] or "").strip()
    if value:
        return _columns(value, "page", _RECORD, f"declared by the record: {value}")
    if for_source:
        evidence = f"declared for the source by the recipe: {for_source}"
        return _columns(for_source, "source", _SOURCE, evidence)
    return {}


def _columns(value: str, scope: str, confidence: float, evidence: str) -> dict[str, Any]:
    found = licence_of_value(value) or value
    known = license_class(found) != "unknown"
    return {
        "license": found,
        "license_scope": scope,
        "license_class": license_class(found),
        "license_confidence": confidence if known else confidence / 2,
        "license_evidence": evidence[:500],
    }


def merged(row: dict[str, Any], parsed: dict[str, Any]) -> dict[str, Any]:
    """A row with what its document says of itself, which goes before what is declared for it.

    Where the two name different licences, both stand in the evidence and confidence is halved. A
    document that only reserves its rights, or licenses a part, does not undo a declaration.
    """
    found = {name: value for name, value in parsed.items() if value is not None}
    for name in ("opt_out", "opt_out_evidence"):  # of the HTTP fields and of the document
        if row.get(name):
            found[name] = list(dict.fromkeys([*row[name], *found.get(name, ())]))
    if "opt_out" in found:
        found["opt_out"] = [signal for signal in SIGNALS if signal in found["opt_out"]]
    if not row.get("license") or "license_class" not in found:
        return {**row, **found}
    whole = found.get("license") and found.get("license_scope") != "part"
    first, other = (found, row) if whole else (row, found)
    licence = {name: first.get(name) for name in LICENSE}
    reserved = found["license_class"] == "proprietary"
    if first.get("license") != other.get("license") and (other.get("license") or reserved):
        said = other.get("license_evidence") or other.get("license")
        licence["license_evidence"] = f"{first.get('license_evidence')}; conflicts: {said}"
        if whole or reserved:
            licence["license_confidence"] = round(
                (first.get("license_confidence") or 0) * _CONTRADICTED, 3
            )
    return {**row, **found, **licence}


def said_by_headers(headers: dict[str, str]) -> dict[str, Any]:
    """Licence columns and opt-outs that the HTTP fields of a PDF or a plain text declare."""
    if not headers:
        return {}
    licence = html_licence(b"", headers)
    return {**(licence.columns if licence.id else {}), **opt_out_columns(b"", headers)}


def opt_out_columns(page: Any, headers: dict[str, str]) -> dict[str, list[str]]:
    """Opt-outs of a page and its HTTP fields, with their evidence."""
    return _opt_outs(opt_out_marks(page, headers))


def pdf_opt_out_columns(packet: dict[str, str]) -> dict[str, list[str]]:
    """Opt-outs that the XMP packet of a PDF declares, with their evidence."""
    return _opt_outs(pdf_opt_outs(packet))


def _opt_outs(found: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        "opt_out": [signal for signal in PAGE_SIGNALS if signal in found],
        "opt_out_evidence": [said for signal in sorted(found) for said in found[signal]],
    }


def completed(row: dict[str, Any]) -> None:
    """Fill in the licence columns and opt-outs of a row with ``text`` that nothing was said of."""
    if row.get("license") is None and row.get("license_class") in (None, "unknown"):
        # the line stands in code; on a page it is something that the page shows
        shown = row.get("media_type") in (*HTML_TYPES, PDF_TYPE)
        row.update((NONE if shown else text_licence(row["text"])).columns)
    for name in ("opt_out", "opt_out_evidence"):
        if row.get(name) is None:
            row[name] = []


def pages_of(text: str, pages: list[dict[str, Any]]) -> dict[str, str]:
    """The text of the first and of the last page of a PDF."""
    if not pages:
        return {}
    starts = [page["start"] for page in pages]
    first = text[: starts[1] if len(starts) > 1 else len(text)]
    return {"first-page": first} | ({"last-page": text[starts[-1] :]} if len(starts) > 1 else {})
