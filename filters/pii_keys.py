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
    "slack_app_token": rb"xapp-[0-9]-[A-Z0-9]{8,}-[0-9]+-[a-f0-9]{32,}",
    "stripe_key": rb"[rs]k_(?:live|test)_[A-Za-z0-9]{24,}",
    "openai_key": rb"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}",
    "openrouter_key": rb"sk-or-v1-[a-f0-9]{64}",
    "groq_key": rb"gsk_[A-Za-z0-9]{52}",
    "perplexity_key": rb"pplx-[A-Za-z0-9]{48}",
    "replicate_token": rb"r8_[A-Za-z0-9]{37}",
    "shopify_token": rb"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    "square_token": rb"sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}",
    "digitalocean_token": rb"do[opr]_v1_[a-f0-9]{64}",
    "databricks_token": rb"dapi[a-f0-9]{32}(?:-[0-9])?",
    "twilio_key": rb"SK[a-f0-9]{32}",
    "postman_key": rb"PMAK-[a-f0-9]{24}-[a-f0-9]{34}",
    "newrelic_key": rb"NRAK-[A-Z0-9]{27}",
    "linear_key": rb"lin_api_[A-Za-z0-9]{40}",
    "figma_token": rb"figd_[A-Za-z0-9_-]{40,}",
    "doppler_token": rb"dp\.(?:pt|st)\.[A-Za-z0-9_.-]{40,}",
    "vault_token": rb"hv[sb]\.[A-Za-z0-9_-]{24,}",
    "atlassian_token": rb"ATATT3[A-Za-z0-9_=-]{180,}",
    "notion_token": rb"ntn_[0-9]{11}[A-Za-z0-9]{35}",
    "supabase_token": rb"sbp_[a-f0-9]{40}",
    "age_secret_key": rb"AGE-SECRET-KEY-1[A-Z0-9]{58}",
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
    for back in (0, 3, 4, 6):  # some have letters and a full stop first: SG. hvs. dp.pt.
        if back and data[start - 1 : start] != b".":
            break
        match = _ANY.match(data, max(0, start - back))
        if match and _is_secret(match.lastgroup, match.group()):
            yield Find(*match.span(), "key", match.lastgroup or "", 0.99)


_PASSWORD = re.compile(
    rb"(?<![A-Za-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://([^\s/:@<>\"']{0,64}:([^\s/@<>\"']{3,100}))"
    rb"@(?!(?:[\w-]+\.)*(?:example|test|localhost)\b|127\.)[A-Za-z0-9\[]"
)
_DUMMY = re.compile(
    rb"[$%{<*]|pass(?:word|wd)?\d*$|pwd|secret|token|key|user|name|admin|test|foo|bar|x{2,}|\.{3}",
    re.I,
)


def find_passwords(data: bytes, at: int) -> Iterator[Find]:
    """User and password of a URL, before the ``@`` at this byte (RFC 3986, 3.2.1)."""
    for match in _PASSWORD.finditer(data, max(0, at - 200), at + 64):
        if match.end(1) == at and not _DUMMY.match(match.group(2)):
            yield Find(*match.span(1), "key", "url_password", 0.9)


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
