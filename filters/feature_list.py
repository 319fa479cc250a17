"""The features: name, type, formula and source of each, and how it follows from the sums.

A feature is a pure function of sums that the kernels count per text. ``ratio`` of nothing is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

GOPHER = "Rae et al. 2021 (Gopher), A1.1"
C4 = "Raffel et al. 2020 (C4), 2.2"
FINEWEB = "Penedo et al. 2024 (FineWeb), 3.6"
DCLM = "Li et al. 2024 (DCLM), RefinedWeb's rules"
REFINEDWEB = "Penedo et al. 2023 (RefinedWeb), G.2"
MADLAD = "Kudugunta et al. 2023 (MADLAD-400), 2.3"
Sums = Mapping[str, np.ndarray]


class Feature(NamedTuple):
    """One column."""

    name: str
    type: pa.DataType
    """int32 for counts, float64 for fractions and ratios."""
    formula: str
    """What it is, with its unit."""
    source: str
    """The paper whose rule needs it."""
    compute: Callable[[Sums], np.ndarray]
    nullable: bool = False
    """A negative value stands for null."""


def count(name: str, column: str, formula: str, source: str = "") -> Feature:
    """A sum as it is."""
    return Feature(name, pa.int32(), formula, source, lambda sums: sums[column].astype(np.int32))


def ratio(name: str, above: str, below: str, formula: str, source: str) -> Feature:
    """One sum over another, in double precision, as Python divides integers."""

    def compute(sums: Sums) -> np.ndarray:
        top, bottom = sums[above].astype(np.float64), sums[below].astype(np.float64)
        return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)

    return Feature(name, pa.float64(), formula, source, compute)


def _gopher_repetition() -> list[Feature]:
    source = GOPHER + ", table A1"
    listed = [
        ratio(
            "gopher_dup_para_frac",
            "paragraph_repeats",
            "paragraphs",
            "paragraphs (parts of the stripped text between two or more newlines) equal to an "
            "earlier one / paragraphs",
            source,
        ),
        ratio(
            "gopher_dup_para_char_frac",
            "paragraph_repeat_chars",
            "chars",
            "characters of those paragraphs / n_chars",
            source,
        ),
        ratio(
            "gopher_dup_line_frac",
            "row_repeats",
            "rows",
            "lines (parts between newlines, runs of which count as one) equal to an earlier one "
            "/ lines",
            source,
        ),
        ratio(
            "gopher_dup_line_char_frac",
            "row_repeat_chars",
            "chars",
            "characters of those lines / n_chars",
            source,
        ),
    ]
    for n in (2, 3, 4):
        listed.append(
            ratio(
                f"gopher_top_{n}gram_char_frac",
                f"top_{n}",
                "chars",
                f"length x occurrences of the most frequent {n}-gram of words joined by spaces "
                "/ n_chars; occurrences overlap, so it can exceed 1",
                source,
            )
        )
    for n in (5, 6, 7, 8, 9, 10):
        listed.append(
            ratio(
                f"gopher_dup_{n}gram_char_frac",
                f"dup_{n}",
                "chars",
                f"characters of words inside {n}-grams seen before, none counted twice / n_chars",
                source,
            )
        )
    return listed


def _c4() -> list[Feature]:
    listed = []
    for variant, note in (("c4", ""), ("c4_fineweb", ", terminal punctuation not asked for")):
        for reason, text in (
            ("kept", "lines that the line rules keep"),
            ("long_word", "lines cut for a word of more than 1,000 characters"),
            (
                "no_terminal_punct",
                "other lines cut for not ending in . ? ! \" ' or for ending in ...",
            ),
            ("few_words", "other lines cut for fewer than 3 words"),
            ("lorem_ipsum", 'other lines that say "lorem ipsum"'),
            ("javascript", 'other lines cut for saying "javascript"'),
            ("curly_bracket", "other lines with a curly bracket"),
            ("policy", "other lines cut for terms of use, privacy or cookies"),
        ):
            if (variant, reason) == ("c4_fineweb", "no_terminal_punct"):
                continue
            name = f"{variant}_lines_{reason}"
            listed.append(count(name, name, text + note, C4))
        listed.append(
            count(
                f"{variant}_curly_first",
                f"{variant}_curly_first",
                'whether (1 or 0) a line with a curly bracket comes before any with "lorem ipsum"'
                + note,
                C4,
            )
        )
        listed.append(
            count(
                f"{variant}_sentences",
                f"{variant}_sentences",
                "sentences in the lines kept: one a line, and one more for every token that is "
                "no punctuation after a sentence end" + note,
                C4,
            )
        )
    return listed


def _dclm() -> list[Feature]:
    listed = [
        count("dclm_n_words", "alnum_chunks", "chunks that begin with a letter or digit", DCLM),
        ratio(
            "dclm_mean_word_length",
            "chunk_chars",
            "chunks",
            "characters of chunks / chunks (what white space separates)",
            DCLM,
        ),
        ratio(
            "dclm_symbol_ratio",
            "symbols",
            "chunks",
            'number signs and ellipses ("...", ". . .", U+2026) / chunks',
            DCLM,
        ),
        ratio(
            "dclm_bullet_line_frac",
            "trimmed_bullets",
            "trimmed",
            "lines that begin with ●, •, * or - / lines (between newlines, stripped, not empty)",
            DCLM,
        ),
        ratio(
            "dclm_ellipsis_line_frac",
            "trimmed_ellipses",
            "trimmed",
            "such lines that end in an ellipsis / such lines",
            DCLM,
        ),
        ratio(
            "dclm_alpha_word_frac", "alpha_chunks", "chunks", "chunks with a letter / chunks", DCLM
        ),
        count(
            "dclm_stop_words",
            "stop_chunks",
            "chunks that are one of Gopher's eight stop words, in any case",
            DCLM,
        ),
        ratio(
            "dclm_dup_line_frac",
            "trimmed_repeats",
            "trimmed",
            "lines that stand twice or more, every copy counted / lines",
            DCLM,
        ),
        ratio(
            "dclm_dup_para_frac",
            "block_repeats",
            "blocks",
            "paragraphs (between two newlines, stripped, not empty) that stand twice or more / "
            "paragraphs",
            DCLM,
        ),
        ratio(
            "dclm_dup_line_char_frac",
            "trimmed_repeat_chars",
            "trimmed_chars",
            "characters of those lines / characters of lines",
            DCLM,
        ),
        ratio(
            "dclm_dup_para_char_frac",
            "block_repeat_chars",
            "block_chars",
            "characters of those paragraphs / characters of paragraphs",
            DCLM,
        ),
    ]
    for n in (2, 3, 4):
        listed.append(
            ratio(
                f"dclm_top_{n}gram_char_frac",
                f"alnum_top_{n}",
                "alnum_chars",
                f"length x occurrences of the longest of the most frequent {n}-grams of words that "
                "begin with a letter or digit, 0 if none occurs twice / characters of such words",
                DCLM,
            )
        )
    for n in (5, 6, 7, 8, 9, 10):
        listed.append(
            ratio(
                f"dclm_dup_{n}gram_char_frac",
                f"alnum_dup_{n}",
                "alnum_chars",
                f"characters of such words inside {n}-grams that occur twice or more / characters "
                "of such words",
                DCLM,
            )
        )
    return listed


def _refinedweb() -> list[Feature]:
    listed = [
        count(f"refinedweb_lines_{reason}", f"cut_{reason}", text, REFINEDWEB)
        for reason, text in (
            ("uppercase", "lines (between newlines) of which more than half is capital letters"),
            ("numeric", "other lines of digits alone"),
            ("counter", 'other lines that count likes, views and so on, as "1.2k views"'),
            ("one_word", "other lines of fewer than two chunks, empty ones left out"),
            (
                "phrase",
                'other lines of at most ten chunks with "items in cart", a final "Read more..." or '
                'an initial "Sign-in"',
            ),
        )
    ]
    return [
        *listed,
        ratio(
            "refinedweb_removed_word_frac",
            "cut_chunks",
            "alnum_chunks",
            "chunks that begin with a letter or digit in what those rules cut / dclm_n_words",
            REFINEDWEB,
        ),
    ]


def _madlad() -> list[Feature]:
    sentences = count("madlad_sentences", "madlad_sentences", "sentences: see below", MADLAD)
    shares = (
        ("list_case", "of 12 words or more, more than half of them with a capital letter"),
        ("odd_length", "of fewer than 20 or more than 500 characters"),
        ("technical", "with more than a fifth of their characters of 0-9 { } + / ( ) >"),
        ("cursed", "with a string or a run of short words that marks spam, lists or filler"),
        ("questionable", "with any of these four faults"),
        ("case_or_cursed", "in list case or cursed, which is what Dolma 3 asks"),
    )
    return [
        sentences,
        *(
            ratio(
                f"madlad_{name}_frac",
                f"madlad_{name}",
                "madlad_sentences",
                f"sentences {text} / madlad_sentences",
                MADLAD,
            )
            for name, text in shares
        ),
    ]


FEATURES: tuple[Feature, ...] = (
    count("n_bytes", "bytes", "bytes of the text in UTF-8"),
    count("n_chars", "chars", "code points of the text"),
    count("n_words", "words", "words, punctuation marks among them"),
    count("n_lines", "lines", "lines as str.splitlines cuts them"),
    count(
        "gopher_n_words",
        "plain_words",
        "words with a character outside the set of punctuation marks",
        GOPHER,
    ),
    ratio(
        "gopher_mean_word_length",
        "plain_chars",
        "plain_words",
        "characters of those words / their number",
        GOPHER,
    ),
    ratio("gopher_hash_ratio", "hashes", "words", "number signs / n_words", GOPHER),
    ratio(
        "gopher_ellipsis_ratio",
        "ellipses",
        "words",
        'ellipses ("..." without overlaps, and U+2026) / n_words',
        GOPHER,
    ),
    ratio(
        "gopher_bullet_line_frac",
        "bullets",
        "lines",
        'lines whose first character is "•" or "-" / n_lines',
        GOPHER,
    ),
    ratio(
        "gopher_ellipsis_line_frac",
        "ellipsis_ends",
        "lines",
        "lines that end in an ellipsis, white space aside / n_lines",
        GOPHER,
    ),
    ratio(
        "gopher_alpha_word_frac",
        "alpha_words",
        "words",
        "words with a letter / n_words",
        GOPHER,
    ),
    count(
        "gopher_stop_words",
        "stop_words",
        "how many of the, be, to, of, and, that, have, with occur (case counts)",
        GOPHER,
    ),
    *_gopher_repetition(),
    *_c4(),
    count("fineweb_n_lines", "filled_rows", "lines between newlines that are not blank", FINEWEB),
    ratio(
        "fineweb_line_punct_frac",
        "filled_ends",
        "filled_rows",
        "those whose last character ends a sentence in some script / fineweb_n_lines",
        FINEWEB,
    ),
    ratio(
        "fineweb_short_line_frac",
        "filled_short",
        "filled_rows",
        "those of at most 30 characters / fineweb_n_lines",
        FINEWEB,
    ),
    ratio(
        "fineweb_dup_line_char_frac",
        "filled_repeat_chars",
        "row_chars",
        "characters of those equal to an earlier one / characters without newlines",
        FINEWEB,
    ),
    ratio("fineweb_newline_word_ratio", "newlines", "words", "newlines / n_words", FINEWEB),
    count(
        "stop_words",
        "own_stop_words",
        "how many stop words of the text's own language occur; null where the language is not "
        "given or has no table",
        "Penedo et al. 2025 (FineWeb2)",
    )._replace(nullable=True),
    *_dclm(),
    *_refinedweb(),
    *_madlad(),
)
"""All features in the order of the columns."""


def feature_names() -> tuple[str, ...]:
    """The names of all columns that ``features`` makes."""
    return tuple(feature.name for feature in FEATURES)


def markdown_table() -> str:
    """The features as a Markdown table, one row a column."""
    kinds = {pa.int32(): "count (int32)", pa.float64(): "ratio (float64)"}
    rows = ["| column | type | formula | source |", "|---|---|---|---|"]
    rows += [f"| `{f.name}` | {kinds[f.type]} | {f.formula} | {f.source} |" for f in FEATURES]
    return "\n".join(rows) + "\n"
