"""Proxies: exact shares, the same bits every time, and scores that are code lengths."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import proxies
from catalogs.errors import DamageError, UserError
from proxies import kernels, runtime
from proxies.sampling import check_mix, quotas, training_order

torch.set_num_threads(1)

TINY = {"width": 64, "layers": 2, "heads": 2, "hidden": 96}


def tiny(vocab_size: int) -> proxies.ModelConfig:
    return proxies.ModelConfig(vocab_size, **TINY)


@pytest.fixture(scope="module")
def texts() -> dict[str, list[str]]:
    """Real text: Python's own modules, and the descriptions of installed packages."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    code = [path.read_text(encoding="utf-8")[:4000] for path in sorted(stdlib.glob("[a-d]*.py"))]
    metadata = [d.metadata for d in importlib.metadata.distributions()]
    metadata.sort(key=lambda one: one["Name"].lower())
    prose = [str(one.get_payload())[:4000] for one in metadata]
    prose = [text for text in dict.fromkeys(prose) if len(text) > 1000]
    assert min(len(code), len(prose)) > 20
    return {"code": code[:50], "prose": prose[:50]}


@pytest.fixture(scope="module")
def tokenizer(texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("bpe") / "tokenizer.json"
    return proxies.train_bpe(texts["code"] + texts["prose"], 512, str(path))


@pytest.fixture(scope="module")
def streams(texts, tokenizer, tmp_path_factory):
    """By source, what is trained on; with ``held_out/`` before it, every fifth document."""
    folder = tmp_path_factory.mktemp("streams")
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


def config(streams, **changes) -> proxies.TrainConfig:
    settings = {"tokens": 6000, "batch": 4, "context": 32, "lr": 4e-3} | changes
    return proxies.TrainConfig(tiny(streams["code"].info.vocab_size), **settings)


# ---- shares and order ---------------------------------------------------------------------------

shares = st.dictionaries(
    st.sampled_from("abcdefgh"), st.floats(0, 1, allow_subnormal=False), min_size=1
).filter(lambda weights: sum(weights.values()) > 0.01)


def normalised(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return check_mix({name: value / total for name, value in weights.items()}, weights)


@given(shares, st.integers(0, 100_000))
def test_quotas_sum_up_and_are_within_one(weights, total):
    mix = normalised(weights)
    counts = quotas(mix, total)
    assert sum(counts.values()) == total
    assert all(abs(counts[name] - mix[name] * total) < 1 + 1e-6 for name in mix)
    assert quotas(dict(reversed(mix.items())), total) == counts


@given(shares, st.integers(1, 400), st.integers(0, 9), st.integers(1, 30), st.integers(1, 40))
def test_order_repeats_exactly_and_keeps_the_share_on_the_way(weights, n, seed, windows, usable):
    mix = normalised(weights)
    order = training_order(mix, dict.fromkeys(mix, windows), n, seed, {"a": usable})
    assert len(order.source) == n
    for i, name in enumerate(order.names):
        drawn = order.window[order.source == i]
        unique = min(windows, usable) if name == "a" else windows
        assert len(drawn) == quotas(mix, n)[name]
        times = np.bincount(drawn, minlength=windows)
        assert (times > 0).sum() == min(unique, len(drawn))
        seen = times[times > 0]
        assert not len(seen) or seen.max() - len(drawn) // unique in (0, 1)
        assert order.epochs[name] == len(drawn) / unique
        for epoch in range(len(drawn) // unique):
            assert len(set(drawn[epoch * unique : (epoch + 1) * unique])) == unique
        prefix = np.cumsum(order.source == i)
        expected = len(drawn) / n * np.arange(1, n + 1)
        assert np.abs(prefix - expected).max() < len(mix) + 1


def test_mixes_of_one_seed_share_windows_and_subsets_nest():
    def drawn(share, **options):
        mix = {"a": share, "b": 1 - share}
        order = training_order(mix, {"a": 100, "b": 100}, 80, seed=3, **options)
        return order.window[order.source == 0].tolist()

    assert drawn(0.25) == drawn(0.5)[:20]
    assert set(drawn(0.5, usable={"a": 10})) < set(drawn(0.5, usable={"a": 20}))
    other = training_order({"a": 1.0}, {"a": 100}, 80, seed=4).window.tolist()
    assert drawn(1.0) != other


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"code": 0.5, "pros": 0.5}, "did you mean 'prose'"),
        ({"code": 0.5, "prose": 0.4}, "must sum to 1, got 0.9"),
        ({"code": 1.5, "prose": -0.5}, "'prose' must be a number of at least 0"),
        ({"code": float("nan"), "prose": 1.0}, "'code' must be a number of at least 0"),
    ],
)
def test_a_wrong_mix_is_named(mix, message):
    with pytest.raises(UserError, match=message):
        check_mix(mix, {"code": 0, "prose": 0})


