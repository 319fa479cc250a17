"""Proxies for the tests: real text as token streams, and a model of a few thousand parameters."""

from __future__ import annotations

import importlib.metadata
import sysconfig
from pathlib import Path

import proxies

TINY = {"width": 64, "layers": 2, "heads": 2, "hidden": 96}
MIX = {"code": 0.62, "prose": 0.38}


def tiny(vocab_size: int) -> proxies.ModelConfig:
    """A shape that trains thousands of tokens a second."""
    return proxies.ModelConfig(vocab_size, **TINY)


def config(streams, **changes) -> proxies.TrainConfig:
    """A short run on `streams`."""
    settings = {"tokens": 6000, "batch": 4, "context": 32, "lr": 4e-3} | changes
    return proxies.TrainConfig(tiny(streams["code"].info.vocab_size), **settings)


def real_texts() -> dict[str, list[str]]:
    """Python's own modules, and the descriptions of installed packages."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    code = [path.read_text(encoding="utf-8")[:4000] for path in sorted(stdlib.glob("[a-d]*.py"))]
    metadata = [d.metadata for d in importlib.metadata.distributions()]
    metadata.sort(key=lambda one: one["Name"].lower())
    prose = [str(one.get_payload())[:4000] for one in metadata]
    prose = [text for text in dict.fromkeys(prose) if len(text) > 1000]
    assert min(len(code), len(prose)) > 20
    return {"code": code[:50], "prose": prose[:50]}


def real_streams(folder: Path) -> dict[str, proxies.TokenStream]:
    """By source, what is trained on; with ``held_out/`` before it, every fifth document."""
    texts = real_texts()
    tokenizer = proxies.train_bpe(texts["code"] + texts["prose"], 512, str(folder / "bpe.json"))
    opened = {}
    for name, documents in texts.items():
        parts = {
            name: [text for i, text in enumerate(documents) if i % 5],
            f"held_out/{name}": documents[::5],
        }
        for key, part in parts.items():
            proxies.write_stream(part, tokenizer, str(folder / f"{key}.bin"))
            opened[key] = proxies.TokenStream(str(folder / f"{key}.bin"))
    return opened


class Breaks(proxies.TokenStream):
    """A stream whose disk fails after some reads of windows."""

    def __init__(self, path: str, reads: int):
        super().__init__(path)
        self.reads = reads

    def window(self, index, context):
        self.reads -= 1
        if not self.reads:
            raise OSError("input/output error")
        return super().window(index, context)
