"""Licences by URL and by words: SPDX ids where SPDX has them.

Creative Commons ids come without a port (``CC-BY-3.0`` for the German text of it as well) and,
where the page gives no version, without one (``CC-BY-SA``). ``CC-unspecified`` is a Creative
Commons licence whose kind the page does not say.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

UNSPECIFIED = "CC-unspecified"

_CC_URL = re.compile(
    r"creativecommons\.org/(?:choose/)?(licen[sc]es|publicdomain|l|p)/\s*"
    r"(publicdomain|zero|mark|(?:by|nc|nd|sa)(?:[-+_](?:by|nc|nd|sa)){0,3})"
    r"(?:/(\d\.\d))?(?![\w-])",
    re.IGNORECASE,
)
_BADGE_URL = re.compile(
    r"licensebuttons\.net/[lp]/(zero|mark|(?:by|nc|nd|sa)(?:-(?:by|nc|nd|sa)){0,3})(?:/(\d\.\d))?",
    re.IGNORECASE,
)
_OTHER_URLS = (
    (r"gnu\.org/(?:copyleft|licenses)/(?:old-licenses/)?fdl(?:-(1\.\d))?", "GFDL-{}", "GFDL"),
    (r"gnu\.org/licenses/(?:old-licenses/)?gpl-(\d\.\d)", "GPL-{}", None),
    (r"apache\.org/licenses/LICENSE-(2\.0)", "Apache-{}", None),
    (r"opensource\.org/(?:licenses?|license)/mit", "MIT", "MIT"),
    (r"opensource\.org/(?:licenses?|license)/bsd-(3|2)-clause", "BSD-{}-Clause", None),
    (r"nationalarchives\.gov\.uk/doc/open-government-licence/version/(\d)", "OGL-UK-{}.0", None),
    (r"govdata\.de/dl-de/by-2-0", "DL-DE-BY-2.0", "DL-DE-BY-2.0"),
    (r"govdata\.de/dl-de/zero-2-0", "DL-DE-ZERO-2.0", "DL-DE-ZERO-2.0"),
    (r"opendatacommons\.org/licenses/(?:odbl)", "ODbL-1.0", "ODbL-1.0"),
    (r"opendatacommons\.org/licenses/(?:by)", "ODC-By-1.0", "ODC-By-1.0"),
)
_OTHER = tuple((re.compile(url, re.IGNORECASE), form, bare) for url, form, bare in _OTHER_URLS)

_NAME = re.compile(
    r"creative[\s-]?commons|\bCC[-\s]?0\b|(?-i:\bCC(?=[-\s]?BY\b))|\bcc(?=-by\b|\sby-)|"
    r"\bCC(?=[-\s]+(?:Attribution|Zero|Licen[sc]e)\b)|\bBY-(?:NC|SA|ND)\b|"
    r"\bGFDL\b|GNU[\s-]+(?:Free[\s-]+Documentation|FDL|Lizenz für freie Dokumentation)",
    re.IGNORECASE,
)
_REACH = 160
"""How many characters after the name the kind and the version may stand."""
_ZERO = re.compile(r"\bCC[-\s]?0\b|\bCC[-\s]+Zero\b|commons\W+(?:CC0|zero)", re.IGNORECASE)
_GFDL = re.compile(r"GFDL|Free[\s-]+Documentation|GNU[\s-]+FDL|freie Dokumentation", re.IGNORECASE)
# Words of the four conditions in the languages of the ported licences.
_CONDITIONS = (
    (
        "BY",
        r"\bBY\b|attribution|namensnennung|paternit|atribuci|reconocimiento|atribui|attribuzione|"
        r"naamsvermelding|uznanie autorstwa|erkännande|navngivelse",
    ),
    (
        "NC",
        r"\bNC\b|non\W?commerci|no\W?comercial|n[ãa]o\W?comercial|nicht\W{0,2}kommerz|"
        r"keine kommerzielle|pas d\W?utilisation commerciale|niet\W?commerc|użycie niekomercyjne",
    ),
    (
        "SA",
        r"\bSA\b|share\W?alike|\bshare$|\bshare alike|weitergabe unter gleichen|"
        r"gleichen bedingungen|partage (?:dans les m|à l)|compartir\W?igual|compartilha\w*\W?igual|"
        r"condividi|gelijk\W?delen|na tych samych warunkach|lika\W?villkor",
    ),
    (
        "ND",
        r"\bND\b|no\W?deriv|keine\W{0,2}bearbeitung|pas de modification|sin\W?(?:obra)?\W?derivad|"
        r"sem\W?deriva|non opere derivate|geen\W?afgeleide|bez utworów zależnych",
    ),
)
_KINDS = tuple((name, re.compile(words, re.IGNORECASE)) for name, words in _CONDITIONS)
_VERSION = re.compile(r"(?<![\d.])([1-4]\.[05])(?![\d.]*\d)")
_MEMBERS = ("BY", "NC", "ND", "SA")


def licence_of_url(url: str) -> str | None:
    """The licence a URL names, or None: wrapped, ported and old spellings are understood."""
    url = re.sub(r"\s+", "", unquote(url))
    match = _CC_URL.search(url)
    if match:
        return _cc_id(match.group(2), match.group(3))
    match = _BADGE_URL.search(url)
    if match:
        return _cc_id(match.group(1), match.group(2))
    for pattern, form, bare in _OTHER:
        match = pattern.search(url)
        if match:
            version = match.group(1) if match.groups() else None
            return form.format(version) if version or "{}" not in form else bare
    return None


def licence_of_words(text: str) -> str | None:
    """The first licence that words name ("Creative Commons Attribution 4.0"), or None."""
    match = _NAME.search(text)
    if not match:
        return None
    # The name itself may hold the kind; a version may stand before it.
    words = text[match.start() : match.end() + _REACH]
    following = _NAME.search(words, match.end() - match.start() + 40)
    if following:
        words = words[: following.start()]
    if _GFDL.match(match.group()) or _GFDL.search(match.group()):
        version = re.search(r"(1\.[1-3])(\s+or (?:any )?later)?", words)
        if not version:
            return "GFDL"
        return f"GFDL-{version.group(1)}" + ("-or-later" if version.group(2) else "")
    if _ZERO.match(words) or _ZERO.search(words[:60]):
        return "CC0-1.0"
    if re.match(r"by-", match.group(), re.IGNORECASE):
        words = "CC " + words
    found = {name for name, pattern in _KINDS if pattern.search(words)}
    if "BY" not in found:
        # Only version 1.0 knew licences without attribution: here the kind is not told.
        return UNSPECIFIED if not found else None
    if "SA" in found and "ND" in found:
        return UNSPECIFIED
    version = _VERSION.search(words)
    return _cc_id("-".join(sorted(found)), version.group(1) if version else None)


def same_family(a: str, b: str) -> bool:
    """Whether one id is the other without its version, or a CC licence of no told kind."""
    if UNSPECIFIED in (a, b):
        return a.startswith("CC") and b.startswith("CC")
    kinds = [re.sub(r"-\d\.\d.*$", "", name) for name in (a, b)]
    return a == b or (kinds[0] == kinds[1] and kinds[0] in (a, b))


def fuller(a: str, b: str) -> str:
    """The more telling one of two ids of a family."""
    return max(a, b, key=lambda name: 0 if name == UNSPECIFIED else len(name))


def _cc_id(kind: str, version: str | None) -> str:
    kind = kind.upper().replace("+", "-").replace("_", "-")
    if kind == "ZERO":
        return "CC0-1.0"
    if kind == "MARK":
        return "CC-PDM-1.0"
    if kind == "PUBLICDOMAIN":
        return "CC-PDDC"
    members = [member for member in _MEMBERS if member in kind.split("-")]
    return "-".join(["CC", *members, *([version] if version else [])])
