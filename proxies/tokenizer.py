"""Tokenizers: a byte-level BPE trained on the pool, any ``tokenizer.json``, or plain bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Protocol

import tokenizers
import xxhash
from tokenizers import decoders, models, pre_tokenizers, trainers

from catalogs import storage
from catalogs.errors import UserError

# A process is one core's worth of work: the library's own threads would fight the neighbours.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

EOS = "<|endoftext|>"
# What widespread tokenizers call the end of a document, most specific first.
_KNOWN_EOS = (EOS, "<|end_of_text|>", "<eos>", "</s>", "<|eos|>", "[EOS]", "[SEP]")


class Tokenizer(Protocol):
    """What token streams need of a tokenizer.

    Attributes
    ----------
    vocab_size
        Number of ids, special tokens included.
    eos_id
        Id that ends every document and never occurs inside one.
    fingerprint
        Hash of the definition; streams of different fingerprints cannot be mixed.
    """

    vocab_size: int
    eos_id: int
    fingerprint: str

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        ...


class ByteTokenizer:
    """One id to a byte of UTF-8, 256 ends a document: no training, for the smallest runs."""

    vocab_size = 257
    eos_id = 256
    fingerprint = "bytes"

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(text.encode()) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(i for i in ids if i < 256).decode(errors="replace")


class FileTokenizer:
    """A tokenizer in the ``tokenizer.json`` format of the `tokenizers` library."""

    def __init__(self, inner: tokenizers.Tokenizer, eos: str, fingerprint: str):
        self.inner = inner
        # what the file was last used for must not cut documents
        inner.no_truncation()
        inner.no_padding()
        # a document that quotes '<|endoftext|>' must not end there
        inner.encode_special_tokens = True
        self.vocab_size = max(inner.get_vocab(with_added_tokens=True).values()) + 1
        self.eos_id = inner.token_to_id(eos)
        self.fingerprint = fingerprint

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self.inner.encode_batch_fast(list(texts), add_special_tokens=False)
        return [one.ids for one in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        return self.inner.decode(list(ids), skip_special_tokens=True)


def train_bpe(texts: Iterable[str], vocab_size: int, path: str) -> FileTokenizer:
    """Train a byte-level BPE (Sennrich et al., 2016; bytes as in GPT-2) and write it to `path`.

    The result depends on the texts alone, not on their order: pairs are counted over words, and
    ties are broken by id. It may have fewer than `vocab_size` ids when the texts hold no more
    pairs that repeat.

    Parameters
    ----------
    texts
        A sample of the pool; a few megabytes suffice for a few thousand ids.
    vocab_size
        Number of ids wanted: 256 bytes, the end of a document, and merges.
    path
        Where to write the ``tokenizer.json``, atomically.

    Raises
    ------
    UserError
        When `vocab_size` leaves no room for the bytes.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if vocab_size <= len(alphabet):
        raise UserError(f"vocab_size {vocab_size} is too small; the least is {len(alphabet) + 1}")
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[EOS],
        initial_alphabet=alphabet,
        min_frequency=2,
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    storage.write_text(os.path.abspath(path), inner.to_str(pretty=True))
    return load_tokenizer(path)


def load_tokenizer(path: str, eos: str | None = None) -> Tokenizer:
    """Load ``bytes``, or a ``tokenizer.json`` of any maker.

    Parameters
    ----------
    path
        A local or remote file, or the word ``bytes``.
    eos
        The token that ends a document. By default what a ``tokenizer_config.json`` beside the
        file says, or else the first known name that the vocabulary holds.

    Raises
    ------
    UserError
        When the file is missing or is no tokenizer, or when no token ends a document.
    """
    if path == "bytes":
        return ByteTokenizer()
    try:
        definition = storage.read_text(path)
        inner = tokenizers.Tokenizer.from_str(definition)
    except FileNotFoundError:
        raise UserError(f"{path}: no such tokenizer; give a tokenizer.json or 'bytes'") from None
    except Exception as error:  # the library raises bare Exception on a bad definition
        raise UserError(
            f"{path}: not a tokenizer.json of the tokenizers library: {error}"
        ) from None
    vocabulary = inner.get_vocab(with_added_tokens=True)
    candidates = (eos,) if eos else (_configured_eos(path), *_KNOWN_EOS)
    found = next((name for name in candidates if name in vocabulary), None)
    if found is None:
        wanted = f"no token '{eos}'" if eos else "no known end-of-document token"
        raise UserError(f"{path}: {wanted} in its vocabulary; name one with 'eos'")
    fingerprint = xxhash.xxh3_128_hexdigest(f"{found}\n{definition}".encode())
    return FileTokenizer(inner, found, fingerprint)


def _configured_eos(path: str) -> str | None:
    config = storage.join(os.path.dirname(path), "tokenizer_config.json")
    if not storage.exists(config):
        return None
    token = json.loads(storage.read_text(config)).get("eos_token")
    return token.get("content") if isinstance(token, dict) else token
