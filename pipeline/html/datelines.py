"""Dates in short texts, as bylines give them: numbers, or month names of eight languages."""

from __future__ import annotations

import re

_NAMES = (
    "january|januar|jänner|janvier|enero|gennaio|janeiro|januari|stycznia|jan",
    "february|februar|feber|février|fevrier|febrero|febbraio|fevereiro|februari|lutego|feb",
    "march|märz|maerz|mars|marzo|março|maart|marca|mar|mrz",
    "april|avril|abril|aprile|kwietnia|apr",
    "may|mai|mayo|maggio|maio|mei|maja",
    "june|juni|juin|junio|giugno|junho|czerwca|jun",
    "july|juli|juillet|julio|luglio|julho|lipca|jul",
    "august|août|aout|agosto|augustus|sierpnia|aug",
    "september|septembre|septiembre|settembre|setembro|września|sept|sep",
    "october|oktober|octobre|octubre|ottobre|outubro|października|oct|okt",
    "november|novembre|noviembre|novembro|listopada|nov",
    "december|dezember|décembre|decembre|diciembre|dicembre|dezembro|grudnia|dec|dez",
)
_MONTHS = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split("|")}
_WORD = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"((?:19|20)\d\d)"
_ISO = re.compile(rf"\b{_YEAR}[-/.](\d\d?)[-/.](\d\d?)\b")
_NUMBERS = re.compile(rf"\b(\d\d?)([./-])\s?(\d\d?)\2\s?{_YEAR}\b")
_DAY_FIRST = re.compile(
    rf"\b(\d\d?)(?:\.|st|nd|rd|th|er|º)?\s(?:de\s)?({_WORD})\.?,?\s(?:de[l]?\s)?{_YEAR}\b", re.I
)
_MONTH_FIRST = re.compile(rf"\b({_WORD})\.?\s(\d\d?)(?:st|nd|rd|th)?,?\s{_YEAR}\b", re.I)
_HAN = re.compile(rf"{_YEAR}\s?年\s?(\d\d?)\s?月\s?(\d\d?)\s?日")


def date_in(text: str) -> str | None:
    """The first date of a text as year-month-day, or None.

    Numbers between slashes are read as month and day only where they cannot be day and month.
    """
    for pattern in (_ISO, _HAN):
        if match := pattern.search(text):
            return _date(int(match[1]), int(match[2]), int(match[3]))
    if match := _DAY_FIRST.search(text):
        return _date(int(match[3]), _MONTHS[match[2].lower()], int(match[1]))
    if match := _MONTH_FIRST.search(text):
        return _date(int(match[3]), _MONTHS[match[1].lower()], int(match[2]))
    if match := _NUMBERS.search(text):
        day, month = int(match[1]), int(match[3])
        if match[2] == "/" and month > 12:
            day, month = month, day
        return _date(int(match[4]), month, day)
    return None


def _date(year: int, month: int, day: int) -> str | None:
    return f"{year}-{month:02}-{day:02}" if 1 <= month <= 12 and 1 <= day <= 31 else None
