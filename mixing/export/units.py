"""The shards of the corpora to export, each with the ledger rows that its catalogue needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from catalogs.applied import KIND, STEP
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row

# kinds of files that stand behind a corpus shard, whatever step wrote them
_BEHIND = ("documents", "attributes", "boilerplate", "cuts", "consent")


def rows_behind(rows: list[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """Each WRITE row of a run with the rows its shard was made from, and scores given since."""
    places: dict[str, list[Row]] = {}
    for row in rows:
        for kind in row.files.keys() & set(_BEHIND):
            places.setdefault(row.files[kind].checksum, []).append(row)
        if row.step.startswith(STEP) and KIND in row.files and row.inputs:
            places.setdefault(row.inputs[0], []).append(row)  # of the documents that it scored
    for row in rows:
        if row.step == "write":
            sums = [one.rpartition(":")[2] for one in row.inputs]  # shard//kind:checksum
            yield row, [place for one in sums for place in places.get(one, ())]


@dataclass(frozen=True)
class Unit:
    """A shard of a run's corpus.

    Attributes
    ----------
    name
        Of the jobs on it.
    run
        Number of its run.
    row
        Its row of WRITE.
    rows
        (step, shard) of the rows that it was made from.
    inputs
        Checksums of the file and of all that its catalogue reads.
    corpus
        Path of the file.
    """

    name: str
    run: int
    row: Row
    rows: list[tuple[str, str]]
    inputs: list[str]
    corpus: str


def corpus_units(runs: list[str]) -> list[Unit]:
    """Every shard of ``corpus/`` of some runs.

    Raises
    ------
    UserError
        When a run has no corpus.
    """
    units = []
    for number, run in enumerate(runs):
        ledger = Ledger(run)
        written = list(rows_behind(ledger.rows()))
        if not written:
            raise UserError(f"{run}: no corpus/ here; is this a run folder?")
        for row, rows in written:
            name = f"{number:02d}-{row.shard.replace('/', '.')}"
            places = [(one.step, one.shard) for one in rows]
            scores = [one.checksum(KIND) for one in rows if KIND in one.files]
            inputs = [row.checksum("corpus"), *row.inputs, *scores]
            units.append(Unit(name, number, row, places, inputs, ledger.file(row.files["corpus"])))
    return units
