"""The proxy: a small decoder of the Llama family in plain PyTorch, and its sizes by name."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile

import safetensors.torch
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from catalogs import storage
from catalogs.errors import UserError, nearest
from proxies import kernels, runtime
from proxies.sizes import SIZES


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shape of a decoder: RMSNorm before each part, rotary positions, SwiGLU, tied embeddings.

    Attributes
    ----------
    vocab_size
        Number of token ids, the end-of-document token included.
    width, layers, heads, hidden
        Width of the residual stream, number of layers, heads, width inside the SwiGLU.
    rope_theta
        Base of the rotary periods.
    """

    vocab_size: int
    width: int
    layers: int
    heads: int
    hidden: int
    rope_theta: float = 10000.0

    def __post_init__(self):
        if self.width % (2 * self.heads):
            raise UserError(
                f"model: width {self.width} must be a multiple of 2 x heads ({2 * self.heads})"
            )

    @classmethod
    def named(cls, name: str, vocab_size: int) -> ModelConfig:
        """The config of a named size, ``0.1M`` to ``300M`` non-embedding parameters.

        Raises
        ------
        UserError
            When there is no such size.
        """
        if name not in SIZES:
            hint = nearest(name, SIZES) or f" (valid: {', '.join(SIZES)})"
            raise UserError(f"model '{name}' is unknown{hint}")
        return cls(vocab_size, *SIZES[name])

    @property
    def non_embedding_parameters(self) -> int:
        width = self.width
        return self.layers * (4 * width**2 + 3 * width * self.hidden + 2 * width) + width

    @property
    def parameters(self) -> int:
        return self.non_embedding_parameters + self.vocab_size * self.width


class Decoder(nn.Module):
    """Maps token ids to logits. Weights are float32; products run in `dtype`."""

    def __init__(self, config: ModelConfig, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.config = config
        self.dtype = dtype
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.width))
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.norm = nn.Parameter(torch.ones(config.width))
        self._phases: Tensor | None = None

    @torch.no_grad()
    def initialise(self, seed: int) -> Decoder:
        """Draw the weights from `seed`: normal, and zero where a layer writes to the stream.

        With zero output matrices every layer starts as the identity, which lets small models
        learn at the high rates that short runs need.
        """
        generator = torch.Generator().manual_seed(seed)
        for name, weight in sorted(self.named_parameters()):
            if name.endswith("norm"):
                weight.fill_(1.0)
            elif name.endswith(("mix", "down")):
                weight.zero_()
            else:
                deviation = 0.02 if name == "embedding" else self.config.width**-0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * deviation)
        return self

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (batch, context, vocabulary) of the token after each of `tokens`."""
        return F.linear(self._stream(tokens), self._readout())

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats of `targets`, both int64 of shape (batch, context)."""
        stream = self._stream(tokens).flatten(0, 1)
        return kernels.linear_cross_entropy(stream, self._readout(), targets.flatten())

    def _stream(self, tokens: Tensor) -> Tensor:
        # the rows are small, as logits want them; the scale makes them the peers of what layers add
        stream = F.embedding(tokens, self.embedding) * self.config.width**0.5
        phases = self._rotary(tokens.shape[1], tokens.device)
        for layer in self.layers:
            stream = layer(stream, phases, self.dtype)
        return kernels.rms_norm(stream, self.dtype)

    def _readout(self) -> Tensor:
        return (self.embedding * self.norm).to(self.dtype)

    def _rotary(self, context: int, device: torch.device) -> Tensor:
        known = self._phases
        if known is None or len(known) < context or known.device != device:
            config = self.config
            head_width = config.width // config.heads
            known = kernels.rotary_phases(context, head_width, config.rope_theta, device)
            self._phases = known
        return known[:context]


class _Layer(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        width, hidden = config.width, config.hidden
        self.heads = config.heads
        self.attention_norm = nn.Parameter(torch.ones(width))
        self.attention = nn.Parameter(torch.empty(3 * width, width))
        self.attention_mix = nn.Parameter(torch.empty(width, width))
        self.feed_norm = nn.Parameter(torch.ones(width))
        self.feed = nn.Parameter(torch.empty(2 * hidden, width))
        self.feed_down = nn.Parameter(torch.empty(width, hidden))

    def forward(self, stream: Tensor, phases: Tensor, dtype: torch.dtype) -> Tensor:
        batch, context, width = stream.shape
        attention = (self.attention * self.attention_norm).to(dtype)
        qkv = F.linear(kernels.rms_norm(stream, dtype), attention)
        qkv = qkv.view(batch, context, 3, self.heads, width // self.heads)
        mixed = kernels.causal_attention(qkv, phases)
        stream = stream + F.linear(mixed, self.attention_mix.to(dtype))
        feed = (self.feed * self.feed_norm).to(dtype)
        gate, up = F.linear(kernels.rms_norm(stream, dtype), feed).chunk(2, -1)
        return stream + F.linear(F.silu(gate) * up, self.feed_down.to(dtype))


def save_tensors(tensors: dict[str, Tensor], path: str, metadata: dict[str, str]) -> None:
    """Write tensors and text metadata as one safetensors file, atomically."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), suffix=".tmp")
    os.close(handle)
    cpu = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
    safetensors.torch.save_file(cpu, temporary, metadata)
    storage.publish(temporary, os.path.abspath(path))


def load_tensors(path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_tensors` wrote.

    Raises
    ------
    UserError
        When the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {
                name: file.get_tensor(name) for name in sorted(file.keys())
            }, file.metadata() or {}
    except FileNotFoundError:
        raise UserError(f"{path}: no such weights file") from None
    except SafetensorError as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}); train again") from None


def save_model(model: Decoder, path: str) -> None:
    """Write the weights, and the config as metadata, to one safetensors file."""
    config = json.dumps(dataclasses.asdict(model.config), sort_keys=True)
    save_tensors(model.state_dict(), path, {"config": config})


def load_model(path: str, dtype: str = "auto", device: str = "auto") -> Decoder:
    """Read a model that `save_model` wrote.

    Parameters
    ----------
    dtype, device
        How it is to compute, as in `runtime`; the weights are float32 in any case.

    Raises
    ------
    UserError
        When the file is missing, damaged, or holds something else.
    """
    tensors, metadata = load_tensors(path)
    if "config" not in metadata:
        raise UserError(f"{path}: holds no proxy model (its metadata has no 'config')")
    place = runtime.resolve_device(device)
    config = ModelConfig(**json.loads(metadata["config"]))
    model = Decoder(config, runtime.resolve_dtype(dtype, place))
    model.load_state_dict(tensors)
    return model.to(place)
