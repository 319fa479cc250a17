"""Scores are code lengths of documents, each scored alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import proxies
from catalogs.errors import UserError
from tests.proxy_streams import MIX, config, real_streams, tiny

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    return real_streams(tmp_path_factory.mktemp("streams"))


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
