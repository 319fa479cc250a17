"""An export from end to end: select → tokenise → draw → scatter → gather → manifest."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from catalogs import storage
from catalogs.audit import load_plan
from catalogs.errors import UserError, nearest
from catalogs.ledger import Row
from mixing.export.draw import Drawn, draw, reaches, read_draw
from mixing.export.formats import FOLDER, FORMATS, id_type
from mixing.export.gather import gather, shard_name
from mixing.export.manifest import (
    domain_entries,
    read_manifest,
    shard_entry,
    tokenizer_entry,
    write_manifest,
)
from mixing.export.mixture import Mixture
from mixing.export.options import Options
from mixing.export.scatter import scatter
from mixing.export.select import check_predicates, held_ids, select_rows
from mixing.export.tokenise import tokenise_rows
from mixing.export.units import Unit, corpus_units
from pipeline.address import address, code_version
from pipeline.jobs import Job
from pipeline.progress import Progress
from pipeline.run import Runner, lock
from pipeline.schedule import Settings
from proxies.sampling import quotas
from proxies.tokenizer import load_tokenizer

CODE = ("mixing.export", "proxies.pieces", "proxies.tokenizer", "catalogs.document_views")
LIBRARIES = ("duckdb", "numpy", "pyarrow", "tokenizers", "zstandard")
MARGIN = 1.15  # of tokenising beyond where the draw is expected to end
_FINAL = ("shard", "manifest")


@dataclass(frozen=True)
class Result:
    """What was exported where; `manifest` is the content of ``manifest.json``."""

    folder: str
    manifest: dict[str, Any]
    done: int
    skipped: int
    seconds: float


def run_export(
    mixture: Mixture,
    options: Options,
    out: str,
    settings: Settings,
    progress: Progress | None = None,
) -> Result:
    """Export a mixture into the folder `out`; goes on where it was stopped.

    Raises
    ------
    UserError
        For a run, predicate, tokenizer or folder that cannot be used, and for a domain that has not
        the tokens for its share.
    RunError
        When a job fails for good.
    DamageError
        When files of the run or of the export are not what the ledger says.
    """
    began = time.monotonic()
    if options.format not in FORMATS:
        raise UserError(
            f"format '{options.format}' is unknown{nearest(options.format, FORMATS)}; "
            f"there are {', '.join(FORMATS)}"
        )
    if storage.is_remote(out):
        raise UserError(f"{out}: shards are shuffled on disk; give a local folder and copy it")
    if FORMATS[options.format].tokenised and not options.tokenizer:
        raise UserError(
            f"format {options.format} needs a tokenizer; give --tokenizer FILE or 'bytes', or "
            "name one in the mixture"
        )
    export = _Export(mixture, options, os.path.abspath(out), settings, progress or Progress())
    storage.make_folder(out)
    with lock(out):
        manifest = export.run()
    runner = export.runner
    return Result(out, manifest, runner.done, runner.skipped, time.monotonic() - began)


class _Export:
    def __init__(self, mixture, options, out, settings, progress):
        self.mixture, self.options, self.out = mixture, options, out
        self.form = FORMATS[options.format]
        self.runner = Runner(out, settings, progress)
        self.code = code_version(CODE, LIBRARIES)
        self.names = list(mixture.domains)
        self.runs = [os.path.abspath(run) if not storage.is_remote(run) else run
                     for run in mixture.runs]  # fmt: skip
        self.cap = options.max_epochs if options.max_epochs is not None else mixture.max_epochs
        self.tokenizer = load_tokenizer(options.tokenizer) if options.tokenizer else None
        shares = {name: mixture.share(name) for name in self.names}
        wanted = quotas(shares, options.tokens)
        self.quotas = {name: wanted[name] for name in self.names}

    def run(self) -> dict[str, Any]:
        for run in self.runs:
            if load_plan(run)["state"] != "complete":
                raise UserError(f"{run}: the run is not finished; run its recipe first")
            check_predicates(self.mixture, run)
        self.held = held_ids([self.mixture.path(name) for name in self.mixture.held_out])
        units = corpus_units(self.runs)
        inputs = [one for unit in units for one in unit.inputs]
        whole = self._address("manifest", self._config(), inputs)
        found = self._finished(whole)
        if found:
            return found
        self.runner.ledger.retire(self.runner.ledger.rows("manifest"))
        selected = self.runner.step([self._select(unit) for unit in units])
        drawn, tokenised = self._draw(units, selected)
        self._check(drawn)
        scattered, starts = self._scatter(units, selected, tokenised)
        shards = self._gather(scattered, starts)
        self._manifest(whole, inputs, drawn, scattered, shards)
        self.runner.plan = {step: self.runner.plan[step] for step in _FINAL}
        self.runner.finish(catalogue=False)
        self._sweep()
        return read_manifest(self.out)

    # one step after another ------------------------------------------------------------------

    def _finished(self, whole: str) -> dict[str, Any] | None:
        """The manifest, when this very export stands already."""
        ledger, plan = self.runner.ledger, storage.join(self.out, "plan.json")
        if not storage.exists(plan) or load_plan(self.out)["state"] != "complete":
            return None
        rows = [row for step in _FINAL for row in ledger.rows(step)]
        planned = {name for names in load_plan(self.out)["shards"].values() for name in names}
        if {row.shard for row in rows} != planned:
            return None
        if not ledger.committed("manifest", "manifest", whole):
            return None
        if not all(ledger.committed(row.step, row.shard, row.address) for row in rows):
            return None
        self.runner.skipped = len(rows)
        return read_manifest(self.out)

    def _select(self, unit: Unit) -> Job:
        mixture = self.mixture.model_dump(mode="json")
        keys = ("domains", "shares", "upsample")
        arguments = {
            "mixture": mixture,
            "run": self.runs[unit.run],
            "rows": unit.rows,
            "corpus": unit.corpus,
            "documents": unit.row.kept,
            "held": self.held,
            "seed": self.options.seed,
            "tokenizer": self.tokenizer and (self.options.tokenizer, self._identity),
        }
        config = [[mixture[key] for key in keys], self.held, self.options.seed, self._identity]
        return self._job("select", unit.name, select_rows, config, unit.inputs, arguments)

    def _draw(self, units: list[Unit], selected: list[Row]) -> tuple[list[Drawn], list[Row] | None]:
        """Draw; what is tokenised for it grows until the draw has enough."""
        indexes = [self._path(row, "index") for row in selected]
        arguments = {
            "selected": indexes,
            "tokenised": None,
            "quotas": self.quotas,
            "max_epochs": self.cap,
            "limits": None,
        }
        inputs = [row.checksum("index") for row in selected]
        if self.tokenizer is None:
            return self._drawn(arguments, inputs), None
        margin = MARGIN
        while True:
            limits = self._limits(selected, indexes, margin)
            tokenised = self.runner.step(
                [
                    self._tokenise(unit, row, limits)
                    for unit, row in zip(units, selected, strict=True)
                ]
            )
            counted = [self._path(row, "index") for row in tokenised]
            arguments |= {"tokenised": counted, "limits": limits}
            sums = [row.checksum("index") for row in tokenised]
            drawn = self._drawn(arguments, [*inputs, *sums])
            if not any(one.short for one in drawn):
                return drawn, tokenised
            margin *= 2

    def _drawn(self, arguments: dict[str, Any], inputs: list[str]) -> list[Drawn]:
        config = [arguments[key] for key in ("quotas", "max_epochs", "limits")]
        row = self.runner.step([self._job("draw", "draw", draw, config, inputs, arguments)])[0]
        return read_draw(self._path(row, "draw"))

    def _limits(self, selected: list[Row], indexes: list[str], margin: float) -> list[float]:
        """The largest ``u`` to a thousandth of factor that a draw may reach, by domain."""
        ratios = [
            sum(row.stats.get(f"sampled:{n}", 0) for row in selected)
            / max(sum(row.stats.get(f"estimated:{n}", 0) for row in selected), 1)
            for n in range(len(self.names))
        ]
        quotas = list(self.quotas.values())
        limits = []
        for name, (reach, tokens) in zip(
            self.names,
            reaches(indexes, ratios, quotas, self.cap, self.options.whole),
            strict=True,
        ):
            if reach is None:
                self._lacks(name, tokens)
            limits.append(margin * reach)
        return limits

    def _tokenise(self, unit: Unit, row: Row, limits: list[float]) -> Job:
        arguments = {
            "index": self._path(row, "index"),
            "corpus": unit.corpus,
            "tokenizer": (self.options.tokenizer, self._identity),
            "limits": limits,
            "keep": self.form.tokenised,
        }
        config = [self._identity, limits, self.form.tokenised]
        inputs = [row.checksum("index"), unit.row.checksum("corpus")]
        return self._job(
            "tokenise", unit.name, tokenise_rows, config, inputs, arguments, unit.row.stats
        )

    def _check(self, drawn: list[Drawn]) -> None:
        for one in drawn:
            if one.lacking or (one.quota and not one.available):
                self._lacks(one.name, one.available)
        if not sum(one.tokens for one in drawn):
            raise UserError(
                f"--tokens {self.options.tokens}: less than half of any document; nothing is drawn"
            )

    def _lacks(self, name: str, available: float) -> None:
        share, wanted = self.mixture.share(name), self.quotas[name]
        if not available:
            raise UserError(f"field 'domains.{name}': no document of the corpus belongs to it")
        if self.cap is None:
            raise UserError(f"field 'upsample.{name}': no document has a factor above 0")
        enough = int(available * self.cap / share)
        raise UserError(
            f"domain '{name}': its share of {share:.2%} is {wanted:,} tokens, but it has "
            f"{round(available):,} and max_epochs is {self.cap:g}, so it would be repeated "
            f"{wanted / available:.2f} times; give --tokens {enough} or less, --max-epochs, or "
            "another share"
        )

    def _scatter(
        self, units: list[Unit], selected: list[Row], tokenised: list[Row] | None
    ) -> tuple[list[Row], list[int]]:
        drawn = self.runner.ledger.get("draw", "draw")
        total = sum(one.tokens for one in read_draw(self._path(drawn, "draw")))
        count = max(1, -(-total // self.options.shard_tokens))
        jobs = []
        for unit, index in zip(units, tokenised or selected, strict=True):
            with_ids = self.form.tokenised and "tokens" in index.files
            arguments = {
                "index": self._path(index, "index"),
                "tokens": self._path(index, "tokens") if with_ids else None,
                "corpus": unit.corpus,
                "draw": self._path(drawn, "draw"),
                "buckets": count,
                "seed": self.options.seed,
                "number": unit.run,
                "vocab_size": self.tokenizer.vocab_size if self.tokenizer else None,
            }
            kind = ("tokens", index.checksum("tokens")) if with_ids else ("corpus",)
            inputs = [index.checksum("index"), drawn.checksum("draw"), unit.row.checksum("corpus")]
            config = [kind, count, self.options.seed, unit.run]
            jobs.append(
                self._job("scatter", unit.name, scatter, config, inputs, arguments, unit.row.stats)
            )
        rows = self.runner.step(jobs)
        tokens = np.zeros(count, np.int64)
        for row in rows:
            tokens += pq.read_table(self._path(row, "counts"))["tokens"].to_numpy()
        return rows, [0, *np.cumsum(tokens).tolist()]

    def _gather(self, scattered: list[Row], starts: list[int]) -> list[Row]:
        options, inputs = self.options, [row.checksum("scattered") for row in scattered]
        arguments = {
            "format": options.format,
            "files": [self._path(row, "scattered") for row in scattered],
            "domains": self.names,
            "context": options.context if self.form.windows else None,
            "seed": options.seed,
            "vocab_size": self.tokenizer.vocab_size if self.tokenizer else None,
            "eos_id": self.tokenizer.eos_id if self.tokenizer else None,
        }
        config = [arguments[key] for key in ("format", "domains", "context", "seed", "eos_id")]
        jobs = []
        for bucket in range(len(starts) - 1):
            own = {**arguments, "bucket": bucket, "starts": starts}
            how = [config, bucket, starts]
            jobs.append(self._job("shard", shard_name(bucket), gather, how, inputs, own))
        return self.runner.step(jobs)

    def _manifest(self, whole, inputs, drawn, scattered, shards) -> None:
        options = self.options
        selected = self.runner.ledger.rows("select")
        vocab_size = self.tokenizer.vocab_size if self.tokenizer else 0
        head = {
            "name": self.mixture.name,
            "format": options.format,
            "folder": FOLDER,
            "tokens_asked": options.tokens,
            "counted_by": "tokenizer" if self.tokenizer else "catalogue",
            "context": options.context if self.form.windows else None,
            "dtype": id_type(options.format, vocab_size) if self.form.tokenised else None,
            "seed": options.seed,
            "max_epochs": self.cap,
            "shard_tokens": options.shard_tokens,
            "tokenizer": self.tokenizer and tokenizer_entry(self.tokenizer, options.tokenizer),
            "runs": [
                run if storage.is_remote(run) else os.path.relpath(run, self.out)
                for run in self.runs
            ],
            "mixture": self.mixture.model_dump(mode="json", exclude={"root"}),
            "held_out_documents": sum(row.rejected.get("domain:held_out", 0) for row in selected),
            "address": whole,
            "code": self.code,
            "domains": domain_entries(self.mixture, drawn, scattered),
        }
        entries = [shard_entry(row, row.shard) for row in shards]
        given = options.tokenizer if options.tokenizer != "bytes" else None
        arguments = {"head": head, "shards": entries, "tokenizer": given}
        job = Job(
            root=self.out,
            step="manifest",
            shard="manifest",
            address=whole,
            run=write_manifest,
            arguments=arguments,
            inputs=tuple(inputs),
            code=self.code,
        )
        self.runner.step([job])

    def _sweep(self) -> None:
        """Delete what no ledger row vouches for: leftovers of a kill between two renames."""
        ledger = self.runner.ledger
        alive = {ledger.file(file) for row in ledger.rows() for file in row.files.values()}
        for folder in (FOLDER, "trace"):
            for path in storage.listing(storage.join(self.out, folder)):
                if path not in alive:
                    storage.delete(path)
        shutil.rmtree(storage.join(self.out, "work"), ignore_errors=True)

    # small helps -----------------------------------------------------------------------------

    @property
    def _identity(self) -> str | None:
        return self.tokenizer.fingerprint if self.tokenizer else None

    def _config(self) -> list[Any]:
        mixture = self.mixture.model_dump(mode="json", exclude={"root", "tokenizer", "tokens"})
        options = self.options
        chosen = [options.tokens, options.format, options.seed, options.shard_tokens, self.cap]
        return [mixture, chosen, options.context if self.form.windows else None, self._identity]

    def _address(self, step: str, config: Any, inputs: list[str]) -> str:
        return address(step, [config, self.held], inputs, self.code)

    def _job(self, step, shard, run, config, inputs, arguments, stats=None) -> Job:
        return Job(
            root=self.out,
            step=step,
            shard=shard,
            address=address(step, config, inputs, self.code),
            run=run,
            arguments=arguments,
            inputs=tuple(inputs),
            code=self.code,
            weight=int((stats or {}).get("text_bytes", 0)),
        )

    def _path(self, row: Row, kind: str) -> str:
        return storage.join(self.out, row.files[kind].path)
