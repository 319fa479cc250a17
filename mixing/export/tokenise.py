"""TOKENISE: the texts of one corpus shard that may be drawn, as one flat row of ids."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.ledger import Row
from pipeline.jobs import Job, at_work
from proxies.pieces import piece_encoder
from proxies.tokenizer import ByteTokenizer, Tokenizer, load_tokenizer

SAMPLE_BYTES = 1 << 16  # of each domain of a shard
BATCH_BYTES = 1 << 20  # of text given to the tokenizer at once


@functools.lru_cache(maxsize=1)
def tokenizer_of(path: str, fingerprint: str) -> Tokenizer:
    """The tokenizer, read once in a process."""
    return load_tokenizer(path)


def token_type(vocab_size: int) -> np.dtype:
    """The smaller of uint16 and uint32 that holds all ids, little-endian."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Ids of all texts in a row, an end after each, and how many there are of each.

    Returns
    -------
    tokens, lengths
        (ids,) of `dtype` and (texts,) of int64, ends included.
    """
    encoder = piece_encoder(tokenizer)
    if encoder is not None:
        tokens, lengths = encoder.encode(texts)
        return tokens.astype(dtype, copy=False), lengths
    if isinstance(tokenizer, ByteTokenizer):
        encoded = [np.frombuffer(text.encode(), np.uint8) for text in texts]
    else:
        encoded = tokenizer.encode(texts)
    lengths = np.array([len(ids) + 1 for ids in encoded], np.int64)
    tokens = np.full(int(lengths.sum()), tokenizer.eos_id, dtype)
    at = 0
    for ids, length in zip(encoded, lengths.tolist(), strict=True):
        tokens[at : at + length - 1] = ids
        at += length
    return tokens, lengths


def texts_of(corpus: str, rows: np.ndarray) -> Iterator[list[str]]:
    """Texts of the given rows of a corpus shard, in order, in batches of about a megabyte.

    Parameters
    ----------
    rows
        Row numbers, ascending.
    """
    with storage.open_input(corpus) as file:
        reader = pq.ParquetFile(file, pre_buffer=False)
        first = 0
        for group in range(reader.num_row_groups):
            end = first + reader.metadata.row_group(group).num_rows
            inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, end)] - first
            first = end
            if not len(inside):
                continue
            texts = reader.read_row_group(group, columns=["text"])["text"].take(inside)
            ends = np.cumsum(pc.binary_length(texts).to_numpy())
            at = 0
            while at < len(texts):
                done = int(ends[at - 1]) if at else 0
                count = max(1, int(np.searchsorted(ends, done + BATCH_BYTES)) - at)
                yield texts.slice(at, count).to_pylist()
                at += count


def count_sample(index: pa.Table, corpus: str, tokenizer: Tokenizer) -> dict[str, float]:
    """Tokens of a few documents of each domain beside the catalogue's estimate.

    Returns
    -------
    dict
        ``sampled:N`` and ``estimated:N``, tokens of the documents drawn first in domain `N`.
    """
    dtype = token_type(tokenizer.vocab_size)
    domains, u, estimates = (index[name].to_numpy() for name in ("domain", "u", "estimate"))
    stats: dict[str, float] = {}
    for domain in np.unique(domains).tolist():
        own = np.flatnonzero(domains == domain)
        own = own[np.argsort(u[own], kind="stable")]
        few = int(np.searchsorted(np.cumsum(estimates[own]), SAMPLE_BYTES / 4)) + 1
        chosen = np.sort(own[:few])
        lengths = [encode(tokenizer, texts, dtype)[1] for texts in _texts(index, corpus, chosen)]
        stats[f"sampled:{domain}"] = int(sum(map(np.sum, lengths)))
        stats[f"estimated:{domain}"] = int(estimates[chosen].sum())
    return stats


def tokenise_rows(job: Job) -> Row:
    """Tokenise what the draw can reach, and write ids and their index.

    ``limits`` of the job gives for each domain the largest ``u / factor`` that the draw is expected
    to reach; documents beyond are left out of the index. Ids are written where they are exported.
    """
    arguments = job.arguments
    tokenizer = tokenizer_of(*arguments["tokenizer"])
    dtype = token_type(tokenizer.vocab_size)
    index = pq.read_table(arguments["index"])
    limits = np.array(arguments["limits"], float)
    factors = index["factor"].to_numpy()
    reach = limits[index["domain"].to_numpy()] * np.maximum(factors, 1)
    chosen = np.flatnonzero((factors > 0) & (index["u"].to_numpy() < reach))
    with at_work(job) as work:
        lengths = [np.zeros(0, np.int64)]
        with open(work.path("tokens", f"work/tokens/{job.shard}.bin"), "wb") as file:
            for texts in _texts(index, arguments["corpus"], chosen):
                tokens, counts = encode(tokenizer, texts, dtype)
                lengths.append(counts)
                if arguments["keep"]:
                    file.write(tokens.data)
        table = index.take(chosen).append_column("n_tokens", pa.array(np.concatenate(lengths)))
        pq.write_table(table, work.path("index", f"work/tokens/{job.shard}.parquet"))
        left = len(index) - len(table)
        return work.commit(
            read=len(index),
            kept=len(table),
            rejected={"sample:out_of_reach": left} if left else {},
            stats={"tokens": int(sum(map(np.sum, lengths)))},
        )


def _texts(index: pa.Table, corpus: str, chosen: np.ndarray) -> Iterator[list[str]]:
    return texts_of(corpus, index["row"].to_numpy()[chosen])
