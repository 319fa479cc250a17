"""The takedown list of a run: what must not be in it, whatever is run again.

``takedown.json`` in the run folder only grows. Its digest is part of the address of every shard of
INGEST, so that a shard made without it is not what the run asks for.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

import xxhash

from catalogs import storage
from catalogs.errors import DamageError, UserError

FILE_NAME = "takedown.json"
STAGE = "takedown"
Entry = tuple[str, str]
_MARK = "+"
_USUAL_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Takedown:
    """URLs without scheme and fragment, hosts (``*.name`` for all below a name, ``name:port`` for
    those at that port), ids of texts or rows."""

    urls: frozenset[str] = field(default_factory=frozenset)
    hosts: frozenset[str] = field(default_factory=frozenset)
    ids: frozenset[str] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.urls or self.hosts or self.ids)

    @classmethod
    def of(cls, urls=(), hosts=(), ids=()) -> Takedown:
        """From entries as people write them; blank ones and comments (``#``) are left out.

        Raises
        ------
        UserError
            For a host with a path, and an id that is none: taken for what they are not, they would
            take down more, or less, than was meant.
        """
        for entry in _entries(hosts):
            if entry.partition("://")[2 if "://" in entry else 0].strip("/").count("/"):
                raise UserError(
                    f"--hosts: '{entry}' is one page, and a host is wanted: give it with --urls, "
                    "or its host alone"
                )
        for entry in _entries(ids):
            if not re.fullmatch(r"[\w.-]+", entry):
                raise UserError(f"--ids: '{entry}' is no id of a text or a row")
        return cls(
            frozenset(plain_url(entry) for entry in _entries(urls)),
            frozenset(plain_host(entry) for entry in _entries(hosts)),
            frozenset(entry.lower() for entry in _entries(ids)),
        )

    @classmethod
    def load(cls, root: str) -> Takedown:
        """The list of a run, empty if it has none."""
        path = storage.join(root, FILE_NAME)
        if not storage.exists(path):
            return cls()
        try:
            saved = json.loads(storage.read_text(path))
            return cls(*(frozenset(saved[name]) for name in ("urls", "hosts", "ids")))
        except (ValueError, KeyError, TypeError) as error:
            raise DamageError(f"{path}: the takedown list is damaged: {error}") from None

    def save(self, root: str) -> None:
        storage.write_text(storage.join(root, FILE_NAME), json.dumps(self._sorted, indent=1))

    def __or__(self, other: Takedown) -> Takedown:
        return Takedown(self.urls | other.urls, self.hosts | other.hosts, self.ids | other.ids)

    def reason(self, uri: str | None, *ids: str | None) -> str | None:
        """Which part of the list a row is on: url, host or id; None: on none."""
        named = self.entries_of(uri, *ids)
        return named[0][0] if named else None

    def entries_of(self, uri: str | None, *ids: str | None) -> list[Entry]:
        """The entries that a row is on: urls, then hosts, then ids."""
        found: list[Entry] = []
        if uri and self.urls and (url := plain_url(uri)) in self.urls:
            found.append(("url", url))
        if uri and self.hosts and "://" in uri:
            found += [("host", name) for name in _names_of_host(uri) if name in self.hosts]
        return found + [("id", name) for name in ids if name in self.ids]

    @property
    def entries(self) -> set[Entry]:
        """All entries, each with what it is: url, host or id."""
        kinds = (("url", self.urls), ("host", self.hosts), ("id", self.ids))
        return {(kind, entry) for kind, own in kinds for entry in own}

    def stamp(self, address: str) -> str:
        """The address of a shard made with this list, from its own or that with another list."""
        base = address.partition(_MARK)[0]
        return f"{base}{_MARK}{self.digest}" if self else base

    @cached_property
    def digest(self) -> str:
        return xxhash.xxh3_64_hexdigest(json.dumps(self._sorted).encode())

    @cached_property
    def _sorted(self) -> dict[str, list[str]]:
        return {name: sorted(getattr(self, name)) for name in ("urls", "hosts", "ids")}


def plain_url(url: str) -> str:
    """A URL for comparison: without scheme, fragment and usual port, host in lower case.

    A path of a file stays as it is.
    """
    if "://" not in url:
        match = re.match(r"(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?/", url, re.IGNORECASE)
        return plain_url(f"http://{url}") if match and not url.startswith((".", "/")) else url
    try:
        parts = urlsplit(url.partition("#")[0])
        port = parts.port
    except ValueError:
        return url
    if parts.scheme.lower() not in _USUAL_PORT:
        return url
    host = plain_host(parts.hostname or "")
    if port not in (None, *_USUAL_PORT.values()):
        host += f":{port}"
    return f"{host}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")


def plain_host(host: str) -> str:
    """A host in lower case and punycode, with its port unless that is the usual one; of a URL, its
    host."""
    host = host.strip()
    try:
        parts = urlsplit(host if "://" in host else f"//{host}")
        name, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return host.lower()
    if not name.isascii():
        with contextlib.suppress(UnicodeError):
            name = name.encode("idna").decode()
    return name if port in (None, *_USUAL_PORT.values()) else f"{name}:{port}"


def _names_of_host(url: str) -> list[str]:
    """What a list may call the host of a URL: with its port, without, or a name above it."""
    own = plain_host(url)
    host = own.partition(":")[0]
    parts = host.split(".")
    above = ["*." + ".".join(parts[at:]) for at in range(len(parts))]
    return list(dict.fromkeys([own, host, *above]))


def _entries(lines) -> list[str]:
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
