"""What to export, beside the mixture."""

from __future__ import annotations

from dataclasses import dataclass

CONTEXT = 2048
SHARD_TOKENS = 1 << 25
WHOLE = 1 << 24


@dataclass(frozen=True)
class Options:
    """Options of an export.

    Attributes
    ----------
    tokens
        Training tokens wanted.
    format
        A name of `FORMATS`.
    tokenizer
        A ``tokenizer.json`` or ``bytes``; None counts texts by the catalogue.
    context
        Tokens to a sequence where sequences have one length.
    shard_tokens
        Tokens to a shard, about.
    max_epochs
        Instead of the mixture's.
    whole
        Estimated tokens up to which a domain is tokenised whole.
    """

    tokens: int
    format: str
    tokenizer: str | None = None
    context: int = CONTEXT
    seed: int = 0
    shard_tokens: int = SHARD_TOKENS
    max_epochs: float | None = None
    whole: int = WHOLE
