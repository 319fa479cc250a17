"""Formulas of a text layer: fractions, roots and limits put together, display formulas as LaTeX.

What a page shows of a formula's structure is where its glyphs stand: a bar with text above, below
and beside it is a fraction, one that begins at a root sign spans what the root is taken of, small
words over and under a large operator are its limits.  Indices are told by size and baseline.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ocr.rulings import Box

if TYPE_CHECKING:
    from ocr.pagescan import Word

Join = Callable[[list["Word"]], str]

_OPERATORS = set("∑∏∐∫∬∮⋃⋂⨁⨂") | {"lim", "max", "min", "sup", "inf"}
_SIGNS = re.compile(r"[=<>≤≥≈≠≡∼∝+−±×÷·⋅/∂∇∑∏∫√∈→⇒|(]|^[\W\d_]*\w[\W\d_]*$")
_LONGEST_BAR, _THICKEST = 250.0, 2.0  # points
_MAX_BARS = 200
_REACH = 1.7  # of the font size: from a bar to the middle of what stands over or under it
_SIGN_BELOW = 15.0  # points: from a bar to the baseline of the sign beside it, at most
_TABLE_WORDS = 12  # on one side of a bar: more are no numerator


def composed(words: list[Word], rules: list[Box], join: Join) -> list[Word]:
    """`words` with those of roots, fractions and limits made one; `join` writes some on a line."""
    bars = [b for b in rules if b[3] - b[1] <= _THICKEST and 3 < b[2] - b[0] < _LONGEST_BAR]
    bars = sorted(bars[:_MAX_BARS], key=lambda b: b[2] - b[0])
    if any(word.text.endswith("√") for word in words):
        for bar in bars:
            words = _root(words, bar, join)
    signed = [word.base[1] for word in words if _SIGNS.search(word.text)] if bars else []
    for bar in bars:  # cheap, before all words are looked at
        if any(0 < y - bar[1] < _SIGN_BELOW for y in signed):
            words = _fraction(words, bar, join)
    if any(word.text in _OPERATORS for word in words):
        words = _limits(words, join)
    return words


def _root(words: list[Word], bar: Box, join: Join) -> list[Word]:
    x0, y, x1, _ = bar
    signs = [
        w
        for w in words
        if w.text.endswith("√") and abs(w.x1 - x0) < 2.5 and w.y0 - 5 < y < w.y1 + 5
    ]
    if len(signs) != 1:
        return words
    sign, em = signs[0], signs[0].size or 10.0
    inner = [
        w
        for w in words
        if w is not sign
        and x0 - 1 <= (w.x0 + w.x1) / 2 <= x1 + 1
        and y - 2 < _mid(w) < y + 1.5 * em
    ]
    if not inner:
        return words
    main = max(inner, key=lambda w: w.size)
    whole = _merged([sign, *inner], f"{sign.text[:-1]}$\\sqrt{{{_bare(join(inner))}}}$", main)
    return _put(words, [sign, *inner], whole)


def _fraction(words: list[Word], bar: Box, join: Join) -> list[Word]:
    x0, y0, x1, y1 = bar
    y = (y0 + y1) / 2
    within = [w for w in words if x0 - 3 <= w.x0 and w.x1 <= x1 + 3 and w.turn == 0]
    near = [w for w in within if abs(_mid(w) - y) < _REACH * (w.size or 10.0)]
    em = max((w.size for w in near), default=10.0)
    above = [w for w in within if 0 < y - _mid(w) < _REACH * em]
    below = [w for w in within if 0 < _mid(w) - y < _REACH * em]
    if not above or not below or max(len(above), len(below)) > _TABLE_WORDS:
        return words
    wide = max(max(w.x1 for w in side) - min(w.x0 for w in side) for side in (above, below))
    if wide < 0.6 * (x1 - x0):
        return words
    beside = [
        w
        for w in words
        if abs(w.base[1] - 0.25 * em - y) < 0.3 * em
        and (0 <= x0 - w.x1 < 1.5 * em or 0 <= w.x0 - x1 < 1.5 * em)
    ]
    if not any(_SIGNS.search(w.text) for w in beside):
        return words
    if any(2 * _prose(side) > sum(len(w.text) for w in side) for side in (above, below)):
        return words
    main = min(beside, key=lambda w: abs(_mid(w) - y))
    text = f"$\\frac{{{_bare(join(above))}}}{{{_bare(join(below))}}}$"
    return _put(words, above + below, _merged(above + below, text, main))


def _prose(words: list[Word]) -> int:
    """Letters in words too long for a formula's."""
    return sum(len(word) for w in words for word in _LETTERS.findall(w.text) if len(word) > 3)


