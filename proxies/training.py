"""Train one proxy on one mix: one call, one process, one thread, the same bits every time."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Mapping

import numpy as np
import torch
import xxhash
from torch import Tensor

from catalogs import storage
from catalogs.errors import UserError, nearest
from proxies import runtime, sampling
from proxies.model import Decoder, load_model, save_model
from proxies.runs import RunFolder, TrainConfig, TrainResult, loss_curve
from proxies.tokens import TokenStream


def train(
    mix: Mapping[str, float],
    streams: Mapping[str, TokenStream],
    config: TrainConfig,
    out_dir: str,
    subsample: Mapping[str, int] | None = None,
    start: str | None = None,
) -> TrainResult:
    """Train one proxy and write its weights to `out_dir`; on a CPU a seed gives the same bits.

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
    start
        Weights to start from instead of fresh ones, as `save_model` writes them; the learning rate
        rises and falls anew.

    Raises
    ------
    UserError
        When mix, streams and config do not fit each other, when `out_dir` holds another run, or
        when the loss is no longer finite.
    """
    run = prepare(mix, streams, config, out_dir, subsample, start)
    finished = run.folder.finished()
    if finished:
        return finished
    started = time.perf_counter()
    with runtime.one_thread():
        losses = _train(run)
    return run.finish(losses, time.perf_counter() - started)


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that was checked: what is trained on in which order, how, and where it is kept."""

    order: sampling.Order
    streams: Mapping[str, TokenStream]
    config: TrainConfig
    folder: RunFolder
    dtype: torch.dtype
    device: torch.device
    start: str | None

    def model(self) -> Decoder:
        """A model with fresh weights, or with those that are given, on the CPU."""
        model = Decoder(self.config.model, self.dtype)
        if self.start is None:
            return model.initialise(self.config.seed)
        given = load_model(self.start, device="cpu")
        if given.config != self.config.model:
            raise UserError(
                f"{self.start}: weights of another model ({given.config}); "
                f"expected {self.config.model}"
            )
        model.load_state_dict(given.state_dict())
        return model

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step, int64 of shape (batch, context) each."""
        order, config = self.order, self.config
        rows = range(step * config.batch, min((step + 1) * config.batch, len(order.source)))
        ids = np.empty((len(rows), config.context + 1), np.int64)
        for i, row in enumerate(rows):
            stream = self.streams[order.names[order.source[row]]]
            ids[i] = stream.window(int(order.window[row]), config.context)
        batch = torch.from_numpy(ids).to(self.device)
        return batch[:, :-1], batch[:, 1:]

    def finish(self, losses: np.ndarray, seconds: float) -> TrainResult:
        """Commit the run, whose weights are written."""
        config, order = self.config, self.order
        context = config.context
        result = TrainResult(
            weights=self.folder.weights,
            steps=config.steps,
            tokens=config.sequences * context,
            source_tokens={name: count * context for name, count in order.quotas.items()},
            unique_tokens={name: count * context for name, count in order.unique.items()},
            epochs=order.epochs,
            loss_curve=loss_curve(losses, config),
            checkpoints=self.folder.checkpoints(),
            dtype=str(self.dtype).removeprefix("torch."),
            seconds=seconds,
        )
        self.folder.commit(result)
        return result


def prepare(
    mix: Mapping[str, float],
    streams: Mapping[str, TokenStream],
    config: TrainConfig,
    out_dir: str,
    subsample: Mapping[str, int] | None,
    start: str | None = None,
) -> Run:
    """Check the arguments of `train` and lay out its run.

    Raises
    ------
    UserError
        As `train`.
    """
    mix = sampling.check_mix(mix, streams)
    _check_streams(mix, streams, config)
    context = config.context
    usable = _usable_windows(subsample or {}, streams, context)
    windows = {name: streams[name].n_windows(context) for name in mix}
    order = sampling.training_order(mix, windows, config.sequences, config.seed, usable)
    device = runtime.resolve_device(config.device)
    dtype = runtime.resolve_dtype(config.dtype, device)
    address = _address(mix, streams, config, usable, dtype, device, start)
    return Run(order, streams, config, RunFolder(out_dir, address, config), dtype, device, start)


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


def _usable_windows(
    subsample: Mapping[str, int], streams: Mapping[str, TokenStream], context: int
) -> dict[str, int]:
    for name, count in sorted(subsample.items()):
        if name not in streams:
            raise UserError(f"subsample: source '{name}' is unknown{nearest(name, streams)}")
        if count < 1:
            raise UserError(f"subsample: '{name}' must keep at least 1 token, got {count}")
    return {name: max(1, subsample[name] // context) for name in sorted(subsample)}


def _train(run: Run) -> np.ndarray:
    """Train from the start or from the last state; return the loss of every step."""
    config, folder = run.config, run.folder
    model = run.model().to(run.device)
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    gains = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": gains}]
    optimiser = torch.optim.AdamW(groups, betas=config.betas, weight_decay=0.0, fused=True)
    losses = torch.zeros(config.steps)
    begin, state = folder.load_state()
    if begin:
        _restore(model, optimiser, losses, state)
    stops = {stop.step: stop.path for stop in folder.checkpoints()}
    for step in range(begin, config.steps):
        inputs, targets = run.batch(step)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate(step)
        loss = model.loss(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(matrices + gains, config.clip)
        optimiser.step()
        optimiser.zero_grad()
        losses[step] = loss.detach()
        if not math.isfinite(losses[step]):
            raise UserError(
                f"proxy: the loss is not finite at step {step}; lower lr ({config.peak_lr:g})"
            )
        if step + 1 in stops:
            save_model(model, stops[step + 1])
            folder.save_state(step + 1, _state(model, optimiser, losses))
    save_model(model, folder.weights)
    return losses.numpy()


def _state(model: Decoder, optimiser, losses: Tensor) -> dict[str, Tensor]:
    tensors = {"losses": losses}
    for name, weight in model.named_parameters():
        moments = optimiser.state[weight]
        tensors |= {f"{name}.{key}": moment for key, moment in moments.items()}
        tensors[f"{name}.weight"] = weight
    return tensors


@torch.no_grad()
def _restore(model: Decoder, optimiser, losses: Tensor, state: Mapping[str, Tensor]) -> None:
    losses.copy_(state["losses"])
    for name, weight in model.named_parameters():
        weight.copy_(state[f"{name}.weight"])
        optimiser.state[weight] = {
            key: state[f"{name}.{key}"].to(weight.device)
            for key in ("step", "exp_avg", "exp_avg_sq")
        }


def _address(mix, streams, config, usable, dtype, device, start) -> str:
    made_of = {
        "mix": mix,
        "streams": {name: streams[name].info.digest for name in mix},
        "config": dataclasses.asdict(config),
        "usable": usable,
        "computed": [str(dtype), device.type],
        "start": storage.checksum(start) if start else None,
    }
    return xxhash.xxh3_128_hexdigest(json.dumps(made_of, sort_keys=True).encode())
