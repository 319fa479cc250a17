"""Which script (ISO 15924) the letters of a text are in."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from filters.arrow import StringColumn, texts_of
from filters.chars import class_of, decode, pack
from filters.jit import kernel

_NO_SCRIPT = ("Zyyy", "Zinh", "Zzzz")
_MIXED_SHARE = 0.1


class Scripts(NamedTuple):
    """A column each."""

    script: pa.StringArray
    """The script that most characters are in; null where no character has a script."""
    share: pa.FloatArray
    """Its share of the characters that have a script, 0 to 1."""


def scripts(texts: StringColumn) -> Scripts:
    """The dominant script of every text.

    Characters that many scripts share (digits, punctuation) do not count. Kana, with the Han
    characters of a text in which at least a tenth of both is kana, are ``Jpan``; Hangul with Han
    characters alike ``Kore``. The scripts of code points are those of Unicode's Scripts.txt.
    """
    column = texts_of(texts)
    names, classes = _table()
    found = np.zeros(len(column), np.int32)
    shares = np.zeros(len(column), np.float32)
    special = [names.index(name) for name in ("Latn", "Hani", "Hira", "Kana", "Hang")]
    special += [names.index(name) for name in ("Jpan", "Kore")]
    counts = np.zeros(len(names), np.int64)
    dominant(column.data, column.offsets, classes, np.array(special), counts, found, shares)
    labels = pa.array(names, pa.string()).take(pa.array(found, mask=found == 0))
    return Scripts(labels, pa.array(shares))


@lru_cache(maxsize=1)
def _table() -> tuple[list[str], np.ndarray]:
    """Names of scripts, the first for no script, and the place of each code point's."""
    from fontTools.unicodedata import Scripts as unicode_scripts

    used = sorted(set(unicode_scripts.VALUES) - set(_NO_SCRIPT) | {"Jpan", "Kore"})
    names = ["", *used]
    places = {name: place for place, name in enumerate(names)}
    starts = np.array([*unicode_scripts.RANGES, 0x110000])
    values = [places.get(value, 0) for value in unicode_scripts.VALUES]
    return names, pack(np.repeat(np.array(values, np.uint32), np.diff(starts)))


@kernel
def dominant(data, offsets, classes, special, counts, found, shares):
    """Place of the script with the most characters in each text, and its share; ties: the first."""
    latin, han, hira, kana, hangul, japanese, korean = special
    for k in range(len(offsets) - 1):
        counts[:] = 0
        i, end = offsets[k], offsets[k + 1]
        while i < end:
            b = data[i]
            if b < 0x80:
                if 0x61 <= b | 0x20 <= 0x7A:
                    counts[latin] += 1
                i += 1
            else:
                cp, width = decode(data, i, end)
                counts[class_of(classes, cp)] += 1
                i += width
        counts[0] = 0
        syllables = counts[hira] + counts[kana]
        if syllables and syllables >= _MIXED_SHARE * (syllables + counts[han]):
            counts[japanese] = syllables + counts[han]
            counts[hira] = counts[kana] = counts[han] = 0
        elif counts[hangul] and counts[hangul] >= _MIXED_SHARE * (counts[hangul] + counts[han]):
            counts[korean] = counts[hangul] + counts[han]
            counts[hangul] = counts[han] = 0
        total = 0
        best = 0
        for place in range(1, len(counts)):
            total += counts[place]
            if counts[place] > counts[best]:
                best = place
        found[k] = best
        shares[k] = counts[best] / total if total else 0.0
