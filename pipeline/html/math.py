"""Formulas of a page as LaTeX: found in MathML, in what KaTeX and MathJax leave, in pictures."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus, urlsplit

import numpy as np

from pipeline.html.marks import MATH
from pipeline.html.mathml import Node, plain_text, tidy, to_latex
from pipeline.html.tags import TAG, TAGS, ids, table
from pipeline.html.tokens import END, START, TEXT, Tokens, attributes, text_of, tokenize
from pipeline.html.writer import DROP, INSERT, INSERT_BLOCK

MOST_TOKENS = 5_000
"""Of one formula; a larger one is left as the text it holds."""
MOST_LATEX = 20_000
MOST_FORMULAS = 50_000
"""Of a page; later ones are left as text as well."""

_MATH, _SCRIPT, _IMG, _ANNOTATION = ids("math script img annotation")
_SOURCES = ("data-latex", "data-tex", "data-math", "data-equation", "data-entry", "data-expr")
_RENDERED = re.compile(
    r"(?:^|\s)(?:MathJax(?:_Display|_SVG|_SVG_Display|_CHTML|_Preview)?|MJXc-display|mjx-chtml"
    r"|katex|katex-display|katex-block|mwe-math-element)(?:$|\s)"
)
_RAW_CLASS = re.compile(r"(?:^|\s)(?:math|tex|latex|katex|formula|equation)(?:$|\s)", re.I)
_TEX = re.compile(r"\\[A-Za-z]+|[_^]\{?\w")
_DELIMITED = re.compile(r"^\s*(?:\$|\\\(|\\\[|\\begin\{(?:equation|align|math))")
_DISPLAY = re.compile(r"(?:^|[\s_-])(?:display|block)(?:$|[\s_-])|_Display", re.I)
_SETTINGS = re.compile(r"\\(?:dpi|bg|fn|fg)(?:_\w+|\{\w*\})|^\s*\\(?:inline|large|small|huge)\b")
_MATH_OR_SCRIPT = table("math script")
_PASSAGE = table("p ul ol dl table h1 h2 h3 h4 h5 h6 pre section article blockquote hr")
_HIDDEN = table("script style title")
_BLOCK = frozenset(
    ids("p div li td th dd dt section article figure center blockquote body h1 h2 h3 h4 h5 h6")
)


def plan_math(tokens: Tokens, keep, marks, meaning, argument, add) -> None:
    """Put LaTeX in the place of the formulas of a page in the plan of the writer.

    A formula counts as kept where some of its text is, or where the text beside it is: pictures
    and scripts have none of their own.
    """
    where, groups = marks
    starts = set(where[(groups & MATH) > 0].tolist())
    starts |= set(np.flatnonzero((tokens.tag == _MATH) & (tokens.kind == START)).tolist())
    if not starts:
        return
    beside = None
    until = -1
    for i in sorted(starts)[:MOST_FORMULAS]:
        last = int(tokens.close[i])
        if i <= until or last - i > MOST_TOKENS or meaning[i] in (INSERT, INSERT_BLOCK):
            continue
        if meaning[i] == DROP and tokens.tag[i] != _SCRIPT:
            continue
        if _PASSAGE[tokens.tag[i + 1 : last]].any():
            continue
        found = _formula(tokens, i)
        if found is None:
            continue
        until = last
        latex, display = tidy(found[0]), found[1]
        if not latex or len(latex) > MOST_LATEX:
            meaning[i] = DROP
            continue
        if not keep[i : last + 1].any():
            beside = _texts(tokens) if beside is None else beside
            if not _is_beside_kept(tokens, keep, beside, i):
                continue
        meaning[i] = INSERT_BLOCK if display else INSERT
        argument[i] = add(f"$${latex}$$" if display else f"${latex}$")


def _formula(tokens: Tokens, i: int) -> tuple[str, bool] | None:
    """LaTeX of the element at i and whether it is displayed; ("", False) for what repeats one."""
    values = attributes(tokens, i)
    class_ = values.get("class", "")
    tag = tokens.tag[i]
    if tag == _IMG:
        latex = _of_image(values, class_)
        return None if latex is None else (_bare(latex), bool(_DISPLAY.search(class_)))
    if tag == _SCRIPT:
        if not _is_math(values):
            return None
        kind, source = values["type"].lower(), text_of(tokens, i, decode=False)
        return source if "tex" in kind else _of_markup(source), "display" in kind
    name = name_of(tokens, i)
    if tag == _MATH or name.endswith(":math"):
        return _of_math(tokens, i), values.get("display") == "block"
    if "math" in f"{class_} {name}".lower() or "tex" in class_ or "equation" in class_:
        for key in _SOURCES:
            if _TEX.search(values.get(key, "")) or (
                values.get(key) and "katex" in _inside(tokens, i)
            ):
                return _bare(values[key]), bool(_DISPLAY.search(class_)) or tag == TAG["p"]
    if name != "mjx-container" and not _RENDERED.search(class_):
        return _raw(tokens, i, class_)
    display = bool(_DISPLAY.search(class_)) or values.get("display") in ("true", "block")
    inside = slice(i, int(tokens.close[i]))
    sources = _MATH_OR_SCRIPT[tokens.tag[inside]] & (tokens.kind[inside] == START)
    nested = [i + int(k) for k in np.flatnonzero(sources)[:5]]
    nested = [k for k in nested if tokens.tag[k] == _MATH or _is_math(attributes(tokens, k))]
    if len(nested) > 1:
        return None  # it stands around a passage, not around a formula
    if nested and (found := _formula(tokens, nested[0])):
        return found[0], display or found[1]
    if values.get("data-mathml"):
        return _of_markup(values["data-mathml"]), display
    if _is_source_behind(tokens, i):
        return "", False
    pictures = np.flatnonzero((tokens.tag[inside] == _IMG) & (tokens.kind[inside] == START))
    for k in pictures[:1].tolist():
        picture = attributes(tokens, i + k)
        if picture.get("alt"):
            return _bare(picture["alt"]), display
    if name == "mjx-container":
        return to_latex(_drawn(tokens, i)), display
    return None


def _is_math(script: dict[str, str]) -> bool:
    return script.get("type", "").lower().startswith(("math/tex", "math/mml"))


def _is_source_behind(tokens: Tokens, i: int) -> bool:
    """Whether what MathJax 2 draws or shows before it draws is followed by the script with TeX."""
    k = int(tokens.close[i]) + 1
    for _ in range(8):
        if k >= len(tokens):
            return False
        if tokens.kind[k] == START:
            values = attributes(tokens, k)
            if tokens.tag[k] == _SCRIPT:
                return _is_math(values)
            if not _RENDERED.search(values.get("class", "")):
                return False
            k = int(tokens.close[k])
        elif tokens.source[tokens.start[k] : tokens.end[k]].strip():
            return False
        k += 1  # ends count for nothing: a display that was drawn in a paragraph ended it
    return False


def name_of(tokens: Tokens, i: int) -> str:
    """Name of a START in lower case, also where it is none of TAGS."""
    if tokens.tag[i]:
        return TAGS[tokens.tag[i]]
    stop = int(tokens.start[i])
    return tokens.source[tokens.source.rfind(b"<", 0, stop) + 1 : stop].decode().lower()


def _inside(tokens: Tokens, i: int) -> str:
    stop = min(tokens.start[tokens.close[i]], tokens.end[i] + 2000)
    return tokens.source[tokens.end[i] : stop].decode("utf-8", "replace")


def _raw(tokens: Tokens, i: int, class_: str) -> tuple[str, bool] | None:
    """TeX that stands as text in an element for formulas, if it comes without delimiters."""
    if not _RAW_CLASS.search(class_) or tokens.close[i] != i + 2 or tokens.kind[i + 1] != TEXT:
        return None
    text = text_of(tokens, i)
    if not re.search(r"\\[A-Za-z]+", text) or _DELIMITED.search(text) or "$" in text:
        return None
    return text, tokens.tag[i] in _BLOCK


def _of_math(tokens: Tokens, i: int) -> str:
    """LaTeX of a math element: what its author says it is, else converted."""
    inside = slice(i, int(tokens.close[i]))
    notes = i + np.flatnonzero((tokens.tag[inside] == _ANNOTATION) & (tokens.kind[inside] == START))
    for k in notes[:20].tolist():
        if "tex" in attributes(tokens, k).get("encoding", "").lower():
            return _bare(text_of(tokens, k))
    values = attributes(tokens, i)
    stated = values.get("data-latex") or values.get("alttext", "")
    if _TEX.search(stated) or (stated and "\\" in stated):
        return _bare(stated)
    return to_latex(_tree(tokens, i))


def _of_markup(markup: str) -> str:
    tokens = tokenize(markup)
    for i in np.flatnonzero((tokens.tag == _MATH) & (tokens.kind == START))[:1].tolist():
        if tokens.close[i] - i <= MOST_TOKENS:
            return _of_math(tokens, i)
    return ""


def _tree(tokens: Tokens, i: int) -> Node:
    """An element of MathML with what it holds."""
    root = Node("math")
    open_ = [root]
    for k in range(i + 1, int(tokens.close[i])):
        kind = tokens.kind[k]
        if kind == START:
            name = name_of(tokens, k).rpartition(":")[2]
            has = tokens.end[k] > tokens.start[k]
            node = Node(name, attributes(tokens, k) if has else {})
            open_[-1].children.append(node)
            if tokens.close[k] != k:
                open_.append(node)
        elif kind == END:
            open_.pop()
        else:
            open_[-1].text += text_of(tokens, k)
    return root


def _drawn(tokens: Tokens, i: int) -> Node:
    """MathML from what MathJax 3 draws of it: elements named after it, or groups of SVG."""
    root = Node("math")
    open_: list[Node] = [root]
    for k in range(i + 1, int(tokens.close[i])):
        kind = tokens.kind[k]
        if kind == START:
            name, values = name_of(tokens, k), attributes(tokens, k)
            if "data-mml-node" in values:
                node = Node(values["data-mml-node"], values)
            elif name == "mjx-c" or "data-c" in values:
                code = re.search(r"mjx-c([0-9A-F]{2,5})", values.get("class", ""))
                point = values.get("data-c") or (code[1] if code else "0")
                open_[-1].text += chr(min(int(point, 16), 0x10FFFF)) if point != "0" else ""
                node = Node("mspace")
            else:
                node = Node(name.removeprefix("mjx-"), values)
            if name != "mjx-c" and "data-c" not in values:
                open_[-1].children.append(node)
            if tokens.close[k] != k:
                open_.append(node)
        elif kind == END:
            open_.pop()
    return _undrawn(root, 0)


_LEAVES = frozenset({"mi", "mo", "mn", "mtext", "ms"})
_PLACES = {
    "mfrac": ("num", "den"),
    "munder": ("base", "under"),
    "mover": ("base", "over"),
    "munderover": ("base", "under", "over"),
    "msqrt": ("box",),
    "mroot": ("box", "root"),
}


def _undrawn(node: Node, depth: int) -> Node:
    """The tree without the boxes that only serve to draw it."""
    if depth > 100:
        return node
    if node.name in _LEAVES:
        return Node(node.name, node.attributes, [], plain_text(node).replace(" ", ""))
    parts = [_find(node, part) for part in _PLACES.get(node.name, ())]
    if parts and all(parts):
        return Node(node.name, {}, [_group(part, depth) for part in parts if part])
    if node.name in ("msub", "msup", "msubsup"):
        script = _find(node, "script")
        base = [child for child in node.children if child is not script]
        if script is not None:
            marks = [child for child in script.children if child.name != "spacer"]
            if len(marks) == 2:
                marks.reverse()  # drawn from the top down
            parts = [Node("mrow", {}, base), *marks]
            return Node(node.name, {}, [_group(part, depth) for part in parts])
    return Node(node.name, node.attributes, [_undrawn(c, depth + 1) for c in node.children])


def _group(node: Node, depth: int) -> Node:
    if node.name in _LEAVES or node.name.startswith("m"):
        return _undrawn(node, depth + 1)
    return Node("mrow", {}, [_undrawn(child, depth + 1) for child in node.children])


def _find(node: Node, name: str) -> Node | None:
    """The nearest box of a name below a node."""
    waiting = list(node.children)
    for child in waiting:
        if child.name == name:
            return child
        if len(waiting) < 200 and child.name not in ("num", "den", "under", "over", "script"):
            waiting.extend(child.children)
    return None


def _of_image(values: dict[str, str], class_: str) -> str | None:
    """LaTeX of a picture that a service draws from it, or whose alternative text is LaTeX."""
    source, alt = values.get("src") or values.get("data-src", ""), values.get("alt", "").strip()
    address = source.lower()
    if alt and ("mwe-math" in class_ or "/math/render/" in address or _RAW_CLASS.search(class_)):
        return alt
    query = source.partition("?")[2]
    if "latex.php" in address or "chart.apis" in address or "cht=tx" in address:
        match = re.search(r"(?:^|&)(?:chl|latex)=([^&]*)", query)
        stated = alt if "\\" in alt else None  # as it was before it went through an address
        return stated or (unquote_plus(match[1]) if match else None)
    if re.search(r"(?:mimetex|mathtex|/tex)\.cgi|codecogs|math(?:jax)?\.php|/tex\?", address):
        return unquote(query) or None
    if _TEX.search(alt) and ("\\" in alt or alt.startswith("$")):
        return alt
    if "%5c" in address:
        segment = unquote(urlsplit(source).path.rpartition("/")[2])
        if re.match(r"\\?[A-Za-z({]", segment) and _TEX.search(segment):
            return segment
    return None


def _bare(latex: str) -> str:
    """LaTeX without its delimiters and without settings of pictures."""
    latex = _SETTINGS.sub("", latex.strip()).strip()
    for first, last in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if latex.startswith(first) and latex.endswith(last) and len(latex) > len(first) * 2:
            return latex[len(first) : -len(last)].strip()
    return latex


def _texts(tokens: Tokens) -> np.ndarray:
    """The TEXT tokens that are more than white space, but for scripts and styles."""
    texts = np.flatnonzero((tokens.kind == TEXT) & ~_HIDDEN[tokens.tag])
    source = tokens.source
    spans = zip(tokens.start[texts].tolist(), tokens.end[texts].tolist(), strict=True)
    return texts[np.array([not source[a:b].isspace() for a, b in spans], np.bool_)]


def _is_beside_kept(tokens: Tokens, keep, texts: np.ndarray, i: int) -> bool:
    """Whether the texts around an element are kept: both, or one in the same block."""
    at = int(np.searchsorted(texts, i))
    behind = int(np.searchsorted(texts, tokens.close[i], side="right"))
    before = int(texts[at - 1]) if at else -1
    after = int(texts[behind]) if behind < len(texts) else -1
    kept_before, kept_after = before >= 0 and keep[before], after >= 0 and keep[after]
    if (kept_before and kept_after) or before == after:
        return True
    block = int(tokens.parent[i])
    for _ in range(8):
        if block < 0 or tokens.tag[block] in _BLOCK:
            break
        block = int(tokens.parent[block])
    if block < 0 or tokens.tag[block] not in _BLOCK:
        return bool(kept_before or kept_after)
    return bool((kept_before and before > block) or (kept_after and after < tokens.close[block]))
