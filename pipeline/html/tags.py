"""Element names as small numbers, and the properties of elements that building a tree needs.

The sets are those of the HTML standard (sections 13.1.2 and 13.2.4 to 13.2.6), shortened to what
changes the nesting of text.
"""

from __future__ import annotations

import numpy as np

_NAMES = """
html head body title meta link base style script noscript template
article section nav aside header footer main address hgroup search
h1 h2 h3 h4 h5 h6 p div span a b strong i em u s strike del ins mark small big sub sup
code kbd samp var tt pre listing xmp plaintext br wbr hr q cite dfn abbr acronym time data
blockquote center figure figcaption details summary dialog fieldset legend font nobr label
ul ol li dl dt dd menu dir table caption colgroup col thead tbody tfoot tr td th
form input button select option optgroup datalist textarea output progress meter keygen
img picture source map area iframe embed object param video audio track canvas applet marquee
noembed noframes frame frameset basefont bgsound bdi bdo ruby rb rt rp rtc slot
svg foreignobject desc math semantics annotation annotation-xml
mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover
mmultiscripts mprescripts none mtable mtr mlabeledtr mtd mfenced menclose mstyle mpadded mphantom
merror maction
"""

TAGS: tuple[str, ...] = ("", *_NAMES.split())
"""Lower-case element names by number; 0 stands for every other name."""
TAG: dict[str, int] = {name: number for number, name in enumerate(TAGS)}
"""The number of an element name."""


def ids(names: str) -> list[int]:
    """The numbers of names in a string, separated by blanks."""
    return [TAG[name] for name in names.split()]


def numbers(names: str) -> np.ndarray:
    """The same as an array (uint8)."""
    return np.array(ids(names), np.uint8)


def table(names: str) -> np.ndarray:
    """bool[256]: which numbers are those of the names."""
    found = np.zeros(256, np.bool_)
    found[ids(names)] = True
    return found


VOID, RAW, CLOSES_P, SPECIAL, LOOSE, IN_HEAD, BREAKS_OUT, HEADING = (1 << bit for bit in range(8))
_SETS = {
    # never have content
    VOID: "area base basefont bgsound br col embed frame hr img input keygen link meta param source"
    " track wbr",
    # their content is text to the matching end tag
    RAW: "script style title textarea xmp iframe noembed noframes plaintext",
    # their start ends an open paragraph
    CLOSES_P: "address article aside blockquote center details dialog dir div dl dd dt fieldset"
    " figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr li listing main menu nav ol"
    " p plaintext pre search section summary table ul xmp",
    # the end tag of an inline element does not reach across these
    SPECIAL: "address applet article aside blockquote body button caption center colgroup dd"
    " details dir div dl dt fieldset figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 head"
    " header hgroup html li listing main marquee menu nav noscript object ol p pre search section"
    " select summary table tbody td template tfoot th thead tr ul foreignobject",
    # inline elements that pages close after the paragraph they opened in
    LOOSE: "a b big code em font form i nobr s small strike strong tt u",
    # what may stand in a head; anything else ends it
    IN_HEAD: "html head base basefont bgsound link meta title noscript noframes style script"
    " template",
    # HTML that ends SVG or MathML it stands in
    BREAKS_OUT: "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head"
    " hr i img li listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt"
    " u ul var",
    HEADING: "h1 h2 h3 h4 h5 h6",
}
FLAGS = np.zeros(256, np.uint16)
for _flag, _names in _SETS.items():
    FLAGS[numbers(_names)] |= _flag

SPECIALS = np.flatnonzero(FLAGS & SPECIAL).astype(np.uint8)


def _without(names: str) -> np.ndarray:
    return np.setdiff1d(SPECIALS, numbers(names))


LOOSE_BOUNDS = _without("p form")
SCOPE = numbers("table td th caption template object marquee applet foreignobject")
"""End tags do not reach across these."""
ITEM_BOUNDS = _without("address div p li")
TERM_BOUNDS = _without("address div p dd dt")
INTEGRATION = numbers("foreignobject desc title annotation-xml mi mo mn ms mtext")
"""Where HTML stands inside SVG and MathML."""

HASH_SEED = 0xCBF2_9CE4_8422_2325
HASH_PRIME = 0x0000_0100_0000_01B3
SLOTS = 2048


def name_hash(name: str) -> int:
    """FNV-1a (64 bits) of a name, from its last byte to its first."""
    value = HASH_SEED
    for byte in reversed(name.encode()):
        value = (value ^ byte) * HASH_PRIME % (1 << 64)
    return value


def _table() -> tuple[np.ndarray, np.ndarray]:
    keys, values = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.uint8)
    for name, number in TAG.items():
        if number:
            slot = name_hash(name) % SLOTS
            while keys[slot]:
                slot = (slot + 1) % SLOTS
            keys[slot], values[slot] = name_hash(name), number
    return keys, values


NAME_KEYS, NAME_VALUES = _table()
"""An open-addressing table from `name_hash` to the number of an element name."""
