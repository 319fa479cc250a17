"""Addresses: the hash of what made a step's output (its configuration, code and inputs)."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import xxhash


def digest(value: Any) -> str:
    """xxh3_128 of the canonical JSON of `value`, as 32 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return xxhash.xxh3_128_hexdigest(text.encode())


def address(step: str, config: Any, inputs: Iterable[str], code: str) -> str:
    """Address of one shard of a step; equal addresses mean equal bytes."""
    return digest([step, config, list(inputs), code])


@functools.cache
def code_version(modules: tuple[str, ...], libraries: tuple[str, ...] = ()) -> str:
    """Hash of the source of modules or packages and of the versions of libraries.

    Any edit of the code that makes a shard, and any upgrade of a library that decides its content,
    gives another version and thereby another address.
    """
    sources = []
    for module in modules:
        for path in _source_files(module):
            with open(path, "rb") as file:
                sources.append([os.path.basename(path), xxhash.xxh3_128_hexdigest(file.read())])
    return digest([sources, [[name, _version(name)] for name in libraries]])


def _source_files(module: str) -> list[str]:
    spec = find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(module)
    if not spec.submodule_search_locations:
        return [spec.origin]
    found = []
    for folder in spec.submodule_search_locations:
        for base, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            found += [os.path.join(base, name) for name in sorted(names) if _counts(name)]
    return found


def _counts(name: str) -> bool:
    return name.endswith((".py", ".yaml", ".txt", ".json", ".npz"))


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
