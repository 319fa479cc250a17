"""Pages: templates filled into one file that needs no other, and numbers as people read them."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from catalogs.axis import number


def render(template: str, **view: Any) -> str:
    """Fill a template of ``catalogs/templates``; everything is escaped."""
    environment = Environment(
        loader=PackageLoader("catalogs"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        count=count, short=short, change=change, percent=percent, number=number, excerpt=excerpt
    )
    return environment.get_template(template).render(**view)


def count(value: int) -> str:
    """A whole number with its thousands."""
    return f"{value:,}"


def short(value: float) -> str:
    """A number of tokens, short: 12.3B."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= 0.9995 * size:
            scaled = value / size
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            return f"{scaled:.{digits}f}{unit}"
    return f"{value:,.0f}"


def change(value: int) -> str:
    """A difference, signed, with a true minus."""
    return "0" if value == 0 else f"+{value:,}" if value > 0 else f"−{-value:,}"


def percent(part: float, whole: float, signed: bool = False) -> str:
    """A share in percent; nothing of nothing is a dash."""
    if not whole:
        return "–"
    share = 100 * part / whole
    sign = "−" if share < 0 else "+" if signed and share > 0 else ""
    if not share:
        return "0 %"
    return f"{sign}{abs(share):.2f} %" if abs(share) < 0.095 else f"{sign}{abs(share):.1f} %"


def excerpt(text: str, size: int) -> str:
    """The first characters of a text, with a mark where it goes on."""
    return text if len(text) <= size else text[:size].rstrip() + " …"
