"""Models small enough to be made in a test, in the folders that their libraries make."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

WORDS = [
    "the",
    "theorem",
    "follows",
    "because",
    "each",
    "term",
    "of",
    "sum",
    "converges",
    "and",
    "proof",
    "is",
    "complete",
    "click",
    "here",
    "now",
    "buy",
    "cheap",
    "tickets",
    "win",
    "free",
    "prizes",
    "best",
    "deals",
    "online",
    "casino",
    "court",
    "held",
    "that",
    "statute",
    "applies",
]


def word_pieces(folder: Path, longest: int = 48) -> dict[str, int]:
    """A tokenizer of BERT's kind; returns its vocabulary."""
    from transformers import BertTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces += letters + [f"##{letter}" for letter in letters] + sorted({*WORDS} - {*letters})
    (folder / "vocab.txt").write_text("\n".join(pieces))
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    tokenizer = BertTokenizerFast(vocab=vocabulary, model_max_length=longest)
    tokenizer.save_pretrained(folder)
    return vocabulary


def sequence_classifier(folder: Path, labels: tuple[str, ...] = ("LABEL_0",), **config) -> Path:
    """A BERT of 32 dimensions with a head, drawn with a seed."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    folder.mkdir(parents=True)
    vocabulary = word_pieces(folder)
    torch.manual_seed(7)
    told = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
        initializer_range=0.6,
        **config,
    )
    BertForSequenceClassification(told).save_pretrained(folder)
    return folder


def sentence_encoder(folder: Path) -> Path:
    """A folder of sentence-transformers: the BERT above, and the mean of its tokens."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    inner = sequence_classifier(folder.with_name(folder.name + "-bert"))
    transformer = modules.Transformer(str(inner), max_seq_length=32)
    pooling = modules.Pooling(32, "mean")
    SentenceTransformer(modules=[transformer, pooling], device="cpu").save(str(folder))
    return folder


def model2vec(folder: Path, dims: int = 16, normalize: bool = True) -> Path:
    """A folder of model2vec with a table of words, weights and a mapping."""
    folder.mkdir(parents=True)
    vocabulary = {word: place for place, word in enumerate(["[UNK]", *dict.fromkeys(WORDS)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    draw, half = np.random.default_rng(3), len(vocabulary) // 2
    tables = {
        "embeddings": draw.normal(size=(half, dims)).astype(np.float32),
        "mapping": (np.arange(len(vocabulary)) % half).astype(np.int64),
        "weights": draw.random(len(vocabulary)).astype(np.float64),
    }
    save_file(tables, str(folder / "model.safetensors"))
    config = {"model_type": "model2vec", "normalize": normalize}
    (folder / "config.json").write_text(json.dumps(config))
    return folder
