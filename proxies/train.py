"""Train one proxy on one mix: one call, one process, one thread, the same bits every time."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping

import numpy as np
import torch
import xxhash
from torch import Tensor

from catalogs import storage
from catalogs.errors import UserError
from proxies import runtime, sampling
from proxies.model import Decoder, ModelConfig, load_tensors, save_model, save_tensors
from proxies.tokens import TokenStream

SCHEDULES = ("cosine", "wsd")
# the last part of a warmup-stable-decay run, in which the rate falls to zero (Hu et al., 2024)
_WSD_DECAY = 0.2
_CURVE_POINTS = 200


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How a proxy is trained; the defaults suit 0.1M to 1M parameters on a few million tokens.

    Attributes
    ----------
    model
        Shape of the decoder; its vocabulary must be that of the streams.
    tokens
        Training tokens, cut down to whole sequences.
    batch, context
        Sequences per step, tokens per sequence.
    lr, warmup, schedule
        Peak learning rate; the share of the steps in which it rises linearly; ``cosine`` or
        ``wsd``, both falling to zero.
    weight_decay, betas, clip
        Of AdamW (norm gains do not decay); the largest norm of a gradient.
    seed
        Of the weights, the windows and their order.
    dtype, device
        ``float32``, ``bfloat16`` or ``auto``; ``cpu``, ``cuda`` or ``auto``: see `runtime`.
    checkpoints
        Points on the way, evenly spaced, whose weights are kept and from which a killed run
        goes on.
    """

    model: ModelConfig
    tokens: int
    batch: int = 8
    context: int = 128
    lr: float = 8e-3
    warmup: float = 0.05
    schedule: str = "cosine"
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"
    checkpoints: int = 0

    def __post_init__(self):
        for field in ("tokens", "batch", "context"):
            if getattr(self, field) < 1:
                raise UserError(f"proxy: {field} must be at least 1, got {getattr(self, field)}")
        if self.tokens < self.context:
            raise UserError(
                f"proxy: tokens ({self.tokens}) must make at least one sequence of {self.context}"
            )
        if self.schedule not in SCHEDULES:
            raise UserError(
                f"proxy: schedule '{self.schedule}' is unknown (valid: {', '.join(SCHEDULES)})"
            )
        if self.seed < 0 or self.checkpoints < 0:
            raise UserError("proxy: seed and checkpoints must be at least 0")

    @property
    def sequences(self) -> int:
        return self.tokens // self.context

    @property
    def steps(self) -> int:
        return -(-self.sequences // self.batch)

    def learning_rate(self, step: int) -> float:
        """The rate of `step`, counted from 0."""
        warmup = max(1, round(self.warmup * self.steps))
        if step < warmup:
            return self.lr * (step + 1) / warmup
        progress = (step - warmup + 0.5) / max(1, self.steps - warmup)
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * progress))
        return self.lr * min(1.0, (1 - progress) / _WSD_DECAY)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Weights kept on the way: after `step` steps, `tokens` training tokens."""

    step: int
    tokens: int
    path: str


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a run did.

    Attributes
    ----------
    weights
        Path of the final weights; `load_model` reads them.
    steps, tokens
        Steps taken and tokens trained on.
    source_tokens
        Tokens trained on, by source: within one sequence of the mix.
    unique_tokens, epochs
        Tokens that could be drawn, by source, and how often each was seen.
    loss_curve
        Pairs of (tokens seen, mean training loss in nats) over at most 200 equal parts.
    checkpoints
        Weights kept on the way.
    dtype
        The number type that ``auto`` stood for.
    seconds
        Spent training; of the last stretch when the run was resumed. Not part of the address.
    """

    weights: str
    steps: int
    tokens: int
    source_tokens: dict[str, int]
    unique_tokens: dict[str, int]
    epochs: dict[str, float]
    loss_curve: list[tuple[int, float]]
    checkpoints: list[Checkpoint]
    dtype: str
    seconds: float


