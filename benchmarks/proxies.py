"""Proxy training beside the same model in plain PyTorch, one core, and what its scores tell apart.

    python benchmarks/proxies.py                             # 0.1M, 0.3M, 1M on 2048 ids
    python benchmarks/proxies.py --sizes 0.3M --vocab 1024 2048 4096
    python benchmarks/proxies.py --no-compile --mixes        # also bits per byte of six mixes
    taskset -c 0 python benchmarks/proxies.py                # on one core

Every engine takes the same steps (batch, context, AdamW, clipping) on the same sequences; a stack
takes those of several models at once. Speed is tokens per second of CPU time, of the fastest step
out of many, because a shared machine only ever slows one down. Compiled engines need a C++
compiler (without one they are left out, and it is said), and their compile time is given apart.
The texts are those of this Python installation: its modules, docstrings and descriptions, licences.
"""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# this file has the name of the room it measures, and Python looks beside the script first
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import proxies  # noqa: E402
from proxies import runtime  # noqa: E402
from proxies.stacked import Stack  # noqa: E402

SECONDS = 6.0


def installed_texts() -> dict[str, list[str]]:
    """Three kinds of text that every Python installation has; at most 20 kB of a document."""
    stdlib, site = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    modules = [p for p in sorted(stdlib.rglob("*.py")) if not {"test", site.name} & {*p.parts}]
    code = [p.read_text("utf-8", "replace") for p in modules]
    debian = Path("/usr/share/doc")
    licences = [p for p in site.rglob("LICEN*") if p.is_file()] + [*debian.glob("*/copyright")]
    law = [p.read_text("utf-8", "replace") for p in sorted(licences)]
    metadata = [one.metadata for one in importlib.metadata.distributions()]
    prose = sorted(str(one.get_payload()) for one in metadata)
    packages = [p.read_text("utf-8", "replace") for p in sorted(site.glob("*/*.py"))]
    prose += [_docstrings(text) for text in code + packages]
    kinds = {"code": code, "law": law, "prose": prose}
    return {
        kind: [text[:20_000] for text in dict.fromkeys(texts) if len(text) > 600]
        for kind, texts in kinds.items()
    }


def _docstrings(source: str) -> str:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    found = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
    return "\n\n".join(text for text in found if text and len(text) > 150)


class PlainLayer(nn.Module):
    """A decoder layer as tutorials write it."""

    def __init__(self, shape: proxies.ModelConfig):
        super().__init__()
        width, self.heads = shape.width, shape.heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(width, shape.hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(shape.hidden, width, bias=False)

    def forward(self, x, cos, sin):
        def split(y):
            return y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)

        def rotate(y):
            half1, half2 = y.chunk(2, -1)
            return torch.cat((half1 * cos - half2 * sin, half1 * sin + half2 * cos), -1)

        h = self.norm1(x)
        q, k, v = rotate(split(self.q(h))), rotate(split(self.k(h))), split(self.v(h))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(x.shape))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Plain(nn.Module):
    """The same decoder in nn.Module parts: what a training script would hold."""

    def __init__(self, shape: proxies.ModelConfig, context: int):
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab_size, shape.width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.layers = nn.ModuleList(PlainLayer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width)
        size = shape.width // shape.heads
        angle = torch.arange(context)[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, tokens, targets):
        x = self.embedding(tokens) * self.embedding.weight.shape[1] ** 0.5
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        logits = F.linear(self.norm(x), self.embedding.weight).float()
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def fastest(loss_of, weights: list, clip, batches, seconds: float) -> tuple[float, float]:
    """CPU seconds of the fastest step, and of the first."""
    optimiser = torch.optim.AdamW(weights, lr=1e-3, fused=True)
    spent = []
    while len(spent) < 5 or (sum(spent[1:]) < seconds and len(spent) < 400):
        batch = batches[len(spent) % len(batches)]
        began = time.process_time()
        loss_of(batch[..., :-1], batch[..., 1:]).backward()
        clip()
        optimiser.step()
        optimiser.zero_grad()
        spent.append(time.process_time() - began)
    return min(spent[1:]), spent[0]


