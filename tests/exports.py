"""A small mixture and its exports, for the tests of `corpusmill export`."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from mixing.export.flow import run_export
from mixing.export.mixture import load_mixture
from mixing.export.options import Options
from pipeline.schedule import Settings

SETTINGS = Settings(workers=2)
MIXTURE = {
    "name": "small",
    "run": "run",
    "domains": {
        "short": "source = 'texts' and n_bytes < 3000",
        "long": "source = 'texts'",
        "notes": "source = 'notes'",
    },
    "shares": {"short": 0.2, "long": 0.5, "notes": 0.3},
}


def mixture_file(folder: Path, target: Path, **changes) -> Path:
    path = target / "mixture.yaml"
    path.write_text(yaml.safe_dump({**MIXTURE, "root": str(folder), **changes}, sort_keys=False))
    return path


def export(folder: Path, out: Path, changes: dict | None = None, workers: int = 2, **options):
    """Export the mixture with some fields changed; returns the manifest."""
    out.parent.mkdir(parents=True, exist_ok=True)
    path = mixture_file(folder, out.parent, **(changes or {}))
    given = {"tokens": 60_000, "format": "npy", "context": 256, "shard_tokens": 20_000, **options}
    if given["format"] not in ("parquet", "jsonl.zst"):
        given.setdefault("tokenizer", str(folder / "tokenizer.json"))
    settings = Settings(workers=workers)
    return run_export(load_mixture(str(path)), Options(**given), str(out), settings).manifest


def trace_of(out: Path) -> list[dict]:
    paths = sorted((out / "trace").glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def streaming_dataset():
    """The class, without the packages of pictures and models that its package imports first."""
    if "streaming" not in sys.modules:
        found = importlib.util.find_spec("streaming").submodule_search_locations[0]
        for name in ("streaming", "streaming.base"):
            package = types.ModuleType(name)
            package.__path__ = [os.path.join(found, *name.split(".")[1:])]
            sys.modules[name] = package
    from streaming.base.dataset import StreamingDataset

    return StreamingDataset
