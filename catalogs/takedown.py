"""The takedown list of a run: what must not be in it, whatever is run again.

``takedown.json`` in the run folder only grows. Its digest is part of the address of every shard of
INGEST, so that a shard made without it is not what the run asks for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

import xxhash

from catalogs import storage
from catalogs.errors import DamageError

FILE_NAME = "takedown.json"
STAGE = "takedown"
_MARK = "+"
_USUAL_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Takedown:
    """URLs without scheme and fragment, hosts (``*.name`` for all below a name), ids of texts or
    rows."""

    urls: frozenset[str] = field(default_factory=frozenset)
    hosts: frozenset[str] = field(default_factory=frozenset)
    ids: frozenset[str] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.urls or self.hosts or self.ids)

    @classmethod
    def of(cls, urls=(), hosts=(), ids=()) -> Takedown:
        """From entries as people write them; blank ones and comments (``#``) are left out."""
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
        if uri and self.urls and plain_url(uri) in self.urls:
            return "url"
        if uri and self.hosts and "://" in uri and self._on_host(uri):
            return "host"
        return "id" if any(name in self.ids for name in ids if name) else None

    def _on_host(self, uri: str) -> bool:
        try:
            host = plain_host(urlsplit(uri).hostname or "")
        except ValueError:
            return False
        if host in self.hosts:
            return True
        parts = host.split(".")
        return any("*." + ".".join(parts[at:]) in self.hosts for at in range(len(parts)))

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
    """A host in lower case and punycode; of a URL, its host."""
    host = host.strip().rstrip(".").lower()
    if "://" in host:
        host = urlsplit(host).hostname or ""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def _entries(lines) -> list[str]:
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
