"""TAG and JUDGE: columns for a batch of texts, and what the recipe says to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters import (
    FEATURES,
    LanguageIdentifier,
    Preset,
    Rule,
    UrlFilter,
    features,
    judge,
    text_licence,
)
from pipeline.documents import BYTES_PER_TOKEN, DOCUMENTS, REJECTED, text_id, to_table
from pipeline.shards import conform

ROWS = pa.schema([f for f in DOCUMENTS if f.name not in {feature.name for feature in FEATURES}])


class Tagger:
    """Loads models and lists once per task, then tags and judges batches.

    `arguments` are those of an ingest job: ``language``, ``url`` and ``filters``.
    """

    def __init__(self, arguments: dict[str, Any]):
        self.language = arguments["language"]
        chars = self.language["first_chars"] or None
        self.identifier = LanguageIdentifier(self.language["model"], max_chars=chars)
        self.urls = UrlFilter(**arguments["url"])
        self.presets = [
            Preset(name, tuple(Rule(*rule) for rule in rules))
            for name, rules in arguments["filters"]
        ]

    def blocked(self, uris: list[str]) -> list[str | None]:
        """The block list that each URL is on, or None; paths of files are on none."""
        urls = [uri if "://" in uri else None for uri in uris]
        return self.urls.tag(pa.array(urls, pa.large_string())).blocked.to_pylist()

    def tag(self, rows: list[dict[str, Any]]) -> pa.Table:
        """A table of `DOCUMENTS` from rows of parsed columns with ``text``."""
        for row in rows:
            row["id"] = text_id(row["text"])
            if row.get("licence") is None:
                row.update(_spdx(row["text"]))
        table = to_table(rows, ROWS)
        texts = table["text"].combine_chunks()
        measured = features(texts)
        urls = [row["uri"] if "://" in row["uri"] else None for row in rows]
        languages, scores = self.identifier.tag(texts)
        tagged = {
            "host": self.urls.tag(pa.array(urls, pa.large_string())).host,
            "language": languages,
            "language_score": scores,
            "n_tokens": pa.array(
                np.ceil(measured.column("n_bytes").to_numpy() / BYTES_PER_TOKEN).astype(np.int64)
            ),
            **dict(zip(measured.schema.names, measured.columns, strict=True)),
        }
        columns = dict(zip(table.column_names, table.columns, strict=True))
        return conform(pa.table({**columns, **tagged}), DOCUMENTS)

    def judge(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Split a tagged table into documents and rejected ones with stage and reason.

        Language comes before the filters, whose thresholds are made for languages.
        """
        reasons = judge(table, self.presets)
        stages = pc.if_else(pc.is_null(reasons), None, pa.scalar("filter"))
        spoken = self._language_reasons(table)
        other = pc.is_valid(spoken)
        reasons = pc.if_else(other, spoken, reasons)
        stages = pc.if_else(other, pa.scalar("language"), stages)
        kept = pc.is_null(reasons)
        rejected = table.append_column("stage", stages).append_column("reason", reasons)
        return table.filter(kept), conform(rejected.filter(pc.invert(kept)), REJECTED)

    def _language_reasons(self, table: pa.Table) -> pa.Array:
        keep, least = self.language["keep"], self.language["min_score"]
        none = pa.nulls(len(table), pa.string())
        if not keep and not least:
            return none
        language = table["language"].combine_chunks()
        low = pc.less(table["language_score"].combine_chunks(), pa.scalar(least, pa.float32()))
        reasons = pc.if_else(low, pa.scalar("language_unsure"), none)
        if keep:
            foreign = pc.invert(pc.fill_null(pc.is_in(language, pa.array(keep)), False))
            reasons = pc.if_else(foreign, pa.scalar("language_not_kept"), reasons)
        return pc.if_else(pc.is_null(language), pa.scalar("language_unknown"), reasons)


def _spdx(text: str) -> dict[str, Any]:
    licence = text_licence(text)
    if licence.id is None:
        return {}
    evidence = {"licence_evidence": licence.evidence}
    return {"licence": licence.id, "licence_scope": licence.scope, **evidence}
