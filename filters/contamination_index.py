"""Index of evaluation items: words with their weights, seeds, and which item has which parts."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.arrow import Texts, readonly, texts_of
from filters.chars import UNSPACED, char_classes
from filters.contamination_kernels import LONG, SHORT, fill_heads, fill_table, seed_keys
from filters.contamination_words import Words, words_of
from filters.eval_items import Item

QUESTION, ANSWER, PASSAGE = 0, 1, 2
PARTS = ("question", "answer", "passage")
QUESTION_MARKS = ("?", "\uff1f", "\u061f")
JOINED = -2
"""In place of an answer: the question is too short for a seed, and the answer is part of it."""
BACKGROUND = 20_000
"""Parts that the table of common words stands for, beside those of the index."""
SEVERAL = 5
"""Parts that a word stands in before their share says how common it is."""
LEAST = 25.0
"""Information (sum of weights, nats) below which an item cannot be told from chance."""
MOST = 9.0
"""Weight of a word seen nowhere else."""
NUMBER = np.float32(3.5)
"""Most that a number counts, a letter, or a name such as *H2*: rows of them stand anywhere."""
CODE = 3
"""Bytes of such names."""
HAN, LETTER = np.float32(3.0), np.float32(1.5)
"""Most that a word of one character counts, of Han, and of kana, Thai and the like: about what a
character tells beside its neighbours."""
AGAIN = np.float32(0.1)
"""What a word counts from its second place in a part on."""
COMMON = 16
"""Seeds that stand in more places than this are not looked for ..."""
RARE = 4
"""... but each part keeps so many of its rarest, ..."""
TOO_COMMON = 256
"""... unless they stand in more places than this."""
SEED_WEIGHT = 8.0
"""Least weight of the words of a seed, ..."""
SEED_SHARE = 0.8
"""... or share of the most that they may weigh: a few letters of Thai or kana weigh little."""
PASSAGE_STEP = 4
"""Every so many seeds of a passage are looked for."""


class Index(NamedTuple):
    """Flat arrays, as `filters.contamination_kernels` takes them; see there."""

    table: np.ndarray
    bits: np.ndarray
    heads: np.ndarray
    posting_offsets: np.ndarray
    postings: np.ndarray
    words: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray
    """uint8: what a part is, see PARTS."""
    distinct: np.ndarray
    """int32: words of a part, each counted once."""
    asks: np.ndarray
    """bool: whether a part ends in a question mark."""
    items: np.ndarray
    """int32 (items, 4): benchmark, question part, answer part, passage part; -1 for none,
    JOINED."""
    items_of: np.ndarray
    """int32: items of the parts (questions and passages), those of one part in a row."""
    item_offsets: np.ndarray
    """int64, parts + 1: where they begin in ``items_of``."""


class Names(NamedTuple):
    """What the numbers of an index stand for."""

    benchmarks: list[str]
    items: list[str]


def build(items: Iterable[Item]) -> tuple[Index, Names]:
    """The index of evaluation items; equal items in equal order give equal arrays."""
    benchmarks: dict[str, int] = {}
    parts: dict[tuple[int, str], int] = {}
    names: list[str] = []
    rows: list[tuple[int, ...]] = []
    items = list(items)
    sizes = np.diff(words_of(texts_of([item.question for item in items])).offsets).tolist()
    for item, size in zip(items, sizes, strict=True):
        own = [item.question, item.answer, item.passage]
        joined = item.answer and size < SHORT and not item.passage
        if joined:
            own = [f"{item.question} {item.answer}", "", ""]
        numbers = [
            parts.setdefault((kind, text), len(parts)) if text else -1
            for kind, text in enumerate(own)
        ]
        numbers[ANSWER] = JOINED if joined else numbers[ANSWER]
        rows.append((benchmarks.setdefault(item.benchmark, len(benchmarks)), *numbers))
        names.append(item.item)
    kinds = np.array([kind for kind, _ in parts], np.uint8)
    asks = np.array([text.rstrip().endswith(QUESTION_MARKS) for _, text in parts], np.bool_)
    texts = texts_of([text for _, text in parts])
    words = words_of(texts)
    part_of = np.repeat(np.arange(len(parts), dtype=np.int32), np.diff(words.offsets))
    weights, again = _weights(words.hashes, part_of, len(parts))
    distinct = np.bincount(part_of[~again], minlength=len(parts)).astype(np.int32)
    most = _most(texts, texts.offsets[part_of], words)
    weights = np.minimum(weights, most)
    totals = np.bincount(part_of, weights, len(parts)).astype(np.float32)
    numbers = np.array(rows, np.int32).reshape(-1, 4)
    matters = _can_be_told(numbers, totals)
    table, bits, heads, posting_offsets, postings = _seeds(
        words, kinds, part_of, weights, most, matters
    )
    order, item_offsets = _by_part(numbers, len(parts))
    arrays = (
        *(table, bits, heads, posting_offsets, postings),
        *(words.hashes, weights, words.offsets, totals),
        *(kinds, distinct, asks, numbers, order, item_offsets),
    )
    return Index(*map(_frozen, arrays)), Names(list(benchmarks), names)


def _frozen(array: np.ndarray) -> np.ndarray:
    return readonly(np.ascontiguousarray(array))


def _most(texts: Texts, origins: np.ndarray, words: Words) -> np.ndarray:
    """The most that each word may weigh, by its characters, float32."""
    most = np.full(len(words.hashes), MOST, np.float32)
    first, last = (texts.data[origins + at] for at in (words.starts, words.ends - 1))
    digits = [(at >= ord("0")) & (at <= ord("9")) for at in (first, last)]
    sizes = words.ends - words.starts
    most[(digits[0] & digits[1]) | ((digits[0] | digits[1]) & (sizes <= CODE))] = NUMBER
    most[sizes == 1] = NUMBER
    wide = np.flatnonzero(first >= 0xE0)
    starts = origins[wide] + words.starts[wide]
    one, two, three = (texts.data[starts + k].astype(np.int64) for k in range(3))
    point = (one & 0xF) << 12 | (two & 0x3F) << 6 | three & 0x3F
    classes = char_classes()
    alone = classes[classes[point >> 8] + (point & 0xFF)] & UNSPACED > 0
    han = ((point >= 0x3400) & (point < 0xA000)) | (one >= 0xF0)
    most[wide[alone & ~han]] = LETTER
    most[wide[han]] = HAN
    return most


def _weights(hashes: np.ndarray, part_of: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Inverse document frequency of each word among the parts and in English, float32.

    The second array (bool) marks words that stand in their part before.
    """
    common, shares = common_words()
    pairs = np.unique(hashes.astype(np.uint64) << np.uint64(32) | part_of.astype(np.uint64))
    known, counts = np.unique(pairs >> np.uint64(32), return_counts=True)
    # what many parts hold is as common in the language of the parts, which may be none of English
    seen = np.where(counts >= SEVERAL, counts * (1 + BACKGROUND / parts), counts)
    place = np.searchsorted(common, known).clip(max=len(common) - 1)
    english = np.where(common[place] == known, shares[place] * BACKGROUND, 0)
    seen = np.maximum(seen, counts + english)
    weights = np.log((parts + BACKGROUND) / (seen + 1)).clip(0.1, MOST).astype(np.float32)
    weights = weights[np.searchsorted(known, hashes.astype(np.uint64))]
    pairs = hashes.astype(np.uint64) << np.uint64(32) | part_of.astype(np.uint64)
    again = np.ones(len(pairs), np.bool_)
    again[np.unique(pairs, return_index=True)[1]] = False
    weights[again] *= AGAIN
    return weights, again


