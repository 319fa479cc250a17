"""Options of readers: checked against what a reader knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalogs.errors import UserError, nearest

MAX_BYTES = 64 << 20


def take(reader: str, options: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """The options of a reader, with defaults where the recipe says nothing.

    A default that is a tuple names the words that are valid; its first is the default.

    Raises
    ------
    UserError
        When an option is unknown to the reader, or is no positive number where one is needed.
    """
    known = {"max_bytes": MAX_BYTES, **defaults}
    # YAML reads a bare `off` as false
    options = {name: "off" if value is False else value for name, value in options.items()}
    for name, value in options.items():
        where = f"reader '{reader}': option '{name}'"
        if name not in known:
            hint = nearest(name, known) or f" (valid: {', '.join(sorted(known))})"
            raise UserError(f"{where} is unknown{hint}")
        words = known[name]
        if isinstance(words, tuple):
            if value not in words:
                raise UserError(f"{where}: expected {', '.join(words)}, got {value!r}")
            continue
        number = isinstance(known[name], int)
        if number and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise UserError(f"{where}: expected a positive number of bytes, got {value!r}")
        if not number and value is not None and not isinstance(value, str):
            raise UserError(f"{where}: expected the name of a field, got {value!r}")
    known = {name: v[0] if isinstance(v, tuple) else v for name, v in known.items()}
    return known | dict(options)
