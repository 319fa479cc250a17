"""Questionable sentences, by the rules of MADLAD-400 (Kudugunta et al. 2023, 2.3).

A sentence ends where ``[.!?]+`` is followed by white space, as in the reproduction that Dolma 3
uses. It is questionable if more than half of its twelve or more words begin with a capital letter
(*list case*); if it has fewer than 20 or more than 500 characters; if more than a fifth of its
characters are of ``0-9 { } + / ( ) >``; or if it is *cursed*: it holds a string that marks lists,
file shares, spam or placeholder text, ends in "|", or has nine words in a row of one, of three or
of four characters, or four of two characters with a comma each. The paper's fifth rule, a sentence
in another language than its page, needs a language model for every sentence and is left out.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from filters.arrow import Texts, readonly
from filters.chars import SPACE, char_classes, class_of, decode
from filters.jit import inner, kernel
from filters.lines import strip_left
from filters.masks import ONE, WIDTH, finder, scanner
from filters.segment import Words
from filters.swar import count_ones, trailing_zeros
from filters.wordstats import ALNUM_FIRST, CAPITAL_FIRST, WordTable

COLUMNS = (
    "sentences",
    "list_case",
    "odd_length",
    "technical",
    "cursed",
    "questionable",
    "case_or_cursed",
)
LIST_CASE, ODD_LENGTH, TECHNICAL, CURSED = 1, 2, 4, 8
LIST_WORDS = 12
LEAST_CHARS, MOST_CHARS = 20, 500
_TECHNICAL_CHARS = b"0123456789{}+/()>"
# String, place of a pair of bytes that is rare in text, and whether it must end the sentence.
_STRINGS = (
    (" №", 2, False),
    ("���", 1, False),
    (" nr.", 1, True),
    ("aute irure dolor ", 0, False),
    (" sunt in culpa qui ", 11, False),
    ("orem ipsum ", 6, False),
    (" quis nostrud ", 11, False),
    (" adipisicing ", 4, False),
    (" dolore eu ", 8, False),
    (" cupidatat ", 3, False),
    ("autem vel eum", 0, False),
    ("wisi enim ad", 7, False),
    (" sex ", 3, False),
    (" porn ", 3, False),
    ("黄色电影", 0, False),
    ("mp3", 1, False),
    ("ownload", 1, False),
    ("Vol.", 0, False),
    (" Ep.", 1, False),
    ("Episode", 0, False),
    (" г.", 2, True),
    (" кг.", 4, True),
    (" шт.", 4, False),
    ("Develop", 0, False),
    ("Facebook", 0, False),
    (" crusher ", 1, False),
    (" xxx ", 1, False),
)
_RARE = tuple(text.encode()[at : at + 2] for text, at, _ in _STRINGS)
scan = scanner(_TECHNICAL_CHARS, bytes(range(0x80, 0xC0)), _RARE)
find_end = finder(b".!?")


@lru_cache(maxsize=1)
def _strings() -> np.ndarray:
    """The strings, uint8 (27, 32): length, place of the rare pair, whether final, bytes."""
    strings = np.zeros((len(_STRINGS), 32), np.uint8)
    for row, (text, rare, final) in zip(strings, _STRINGS, strict=True):
        raw = text.encode()
        row[: len(raw) + 3] = [len(raw), rare, final, *raw]
    return readonly(strings)


def sentence_sums(texts: Texts, words: Words, table: WordTable) -> dict[str, np.ndarray]:
    """int64 sums per text, named ``madlad_sentences`` and so on (COLUMNS).

    words must be those of the texts, in place.
    """
    sums = np.zeros((len(texts), len(COLUMNS)), np.int64)
    judge_sentences(
        texts.data,
        texts.offsets,
        words.starts,
        words.ends,
        words.counts,
        table.lengths,
        table.flags,
        char_classes(),
        _strings(),
        sums,
    )
    return {f"madlad_{column}": sums[:, c] for c, column in enumerate(COLUMNS)}


@kernel
def judge_sentences(data, offsets, starts, ends, counts, lengths, flags, classes, strings, sums):
    """Fill sums (int64, texts by COLUMNS)."""
    w = np.uint64(0)
    last = np.uint64(0)
    for k in range(len(offsets) - 1):
        begin, stop = np.int64(offsets[k]), np.int64(offsets[k + 1])
        w = last
        last += np.uint64(counts[k])
        while begin < stop:
            end, close, after = next_end(data, begin, stop, classes)
            if strip_left(data, begin, end, classes) == end:
                begin = after
                continue
            faults = 0
            words = capitals = codes = run = previous = np.int64(0)
            before = np.int64(-1)
            while w < last and starts[w] < begin:
                w += ONE
            while w < last and starts[w] < end:
                words += flags[w] & ALNUM_FIRST != 0
                capitals += flags[w] & (ALNUM_FIRST | CAPITAL_FIRST) == ALNUM_FIRST | CAPITAL_FIRST
                # Runs of words of one length, single blanks between them.
                gap = np.int64(starts[w]) - before
                before = np.int64(ends[w])
                length = np.int64(lengths[w])
                run = run + 1 if (length == previous) & (gap == 1) else 1
                if run == 9 and (length == 1 or length == 3 or length == 4):
                    faults |= CURSED
                if (length == 1) & (gap == 0) & (previous == 2) and data[starts[w]] == 0x2C:
                    codes += 1
                    if codes == 4:
                        faults |= CURSED
                else:
                    codes = codes if (length == 2) & (gap == 1) else 0
                previous = length
                w += ONE
            if words >= LIST_WORDS and 2 * capitals > words:
                faults |= LIST_CASE
            chars, odd, cursed = scan_sentence(data, begin, end, close, strings)
            if chars < LEAST_CHARS or chars > MOST_CHARS:
                faults |= ODD_LENGTH
            if 5 * odd > chars:
                faults |= TECHNICAL
            if cursed:
                faults |= CURSED
            sums[k, 0] += 1
            sums[k, 1] += faults & LIST_CASE != 0
            sums[k, 2] += faults & ODD_LENGTH != 0
            sums[k, 3] += faults & TECHNICAL != 0
            sums[k, 4] += faults & CURSED != 0
            sums[k, 5] += faults != 0
            sums[k, 6] += faults & (LIST_CASE | CURSED) != 0
            begin = after


@inner
def next_end(data, i, stop, classes):
    """End of the sentence that begins at i, end of its marks, and where the next one begins."""
    while i < stop:
        i = find_end(data, i, stop)
        close = i
        while close < stop and (data[close] == 0x2E or data[close] == 0x21 or data[close] == 0x3F):
            close += 1
        after = close
        while after < stop:
            cp, width = decode(data, after, stop)
            if class_of(classes, cp) & SPACE == 0:
                break
            after += width
        if after > close:
            return i, close, after
        i = max(close, i + 1)
    return stop, stop, stop


@inner
def scan_sentence(data, begin, end, close, strings):
    """Characters of a sentence, technical ones, and whether it holds one of the strings.

    Its marks end at close; strings may hold them.
    """
    chars, odd = end - begin, np.int64(0)
    cursed = False
    for i in range(begin, close, WIDTH):
        technical, later, marks = scan(data, i, close)
        odd += count_ones(technical)
        chars -= count_ones(later)
        while marks and not cursed:
            cursed = has_string(data, i + trailing_zeros(marks), begin, close, strings)
            marks &= marks - ONE
    while end > begin and data[end - 1] <= 0x20:
        end -= 1
    return chars, odd, cursed or (end > begin and data[end - 1] == 0x7C)


@inner
def has_string(data, i, begin, close, strings):
    """Whether one of the strings has its rare pair of bytes at i."""
    for k in range(len(strings)):
        size = np.int64(strings[k, 0])
        start = i - np.int64(strings[k, 1])
        if start < begin or start + size > close:
            continue
        if strings[k, 2] and start + size != close:
            continue
        same = True
        for j in range(size):
            if data[start + j] != strings[k, 3 + j]:
                same = False
                break
        if same:
            return True
    return False