# ---- tokenizers and streams ---------------------------------------------------------------------


def test_bpe_does_not_depend_on_the_order_of_texts(texts, tmp_path):
    documents = texts["code"][:12]
    for name, part in (("a", documents), ("b", documents), ("c", documents[::-1])):
        proxies.train_bpe(iter(part), 400, str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_tokenizers_give_text_back(tokenizer, documents):
    for one in (tokenizer, proxies.load_tokenizer("bytes")):
        for text, ids in zip(documents, one.encode(documents), strict=True):
            assert one.decode(ids) == text
            assert one.eos_id not in ids


def test_a_quoted_end_token_does_not_end_a_document(tokenizer):
    (ids,) = tokenizer.encode(["see <|endoftext|> in the vocabulary"])
    assert tokenizer.eos_id not in ids


def test_foreign_tokenizers_load_with_their_own_end(tmp_path):
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "</s>": 1, "END": 2}, "a"))
    path = str(tmp_path / "tokenizer.json")
    inner.save(path)
    assert proxies.load_tokenizer(path).eos_id == 1
    assert proxies.load_tokenizer(path, eos="END").eos_id == 2
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "END"}}))
    assert proxies.load_tokenizer(path).eos_id == 2
    with pytest.raises(UserError, match="no token 'STOP'"):
        proxies.load_tokenizer(path, eos="STOP")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UserError, match=r"not a tokenizer\.json"):
        proxies.load_tokenizer(str(tmp_path / "broken.json"))
    with pytest.raises(UserError, match="no such tokenizer"):
        proxies.load_tokenizer(str(tmp_path / "absent.json"))
    with pytest.raises(UserError, match="the least is 257"):
        proxies.train_bpe(["a"], 256, path)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=6))
def test_streams_hold_every_token_and_byte(tmp_path_factory, documents):
    path = str(tmp_path_factory.mktemp("stream") / "s.bin")
    info = proxies.write_stream(documents, proxies.load_tokenizer("bytes"), path)
    stream = proxies.TokenStream(path)
    expected = [i for text in documents for i in (*text.encode(), 256)]
    assert stream.tokens.tolist() == expected
    assert stream.document_bytes.tolist() == [len(text.encode()) for text in documents]
    assert stream.document_ends.tolist() == [i + 1 for i, t in enumerate(expected) if t == 256]
    assert stream.info == info
    sizes = (len(expected), sum(stream.document_bytes), len(documents))
    assert (info.n_tokens, info.n_bytes, info.n_documents) == sizes


def test_streams_are_whole_or_absent(tmp_path):
    path = str(tmp_path / "s.bin")

    def texts():
        yield "first"
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        proxies.write_stream(texts(), proxies.load_tokenizer("bytes"), path)
    assert os.listdir(tmp_path) == []
    with pytest.raises(UserError, match="no finished token stream"):
        proxies.TokenStream(path)
    proxies.write_stream(["first"], proxies.load_tokenizer("bytes"), path)
    os.truncate(path, 8)
    with pytest.raises(DamageError, match="not the 32 bytes"):
        proxies.TokenStream(path)
    with pytest.raises(UserError, match="give a local path"):
        proxies.write_stream(["a"], proxies.load_tokenizer("bytes"), "s3://bucket/s.bin")


# ---- model --------------------------------------------------------------------------------------


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


# ---- training -----------------------------------------------------------------------------------

MIX = {"code": 0.62, "prose": 0.38}


def weights_of(result: proxies.TrainResult) -> bytes:
    return Path(result.weights).read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_training_gives_the_same_bits(streams, tmp_path, dtype):
    shape = config(streams, dtype=dtype)
    first = proxies.train(MIX, streams, shape, str(tmp_path / "a"))
    torch.rand(1000)  # the global generator is not consulted
    reordered = dict(reversed(MIX.items()))
    second = proxies.train(reordered, streams, shape, str(tmp_path / "b"))
    assert weights_of(first) == weights_of(second)
    results = [(tmp_path / run / "result.json").read_bytes() for run in "ab"]
    assert results[0] == results[1]
    assert first.dtype == dtype
    other = proxies.train(MIX, streams, config(streams, dtype=dtype, seed=1), str(tmp_path / "c"))
    assert weights_of(other) != weights_of(first)


