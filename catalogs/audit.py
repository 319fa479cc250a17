"""Audit: recompute the accounting of a run from its files and verify every checksum."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow.parquet as pq

from catalogs import storage
from catalogs.errors import UserError
from catalogs.ledger import Ledger, Row
from catalogs.takedown import FILE_NAME as TAKEDOWN
from catalogs.takedown import Takedown

PLAN = "plan.json"
PARTS = {
    "corpus": "corpus",
    "duplicates": "duplicates",
    "quality": "below quality",
    "consent": "without licence or consent",
    "cut": "cut too short",
    "rejected": "rejected",
    "quarantined": "quarantined",
}
ALONE = {
    "corpus": "kept",
    "exact_duplicate": "exact duplicates",
    "near_duplicate": "near duplicates",
}
CUTTING = {"boilerplate": "boilerplate", "repeats": "cuts"}
"""Steps that cut texts, and the kind of file that says what."""
_PARTS = {
    "dedup": "duplicates",
    "quality": "quality",
    "license": "consent",
    "consent": "consent",
    "boilerplate": "cut",
    "repeats": "cut",
}
"""Totals that the rejected of WRITE go to, by stage."""


@dataclass
class Audit:
    """What an audit saw: problems name the shard, `totals` sum the whole run."""

    shards: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    totals: Counter = field(default_factory=Counter)
    alone: bool = False
    """Whether the folder is of deduplication by itself, without a run around it."""

    @property
    def account(self) -> str:
        """The sums in one line."""
        whole, parts = ("rows", ALONE) if self.alone else ("read", PARTS)
        told = " + ".join(f"{name} {self.totals[key]:,}" for key, name in parts.items())
        return f"{whole} {self.totals['read']:,} = {told}"


def save_plan(root: str, plan: dict) -> None:
    """Note what the run is to consist of: ``{"state", "shards": {step: [names]}}``."""
    storage.write_text(storage.join(root, PLAN), json.dumps(plan, indent=1))


def load_plan(root: str) -> dict:
    """The plan of a run.

    Raises
    ------
    UserError
        When `root` is no run folder, or its plan is damaged.
    """
    try:
        plan = json.loads(storage.read_text(storage.join(root, PLAN)))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{root}: not a run folder (it has no {PLAN})") from None
    except ValueError as error:
        raise UserError(f"{root}/{PLAN}: damaged: {error}") from None
    shards = plan.get("shards") if isinstance(plan, dict) else None
    if not (isinstance(shards, dict) and isinstance(plan.get("state"), str)):
        raise UserError(f"{root}/{PLAN}: damaged: run the recipe again to write it anew")
    return plan


def audit(root: str, each: Callable[[Row], None] = lambda row: None) -> Audit:
    """Verify a run from the files themselves.

    For every shard: its files exist, their bytes have the recorded checksum, the records counted in
    them equal the ledger's accounting reason by reason, and
    ``read = kept + rejected + quarantined``. For the whole run: every planned shard is committed,
    and each record read stands in corpus/, in rejected/, in quarantine/, is a duplicate, was
    rejected for its quality or was cut too short as site boilerplate.

    Parameters
    ----------
    root
        The run folder.
    each
        Called with every row after it was checked, for progress.
    """
    plan, ledger, result = load_plan(root), Ledger(root), Audit()
    rows = ledger.rows()
    result.alone = not any(row.step == "ingest" for row in rows)
    result.alone = result.alone and any(row.step == "judge" for row in rows)
    taken = Takedown.load(root)
    for row in rows:
        if row.step == "ingest" and row.address != taken.stamp(row.address):
            result.problems.append(
                f"ingest {row.shard}: does not obey {TAKEDOWN} yet: run the takedown again"
            )
        _audit_row(ledger, row, result)
        each(row)
    present = {(row.step, row.shard) for row in rows}
    for step, names in plan.get("shards", {}).items():
        for name in names:
            if (step, name) not in present:
                result.problems.append(f"{step} {name}: planned, but not committed")
    if plan.get("state") != "complete":
        result.problems.append(f"the run is {plan.get('state')}: run the recipe again to finish it")
    elif not result.problems:
        _audit_totals(result)
    return result


def _audit_row(ledger: Ledger, row: Row, result: Audit) -> None:
    result.shards += 1
    name = f"{row.step} {row.shard}"
    whole = True
    for file in row.files.values():
        path = ledger.file(file)
        result.files += 1
        result.bytes += file.bytes
        if not storage.exists(path):
            result.problems.append(f"{name}: {file.path} is missing")
            whole = False
        elif storage.checksum(path) != file.checksum:
            result.problems.append(f"{name}: {file.path} was changed (checksum differs)")
            whole = False
        elif path.endswith(".parquet") and _rows(path) != file.rows:
            result.problems.append(f"{name}: {file.path} does not hold {file.rows} rows")
            whole = False
    if whole:
        _audit_counts(ledger, row, result, name)


def _audit_counts(ledger: Ledger, row: Row, result: Audit, name: str) -> None:
    kept, rejected, quarantined = row.kept, dict(row.rejected), dict(row.quarantined)
    if row.step == "ingest":
        kept = _rows(ledger.file(row.files["documents"]))
        rejected = _tally(ledger.file(row.files["rejected"]), ["stage", "reason"])
        quarantined = _tally(ledger.file(row.files["quarantine"]), ["error"])
        result.totals["documents"] += kept
        result.totals["rejected"] += sum(rejected.values())
        result.totals["quarantined"] += sum(quarantined.values())
        result.totals["read"] += row.read
    elif row.step == "judge":
        verdicts = _tally(ledger.file(row.files["attributes"]), ["kept", "reason"])
        kept = verdicts.pop("True:None", 0)
        verdicts.pop("False:None", 0)  # refused by CONSENT: WRITE counts them
        rejected = {f"dedup:{key.split(':', 1)[1]}": n for key, n in verdicts.items()}
        if result.alone:
            result.totals["corpus"] += kept
            result.totals.update({key.split(":")[1]: n for key, n in rejected.items()})
    elif row.step == "list" and result.alone:
        result.totals["read"] += row.read
    elif row.step == "quality":
        reasons = _tally(ledger.file(row.files["attributes"]), ["quality_reason"])
        rejected = {f"quality:{key}": n for key, n in reasons.items() if key != "None"}
        kept = _tally(ledger.file(row.files["attributes"]), ["kept"]).get("True", 0)
    elif row.step == "consent":
        reasons = _tally(ledger.file(row.files["consent"]), ["consent_reason"])
        kept = reasons.pop("None", 0)
        rejected = reasons
    elif row.step in CUTTING:
        # the later of these steps passes on what the earlier found
        reasons = _tally(ledger.file(row.files[CUTTING[row.step]]), ["cut_reason"])
        rejected = {key: n for key, n in reasons.items() if key.startswith(f"{row.step}:")}
        kept = row.read - sum(rejected.values())
    elif row.step == "write":
        kept = _rows(ledger.file(row.files["corpus"]))
        result.totals["corpus"] += kept
        for key, count in rejected.items():
            stage = key.split(":", 1)[0]
            result.totals[_PARTS[stage]] += count
    told = (row.kept, row.rejected, row.quarantined)
    if (kept, rejected, quarantined) != told:
        result.problems.append(
            f"{name}: the ledger says kept, rejected, quarantined = {told}, "
            f"the files say {(kept, rejected, quarantined)}"
        )
    parts = kept + sum(rejected.values()) + sum(quarantined.values())
    if row.read != parts:
        result.problems.append(f"{name}: read {row.read}, but its files account for {parts}")


def _audit_totals(result: Audit) -> None:
    total = result.totals
    if result.alone:
        if total["read"] != sum(total[part] for part in ALONE):
            result.problems.append(f"all files: {result.account}")
        return
    later = ("corpus", *dict.fromkeys(_PARTS.values()))
    if total["documents"] != sum(total[part] for part in later):
        result.problems.append(
            f"whole run: {total['documents']} documents, but {' + '.join(later)} = "
            + " + ".join(str(total[part]) for part in later)
        )
    if total["read"] != sum(total[part] for part in PARTS):
        result.problems.append(f"whole run: {result.account}")


def _rows(path: str) -> int:
    with storage.open_input(path) as file:
        return pq.read_metadata(file).num_rows


def _tally(path: str, columns: list[str]) -> dict[str, int]:
    with storage.open_input(path) as file:
        table = pq.ParquetFile(file).read(columns=columns)
    values = zip(*(table[name].to_pylist() for name in columns), strict=True)
    return dict(sorted(Counter(":".join(map(str, value)) for value in values).items()))
