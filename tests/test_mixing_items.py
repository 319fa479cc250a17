"""Intervals that know the evaluation items: drawn anew, in the losses' own arithmetic."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mixing
from mixing.ask import Ask
from mixing.items import ItemScores, item_shifts, read_items
from mixing.model import fit_model
from mixing.proxy_jobs import SCORES
from proxies.evaluate import ratio
from tests.planted import planted


def test_shifts_spread_as_the_standard_error_of_a_ratio_says():
    rng = np.random.default_rng(0)
    n_bytes = rng.integers(20, 400, 300)
    bits = n_bytes * rng.normal(1.2, 0.3, (3, 300))
    shifts = ItemScores(bits, n_bytes).shifts(4000, np.random.default_rng(1))
    for run in range(3):
        _, error = ratio(bits[run], n_bytes)
        assert shifts[:, run].std() == pytest.approx(error, rel=0.06)
        assert abs(shifts[:, run].mean()) < 0.1 * error


def test_a_draw_is_what_scoring_those_items_would_have_said():
    rng = np.random.default_rng(2)
    scores = ItemScores(rng.uniform(1, 9, (4, 6)), np.array([3, 0, 5, 2, 8, 1]))
    shifts = scores.shifts(5, np.random.default_rng(7))
    taken = np.random.default_rng(7).multinomial(6, np.full(6, 1 / 6), size=5)
    for draw in range(5):
        chosen = np.repeat(np.arange(6), taken[draw])
        loss = scores.bits[:, chosen].sum(1) / scores.n_bytes[chosen].sum()
        assert np.allclose(shifts[draw], loss - scores.bits.sum(1) / scores.n_bytes.sum())
    alone = ItemScores(np.ones((4, 1)), np.array([3]))
    assert not alone.shifts(5, np.random.default_rng(0)).any()


def write_items(path, tasks):
    parts = [
        pa.table([[task] * len(bits), list(range(len(bits))), bits, sizes, [1] * len(bits)],
                 schema=SCORES)
        for task, (bits, sizes) in tasks.items()
    ]  # fmt: skip
    pq.write_table(pa.concat_tables(parts), path)
    return str(path)


def test_items_are_read_by_task_and_only_where_all_runs_have_the_same(tmp_path):
    runs = []
    for run in range(3):
        held = write_items(
            tmp_path / f"{run}.parquet",
            {
                "web": ([2.0 + run, 3.0, 4.0], [1, 2, 3]),
                "code": ([1.0, 5.0], [4, 4 + (run == 2)]),
            },
        )
        runs.append([held, write_items(tmp_path / f"{run}.s.parquet", {"sums": ([7.0], [9])})])
    found = read_items(runs, ("web", "code", "sums"))
    assert set(found) == {"web", "sums"}  # the items of code differ between runs
    assert found["web"].bits.tolist() == [[2 + run, 3, 4] for run in range(3)]
    shifts = item_shifts(found, ("web", "code", "sums"), 10, 0)
    assert shifts.shape == (10, 3, 3) and shifts[:, :, 0].any()
    assert not shifts[:, :, 1:].any()
    more = item_shifts(found, ("sums", "web"), 10, 0)
    assert np.array_equal(more[:, :, 1], shifts[:, :, 0])  # whatever stands beside it
    assert item_shifts({}, ("web",), 10, 0) is None


def test_few_items_make_the_intervals_wider():
    _, tokens, swarm, losses = planted(1, m=3, noise=0.002)
    rng = np.random.default_rng(0)
    taste = rng.normal(size=(3, 30, 3))  # what an item of a task makes of each domain
    items = {
        name: ItemScores(
            100 * (losses[:, t, None] + 0.3 * swarm.shares @ (taste[t] - taste[t].mean(0)).T),
            np.full(30, 100),
        )
        for t, name in enumerate(swarm.domains)
    }
    assert np.allclose(items["d0"].bits.sum(1) / 3000, losses[:, 0])
    ask = Ask(swarm.domains, tokens, np.full(3, 1 / 3), 1.0, swarm.domains, max_epochs=None)
    widths, gains = [], []
    for shifts in (None, item_shifts(items, swarm.domains, 60, 0)):
        model = fit_model(swarm.shares, losses, 60, shifts=shifts)
        found = mixing.recommend(model.bank, ask, 0.0, whole=False)
        widths.append((found.high - found.low).mean())
        gains.append(np.ptp(found.gain["natural"][1:]))
    assert widths[1] > 1.3 * widths[0] and gains[1] > gains[0]
