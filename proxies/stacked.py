"""Several proxies of one shape as one batched program: a GPU is filled by them, not by one.

Every weight has a leading axis of models, and every product is a batched one. Models do not touch:
each has its own mix, seed, order, loss, gradient norm and checkpoints, and ends with the weights
that it would have alone, up to the order of sums.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from catalogs.errors import UserError
from proxies import kernels, runtime
from proxies.model import Decoder, ModelConfig, save_model
from proxies.runs import TrainConfig, TrainResult
from proxies.tokens import TokenStream
from proxies.training import Run, prepare

_LOGIT_BYTES = 12  # of one logit: itself, its softmax, its gradient
_STATE_BYTES = 16  # of one parameter: itself, its gradient, two moments
_SHARE = 0.5  # of a device's memory
_MOST = 64


@dataclasses.dataclass(frozen=True)
class StackMember:
    """One proxy of a stack; the arguments of `train` that differ between its models."""

    mix: Mapping[str, float]
    seed: int
    out_dir: str
    subsample: Mapping[str, int] | None = None
    start: str | None = None


def train_stack(
    members: Sequence[StackMember], streams: Mapping[str, TokenStream], config: TrainConfig
) -> list[TrainResult]:
    """Train several proxies at once; each folder ends as `train` would leave it.

    Finished members are returned as they are, and killed ones go on from their last checkpoint:
    those that stand at the same step, together.

    Parameters
    ----------
    members
        Mixes, seeds and folders.
    config
        Of all of them; its `seed` is not used, and `stacked` is taken to be set.

    Raises
    ------
    UserError
        As `train`.
    """
    runs = []
    for member in members:
        own = dataclasses.replace(config, seed=member.seed, stacked=True)
        given = (member.out_dir, member.subsample, member.start)
        runs.append(prepare(member.mix, streams, own, *given))
    found = {id(run): run.folder.finished() for run in runs}
    by_step: dict[int, list[tuple[Run, dict[str, Tensor]]]] = {}
    for run in runs:
        if found[id(run)] is None:
            step, state = run.folder.load_state()
            by_step.setdefault(step, []).append((run, state))
    for step in sorted(by_step):
        group = [run for run, _ in by_step[step]]
        started = time.perf_counter()
        with runtime.one_thread():
            losses = _train(group, step, [state for _, state in by_step[step]])
        seconds = (time.perf_counter() - started) / len(group)
        for run, curve in zip(group, losses, strict=True):
            found[id(run)] = run.finish(curve.numpy(), seconds)
    return [found[id(run)] for run in runs]


def stack_size(config: TrainConfig, memory: int) -> int:
    """Models of one stack that fit into half of `memory` bytes, at most 64."""
    tokens = config.batch * config.context
    shape = config.model
    activations = 4 * tokens * shape.layers * (12 * shape.width + 4 * shape.hidden)
    scores = 4 * tokens * config.context * shape.heads * shape.layers
    logits = _LOGIT_BYTES * tokens * shape.vocab_size
    one = _STATE_BYTES * shape.parameters + activations + scores + logits
    return max(1, min(_MOST, int(_SHARE * memory / one)))


class Stack:
    """Decoders of one shape with their weights on a leading axis of models, (models, ...)."""

    def __init__(self, models: Sequence[Decoder], device: torch.device):
        first = models[0]
        self.config: ModelConfig = first.config
        self.dtype = first.dtype
        self.weights = {
            name: torch.stack([dict(one.named_parameters())[name].detach() for one in models])
            .to(device)
            .requires_grad_()
            for name, _ in first.named_parameters()
        }
        heads = self.config.width // self.config.heads
        self._rotary = (heads, self.config.rope_theta, device)

    def __len__(self) -> int:
        return len(self.weights["embedding"])

    def losses(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats of each model, (models,).

        `tokens` and `targets` are int64, shape (models, batch, context).
        """
        models, batch, context = tokens.shape
        config, weights = self.config, self.weights
        width, vocab = config.width, config.vocab_size
        # one table of all embeddings, read at each model's own rows
        rows = tokens + vocab * torch.arange(models, device=tokens.device)[:, None, None]
        stream = F.embedding(rows, weights["embedding"].view(-1, width)) * width**0.5
        stream = stream.view(models, batch * context, width)
        phases = kernels.rotary_phases(context, *self._rotary)
        for i in range(config.layers):
            stream = self._layer(stream, f"layers.{i}.", batch, context, phases)
        readout = (weights["embedding"] * weights["norm"][:, None]).to(self.dtype)
        logits = torch.bmm(kernels.rms_norm(stream, self.dtype), readout.mT).float()
        nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return nats.view(models, -1).mean(1)

    def _layer(self, stream, name: str, batch: int, context: int, phases) -> Tensor:
        config, dtype = self.config, self.dtype
        part = {key: self.weights[name + key] for key in _PARTS}
        attention = (part["attention"] * part["attention_norm"][:, None]).to(dtype)
        qkv = torch.bmm(kernels.rms_norm(stream, dtype), attention.mT)
        heads = (config.heads, config.width // config.heads)
        mixed = kernels.causal_attention(qkv.view(-1, context, 3, *heads), phases)
        mixed = mixed.reshape(len(stream), batch * context, config.width)
        stream = stream + torch.bmm(mixed, part["attention_mix"].to(dtype).mT)
        feed = (part["feed"] * part["feed_norm"][:, None]).to(dtype)
        gate, up = torch.bmm(kernels.rms_norm(stream, dtype), feed.mT).chunk(2, -1)
        return stream + torch.bmm(F.silu(gate) * up, part["feed_down"].to(dtype).mT)

    @torch.no_grad()
    def clip(self, most: float) -> None:
        """Scale each model's gradient down to a norm of at most `most`."""
        grads = [weight.grad for weight in self.weights.values()]
        squares = torch.stack([grad.flatten(1).square().sum(1) for grad in grads])
        scale = (most / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad *= scale.view(-1, *[1] * (grad.dim() - 1))

    @torch.no_grad()
    def model(self, index: int) -> Decoder:
        """One of the decoders, on the CPU."""
        model = Decoder(self.config, self.dtype)
        model.load_state_dict({name: weight[index] for name, weight in self.weights.items()})
        return model


_PARTS = ("attention_norm", "attention", "attention_mix", "feed_norm", "feed", "feed_down")


def _train(runs: Sequence[Run], begin: int, states: Sequence[dict[str, Tensor]]) -> Tensor:
    """Train from `begin` to the end; returns the loss of every step, (models, steps)."""
    first = runs[0]
    config, device = first.config, first.device
    stack = Stack([run.model() for run in runs], device)
    # what is a vector in one model is a matrix here; gains do not decay
    gains = [weight for weight in stack.weights.values() if weight.dim() == 2]
    matrices = [weight for weight in stack.weights.values() if weight.dim() > 2]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": gains}]
    optimiser = torch.optim.AdamW(groups, betas=config.betas, weight_decay=0.0, fused=True)
    losses = torch.zeros(len(runs), config.steps)
    if begin:
        _restore(stack, optimiser, losses, states)
    stops = {stop.step for stop in first.folder.checkpoints()}
    for step in range(begin, config.steps):
        batches = [run.batch(step) for run in runs]
        inputs, targets = (torch.stack(parts) for parts in zip(*batches, strict=True))
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate(step)
        loss = stack.losses(inputs, targets)
        loss.sum().backward()
        stack.clip(config.clip)
        optimiser.step()
        optimiser.zero_grad()
        losses[:, step] = loss.detach()
        if not all(map(math.isfinite, losses[:, step].tolist())):
            raise UserError(
                f"proxy: the loss is not finite at step {step}; lower lr ({config.peak_lr:g})"
            )
        if step + 1 in stops:
            _keep(stack, optimiser, losses, runs, step + 1)
    for i, run in enumerate(runs):
        save_model(stack.model(i), run.folder.weights)
    return losses


def _keep(stack: Stack, optimiser, losses: Tensor, runs: Sequence[Run], step: int) -> None:
    for i, run in enumerate(runs):
        (path,) = (stop.path for stop in run.folder.checkpoints() if stop.step == step)
        save_model(stack.model(i), path)
        state = {"losses": losses[i]}
        for name, weight in stack.weights.items():
            moments = optimiser.state[weight]
            state[f"{name}.weight"] = weight[i]
            state[f"{name}.step"] = moments["step"]
            for key in ("exp_avg", "exp_avg_sq"):
                state[f"{name}.{key}"] = moments[key][i]
        run.folder.save_state(step, state)


@torch.no_grad()
def _restore(stack: Stack, optimiser, losses: Tensor, states: Sequence[dict[str, Tensor]]) -> None:
    losses.copy_(torch.stack([state["losses"] for state in states]))
    for name, weight in stack.weights.items():
        weight.copy_(torch.stack([state[f"{name}.weight"] for state in states]))
        optimiser.state[weight] = {
            "step": states[0][f"{name}.step"].to(weight.device),
            **{
                key: torch.stack([state[f"{name}.{key}"] for state in states]).to(weight.device)
                for key in ("exp_avg", "exp_avg_sq")
            },
        }
