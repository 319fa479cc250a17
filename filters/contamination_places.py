"""Where parts of items stand in a text, and what stands around them: lines, sentences."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from filters.arrow import Texts, readonly
from filters.contamination_index import QUESTION_MARKS
from filters.contamination_words import Words

_MARKS = "|".join(QUESTION_MARKS).replace("?", "\\?", 1)
_ASKS = re.compile(_MARKS.encode())
_LINE = re.compile(f"[\n|]|{_MARKS}".encode())
_OPENS = re.compile(f'[\n|>.!:)"*\\]]|\u3002|\uff01|\uff1a|\u201c|{_MARKS}'.encode())
_SENTENCE = re.compile(f"[\n|>.!]|\u3002|\uff01|{_MARKS}".encode())


class Place(NamedTuple):
    """Where a part was found in a text: the weight found, words of the text."""

    gain: float
    start: int
    end: int
    same: int
    """Words that agree."""
    before: int = 0
    """Words of the part before the first that agrees ..."""
    behind: int = 0
    """... and behind the last."""

    def inside(self, other: Place) -> bool:
        """Whether this overlaps something at least twice as long."""
        apart = self.start >= other.end or self.end <= other.start
        return not apart and other.end - other.start >= 2 * (self.end - self.start)


class Text(NamedTuple):
    """One text and its words: their hashes, first bytes and ends."""

    number: int
    data: bytes
    hashes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, texts: Texts, words: Words, number: int) -> Text:
        own = slice(*words.offsets[number : number + 2])
        data = texts.data[slice(*texts.offsets[number : number + 2])].tobytes()
        return cls(number, data, readonly(words.hashes[own]), words.starts[own], words.ends[own])

    def frame(self, place: Place, question: bool) -> tuple[bool, bool]:
        """Whether what stands at a place is a line or sentence of its own, and whether it asks.

        Prose that shares a name or a saying with a question has it inside a longer sentence, or
        says what the question asks: no statement frames a question.
        """
        # of the words that are missing at an edge one may be left out, others stand in their place
        first, end = place.start - place.before, place.end + place.behind
        opens = first <= 0
        if not opens:
            begin = int(self.ends[first - 1])
            stop = int(self.starts[place.start - max(place.before - 1, 0)])
            opens = _OPENS.search(self.data, begin, stop) is not None
        begin = int(self.ends[min(place.end + max(place.behind - 1, 0), len(self.ends)) - 1])
        stop = int(self.starts[end]) if end < len(self.starts) else len(self.data)
        asks = _ASKS.search(self.data, begin, stop) is not None
        ending = _LINE if question else _SENTENCE
        closes = end >= len(self.starts) or ending.search(self.data, begin, stop) is not None
        return opens and closes, asks
