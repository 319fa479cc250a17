"""Gold answers: reading suites, and the bits that a proxy needs for a continuation."""

from __future__ import annotations

import gzip
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import proxies
from catalogs.errors import UserError
from proxies import Item
from proxies.tokenizer import load_tokenizer

torch.set_num_threads(1)
CONTEXT = 24


@pytest.fixture(scope="module")
def model():
    shape = proxies.ModelConfig(load_tokenizer("bytes").vocab_size, 64, 2, 2, 96)
    return proxies.Decoder(shape, torch.float32).initialise(3)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
short = st.builds(Item, texts, st.text("abc é7", min_size=1, max_size=10))


@settings(max_examples=20, deadline=None)
@given(st.lists(short, min_size=1, max_size=8), st.sampled_from([30, 8192]))
def test_items_are_scored_alone_each_after_its_context(model, items, batch_tokens):
    tokenizer = load_tokenizer("bytes")
    found = proxies.score_items(model, tokenizer, items, CONTEXT, batch_tokens)
    for item, bits, size, count in zip(
        items, found.bits, found.n_bytes, found.n_tokens, strict=True
    ):
        before, after = (
            tokenizer.encode([item.context])[0],
            tokenizer.encode([item.continuation])[0],
        )
        ids = [tokenizer.eos_id, *before, *after]
        if len(ids) <= CONTEXT + 1:
            logits = model(torch.tensor([ids[:-1]])).float()[0]
            nats = F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
            assert bits == pytest.approx(nats[-len(after) :].sum().item() / math.log(2), rel=1e-4)
        assert size == len(item.continuation.encode()) and count == len(after)
    assert found.value == pytest.approx(found.bits.sum() / found.n_bytes.sum())


def test_a_long_continuation_is_scored_once_in_pieces_that_see_what_is_before(model):
    tokenizer = load_tokenizer("bytes")
    long = Item("x" * 50, "the answer is forty-two, or thereabouts" * 3)
    found = proxies.score_items(model, tokenizer, [long, Item("x" * 50, "yes")], CONTEXT)
    assert found.n_tokens.tolist() == [len(long.continuation), 3]
    other = proxies.score_items(model, tokenizer, [Item("y" * 50, long.continuation)], CONTEXT)
    assert np.isfinite(found.bits).all() and other.bits[0] != found.bits[0]


def test_suites_are_read_plain_zipped_and_as_requests(tmp_path):
    flat = [{"context": f"{n}+1=", "continuation": f"{n + 1}"} for n in range(4)]
    lines = "\n".join(map(json.dumps, flat)) + "\n\n"
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    items = [Item(**row) for row in flat]
    assert proxies.read_items(str(tmp_path / "a.jsonl")) == items
    assert proxies.read_items(str(tmp_path / "a.jsonl.gz"), limit=3) == items[:3]
    asked = [{"request": row, "idx": n, "label": 2} for n, row in enumerate(flat)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, asked)))
    assert proxies.read_items(str(tmp_path / "b.jsonl")) == items[2:3]  # the right choice alone


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "line 1 is not JSON"),
        ('{"context": "a"}', "line 1: field 'continuation' should be a text"),
        ('{"context": "a", "continuation": ""}', "field 'continuation' is empty"),
        ("[]", "field 'context' should be a text"),
        ("", "no item with a context"),
    ],
)
def test_a_mistake_in_a_suite_is_told(tmp_path, text, told):
    (tmp_path / "s.jsonl").write_text(text)
    with pytest.raises(UserError, match=told):
        proxies.read_items(str(tmp_path / "s.jsonl"))
    with pytest.raises(UserError, match="cannot be read"):
        proxies.read_items(str(tmp_path / "none.jsonl"))
