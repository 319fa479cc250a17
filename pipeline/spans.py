"""Spans of text that WRITE cuts: merged, and measured."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int, str]
"""First byte, end and reason."""


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that overlap or touch joined under the reason of the first of them."""
    merged: list[Span] = []
    for start, end, reason in sorted(spans):
        if merged and start <= merged[-1][1]:
            first, last, why = merged[-1]
            merged[-1] = first, max(last, end), why
        elif end > start:
            merged.append((start, end, reason))
    return merged


def cut_bytes(spans: Iterable[Span]) -> int:
    """Bytes that merged spans hold."""
    return sum(end - start for start, end, _ in spans)
