"""E-mail addresses, IP addresses and telephone numbers.

What looks like one but is nobody's is left alone: reserved and private addresses (RFC 2606, 6761,
1918, 5737, 3849), version numbers, dates, decimal numbers, identifiers of books and papers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import phonenumbers
from publicsuffixlist import PublicSuffixList

from filters.pii_numbers import before, in_row
from filters.pii_types import Find, matches

_EMAIL_BODY = (
    rb"[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_+-])?@"
    rb"((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24})"
    rb"(?![\w@(\[:/-])(?!\.[A-Za-z0-9])"
)
_EMAIL = re.compile(rb"(?<![\w.+@/:%-])" + _EMAIL_BODY)
_EMAIL_SAID = re.compile(rb"(?<=[A-Za-z]:)" + _EMAIL_BODY)
_LETTER = "A-Za-z0-9\u00c0-\u024f\u0370-\u052f\u0900-\u0dff"
_EMAIL_WIDE = re.compile(
    rf"(?<![\w.+@/%-])(?:[{_LETTER}](?:[{_LETTER}._%+'-]{{0,62}}[{_LETTER}_+-])?|(?<![^\s<(:])\w{{1,32}})@"
    r"((?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24})(?![\w@(\[:/-])(?!\.\w)"
)
_IN_URL = re.compile(rb"://[^\s/@]*$")
"""Before what would be an address but for a user and a password there."""
_AT = rb"(?: ?[\[({<] ?at ?[\])}>] ?)"
_DOT = rb"(?: ?[\[({<] ?(?:dot|punkt|\.) ?[\])}>] ?)"
_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = rb"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62}[A-Za-z0-9])?"
_EMAIL_SPELLED = re.compile(
    rb"(?<![\w.+@/:%-])(" + _NAME + rb"(?:(?:" + _DOT + rb"| dot )" + _NAME + rb"){0,3})"
    rb"(?:" + _AT + rb"(?P<host>" + _LABEL + rb"(?:(?:\.|" + _DOT + rb"| dot )" + _LABEL + rb")+)"
    rb"| at (?P<said>" + _LABEL + rb"(?: dot " + _LABEL + rb")+))(?![\w@-])",
    re.I,
)
_SPELLED_DOT = re.compile(_DOT + rb"| dot ", re.I)
_RESERVED = re.compile(
    r"(?:^|\.)(?:example\.(?:com|net|org|edu)|example|test|invalid|localhost|local|"
    r"localdomain|internal|onion|domain\.com|email\.com|yourdomain\.com)$"
)
_NOBODY = frozenset(("git", "hg", "svn"))
_OCTET = rb"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_V4_BODY = _OCTET + rb"(?:\." + _OCTET + rb"){3}(?![\w-])(?!\.\d)(?!/\d{3})"
_V4 = re.compile(rb"(?<![\w./-])" + _V4_BODY)
_V4_URL = re.compile(rb"(?<=://)" + _V4_BODY)
_PUBLIC = {"1.2.3.4", "8.8.8.8", "8.8.4.4", "1.0.0.1", "9.9.9.9", "4.2.2.2", "208.67.222.222"}
_PUBLIC |= {"2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2620:fe::fe"}
"""Resolvers that anyone may ask, and the address of examples; as those of four equal numbers."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that has been given out of IPv6 (IANA)."""
_V6 = re.compile(rb"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}(?![\w:])")
_ADDRESS_WORDS = re.compile(
    rb"(?<![<\w])(?:ip|ipv4|address|addr|adresse|host|server|client|dns|gateway|ping|router|"
    rb"remote|connect\w*|login|logged)\b",
    re.I,
)
_VERSION_WORDS = re.compile(
    rb"(?:\bv|\bver|\bversion|\brelease|\bbuild|\bsection|\bchapter|\bfigure|\bclause|\bfirmware|\bdriver|"
    rb"\boid|objectidentifier|\btable|\bupdate|\bupgrade\w*|>=|<=|==|\xc2\xa7)[\s.:=(\"']*$",
    re.I,
)
_VERSIONS = re.compile(rb"\b(?:versions?|releases?|upgrade[ds]?|build|update[ds]?)\b", re.I)
SMALL, LOW = 20, 10
"""An address with but one number from the first on, or that begins with no more than the second,
may be that of a section, a version or an object identifier."""
_PHONE_WORDS = re.compile(
    rb"(?<![<\w])(?:phone|tel|telephone|t[e\xc3\xa9]+l[e\xc3\xa9]*(?:phone|fono)?|telefo+n\w*|fax|mobile|mob|cell|call|"
    rb"whatsapp|sms|handy|m[o\xc3\xb3]+vil|celular|portable|contact|hotline|rufnummer|tlf|puh|gsm|"
    rb"ring|dial)\b",
    re.I,
)
_NOT_PHONE = re.compile(
    rb"(?:isbn|issn|doi|arxiv|pmid|ean|upc|asin|oclc|lccn|patent|rfc|port|id|no|number|serial|order|invoice|"
    rb"version|bug|issue|sha\d*|md5|page|pp|vol|figure|table|row|\$|\xe2\x82\xac|\xc2\xa3)[\s.:#-]*(?:1[03][\s.:]*)?$",
    re.I,
)
_PHONE = re.compile(
    rb"(?<![\w./$+-])(?<!\w-)(?:(?<!\d,)|(?=\+))(?:\+|\((?=\+?\d{1,5}\))\+?)?\d[\d ().\-/]{5,22}\d"
    rb"(?!(?!x\d{1,6}(?!\w))[\w%])(?![-./]\w)(?!,\d{1,2}(?!\d))"
)
_EXTENSION = re.compile(
    rb"(?:x|,? ?(?:ext(?:ension)?|x|durchwahl|dw|poste|interno|wew)[. :]{1,2})\d{1,6}(?!\w)", re.I
)
_PLAIN_US = re.compile(r"(?:\+?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}")
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:[0-2]?\d|3[01])|"
    r"(?:[0-2]?\d|3[01])[-./ ](?:[0-2]?\d|3[01])[-./ ](?:19|20)\d\d|"
    r"(?:1[5-9]|20)\d\d ?[-/ ] ?(?:1[5-9]|20)\d\d)(?!\d)"
)
BARE = 0.65
"""Confidence of a national number that is written as numbers of its country are, without a word."""
REGIONS = {
    "en": ("US", "GB"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH"),
    "es": ("ES", "MX"),
    "it": ("IT",),
    "nl": ("NL", "BE"),
    "pt": ("BR", "PT"),
    "pl": ("PL",),
    "sv": ("SE",),
    "da": ("DK",),
    "no": ("NO",),
    "fi": ("FI",),
    "cs": ("CZ",),
    "ja": ("JP",),
    "ko": ("KR",),
    "zh": ("CN", "TW"),
    "ru": ("RU",),
    "tr": ("TR",),
    "el": ("GR",),
    "hu": ("HU",),
    "ro": ("RO",),
}
"""Countries whose national numbers are looked for in texts of a language."""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def find_emails(data: bytes, at: int) -> Iterator[Find]:
    """The e-mail address around the ``@`` at this byte."""
    low = max(0, at - 72)
    for shape in (_EMAIL, _EMAIL_SAID):
        for match in matches(shape, data, low, at + 256):
            if match.start() < at < match.end() and _is_somebody(
                match.group()[: at - match.start()].decode(), match.group(1).decode()
            ):
                start = match.start()
                if _IN_URL.search(data, max(0, start - 64), start):
                    return
                if start and data[start - 1] >= 0x80:  # a name in other letters
                    start = next((f.start for f in _find_wide(data, at)), start)
                yield Find(start, match.end(), "email", "email", 0.95)
                return
    if any(byte >= 0x80 for byte in data[max(0, at - 16) : at + 24]):
        yield from _find_wide(data, at)


def _find_wide(data: bytes, at: int) -> Iterator[Find]:
    """An e-mail address with letters beyond ASCII (RFC 6531) around the ``@`` at this byte."""
    before = data[max(0, at - 96) : at].decode(errors="ignore")
    after = data[at : at + 256].decode(errors="ignore")
    for match in _EMAIL_WIDE.finditer(before + after):
        if match.start() < len(before) < match.end() and _is_somebody(
            match.group()[: len(before) - match.start()], match.group(1)
        ):
            start = at - len(before[match.start() :].encode())
            yield Find(
                start, at + len(after[: match.end() - len(before)].encode()), "email", "email", 0.95
            )
            return


def find_spelled(data: bytes, start: int) -> Iterator[Find]:
    """An e-mail address that is spelled out, ``name [at] host [dot] org``, near this byte."""
    low = max(0, start - 96)
    for match in matches(_EMAIL_SPELLED, data, low, start + 128):
        host = _SPELLED_DOT.sub(b".", match.group("host") or match.group("said")).decode()
        if match.start() <= start < match.end() and _is_somebody(match.group(1).decode(), host):
            yield Find(*match.span(), "email", "spelled_email", 0.85)
            return


def _is_somebody(name: str, domain: str) -> bool:
    domain = domain.lower()
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            return False
    return (
        name.lower() not in _NOBODY
        and ".." not in name
        and not _RESERVED.search(domain)
        and _suffixes().publicsuffix(domain) not in (None, domain)
    )


def find_v4(data: bytes, start: int, end: int) -> Iterator[Find]:
    """IPv4 addresses that overlap the bytes from start to end."""
    for shape in (_V4, _V4_URL):
        for match in matches(shape, data, start - 8, end + 8):
            text = match.group().decode()
            try:
                address = ipaddress.IPv4Address(text)
            except ValueError:  # zeros in front
                continue
            if not address.is_global or address.is_multicast:
                continue
            if text in _PUBLIC or len(set(address.packed)) == 1:
                continue
            line = before(data, match.start())
            if _VERSION_WORDS.search(line) or _opens_heading(data, match):
                continue
            large = sum(byte >= SMALL for byte in address.packed)
            version = _VERSIONS.search(line)
            said = shape is _V4_URL or (_ADDRESS_WORDS.search(line) and not version)
            plain = large > 1 and address.packed[0] > LOW and not version
            if said or plain:
                yield Find(*match.span(), "ip", "ipv4", 0.95 if said else 0.8)


def _opens_heading(data: bytes, match: re.Match) -> bool:
    """Whether a line begins with it, as with the number of a section."""
    opens = match.start() == 0 or data[match.start() - 1 : match.start()] == b"\n"
    after = data[match.end() : match.end() + 2]
    return opens and after[:1] == b" " and max(map(int, match.group().split(b"."))) < 100


def find_v6(data: bytes, start: int, end: int) -> Iterator[Find]:
    """IPv6 addresses in a run of hexadecimal digits and colons."""
    for match in matches(_V6, data, start, end + 1):
        text = match.group().decode()
        groups = [group for group in text.split(":") if group]
        if len(groups) < 3 or not any(char.isdigit() for char in text):
            continue
        try:
            address = ipaddress.IPv6Address(text)
        except ValueError:
            continue
        if address in _UNICAST and address.is_global and text.lower() not in _PUBLIC:
            yield Find(*match.span(), "ip", "ipv6", 0.95)


_DATES = re.compile(
    rb"(?:1[0-9]|20)\d\d[-/. ]+(?:(?:1[0-9]|20)\d\d|\d\d?[-/. ]\d\d?(?: \d\d?)?)|"
    rb"\d\d?[-/.]\d\d?[-/.](?:19|20)?\d\d(?: \d\d?)?|\d+\.\d+(?:[ /+-]+\d*\.?\d+)*"
)


def is_date(data: bytes, start: int, end: int) -> bool:
    """Whether a stretch of digits is a date, two years, or decimal numbers."""
    return _DATES.fullmatch(data, start, end) is not None


def find_phones(data: bytes, start: int, end: int, regions: Sequence[str]) -> Iterator[Find]:
    """Telephone numbers that overlap the bytes from start to end.

    Where the whole stretch is none, what follows a blank may be another number: the end is given
    up blank by blank, and then the beginning.
    """
    at, high = max(0, start - 4), min(len(data), end + 4)
    while match := _PHONE.search(data, at, high):
        first, last = match.span()
        found = None
        while found is None and last - first >= 7:
            whole = last < high or high == len(data)
            found = _phone_at(data, first, last, regions) if whole else None
            if found is None:
                last = max(data.rfind(b" ", first, last), first)
        if found:
            yield found
        following = data.find(b" ", first, match.end())
        at = last if found else following + 1 if following >= 0 else match.end()


def _phone_at(data: bytes, start: int, end: int, regions: Sequence[str]) -> Find | None:
    text = data[start:end].decode()
    digits = sum(char.isdigit() for char in text)
    if not (7 <= digits <= 15 and text[-1].isdigit() and text.count("(") == text.count(")")):
        return None
    line = before(data, start)
    words = list(_PHONE_WORDS.finditer(line))
    said = bool(words) and not re.search(rb"\d", line[words[-1].end() :])
    world = text.startswith(("+", "(+"))
    if not said and (_NOT_PHONE.search(line) or _DATE.match(text)):
        return None
    plain = _PLAIN_US.fullmatch(text) is not None
    if world:
        sure = 0.95 if said else 0.9
    elif said and not _DATE.fullmatch(text):
        sure = 0.9
    elif re.fullmatch(r"[\d ]+", text) and in_row(data, start, end):
        return None
    elif plain:
        sure = 0.7
    elif digits >= 9 and text.startswith(("0", "(0")) and not text.isdigit():
        sure = BARE
    else:
        return None
    own = (None,) if world else ("US",) if plain and not said else regions
    if sure == BARE:
        own = tuple(region for region in regions if _is_written(text, region))
    if any(_is_phone(text, region) for region in own):
        extension = _EXTENSION.match(data, end)
        return Find(start, extension.end() if extension else end, "phone", "phone", sure)
    return None


def _is_written(text: str, region: str) -> bool:
    """Whether a number is written the way numbers of a country are, with its 0 in front."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    abroad = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return re.sub(r"[-/.]", " ", text) in (
        re.sub(r"[-/.]", " ", national),
        re.sub(r"[-/.]", " ", abroad.replace("+", "00")),
    )


def _is_phone(text: str, region: str | None) -> bool:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    if number.country_code == 1 and str(number.national_number)[3:8] == "55501":
        return False  # kept free for fiction
    return phonenumbers.is_valid_number(number)
