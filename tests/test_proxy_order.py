"""Which window is trained on when: exact shares, exact repetition, a fixed order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.errors import UserError
from proxies.sampling import check_mix, quotas, training_order

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
