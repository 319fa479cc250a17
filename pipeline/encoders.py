"""Encoders: texts to vectors, for estimators that score them. A registry that plug-ins add to.

An encoder is named ``NAME`` or ``NAME:WHICH``, where WHICH is a folder or a model of the Hugging
Face hub, with ``@REVISION`` if asked for. Only weights in safetensors and tables in JSON are read:
nothing that an encoder's files hold is run.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xxhash

from catalogs import storage
from catalogs.errors import UserError, nearest
from pipeline.hub import fetch, folder_hashes

_BATCH = 256
_FILES = "model.safetensors, tokenizer.json and config.json"


class Encoder(Protocol):
    """Texts to vectors."""

    checksum: str
    """Hash of everything that decides the vectors."""
    dims: int

    def encode(self, texts: list[str]) -> np.ndarray:
        """float32, texts x dims."""
        ...


ENCODERS: dict[str, Callable[[str], Encoder]] = {}
"""Makers of encoders by name; called with what stands after the colon, or ''."""


def register_encoder(name: str, make: Callable[[str], Encoder]) -> None:
    """Add an encoder; from a plug-in of the recipe, too."""
    ENCODERS[name] = make


@lru_cache(maxsize=2)
def load_encoder(spec: str, beside: str = "") -> Encoder:
    """The encoder that a spec names, kept for the next tasks of this process.

    Its folder, if it is relative, is looked for in the folder `beside` first.

    Raises
    ------
    UserError
        When it is not known, or what it needs is missing.
    """
    name, _, which = spec.partition(":")
    if name not in ENCODERS:
        hint = nearest(name, ENCODERS) or f" (valid: {', '.join(sorted(ENCODERS))})"
        raise UserError(f"encoder '{spec}' is not known{hint}")
    if which and beside and os.path.isdir(os.path.join(beside, which)):
        which = os.path.join(beside, which)
    return ENCODERS[name](which)


class StaticEncoder:
    """A vector for each token, and their mean for a text, of length one unless the folder says no.

    Reads the folders of model2vec (``model.safetensors``, ``tokenizer.json``, ``config.json``), and
    by default the table of 256 dimensions that the PyPI package wordllama ships; that package is
    looked up, never imported. The whole text counts, where model2vec itself stops at 512 tokens.
    """

    def __init__(self, which: str = ""):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        files = _model2vec(fetch(which, _FILES)) if which else _wordllama()
        weights, tokens = files[:2]
        self.checksum = _checksum(files)
        config = json.loads(storage.read_text(files[2])) if len(files) > 2 else {}
        self.unit = config.get("normalize", config.get("model_type") != "model2vec")
        try:
            tables = load_file(weights)
            self.tokenizer = Tokenizer.from_str(storage.read_text(tokens))
        except Exception as error:  # both libraries raise bare exceptions of their own
            cause = str(error).splitlines()[0]
            raise UserError(f"{weights}, {tokens}: cannot be read: {cause}") from None
        vectors = tables.get("embeddings", tables.get("embedding.weight"))
        if vectors is None or vectors.ndim != 2:
            raise UserError(f"{weights}: no table of embeddings in it")
        vectors = vectors.astype(np.float32)
        if "mapping" in tables:
            vectors = vectors[tables["mapping"]]
        if "weights" in tables:
            vectors = vectors * tables["weights"].astype(np.float32)[:, None]
        self.vectors, self.dims = vectors, vectors.shape[1]
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.unknown = _unknown(self.tokenizer) if which else None

    def encode(self, texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), self.dims), np.float32)
        for start in range(0, len(texts), _BATCH):
            part = texts[start : start + _BATCH]
            for place, one in enumerate(
                self.tokenizer.encode_batch_fast(part, add_special_tokens=False), start
            ):
                ids = np.asarray(one.ids, np.int64)
                ids = ids[ids < len(self.vectors)]
                if self.unknown is not None:
                    ids = ids[ids != self.unknown]
                if len(ids):
                    found[place] = self.vectors[ids].mean(axis=0)
        if not self.unit:
            return found
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


class SentenceEncoder:
    """A model of the package sentence-transformers, such as Snowflake/snowflake-arctic-embed-m.

    Code of the model's own is never run, and weights are taken from safetensors alone.
    """

    def __init__(self, which: str):
        if not which:
            raise UserError("encoder 'sentence-transformers' needs a model: NAME:FOLDER_OR_ID")
        if importlib.util.find_spec("sentence_transformers") is None:
            raise UserError(
                f"encoder 'sentence-transformers:{which}' needs a package that is not installed: "
                "run `pip install sentence-transformers`"
            )
        import torch
        from sentence_transformers import SentenceTransformer

        folder = fetch(which)
        torch.set_num_threads(1)
        self.checksum = folder_hashes(folder)[1]
        try:
            self.model = SentenceTransformer(
                folder,
                device="cpu",
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            cause = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{which}: is no model of sentence-transformers: {cause}") from None
        (self.dims,) = self.encode([""])[0].shape

    def encode(self, texts: list[str]) -> np.ndarray:
        # one by one: in a batch the last bits of a vector hang on the other texts
        found = self.model.encode(
            texts, batch_size=1, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(found, np.float32).reshape(len(texts), -1)


def _wordllama() -> list[str]:
    package = importlib.util.find_spec("wordllama")
    for folder in package.submodule_search_locations or () if package else ():
        weights = Path(folder) / "weights" / "l2_supercat_256.safetensors"
        tokens = Path(folder) / "tokenizers" / "l2_supercat_tokenizer_config.json"
        if weights.is_file() and tokens.is_file():
            return [str(weights), str(tokens)]
    raise UserError(
        "encoder 'static' needs a table: run `pip install --no-deps wordllama`, which ships one, "
        "name a model2vec folder or model, as in static:minishlab/potion-base-8M, or let one be "
        "trained on the examples: --encoder trained"
    )


def _model2vec(folder: str) -> list[str]:
    paths = [os.path.join(folder, name) for name in ("model.safetensors", "tokenizer.json")]
    for path in paths:
        if not os.path.isfile(path):
            raise UserError(f"{path}: no such file (a model2vec folder holds it)")
    config = os.path.join(folder, "config.json")
    return [*paths, config] if os.path.isfile(config) else paths


def _unknown(tokenizer: Any) -> int | None:
    """The token of what a tokenizer does not know, which says nothing."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:
        return model["unk_id"]
    token = model.get("unk_token")
    return None if token is None else tokenizer.token_to_id(token)


def _checksum(paths: list[str]) -> str:
    digest = xxhash.xxh3_128()
    for path in sorted(paths, key=os.path.basename):
        digest.update(f"{os.path.basename(path)}\0{storage.checksum(path)}\0".encode())
    return digest.hexdigest()


register_encoder("static", StaticEncoder)
register_encoder("sentence-transformers", SentenceEncoder)
