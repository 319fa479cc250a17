"""robots.txt after RFC 9309: who may fetch what, and what else it says on training.

Groups of several user agents, groups of one agent in several places, longest match, ``*`` and
``$``, percent-encoding, the limit of 500 KiB. Misspellings of ``disallow`` and ``user-agent`` that
Google's parser forgives are read as what they mean: they reserve, and an error is no permission.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, urlsplit

LIMIT = 500 * 1024
"""Bytes that are read (RFC 9309, 2.5); what comes after them does not count."""
PAGE = "a page of HTML"
"""Error of a file that is one."""
_AGENT = ("user-agent", "useragent", "user agent")
_DISALLOW = ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw")
_USAGE = ("content-usage", "content-signal")
_OTHERS = ("allow", "sitemap", "crawl-delay", "host", "license", "clean-param", "request-rate")
_REFUSED = re.compile(
    r"(?:^|[\s,;])(?:ai-train|train-ai|train-genai|genai|ai|bots)\s*=\s*(?:n|no)\b", re.IGNORECASE
)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


@dataclass
class Robots:
    """A robots.txt that was read; ``error`` says why it could not be."""

    groups: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)
    """Rules by agent in lower case: normalised pattern, and whether it allows."""
    refusals: list[str] = field(default_factory=list)
    """Values of Content-Usage (IETF aipref) and Content-Signal that refuse training."""
    terms: list[str] = field(default_factory=list)
    """Values of License lines (Really Simple Licensing)."""
    error: str | None = None

    def names(self, agent: str) -> bool:
        """Whether a group names the agent itself."""
        return agent.lower() in self.groups

    def rule(self, agent: str, url: str) -> tuple[str, bool] | None:
        """The rule that decides on a URL for an agent, with whether it allows; None: no rule.

        An agent that no group names obeys the group of ``*``.
        """
        path = target(url)
        if path == "/robots.txt":
            return None
        rules = self.groups.get(agent.lower())
        if rules is None:
            rules = self.groups.get("*", ())
        best: tuple[int, bool, str] | None = None
        for pattern, allows in rules:
            # the longest wins, of equals the one that allows
            if (best is None or (len(pattern), allows) > best[:2]) and matches(pattern, path):
                best = len(pattern), allows, pattern
        return None if best is None else (best[2], best[1])

    def allows(self, agent: str, url: str) -> bool:
        """Whether an agent may fetch a URL, or a path with its query."""
        rule = self.rule(agent, url)
        return rule is None or rule[1]


def parse_robots(body: bytes | str) -> Robots:
    """Read a robots.txt; never raises.

    A file that is HTML, binary, or holds lines and not one of them known, has an ``error``: it
    is neither a permission nor a refusal.
    """
    data = body.encode("utf-8", "replace") if isinstance(body, str) else body
    cut = len(data) > LIMIT
    text = data[:LIMIT].decode("utf-8", "replace").lstrip("\ufeff\ufffd")  # whole or broken mark
    robots = Robots()
    if "\0" in text:
        return Robots(error="binary")
    if re.match(r"\s*<(?:!|\?xml|html|head|body|script|div|p\b)", text, re.IGNORECASE):
        return Robots(error=PAGE)
    lines = re.split(r"\r\n|\r|\n", text)
    if cut:
        lines.pop()  # may be part of a line
    agents: list[str] = []
    ruled = known = unknown = False
    for line in lines:
        key, value = _line(line)
        if not key:
            unknown |= bool(line.partition("#")[0].strip())
        elif key in _AGENT:
            known = True
            if ruled:
                agents, ruled = [], False
            for name in _products(value):
                agents.append(name)
                robots.groups.setdefault(name, [])
        elif key == "allow" or key in _DISALLOW:
            known = ruled = True
            if value.startswith(("/", "*")):
                rule = normalise(value, pattern=True), key == "allow"
                for name in agents:
                    robots.groups[name].append(rule)
        elif key in _USAGE:
            known = True
            if _REFUSED.search(value):
                robots.refusals.append(value)
        elif key in _OTHERS:
            known = True
            if key == "license" and value:
                robots.terms.append(value)
        else:
            unknown = True
    if unknown and not known:
        return Robots(error="no line of it is known")
    return robots


def _line(line: str) -> tuple[str, str]:
    line = line.partition("#")[0].strip(" \t\ufeff")
    key, colon, value = line.partition(":")
    if not colon:  # as Google's parser: two words may do without the colon
        words = line.split()
        if len(words) != 2 or words[0].lower() not in (*_AGENT, *_DISALLOW, "allow"):
            return "", ""
        key, value = words
    return key.strip().lower(), value.strip()


def _products(value: str) -> Iterator[str]:
    """The product tokens of a user-agent line, without versions, in lower case.

    Of several words the first is the token (RFC 9309, 2.2.1); all of them together are told too,
    since some crawlers announce names with a space. A list with commas, which the RFC does not
    know, is of all that it names.
    """
    for name in value.lower().split(","):
        name = name.partition("/")[0].strip()
        if name.startswith("*"):
            name = name.strip("*") if re.match(r"\*[\w-]", name) else "*"
        name = name.rstrip("*").strip() or name
        if name:
            yield name
        if first := re.match(r"[\w.-]+(?=[^\w.-])", name):
            yield first.group()


def target(url: str) -> str:
    """The path of a URL with its query, normalised for comparison."""
    if "://" in url:
        try:
            parts = urlsplit(url)
        except ValueError:  # no URL: its path is what follows the host
            url = "/" + url.partition("://")[2].partition("/")[2]
        else:
            url = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return normalise(url.partition("#")[0] or "/")


@lru_cache(maxsize=1 << 14)
def normalise(path: str, pattern: bool = False) -> str:
    """A path or pattern as RFC 9309, 2.2.2 compares them.

    Octets outside ASCII are percent-encoded, escapes of unreserved characters undone and hex digits
    put in upper case; escaped delimiters of a query are the delimiters. In a path ``*`` and ``$``
    are literal, which patterns write as ``%2A`` and ``%24``.
    """

    def escape(match: re.Match[str]) -> str:
        character = chr(int(match.group(1), 16))
        query = "?" in path[: match.start()]
        if _UNRESERVED.match(character) or (query and character in ":/?[]@"):
            return character
        return match.group().upper()

    path = quote(path, safe="%!#$&'()*+,/:;=?@[]~")
    path = _ESCAPE.sub(escape, path)
    if not pattern:
        return path.replace("*", "%2A").replace("$", "%24")
    end = "$" if path.endswith("$") else ""
    return path.removesuffix("$").replace("$", "%24") + end


def matches(pattern: str, path: str) -> bool:
    """Whether a normalised pattern matches the beginning of a normalised path."""
    ends = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not rest:
        return not ends or at == len(path)
    last = rest.pop() if ends else ""
    for part in rest:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return not ends or (path.endswith(last) and len(path) - len(last) >= at)
