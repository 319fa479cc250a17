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
from filters.segment import Words
from filters.swar import HIGH, LOW, continuations, equal_to, load_end, trailing_zeros
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
_TECHNICAL_CHARS = "0123456789{}+/()>"
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
_PAIRS = 1 << 13
_DOT, _BANG, _ASKED = (LOW * np.uint64(ord(mark)) for mark in ".!?")


@lru_cache(maxsize=1)
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Technical bytes (256), bits of the rare pairs of bytes (8192), and the strings (27, 32).

    A row of strings: length, place of the rare pair, whether it must end a sentence, bytes.
    """
    technical = np.zeros(256, np.uint8)
    technical[list(_TECHNICAL_CHARS.encode())] = 1
    pairs = np.zeros(_PAIRS, np.uint8)
    strings = np.zeros((len(_STRINGS), 32), np.uint8)
    for row, (text, rare, final) in zip(strings, _STRINGS, strict=True):
        raw = text.encode()
        row[: len(raw) + 3] = [len(raw), rare, final, *raw]
        pair = raw[rare] | raw[rare + 1] << 8
        pairs[pair >> 3] |= 1 << (pair & 7)
    return readonly(technical), readonly(pairs), readonly(strings)


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
        *_tables(),
        sums,
    )
    return {f"madlad_{column}": sums[:, c] for c, column in enumerate(COLUMNS)}


@kernel
def judge_sentences(
    data, offsets, starts, ends, counts, lengths, flags, classes, technical, pairs, strings, sums
):
    """Fill sums (int64, texts by COLUMNS)."""
    base = np.int64(0)
    for k in range(len(offsets) - 1):
        begin, stop = np.int64(offsets[k]), np.int64(offsets[k + 1])
        last = base + counts[k]
        w = base
        while begin < stop:
            end, close, after = next_end(data, begin, stop, classes)
            if strip_left(data, begin, end, classes) == end:
                begin = after
                continue
            faults = 0
            words = capitals = codes = run = 0
            before, previous = np.int64(-1), 0
            while w < last and starts[w] < begin:
                w += 1
            while w < last and starts[w] < end:
                if flags[w] & ALNUM_FIRST:
                    words += 1
                    capitals += flags[w] & CAPITAL_FIRST != 0
                # Runs of words of one length, single blanks between them.
                gap = np.int64(starts[w]) - before
                before = np.int64(ends[w])
                length = lengths[w]
                run = run + 1 if length == previous and gap == 1 else 1
                if run == 9 and (length == 1 or length == 3 or length == 4):
                    faults |= CURSED
                if length == 1 and gap == 0 and previous == 2 and data[starts[w]] == 0x2C:
                    codes += 1
                    if codes == 4:
                        faults |= CURSED
                elif length != 2 or gap != 1:
                    codes = 0
                previous = length
                w += 1
            if words >= LIST_WORDS and 2 * capitals > words:
                faults |= LIST_CASE
            odd, cursed = scan(data, begin, end, close, technical, pairs, strings)
            chars = end - begin - count_continuations(data, begin, end)
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
        base = last


@inner
def next_end(data, i, stop, classes):
    """End of the sentence that begins at i, end of its marks, and where the next one begins."""
    while i < stop:
        eight = load_end(data, i, stop)
        marks = equal_to(eight, _DOT) | equal_to(eight, _BANG) | equal_to(eight, _ASKED)
        if marks == 0:
            i += 8
            continue
        i += trailing_zeros(marks) >> 3
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
def scan(data, begin, end, close, technical, pairs, strings):
    """Technical characters of a sentence, and whether it holds one of the strings.

    Its marks end at close; strings may hold them.
    """
    odd = np.int64(0)
    cursed = False
    previous = np.int64(0)
    for i in range(begin, close):
        b = np.int64(data[i])
        odd += technical[b]
        pair = previous | b << 8
        if pairs[pair >> 3] >> (pair & 7) & 1 and not cursed:
            cursed = has_string(data, i - 1, begin, close, strings)
        previous = b
    while end > begin and data[end - 1] <= 0x20:
        end -= 1
    return odd, cursed or (end > begin and data[end - 1] == 0x7C)


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


@inner
def count_continuations(data, i, end):
    total = np.int64(0)
    while i < end:
        eight = load_end(data, i, end)
        if eight & HIGH:
            total += continuations(eight)
        i += 8
    return total
