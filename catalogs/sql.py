"""Texts and files written into SQL, taken as they stand."""

from __future__ import annotations


def literal(text: str) -> str:
    """A string constant."""
    return "'" + text.replace("'", "''") + "'"


def exact(path: str) -> str:
    """A path for `read_parquet` in which ``*``, ``?`` and ``[`` mean themselves, no pattern."""
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in path)


def parquet(paths: list[str]) -> str:
    """A table over the rows of Parquet files."""
    files = ", ".join(literal(exact(path)) for path in paths)
    return f"read_parquet([{files}], hive_partitioning = false)"
