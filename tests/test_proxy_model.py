"""The model and its gradients are those of the papers' formulas, at every size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import proxies
from catalogs.errors import UserError
from proxies import kernels
from tests.proxy_streams import tiny

torch.set_num_threads(1)


@pytest.mark.parametrize("name", proxies.SIZES)
def test_sizes_are_what_they_are_called(name):
    shape = proxies.ModelConfig.named(name, 1000)
    with torch.device("meta"):
        model = proxies.Decoder(shape)
    counted = sum(weight.numel() for weight in model.parameters())
    assert counted == shape.parameters
    assert shape.non_embedding_parameters == counted - 1000 * shape.width
    assert shape.non_embedding_parameters == pytest.approx(float(name[:-1]) * 1e6, rel=0.07)


def plain_logits(model: proxies.Decoder, tokens: torch.Tensor) -> torch.Tensor:
    """The same decoder, written out as in the papers, in float64."""
    shape, weights = model.config, {n: w.double() for n, w in model.named_parameters()}
    heads, size = shape.heads, shape.width // shape.heads
    context = tokens.shape[1]
    angle = torch.arange(context)[:, None] * 10000.0 ** (-torch.arange(0, size, 2).double() / size)
    cos, sin = angle.cos(), angle.sin()

    def norm(x, gain):
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain

    def rotate(x):
        even, odd = x[..., ::2], x[..., 1::2]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)

    x = weights["embedding"][tokens] * shape.width**0.5
    for i in range(shape.layers):
        part = {n.split(".", 2)[2]: w for n, w in weights.items() if n.startswith(f"layers.{i}.")}
        qkv = norm(x, part["attention_norm"]) @ part["attention"].T
        q, k, v = qkv.view(*tokens.shape, 3, heads, size).permute(2, 0, 3, 1, 4)
        scores = rotate(q) @ rotate(k).transpose(-1, -2) / size**0.5
        future = torch.ones(context, context).triu(1).bool()
        mixed = scores.masked_fill(future, float("-inf")).softmax(-1) @ v
        x = x + mixed.transpose(1, 2).flatten(2) @ part["attention_mix"].T
        gate, up = (norm(x, part["feed_norm"]) @ part["feed"].T).chunk(2, -1)
        x = x + (F.silu(gate) * up) @ part["feed_down"].T
    return norm(x, weights["norm"]) @ weights["embedding"].T


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_the_model_and_its_gradients_are_those_of_the_plain_formulas(dtype, error):
    torch.manual_seed(0)
    model = proxies.Decoder(tiny(97), dtype).initialise(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    tokens = torch.randint(97, (3, 21))
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    plain = plain_logits(model, inputs)
    assert (model(inputs) - plain).norm() < error * plain.norm()
    expected = F.cross_entropy(plain.flatten(0, 1), targets.flatten())
    loss = model.loss(inputs, targets)
    assert loss.item() == pytest.approx(expected.item(), rel=error)
    names, weights = zip(*model.named_parameters(), strict=True)
    ours = torch.autograd.grad(loss, weights)
    theirs = torch.autograd.grad(expected, weights)
    for name, got, wanted in zip(names, ours, theirs, strict=True):
        assert (got - wanted).norm() < 2 * error * wanted.norm(), name


def test_the_loss_does_not_depend_on_the_chunk():
    torch.manual_seed(0)
    x, weight = torch.randn(2500, 8), torch.randn(11, 8)
    targets = torch.randint(11, (2500,))
    expected = F.cross_entropy(x @ weight.T, targets)
    assert kernels.linear_cross_entropy(x, weight, targets).item() == pytest.approx(expected.item())


def test_models_survive_the_disk(tmp_path):
    model = proxies.Decoder(tiny(300)).initialise(5)
    path = str(tmp_path / "m.safetensors")
    proxies.save_model(model, path)
    again = proxies.load_model(path, "float32")
    assert again.config == model.config
    tokens = torch.arange(40).view(2, 20)
    assert torch.equal(model(tokens), again(tokens))
    Path(path).write_bytes(Path(path).read_bytes()[:1000])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        proxies.load_model(path)
    with pytest.raises(UserError, match="no such weights"):
        proxies.load_model(str(tmp_path / "absent"))
