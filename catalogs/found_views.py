"""Views over what was found inside texts: evaluation items and personal data."""

from __future__ import annotations

import duckdb

from catalogs import storage
from catalogs.ledger import Ledger
from catalogs.sql import parquet

FOLDER = "contamination"
"""Folder in a run folder where ``corpusmill contamination`` keeps what it found."""
_WHERE = {
    "row_id": "row_id of the document",
    "id": "id of the document",
    "source": "source in the recipe",
    "uri": "URL of the record, or path of the file",
}
_FATE = {"fate": "kept, or stage:reason that took the document out"}
_ITEM = {
    "benchmark": "evaluation set",
    "item": "item of the evaluation set",
    "part": "what of the item stands there: question, answer or passage",
}
_PLACE = {"start_byte": "first byte in the text", "end_byte": "its end, exclusive"}
_SCORE = {"score": "share of the item that was found, weighted by the rarity of its words"}
FOUND = {
    "contamination": {**_WHERE, **_FATE, **_ITEM, **_PLACE, **_SCORE},
    "pii": {
        **_WHERE,
        **_FATE,
        "type": "key, iban, card, national_id, email, ip or phone",
        "kind": "which one, such as us_ssn, visa, ipv6 or github_token",
        **_PLACE,
        "confidence": "how sure, 0 to 1",
    },
    "eval_matches": {**_WHERE, **_ITEM, **_PLACE, **_SCORE},
    "eval_items": {
        "benchmark": "evaluation set",
        "item": "item of the evaluation set",
        "question": "the question, or what stands for it",
        "answer": "the answer",
        "told": "whether the item is long enough to be told from chance",
        "documents": "documents of corpus/ that hold it",
        "in_corpus": "whether corpus/ holds it",
        "best": "highest score in corpus/, null if it is not there",
    },
}
FOUND_DOCS = {
    "contamination": "parts of evaluation items found by the recipe, in bytes of the whole text",
    "pii": "personal data found by the recipe, in bytes of the whole text",
    "eval_matches": "parts of items in corpus/, as `corpusmill contamination` found them",
    "eval_items": "every item that `corpusmill contamination` looked for in corpus/",
}
_EMPTY = {
    "eval_matches": "null::VARCHAR AS row_id, null::VARCHAR AS id, null::VARCHAR AS source, "
    "null::VARCHAR AS uri, null::VARCHAR AS benchmark, null::VARCHAR AS item, "
    "null::VARCHAR AS part, null::INTEGER AS start_byte, null::INTEGER AS end_byte, "
    "null::FLOAT AS score",
    "eval_items": "null::VARCHAR AS benchmark, null::VARCHAR AS item, null::VARCHAR AS question, "
    "null::VARCHAR AS answer, null::BOOLEAN AS told",
}


def define_found(connection: duckdb.DuckDBPyConnection, root: str, fate: str, later: str) -> None:
    """Add the views of `FOUND`; ``documents`` and ``rejected`` must be there.

    `fate` and `later` are `document_views.FATE` and `document_views.LATER`.
    """
    for name, said in (
        ("contamination", "benchmark, f.item AS item, f.part AS part"),
        ("pii", "type, f.kind AS kind"),
    ):
        score = "score" if name == "contamination" else "confidence"
        connection.execute(
            f"CREATE VIEW {name} AS SELECT row_id, id, source, uri, fate, f.{said}, "
            f'f.start AS start_byte, f."end" AS end_byte, f.{score} AS {score} FROM ('
            f"SELECT row_id, id, source, uri, {fate} AS fate, unnest({name}) AS f FROM documents "
            f"UNION ALL SELECT row_id, id, source, uri, stage || ':' || reason, unnest({name}) "
            f"FROM rejected WHERE stage NOT IN {later})"
        )
    ledger = Ledger(storage.join(root, FOLDER))
    for name, kind in (("eval_matches", "matches"), ("_eval_items", "items")):
        paths = [ledger.file(row.files[kind]) for row in ledger.rows() if kind in row.files]
        found = f"* FROM {parquet(paths)}"
        empty = f"{_EMPTY[name.removeprefix('_')]} WHERE false"
        connection.execute(f"CREATE VIEW {name} AS SELECT {found if paths else empty}")
    connection.execute(
        "CREATE VIEW eval_items AS SELECT i.*, coalesce(m.documents, 0) AS documents, "
        "m.documents IS NOT NULL AS in_corpus, m.best FROM _eval_items i LEFT JOIN ("
        "SELECT benchmark, item, count(DISTINCT row_id) AS documents, max(score) AS best "
        "FROM eval_matches GROUP BY ALL) m USING (benchmark, item)"
    )
