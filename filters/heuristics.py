"""Every heuristic feature of a batch of texts, in one pass over shared words and lines."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from filters import c4
from filters.arrow import StringColumn, Texts, row_blocks, texts_of
from filters.chars import char_classes
from filters.feature_list import FEATURES
from filters.hashset import table_size
from filters.lines import (
    LINE_COLUMNS,
    ROW_COLUMNS,
    TEXT_COLUMNS,
    count_lines,
    count_rows,
    count_text,
)
from filters.names import nearest
from filters.ngrams import DUPLICATE_SIZES, TOP_SIZES, duplicate_sums, top_sums
from filters.segment import BLOCK_BYTES, Lines, Words, segment_lines, segment_words
from filters.wordstats import COLUMNS as WORD_COLUMNS
from filters.wordstats import WordTable, word_table

WORD_RULES = ("default", "spacy")
_MAX_BYTES = 2**31 - 1


def features(
    texts: StringColumn, *, words: str = "default", spans: str | None = None
) -> pa.RecordBatch:
    """All features of all texts: one row per text, the columns of ``FEATURES`` in their order.

    Counts are int32, fractions and ratios float64, never null and never NaN: a fraction of
    nothing is 0. ``words="default"`` cuts words by the rules of the module ``words``;
    ``words="spacy"`` exactly as spaCy's English tokenizer, and so datatrove, does (module
    ``spacy_words``). ``spans="c4"`` or ``"c4_fineweb"`` adds a column ``c4_spans``
    (list<struct<start, end, reason>>, bytes) of what these line rules would cut; ``cut_spans``
    cuts it.

    Rows are independent: any split of a batch gives the same rows.
    Raises ValueError for a column that is not text or holds nulls, a text of 2 GiB or more, an
    unknown word rule or variant; ImportError for ``words="spacy"`` without spaCy.
    """
    if words not in WORD_RULES:
        raise ValueError(f"unknown word rule {words!r}{nearest(words, WORD_RULES)}")
    if spans is not None and spans not in c4.VARIANTS:
        raise ValueError(f"unknown line rules {spans!r}{nearest(spans, c4.VARIANTS)}")
    schema = pa.schema([(feature.name, feature.type) for feature in FEATURES])
    if spans:
        schema = schema.append(pa.field("c4_spans", c4.SPANS))
    column = texts_of(texts)
    blocks = []
    for start, stop in row_blocks(column, BLOCK_BYTES):
        block = column.slice(start, stop)
        if block.offsets[-1] > _MAX_BYTES:
            raise ValueError(f"the text of row {start} is 2 GiB or longer: split it first")
        blocks.append(_block_features(block, words, spans, schema))
    if not blocks:
        return pa.RecordBatch.from_arrays([pa.array([], t) for t in schema.types], schema=schema)
    columns = [pa.concat_arrays(parts) for parts in zip(*blocks, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _block_features(
    texts: Texts, rule: str, spans: str | None, schema: pa.Schema
) -> list[pa.Array]:
    lines = segment_lines(texts)
    judged = c4.judge(texts, lines)
    if rule == "spacy":
        words, table, sentences = _exact_words(texts, lines, judged)
    else:
        words = segment_words(texts)
        table = word_table(words)
        sentences, _ = c4.sentences(texts, judged, words, table.flags)
    sums = {
        "bytes": np.diff(texts.offsets),
        "words": words.counts,
        **_text_sums(texts, lines),
        **dict(zip(WORD_COLUMNS, table.sums.T, strict=True)),
        **_ngram_sums(words, table),
        **c4.line_sums(lines, judged, sentences),
    }
    sums["row_chars"] = sums["chars"] - sums["newlines"]
    columns = [pa.array(feature.compute(sums), feature.type) for feature in FEATURES]
    if spans:
        columns.append(c4.line_spans(texts, lines, judged, spans))
    return columns


def _exact_words(
    texts: Texts, lines: Lines, judged: c4.JudgedLines
) -> tuple[Words, WordTable, np.ndarray]:
    """Words, their table, and sentences of every line, where the kernel is not sure by spaCy."""
    from filters.spacy_words import exact_rules, exact_words, spacy_sentences

    exact = exact_words(texts)
    table = word_table(exact.words)
    flags = word_table(exact.kernel).flags if exact.marked.any() else table.flags
    sentences, unsure = c4.sentences(texts, judged, exact.kernel, flags, exact_rules())
    unsure |= np.repeat(exact.marked, lines.counts)
    places = np.flatnonzero(unsure & (judged.verdicts == c4.KEPT))
    sentences[places] = spacy_sentences(c4.line_texts(texts, judged, places))
    return exact.words, table, sentences


def _text_sums(texts: Texts, lines: Lines) -> dict[str, np.ndarray]:
    rows, classes = len(texts), char_classes()
    text_sums = np.zeros((rows, len(TEXT_COLUMNS)), np.int64)
    count_text(texts.data, texts.offsets, text_sums)
    line_sums = np.zeros((rows, len(LINE_COLUMNS)), np.int64)
    count_lines(texts.data, lines.starts, lines.ends, lines.counts, classes, line_sums)
    # Working space for the text with the most rows.
    most = int(text_sums[:, TEXT_COLUMNS.index("newlines")].max(initial=0)) + 1
    row_sums = np.zeros((rows, len(ROW_COLUMNS)), np.int64)
    count_rows(
        texts.data,
        texts.offsets,
        classes,
        np.empty(most + 1, np.int32),
        np.empty(most, np.uint64),
        np.empty(most, np.int32),
        np.empty(table_size(most), np.uint64),
        row_sums,
    )
    return {
        **dict(zip(TEXT_COLUMNS, text_sums.T, strict=True)),
        **dict(zip(LINE_COLUMNS, line_sums.T, strict=True)),
        **dict(zip(ROW_COLUMNS, row_sums.T, strict=True)),
    }


def _ngram_sums(words: Words, table: WordTable) -> dict[str, np.ndarray]:
    top, duplicates = top_sums(words.counts, table), duplicate_sums(words.counts, table)
    return {
        **{f"top_{n}": column for n, column in zip(TOP_SIZES, top.T, strict=True)},
        **{f"dup_{n}": column for n, column in zip(DUPLICATE_SIZES, duplicates.T, strict=True)},
    }
