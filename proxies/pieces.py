"""Byte-level BPE by remembered pieces: the same ids as the library's, several times as fast.

Tokenizers of the GPT-2 family split a text by a regular expression before they merge, and none of
these expressions goes on from a letter or digit into ASCII punctuation or white space. So a text
may be cut there and its pieces encoded apart. Most pieces are words seen before: their ids come
from a hash table, and only new pieces are given to the library.

Whether a tokenizer splits so is not believed but tried, on some twenty thousand joints.
"""

from __future__ import annotations

import itertools
import json
import string
import unicodedata
from collections.abc import Sequence

import numpy as np
import tokenizers
from numba import njit

from proxies.tokenizer import FileTokenizer, Tokenizer

ENTRIES = 1 << 20  # pieces remembered at most
LONGEST = 32  # bytes of a piece that is remembered
_LETTERS = 0x530  # code points below: Latin, Greek, Cyrillic; scripts beyond are cut less often

_LEFTS = ("a", "Z", "word", "Word", "é", "ñ", "ж", "word1", "7", "42", "123", "1234567")
_TAILS = ("", "a", "The", "s", "re", "1", "12345", " ", "  ", "\n", "\n\n a", "'s", "\t", ".",
          "...", "é", "中", "—", " a", "  a", "    b", "-", "_x", "\u0301", "\r\n")  # fmt: skip


def splits_at_words(inner: tokenizers.Tokenizer) -> bool:
    """Whether texts may be cut after letters and digits, as `PieceEncoder` does."""
    definition = json.loads(inner.to_str())
    model, normalizer = definition["model"], definition["normalizer"]
    if model.get("type") != "BPE" or model.get("dropout"):
        return False
    if normalizer is not None and normalizer["type"] != "NFC":
        return False
    if '"ByteLevel"' not in json.dumps(definition["pre_tokenizer"]):
        return False
    for token in definition["added_tokens"]:
        if not token["special"] and (token["lstrip"] or token["rstrip"] or token["single_word"]):
            return False
    others = string.punctuation.replace("'", "") + string.whitespace
    rights = [one + tail for one in others for tail in _TAILS]
    digits = [one + tail for one in "07" for tail in _TAILS]
    joints = [
        *itertools.product(_LEFTS, rights),
        *itertools.product([left for left in _LEFTS if left[-1].isalpha()], digits),
    ]
    befores = ("", "a", "1", " ", "\n", ")")
    marks = [before + one for one in string.punctuation for before in befores]
    joints += itertools.product(marks, [" " + left + tail for left in "aZ" for tail in _TAILS])
    parts = list(dict.fromkeys(part for joint in joints for part in joint))
    apart = dict(zip(parts, _ids(inner, parts), strict=True))
    whole = _ids(inner, [left + right for left, right in joints])
    return all(
        ids == apart[left] + apart[right] for ids, (left, right) in zip(whole, joints, strict=True)
    )


