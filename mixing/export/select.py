"""SELECT: which rows of one corpus shard belong to which domain, and with what factor."""

from __future__ import annotations

import contextlib
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.catalog import open_catalog
from catalogs.errors import DamageError, UserError
from catalogs.ledger import Ledger, Row
from catalogs.sql import exact
from mixing.export.mixture import Mixture
from mixing.export.sample import DRAW, MILLI, row_hashes, uniforms
from mixing.export.tokenise import count_sample, tokenizer_of
from pipeline.jobs import Job, at_work

SELECTED = pa.schema(
    [
        ("row", pa.int32()),  # in the corpus shard
        ("row_id", pa.string()),
        ("domain", pa.int16()),
        ("factor", pa.int32()),  # thousandths
        ("u", pa.float64()),  # decides the draw
        ("estimate", pa.int64()),  # tokens by the catalogue
    ]
)


def check_predicates(mixture: Mixture, run: str) -> None:
    """Raise `UserError` for a predicate or factor that does not run on the catalogue of `run`."""
    with open_catalog(run) as catalog:
        for name, predicate in mixture.domains.items():
            asked = f"SELECT 1 FROM documents WHERE ({predicate}\n) LIMIT 0"
            _try(catalog, f"domains.{name}", predicate, asked)
        for name in mixture.upsample:
            factor = mixture.factor(name)
            asked = f"SELECT ({factor}\n)::DOUBLE FROM documents LIMIT 0"
            _try(catalog, f"upsample.{name}", mixture.upsample[name], asked)


def _try(catalog: duckdb.DuckDBPyConnection, field: str, given: Any, asked: str) -> None:
    try:
        catalog.execute(asked)
    except duckdb.Error as error:
        told = " ".join(str(error).split("\n\n")[0].split())
        raise UserError(f"field '{field}': {given!r}: {told}") from None


def select_rows(job: Job) -> Row:
    """Write the index of one corpus shard: its rows in domains of the mixture, in its order.

    For a tokenised export a sample of each domain is tokenised too, to tell how many tokens the
    catalogue's estimate stands for.
    """
    arguments = job.arguments
    mixture = Mixture.model_validate(arguments["mixture"])
    wanted = [mixture.share(name) > 0 for name in mixture.domains]
    ledger = Ledger(arguments["run"])
    rows = [ledger.get(step, shard) for step, shard in arguments["rows"]]
    with at_work(job) as work:
        with open_catalog(arguments["run"], [row for row in rows if row]) as catalog:
            catalog.execute("SET threads = 1")
            held = pa.table({"id": pa.array(arguments["held"], pa.string())})
            catalog.register("_held", held)
            table = catalog.execute(_query(mixture), [exact(arguments["corpus"])]).to_arrow_table()
        if len(table) != arguments["documents"]:
            raise DamageError(
                f"{arguments['corpus']}: {arguments['documents']} documents, but the catalogue "
                f"knows {len(table)} of them"
            )
        domain = table["domain"].combine_chunks()
        held_out = table["held"].combine_chunks()
        in_mix = pc.is_in(domain, pa.array(np.flatnonzero(wanted), pa.int16()))
        keep = pc.and_(in_mix, pc.invert(held_out))
        rejected = {
            "domain:none": pc.sum(pc.is_null(domain)).as_py() or 0,
            "domain:held_out": pc.sum(pc.and_(in_mix, held_out)).as_py() or 0,
        }
        kept = table.filter(keep)
        rejected["domain:share_0"] = len(table) - len(kept) - sum(rejected.values())
        factors = _factors(mixture, kept)
        u = uniforms(row_hashes(kept["row_id"], arguments["seed"], DRAW))
        index = pa.table(
            [kept["row"], kept["row_id"], kept["domain"], factors, u, kept["n_tokens"]],
            names=SELECTED.names,
        ).cast(SELECTED)
        pq.write_table(index, work.path("index", f"work/select/{job.shard}.parquet"))
        stats = {}
        if arguments["tokenizer"]:
            tokenizer = tokenizer_of(*arguments["tokenizer"])
            stats = count_sample(index, arguments["corpus"], tokenizer)
        reasons = {reason: count for reason, count in rejected.items() if count}
        return work.commit(read=len(table), kept=len(index), rejected=reasons, stats=stats)


def _query(mixture: Mixture) -> str:
    domains = " ".join(
        f"WHEN ({predicate}\n) THEN {number}"
        for number, predicate in enumerate(mixture.domains.values())
    )
    factors = " ".join(
        f"WHEN {number} THEN ({mixture.factor(name)}\n)::DOUBLE"
        for number, name in enumerate(mixture.domains)
    )
    return f"""
        SELECT file_row_number::INTEGER AS row, f.row_id, _domain::SMALLINT AS domain,
            _factor AS factor, f.n_tokens, f.id IN (SELECT id FROM _held) AS held
        FROM read_parquet($1, file_row_number = true) f JOIN (
            SELECT row_id, _domain, CASE _domain {factors} END AS _factor FROM (
                SELECT *, CASE {domains} END AS _domain FROM documents WHERE kept
            )
        ) USING (row_id)
        ORDER BY file_row_number"""


def _factors(mixture: Mixture, kept: pa.Table) -> pa.Array:
    factor = kept["factor"].combine_chunks()
    values = factor.fill_null(np.nan).to_numpy(zero_copy_only=False)
    bad = ~(np.isfinite(values) & (values >= 0) & (values <= MILLI))
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        name = list(mixture.domains)[kept["domain"][at].as_py()]
        raise UserError(
            f"field 'upsample.{name}': {mixture.upsample[name]!r} is {factor[at].as_py()} for "
            f"row_id {kept['row_id'][at]}; a factor is a number from 0 to {MILLI}"
        )
    return pa.array(np.rint(values * MILLI).astype(np.int32))


def held_ids(paths: list[str]) -> list[str]:
    """Ids of the documents that are held out, sorted.

    Raises
    ------
    UserError
        When a file is missing or has not the columns id and held.
    """
    found: set[str] = set()
    with contextlib.closing(duckdb.connect()) as connection:
        for path in paths:
            try:
                rows = connection.execute(
                    "SELECT id FROM read_parquet($1) WHERE held", [path]
                ).fetchall()
            except duckdb.Error as error:
                told = " ".join(str(error).split("\n\n")[0].split())
                raise UserError(
                    f"field 'held_out': {path}: {told}; it needs the columns id and held"
                ) from None
            found.update(row[0] for row in rows)
    return sorted(found)
