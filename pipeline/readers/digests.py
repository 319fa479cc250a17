"""Digests that WARC records carry of themselves: checked, so that damage is never silent.

`WARC-Block-Digest` is of the whole block, `WARC-Payload-Digest` of the HTTP body (WARC 1.1, 5.8 and
5.9). Writers disagree on whether the body's transfer and content codings count, so a payload fits
if any reading of it does. Tools write hexadecimal digits, base32 or base64.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
from collections.abc import Iterable, Mapping

from pipeline.records import Record

POLICIES = ("tag", "quarantine", "off")
"""What a record becomes whose digests do not fit: a document with a tag, quarantined, unchecked."""
ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_PART = ("warc-truncated", "warc-segment-number")


def checked(
    record: Record,
    policy: str,
    fields: Mapping[str, str],
    block: bytes,
    bodies: Iterable[bytes] = (),
) -> Record:
    """The record with `digest`; where nothing fits also with a tag, or as quarantined.

    Rejected and quarantined records stay as they are. `policy` is one of `POLICIES`, the other
    parameters are those of `check`.
    """
    if policy == "off" or record.reject or record.error:
        return record
    outcome, declared = check(fields, block, bodies)
    if outcome != "mismatch":
        return dataclasses.replace(record, digest=outcome)
    what = " and ".join(declared)
    detail = "; ".join(filter(None, (record.detail, f"digest of {what} does not fit")))
    if policy == "quarantine":
        return dataclasses.replace(
            record, digest=outcome, detail=detail, error="digest_mismatch", payload=None, text=None
        )
    metadata = {**record.metadata, "digest_mismatch": what}
    return dataclasses.replace(record, digest=outcome, detail=detail, metadata=metadata)


def check(
    fields: Mapping[str, str], block: bytes, bodies: Iterable[bytes] = ()
) -> tuple[str, list[str]]:
    """Whether a record is what its digests say.

    Parameters
    ----------
    fields
        Of the WARC header, names in lower case.
    block
        The block as stored.
    bodies
        The payload in the readings that writers take digests of; made only where the digest of the
        block decides nothing.

    Returns
    -------
    outcome, declared
        ``fits``; ``truncated`` (nothing fits, and the record is a part of what was fetched);
        ``mismatch``; ``unknown`` (an algorithm or spelling that is not read) or ``absent``. And
        which digests are declared: ``block``, ``payload``.
    """
    whole = parse(fields.get("warc-block-digest", ""))
    payload = parse(fields.get("warc-payload-digest", ""))
    declared = [name for name, found in (("block", whole), ("payload", payload)) if found]
    if whole and _digest(whole[0], block) == whole[1]:
        return "fits", declared
    if payload and any(_digest(payload[0], body) == payload[1] for body in bodies):
        return "fits", declared
    if declared:
        return "truncated" if any(name in fields for name in _PART) else "mismatch", declared
    named = "warc-block-digest" in fields or "warc-payload-digest" in fields
    return "unknown" if named else "absent", declared


def parse(field: str) -> tuple[str, bytes] | None:
    """Algorithm and bytes of a digest as WARC writes it (``sha1:`` and base32), or None."""
    label, _, value = field.strip().partition(":")
    name, value = label.strip().lower().replace("-", ""), value.strip()
    if name not in ALGORITHMS:
        return None
    size = hashlib.new(name, usedforsecurity=False).digest_size
    for read in (bytes.fromhex, _base32, _base64):
        try:
            found = read(value)
        except (ValueError, binascii.Error):
            continue
        if len(found) == size:
            return name, found
    return None


def _base32(value: str) -> bytes:
    value = value.upper().rstrip("=")
    return base64.b32decode(value + "=" * (-len(value) % 8))


def _base64(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()