def engines(shape: proxies.ModelConfig, context: int, compiled: bool):
    """Yield (name, loss function, model)."""
    for dtype in (torch.bfloat16, torch.float32):
        model = proxies.Decoder(shape, dtype).initialise(0)
        yield f"proxies {str(dtype)[6:]}", model.loss, model
    for dtype in (torch.float32, torch.bfloat16):
        for compiling in (False, True) if compiled else (False,):
            model = Plain(shape, context)
            run = torch.compile(model) if compiling else model

            def loss(tokens, targets, run=run, half=dtype == torch.bfloat16):
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    return run(tokens, targets)

            yield f"{'compiled' if compiling else 'eager'} {str(dtype)[6:]}", loss, model


def stack_speeds(shape: proxies.ModelConfig, batches: torch.Tensor, options):
    """Yield (name, CPU seconds of a step for one model, of the first step) of stacks."""
    models = options.stack
    for dtype in (torch.bfloat16, torch.float32):
        decoders = [proxies.Decoder(shape, dtype).initialise(seed) for seed in range(models)]
        stack = Stack(decoders, torch.device("cpu"))
        rolled = torch.stack([batches.roll(i, 0) for i in range(models)], 1)

        def loss(tokens, targets, stack=stack):
            return stack.losses(tokens, targets).sum()

        def clip(stack=stack):
            stack.clip(1.0)

        with runtime.one_thread():
            step, first = fastest(loss, list(stack.weights.values()), clip, rolled, options.seconds)
        yield f"stack of {models} {str(dtype)[6:]}", step / models, first


def ngrams(streams, held_out) -> list[dict]:
    """Tokens counted per second of CPU time, and seconds to price a thousand mixes."""
    rows = []
    print(f"\n{'n-grams of':16}{'tokens':>12}{'tokens/s':>12}{'1000 mixes, s':>15}")
    total = sum(stream.info.n_tokens for stream in streams.values())
    shares = np.random.default_rng(0).dirichlet(np.ones(len(streams)), 1000)
    for kind, stream in held_out.items():
        texts = proxies.held_out_texts(stream)
        proxies.ngram_experts(texts, {kind: streams[kind]}, 1000)  # compiles
        began = time.process_time()
        experts = proxies.ngram_experts(texts, streams, 500_000)
        counted = time.process_time()
        experts.bits_per_byte(shares)
        spent = (counted - began, time.process_time() - counted)
        rows.append({"task": kind, "tokens": total, "tokens_per_s": total / spent[0]})
        rows[-1]["priced_s"] = spent[1]
        print(f"{kind:16}{total:12,}{total / spent[0]:12,.0f}{spent[1]:15.2f}", flush=True)
    return rows


def speeds(streams, options) -> list[dict]:
    rows = []
    vocab_size = streams["code"].info.vocab_size
    head = f"{'engine':20}{'tokens/s':>10}{'ratio':>9}{'first s':>9}"
    print(f"\n{f'{vocab_size} ids':16}{head}")
    for size in options.sizes:
        shape = proxies.ModelConfig.named(size, vocab_size)
        windows = [streams["code"].window(i, options.context) for i in range(32 * options.batch)]
        batches = torch.from_numpy(np.stack(windows).astype(np.int64))
        batches = batches.view(32, options.batch, options.context + 1)
        ours, found = None, []
        for name, loss, model in engines(shape, options.context, not options.no_compile):
            weights = list(model.parameters())

            def clip(weights=weights):
                torch.nn.utils.clip_grad_norm_(weights, 1.0)

            try:
                with runtime.one_thread():
                    found.append((name, *fastest(loss, weights, clip, batches, options.seconds)))
            except Exception as error:
                if "compiled" not in name:
                    raise
                told = str(error).strip().splitlines() or [type(error).__name__]
                print(f"{size:16}{name:20}  left out: {told[0][:100]}", flush=True)
                continue
            ours = ours or found[0][1]
            show(rows, size, vocab_size, options, ours, *found[-1])
        for one in stack_speeds(shape, batches, options):
            show(rows, size, vocab_size, options, ours, *one)
    return rows


