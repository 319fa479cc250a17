"""Licences by URL and by words: SPDX ids where SPDX has them.

Creative Commons ids come without a port (``CC-BY-3.0`` for the German text of it as well) and,
where the page gives no version, without one (``CC-BY-SA``). ``CC-unspecified`` is a Creative
Commons licence whose kind the page does not say.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from filters.licence_languages import CONDITIONS, NAMES

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
    (r"gnu\.org/licenses/(?:old-licenses/)?agpl-(\d\.\d)", "AGPL-{}-only", None),
    (r"gnu\.org/licenses/(?:old-licenses/)?lgpl-(\d\.\d)", "LGPL-{}-only", None),
    (r"gnu\.org/licenses/(?:old-licenses/)?gpl-(\d\.\d)", "GPL-{}-only", None),
    (r"mozilla\.org/(?:[\w-]+/)?MPL/(\d\.\d)", "MPL-{}", None),
    (r"(?<![\w.])unlicense\.org(?:/|$)", "Unlicense", "Unlicense"),
    (r"apache\.org/licenses/LICENSE-(2\.0)", "Apache-{}", None),
    (r"opensource\.org/(?:licenses?|license)/mit", "MIT", "MIT"),
    (r"opensource\.org/(?:licenses?|license)/bsd-(3|2)-clause", "BSD-{}-Clause", None),
    (r"nationalarchives\.gov\.uk/doc/open-government-licence/version/(\d)", "OGL-UK-{}.0", None),
    (r"govdata\.de/dl-de/by-2-0", "DL-DE-BY-2.0", "DL-DE-BY-2.0"),
    (r"govdata\.de/dl-de/zero-2-0", "DL-DE-ZERO-2.0", "DL-DE-ZERO-2.0"),
    (r"opendatacommons\.org/licenses/(?:odbl)", "ODbL-1.0", "ODbL-1.0"),
    (r"opendatacommons\.org/licenses/(?:by)", "ODC-By-1.0", "ODC-By-1.0"),
    (r"opendatacommons\.org/licenses/(?:pddl)", "PDDL-1.0", "PDDL-1.0"),
    (r"opendefinition\.org/licenses/cc-by-sa\b", "CC-BY-SA", "CC-BY-SA"),
    (r"opendefinition\.org/licenses/cc-by\b", "CC-BY", "CC-BY"),
    (r"opendefinition\.org/licenses/cc-zero\b", "CC0-1.0", "CC0-1.0"),
    (r"opendefinition\.org/licenses/odc-odbl\b", "ODbL-1.0", "ODbL-1.0"),
    (r"opendefinition\.org/licenses/odc-by\b", "ODC-By-1.0", "ODC-By-1.0"),
    (r"etalab[\w.-]*/.*(?:licence-ouverte|open-licence)", "etalab-2.0", "etalab-2.0"),
    (r"open\.canada\.ca/\w+/open-government-licence", "OGL-Canada-2.0", "OGL-Canada-2.0"),
    (r"data\.norge\.no/nlod/(?:\w+/)?(\d\.\d)", "NLOD-{}", None),
)
_OTHER = tuple((re.compile(url, re.IGNORECASE), form, bare) for url, form, bare in _OTHER_URLS)

_NAME = re.compile(
    r"creative[\s-]?commons|\bCC[-\s]?0\b|(?-i:(?<![A-Za-z0-9])CC(?=[-\s]?BY(?![A-Za-z])))|"
    r"\bcc(?=-by\b|\sby-)|" + "|".join(map(re.escape, NAMES)) + r"|"
    r"\bCC(?=[-\s]+(?:Attribution|Zero|Licen[sc]e)\b)|\bBY-(?:NC|SA|ND)\b|"
    r"\bAttribution(?=[-\s]+(?:Non-?\s?Commercial|Share-?\s?Alike|No-?\s?Deriv))|"
    r"\bNamensnennung(?=[-–\s]+(?:Weitergabe unter|Nicht|Keine))|"
    r"\bGFDL\b|GNU[\s-]+(?:Free[\s-]+Documentation|FDL|Lizenz für freie Dokumentation)",
    re.IGNORECASE,
)
_LIST_URL = re.compile(
    r"(?:spdx\.org|opensource\.org|choosealicense\.com)/licen[sc]es?/([\w.+-]+?)(?:\.html)?/?(?:[?#].*)?$",
    re.IGNORECASE,
)
_SPDX_ID = re.compile(r"(?=.*[-\d]|mit$|isc$|unlicense$|wtfpl$|zlib$)[\w.+-]{3,40}", re.IGNORECASE)
"""Ids that could be ordinary words are left out."""
_GNU_ONLY = re.compile(r"^([AL]?GPL-\d\.\d)$")
_GNU_LATER = re.compile(r"^([AL]?GPL-\d\.\d)\+$")
"""Ids that SPDX deprecates, for what they mean."""
_PORT = re.compile(r"^(CC-BY[-A-Z]*-\d\.\d)-[A-Z]{2,3}$")
_SOFTWARE_NAMES = (
    (r"\bMIT[\s-]+Licen[sc]e\b", "MIT"),
    (
        r"\bApache(?: Software)?[\s-]+(?:Licen[sc]e)?,?\s*(?:Version\s+|v\.?\s?)?2\.0\b",
        "Apache-2.0",
    ),
    (r"\b(?:3-Clause[\s-]+BSD|BSD[\s-]+3[\s-]+Clause)\b", "BSD-3-Clause"),
    (r"\b(?:2-Clause[\s-]+BSD|BSD[\s-]+2[\s-]+Clause)\b", "BSD-2-Clause"),
    (
        r"\bOpen Government Licen[cs]e,?\s*\(?(?:v(?:ersion)?\.?\s*)?([123])(?:\.0)?\b",
        "OGL-UK-{}.0",
    ),
    (r"\betalab[\s-]+2\.0\b|\bLicence Ouverte\b.{0,20}?\b2\.0\b", "etalab-2.0"),
    (r"\bDatenlizenz Deutschland\W+Namensnennung\W+(?:Version\s+)?2\.0", "DL-DE-BY-2.0"),
    (r"\bDatenlizenz Deutschland\W+Zero\W+(?:Version\s+)?2\.0", "DL-DE-ZERO-2.0"),
    (r"\bPython Software Foundation Licen[sc]e(?:,? Version)? 2\b", "PSF-2.0"),
    (r"\bODbL\b|\bOpen Database Licen[cs]e\b", "ODbL-1.0"),
)
_SOFTWARE = tuple((re.compile(words, re.IGNORECASE), form) for words, form in _SOFTWARE_NAMES)
_REACH = 160
"""How many characters after the name the kind and the version may stand."""
_ZERO = re.compile(
    r"\bCC[-\s]?0\b|\bCC[-\s]+Zero\b|commons\W+(?:CC0|zero|0\b|public domain dedication)",
    re.IGNORECASE,
)
_GFDL = re.compile(r"GFDL|Free[\s-]+Documentation|GNU[\s-]+FDL|freie Dokumentation", re.IGNORECASE)
_VERSION = re.compile(r"(?<![\d.])([1-4]\.0|2\.[15])(?![\d.]*\d)")
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
    listed = _LIST_URL.search(url)
    return licence_of_id(listed.group(1)) if listed else None


def licence_of_id(value: str) -> str | None:
    """The SPDX id that a value is as a whole, in any case, or None."""
    value = value.strip()
    if not _SPDX_ID.fullmatch(value):
        return None
    try:
        name = _PORT.sub(r"\1", str(canonicalize_license_expression(value)))
        return _GNU_ONLY.sub(r"\1-only", _GNU_LATER.sub(r"\1-or-later", name))
    except InvalidLicenseExpression:
        return None


def licence_of_value(value: str) -> str | None:
    """The licence that a field of a declaration names by URL, by id or in words, or None."""
    value = value.strip()
    found = licence_of_url(value) or licence_of_id(re.sub(r"[\s_]", "-", value))
    return found or licence_of_words(value.replace("_", " "))


def name_at(text: str) -> int | None:
    """Where the first name of a licence in a text begins."""
    found = [match.start() for match in [_NAME.search(text), *_software(text)] if match]
    return min(found, default=None)


def _software(text: str) -> list[re.Match[str]]:
    return [match for pattern, _ in _SOFTWARE if (match := pattern.search(text))]


def licence_of_words(text: str) -> str | None:
    """The first licence that words name ("Creative Commons Attribution 4.0"), or None."""
    match = _NAME.search(text)
    if not match:
        for pattern, form in _SOFTWARE:
            named = pattern.search(text)
            if named:
                return form.format(*named.groups())
        return None
    # The name itself may hold the kind; a version may stand before it.
    words = text[match.start() : match.end() + _REACH]
    following = _NAME.search(words, match.end() - match.start() + 40)
    if following:
        words = words[: following.start()]
    if _GFDL.match(match.group()) or _GFDL.search(match.group()):
        version = re.search(r"(1\.[1-3])(\+|,?[\s-]+or\b[^.;]{0,24}?\blater)?", words)
        if not version:
            return "GFDL"
        return f"GFDL-{version.group(1)}" + ("-or-later" if version.group(2) else "")
    if _ZERO.match(words) or _ZERO.search(words[:60]):
        return "CC0-1.0"
    if re.match(r"by-", match.group(), re.IGNORECASE):
        words = "CC " + words
    found = {name for name, pattern in CONDITIONS if pattern.search(words)}
    if not found:  # "licencia de Reconocimiento 4.0 de Creative Commons"
        earlier = re.split(r"[.;!?]\s", text[max(0, match.start() - _REACH) : match.start()])[-1]
        kinds = {name for name, pattern in CONDITIONS if pattern.search(earlier)}
        if "BY" in kinds:
            found, words = kinds, earlier
    if "BY" not in found:
        # Only version 1.0 knew licences without attribution: here the kind is not told.
        return UNSPECIFIED if not found else None
    if "SA" in found and "ND" in found:
        return UNSPECIFIED
    version = _VERSION.search(words)
    return _cc_id("-".join(sorted(found)), version.group(1) if version else None)


PUBLIC_DOMAIN = "LicenseRef-scancode-public-domain"
US_GOVERNMENT = "LicenseRef-scancode-us-govt-public-domain"
"""Public domain by statement, not by an instrument; works of the U.S. government (17 USC 105).
SPDX has no ids for them: these are those of the ScanCode LicenseDB."""
_PUBLIC_DOMAIN = re.compile(
    r"\b(?:this|our|these) (?:(?:web ?)?(?:site|page)|content|work|document|publication|report|"
    r"article|text)s?\b[^.;]{0,200}?\b(?:is|are|be|considered)\b[^.;]{0,60}?"
    r"\b(?:in|part of) the public domain\b",
    re.IGNORECASE,
)
_GOVERNMENT = re.compile(
    r"\b(?:US|USA|United States|federal) (?:federal )?government|\b17 USC|§ ?105\b", re.IGNORECASE
)


def public_domain(text: str) -> tuple[str, str] | None:
    """The id of a statement that a page is in the public domain, and its words; or None."""
    plain = re.sub(r"\b([A-Z])\.(?=[A-Z]\.|\s)", r"\1", text).replace("U.S", "US")
    found = _PUBLIC_DOMAIN.search(plain)
    if not found:
        return None
    near = plain[max(0, found.start() - _REACH) : found.end() + _REACH]
    return (US_GOVERNMENT if _GOVERNMENT.search(near) else PUBLIC_DOMAIN), found.group()


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