def test_another_process_gives_the_same_bits(streams, tmp_path):
    here = proxies.train(MIX, streams, config(streams, tokens=1500), str(tmp_path / "here"))
    script = (
        "import sys, proxies\n"
        "code, prose, out = sys.argv[1:]\n"
        "streams = {'prose': proxies.TokenStream(prose), 'code': proxies.TokenStream(code)}\n"
        f"shape = proxies.ModelConfig({streams['code'].info.vocab_size}, **{TINY})\n"
        "run = proxies.TrainConfig(shape, tokens=1500, batch=4, context=32, lr=4e-3)\n"
        f"proxies.train({MIX}, streams, run, out)\n"
    )
    paths = (streams["code"].path, streams["prose"].path, str(tmp_path / "there"))
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", script, *paths], check=True, env=environment)
    assert (tmp_path / "there" / "weights.safetensors").read_bytes() == weights_of(here)


class Breaks(proxies.TokenStream):
    """A stream whose disk fails after some reads."""

    reads = 80

    def window(self, index, context):
        self.reads -= 1
        if not self.reads:
            raise OSError("input/output error")
        return super().window(index, context)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_run_that_was_cut_goes_on_to_the_same_bits(streams, tmp_path, dtype):
    shape = config(streams, checkpoints=3, dtype=dtype, schedule="wsd")
    whole = proxies.train(MIX, streams, shape, str(tmp_path / "whole"))
    folder = tmp_path / "cut"
    breaking = {**streams, "code": Breaks(streams["code"].path)}
    with pytest.raises(OSError, match="input/output"):
        proxies.train(MIX, breaking, shape, str(folder))
    assert (folder / "state.safetensors").exists()
    resumed = proxies.train(MIX, streams, shape, str(folder))
    assert weights_of(resumed) == weights_of(whole)
    assert resumed.loss_curve == whole.loss_curve
    assert not (folder / "state.safetensors").exists()
    assert [one.step for one in resumed.checkpoints] == [11, 23, 35]
    assert resumed.checkpoints[0].tokens == 11 * 4 * 32
    for one, other in zip(resumed.checkpoints, whole.checkpoints, strict=True):
        assert Path(one.path).read_bytes() == Path(other.path).read_bytes()
        proxies.load_model(one.path)


def test_a_finished_run_is_not_repeated_and_folders_are_not_shared(streams, tmp_path):
    first = proxies.train(MIX, streams, config(streams, tokens=1000), str(tmp_path))
    before = os.stat(first.weights).st_mtime_ns
    assert proxies.train(MIX, streams, config(streams, tokens=1000), str(tmp_path)) == first
    assert os.stat(first.weights).st_mtime_ns == before
    with pytest.raises(UserError, match="belongs to another run"):
        proxies.train(MIX, streams, config(streams, tokens=2000), str(tmp_path))


def test_shares_and_repetition_are_reported(streams, tmp_path):
    shape = config(streams, tokens=4000, batch=3)
    mix = {"code": 0.7, "prose": 0.3, "held_out/code": 0.0}
    result = proxies.train(mix, streams, shape, str(tmp_path), {"code": 700})
    assert result.tokens == 125 * 32
    assert result.steps == 42
    assert result.source_tokens == {"code": 88 * 32, "prose": 37 * 32, "held_out/code": 0}
    assert result.unique_tokens["code"] == 21 * 32
    assert result.epochs["code"] == 88 / 21
    assert result.epochs["held_out/code"] == 0
    assert result.loss_curve[-1][0] == result.tokens
    assert result.loss_curve[-1][1] < result.loss_curve[0][1]


def test_wrong_runs_are_named(streams, tmp_path):
    def run(mix=MIX, subsample=None, sources=streams, **changes):
        proxies.train(mix, sources, config(streams, **changes), str(tmp_path / "x"), subsample)

    with pytest.raises(UserError, match=r"subsample: source 'cod'.*did you mean 'code'"):
        run(subsample={"cod": 3})
    with pytest.raises(UserError, match="must make at least one sequence"):
        run(tokens=20)
    with pytest.raises(UserError, match="schedule 'linear' is unknown"):
        run(schedule="linear")
    with pytest.raises(UserError, match="lr must be above 0"):
        run(lr=0.0)
    with pytest.raises(UserError, match="warmup must be a share"):
        run(warmup=100)
    with pytest.raises(UserError, match="no whole sequence"):
        run(context=100_000, tokens=200_000)
    with pytest.raises(UserError, match="dtype 'half' is unknown"):
        run(dtype="half")
    with pytest.raises(UserError, match="the loss is not finite at step"):
        run(lr=1e12, dtype="float32", clip=1e9)
    with pytest.raises(UserError, match="did you mean '15M'"):
        proxies.ModelConfig.named("15", 1000)
    with pytest.raises(UserError, match="multiple of 2 x heads"):
        proxies.ModelConfig(100, 30, 1, 4, 8)
    path = str(tmp_path / "bytes.bin")
    proxies.write_stream(["a" * 99], proxies.load_tokenizer("bytes"), path)
    with pytest.raises(UserError, match="different tokenizers"):
        run(sources={**streams, "prose": proxies.TokenStream(path)})
    with pytest.raises(UserError, match="not the streams' 257"):
        run({"bytes": 1.0}, sources={"bytes": proxies.TokenStream(path)})


