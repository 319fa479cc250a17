"""Domains: which documents of the catalogue belong to each, and which are held out of training."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.ledger import Row
from mixing.study_file import Study
from pipeline.jobs import Job, at_work

POOL = pa.schema([("id", pa.string()), ("held", pa.bool_()), ("text", pa.string())])
ROWS = 1024


@dataclass(frozen=True)
class Domain:
    """What the catalogue holds of one domain; `tokens` are the catalogue's estimate."""

    name: str
    documents: int
    n_bytes: int
    tokens: int


def count_domains(study: Study) -> list[Domain]:
    """Documents, bytes and tokens of every domain of the study.

    Raises
    ------
    UserError
        When a predicate does not run, or a domain is empty.
    """
    found = []
    with open_catalog(study.run_folder) as catalog:
        for name, predicate in study.domains.items():
            try:
                catalog.execute(f"SELECT 1 FROM documents WHERE ({predicate}\n) LIMIT 0")
            except duckdb.Error as error:
                told = " ".join(str(error).split("\n\n")[0].split())
                raise UserError(f"field 'domains.{name}': {predicate!r}: {told}") from None
        for name in study.domains:
            counts = catalog.execute(
                "SELECT count(*), sum(n_bytes), sum(n_tokens) FROM documents "
                f"WHERE {membership(study.domains, name)}"
            ).fetchone()
            if not counts[0]:
                raise UserError(f"field 'domains.{name}': no document of the corpus belongs to it")
            found.append(Domain(name, *(int(count) for count in counts)))
    return found


def membership(domains: dict[str, str], name: str) -> str:
    """SQL: the document is in the corpus and `name` is the first domain whose predicate holds."""
    cases = " ".join(
        f"WHEN ({predicate}\n) THEN {number}" for number, predicate in enumerate(domains.values())
    )
    return f"kept AND CASE {cases} END = {list(domains).index(name)}"


def write_pool(job: Job) -> Row:
    """Write the texts of one domain in an order that is a hash of their ids.

    The first documents in that order, up to the bytes to hold out, are marked: no mix trains on
    them. The corpus holds one document of each cluster of near duplicates, so none trains on
    their likes either.
    """
    arguments = job.arguments
    with at_work(job) as work, open_catalog(arguments["run"]) as catalog:
        path = work.path("pool", f"pool/{job.shard}.parquet")
        reader = catalog.sql(
            f"""SELECT id, sum(n_bytes) OVER place - n_bytes < $limit AS held,
                coalesce(cut_text, text) AS text
            FROM documents LEFT JOIN
                (SELECT row_id, text AS cut_text FROM corpus WHERE cut_bytes > 0) USING (row_id)
            WHERE {arguments["member"]}
            WINDOW place AS (ORDER BY md5(id || $seed), row_id ROWS UNBOUNDED PRECEDING)
            ORDER BY md5(id || $seed), row_id""",
            params={"limit": arguments["hold_out"], "seed": str(arguments["seed"])},
        ).to_arrow_reader(ROWS)
        rows = held = 0
        with pq.ParquetWriter(path, POOL, compression="zstd") as writer:
            for batch in reader:
                table = pa.Table.from_batches([batch]).cast(POOL)
                rows += len(table)
                held += pc.sum(table["held"]).as_py()
                writer.write_table(table)
        if held == rows:
            raise UserError(
                f"field 'domains.{job.shard}': {rows} documents are too few to hold some out"
            )
        return work.commit(read=rows, kept=rows, stats={"held": held})
