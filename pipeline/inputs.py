"""The inputs of a source: files, lists of files, crawls by name, and selections of records.

Each input becomes one shard. Lists and remote files are looked at once, when the run is planned.
"""

from __future__ import annotations

import gzip
import os
import posixpath
import re
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import xxhash
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from catalogs import storage
from catalogs.errors import UserError
from catalogs.faults import RemoteError
from catalogs.remote import Access

COMMON_CRAWL = "https://data.commoncrawl.org/"
LIST_NAMES = (".paths", ".paths.gz")
CRAWL_KINDS = ("warc", "wet", "wat", "arc")
IMMUTABLE = "0:immutable"
LOOKS_AT_ONCE = 16

_SLICE = re.compile(r"(\d*):(\d*)(?::([1-9]\d*))?")


class Inputs(BaseModel):
    """Which files a source consists of; exactly one of `paths`, `crawl` and `selection`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reader: str = Field(description="reader by name")
    paths: list[str] = Field(
        default_factory=list,
        description="files, folders, globs or URLs, relative to the root; a name that ends in "
        ".paths or .paths.gz is a list of files, one a line",
    )
    crawl: str | None = Field(
        None,
        pattern=r"^CC-[A-Z0-9]+[A-Za-z0-9-]*(/\d{4}/\d{2})?$",
        description="a crawl of Common Crawl, such as CC-MAIN-2025-26 or CC-NEWS/2025/06",
    )
    kind: str | None = Field(
        None,
        pattern=r"^[a-z0-9]+$",
        description="which list of the crawl: warc, wet, wat, robotstxt, non200responses; default "
        "the reader's name",
    )
    selection: list[str] = Field(
        default_factory=list,
        description="tables (Parquet, CSV or JSON Lines) of records to fetch by byte range: "
        "url, filename, offset, length, also with warc_ or warc_record_ in front",
    )
    base: str | None = Field(
        None,
        description="what lines of lists and file names of selections are relative to; default: "
        "https://data.commoncrawl.org/ for a crawl, the server or bucket of a remote list, the "
        "root for all else",
    )
    files: str | None = Field(
        None, description="which of the inputs, in their order: first:last or first:last:step"
    )
    sample: int | None = Field(
        None, ge=1, description="that many of the inputs, by the hash of seed and name"
    )
    seed: int = Field(0, description="another seed is another sample")
    immutable: bool | None = Field(
        None,
        description="remote inputs never change under their names, so that planning asks for "
        "nothing; default yes for a crawl and for what selections name, else no",
    )
    shard_rows: int = Field(2000, ge=1, description="rows of a selection to a shard")

    @field_validator("paths", "selection", mode="before")
    @classmethod
    def _one_path(cls, paths: Any) -> Any:
        return [paths] if isinstance(paths, str) else paths

    @field_validator("files")
    @classmethod
    def _slice(cls, value: str | None) -> str | None:
        if value is not None and not _SLICE.fullmatch(value):
            raise ValueError(
                f"expected first:last or first:last:step, such as '0:100', got '{value}'"
            )
        return value

    @model_validator(mode="after")
    def _one_kind_of_input(self) -> Inputs:
        given = [name for name in ("paths", "crawl", "selection") if getattr(self, name)]
        if len(given) != 1:
            told = " and ".join(f"'{name}'" for name in given) or "none of them"
            raise ValueError(f"expected one of 'paths', 'crawl' and 'selection', got {told}")
        if self.kind and not self.crawl:
            raise ValueError("'kind' goes with 'crawl'")
        if self.crawl and not self.kind and self.reader not in CRAWL_KINDS:
            raise ValueError(
                f"reader '{self.reader}' does not tell which files of the crawl are meant; "
                "set 'kind', such as warc"
            )
        if self.selection and (self.files or self.sample):
            raise ValueError("'files' and 'sample' choose files; cut the selection itself")
        return self


@dataclass(frozen=True)
class Input:
    """One shard to be: `container` names it in documents, `fingerprint` begins with its size."""

    source: str
    path: str
    container: str
    fingerprint: str

    @property
    def weight(self) -> int:
        return max(0, int(self.fingerprint.split(":")[0]))


def find_files(field: str, spec: Inputs, root: str, source: str, access: Access) -> list[Input]:
    """The files of a source with `paths` or `crawl`.

    Parameters
    ----------
    field
        How the source is named in errors, such as ``recipe 'x': field 'sources.web``.

    Raises
    ------
    UserError
        When a path matches nothing, a listed file is missing, or a list cannot be read.
    """
    where: dict[str, str] = {}  # path -> where it is named
    if spec.crawl:
        base = spec.base or COMMON_CRAWL
        path = storage.join(base, "crawl-data", spec.crawl, f"{spec.kind or spec.reader}.paths.gz")
        where = _listed(path, f"{field}.crawl'", base, root, access)
    for index, pattern in enumerate(spec.paths):
        own = f"{field}.paths.{index}'"
        found = _mended(own, lambda pattern=pattern: storage.expand(pattern, root, access))
        if not found:
            raise UserError(f"{own}: no file matches '{pattern}' (looked in {root})")
        for path in found:
            if path.endswith(LIST_NAMES):
                for item, place in _listed(path, own, spec.base, root, access).items():
                    where.setdefault(item, place)
            else:
                where.setdefault(path, own)
    chosen = _chosen(spec, [(path, container(path, root)) for path in where], field)
    immutable = bool(spec.crawl) if spec.immutable is None else spec.immutable

    def look(path: str) -> str:
        if immutable and storage.is_remote(path):
            return IMMUTABLE
        return _mended(where[path], lambda: storage.fingerprint(path, access))

    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        prints = list(pool.map(look, (path for path, _ in chosen)))
    return [Input(source, *item, print) for item, print in zip(chosen, prints, strict=True)]


def container(path: str, root: str) -> str:
    """A path relative to the root where it lies below, so that both can be moved together."""
    if storage.is_remote(path):
        return path
    base, full = os.path.realpath(root), os.path.realpath(path)
    inside = os.path.commonpath([base, full]) == base
    return posixpath.relpath(full, base) if inside else full


def _chosen(spec: Inputs, found: list[tuple[str, str]], field: str) -> list[tuple[str, str]]:
    chosen = found
    if spec.files:
        first, last, step = _SLICE.fullmatch(spec.files).groups()
        chosen = chosen[int(first or 0) : int(last) if last else None : int(step or 1)]
        if not chosen:
            raise UserError(f"{field}.files': '{spec.files}' is none of the {len(found)} inputs")
    if spec.sample:
        # by hash and not by place: a larger sample keeps the smaller, a longer list most of it
        chosen = sorted(chosen, key=lambda item: _lot(spec.seed, item[1]))[: spec.sample]
    return chosen


def _lot(seed: int, name: str) -> str:
    return xxhash.xxh3_128_hexdigest(f"{seed}\0{name}".encode())


def _listed(path: str, field: str, base: str | None, root: str, access: Access) -> dict[str, str]:
    """The files that a list names, with the line of each."""
    base = base or (_origin(path) if storage.is_remote(path) else root)
    lines = _mended(f"{field}: list of paths", lambda: _lines(path, access))
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        item = line.strip()
        if item and not item.startswith("#"):
            place = f"{field}: {path}: line {number} (relative to {base}; 'base' sets another)"
            found.setdefault(storage.join(root, base, item), place)
    if not found:
        raise UserError(f"{field}: {path}: the list names no file")
    return found


def _origin(path: str) -> str:
    """The server or bucket of a URL."""
    parts = urlsplit(path)
    return f"{parts.scheme}://{parts.netloc}/"


def _lines(path: str, access: Access) -> Iterable[str]:
    with storage.open_input(path, access) as file:
        data = file.read()
    try:
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        return data.decode("utf-8").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a list of paths, one a line ({error})") from None


def _mended(where: str, call):
    """What a call returns; what goes wrong with a file is told as the user's to mend."""
    try:
        return call()
    except FileNotFoundError as error:
        name = error.filename or error
        raise UserError(f"{where}: no such file: {name}") from None
    except (OSError, RemoteError) as error:
        raise UserError(f"{where}: {error}") from None
