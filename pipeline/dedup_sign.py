"""SIGN and LIST: one shard as band hashes, shingle sets and rows; no later step reads a text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import UserError
from catalogs.sql import literal
from pipeline import datatrove_minhash, minhash
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_rank import rank
from pipeline.dedup_sql import MEMORY, ROW_GROUP, copy, scan, session
from pipeline.dedup_text import (
    NODE,
    content_nodes,
    distinct,
    id_nodes,
    node_array,
    normalise,
    within_scope,
)
from pipeline.shingles import shingle_sets

BATCH_ROWS, BATCH_BYTES = 512, 8 << 20
HELD_BYTES = 64 << 20
SET_GROUP = 2 << 20  # shingles in a row group

KEYS = pa.schema([("number", pa.int64()), ("node", NODE), ("n_bytes", pa.int64())])
BANDS = pa.schema(
    [("band", pa.uint8()), ("hash", pa.uint64()), ("node", NODE), ("level", pa.int16())]
)
SETS = pa.schema([("node", NODE), ("shingles", pa.list_(pa.uint32()))])


class Piece(NamedTuple):
    """Row groups of a file, and its rows that they hold: first ones, and those after the last."""

    group: int
    end_group: int
    row: int
    end_row: int


def sign_shard(
    documents_path: str,
    out: Mapping[str, str],
    config: DedupConfig,
    piece: Piece | None = None,
    refused_path: str | None = None,
) -> dict[str, int]:
    """Sign the texts of one documents shard.

    Parameters
    ----------
    documents_path
        Parquet with `id` and `text`; with `row_id`, ids are taken as hashes of the texts. `source`
        is asked for by ``scope: source`` and ``priority``. Null texts count as empty.
    out
        Paths of the files written. ``keys``: number (place in the shard), node, n_bytes. With
        ``fuzzy``, for each distinct node: ``bands`` (band, hash, node, level), sorted by band and
        hash within stretches of some megabytes, and ``sets`` (node, shingles). A level is the place
        of the source in ``priority``.
    piece
        The part of the file that is the shard; places are counted from its first row.
    refused_path
        Parquet with the `row_id` of rows that take no part; none of the files names them.

    Returns
    -------
    dict
        ``rows`` read, ``documents`` signed, ``shingles``, ``bytes`` of UTF-8 read.

    Raises
    ------
    UserError
        For a column that is missing or of the wrong kind, or an id that is null.
    """
    trusted = ids_name_texts(check_columns(documents_path, config), config)
    stats = {"rows": 0, "documents": 0, "shingles": 0, "bytes": 0}
    refused = _refused(refused_path)
    with pq.ParquetWriter(out["keys"], KEYS) as keys, _Signatures(out, config) as signatures:
        for batch in batches(documents_path, config, piece, refused is not None):
            numbers = np.arange(stats["rows"], stats["rows"] + len(batch))
            stats["rows"] += len(batch)
            if refused is not None:
                stays = pc.invert(pc.is_in(batch["row_id"], value_set=refused))
                batch, numbers = batch.filter(stays), numbers[stays.to_numpy(zero_copy_only=False)]
                if not len(batch):
                    continue
            texts = normalise(batch["text"], config.exact)
            nodes = id_nodes(batch["id"]) if trusted else content_nodes(texts)
            marks = np.zeros(len(batch), np.uint64)
            if config.scope == "source":
                sources = batch["source"].cast(pa.string()).fill_null("").to_pylist()
                nodes, marks = within_scope(nodes, sources)
            sizes = pc.binary_length(batch["text"]).fill_null(0)
            keys.write_table(pa.table([numbers, node_array(nodes), sizes.cast("int64")], KEYS))
            stats["bytes"] += pc.sum(sizes).as_py() or 0
            if config.fuzzy:
                levels = _levels(batch, config)
                first = distinct(nodes, levels)
                columns = (column[first] for column in (nodes, marks, levels))
                signatures.add(texts.take(pa.array(first)), *columns, stats)
    return stats


def list_rows(
    documents_path: str,
    keys_path: str | None,
    out: Mapping[str, str],
    config: DedupConfig,
    piece: Piece | None = None,
    refused_path: str | None = None,
    last: str = "",
    memory: str = MEMORY,
) -> dict[str, int]:
    """List the rows of one documents shard with what the keep policy makes of them.

    Parameters
    ----------
    keys_path
        File ``keys`` of `sign_shard`; None where ids name the texts and nothing was signed.
    out
        ``rows``: node, id, row_id, number, level, rank, sorted. Ranks compare as ``config.keep``
        orders rows. Without a `row_id` the id stands for it; without `n_bytes`, it is counted.
        Rows that are refused are listed without a node.
    piece, refused_path
        As for `sign_shard`.
    last
        SQL of rows that come after all others, whatever their source.

    Returns
    -------
    dict
        ``rows`` listed.
    """
    names = check_columns(documents_path, config)
    files = scan([documents_path], {}, ["file_row_number"])
    fields = "d.*" if "n_bytes" in names or keys_path is None else "d.*, k.n_bytes"
    first, mine = 0, "true"
    if piece:
        first = piece.row
        mine = f"d.file_row_number >= {first} AND d.file_row_number < {piece.end_row}"
    source = f"SELECT {fields}, k.node AS _node FROM {files} d JOIN {scan([keys_path or ''], {})} k"
    source += f" ON d.file_row_number - {first} = k.number WHERE {mine}"
    if keys_path is None:
        source = f"SELECT *, id::UUID AS _node FROM {files} d WHERE {mine}"
    row_id = "row_id" if "row_id" in names else "id"
    refused = ""
    if refused_path:
        which = f"IN (SELECT row_id FROM {scan([refused_path], {})})"
        source = f"SELECT * FROM ({source}) WHERE row_id NOT {which}"
        refused = f"""UNION ALL SELECT NULL, id::VARCHAR, row_id::VARCHAR,
            file_row_number - {first}, 0, ''::BLOB FROM {files} d WHERE {mine} AND row_id {which}"""
    with session(out["rows"], memory) as connection:
        order = rank(connection, config.keep)
        rows = copy(
            connection,
            f"""SELECT _node AS node, id::VARCHAR AS id, {row_id}::VARCHAR AS row_id,
                file_row_number - {first} AS number, {_level(config, last)} AS level,
                {order} AS rank
            FROM ({source}) {refused} ORDER BY ALL""",
            out["rows"],
        )
    return {"rows": rows}


def _level(config: DedupConfig, last: str = "") -> str:
    """SQL of the place of a row's source in ``priority``; behind all places where `last` holds."""
    level, places = "0", len(config.priority)
    if config.priority:
        names = ", ".join(literal(name) for name in config.priority)
        level = f"coalesce(list_position([{names}], source::VARCHAR), {places + 1}) - 1"
    if last:
        level = f"{level} + CASE WHEN {last} THEN {places + 1} ELSE 0 END"
    return f"({level})::SMALLINT"


