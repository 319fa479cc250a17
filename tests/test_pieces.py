"""Encoding by remembered pieces gives the library's ids, or is not used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer, WordPieceTrainer

from proxies.pieces import PieceEncoder, piece_encoder, splits_at_words
from proxies.tokenizer import ByteTokenizer, load_tokenizer
from tests.inputs import prose

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [prose(n) for n in range(20)] + [
    "def main():\n    return {'a': [1, 2.5, 1000000], \"b\": None}  # it's\r\n\r\n",
    "Ça va? Ñandú über straße, naïve café — «Привет, мир»! 你好，世界。こんにちは ",
    "e\u0301 o\u0308, ﬁ ſ\u037e x",
    "  \t\n\n   \n a  b   c\u00a0d\u200be I'll we're 'quoted' don't 12345678 1,234.5 v2.0 x86_64",
]  # fmt: skip


def trained(split, normalizer=None, added=()) -> Tokenizer:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = split
    inner.decoder = decoders.ByteLevel()
    if normalizer:
        inner.normalizer = normalizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>"]
    trainer = BpeTrainer(
        vocab_size=1500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(TEXTS * 3, trainer)
    inner.add_tokens([AddedToken(one, normalized=False) for one in added])
    inner.encode_special_tokens = True
    return inner


def byte_level(**options):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **options)


TOKENIZERS = {
    "gpt2": trained(byte_level(use_regex=True)),
    "neox": trained(
        byte_level(use_regex=True), normalizers.NFC(), ["  ", "   ", "    ", "|||E_MAIL|||"]
    ),
    "cl100k": trained(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(CL100K), "isolated"),
                byte_level(use_regex=False),
            ]
        )
    ),
}


def check(inner: Tokenizer, encoder: PieceEncoder, texts: list[str]) -> None:
    expected = [one.ids for one in inner.encode_batch_fast(texts, add_special_tokens=False)]
    tokens, lengths = encoder.encode(texts)
    assert lengths.tolist() == [len(ids) + 1 for ids in expected]
    assert tokens.tolist() == [one for ids in expected for one in [*ids, encoder.eos_id]]


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
@pytest.mark.parametrize("entries", [16, 1 << 12])
def test_the_ids_are_the_librarys(name, entries):
    inner = TOKENIZERS[name]
    assert splits_at_words(inner)
    encoder = PieceEncoder(inner, 0, entries)
    for _ in range(2):  # new, and remembered; or never, when there is no room
        check(inner, encoder, TEXTS)
        check(inner, encoder, ["", "one", ""])
        check(inner, encoder, ["send it to |||E_MAIL||| and go", "|||", "<|endoftext|> quoted"])
    check(inner, encoder, [])


ENCODERS = {name: PieceEncoder(inner, 0, 1 << 12) for name, inner in TOKENIZERS.items()}
characters = st.sampled_from([*"abZ'’ \n\t\r.,-_()019é жΔ中ſ\u0301\u00a0\u200b🙂ﬁǅ|"])


@given(st.lists(st.text(characters, max_size=40) | st.text(max_size=15), max_size=6))
def test_any_text_has_the_librarys_ids(texts):
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    for name, inner in TOKENIZERS.items():
        check(inner, ENCODERS[name], texts)


def test_a_tokenizer_that_does_not_split_at_words_is_left_alone():
    metaspace = trained(pre_tokenizers.Metaspace())
    prefixed = trained(pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True))
    unsplit = trained(byte_level(use_regex=False))
    folded = trained(byte_level(use_regex=True), normalizers.NFKD())
    greedy = trained(byte_level(use_regex=True))
    greedy.add_tokens([AddedToken("<x>", lstrip=True)])
    pieces = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    pieces.pre_tokenizer = pre_tokenizers.Whitespace()
    pieces.train_from_iterator(TEXTS, WordPieceTrainer(vocab_size=300, show_progress=False))
    for inner in (metaspace, prefixed, unsplit, folded, greedy, pieces):
        assert not splits_at_words(inner)


def test_the_encoder_of_a_process_is_kept(tmp_path):
    path = tmp_path / "tokenizer.json"
    inner = TOKENIZERS["gpt2"]
    inner.enable_truncation(8)  # as many published files have it
    path.write_text(inner.to_str())
    inner.no_truncation()
    tokenizer = load_tokenizer(str(path))
    encoder = piece_encoder(tokenizer)
    assert encoder is piece_encoder(load_tokenizer(str(path)))
    assert piece_encoder(ByteTokenizer()) is None
    tokens, lengths = encoder.encode(TEXTS)
    ids = tokenizer.encode(TEXTS)
    assert lengths.tolist() == [len(one) + 1 for one in ids]
    assert max(lengths) > 100
    assert np.array_equal(tokens[: lengths[0] - 1], ids[0])
