"""Texts through a transformer one by one, as scores are computed, beside padded batches.

    OMP_NUM_THREADS=1 python benchmarks/transformer_batches.py [--layers 6] [--dim 384]

A BERT with a head of one number, drawn at random: speed does not hang on the weights. CPU time on
one core. One by one a score has the same bits beside any other text; a batch is padded to its
longest text and changes the last ones.
"""

from __future__ import annotations

import argparse
import random
import time
from importlib.metadata import version

import torch
from transformers import BertConfig, BertForSequenceClassification


def rate(model: BertForSequenceClassification, lengths: list[int], batch: int) -> float:
    """Texts per second of CPU time."""
    texts = [torch.randint(0, 30_000, (length,)) for length in lengths]
    began = time.process_time()
    with torch.inference_mode():
        for start in range(0, len(texts), batch):
            part = texts[start : start + batch]
            ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True)
            own = torch.tensor([len(text) for text in part])
            mask = (torch.arange(ids.shape[1]) < own[:, None]).long()
            model(input_ids=ids, attention_mask=mask if batch > 1 else None)
    return len(texts) / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--texts", type=int, default=16)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=arguments.dim,
        num_hidden_layers=arguments.layers,
        num_attention_heads=max(arguments.dim // 32, 1),
        intermediate_size=4 * arguments.dim,
        num_labels=1,
    )
    model = BertForSequenceClassification(config).eval()
    rate(model, [512, 512], 2)
    draw = random.Random(0)
    kinds = {
        "512 tokens": [512] * arguments.texts,
        "20 to 512 tokens": [draw.randint(20, 512) for _ in range(arguments.texts)],
        "60 tokens": [60] * 3 * arguments.texts,
    }
    print(f"torch {version('torch')}, transformers {version('transformers')}")
    print(
        f"{'texts of':18} {'one by one/s':>13} {f'batches of {arguments.batch}/s':>15} {'ratio':>6}"
    )
    for name, lengths in kinds.items():
        alone, together = rate(model, lengths, 1), rate(model, lengths, arguments.batch)
        print(f"{name:18} {alone:13.1f} {together:15.1f} {alone / together:6.2f}")


if __name__ == "__main__":
    main()
