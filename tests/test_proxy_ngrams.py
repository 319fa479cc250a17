"""n-gram experts: exact counts, probabilities that sum to one, prices of any mix."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import proxies
from catalogs.errors import UserError
from proxies import ngrams

BYTES = proxies.load_tokenizer("bytes")
EOS = BYTES.eos_id


def stream(folder, name: str, documents: list[str]) -> proxies.TokenStream:
    path = str(folder / f"{name}.bin")
    proxies.write_stream(documents, BYTES, path)
    return proxies.TokenStream(path)


def brute_force(ids: list[int], orders: int) -> tuple[Counter, Counter]:
    """Occurrences of (context, token) and of the context; a context ends with its document."""
    followed, seen = Counter(), Counter()
    for place, token in enumerate(ids):
        for order in range(orders):
            context = ids[place - order : place] if order <= place else None
            if context is None or EOS in context[1:]:
                break
            followed[tuple(context), token] += 1
            seen[tuple(context)] += 1
    return followed, seen


texts = st.lists(st.text("ab", max_size=12), min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(texts, texts, st.integers(1, 4))
def test_counts_are_those_of_a_plain_count(tmp_path_factory, train, held, orders):
    folder = tmp_path_factory.mktemp("ngrams")
    source = stream(folder, "train", train)
    scored = ngrams.held_out_texts(stream(folder, "held", held))
    counts = ngrams.count_ngrams(scored, {"one": source, "two": source}, orders)
    followed, seen = brute_force(source.tokens.tolist(), orders)
    ids = scored.ids.tolist()
    for i, place in enumerate(scored.places.tolist()):
        for order in range(orders):
            context = tuple(ids[place - order : place]) if order <= place else None
            if context is None or EOS in context[1:]:
                assert not counts.followed[order, i].any()
                assert not counts.seen[order, i].any()
                continue
            assert counts.followed[order, i].tolist() == [followed[context, ids[place]]] * 2
            assert counts.seen[order, i].tolist() == [seen[context]] * 2


@settings(deadline=None, max_examples=20)
@given(texts, st.text("ab", max_size=6), st.integers(1, 5000))
def test_probabilities_of_all_tokens_sum_to_one(tmp_path_factory, train, context, tokens):
    folder = tmp_path_factory.mktemp("ngrams")
    source = stream(folder, "train", train)
    before = [EOS, *context.encode()]
    ids = np.array([[*before, token] for token in range(257)], np.uint32)
    places = np.arange(1, 258) * (len(before) + 1) - 1
    scored = ngrams.Scored(ids.ravel(), places, 257)
    experts = ngrams.ngram_experts(scored, {"one": source}, tokens)
    assert experts.probability.sum(0) == pytest.approx(1, abs=1e-4)


def test_a_mix_is_priced_by_the_mixture_of_the_experts(tmp_path):
    sources = {
        "a": stream(tmp_path, "a", ["abab" * 40] * 9),
        "b": stream(tmp_path, "b", ["bbba" * 40] * 9),
    }
    scored = ngrams.held_out_texts(stream(tmp_path, "held", ["abababab" * 9, "ab" * 30]))
    experts = ngrams.ngram_experts(scored, sources, 3000)
    shares = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    bits = experts.bits_per_byte(shares)
    expected = -np.log2(experts.probability.astype(float) @ shares.T).sum(0) / (72 + 60)
    np.testing.assert_allclose(bits, expected, rtol=1e-5)
    assert bits[0] < bits[1] < bits[2]
    assert bits[1] <= bits[[0, 2]].mean()  # convex
    experts.save(str(tmp_path / "e.npz"))
    again = ngrams.Experts.load(str(tmp_path / "e.npz"))
    assert again.sources == ("a", "b")
    np.testing.assert_array_equal(again.bits_per_byte(shares), bits)
    experts.save(str(tmp_path / "f.npz"))
    assert (tmp_path / "e.npz").read_bytes() == (tmp_path / "f.npz").read_bytes()


def test_suites_score_the_continuation_after_its_context(tmp_path):
    items = [proxies.Item("ab", "ab"), proxies.Item("", "bé")]
    scored = ngrams.suite_texts(items, BYTES)
    ids = [EOS, *b"abab", EOS, *"bé".encode()]
    assert scored.ids.tolist() == ids
    assert scored.places.tolist() == [3, 4, 6, 7, 8]
    assert scored.n_bytes == 5
    assert ngrams.suite_texts(items, BYTES, limit=2).n_bytes == 2


def test_texts_are_cut_between_documents(tmp_path):
    held = stream(tmp_path, "held", ["aaaa", "bbbb", "cccc"])
    assert ngrams.held_out_texts(held, 10).n_bytes == 8
    assert ngrams.held_out_texts(held, 1).n_bytes == 4
    assert ngrams.held_out_texts(held).n_bytes == 12


def test_streams_that_cannot_be_counted_are_named(tmp_path):
    held = stream(tmp_path, "held", ["ab"])
    scored = ngrams.held_out_texts(held)
    with pytest.raises(UserError, match="source 'empty': no tokens to count"):
        ngrams.ngram_experts(scored, {"empty": stream(tmp_path, "empty", [])}, 10)
    tokenizer = proxies.train_bpe(["ab" * 50], 300, str(tmp_path / "t.json"))
    proxies.write_stream(["ab"], tokenizer, str(tmp_path / "other.bin"))
    other = proxies.TokenStream(str(tmp_path / "other.bin"))
    with pytest.raises(UserError, match="different tokenizers"):
        ngrams.count_ngrams(scored, {"a": held, "b": other})
