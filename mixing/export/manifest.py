"""The manifest: what was asked, what was achieved, and the hash of every file that shows it."""

from __future__ import annotations

import json
import os
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from catalogs import storage
from catalogs.errors import DamageError, UserError
from catalogs.ledger import Row
from mixing.export.draw import Drawn
from mixing.export.formats import FOLDER, FORMATS
from mixing.export.mixture import Mixture
from pipeline.jobs import Job, at_work
from proxies.tokenizer import Tokenizer

FILE_NAME = "manifest.json"
TOKENIZER = "tokenizer.json"
KIND = "corpusmill export"
VERSION = 1
_LIBRARIES = ("corpusmill", "duckdb", "numpy", "pyarrow", "tokenizers", "zstandard")


def write_manifest(job: Job) -> Row:
    """Write ``manifest.json``, the tokenizer, and the file by which a reader finds the shards.

    Raises
    ------
    DamageError
        When shards hold other tokens than were drawn.
    """
    head, shards = job.arguments["head"], job.arguments["shards"]
    names = list(head["domains"])
    tokens = {name: sum(shard["domains"].get(name, 0) for shard in shards) for name in names}
    total = sum(tokens.values())
    for name, domain in head["domains"].items():
        if tokens[name] != domain["tokens"]:
            raise DamageError(
                f"domain '{name}': {domain['tokens']} tokens were drawn, but the shards hold "
                f"{tokens[name]}"
            )
        domain["achieved"] = tokens[name] / total
    manifest = {
        "kind": KIND,
        "version": VERSION,
        **head,
        "tokens": total,
        "sequences": sum(shard["sequences"] for shard in shards),
        "padding": sum(shard["padding"] for shard in shards),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "shards": shards,
    }
    form = FORMATS[head["format"]]
    with at_work(job) as work:
        if form.finish:
            name, text = form.finish(manifest)
            with open(work.path("index", f"{FOLDER}/{name}"), "w") as file:
                file.write(text)
        if job.arguments["tokenizer"]:
            copied = storage.read_text(job.arguments["tokenizer"])
            with open(work.path("tokenizer", TOKENIZER), "w") as file:
                file.write(copied)
        with open(work.path("manifest", FILE_NAME), "w") as file:
            json.dump(manifest, file, indent=1)
            file.write("\n")
        return work.commit(read=len(shards), kept=len(shards), stats={"tokens": total})


def read_manifest(folder: str) -> dict[str, Any]:
    """The manifest of an export.

    Raises
    ------
    UserError
        When there is none, or it is another version's.
    """
    path = storage.join(folder, FILE_NAME)
    try:
        manifest = json.loads(storage.read_text(path))
    except FileNotFoundError:
        raise UserError(f"{folder}: not a finished export (it has no {FILE_NAME})") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from None
    if manifest.get("kind") != KIND or manifest.get("version") != VERSION:
        raise UserError(f"{path}: not the manifest of an export, or another version's")
    return manifest


def is_export(folder: str) -> bool:
    """Whether a folder holds a finished export."""
    return storage.exists(storage.join(folder, FILE_NAME))


def shard_entry(row: Row, name: str) -> dict[str, Any]:
    """What the manifest says of one shard."""
    return {
        "name": name,
        "sequences": int(row.stats["sequences"]),
        "tokens": int(row.stats["tokens"]),
        "padding": int(row.stats["padding"]),
        "domains": {
            key.removeprefix("tokens:"): int(count)
            for key, count in row.stats.items()
            if key.startswith("tokens:")
        },
        "files": {
            file.path.removeprefix(FOLDER + "/"): {"bytes": file.bytes, "checksum": file.checksum}
            for _, file in sorted(row.files.items())
        },
    }


def domain_entries(
    mixture: Mixture, drawn: list[Drawn], scattered: list[Row]
) -> dict[str, dict[str, Any]]:
    """What the manifest says of each domain; the share achieved comes from the shards."""
    total: Counter[str] = Counter()
    for row in scattered:
        total.update({key: int(count) for key, count in row.stats.items()})
    return {
        one.name: {
            "asked": mixture.share(one.name),
            "achieved": None,
            "tokens_asked": one.quota,
            "tokens": total[f"tokens:{number}"],
            "available_tokens": one.available,
            "available_counted": one.counted,
            "available_documents": one.documents,
            "documents": total[f"documents:{number}"],
            "copies": total[f"copies:{number}"],
            "most_copies": int(max(row.stats.get(f"most:{number}", 0) for row in scattered)),
            "epochs": total[f"tokens:{number}"] / max(one.available, 1),
        }
        for number, one in enumerate(drawn)
    }


def tokenizer_entry(tokenizer: Tokenizer, path: str) -> dict[str, Any]:
    """What the manifest says of the tokenizer."""
    return {
        "file": os.path.basename(path),
        "fingerprint": tokenizer.fingerprint,
        "vocab_size": tokenizer.vocab_size,
        "eos_id": tokenizer.eos_id,
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"
