"""Folders of models: on disk or from the Hugging Face hub, named by the hash of their content.

Only weights in safetensors and tables in JSON or text count, are fetched and are read: nothing that
a folder holds is run.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import xxhash

from catalogs import storage
from catalogs.errors import UserError

SAFE_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
_WORDS = 160


def fetch(which: str, files: str = "config.json, model.safetensors and tokenizer.json") -> str:
    """The folder of a model: itself, or a snapshot from the Hugging Face hub, kept in its cache.

    Parameters
    ----------
    which
        A folder, or ``OWNER/NAME``, ``@REVISION`` behind it if asked for.
    files
        What an error asks for, where the hub does not give it.

    Raises
    ------
    UserError
        When it cannot be had.
    """
    if os.path.isdir(which):
        return which
    repository, _, revision = which.partition("@")
    if repository.startswith((".", "/", "~")) or repository.count("/") > 1 or not repository:
        raise UserError(f"{which}: no such folder")
    try:
        from huggingface_hub import snapshot_download

        return snapshot_download(repository, revision=revision or None, allow_patterns=SAFE_FILES)
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        cause = lines[0] if len(lines[0]) <= _WORDS else lines[0][: _WORDS - 1] + "…"
        raise UserError(
            f"{which}: no such folder here, and not to be had from the Hugging Face hub ({cause}); "
            f"put its {files} into a folder and name that"
        ) from None


def folder_hashes(folder: str) -> tuple[str, str]:
    """SHA-256 and xxh3_128 of a folder: of the names and hashes of its `SAFE_FILES`, in order."""
    return _hashes(folder, _stamps(folder))


@lru_cache(maxsize=16)
def _hashes(folder: str, stamps: tuple[tuple[str, float, int], ...]) -> tuple[str, str]:
    sha, xxh = hashlib.sha256(), xxhash.xxh3_128()
    for name, *_ in stamps:
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            own = hashlib.file_digest(file, "sha256").hexdigest()
        sha.update(f"{name}\0{own}\n".encode())
        xxh.update(f"{name}\0{storage.checksum(path)}\n".encode())
    return sha.hexdigest(), xxh.hexdigest()


def _stamps(folder: str) -> tuple[tuple[str, float, int], ...]:
    found = []
    for pattern in SAFE_FILES:
        for path in Path(folder).rglob(pattern):
            name = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                about = path.stat()
                found.append((name.as_posix(), about.st_mtime, about.st_size))
    return tuple(sorted(found))
