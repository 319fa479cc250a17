"""Small helpers over resiliparse's HTML trees (lexbor)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from resiliparse.parse.html import HTMLTree

HIDDEN = ("script", "style", "noscript", "template", "option", "title")
"""Elements whose text nobody sees."""
BREAKS = frozenset(("br", "p", "div", "li", "td", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6"))
"""Elements that words do not run through."""
_MOST_NODES = 2000
"""How many nodes below one node are walked at most: enough for a block of text."""


class HtmlPage:
    """A page to search, and its tree once that is needed: most pages need none.

    ``html`` is the text, or bytes that are read as UTF-8, broken ones replaced; ``tree`` gives a
    tree of the page that somebody else has, or may need as well.
    """

    def __init__(self, html: str | bytes, tree: Callable[[], HTMLTree] | None = None):
        self.bytes = html.encode("utf-8", "replace") if isinstance(html, str) else html
        self._tree = tree

    @cached_property
    def lower(self) -> bytes:
        """The page with ASCII letters in lower case."""
        return self.bytes.lower()

    @cached_property
    def tree(self) -> HTMLTree:
        if self._tree is not None:
            return self._tree()
        return HTMLTree.parse_from_bytes(self.bytes, "utf-8", "replace")


def select(node: Any, selectors: str) -> list[Any]:
    """All elements below a node that a CSS selector matches, as a plain list."""
    # The library's own list is slow to walk: every step starts at its beginning.
    return node.query_selector_all(selectors).values()


def walk(node: Any) -> Iterator[tuple[Any, bool]]:
    """Descendants in document order, not into hidden ones; elements again on leaving (True)."""
    part = node.first_child
    for _ in range(_MOST_NODES):
        if part is None:
            return
        yield part, False
        child = part.first_child if part.tag not in HIDDEN else None
        while child is None:
            if part.tag != "#text":
                yield part, True
            child = part.next
            if child is None:
                part = part.parent
                if part is None or part == node:
                    return
        part = child


def visible(node: Any) -> str:
    """Text of a node, with the alternative texts of its images."""
    parts = []
    for part, leaving in walk(node):
        if part.tag == "#text":
            parts.append(part.value or "")
        elif part.tag == "img" and not leaving:
            parts.append(f" {part.getattr('alt') or ''} ")
        elif part.tag in BREAKS:
            parts.append(" ")
    return "".join(parts)


def squeeze(text: str) -> str:
    """Text with runs of white space as one space, without soft hyphens."""
    return re.sub(r"\s+", " ", text.replace("\xad", "")).strip()
