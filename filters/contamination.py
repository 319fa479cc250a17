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

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.arrow import StringColumn, Texts, readonly, texts_of
from filters.contamination_index import (
    ANSWER,
    JOINED,
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
from filters.contamination_kernels import FLOOR, LITTLE, SHORT, find_near, find_parts, new_space
from filters.contamination_places import Place, Text
from filters.contamination_words import Words, words_of
from filters.eval_items import MATCHES, Item

ENOUGH, FRAMED_ENOUGH = 90.0, 45.0
"""Information from which on `threshold` holds; the latter for questions that are framed."""
SURE = 0.8
"""Share needed of an item that only just carries enough information."""
DENSITY = 0.5
"""Words that agree, as a share of the words between the first and the last of them."""
WORD_SHARE = (20, 40), (0.72, 0.6)
"""Least share of a part's words, whatever their weight, for parts of so many words: phrases of the
language, and long names, are found in questions that are otherwise different."""
BRIEF = 35.0
"""Information that a question of fewer words than `Rules.min_words` asks for needs with its answer,
which must follow ..."""
BRIEF_WORDS = 20
"""... within so many words, ..."""
BRIEF_SHARE = 0.8
"""... so much of it, behind every word of the question; and it must have ..."""
BRIEF_ANSWER = 3
"""... so many words: rows such as *Mon Tue Wed Thu* stand anywhere."""
EDGE = 8
"""One word in so many of a question may be missing at its beginning and end together, none of a
question of fewer than `EDGE_FROM` words, ..."""
EDGE_FROM = 10
EDGE_FRAMED, EDGE_ASKS, EDGE_ANSWERED = 1, 1, 1
"""... and so many more where the question is framed (see `Text.frame`), where a question mark
follows, and where the answer does within `EDGE_ANSWER` words: names and sayings stand in prose
without the words that ask for them."""
EDGE_ANSWER = 10
FRAMED_SURE, FRAMED_WORDS = 0.75, 0.6
"""What `SURE` and `WORD_SHARE` are for questions that are framed."""
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
    """Questions of fewer words, each counted once, count only with their answer or passage."""
    answer_words: int = 50
    """Words around a question within which its answer counts."""


DEFAULT = Rules()


class Match(NamedTuple):
    """A part found in a text, in words of the text."""

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
        words = index.distinct[parts[:, 0]]
        by_question = (question >= LEAST) & (words >= rules.min_words)
        if alone:
            return by_question & (parts[:, 1] != JOINED)
        long = self._sizes[parts[:, 1]] >= BRIEF_ANSWER
        both = np.where(words >= rules.min_words - 1, LEAST, np.where(long, BRIEF, np.inf))
        return (
            by_question
            | ((question + answer >= both) & (answer > 0) & (words >= SHORT))
            | ((question + answer + passage >= LEAST) & (passage > 0) & (question >= LITTLE))
        )

    def tag(self, texts: StringColumn) -> pa.Array:
        """What each text holds: an array of type MATCHES."""
        column = texts_of(texts)
        words = words_of(column)
        by_text: list[list[dict]] = [[] for _ in range(len(column))]
        for text, matches in self.find(column, words):
            by_text[text.number] = [
                {
                    "benchmark": self.names.benchmarks[self.index.items[match.item, 0]],
                    "item": self.names.items[match.item],
                    "part": PARTS[match.part],
                    "start": int(text.starts[match.start]),
                    "end": int(text.ends[match.end - 1]),
                    "score": match.score,
                }
                for match in matches
            ]
        for rows in by_text:
            rows.sort(key=lambda m: (m["start"], m["end"], m["benchmark"], m["item"], m["part"]))
        return pa.array(by_text, MATCHES)

    def find(self, texts: Texts, words: Words) -> Iterator[tuple[Text, list[Match]]]:
        """The texts that hold parts of items, and the parts; `words` are those of the texts."""
        index = self.index
        space = new_space()
        room = _ROOM
        while True:
            found, gains = np.empty((room, 7), np.int32), np.empty(room, np.float32)
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
        found, gains = found[:n], gains[:n]
        dense = found[:, 4] >= DENSITY * (found[:, 3] - found[:, 2])
        sizes = self._sizes[found[:, 1]]
        dense &= found[:, 4] >= FRAMED_WORDS * sizes
        found, gains = found[dense], gains[dense]
        for number in np.unique(found[:, 0]).tolist():
            own = found[:, 0] == number
            text = Text.of(texts, words, number)
            if matches := self._judge(text, found[own], gains[own]):
                yield text, matches

    def _judge(self, text: Text, found: np.ndarray, gains: np.ndarray) -> list[Match]:
        """The items of one text, from the parts found in it."""
        index = self.index
        places: dict[int, list[Place]] = {}
        for (_, part, *place), gain in zip(found.tolist(), gains.tolist(), strict=True):
            places.setdefault(part, []).append(Place(gain, *place))
        places = {part: _apart(own) for part, own in places.items()}
        matches: list[Match] = []
        for item in self._items_of(places):
            question, answer, passage = index.items[item, 1:].tolist()
            contexts = places.get(passage, [])
            # what a passage says is no question about it
            asked = [
                place
                for place in places.get(question, [])
                if not any(place.inside(context) for context in contexts)
            ]
            if not asked and contexts:
                asked = self._asked_after(text, contexts, question)
            own: set[Match] = set()
            for here in asked:
                parts = [(QUESTION, question, here)]
                if answer >= 0 and (replied := self._answer(text, here, answer)):
                    parts.append((ANSWER, answer, replied))
                if contexts:
                    parts.append((PASSAGE, passage, max(contexts)))
                framed, lack = self._frame(text, parts)
                if here.before + here.behind > lack and not contexts:
                    continue
                if score := self._score(parts, framed):
                    parts += [(PASSAGE, passage, place) for place in contexts]
                    own.update(Match(item, kind, at.start, at.end, score) for kind, _, at in parts)
            best = max((match.score for match in own), default=0.0)
            matches += sorted({match._replace(score=best) for match in own})
        return matches

    def _frame(self, text: Text, parts: list[tuple[int, int, Place]]) -> tuple[bool, int]:
        """Whether a question is framed, and the words that may be missing at its edges."""
        (_, question, asked), *others = parts
        size = int(self._sizes[question])
        framed, asks = text.frame(asked, bool(self.index.asks[question]))
        lack = size // EDGE if size >= EDGE_FROM else 0
        # a statement lacks the words that ask
        said = self.index.asks[question] and not asks and asked.before
        lack += EDGE_FRAMED * (framed and not said) + EDGE_ASKS * asks
        lack += EDGE_ANSWERED * any(
            kind == ANSWER and 0 <= place.start - asked.end <= EDGE_ANSWER
            for kind, _, place in others
        )
        return framed, lack

    def _asked_after(self, text: Text, contexts: list[Place], question: int) -> list[Place]:
        """Places of a short question behind its passage, where nearly all of it must stand."""
        found: list[Place] = []
        if self.index.totals[question] < LITTLE:
            return found
        for context in contexts:
            reach = min(len(text.hashes), context.end + PASSAGE_WORDS)
            near = self._near(text, context.end, reach, question)
            if near is not None and near.gain >= 0.9 * self.index.totals[question]:
                found.append(near)
        return found

    def _items_of(self, parts: Iterable[int]) -> list[int]:
        index = self.index
        items: set[int] = set()
        for part in parts:
            first, end = index.item_offsets[part : part + 2]
            items.update(index.items_of[first:end].tolist())
        return sorted(items)

    def _score(self, parts: list[tuple[int, int, Place]], framed: bool) -> float:
        """Share that was found of the weight of the parts that tell most, 0 if it does not do.

        The question counts alone or with any of the others, of which half may have been found.
        """
        index, rules = self.index, self.rules
        question, *others = [
            (kind, float(index.totals[part]), found) for kind, part, found in parts
        ]
        words, distinct = (int(of[parts[0][1]]) for of in (self._sizes, index.distinct))
        sure = (FRAMED_SURE, FRAMED_ENOUGH) if framed else (SURE, ENOUGH)
        if not framed and parts[0][2].same < np.interp(words, *WORD_SHARE) * words:
            return 0.0
        best = 0.0
        for mask in range(1 << len(others)):
            chosen = [other for at, other in enumerate(others) if mask >> at & 1]
            whole = question[1] + sum(other[1] for other in chosen)
            share = (question[2].gain + sum(other[2].gain for other in chosen)) / whole
            if distinct < rules.min_words - bool(chosen) and not any(
                kind == PASSAGE or self._completes(parts) for kind, _, _ in chosen
            ):
                continue
            if share >= needed(whole, rules.threshold, *sure):
                best = max(best, min(share, 1.0))
        return best

    def _completes(self, parts: list[tuple[int, int, Place]]) -> bool:
        """Whether a long answer follows a question of few words, and both tell enough."""
        (_, question, asked), (_, answer, replied), *_ = parts
        totals = self.index.totals
        return (
            totals[question] + totals[answer] >= BRIEF
            and self._sizes[answer] >= BRIEF_ANSWER
            and asked.gain >= 0.99 * totals[question]
            and replied.gain >= BRIEF_SHARE * totals[answer]
            and 0 <= replied.start - asked.end <= BRIEF_WORDS
        )

    def _answer(self, text: Text, asked: Place, answer: int) -> Place | None:
        """The answer close to a question, or None."""
        size = int(self._sizes[answer])
        reach = self.rules.answer_words + (2 * size if size > SHORT_ANSWER else size)
        share = 1.0 if size <= SHORT_ANSWER else ANSWER_SHARE
        after = asked.end, min(len(text.hashes), asked.end + reach)
        before = max(0, asked.start - reach), asked.start
        for first, end in (after, before):
            near = self._near(text, first, end, answer)
            if near is not None and near.gain >= share * self.index.totals[answer] - 1e-3:
                return near
        return None

    def _near(self, text: Text, first: int, end: int, part: int) -> Place | None:
        """The best place of a part between two words, or None."""
        index = self.index
        place = np.zeros(3, np.int64)
        begin, stop = index.offsets[part : part + 2]
        gain = find_near(text.hashes, first, end, index.words, begin, stop, index.weights, place)
        if gain < FLOOR * index.totals[part] or gain == 0:
            return None
        return Place(gain, *place.tolist())


def _apart(places: list[Place]) -> list[Place]:
    """Places of one part that do not overlap, the best of each heap of them."""
    apart: list[Place] = []
    for place in sorted(places, key=lambda place: (place.start, -place.gain)):
        if apart and place.start < apart[-1].end:
            apart[-1] = max(apart[-1], place)
        else:
            apart.append(place)
    return apart


def needed(
    information: float, threshold: float, sure: float = SURE, enough: float = ENOUGH
) -> float:
    """Share of so much information (nats) that must be found; above 1 if it is too little."""
    if information < LEAST:
        return 2.0
    part = min((information - LEAST) / (enough - LEAST), 1.0)
    sure = max(sure, threshold)
    return sure - part * (sure - threshold)