def test_one_thread_is_given_back():
    torch.set_num_threads(2)
    with runtime.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


# ---- evaluation ---------------------------------------------------------------------------------


def test_a_uniform_model_needs_the_same_bits_for_every_token(streams):
    stream = streams["held_out/prose"]
    model = proxies.Decoder(tiny(stream.info.vocab_size)).initialise(0)
    torch.nn.init.zeros_(model.embedding)
    score = proxies.bits_per_byte(model, stream, 32)
    per_token = np.log2(stream.info.vocab_size)
    assert score.value == pytest.approx(per_token * stream.info.n_tokens / stream.info.n_bytes)
    np.testing.assert_allclose(score.bits, per_token * score.n_tokens, rtol=1e-6)
    assert score.n_tokens.sum() == stream.info.n_tokens
    assert score.n_bytes.sum() == stream.info.n_bytes


def test_documents_are_scored_alone_and_every_token_once(tmp_path):
    documents = ["abcdefgh" * 5, "", "xyz", "12345678", "1234567", "é" * 33]
    tokenizer = proxies.load_tokenizer("bytes")
    path = str(tmp_path / "all.bin")
    proxies.write_stream(documents, tokenizer, path)
    model = proxies.Decoder(tiny(257)).initialise(3)
    score = proxies.bits_per_byte(model, proxies.TokenStream(path), context=8, batch_tokens=24)
    for i, text in enumerate(documents):
        ids = [*text.encode(), 256]
        bits = 0.0
        for start in range(0, len(ids), 8):
            piece = [ids[start - 1] if start else 256, *ids[start : start + 8]]
            logits = model(torch.tensor([piece[:-1]]))[0].log_softmax(-1)
            bits -= logits[range(len(piece) - 1), piece[1:]].sum().item() / np.log(2)
        assert score.bits[i] == pytest.approx(bits, rel=1e-5)
        proxies.write_stream([text], tokenizer, path + ".one")
        alone = proxies.bits_per_byte(model, proxies.TokenStream(path + ".one"), context=8)
        assert alone.bits[0] == pytest.approx(score.bits[i], rel=1e-5)
        assert np.isnan(alone.standard_error)
    with pytest.raises(UserError, match="vocabulary of 257 ids is not the model's 300"):
        proxies.bits_per_byte(proxies.Decoder(tiny(300)), proxies.TokenStream(path), 8)


def test_a_stream_without_documents_has_no_score(tmp_path):
    tokenizer = proxies.load_tokenizer("bytes")
    proxies.write_stream([], tokenizer, str(tmp_path / "s.bin"))
    stream = proxies.TokenStream(str(tmp_path / "s.bin"))
    score = proxies.bits_per_byte(proxies.Decoder(tiny(257)).initialise(0), stream, 8)
    assert np.isnan(score.value)
    assert len(score.bits) == 0


def test_the_standard_error_is_that_of_resampled_documents():
    generator = np.random.default_rng(0)
    n_bytes = generator.integers(100, 5000, 300)
    bits = n_bytes * generator.normal(2, 0.3, 300)
    value, error = proxies.ratio(bits, n_bytes)
    rows = generator.integers(0, 300, (4000, 300))
    resampled = bits[rows].sum(1) / n_bytes[rows].sum(1)
    assert value == bits.sum() / n_bytes.sum()
    assert error == pytest.approx(resampled.std(), rel=0.1)


def test_training_lowers_bits_and_more_code_helps_code(streams, tmp_path):
    shape = config(streams, tokens=40_000, batch=8, lr=8e-3)
    bits = {}
    for share in (0.1, 0.9):
        mix = {"code": share, "prose": 1 - share}
        result = proxies.train(mix, streams, shape, str(tmp_path / str(share)))
        model = proxies.load_model(result.weights)
        for name in mix:
            bits[share, name] = proxies.bits_per_byte(model, streams[f"held_out/{name}"], 32)
    start = proxies.Decoder(shape.model).initialise(0)
    for name in MIX:
        untrained = proxies.bits_per_byte(start, streams[f"held_out/{name}"], 32).value
        assert max(bits[share, name].value for share in (0.1, 0.9)) < 0.85 * untrained
    noise = bits[0.9, "code"].standard_error
    assert bits[0.9, "code"].value < bits[0.1, "code"].value - noise
    assert bits[0.1, "prose"].value < bits[0.9, "prose"].value
