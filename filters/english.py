"""Chunks that English word rules treat as a whole or cut in fixed places.

The list states what spaCy 3.8's English tokenizer does with contractions, abbreviations, clock
times and emoticons; it is generated from a small grammar. A piece boundary is written ``|``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from filters.arrow import readonly
from filters.hashing import hash_of

MAX_BYTES = 31
"""No exception is longer: a longer chunk needs no look-up."""

_PRONOUNS = "i you he she it we they"
_QUESTION_WORDS = "who what when where why how there that this these those"
_NEGATED = "ca could do does did had may might must need ought sha should wo would"
_NEGATED_ONLY = "ai are is was were have has dare"
_WHOLE = """
' '' \\") \\t \\n <space> C++ — 'S 's ‘S ‘s and/or w/o 're 'Cause 'cause 'cos 'Cos 'coz 'Coz 'cuz
'Cuz 'bout ma'am Ma'am o'clock O'clock 'd em 'em ll 'll nuff 'nuff
Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind.
Jan. Jul. Jun. Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb.
Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis.
a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd.
Md. Messrs. Mo. Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. ä. ö. ü.
"""
_CUT = """
y'|all y|all how|'d|'y How|'d|'y not|'ve not|ve Not|'ve Not|ve can|not Can|not gon|na Gon|na
got|ta Got|ta let|'s Let|'s c'm|on C'm|on
"""
_DROPPED_G = "doin goin nothin nuthin ol somethin lovin havin"
_EMOTICONS = r"""
:) :-) :)) :-)) :))) :-))) (: (-: =) (= :] :-] [: [-: [= =] :o) (o: :} :-} 8) 8-) (-8 ;) ;-) (;
(-; :( :-( :(( :-(( :((( :-((( ): )-: =( >:( :') :'-) :'( :'-( :/ :-/ =/ =| :| :-| ]= =[ :1 :P
:-P :p :-p :O :-O :o :-o :0 :-0 :() >:o :* :-* :3 :-3 =3 :> :-> :X :-X :x :-x :D :-D ;D ;-D =D xD
XD xDD XDD 8D 8-D ^_^ ^__^ ^___^ >.< >.> <.< ._. ;_; -_- -__- v.v V.V v_v V_V o_o o_O O_o O_O 0_o
o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o @_@ <3 <33 <333 </3 (^_^) (-_-) (._.) (>_<) (*_*) (¬_¬) ಠ_ಠ
ಠ︵ಠ (ಠ_ಠ) (╯°□°）╯︵┻━┻ ¯\(ツ)/¯ ><(((*>
"""
_UNITS = """
km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h
kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см см² см³ мм
мм² мм³ нм кг г мг м/с км/ч кПа Па мбар Кб КБ кб Мб МБ мб Гб ГБ гб Тб ТБ тбكم كم² كم³ م م² م³ سم
سم² سم³ مم مم² مم³ كم غرام جرام جم كغ ملغ كوب اكواب
"""
_NOT_CONTRACTED = "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore"


SLOTS = 1 << 13
UNIT_SLOTS = 1 << 9
CUTS = SLOTS
STARTS = 2 * SLOTS
UNITS = STARTS + 256
SIEVE = UNITS + UNIT_SLOTS
SIEVE_BITS = 1 << 12
PATTERNS = SIEVE + SIEVE_BITS // 64
HEADS = PATTERNS + SLOTS
HEAD_BITS = 1 << 15
HEAD_STEP, HEAD_MIX = 0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93


@lru_cache(maxsize=1)
def lexicon() -> np.ndarray:
    """All look-ups of the word rules in one flat uint64 array, built once.

    Entries 0..SLOTS: hashes of the exceptions, open addressing, 0 where empty; from CUTS: byte
    lengths of up to three pieces of each, one a byte; from STARTS: bit i set where an exception
    with a pattern begins with that byte and its second word at byte i; from UNITS: hashes of the
    units, open addressing; from SIEVE: bit ``sieve_bit`` set for every exception, which turns most
    other words away; from PATTERNS: bit i set where, but for the exception, a word would begin at
    its byte i; from HEADS: bit ``head_bit`` set for every exception, which turns nearly all other
    chunks away. STARTS and PATTERNS are filled by the module ``words``.
    """
    table = np.zeros(HEADS + HEAD_BITS // 64, np.uint64)
    for pieces in rules():
        raw = "".join(pieces).encode()
        slot = _insert(table[:SLOTS], raw)
        lengths = [len(piece.encode()) for piece in pieces]
        table[CUTS + slot] = sum(length << 8 * k for k, length in enumerate(lengths))
        bit = sieve_bit(raw[0], raw[-1], len(raw))
        table[SIEVE + (bit >> 6)] |= np.uint64(1 << (bit & 63))
        bit = head_bit(raw)
        table[HEADS + (bit >> 6)] |= np.uint64(1 << (bit & 63))
    for unit in dict.fromkeys(_UNITS.split()):
        _insert(table[UNITS:SIEVE], unit.encode())
    return readonly(table)


def sieve_bit(first: int, last: int, length: int) -> int:
    """A bit that depends on a chunk's first and last byte and on its length."""
    return (first * 389 + last * 31 + length * 7) & (SIEVE_BITS - 1)


def head_bit(raw: bytes) -> int:
    """A bit that depends on a chunk's first eight bytes and on its length."""
    value = int.from_bytes(raw[:8], "little") + len(raw) * HEAD_STEP
    return (value * HEAD_MIX & (1 << 64) - 1) // ((1 << 64) // HEAD_BITS)


def _insert(keys: np.ndarray, text: bytes) -> int:
    """Put a hash into an open-addressed table whose size is a power of two; its slot."""
    key = hash_of(text)
    slot = key & (len(keys) - 1)
    while keys[slot] != 0:
        slot = (slot + 1) & (len(keys) - 1)
    keys[slot] = key
    return slot


def rules() -> Iterator[tuple[str, ...]]:
    excluded = set(_NOT_CONTRACTED.split())
    seen = set()
    for straight in (*_contractions(), *_fixed()):
        for pieces in (straight, tuple(piece.replace("'", "’") for piece in straight)):
            text = "".join(pieces)
            if text not in seen and text not in excluded and len(text.encode()) <= MAX_BYTES:
                seen.add(text)
                yield pieces


def _fixed() -> Iterator[tuple[str, ...]]:
    for text in (_WHOLE + _EMOTICONS).split():
        yield (text,)
    for letter in "abcdefghijklmnopqrstuvwxyz":
        yield (letter + ".",)
    for text in _CUT.split():
        yield tuple(text.split("|"))
    for word in _both_cases(_DROPPED_G):
        yield (word,)
        yield (word + "'",)
    for hour in range(1, 13):
        for half in ("a.m.", "am", "p.m.", "pm"):
            yield (str(hour), half)
    for unit in "cfkCFK":
        yield ("°", unit, ".")


def _contractions() -> Iterator[tuple[str, ...]]:
    """Every contraction, with and without its apostrophe."""
    for word, *endings in _contracted_with_apostrophe():
        yield (word, *endings)
        yield (word, *(ending.replace("'", "") for ending in endings))


def _contracted_with_apostrophe() -> Iterator[tuple[str, ...]]:
    for word in _both_cases("i"):
        yield (word, "'m")
        yield (word, "'m", "a")
    for word in _both_cases(_PRONOUNS):
        yield from _will_and_would(word)
        low = word.lower()
        if low in ("i", "you", "we", "they"):
            yield (word, "'ve")
        if low in ("you", "we", "they"):
            yield (word, "'re")
        if low in ("he", "she", "it"):
            yield (word, "'s")
    for word in _both_cases(_QUESTION_WORDS):
        yield from _will_and_would(word)
        low = word.lower()
        if low not in ("these", "those"):
            yield (word, "'s")
        if low not in ("that", "this"):
            yield (word, "'re")
            yield (word, "'ve")
    for word in _both_cases(_NEGATED):
        yield (word, "n't")
        yield (word, "n't", "'ve")
    for word in _both_cases("could might must should would"):
        yield (word, "'ve")
    for word in _both_cases(_NEGATED_ONLY):
        yield (word, "n't")


def _will_and_would(word: str) -> Iterator[tuple[str, ...]]:
    yield (word, "'ll")
    yield (word, "'ll", "'ve")
    yield (word, "'d")
    yield (word, "'d", "'ve")


def _both_cases(words: str) -> list[str]:
    return [form for word in words.split() for form in (word, word.capitalize())]
