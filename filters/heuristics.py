"""Every heuristic feature of a batch of texts, in one pass over shared words and lines."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from filters import c4, dclm, madlad
from filters.arrow import StringColumn, Texts, row_blocks, texts_of
from filters.chars import char_classes
from filters.feature_list import FEATURES, Feature
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
from filters.ngrams import ngram_sums
from filters.segment import BLOCK_BYTES, Lines, Words, segment_lines, segment_words
from filters.stop_words import UNSPACED, language_numbers, stop_word_table
from filters.wordstats import COLUMNS as WORD_COLUMNS
from filters.wordstats import WordTable, word_table

WORD_RULES = ("default", "spacy")
SPAN_RULES = {**dict.fromkeys(c4.VARIANTS, "c4_spans"), "refinedweb": "refinedweb_spans"}
"""Line rules whose cuts can be asked for, and the column that holds them."""
_MAX_BYTES = 2**31 - 1


def features(
    texts: StringColumn,
    *,
    words: str = "default",
    spans: str | None = None,
    languages: StringColumn | None = None,
) -> pa.RecordBatch:
    """All features of all texts: one row per text, the columns of ``FEATURES`` in their order.

    Counts are int32, fractions and ratios float64, never NaN: a fraction of nothing is 0.
    ``words="default"`` cuts words by the rules of the module ``words``; ``words="spacy"`` exactly
    as spaCy's English tokenizer, and so datatrove, does (module ``spacy_words``).

    ``languages`` (ISO 639-1, null where unknown) are those of the texts: ``stop_words`` counts the
    stop words of the text's own language, and is null without one; and by the default rules texts
    of languages written without spaces are cut into words character by character.

    ``spans="c4"``, ``"c4_fineweb"`` or ``"refinedweb"`` adds a column ``c4_spans`` or
    ``refinedweb_spans`` (list<struct<start, end, reason>>, bytes) of what these line rules would
    cut; ``cut_spans`` cuts it.

    Rows are independent: any split of a batch gives the same rows.
    Raises ValueError for a column that is not text or holds nulls, a text of 2 GiB or more, an
    unknown word rule or variant, or fewer or more languages than texts; ImportError for
    ``words="spacy"`` without spaCy.
    """
    if words not in WORD_RULES:
        raise ValueError(f"unknown word rule {words!r}{nearest(words, WORD_RULES)}")
    if spans is not None and spans not in SPAN_RULES:
        raise ValueError(f"unknown line rules {spans!r}{nearest(spans, SPAN_RULES)}")
    schema = pa.schema([(feature.name, feature.type) for feature in FEATURES])
    if spans:
        schema = schema.append(pa.field(SPAN_RULES[spans], c4.SPANS))
    column = texts_of(texts)
    spoken = languages.to_pylist() if hasattr(languages, "to_pylist") else languages
    if spoken is not None and len(spoken) != len(column):
        raise ValueError(f"{len(column)} texts but {len(spoken)} languages")
    numbers = language_numbers(spoken, len(column))
    unspaced = np.array([code in UNSPACED for code in spoken or ()], np.bool_)
    if not len(unspaced) or words == "spacy":
        unspaced = np.zeros(len(column), np.bool_)
    blocks, cuts = [], []
    for start, stop in row_blocks(column, BLOCK_BYTES):
        block = column.slice(start, stop)
        if block.offsets[-1] > _MAX_BYTES:
            raise ValueError(f"the text of row {start} is 2 GiB or longer: split it first")
        rows = slice(start, stop)
        sums, cut = _block_sums(block, words, spans, numbers[rows], unspaced[rows])
        blocks.append(sums)
        cuts.append(cut)
    if not blocks:
        return pa.RecordBatch.from_arrays([pa.array([], t) for t in schema.types], schema=schema)
    sums = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    columns = [_column(feature, feature.compute(sums)) for feature in FEATURES]
    if spans:
        columns.append(pa.concat_arrays(cuts))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _block_sums(
    texts: Texts,
    rule: str,
    spans: str | None,
    languages: np.ndarray,
    unspaced: np.ndarray,
) -> tuple[dict[str, np.ndarray], pa.Array | None]:
    """What the features are computed from, one number a text each, and the column of spans."""
    lines = segment_lines(texts)
    judged = c4.judge(texts, lines)
    own_stops = stop_word_table()[0]
    if rule == "spacy":
        kernel, words, table, sentences = _exact_words(texts, lines, judged, languages)
    else:
        kernel = words = segment_words(texts, unspaced=unspaced)
        table = word_table(words, languages, own_stops)
        sentences, _ = c4.sentences(texts, judged, words, table.flags)
    in_place = table if kernel is words else word_table(kernel)
    sums = {
        "bytes": np.diff(texts.offsets),
        "words": words.counts,
        **_text_sums(texts, lines),
        **dict(zip(WORD_COLUMNS, table.sums.T, strict=True)),
        **ngram_sums(words.counts, table),
        **c4.line_sums(lines, judged, sentences),
        **madlad.sentence_sums(texts, kernel, in_place),
    }
    trimmed = dclm.line_sums(texts, sums["newlines"])
    sums.update(zip(dclm.COLUMNS, trimmed.sums.T, strict=True))
    sums["row_chars"] = sums["chars"] - sums["newlines"]
    sums["symbols"] = sums["hashes"] + sums["ellipses"] + sums["spaced_ellipses"]
    if spans == "refinedweb":
        return sums, c4.span_array(texts, trimmed.counts, trimmed.spans, dclm.REASONS)
    return sums, c4.line_spans(texts, lines, judged, spans) if spans else None


def _column(feature: Feature, values: np.ndarray) -> pa.Array:
    return pa.array(values, feature.type, mask=values < 0 if feature.nullable else None)


def _exact_words(
    texts: Texts, lines: Lines, judged: c4.JudgedLines, languages: np.ndarray
) -> tuple[Words, Words, WordTable, np.ndarray]:
    """Words of the kernel and spaCy's, their table, and sentences of every line.

    Where the kernel is not sure, sentences are spaCy's.
    """
    from filters.spacy_words import exact_rules, exact_words, spacy_sentences

    exact = exact_words(texts)
    table = word_table(exact.words, languages, stop_word_table()[0])
    flags = word_table(exact.kernel).flags if exact.marked.any() else table.flags
    sentences, unsure = c4.sentences(texts, judged, exact.kernel, flags, exact_rules())
    unsure |= np.repeat(exact.marked, lines.counts)
    places = np.flatnonzero(unsure & (judged.verdicts == c4.KEPT))
    sentences[places] = spacy_sentences(c4.line_texts(texts, judged, places))
    return exact.kernel, exact.words, table, sentences


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