def _limits(words: list[Word], join: Join) -> list[Word]:
    for sign in [w for w in words if w.text in _OPERATORS]:
        em = sign.size or 10.0
        near = [
            w
            for w in words
            if w is not sign
            and w.size < 0.87 * em
            and sign.x0 - 1.2 * em < (w.x0 + w.x1) / 2 < sign.x1 + 1.0 * em
            and 0.35 * em < abs(_mid(w) - _mid(sign)) < 2.2 * em
        ]
        under = [w for w in near if _mid(w) > _mid(sign)]
        over = [w for w in near if _mid(w) < _mid(sign)]
        if not near or len(near) > _TABLE_WORDS:
            continue
        text = sign.text
        text += f"<sub>{_plain(join(under))}</sub>" if under else ""
        text += f"<sup>{_plain(join(over))}</sup>" if over else ""
        words = _put(words, [sign, *near], replace(sign, text=text))
    return words


def _mid(word: Word) -> float:
    return (word.y0 + word.y1) / 2


def _merged(parts: list[Word], text: str, main: Word) -> Word:
    """One word in place of some, as high as the text it stands beside."""
    first = min(parts, key=lambda w: w.x0)
    whole = replace(first, text=text, glue=" ", hyphen=False, size=main.size, base=main.base)
    whole.x0, whole.x1 = first.x0, max(w.x1 for w in parts)
    whole.y0, whole.y1 = main.y0, main.y1
    return whole


def _put(words: list[Word], parts: list[Word], whole: Word) -> list[Word]:
    """`whole` where the first of `parts` stood."""
    gone = {id(part) for part in parts}
    at = next(i for i, word in enumerate(words) if id(word) in gone)
    rest = [word for word in words[at:] if id(word) not in gone]
    if rest and rest[0].glue == "\n" and abs(rest[0].base[1] - whole.base[1]) < 1:
        rest[0] = replace(rest[0], glue=" ")
    return [*words[:at], whole, *rest]


def _bare(text: str) -> str:
    return latex(text.replace("$", ""))


def _plain(text: str) -> str:
    return re.sub(r"</?su[bp]>", "", text)


# --- LaTeX -----------------------------------------------------------------------------------

