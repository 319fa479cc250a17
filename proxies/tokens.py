"""Packed token streams: documents as one memory-mapped row of ids, an end after each.

A stream is two files. ``PATH`` holds the ids, little-endian ``uint16`` or ``uint32``, padded to
a multiple of 8 bytes, then two ``int64`` arrays with one entry per document: the position just
after its end token, and its bytes of UTF-8. ``PATH.json`` holds the counts. It is written last,
so a stream exists when its JSON does.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np

from catalogs import storage
from catalogs.errors import DamageError, UserError
from proxies.tokenizer import Tokenizer

_DOCUMENTS_PER_BATCH = 256
_VERSION = 1


@dataclasses.dataclass(frozen=True)
class StreamInfo:
    """Counts of one token stream.

    Attributes
    ----------
    n_tokens
        Ids, the end of each document included.
    n_bytes
        Bytes of UTF-8 of the texts: the denominator of bits per byte.
    n_documents
        Documents, empty ones included.
    vocab_size, eos_id, tokenizer
        Of the tokenizer that made it; the last is its fingerprint.
    dtype
        ``uint16`` or ``uint32``.
    digest
        xxh3_128 of the file: what a run that read it is addressed by.
    """

    n_tokens: int
    n_bytes: int
    n_documents: int
    vocab_size: int
    eos_id: int
    tokenizer: str
    dtype: str
    digest: str

    @property
    def index_offset(self) -> int:
        """Where in the file the arrays of documents begin, in bytes."""
        return -(-self.n_tokens * np.dtype(self.dtype).itemsize // 8) * 8


def write_stream(texts: Iterable[str], tokenizer: Tokenizer, path: str) -> StreamInfo:
    """Tokenise documents into a stream at `path`, a local file.

    Parameters
    ----------
    texts
        Documents, read once and in order; memory is bounded by a batch of 256.

    Raises
    ------
    UserError
        When `path` is not local: streams are memory-mapped.
    """
    if storage.is_remote(path):
        raise UserError(f"{path}: token streams are memory-mapped; give a local path")
    path = os.path.abspath(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    dtype = np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")
    lengths: list[int] = []
    sizes: list[int] = []
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            for batch in _batches(texts):
                encoded = tokenizer.encode(batch)
                for ids in encoded:
                    file.write(np.array([*ids, tokenizer.eos_id], dtype).tobytes())
                lengths += [len(one) + 1 for one in encoded]
                sizes += [len(text.encode()) for text in batch]
            file.write(bytes(-file.tell() % 8))
            file.write(np.cumsum(lengths, dtype="<i8").tobytes())
            file.write(np.array(sizes, "<i8").tobytes())
        info = StreamInfo(
            n_tokens=sum(lengths),
            n_bytes=sum(sizes),
            n_documents=len(lengths),
            vocab_size=tokenizer.vocab_size,
            eos_id=tokenizer.eos_id,
            tokenizer=tokenizer.fingerprint,
            dtype="uint16" if dtype.itemsize == 2 else "uint32",
            digest=storage.checksum(temporary),
        )
        storage.delete(path + ".json")
        storage.publish(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    sidecar = {"version": _VERSION, **dataclasses.asdict(info)}
    storage.write_text(path + ".json", json.dumps(sidecar, indent=1) + "\n")
    return info


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(texts)
    while batch := list(itertools.islice(iterator, _DOCUMENTS_PER_BATCH)):
        yield batch


class TokenStream:
    """A stream opened for reading; the ids stay on disk until they are touched.

    Attributes
    ----------
    info
        Its `StreamInfo`.
    tokens
        Memory-mapped ids, shape (n_tokens,).
    document_ends
        int64, shape (n_documents,): the position just after each document's end token.
    document_bytes
        int64, shape (n_documents,): bytes of UTF-8 of each text.

    Raises
    ------
    UserError
        When there is no stream at `path`.
    DamageError
        When the file is not as long as its JSON says.
    """

    def __init__(self, path: str):
        self.path = os.path.abspath(path)
        try:
            sidecar = json.loads(storage.read_text(self.path + ".json"))
        except FileNotFoundError:
            raise UserError(
                f"{path}: no finished token stream here ({path}.json is missing)"
            ) from None
        if sidecar.pop("version", None) != _VERSION:
            raise UserError(f"{path}.json: made by another version; write the stream again")
        self.info = info = StreamInfo(**sidecar)
        size = info.index_offset + 16 * info.n_documents
        if not os.path.exists(self.path) or os.path.getsize(self.path) != size:
            raise DamageError(f"{path}: not the {size} bytes that its JSON says")
        dtype = np.dtype(info.dtype).newbyteorder("<")
        self.tokens = self._map(dtype, info.n_tokens, 0)
        index = self._map(np.dtype("<i8"), 2 * info.n_documents, info.index_offset)
        self.document_ends = index[: info.n_documents]
        self.document_bytes = index[info.n_documents :]

    def _map(self, dtype: np.dtype, count: int, offset: int) -> np.ndarray:
        if count == 0:
            return np.zeros(0, dtype)
        return np.memmap(self.path, dtype, "r", offset, (count,))

    def __reduce__(self):
        return TokenStream, (self.path,)

    def n_windows(self, context: int) -> int:
        """Number of training windows: `context` inputs, and each one's successor as target."""
        return max(0, self.info.n_tokens - 1) // context

    def window(self, index: int, context: int) -> np.ndarray:
        """Window `index`: `context + 1` ids; its last is the first of the next window."""
        start = index * context
        return self.tokens[start : start + context + 1]
