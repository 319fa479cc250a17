"""Tokenizers give text back, and streams hold every token."""

from __future__ import annotations

import json
import os

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

import proxies
from catalogs.errors import DamageError, UserError
from tests.proxy_streams import real_texts


@pytest.fixture(scope="module")
def texts():
    return real_texts()


@pytest.fixture(scope="module")
def tokenizer(texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("bpe") / "tokenizer.json"
    return proxies.train_bpe(texts["code"] + texts["prose"], 512, str(path))


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
