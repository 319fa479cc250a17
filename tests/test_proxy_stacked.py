"""Stacks: several proxies as one program end as each would alone."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import proxies
from catalogs.errors import UserError
from proxies.stacked import Stack
from tests.proxy_streams import Breaks

torch.set_num_threads(1)

SHAPE = proxies.ModelConfig(257, 64, 2, 2, 96)
CONFIG = proxies.TrainConfig(
    SHAPE, tokens=20 * 4 * 32, batch=4, context=32, lr=4e-3, dtype="float32", checkpoints=3
)
MIXES = [({"code": 0.7, "prose": 0.3}, 0), ({"prose": 1.0}, 1), ({"code": 1.0}, 5)]


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    tokenizer = proxies.load_tokenizer("bytes")
    texts = {"code": Path(os.__file__).read_text(), "prose": Path(__file__).read_text() * 3}
    for name, text in texts.items():
        proxies.write_stream([text[:20_000]], tokenizer, str(folder / f"{name}.bin"))
    return {name: proxies.TokenStream(str(folder / f"{name}.bin")) for name in texts}


def members(folder, subsample=None) -> list[proxies.StackMember]:
    return [
        proxies.StackMember(mix, seed, str(folder / f"{i}"), subsample)
        for i, (mix, seed) in enumerate(MIXES)
    ]


def test_a_stack_trains_what_each_would_be_alone(streams, tmp_path):
    subsample = {"prose": 640}
    stacked = proxies.train_stack(members(tmp_path, subsample), streams, CONFIG)
    for i, (mix, seed) in enumerate(MIXES):
        config = dataclasses.replace(CONFIG, seed=seed)
        used = {name: count for name, count in subsample.items() if name in mix}
        alone = proxies.train(mix, streams, config, str(tmp_path / f"alone{i}"), used)
        curves = [np.array(one.loss_curve) for one in (alone, stacked[i])]
        assert len(curves[0]) == 20
        np.testing.assert_allclose(*curves, rtol=1e-5)
        assert curves[0][-1, 1] < curves[0][0, 1] - 0.5
        assert stacked[i].epochs == alone.epochs
        weights = [dict(proxies.load_model(r.weights).state_dict()) for r in (alone, stacked[i])]
        assert weights[0].keys() == weights[1].keys()
        for name, weight in weights[0].items():
            # Adam turns a rounding of a gradient near zero into a step: seen, 3e-4
            torch.testing.assert_close(weights[1][name], weight, rtol=1e-3, atol=2e-3)
        scores = [
            proxies.bits_per_byte(proxies.load_model(r.weights, "float32"), streams["code"], 32)
            for r in (alone, stacked[i])
        ]
        assert scores[0].value == pytest.approx(scores[1].value, rel=1e-4)


def test_bfloat16_stays_near(streams, tmp_path):
    half = dataclasses.replace(CONFIG, dtype="bfloat16")
    results = [
        proxies.train_stack(members(tmp_path / dtype), streams, config)
        for dtype, config in (("half", half), ("single", CONFIG))
    ]
    for one, other in zip(*results, strict=True):
        assert one.dtype == "bfloat16"
        assert one.loss_curve[-1][1] == pytest.approx(other.loss_curve[-1][1], rel=0.02)


def test_models_of_a_stack_do_not_touch():
    torch.manual_seed(0)
    models = [proxies.Decoder(SHAPE).initialise(seed) for seed in range(3)]
    for model in models:
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.1)
    tokens = torch.randint(257, (3, 2, 17))
    stack = Stack(models, torch.device("cpu"))
    losses = stack.losses(tokens[..., :-1], tokens[..., 1:])
    for i, model in enumerate(models):
        assert losses[i].item() == pytest.approx(
            model.loss(tokens[i, :, :-1], tokens[i, :, 1:]).item()
        )
    losses[1].backward()
    for name, weight in stack.weights.items():
        assert weight.grad[1].any(), name
        assert not weight.grad[[0, 2]].any(), name
    norms = sum(
        weight.grad.square().sum((*range(1, weight.dim()),)) for weight in stack.weights.values()
    )
    before = {name: weight.grad.clone() for name, weight in stack.weights.items()}
    most = norms[1].sqrt().item() / 2
    stack.clip(most)
    for name, weight in stack.weights.items():
        torch.testing.assert_close(weight.grad[1], before[name][1] / 2, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("reads", [3, 40, 70])
def test_a_stack_that_was_cut_goes_on_to_the_same_bits(streams, tmp_path, reads):
    whole = proxies.train_stack(members(tmp_path / "whole"), streams, CONFIG)
    breaking = {**streams, "code": Breaks(streams["code"].path, reads)}
    with pytest.raises(OSError, match="input/output"):
        proxies.train_stack(members(tmp_path / "cut"), breaking, CONFIG)
    resumed = proxies.train_stack(members(tmp_path / "cut"), streams, CONFIG)
    for one, other in zip(whole, resumed, strict=True):
        assert Path(one.weights).read_bytes() == Path(other.weights).read_bytes()
        assert one.loss_curve == other.loss_curve
        assert not list(Path(other.weights).parent.glob("state*"))
        for mine, theirs in zip(one.checkpoints, other.checkpoints, strict=True):
            assert Path(mine.path).read_bytes() == Path(theirs.path).read_bytes()


def test_members_cut_at_different_steps_and_finished_ones_are_kept(streams, tmp_path):
    config = dataclasses.replace(CONFIG, tokens=10 * 4 * 32, checkpoints=2)
    whole = proxies.train_stack(members(tmp_path / "whole"), streams, config)
    mixed = members(tmp_path / "mixed")
    finished = proxies.train_stack(mixed[:1], streams, config)[0]
    stamp = os.stat(finished.weights).st_mtime_ns
    breaking = {**streams, "prose": Breaks(streams["prose"].path, 30)}
    with pytest.raises(OSError, match="input/output"):
        proxies.train_stack(mixed[1:2], breaking, config)
    results = proxies.train_stack(mixed, streams, config)
    assert os.stat(finished.weights).st_mtime_ns == stamp
    for one, other in zip(whole, results, strict=True):
        np.testing.assert_allclose(one.loss_curve, other.loss_curve, rtol=1e-5)


def test_stacks_and_single_runs_do_not_share_folders(streams, tmp_path):
    mix, seed = MIXES[0]
    proxies.train(mix, streams, dataclasses.replace(CONFIG, seed=seed), str(tmp_path / "0"))
    with pytest.raises(UserError, match="belongs to another run"):
        proxies.train_stack(members(tmp_path)[:1], streams, CONFIG)
    with pytest.raises(UserError, match="the loss is not finite at step"):
        wild = dataclasses.replace(CONFIG, lr=1e12, clip=1e9)
        proxies.train_stack(members(tmp_path / "wild"), streams, wild)


def test_a_stack_fits_into_memory():
    sizes = [proxies.stack_size(CONFIG, memory) for memory in (1, 1 << 30, 1 << 50)]
    assert sizes[0] == 1
    assert sizes[2] == 64
    big = dataclasses.replace(CONFIG, model=proxies.ModelConfig.named("300M", 50_000), context=1024)
    assert proxies.stack_size(big, 80 << 30) < proxies.stack_size(CONFIG, 80 << 30)