def check_columns(path: str, config: DedupConfig) -> list[str]:
    """Names of the columns of a shard.

    Raises
    ------
    UserError
        For a file that is no Parquet, and a column that is missing or of the wrong kind.
    """
    try:
        with storage.open_input(path) as file:
            schema = pq.read_schema(file)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: cannot be read as Parquet: {error}") from None
    wanted = ["id", "text"]
    if config.scope == "source" or config.priority:
        wanted.append("source")
    for name in wanted:
        if name not in schema.names:
            raise UserError(
                f"{path}: field '{name}': no such column (it has {', '.join(schema.names)})"
            )
    kind = schema.field("text").type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UserError(f"{path}: field 'text': expected a column of text, got {kind}")
    return schema.names


def ids_name_texts(names: list[str], config: DedupConfig) -> bool:
    """Whether the ids of a shard with these columns are hashes of the texts compared."""
    return "row_id" in names and config.exact in ("raw", "none")


def _levels(batch: pa.RecordBatch, config: DedupConfig) -> np.ndarray:
    if not config.priority:
        return np.zeros(len(batch), np.int16)
    places = {name: place for place, name in enumerate(config.priority)}
    last = len(places)
    return np.array([places.get(name, last) for name in batch["source"].to_pylist()], np.int16)


def batches(
    path: str, config: DedupConfig, piece: Piece | None = None, row_ids: bool = False
) -> Iterator[pa.RecordBatch]:
    """The texts of a shard in batches of a few megabytes, in order, with id and source.

    With `row_ids`, with row_id as well.

    Raises
    ------
    UserError
        For an id that is null.
    """
    columns = ["id", "text"]
    if config.scope == "source" or config.priority:
        columns.append("source")
    if row_ids:
        columns.append("row_id")
    seen = piece.row if piece else 0
    with (
        storage.open_input(path) as file,
        pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as shard,
    ):
        span = piece[:2] if piece else (0, shard.num_row_groups)
        for group in range(*span):
            for batch in shard.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
                if batch["id"].null_count:
                    row = seen + batch["id"].is_null().index(True).as_py()
                    raise UserError(f"{path}: field 'id': row {row} has none; give each row an id")
                seen += len(batch)
                yield from _slices(batch)


