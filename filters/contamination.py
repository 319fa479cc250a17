"""Which items of evaluation sets stand in texts, and where.

Fuzzy matching after decon (AI2, the decontamination of OLMo 3): short runs of words of a question
lead to the places where it may stand; from there the match is grown to both sides over words that
differ; what is found counts by the rarity of its words (inverse document frequency); an answer
counts when it stands close by. Where decon scores overlapping 5-grams, of which one edit breaks
five, this counts the aligned words themselves, so that a text with every fifth word changed is
still found.

How sure a match is depends on how much there is to match. A question of `ENOUGH` information
(the sum of its words' weights, in nats) needs `threshold` of it, a shorter one more, up to `SURE`;
what carries less than `LEAST` in all its parts is never told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.arrow import StringColumn, readonly, texts_of
from filters.contamination_index import (
    ANSWER,
    LEAST,
    PARTS,
    PASSAGE,
    QUESTION,
    Index,
    Names,
    build,
    load,
)
from filters.contamination_index import save as save_index
from filters.contamination_kernels import BLOCK, FLOOR, find_near, find_parts
from filters.contamination_words import Words, words_of
from filters.eval_items import MATCHES, Item

ENOUGH = 45.0
"""Information from which on `threshold` holds."""
SURE = 0.8
"""Share needed of an item that only just carries enough information."""
DENSITY = 0.5
"""Words that agree, as a share of the words between the first and the last of them."""
WORD_SHARE = (20, 40), (0.72, 0.6)
"""Least share of a part's words, whatever their weight, for parts of so many words: phrases of the
language, and long names, are found in questions that are otherwise different."""
PASSAGE_WORDS = 400
"""Words after a passage within which its questions may stand."""
SHORT_ANSWER = 3
"""Answers of up to so many words must stand there exactly."""
ANSWER_SHARE = 0.6
"""Least share of a longer answer."""
_ROOM = 4096


class Rules(NamedTuple):
    """When a text holds an item."""

    threshold: float = 0.65
    """Share of a long question's weight."""
    min_words: int = 6
    """Questions of fewer words count only with their answer or passage."""
    answer_words: int = 50
    """Words around a question within which its answer counts."""


DEFAULT = Rules()


class Match(NamedTuple):
    """A part found in a text, in words of the text."""

    text: int
    item: int
    part: int
    start: int
    end: int
    score: float


