"""The three operations that decide a small model's speed, with hand-written gradients.

Plain eager PyTorch spends most of a small decoder's step outside the matrix products: in
attention (the fused CPU kernel is slow at short contexts, its bfloat16 gradient most of all), in
the softmax over the vocabulary, and in passes over activations. Each function here computes what
its plain formula says, in fewer passes; products run in the given number type, and the sums inside
norms, softmax and loss in float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

# The explicit product is twice as fast as the fused kernel at 512 tokens and a quarter faster at
# 2048; above, its square of scores takes too much memory.
_LONGEST_EXPLICIT_CONTEXT = 2048


def rms_norm(x: Tensor, dtype: torch.dtype, eps: float = 1e-5) -> Tensor:
    """Root-mean-square normalisation without gain (Zhang and Sennrich, 2019), cast to `dtype`.

    Parameters
    ----------
    x
        float32, shape (..., width); the last axis is normalised.
    dtype
        Number type of the result.

    Notes
    -----
    The gain belongs to the matrix that reads the result: ``linear(rms_norm(x), weight * gain)``.
    """
    return _RMSNorm.apply(x, dtype, eps)


class _RMSNorm(Function):
    @staticmethod
    def forward(ctx, x, dtype, eps):
        mean_square = torch.linalg.vecdot(x, x).div_(x.shape[-1])
        scale = mean_square.add_(eps).rsqrt_().unsqueeze(-1)
        normed = x * scale
        ctx.save_for_backward(normed, scale)
        return normed.to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        normed, scale = ctx.saved_tensors
        grad = grad.float()
        along = torch.linalg.vecdot(grad, normed).div_(-normed.shape[-1]).unsqueeze(-1)
        return torch.addcmul(grad, normed, along).mul_(scale), None, None


def rotary_phases(context: int, head_width: int, theta: float, device=None) -> Tensor:
    """Unit complex numbers (context, 1, 1, head_width / 2) that turn a pair by its position.

    Pair ``i`` at position ``t`` is turned by ``t * theta ** (-2 i / head_width)`` radians
    (RoPE; Su et al., 2021).
    """
    pair = torch.arange(0, head_width, 2, device=device, dtype=torch.float64)
    position = torch.arange(context, device=device, dtype=torch.float64)
    angle = torch.outer(position, theta ** (-pair / head_width))
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)[:, None, None]


def causal_attention(qkv: Tensor, phases: Tensor) -> Tensor:
    """Causal scaled dot-product attention over rotary queries and keys.

    Parameters
    ----------
    qkv
        Shape (batch, context, 3, heads, head_width), queries, keys and values.
    phases
        What `rotary_phases` returned for this context and head width.

    Returns
    -------
    Tensor
        Shape (batch, context, heads * head_width), of the type of `qkv`.
    """
    batch, context, _, heads, head_width = qkv.shape
    explicit = qkv.device.type == "cpu" and context <= _LONGEST_EXPLICIT_CONTEXT
    if explicit and qkv.dtype == torch.bfloat16:
        return _CausalAttention.apply(qkv, phases)
    queries_keys = _turn(qkv[:, :, :2], phases).to(qkv.dtype)
    q, k = queries_keys.permute(2, 0, 3, 1, 4)
    v = qkv[:, :, 2].transpose(1, 2)
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return mixed.transpose(1, 2).reshape(batch, context, heads * head_width)


def _turn(x: Tensor, phases: Tensor) -> Tensor:
    """Multiply the pairs of the last axis of `x` with `phases`, as float32."""
    pairs = x.float().reshape(*x.shape[:-1], -1, 2)
    return torch.view_as_real(torch.view_as_complex(pairs) * phases).flatten(-2)


def _by_head(x: Tensor, dtype: torch.dtype) -> Tensor:
    """(batch, context, parts, heads, head_width) as (parts, batch * heads, context, head_width)."""
    batch, context, parts, heads, head_width = x.shape
    result = torch.empty(parts, batch, heads, context, head_width, dtype=dtype, device=x.device)
    result.copy_(x.permute(2, 0, 3, 1, 4))
    return result.view(parts, batch * heads, context, head_width)


class _CausalAttention(Function):
    @staticmethod
    def forward(ctx, qkv, phases):
        batch, context, _, heads, head_width = qkv.shape
        q, k = _by_head(_turn(qkv[:, :, :2], phases), qkv.dtype)
        v = _by_head(qkv[:, :, 2:], qkv.dtype)[0]
        future = torch.full((context, context), float("-inf"), dtype=q.dtype, device=q.device)
        scores = torch.bmm(q, k.transpose(1, 2)).mul_(head_width**-0.5).add_(future.triu_(1))
        weights = torch.softmax(scores, -1)
        ctx.save_for_backward(q, k, v, weights, phases)
        ctx.shape = qkv.shape
        mixed = torch.bmm(weights, v).view(batch, heads, context, head_width)
        return mixed.transpose(1, 2).reshape(batch, context, heads * head_width)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        q, k, v, weights, phases = ctx.saved_tensors
        batch, context, _, heads, head_width = ctx.shape
        grad = _by_head(grad.view(batch, context, 1, heads, head_width), grad.dtype)[0]
        d_weights = torch.bmm(grad, v.transpose(1, 2))
        d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype)
        d_scores.mul_(head_width**-0.5)
        d_turned = torch.empty(batch, context, 2, heads, head_width, device=grad.device)
        result = grad.new_empty(ctx.shape)
        products = (
            (d_turned[:, :, 0], d_scores, k),
            (d_turned[:, :, 1], d_scores.transpose(1, 2), q),
            (result[:, :, 2], weights.transpose(1, 2), grad),
        )
        for place, left, right in products:
            product = torch.bmm(left, right).view(batch, heads, context, head_width)
            place.copy_(product.transpose(1, 2))
        result[:, :, :2] = _turn(d_turned, phases.conj())
        return result, None


def linear_cross_entropy(x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean of ``-log softmax(x @ weight.T)[target]`` in nats; the gradient is made on the way.

    The logits are never kept: the forward pass turns them into the gradient in place, in chunks
    of rows that stay in cache.

    Parameters
    ----------
    x
        Shape (tokens, width).
    weight
        Shape (vocabulary, width), of the type of `x`.
    targets
        int64, shape (tokens,).
    """
    return _LinearCrossEntropy.apply(x, weight, targets)


class _LinearCrossEntropy(Function):
    @staticmethod
    def forward(ctx, x, weight, targets, chunk=1024):
        d_x = torch.empty_like(x)
        d_weight = torch.zeros_like(weight, dtype=torch.float32)
        loss = torch.zeros((), device=x.device)
        for start in range(0, len(x), chunk):
            rows = slice(start, start + chunk)
            error = torch.softmax(x[rows] @ weight.T, -1)
            flat = error.view(-1)
            hit = torch.arange(len(error), device=x.device) * len(weight) + targets[rows]
            probability = flat[hit]
            loss -= probability.float().clamp_min(1e-38).log().sum()
            flat[hit] = probability - 1
            torch.mm(error, weight, out=d_x[rows])
            d_weight += error.T @ x[rows]
        ctx.save_for_backward(d_x, d_weight)
        ctx.count = len(x)
        ctx.dtype = weight.dtype
        return loss / len(x)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        d_x, d_weight = ctx.saved_tensors
        grad = grad / ctx.count
        return (d_x * grad).to(d_x.dtype), (d_weight * grad).to(ctx.dtype), None, None
