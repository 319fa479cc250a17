"""Score a proxy on held-out documents: bits and bytes of each, so that weighting comes later."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch

from catalogs.errors import UserError
from proxies import runtime
from proxies.model import Decoder
from proxies.tokens import TokenStream

LN2 = math.log(2)


@dataclasses.dataclass(frozen=True)
class BPB:
    """Bits per byte of a model on held-out documents.

    Attributes
    ----------
    value
        All bits over all bytes.
    standard_error
        Of `value` as a ratio over documents drawn at random; nan below two documents.
    bits
        float64, shape (documents,): code length of each document, its end included.
    n_bytes, n_tokens
        int64, shape (documents,): bytes of UTF-8 of the text; ids scored.
    """

    value: float
    standard_error: float
    bits: np.ndarray
    n_bytes: np.ndarray
    n_tokens: np.ndarray


def ratio(bits: np.ndarray, n_bytes: np.ndarray) -> tuple[float, float]:
    """``sum(bits) / sum(bytes)`` and its standard error, by linearisation (Cochran, 1977, §6.4).

    Documents differ in length, so the error is that of a ratio of two sums, not of a mean of
    ratios.
    """
    total = float(n_bytes.sum())
    if not total:
        return math.nan, math.nan
    value = float(bits.sum()) / total
    n = len(bits)
    if n < 2:
        return value, math.nan
    residual = bits - value * n_bytes
    return value, math.sqrt(n / (n - 1) * float(residual @ residual)) / total


def bits_per_byte(
    model: Decoder,
    stream: TokenStream,
    context: int,
    batch_tokens: int = 8192,
) -> BPB:
    """Score every document of a stream.

    Each document stands alone: its first token is predicted from an end-of-document token, and
    it is cut into pieces of `context` that do not overlap, each read after the last token of the
    piece before. Every token, the end of the document included, is predicted exactly once, so
    the bits of a document are the length of a code for it. The scores do not depend on which
    documents stand beside it.

    Parameters
    ----------
    model
        Computes in its own `dtype` and where its weights are; probabilities are float32.
    stream
        Held-out documents, made by the tokenizer that the model was trained with.
    context
        Tokens per piece: the context that the model was trained with.
    batch_tokens
        Tokens scored at once, a bound on memory.

    Raises
    ------
    UserError
        When the stream's vocabulary is not the model's.
    """
    if stream.info.vocab_size != model.config.vocab_size:
        raise UserError(
            f"{stream.path}: its vocabulary of {stream.info.vocab_size} ids is not the model's "
            f"{model.config.vocab_size}; use the tokenizer that the proxy was trained with"
        )
    place = model.embedding.device
    ends = np.asarray(stream.document_ends)
    n_tokens = np.diff(ends, prepend=0)
    pieces = _pieces(n_tokens, context)
    bits = np.zeros(len(ends))
    with runtime.one_thread(), torch.no_grad():
        for start, stop in batches(pieces[:, 2], batch_tokens):
            batch = pieces[start:stop]
            inputs, targets = _gather(stream, batch)
            nats = token_nats(model, inputs.to(place), targets.to(place)).double().sum(1)
            np.add.at(bits, batch[:, 0], nats.cpu().numpy() / LN2)
    n_bytes = np.asarray(stream.document_bytes)
    return BPB(*ratio(bits, n_bytes), bits, n_bytes, n_tokens)


def _pieces(n_tokens: np.ndarray, context: int) -> np.ndarray:
    """Rows (document, position of its first token, length), longest first, then in order.

    Equal lengths side by side leave next to no padding.
    """
    counts = -(-n_tokens // context)
    document = np.repeat(np.arange(len(n_tokens)), counts)
    begin = np.cumsum(n_tokens) - n_tokens
    nth = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
    length = np.minimum(context, n_tokens[document] - nth * context)
    pieces = np.stack([document, begin[document] + nth * context, length], 1)
    return pieces[np.argsort(-length, kind="stable")]


def batches(lengths: np.ndarray, batch_tokens: int):
    start = 0
    while start < len(lengths):
        stop = start + max(1, batch_tokens // int(lengths[start]))
        yield start, min(stop, len(lengths))
        start = stop


def _gather(stream: TokenStream, pieces: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of a batch of pieces; targets are -1 beyond a piece's end."""
    eos = stream.info.eos_id
    shape = (len(pieces), int(pieces[0, 2]))
    inputs, targets = np.full(shape, eos, np.int64), np.full(shape, -1, np.int64)
    for row, (_, start, length) in enumerate(pieces.tolist()):
        ids = stream.tokens[start : start + length]
        targets[row, :length] = ids
        inputs[row, 0] = stream.tokens[start - 1] if start else eos
        inputs[row, 1:length] = ids[:-1]
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def token_nats(model: Decoder, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """-ln p of each target, 0 where there is none; shape of `targets`."""
    logits = model(inputs).float()
    nats = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="none"
    )
    return nats.view(targets.shape)
