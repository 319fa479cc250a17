"""Training: the same bits every time, however often it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import proxies
from catalogs.errors import UserError
from proxies import runtime
from tests.proxy_streams import MIX, TINY, Breaks, config, real_streams

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    return real_streams(tmp_path_factory.mktemp("streams"))


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


def test_a_killed_process_is_carried_on_by_another_to_the_same_bits(streams, tmp_path):
    shape = config(streams, checkpoints=3)
    whole = proxies.train(MIX, streams, shape, str(tmp_path / "whole"))
    script = (
        "import os, signal, sys, proxies\n"
        "class Dies(proxies.TokenStream):\n"
        "    reads = 60\n"
        "    def window(self, index, context):\n"
        "        self.reads -= 1\n"
        "        self.reads or os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().window(index, context)\n"
        "code, prose, out = sys.argv[1:]\n"
        "streams = {'prose': proxies.TokenStream(prose), 'code': Dies(code)}\n"
        f"shape = proxies.ModelConfig({streams['code'].info.vocab_size}, **{TINY})\n"
        "run = proxies.TrainConfig(shape, 6000, batch=4, context=32, lr=4e-3, checkpoints=3)\n"
        f"proxies.train({MIX}, streams, run, out)\n"
    )
    folder = tmp_path / "killed"
    paths = (streams["code"].path, streams["prose"].path, str(folder))
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    ended = subprocess.run([sys.executable, "-c", script, *paths], env=environment)
    assert ended.returncode == -signal.SIGKILL
    assert (folder / "state.safetensors").exists()
    assert not (folder / "result.json").exists()
    resumed = proxies.train(MIX, streams, shape, str(folder))
    assert weights_of(resumed) == weights_of(whole)
    assert (folder / "result.json").read_bytes() == (tmp_path / "whole/result.json").read_bytes()


@pytest.mark.parametrize(
    ("dtype", "reads"),
    [("float32", 2), ("float32", 80), ("bfloat16", 45), ("bfloat16", 116)],
)
def test_a_run_that_was_cut_goes_on_to_the_same_bits(streams, tmp_path, dtype, reads):
    shape = config(streams, checkpoints=3, dtype=dtype, schedule="wsd")
    whole = proxies.train(MIX, streams, shape, str(tmp_path / "whole"))
    folder = tmp_path / "cut"
    breaking = {**streams, "code": Breaks(streams["code"].path, reads)}
    with pytest.raises(OSError, match="input/output"):
        proxies.train(MIX, breaking, shape, str(folder))
    assert (folder / "state.safetensors").exists() == (reads > 2)
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


def test_a_run_may_start_from_given_weights(streams, tmp_path):
    first = proxies.train(MIX, streams, config(streams, tokens=3000), str(tmp_path / "first"))
    shape = config(streams, tokens=1500, lr=1e-9)
    second = proxies.train(MIX, streams, shape, str(tmp_path / "2"), start=first.weights)
    fresh = proxies.train(MIX, streams, shape, str(tmp_path / "3"))
    before, after = (proxies.load_model(one.weights).state_dict() for one in (first, second))
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight, atol=1e-6, rtol=1e-5)
    assert second.loss_curve[0][1] < fresh.loss_curve[0][1] - 0.3
    with pytest.raises(UserError, match="belongs to another run"):
        proxies.train(MIX, streams, shape, str(tmp_path / "2"))
    other = proxies.ModelConfig(streams["code"].info.vocab_size, 32, 1, 1, 32)
    config_of_other = proxies.TrainConfig(other, 1500, batch=4, context=32)
    with pytest.raises(UserError, match="weights of another model"):
        proxies.train(MIX, streams, config_of_other, str(tmp_path / "4"), start=first.weights)


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
