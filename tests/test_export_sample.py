"""How an export draws documents, cuts them into sequences, and what it depends on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.ledger import File, Row
from mixing.export.gather import _cut
from mixing.export.sample import buckets, copy_keys, repetitions, row_hashes, uniforms
from mixing.export.units import rows_behind


def test_scores_given_to_a_finished_run_stand_behind_its_shards():
    def row(step, shard, inputs=(), **files):
        made = {kind: File(f"{kind}/{shard}", 1, 1, sums) for kind, sums in files.items()}
        return Row(step, shard, "", made, 1, 1, inputs=list(inputs))

    rows = [
        row("ingest", "a", documents="d1"),
        row("ingest", "b", documents="d2"),
        row("judge", "a", attributes="j1"),
        row("apply-good", "a", ["d1"], applied="s1"),
        row("apply-good", "b", ["d2"], applied="s2"),
        row("write", "w", ["a//documents:d1", "a//attributes:j1"], corpus="c"),
    ]
    ((written, behind),) = rows_behind(rows)
    assert written.shard == "w"
    found = {(one.step, one.shard) for one in behind}
    assert found == {("ingest", "a"), ("judge", "a"), ("apply-good", "a")}


groups = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(1, 10**9)),
    min_size=1,
    max_size=8,
    unique_by=lambda g: g[0],
)


@given(groups, st.floats(0.01, 3.9), st.floats(1, 8))
def test_repetitions_meet_the_quota_under_the_cap(table, epochs, cap):
    factors, tokens = (np.array(column, float) for column in zip(*sorted(table), strict=True))
    quota = epochs * tokens.sum()
    rates = repetitions(factors, tokens, quota, cap)
    if epochs > cap * (1 + 1e-9):
        assert rates is None
        return
    if rates is None:
        assert epochs > cap * (1 - 1e-9)
        return
    assert (rates * tokens).sum() == pytest.approx(quota)
    assert (rates <= cap * (1 + 1e-9)).all()
    free = rates < cap * (1 - 1e-9)
    scales = rates[free] / factors[free]
    assert scales.tolist() == pytest.approx([scales.max(initial=0)] * len(scales))


def test_hashes_are_uniform_and_differ_by_seed_and_copy():
    ids = pa.array([f"{n * 2654435761 % 2**64:032x}" for n in range(20_000)])
    first, second = (row_hashes(ids, seed, 1) for seed in (0, 1))
    for hashes in (first, second, copy_keys(first, np.ones(len(first)))):
        u = uniforms(hashes)
        assert abs(u.mean() - 0.5) < 0.01
        counts = np.bincount(buckets(hashes, 10), minlength=10)
        assert counts.min() > 1800
        assert counts.max() < 2200
    assert abs(np.corrcoef(uniforms(first), uniforms(second))[0, 1]) < 0.03


@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=60), st.integers(1, 300), st.integers(0, 500)
)
def test_cuts_cover_the_stream_once(lengths, context, skipped):
    lengths = np.array(lengths)
    own_start = skipped
    begins = own_start + np.cumsum(lengths) - lengths
    stop = int(begins[-1] + lengths[-1])
    first, end = -(-own_start // context), -(-stop // context)
    pieces = _cut(begins, lengths, first, end - first, context, stop)
    covered = np.concatenate(
        [np.arange(begins[d] + s, begins[d] + e)
         for d, s, e in zip(pieces["document"], pieces["start"], pieces["end"], strict=True)]
        or [np.zeros(0, int)]
    )  # fmt: skip
    assert covered.tolist() == list(range(first * context, stop))
    assert (pieces["position"] + pieces["end"] - pieces["start"] <= context).all()
