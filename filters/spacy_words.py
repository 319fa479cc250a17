"""The exact mode: words and sentences as spaCy's English tokenizer cuts them.

The kernel of the module ``words`` does the work, with spaCy's own character classes. A text with
hundreds of overlapping emoticons is given to spaCy itself. Should the installed spaCy not
be of the version whose rules the kernel knows, all texts are.

spaCy is imported when this mode is first used and only then. One difference from datatrove is
known: inside spaCy's memory zones, which datatrove uses, the word IS_ALPHA (a symbol of spaCy's
own) turns into another word or vanishes, depending on the texts read before; here it stays.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from filters.arrow import Texts, readonly, strings_from
from filters.chars import (
    CLOSING,
    FULL_STOP_AFTER,
    ICON,
    LETTER,
    LOWER,
    PREFIX,
    SUFFIX,
    UNSPACED,
    UPPER,
    class_bits,
    pack,
)
from filters.english import rules
from filters.segment import Words, segment_words
from filters.words import WordRules, make_rules

KNOWN_VERSION = "3.8."
"""The spaCy releases whose rules the kernel follows."""
_MOST_STRINGS = 1_000_000
"""spaCy remembers every word it has seen: past so many it is loaded afresh."""


class ExactWords(NamedTuple):
    """Words as spaCy cuts them, and what the kernel alone made of the texts."""

    words: Words
    """Words of all texts; those of marked texts are copies at the end of ``words.data``."""
    kernel: Words
    """Words of the kernel, in place."""
    marked: np.ndarray
    """bool, one a text: cut by spaCy itself."""


def exact_words(texts: Texts) -> ExactWords:
    """Words of all texts, stripped, empty ones left out, as datatrove's word tokenizer has them.

    Raises ImportError when spaCy is not installed.
    """
    known = exact_rules()
    marked = np.zeros(len(texts), np.bool_)
    kernel = segment_words(texts, known, marked)
    if known is None:
        marked[:] = True
    if not marked.any():
        return ExactWords(kernel, kernel, marked)
    strings = strings_from(texts.data, texts.offsets)
    theirs = spacy_words(strings.filter(marked).to_pylist())
    return ExactWords(_splice(kernel, theirs, marked), kernel, marked)


def spacy_words(texts: list[str]) -> Words:
    """Words by spaCy itself, copied one after another.

    They are copies because spaCy's special cases may span white space, so that a word need not be
    a slice of its text.
    """
    pieces: list[bytes] = []
    counts = np.zeros(len(texts), np.int64)
    for k, text in enumerate(texts):
        words = [word for token in _tokens(text) if (word := token.text.strip())]
        pieces.extend(word.encode() for word in words)
        counts[k] = len(words)
    ends = np.cumsum([len(piece) for piece in pieces] or [0])[: len(pieces)]
    starts = np.concatenate([[0], ends[:-1]])[: len(pieces)]
    data = np.frombuffer(b"".join(pieces), np.uint8)
    return Words(readonly(data), starts.astype(np.int32), ends.astype(np.int32), counts)


def spacy_sentences(lines: list[str]) -> np.ndarray:
    """Sentences (int32) that spaCy's sentencizer finds in each line, at least one."""
    counts = [sum(_pipeline()[1].predict([_tokens(line)])[0]) for line in lines]
    return np.maximum(np.array(counts, np.int32), 1)


@lru_cache(maxsize=1)
def exact_rules() -> WordRules | None:
    """The kernel's tables with the character classes of the installed spaCy.

    None if its version or its exceptions are not the known ones.
    """
    import spacy
    from spacy.lang import char_classes

    theirs = {text for text in _pipeline()[0].tokenizer.rules if not text.isspace()}
    if not spacy.__version__.startswith(KNOWN_VERSION) or theirs != {"".join(r) for r in rules()}:
        return None
    bits = class_bits()
    icons = bits & ICON > 0
    lower = bits & LOWER > 0
    changed = ICON | LETTER | LOWER | UPPER | UNSPACED | CLOSING
    bits &= np.uint32(~changed & 0xFFFFFFFF)
    bits[icons] &= np.uint32(~(PREFIX | SUFFIX) & 0xFFFFFFFF)
    bits[lower] &= np.uint32(~FULL_STOP_AFTER & 0xFFFFFFFF)
    everything = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    for name, flags in (
        ("ALPHA", LETTER),
        ("ALPHA_LOWER", LOWER | FULL_STOP_AFTER),
        ("ALPHA_UPPER", UPPER),
        ("CONCAT_ICONS", ICON | PREFIX | SUFFIX),
    ):
        members = re.findall(f"[{getattr(char_classes, name)}]", everything)
        bits[np.array([ord(char) for char in members])] |= np.uint32(flags)
    return make_rules(pack(bits))


def _splice(kernel: Words, theirs: Words, marked: np.ndarray) -> Words:
    """Words of the kernel with those of marked texts replaced."""
    data = readonly(np.concatenate([kernel.data, theirs.data]))
    shift = np.int32(len(kernel.data))
    bounds = np.concatenate([[0], np.cumsum(kernel.counts)])
    others = np.concatenate([[0], np.cumsum(theirs.counts)])
    starts, ends = [], []
    done = 0
    for place, row in enumerate(np.flatnonzero(marked)):
        mine, other = slice(done, bounds[row]), slice(others[place], others[place + 1])
        starts += [kernel.starts[mine], theirs.starts[other] + shift]
        ends += [kernel.ends[mine], theirs.ends[other] + shift]
        done = bounds[row + 1]
    starts.append(kernel.starts[done:])
    ends.append(kernel.ends[done:])
    counts = kernel.counts.copy()
    counts[marked] = theirs.counts
    return Words(data, np.concatenate(starts), np.concatenate(ends), counts)


def _tokens(text: str):
    pipeline, _ = _pipeline()
    if len(pipeline.vocab.strings) > _MOST_STRINGS:
        _pipeline.cache_clear()
        pipeline, _ = _pipeline()
    return pipeline.tokenizer(text)


@lru_cache(maxsize=1)
def _pipeline():
    try:
        import spacy
    except ImportError as error:
        raise ImportError("words='spacy' needs spaCy: pip install spacy") from error
    pipeline = spacy.blank("en")
    return pipeline, pipeline.add_pipe("sentencizer")