def show(rows, size, vocab_size, options, ours, name, step, first) -> None:
    """Note and print the speed of one engine; `ours` and `step` are CPU seconds of a step."""
    speed = options.batch * options.context / step
    rows.append({"size": size, "vocab": vocab_size, "engine": name, "tokens_per_s": speed})
    rows[-1] |= {"ours_over_it": step / ours, "first_step_s": first}
    print(f"{size:16}{name:20}{speed:10,.0f}{step / ours:7.2f}x{first:9.1f}", flush=True)


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in cpu.splitlines() if "model name" in line]
    load = (
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    )
    return {
        "processor": names[0] if names else platform.processor(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": load,
    }


def mixes(streams, held_out, options) -> list[dict]:
    """Bits per byte after training on six mixes, two of them with a second seed."""
    corners = [(0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6), (0.34, 0.33, 0.33)]
    plan = [(mix, 0) for mix in corners] + [(corners[0], 1), (corners[3], 1)]
    rows = []
    head = "".join(f"{kind:>9}" for kind in held_out)
    print(f"\n{'mix code/law/prose':24}{'seed':>5}{'CPU s':>8}{head}")
    for shares, seed in plan:
        mix = dict(zip(("code", "law", "prose"), shares, strict=True))
        shape = proxies.ModelConfig.named(options.sizes[-1], streams["code"].info.vocab_size)
        config = proxies.TrainConfig(
            shape, options.tokens, options.batch, options.context, seed=seed
        )
        folder = tempfile.mkdtemp()
        began = time.process_time()
        result = proxies.train(mix, streams, config, folder)
        spent = time.process_time() - began
        model = proxies.load_model(result.weights)
        scores = {k: proxies.bits_per_byte(model, s, options.context) for k, s in held_out.items()}
        shutil.rmtree(folder)
        values = {kind: score.value for kind, score in scores.items()}
        rows.append({"mix": mix, "seed": seed, "cpu_s": spent, "bpb": values})
        line = "".join(f"{value:9.4f}" for value in values.values())
        print(f"{'/'.join(map(str, shares)):24}{seed:5}{spent:8.1f}{line}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["0.1M", "0.3M", "1M"])
    parser.add_argument("--vocab", nargs="+", type=int, default=[2048])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=1_000_000, help="per run of --mixes")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of CPU, per engine")
    parser.add_argument("--stack", type=int, default=8, help="models of a stack")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--mixes", action="store_true", help="train the last of --sizes on mixes")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    texts = installed_texts()
    report: dict = {"machine": machine(), "speeds": [], "ngrams": [], "mixes": []}
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    with tempfile.TemporaryDirectory() as folder:
        for vocab_size in options.vocab:
            sample = [text for kind in texts.values() for text in kind[::4]]
            tokenizer = proxies.train_bpe(sample, vocab_size, f"{folder}/{vocab_size}.json")
            streams, held_out = {}, {}
            for kind, documents in texts.items():
                parts = {"train": [t for i, t in enumerate(documents) if i % 10]}
                parts["held_out"] = documents[::10][:60]
                for part, opened in (("train", streams), ("held_out", held_out)):
                    path = f"{folder}/{vocab_size}/{part}/{kind}.bin"
                    info = proxies.write_stream(parts[part], tokenizer, path)
                    opened[kind] = proxies.TokenStream(path)
                    rate = info.n_bytes / info.n_tokens
                    print(f"{kind:6} {part:9}{info.n_tokens:10,} tokens {rate:.2f} bytes/token")
            report["speeds"] += speeds(streams, options)
            report["ngrams"] += ngrams(streams, held_out)
            if options.mixes:
                report["mixes"] += mixes(streams, held_out, options)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
