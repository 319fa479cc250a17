"""Domains: which documents of the catalogue belong to each, and which are held out of training."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from catalogs.ledger import Row
from catalogs.sql import exact
from mixing.study_file import Study
from pipeline.jobs import Job, Work, at_work

POOL = pa.schema([("id", pa.string()), ("held", pa.bool_()), ("text", pa.string())])
ROWS = 1024


@dataclass(frozen=True)
class Domain:
    """What the catalogues hold of one domain; `tokens` are their estimate.

    `licenses` has the tokens under each licence, ``none`` where the text names none.
    """

    name: str
    documents: int
    n_bytes: int
    tokens: int
    licenses: dict[str, int] = field(default_factory=dict)

    def fraction(self, license: str) -> float:
        """Part of the tokens that is under a licence."""
        return self.licenses.get(license, 0) / max(1, self.tokens)


def count_domains(study: Study) -> list[Domain]:
    """Documents, bytes and tokens of every domain of the study, over all its runs.

    Raises
    ------
    UserError
        When a predicate does not run, or a domain is empty.
    """
    counts: dict[str, list] = {name: [] for name in study.domains}
    for folder in study.run_folders:
        with open_catalog(folder) as catalog:
            for name, predicate in study.domains.items():
                try:
                    catalog.execute(f"SELECT 1 FROM documents WHERE ({predicate}\n) LIMIT 0")
                except duckdb.Error as error:
                    told = " ".join(str(error).split("\n\n")[0].split())
                    raise UserError(f"field 'domains.{name}': {predicate!r}: {told}") from None
            for name in study.domains:
                counts[name] += catalog.execute(
                    "SELECT coalesce(license, 'none'), count(*), sum(n_bytes), sum(n_tokens) "
                    f"FROM documents WHERE {membership(study.domains, name)} "
                    "GROUP BY ALL ORDER BY ALL"
                ).fetchall()
    found = []
    for name, rows in counts.items():
        if not rows:
            raise UserError(f"field 'domains.{name}': no document of the corpus belongs to it")
        licenses: dict[str, int] = {}
        for license, _, _, tokens in rows:
            licenses[license] = licenses.get(license, 0) + int(tokens)
        sums = [int(sum(row[column] for row in rows)) for column in (1, 2, 3)]
        found.append(Domain(name, *sums, licenses))
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
    them. The corpus of a run holds one document of each cluster of near duplicates, so none trains
    on their likes either; of several runs, exact copies are left out, near ones are not looked for.
    """
    arguments = job.arguments
    with at_work(job) as work:
        parts = [
            _write_texts(work, folder, arguments["member"], number)
            for number, folder in enumerate(arguments["runs"])
        ]
        path = work.path("pool", f"pool/{job.shard}.parquet")
        rows = held = 0
        sizes = {True: 0, False: 0}
        with duckdb.connect() as database, pq.ParquetWriter(path, POOL, compression="zstd") as to:
            reader = database.sql(
                """WITH parts AS (SELECT * FROM read_parquet($parts)),
                once AS (SELECT * FROM parts
                    QUALIFY run = min(run) OVER (PARTITION BY id)),
                seen AS (SELECT DISTINCT id FROM read_parquet($trained) WHERE NOT held),
                fresh AS (SELECT *, id NOT IN (FROM seen) AS new FROM once),
                free AS (SELECT *, new OR NOT bool_or(new) OVER () AS may FROM fresh)
                SELECT id, may AND sum(n_bytes) FILTER (may) OVER place - n_bytes < $limit AS held,
                    text FROM free
                WINDOW place AS (ORDER BY md5(id || $seed), run, row_id ROWS UNBOUNDED PRECEDING)
                ORDER BY md5(id || $seed), run, row_id""",
                params={
                    "parts": list(map(exact, parts)),
                    "trained": list(map(exact, arguments["trained"] or [_nothing(work)])),
                    "limit": arguments["hold_out"],
                    "seed": str(arguments["seed"]),
                },
            ).to_arrow_reader(ROWS)
            for batch in reader:
                table = pa.Table.from_batches([batch]).cast(POOL)
                rows += len(table)
                for kind in sizes:
                    texts = table.filter(pc.equal(table["held"], kind))["text"]
                    sizes[kind] += pc.sum(pc.binary_length(texts)).as_py() or 0
                held += pc.sum(table["held"]).as_py()
                to.write_table(table)
        if held == rows:
            raise UserError(
                f"field 'domains.{job.shard}': {rows} documents are too few to hold some out"
            )
        stats = {"held": held, "held_bytes": sizes[True], "train_bytes": sizes[False]}
        return work.commit(read=rows, kept=rows, stats=stats)


def _nothing(work: Work) -> str:
    """A note of no documents."""
    path = os.path.join(work.folder, "nothing.parquet")
    pq.write_table(
        pa.table({"id": pa.array([], pa.string()), "held": pa.array([], pa.bool_())}), path
    )
    return path


def _write_texts(work: Work, folder: str, member: str, number: int) -> str:
    """The texts of one run that belong to a domain, as they are in its corpus."""
    path = os.path.join(work.folder, f"texts-{number}.parquet")
    with open_catalog(folder) as catalog:
        reader = catalog.sql(
            f"""SELECT id, row_id, {number} AS run, n_bytes, coalesce(cut_text, text) AS text
            FROM documents LEFT JOIN
                (SELECT row_id, text AS cut_text FROM corpus WHERE cut_bytes > 0) USING (row_id)
            WHERE {member}"""
        ).to_arrow_reader(ROWS)
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
    return path
