"""C4's line rules (Raffel et al. 2020, 2.2) as features, and as spans of what they cut.

A line is stripped, then, in this order: cut if it has a word of more than 1,000 characters; freed
of citation marks ("[12]", "[edit]", "[citation needed]"); cut if it does not end in one of
. ? ! " ' or ends in "..."; cut if it has fewer than three words; the page is condemned if the line
says "lorem ipsum"; cut if it says "javascript"; the page is condemned if it has a curly bracket;
cut if it speaks of terms of use, privacy or cookie policies. A page needs five sentences in what
remains. ``c4_fineweb`` is the same without the rule on terminal punctuation, as FineWeb has it.
Order and quirks are those of datatrove 0.10's C4QualityFilter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.arrow import StringColumn, Texts, readonly, strings_from, texts_of
from filters.c4_kernels import (
    COLUMNS,
    KEPT,
    NO_TERMINAL,
    VERDICTS,
    copy_outside,
    count_sentences,
    judge_lines,
    list_spans,
    phrases,
    sum_lines,
    trim_lines,
)
from filters.chars import char_classes
from filters.segment import Lines, Words, segment_words
from filters.words import WordRules
from filters.wordstats import word_table

VARIANTS = ("c4", "c4_fineweb")
REASONS = (*VERDICTS, "whitespace", "citation")
SPANS = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("reason", pa.string())]))
"""Spans of one text: byte offsets into its UTF-8, end exclusive, ascending, no overlaps."""


class JudgedLines(NamedTuple):
    """What the rules say about each line of a batch."""

    begins: np.ndarray
    """int32: the stripped line's first byte."""
    stops: np.ndarray
    """int32: its end."""
    verdicts: np.ndarray
    """uint8: place in VERDICTS, terminal punctuation left aside."""
    terminal: np.ndarray
    """bool: the line has terminal punctuation."""
    clean: np.ndarray
    """uint8: copies, without citation marks, of the lines that have some."""
    clean_starts: np.ndarray
    """int32: where the copy begins, -1 where there is none."""
    clean_stops: np.ndarray
    """int32: its end."""


def judge(texts: Texts, lines: Lines) -> JudgedLines:
    """Apply the line rules to all lines of a batch."""
    classes = char_classes()
    total = len(lines.starts)
    begins, stops, clean_starts, clean_stops = np.full((4, total), -1, np.int32)
    verdicts, terminal = np.zeros(total, np.uint8), np.zeros(total, np.bool_)
    clean = np.empty(len(texts.data) + total, np.uint8)
    size = trim_lines(
        texts.data, *lines[:2], classes, begins, stops, verdicts, clean, clean_starts, clean_stops
    )
    clean = readonly(clean[:size].copy())
    judge_lines(
        texts.data, begins, stops, clean, clean_starts, clean_stops, phrases(), verdicts, terminal
    )
    return JudgedLines(begins, stops, verdicts, terminal, clean, clean_starts, clean_stops)


