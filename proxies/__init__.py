"""Proxy models: tokenise, train small decoders on mixes, score them on held-out text.

Names are loaded when they are asked for: PyTorch takes seconds, and many verbs do not need it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from proxies.sizes import SIZES

if TYPE_CHECKING:
    from proxies.evaluate import BPB, bits_per_byte, ratio
    from proxies.model import Decoder, ModelConfig, load_model, save_model
    from proxies.ngrams import Experts, held_out_texts, ngram_experts, suite_texts
    from proxies.runs import Checkpoint, TrainConfig, TrainResult
    from proxies.sampling import quotas
    from proxies.stacked import StackMember, stack_size, train_stack
    from proxies.suites import Item, read_items, score_items, suite_path
    from proxies.tokenizer import Tokenizer, load_tokenizer, train_bpe
    from proxies.tokens import StreamInfo, TokenStream, write_stream
    from proxies.training import train

_PLACES = {
    "BPB": "evaluate",
    "Checkpoint": "runs",
    "Decoder": "model",
    "Experts": "ngrams",
    "Item": "suites",
    "ModelConfig": "model",
    "StackMember": "stacked",
    "StreamInfo": "tokens",
    "TokenStream": "tokens",
    "Tokenizer": "tokenizer",
    "TrainConfig": "runs",
    "TrainResult": "runs",
    "bits_per_byte": "evaluate",
    "held_out_texts": "ngrams",
    "load_model": "model",
    "load_tokenizer": "tokenizer",
    "ngram_experts": "ngrams",
    "quotas": "sampling",
    "ratio": "evaluate",
    "read_items": "suites",
    "save_model": "model",
    "score_items": "suites",
    "stack_size": "stacked",
    "suite_path": "suites",
    "suite_texts": "ngrams",
    "train": "training",
    "train_stack": "stacked",
    "train_bpe": "tokenizer",
    "write_stream": "tokens",
}

__all__ = [
    "BPB",
    "SIZES",
    "Checkpoint",
    "Decoder",
    "Experts",
    "Item",
    "ModelConfig",
    "StackMember",
    "StreamInfo",
    "TokenStream",
    "Tokenizer",
    "TrainConfig",
    "TrainResult",
    "bits_per_byte",
    "held_out_texts",
    "load_model",
    "load_tokenizer",
    "ngram_experts",
    "quotas",
    "ratio",
    "read_items",
    "save_model",
    "score_items",
    "stack_size",
    "suite_path",
    "suite_texts",
    "train",
    "train_bpe",
    "train_stack",
    "write_stream",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'proxies' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"proxies.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
