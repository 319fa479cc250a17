"""The flow of deduplication: which tasks there are, what each reads, and in which order.

::

    sign         a shard           -> band hashes and shingle sets of its texts
    list         a shard           -> its rows, ranked by the keep policy
    candidates   share of bands    -> buckets; which sets are wanted where
    deal         a shard           -> the sets of its candidates, by the part that compares them
    verify       range of heads    -> links with their true Jaccard similarity
    cluster      all, or rounds of large-star and small-star over ranges of nodes
    group        range of nodes    -> rows and links, by cluster
    elect        range of clusters -> the verdict on rows with duplicates
    judge        a shard           -> its attribute file, and what a later run needs to know

Nothing here runs a task or knows where files lie: `run_step` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipeline import dedup_stars as stars
from pipeline.dedup_candidates import candidates, deal
from pipeline.dedup_cluster import cluster
from pipeline.dedup_config import DedupConfig
from pipeline.dedup_elect import OldRows, elect, group, judge
from pipeline.dedup_sign import Piece, list_rows, sign_shard
from pipeline.dedup_verify import verify


@dataclass(frozen=True)
class File:
    """A file and the checksum of its bytes."""

    path: str
    checksum: str = ""


@dataclass(frozen=True)
class Shard:
    """A documents shard; `trusted` if its ids are hashes of the texts as they are compared.

    With a `piece` it is these row groups of the file; `refused` names rows that take no part.
    """

    name: str
    file: File
    source: str = ""
    trusted: bool = True
    piece: Piece | None = None
    refused: File | None = None


@dataclass(frozen=True)
class Index:
    """What a finished run left for later ones: files by kind, in the order of its shards."""

    name: str
    files: dict[str, list[File]]
    rows: int = 0


@dataclass(frozen=True)
class Task:
    """One unit of work: ``run(**arguments, out={kind: path})`` returns its statistics.

    `settings` and `inputs` (checksums of what is read) decide about the bytes of the outputs.
    """

    step: str
    shard: str
    run: Callable[..., dict[str, int]]
    arguments: dict[str, Any]
    settings: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True)
class Made:
    """What a task made."""

    files: dict[str, File]
    stats: dict[str, float] = field(default_factory=dict)


RunStep = Callable[[list[Task]], list[Made]]


@dataclass(frozen=True)
class Limits:
    """What one task may hold: memory of DuckDB in MiB, and about so many documents."""

    memory_mb: int = 1024
    documents: int = 2_000_000

    @staticmethod
    def of(memory_mb: int) -> Limits:
        """Limits of tasks whose peak is about `memory_mb` above that of an idle worker."""
        return Limits(memory_mb, 2000 * memory_mb)

    @property
    def memory(self) -> str:
        return f"{self.memory_mb}MiB"

    def parts(self, documents: int) -> int:
        """How many parts so many documents are shared out to: a power of two."""
        return 1 << (max(1, -(-documents // self.documents)) - 1).bit_length()


LIMITS = Limits()


def flow(
    shards: list[Shard],
    rows: int,
    config: DedupConfig,
    old: list[Index],
    run_step: RunStep,
    limits: Limits = LIMITS,
    unique_rows: bool = True,
    last: str = "",
) -> tuple[list[Made], dict[str, list[File]]]:
    """Judge every row of the shards.

    Parameters
    ----------
    rows
        Rows of all shards.
    old
        Earlier runs, the oldest first.
    run_step
        Runs tasks of one step, in any order; returns what each made, in the order given.
    unique_rows
        Refuse a row_id that two rows share.
    last
        SQL of rows that stay only where no other new row can, whatever `config` prefers.

    Returns
    -------
    judged : list of Made
        For each shard, with the kinds ``attributes`` and ``index``.
    index : dict
        The files that `Index` takes.
    """
    return Flow(shards, rows, config, old, run_step, limits, unique_rows, last).run()


class Flow:
    """The tasks of one deduplication; the arguments are those of `flow`."""

    def __init__(self, shards, rows, config, old, run_step, limits, unique_rows, last=""):
        self.shards, self.config, self.old = shards, config, old
        self.run_step, self.limits, self.unique_rows = run_step, limits, unique_rows
        self.last = {"last": last} if last else {}
        self.parts = limits.parts(rows + sum(index.rows for index in old))

    def run(self) -> tuple[list[Made], dict[str, list[File]]]:
        config = self.config
        keys, bands, sets = self._sign()
        listed = self._per_shard(
            "list",
            list_rows,
            {"keep": config.keep, "priority": config.priority, **self.last},
            ("rows",),
            lambda at: {**self._documents(at), "keys_path": keys[at]},
            {"config": config, **self.last},
            pieces=True,
        )
        links = self._link(bands, sets) if config.fuzzy else []
        clusters = self.cluster(links) if config.fuzzy else []
        old_rows = [list(index.files["index"]) for index in self.old]
        grouped = self._per_part(
            "group",
            group,
            {"exact": config.exact, "fuzzy": config.fuzzy, "old": [i.name for i in self.old]},
            ("grouped", "linked"),
            {
                "rows": _kind(listed, "rows"),
                "clusters": clusters,
                "links": _kind(links, "links"),
                "old": old_rows,
            },
            {"config": config},
        )
        elected = self._per_part(
            "elect",
            elect,
            {"exact": config.exact, "unique": self.unique_rows},
            ("elected",),
            {"grouped": _kind(grouped, "grouped"), "linked": _kind(grouped, "linked")},
            {"config": config, "unique_rows": self.unique_rows},
        )
        verdicts = _kind(elected, "elected")
        judged = self._per_shard(
            "judge",
            judge,
            {"row_ids": self.unique_rows},
            ("attributes", "index"),
            lambda at: {"rows": listed[at].files["rows"], "elected": verdicts},
            {"row_ids": self.unique_rows},
            numbered=True,
        )
        index = {"bands": bands, "sets": sets, "clusters": clusters}
        return judged, {**index, "index": _kind(judged, "index")}

    def _sign(self) -> tuple[list[File | None], list[File], list[File]]:
        """Files ``keys`` (None where ids do), ``bands`` and ``sets`` of each shard."""
        config = self.config
        if not config.fuzzy and config.scope == "all" and all(s.trusted for s in self.shards):
            return [None] * len(self.shards), [], []
        kinds = ("keys", "bands", "sets") if config.fuzzy else ("keys",)
        signed = self._per_shard(
            "sign",
            sign_shard,
            {**config.deciding, "priority": config.priority},
            kinds,
            self._documents,
            {"config": config},
            limited=False,
            pieces=True,
        )
        made = [_kind(signed, kind) for kind in kinds]
        return (*made, [], [])[:3]

    def _documents(self, at: int) -> dict[str, File]:
        shard = self.shards[at]
        own = {"documents_path": shard.file}
        return own | {"refused_path": shard.refused} if shard.refused else own

    def _link(self, bands: list[File], sets: list[File]) -> list[Made]:
        """Candidates and their verification; what each part of `verify` made."""
        config = self.config
        old_bands = [index.files["bands"] for index in self.old]
        all_sets = sets + [file for index in self.old for file in index.files["sets"]]
        found = self._per_part(
            "candidates",
            candidates,
            {"bands": config.bands, "verified": config.jaccard is not None},
            ("buckets", "wanted"),
            {"bands": bands, "old_bands": old_bands},
            {"config": config},
        )
        wanted = _kind(found, "wanted")
        dealt: list[Made] = []
        if config.jaccard is not None:
            names = [shard.name for shard in self.shards]
            for age, index in enumerate(self.old):
                names += [f"old-{age}/{at:06d}" for at in range(len(index.files["sets"]))]
            dealt = self.run_step(
                [
                    self._task(
                        "deal",
                        name,
                        deal,
                        {"shard": at},
                        ("dealt",),
                        {"sets_path": file, "wanted": wanted},
                        {"shard": at, "memory": self.limits.memory},
                    )
                    for at, (name, file) in enumerate(zip(names, all_sets, strict=True))
                ]
            )
        return self._per_part(
            "verify",
            verify,
            {"jaccard": config.jaccard},
            ("links",),
            {"buckets": _kind(found, "buckets"), "dealt": _kind(dealt, "dealt")},
            {"config": config},
        )

    def cluster(self, links: list[Made]) -> list[File]:
        """The files of clusters, in one process if the links are few."""
        old = [file for index in self.old for file in index.files["clusters"]]
        linked = _kind(links, "links")
        ends = int(sum(2 * made.stats.get("edges", 0) for made in links))
        parts = self.limits.parts(ends + sum(index.rows for index in self.old if old))
        if parts == 1:
            files = {"links": linked, "old_clusters": old}
            memory = {"memory": self.limits.memory}
            made = self.run_step(
                [self._task("cluster", "all", cluster, {}, ("clusters",), files, memory)]
            )
            return _kind(made, "clusters")
        clusters, pairs = self._stars("", parts, linked, [], old)
        if not (self.config.priority or self.old):
            return clusters
        claims = self._per_part(
            "claim",
            stars.claim,
            {},
            ("claims",),
            {"links": linked, "clusters": clusters},
            parts=parts,
        )
        if not sum(made.stats["rows"] for made in claims):
            return clusters
        adopted = self._per_part(
            "adopt", stars.adopt, {}, ("pairs",), {"claims": _kind(claims, "claims")}, parts=parts
        )
        return self._stars("adopted-", parts, [], pairs + _kind(adopted, "pairs"), [])[0]

    def _stars(
        self, prefix: str, parts: int, links: list[File], pairs: list[File], old: list[File]
    ) -> tuple[list[File], list[File]]:
        """Rounds of large-star and small-star until nothing changes; clusters and pairs."""
        turn = 0
        while True:
            large = self._per_part(
                f"{prefix}large-{turn:02d}",
                stars.large_star,
                {},
                ("smaller",),
                {"links": links if turn == 0 else [], "pairs": pairs},
                parts=parts,
            )
            small = self._per_part(
                f"{prefix}small-{turn:02d}",
                stars.small_star,
                {},
                ("pairs",),
                {"smaller": _kind(large, "smaller"), "old_clusters": old if turn == 0 else []},
                parts=parts,
            )
            pairs = _kind(small, "pairs")
            turn += 1
            if not sum(made.stats["changed"] for made in [*large, *small]) and (
                turn > 1 or not old
            ):
                break
        named = self._per_part(
            f"{prefix}name", stars.name_clusters, {}, ("clusters",), {"pairs": pairs}, parts=parts
        )
        return _kind(named, "clusters"), pairs

    def _per_shard(
        self,
        step,
        run,
        settings,
        outputs,
        files,
        arguments,
        numbered=False,
        limited=True,
        pieces=False,
    ) -> list[Made]:
        tasks = []
        for at, shard in enumerate(self.shards):
            name: dict[str, Any] = {"shard": at} if numbered else {}
            own = {**arguments, **name}
            if limited:
                own["memory"] = self.limits.memory
            if pieces and shard.piece:
                own["piece"] = name["piece"] = shard.piece
            task = self._task(
                step, shard.name, run, {**settings, **name}, outputs, files(at), own, shard.source
            )
            tasks.append(task)
        return self.run_step(tasks)

    def _per_part(self, step, run, settings, outputs, files, arguments=None, parts=0) -> list[Made]:
        parts = parts or self.parts
        tasks = []
        for part in range(parts):
            share = {"part": part, "parts": parts}
            own = {**(arguments or {}), **share, "memory": self.limits.memory}
            task = self._task(step, f"{part:05d}", run, {**settings, **share}, outputs, files, own)
            tasks.append(task)
        return self.run_step(tasks)

    def _task(self, step, name, run, settings, outputs, files, arguments, source="") -> Task:
        if run is group:
            runs = zip(self.old, files["old"], strict=True)
            old = [OldRows(index.name, tuple(_paths(own))) for index, own in runs]
            arguments = {**arguments, "old": old}
        paths = {key: _paths(value) for key, value in files.items() if key not in arguments}
        inputs = tuple(_sums(list(files.values())))
        return Task(step, name, run, {**arguments, **paths}, settings, inputs, outputs, source)


def _kind(made: list[Made], kind: str) -> list[File]:
    return [one.files[kind] for one in made]


def _paths(value: Any) -> Any:
    """Files as paths, in lists as deep as they are."""
    if isinstance(value, list):
        return [_paths(item) for item in value]
    return value.path if isinstance(value, File) else value


def _sums(value: Any) -> list[str]:
    if isinstance(value, list):
        return [checksum for item in value for checksum in ["[", *_sums(item), "]"]]
    return [value.checksum if isinstance(value, File) else str(value)]