def common_words() -> tuple[np.ndarray, np.ndarray]:
    """Hashes of common English words (uint64, ascending) and the share of parts that hold them."""
    lines = files("filters").joinpath("common_words.txt").read_text().splitlines()
    pairs = [line.split() for line in lines if line and not line.startswith("#")]
    hashes = words_of(texts_of([word for word, _ in pairs])).hashes.astype(np.uint64)
    order = np.argsort(hashes)
    return hashes[order], np.array([int(share) for _, share in pairs])[order] / 10_000


def _can_be_told(items: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Whether some item with this question or passage holds enough in all its parts (bool)."""
    own = np.where(items[:, 1:] >= 0, totals[items[:, 1:]], 0)
    enough = own.sum(axis=1) >= LEAST
    matters = np.zeros(len(totals), np.bool_)
    for column in (1, 3):
        matters[items[enough & (items[:, column] >= 0), column]] = True
    return matters


def _seeds(
    words: Words,
    kinds: np.ndarray,
    part_of: np.ndarray,
    weights: np.ndarray,
    most: np.ndarray,
    matters: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Table and filters of the seeds, and the places of each."""
    keys, size = np.zeros(len(words.hashes), np.uint64), np.zeros(len(words.hashes), np.int32)
    seed_keys(words.hashes, words.offsets, keys, size)
    sums, bounds = (
        np.cumsum(np.concatenate([[0.0], of, np.zeros(LONG)])) for of in (weights, most)
    )
    places = np.flatnonzero((keys > 0) & matters[part_of])
    kind = kinds[part_of[places]]
    own = places - words.offsets[part_of[places]]
    places = places[(kind == QUESTION) | ((kind == PASSAGE) & (own % PASSAGE_STEP == 0))]
    ends = places + size[places]
    value, bound = sums[ends] - sums[places], bounds[ends] - bounds[places]
    known, which, often = np.unique(keys[places], return_inverse=True, return_counts=True)
    often = often[which]
    # the rarest of each part, ties in the order of the words
    order = np.lexsort((places, often, part_of[places]))
    group = part_of[places][order]
    begins = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]])) if len(group) else []
    rank = np.arange(len(order)) - np.repeat(begins, np.diff([*begins, len(order)]))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = rank
    good = (often <= COMMON) | ((ranks < RARE) & (often <= TOO_COMMON))
    good &= value >= np.minimum(SEED_WEIGHT, SEED_SHARE * bound)
    places, which = places[good], which[good]
    order = np.lexsort((places, which))
    places, which = places[order].astype(np.int32), which[order]
    postings = np.column_stack([places, part_of[places]])
    kept, counts = np.unique(which, return_counts=True)
    posting_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    slots = 1 << max(4, (2 * len(kept)).bit_length())
    table, bits = np.zeros(slots, np.uint64), np.zeros(slots // 8, np.uint64)
    fill_table(readonly(known[kept]), table, bits)
    heads = np.zeros(max(slots // 16, 2), np.uint64)  # a place of no bits cannot be had by shifting
    fill_heads(words.hashes, readonly(places), heads)
    return table, bits, heads, posting_offsets, postings


def _by_part(items: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Items of each part, for questions and passages."""
    part = np.concatenate([items[:, 1], items[:, 3]])
    item = np.tile(np.arange(len(items), dtype=np.int32), 2)
    there = part >= 0
    part, item = part[there], item[there]
    order = np.lexsort((item, part))
    counts = np.bincount(part, minlength=parts)
    return item[order], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def save(index: Index, names: Names, path: str) -> None:
    """Write an index to one file; equal indexes give equal bytes."""
    columns = {name: array.reshape(-1) for name, array in index._asdict().items()}
    columns |= {"benchmarks": pa.array(names.benchmarks, pa.string())}
    columns |= {"names": pa.array(names.items, pa.string())}
    arrays = {name: pa.array(column) for name, column in columns.items()}
    lists = [
        pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), array)
        for array in arrays.values()
    ]
    table = pa.table(lists, names=list(arrays))
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def load(path: str) -> tuple[Index, Names]:
    """An index of :func:`save`, its arrays mapped into memory."""
    with pa.memory_map(path) as file:
        batch = pa.ipc.open_file(file).get_batch(0)
    columns = {name: batch.column(name).values for name in batch.schema.names}
    names = Names(columns.pop("benchmarks").to_pylist(), columns.pop("names").to_pylist())
    arrays = {name: readonly(column.to_numpy(False)) for name, column in columns.items()}
    arrays["postings"] = readonly(arrays["postings"].reshape(-1, 2))
    arrays["items"] = readonly(arrays["items"].reshape(-1, 4))
    return Index(**arrays), names
