"""Matrices of fastText's model files, plain and product-quantized, as they stand in the file.

A quantized matrix (Joulin et al. 2016, arXiv:1612.03651) keeps of each row, cut into parts of a few
dimensions, the number of the nearest of 256 centroids of that part, and if asked for that of the
row's norm. So a product with another matrix is made of products with centroids, looked up.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

CENTROIDS = 256
_SHAPE = struct.Struct("<2q")
_CODED = struct.Struct("<?2qi")
_PARTS = struct.Struct("<4i")


class Plain(NamedTuple):
    """A matrix of float32, mapped."""

    values: np.ndarray

    def times(self, start: int, stop: int, other: np.ndarray) -> np.ndarray:
        """Rows `start` to `stop` times `other`, float64."""
        return self.values[start:stop].astype(np.float64) @ other

    def whole(self) -> np.ndarray:
        """All of it, float32."""
        return np.array(self.values, np.float32)


class Quantized(NamedTuple):
    """A product-quantized matrix."""

    codes: np.ndarray
    """uint8, rows x parts."""
    centroids: list[np.ndarray]
    """float32, for each part `CENTROIDS` x the dimensions of that part."""
    norms: np.ndarray | None
    """float32, a factor for each row."""

    def times(self, start: int, stop: int, other: np.ndarray) -> np.ndarray:
        """Rows `start` to `stop` times `other`, float64."""
        codes, at = self.codes[start:stop], 0
        found = np.zeros((len(codes), other.shape[1]))
        for part, centroids in enumerate(self.centroids):
            end = at + centroids.shape[1]
            found += (centroids.astype(np.float64) @ other[at:end])[codes[:, part]]
            at = end
        return found if self.norms is None else found * self.norms[start:stop, None]

    def whole(self) -> np.ndarray:
        """All of it, float32."""
        parts = [own[self.codes[:, part]] for part, own in enumerate(self.centroids)]
        found = np.concatenate(parts, axis=1)
        return found if self.norms is None else found * self.norms[:, None]


class Source:
    """The bytes of a model file, read one after the other; every length is checked."""

    def __init__(self, path: str, content: np.ndarray, at: int):
        self.path, self.content, self.at = path, content, at

    def take(self, count: int) -> np.ndarray:
        """The next bytes, mapped.

        Raises
        ------
        ValueError
            When there are not so many.
        """
        end = self.at + count
        if count < 0 or end > len(self.content):
            raise ValueError(
                f"{self.path} is cut off: {end:,} bytes are due, it has {len(self.content):,}"
            )
        found = self.content[self.at : end]
        self.at = end
        return found

    def fields(self, form: struct.Struct) -> tuple:
        """The next fields."""
        return form.unpack(self.take(form.size).tobytes())

    def flag(self) -> bool:
        """The next byte, as yes or no."""
        return bool(self.take(1)[0])

    def floats(self, count: int) -> np.ndarray:
        """The next numbers, mapped."""
        return self.take(4 * count).view("<f4")

    def matrix(self, rows: int, columns: int, quantized: bool) -> Plain | Quantized:
        """The matrix that is next.

        Raises
        ------
        ValueError
            When it is cut off, or has another shape than is due.
        """
        if quantized:
            return self._quantized(rows, columns)
        shape = self.fields(_SHAPE)
        self._check(shape, (rows, columns))
        return Plain(self.floats(rows * columns).reshape(rows, columns))

    def _quantized(self, rows: int, columns: int) -> Quantized:
        has_norms, *shape, size = self.fields(_CODED)
        self._check(tuple(shape), (rows, columns))
        codes = self.take(size)
        centroids = self._centroids(columns)
        if size != rows * len(centroids):
            raise ValueError(f"{self.path}: {size:,} codes for {rows:,} rows: damaged")
        norms = None
        if has_norms:
            places = self.take(rows)
            norms = self._centroids(1)[0][:, 0][places]
        return Quantized(codes.reshape(rows, len(centroids)), centroids, norms)

    def _centroids(self, columns: int) -> list[np.ndarray]:
        dim, parts, width, last = self.fields(_PARTS)
        if (
            dim != columns
            or not 1 <= parts <= dim
            or min(width, last) < 1
            or width * (parts - 1) + last != dim
        ):
            raise ValueError(f"{self.path}: a quantizer of {dim} dimensions: damaged")
        widths = [width] * (parts - 1) + [last]
        return [self.floats(CENTROIDS * own).reshape(CENTROIDS, own) for own in widths]

    def _check(self, shape: tuple, due: tuple[int, int]) -> None:
        if shape != due or due[1] <= 0:
            raise ValueError(
                f"{self.path}: a matrix of {list(shape)} where {list(due)} is due: damaged"
            )