def sentences(
    texts: Texts,
    judged: JudgedLines,
    words: Words,
    flags: np.ndarray,
    rules: WordRules | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sentences (int32) of every line that is kept, 0 for the others.

    words and flags are those of the texts; lines with citation marks are cut into words anew, by
    the given rules. The second array (bool) marks those of them that are unsure (see
    ``words.find_words``).
    """
    kept = judged.verdicts == KEPT
    copied = kept & (judged.clean_starts >= 0)
    counts = np.zeros(len(kept), np.int32)
    unsure = np.zeros(len(kept), np.bool_)
    here = kept & ~copied
    count_sentences(
        texts.data, judged.begins, judged.stops, here, words.starts, words.ends, flags, counts
    )
    places = np.flatnonzero(copied)
    if len(places):
        begins, stops = judged.clean_starts[places], judged.clean_stops[places]
        # Each copied line is a text; those cut for other reasons lie between them.
        offsets = np.stack([begins, stops], axis=1).reshape(-1).astype(np.int64)
        risks = np.zeros(len(offsets) - 1, np.bool_)
        again = segment_words(Texts(judged.clean, offsets), rules, risks)
        found = np.zeros(len(places), np.int32)
        wanted = np.ones(len(places), np.bool_)
        count_sentences(
            judged.clean,
            begins,
            stops,
            wanted,
            again.starts,
            again.ends,
            word_table(again).flags,
            found,
        )
        counts[places] = found
        unsure[places] = risks[::2]
    return counts, unsure


def line_texts(texts: Texts, judged: JudgedLines, places: np.ndarray) -> list[str]:
    """The texts of some lines, without citation marks."""
    lines = []
    for n in places.tolist():
        if judged.clean_starts[n] >= 0:
            raw = judged.clean[judged.clean_starts[n] : judged.clean_stops[n]]
        else:
            raw = texts.data[judged.begins[n] : judged.stops[n]]
        lines.append(raw.tobytes().decode("utf-8", "replace"))
    return lines


def line_sums(lines: Lines, judged: JudgedLines, sentences: np.ndarray) -> dict[str, np.ndarray]:
    """int64 sums per text, named ``c4_lines_kept`` and so on (COLUMNS of both variants)."""
    sums = np.zeros((len(lines.counts), len(VARIANTS), len(COLUMNS)), np.int64)
    sum_lines(lines.counts, judged.verdicts, judged.terminal, sentences, sums)
    return {
        f"{variant}_{column}": sums[:, v, c]
        for v, variant in enumerate(VARIANTS)
        for c, column in enumerate(COLUMNS)
    }


def line_spans(texts: Texts, lines: Lines, judged: JudgedLines, variant: str) -> pa.Array:
    """What the variant's line rules cut from each text: an array of type SPANS."""
    verdicts = judged.verdicts
    if variant == "c4":
        verdicts = np.where(judged.terminal, verdicts, np.uint8(NO_TERMINAL))
    fill = np.zeros(len(lines.counts), np.int64)
    spans = np.empty((0, 3), np.int32)
    for _ in range(2):  # count, then write
        size = list_spans(
            texts.data,
            *lines,
            char_classes(),
            judged.begins,
            judged.stops,
            verdicts,
            judged.clean_starts,
            fill,
            spans,
        )
        if size > len(spans):
            spans = np.empty((size, 3), np.int32)
    return span_array(texts, fill, spans, REASONS)


def span_array(
    texts: Texts, counts: np.ndarray, spans: np.ndarray, names: tuple[str, ...]
) -> pa.Array:
    """An array of type SPANS from so many spans a text: first byte, end, place in names."""
    origin = np.repeat(texts.offsets[:-1], counts)
    reasons = pa.DictionaryArray.from_arrays(pa.array(spans[:, 2]), pa.array(names))
    columns = [
        pa.array((spans[:, 0] - origin).astype(np.int32)),
        pa.array((spans[:, 1] - origin).astype(np.int32)),
        reasons.cast(pa.string()),
    ]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    structs = pa.StructArray.from_arrays(columns, fields=list(SPANS.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets), structs)


def cut_spans(texts: StringColumn, spans: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Texts without their spans, stripped: a large_string array.

    With the spans of C4 this is the text C4 keeps, as long as LF and CR LF are the only line
    breaks (C4 would write LF for every other kind too). Spans must be of type SPANS, ascending
    and within their text; raises ValueError when the columns differ in length.
    """
    column = texts_of(texts)
    if isinstance(spans, pa.ChunkedArray):
        spans = spans.combine_chunks()
    if len(spans) != len(column):
        raise ValueError(f"{len(column)} texts but {len(spans)} lists of spans")
    flat = spans.flatten()
    bounds = np.stack(
        [flat.field(name).to_numpy(zero_copy_only=False) for name in ("start", "end")], axis=1
    ).astype(np.int64)
    lengths = spans.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    span_offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    out = np.empty(int(column.offsets[-1] - column.offsets[0]), np.uint8)
    out_offsets = np.zeros(len(column) + 1, np.int64)
    copy_outside(
        column.data, column.offsets, span_offsets, bounds, char_classes(), out, out_offsets
    )
    return strings_from(out[: out_offsets[-1]].copy(), out_offsets)