_TABLE = r"""
α \alpha β \beta γ \gamma δ \delta ε \epsilon ζ \zeta η \eta θ \theta ι \iota κ \kappa
λ \lambda μ \mu ν \nu ξ \xi ο \omicron π \pi ρ \rho ς \varsigma σ \sigma τ \tau υ \upsilon
φ \phi χ \chi ψ \psi ω \omega Γ \Gamma Δ \Delta Θ \Theta Λ \Lambda Ξ \Xi Π \Pi Σ \Sigma
Υ \Upsilon Φ \Phi Ψ \Psi Ω \Omega ϵ \epsilon ϕ \phi ϑ \vartheta ϱ \varrho µ \mu ∫ \int
∬ \iint ∮ \oint ∑ \sum ∏ \prod ∐ \coprod ⋃ \bigcup ⋂ \bigcap ∂ \partial ∇ \nabla ∞ \infty
× \times ÷ \div · \cdot ⋅ \cdot ± \pm ∓ \mp ≤ \leq ⩽ \leq ≥ \geq ⩾ \geq ≠ \neq ≈ \approx
≡ \equiv ∼ \sim ≃ \simeq ≅ \cong ∝ \propto ∈ \in ∉ \notin ⊂ \subset ⊆ \subseteq ⊃ \supset
∪ \cup ∩ \cap ∅ \emptyset ∖ \setminus ∘ \circ → \to ← \leftarrow ⇒ \Rightarrow
⇔ \Leftrightarrow ↦ \mapsto ∀ \forall ∃ \exists ¬ \neg ∧ \wedge ∨ \vee ⊗ \otimes ⊕ \oplus
⊥ \perp ∥ \parallel ≪ \ll ≫ \gg ⟨ \langle ⟩ \rangle ‖ \| ℓ \ell ℏ \hbar … \ldots ⋯ \cdots
− - ∗ * ∆ \Delta ℝ \mathbb{R} ℕ \mathbb{N} ℤ \mathbb{Z} ℚ \mathbb{Q} ℂ \mathbb{C}
′ ^{\prime} ″ ^{\prime\prime} % \% # \#
"""  # sign and command, by turns
_SYMBOLS = dict(zip(_TABLE.split()[::2], _TABLE.split()[1::2], strict=True))
_SYMBOL = re.compile("[" + "".join(map(re.escape, _SYMBOLS)) + "](?=(.?))")
_FUNCTION = re.compile(r"(?<![\\A-Za-z])(sin|cos|tan|cot|log|ln|exp|lim|max|min|sup|inf|det|arg)\b")
_INDEX = re.compile(r"<su([bp])>(.*?)</su[bp]>")
_NUMBERED = re.compile(r"\s+\((\d+(?:\.\d+)*[a-z]?)\)$")
_RELATION = re.compile(r"[=≤≥≈≠≡∼∝∈⊂⊆→⇒↦<>]|\\frac")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_MATHS = re.compile(
    r"</su|\\frac|\\sqrt|[α-ωΑ-Ω∑∏∫√∂∇≤≥≈≠∈±×⋅→∞]|(?<![^\W\d_])[a-zA-Z](?![^\W\d_])"
)
_TWO_TEXTS = re.compile(r"(\\text\{[^{}]*)\} \\text\{")
_LONGEST = 200


def latex(text: str) -> str:
    """Text with tagged indices and Unicode's signs -> LaTeX, without the dollars."""
    text = _INDEX.sub(lambda m: f"{'_' if m[1] == 'b' else '^'}{{{m[2]}}}", text.replace("$", ""))
    text = re.sub(r"\s+(?=[_^]\{)", "", text)
    text = _FUNCTION.sub(r"\\\1", text)
    text = _SYMBOL.sub(_command, text)
    return re.sub(r"√\s*(\w|\([^()]*\))", r"\\sqrt{\1}", text)


def _command(match: re.Match[str]) -> str:
    command = _SYMBOLS[match[0]]
    return f"{command} " if command[-1].isalpha() and match[1].isalnum() else command


def display(text: str) -> str | None:
    """A line that is a formula, as LaTeX between double dollars; None for one that is not."""
    if len(text) > _LONGEST or not _RELATION.search(_plain(text)):
        return None
    bare = _plain(re.sub(r"\\[a-z]+", "", text))
    if any(char > "\u1100" and char.isalpha() and char not in _SYMBOLS for char in bare):
        return None  # another script's prose
    words = [word for word in _LETTERS.findall(bare) if not _FUNCTION.fullmatch(word)]
    if len(words) > 3 or 2.5 * sum(map(len, words)) > len(bare.replace(" ", "")):
        return None
    if not _MATHS.search(text) or bare.count("|") > 2 or "http" in bare or "@" in bare:
        return None
    number = _NUMBERED.search(text)
    tag = rf" \tag{{{number[1]}}}" if number else ""
    body = latex(text[: number.start()] if number else text)
    for word in sorted(set(words), key=len, reverse=True):
        if word.isascii():
            body = re.sub(rf"(?<![\\A-Za-z]){word}(?![A-Za-z])", rf"\\text{{{word}}}", body)
    while (joined := _TWO_TEXTS.sub(r"\1 ", body)) != body:
        body = joined
    return f"$${body}{tag}$$"
