"""The exact mode: words and sentences by spaCy itself, document by document, as datatrove asks.

spaCy is imported when this mode is first used and only then. One difference is known: inside
spaCy's memory zones, which datatrove uses, the word IS_ALPHA (a symbol of spaCy's own) turns into
another word or vanishes, depending on the texts read before; here it stays.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from filters.arrow import readonly
from filters.segment import Words

_MOST_STRINGS = 1_000_000
"""spaCy remembers every word it has seen: past so many it is loaded afresh."""


def spacy_words(texts: list[str]) -> Words:
    """Words of texts as ``spacy.blank("en")`` cuts them, stripped, empty ones left out.

    The words are copied one after another: spaCy's special cases may span white space, so that a
    word need not be a slice of its text. Raises ImportError when spaCy is not installed.
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
