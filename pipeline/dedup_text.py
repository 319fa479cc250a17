"""What is compared: normalised texts, and the 128-bit names of texts within a scope."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numba import njit

from pipeline.shingles import text_buffers

NODE = pa.uuid()


def normalise(texts: pa.Array, how: str) -> pa.Array:
    """Texts as exact deduplication compares them: large_string, nulls made empty.

    Parameters
    ----------
    how
        ``raw``: as they are. ``whitespace``: each run of Unicode white space is one space, none at
        the ends. ``nfc_case``: that, of the case-folded text in normalisation form C.
    """
    texts = texts.cast(pa.large_string()).fill_null("")
    if how in ("raw", "none"):
        return texts
    if how == "nfc_case":
        texts = _fold(texts)
    data, offsets = text_buffers(texts)
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    ends = _squeeze(data, offsets, out)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]])]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


def _fold(texts: pa.Array) -> pa.Array:
    ascii_only = pc.string_is_ascii(texts).to_numpy(zero_copy_only=False)
    if ascii_only.all():
        return pc.ascii_lower(texts)
    folded = [
        text.lower() if plain else _fold_one(text)
        for text, plain in zip(texts.to_pylist(), ascii_only, strict=True)
    ]
    return pa.array(folded, pa.large_string())


def _fold_one(text: str) -> str:
    # folding may undo the normal form, and only the canonical form of the fold is stable
    composed = unicodedata.normalize("NFC", text).casefold()
    return unicodedata.normalize("NFC", composed)


def content_nodes(texts: pa.Array) -> np.ndarray:
    """xxh3_128 of each text: uint8 array of shape (len(texts), 16), as big-endian numbers."""
    data, offsets = text_buffers(texts)
    view, digest = memoryview(data), xxhash.xxh3_128_digest
    ends = offsets.tolist()
    digests = [digest(view[a:b]) for a, b in itertools.pairwise(ends)]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)


def id_nodes(ids: pa.Array) -> np.ndarray:
    """Nodes of content ids, which are hex digits: uint8 array of shape (len(ids), 16)."""
    digits = "".join(ids.to_pylist())
    return np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, 16)


def within_scope(nodes: np.ndarray, scopes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The nodes of texts that are compared within their scope alone, and a mark of each scope."""
    digest = xxhash.xxh3_128_digest
    named = [
        digest(scope.encode() + b"\0" + node.tobytes())
        for node, scope in zip(nodes, scopes, strict=True)
    ]
    marks = np.array([xxhash.xxh3_64_intdigest(scope.encode()) for scope in scopes], np.uint64)
    return np.frombuffer(b"".join(named), np.uint8).reshape(-1, 16), marks


def node_array(nodes: np.ndarray) -> pa.Array:
    """Nodes as an Arrow column."""
    data = pa.py_buffer(np.ascontiguousarray(nodes))
    storage = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(nodes), [None, data])
    return pa.ExtensionArray.from_storage(NODE, storage)


def distinct(nodes: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Places of the first row of each node at each level, ascending."""
    names = np.empty(len(nodes), [("node", "V16"), ("level", np.int16)])
    names["node"] = np.ascontiguousarray(nodes).view("V16").ravel()
    names["level"] = levels
    _, first = np.unique(names.view("V18").ravel(), return_index=True)
    return np.sort(first)


@njit(cache=True, nogil=True)
def _squeeze(data, offsets, out):
    """Copy texts with each run of white space as one space, none at the ends; return offsets."""
    ends = np.zeros(len(offsets), np.int64)
    n = 0
    for i in range(len(offsets) - 1):
        at, stop, first = offsets[i], offsets[i + 1], n
        space = False
        while at < stop:
            byte = data[at]
            if byte <= 0x20 or 0xC2 <= byte <= 0xE3:
                width = _space_width(data, at, stop)
                if width:
                    space = n > first
                    at += width
                    continue
            if space:
                out[n] = 0x20
                n += 1
                space = False
            out[n] = byte
            n += 1
            at += 1
        ends[i + 1] = n
    return ends


@njit(cache=True, nogil=True)
def _space_width(data, at, stop):
    """Bytes of the white space character here (Unicode White_Space, and U+001C to U+001F)."""
    byte = data[at]
    if byte < 0x80:
        return 1 if byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F else 0
    if byte == 0xC2:
        return 2 if at + 1 < stop and (data[at + 1] == 0x85 or data[at + 1] == 0xA0) else 0
    if byte < 0xE1 or byte > 0xE3 or at + 2 >= stop:
        return 0
    second, third = data[at + 1], data[at + 2]
    if byte == 0xE1:
        return 3 if second == 0x9A and third == 0x80 else 0  # U+1680
    if byte == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0  # U+3000
    if second == 0x80:  # U+2000 to U+200A, U+2028, U+2029, U+202F
        return 3 if third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF else 0
    return 3 if second == 0x81 and third == 0x9F else 0  # U+205F
