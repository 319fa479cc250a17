"""TAG and JUDGE: columns for a batch of texts, and what the recipe says to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters import (
    FEATURES,
    Preset,
    Rule,
    UrlFilter,
    features,
    judge,
    registered_domains,
)
from pipeline.compliance import completed
from pipeline.documents import BYTES_PER_TOKEN, DOCUMENTS, REJECTED, text_id, to_table
from pipeline.languages import LanguageTagger, language_reasons
from pipeline.quality import quality_columns
from pipeline.scrub import Scrub
from pipeline.shards import conform

ROWS = pa.schema([f for f in DOCUMENTS if f.name not in {feature.name for feature in FEATURES}])


class Tagger:
    """Loads models and lists once per task, then tags and judges batches.

    `arguments` are those of an ingest job: ``language``, ``url``, ``words`` and ``filters``.
    """

    def __init__(self, arguments: dict[str, Any]):
        self.language = arguments["language"]
        self.languages = LanguageTagger(self.language)
        self.words = arguments.get("words", "default")
        self.quality = arguments.get("quality", ())
        self.urls = UrlFilter.open(arguments["url"]["lists"])
        self.scrub = Scrub(arguments.get("scrub"))
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
            completed(row)
        table = to_table(rows, ROWS)
        texts = table["text"].combine_chunks()
        spoken = self.languages.columns(texts)
        measured = features(texts, words=self.words, languages=spoken["language"])
        urls = [row["uri"] if "://" in row["uri"] else None for row in rows]
        hosts = self.urls.tag(pa.array(urls, pa.large_string())).host
        tagged = {
            "host": hosts,
            "domain": registered_domains(hosts),
            **spoken,
            **quality_columns(texts, self.quality),
            **self.scrub.columns(texts, spoken["language"]),
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
        spoken = language_reasons(table, self.language)
        other = pc.is_valid(spoken)
        reasons = pc.if_else(other, spoken, reasons)
        stages = pc.if_else(other, pa.scalar("language"), stages)
        scrubbed = self.scrub.reasons(table)
        stage = pc.list_element(pc.split_pattern(scrubbed, ":", max_splits=1), 0)
        why = pc.list_element(pc.split_pattern(scrubbed, ":", max_splits=1), 1)
        stages, reasons = pc.coalesce(stages, stage), pc.coalesce(reasons, why)
        kept = pc.is_null(reasons)
        rejected = table.append_column("stage", stages).append_column("reason", reasons)
        return table.filter(kept), conform(rejected.filter(pc.invert(kept)), REJECTED)