def _refused(path: str | None) -> pa.Array | None:
    if path is None:
        return None
    with storage.open_input(path) as file:
        return pq.ParquetFile(file).read()["row_id"].combine_chunks()


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    sizes = pc.binary_length(batch["text"]).fill_null(0).to_numpy(zero_copy_only=False)
    blocks = np.cumsum(sizes.astype(np.int64)) // BATCH_BYTES
    cuts = [0, *np.flatnonzero(np.diff(blocks)) + 1, len(batch)]
    for start, stop in itertools.pairwise(cuts):
        if stop > start:
            yield batch.slice(start, stop - start)


def shingles_of(texts: pa.Array, config: DedupConfig) -> tuple[np.ndarray, np.ndarray]:
    """Shingle hashes of texts and their offsets, as the configuration makes them."""
    if config.signatures == "native":
        return shingle_sets(texts, config.ngram, config.unit)
    sha1 = config.signatures == "datatrove_sha1"
    try:
        return datatrove_minhash.shingles(texts, config.ngram, sha1)
    except ImportError:
        raise UserError(
            f"field 'dedup.signatures': {config.signatures} cuts words as spaCy does, which is not "
            "installed: pip install spacy"
        ) from None


class _Signatures:
    """Writes the files ``bands`` and ``sets``; nothing without ``fuzzy``."""

    def __init__(self, out: Mapping[str, str], config: DedupConfig):
        self.out, self.config = out, config
        native = config.signatures == "native"
        source = minhash if native else datatrove_minhash
        self.permutations = source.permutations(config.bands * config.rows, config.seed)
        self.mersenne = not native
        self.most = max(1, HELD_BYTES // (32 * config.bands))  # documents held for sorting
        self.bands: list[tuple[np.ndarray, ...]] = []
        self.held = 0
        self.sets: list[pa.Table] = []
        self.shingles = 0

    def __enter__(self) -> _Signatures:
        if self.config.fuzzy:
            self.band_file = pq.ParquetWriter(
                self.out["bands"], BANDS, compression="none", use_dictionary=["band", "level"]
            )
            self.set_file = pq.ParquetWriter(
                self.out["sets"],
                SETS,
                compression="none",
                use_dictionary=False,
                column_encoding={"shingles.list.element": "DELTA_BINARY_PACKED"},
                write_statistics=["node"],
            )
        return self

    def __exit__(self, *_) -> None:
        if self.config.fuzzy:
            self._write_bands()
            self._write_sets()
            self.band_file.close()
            self.set_file.close()

    def add(
        self,
        texts: pa.Array,
        nodes: np.ndarray,
        marks: np.ndarray,
        levels: np.ndarray,
        stats: dict[str, int],
    ) -> None:
        shingles, offsets = shingles_of(texts, self.config)
        hashes = minhash.bands_of(
            shingles, offsets, self.config.bands, *self.permutations, self.mersenne
        )
        hashes ^= marks[:, None]  # documents of two scopes share no band
        filled = np.diff(offsets) > 0
        self.bands.append((hashes[filled], nodes[filled], levels[filled]))
        self.held += int(filled.sum())
        values, ends = minhash.small_sets(shingles, offsets)
        lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values))
        self.sets.append(pa.table([node_array(nodes), lists], SETS))
        self.shingles += len(values)
        stats["documents"] += len(nodes)
        stats["shingles"] += len(values)
        if self.held >= self.most:
            self._write_bands()
        if self.shingles >= SET_GROUP:
            self._write_sets()

    def _write_bands(self) -> None:
        """One or more row groups for each band, each sorted by hash."""
        if not self.held:
            return
        hashes, nodes, levels = (np.concatenate(part) for part in zip(*self.bands, strict=True))
        for band in range(self.config.bands):
            order = np.argsort(hashes[:, band], kind="stable")
            columns = [
                pa.array(np.full(len(order), band, np.uint8)),
                pa.array(hashes[order, band]),
                node_array(nodes[order]),
                pa.array(levels[order]),
            ]
            self.band_file.write_table(pa.table(columns, BANDS), row_group_size=ROW_GROUP)
        self.bands, self.held = [], 0

    def _write_sets(self) -> None:
        if self.sets:
            self.set_file.write_table(pa.concat_tables(self.sets), row_group_size=1 << 30)
        self.sets, self.shingles = [], 0
