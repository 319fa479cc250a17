"""A run on disk: how it was to be trained, what it did, and the state from which it goes on."""

from __future__ import annotations

import dataclasses
import json
import math
import os

import numpy as np
from torch import Tensor

from catalogs import storage
from catalogs.errors import UserError
from proxies.model import ModelConfig, load_tensors, save_tensors

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
        Peak learning rate, by default ``0.5 / width``; the share of the steps in which it rises
        linearly; ``cosine`` or ``wsd``, both falling to zero.
    weight_decay, betas, clip
        Of AdamW (norm gains do not decay); the largest norm of a gradient.
    seed
        Of the weights, the windows and their order.
    dtype, device
        ``float32``, ``bfloat16`` or ``auto``; ``cpu``, ``cuda`` or ``auto``: see `runtime`.
    checkpoints
        Points on the way, evenly spaced, whose weights are kept and from which a killed run
        goes on.
    stacked
        Whether it may be trained as one of a stack, whose sums have another order.
    """

    model: ModelConfig
    tokens: int
    batch: int = 16
    context: int = 64
    lr: float | None = None
    warmup: float = 0.05
    schedule: str = "cosine"
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"
    checkpoints: int = 0
    stacked: bool = False

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
        if self.lr is not None and not self.lr > 0:
            raise UserError(f"proxy: lr must be above 0, got {self.lr}")
        if not 0 <= self.warmup < 1:
            raise UserError(f"proxy: warmup must be a share of the steps, got {self.warmup}")
        if self.seed < 0 or self.checkpoints < 0:
            raise UserError("proxy: seed and checkpoints must be at least 0")

    @property
    def peak_lr(self) -> float:
        return 0.5 / self.model.width if self.lr is None else self.lr

    @property
    def sequences(self) -> int:
        return self.tokens // self.context

    @property
    def steps(self) -> int:
        return -(-self.sequences // self.batch)

    def tokens_at(self, step: int) -> int:
        """Tokens trained on after `step` steps; the last step may be a short one."""
        return min(step * self.batch, self.sequences) * self.context

    def learning_rate(self, step: int) -> float:
        """The rate of `step`, counted from 0."""
        warmup = max(1, round(self.warmup * self.steps))
        if step < warmup:
            return self.peak_lr * (step + 1) / warmup
        progress = (step - warmup + 0.5) / max(1, self.steps - warmup)
        if self.schedule == "cosine":
            return self.peak_lr * 0.5 * (1 + math.cos(math.pi * progress))
        return self.peak_lr * min(1.0, (1 - progress) / _WSD_DECAY)


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


class RunFolder:
    """The folder of one run.

    ``weights.safetensors`` and ``result.json`` are what a finished run leaves, with
    ``checkpoints/step-*.safetensors`` when it was asked for them, and ``timing.json``, the only
    file that differs between two runs of one address. ``state.safetensors`` is there while the
    run is not finished.
    """

    def __init__(self, path: str, address: str, config: TrainConfig):
        self.path = os.path.abspath(path)
        self.weights = os.path.join(self.path, "weights.safetensors")
        self._address = address
        self._config = config
        self._result = os.path.join(self.path, "result.json")
        self._timing = os.path.join(self.path, "timing.json")
        self._state = os.path.join(self.path, "state.safetensors")
        storage.make_folder(self.path)

    def checkpoints(self) -> list[Checkpoint]:
        """Where weights are kept on the way: evenly spaced steps, the last one not among them."""
        config, parts = self._config, self._config.checkpoints + 1
        steps = sorted({config.steps * part // parts for part in range(1, parts)} - {0})
        return [
            Checkpoint(
                step,
                config.tokens_at(step),
                os.path.join(self.path, "checkpoints", f"step-{step:07d}.safetensors"),
            )
            for step in steps
        ]

    def finished(self) -> TrainResult | None:
        """The result, when the run is done.

        Raises
        ------
        UserError
            When the folder holds the result of another run.
        """
        if not os.path.exists(self._result):
            return None
        row = json.loads(storage.read_text(self._result))
        self._check(row.pop("address"), self._result)
        row["seconds"] = json.loads(storage.read_text(self._timing))["seconds"]
        row["weights"] = self.weights
        row["loss_curve"] = [(tokens, loss) for tokens, loss in row["loss_curve"]]
        row["checkpoints"] = self.checkpoints()
        return TrainResult(**row)

    def commit(self, result: TrainResult) -> None:
        """Write the result: from here on the run is done."""
        row = dataclasses.asdict(result)
        seconds = row.pop("seconds")
        del row["weights"], row["checkpoints"]  # so that the folder can be moved
        storage.write_text(self._timing, json.dumps({"seconds": seconds}) + "\n")
        text = json.dumps({"address": self._address, **row}, indent=1, sort_keys=True)
        storage.write_text(self._result, text + "\n")
        storage.delete(self._state)

    def save_state(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Keep what the run needs to go on after `step` steps."""
        save_tensors(tensors, self._state, {"address": self._address, "step": str(step)})

    def load_state(self) -> tuple[int, dict[str, Tensor]]:
        """Steps done and the last state that was kept; 0 and nothing when there is none.

        Raises
        ------
        UserError
            When the state is that of another run.
        """
        if not os.path.exists(self._state):
            return 0, {}
        tensors, metadata = load_tensors(self._state)
        self._check(metadata.get("address"), self._state)
        return int(metadata["step"]), tensors

    def _check(self, address: str | None, path: str) -> None:
        if address != self._address:
            raise UserError(f"{path}: belongs to another run; give each run its own folder")


def loss_curve(losses: np.ndarray, config: TrainConfig) -> list[tuple[int, float]]:
    """Mean loss over at most 200 equal parts of a run, at the tokens seen by the end of each."""
    parts = np.array_split(losses.astype(np.float64), min(_CURVE_POINTS, len(losses)))
    ends = np.cumsum([len(part) for part in parts])
    return [
        (config.tokens_at(int(end)), float(part.mean()))
        for end, part in zip(ends, parts, strict=True)
    ]