class PieceEncoder:
    """Encodes texts as the tokenizer does; pieces seen before cost a look-up.

    Parameters
    ----------
    inner
        A tokenizer of which `splits_at_words` is true.
    eos_id
        Id to put after each text.
    """

    def __init__(self, inner: tokenizers.Tokenizer, eos_id: int, entries: int = ENTRIES):
        self.inner, self.eos_id = inner, eos_id
        # ids of their own that a cut would tear, such as |||EMAIL_ADDRESS|||
        added = inner.get_added_tokens_decoder().values()
        self._whole = [one.content for one in added if not one.special and _is_cut(one.content)]
        self._table = np.zeros(2 * entries, np.int32)  # entry + 1
        self._keys = np.zeros((entries, LONGEST), np.uint8)
        self._key_sizes = np.zeros(entries, np.uint8)
        self._count = np.zeros(1, np.int64)
        self._starts = np.zeros(entries + 1, np.int64)  # of an entry's ids in _ids
        self._ids = np.zeros(1 << 16, np.uint32)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids of all texts in a row, an end after each, and how many there are of each.

        Returns
        -------
        tokens, lengths
            (ids,) of uint32 and (texts,) of int64, ends included.
        """
        encoded = [text.encode() for text in texts]
        data = np.frombuffer(b"".join(encoded), np.uint8)
        ends = np.cumsum([len(one) for one in encoded], dtype=np.int64)
        whole = np.array([any(one in text for one in self._whole) for text in texts], bool)
        before = int(self._count[0])
        bounds = _boundaries(data, ends, whole, _IS_LETTER)
        pieces = _look_up(data, bounds, self._table, self._keys, self._key_sizes, self._count)
        after = int(self._count[0])
        new = [
            self._keys[entry, : self._key_sizes[entry]].tobytes().decode()
            for entry in range(before, after)
        ]
        missed = np.flatnonzero(pieces < 0)
        starts = np.concatenate([[0], bounds])
        new += [data[starts[at] : starts[at + 1]].tobytes().decode() for at in missed]
        ids = _ids(self.inner, new)
        self._remember(before, ids[: after - before])
        rest = ids[after - before :]
        loose = np.fromiter(itertools.chain.from_iterable(rest), np.uint32)
        loose_starts = np.cumsum([0, *map(len, rest)], dtype=np.int64)
        return _emit(
            pieces, bounds, ends, self._starts, self._ids, loose, loose_starts, self.eos_id
        )

    def _remember(self, before: int, ids: list[list[int]]) -> None:
        sizes = np.array([len(one) for one in ids], np.int64)
        begin = self._starts[before]
        self._starts[before + 1 : before + 1 + len(ids)] = begin + np.cumsum(sizes)
        end = int(begin + sizes.sum())
        if end > len(self._ids):
            grown = np.zeros(2 * end, np.uint32)
            grown[:begin] = self._ids[:begin]
            self._ids = grown
        self._ids[begin:end] = np.fromiter(itertools.chain.from_iterable(ids), np.uint32)


def piece_encoder(tokenizer: Tokenizer) -> PieceEncoder | None:
    """The encoder of a tokenizer in this process, or None for one that does not split at words.

    What it remembers it keeps from call to call: the ids are the same, and sooner there.
    """
    if not isinstance(tokenizer, FileTokenizer):
        return None
    found = _ENCODERS.get(tokenizer.fingerprint, False)
    if found is False:
        fits = splits_at_words(tokenizer.inner)
        found = PieceEncoder(tokenizer.inner, tokenizer.eos_id) if fits else None
        _ENCODERS.clear()  # one is kept: it may hold a hundred megabytes
        _ENCODERS[tokenizer.fingerprint] = found
    return found


_ENCODERS: dict[str, PieceEncoder | None] = {}


def _ids(inner: tokenizers.Tokenizer, texts: list[str]) -> list[list[int]]:
    return [one.ids for one in inner.encode_batch_fast(texts, add_special_tokens=False)]


def _is_cut(text: str) -> bool:
    data = np.frombuffer(text.encode(), np.uint8)
    return len(_boundaries(data, np.array([len(data)]), np.zeros(1, bool), _IS_LETTER)) > 1


_IS_LETTER = np.array(
    [unicodedata.category(chr(point)).startswith("L") for point in range(_LETTERS)]
)


@njit(cache=True, nogil=True)
def _boundaries(data, ends, whole, is_letter):
    """Where pieces end: after a letter or digit, before other ASCII; after punctuation, before a
    space and a letter; and where texts end.

    An apostrophe is never a boundary, for some expressions take ``'s`` with its word; nor is the
    one between a digit and a letter. Texts that are to stay `whole` are not cut. An empty text has
    no piece.
    """
    found = np.empty(len(data) + len(ends), np.int64)
    count = 0
    start = 0
    for text in range(len(ends)):
        point = 0
        left = 0  # before: 1 a letter, 2 a digit, 3 ASCII punctuation, else 0
        for at in range(ends[text] if whole[text] else start, ends[text]):
            byte = data[at]
            if byte < 0x80:
                letter = 65 <= (byte & 0xDF) <= 90
                digit = 48 <= byte <= 57
                if left == 3:
                    cut = byte == 32 and at + 1 < ends[text] and 65 <= (data[at + 1] & 0xDF) <= 90
                else:
                    cut = left and not letter and byte != 39 and not (digit and left == 2)
                if cut:
                    found[count] = at
                    count += 1
                left = 1 if letter else 2 if digit else 3 if 32 < byte < 127 else 0
            elif byte >= 0xC0:
                point = (byte & 0x1F) << 6 if byte < 0xE0 else _LETTERS
                left = 0
            elif point < _LETTERS:
                point |= byte & 0x3F
                left = 1 if point < _LETTERS and is_letter[point] else 0
        if ends[text] > start:
            found[count] = ends[text]
            count += 1
        start = ends[text]
    return found[:count].copy()


@njit(cache=True, nogil=True)
def _look_up(data, bounds, table, keys, key_sizes, count):
    """Entry of each piece, new ones included; -1 for pieces that are not remembered."""
    result = np.empty(len(bounds), np.int32)
    mask = len(table) - 1
    start = 0
    for piece in range(len(bounds)):
        end = bounds[piece]
        size = end - start
        if size > keys.shape[1]:
            result[piece] = -1
            start = end
            continue
        hashed = np.uint64(14695981039346656037)  # FNV-1a
        for at in range(start, end):
            hashed = (hashed ^ np.uint64(data[at])) * np.uint64(1099511628211)
        slot = np.int64((hashed ^ (hashed >> np.uint64(32))) & np.uint64(mask))
        while True:
            entry = table[slot] - 1
            if entry < 0:
                entry = -1
                if count[0] < len(keys):
                    entry = count[0]
                    count[0] += 1
                    table[slot] = entry + 1
                    key_sizes[entry] = size
                    for at in range(size):
                        keys[entry, at] = data[start + at]
                break
            same = key_sizes[entry] == size
            if same:
                for at in range(size):
                    if keys[entry, at] != data[start + at]:
                        same = False
                        break
            if same:
                break
            slot = (slot + 1) & mask
        result[piece] = entry
        start = end
    return result


@njit(cache=True, nogil=True)
def _emit(pieces, bounds, ends, starts, ids, loose, loose_starts, eos_id):
    total = len(ends)
    missed = 0
    for piece in pieces:
        if piece < 0:
            total += loose_starts[missed + 1] - loose_starts[missed]
            missed += 1
        else:
            total += starts[piece + 1] - starts[piece]
    tokens = np.empty(total, np.uint32)
    lengths = np.empty(len(ends), np.int64)
    at = 0
    piece = 0
    missed = 0
    for text in range(len(ends)):
        begin = at
        while piece < len(bounds) and bounds[piece] <= ends[text]:
            entry = pieces[piece]
            if entry < 0:
                for place in range(loose_starts[missed], loose_starts[missed + 1]):
                    tokens[at] = loose[place]
                    at += 1
                missed += 1
            else:
                for place in range(starts[entry], starts[entry + 1]):
                    tokens[at] = ids[place]
                    at += 1
            piece += 1
        tokens[at] = eos_id
        at += 1
        lengths[text] = at - begin
    return tokens, lengths
