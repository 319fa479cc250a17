"""SCRUB: evaluation items and personal data, found in TAG, cut and masked in WRITE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

import filters
from filters.eval_items import MATCHES
from filters.pii_types import PII, placeholder
from pipeline.eval_index import EvalIndex, eval_index, open_index
from pipeline.recipe import Recipe
from pipeline.spans import Span, cut_bytes, merge_spans

TOO_SHORT = "too_short"
"""Reason of rejection: too little is left without the evaluation items."""
_CLOSING = re.compile(f"(?:[?!.:;,)\\]}}\"'*_]|{'|'.join('？！。：；，）」』”’؟')})*".encode())
"""What stands behind a match and goes with it."""


class Edits(NamedTuple):
    """What becomes of one text: ascending spans, each with what stands there then."""

    spans: list[tuple[int, int, bytes]]
    cut: int
    """Bytes cut."""
    masked: int
    """Spans masked."""


def recipe_index(recipe: Recipe) -> EvalIndex:
    """The evaluation sets of a recipe."""
    return eval_index(recipe.contamination.evals, recipe.base)


def scrub_arguments(recipe: Recipe, index: EvalIndex) -> dict[str, Any]:
    """What an ingest job needs; all of it decides but ``index``, whose ``digest`` does."""
    items, data = recipe.contamination, recipe.pii
    found: dict[str, Any] = {"contamination": None, "pii": None}
    if items.evals:
        found["contamination"] = {
            "index": index.path(recipe.run_folder),
            "digest": index.digest,
            "rules": [items.threshold, items.min_words, items.answer_words],
            "reject": items.action == "reject",
            "min_bytes": items.min_bytes if items.action == "cut" else None,
        }
    if data.action != "none":
        found["pii"] = {**data.model_dump(exclude={"action"}), "reject_above": data.bound}
    return found


def deciding(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments without the paths of a run folder."""
    items = arguments["contamination"]
    return {**arguments, "contamination": items and {**items, "index": None}}


def scrub_actions(recipe: Recipe) -> dict[str, bool]:
    """What a write job does."""
    return {
        "cut": bool(recipe.contamination.evals) and recipe.contamination.action == "cut",
        "mask": recipe.pii.action == "mask",
    }


class Scrub:
    """Finds evaluation items and personal data in batches of texts.

    `arguments` are those of `scrub_arguments`.
    """

    def __init__(self, arguments: dict[str, Any] | None):
        arguments = arguments or {}
        self.items, self.data = arguments.get("contamination"), arguments.get("pii")
        self.matcher = open_index(self.items["index"], *self.items["rules"]) if self.items else None

    def columns(self, texts: pa.Array, languages: pa.Array) -> dict[str, pa.Array]:
        """Columns ``contamination`` and ``pii``: null where nothing was looked for."""
        found = {"contamination": pa.nulls(len(texts), MATCHES), "pii": pa.nulls(len(texts), PII)}
        if self.matcher:
            found["contamination"] = self.matcher.tag(texts)
        if self.data:
            how = (self.data[name] for name in ("types", "min_confidence", "regions"))
            found["pii"] = filters.personal_data(texts, languages.to_pylist(), *how)
        return found

    def reasons(self, table: pa.Table) -> pa.Array:
        """Why rows of a tagged table are rejected, ``stage:reason`` or null."""
        reasons: list[str | None] = [None] * len(table)
        if self.data and self.data["reject_above"] is not None:
            finds = pc.list_value_length(table["pii"]).to_pylist()
            for at, (count, words) in enumerate(
                zip(finds, table["n_words"].to_pylist(), strict=True)
            ):
                if count and 1000 * count > self.data["reject_above"] * words:
                    reasons[at] = "pii:density"
        if self.items and (self.items["reject"] or self.items["min_bytes"] is not None):
            sizes = table["n_bytes"].to_pylist()
            for at, matches in enumerate(table["contamination"].to_pylist()):
                if matches and self.items["reject"]:
                    reasons[at] = f"contamination:{max(matches, key=_surest)['benchmark']}"
                elif matches:
                    left = sizes[at] - cut_bytes(merge_spans(_cuts(matches)))
                    if left < self.items["min_bytes"]:
                        reasons[at] = f"contamination:{TOO_SHORT}"
        return pa.array(reasons, pa.string())


def _surest(match: dict[str, Any]) -> tuple:
    return match["score"], match["part"] == "question", match["end"] - match["start"]


def _cuts(matches: Iterable[dict[str, Any]]) -> list[Span]:
    return [(m["start"], m["end"], f"contamination:{m['benchmark']}") for m in matches]


def edited(texts: pa.Array, *spans: pa.Array | None) -> tuple[pa.Array, list[int], list[int]]:
    """Texts without their cuts and with placeholders, the bytes cut and the spans masked of each.

    `spans` are columns of cuts, matches and finds as `edits` takes them; null for none.
    """
    lists = [column.to_pylist() if column is not None else [None] * len(texts) for column in spans]
    new, cut, masked = [], [], []
    for text, *own in zip(texts.to_pylist(), *lists, strict=True):
        data = text.encode()
        found = edits(data, *own)
        after = apply(data, found)
        grown = sum(len(mark) - (end - start) for start, end, mark in found.spans if mark)
        new.append(after.decode())
        cut.append(len(data) + grown - len(after))
        masked.append(found.masked)
    return pa.array(new, pa.large_string()), cut, masked


def edits(
    data: bytes,
    cuts: Iterable[dict[str, Any]] | None,
    matches: Iterable[dict[str, Any]] | None,
    finds: Iterable[dict[str, Any]] | None,
) -> Edits:
    """What WRITE does to one text: cut spans of any kind, then mask what is left.

    Parameters
    ----------
    data
        The text in UTF-8.
    cuts, matches, finds
        Spans of boilerplate and repeats, evaluation items, personal data; null for none.
    """
    spans: list[Span] = [(c["start"], c["end"], c["reason"]) for c in cuts or ()]
    for start, end, reason in _cuts(matches or ()):
        spans.append((start, _CLOSING.match(data, end).end(), reason))
    gone = merge_spans(spans)
    found = [(start, end, b"") for start, end, _ in gone]
    masked = 0
    for find in finds or ():
        start, end = find["start"], find["end"]
        if not any(start < stop and end > begin for begin, stop, _ in gone):
            found.append((start, end, placeholder(find["type"]).encode()))
            masked += 1
        else:  # what sticks out of a cut goes with it
            found.append((start, end, b""))
    return Edits(_joined(found), cut_bytes(gone), masked)


def _joined(spans: Sequence[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    joined: list[tuple[int, int, bytes]] = []
    for start, end, new in sorted(spans):
        if joined and start < joined[-1][1]:
            begin, stop, old = joined[-1]
            joined[-1] = begin, max(stop, end), old or new
        else:
            joined.append((start, end, new))
    return joined


def apply(data: bytes, found: Edits) -> bytes:
    """The text with its edits, stripped where something was cut."""
    parts, at = [], 0
    for start, end, new in found.spans:
        parts += [data[at:start], new]
        at = end
    text = b"".join([*parts, data[at:]])
    return text.decode().strip().encode() if found.cut else text
