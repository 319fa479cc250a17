"""Encoders: texts to vectors, for estimators that score them. A registry that plug-ins add to.

An encoder is named ``NAME`` or ``NAME:WHICH``, where WHICH is a folder or a model of the Hugging
Face hub, with ``@REVISION`` if asked for. Only weights in safetensors and tables in JSON are read:
nothing that an encoder's files hold is run.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import xxhash

from catalogs import storage
from catalogs.errors import UserError, nearest

SAFE_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
_BATCH = 256


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
def load_encoder(spec: str) -> Encoder:
    """The encoder that a spec names, kept for the next tasks of this process.

    Raises
    ------
    UserError
        When it is not known, or what it needs is missing.
    """
    name, _, which = spec.partition(":")
    if name not in ENCODERS:
        hint = nearest(name, ENCODERS) or f" (valid: {', '.join(sorted(ENCODERS))})"
        raise UserError(f"encoder '{spec}' is not known{hint}")
    return ENCODERS[name](which)


class StaticEncoder:
    """A vector for each token, and their mean for a text, of length one.

    Reads the folders of model2vec (``model.safetensors``, ``tokenizer.json``), and by default the
    table of 256 dimensions that the PyPI package wordllama ships (MIT); that package is looked up,
    never imported.
    """

    def __init__(self, which: str = ""):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        weights, tokens = _wordllama() if not which else _model2vec(fetch(which))
        self.checksum = _checksum([weights, tokens])
        tables = load_file(weights)
        vectors = tables.get("embeddings", tables.get("embedding.weight"))
        if vectors is None or vectors.ndim != 2:
            raise UserError(f"{weights}: no table of embeddings in it")
        vectors = vectors.astype(np.float32)
        if "mapping" in tables:
            vectors = vectors[tables["mapping"]]
        if "weights" in tables:
            vectors = vectors * tables["weights"].astype(np.float32)[:, None]
        self.vectors, self.dims = vectors, vectors.shape[1]
        self.tokenizer = Tokenizer.from_str(Path(tokens).read_text(encoding="utf-8"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def encode(self, texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), self.dims), np.float32)
        for start in range(0, len(texts), _BATCH):
            part = texts[start : start + _BATCH]
            for place, one in enumerate(
                self.tokenizer.encode_batch_fast(part, add_special_tokens=False), start
            ):
                ids = np.asarray(one.ids, np.int64)
                ids = ids[ids < len(self.vectors)]
                if len(ids):
                    found[place] = self.vectors[ids].mean(axis=0)
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
        from sentence_transformers import SentenceTransformer

        folder = fetch(which)
        files = [str(path) for path in Path(folder).rglob("*") if path.is_file()]
        self.checksum = _checksum(files)
        self.model = SentenceTransformer(
            folder, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        )
        self.dims = self.model.get_sentence_embedding_dimension()

    def encode(self, texts: list[str]) -> np.ndarray:
        found = self.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, np.float32)


def fetch(which: str) -> str:
    """The folder of a model: itself, or a snapshot from the Hugging Face hub, kept in its cache.

    Raises
    ------
    UserError
        When it cannot be had.
    """
    if os.path.isdir(which):
        return which
    repository, _, revision = which.partition("@")
    if repository.startswith((".", "/", "~")) or repository.count("/") > 1:
        raise UserError(f"{which}: no such folder")
    try:
        from huggingface_hub import snapshot_download

        return snapshot_download(repository, revision=revision or None, allow_patterns=SAFE_FILES)
    except Exception as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{which}: neither a folder nor to be had from the Hugging Face hub: {cause}"
        ) from None


def _wordllama() -> tuple[str, str]:
    package = importlib.util.find_spec("wordllama")
    for folder in package.submodule_search_locations or () if package else ():
        weights = Path(folder) / "weights" / "l2_supercat_256.safetensors"
        tokens = Path(folder) / "tokenizers" / "l2_supercat_tokenizer_config.json"
        if weights.is_file() and tokens.is_file():
            return str(weights), str(tokens)
    raise UserError(
        "encoder 'static' needs a table: run `pip install --no-deps wordllama`, which ships one, "
        "or name a model2vec folder or model, as in static:minishlab/potion-base-8M"
    )


def _model2vec(folder: str) -> tuple[str, str]:
    paths = [os.path.join(folder, name) for name in ("model.safetensors", "tokenizer.json")]
    for path in paths:
        if not os.path.isfile(path):
            raise UserError(f"{path}: no such file (a model2vec folder holds it)")
    return paths[0], paths[1]


def _checksum(paths: list[str]) -> str:
    digest = xxhash.xxh3_128()
    for path in sorted(paths, key=os.path.basename):
        digest.update(f"{os.path.basename(path)}\0{storage.checksum(path)}\0".encode())
    return digest.hexdigest()


register_encoder("static", StaticEncoder)
register_encoder("sentence-transformers", SentenceEncoder)