def train(
    mix: Mapping[str, float],
    streams: Mapping[str, TokenStream],
    config: TrainConfig,
    out_dir: str,
    subsample: Mapping[str, int] | None = None,
) -> TrainResult:
    """Train one proxy, deterministically, and write its weights to `out_dir`.

    A finished run found in `out_dir` is returned as it is; one that was killed goes on from its
    last checkpoint and ends with the same bits.

    Parameters
    ----------
    mix
        Share of the training tokens, by source; sums to one.
    streams
        Token streams by source, all made by one tokenizer; those without a share are not read.
    config
        How to train.
    out_dir
        A local folder that belongs to this run.
    subsample
        Unique tokens that may be used, by source, cut down to whole sequences but at least one.
        With ``tokens * available / target tokens`` the proxy repeats a source as often as a
        training run of the target's length would.

    Raises
    ------
    UserError
        When mix, streams and config do not fit each other, when `out_dir` holds another run, or
        when the loss is no longer finite.
    """
    mix = sampling.check_mix(mix, streams)
    _check_streams(mix, streams, config)
    context = config.context
    usable = {name: max(1, count // context) for name, count in (subsample or {}).items()}
    windows = {name: streams[name].n_windows(context) for name in mix}
    order = sampling.training_order(mix, windows, config.sequences, config.seed, usable)
    device = runtime.resolve_device(config.device)
    dtype = runtime.resolve_dtype(config.dtype, device)
    out_dir = os.path.abspath(out_dir)
    storage.make_folder(out_dir)
    address = _address(mix, streams, config, usable, dtype, device)
    finished = _finished(out_dir, address)
    if finished:
        return finished
    started = time.perf_counter()
    with runtime.one_thread():
        losses = _run(order, streams, config, out_dir, address, dtype, device)
    seconds = time.perf_counter() - started
    result = TrainResult(
        weights=os.path.join(out_dir, "weights.safetensors"),
        steps=config.steps,
        tokens=config.sequences * context,
        source_tokens={name: count * context for name, count in order.quotas.items()},
        unique_tokens={name: count * context for name, count in order.unique.items()},
        epochs=order.epochs,
        loss_curve=_curve(losses, config),
        checkpoints=_checkpoints(config, out_dir),
        dtype=str(dtype).removeprefix("torch."),
        seconds=seconds,
    )
    _write_result(out_dir, address, result)
    return result


def _check_streams(
    mix: Mapping[str, float], streams: Mapping[str, TokenStream], config: TrainConfig
) -> None:
    first, *rest = sorted(mix)
    for name in rest:
        if streams[name].info.tokenizer != streams[first].info.tokenizer:
            raise UserError(
                f"sources '{first}' and '{name}' were made by different tokenizers; "
                "write all streams with one"
            )
    vocab_size = streams[first].info.vocab_size
    if config.model.vocab_size != vocab_size:
        raise UserError(
            f"model: vocab_size {config.model.vocab_size} is not the streams' {vocab_size}"
        )


def _run(order, streams, config, out_dir, address, dtype, device) -> np.ndarray:
    """Train from the start or from the last state; return the loss of every step."""
    model = Decoder(config.model, dtype).initialise(config.seed).to(device)
    weights = _flatten([weight for weight in model.parameters() if weight.dim() > 1])
    gains = _flatten([weight for weight in model.parameters() if weight.dim() == 1])
    groups = [{"params": [weights], "weight_decay": config.weight_decay}, {"params": [gains]}]
    optimiser = torch.optim.AdamW(groups, betas=config.betas, weight_decay=0.0, fused=True)
    losses = torch.zeros(config.steps)
    state = os.path.join(out_dir, "state.safetensors")
    begin = _restore(state, address, optimiser, losses) if os.path.exists(state) else 0
    stops = {stop.step: stop.path for stop in _checkpoints(config, out_dir)}
    for step in range(begin, config.steps):
        inputs, targets = _batch(order, streams, config, step, device)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate(step)
        loss = model.loss(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([weights, gains], config.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
        losses[step] = loss.detach()
        if not math.isfinite(losses[step]):
            raise UserError(f"proxy: the loss is not finite at step {step}; lower lr ({config.lr})")
        if step + 1 in stops:
            save_model(model, stops[step + 1])
            _save(state, address, step + 1, optimiser, losses)
    save_model(model, os.path.join(out_dir, "weights.safetensors"))
    return losses.numpy()


def _flatten(parameters: list[torch.nn.Parameter]) -> torch.nn.Parameter:
    """One vector that the parameters, and their gradients, become views of.

    Clipping and AdamW are then a few passes over one vector, not dozens of calls on small ones,
    which would take a tenth of a small model's step.
    """
    flat = torch.nn.Parameter(torch.cat([weight.detach().flatten() for weight in parameters]))
    flat.grad = torch.zeros_like(flat)
    sizes = [weight.numel() for weight in parameters]
    pieces = zip(parameters, flat.data.split(sizes), flat.grad.split(sizes), strict=True)
    for weight, data, grad in pieces:
        weight.data, weight.grad = data.view(weight.shape), grad.view(weight.shape)
    return flat


def _batch(order, streams, config, step, device) -> tuple[Tensor, Tensor]:
    rows = range(step * config.batch, min((step + 1) * config.batch, len(order.source)))
    ids = np.empty((len(rows), config.context + 1), np.int64)
    for i, row in enumerate(rows):
        stream = streams[order.names[order.source[row]]]
        ids[i] = stream.window(int(order.window[row]), config.context)
    batch = torch.from_numpy(ids).to(device)
    return batch[:, :-1], batch[:, 1:]


def _checkpoints(config: TrainConfig, out_dir: str) -> list[Checkpoint]:
    parts = config.checkpoints + 1
    steps = sorted({config.steps * part // parts for part in range(1, parts)} - {0})
    return [
        Checkpoint(
            step,
            min(step * config.batch, config.sequences) * config.context,
            os.path.join(out_dir, "checkpoints", f"step-{step:07d}.safetensors"),
        )
        for step in steps
    ]


def _save(path, address, step, optimiser, losses) -> None:
    tensors = {"losses": losses}
    for i, group in enumerate(optimiser.param_groups):
        (flat,) = group["params"]
        tensors[f"{i}.weights"] = flat
        tensors |= {f"{i}.{name}": moment for name, moment in optimiser.state[flat].items()}
    save_tensors(tensors, path, {"address": address, "step": str(step)})


@torch.no_grad()
def _restore(path, address, optimiser, losses) -> int:
    tensors, metadata = load_tensors(path)
    if metadata.get("address") != address:
        raise _foreign(path)
    losses.copy_(tensors["losses"])
    for i, group in enumerate(optimiser.param_groups):
        (flat,) = group["params"]
        flat.copy_(tensors[f"{i}.weights"])
        moments = ("step", "exp_avg", "exp_avg_sq")
        optimiser.state[flat] = {m: tensors[f"{i}.{m}"].to(flat.device) for m in moments}
    return int(metadata["step"])


def _address(mix, streams, config, usable, dtype, device) -> str:
    made_of = {
        "mix": mix,
        "streams": {name: streams[name].info.digest for name in mix},
        "config": dataclasses.asdict(config),
        "usable": {name: usable[name] for name in sorted(usable)},
        "computed": [str(dtype), device.type],
    }
    return xxhash.xxh3_128_hexdigest(json.dumps(made_of, sort_keys=True).encode())


def _foreign(path: str) -> UserError:
    return UserError(f"{path}: belongs to another run; give each run its own folder")


def _curve(losses: np.ndarray, config: TrainConfig) -> list[tuple[int, float]]:
    parts = np.array_split(losses.astype(np.float64), min(_CURVE_POINTS, len(losses)))
    ends = np.cumsum([len(part) for part in parts])
    seen = np.minimum(ends * config.batch, config.sequences) * config.context
    return [(int(n), float(part.mean())) for n, part in zip(seen, parts, strict=True)]


def _write_result(out_dir: str, address: str, result: TrainResult) -> None:
    """Commit the run: paths relative to its folder, so that the folder can be moved."""
    row = dataclasses.asdict(result)
    row["weights"] = os.path.relpath(result.weights, out_dir)
    for checkpoint in row["checkpoints"]:
        checkpoint["path"] = os.path.relpath(checkpoint["path"], out_dir)
    seconds = row.pop("seconds")
    storage.write_text(os.path.join(out_dir, "timing.json"), json.dumps({"seconds": seconds}))
    text = json.dumps({"address": address, **row}, indent=1, sort_keys=True)
    storage.write_text(os.path.join(out_dir, "result.json"), text + "\n")
    storage.delete(os.path.join(out_dir, "state.safetensors"))


def _finished(out_dir: str, address: str) -> TrainResult | None:
    path = os.path.join(out_dir, "result.json")
    if not os.path.exists(path):
        return None
    row = json.loads(storage.read_text(path))
    if row.pop("address") != address:
        raise _foreign(path)
    row |= json.loads(storage.read_text(os.path.join(out_dir, "timing.json")))
    row["weights"] = os.path.join(out_dir, row["weights"])
    row["loss_curve"] = [(tokens, loss) for tokens, loss in row["loss_curve"]]
    row["checkpoints"] = [
        Checkpoint(one["step"], one["tokens"], os.path.join(out_dir, one["path"]))
        for one in row["checkpoints"]
    ]
    return TrainResult(**row)
