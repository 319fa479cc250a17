"""Random access to an input file, local or remote, through one read-ahead buffer."""

from __future__ import annotations

from typing import BinaryIO

READ = 1 << 18
PADDING = b"\0\r\n \t"


class InputFile:
    """Random access to a binary file through one read-ahead buffer."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.size = file.seek(0, 2)
        self._start, self._buffer = 0, b""

    def at(self, position: int, count: int) -> bytes:
        """Up to `count` bytes from `position`, fewer at the end of the file."""
        begin = position - self._start
        at_end = self._start + len(self._buffer) == self.size
        if begin < 0 or (begin + count > len(self._buffer) and not at_end):
            self.file.seek(position)
            parts, missing = [], max(count, READ)
            while missing > 0 and (part := self.file.read(missing)):
                parts.append(part)
                missing -= len(part)
            self._start, self._buffer, begin = position, b"".join(parts), 0
        return self._buffer[begin : begin + count]

    def find(self, pattern: bytes, position: int) -> int:
        """First position of `pattern` from `position` on, or -1."""
        while block := self.at(position, READ):
            found = block.find(pattern)
            if found >= 0:
                return position + found
            if len(block) < READ:
                return -1
            position += len(block) - len(pattern) + 1
        return -1

    def after_padding(self, position: int) -> int:
        """First position from `position` on that holds neither white space nor a NUL byte."""
        while block := self.at(position, READ):
            rest = block.lstrip(PADDING)
            position += len(block) - len(rest)
            if rest:
                return position
        return position
