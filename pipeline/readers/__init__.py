"""Readers: one input file in, a stream of `Record`s out.

A reader is a generator ``read(path, container, *, open_file, options)``. It yields exactly one
`Record` for everything present in the file, damaged parts included, and raises nothing for bad
input; only `UserError` for wrong options and `OSError` when the file cannot be reached. It may
return the number of records present by a count that does not rest on reading them (compressed
members, the rows that a footer or an index names); one that disagrees with the records seen fails
the shard. A plug-in adds a reader with `register_reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.readers import files, jsonl, parquet, warc, wat, wet
from pipeline.records import Record

Reader = Callable[..., Iterator[Record]]

READERS: dict[str, Reader] = {
    "arc": warc.read,
    "html": files.read_html,
    "jsonl": jsonl.read,
    "parquet": parquet.read,
    "pdf": files.read_pdf,
    "text": files.read_text,
    "warc": warc.read,
    "wat": wat.read,
    "wet": wet.read,
}


def register_reader(name: str, reader: Reader | None = None) -> Callable:
    """Add a reader under a name, as a call or as a decorator; a name that is taken is replaced.

    ``register_reader("arc", read)`` and ``@register_reader("arc")`` do the same.
    """

    def add(reader: Reader) -> Reader:
        READERS[name] = reader
        return reader

    return add if reader is None else add(reader)
