"""What the recipe says about the clean shards: what is cut from texts, and how they are written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.config import Strict


class Boilerplate(Strict):
    """Lines that repeat across the pages of one host in one input file are cut from `corpus/`."""

    cut: bool = Field(True, description="look for such lines and cut them")
    min_pages: int = Field(10, ge=2, description="hosts with fewer pages are left alone")
    pages: int = Field(5, ge=2, description="pages of the host that a line must stand on")
    share: float = Field(
        0.3, gt=0, le=1, description="share of the host's pages that a line must stand on"
    )
    min_chars: int = Field(
        20, ge=1, description="letters and digits that repeated lines in a row need to be cut"
    )
    max_chars: int = Field(500, ge=1, description="longer lines are paragraphs, and stay")
    min_bytes: int = Field(
        300, ge=0, description="a text with fewer bytes left after a cut is rejected"
    )


class Lines(Strict):
    """Lines or paragraphs that many documents share."""

    unit: Literal["line", "paragraph"] = Field("line", description="what is counted")
    documents: int = Field(10, ge=2, description="documents that a unit must stand in to be cut")
    min_bytes: int = Field(20, ge=1, description="shorter units stay")
    keep_first: bool = Field(True, description="the first of the documents keeps it")


class Substring(Strict):
    """Runs of bytes that two documents share."""

    min_bytes: int = Field(400, ge=16, description="shorter runs stay")


class Repeats(Strict):
    """What documents of the whole corpus share is cut from all but one, in `corpus/`."""

    lines: Lines | None = Field(None, description="cut lines or paragraphs; null: do not look")
    substring: Substring | None = Field(None, description="cut runs of bytes; null: do not look")
    min_bytes: int = Field(
        300, ge=0, description="a text with fewer bytes left after a cut is rejected"
    )


class Write(Strict):
    """The clean shards."""

    shard_mb: int = Field(256, ge=1, description="UTF-8 text per shard of corpus/, about, MB")
    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"
    level: int | None = Field(3, description="compression level; null for the codec's default")