class Contamination:
    """Evaluation items, indexed, to be found in columns of text.

    Parameters
    ----------
    index, names
        From `contamination_index.build` or `load`.
    rules
        When an item counts as found.
    """

    def __init__(self, index: Index, names: Names, rules: Rules = DEFAULT):
        self.index, self.names, self.rules = index, names, rules
        self._sizes = np.diff(index.offsets)

    @classmethod
    def of(cls, items: Iterable[Item], rules: Rules = DEFAULT) -> Contamination:
        """A matcher for some items."""
        return cls(*build(items), rules)

    @classmethod
    def open(cls, path: str, rules: Rules = DEFAULT) -> Contamination:
        """A matcher over a file of :meth:`save`, mapped into memory."""
        return cls(*load(path), rules)

    def save(self, path: str) -> None:
        """Write the index to one file; equal items give equal bytes."""
        save_index(self.index, self.names, path)

    def told(self, alone: bool = False) -> np.ndarray:
        """Whether each item can be found at all (bool), or by its question `alone`.

        The others are too short to be told from chance.
        """
        index, rules = self.index, self.rules
        parts = index.items[:, 1:]
        question, answer, passage = np.where(parts >= 0, index.totals[parts], 0).T
        words = self._sizes[parts[:, 0]]
        by_question = (question >= LEAST) & (words >= rules.min_words)
        if alone:
            return by_question
        return (
            by_question
            | ((question + answer >= LEAST) & (answer > 0) & (words >= rules.min_words - 1))
            | ((question + answer + passage >= LEAST) & (passage > 0))
        )

    def tag(self, texts: StringColumn) -> pa.Array:
        """What each text holds: an array of type MATCHES."""
        column = texts_of(texts)
        words = words_of(column)
        matches = self.find(words)
        by_text: list[list[dict]] = [[] for _ in range(len(column))]
        for match in matches:
            row = self.index.items[match.item]
            first = words.offsets[match.text]
            by_text[match.text].append(
                {
                    "benchmark": self.names.benchmarks[row[0]],
                    "item": self.names.items[match.item],
                    "part": PARTS[match.part],
                    "start": int(words.starts[first + match.start]),
                    "end": int(words.ends[first + match.end - 1]),
                    "score": match.score,
                }
            )
        for rows in by_text:
            rows.sort(key=lambda m: (m["start"], m["end"], m["benchmark"], m["item"], m["part"]))
        return pa.array(by_text, MATCHES)

    def find(self, words: Words) -> list[Match]:
        """The parts of items that stand in texts, given as words."""
        index = self.index
        space = (
            np.empty((1024, 3), np.int64),
            np.empty(BLOCK + 1, np.int64),
            *(np.empty(3 * BLOCK + 1, kind) for kind in (np.int64, np.uint64, np.uint8)),
        )
        room = _ROOM
        while True:
            found, gains = np.empty((room, 5), np.int32), np.empty(room, np.float32)
            n = find_parts(
                readonly(words.hashes),
                readonly(words.offsets),
                *index[:9],
                *space,
                found,
                gains,
            )
            if n <= room:
                break
            room = 2 * n
        if not n:
            return []
        found, gains = found[:n], gains[:n]
        dense = found[:, 4] >= DENSITY * (found[:, 3] - found[:, 2])
        sizes = self._sizes[found[:, 1]]
        dense &= found[:, 4] >= np.interp(sizes, *WORD_SHARE) * sizes
        found, gains = found[dense], gains[dense]
        matches = []
        for text in np.unique(found[:, 0]):
            own = found[:, 0] == text
            matches += self._judge(words, int(text), found[own], gains[own])
        return matches

    def _judge(self, words: Words, text: int, found: np.ndarray, gains: np.ndarray) -> list[Match]:
        """The items of one text, from the parts found in it."""
        index = self.index
        low, high = int(words.offsets[text]), int(words.offsets[text + 1])
        places: dict[int, list[tuple[float, int, int]]] = {}
        for (_, part, start, end, _), gain in zip(found.tolist(), gains.tolist(), strict=True):
            places.setdefault(part, []).append((gain, start, end))
        places = {part: _apart(own) for part, own in places.items()}
        matches: list[Match] = []
        for item in self._items_of(places):
            question, answer, passage = index.items[item, 1:].tolist()
            contexts = places.get(passage, [])
            asked = places.get(question, [])
            if not asked and contexts:
                asked = self._asked_after(words, low, high, contexts, question)
            own: set[Match] = set()
            for here in asked:
                parts = [(QUESTION, question, here)]
                if answer >= 0 and (replied := self._answer(words, low, high, here, answer)):
                    parts.append((ANSWER, answer, replied))
                parts += [(PASSAGE, passage, max(contexts))] if contexts else []
                if score := self._score(parts):
                    parts += [(PASSAGE, passage, place) for place in contexts]
                    own.update(Match(text, item, kind, *at[1:], score) for kind, _, at in parts)
            best = max((match.score for match in own), default=0.0)
            matches += sorted({match._replace(score=best) for match in own})
        return matches

    def _asked_after(self, words, low: int, high: int, contexts, question: int):
        """Places of a short question behind its passage, where nearly all of it must stand."""
        found = []
        for _, _, end in contexts:
            reach = min(high, low + end + PASSAGE_WORDS)
            near = self._near(words, low, low + end, reach, question)
            if near is not None and near[0] >= 0.9 * self.index.totals[question]:
                found.append(near)
        return found

    def _items_of(self, parts: Iterable[int]) -> list[int]:
        index = self.index
        items: set[int] = set()
        for part in parts:
            first, end = index.item_offsets[part : part + 2]
            items.update(index.items_of[first:end].tolist())
        return sorted(items)

    def _score(self, parts: list[tuple[int, int, tuple[float, int, int]]]) -> float:
        """Share that was found of the weight of the parts that tell most, 0 if it does not do.

        The question counts alone or with any of the others, of which half may have been found.
        """
        index, rules = self.index, self.rules
        question, *others = [
            (kind, float(index.totals[part]), found[0]) for kind, part, found in parts
        ]
        words = self._sizes[parts[0][1]]
        best = 0.0
        for mask in range(1 << len(others)):
            chosen = [other for at, other in enumerate(others) if mask >> at & 1]
            least = rules.min_words - bool(chosen)
            if words < least and not any(kind == PASSAGE for kind, _, _ in chosen):
                continue
            whole = question[1] + sum(other[1] for other in chosen)
            share = (question[2] + sum(other[2] for other in chosen)) / whole
            if share >= needed(whole, rules.threshold):
                best = max(best, min(share, 1.0))
        return best

    def _answer(self, words, low: int, high: int, asked, answer: int):
        """The answer close to a question, or None."""
        size = int(self._sizes[answer])
        reach = self.rules.answer_words + (2 * size if size > SHORT_ANSWER else size)
        share = 1.0 if size <= SHORT_ANSWER else ANSWER_SHARE
        after = low + asked[2], min(high, low + asked[2] + reach)
        before = max(low, low + asked[1] - reach), low + asked[1]
        for first, end in (after, before):
            near = self._near(words, low, first, end, answer)
            if near is not None and near[0] >= share * self.index.totals[answer] - 1e-3:
                return near
        return None

    def _near(self, words, low: int, first: int, end: int, part: int):
        """Gain, start and end of a part between two words, or None."""
        index = self.index
        place = np.zeros(3, np.int64)
        begin, stop = index.offsets[part : part + 2]
        gain = find_near(
            readonly(words.hashes), first, end, index.words, begin, stop, index.weights, place
        )
        if gain < FLOOR * index.totals[part] or gain == 0:
            return None
        return gain, int(place[0]) - low, int(place[1]) - low


def _apart(places: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """Places (gain, start, end) of one part that do not overlap, the best of each heap of them."""
    apart: list[tuple[float, int, int]] = []
    for place in sorted(places, key=lambda place: (place[1], -place[0])):
        if apart and place[1] < apart[-1][2]:
            apart[-1] = max(apart[-1], place)
        else:
            apart.append(place)
    return apart


def needed(information: float, threshold: float) -> float:
    """Share of so much information (nats) that must be found; above 1 if it is too little."""
    if information < LEAST:
        return 2.0
    part = min((information - LEAST) / (ENOUGH - LEAST), 1.0)
    return SURE + part * min(threshold - SURE, 0.0)
