"""Classes of licences: what a licence asks of those who use the text."""

from __future__ import annotations

import re

CLASSES = (
    *("public-domain", "permissive", "attribution", "share-alike", "non-commercial"),
    *("no-derivatives", "proprietary", "unknown"),
)
"""From the fewest conditions to the most; a licence with several has the last that applies."""

_PUBLIC = re.compile(
    r"CC0-|CC-PDM|CC-PDDC|PDDL-|Unlicense$|DL-DE-ZERO-|NCBI-PD|NIST-PD|NTIA-PD|SAX-PD|ANTLR-PD|blessing|"
    r"LicenseRef-scancode-(?:us-govt-)?public-domain$"
)
_ATTRIBUTION = re.compile(
    r"CC-BY(?:-\d|$)|ODC-By-|OGL-|DL-DE-BY-|etalab-|NLOD-|GeoLicence|CDLA-Permissive-|TU-Berlin-|"
    r"OGC-|LOOP$|O-UDA-"
)
_SHARE_ALIKE = re.compile(
    r"CC-BY-SA|GFDL|[AL]?GPL-|ODbL-|MPL-|EPL-|EUPL-|CDDL-|OSL-|CPL-|CECILL-(?!B)|CDLA-Sharing-|"
    r"copyleft-next|MS-RL|QPL-|Sleepycat|SSPL-|LPPL-|FDL|CC-SA-|Ms-RL|RPL-|NPL-|IPL-|APSL-|OFL-"
)
_NON_COMMERCIAL = re.compile(r"(?:^|-)NC(?:-|$)|NonCommercial|Noncommercial|NCGL-|BigCode")
_NO_DERIVATIVES = re.compile(r"(?:^|-)ND(?:-|$)|NoDeriv")
_PROPRIETARY = re.compile(
    r"proprietary|all[-\s]rights[-\s]reserved|commercial|UNLICENSED|BUSL-|nonexclusive-distrib",
    re.IGNORECASE,
)
_OTHER = re.compile(r"LicenseRef-(?!scancode-(?:us-govt-)?public-domain$)|CC-unspecified")
_PERMISSIVE = re.compile(
    r"MIT|BSD|0BSD|Apache-|ISC|Zlib|Artistic-|BSL-1|PSF-|Python-|PostgreSQL|NCSA|X11|AFL-|"
    r"MulanPSL-|WTFPL|BlueOak-|CECILL-B|UPL-|Ruby|curl|HPND|ICU|Intel|libpng|libtiff|bzip2|"
    r"Unicode-|W3C|ZPL-|FTL|TCL|OpenSSL|PHP-|FSFAP|FSFUL|NTP|Info-ZIP|JSON$|Vim|ECL-|EFL-|Fair|"
    r"Xnet|CNRI-|OLDAP-|SMLNJ|Beerware|AML|ANTLR|Entessa|Spencer|Boehm|SGI-B|TCP-wrappers"
)


def license_class(license_id: str | None) -> str:
    """The class of an SPDX id or expression: one of CLASSES.

    Of an expression, ``OR`` gives the class with fewer conditions and ``AND`` the one with more;
    what cannot be told is ``unknown``.
    """
    if not license_id:
        return "unknown"
    words = re.findall(r"[()]|[^\s()]+", license_id)
    if len(words) == 1:
        return _of_id(words[0])
    rank, rest = _either(words)
    return "unknown" if rest else CLASSES[rank]


def _either(words: list[str]) -> tuple[int, list[str]]:
    rank, words = _both(words)
    while words and words[0].upper() == "OR":
        other, words = _both(words[1:])
        rank = min(rank, other)
    return rank, words


def _both(words: list[str]) -> tuple[int, list[str]]:
    rank, words = _one(words)
    while words and words[0].upper() == "AND":
        other, words = _one(words[1:])
        rank = max(rank, other)
    return rank, words


def _one(words: list[str]) -> tuple[int, list[str]]:
    if not words:
        return len(CLASSES) - 1, []
    if words[0] == "(":
        rank, rest = _either(words[1:])
        rest = rest[1:] if rest[:1] == [")"] else ["?"]
    else:
        rank, rest = CLASSES.index(_of_id(words[0])), words[1:]
    if rest[:1] == ["WITH"]:  # an exception allows more, never less
        rest = rest[2:]
    return rank, rest


def _of_id(name: str) -> str:
    if name in ("NONE", "NOASSERTION"):
        return "proprietary" if name == "NONE" else "unknown"
    if _PROPRIETARY.search(name) and not _NON_COMMERCIAL.search(name):
        return "proprietary"
    if _NO_DERIVATIVES.search(name):
        return "no-derivatives"
    if _NON_COMMERCIAL.search(name):
        return "non-commercial"
    if _OTHER.match(name):
        return "unknown"
    for pattern, kind in (
        (_PUBLIC, "public-domain"),
        (_SHARE_ALIKE, "share-alike"),
        (_ATTRIBUTION, "attribution"),
        (_PERMISSIVE, "permissive"),
    ):
        if pattern.match(name):
            return kind
    return "unknown"
