"""Views over the ledger of a run: `steps` and `shards`, and the tables beside them."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from catalogs.charsets import CHARSETS, charset_rows
from catalogs.digests import DIGESTS, digest_rows
from catalogs.funnel import FUNNEL, SOURCES, funnel_rows, source_rows
from catalogs.ledger import Row

STEPS = {
    "step": (pa.string(), "step of the run: ingest, sign, candidates, verify, cluster, judge …"),
    "shard": (pa.string(), "name of the unit of work inside the step"),
    "source": (pa.string(), "source in the recipe, empty for steps over all sources"),
    "present": (
        pa.int64(),
        "records present by a count that does not rest on reading them; null where there is none",
    ),
    "read": (pa.int64(), "records read"),
    "kept": (pa.int64(), "records kept"),
    "rejected": (pa.int64(), "records rejected, all reasons"),
    "quarantined": (pa.int64(), "records quarantined, all errors"),
    "text_bytes": (pa.int64(), "UTF-8 bytes of the text kept, where the step writes text"),
    "tokens": (pa.int64(), "tokens kept, estimated, where the step writes text"),
    "attempts": (pa.int32(), "tries until the commit"),
    "seconds": (pa.float64(), "wall seconds of the try that committed"),
    "cpu_seconds": (pa.float64(), "CPU seconds of its worker, sandboxed children left out"),
    "cpu_read": (pa.float64(), "INGEST: CPU seconds of reading the input file"),
    "cpu_parse": (pa.float64(), "INGEST: CPU seconds of parsing, sandboxed children included"),
    "cpu_tag": (pa.float64(), "INGEST: CPU seconds of tagging and judging"),
    "cpu_write": (pa.float64(), "INGEST: CPU seconds of sorting and writing shards"),
    "host": (pa.string(), "machine that committed"),
    "committed_at": (pa.string(), "time of the commit, UTC"),
    "address": (pa.string(), "hash of configuration, code and inputs"),
    "code": (pa.string(), "hash of the code and library versions of the step"),
    "inputs": (pa.list_(pa.string()), "fingerprints or checksums of the inputs"),
}
STATS = ("text_bytes", "tokens", "cpu_read", "cpu_parse", "cpu_tag", "cpu_write")
SHARDS = {
    "step": (pa.string(), "step that wrote the file"),
    "shard": (pa.string(), "unit of work that wrote the file"),
    "source": (pa.string(), "source in the recipe, empty for steps over all sources"),
    "kind": (pa.string(), "what the file holds: documents, rejected, quarantine, corpus …"),
    "path": (pa.string(), "path relative to the run folder"),
    "rows": (pa.int64(), "records in the file"),
    "bytes": (pa.int64(), "size of the file"),
    "checksum": (pa.string(), "xxh3_128 of the bytes of the file"),
}


def define(connection: duckdb.DuckDBPyConnection, rows: list[Row], how: str) -> None:
    """Define what the ledger alone tells, as views or, where `how` is TABLE, as tables."""
    steps = [
        {
            **{name: getattr(row, name) for name in STEPS if hasattr(row, name)},
            "rejected": sum(row.rejected.values()),
            "quarantined": sum(row.quarantined.values()),
            "present": row.stats.get("records_present"),
            **{name: row.stats.get(name) for name in STATS},
        }
        for row in rows
    ]
    shards = [
        {**file.__dict__, "step": row.step, "shard": row.shard, "source": row.source, "kind": kind}
        for row in rows
        for kind, file in sorted(row.files.items())
    ]
    tables = {
        "steps": (STEPS, steps),
        "shards": (SHARDS, shards),
        "funnel": (FUNNEL, funnel_rows(rows)),
        "sources": (SOURCES, source_rows(rows)),
        "charsets": (CHARSETS, charset_rows(rows)),
        "digests": (DIGESTS, digest_rows(rows)),
    }
    for name, (schema, values) in tables.items():
        arrow = pa.schema([(column, kind) for column, (kind, _) in schema.items()])
        connection.register(f"_{name}", pa.Table.from_pylist(values, schema=arrow))
        connection.execute(f"CREATE {how} {name} AS SELECT * FROM _{name}")
        if how == "TABLE":
            connection.unregister(f"_{name}")
