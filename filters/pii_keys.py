"""Keys and tokens by the formats that their issuers publish."""

from __future__ import annotations

import base64
import json
import math
import re
from collections import Counter
from collections.abc import Iterator

from filters.pii_types import Find

_BEFORE, _AFTER = rb"(?<![A-Za-z0-9_])", rb"(?![A-Za-z0-9_])"
_FORMATS = {
    "aws_access_key": rb"(?:AKIA|ASIA)[A-Z2-7]{16}",
    "github_token": rb"gh[pousr]_[A-Za-z0-9]{36,255}",
    "github_fine_grained_token": rb"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    "gitlab_token": rb"glpat-[A-Za-z0-9_-]{20,}",
    "google_api_key": rb"AIza[A-Za-z0-9_-]{35}",
    "google_client_secret": rb"GOCSPX-[A-Za-z0-9_-]{28}",
    "slack_token": rb"xox[abeoprs]-(?:[0-9]{6,}-)+[A-Za-z0-9-]{10,}",
    "stripe_key": rb"[rs]k_(?:live|test)_[A-Za-z0-9]{24,}",
    "openai_key": rb"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}",
    "anthropic_key": rb"sk-ant-[a-z]+[0-9]{2}-[A-Za-z0-9_-]{80,}",
    "huggingface_token": rb"hf_[A-Za-z]{34}",
    "npm_token": rb"npm_[A-Za-z0-9]{36}",
    "pypi_token": rb"pypi-AgE[A-Za-z0-9_-]{60,}",
    "sendgrid_key": rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "jwt": rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{20,}",
}
_ANY = re.compile(
    _BEFORE
    + b"(?:"
    + b"|".join(b"(?P<%s>%s)" % (n.encode(), f) for n, f in _FORMATS.items())
    + b")"
    + _AFTER
)
_BLOCK = re.compile(
    rb"-----BEGIN ((?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?)-----\s"
    rb"[\sA-Za-z0-9+/=:,.()-]{64,20000}?-----END \1-----"
)
_PLACEHOLDER = re.compile(rb"example|xxxx|\*\*\*|abcdef|123456789|your|dummy|changeme", re.I)
LEAST_ENTROPY = 3.0
"""Bits per character, below which a token is an example and no secret."""


def find_tokens(data: bytes, start: int) -> Iterator[Find]:
    """The token that begins with the run of letters and digits at this byte, or ends with it."""
    for at in (start, max(0, start - 3)):  # that of SendGrid has two letters and a full stop first
        match = _ANY.match(data, at)
        if match and _is_secret(match.lastgroup, match.group()):
            yield Find(*match.span(), "key", match.lastgroup or "", 0.99)


def find_blocks(data: bytes, start: int) -> Iterator[Find]:
    """A private key in PEM or ASCII armour that begins here."""
    if match := _BLOCK.match(data, start):
        yield Find(*match.span(), "key", "private_key", 0.99)


def _is_secret(kind: str | None, token: bytes) -> bool:
    if kind == "jwt":
        return _is_jwt(token)
    return not _PLACEHOLDER.search(token) and entropy(token) >= LEAST_ENTROPY


def _is_jwt(token: bytes) -> bool:
    """Whether the first part is a JOSE header (RFC 7515)."""
    head = token.split(b".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except ValueError:
        return False
    return isinstance(header, dict) and "alg" in header


def entropy(token: bytes) -> float:
    """Shannon entropy of the bytes of a token, bits per byte."""
    counts = Counter(token).values()
    return -sum(count / len(token) * math.log2(count / len(token)) for count in counts)
