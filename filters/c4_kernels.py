"""Kernels of the line rules of C4; what the rules are is told in the module ``c4``.

A line is stripped, then, in this order: cut if a word is too long; freed of citation marks; cut
if it has no terminal punctuation, or too few words; the page is condemned if it says "lorem
ipsum"; cut if it says "javascript"; the page is condemned if it has a curly bracket; cut if it
talks about terms of use, privacy or cookies. Sentences are counted on the lines that remain.
FineWeb leaves out the rule of terminal punctuation: both variants are counted.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from filters.arrow import readonly
from filters.chars import ASCII, DECIMAL, SPACE, class_of, decode
from filters.chunks import FOREIGN, SPACES
from filters.jit import inner, kernel
from filters.lines import strip_left, strip_right
from filters.masks import ONE, WIDTH, below, finder, scanner
from filters.swar import count_ones, trailing_zeros
from filters.wordstats import PUNCTUATION, SENTENCE_END

MAX_WORD_CHARS = 1000
MIN_LINE_WORDS = 3

VERDICTS = (
    "kept",
    "long_word",
    "no_terminal_punct",
    "few_words",
    "lorem_ipsum",
    "javascript",
    "curly_bracket",
    "policy",
)
"""What happens to a line; the numbers of the kernels are places in this tuple."""
KEPT, LONG_WORD, NO_TERMINAL, FEW_WORDS, LOREM, JAVASCRIPT, CURLY, POLICY = range(8)

COLUMNS = (*(f"lines_{verdict}" for verdict in VERDICTS), "curly_first", "sentences")
WHITESPACE, CITATION = 8, 9
"""Reasons of spans besides the verdicts: what is cut out of a line that is kept."""
# Phrase, verdict, and a rare piece of it, at which it is looked for (before any k, which may be
# the Kelvin sign).
_PHRASES = (
    ("lorem ipsum", LOREM, "ips"),
    ("javascript", JAVASCRIPT, "jav"),
    ("terms of use", POLICY, "ms o"),
    ("privacy policy", POLICY, "vac"),
    ("cookie policy", POLICY, "coo"),
    ("uses cookies", POLICY, "coo"),
    ("use of cookies", POLICY, "coo"),
    ("use cookies", POLICY, "coo"),
)
scan = scanner(b"{", *(bytes([letter, letter - 32]) for letter in b"acjmopsvi"))
scan_blanks = scanner(SPACES, FOREIGN)
find_bracket = finder(b"[")
_1, _2, _3 = (np.uint64(k) for k in (1, 2, 3))
_EDIT = tuple(b"edit]")
_NEEDED = tuple(b"citation needed]")


@lru_cache(maxsize=1)
def phrases() -> np.ndarray:
    """The phrases, uint8 (8, 32): length, verdict, place of its rare piece, letters of each."""
    table = np.zeros((len(_PHRASES), 32), np.uint8)
    for row, (phrase, verdict, rare) in zip(table, _PHRASES, strict=True):
        row[: len(phrase) + 3] = [len(phrase), verdict, phrase.index(rare), *phrase.encode()]
    return readonly(table)


@kernel
def trim_lines(
    data, starts, ends, classes, begins, stops, verdicts, clean, clean_starts, clean_stops
):
    """Strip all lines, cut those with a long word, and copy those with citation marks.

    begins, stops (int32): the stripped line; verdicts (uint8): LONG_WORD, FEW_WORDS or KEPT so
    far. A line with citation marks is copied without them to ``clean`` (uint8, as long as data
    and a bit), and clean_starts, clean_stops (int32, -1 for all other lines) say where; returns
    the length of the copies, each of which is followed by a newline.
    """
    size = 0
    for n in range(len(starts)):
        end = np.int64(ends[n])
        begin = strip_left(data, np.int64(starts[n]), end, classes)
        end = strip_right(data, begin, end, classes)
        begins[n], stops[n] = begin, end
        clean_starts[n] = -1
        if end - begin > MAX_WORD_CHARS and has_long_word(data, begin, end, classes):
            verdicts[n] = LONG_WORD
            continue
        verdicts[n] = KEPT if has_words(data, begin, end, classes) else FEW_WORDS
        if find_bracket(data, begin, end) < end:
            copied = drop_citations(data, begin, end, classes, clean, size)
            if copied - size < end - begin:
                clean_starts[n], clean_stops[n] = size, copied
                clean[copied] = 0x0A
                size = copied + 1
    return size


@inner
def has_words(data, i, end, classes):
    """Whether a stripped line has MIN_LINE_WORDS words or more, white space between them."""
    if i < end:
        blank, foreign = scan_blanks(data, i, end)
        filled = ~blank & below(end - i)
        words = count_ones(filled & ~(filled << ONE))
        if foreign == 0 and (words >= MIN_LINE_WORDS or end - i <= WIDTH):
            return words >= MIN_LINE_WORDS
    words = 0
    inside = False
    while i < end:
        if data[i] < 0x80:
            cls = np.int64(classes[ASCII + data[i]])
            i += 1
        else:
            cp, width = decode(data, i, end)
            cls = class_of(classes, cp)
            i += width
        if cls & SPACE:
            inside = False
        elif not inside:
            inside = True
            words += 1
            if words == MIN_LINE_WORDS:
                return True
    return False


@inner
def has_long_word(data, i, end, classes):
    """Whether a word of a line has more than MAX_WORD_CHARS characters."""
    characters = 0
    while i < end:
        if data[i] < 0x80:
            cls = np.int64(classes[ASCII + data[i]])
            i += 1
        else:
            cp, width = decode(data, i, end)
            cls = class_of(classes, cp)
            i += width
        characters = 0 if cls & SPACE else characters + 1
        if characters > MAX_WORD_CHARS:
            return True
    return False


@inner
def drop_citations(data, begin, end, classes, clean, size):
    """Copy data[begin:end] to clean[size:] without citation marks; returns the end there."""
    i = begin
    while i < end:
        width = citation_width(data, i, end, classes) if data[i] == 0x5B else 0
        if width:
            i += width
        else:
            clean[size] = data[i]
            size += 1
            i += 1
    return size


@inner
def citation_width(data, i, end, classes):
    """Bytes of "[12]", "[]", "[edit]" or "[citation needed]" at i, 0 if there is none."""
    j = i + 1
    while j < end:
        cp, width = decode(data, j, end)
        if cp == 0x5D:
            return j + 1 - i
        if class_of(classes, cp) & DECIMAL == 0:
            break
        j += width
    if has_letters(data, i + 1, end, _EDIT):
        return 6
    if has_letters(data, i + 1, end, _NEEDED):
        return 17
    return 0


@inner
def has_letters(data, i, end, letters):
    if end - i < len(letters):
        return False
    for k in range(len(letters)):  # noqa: SIM110
        if data[i + k] != letters[k]:
            return False
    return True


@kernel
def judge_lines(data, begins, stops, clean, clean_starts, clean_stops, table, verdicts, terminal):
    """Finish the verdicts of all lines, leaving terminal punctuation aside.

    verdicts comes from trim_lines; terminal (bool) says whether the line ends in one of
    . ? ! " ' and not in an ellipsis.
    """
    for n in range(len(begins)):
        terminal[n] = True
        if verdicts[n] == LONG_WORD:
            continue
        found = 0
        if clean_starts[n] < 0:
            begin, stop = np.int64(begins[n]), np.int64(stops[n])
            terminal[n] = is_terminal(data, begin, stop)
            if verdicts[n] == KEPT:
                found = find_phrases(data, begin, stop, table)
        else:
            begin, stop = np.int64(clean_starts[n]), np.int64(clean_stops[n])
            terminal[n] = is_terminal(clean, begin, stop)
            if verdicts[n] == KEPT:
                found = find_phrases(clean, begin, stop, table)
        if found:
            for verdict in (LOREM, JAVASCRIPT, CURLY, POLICY):
                if found & (1 << verdict):
                    verdicts[n] = verdict
                    break


@inner
def is_terminal(data, begin, end):
    if end <= begin:
        return False
    b = data[end - 1]
    if b == 0x2E:
        return end - begin < 3 or data[end - 2] != 0x2E or data[end - 3] != 0x2E
    return b == 0x21 or b == 0x22 or b == 0x27 or b == 0x3F


@inner
def find_phrases(data, begin, end, table):
    """Bit 1 << verdict for every phrase, and the curly bracket, in data[begin:end]."""
    found = 0
    for i in range(begin, end, WIDTH - 4):
        curly, a, c, j, m, o, p, s, v, y = scan(data, i, end)
        found |= (curly != 0) << CURLY
        marks = (y & (p >> _1) & (s >> _2)) | (j & (a >> _1) & (v >> _2))
        marks |= (v & (a >> _1) & (c >> _2)) | (c & (o >> _1) & (o >> _2))
        marks |= m & (s >> _1) & (o >> _3)
        while marks:
            at = i + trailing_zeros(marks)
            marks &= marks - ONE
            for k in range(len(table)):
                start = at - np.int64(table[k, 2])
                same = table[k, 3 + table[k, 2]] == data[at] | 0x20 and start >= begin
                if same and has_phrase(data, start, end, table[k]):
                    found |= 1 << table[k, 1]
    return found


@inner
def has_phrase(data, i, end, phrase):
    """Whether the phrase stands at i, whatever its case (the Kelvin sign is a K)."""
    for k in range(3, 3 + phrase[0]):
        if i >= end:
            return False
        b = data[i]
        if 0x41 <= b <= 0x5A:
            b |= 0x20
        elif b == 0xE2 and i + 2 < end and data[i + 1] == 0x84 and data[i + 2] == 0xAA:
            b = 0x6B
            i += 2
        if b != phrase[k]:
            return False
        i += 1
    return True


@kernel
def count_sentences(data, begins, stops, wanted, starts, ends, flags, out):
    """Sentences of every wanted line, by the rule of spaCy's sentencizer.

    Lines and words (starts, ends, flags) are those of ``data``, in order. A sentence begins with
    the first token after a sentence-ending one that is no punctuation; white space is a token
    unless it is a single blank.
    """
    w, words = np.uint64(0), np.uint64(len(starts))
    for n in range(len(begins)):
        if not wanted[n]:
            continue
        begin, stop = np.int64(begins[n]), np.int64(stops[n])
        while w < words and starts[w] < begin:
            w += ONE
        sentences = 1
        ended = False
        while w < words and starts[w] < stop:
            flag = flags[w]
            if ended:
                at, start = np.int64(ends[w - ONE]), np.int64(starts[w])
                space = start > at and not is_blank(data, at, start)
                if space or flag & (PUNCTUATION | SENTENCE_END) == 0:
                    sentences += 1
                    ended = space and flag & SENTENCE_END != 0
            else:
                ended = flag & SENTENCE_END != 0
            w += ONE
        if ended:
            at = np.int64(ends[w - ONE])
            sentences += at < stop and not is_blank(data, at, stop)
        out[n] = sentences


@inner
def is_blank(data, start, end):
    """Whether data[start:end] is exactly one space."""
    return end - start == 1 and data[start] == 0x20


@kernel
def sum_lines(counts, verdicts, terminal, sentences, out):
    """COLUMNS of every text, ``out`` int64 (texts, 2, 10): as C4 has it, and as FineWeb does."""
    base = 0
    for k in range(len(counts)):
        out[k] = 0
        for n in range(base, base + counts[k]):
            for variant in range(2):
                verdict = np.int64(verdicts[n])
                if variant == 0 and not terminal[n]:
                    verdict = NO_TERMINAL
                if verdict == CURLY and out[k, variant, LOREM] == 0:
                    out[k, variant, 8] = 1
                out[k, variant, verdict] += 1
                if verdict == KEPT:
                    out[k, variant, 9] += sentences[n]
        base += counts[k]


@kernel
def list_spans(
    data, starts, ends, breaks, counts, classes, begins, stops, verdicts, clean_starts, fill, out
):
    """What C4 cuts: rows (first byte, end, reason) of out (int32), spans of each text in order.

    Returns the number of spans; ``fill`` (int64) gets their number per text. Rows are written
    only as far as out reaches, so a first call with an empty one counts.
    """
    n = 0
    base = 0
    for k in range(len(counts)):
        first = n
        for line in range(base, base + counts[k]):
            start, end = np.int64(starts[line]), np.int64(ends[line])
            begin, stop = np.int64(begins[line]), np.int64(stops[line])
            after = end + np.int64(breaks[line])
            if verdicts[line] != KEPT:
                n = put_span(out, n, start, after, np.int64(verdicts[line]))
                continue
            n = put_span(out, n, start, begin, WHITESPACE)
            i = begin if clean_starts[line] >= 0 else stop
            while i < stop:
                width = citation_width(data, i, stop, classes) if data[i] == 0x5B else 0
                n = put_span(out, n, i, i + width, CITATION)
                i += max(width, 1)
            # The line feed of CR LF stays.
            n = put_span(out, n, stop, end + 1 if breaks[line] == 2 else end, WHITESPACE)
        fill[k] = n - first
        base += counts[k]
    return n


@inner
def put_span(out, n, start, end, reason):
    if start >= end:
        return n
    if n < len(out):
        out[n, 0], out[n, 1], out[n, 2] = start, end, reason
    return n + 1


@kernel
def copy_outside(data, offsets, span_offsets, spans, classes, out, out_offsets):
    """Copy every text without its spans, and without white space at its ends, to out."""
    size = 0
    out_offsets[0] = 0
    for k in range(len(offsets) - 1):
        i = offsets[k]
        begin = size
        for n in range(span_offsets[k], span_offsets[k + 1]):
            stop = offsets[k] + spans[n, 0]
            while i < stop:
                out[size] = data[i]
                size += 1
                i += 1
            i = max(i, offsets[k] + spans[n, 1])
        while i < offsets[k + 1]:
            out[size] = data[i]
            size += 1
            i += 1
        start = strip_left(out, begin, size, classes)
        size = strip_right(out, start, size, classes)
        for j in range(start, size):
            out[begin + j - start] = out[j]
        size -= start - begin
        out_offsets[k + 1] = size
