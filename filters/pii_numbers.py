"""Personal numbers: cards, bank accounts, national ids, with their check digits.

Check digits alone let one number in ten or so pass, so that what has no format of its own counts
only where a word before it says what it is, or where the language of the text is that of the
country. Formats and check digits are those of python-stdnum.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import NamedTuple

from filters.pii_types import Find, matches

CONTEXT = 40
"""Bytes before a number that are looked at for a word."""
_EDGE, _END = rb"(?<![\w.,/$-])(?<![\w][-.])", rb"(?![\w])(?![-./,][\w])"

_CARD = re.compile(_EDGE + rb"\d(?:[ -]?\d){12,18}" + _END)
_GROUPS = re.compile(rb"\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5}")
_CARD_WORDS = re.compile(
    rb"(?<![<\w])(?:card|credit|debit|visa|mastercard|amex|american express|discover|maestro|"
    rb"karte|carte|tarjeta|carta|cartao|kaart|karta|pan|cc)\b",
    re.I,
)
_NETWORKS = (
    ("visa", re.compile(r"4(?:\d{12}|\d{15}|\d{18})$")),
    (
        "mastercard",
        re.compile(r"(?:5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12})$"),
    ),
    ("amex", re.compile(r"3[47]\d{13}$")),
    ("discover", re.compile(r"(?:6011\d{12}|64[4-9]\d{13}|65\d{14})$")),
    ("diners", re.compile(r"(?:30[0-5]\d{11}|3[68]\d{12})$")),
    ("jcb", re.compile(r"35(?:2[89]|[3-8]\d)\d{12}$")),
    ("unionpay", re.compile(r"62\d{14,17}$")),
)
"""Issuer identification ranges (ISO/IEC 7812) of the networks, with their lengths."""
_TEST_CARDS = (
    "4111111111111111 4242424242424242 4012888888881881 4222222222222 4000056655665556 "
    "5555555555554444 5105105105105100 5200828282828210 2223003122003222 2223000048400011 "
    "378282246310005 371449635398431 378734493671000 6011111111111117 6011000990139424 "
    "30569309025904 38520000023237 3530111333300000 3566002020360505 6200000000000005 "
)
"""Numbers that payment services publish for tests: nobody's."""
_IBAN = re.compile(
    rb"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)


class NationalId(NamedTuple):
    """A national id: its format, and what makes it sure."""

    kind: str
    module: str
    """Module of ``stdnum`` that checks it."""
    pattern: bytes
    words: bytes = b""
    """Words before it that say what it is."""
    languages: tuple[str, ...] = ()
    """Languages in which its format says enough."""
    alone: float = 0.0
    """Confidence without either."""


IDS = (
    NationalId("us_ssn", "us.ssn", rb"\d{3}-\d{2}-\d{4}", rb"ssn|social security", (), 0.7),
    NationalId("us_ssn", "us.ssn", rb"\d{9}", rb"ssn|social security"),
    NationalId(
        "uk_nino",
        "",
        rb"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]",
        rb"nino|national insurance|ni number",
    ),
    NationalId(
        "es_dni",
        "es.dni",
        rb"\d{8}[ -]?[A-HJ-NP-TV-Z]",
        rb"dni|nif|documento",
        ("es", "ca", "gl", "eu"),
    ),
    NationalId(
        "es_nie",
        "es.nie",
        rb"[XYZ][ -]?\d{7}[ -]?[A-HJ-NP-TV-Z]",
        rb"nie|nif",
        ("es", "ca", "gl", "eu"),
    ),
    NationalId(
        "fr_nir",
        "fr.nir",
        rb"[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}",
        rb"nir|s[\xc3\xa9e]+curit[\xc3\xa9e]+ sociale|insee",
        ("fr",),
        0.65,
    ),
    NationalId(
        "it_codice_fiscale",
        "it.codicefiscale",
        rb"[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]",
        rb"codice fiscale|c\.?f\.?",
        (),
        0.95,
    ),
    NationalId("nl_bsn", "nl.bsn", rb"\d{4}\.?\d{2}\.?\d{3}", rb"bsn|burgerservicenummer|sofi"),
    NationalId("pl_pesel", "pl.pesel", rb"\d{11}", rb"pesel", ("pl",)),
    NationalId("br_cpf", "br.cpf", rb"\d{3}\.\d{3}\.\d{3}-\d{2}", rb"cpf", (), 0.95),
    NationalId("br_cpf", "br.cpf", rb"\d{11}", rb"cpf"),
    NationalId(
        "be_national_number",
        "be.nn",
        rb"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}",
        rb"registre national|rijksregister",
        (),
        0.9,
    ),
    NationalId("ch_ahv", "ch.ssn", rb"756\.\d{4}\.\d{4}\.\d{2}", rb"ahv|avs", (), 0.95),
    NationalId(
        "se_personnummer",
        "se.personnummer",
        rb"(?:19|20)?\d{6}[-+]\d{4}",
        rb"personnummer|personal number",
        ("sv",),
    ),
    NationalId(
        "fi_hetu", "fi.hetu", rb"\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]", rb"hetu|henkil", ("fi",), 0.65
    ),
    NationalId(
        "de_steuer_id",
        "de.idnr",
        rb"\d{2} ?\d{3} ?\d{3} ?\d{3}",
        rb"steuer-?id\w*|steueridentifikationsnummer|idnr",
    ),
    NationalId("pt_nif", "pt.nif", rb"\d{9}", rb"nif|contribuinte"),
    NationalId("cl_rut", "cl.rut", rb"\d{1,2}\.\d{3}\.\d{3}-[\dKk]", rb"rut|run", (), 0.8),
    NationalId("mx_curp", "mx.curp", rb"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d", rb"curp", (), 0.95),
    NationalId("ca_sin", "ca.sin", rb"\d{3}[ -]\d{3}[ -]\d{3}", rb"sin|social insurance"),
    NationalId("in_aadhaar", "in_.aadhaar", rb"\d{4} ?\d{4} ?\d{4}", rb"aadhaa?r|uidai"),
    NationalId(
        "cn_resident_id", "cn.ric", rb"\d{17}[\dX]", "身份证|公民身份".encode(), ("zh",), 0.65
    ),
    NationalId("kr_rrn", "kr.rrn", rb"\d{6}-\d{7}", "주민등록".encode(), ("ko",)),
)
_SAID = rb"(?<![<\w])(?:%s)(?!\w)"
_IDS = [
    (one, re.compile(_EDGE + one.pattern + _END), re.compile(_SAID % one.words, re.I))
    for one in IDS
]
_ANY_WORD = re.compile(_SAID % b"|".join(one.words for one in IDS if one.words), re.I)
_ALONE = re.compile(
    _EDGE + b"(?:" + b"|".join(one.pattern for one in IDS if one.alone) + b")" + _END
)
_LANGUAGES = frozenset(language for one in IDS for language in one.languages)
BY_LANGUAGE, BY_WORD = 0.7, 0.95
"""Confidence of what the language, and of what a word before it says."""


def find_numbers(data: bytes, start: int, end: int, language: str) -> Iterator[Find]:
    """Cards, bank accounts and national ids that overlap the bytes from start to end."""
    low, high = max(0, start - 24), end + 32
    if end - start >= 13:
        yield from _cards(data, low, high)
    if end - start >= 11:
        yield from _ibans(data, low, high)
    # what is rare is looked for one by one only if anything of the kind is there
    if (
        language in _LANGUAGES
        or _ALONE.search(data, low, high)
        or _ANY_WORD.search(data, max(0, start - 2 * CONTEXT), end)
    ):
        yield from _national_ids(data, low, high, language)


def before(data: bytes, start: int) -> bytes:
    """What stands on the line before a place, behind any placeholder, as far as it is looked at."""
    return re.split(rb"[\n>]", data[max(0, start - CONTEXT) : start])[-1]


def _cards(data: bytes, low: int, high: int) -> Iterator[Find]:
    for match in matches(_CARD, data, low, high):
        digits = re.sub(rb"\D", b"", match.group()).decode()
        network = next((name for name, shape in _NETWORKS if shape.match(digits)), None)
        if network is None or digits in _TEST_CARDS.split() or not _valid("luhn", digits):
            continue
        if _CARD_WORDS.search(before(data, match.start())):
            yield Find(*match.span(), "card", network, 0.97)
        elif _GROUPS.fullmatch(match.group()) and not in_row(data, *match.span()):
            yield Find(*match.span(), "card", network, 0.85)
        elif digits == match.group().decode():
            yield Find(*match.span(), "card", network, 0.5)


_DIGIT_BEFORE, _DIGIT_AFTER = re.compile(rb"\d[\s,;|]{1,4}$"), re.compile(rb"[\s,;|]{1,4}\d{2}")


def in_row(data: bytes, start: int, end: int) -> bool:
    """Whether more numbers stand before or behind: a row of a table."""
    return bool(
        _DIGIT_BEFORE.search(data, max(0, start - 6), start) or _DIGIT_AFTER.match(data, end)
    )


def _ibans(data: bytes, low: int, high: int) -> Iterator[Find]:
    for match in matches(_IBAN, data, low, high):
        text = match.group().decode()
        while text:  # a word in capitals may follow
            if _valid("iban", text):
                yield Find(match.start(), match.start() + len(text), "iban", text[:2].lower(), 0.99)
                break
            text = text.rpartition(" ")[0]


def _national_ids(data: bytes, low: int, high: int, language: str) -> Iterator[Find]:
    for one, shape, words in _IDS:
        for match in matches(shape, data, low, high):
            sure = one.alone
            if language in one.languages:
                sure = max(sure, BY_LANGUAGE)
            if one.words and words.search(before(data, match.start())):
                sure = BY_WORD
            if sure and (not one.module or _valid(one.module, match.group().decode())):
                yield Find(*match.span(), "national_id", one.kind, sure)


def _valid(module: str, text: str) -> bool:
    return _checker(module)(text)


@cache
def _checker(module: str) -> Callable[[str], bool]:
    return import_module(f"stdnum.{module}").is_valid
