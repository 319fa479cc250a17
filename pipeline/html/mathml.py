"""MathML to LaTeX, for formulas whose page does not give the source."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

MOST_DEPTH = 60
"""Formulas nested deeper are written as their plain text."""


@dataclass
class Node:
    """An element of MathML: its name, attributes, children, and its text if it has no children."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""


_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho"
    " varsigma sigma tau upsilon varphi chi psi omega"
)
_SYMBOLS = {chr(0x3B1 + k): f"\\{name}" for k, name in enumerate(_GREEK.split())}
_SYMBOLS |= {
    "ϕ": r"\phi", "ϵ": r"\epsilon", "ε": r"\varepsilon", "ϑ": r"\vartheta", "ϖ": r"\varpi",
    "ϱ": r"\varrho", "ο": "o", "Γ": r"\Gamma", "Δ": r"\Delta", "Θ": r"\Theta", "Λ": r"\Lambda",
    "Ξ": r"\Xi", "Π": r"\Pi", "Σ": r"\Sigma", "Υ": r"\Upsilon", "Φ": r"\Phi", "Ψ": r"\Psi",
    "Ω": r"\Omega", "∞": r"\infty", "∂": r"\partial", "∇": r"\nabla", "ℏ": r"\hbar", "ℓ": r"\ell",
    "ℜ": r"\Re", "ℑ": r"\Im", "ℵ": r"\aleph", "∅": r"\emptyset", "∀": r"\forall",
    "∃": r"\exists", "∄": r"\nexists", "¬": r"\neg", "°": r"{}^{\circ}", "′": "'", "″": "''",
    "…": r"\ldots", "⋯": r"\cdots", "⋮": r"\vdots", "⋱": r"\ddots", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "−": "-", "±": r"\pm", "∓": r"\mp", "×": r"\times", "÷": r"\div", "⋅": r"\cdot", "·": r"\cdot",
    "∗": "*", "∘": r"\circ", "∙": r"\bullet", "⊕": r"\oplus", "⊗": r"\otimes", "≤": r"\le",
    "≥": r"\ge", "≪": r"\ll", "≫": r"\gg", "≠": r"\ne", "≈": r"\approx", "≡": r"\equiv",
    "∼": r"\sim", "≃": r"\simeq", "≅": r"\cong", "∝": r"\propto", "≔": ":=", "→": r"\rightarrow",
    "←": r"\leftarrow", "↔": r"\leftrightarrow", "⇒": r"\Rightarrow", "⇐": r"\Leftarrow",
    "⇔": r"\Leftrightarrow", "↦": r"\mapsto", "↑": r"\uparrow", "↓": r"\downarrow",
    "⟶": r"\longrightarrow", "⟹": r"\Longrightarrow", "⟺": r"\iff", "∈": r"\in", "∉": r"\notin",
    "∋": r"\ni", "⊂": r"\subset", "⊆": r"\subseteq", "⊃": r"\supset", "⊇": r"\supseteq",
    "∪": r"\cup", "∩": r"\cap", "∖": r"\setminus", "∧": r"\wedge", "∨": r"\vee", "⊥": r"\perp",
    "∥": r"\parallel", "∣": r"\mid", "∠": r"\angle", "⊢": r"\vdash", "⊨": r"\models",
    "∑": r"\sum", "∏": r"\prod", "∐": r"\coprod", "∫": r"\int", "∬": r"\iint", "∭": r"\iiint",
    "∮": r"\oint", "⋃": r"\bigcup", "⋂": r"\bigcap", "⨁": r"\bigoplus", "⨂": r"\bigotimes",
    "⟨": r"\langle", "⟩": r"\rangle", "〈": r"\langle", "〉": r"\rangle", "⌊": r"\lfloor",
    "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil", "‖": r"\|", "{": r"\{", "}": r"\}",
    "%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$", "\\": r"\backslash", "_": r"\_",
    "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": "", "\u200b": "", "\u00a0": " ",
}  # fmt: skip
_FUNCTIONS = frozenset(
    """arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf
    limsup ln log max min Pr sec sin sinh sup tan tanh""".split()  # noqa: SIM905
)
_LIMITS = frozenset(
    r"""\sum \prod \coprod \int \iint \iiint \oint \bigcup \bigcap \bigoplus \bigotimes \lim \liminf
    \limsup \max \min \sup \inf \det \gcd \Pr""".split()  # noqa: SIM905
)
_OVER = {
    "¯": "bar", "‾": "overline", "―": "overline", "_": "overline", "^": "hat", "ˆ": "hat",
    "~": "tilde", "˜": "tilde", "∼": "tilde", "→": "vec", "⃗": "vec", "⇀": "vec", "˙": "dot",
    "¨": "ddot", "ˇ": "check", "˘": "breve", "´": "acute", "`": "grave", "⏞": "overbrace",
    "︷": "overbrace",
}  # fmt: skip
_UNDER = {"_": "underline", "¯": "underline", "̲": "underline", "⏟": "underbrace"}
_VARIANTS = {
    "bold": "mathbf", "bold-italic": "boldsymbol", "double-struck": "mathbb", "script": "mathcal",
    "bold-script": "mathcal", "fraktur": "mathfrak", "sans-serif": "mathsf", "monospace": "mathtt",
}  # fmt: skip
_PAIRS = {"(": ")", "[": "]", "{": "}", "⟨": "⟩", "⌊": "⌋", "⌈": "⌉"}
_SPACED = re.compile(r"[=<>+]|\\(?:le|ge|ll|gg|ne|approx|equiv|sim|pm|times|cdot|in|to)$")
_SIMPLE = re.compile(r"\\[A-Za-z]+|\\?.|[0-9.,]+|\\(?:text|math[a-z]+)\{[^{}]*\}", re.DOTALL)
_ONE_ARGUMENT = {"msqrt": r"\sqrt", "mphantom": r"\phantom"}


