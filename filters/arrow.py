"""Arrow string columns as flat NumPy buffers: the only door between columns and kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

StringColumn = pa.Array | pa.ChunkedArray | list
"""What the public functions accept: string or large_string columns, or a list of str."""


class Texts(NamedTuple):
    """A column of UTF-8 texts: text k is ``data[offsets[k]:offsets[k + 1]]``."""

    data: np.ndarray
    """uint8, read-only (one dtype and flag means one compiled kernel)."""
    offsets: np.ndarray
    """int64, length rows + 1, not necessarily starting at 0."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def slice(self, start: int, stop: int) -> Texts:
        """Rows start..stop, rebased so that offsets begin at 0; no bytes are copied."""
        low, high = self.offsets[start], self.offsets[stop]
        return Texts(self.data[low:high], self.offsets[start : stop + 1] - low)


def readonly(array: np.ndarray) -> np.ndarray:
    """The same array without the write flag, so that kernels see a single array type."""
    array.flags.writeable = False
    return array


def as_strings(column: StringColumn) -> pa.Array:
    """One contiguous string or large_string array; lists of str are converted.

    Raises ValueError when the column is not text or holds nulls (the row is named).
    """
    if isinstance(column, list):
        column = pa.array(column, pa.large_string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_null(kind) or kind == pa.string_view():
        column = column.cast(pa.large_string())
        kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise ValueError(f"expected a column of text, got {kind}: cast it to string")
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise ValueError(f"the text of row {row} is null: fill it or drop the row first")
    return column


def texts_of(column: StringColumn) -> Texts:
    """The buffers of a text column, without copying the bytes.

    Raises ValueError as :func:`as_strings` does.
    """
    array = as_strings(column)
    if len(array) == 0:
        return Texts(readonly(np.zeros(0, np.uint8)), np.zeros(1, np.int64))
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offsets_buffer, width)[array.offset : array.offset + len(array) + 1]
    if data_buffer is None or data_buffer.size == 0:
        data = np.zeros(0, np.uint8)
    else:
        data = np.frombuffer(data_buffer, np.uint8)
    return Texts(readonly(data), offsets.astype(np.int64))


def strings_from(data: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """The large_string array over given bytes (uint8) and offsets (int64, rows + 1)."""
    return pa.LargeStringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data)
    )


def row_blocks(texts: Texts, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows of at most max_bytes of text each (a larger single row stands alone)."""
    rows = len(texts)
    start = 0
    while start < rows:
        limit = texts.offsets[start] + max_bytes
        stop = int(np.searchsorted(texts.offsets, limit, side="right")) - 1
        stop = min(max(stop, start + 1), rows)
        yield start, stop
        start = stop
