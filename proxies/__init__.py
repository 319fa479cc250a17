"""Proxy models: tokenise, train small decoders on mixes, score them on held-out text."""

from proxies.evaluate import BPB, bits_per_byte, ratio
from proxies.model import SIZES, Decoder, ModelConfig, load_model, save_model
from proxies.runs import Checkpoint, TrainConfig, TrainResult
from proxies.sampling import quotas
from proxies.suites import Item, read_items, score_items, suite_path
from proxies.tokenizer import Tokenizer, load_tokenizer, train_bpe
from proxies.tokens import StreamInfo, TokenStream, write_stream
from proxies.train import train

__all__ = [
    "BPB",
    "SIZES",
    "Checkpoint",
    "Decoder",
    "Item",
    "ModelConfig",
    "StreamInfo",
    "TokenStream",
    "Tokenizer",
    "TrainConfig",
    "TrainResult",
    "bits_per_byte",
    "load_model",
    "load_tokenizer",
    "quotas",
    "ratio",
    "read_items",
    "save_model",
    "score_items",
    "suite_path",
    "train",
    "train_bpe",
    "write_stream",
]