def to_latex(node: Node, depth: int = 0) -> str:
    """LaTeX of a formula, without dollars."""
    if depth > MOST_DEPTH:
        return plain_text(node)
    name, parts = node.name, node.children
    if name in ("mi", "mn", "mo", "mtext", "ms"):
        return _symbol(node)
    if name in ("annotation", "annotation-xml", "none", "mprescripts", "mspace"):
        return " " if name == "mspace" else ""
    if name == "semantics" or name == "maction":
        return to_latex(parts[0], depth + 1) if parts else ""
    if name in ("mtable", "mfenced", "menclose", "mmultiscripts"):
        return _CONVERTERS[name](node, depth)
    if name in ("mfrac", "mroot", "msub", "msup", "munder", "mover") and len(parts) == 2:
        first, second = (to_latex(part, depth + 1) for part in parts)
        return _pair(node, first, second)
    if name in ("msubsup", "munderover") and len(parts) == 3:
        base, low, high = (to_latex(part, depth + 1) for part in parts)
        if name == "msubsup" or base.strip() in _LIMITS:
            return f"{_base(base)}_{{{low}}}^{{{high}}}"
        return rf"\overset{{{high}}}{{\underset{{{low}}}{{{base}}}}}"
    inside = _row(parts, depth) if parts else _escape(node.text)
    if name in _ONE_ARGUMENT:
        return f"{_ONE_ARGUMENT[name]}{{{inside}}}"
    return inside


def plain_text(node: Node) -> str:
    """The characters of a formula, in the order they stand in."""
    waiting, found = [node], []
    while waiting:
        node = waiting.pop()
        found.append(node.text)
        waiting.extend(reversed(node.children))
    return " ".join(text for text in found if text)


def tidy(latex: str) -> str:
    """LaTeX on one line, without comments and white space to spare."""
    latex = re.sub(r"(?<!\\)%[^\n]*(?:\n|$)", " ", latex) if "\n" in latex else latex
    return " ".join(latex.split())


def _symbol(node: Node) -> str:
    text = " ".join(node.text.split()) if node.name != "mtext" else node.text
    if node.name in ("mtext", "ms"):
        return f"\\text{{{text}}}" if text.strip() else " "
    variant = _VARIANTS.get(node.attributes.get("mathvariant", ""))
    text = unicodedata.normalize("NFKC", text) if not _SYMBOLS.get(text) else text
    if text in _FUNCTIONS:
        return f"\\{text} "
    if node.name == "mi" and len(text) > 1 and text.isalpha() and text.isascii():
        return f"\\{variant}{{{text}}}" if variant else text
    latex = _escape(text)
    if variant and latex:
        return f"\\{variant}{{{latex.strip()}}}"
    return f" {latex} " if node.name == "mo" and _SPACED.search(latex) else latex


def _escape(text: str) -> str:
    return _join([_SYMBOLS.get(c, c) for c in text])


def _join(pieces: list[str]) -> str:
    """Put pieces together; a command and a letter behind it stay apart."""
    out: list[str] = []
    for piece in pieces:
        if not piece:
            continue
        if out and piece[0].isalpha() and re.search(r"\\[A-Za-z]+$", out[-1]):
            out.append(" ")
        out.append(piece)
    return "".join(out)


def _row(parts: list[Node], depth: int) -> str:
    """Siblings side by side; brackets that match grow with what they hold."""
    pieces = [to_latex(part, depth + 1) for part in parts]
    open_: list[int] = []
    for k, part in enumerate(parts):
        bracket = part.text.strip() if part.name == "mo" else ""
        if bracket in _PAIRS:
            open_.append(k)
        elif bracket in _PAIRS.values() and open_:
            first = open_.pop()
            if _PAIRS[parts[first].text.strip()] == bracket:
                pieces[first] = r"\left" + pieces[first].strip() + " "
                pieces[k] = r" \right" + pieces[k].strip()
            else:
                open_.clear()
    return _join(pieces)


def _base(latex: str) -> str:
    latex = latex.strip()
    fenced = latex.startswith(r"\left") and latex.endswith((")", "]", r"\}"))
    simple = _SIMPLE.fullmatch(latex) or (fenced and latex.count(r"\left") == 1)
    return latex if simple or not latex else f"{{{latex}}}"


def _pair(node: Node, first: str, second: str) -> str:
    first, second = first.strip(), second.strip()
    name = node.name
    if name == "mfrac":
        if node.attributes.get("linethickness", "").strip() in ("0", "0px", "0pt", "0em"):
            return rf"\genfrac{{}}{{}}{{0}}{{}}{{{first}}}{{{second}}}"
        return rf"\frac{{{first}}}{{{second}}}"
    if name == "mroot":
        return rf"\sqrt[{second}]{{{first}}}"
    if name == "msub":
        return f"{_base(first)}_{{{second}}}"
    if name == "msup":
        if set(second) <= {"'"} and second:
            return f"{_base(first)}{second}"
        return f"{_base(first)}^{{{second}}}"
    mark = unicodedata.normalize("NFC", plain_text(node.children[1]).strip())
    if name == "mover":
        if first in _LIMITS:
            return f"{first}^{{{second}}}"
        if mark in _OVER:
            return f"\\{_OVER[mark]}{{{first}}}"
        return rf"\overset{{{second}}}{{{first}}}"
    if first in _LIMITS:
        return f"{first}_{{{second}}}"
    if mark in _UNDER:
        return f"\\{_UNDER[mark]}{{{first}}}"
    return rf"\underset{{{second}}}{{{first}}}"


def _table(node: Node, depth: int) -> str:
    rows = []
    for row in node.children:
        cells = row.children[1:] if row.name == "mlabeledtr" else row.children
        rows.append([to_latex(cell, depth + 1).strip() for cell in cells])
    body = r" \\ ".join(" & ".join(cells) for cells in rows)
    aligned = node.attributes.get("columnalign", "").split()
    if aligned:
        width = max(map(len, rows), default=0)
        letters = [word[:1] if word[:1] in "lcr" else "c" for word in aligned][:width]
        letters += letters[-1:] * (width - len(letters))
        return rf"\begin{{array}}{{{''.join(letters)}}}{body}\end{{array}}"
    return rf"\begin{{matrix}}{body}\end{{matrix}}"


def _fenced(node: Node, depth: int) -> str:
    marks = [_escape(node.attributes.get(k, d)) for k, d in (("open", "("), ("close", ")"))]
    separators = node.attributes.get("separators", ",").split() or [""]
    parts = [to_latex(part, depth + 1).strip() for part in node.children]
    inside = parts[:1]
    for k, part in enumerate(parts[1:]):
        inside += [f"{separators[min(k, len(separators) - 1)]} ", part]
    return rf"\left{marks[0] or '.'} {''.join(inside)} \right{marks[1] or '.'}"


def _enclosed(node: Node, depth: int) -> str:
    inside = _row(node.children, depth)
    notation = node.attributes.get("notation", "longdiv").split()
    for word, command in (("top", "overline"), ("bottom", "underline"), ("box", "boxed")):
        if word in notation:
            return f"\\{command}{{{inside}}}"
    return rf"\sqrt{{{inside}}}" if "radical" in notation else inside


def _scripts(node: Node, depth: int) -> str:
    if not node.children:
        return ""
    before, after = "", ""
    behind = (
        [part.name for part in node.children].index("mprescripts")
        if any(part.name == "mprescripts" for part in node.children)
        else len(node.children)
    )
    for start, stop in ((1, behind), (behind + 1, len(node.children))):
        for k in range(start, stop - 1, 2):
            low, high = (to_latex(part, depth + 1).strip() for part in node.children[k : k + 2])
            marks = (f"_{{{low}}}" if low else "") + (f"^{{{high}}}" if high else "")
            if start == 1:
                after += marks
            else:
                before += marks
    base = _base(to_latex(node.children[0], depth + 1))
    return (f"{{}}{before}" if before else "") + base + after


_CONVERTERS = {
    "mtable": _table,
    "mfenced": _fenced,
    "menclose": _enclosed,
    "mmultiscripts": _scripts,
}
